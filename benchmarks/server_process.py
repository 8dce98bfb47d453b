"""A server in a process of its own, on a CPU of its own, so that it does not slow down what is measured."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

SeenT_co = TypeVar("SeenT_co", covariant=True)


class Service(Protocol[SeenT_co]):
    """How a server answers a request, and what it reports of all requests."""

    def answer(self, transport: asyncio.Transport, body: bytes) -> None:
        """Write the reply, now or later."""

    def seen(self) -> SeenT_co:
        """What happened since the last look."""


class _Client(asyncio.Protocol):
    """Parses as little as possible, so that the server is faster than every client."""

    def __init__(self, service: Service[Any]) -> None:
        self._service = service
        self._data = b""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, blank, body = self._data.partition(b"\r\n\r\n")
        if not blank or len(body) < int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return
        self._data = b""
        self._service.answer(self._transport, body)


def _serve(cpu: int, told: Connection, make: Callable[[], Service[Any]]) -> None:
    pin(cpu)
    service = make()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Client(service), "127.0.0.1", 0, backlog=4096)
        told.send(server.sockets[0].getsockname()[1])
        loop.add_reader(told.fileno(), tell)
        await server.serve_forever()

    def tell() -> None:
        told.recv()
        told.send(service.seen())

    asyncio.run(main())


def pin(cpu: int) -> None:
    """Stay on this CPU, where the system lets us choose."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cpu})


class ServerProcess(Generic[SeenT_co]):
    """The server, while it is entered."""

    def __init__(self, cpu: int, make: Callable[[], Service[SeenT_co]]) -> None:
        """Run on this CPU what `make` gives; `make` is sent to the other process."""
        self._here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(cpu, there, make), daemon=True)

    def __enter__(self) -> Self:
        """Ready to be asked."""
        self._process.start()
        self.url = f"http://127.0.0.1:{self._here.recv()}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.terminate()
        self._process.join()

    def seen(self) -> SeenT_co:
        """What happened since the last look."""
        self._here.send(None)
        seen: SeenT_co = self._here.recv()
        return seen
