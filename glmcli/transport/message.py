"""What every way of sending shares: the headers of a request, the head of a response, and its encoding."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from glmcli.errors import ProtocolError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from urllib.parse import SplitResult

    from glmcli.providers.dialect import HttpCall

_WBITS_ANY = 47  # zlib: gzip or zlib, told apart by the header


class Head(Record):
    """The beginning of a response; header names in lower case."""

    status: int
    headers: dict[str, str]

    @classmethod
    def of(cls, status: int, headers: Iterable[tuple[bytes, bytes]]) -> Head:
        """What the library read; where a name comes twice, the last counts."""
        return cls(status, {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers})


def target(url: SplitResult) -> str:
    """What the request line asks the origin for."""
    return url.path + (f"?{url.query}" if url.query else "")


def pairs(call: HttpCall, url: SplitResult, length: int) -> list[tuple[bytes, bytes]]:
    """The headers of a request, in the order sent. The key stands here, and nowhere else."""
    headers = [("Host", url.netloc), *call.headers]
    if call.body is not None or call.upload is not None:
        headers.append(("Content-Length", str(length)))
    if call.key:
        headers.insert(1, ("Authorization", f"Bearer {call.key.value}"))
    return [(name.encode(), value.encode("latin-1")) for name, value in headers]


def decoder(head: Head) -> Callable[[bytes], bytes]:
    """Undoes a content encoding that we did not ask for.

    Raises:
        ProtocolError: it is one that we do not know; the decoder itself: the bytes are not in it.
    """
    match head.headers.get("content-encoding", "identity").strip().lower():
        case "" | "identity":
            return bytes
        case "gzip" | "x-gzip" | "deflate":
            return _Inflate().push
        case other:
            raise ProtocolError(message=f"the reply is encoded as {other}, which was not asked for", sent=True)


class _Inflate:
    """Unpacks gzip or deflate, also when each event is a gzip member of its own (tower-http issue 737)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_WBITS_ANY)

    def push(self, data: bytes) -> bytes:
        unpacked = b""
        try:
            while data:
                unpacked += self._member.decompress(data)
                data = self._member.unused_data
                if self._member.eof:
                    self._member = zlib.decompressobj(_WBITS_ANY)
        except zlib.error as error:
            raise ProtocolError(message=f"the reply's compression is broken: {error}", sent=True) from error
        return unpacked
