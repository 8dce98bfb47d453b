"""A server in a process of its own, on a CPU of its own: it answers after 50 ms, and knows when it was asked.

What it says is about 350 bytes of JSON, or the same as a stream. It is an asyncio protocol and parses no more than it
must, so that whoever asks it is slower.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LATENCY = 0.05  # seconds
_TEXT = "y" * 150
_USAGE = {"prompt_tokens": 40, "completion_tokens": 38, "total_tokens": 78}
_CHOICE = {"index": 0, "message": {"role": "assistant", "content": _TEXT}, "finish_reason": "stop"}
_MADE = {"object": "chat.completion", "created": 1790000000, "model": "glm-5"}
_WHOLE = json.dumps({"id": "chatcmpl-1", **_MADE, "choices": [_CHOICE], "usage": _USAGE}).encode()
_PIECES = 8  # events of text in a stream


class Seen(NamedTuple):
    """What was asked since the last look: requests, and seconds from the first of them to the last reply."""

    requests: int
    seconds: float


def _stream() -> bytes:
    size = len(_TEXT) // _PIECES + 1
    deltas = [{"content": _TEXT[at : at + size]} for at in range(0, len(_TEXT), size)]
    choices = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    events = [{"id": "chatcmpl-1", "choices": each} for each in choices]
    last = {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": _USAGE}
    said = [json.dumps(event) for event in (*events, last)]
    return "".join(f"data: {event}\n\n" for event in (*said, "[DONE]")).encode()


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_ONE = _HEAD % len(_WHOLE) + _WHOLE
_STREAMED = _CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(_stream()), _stream())


class _Clock:
    """When it was asked first, and answered last."""

    def __init__(self) -> None:
        self.requests, self.first, self.last = 0, 0.0, 0.0

    def seen(self) -> Seen:
        """Since the last look."""
        seen = Seen(self.requests, self.last - self.first)
        self.requests = 0
        return seen


class _Client(asyncio.Protocol):
    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self._data = b""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, blank, body = self._data.partition(b"\r\n\r\n")
        if not blank or len(body) < int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return
        self._data = b""
        if self._clock.requests == 0:
            self._clock.first = time.monotonic()
        self._clock.requests += 1
        reply = _STREAMED if b'"stream":true' in body.replace(b" ", b"") else _ONE
        asyncio.get_running_loop().call_later(LATENCY, self._answer, reply)

    def _answer(self, reply: bytes) -> None:
        self._transport.write(reply)
        self._clock.last = time.monotonic()


def _serve(cpu: int, told: Connection) -> None:
    pin(cpu)
    clock = _Clock()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Client(clock), "127.0.0.1", 0, backlog=4096)
        told.send(server.sockets[0].getsockname()[1])
        loop.add_reader(told.fileno(), tell)
        await server.serve_forever()

    def tell() -> None:
        told.recv()
        told.send(clock.seen())

    asyncio.run(main())


def pin(cpu: int) -> None:
    """Stay on this CPU, where the system lets us choose."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cpu})


class Answering:
    """The server, while it is entered."""

    def __init__(self, cpu: int) -> None:
        """Run on this CPU."""
        self._here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(cpu, there), daemon=True)

    def __enter__(self) -> Self:
        """Ready to be asked."""
        self._process.start()
        self.url = f"http://127.0.0.1:{self._here.recv()}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.terminate()
        self._process.join()

    def seen(self) -> Seen:
        """What was asked since the last look."""
        self._here.send(None)
        seen: Seen = self._here.recv()
        return seen
