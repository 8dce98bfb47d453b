"""`glm batch run` at a hosted provider whose answers take seconds: how soon all rows are under way, at what cost.

The first token comes after two seconds and the last after six. A run begins with two requests in flight, for nobody
knows what an account allows; who knows that it allows all of them has all answers after six seconds. A refusal takes as
long as it does at Z.ai.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from batch_limits import seconds_of  # which finds tests/, too
from loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST, _STREAM, _PIECES = 2.0, 4.0, 20  # seconds to the first token and from there to the last; events
_ANSWER = _FIRST + _STREAM
_REFUSAL = 0.4  # seconds
_LINE = 4096  # connections that may wait to be accepted


class Case(NamedTuple):
    """A provider, and how it is asked.

    Attributes:
        cap: how many may be in flight.
        most: seconds from the first request on, and requests that are refused, that we allow ourselves.
    """

    name: str
    cap: float
    rows: int
    most: tuple[float, int]

    @property
    def ideal(self) -> float:
        """Seconds than which nobody can be faster."""
        return self.rows / min(self.cap, self.rows) * _ANSWER


CASES = (
    Case("none", float("inf"), 500, (17.0, 0)),
    Case("40 in flight", 40, 200, (45.0, 10)),
)


class Result(NamedTuple):
    """What one run took, from the first request on as well, and how many requests of it were refused."""

    case: Case
    seconds: float
    steady: float
    refused: int

    @property
    def misses(self) -> bool:
        """Whether it took longer, or more was refused, than we allow ourselves."""
        seconds, refused = self.case.most
        return self.steady > seconds or self.refused > refused


def main(glm: str) -> int:
    """The exit code: 1 if a run takes too long, or too much is refused."""
    results = []
    for case in CASES:
        print(f"{case.name}: about {case.ideal:.0f} s", file=sys.stderr)
        with Hosted(case.cap) as server:
            seconds = seconds_of(glm, server.url, case.rows, "-j", str(max(each.rows for each in CASES)))
            results.append(Result(case, seconds, server.ended - server.began, server.refused))
    print("| limit | rows | seconds | steady | ideal | refused |\n|---|---:|---:|---:|---:|---:|")
    for result in results:
        case, missed = result.case, " **missed**" * result.misses
        times = f"{result.seconds:.1f} | {result.steady:.1f}{missed} | {case.ideal:.1f}"
        print(f"| {case.name} | {case.rows} | {times} | {result.refused} |")
    return 1 if any(result.misses for result in results) else 0


class Hosted(LoopThread):
    """Streams each answer, slowly, and refuses one more than may be in flight with 1302.

    Attributes:
        refused: how many it has refused.
        began, ended: when the first request came, and the last answer was whole.
    """

    def __init__(self, cap: float) -> None:
        """Allow so many at once."""
        super().__init__()
        self._cap = cap
        self._in_flight = self.refused = 0
        self.began = self.ended = 0.0

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=_LINE)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other, until the client goes."""
        while await _is_asked(reader):
            self.began = self.began or time.monotonic()
            if self._in_flight >= self._cap:
                self.refused += 1
                await asyncio.sleep(_REFUSAL)
                writer.write(_REFUSED)
                continue
            self._in_flight += 1
            await _stream(writer)
            self._in_flight -= 1
            self.ended = time.monotonic()
        writer.close()


async def _is_asked(reader: asyncio.StreamReader) -> bool:
    """Wait for a request, and read it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return False
    await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
    return True


async def _stream(writer: asyncio.StreamWriter) -> None:
    began = asyncio.get_running_loop().time()
    for number, event in enumerate(_EVENTS):
        due = began + _FIRST + _STREAM * number / _PIECES
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        writer.write(event)


def _events() -> Iterator[bytes]:
    """The reply, in chunks."""
    yield _HEAD + _chunk([{"index": 0, "delta": {"role": "assistant", "content": "0 "}, "finish_reason": None}])
    for number in range(1, _PIECES):
        yield _chunk([{"index": 0, "delta": {"content": f"{number} "}, "finish_reason": None}])
    last = _chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}], usage={"total_tokens": _PIECES})
    yield last + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


def _chunk(choices: list[dict[str, object]], **more: object) -> bytes:
    data = b"data: %s\n\n" % json.dumps({"id": "chatcmpl-1", "choices": choices, **more}).encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_WHY = json.dumps({"error": {"code": "1302", "message": "Rate limit reached for requests"}}).encode()
_REFUSED = b"HTTP/1.1 429 X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_WHY), _WHY)
_EVENTS = tuple(_events())
