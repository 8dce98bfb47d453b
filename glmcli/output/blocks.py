"""Cuts Markdown that comes in pieces into what can be printed for good: it looks at each character once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FENCE = re.compile(r"\s*(`{3,}(?=[^`]*$)|~{3,})")
_FENCE_BEGINS = re.compile(r"\s*(?:`+|~+)$")
_ITEM = re.compile(r"( {0,3})(?:[-+*]|(\d{1,9})[.)])( +|$)")

_INTERRUPTS = re.compile(r" {0,3}(?:[-+*]|1[.)]) +\S")  # begins a list, even after a line of text


class Block(NamedTuple):
    """A paragraph, a heading, an item of a list, a table, or several of them that no blank line parts."""

    text: str
    number: int | None = None  # of an item, counted as its list counts
    joined: bool = False  # it follows an item of the same list


class Opener(NamedTuple):
    """The line that begins a block of fenced code."""

    text: str


class CodeLine(NamedTuple):
    """A line of fenced code."""

    text: str


class Closer(NamedTuple):
    """The fenced code is over."""


Piece = Block | Opener | CodeLine | Closer


class Blocks:
    """Told of text, it says what is whole, and what grows."""

    def __init__(self) -> None:
        """Begin at the beginning of a line."""
        self._lines: list[str] = []  # of the block that grows
        self._line = ""  # which has not ended
        self._fence = ""  # what the fence that is open consists of
        self._indent = 0  # of the fence before this block, if it stood in an item
        self._margin: int | None = None  # where the text of the items of this list begins
        self._number: int | None = None
        self._joined = False

    def push(self, text: str) -> Iterator[Piece]:
        """What is whole now."""
        *lines, rest = text.split("\n")
        for line in lines:
            whole, self._line = self._line + line, ""
            yield from self._take_code(whole) if self._fence else self._take_line(whole)
        self._line += rest

    def _take_code(self, line: str) -> Iterator[Piece]:
        mark = line.strip()
        if mark.startswith(self._fence) and not mark.strip(self._fence[0]):
            self._fence = ""
            yield Closer()
        else:
            yield CodeLine(line)

    def _take_line(self, line: str) -> Iterator[Piece]:
        if found := FENCE.match(line):
            yield from self._begin_code(line, found[1])
            return
        self._indent = min(self._indent, len(line) - len(line.lstrip(" "))) if line.strip() else self._indent
        line = line[self._indent :] if line.strip() else line
        item = _ITEM.match(line)
        if item and self._margin is not None and len(item[1]) < self._margin:
            yield from self._next_item()
        elif item and self._lines and self._margin is None and _INTERRUPTS.match(line):
            yield from self._end_block()
        if item and not self._lines:
            self._margin = len(item[0].rstrip()) + 1
            self._number = int(item[2]) if item[2] and self._number is None else self._number
        self._lines.append(f"{line}\n")
        if not line.strip():
            yield from self._end_block()

    def _begin_code(self, line: str, fence: str) -> Iterator[Piece]:
        margin, number = self._margin, self._number
        yield from self._end_block()
        self._fence = fence
        self._indent = len(line) - len(line.lstrip(" "))
        if self._indent:  # it stands in an item, and the list goes on after it
            self._margin, self._number = margin, number
        yield Opener(line)

    def _next_item(self) -> Iterator[Piece]:
        number = self._number
        yield from self._end_block()
        self._joined = True
        self._number = None if number is None else number + 1

    def _end_block(self) -> Iterator[Piece]:
        block = self._block(self._lines)
        self._lines, self._margin, self._number, self._joined = [], None, None, False
        if block.text.strip():
            yield block

    def _block(self, lines: list[str]) -> Block:
        return Block("".join(lines), self._number, self._joined)

    def growing(self) -> Block | CodeLine | None:
        """What is not whole yet; a line that may be a fence's is left out, for to show it is to take it back."""
        if self._fence:
            mark = self._line.strip()
            return CodeLine("" if mark and not mark.strip(self._fence[0]) else self._line)
        unclear = _FENCE_BEGINS.match(self._line) or FENCE.match(self._line)
        block = self._block(self._lines if unclear else [*self._lines, self._line])
        return block if block.text.strip() else None

    def end(self) -> Iterator[Piece]:
        """What is left, which is now whole."""
        if self._line:
            yield from self.push("\n")
        if self._fence:
            self._fence = ""
            yield Closer()
        yield from self._end_block()
