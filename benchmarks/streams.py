"""A server that streams one prebuilt reply to whoever asks: as fast as it is taken, or a piece at a tick of a timer."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

import frames

if TYPE_CHECKING:
    from collections.abc import Iterator


class Seen(NamedTuple):
    """Since the last look: requests, CPU seconds of the server, and when pieces were written (monotonic)."""

    requests: int
    cpu: float
    ticks: list[float]


class Streams:
    """One timer writes the next piece to every connection, so that a tick costs a `send` each and no more."""

    def __init__(self, profile: str, deltas: int, interval: float | None) -> None:
        """Seconds between two pieces; None writes all at once."""
        self._pieces = frames.reply(profile, deltas).pieces
        self._whole = frames.HEAD + b"".join(self._pieces)
        self._interval = interval
        self._going: list[tuple[asyncio.Transport, Iterator[bytes]]] = []
        self._requests, self._ticks, self._spent = 0, list[float](), time.process_time()

    def answer(self, transport: asyncio.Transport, body: bytes) -> None:
        """Begin the reply."""
        del body
        self._requests += 1
        if self._interval is None:
            transport.write(self._whole)
            return
        transport.write(frames.HEAD)
        if not self._going:
            self._wait(asyncio.get_running_loop().time(), self._interval)
        self._going.append((transport, iter(self._pieces)))

    def _wait(self, last: float, interval: float) -> None:
        """Late ticks are not made up for: nobody is sent two pieces at once."""
        loop = asyncio.get_running_loop()
        due = max(last + interval, loop.time())
        loop.call_at(due, self._tick, due, interval)

    def _tick(self, due: float, interval: float) -> None:
        self._ticks.append(time.monotonic())
        going = []
        for each in self._going:
            if (piece := next(each[1], None)) is not None:
                each[0].write(piece)
                going.append(each)
        self._going = going
        if going:
            self._wait(due, interval)

    def seen(self) -> Seen:
        """Since the last look."""
        now = time.process_time()
        seen = Seen(self._requests, now - self._spent, self._ticks)
        self._requests, self._ticks, self._spent = 0, [], now
        return seen
