"""The event loop of a batch, on uvloop where that is installed, and daemon threads for what would block it."""

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
_GC_THRESHOLD = 50_000  # objects
_STALL = 0.05  # seconds; a busy loop may be that late
_CATCH_UP = 5.0  # seconds after a stall in which all that arrived during it has been read


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own; returns or raises what it does."""

    async def main_then_close() -> T:
        try:
            return await main
        finally:
            await asyncio.sleep(0)  # the loop closes connections that were aborted last

    # A row leaves hardly any reference cycles, and looking for them every 700 objects costs a tenth of a batch.
    thresholds = gc.get_threshold()
    gc.set_threshold(_GC_THRESHOLD, *thresholds[1:])
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop
    if importlib.util.find_spec("uvloop"):
        import uvloop

        factory = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main_then_close())
    finally:
        gc.set_threshold(*thresholds)


async def in_daemon_thread(call: Callable[[], T]) -> T:
    """What the call returns or raises. Unlike asyncio.to_thread, closing the loop does not wait for the thread."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def finish(set_: Callable[[Any], None], outcome: object) -> None:
        if not future.done():  # whoever waited may have been cancelled
            set_(outcome)

    def work() -> None:
        try:
            outcome: tuple[Callable[[Any], None], object] = future.set_result, call()
        except Exception as error:  # noqa: BLE001 - a thread has no caller: its error goes to whoever waits
            outcome = future.set_exception, error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(finish, *outcome)

    threading.Thread(target=work, daemon=True).start()
    return await future


class NameResolver(AbstractResolver):
    """The system's resolver, in daemon threads: a lookup that hangs delays nothing but its own request."""

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
        """The addresses of a host.

        Raises:
            OSError: there is none.
        """
        found = await in_daemon_thread(lambda: socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM))
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=int(address[1]), family=family_, proto=protocol, flags=0
            )
            for family_, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Do nothing: the resolver holds nothing open."""


class StallClock:
    """Measures time in which the loop did not run, as while nobody reads stdout: it counts against no time limit.

    Attributes:
        total_before: seconds of all stalls but the last.
    """

    def __init__(self) -> None:
        """Begin without a stall."""
        self._total = self.total_before = self._expected = 0.0
        self._ended = float("-inf")

    def expect(self, seconds: float) -> None:
        """Expect the loop to call `arrived` in so many seconds."""
        self._expected = time.monotonic() + seconds

    def arrived(self) -> None:
        """Record how late the loop called this."""
        now = time.monotonic()
        self.total_before = self._total
        if now - self._expected > _STALL:
            self._total += now - self._expected
            self._ended = now

    def has_passed(self, timeout_at: float, stalled: float) -> bool:
        """Whether a time limit has passed that was set when the loop had stalled for `stalled` seconds in all."""
        now = time.monotonic()
        has_caught_up = self._ended + _CATCH_UP <= now
        return timeout_at <= now and (timeout_at + self._total - stalled <= now or has_caught_up)
