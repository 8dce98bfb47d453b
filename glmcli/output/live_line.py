"""One line on a terminal that is drawn again and again in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from glmcli.output.drawing import console

if TYPE_CHECKING:
    from glmcli.console.terminal import Stream


class LiveLine:
    """It is gone when it is stopped."""

    def __init__(self, stream: Stream) -> None:
        """Draw on this stream, from the beginning of a line."""
        self._visible = stream.visible
        self._live = Live(
            console=console(stream),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def show(self, text: str) -> None:
        """Put this into its place; what does not fit the terminal's width is left out."""
        self._live.update(Text(self._visible(text), no_wrap=True, overflow="ellipsis"), refresh=True)

    def stop(self) -> None:
        """Take it away, and give the cursor back."""
        self._live.stop()
