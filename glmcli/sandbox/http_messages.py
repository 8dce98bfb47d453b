"""HTTP requests and responses as values, and how JSON becomes their bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Json = dict[str, Any]
Header = tuple[str, str]
DONE = b"data: [DONE]\n\n"
# The phrases of these two depend on the version of Python.
_REASONS = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Payload Too Large",
    422: "Unprocessable Entity",
}


@dataclass(frozen=True)
class ServerRequest:
    """A request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    version: str = "HTTP/1.1"

    @property
    def closes(self) -> bool:
        """Whether the connection ends after the response."""
        wishes = {word.strip().lower() for word in self.headers.get("connection", "").split(",")}
        return "close" in wishes or (self.version == "HTTP/1.0" and "keep-alive" not in wishes)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query of the target, without `?`."""
        return self.target.partition("?")[2]


class Ending(Enum):
    """How a response ends."""

    COMPLETE = "complete"
    CLOSE = "close"
    RESET = "reset"
    STALL = "stall"
    HANG = "hang"


@dataclass(frozen=True)
class ServerResponse:
    """A status, headers, and a body in the pieces in which it is sent; faults change it before it is sent.

    Attributes:
        content_type: None sends no such header.
        chunked: each frame is one HTTP chunk; otherwise Content-Length is sent.
        length: the Content-Length, where it is not that of the frames (a body that is cut off).
        ending: CLOSE closes the connection after the frames, RESET with a TCP reset; STALL sends nothing after them,
            HANG not even the status line.
        drip: the head is sent byte by byte.
        latency: seconds before the first byte, beside those of all responses.
        pace: seconds between frames; None for those of all responses.
    """

    status: int
    content_type: str | None
    frames: tuple[bytes, ...]
    headers: tuple[Header, ...] = ()
    chunked: bool = False
    length: int | None = None
    ending: Ending = Ending.COMPLETE
    drip: bool = False
    latency: float = 0.0
    pace: float | None = None

    @property
    def head(self) -> bytes:
        """The status line and the headers."""
        headers = list(self.headers)
        if self.content_type is not None:
            headers.insert(0, ("Content-Type", self.content_type))
        size = sum(map(len, self.frames)) if self.length is None else self.length
        headers.append(("Transfer-Encoding", "chunked") if self.chunked else ("Content-Length", str(size)))
        status_line = f"HTTP/1.1 {self.status} {_REASONS.get(self.status, '')}"
        lines = [status_line, *(f"{key}: {value}" for key, value in headers), "", ""]
        return "\r\n".join(lines).encode("latin-1", "replace")


def json_object(body: bytes) -> Json | None:
    """The JSON object that a body is; None if it is something else, also for what only Python takes for JSON: NaN."""
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def reason_phrase(status: int) -> str:
    """The words of HTTP for a status."""
    return _REASONS.get(status) or f"HTTP {status}"


def json_bytes(value: object) -> bytes:
    """JSON without spaces and with its text as UTF-8, as all providers write it; a lone surrogate becomes `?`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def json_response(value: object, status: int = 200, content_type: str = "application/json") -> ServerResponse:
    """A response whose body is JSON."""
    return ServerResponse(status, content_type, (json_bytes(value),))


def sse_event(value: object) -> bytes:
    """One event of a stream in the usual form."""
    return b"data: " + json_bytes(value) + b"\n\n"


def stream_response(frames: Iterable[bytes], content_type: str) -> ServerResponse:
    """A streamed answer."""
    return ServerResponse(200, content_type, tuple(frames), chunked=True)
