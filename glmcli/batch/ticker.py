"""Shows on stderr how a batch goes on: one live line on a terminal, else a plain line now and then.

There is no thread: whoever runs the batch calls `update` as often as it likes, and the clock decides what is printed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from glmcli.batch.progress import one_line
from glmcli.errors import OutputError, ReaderGoneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.progress import Progress
    from glmcli.output.live_line import LiveLine
    from glmcli.terminal import Terminal

_FRAME = 0.1  # seconds between two drawings of the live line
_PAUSE = 10.0  # seconds between two lines in a log


class Ticker:
    """Nothing under --quiet, and no escape sequence where stderr is no terminal or --plain is given."""

    def __init__(self, terminal: Terminal, clock: Callable[[], float]) -> None:
        """Speak through this terminal; `clock` says seconds and never goes back."""
        self._terminal = terminal
        self._clock = clock
        self._lives = terminal.colours and not terminal.quiet
        self._due = clock() + (0.0 if self._lives else _PAUSE)
        self._line: LiveLine | None = None

    def update(self, progress: Progress) -> None:
        """Print this, if it is time."""
        now = self._clock()
        if self._terminal.quiet or now < self._due:
            return
        self._due = now + (_FRAME if self._lives else _PAUSE)
        if self._lives:
            self._draw(one_line(progress))
        else:
            self._terminal.note(one_line(progress))

    def stop(self) -> None:
        """Leave no line behind, and the cursor as it was. More updates draw again."""
        line, self._line = self._line, None
        self._terminal.make_room = _nothing
        if line:
            with suppress(OutputError, ReaderGoneError):
                line.stop()

    def _draw(self, text: str) -> None:
        # A stderr that is closed or full ends no batch.
        try:
            if self._line is None:
                self._line = self._begin()
            self._line.show(text)
        except (OutputError, ReaderGoneError):
            self._lives = False
            self.stop()

    def _begin(self) -> LiveLine:
        from glmcli.output.live_line import LiveLine

        # What else is said begins on a line of its own; the next update draws ours again below it.
        self._terminal.make_room = self.stop
        self._terminal.stderr.end_line()
        return LiveLine(self._terminal.stderr)


def _nothing() -> None:
    pass
