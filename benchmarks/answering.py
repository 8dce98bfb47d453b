"""A server that answers after 50 ms, with 350 bytes of JSON or the same as a stream, and records when it did."""

from __future__ import annotations

import asyncio
import json
import time
from typing import NamedTuple

LATENCY = 0.05  # seconds
_TEXT = "y" * 150
_USAGE = {"prompt_tokens": 40, "completion_tokens": 38, "total_tokens": 78}
_CHOICE = {"index": 0, "message": {"role": "assistant", "content": _TEXT}, "finish_reason": "stop"}
_MADE = {"object": "chat.completion", "created": 1790000000, "model": "glm-5"}
_WHOLE = json.dumps({"id": "chatcmpl-1", **_MADE, "choices": [_CHOICE], "usage": _USAGE}).encode()
_PIECES = 8  # events of text in a stream


class Seen(NamedTuple):
    """The requests since the last call, and the seconds from the first of them to the last reply."""

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


class Answering:
    """Answers each request after `LATENCY`, and records when the first was received and the last answered."""

    def __init__(self) -> None:
        self._requests, self._first, self._last = 0, 0.0, 0.0

    def answer(self, transport: asyncio.Transport, body: bytes) -> None:
        """Write the reply when its time has come."""
        if self._requests == 0:
            self._first = time.monotonic()
        self._requests += 1
        reply = _STREAMED if b'"stream":true' in body.replace(b" ", b"") else _ONE
        asyncio.get_running_loop().call_later(LATENCY, self._write, transport, reply)

    def _write(self, transport: asyncio.Transport, reply: bytes) -> None:
        transport.write(reply)
        self._last = time.monotonic()

    def seen(self) -> Seen:
        """Since the last look."""
        seen = Seen(self._requests, self._last - self._first)
        self._requests = 0
        return seen
