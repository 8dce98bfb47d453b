"""The answer on a terminal, rendered as Markdown while it arrives.

What is whole is printed for good: a paragraph, an item of a list, a table, a line of fenced code. What still grows is a
picture at the end of it, of which only that is drawn again what changes, and which never fills more than the screen. A
block that would lose words when it is rendered (a table on a narrow terminal, a link's title) is printed as it was
written.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from glmcli.output.ansi import Rows
from glmcli.output.blocks import Block, Blocks, Closer, CodeLine, Opener
from glmcli.output.code import Code
from glmcli.output.drawing import console
from glmcli.output.growing import Growing
from glmcli.output.markdown import Renderer
from glmcli.output.picture import Picture

if TYPE_CHECKING:
    from glmcli.console.terminal import Stream
    from glmcli.output.blocks import Piece

_FRAME = 0.03  # seconds between two changes of the picture
_MOST = 1.8  # characters drawn for one of the answer, besides those that are printed for good
_FREE = 4000  # which are drawn in any case: two screens
_NARROWEST = 8  # cells; on less, nothing is drawn that is not whole
# Terminals that break rows anew when they become narrower, and others cut them off. To believe the wrong of the two
# leaves a row too many in one case, and erases the answer in the other: so those count that are known.
_REFLOWING = (
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


class RenderedStream:
    """A terminal that shows Markdown: a destination like any other."""

    def __init__(self, stream: Stream) -> None:
        """Draw on this stream."""
        stream.check()
        self._stream = stream
        self._console = console(stream)
        self._rows = Rows(self._console)
        self._renderer = Renderer(self._console, self._rows, stream.visible)
        self._growing = Growing(self._renderer)
        self._picture = Picture()
        self._blocks = Blocks()
        self._code: Code | None = None
        self._begun = False  # something is printed, and what follows stands apart from it
        self._apart = False  # the block that grows does so already
        self._taken = self._drawn = 0
        self._next_frame = 0.0
        self._size = self._console.size
        self._reflows = any(name in os.environ for name in _REFLOWING)

    def check_reader(self) -> None:
        """Raise ReaderGoneError if nobody reads it any more. While we wait, draw what came too soon after a change."""
        self._stream.check_reader()
        if time.monotonic() >= self._next_frame:
            self._put(self._draw())

    def write(self, text: str) -> None:
        """Take a piece of the answer; print what is whole, and draw the rest."""
        # Our own controls are added after this: what the model wrote can only be read.
        self._taken += len(text)
        printed = [self._print(piece) for piece in self._blocks.push(self._stream.visible(text))]
        self._put("".join(printed) + (self._draw() if time.monotonic() >= self._next_frame else ""))

    def _put(self, text: str) -> None:
        if text:
            self._stream.control(text)
            self._stream.at_line_start = not self._picture.rows

    def _print(self, piece: Piece) -> str:
        """What prints a piece for good, in place of the picture."""
        self._growing.forget()
        if self._picture.rows:
            self._heed_size()
        match piece:
            case Block(text, number, joined):
                shown = self._set_apart(joined=joined) + self._picture.settle(self._renderer.whole(text, number))
            case Opener(text):
                self._code = Code(text, self._console, self._rows)
                return self._picture.settle([]) + self._set_apart() + self._picture.settle(self._code.begin())
            case CodeLine(text) if self._code:
                return self._picture.settle(self._code.line(text))
            case Closer() | CodeLine():
                shown = self._picture.settle(self._code.end() if self._code else [])
                self._code = None
        self._apart = False
        return shown

    def _set_apart(self, *, joined: bool = False) -> str:
        """The blank line before a block, once."""
        blank = "\n" if self._begun and not self._apart and not joined else ""
        self._begun = self._apart = True
        return blank

    def _draw(self) -> str:
        """What makes the picture that of what grows now."""
        self._next_frame = time.monotonic() + _FRAME
        self._heed_size()
        growing = self._blocks.growing()
        if growing is None or self._size.width < _NARROWEST:
            return ""
        rows = self._growing_rows(growing)
        before = self._picture.rows
        apart = self._set_apart(joined=growing.joined) if isinstance(growing, Block) and rows else ""
        change = apart + self._picture.show(rows)
        if self._drawn + len(change) > _MOST * self._taken + _FREE and not apart:
            self._picture.rows = before
            return ""
        self._drawn += len(change)
        return change

    def _heed_size(self) -> None:
        before, self._size = self._size, self._console.size
        if before != self._size:
            self._growing.forget()
        if self._size.width < before.width and self._reflows:
            self._picture.reflow(self._size.width)

    def _growing_rows(self, growing: Block | CodeLine) -> list[str]:
        most = max(self._size.height - 1, 1)
        if isinstance(growing, Block):
            return self._growing.rows(growing, self._size.width, most)
        return self._code.growing(growing.text, most) if self._code else []

    def make_room(self) -> None:
        """Take the picture away, because something else is said; the next piece draws it again."""
        self._put(self._picture.show([]))

    def commit(self) -> None:
        """Print what is left."""
        self._put("".join([self._print(piece) for piece in self._blocks.end()]))

    def abandon(self) -> None:
        """Print what came, and give the cursor back at the beginning of a line."""
        self.commit()
