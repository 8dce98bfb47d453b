"""How a request is read from a connection, by RFC 9112, and how one is refused that is none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmcli.sandbox.http_messages import ServerRequest, ServerResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from io import BufferedReader

_MAX_LINE = 1 << 16
_MAX_HEADERS = 256
_MAX_BODY = 1 << 29  # bytes; the longest file that a provider documents is 500 MB
_TLS_HANDSHAKE = b"\x16"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VERSION = re.compile(r"HTTP/\d\.\d")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;.*)?\r?\n", re.DOTALL)
_DIGITS = re.compile(r"[0-9]{1,15}")
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


class MalformedRequestError(Exception):
    """What came is no request that can be answered, and nothing after it can be read."""

    def __init__(self, status: int, words: str) -> None:
        """`words` say to the client what is wrong."""
        super().__init__(words)
        self.response = ServerResponse(
            status, "text/plain; charset=utf-8", (f"The glm sandbox: {words}\n".encode(),), (("Connection", "close"),)
        )


def read_request(source: BufferedReader, send: Callable[[bytes], None]) -> ServerRequest | None:
    """The next request of a connection; None at its end, which may come in the middle of one.

    `send` sends what the client waits for before the body.

    Raises:
        MalformedRequestError: it cannot be understood.
    """
    if source.peek(1)[:1] == _TLS_HANDSHAKE:  # no line will end, and the client would wait for ever
        raise MalformedRequestError(400, "this is TLS, and only http:// is served")
    try:
        method, target, version = _request_line(source)
        headers = _headers(source)
        _check_expectation(headers, send)
        body = _body(source, headers)
    except EOFError:
        return None
    return ServerRequest(method, _ORIGIN.sub("", target, count=1) or "/", headers, body, version)


def _line(source: BufferedReader, status: int) -> bytes:
    """One line with its end.

    Raises:
        EOFError: the client closed the connection before the end of the line.
        MalformedRequestError: it is too long, which is answered with this status.
    """
    line = source.readline(_MAX_LINE)
    if line.endswith(b"\n"):
        return line
    if len(line) == _MAX_LINE:
        raise MalformedRequestError(status, f"a line is longer than {_MAX_LINE} bytes")
    raise EOFError


def _request_line(source: BufferedReader) -> tuple[str, str, str]:
    while not (line := _line(source, 414).strip()):
        pass
    words = line.decode("latin-1").split()
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]) or not _VERSION.fullmatch(words[2]):  # noqa: PLR2004
        raise MalformedRequestError(400, "the first line is not METHOD TARGET HTTP/1.1")
    if not words[2].startswith("HTTP/1."):
        raise MalformedRequestError(505, "only HTTP/1 is served")
    return words[0], words[1], words[2]


def _headers(source: BufferedReader) -> dict[str, str]:
    """The headers by their names in lower case; those that come twice are a list."""
    headers: dict[str, str] = {}
    for _ in range(_MAX_HEADERS + 1):
        line = _line(source, 431).rstrip(b"\r\n").decode("latin-1")
        if not line:
            return headers
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            raise MalformedRequestError(400, "a header is not NAME: VALUE")
        earlier = headers.get(name.lower())
        headers[name.lower()] = value.strip() if earlier is None else f"{earlier}, {value.strip()}"
    raise MalformedRequestError(431, f"there are more than {_MAX_HEADERS} headers")


def _check_expectation(headers: Mapping[str, str], send: Callable[[bytes], None]) -> None:
    expected = headers.get("expect", "").lower()
    if expected == "100-continue":
        send(b"HTTP/1.1 100 Continue\r\n\r\n")
    elif expected:
        raise MalformedRequestError(417, "nothing can be expected but 100-continue")


def _body(source: BufferedReader, headers: Mapping[str, str]) -> bytes:
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is None:
        return b"" if length is None else _exactly(source, _length(length))
    if length is not None:
        raise MalformedRequestError(400, "there is both a Content-Length and a Transfer-Encoding")
    if coding.lower() != "chunked":
        raise MalformedRequestError(501, "no transfer coding is understood but chunked")
    chunks, total = [], 0
    while size := _chunk_size(source):
        total += size
        chunks.append(_exactly(source, size, total))
        if _line(source, 400).strip():
            raise MalformedRequestError(400, "a chunk is longer than its size")
    while _line(source, 400).strip():  # trailers
        pass
    return b"".join(chunks)


def _length(text: str) -> int:
    values = {value.strip() for value in text.split(",")}
    value = values.pop()
    if values or not _DIGITS.fullmatch(value):
        raise MalformedRequestError(400, "the Content-Length is not one whole number")
    return int(value)


def _chunk_size(source: BufferedReader) -> int:
    size = _CHUNK_SIZE.fullmatch(_line(source, 400))
    if size is None:
        raise MalformedRequestError(400, "the size of a chunk is no hexadecimal number")
    return int(size[1], 16)


def _exactly(source: BufferedReader, size: int, total: int = 0) -> bytes:
    """So many bytes; `total` are those of the whole body so far.

    Raises:
        EOFError: the client closed the connection before them.
    """
    if max(size, total) > _MAX_BODY:
        raise MalformedRequestError(413, f"a body is longer than {_MAX_BODY} bytes")
    data = source.read(size)
    if len(data) < size:
        raise EOFError
    return data
