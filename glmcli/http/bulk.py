"""Thousands of requests in one event loop, on aiohttp: what a batch and the workers of a cluster use.

A connection carries one request after another. aiohttp has no SOCKS: such a request is sent with `client.Exchange` in a
thread, on a connection of its own.
"""

from __future__ import annotations

import asyncio
import select
import time
from contextlib import aclosing, closing
from contextvars import ContextVar
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from glmcli.http.tls import no_key_log

try:
    import aiohttp
except OSError as error:  # it prepares TLS as it is imported, and opens the log of session keys
    raise no_key_log(error) from error
from yarl import URL

from glmcli.errors import GlmError
from glmcli.http.call import (
    SUCCESS,
    RequestSent,
    ResponseEnd,
    ResponseHead,
    content_decoder,
    headers,
    is_large,
    peer_error,
    pieces,
)
from glmcli.http.event_loop import NameResolver, StallClock, in_daemon_thread
from glmcli.http.exceptions import RequestState, from_aiohttp
from glmcli.http.proxies import SOCKS, authorization

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from glmcli.http.call import Content, HttpCall, HttpEvent, Receiver
    from glmcli.http.proxies import Proxy
    from glmcli.http.tls import Tls

_SWEEP = 0.25  # seconds between two checks of all time limits: a timer a request costs more than its parsing
_DRAIN = 0.25  # seconds that the last chunk of a body may take after the stream's own end
_STALE = 1.0  # seconds in which a used connection that ends had been idle for too long
_MAX_HEAD = 100 * 1024  # bytes; what httpx allows
_MAX_HEADERS = 1024
_READ = 1 << 18  # bytes read at a time
_OWN_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")  # that aiohttp would add
_SENT = RequestSent()


