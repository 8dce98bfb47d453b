"""One HttpCall out, status and bytes back: what `ask` and `stream` do.

Each exchange runs in a daemon thread of its own and hands over what happens through a queue. So the main thread can
keep every time limit and obey every signal at once, even while the system's resolver hangs (urllib3 issue 1334 calls
that impossible to interrupt).

httpcore is the engine inside httpx. What httpx adds (redirects, cookies, ambient proxies and headers) is what must not
happen here.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpcore

from glmcli.errors import GlmError
from glmcli.record import Record
from glmcli.transport.faults import Place, translated
from glmcli.transport.message import Head, decoder, pairs, target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmcli.providers.dialect import HttpCall
    from glmcli.proxies import Proxy
    from glmcli.tls import Tls

_AHEAD = 64  # chunks that may wait for a slow reader of stdout


class Sent(Record):
    """The connection stands, and the request is on its way: from now on it may be billed."""


class End(Record):
    """The response is over, and whole as far as HTTP can tell."""


Happening = Sent | Head | bytes | End | GlmError


class _Backend(httpcore.SyncBackend):
    """Remembers the socket, so that an exchange can be ended from another thread."""

    connected: socket.socket | None = None
    hung_up = False

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:  # noqa: ANN401 - passed through
        stream = super().connect_tcp(*args, **options)
        self.connected = stream.get_extra_info("socket")
        if self.hung_up:
            # The connection came too late: a request that nobody waits for would be billed all the same.
            stream.close()
            raise ConnectionAbortedError
        return stream


class Exchange:
    """One request and its response, under way."""

    def __init__(self, call: HttpCall, proxy: Proxy | None, tls: Tls | None) -> None:
        """Send the call from a thread of its own."""
        self._call = call
        self._proxy = proxy
        self._tls = tls
        self._place = Place(urlsplit(call.url).netloc, proxy)
        self._backend = _Backend()
        # Both are written in C: a signal in the middle of a wait leaves no lock in a state that nobody expects.
        self._queue: SimpleQueue[Happening] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()
        for _ in range(_AHEAD):
            self._room.put(None)
        self._closed = False
        self._was_sent = False
        self._has_head = False
        threading.Thread(target=self._run, daemon=True).start()

    def next(self, timeout: float) -> Happening | None:
        """What happened next, or None if nothing did within `timeout` seconds."""
        try:
            happening = self._queue.get(timeout=max(timeout, 0))
        except Empty:
            return None
        self._room.put(None)
        return happening

    def close(self) -> None:
        """Hang up at once, so that the provider stops and no longer bills."""
        self._closed = self._backend.hung_up = True
        if self._backend.connected is not None:
            with suppress(OSError):  # it may be gone already
                self._backend.connected.shutdown(socket.SHUT_RDWR)
        self._room.put(None)  # where there is none, the thread waits for it

    def _put(self, happening: Happening) -> None:
        if not self._closed:
            self._room.get()
            self._queue.put(happening)

    def _run(self) -> None:
        try:
            for happening in self._exchange():
                self._put(happening)
        except GlmError as error:
            self._put(error)
        except Exception as error:  # noqa: BLE001 - a thread has no caller: what it meets is told to the main thread
            self._put(translated(error, self._place, sent=self._was_sent, begun=self._has_head))

    def _exchange(self) -> Iterator[Happening]:
        request = self._request()
        with _pool(self._proxy, self._tls, self._backend) as pool:
            response = pool.handle_request(request)
            try:
                head = Head.of(response.status, response.headers)
                self._has_head = True
                self._place.check(head)
                yield head
                unpack = decoder(head)
                for chunk in response.iter_stream():
                    yield unpack(chunk)
                yield End()
            finally:
                response.close()

    def _request(self) -> httpcore.Request:
        url = urlsplit(self._call.url)
        content = self._call.content()
        return httpcore.Request(
            self._call.method,
            httpcore.URL(
                scheme=url.scheme,
                host=url.hostname or "",  # ASCII: base URLs are brought to that form
                port=url.port,
                target=target(url),
            ),
            headers=pairs(self._call, url, len(content)),
            content=content if isinstance(content, bytes) else self._told(content),
            extensions={"trace": self._trace},
        )

    def _told(self, body: Iterable[bytes]) -> Iterator[bytes]:
        """The body, told of as it goes: the wait for a response begins when the last of a large one is on its way."""
        for chunk in body:
            yield chunk
            self._put(Sent())

    def _trace(self, name: str, info: dict[str, Any]) -> None:
        # A tunnel's CONNECT passes here too; only our own request counts as sent.
        if name == "http11.send_request_headers.started" and info["request"].method == self._call.method.encode():
            self._was_sent = True
            self._put(Sent())


def _pool(proxy: Proxy | None, tls: Tls | None, backend: _Backend) -> httpcore.ConnectionPool:
    secure = tls.context() if tls else None
    if proxy is None:
        return httpcore.ConnectionPool(ssl_context=secure, network_backend=backend)
    url = httpcore.URL(scheme=proxy.scheme, host=proxy.host, port=proxy.port, target="/")
    auth = (proxy.user, proxy.password or b"") if proxy.user else None
    through = httpcore.Proxy(url, auth=auth, ssl_context=secure if proxy.scheme == "https" else None)
    return httpcore.ConnectionPool(ssl_context=secure, proxy=through, network_backend=backend)
