"""One request and its response, on httpx: what `ask`, `stream`, the list of models and batch jobs use.

Each exchange runs in a daemon thread of its own, so that the main thread keeps every time limit and obeys every signal
at once, even while the system's resolver hangs (urllib3 issue 1334 calls that impossible to interrupt). The main thread
empties a queue in which adjoining chunks of a body are joined: 100,000 chunks take some hundred hand-overs.

Only the transport of httpx is used, not its Client: redirects, cookies, proxies from the environment and default
headers must not happen here.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import httpx

from glmcli.errors import GlmError
from glmcli.http.call import (
    RequestSent,
    ResponseEnd,
    ResponseHead,
    content_decoder,
    headers,
    is_large,
    peer_error,
    pieces,
)
from glmcli.http.exceptions import RequestState, from_httpx
from glmcli.http.proxies import SOCKS, authorization
from glmcli.http.timeouts import TICK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmcli.http.call import Content, HttpCall, HttpEvent, Receiver
    from glmcli.http.proxies import Proxy
    from glmcli.http.tls import Tls

_MAX_QUEUED = 1 << 20  # bytes that may wait while stdout is read slowly
_FULL_POLL = 0.01  # seconds between two checks whether the queue has room again
_NO_TIMEOUT = {"connect": None, "read": None, "write": None, "pool": None}  # the receiver keeps the time


def send(call: HttpCall, proxy: Proxy | None, tls: Tls | None, receiver: Receiver, tick: Callable[[], None]) -> None:
    """Send a request and pass its events to the receiver until it is done.

    `tick` is called several times a second; what it raises ends the exchange.
    """
    with closing(Exchange(call, proxy, tls)) as exchange:
        exchange.run(receiver, tick)


class Exchange:
    """One request and its response, under way."""

    def __init__(self, call: HttpCall, proxy: Proxy | None, tls: Tls | None) -> None:
        """Start a thread that sends the request."""
        self._call = call
        self._proxy = proxy
        self._tls = tls
        self._state = RequestState(urlsplit(call.url).netloc, proxy)
        # Written in C: a signal in the middle of a wait cannot leave a lock behind in an unexpected state.
        self._events: SimpleQueue[HttpEvent] = SimpleQueue()
        self._queued, self._taken = 0, 0  # bytes, each counted by one thread only
        self._socket: socket.socket | None = None
        self._is_closed = self._is_uploading = False
        self._no_timeout_before = 0.0
        threading.Thread(target=self._run, daemon=True).start()

    # The main thread

    def run(self, receiver: Receiver, tick: Callable[[], None]) -> None:
        """Pass events to the receiver until it is done; `tick` is called several times a second, and may raise."""
        while not (receiver.is_done or self._is_closed):
            tick()
            left = max(receiver.timeout_at, self._no_timeout_before) - time.monotonic()
            self._deliver(receiver, min(left, TICK))
            # Events that arrived in time were delivered above. Endless keep-alives do not extend the time limit.
            if left <= 0 and receiver.timeout_at <= time.monotonic():
                receiver.timed_out()

    def _deliver(self, receiver: Receiver, timeout: float) -> None:
        until = time.monotonic() + timeout
        events = self._next_events(timeout)
        now = time.monotonic()
        if now - until > TICK:
            # The process was stopped (Ctrl-Z): what arrived meanwhile is delivered before anything times out.
            self._no_timeout_before = now + TICK
        if self._is_uploading:
            self._stop_refused_upload()
        for event in events:
            if not receiver.is_done:
                receiver.handle(event)

    def close(self) -> None:
        """Close the connection at once, so that the provider stops generating, and billing."""
        self._is_closed = True
        if self._socket is not None:
            with suppress(OSError):  # it may be closed already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _next_events(self, timeout: float) -> list[HttpEvent]:
        """All queued events, or the first within `timeout` seconds; adjoining bytes are joined."""
        joined: list[HttpEvent] = []
        body: list[bytes] = []
        with suppress(Empty):
            event: HttpEvent | None = self._events.get(timeout=max(timeout, 0))
            for left in range(self._events.qsize(), -1, -1):
                if isinstance(event, bytes):
                    body.append(event)
                elif event is not None:
                    joined += [b"".join(body), event] if body else [event]
                    body = []
                event = self._events.get_nowait() if left else None
        if body:
            joined.append(b"".join(body))
        self._taken += sum(len(each) for each in joined if isinstance(each, bytes))
        return joined

    def _stop_refused_upload(self) -> None:
        """Stop sending when a refusal has arrived: httpx looks for one only after the body, or when a write fails."""
        if self._socket is not None and _is_refused(self._socket):
            self._is_uploading = False
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    # The other thread

    def _put(self, event: HttpEvent) -> None:
        if isinstance(event, bytes):
            while self._queued - self._taken > _MAX_QUEUED and not self._is_closed:
                time.sleep(_FULL_POLL)
            self._queued += len(event)
        if not self._is_closed:
            self._events.put(event)

    def _run(self) -> None:
        try:
            for event in self._exchange():
                self._put(event)
        except GlmError as error:
            self._put(error)
        except Exception as error:  # noqa: BLE001 - a thread has no caller: its error goes to the main thread
            self._put(from_httpx(error, self._state))
        finally:
            if self._socket is not None:  # httpx leaves it open when a proxy refuses
                self._socket.close()

    def _exchange(self) -> Iterator[HttpEvent]:
        with _transport(self._proxy, self._tls) as transport:
            response = transport.handle_request(self._request())
            self._is_uploading = False
            head = ResponseHead.of(response.status_code, response.headers.raw)
            self._state = self._state.replace(has_response=True)
            self._state.check_proxy(head)
            yield head
            decode = content_decoder(head)
            for chunk in cast("httpx.SyncByteStream", response.stream):
                yield decode(chunk)
            yield ResponseEnd()

    def _request(self) -> httpx.Request:
        call, content = self._call, self._call.content()
        pairs = [
            (name.encode(), value.encode("latin-1")) for name, value in headers(call, urlsplit(call.url), len(content))
        ]
        return httpx.Request(
            call.method,
            call.url,
            headers=pairs,
            stream=_LargeBody(self._pieces(content)) if is_large(content) else httpx.ByteStream(content),  # type: ignore[arg-type]
            extensions={"trace": self._trace, "timeout": _NO_TIMEOUT},
        )

    def _pieces(self, content: bytes | Content) -> Iterator[bytes]:
        """A large body; each piece is reported, for the wait for a response begins when the last one is sent."""
        if isinstance(self._socket, _UploadSocket):
            self._socket.is_watched = not (self._proxy and self._proxy.scheme == "https")
        else:
            self._is_uploading = True
        for piece in pieces(content):
            yield piece
            self._put(RequestSent())
        self._is_uploading = False

    def _trace(self, name: str, info: dict[str, Any]) -> None:
        """What happens below httpx, by the names of httpcore: python-httpx.org/advanced/extensions (2026)."""
        event = name.partition(".")[2]
        if event in ("connect_tcp.complete", "start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")
            if error := peer_error(self._call, self._socket):
                raise error
        # The CONNECT of a tunnel passes here too; only our own request counts as sent.
        elif event == "send_request_headers.started" and info["request"].method == self._call.method.encode():
            self._state = self._state.replace(is_sent=True)
            self._put(RequestSent())
        else:
            return
        if self._is_closed and self._socket is not None:
            # Closed before it was connected: a request that nobody waits for would still be billed.
            self._socket.close()
            raise ConnectionAbortedError


class _LargeBody(httpx.SyncByteStream):
    """A request body that is sent once, piece by piece."""

    def __init__(self, body: Iterator[bytes]) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return self._body


class _HttpxProxy(httpx.Proxy):
    """A proxy whose credentials are bytes: httpx would encode text in its own way."""

    def __init__(self, proxy: Proxy, context: ssl.SSLContext) -> None:
        """`context` is for a proxy that is itself reached by TLS."""
        is_socks = proxy.scheme in SOCKS
        super().__init__(
            str(proxy),
            ssl_context=context if proxy.scheme == "https" else None,
            headers=None if is_socks else authorization(proxy),
        )
        self._credentials = (proxy.user, proxy.password or b"") if proxy.user and is_socks else None

    @property
    def raw_auth(self) -> tuple[bytes, bytes] | None:
        """User and password, for SOCKS."""
        return self._credentials


def _transport(proxy: Proxy | None, tls: Tls | None) -> httpx.HTTPTransport:
    # For plain http:// the context trusts nobody, which keeps httpx from loading certificates.
    context = tls.context() if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = _UploadSocket
    return httpx.HTTPTransport(verify=context, trust_env=False, proxy=_HttpxProxy(proxy, context) if proxy else None)


# A server may answer before it has read the whole request. If it refuses, the rest of the upload is not sent.

_TLS_RECORD = 1 << 14  # bytes
_STATUS_AT = len(b"HTTP/1.1 ")  # where the first digit of the status stands


def _is_refused(connection: socket.socket) -> bool:
    """Whether a refusal, or the end, can be read from a connection without TLS."""
    try:
        return _is_refusal(connection.recv(_TLS_RECORD, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False
    except OSError:
        return True


def _is_refusal(response: bytes) -> bool:
    """Whether a response that begins with these bytes refuses the request; empty bytes are the end of the connection.

    Informational responses (1xx) are skipped. A success may come early, from a server that is still reading.
    """
    if not response:
        return True
    while response[_STATUS_AT : _STATUS_AT + 1] == b"1" and b"\r\n\r\n" in response:
        response = response.partition(b"\r\n\r\n")[2]
    is_http = b"HTTP/".startswith(response[:5]) or response.startswith(b"HTTP/")
    return not is_http or response[_STATUS_AT : _STATUS_AT + 1] in {b"3", b"4", b"5"}


class _UploadSocket(ssl.SSLSocket):
    """A TLS connection that, while `is_watched`, fails to write once a refusal has arrived.

    Only reading tells a response from messages of TLS itself, so bytes that were read for this are kept for `recv`.
    """

    is_watched = False
    _early = b""

    def send(self, data: Any, flags: int = 0) -> int:  # noqa: ANN401 - whatever the socket takes
        """Write like any socket.

        Raises:
            BrokenPipeError: the request was refused.
        """
        if not self.is_watched:
            return super().send(data, flags)
        timeout, poll = self.gettimeout(), select.poll()
        poll.register(self, select.POLLIN | select.POLLOUT)
        self.settimeout(0)
        try:
            while True:
                self._check_refusal()
                try:
                    return super().send(data, flags)
                except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    poll.poll()
        finally:
            self.settimeout(timeout)

    def _check_refusal(self) -> None:
        try:
            more = super().recv(_TLS_RECORD)
        except ssl.SSLWantReadError:
            return
        self._early += more
        if _is_refusal(self._early if more else b""):
            self.is_watched = False
            raise BrokenPipeError

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Read like any socket."""
        early, self._early = self._early[:buflen], self._early[buflen:]
        return early or super().recv(buflen, flags)
