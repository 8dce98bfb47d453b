"""Thousands of requests, on aiohttp: what a batch and the workers of a cluster use, in one event loop.

A connection carries one request after another. aiohttp knows no SOCKS: such a request is sent with `client.Exchange` in
a thread, on a connection of its own.
"""

from __future__ import annotations

import asyncio
import select
import time
from contextlib import aclosing
from contextvars import ContextVar
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import aiohttp
from yarl import URL

from glmcli.errors import GlmError
from glmcli.http.call import SUCCESS, RequestSent, ResponseEnd, ResponseHead, decoder, headers, is_large, pieces
from glmcli.http.event_loop import NameResolver, StallClock, in_daemon_thread
from glmcli.http.exceptions import Failed, of_aiohttp
from glmcli.http.proxies import SOCKS, authorization

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from glmcli.http.call import Content, HttpCall, HttpEvent, Receiver
    from glmcli.http.proxies import Proxy
    from glmcli.http.tls import Tls

_SWEEP = 0.25  # seconds between two looks at what is late: a timer a request costs more than its parsing
_DRAIN = 0.25  # seconds that the last chunk of a body may take after a stream's own end
_STALE = 1.0  # seconds in which the end of a connection that was used before means that it was idle for too long
_LONGEST_HEAD = 100 * 1024  # bytes; what httpx allows
_MOST_HEADERS = 1024
_READ = 1 << 18  # bytes read at a time
_OWN_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")  # that aiohttp would add
_SENT = RequestSent()


