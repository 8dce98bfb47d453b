"""Thousands of requests, on aiohttp: what a batch and the workers of a cluster use, in one event loop.

A connection carries one request after another. aiohttp knows no SOCKS: such a request goes out as one of `client`, in
threads of its own, and on a connection of its own.
"""

from __future__ import annotations

import asyncio
import select
import time
from contextvars import ContextVar
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from glmcli.errors import GlmError
from glmcli.http.call import SUCCESS, End, Head, Sent, decoder, headers, is_large, pieces
from glmcli.http.event_loop import Resolver, Stalls, aside
from glmcli.http.exceptions import Failed, of_aiohttp
from glmcli.http.proxies import SOCKS, authorization

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from glmcli.http.call import Content, Happening, HttpCall, Receiver
    from glmcli.http.proxies import Proxy
    from glmcli.http.tls import Tls

_LOOK = 0.25  # seconds between two looks at what is late: a timer a request costs more than its parsing
_TAIL = 0.25  # seconds that the last chunk of a body may take after a stream's own end
_STALE = 5.0  # seconds after which a connection that ends did not end because it was idle
_LONGEST_HEAD = 100 * 1024  # bytes; what httpx allows
_MOST_HEADERS = 1024
_READ = 1 << 18  # bytes read at a time
_SENT = Sent()
_OWN_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")  # that aiohttp would add


class Pool:
    """Sends to one place, over as many connections as there are requests at a time."""

    def __init__(self, proxy: Proxy | None, tls: Tls | None) -> None:
        """Connect nothing yet."""
        self._proxy = proxy
        self._tls = tls
        self._secure: ssl.SSLContext | None = None
        self._session: aiohttp.ClientSession | None = None
        self._exchanges: set[_Exchange] = set()
        self._looks = False
        self.stalls = Stalls()
        self.tails: set[asyncio.Task[None]] = set()  # connections whose last response is about to end
        self.unclaimed: set[asyncio.Task[None]] = set()  # of them, those for which no request waits
        # aiohttp's protocols of connections that carry nothing; and who has the others, for aiohttp gives a connection
        # to the next as soon as a response has come, when who waits for it has not read its end yet.
        self.idle: set[Any] = set()
        self.carried: dict[Any, _Exchange] = {}

    async def send(self, call: HttpCall, receiver: Receiver) -> None:
        """Send the call; returns when the receiver is over. To be cancelled is to hang up.

        A connection that was closed while it was idle is replaced without a word.

        Raises:
            Exception: what the receiver raised.
        """
        if receiver.due <= time.monotonic():
            receiver.late()
        elif self._proxy and self._proxy.scheme in SOCKS:
            await self._send_aside(call, receiver)
        else:
            if self.unclaimed and not self.idle:
                # One request for each: so there are never more connections than requests at a time.
                await asyncio.wait((self.unclaimed.pop(),))
            await self._send(_Exchange(call, receiver, self._proxy, self))

    async def _send_aside(self, call: HttpCall, receiver: Receiver) -> None:
        from glmcli.http.client import Exchange

        exchange = Exchange(call, self._proxy, self._tls)
        try:
            await aside(lambda: exchange.tell(receiver, lambda: None))
        finally:
            exchange.close()

    async def _send(self, exchange: _Exchange) -> None:
        try:
            session = await self._opened()
        except GlmError as error:  # the certificates cannot be read
            exchange.receiver.take(error)
            return
        self._watch(exchange)
        try:
            if await exchange.is_stale(session):
                # Nobody read the request, so it may be sent again, over a connection that is new.
                await exchange.is_stale(session)
        except BaseException:
            exchange.hang_up()
            raise
        finally:
            self._exchanges.discard(exchange)

    async def _opened(self) -> aiohttp.ClientSession:
        if self._tls and self._secure is None:
            self._secure = await aside(self._tls.context)
            self._secure.set_alpn_protocols(["http/1.1"])
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_Connector(ssl=self._secure or True, limit=0, resolver=Resolver(), keepalive_timeout=None),
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
        if not self._looks:
            self._look_again()

    def _look(self) -> None:
        """End what is late, and what waits for nothing; close connections that say what nobody asked for."""
        self.stalls.looked()
        for exchange in tuple(self._exchanges):
            exchange.look()
        for protocol in [each for each in self.idle if each.should_close]:
            self.idle.discard(protocol)
            protocol.abort()
        self._looks = False
        if self._exchanges or self.idle:
            self._look_again()

    def _look_again(self) -> None:
        self._looks = True
        self.stalls.next_look(_LOOK)
        asyncio.get_running_loop().call_later(_LOOK, self._look)

    async def close(self) -> None:
        """Hang up all connections."""
        for tail in self.tails:
            tail.cancel()
        if self._session:
            await self._session.close()
        self.idle.clear()
        self._session = None


