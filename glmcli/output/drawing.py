"""rich, drawing on one of our streams: whatever it writes is our own, escape sequences and all."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, cast

from rich.console import Console

if TYPE_CHECKING:
    from glmcli.console.terminal import Stream


class _Out(io.TextIOBase):
    """Hands rich's text to our stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.control(text)
        return len(text)

    def isatty(self) -> bool:
        return True


def console(stream: Stream) -> Console:
    """A console of rich that draws on this stream."""
    return Console(file=cast("IO[str]", _Out(stream)), force_terminal=True)
