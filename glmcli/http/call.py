"""A request as a value, the events of its response, and what both clients do to headers and bodies."""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from glmcli.errors import GlmError, ProtocolError, UsageError
from glmcli.http.bodies import JsonBody, compact_json
from glmcli.http.proxies import is_loopback_address
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from urllib.parse import SplitResult

    from glmcli.console.redaction import Key

SUCCESS = range(200, 300)
_WBITS_GZIP_OR_ZLIB = 47  # zlib tells them apart by their headers
_LINE_BREAKS = re.compile(r"[\r\n\0]")
_MAX_DECOMPRESSED = 64 << 20  # bytes from one read
_PIECE = 1 << 16  # bytes; larger bodies are sent in pieces, so that a refusal can end the upload


class Content(Protocol):
    """A body of known length that is produced piece by piece, as often as it is sent."""

    def __len__(self) -> int:
        """Bytes on the wire."""
        ...

    def __iter__(self) -> Iterator[bytes]:
        """The bytes."""
        ...


class HttpCall(Record):
    """One HTTP request as a value, so that --dry-run can print what would be sent.

    Attributes:
        headers: in the order sent, without Authorization, which is built from `key` when the request is sent.
        body: JSON; None if there is no body, or if it is an `upload`.
        has_data: `body` contains a Media in the place of each data URL.
        upload: a body that is not JSON.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: Mapping[str, Any] | None
    key: Key | None = None
    method: str = "POST"
    has_data: bool = False
    upload: Content | None = None

    def content(self) -> bytes | Content:
        """The bytes of the body, or a Content that produces them."""
        if self.upload is not None:
            return self.upload
        if self.body is None:
            return b""
        return JsonBody(self.body) if self.has_data else compact_json(self.body).encode()


class RequestSent(Record):
    """The connection is established and the request is being written: from now on it may be billed."""


class ResponseHead(Record):
    """Status and headers of a response; header names are lower case."""

    status: int
    headers: dict[str, str]

    @classmethod
    def of(cls, status: int, headers: Iterable[tuple[bytes, bytes]]) -> ResponseHead:
        """Decode the headers that a library has read; the last of a repeated name counts."""
        return cls(status, {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers})


class ResponseEnd(Record):
    """The response is over, and complete as far as HTTP can tell."""


# The events of one exchange, in this order: RequestSent (again for each piece of a large body), ResponseHead, the bytes
# of the body as they were read, with their content encoding undone, and ResponseEnd. One of our errors may come at any
# time instead, and is then the last.
HttpEvent = RequestSent | ResponseHead | bytes | ResponseEnd | GlmError


class Receiver(Protocol):
    """Handles the events of one exchange as they happen, until it `is_done`, and sets the time limit for the next."""

    is_done: bool

    @property
    def timeout_at(self) -> float:
        """The monotonic time at which the request times out; inf when it is done."""
        ...

    def handle(self, event: HttpEvent) -> None:
        """Handle an event."""
        ...

    def timed_out(self) -> None:
        """Handle that `timeout_at` has passed; the receiver is done then."""
        ...


def headers(call: HttpCall, url: SplitResult, length: int) -> list[tuple[str, str]]:
    """The headers of a request in the order sent. This is the only place where the key is written.

    Raises:
        GlmError: a header would contain a line break.
    """
    pairs = [("Host", url.netloc), *call.headers]
    if call.body is not None or call.upload is not None:
        pairs.append(("Content-Length", str(length)))
    if call.key:
        pairs.insert(1, ("Authorization", f"Bearer {call.key.value}"))
    for name, value in pairs:
        if _LINE_BREAKS.search(value):
            raise GlmError(message=f"the header {name} would contain a line break")
    return pairs


class _Connected(Protocol):
    def getpeername(self) -> Any: ...  # noqa: ANN401 - as of a socket


def peer_error(call: HttpCall, connection: _Connected | None) -> UsageError | None:
    """Why the key may not be sent to the peer of this connection; None also where the peer is gone: it gets nothing."""
    if connection is None or not (call.key and call.key.loopback_only):
        return None
    with suppress(OSError):
        address = str(connection.getpeername()[0])
        if not is_loopback_address(address):
            return UsageError(
                message=f"refusing to send a key over plain http:// to {address}, which is not this machine",
                fix="name this machine by 127.0.0.1 or [::1]: localhost is another one here",
                concerns_all=True,
            )
    return None


def pieces(content: bytes | Content) -> Iterator[bytes]:
    """A large body, piece by piece.

    Raises:
        GlmError: it does not have the length that it announced.
    """
    if isinstance(content, bytes):
        yield from (content[at : at + _PIECE] for at in range(0, len(content), _PIECE))
        return
    left = len(content)
    for piece in content:
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise GlmError(message="the body is not as long as announced: a file changed while it was sent", sent=True)


def is_large(content: bytes | Content) -> bool:
    """Whether a body is sent in pieces."""
    return not isinstance(content, bytes) or len(content) > _PIECE


def content_decoder(head: ResponseHead) -> Callable[[bytes], bytes]:
    """A function that undoes the content encoding of a body, which we did not ask for.

    Raises:
        ProtocolError: the encoding is unknown; the function raises it too, when the bytes are not in the encoding.
    """
    encoding = head.headers.get("content-encoding", "identity").strip()
    match encoding.lower():
        case "" | "identity":
            return bytes
        case "gzip" | "x-gzip" | "deflate":
            return _Decompressor().push
        case _:
            # Spelled as the server did: redaction would not find a key in other letters.
            raise ProtocolError(message=f"the reply is encoded as {encoding}, which was not asked for", sent=True)


class _Decompressor:
    """Decompresses gzip or deflate, also when each event is a gzip member of its own (tower-http issue 737)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_WBITS_GZIP_OR_ZLIB)

    def push(self, data: bytes) -> bytes:
        decompressed = bytearray()
        try:
            while data:
                decompressed += self._member.decompress(data, _MAX_DECOMPRESSED)
                if len(decompressed) >= _MAX_DECOMPRESSED:
                    what = f"the reply unpacks to more than {_MAX_DECOMPRESSED >> 20} MiB"
                    raise ProtocolError(message=what, sent=True)
                data = self._member.unused_data
                if self._member.eof:
                    self._member = zlib.decompressobj(_WBITS_GZIP_OR_ZLIB)
        except zlib.error as error:
            raise ProtocolError(message=f"the reply's compression is broken: {error}", sent=True) from error
        return bytes(decompressed)
