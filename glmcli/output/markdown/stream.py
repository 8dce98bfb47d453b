"""The answer on a terminal, rendered as Markdown while it arrives.

A block that is complete (a paragraph, a list item, a table, a line of fenced code) is printed for good. The unfinished
block after it stands in a region of the screen that is repainted where it changes, and is never taller than the screen.
A block that would lose words when it is rendered (a table on a narrow terminal, a link's title) is printed as it was
written.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from glmcli.output.markdown.code_block import CodeBlock
from glmcli.output.markdown.renderer import MarkdownRenderer, UnfinishedBlock
from glmcli.output.markdown.screen import AnsiEncoder, ScreenRegion
from glmcli.output.markdown.splitter import Block, BlockSplitter, CodeLine, FenceClose, FenceOpen
from glmcli.output.rich_terminal import rich_console

if TYPE_CHECKING:
    from glmcli.console.terminal import Stream
    from glmcli.output.markdown.splitter import Piece

_INTERVAL = 0.03  # seconds between two repaints
_MAX_RATIO = 1.8  # characters repainted for each character of the answer
_FREE_CHARACTERS = 4000  # may be repainted beyond that ratio: two screens
_MIN_WIDTH = 8  # cells; on a narrower terminal only complete blocks are printed
# Variables of terminals that rewrap rows when they become narrower; others cut them off. Treating one that cuts as one
# that rewraps erases a part of the answer, the opposite only leaves an extra row: so these are the known ones only.
_REWRAPPING_TERMINALS = (
    "ALACRITTY_WINDOW_ID",
    "GHOSTTY_RESOURCES_DIR",
    "ITERM_SESSION_ID",
    "KITTY_WINDOW_ID",
    "KONSOLE_VERSION",
    "TMUX",
    "VTE_VERSION",
    "WEZTERM_PANE",
    "WT_SESSION",
)


class MarkdownStream:
    """A destination that shows Markdown on a terminal."""

    def __init__(self, stream: Stream) -> None:
        """Draw on this stream."""
        stream.check()
        self._stream = stream
        self._console = rich_console(stream)
        self._encoder = AnsiEncoder(self._console)
        self._renderer = MarkdownRenderer(self._console, self._encoder, stream.visible)
        self._unfinished = UnfinishedBlock(self._renderer)
        self._region = ScreenRegion()
        self._splitter = BlockSplitter()
        self._code: CodeBlock | None = None
        self._has_output = False  # something is printed, so that a blank line belongs before the next block
        self._is_separated = False  # the blank line before the unfinished block is printed
        self._received = self._repainted = 0  # characters
        self._next_repaint = 0.0
        self._size = self._console.size
        self._rewraps = any(name in os.environ for name in _REWRAPPING_TERMINALS)

    def check_reader(self) -> None:
        """Raise ReaderGoneError if nobody reads any more; also do a repaint that was due too soon after another."""
        self._stream.check_reader()
        if time.monotonic() >= self._next_repaint:
            self._write(self._repaint())

    def write(self, text: str) -> None:
        """Take a piece of the answer: print the blocks that it completes, and repaint the unfinished one."""
        # Control characters are replaced here, before our own escape sequences are added.
        self._received += len(text)
        printed = [self._print(piece) for piece in self._splitter.push(self._stream.visible(text))]
        self._write("".join(printed) + (self._repaint() if time.monotonic() >= self._next_repaint else ""))

    def make_room(self) -> None:
        """Erase the unfinished block because something else is printed; the next piece paints it again."""
        self._write(self._region.paint([]))

    def commit(self) -> None:
        """Print the rest."""
        self._write("".join([self._print(piece) for piece in self._splitter.end()]))

    def abandon(self) -> None:
        """Print what has arrived, so that the cursor is at the beginning of a line."""
        self.commit()

    def _write(self, text: str) -> None:
        if text:
            self._stream.control(text)
            self._stream.at_line_start = not self._region.rows

    def _print(self, piece: Piece) -> str:
        """The text that prints a complete piece in place of the region."""
        self._unfinished.reset()
        if self._region.rows:
            self._update_size()
        match piece:
            case Block(text, number, continues_list):
                separator = self._separator(continues_list=continues_list)
                shown = separator + self._region.finish(self._renderer.complete_rows(text, number))
            case FenceOpen(text):
                self._code = CodeBlock(text, self._console, self._encoder)
                return self._region.finish([]) + self._separator() + self._region.finish(self._code.begin())
            case CodeLine(text) if self._code:
                return self._region.finish(self._code.line(text))
            case FenceClose() | CodeLine():
                shown = self._region.finish(self._code.end() if self._code else [])
                self._code = None
        self._is_separated = False
        return shown

    def _separator(self, *, continues_list: bool = False) -> str:
        """The blank line before a block, unless it was printed already or the block continues a list."""
        blank = "\n" if self._has_output and not self._is_separated and not continues_list else ""
        self._has_output = self._is_separated = True
        return blank

    def _repaint(self) -> str:
        """The text that shows the unfinished block as it is now."""
        self._next_repaint = time.monotonic() + _INTERVAL
        self._update_size()
        unfinished = self._splitter.unfinished()
        if unfinished is None or self._size.width < _MIN_WIDTH:
            return ""
        rows = self._unfinished_rows(unfinished)
        before = self._region.rows
        separator = ""
        if rows and isinstance(unfinished, Block):
            separator = self._separator(continues_list=unfinished.continues_list)
        change = separator + self._region.paint(rows)
        if self._repainted + len(change) > _MAX_RATIO * self._received + _FREE_CHARACTERS and not separator:
            self._region.rows = before
            return ""
        self._repainted += len(change)
        return change

    def _update_size(self) -> None:
        before, self._size = self._size, self._console.size
        if before != self._size:
            self._unfinished.reset()
        if self._size.width < before.width and self._rewraps:
            self._region.rewrap(self._size.width)

    def _unfinished_rows(self, unfinished: Block | CodeLine) -> list[str]:
        height = max(self._size.height - 1, 1)
        if isinstance(unfinished, Block):
            return self._unfinished.rows(unfinished, self._size.width, height)
        return self._code.unfinished(unfinished.text, height) if self._code else []
