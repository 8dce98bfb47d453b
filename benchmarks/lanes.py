"""How many requests a second a batch can send, and what one costs: lanes, beside httpx and aiohttp where installed.

    python benchmarks/lanes.py [--requests 4000] [--cpus 0,1]

A server of our own, in a process of its own on another CPU, answers each request after 50 ms with 350 bytes of JSON.
Exit 1 where lanes miss a limit.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import multiprocessing
import os
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from glmcli.plan import Limits
from glmcli.providers.dialect import HttpCall
from glmcli.transport.aside import run
from glmcli.transport.lane import Heard, Lane, Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from multiprocessing.connection import Connection

    from glmcli.transport.message import Head

    Client = Callable[[str, Iterator[int], int], Awaitable[None]]

LATENCY = 0.05  # seconds
REQUEST = {"model": "glm-5", "messages": [{"role": "user", "content": "x" * 150}], "max_tokens": 100}
REPLY = json.dumps({"id": "r", "choices": [{"message": {"content": "y" * 240}, "finish_reason": "stop"}]}).encode()
HEADERS = (("Content-Type", "application/json"), ("User-Agent", "glm/bench"), ("Accept-Encoding", "identity"))
# In flight: requests a second at least, milliseconds of CPU a request at most.
LIMITS = {64: (0.9 * 64 / LATENCY, 0.2), 256: (3000.0, 0.2)}


class Mock(asyncio.Protocol):
    """Answers whatever has a Content-Length."""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's
        """Connected."""
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        self._data += data
        head, blank, body = self._data.partition(b"\r\n\r\n")
        if blank and len(body) >= int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            self._data = b""
            asyncio.get_running_loop().call_later(LATENCY, self._answer)

    def _answer(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(REPLY)
        self._transport.write(head + REPLY)


def serve(cpu: int, told: Connection) -> None:
    """Until we are ended."""
    _pin(cpu)

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Mock, "127.0.0.1", 0, backlog=1024)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def _pin(cpu: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cpu})


class Whole:
    """Keeps the body, as the reader of a batch does."""

    def __init__(self) -> None:
        self.body = b""

    def head(self, head: Head) -> Heard:
        """Nothing but 200 is expected."""
        assert head.status == 200  # noqa: PLR2004, S101 - the mock's
        return Heard.NOTHING

    def data(self, chunk: bytes) -> Heard:
        """Some of it."""
        self.body += chunk
        return Heard.DATA


async def lanes(url: str, work: Iterator[int], count: int) -> None:
    """Ours."""

    async def one() -> None:
        lane = Lane(Route.to(urlsplit(url), None, None))
        for _ in work:
            reader = Whole()
            await lane.send(
                HttpCall(url, HEADERS, REQUEST), reader, Limits(3, 180.0, 10.0, 300.0, 300.0, None), float("inf")
            )
            json.loads(reader.body)
        lane.close()

    await asyncio.gather(*(one() for _ in range(count)))


async def httpx(url: str, work: Iterator[int], count: int) -> None:
    """A shared client, as its documents advise."""
    import httpx as library  # type: ignore[import-not-found,unused-ignore]

    limits = library.Limits(max_connections=count, max_keepalive_connections=count)
    async with library.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:

        async def one() -> None:
            for _ in work:
                (await client.post(url, content=json.dumps(REQUEST), headers=dict(HEADERS))).json()

        await asyncio.gather(*(one() for _ in range(count)))


async def aiohttp(url: str, work: Iterator[int], count: int) -> None:
    """A shared session; its parser is compiled."""
    import aiohttp as library  # type: ignore[import-not-found,unused-ignore]

    async with library.ClientSession(connector=library.TCPConnector(limit=count)) as session:

        async def one() -> None:
            for _ in work:
                async with session.post(url, data=json.dumps(REQUEST), headers=dict(HEADERS)) as reply:
                    await reply.json()

        await asyncio.gather(*(one() for _ in range(count)))


def measure(client: Client, url: str, requests: int, in_flight: int) -> tuple[float, float]:
    """Requests a second, and milliseconds of CPU a request; connecting is included."""
    began, spent = time.perf_counter(), time.process_time()
    run(client(url, iter(range(requests)), in_flight))  # type: ignore[arg-type]
    seconds, cpu = time.perf_counter() - began, time.process_time() - spent
    return requests / seconds, cpu / requests * 1000


def main() -> int:
    """The exit code: 1 if lanes are too slow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--cpus", default="0,1", help="of the server and of the client")
    given = parser.parse_args()
    theirs, ours = (int(cpu) for cpu in given.cpus.split(","))
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, there), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}/v1/chat/completions"
    _pin(ours)
    clients = [lanes, *(each for each in (aiohttp, httpx) if importlib.util.find_spec(each.__name__))]
    print("| client | in flight | requests/s | ideal | CPU ms a request |\n|---|---:|---:|---:|---:|")
    missed = 0
    for client in clients:
        for in_flight, (least, most) in LIMITS.items():
            rate, cpu = measure(client, url, given.requests, in_flight)
            print(f"| {client.__name__} | {in_flight} | {rate:,.0f} | {in_flight / LATENCY:,.0f} | {cpu:.3f} |")
            missed += client is lanes and (rate < least or cpu > most)
    server.terminate()
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
