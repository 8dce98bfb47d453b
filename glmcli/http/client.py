"""One request and its response, on httpx: what `ask`, `stream`, the list of models and jobs use.

Each exchange runs in a daemon thread of its own, so that the main thread can keep every time limit and obey every
signal at once, even while the system's resolver hangs (urllib3 issue 1334 calls that impossible to interrupt). It
empties a queue, and adjoining chunks of the body arrive joined: 100,000 chunks are some hundred hand-overs.

The transport of httpx is used without its client: redirects, cookies, proxies of the environment and headers of its own
are what must not happen here.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from glmcli.errors import GlmError
from glmcli.http.call import RequestSent, ResponseEnd, ResponseHead, decoder, headers, is_large, pieces
from glmcli.http.exceptions import Failed, of_httpx
from glmcli.http.httpx_library import httpx
from glmcli.http.proxies import SOCKS, authorization
from glmcli.http.timeouts import TICK
from glmcli.http.upload import UploadSocket, is_answered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmcli.http.call import Content, HttpCall, HttpEvent, Receiver
    from glmcli.http.proxies import Proxy
    from glmcli.http.tls import Tls

_AHEAD = 1 << 20  # bytes that may wait for a slow reader of stdout
_FULL = 0.01  # seconds between two looks at whether they have been taken
_NO_LIMIT = {"connect": None, "read": None, "write": None, "pool": None}  # the receiver keeps the time


class Exchange:
    """One request and its response, under way."""

    def __init__(self, call: HttpCall, proxy: Proxy | None, tls: Tls | None) -> None:
        """Send the call from a thread of its own."""
        self._call = call
        self._proxy = proxy
        self._tls = tls
        self._failed = Failed(urlsplit(call.url).netloc, proxy)
        # Written in C: a signal in the middle of a wait leaves no lock in a state that nobody expects.
        self._happened: SimpleQueue[HttpEvent] = SimpleQueue()
        self._put, self._taken = 0, 0  # bytes, counted by one thread each
        self._socket: socket.socket | None = None
        self._closed = self._uploads = False
        # Until then nothing is late: who was stopped (Ctrl-Z) has yet to hear what came meanwhile.
        self._spared = 0.0
        threading.Thread(target=self._run, daemon=True).start()

    # The main thread

    def tell(self, receiver: Receiver, tick: Callable[[], None]) -> None:
        """Tell all that happens until the receiver is over; `tick` is called several times a second, and may raise."""
        while not (receiver.over or self._closed):
            tick()
            left = max(receiver.due, self._spared) - time.monotonic()
            self._hear(receiver, min(left, TICK))
            # What came in time is heard first. It may be no data, and never end: a flood of comments buys no time.
            if left <= 0 and receiver.due <= time.monotonic():
                receiver.late()

    def _hear(self, receiver: Receiver, timeout: float) -> None:
        until = time.monotonic() + timeout
        happenings = self._next(timeout)
        now = time.monotonic()
        if now - until > TICK:
            self._spared = now + TICK
        if self._uploads:
            self._end_refused_upload()
        for happening in happenings:
            if not receiver.over:
                receiver.take(happening)

    def close(self) -> None:
        """Hang up at once, so that the provider stops and no longer bills."""
        self._closed = True
        if self._socket is not None:
            with suppress(OSError):  # it may be gone already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _next(self, timeout: float) -> list[HttpEvent]:
        """What happened since, or within `timeout` seconds; adjoining bytes are one."""
        joined: list[HttpEvent] = []
        body: list[bytes] = []
        with suppress(Empty):
            happening: HttpEvent | None = self._happened.get(timeout=max(timeout, 0))
            for left in range(self._happened.qsize(), -1, -1):
                if isinstance(happening, bytes):
                    body.append(happening)
                elif happening is not None:
                    joined += [b"".join(body), happening] if body else [happening]
                    body = []
                happening = self._happened.get_nowait() if left else None
        if body:
            joined.append(b"".join(body))
        self._taken += sum(len(each) for each in joined if isinstance(each, bytes))
        return joined

    def _end_refused_upload(self) -> None:
        """Stop sending when the answer is there: httpx looks for it only when the body is out, or cannot be written."""
        if self._socket is not None and is_answered(self._socket):
            self._uploads = False
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    # The other thread

    def _tell(self, happening: HttpEvent) -> None:
        if isinstance(happening, bytes):
            while self._put - self._taken > _AHEAD and not self._closed:
                time.sleep(_FULL)
            self._put += len(happening)
        if not self._closed:
            self._happened.put(happening)

    def _run(self) -> None:
        try:
            for happening in self._exchange():
                self._tell(happening)
        except GlmError as error:
            self._tell(error)
        except Exception as error:  # noqa: BLE001 - a thread has no caller: what it meets is told to the main thread
            self._tell(of_httpx(error, self._failed))
        finally:
            if self._socket is not None:  # httpx leaves it open where a proxy refuses
                self._socket.close()

    def _exchange(self) -> Iterator[HttpEvent]:
        with _transport(self._proxy, self._tls) as transport:
            response = transport.handle_request(self._request())
            self._uploads = False
            head = ResponseHead.of(response.status_code, response.headers.raw)
            self._failed = self._failed.replace(begun=True)
            self._failed.check(head)
            yield head
            unpack = decoder(head)
            for chunk in cast("httpx.SyncByteStream", response.stream):
                yield unpack(chunk)
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
            stream=_Stream(self._pieces(content)) if is_large(content) else httpx.ByteStream(content),  # type: ignore[arg-type]
            extensions={"trace": self._trace, "timeout": _NO_LIMIT},
        )

    def _pieces(self, content: bytes | Content) -> Iterator[bytes]:
        """A large body, told of as it goes: the wait for a response begins when the last of it is on its way."""
        if isinstance(self._socket, UploadSocket):
            self._socket.is_watched = not (self._proxy and self._proxy.scheme == "https")
        else:
            self._uploads = True
        for piece in pieces(content):
            yield piece
            self._tell(RequestSent())
        self._uploads = False

    def _trace(self, name: str, info: dict[str, Any]) -> None:
        """What happens below httpx, by the names of httpcore: python-httpx.org/advanced/extensions (2026)."""
        event = name.partition(".")[2]
        if event in ("connect_tcp.complete", "start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")
        # A tunnel's CONNECT passes here too; only our own request counts as sent.
        elif event == "send_request_headers.started" and info["request"].method == self._call.method.encode():
            self._failed = self._failed.replace(sent=True)
            self._tell(RequestSent())
        else:
            return
        if self._closed and self._socket is not None:
            # The connection came too late: a request that nobody waits for would be billed all the same.
            self._socket.close()
            raise ConnectionAbortedError


class _Stream(httpx.SyncByteStream):
    """A body that is sent once."""

    def __init__(self, body: Iterator[bytes]) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return self._body


class ProxyUrl(httpx.Proxy):
    """A proxy, with credentials that are bytes: httpx would encode text."""

    def __init__(self, proxy: Proxy, secure: ssl.SSLContext) -> None:
        """`secure` is for a proxy that is reached by TLS itself."""
        is_socks = proxy.scheme in SOCKS
        super().__init__(
            str(proxy),
            ssl_context=secure if proxy.scheme == "https" else None,
            headers=None if is_socks else authorization(proxy),
        )
        self._credentials = (proxy.user, proxy.password or b"") if proxy.user and is_socks else None

    @property
    def raw_auth(self) -> tuple[bytes, bytes] | None:
        """User and password, for SOCKS."""
        return self._credentials


def context(tls: Tls | None) -> ssl.SSLContext:
    """The TLS context; for plain http:// one that trusts nobody, so that httpx loads no certificates."""
    return tls.context() if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _transport(proxy: Proxy | None, tls: Tls | None) -> httpx.HTTPTransport:
    secure = context(tls)
    secure.sslsocket_class = UploadSocket
    return httpx.HTTPTransport(verify=secure, trust_env=False, proxy=ProxyUrl(proxy, secure) if proxy else None)
