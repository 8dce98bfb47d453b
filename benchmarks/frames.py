"""Streamed replies as Z.ai sends them (glmcli/sandbox/recordings/zai-thinking.sse), each event in an HTTP chunk."""

from __future__ import annotations

import json
from itertools import count, cycle, islice
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"
_PLAIN = [" the", " stream", " of", " token", "s", " arrives", ",", " and", " each", " was", " read", ".", " It", " is"]
# Every third needs an escape in JSON, or more than one byte a character.
_ODD = [
    " a",
    " line",
    "\n",
    " she",
    " said",
    ' "so"',
    " in",
    " other",
    " 你好世界",
    " C",
    ":",
    "\\",
    " is",
    " café",
    "\t",
]
_BEGAN = 1790000000


class Reply(NamedTuple):
    """The pieces that follow the head, and the text that they carry.

    A piece is one HTTP chunk; the last one holds the finish, the usage, `[DONE]` and the end of the body.
    """

    pieces: list[bytes]
    text: str


def reply(profile: str, deltas: int) -> Reply:
    """A reply of so many deltas. Its text ends in a newline, so that nobody has to add one."""
    texts = [*islice(PROFILES[profile].texts(), deltas - 1), "\n"]
    more = PROFILES[profile].more
    frames = [_frame({"content": text}, None) | more(number) for number, text in enumerate(texts)]
    usage = {"usage": _usage(deltas)}
    last = _chunk(_event(_frame({"content": ""}, "stop") | usage)) + _chunk(b"data: [DONE]\n\n") + _END
    return Reply([*(_chunk(_event(frame)) for frame in frames), last], "".join(texts))


def texts(body: bytes) -> str:
    """The text of the deltas in these SSE events."""
    frames = (json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {"))
    return "".join(choice["delta"].get("content", "") for frame in frames for choice in frame["choices"])


class _Profile(NamedTuple):
    """The texts of the deltas, and what a frame has besides, by its number."""

    texts: Callable[[], Iterator[str]]
    more: Callable[[int], dict[str, Any]]


def _nothing(_: int) -> dict[str, Any]:
    return {}


def _running(number: int) -> dict[str, Any]:
    """`created` counts up, and usage runs along as DashScope sends it."""
    return {"created": _BEGAN + number // 50, "usage": _usage(number + 1)}


def mark(number: int) -> str:
    """A text that can be found again in what a program prints; it does not end as a key begins."""
    return f" <{number:06}>"


PROFILES = {
    "plain": _Profile(lambda: cycle(_PLAIN), _nothing),
    "varied": _Profile(lambda: cycle(_PLAIN), _running),
    "escaped": _Profile(lambda: cycle(_ODD), _nothing),
    "marked": _Profile(lambda: map(mark, count()), _nothing),
}


def _usage(tokens: int) -> dict[str, Any]:
    return {"prompt_tokens": 14, "completion_tokens": tokens, "total_tokens": 14 + tokens}


def _frame(delta: dict[str, str], finish: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", **delta}} | ({"finish_reason": finish} if finish else {})
    made = {"created": _BEGAN, "object": "chat.completion.chunk", "model": "glm-5"}
    return {"id": "20260903061644f2a7c90b31d84e6a", **made, "choices": [choice]}


def _event(frame: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
