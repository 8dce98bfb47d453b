"""PyYAML as a parser of YAML 1.2: text to events, and its errors as ours.

Only its parser is used, never its resolver or constructor: those follow YAML 1.1, and expand merge keys and aliases,
which must be refused. Where PyYAML was built with libyaml, libyaml parses.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from yaml.error import MarkedYAMLError, YAMLError
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError

from glmcli.documents.quoting import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from yaml.events import Event

    from glmcli.documents.document import SourceText
    from glmcli.errors import UsageError

_END_OF_LINE = "\0\r\n"
_ESCAPED_CHARACTER = re.compile(r"\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})")
# Line breaks and a byte order mark of YAML 1.1; ordinary characters in YAML 1.2.
_YAML_1_1_BREAKS = "\x85\u2028\u2029\ufeff"
# Characters that may stand in for them, private-use ones first; no megabyte of text contains all of these.
_CANDIDATES = (range(0xE000, 0xF900), range(0x10000, 0x110000))

LONE_SURROGATE = r"a \u escape of half a character; write the character itself"
SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
# What ends a string too early: the quotes of `{{"First Name"}}`.
_QUOTED_NAME = re.compile(r'\{\{[ \t]*"$')
_NEAR = 20
# The character at which the parser reports an error -> what to do about it.
_HINTS = {
    "\t": "a tab cannot indent, use spaces",
    ":": "quote a value that holds ': '",
    **{c: f"quote a value that begins with {c}" for c in "@`%|>&*!"},
}


class YamlParser(Protocol):
    """What both parsers of PyYAML can do."""

    def check_event(self) -> bool:
        """Whether there is another event."""

    def get_event(self) -> Event | None:
        """The next event, if there is one."""

    def dispose(self) -> None:
        """Free the text."""


class PlainParser(Reader, Scanner, Parser):
    """PyYAML's own parser, for a PyYAML without libyaml: reads tabs, and refuses, as `yaml.cyaml.CParser` does."""

    def __init__(self, text: str) -> None:
        """Parse decoded text in which `stand_ins` were replaced."""
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def check_event(self) -> bool:  # type: ignore[override]
        """Whether there is another event."""
        try:
            return bool(super().check_event())
        except (ValueError, OverflowError) as error:  # `chr` of an escape past U+10FFFF
            problem = "found invalid Unicode character escape code"
            raise ScannerError(None, None, problem, self.get_mark()) from error

    def scan_to_next_token(self) -> None:
        """Skip spaces, comments and line breaks, and tabs where they cannot be taken for indentation."""
        while True:
            while self.peek() == " " or (self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)):
                self.forward()
            if self.peek() == "#":
                while self.peek() not in _END_OF_LINE:
                    self.forward()
            if not self.scan_line_break():  # type: ignore[no-untyped-call]
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def scan_plain_spaces(self, indent: int, start_mark: object) -> list[str] | None:
        """The white space, tabs included, between two words of a plain scalar."""
        length = 0
        while self.peek(length) in " \t":
            length += 1
        if self.peek(length) in _END_OF_LINE:
            self.forward(length)
            found: list[str] | None = super().scan_plain_spaces(indent, start_mark)
            return found
        between: str = self.prefix(length)
        self.forward(length)
        return [between] if between else []


try:
    # The smallest of the classes around libyaml's parser; only the methods of the parser are called.
    from yaml.cyaml import CBaseLoader

    QuickParser: Callable[[str], YamlParser] = CBaseLoader
except ImportError:  # PyYAML was built without libyaml
    QuickParser = PlainParser


def events(source: SourceText, stand_ins: dict[str, str], parser: Callable[[str], YamlParser]) -> Iterator[Event]:
    """The events of the text, in which the `stand_ins` replace the odd line breaks.

    Raises:
        UsageError: the text is not YAML.
    """
    try:
        # libyaml's parser reads the beginning of the text when it is made.
        reading = parser(source.text.translate({ord(original): stand_in for original, stand_in in stand_ins.items()}))
        try:
            while reading.check_event() and (event := reading.get_event()) is not None:
                yield event
        finally:
            reading.dispose()
    except MarkedYAMLError as error:
        raise _syntax_error(source, error) from error
    except YAMLError as error:
        raise source.error(0, f"not valid YAML: {' '.join(str(error).split())}") from error


def stand_ins(text: str) -> dict[str, str]:
    """For each odd line break in the text a character that neither the text nor its escapes hold.

    PyYAML breaks lines at U+0085, U+2028 and U+2029, so that `a: x<NEL>b: 2` would be two keys; YAML 1.2 does not. The
    parser sees ordinary characters in their stead, one for one, so that every position stays right.
    """
    breaks = [c for c in _YAML_1_1_BREAKS if c in text]
    if not breaks:
        return {}
    taken = {ord(c) for c in set(text)}
    taken.update(int(found[1] or found[2], 16) for found in _ESCAPED_CHARACTER.finditer(text))
    free = (chr(code) for code in chain(*_CANDIDATES) if code not in taken)
    return dict(zip(breaks, free, strict=False))


def _syntax_error(source: SourceText, error: MarkedYAMLError) -> UsageError:
    """The parser's error on one line, with what to do about it."""
    marks = [mark.index for mark in (error.problem_mark, error.context_mark) if mark is not None]
    at = marks[0] if marks else 0
    escape = max(at - 2, 0)  # the parser points behind the `\u`
    if SURROGATE_ESCAPE.match(source.text, escape):
        return source.error(escape, LONE_SURROGATE)
    characters = [source.text[index] for index in marks if index < len(source.text)]
    if error.context_mark is not None:
        # Inside an unclosed collection the colon is not the cause.
        characters = [c for c in characters if c != ":"]
    hint = next((f" ({_HINTS[c]})" for c in characters if c in _HINTS), "")
    if _QUOTED_NAME.search(source.text, max(at - _NEAR, 0), at):
        hint = r" (inside double quotes write {{\"…\"}}, or put single quotes around all)"
    problem = visible(error.problem or "unknown problem", 200)
    if at >= len(source.text) and len(marks) > 1:
        problem += f", after what begins at line {source.line(marks[1])}"
    kind = "JSON" if source.name.endswith(".json") else "YAML"
    return source.error(at, f"not valid {kind}: {problem}{hint}")
