"""Thousands of requests, on aiohttp: what a batch and the workers of a cluster use.

Hundreds of connections share an event loop (`event_loop.run`), each with a session of its own, which carries one
request after another: a shared pool could not say whether a connection is fresh, and so whether a request that nobody
answered may be sent again. aiohttp knows no SOCKS; such a request goes out as one of `client`, in threads of its own.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from glmcli.errors import GlmError, ProtocolError
from glmcli.http.call import SUCCESS, End, Head, Sent, decoder, headers, is_large, pieces
from glmcli.http.event_loop import Resolver, aside
from glmcli.http.exceptions import Place, of_aiohttp, translated
from glmcli.http.proxies import SOCKS, authorization
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from urllib.parse import SplitResult

    from glmcli.http.call import Content, Happening, HttpCall, Receiver
    from glmcli.http.proxies import Proxy
    from glmcli.http.tls import Tls

_LOOK = 0.25  # seconds between two looks at what is late: a timer a request costs more than its parsing
_TAIL = 0.25  # seconds that the last chunk of a body may take after a stream's own end
_STALE = 5.0  # seconds after which a connection that ends did not end because it was idle
_LONGEST_HEAD = 100 * 1024  # bytes; what httpx allows
_MOST_HEADERS = 1024
_READ = 1 << 18  # bytes read at a time
_NO_LIMIT = aiohttp.ClientTimeout(total=None)  # the receiver keeps the time
_OWN_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")  # that aiohttp would add
_NEVER = float("inf")


class Route(Record):
    """Where connections go, and what stands between."""

    scheme: str
    host: str
    port: int | None
    proxy: Proxy | None = None
    tls: Tls | None = None

    @classmethod
    def to(cls, url: SplitResult, proxy: Proxy | None, tls: Tls | None) -> Route:
        """The way to this URL."""
        return cls(url.scheme, url.hostname or "", url.port, proxy, tls)


class Pool:
    """What the connections of a route share, in one event loop: names that were looked up, and a clock."""

    def __init__(self, route: Route) -> None:
        """Connect nothing yet."""
        self.route = route
        self.resolver = Resolver()
        self._watched: set[_Exchange] = set()
        self._idle: set[Connection] = set()
        self._looks = False

    def connection(self) -> Connection | SocksConnection:
        """Another connection."""
        is_socks = self.route.proxy and self.route.proxy.scheme in SOCKS
        return SocksConnection(self) if is_socks else Connection(self)

    def watch(self, exchange: _Exchange, connection: Connection) -> None:
        """End this one when its receiver is late."""
        self._idle.discard(connection)
        self._watched.add(exchange)
        if not self._looks:
            self._looks = True
            asyncio.get_running_loop().call_later(_LOOK, self._look)

    def rest(self, exchange: _Exchange | None, connection: Connection, *, is_open: bool) -> None:
        """It is over; whatever comes on its connection from now on answers nothing."""
        if exchange:
            self._watched.discard(exchange)
        (self._idle.add if is_open else self._idle.discard)(connection)

    def _look(self) -> None:
        now = time.monotonic()
        for exchange in [each for each in self._watched if each.receiver.due <= now]:
            exchange.late()
        for exchange in self._watched:
            exchange.wake_if_lost()
        for connection in self._idle:
            connection.drop_if_spoiled()
        self._looks = bool(self._watched or self._idle)
        if self._looks:
            asyncio.get_running_loop().call_later(_LOOK, self._look)


class Connection:
    """Carries one request at a time, and connects with the first."""

    def __init__(self, pool: Pool) -> None:
        """One of this pool."""
        self._pool = pool
        self._session: aiohttp.ClientSession | None = None
        self._connector: _Connector | None = None
        self._exchange: _Exchange | None = None
        self._tail: asyncio.Task[None] | None = None

    async def send(self, call: HttpCall, receiver: Receiver) -> None:
        """Send the call; returns when the receiver is over.

        A connection that was closed while it was idle is replaced without a word. To be cancelled is to hang up.

        Raises:
            Exception: what the receiver raised.
        """
        if self._tail:
            await self._tail
            self._tail = None
        if receiver.due <= time.monotonic():
            receiver.late()
            return
        exchange = _Exchange(call, receiver, Place(urlsplit(call.url).netloc, self._pool.route.proxy))
        self._exchange = exchange
        self._pool.watch(exchange, self)
        try:
            if await self._carry(exchange):
                exchange.begin_anew()
                await self._carry(exchange)
        except BaseException:
            exchange.hang_up()
            raise
        finally:
            self._pool.rest(exchange, self, is_open=True)

    async def _carry(self, exchange: _Exchange) -> bool:
        """Tell the receiver all that happens; whether the connection was stale, so that nobody read the request."""
        receiver = exchange.receiver
        happening: Happening | None = None
        if self._session is None:
            happening = await self._open()
        if happening is None:
            exchange.connector = self._connector
            happening = await exchange.begin(self._session, self._pool.route)
        while happening is not None:
            receiver.take(happening)
            if receiver.over:
                self._tail = exchange.end()
                return False
            happening = await exchange.next()
        return exchange.is_stale

    async def _open(self) -> GlmError | None:
        tls = self._pool.route.tls
        try:
            secure = await aside(tls.context) if tls else None
        except GlmError as error:
            return error
        if secure:
            secure.set_alpn_protocols(["http/1.1"])
        self._connector = _Connector(
            ssl=secure or True,
            limit=0,
            resolver=self._pool.resolver,
            keepalive_timeout=None,
            happy_eyeballs_delay=_LOOK,
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_OWN_HEADERS,
            timeout=_NO_LIMIT,
            auto_decompress=False,
            trust_env=False,
            read_bufsize=_READ,
            max_line_size=_LONGEST_HEAD,
            max_field_size=_LONGEST_HEAD,
            max_headers=_MOST_HEADERS,
        )
        return None

    def drop_if_spoiled(self) -> None:
        """Hang up if something came that nobody asked for: it would be taken for the answer to the next request."""
        if self._connector and not self._tail:
            self._connector.drop_if_spoiled()

    async def close(self) -> None:
        """Hang up at once, so that the provider stops and no longer bills."""
        self._pool.rest(None, self, is_open=False)
        if self._tail:
            self._tail.cancel()
        if self._exchange:
            self._exchange.hang_up()
        if self._session:
            await self._session.close()
        self._session = self._connector = self._tail = None


class SocksConnection:
    """Carries one request at a time, each on a connection of its own."""

    def __init__(self, pool: Pool) -> None:
        """One of this pool."""
        self._route = pool.route

    async def send(self, call: HttpCall, receiver: Receiver) -> None:
        """As Connection."""
        from glmcli.http.client import Exchange

        if receiver.due <= time.monotonic():
            receiver.late()
            return
        exchange = Exchange(call, self._route.proxy, self._route.tls)
        try:
            await aside(lambda: exchange.tell(receiver, lambda: None))
        finally:
            exchange.close()

    async def close(self) -> None:
        """Nothing is held."""


class _Connector(aiohttp.TCPConnector):
    """Tells an exchange when its connection stands, and whether it is fresh."""

    exchange: _Exchange | None = None
    _last: Any = None

    def drop_if_spoiled(self) -> None:
        """Hang up if there are bytes that answer nothing, or half of an answer."""
        if self._last is not None and self._last.should_close:
            self._last.abort()

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ANN401, ASYNC109 - as in aiohttp
        """A connection for this request.

        Raises:
            NetworkError: it took too long.
        """
        exchange = self.exchange
        assert exchange is not None  # noqa: S101 - set before each request
        self.drop_if_spoiled()
        try:
            async with asyncio.timeout_at(exchange.loop_due()):
                connection = await super().connect(req, traces, timeout)
        except TimeoutError:
            exchange.late()
            raise
        exchange.connected(connection.protocol, is_reused=connection.protocol is self._last)
        self._last = connection.protocol
        return connection


class _Exchange:
    """One request and its response on a connection."""

    def __init__(self, call: HttpCall, receiver: Receiver, place: Place) -> None:
        self.receiver = receiver
        self.connector: _Connector | None = None
        self.is_stale = False
        self._call = call
        self._place = place
        self._protocol: Any = None
        self._transport: asyncio.Transport | None = None
        self._response: aiohttp.ClientResponse | None = None
        self._failure: GlmError | None = None
        self._is_reused = self._is_late = self._uploads = False
        self._began = time.monotonic()

    def begin_anew(self) -> None:
        """On another connection."""
        self.is_stale = False
        self._protocol = self._transport = None

    def connected(self, protocol: Any, *, is_reused: bool) -> None:  # noqa: ANN401 - aiohttp's
        """The connection stands, and the request goes out."""
        self._protocol = protocol
        self._transport = protocol.transport
        self._is_reused = is_reused
        self.receiver.take(Sent())

    def loop_due(self) -> float | None:
        """When the receiver is late, on the clock of the event loop."""
        due = self.receiver.due
        return None if due == _NEVER else asyncio.get_running_loop().time() + due - time.monotonic()

    async def begin(self, session: aiohttp.ClientSession | None, route: Route) -> Happening | None:
        """Send the request; the head of the response."""
        assert session is not None  # noqa: S101 - it was opened
        assert self.connector is not None  # noqa: S101
        self.connector.exchange = self
        call, url = self._call, urlsplit(self._call.url)
        proxy = route.proxy
        try:
            content = call.content()
            self._uploads = is_large(content)
            pairs = headers(call, url, len(content))
            if proxy and url.scheme == "http":  # aiohttp sends the headers of a proxy to tunnels only
                pairs += authorization(proxy).items()
            self._response = await session.request(
                call.method,
                URL(call.url, encoded=True),
                headers=pairs,
                data=self._pieces(content) if self._uploads else content or None,
                allow_redirects=False,
                proxy=str(proxy) if proxy else None,
                proxy_headers=_to_proxy(call, proxy) if proxy and url.scheme == "https" else None,
            )
            return self._head(self._response)
        except GlmError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the border: every error of the library is one of ours
            return self._failed(error)

    def _head(self, response: aiohttp.ClientResponse) -> Head:
        head = Head.of(response.status, response.raw_headers)
        self._place.check(head)
        wrong = _no_http(head, sum(len(name) + len(value) for name, value in response.raw_headers))
        if wrong:
            raise ProtocolError(
                message=f"{self._place} does not speak HTTP: {wrong}", fix="check the base URL", sent=True
            )
        self._unpack: Any = None
        return head

    async def next(self) -> Happening | None:
        """All that came in one read, or the end; None: nothing more comes."""
        response = self._response
        if response is None or self._is_late:
            return None
        try:
            if self._unpack is None:
                self._unpack = decoder(Head.of(response.status, response.raw_headers))
            chunk = await response.content.readany()
            if chunk:
                return self._unpack(chunk)  # type: ignore[no-any-return]
            # Where the end of the connection is that of the body, aiohttp takes a broken one for an end, too.
            lost = self._protocol.exception()
            return self._failed(aiohttp.ClientPayloadError()) if isinstance(lost, OSError) else End()
        except GlmError as error:
            return error
        except Exception as error:  # noqa: BLE001 - as above
            return self._failed(error)

    async def _pieces(self, content: bytes | Content) -> AsyncIterator[bytes]:
        """A large body, told of as it goes. What has come is read before the next piece: it may be a refusal."""
        try:
            for piece in pieces(content):
                for _ in range(2):  # one round to see that there is something, one to read it
                    await asyncio.sleep(0)
                if self._response and self._response.status not in SUCCESS:
                    return
                yield piece
                self.receiver.take(Sent())
            self._uploads = False
        except GlmError as error:
            self._failure = error
            self.hang_up()

    def _failed(self, error: Exception) -> Happening | None:
        """What an error of the library means; None if the receiver knows already, or the connection was stale."""
        if self._is_late:
            return None
        if self._failure:
            return self._failure
        begun = self._response is not None
        self.is_stale = self._is_reused and not begun and time.monotonic() - self._began < _STALE
        if self.is_stale:
            return None
        lost = None if self._protocol is None else self._protocol.exception()
        failure = of_aiohttp(error, lost)
        return translated(failure, self._place, sent=self._protocol is not None, begun=begun)

    def late(self) -> None:
        """The time is up."""
        if not self._is_late:
            self._is_late = True
            self.receiver.late()
            self.hang_up()

    def wake_if_lost(self) -> None:
        """End a wait for bytes that can never come: aiohttp tells nobody of a body whose framing is broken."""
        response = self._response
        if response and self._protocol.exception() and not (response.content.is_eof() or response.content.exception()):
            response.content.set_exception(aiohttp.ClientPayloadError())

    def hang_up(self) -> None:
        """At once: to close only would wait for TLS to say good-bye, and the server would go on."""
        if self._transport:
            self._transport.abort()
        if self._response:
            self._response.close()

    def end(self) -> asyncio.Task[None] | None:
        """Nothing more is wanted; a task that keeps the connection, if the response ends now."""
        response = self._response
        if response is None or self._uploads or self._is_late or response.content.exception():
            self.hang_up()
        elif not response.content.is_eof():
            return asyncio.get_running_loop().create_task(self._see_end(response))
        return None

    async def _see_end(self, response: aiohttp.ClientResponse) -> None:
        """A stream says its own end first, and the last chunk follows at once, as a rule in a packet of its own."""
        is_over = False
        try:
            async with asyncio.timeout(_TAIL):
                is_over = not await response.content.readany()
        except (aiohttp.ClientError, OSError):
            pass
        finally:
            if not is_over:
                self.hang_up()


def _to_proxy(call: HttpCall, proxy: Proxy) -> dict[str, str]:
    agent = {name: value for name, value in call.headers if name == "User-Agent"}
    return authorization(proxy) | agent


def _no_http(head: Head, size: int) -> str | None:
    """What is wrong with a head that aiohttp lets pass, and httpx does not."""
    if size > _LONGEST_HEAD:
        return "the head is too large"
    if head.status < min(SUCCESS):
        return f"status {head.status}"
    encoding = head.headers.get("transfer-encoding", "chunked").lower()
    return None if encoding == "chunked" else f"Transfer-Encoding: {encoding}"
