"""What would block the event loop, done aside: in daemon threads, so that no resolver holds up the end of the program.

The threads of asyncio's own executor are waited for when its loop closes.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

T = TypeVar("T")

_under_way: dict[tuple[Hashable, ...], asyncio.Future[Any]] = {}


async def aside(key: Hashable, call: Callable[[], T]) -> T:
    """What the call returns or raises. Whoever asks the same while it is under way shares it; nothing is kept after."""
    loop = asyncio.get_running_loop()
    place = (loop, key)
    if place not in _under_way:
        future: asyncio.Future[T] = loop.create_future()
        _under_way[place] = future
        future.add_done_callback(lambda _: _under_way.pop(place))
        threading.Thread(target=_run, args=(call, future), daemon=True).start()
    return await asyncio.shield(_under_way[place])


def _run(call: Callable[[], T], future: asyncio.Future[T]) -> None:
    try:
        result = call()
    except Exception as error:  # noqa: BLE001 - a thread has no caller: who waits is told
        _tell(future, future.set_exception, error)
    else:
        _tell(future, future.set_result, result)


def _tell(future: asyncio.Future[T], how: Callable[[Any], None], what: object) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        future.get_loop().call_soon_threadsafe(how, what)


class Loop(asyncio.SelectorEventLoop):
    """An event loop that looks names up aside: a hundred lanes to one host ask once, and six of them do not queue."""

    async def getaddrinfo(self, host: Any, port: Any, **hints: Any) -> Any:  # noqa: ANN401 - as in asyncio
        """As socket.getaddrinfo."""
        key = (host, port, *sorted(hints.items()))
        return await aside(key, lambda: socket.getaddrinfo(host, port, **hints))


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run it in a loop of its own; what it raises comes out."""

    async def whole() -> T:
        try:
            return await main
        finally:
            await asyncio.sleep(0)  # connections that were hung up last are closed in the next round

    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(whole())
