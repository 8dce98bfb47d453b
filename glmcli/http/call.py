"""A request as a value, what happens to it on the wire, and who is told: the words that `client` and `bulk` share."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Any, Protocol

from glmcli.errors import GlmError, ProtocolError
from glmcli.http.bodies import compact_json
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from urllib.parse import SplitResult

    from glmcli.console.redaction import Key

SUCCESS = range(200, 300)
_WBITS_ANY = 47  # zlib: gzip or zlib, told apart by the header
_BREAKS = re.compile(r"[\r\n\0]")
_MOST_UNPACKED = 64 << 20  # bytes, of what comes in one read
_PIECE = 1 << 16  # bytes; larger bodies go out in pieces, so that a refusal can end them


class Content(Protocol):
    """Bytes whose length is known and that come a little at a time, any number of times."""

    def __len__(self) -> int:
        """Bytes on the wire."""
        ...

    def __iter__(self) -> Iterator[bytes]:
        """The bytes."""
        ...


class HttpCall(Record):
    """One HTTP request as a value, so that --dry-run can print what would be sent.

    Shape: `headers` in the order sent, without Authorization, which is made of `key` when it is sent; `body` is JSON,
    where `has_data` with a Media in the place of each data URL, or None where there is none; `upload` takes its place
    where what is sent is no JSON.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: Mapping[str, Any] | None
    key: Key | None = None
    method: str = "POST"
    has_data: bool = False
    upload: Content | None = None

    def content(self) -> bytes | Content:
        """The bytes of the body; where they are many, as something that yields them, any number of times."""
        if self.upload is not None:
            return self.upload
        if self.body is None:
            return b""
        if self.has_data:
            from glmcli.http.bodies import JsonBody

            return JsonBody(self.body)
        return compact_json(self.body).encode()


class RequestSent(Record):
    """The connection stands, and the request is on its way: from now on it may be billed."""


class ResponseHead(Record):
    """The beginning of a response; header names in lower case."""

    status: int
    headers: dict[str, str]

    @classmethod
    def of(cls, status: int, headers: Iterable[tuple[bytes, bytes]]) -> ResponseHead:
        """What the library read; where a name comes twice, the last counts."""
        return cls(status, {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers})


class ResponseEnd(Record):
    """The response is over, and whole as far as HTTP can tell."""


# The events of one exchange, in this order: RequestSent (again for each piece of a large body), ResponseHead, the bytes
# of the body as they were read, with their content encoding undone, and ResponseEnd. One of our errors may come at any
# time instead, and is then the last.
HttpEvent = RequestSent | ResponseHead | bytes | ResponseEnd | GlmError


class Receiver(Protocol):
    """Who is told what happens to a request, at once, as long as it is not `over`."""

    over: bool

    @property
    def due(self) -> float:
        """The monotonic time at which it is late; inf when it is over."""
        ...

    def take(self, happening: HttpEvent) -> None:
        """This happened."""
        ...

    def late(self) -> None:
        """The time is up, and nothing more is awaited."""
        ...


def headers(call: HttpCall, url: SplitResult, length: int) -> list[tuple[str, str]]:
    """The headers of a request, in the order sent. The key stands here, and nowhere else.

    Raises:
        GlmError: one cannot be sent.
    """
    pairs = [("Host", url.netloc), *call.headers]
    if call.body is not None or call.upload is not None:
        pairs.append(("Content-Length", str(length)))
    if call.key:
        pairs.insert(1, ("Authorization", f"Bearer {call.key.value}"))
    for name, value in pairs:
        if _BREAKS.search(value):
            raise GlmError(message=f"the header {name} would hold a line break")
    return pairs


def pieces(content: bytes | Content) -> Iterator[bytes]:
    """A body, a little at a time.

    Raises:
        GlmError: it is not as long as it said.
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
        raise GlmError(message="the body is not as long as it said: a file was changed while it was sent", sent=True)


def is_large(content: bytes | Content) -> bool:
    """Whether a body is sent in pieces."""
    return not isinstance(content, bytes) or len(content) > _PIECE


def decoder(head: ResponseHead) -> Callable[[bytes], bytes]:
    """Undoes a content encoding that we did not ask for.

    Raises:
        ProtocolError: it is one that we do not know; the decoder itself: the bytes are not in it.
    """
    encoding = head.headers.get("content-encoding", "identity").strip()
    match encoding.lower():
        case "" | "identity":
            return bytes
        case "gzip" | "x-gzip" | "deflate":
            return _Inflate().push
        case _:
            # As it was sent: a key in other letters would not be found.
            raise ProtocolError(message=f"the reply is encoded as {encoding}, which was not asked for", sent=True)


class _Inflate:
    """Unpacks gzip or deflate, also when each event is a gzip member of its own (tower-http issue 737)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_WBITS_ANY)

    def push(self, data: bytes) -> bytes:
        unpacked = bytearray()
        try:
            while data:
                unpacked += self._member.decompress(data, _MOST_UNPACKED)
                if len(unpacked) >= _MOST_UNPACKED:
                    raise ProtocolError(message=f"the reply unpacks to more than {_MOST_UNPACKED >> 20} MiB", sent=True)
                data = self._member.unused_data
                if self._member.eof:
                    self._member = zlib.decompressobj(_WBITS_ANY)
        except zlib.error as error:
            raise ProtocolError(message=f"the reply's compression is broken: {error}", sent=True) from error
        return bytes(unpacked)
