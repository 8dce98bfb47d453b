"""A server on loopback for thousands of requests: it answers by the prompt, and counts requests and answers."""

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
class Response:
    """A response; with `hangs` none is sent, until the client closes the connection."""

    status: int = 200
    body: dict[str, Any] = field(default_factory=dict)
    delay: float = 0.0
    headers: tuple[str, ...] = ()
    hangs: bool = False


def answer_with(text: str, finish: str = "stop", delay: float = 0.0) -> Response:
    """A complete answer, not streamed."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    return Response(body={"id": "r", "choices": [choice], "usage": usage}, delay=delay)


def refuse_with(body: dict[str, Any], *headers: str, status: int = 429) -> Response:
    return Response(status, body, headers=headers)


def prompt_of(body: dict[str, Any]) -> str:
    """The last message's text."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


class CountingServer(LoopThread):
    """Answers each prompt with `Re: PROMPT` after `delay` seconds, unless `respond` returns another response.

    `cap` is how many requests may be in flight: one more is refused at once with 1302. It may be changed meanwhile.
    """

    def __init__(
        self,
        respond: Callable[[dict[str, Any]], Response | None] = lambda _body: None,
        *,
        delay: float = 0.0,
        cap: float = float("inf"),
        refusal: Response | None = None,
    ) -> None:
        super().__init__()
        self.respond = respond
        self.delay = delay
        self.cap = cap
        self._refusal = refusal or refuse_with(IN_FLIGHT)
        self.prompts: list[str] = []  # in order of arrival
        self.answer_counts: Counter[str] = Counter()  # prompts that were answered with 200
        self.bodies: list[dict[str, Any]] = []
        self.answer_count = 0
        self.refusal_count = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.connections = 0
        self.arrival = threading.Condition()
        self.open: set[asyncio.Transport] = set()

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(lambda: _Client(self), "127.0.0.1", 0, backlog=1024)

    def _run(self) -> None:
        super()._run()
        for transport in list(self.open):
            transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0))  # lets them close
        self._loop.close()

    def wait_for(self, count: int, seconds: float = 30.0) -> None:
        """Return when `count` requests have arrived."""
        with self.arrival:
            assert self.arrival.wait_for(lambda: len(self.prompts) >= count, seconds), (
                f"only {len(self.prompts)} arrived"
            )

    def wait_for_answers(self, count: int, seconds: float = 300.0) -> None:
        """Return when `count` requests were answered, or the server has stopped."""
        until = time.monotonic() + seconds
        while self.answer_count < count and self._thread.is_alive() and time.monotonic() < until:
            time.sleep(0.005)

    def handle(self, client: _Client, body: dict[str, Any]) -> None:
        prompt = prompt_of(body)
        with self.arrival:
            self.prompts.append(prompt)
            self.bodies.append(body)
            self.arrival.notify_all()
        if self.in_flight >= self.cap:
            self.refusal_count += 1
            client.send(self._refusal)
            return
        response = self.respond(body) or answer_with(f"Re: {prompt}", delay=self.delay)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        client.is_counted = True
        if response.hangs:
            return
        if response.delay:
            self._loop.call_later(response.delay, self._end, client, response, prompt)
        else:
            self._end(client, response, prompt)

    def _end(self, client: _Client, response: Response, prompt: str) -> None:
        self.discount(client)
        if response.status == 200:
            self.answer_counts[prompt] += 1
            self.answer_count += 1
        self.refusal_count += response.status == 429
        client.send(response)

    def discount(self, client: _Client) -> None:
        if client.is_counted:
            client.is_counted = False
            self.in_flight -= 1


class _Client(asyncio.Protocol):
    def __init__(self, server: CountingServer) -> None:
        self._server = server
        self._data = b""
        self.is_counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.open.add(self._transport)
        self._server.connections += 1

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.open.discard(self._transport)
        self._server.discount(self)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while True:
            head, blank, rest = self._data.partition(b"\r\n\r\n")
            length = _HEAD.search(head)
            if not blank or length is None or len(rest) < int(length[1]):
                return
            body, self._data = rest[: int(length[1])], rest[int(length[1]) :]
            self._server.handle(self, json.loads(body))

    def send(self, response: Response) -> None:
        if self._transport.is_closing():
            return
        data = json.dumps(response.body, ensure_ascii=False).encode()
        lines = [f"HTTP/1.1 {response.status} X", "Content-Type: application/json", f"Content-Length: {len(data)}"]
        self._transport.write("\r\n".join([*lines, *response.headers, "", ""]).encode() + data)