class ConnectionPool:
    """Sends to one place, over as many connections as there are requests at a time."""

    def __init__(self, proxy: Proxy | None, tls: Tls | None) -> None:
        """Connect nothing yet."""
        self._proxy = proxy
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._exchanges: set[_Exchange] = set()
        self._sweeps = False
        self._stalls = StallClock()

    async def send(self, call: HttpCall, receiver: Receiver) -> None:
        """Send the call; returns when the receiver is over. To be cancelled is to hang up.

        A connection that was closed while it was idle is replaced without a word.

        Raises:
            Exception: what the receiver raised.
        """
        if receiver.due <= time.monotonic():
            receiver.late()
        elif self._proxy and self._proxy.scheme in SOCKS:
            await self._send_in_thread(call, receiver)
        else:
            await self._send(_Exchange(call, receiver, self._proxy))

    async def _send_in_thread(self, call: HttpCall, receiver: Receiver) -> None:
        from glmcli.http.client import Exchange

        exchange = Exchange(call, self._proxy, self._tls)
        try:
            await in_daemon_thread(lambda: exchange.tell(receiver, lambda: None))
        finally:
            exchange.close()

    async def _send(self, exchange: _Exchange) -> None:
        try:
            session = self._open()
        except GlmError as error:  # the certificates cannot be read
            exchange.receiver.take(error)
            return
        self._watch(exchange)
        try:
            # Nobody read the request on a connection that was stale, so it is sent again: twice at most.
            for _ in range(2):
                if not await exchange.is_stale(session):
                    break
        finally:
            exchange.hang_up_unless_over()
            self._exchanges.discard(exchange)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            secure = self._tls.context() if self._tls else None  # they have been loading since the program began
            if secure:
                secure.set_alpn_protocols(["http/1.1"])
            self._session = aiohttp.ClientSession(
                connector=_Connector(ssl=secure or True, limit=0, resolver=NameResolver(), keepalive_timeout=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_OWN_HEADERS,
                timeout=aiohttp.ClientTimeout(total=None),  # the receiver keeps the time
                auto_decompress=False,
                trust_env=False,
                read_bufsize=_READ,
                max_line_size=_LONGEST_HEAD,
                max_field_size=_LONGEST_HEAD,
                max_headers=_MOST_HEADERS,
            )
        return self._session

    def _watch(self, exchange: _Exchange) -> None:
        self._exchanges.add(exchange)
        if not self._sweeps:
            self._sweep_later()

    def _sweep_later(self) -> None:
        self._sweeps = True
        self._stalls.expect(_SWEEP)
        asyncio.get_running_loop().call_later(_SWEEP, self._sweep)

    def _sweep(self) -> None:
        """Fail what is late, and what waits for nothing."""
        self._stalls.arrived()
        self._sweeps = False
        if self._exchanges:
            self._sweep_later()
        for exchange in tuple(self._exchanges):
            exchange.sweep(self._stalls)

    async def close(self) -> None:
        """Hang up all connections."""
        if self._session:
            await self._session.close()
        self._session = None


_current: ContextVar[_Exchange] = ContextVar("exchange")


class _Connector(aiohttp.TCPConnector):
    """Tells the exchange of this task when its connection stands, and which of its requests this one is."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - as in aiohttp
        super().__init__(**options)
        self.carried: WeakKeyDictionary[Any, int] = WeakKeyDictionary()  # requests by connection (its protocol)

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ANN401, ASYNC109 - as in aiohttp
        exchange = _current.get()
        try:
            async with asyncio.timeout(None) as exchange.connecting:
                connection: Any = await super().connect(req, traces, timeout)
                while connection.protocol in self.carried and not exchange.may_use(connection.protocol):
                    connection.close()
                    connection = await super().connect(req, traces, timeout)
        finally:
            exchange.connecting = None
        if exchange.receiver.over:  # it was late a moment ago
            connection.close()
            raise TimeoutError
        number = self.carried.get(connection.protocol, 0) + 1
        self.carried[connection.protocol] = number
        exchange.connected(connection.protocol, number, self.carried)
        return connection


def _is_readable(protocol: Any) -> bool:  # noqa: ANN401 - aiohttp's
    """Whether there is something that the loop has not read yet: bytes, or the end."""
    poll = select.poll()
    poll.register(protocol.transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


class _Exchange:
    """One request and its response."""

    def __init__(self, call: HttpCall, receiver: Receiver, proxy: Proxy | None) -> None:
        self.receiver = receiver
        self._call = call
        self._proxy = proxy
        self._protocol: Any = None
        self._transport: asyncio.Transport | None = None
        self._response: aiohttp.ClientResponse | None = None
        self._error: GlmError | None = None  # of the request itself
        self._stale = self._is_again = self._uploads = self._is_over = False
        self._number = 0  # among the requests of its connection
        self._carried: WeakKeyDictionary[Any, int] | None = None
        self._began = 0.0
        self._due, self._stalled = inf, 0.0  # when it is late, and how long the loop had stalled when that was set
        self.connecting: asyncio.Timeout | None = None

    async def is_stale(self, session: aiohttp.ClientSession) -> bool:
        """Send the request and deliver all that happens; whether the connection was stale instead."""
        self._is_again, self._stale = self._stale, False
        self._protocol, self._transport, self._began = None, None, time.monotonic()
        _current.set(self)
        async with aclosing(self._happenings(session)) as happenings:
            async for happening in happenings:
                self.receiver.take(happening)
                if self.receiver.over:
                    await self._drain()
                    break
        return self._stale

    def may_use(self, protocol: Any) -> bool:  # noqa: ANN401 - aiohttp's
        """Whether an old connection will do: what came before the request would pass for the answer."""
        return not (self._is_again or protocol.should_close or _is_readable(protocol))

    def connected(self, protocol: Any, number: int, carried: WeakKeyDictionary[Any, int]) -> None:  # noqa: ANN401
        """The connection stands, and its request of this number goes out."""
        self._number, self._carried = number, carried
        self._protocol, self._transport = protocol, protocol.transport
        self.receiver.take(_SENT)

    async def _happenings(self, session: aiohttp.ClientSession) -> AsyncGenerator[HttpEvent, None]:
        """The head, all that comes in each read, and the end; or an error."""
        try:
            response = await self._request(session)
            head = self._head(response)
            self._response = response
            yield head
            unpack = decoder(head)
            while chunk := await response.content.readany():
                yield unpack(chunk)
            # Where the end of the connection is that of the body, aiohttp takes a broken one for an end, too.
            lost = self._protocol.exception()
            yield self._failed().reading(lost) if isinstance(lost, OSError) else ResponseEnd()
        except GlmError as error:
            yield error
        except Exception as error:  # noqa: BLE001 - the border: every error of the library is one of ours
            if self.receiver.over:  # it was late, and this is our own hanging up
                return
            self._stale = not self._is_again and self._looks_stale(error)
            if not self._stale:
                lost = None if self._protocol is None else self._protocol.exception()
                yield self._error or of_aiohttp(error, self._failed(), lost)

    def _looks_stale(self, error: Exception) -> bool:
        """Whether the connection had ended while it was idle, so that nobody read the request."""
        is_end = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
        quick = time.monotonic() - self._began < _STALE
        return is_end and self._number > 1 and quick and self._response is None and not self._error

    async def _request(self, session: aiohttp.ClientSession) -> aiohttp.ClientResponse:
        call, url, proxy = self._call, urlsplit(self._call.url), self._proxy
        content = call.content()
        self._uploads = is_large(content)
        pairs = headers(call, url, len(content))
        return await session.request(
            call.method,
            URL(call.url, encoded=True),
            headers=pairs,
            data=self._pieces(content) if self._uploads else content or None,
            allow_redirects=False,
            **(self._through(proxy, url.scheme, pairs) if proxy else {}),
        )

    def _through(self, proxy: Proxy, scheme: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
        to_proxy = authorization(proxy)
        if scheme == "http":  # aiohttp sends the headers for a proxy to tunnels only
            pairs += to_proxy.items()
        to_proxy |= {name: value for name, value in self._call.headers if name == "User-Agent"}
        return {"proxy": str(proxy), "proxy_headers": to_proxy}

    def _head(self, response: aiohttp.ClientResponse) -> ResponseHead:
        head, size = ResponseHead.of(response.status, response.raw_headers), 0
        self._failed().check(head)
        for name, value in response.raw_headers:
            size += len(name) + len(value)
        encoding = head.headers.get("transfer-encoding", "chunked").lower()
        # What httpx does not let pass either.
        wrong = f"status {response.status}" if response.status < min(SUCCESS) else ""
        wrong = wrong or (f"Transfer-Encoding: {encoding}" if encoding != "chunked" else "")
        wrong = wrong or ("the head is too large" if size > _LONGEST_HEAD else "")
        if wrong:
            response.close()
            raise self._failed().framing(wrong)
        return head

    def _failed(self) -> Failed:
        begun = self._response is not None
        return Failed(urlsplit(self._call.url).netloc, self._proxy, self._protocol is not None, begun)

    async def _pieces(self, content: bytes | Content) -> AsyncIterator[bytes]:
        """A large body, told of as it goes, until a refusal comes."""
        try:
            for piece in pieces(content):
                for _ in range(2):  # rounds of the loop: to see that there is something, and to read it
                    await asyncio.sleep(0)
                if self._response and self._response.status not in SUCCESS:
                    return
                yield piece
                self.receiver.take(_SENT)
            self._uploads = False
        except GlmError as error:
            self._error = error
            self.hang_up()

    def sweep(self, stalls: StallClock) -> None:
        """Fail what is late; and a wait for bytes that cannot come, for aiohttp tells nobody of a broken chunk."""
        response, due = self._response, self.receiver.due
        if due != self._due:
            self._due, self._stalled = due, stalls.before
        if stalls.is_late(due, self._stalled):
            try:
                self.receiver.late()
            finally:
                self.hang_up()
        elif (
            response and self._protocol.exception() and not (response.content.is_eof() or response.content.exception())
        ):
            response.content.set_exception(aiohttp.ClientPayloadError())

    def hang_up(self) -> None:
        """At once: to close only would wait for TLS to say good-bye, and the server would go on."""
        if self.connecting:
            self.connecting.reschedule(0)
        # aiohttp gives a connection to the next as soon as a response has come, when its end may not be read here yet.
        if self._transport and self._carried and self._carried.get(self._protocol) == self._number:
            self._transport.abort()
        if self._response:
            self._response.close()

    def hang_up_unless_over(self) -> None:
        """Hang up where the response has not come to its end, and the connection cannot be used again."""
        if not self._is_over:
            self.hang_up()

    async def _drain(self) -> None:
        """A stream says its own end first, and the last chunk follows at once, as a rule in a packet of its own."""
        response = self._response
        if response is None or self._uploads or response.content.exception():
            return
        try:
            async with asyncio.timeout(_DRAIN):
                self._is_over = response.content.is_eof() or not await response.content.readany()
        except (aiohttp.ClientError, OSError):
            self.hang_up()
            await asyncio.sleep(0)  # the socket is closed in the next round: before another connection stands