_current: ContextVar[_Exchange] = ContextVar("exchange")


class _Connector(aiohttp.TCPConnector):
    """Tells the exchange of this task when its connection stands, and whether it is new."""

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ANN401, ASYNC109 - as in aiohttp
        exchange = _current.get()
        async with asyncio.timeout(None) as exchange.connecting:
            connection: Any = await super().connect(req, traces, timeout)
            while exchange.cannot_use(connection.protocol):
                connection.close()
                connection = await super().connect(req, traces, timeout)
        exchange.connecting = None
        if exchange.is_late:  # since a moment ago
            connection.close()
            raise TimeoutError
        exchange.connected(connection.protocol)
        return connection


def _is_readable(protocol: Any) -> bool:  # noqa: ANN401 - aiohttp's
    """Whether there is something that the loop has not read yet: bytes, or the end."""
    poll = select.poll()
    poll.register(protocol.transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


class _Exchange:
    """One request and its response."""

    def __init__(self, call: HttpCall, receiver: Receiver, proxy: Proxy | None, pool: Pool) -> None:
        self.receiver = receiver
        self._call = call
        self._pool = pool
        self._proxy = proxy
        self._protocol: Any = None
        self._transport: asyncio.Transport | None = None
        self._response: aiohttp.ClientResponse | None = None
        self._received = Head(0, {})
        self._unpack: Any = None
        self._error: GlmError | None = None
        self._is_reused = self.is_late = self._uploads = self._stale = False
        self._due, self._stalled = inf, 0.0  # when it is late, and how long the loop had stalled when that was set
        self._began = time.monotonic()
        self.connecting: asyncio.Timeout | None = None

    async def is_stale(self, session: aiohttp.ClientSession) -> bool:
        """Tell the receiver all that happens; whether nobody read the request."""
        was_stale = self._stale
        _current.set(self)
        happening = await self._begin(session)
        while happening is not None:
            self.receiver.take(happening)
            if self.receiver.over:
                self._end()
                return False
            happening = await self._next()
        return self._stale and not was_stale

    def cannot_use(self, protocol: Any) -> bool:  # noqa: ANN401 - aiohttp's
        """Whether a used connection may be about to end, or would take for the answer what came before the request."""
        return self._is_used(protocol) and (self._stale or protocol.should_close or _is_readable(protocol))

    def _is_used(self, protocol: Any) -> bool:  # noqa: ANN401 - aiohttp's
        return protocol in self._pool.idle or protocol in self._pool.carried

    def connected(self, protocol: Any) -> None:  # noqa: ANN401 - aiohttp's
        """The connection stands, and the request goes out."""
        self._is_reused = self._is_used(protocol)
        self._pool.idle.discard(protocol)
        self._pool.carried[protocol] = self
        self._protocol, self._transport = protocol, protocol.transport
        self.receiver.take(_SENT)

    async def _begin(self, session: aiohttp.ClientSession) -> Happening | None:
        """Send the request; the head of the response."""
        call, url, proxy = self._call, urlsplit(self._call.url), self._proxy
        try:
            content = call.content()
            self._uploads = is_large(content)
            pairs = headers(call, url, len(content))
            through = self._through(proxy, url.scheme, pairs) if proxy else {}
            response = await session.request(
                call.method,
                URL(call.url, encoded=True),
                headers=pairs,
                data=self._pieces(content) if self._uploads else content or None,
                allow_redirects=False,
                **through,
            )
            self._response = response
            return self._head(response)
        except GlmError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the border: every error of the library is one of ours
            return self._meant(error)

    def _through(self, proxy: Proxy, scheme: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
        to_proxy = authorization(proxy)
        if scheme == "http":  # aiohttp sends the headers for a proxy to tunnels only
            pairs += to_proxy.items()
        to_proxy |= {name: value for name, value in self._call.headers if name == "User-Agent"}
        return {"proxy": str(proxy), "proxy_headers": to_proxy}

    def _head(self, response: aiohttp.ClientResponse) -> Head:
        head, size = Head.of(response.status, response.raw_headers), 0
        if self._proxy:
            self._failed(begun=False).check(head)
        encoding = head.headers.get("transfer-encoding", "chunked").lower()
        for name, value in response.raw_headers:
            size += len(name) + len(value)
        # What httpx does not let pass either.
        wrong = f"status {response.status}" if response.status < min(SUCCESS) else ""
        wrong = wrong or (f"Transfer-Encoding: {encoding}" if encoding != "chunked" else "")
        wrong = wrong or ("the head is too large" if size > _LONGEST_HEAD else "")
        if wrong:
            raise self._failed(begun=False).framing(wrong)
        self._received = head
        return head

    def _failed(self, *, begun: bool) -> Failed:
        return Failed(urlsplit(self._call.url).netloc, self._proxy, self._protocol is not None, begun)

    async def _next(self) -> Happening | None:
        """All that came in one read, or the end; None: nothing more comes."""
        response = self._response
        if response is None or self.is_late:
            return None
        try:
            if self._unpack is None:
                self._unpack = decoder(self._received)
            if chunk := await response.content.readany():
                return self._unpack(chunk)  # type: ignore[no-any-return]
            # Where the end of the connection is that of the body, aiohttp takes a broken one for an end, too.
            lost = self._protocol.exception()
            return self._failed(begun=True).reading(lost) if isinstance(lost, OSError) else End()
        except GlmError as error:
            return error
        except Exception as error:  # noqa: BLE001 - as above
            return self._meant(error)

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

    def _meant(self, error: Exception) -> GlmError | None:
        """What an error of the library means; None if the receiver knows already, or the connection was stale."""
        if self.is_late:
            return None
        quick = time.monotonic() - self._began < _STALE
        if self._is_reused and self._response is None and quick and not (self._error or self._stale):
            self._stale = True
            self.hang_up()
            return None
        lost = None if self._protocol is None else self._protocol.exception()
        return self._error or of_aiohttp(error, self._failed(begun=self._response is not None), lost)

    def look(self) -> None:
        """End what is late; and a wait for bytes that cannot come, for aiohttp tells nobody of a broken chunk."""
        response, due, stalls = self._response, self.receiver.due, self._pool.stalls
        if due != self._due:
            self._due, self._stalled = due, stalls.before
        if stalls.is_late(due, self._stalled):
            self._end_late()
        elif (
            response and self._protocol.exception() and not (response.content.is_eof() or response.content.exception())
        ):
            response.content.set_exception(aiohttp.ClientPayloadError())

    def _end_late(self) -> None:
        self.is_late = True
        self.receiver.late()
        self.hang_up()
        if self.connecting:
            self.connecting.reschedule(0)

    def hang_up(self) -> None:
        """At once: to close only would wait for TLS to say good-bye, and the server would go on."""
        if self._let_go() and self._transport:
            self._transport.abort()
        if self._response:
            self._response.close()

    def _let_go(self) -> bool:
        """Whether it had the connection until now."""
        has_it = self._protocol is not None and self._pool.carried.get(self._protocol) is self
        if has_it:
            del self._pool.carried[self._protocol]
        return has_it

    def _end(self) -> None:
        """Nothing more is wanted: keep the connection if the response has ended, or ends now."""
        response = self._response
        if response is None or self._uploads or self.is_late or response.content.exception():
            self.hang_up()
        elif response.content.is_eof():
            self._keep()
        else:
            tail = asyncio.get_running_loop().create_task(self._see_end(response))
            self._pool.tails.add(tail)
            self._pool.unclaimed.add(tail)
            tail.add_done_callback(self._ended)

    async def _see_end(self, response: aiohttp.ClientResponse) -> None:
        """A stream says its own end first, and the last chunk follows at once, as a rule in a packet of its own."""
        async with asyncio.timeout(_TAIL):
            if not await response.content.readany():
                self._keep()

    def _keep(self) -> None:
        """The connection is free, unless another has it already."""
        if self._let_go():
            self._pool.idle.add(self._protocol)

    def _ended(self, tail: asyncio.Task[None]) -> None:
        self._pool.tails.discard(tail)
        self._pool.unclaimed.discard(tail)
        if not tail.cancelled():
            tail.exception()  # it is of no interest, and asyncio would say that nobody asked
        self.hang_up()
