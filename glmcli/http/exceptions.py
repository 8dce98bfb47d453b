"""Errors of the HTTP libraries become ours: one table for each library, and the same messages whichever sends."""

from __future__ import annotations

import os
import socket
import ssl
from typing import TYPE_CHECKING

from glmcli.errors import GlmError, IncompleteError, NetworkError, ProtocolError, Retry, no_memory
from glmcli.http.proxies import SOCKS
from glmcli.record import Record

if TYPE_CHECKING:
    from glmcli.http.call import ResponseHead
    from glmcli.http.proxies import Proxy

_PROXY_AUTHENTICATION_REQUIRED = 407  # a status of proxies, never of a provider
_EOF_IN_HANDSHAKE = "UNEXPECTED_EOF_WHILE_READING"  # OpenSSL's name for it; asyncio gives none


class RequestState(Record):
    """How far a request has come, and the errors that a failure then means.

    Attributes:
        netloc: host and port of the server.
        is_sent: the request was being written.
        has_response: the head of the response had arrived.
    """

    netloc: str
    proxy: Proxy | None = None
    is_sent: bool = False
    has_response: bool = False

    def __str__(self) -> str:
        """The server, and the proxy on the way to it, without credentials."""
        return f"{self.netloc} (through the proxy {self.proxy})" if self.proxy else self.netloc

    def check_proxy(self, head: ResponseHead) -> None:
        """Return if the response comes from the provider.

        Raises:
            NetworkError: the proxy itself answered: it wants a password, or another one.
        """
        if head.status == _PROXY_AUTHENTICATION_REQUIRED and self.proxy:
            raise self.proxy_refused(f"HTTP {head.status}")

    def proxy_refused(self, reason: str) -> NetworkError:
        """The proxy refused the request or the tunnel."""
        return NetworkError(message=f"the proxy {self.proxy} refused: {reason}", fix="check the proxy and its password")

    def connect_failed(self, cause: BaseException) -> NetworkError:
        """The host name, the connection or TLS failed, with this error of the system or of OpenSSL."""
        match cause:
            case socket.gaierror():
                return NetworkError(message=f"cannot resolve {self}: {_reason(cause)}", retry=Retry.NETWORK)
            case ssl.SSLCertVerificationError():
                what = f"cannot trust the certificate of {self}: {cause.verify_message}"
                return NetworkError(
                    message=what, fix="name the file of your own certificate authority in SSL_CERT_FILE"
                )
            case ssl.SSLError():
                return self.handshake_failed(getattr(cause, "reason", None) or str(cause))
            case _:
                return NetworkError(message=f"cannot connect to {self}: {_reason(cause)}", retry=Retry.NETWORK)

    def handshake_failed(self, reason: str = _EOF_IN_HANDSHAKE) -> NetworkError:
        """TLS could not be established."""
        return NetworkError(message=f"cannot finish TLS with {self}: {reason}")

    def connection_broke(self, cause: BaseException) -> NetworkError:
        """The connection broke during a read or a write."""
        what = f"the connection to {self} broke: {_reason(cause)}"
        return NetworkError(message=what, retry=Retry.NETWORK, sent=self.is_sent, broken=self.has_response)

    def closed_early(self) -> GlmError:
        """The server closed the connection too early, or framed the body so that its end cannot be known."""
        if not self.has_response:
            what = f"{self} closed the connection without an answer"
            return NetworkError(message=what, retry=Retry.NETWORK, sent=self.is_sent)
        what = "the connection ended before the reply was whole"
        return IncompleteError(message=what, retry=Retry.NETWORK, sent=True, broken=True)

    def not_http(self, what: str) -> GlmError:
        """What arrived is not valid HTTP."""
        if self.has_response:
            return self.closed_early()
        return ProtocolError(f"{self} does not speak HTTP: {what}", fix="check the base URL", sent=self.is_sent)

    def unexpected(self, error: BaseException) -> GlmError:
        """An exception that the tables below do not name."""
        if isinstance(error, MemoryError):
            return no_memory()
        if isinstance(error, OSError):
            what = f"the connection to {self} failed: {_reason(error)}"
            return NetworkError(what, retry=Retry.NETWORK, sent=self.is_sent)
        if self.proxy and self.proxy.scheme in SOCKS and not self.is_sent:
            # The errors of the SOCKS library, which httpx lets through; nothing else can fail before our request.
            return NetworkError(f"the proxy {self.proxy} does not speak SOCKS 5", fix="check the proxy's address")
        return GlmError(message=f"the HTTP library failed: {type(error).__name__}: {error}", sent=self.is_sent)


def from_httpx(error: BaseException, state: RequestState) -> GlmError:
    """Our error for one of httpx. Its cause is one of httpcore, whose first argument is the system's."""
    import httpx

    inner = error.__cause__
    wrapped = inner.args[0] if inner is not None and inner.args else None
    cause = wrapped if isinstance(wrapped, BaseException) else error
    match error:
        case httpx.ProxyError():
            return state.proxy_refused(str(error))
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return state.connect_failed(cause)
        case httpx.NetworkError() | httpx.TimeoutException():
            return state.connection_broke(cause)
        case httpx.RemoteProtocolError():
            return state.closed_early() if cause is error else state.not_http(str(error))
        case _:
            return state.unexpected(error)


def from_aiohttp(error: BaseException, state: RequestState, broken: BaseException | None) -> GlmError:  # noqa: PLR0911 - one a row
    """Our error for one of aiohttp; `broken` is the error that its connection ended with, where it did."""
    import aiohttp

    match error:
        case aiohttp.ClientHttpProxyError():
            return state.proxy_refused(f"{error.status} {error.message}")
        case aiohttp.ClientConnectorCertificateError():
            return state.connect_failed(error.certificate_error)
        case aiohttp.ClientConnectorError(os_error=ConnectionError(errno=None)):
            return state.handshake_failed()  # on an open connection; a connect that fails has an error number
        case aiohttp.ClientConnectorError():
            return state.connect_failed(error.os_error)
        case aiohttp.ClientPayloadError() if isinstance(broken, OSError):
            return state.connection_broke(broken)
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
            return state.closed_early()
        case aiohttp.ClientResponseError():
            return state.not_http(" ".join(error.message.split()))
        case aiohttp.ClientOSError():
            return state.connection_broke(error)
        case aiohttp.ClientConnectionError():
            return state.closed_early()
        case _:
            return state.unexpected(error)


def _reason(error: BaseException) -> str:
    """The system's text for its error; exceptions of the event loop have another text."""
    number = getattr(error, "errno", None)
    if isinstance(error, OSError) and number and number > 0:
        return os.strerror(number)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
