"""What a proxy says before a connection is ours: an answer to CONNECT, or SOCKS 5."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import TYPE_CHECKING, cast

import h11
import httpcore
from socksio import socks5
from socksio.socks5 import SOCKS5AuthMethod as Method
from socksio.socks5 import SOCKS5ReplyCode as Code

if TYPE_CHECKING:
    from glmcli.proxies import Proxy

_LONGEST_HEAD = 100 * 1024  # bytes; what httpcore allows
_SUCCESS = range(200, 300)
_KINDS = {1: 4, 4: 16}  # bytes of an address, by its kind; a name says its length
# The words of RFC 1928, as httpcore puts them.
_METHODS = {
    Method.NO_AUTH_REQUIRED: "NO AUTHENTICATION REQUIRED",
    Method.GSSAPI: "GSSAPI",
    Method.USERNAME_PASSWORD: "USERNAME/PASSWORD",
    Method.NO_ACCEPTABLE_METHODS: "NO ACCEPTABLE METHODS",
}
_REPLIES = {
    Code.GENERAL_SERVER_FAILURE: "General SOCKS server failure",
    Code.CONNECTION_NOT_ALLOWED_BY_RULESET: "Connection not allowed by ruleset",
    Code.NETWORK_UNREACHABLE: "Network unreachable",
    Code.HOST_UNREACHABLE: "Host unreachable",
    Code.CONNECTION_REFUSED: "Connection refused",
    Code.TTL_EXPIRED: "TTL expired",
    Code.COMMAND_NOT_SUPPORTED: "Command not supported",
    Code.ADDRESS_TYPE_NOT_SUPPORTED: "Address type not supported",
}


class Hop(asyncio.Protocol):
    """A connection that is not ours yet: bytes there and back, in the order of a program."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._read = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._read += data
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """No more will come."""
        self._ended, self._error = True, exc
        self._news.set()

    def write(self, data: bytes) -> None:
        """Send a few bytes."""
        cast("asyncio.Transport", self.transport).write(data)

    async def some(self) -> bytes:
        """What has come, at least a byte; nothing at the end.

        Raises:
            httpcore.ReadError: the connection broke.
        """
        while not (self._read or self._ended):
            self._news.clear()
            await self._news.wait()
        if self._error and not self._read:
            raise httpcore.ReadError(self._error)
        data = bytes(self._read)
        self._read.clear()
        return data

    async def exactly(self, count: int) -> bytes:
        """So many bytes, or fewer at the end."""
        data = b""
        while len(data) < count and (more := await self.some()):
            data += more
        self._read[:0] = data[count:]
        return data[:count]


def authorization(proxy: Proxy) -> list[tuple[bytes, bytes]]:
    """The header that a proxy wants, where there are credentials."""
    if not proxy.user:
        return []
    return [(b"Proxy-Authorization", b"Basic " + b64encode(proxy.user + b":" + (proxy.password or b"")))]


async def tunnel(hop: Hop, proxy: Proxy, host: str, port: int) -> None:
    """Ask an HTTP proxy for a connection to this place.

    Raises:
        httpcore.ProxyError: it refuses.
        httpcore.RemoteProtocolError: it says no HTTP, or nothing.
    """
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
    place = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode()
    headers = [(b"Host", place), (b"Accept", b"*/*"), *authorization(proxy)]
    request = h11.Request(method=b"CONNECT", target=place, headers=headers)
    hop.write(http.send(request) + http.send(h11.EndOfMessage()))
    try:
        while not isinstance(event := http.next_event(), h11.Response):
            if event is h11.NEED_DATA:
                data = await hop.some()
                if not data:
                    raise httpcore.RemoteProtocolError("the proxy closed the connection")
                http.receive_data(data)
    except h11.RemoteProtocolError as error:
        raise httpcore.RemoteProtocolError(error) from error
    if event.status_code not in _SUCCESS:
        raise httpcore.ProxyError(f"{event.status_code} {event.reason.decode('ascii', errors='ignore')}")


async def greet(hop: Hop, proxy: Proxy, host: str, port: int) -> None:
    """Ask a SOCKS 5 proxy for a connection to this place; it looks the name up.

    Raises:
        httpcore.ProxyError: it refuses.
        socksio.ProtocolError: it does not speak SOCKS 5.
    """
    wanted = Method.USERNAME_PASSWORD if proxy.user else Method.NO_AUTH_REQUIRED
    hop.write(socks5.SOCKS5AuthMethodsRequest([wanted]).dumps())
    offered = socks5.SOCKS5AuthReply.loads(await hop.exactly(2)).method
    if offered != wanted:
        raise httpcore.ProxyError(f"Requested {_METHODS[wanted]} from proxy server, but got {_METHODS[offered]}.")
    if proxy.user:
        hop.write(socks5.SOCKS5UsernamePasswordRequest(proxy.user, proxy.password or b"").dumps())
        if not socks5.SOCKS5UsernamePasswordReply.loads(await hop.exactly(2)).success:
            raise httpcore.ProxyError("Invalid username/password")
    place = (host.encode(), port)
    hop.write(socks5.SOCKS5CommandRequest.from_address(socks5.SOCKS5Command.CONNECT, place).dumps())
    code = socks5.SOCKS5Reply.loads(await _socks_reply(hop)).reply_code
    if code != Code.SUCCEEDED:
        raise httpcore.ProxyError(f"Proxy Server could not connect: {_REPLIES[code]}.")


async def _socks_reply(hop: Hop) -> bytes:
    """The reply to a command, which is as long as the address in it."""
    head = await hop.exactly(4)
    named = await hop.exactly(1) if head[3:] == b"\x03" else b""
    length = named[0] if named else _KINDS.get(head[3] if len(head) > 3 else 0, 0)  # noqa: PLR2004 - its place
    return head + named + await hop.exactly(length + 2)
