"""The border of the HTTP libraries' errors: one table for each, and the same words whichever of them sends."""

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

_PROXY_REFUSES = 407  # Proxy Authentication Required: no word of the provider's
_RAGGED = "UNEXPECTED_EOF_WHILE_READING"  # OpenSSL's word for an end in the middle, where asyncio has none


class Failed(Record):
    """A request that an HTTP library gave up, and the errors that this can mean.

    Attributes:
        netloc: who was asked, host and port.
        sent: the request was on its way.
        begun: the head of the response had come.
    """

    netloc: str
    proxy: Proxy | None = None
    sent: bool = False
    begun: bool = False

    def __str__(self) -> str:
        """Who was asked, and what stands between, without credentials."""
        return f"{self.netloc} (through the proxy {self.proxy})" if self.proxy else self.netloc

    def check(self, head: ResponseHead) -> None:
        """Tell the proxy's word from the provider's.

        Raises:
            NetworkError: the proxy wants a password, or another one.
        """
        if head.status == _PROXY_REFUSES and self.proxy:
            raise self.refused(f"HTTP {head.status}")

    def refused(self, how: str) -> NetworkError:
        """By the proxy."""
        return NetworkError(message=f"the proxy {self.proxy} refused: {how}", fix="check the proxy and its password")

    def connecting(self, cause: BaseException) -> NetworkError:
        """The name, the connection or TLS, by the error of the system or of OpenSSL."""
        match cause:
            case socket.gaierror():
                return NetworkError(message=f"cannot resolve {self}: {_reason(cause)}", retry=Retry.NETWORK)
            case ssl.SSLCertVerificationError():
                what = f"cannot trust the certificate of {self}: {cause.verify_message}"
                return NetworkError(
                    message=what, fix="name the file of your own certificate authority in SSL_CERT_FILE"
                )
            case ssl.SSLError():
                return self.securing(getattr(cause, "reason", None) or str(cause))
            case _:
                return NetworkError(message=f"cannot connect to {self}: {_reason(cause)}", retry=Retry.NETWORK)

    def securing(self, reason: str = _RAGGED) -> NetworkError:
        """The handshake of TLS."""
        return NetworkError(message=f"cannot finish TLS with {self}: {reason}")

    def reading(self, cause: BaseException) -> NetworkError:
        """The connection broke while it was read or written."""
        what = f"the connection to {self} broke: {_reason(cause)}"
        return NetworkError(message=what, retry=Retry.NETWORK, sent=self.sent, broken=self.begun)

    def ended(self) -> GlmError:
        """The other side closed too early, or framed the body so that its end cannot be known."""
        if not self.begun:
            return NetworkError(f"{self} hung up without an answer", retry=Retry.NETWORK, sent=self.sent)
        what = "the connection ended before the reply was whole"
        return IncompleteError(message=what, retry=Retry.NETWORK, sent=True, broken=True)

    def framing(self, words: str) -> GlmError:
        """What came is no HTTP."""
        if self.begun:
            return self.ended()
        return ProtocolError(f"{self} does not speak HTTP: {words}", fix="check the base URL", sent=self.sent)

    def otherwise(self, error: BaseException) -> GlmError:
        """What stands in no table."""
        if isinstance(error, MemoryError):
            return no_memory()
        if isinstance(error, OSError):
            what = f"the connection to {self} failed: {_reason(error)}"
            return NetworkError(what, retry=Retry.NETWORK, sent=self.sent)
        if self.proxy and self.proxy.scheme in SOCKS and not self.sent:
            # The errors of the SOCKS library, which httpx lets through; nothing else can fail before our request.
            return NetworkError(f"the proxy {self.proxy} does not speak SOCKS 5", fix="check the proxy's address")
        return GlmError(message=f"the HTTP library failed: {type(error).__name__}: {error}", sent=self.sent)


def of_httpx(error: BaseException, failed: Failed) -> GlmError:
    """What an error of httpx means. It has that of httpcore as its cause, which has the system's as its argument."""
    from glmcli.http.httpx_library import httpx

    inner = error.__cause__
    wrapped = inner.args[0] if inner is not None and inner.args else None
    cause = wrapped if isinstance(wrapped, BaseException) else error
    match error:
        case httpx.ProxyError():
            return failed.refused(str(error))
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return failed.connecting(cause)
        case httpx.NetworkError() | httpx.TimeoutException():
            return failed.reading(cause)
        case httpx.RemoteProtocolError():
            return failed.ended() if cause is error else failed.framing(str(error))
        case _:
            return failed.otherwise(error)


def of_aiohttp(error: BaseException, failed: Failed, lost: BaseException | None) -> GlmError:  # noqa: PLR0911 - one a row
    """What an error of aiohttp means; `lost` is how its connection ended, where it did."""
    import aiohttp

    match error:
        case aiohttp.ClientHttpProxyError():
            return failed.refused(f"{error.status} {error.message}")
        case aiohttp.ClientConnectorCertificateError():
            return failed.connecting(error.certificate_error)
        case aiohttp.ClientConnectorError(os_error=ConnectionError(errno=None)):
            return failed.securing()  # of a connection that stood; to connect fails by number
        case aiohttp.ClientConnectorError():
            return failed.connecting(error.os_error)
        case aiohttp.ClientPayloadError() if isinstance(lost, OSError):
            return failed.reading(lost)
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
            return failed.ended()
        case aiohttp.ClientResponseError():
            return failed.framing(" ".join(error.message.split()))
        case aiohttp.ClientOSError():
            return failed.reading(error)
        case aiohttp.ClientConnectionError():
            return failed.ended()
        case _:
            return failed.otherwise(error)


def _reason(error: BaseException) -> str:
    """In the words of the system: the event loop has others for what it says."""
    number = getattr(error, "errno", None)
    if isinstance(error, OSError) and number and number > 0:
        return os.strerror(number)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
