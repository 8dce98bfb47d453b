"""JSON text -> values with positions.

JSON is YAML 1.2, but not for PyYAML: it chokes on tabs and on escaped surrogate pairs. So what is JSON is read as JSON.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from glmcli.documents.scalars import core
from glmcli.documents.tree import Tree

if TYPE_CHECKING:
    from glmcli.documents.source import Source

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
_SURROGATE = "[\ud800-\udfff]"  # compiled when it is needed: that is seldom, and costs two million instructions
_HALF = re.compile(
    r"\\u(?:d[89ab][0-9a-f]{2}(?!\\ud[c-f])|(?<!\\ud[89ab][0-9a-f]{2}\\u)d[c-f][0-9a-f]{2})", re.IGNORECASE
)


class _NotJsonError(Exception):
    """The text is something else; YAML may know what."""


def read(source: Source) -> Tree | None:
    """The document; None if the text is not JSON.

    Raises:
        UsageError: it is JSON, but holds what we refuse: see `parse`.
    """
    reader = _Reader(source)
    try:
        reader.value(reader.take())
        reader.take("end")
    except _NotJsonError:
        return None
    return reader.tree


class _Reader:
    """A recursive descent; the tree ends it at a depth that no stack minds."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tree = Tree(source)
        self.position = 0

    def take(self, *kinds: str) -> re.Match[str]:
        """The next token, of one of these kinds if any are given; a sign is its own kind."""
        found = _TOKEN.match(self.source.text, self.position)
        if found is None or (kinds and _kind(found) not in kinds):
            raise _NotJsonError
        self.position = found.end()
        return found

    def value(self, token: re.Match[str]) -> None:
        """Add the value that begins with this token."""
        kind = _kind(token)
        at, end = token.span(token.lastgroup or 0)
        match kind:
            case "{":
                self.tree.open(at, {})
                self._members()
            case "[":
                self.tree.open(at, [])
                self._items()
            case "string":
                self.tree.scalar(self._string(token), at, end)
            case "number" | "word":
                self.tree.scalar(self._plain(token), at, end)
            case _:
                raise _NotJsonError

    def _members(self) -> None:
        token = self.take("string", "}")
        while _kind(token) != "}":
            self.tree.key(self._string(token), token.start("string"))
            self.take(":")
            self.value(self.take())
            if _kind(self.take(",", "}")) == "}":
                break
            token = self.take("string")
        self.tree.close()

    def _items(self) -> None:
        token = self.take()
        while _kind(token) != "]":
            self.value(token)
            if _kind(self.take(",", "]")) == "]":
                break
            token = self.take()
            if _kind(token) == "]":
                raise _NotJsonError
        self.tree.close()

    def _string(self, token: re.Match[str]) -> str:
        text: str = json.loads(token["string"])
        if not text.isascii() and re.search(_SURROGATE, text):
            at, end = token.span("string")
            found = _HALF.search(self.source.text, at, end)
            problem = r"a \u escape of half a character, without its other half"
            raise self.source.refuse(found.start() if found else at, problem)
        return text

    def _plain(self, token: re.Match[str]) -> str | float | bool | None:
        kind = token.lastgroup or ""
        try:
            return core(token[kind])
        except ValueError as error:
            raise self.source.refuse(token.start(kind), str(error)) from error


def _kind(token: re.Match[str]) -> str:
    kind = token.lastgroup or ""
    return token[kind] if kind == "sign" else kind
