"""A server on loopback for thousands of requests: what it says is decided by the prompt, and it counts what it saw."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
IN_FLIGHT = {"error": {"code": "1302", "message": "您的账户已达到速率限制"}}
RATE = {"error": {"code": "1303", "message": "Rate limit reached"}}
OVERLOAD = {"error": {"code": "1305", "message": "overloaded"}}


@dataclass(frozen=True)
class Said:
    """A response; `hangs`: none at all, until the client goes."""

    status: int = 200
    body: dict[str, Any] = field(default_factory=dict)
    delay: float = 0.0
    headers: tuple[str, ...] = ()
    hangs: bool = False


def answered(text: str, finish: str = "stop", delay: float = 0.0) -> Said:
    """A whole answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    return Said(body={"id": "r", "choices": [choice], "usage": usage}, delay=delay)


def refused(body: dict[str, Any], *headers: str, status: int = 429) -> Said:
    return Said(status, body, headers=headers)


def prompt_of(body: dict[str, Any]) -> str:
    """The last message's text."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


class Fleet(LoopThread):
    """Answers each prompt with `Re: PROMPT` after `delay` seconds, unless `says` has another word for it.

    `cap` is how many may be in flight: one more is refused at once with 1302. It may be changed while it runs.
    """

    def __init__(
        self,
        says: Callable[[dict[str, Any]], Said | None] = lambda _body: None,
        *,
        delay: float = 0.0,
        cap: float = float("inf"),
        refusal: Said | None = None,
    ) -> None:
        super().__init__()
        self.says = says
        self.delay = delay
        self.cap = cap
        self._refusal = refusal or refused(IN_FLIGHT)
        self.asked: list[str] = []  # prompts, as they came
        self.answers: Counter[str] = Counter()  # prompts that were answered with 200
        self.bodies: list[dict[str, Any]] = []
        self.answered = 0
        self.refused = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.connections = 0
        self.came = threading.Condition()
        self.open: set[asyncio.Transport] = set()

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(lambda: _Client(self), "127.0.0.1", 0, backlog=1024)

    def _run(self) -> None:
        super()._run()
        for transport in list(self.open):
            transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0))  # which lets them close
        self._loop.close()

    def wait_for(self, count: int, seconds: float = 30.0) -> None:
        """Return when so many requests have come."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.asked) >= count, seconds), f"only {len(self.asked)} came"

    def wait_for_answers(self, count: int, seconds: float = 300.0) -> None:
        """Return when so many rows were answered, or the server has ended."""
        until = time.monotonic() + seconds
        while self.answered < count and self._thread.is_alive() and time.monotonic() < until:
            time.sleep(0.005)

    def take(self, client: _Client, body: dict[str, Any]) -> None:
        prompt = prompt_of(body)
        with self.came:
            self.asked.append(prompt)
            self.bodies.append(body)
            self.came.notify_all()
        if self.in_flight >= self.cap:
            self.refused += 1
            client.say(self._refusal)
            return
        said = self.says(body) or answered(f"Re: {prompt}", delay=self.delay)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        client.holds = True
        if said.hangs:
            return
        if said.delay:
            self._loop.call_later(said.delay, self._end, client, said, prompt)
        else:
            self._end(client, said, prompt)

    def _end(self, client: _Client, said: Said, prompt: str) -> None:
        self.leave(client)
        if said.status == 200:
            self.answers[prompt] += 1
            self.answered += 1
        self.refused += said.status == 429
        client.say(said)

    def leave(self, client: _Client) -> None:
        if client.holds:
            client.holds = False
            self.in_flight -= 1


class _Client(asyncio.Protocol):
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._data = b""
        self.holds = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._fleet.open.add(self._transport)
        self._fleet.connections += 1

    def connection_lost(self, _error: Exception | None) -> None:
        self._fleet.open.discard(self._transport)
        self._fleet.leave(self)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while True:
            head, blank, rest = self._data.partition(b"\r\n\r\n")
            length = _HEAD.search(head)
            if not blank or length is None or len(rest) < int(length[1]):
                return
            body, self._data = rest[: int(length[1])], rest[int(length[1]) :]
            self._fleet.take(self, json.loads(body))

    def say(self, said: Said) -> None:
        if self._transport.is_closing():
            return
        data = json.dumps(said.body, ensure_ascii=False).encode()
        lines = [f"HTTP/1.1 {said.status} X", "Content-Type: application/json", f"Content-Length: {len(data)}"]
        self._transport.write("\r\n".join([*lines, *said.headers, "", ""]).encode() + data)
