"""JSON text to a document.

JSON is valid YAML 1.2, but PyYAML fails at tabs and at escaped surrogate pairs: so JSON has a reader of its own.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from glmcli.documents.builder import DocumentBuilder, plain_scalar
from glmcli.documents.document import has_surrogate

if TYPE_CHECKING:
    from glmcli.documents.document import Document, SourceText

_TOKEN = re.compile(
    r"""[ \t\n\r]*+(?:
    (?P<sign>[\[\]{}:,])
    |(?P<string>"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+")
    |(?P<number>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?)
    |(?P<word>true|false|null)
    |(?P<end>\Z)
    )""",
    re.VERBOSE,
)
_LONE_SURROGATE_ESCAPE = re.compile(
    r"\\u(?:d[89ab][0-9a-f]{2}(?!\\ud[c-f])|(?<!\\ud[89ab][0-9a-f]{2}\\u)d[c-f][0-9a-f]{2})", re.IGNORECASE
)


class _JsonSyntaxError(Exception):
    """The text is not JSON; it may be YAML."""


def read(source: SourceText) -> Document | None:
    """The document; None if the text is not JSON.

    Raises:
        UsageError: it is JSON, but contains something that `documents.parse` refuses.
    """
    reader = _JsonReader(source)
    try:
        reader.value(reader.take())
        reader.take("end")
    except _JsonSyntaxError:
        return None
    return reader.builder.document()


def read_lines(source: SourceText) -> Document:
    """The values of a text in which one stands behind the other, as JSON lines are, in a list.

    Raises:
        UsageError: the text is not that, or contains something that `documents.parse` refuses.
    """
    reader = _JsonReader(source)
    reader.builder.open(0, [])
    try:
        while _kind(token := reader.take()) != "end":
            reader.value(token)
    except _JsonSyntaxError as error:
        raise source.error(reader.position, "not valid JSON lines; each line is one value") from error
    reader.builder.close()
    return reader.builder.document()


class _JsonReader:
    """A recursive-descent parser; the builder limits the depth."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.builder = DocumentBuilder(source)
        self.position = 0

    def take(self, *kinds: str) -> re.Match[str]:
        """The next token, of one of these kinds if any are given; a sign is its own kind."""
        found = _TOKEN.match(self.source.text, self.position)
        if found is None or (kinds and _kind(found) not in kinds):
            raise _JsonSyntaxError
        self.position = found.end()
        return found

    def value(self, token: re.Match[str]) -> None:
        """Add the value that begins with this token."""
        kind = _kind(token)
        at, end = token.span(token.lastgroup or 0)
        match kind:
            case "{":
                self.builder.open(at, {})
                self._members()
            case "[":
                self.builder.open(at, [])
                self._items()
            case "string":
                self.builder.scalar(self._string(token), at, end)
            case "number" | "word":
                self.builder.scalar(self._plain(token), at, end)
            case _:
                raise _JsonSyntaxError

    def _members(self) -> None:
        token = self.take("string", "}")
        while _kind(token) != "}":
            self.builder.key(self._string(token), token.start("string"))
            self.take(":")
            self.value(self.take())
            if _kind(self.take(",", "}")) == "}":
                break
            token = self.take("string")
        self.builder.close()

    def _items(self) -> None:
        token = self.take()
        while _kind(token) != "]":
            self.value(token)
            if _kind(self.take(",", "]")) == "]":
                break
            token = self.take()
            if _kind(token) == "]":
                raise _JsonSyntaxError
        self.builder.close()

    def _string(self, token: re.Match[str]) -> str:
        text: str = json.loads(token["string"])
        if has_surrogate(text):
            at, end = token.span("string")
            found = _LONE_SURROGATE_ESCAPE.search(self.source.text, at, end)
            problem = r"a \u escape of half a character, without its other half"
            raise self.source.error(found.start() if found else at, problem)
        return text

    def _plain(self, token: re.Match[str]) -> str | float | bool | None:
        kind = token.lastgroup or ""
        try:
            return plain_scalar(token[kind])
        except ValueError as error:
            raise self.source.error(token.start(kind), str(error)) from error


def _kind(token: re.Match[str]) -> str:
    kind = token.lastgroup or ""
    return token[kind] if kind == "sign" else kind
