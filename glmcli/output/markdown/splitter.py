"""Splits Markdown that arrives in pieces into blocks that can be printed for good; reads each character once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"\s*(`{3,}(?=[^`]*$)|~{3,})")
_MAY_BE_FENCE = re.compile(r"\s*(?:`+|~+)$")
_ITEM = re.compile(r"( {0,3})(?:[-+*]|(\d{1,9})[.)])( +|$)")
_INTERRUPTS = re.compile(r" {0,3}(?:[-+*]|1[.)]) +\S")  # begins a list even right after a line of text


class Block(NamedTuple):
    """A paragraph, a heading, a list item, a table, or several of them without a blank line between.

    Attributes:
        number: of an item in a numbered list.
        continues_list: it follows an item of the same list.
    """

    text: str
    number: int | None = None
    continues_list: bool = False


class FenceOpen(NamedTuple):
    """The line that begins a block of fenced code."""

    text: str


class CodeLine(NamedTuple):
    """A line of fenced code."""

    text: str


class FenceClose(NamedTuple):
    """The end of a block of fenced code."""


Piece = Block | FenceOpen | CodeLine | FenceClose


class BlockSplitter:
    """Takes text as it arrives; `push` returns the pieces that are complete, `unfinished` the one that is not."""

    def __init__(self) -> None:
        """Start at the beginning of a line."""
        self._lines: list[str] = []  # of the unfinished block
        self._line = ""  # the unfinished line
        self._fence = ""  # the backticks or tildes of the fence that is open
        self._indent = 0  # of the last fence, if it stood in a list item
        self._margin: int | None = None  # the column at which the text of this list's items begins
        self._number: int | None = None
        self._continues_list = False

    def push(self, text: str) -> Iterator[Piece]:
        """The pieces that this text completes."""
        *lines, rest = text.split("\n")
        for line in lines:
            whole, self._line = self._line + line, ""
            yield from self._code_line(whole) if self._fence else self._text_line(whole)
        self._line += rest

    def _code_line(self, line: str) -> Iterator[Piece]:
        mark = line.strip()
        if mark.startswith(self._fence) and not mark.strip(self._fence[0]):
            self._fence = ""
            yield FenceClose()
        else:
            yield CodeLine(line)

    def _text_line(self, line: str) -> Iterator[Piece]:
        if found := _FENCE.match(line):
            yield from self._open_fence(line, found[1])
            return
        if line.strip():
            self._indent = min(self._indent, len(line) - len(line.lstrip(" ")))
            line = line[self._indent :]
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

    def _open_fence(self, line: str, fence: str) -> Iterator[Piece]:
        margin, number = self._margin, self._number
        yield from self._end_block()
        self._fence = fence
        self._indent = len(line) - len(line.lstrip(" "))
        if self._indent:  # it stands in an item, and the list continues after it
            self._margin, self._number = margin, number
        yield FenceOpen(line)

    def _next_item(self) -> Iterator[Piece]:
        number = self._number
        yield from self._end_block()
        self._continues_list = True
        self._number = None if number is None else number + 1

    def _end_block(self) -> Iterator[Piece]:
        block = self._block(self._lines)
        self._lines, self._margin, self._number, self._continues_list = [], None, None, False
        if block.text.strip():
            yield block

    def _block(self, lines: list[str]) -> Block:
        return Block("".join(lines), self._number, self._continues_list)

    def unfinished(self) -> Block | CodeLine | None:
        """The piece that is not complete yet, without a line that may turn out to be a fence, which is not shown."""
        if self._fence:
            mark = self._line.strip()
            return CodeLine("" if mark and not mark.strip(self._fence[0]) else self._line)
        unclear = _MAY_BE_FENCE.match(self._line) or _FENCE.match(self._line)
        block = self._block(self._lines if unclear else [*self._lines, self._line])
        return block if block.text.strip() else None

    def end(self) -> Iterator[Piece]:
        """The pieces that are left at the end of the text."""
        if self._line:
            yield from self.push("\n")
        if self._fence:
            self._fence = ""
            yield FenceClose()
        yield from self._end_block()
