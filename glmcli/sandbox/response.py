"""What goes back to a client, as a value: faults change it before a byte is sent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Header = tuple[str, str]


class End(Enum):
    """How a response ends."""

    WHOLE = "whole"
    CLOSE = "close"
    RESET = "reset"
    STALL = "stall"
    HANG = "hang"


@dataclass(frozen=True)
class Response:
    """A status, headers, and a body in the pieces in which it is sent.

    Attributes:
        content_type: None sends no such header.
        chunked: each frame is one HTTP chunk; otherwise the length is announced.
        length: the announced length, where it is not that of the frames (a body that is cut off).
        end: CLOSE hangs up after the frames, RESET with a TCP reset; STALL falls silent after them, HANG before the
            status line.
        drip: the head is sent byte by byte.
    """

    status: int
    content_type: str | None
    frames: tuple[bytes, ...]
    headers: tuple[Header, ...] = ()
    chunked: bool = False
    length: int | None = None
    end: End = End.WHOLE
    drip: bool = False

    @property
    def head(self) -> bytes:
        """The status line and the headers."""
        headers = list(self.headers)
        if self.content_type is not None:
            headers.insert(0, ("Content-Type", self.content_type))
        size = sum(map(len, self.frames)) if self.length is None else self.length
        headers.append(("Transfer-Encoding", "chunked") if self.chunked else ("Content-Length", str(size)))
        lines = [
            f"HTTP/1.1 {self.status} {_REASONS.get(self.status, '')}",
            *(f"{key}: {value}" for key, value in headers),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def event_stream(frames: Iterable[bytes], content_type: str, headers: tuple[Header, ...] = ()) -> Response:
    """A streamed answer."""
    return Response(200, content_type, tuple(frames), headers, chunked=True)


_REASONS = {
    200: "OK",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Payload Too Large",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    451: "Unavailable For Legal Reasons",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
