"""rich on a terminal: a console that draws through our `Stream`, and a line that is redrawn in place."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, cast

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from glmcli.console.terminal import Stream


class _StreamFile(io.TextIOBase):
    """The file that rich writes to: its text is passed on with its escape sequences."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.control(text)
        return len(text)

    def isatty(self) -> bool:
        return True


def rich_console(stream: Stream) -> Console:
    """A console of rich that draws on this stream."""
    return Console(file=cast("IO[str]", _StreamFile(stream)), force_terminal=True)


class LiveLine:
    """One line that is redrawn in place, and erased when it is stopped."""

    def __init__(self, stream: Stream) -> None:
        """Draw on this stream, whose cursor is at the beginning of a line."""
        from rich.live import Live  # not needed by rendered Markdown

        self._visible = stream.visible
        self._live = Live(
            console=rich_console(stream),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def show(self, text: str) -> None:
        """Replace the line; what does not fit the terminal's width is left out."""
        self._live.update(Text(self._visible(text), no_wrap=True, overflow="ellipsis"), refresh=True)

    def stop(self) -> None:
        """Erase the line, and show the cursor again."""
        self._live.stop()
