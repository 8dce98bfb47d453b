"""The event loop of a batch, uvloop where that is installed, and a way to run what would block it in daemon threads."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp.abc import AbstractResolver, ResolveResult

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
_OBJECTS = 50_000  # between two collections of reference cycles
_STALL = 0.05  # seconds; a busy loop is as late as that
_CAUGHT_UP = 5.0  # seconds after a stall in which all that came during it has been read


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run it in a loop of its own; what it raises comes out."""

    async def whole() -> T:
        try:
            return await main
        finally:
            await asyncio.sleep(0)  # connections that were hung up last are closed in the next round

    # A row leaves next to no reference cycles: to collect them after every 700 objects costs a tenth of a batch.
    thresholds = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *thresholds[1:])
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop
    if importlib.util.find_spec("uvloop"):
        import uvloop

        factory = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(whole())
    finally:
        gc.set_threshold(*thresholds)


async def in_daemon_thread(call: Callable[[], T]) -> T:
    """What the call returns or raises, in a daemon thread: those of asyncio are waited for when its loop closes."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(how: Callable[[Any], None], what: object) -> None:
        if not future.done():  # who waited may have been cancelled
            how(what)

    def work() -> None:
        try:
            end: tuple[Callable[[Any], None], object] = future.set_result, call()
        except Exception as error:  # noqa: BLE001 - a thread has no caller: who waits is told
            end = future.set_exception, error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, *end)

    threading.Thread(target=work, daemon=True).start()
    return await future


class NameResolver(AbstractResolver):
    """Looks names up in daemon threads, by the system: one that hangs holds up nothing but its own request."""

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
        """The addresses of a host.

        Raises:
            OSError: there is none.
        """
        found = await in_daemon_thread(lambda: socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM))
        return [
            ResolveResult(hostname=host, host=str(place[0]), port=int(place[1]), family=kind, proto=protocol, flags=0)
            for kind, _, protocol, _, place in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


class StallClock:
    """Time in which the loop did not run, as while nobody reads stdout: it counts against no time limit.

    Attributes:
        before: seconds of all stalls but the last.
    """

    def __init__(self) -> None:
        """There was none yet."""
        self._total = self.before = self._next = 0.0
        self._over = float("-inf")

    def expect(self, seconds: float) -> None:
        """The loop is to call `arrived` after so many seconds."""
        self._next = time.monotonic() + seconds

    def arrived(self) -> None:
        """It does: if late, it has stalled."""
        now = time.monotonic()
        self.before = self._total
        if now - self._next > _STALL:
            self._total += now - self._next
            self._over = now

    def is_late(self, due: float, stalled: float) -> bool:
        """Whether a time limit has passed that was set when the loop had stalled for so many seconds."""
        now = time.monotonic()
        return due <= now and (due + self._total - stalled <= now or self._over + _CAUGHT_UP <= now)