class ConnectionPool:
    """Sends requests to one server, over as many connections as there are requests at a time."""

    def __init__(self, proxy: Proxy | None, tls: Tls | None) -> None:
        """Open no connection yet."""
        self._proxy = proxy
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._exchanges: set[_PooledExchange] = set()
        self._is_sweeping = False
        self._stalls = StallClock()

    async def send(self, call: HttpCall, receiver: Receiver) -> None:
        """Send a request and pass its events to the receiver; return when it is done. Cancelling closes the connection.

        A connection that the server closed while it was idle is replaced silently.

        Raises:
            Exception: what the receiver raised.
        """
        if receiver.timeout_at <= time.monotonic():
            receiver.timed_out()
        elif self._proxy and self._proxy.scheme in SOCKS:
            await self._send_in_thread(call, receiver)
        else:
            await self._send(_PooledExchange(call, receiver, self._proxy))

    async def _send_in_thread(self, call: HttpCall, receiver: Receiver) -> None:
        from glmcli.http.client import Exchange

        with closing(Exchange(call, self._proxy, self._tls)) as exchange:
            await in_daemon_thread(lambda: exchange.run(receiver, lambda: None))

    async def _send(self, exchange: _PooledExchange) -> None:
        try:
            session = self._open()
        except GlmError as error:  # the certificates cannot be read
            exchange.receiver.handle(error)
            return
        self._exchanges.add(exchange)
        if not self._is_sweeping:
            self._schedule_sweep()
        try:
            # A stale connection means that nobody read the request, so it is sent again, once.
            for _ in range(2):
                if not await exchange.was_stale(session):
                    break
        finally:
            exchange.abort_unless_complete()
            self._exchanges.discard(exchange)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = self._tls.context() if self._tls else None  # it has been loading since the program began
            if context:
                context.set_alpn_protocols(["http/1.1"])
            self._session = aiohttp.ClientSession(
                connector=_Connector(ssl=context or True, limit=0, resolver=NameResolver(), keepalive_timeout=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_OWN_HEADERS,
                timeout=aiohttp.ClientTimeout(total=None),  # the receiver keeps the time
                auto_decompress=False,
                trust_env=False,
                read_bufsize=_READ,
                max_line_size=_MAX_HEAD,
                max_field_size=_MAX_HEAD,
                max_headers=_MAX_HEADERS,
            )
        return self._session

    def _schedule_sweep(self) -> None:
        self._is_sweeping = True
        self._stalls.expect(_SWEEP)
        asyncio.get_running_loop().call_later(_SWEEP, self._sweep)

    def _sweep(self) -> None:
        self._stalls.arrived()
        self._is_sweeping = False
        if self._exchanges:
            self._schedule_sweep()
        for exchange in tuple(self._exchanges):
            exchange.check(self._stalls)

    async def close(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()
        self._session = None


_current: ContextVar[_PooledExchange] = ContextVar("exchange")


class _Connector(aiohttp.TCPConnector):
    """Reports to the exchange of the current task which connection it got, and how many requests that has carried."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - as in aiohttp
        super().__init__(**options)
        self.carried: WeakKeyDictionary[Any, int] = WeakKeyDictionary()  # requests by connection (its protocol)

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ANN401, ASYNC109 - as in aiohttp
        exchange = _current.get()
        try:
            async with asyncio.timeout(None) as exchange.connecting:
                connection: Any = await super().connect(req, traces, timeout)
                while connection.protocol in self.carried and not exchange.may_reuse(connection.protocol):
                    connection.close()
                    connection = await super().connect(req, traces, timeout)
        finally:
            exchange.connecting = None
        if exchange.receiver.is_done:  # it timed out a moment ago
            connection.close()
            raise TimeoutError
        if error := peer_error(exchange.call, connection.transport.get_extra_info("socket")):
            connection.close()
            raise error
        number = self.carried.get(connection.protocol, 0) + 1
        self.carried[connection.protocol] = number
        exchange.connected(connection.protocol, number, self.carried)
        return connection


def _is_readable(protocol: Any) -> bool:  # noqa: ANN401 - aiohttp's
    """Whether the socket holds something that the loop has not read yet: bytes, or the end."""
    poll = select.poll()
    poll.register(protocol.transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


class _PooledExchange:
    """One request and its response, on a connection of the pool.

    Attributes:
        call: the request.
        connecting: the time limit of a connection that is being established; `abort` lets it expire at once.
    """

    def __init__(self, call: HttpCall, receiver: Receiver, proxy: Proxy | None) -> None:
        self.receiver = receiver
        self.call = call
        self._proxy = proxy
        self._protocol: Any = None
        self._transport: asyncio.Transport | None = None
        self._response: aiohttp.ClientResponse | None = None
        self._upload_error: GlmError | None = None
        self._is_stale = self._is_second_try = self._is_uploading = self._is_complete = False
        self._number = 0  # among the requests of its connection
        self._carried: WeakKeyDictionary[Any, int] | None = None
        self._began = 0.0
        # The receiver's time limit when it was last looked at, and how long the loop had stalled until then.
        self._timeout_at, self._stalled = inf, 0.0
        self.connecting: asyncio.Timeout | None = None

    async def was_stale(self, session: aiohttp.ClientSession) -> bool:
        """Send the request and pass on all events; or True if the connection turned out to be stale."""
        self._is_second_try, self._is_stale = self._is_stale, False
        self._protocol, self._transport, self._began = None, None, time.monotonic()
        _current.set(self)
        async with aclosing(self._events(session)) as events:
            async for event in events:
                self.receiver.handle(event)
                if self.receiver.is_done:
                    await self._drain()
                    break
        return self._is_stale

    def may_reuse(self, protocol: Any) -> bool:  # noqa: ANN401 - aiohttp's
        """Whether a used connection is clean: bytes that came before the request would be taken for its response."""
        return not (self._is_second_try or protocol.should_close or _is_readable(protocol))

    def connected(self, protocol: Any, number: int, carried: WeakKeyDictionary[Any, int]) -> None:  # noqa: ANN401
        """The connection is established, and this request, of this number, is being written to it."""
        self._number, self._carried = number, carried
        self._protocol, self._transport = protocol, protocol.transport
        self.receiver.handle(_SENT)

    async def _events(self, session: aiohttp.ClientSession) -> AsyncGenerator[HttpEvent, None]:
        """The head, the bytes of each read, and the end; or an error."""
        try:
            response = await self._request(session)
            head = self._head(response)
            self._response = response
            yield head
            decode = content_decoder(head)
            while chunk := await response.content.readany():
                yield decode(chunk)
            # Where a body ends with its connection, aiohttp takes a broken connection for the end, too.
            broken = self._protocol.exception()
            yield self._state().connection_broke(broken) if isinstance(broken, OSError) else ResponseEnd()
        except GlmError as error:
            yield error
        except Exception as error:  # noqa: BLE001 - the border: every error of the library is one of ours
            if self.receiver.is_done:  # it timed out, and we closed the connection ourselves
                return
            self._is_stale = not self._is_second_try and self._looks_stale(error)
            if not self._is_stale:
                broken = None if self._protocol is None else self._protocol.exception()
                yield self._upload_error or from_aiohttp(error, self._state(), broken)

    def _looks_stale(self, error: Exception) -> bool:
        """Whether the connection had ended while it was idle, so that nobody read the request."""
        has_ended = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
        is_quick = time.monotonic() - self._began < _STALE
        return has_ended and self._number > 1 and is_quick and self._response is None and not self._upload_error

    async def _request(self, session: aiohttp.ClientSession) -> aiohttp.ClientResponse:
        call, url, proxy = self.call, urlsplit(self.call.url), self._proxy
        content = call.content()
        self._is_uploading = is_large(content)
        pairs = headers(call, url, len(content))
        return await session.request(
            call.method,
            URL(call.url, encoded=True),
            headers=pairs,
            data=self._pieces(content) if self._is_uploading else content or None,
            allow_redirects=False,
            **(self._proxy_options(proxy, url.scheme, pairs) if proxy else {}),
        )

    def _proxy_options(self, proxy: Proxy, scheme: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
        proxy_headers = authorization(proxy)
        if scheme == "http":  # aiohttp sends the headers for a proxy to tunnels only
            pairs += proxy_headers.items()
        proxy_headers |= {name: value for name, value in self.call.headers if name == "User-Agent"}
        return {"proxy": str(proxy), "proxy_headers": proxy_headers}

    def _head(self, response: aiohttp.ClientResponse) -> ResponseHead:
        head = ResponseHead.of(response.status, response.raw_headers)
        self._state().check_proxy(head)
        size = sum(len(name) + len(value) for name, value in response.raw_headers)
        encoding = head.headers.get("transfer-encoding", "chunked").lower()
        # httpx refuses these too.
        wrong = f"status {response.status}" if response.status < min(SUCCESS) else ""
        wrong = wrong or (f"Transfer-Encoding: {encoding}" if encoding != "chunked" else "")
        wrong = wrong or ("the head is too large" if size > _MAX_HEAD else "")
        if wrong:
            response.close()
            raise self._state().not_http(wrong)
        return head

    def _state(self) -> RequestState:
        has_response = self._response is not None
        return RequestState(urlsplit(self.call.url).netloc, self._proxy, self._protocol is not None, has_response)

    async def _pieces(self, content: bytes | Content) -> AsyncIterator[bytes]:
        """A large body, each piece of it reported, until the request is refused."""
        try:
            for piece in pieces(content):
                for _ in range(2):  # iterations of the loop: one polls the socket, the next handles what was read
                    await asyncio.sleep(0)
                if self._response and self._response.status not in SUCCESS:
                    return
                yield piece
                self.receiver.handle(_SENT)
            self._is_uploading = False
        except GlmError as error:
            self._upload_error = error
            self.abort()

    def check(self, stalls: StallClock) -> None:
        """Time out if it is time; or fail a read that would wait for ever, as aiohttp does after a broken chunk."""
        response, timeout_at = self._response, self.receiver.timeout_at
        if timeout_at != self._timeout_at:
            self._timeout_at, self._stalled = timeout_at, stalls.total_before
        if stalls.has_passed(timeout_at, self._stalled):
            try:
                self.receiver.timed_out()
            finally:
                self.abort()
        elif (
            response and self._protocol.exception() and not (response.content.is_eof() or response.content.exception())
        ):
            response.content.set_exception(aiohttp.ClientPayloadError())

    def abort(self) -> None:
        """Close the connection at once: an orderly close waits for TLS, and the server would go on generating."""
        if self.connecting:
            self.connecting.reschedule(0)
        # aiohttp hands a connection to the next request when a response has arrived, perhaps before we read its end.
        if self._transport and self._carried and self._carried.get(self._protocol) == self._number:
            self._transport.abort()
        if self._response:
            self._response.close()

    def abort_unless_complete(self) -> None:
        """Close the connection if the response was not read to its end: it cannot be used again."""
        if not self._is_complete:
            self.abort()

    async def _drain(self) -> None:
        """Read the end of the body, so that the connection can be reused: it may come in a packet after `[DONE]`."""
        response = self._response
        if response is None or self._is_uploading or response.content.exception():
            return
        try:
            async with asyncio.timeout(_DRAIN):
                self._is_complete = response.content.is_eof() or not await response.content.readany()
        except (aiohttp.ClientError, OSError):
            self.abort()
            await asyncio.sleep(0)  # the loop closes the socket now, before another connection is opened
