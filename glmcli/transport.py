"""An HttpCall out, status and bytes back. The only module that speaks HTTP, and the border of its library's errors.

Each exchange runs in a daemon thread of its own and hands over what happens through a queue. So the main thread can
keep every time limit and obey every signal at once, even while the system's resolver hangs (urllib3 issue 1334 calls
that impossible to interrupt).

httpcore is the engine inside httpx. What httpx adds (redirects, cookies, ambient proxies and headers) is what must not
happen here.
"""

from __future__ import annotations

import socket
import ssl
import threading
import zlib
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpcore

from glmcli.errors import GlmError, IncompleteError, NetworkError, ProtocolError, Retry, no_memory
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from glmcli.providers.dialect import HttpCall
    from glmcli.proxies import Proxy
    from glmcli.tls import Tls

_AHEAD = 64  # chunks that may wait for a slow reader of stdout
_PROXY_REFUSES = 407  # Proxy Authentication Required: no word of the provider's
_SOCKS = ("socks5", "socks5h")
_WBITS_ANY = 47  # zlib: gzip or zlib, told apart by the header


class Head(Record):
    """The beginning of a response; header names in lower case."""

    status: int
    headers: dict[str, str]


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
            self._put(self._translate(error))

    def _exchange(self) -> Iterator[Happening]:
        request = self._request()
        with _pool(self._proxy, self._tls, self._backend) as pool:
            response = pool.handle_request(request)
            try:
                headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                self._has_head = True
                if response.status == _PROXY_REFUSES and self._proxy:
                    raise _refused(self._proxy, f"HTTP {response.status}")
                yield Head(response.status, headers)
                unpack = _decoder(headers.get("content-encoding", "identity"))
                for chunk in response.iter_stream():
                    yield unpack(chunk)
                yield End()
            finally:
                response.close()

    def _request(self) -> httpcore.Request:
        url = urlsplit(self._call.url)
        content = self._call.content()
        headers = [("Host", url.netloc), *self._call.headers]
        if self._call.body is not None:
            headers.append(("Content-Length", str(len(content))))
        if self._call.key:
            headers.insert(1, ("Authorization", f"Bearer {self._call.key.value}"))
        return httpcore.Request(
            self._call.method,
            httpcore.URL(
                scheme=url.scheme,
                host=url.hostname or "",  # ASCII: base URLs are brought to that form
                port=url.port,
                target=url.path + (f"?{url.query}" if url.query else ""),
            ),
            headers=[(name.encode(), value.encode("latin-1")) for name, value in headers],
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

    def _translate(self, error: Exception) -> GlmError:
        place = urlsplit(self._call.url).netloc
        return _translated(error, place, self._proxy, sent=self._was_sent, begun=self._has_head)


def _pool(proxy: Proxy | None, tls: Tls | None, backend: _Backend) -> httpcore.ConnectionPool:
    secure = tls.context() if tls else None
    if proxy is None:
        return httpcore.ConnectionPool(ssl_context=secure, network_backend=backend)
    url = httpcore.URL(scheme=proxy.scheme, host=proxy.host, port=proxy.port, target="/")
    auth = (proxy.user, proxy.password or b"") if proxy.user else None
    through = httpcore.Proxy(url, auth=auth, ssl_context=secure if proxy.scheme == "https" else None)
    return httpcore.ConnectionPool(ssl_context=secure, proxy=through, network_backend=backend)


def _decoder(encoding: str) -> Callable[[bytes], bytes]:
    """Undoes a content encoding that we did not ask for."""
    match encoding.strip().lower():
        case "" | "identity":
            return bytes
        case "gzip" | "x-gzip" | "deflate":
            return _Inflate().push
        case other:
            raise ProtocolError(message=f"the reply is encoded as {other}, which was not asked for", sent=True)


class _Inflate:
    """Unpacks gzip or deflate, also when each event is a gzip member of its own (tower-http issue 737)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_WBITS_ANY)

    def push(self, data: bytes) -> bytes:
        unpacked = b""
        try:
            while data:
                unpacked += self._member.decompress(data)
                data = self._member.unused_data
                if self._member.eof:
                    self._member = zlib.decompressobj(_WBITS_ANY)
        except zlib.error as error:
            raise ProtocolError(message=f"the reply's compression is broken: {error}", sent=True) from error
        return unpacked


def _translated(error: Exception, place: str, proxy: Proxy | None, *, sent: bool, begun: bool) -> GlmError:  # noqa: PLR0911 - one row an error
    """The border: an error of the HTTP library or the system as one of ours, by its type alone."""
    where = f"{place} (through the proxy {proxy})" if proxy else place
    match error:
        case httpcore.ProxyError():
            return _refused(proxy, str(error))
        case httpcore.ConnectError() | httpcore.ConnectTimeout():
            return _not_connected(_cause(error), where)
        case httpcore.ReadError() | httpcore.WriteError() | httpcore.ReadTimeout() | httpcore.WriteTimeout():
            return NetworkError(
                message=f"the connection to {where} broke: {_reason(_cause(error))}",
                retry=Retry.NETWORK,
                sent=sent,
                broken=begun,
            )
        case httpcore.RemoteProtocolError() if begun:
            return IncompleteError(
                message="the connection ended before the reply was whole", retry=Retry.NETWORK, sent=True, broken=True
            )
        case httpcore.RemoteProtocolError() if _cause(error) is error:
            return NetworkError(message=f"{where} hung up without an answer", retry=Retry.NETWORK, sent=sent)
        case httpcore.RemoteProtocolError():
            return ProtocolError(message=f"{where} does not speak HTTP: {error}", fix="check the base URL", sent=sent)
        case MemoryError():
            return no_memory()
        case OSError():
            return NetworkError(message=f"the connection to {where} failed: {_reason(error)}", sent=sent)
        case _ if proxy and proxy.scheme in _SOCKS and not sent:
            # The errors of the SOCKS library, which httpcore lets through; nothing else can fail before our request.
            return NetworkError(message=f"the proxy {proxy} does not speak SOCKS 5", fix="check the proxy's address")
        case _:
            return GlmError(message=f"the HTTP library failed: {type(error).__name__}: {error}", sent=sent)


def _refused(proxy: Proxy | None, how: str) -> NetworkError:
    return NetworkError(message=f"the proxy {proxy} refused: {how}", fix="check the proxy and its password")


def _cause(error: Exception) -> BaseException:
    """What the library wrapped: it keeps the original as the argument, also where it cuts the chain of causes."""
    wrapped = error.args[0] if error.args else None
    return wrapped if isinstance(wrapped, BaseException) else error


def _not_connected(cause: BaseException, where: str) -> NetworkError:
    match cause:
        case socket.gaierror():
            return NetworkError(message=f"cannot resolve {where}: {_reason(cause)}", retry=Retry.NETWORK)
        case ssl.SSLCertVerificationError():
            return NetworkError(
                message=f"cannot trust the certificate of {where}: {cause.verify_message}",
                fix="name the file of your own certificate authority in SSL_CERT_FILE",
            )
        case ssl.SSLError():
            return NetworkError(message=f"cannot finish TLS with {where}: {cause.reason or cause}")
        case _:
            return NetworkError(message=f"cannot connect to {where}: {_reason(cause)}", retry=Retry.NETWORK)


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
