"""From a route to a connection that is ready: addresses, proxies, TLS."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from typing import TYPE_CHECKING, Any

import httpcore

from glmcli.record import Record
from glmcli.transport.aside import aside
from glmcli.transport.faults import SOCKS
from glmcli.transport.hop import Hop, greet, tunnel
from glmcli.transport.wire import Wire

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from glmcli.proxies import Proxy
    from glmcli.tls import Tls

_PORTS = {"http": 80, "https": 443}
_EACH = 1.0  # seconds for an address while there is another: one that is dead must not use up the time of all
_RAGGED = "UNEXPECTED_EOF_WHILE_READING"  # OpenSSL's word for an end in the middle, where asyncio has none


class Route(Record):
    """Where connections go, and what stands between."""

    scheme: str
    host: str
    port: int
    proxy: Proxy | None = None
    tls: Tls | None = None

    @classmethod
    def to(cls, url: SplitResult, proxy: Proxy | None, tls: Tls | None) -> Route:
        """The way to this URL."""
        return cls(url.scheme, url.hostname or "", url.port or _PORTS[url.scheme], proxy, tls)


async def dial(route: Route) -> Wire:
    """A connection that waits for its first request.

    Raises:
        Exception: those of httpcore, of the SOCKS library and of the system; UsageError for certificates.
    """
    hop, wire, proxy = Hop(), Wire(), route.proxy
    first = (proxy.host, proxy.port) if proxy else (route.host, route.port)
    transport = await _reach(hop, *first)
    try:
        if proxy and proxy.scheme == "https":
            transport = await _secured(transport, hop, route.tls, proxy.host)
            hop.transport = transport
        if proxy and proxy.scheme in SOCKS:
            await greet(hop, proxy, route.host, route.port)
        elif proxy and route.scheme == "https":
            await tunnel(hop, proxy, route.host, route.port)
        if route.scheme == "https":
            transport = await _secured(transport, wire, route.tls, route.host)
        else:
            transport.set_protocol(wire)
    except BaseException:
        transport.abort()
        raise
    wire.connection_made(transport)
    return wire


async def _reach(hop: Hop, host: str, port: int) -> asyncio.Transport:
    """One address after another, in the order of the system, as `ask` does."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError("no address")
    try:
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(error) from error
    for number, (family, kind, protocol, _, address) in enumerate(addresses, 1):
        try:
            async with asyncio.timeout(_EACH if number < len(addresses) else None):
                connected = await _connected(socket.socket(family, kind, protocol), address)
        except OSError as error:
            failure = error
        else:
            transport, _ = await loop.create_connection(lambda: hop, sock=connected)
            return transport
    # asyncio has words of its own for what the system says.
    said = OSError(failure.errno, os.strerror(failure.errno)) if failure.errno else failure
    raise httpcore.ConnectError(said) from failure


async def _connected(connection: socket.socket, address: Any) -> socket.socket:  # noqa: ANN401 - as each family has it
    try:
        connection.setblocking(False)  # noqa: FBT003 - its only form
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


async def _secured(
    transport: asyncio.Transport, protocol: asyncio.Protocol, tls: Tls | None, host: str
) -> asyncio.Transport:
    """TLS over what stands already; the certificate must be that of the host."""
    context = await aside(("tls", id(tls)), tls.context if tls else ssl.create_default_context)
    context.set_alpn_protocols(["http/1.1"])
    try:
        secured = await asyncio.get_running_loop().start_tls(transport, protocol, context, server_hostname=host)
    except OSError as error:
        raise httpcore.ConnectError(error if error.args else ssl.SSLEOFError(ssl.SSL_ERROR_EOF, _RAGGED)) from error
    if secured is None:  # asyncio, of a connection that ended in between
        raise httpcore.ConnectError(ssl.SSLEOFError(ssl.SSL_ERROR_EOF, _RAGGED))
    return secured
