"""The text of a file and its parsed value, with the line and column of each part."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self

from glmcli.errors import UsageError
from glmcli.record import Record

MAX_SIZE = 1 << 20  # bytes of a file, characters of a flag's value

# Characters that are not printable in YAML 1.2. JSON allows a few of them in strings; they are refused there, too.
_UNPRINTABLE = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_BLANKS = str.maketrans("", "", "\t\n\r")
_LINE_BREAK = r"\r\n|\r|\n"
_SURROGATE = "[\ud800-\udfff]"  # compiled only when needed: that costs two million instructions

Path = Sequence[str | int]


class SourceText(Record):
    """Decoded text without its byte order mark.

    Attributes:
        numbered: false for the value of a flag, whose errors name no line.
        first: the number of its first line, for one of several documents of a file.
    """

    name: str
    text: str
    numbered: bool = True
    first: int = 1

    @classmethod
    def of_flag(cls, text: str, name: str) -> Self:
        """The value of a flag.

        Raises:
            UsageError: it is too large, or holds control characters or bytes that are not UTF-8.
        """
        source = cls(name, text, numbered=False)
        if len(text) > MAX_SIZE:
            raise source.error(0, "larger than 1 MiB")
        source.require_printable()
        return source

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer(_LINE_BREAK, self.text))]

    def line(self, index: int) -> int:
        """The line of a character in the file, counted from 1."""
        return bisect_right(self._line_starts, index) + self.first - 1

    def place(self, index: int) -> str:
        """The place of a character: "request.yaml:12:3", both counted from 1, a tab as one column."""
        if not self.numbered:
            return self.name
        line = self.line(index)
        return f"{self.name}:{line}:{index - self._line_starts[line - self.first] + 1}"

    def error(self, index: int, text: str) -> UsageError:
        """An error to raise about the character at `index`."""
        return UsageError(message=f"{self.place(index)}: {text}")

    def require_printable(self) -> None:
        """Require that all characters are printable.

        Raises:
            UsageError: one is not.
        """
        if self.text.translate(_BLANKS).isprintable():
            return  # nearly always; compiling the pattern costs 57 million instructions
        found = re.search(_UNPRINTABLE, self.text)
        if found is None:
            return
        if has_surrogate(found[0]):  # how Python represents bytes of argv that are not UTF-8
            raise self.error(found.start(), "not UTF-8")
        hint = "; is this UTF-16? Save it as UTF-8" if found[0] == "\0" else ""
        raise self.error(found.start(), f"control character U+{ord(found[0]):04X}{hint}")


def has_surrogate(text: str) -> bool:
    """Whether the text holds a lone surrogate, which cannot be encoded as UTF-8."""
    return not text.isascii() and re.search(_SURROGATE, text) is not None


def decode(data: bytes, name: str, first: int = 1) -> SourceText:
    """The text of a file, or of a part of it whose first line has this number.

    Raises:
        UsageError: it is larger than 1 MiB, not UTF-8, or holds control characters.
    """
    if len(data) > MAX_SIZE:
        raise SourceText(name, "", first=first).error(0, f"larger than 1 MiB ({len(data)} bytes)")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = SourceText(name, data[: error.start].decode("utf-8").removeprefix("\ufeff"), first=first)
        hint = "; this looks like UTF-16, save it as UTF-8" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else ""
        problem = f"not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}{hint}"
        raise before.error(len(before.text), problem) from error
    source = SourceText(name, text.removeprefix("\ufeff"), first=first)
    source.require_printable()
    return source


class Node(NamedTuple):
    """Where a value and its key begin, as indices into the text; `end` is after the value, for scalars only."""

    at: int
    end: int
    key: int | None
    below: dict[str, Node] | list[Node] | None = None


class Document(Record):
    """The value of a file, under the name that messages give it ("request.yaml", "<stdin>")."""

    name: str
    value: Any
    source: SourceText
    root: Node

    _hidden: ClassVar[tuple[str, ...]] = ("source", "root")

    def index(self, path: Path, *, key: bool = False) -> int:
        """The index in the text of a value, or of its key; of its nearest ancestor that exists if it does not."""
        node = self.node(path)
        return node.key if key and node.key is not None else node.at

    def place(self, path: Path, *, key: bool = False) -> str:
        """The place of that index, as "request.yaml:12:3"."""
        return self.source.place(self.index(path, key=key))

    def part(self, path: Path) -> Document:
        """The value at a path that exists, as a document with the same places."""
        value = self.value
        for step in path:
            value = value[step]
        return self.replace(value=value, root=self.node(path))

    def node(self, path: Path) -> Node:
        """The positions of the value at a path, or of its nearest ancestor that exists."""
        node = self.root
        for step in path:
            match node.below, step:
                case dict() as members, str() if step in members:
                    node = members[step]
                case list() as items, int() if 0 <= step < len(items):
                    node = items[step]
                case _:
                    break
        return node
