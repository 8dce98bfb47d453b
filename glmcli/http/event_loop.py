"""The event loop of a batch: that of uvloop where it is installed, and a resolver that holds nothing up."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp.abc import AbstractResolver, ResolveResult

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run it in a loop of its own; what it raises comes out."""

    async def whole() -> T:
        try:
            return await main
        finally:
            await asyncio.sleep(0)  # connections that were hung up last are closed in the next round

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(whole())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.SelectorEventLoop
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def aside(call: Callable[[], T]) -> T:
    """What the call returns or raises, in a daemon thread: those of asyncio are waited for when its loop closes."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    threading.Thread(target=_run, args=(call, future), daemon=True).start()
    return await future


def _run(call: Callable[[], T], future: asyncio.Future[T]) -> None:
    try:
        result = call()
    except Exception as error:  # noqa: BLE001 - a thread has no caller: who waits is told
        _tell(future, future.set_exception, error)
    else:
        _tell(future, future.set_result, result)


def _tell(future: asyncio.Future[T], how: Callable[[Any], None], what: object) -> None:
    def tell() -> None:
        if not future.done():  # who waited may have been cancelled
            how(what)

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        future.get_loop().call_soon_threadsafe(tell)


class Resolver(AbstractResolver):
    """Looks names up aside, by the system: once for all who ask while a look-up is under way."""

    def __init__(self) -> None:
        """Ask for nothing yet."""
        self._asked: dict[tuple[str, int, int], asyncio.Task[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host.

        Raises:
            OSError: there is none.
        """
        key = (host, port, family)
        if key not in self._asked:
            task = asyncio.get_running_loop().create_task(_resolved(host, port, family))
            task.add_done_callback(lambda _: self._asked.pop(key))
            self._asked[key] = task
        return await asyncio.shield(self._asked[key])

    async def close(self) -> None:
        """Nothing is held."""


async def _resolved(host: str, port: int, family: int) -> list[ResolveResult]:
    found = await aside(lambda: socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM))
    return [
        ResolveResult(hostname=host, host=str(place[0]), port=int(place[1]), family=kind, proto=protocol, flags=0)
        for kind, _, protocol, _, place in found
    ]
