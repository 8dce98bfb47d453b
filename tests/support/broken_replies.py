"""Twelve replies that are not complete answers, byte for byte, and what they are built from."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

from scripted_server import END, Reset, chunk, delta, event, head, reply, stream

if TYPE_CHECKING:
    from scripted_server import Script

HELLO = delta(content="Hello")
STOP = delta(content="", finish_reason="stop")
FUSED = 'data: {"id":"2026051004data: {"id":"1","choices":[]}\n\n'


def raw(
    *parts: bytes | str, end: bool = True, headers: tuple[str, ...] = (), content_type: str = "text/event-stream"
) -> Script:
    """A 200 whose body is these parts, each in a chunk of its own."""
    body = [chunk(part if isinstance(part, bytes) else part.encode()) for part in parts]
    return [head(*headers, content_type=content_type), *body, *([END] if end else [])]


def error(code: str, message: str = "as it is") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def native_error(status: int, code: str, name: str = "event:error\n") -> str:
    return f'id:1\n{name}:HTTP_STATUS/{status}\ndata:{{"code":"{code}","message":"m","request_id":"r-7"}}\n\n'


def packed(*parts: bytes, encoding: str = "gzip") -> Script:
    return raw(*parts, headers=(f"Content-Encoding: {encoding}",))


# name: (provider, script, exit code, what `stream` prints)
BROKEN: dict[str, tuple[str, Script, int, str]] = {
    "S18 no finish": ("zai", stream(HELLO, done=False), 7, "Hello\n"),
    "S25 error before text": ("zai", stream(error("1302")), 5, ""),
    "S25 error after text": ("zai", stream(HELLO, error("1301"), STOP), 8, "Hello\n"),
    "S26 event: error": ("zai", raw("event: error\ndata: kaputt\n\n", event("[DONE]")), 5, ""),
    "S27 error frame": ("dashscope", raw(native_error(429, "Throttling")), 5, ""),
    "S30 error body": ("zai", reply(200, error("1305")), 5, ""),
    "S32 HTML": ("zai", reply(200, "<html>Login</html>", content_type="text/html"), 13, ""),
    "S42 network_error": ("zai", stream(HELLO, delta(finish_reason="network_error")), 5, "Hello\n"),
    "S21 no answer": ("zai", stream(delta(reasoning_content="Hm"), STOP), 7, ""),
    "S40 cut gzip": ("zai", packed(gzip.compress(event(HELLO) + event(STOP))[:12]), 7, ""),
    "S14 fused frame": ("zai", raw(event(HELLO), FUSED, event(STOP), event("[DONE]")), 13, "Hello\n"),
    "RST": ("zai", [*stream(HELLO, done=False, end=False), Reset()], 6, "Hello\n"),
}
