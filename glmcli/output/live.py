"""The answer on a terminal, rendered as Markdown while it arrives.

A block (paragraph, list, table, fenced code) is drawn again with every piece while it grows, and printed for good when
it is whole: so a long answer costs no more than its blocks, and what has scrolled away is never touched again.
"""

from __future__ import annotations

import io
import time
from typing import IO, TYPE_CHECKING, cast

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown

if TYPE_CHECKING:
    from glmcli.terminal import Stream

_FRAME = 0.1  # seconds between two drawings of a growing block
_FENCES = ("```", "~~~")


class _Out(io.TextIOBase):
    """Hands rich's text, escapes and all, to our stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.control(text)
        return len(text)

    def isatty(self) -> bool:
        return True


class RenderedStream:
    """A terminal that shows Markdown: a destination like any other."""

    def __init__(self, stream: Stream) -> None:
        """Draw on this stream."""
        stream.check()
        self._stream = stream
        self._console = Console(file=cast("IO[str]", _Out(stream)), force_terminal=True)
        self._live: Live | None = None
        self._text = ""
        self._drawn = 0.0
        self.check_reader = stream.check_reader

    def write(self, text: str) -> None:
        """Take a piece of the answer; draw it, at most ten times a second."""
        # Our own controls are added after this: what the model wrote can only be read.
        self._text += self._stream.visible(text)
        whole, self._text = _split(self._text)
        if whole:
            self._print(whole)
        if self._text and time.monotonic() - self._drawn >= _FRAME:
            self._draw()

    def _draw(self) -> None:
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(_markdown(self._text), refresh=True)
        self._drawn = time.monotonic()

    def _print(self, text: str) -> None:
        self._stop()
        if text.strip():
            self._console.print(_markdown(text), end="\n\n" if self._text else "\n")

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def commit(self) -> None:
        """Print the last block."""
        text, self._text = self._text, ""
        self._print(text)

    def abandon(self) -> None:
        """Print what came, and give the cursor back."""
        self.commit()


def _markdown(text: str) -> Markdown:
    # A hidden target behind a link's text would be a way to deceive: targets are printed.
    return Markdown(text, hyperlinks=False)


def _split(text: str) -> tuple[str, str]:
    """The blocks that are whole, and the one that may still grow: blank lines end a block, but not inside a fence."""
    end = position = 0
    fenced = False
    for line in text.split("\n")[:-1]:
        position += len(line) + 1
        if line.lstrip().startswith(_FENCES):
            fenced = not fenced
        elif not line.strip() and not fenced:
            end = position
    return text[:end], text[end:]
