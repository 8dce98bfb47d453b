"""The border of the HTTP libraries' errors: one table, whichever of them sends."""

from __future__ import annotations

import os
import socket
import ssl
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from glmcli.errors import GlmError, IncompleteError, NetworkError, ProtocolError, Retry, no_memory
from glmcli.http.proxies import SOCKS
from glmcli.record import Record

if TYPE_CHECKING:
    from glmcli.http.call import Head
    from glmcli.http.proxies import Proxy

_PROXY_REFUSES = 407  # Proxy Authentication Required: no word of the provider's
_RAGGED = "UNEXPECTED_EOF_WHILE_READING"  # OpenSSL's word for an end in the middle, where asyncio has none


class Place(Record):
    """Who is asked, as errors name it: host and port, and what stands between."""

    netloc: str
    proxy: Proxy | None = None

    def __str__(self) -> str:
        """Without credentials."""
        return f"{self.netloc} (through the proxy {self.proxy})" if self.proxy else self.netloc

    def check(self, head: Head) -> None:
        """Tell the proxy's word from the provider's.

        Raises:
            NetworkError: the proxy wants a password, or another one.
        """
        if head.status == _PROXY_REFUSES and self.proxy:
            raise _refused(self.proxy, f"HTTP {head.status}")


class Kind(Enum):
    """What failed, whatever the library calls it."""

    PROXY = auto()  # the proxy answered, and refused
    CONNECT = auto()  # no connection, or no TLS
    TLS = auto()  # the connection stood, and ended during the handshake
    BROKEN = auto()  # an error of the system while reading or writing
    ENDED = auto()  # the other side closed too early
    FRAMING = auto()  # what came is no HTTP
    OTHER = auto()


class Failure(NamedTuple):
    """An error of a library: `cause` is that of the system or of OpenSSL where there is one."""

    kind: Kind
    cause: BaseException
    words: str = ""


def translated(failure: Failure, place: Place, *, sent: bool, begun: bool) -> GlmError:  # noqa: PLR0911 - one row a kind
    """One of our errors.

    Args:
        failure: what the library said: `of_httpx`, `of_aiohttp`.
        place: who was asked.
        sent: the request was on its way.
        begun: the head of the response had come.
    """
    kind, cause, words = failure
    match kind:
        case Kind.PROXY:
            return _refused(place.proxy, words)
        case Kind.CONNECT:
            return _not_connected(cause, str(place))
        case Kind.TLS:
            return NetworkError(message=f"cannot finish TLS with {place}: {_RAGGED}")
        case Kind.BROKEN:
            what = f"the connection to {place} broke: {_reason(cause)}"
            return NetworkError(message=what, retry=Retry.NETWORK, sent=sent, broken=begun)
        case Kind.ENDED | Kind.FRAMING if begun:
            what = "the connection ended before the reply was whole"
            return IncompleteError(message=what, retry=Retry.NETWORK, sent=True, broken=True)
        case Kind.ENDED:
            return NetworkError(message=f"{place} hung up without an answer", retry=Retry.NETWORK, sent=sent)
        case Kind.FRAMING:
            return ProtocolError(message=f"{place} does not speak HTTP: {words}", fix="check the base URL", sent=sent)
        case Kind.OTHER:
            return _other(cause, place, sent=sent)


def _other(error: BaseException, place: Place, *, sent: bool) -> GlmError:
    if isinstance(error, MemoryError):
        return no_memory()
    if isinstance(error, OSError):
        return NetworkError(message=f"the connection to {place} failed: {_reason(error)}", sent=sent)
    if place.proxy and place.proxy.scheme in SOCKS and not sent:
        # The errors of the SOCKS library, which httpx lets through; nothing else can fail before our request.
        return NetworkError(message=f"the proxy {place.proxy} does not speak SOCKS 5", fix="check the proxy's address")
    return GlmError(message=f"the HTTP library failed: {type(error).__name__}: {error}", sent=sent)


def of_httpx(error: BaseException) -> Failure:
    """An error that httpx raised. It keeps what it wrapped as the cause, and httpcore as the argument of that."""
    from glmcli.http.httpx_library import httpx

    inner = error.__cause__
    wrapped = inner.args[0] if inner is not None and inner.args else None
    cause = wrapped if isinstance(wrapped, BaseException) else error
    match error:
        case httpx.ProxyError():
            return Failure(Kind.PROXY, error, str(error))
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return Failure(Kind.CONNECT, cause)
        case httpx.NetworkError() | httpx.TimeoutException():
            return Failure(Kind.BROKEN, cause)
        case httpx.RemoteProtocolError() if cause is error:
            return Failure(Kind.ENDED, error)
        case httpx.RemoteProtocolError():
            return Failure(Kind.FRAMING, error, str(error))
        case _:
            return Failure(Kind.OTHER, error)


def of_aiohttp(error: BaseException, lost: BaseException | None = None) -> Failure:  # noqa: PLR0911 - one row an error
    """An error that aiohttp raised; `lost` is how its connection ended, where it did."""
    import aiohttp

    match error:
        case aiohttp.ClientHttpProxyError():
            return Failure(Kind.PROXY, error, f"{error.status} {error.message}")
        case aiohttp.ClientConnectorCertificateError():
            return Failure(Kind.CONNECT, error.certificate_error)
        case aiohttp.ClientConnectorError() if error.os_error.errno is None and error.ssl:
            return Failure(Kind.TLS, error.os_error)
        case aiohttp.ClientConnectorError():
            return Failure(Kind.CONNECT, error.os_error)
        case aiohttp.ServerDisconnectedError():
            return Failure(Kind.ENDED, error)
        case aiohttp.ClientPayloadError():
            return Failure(Kind.BROKEN, lost) if isinstance(lost, OSError) else Failure(Kind.ENDED, error)
        case aiohttp.ClientResponseError():
            return Failure(Kind.FRAMING, error, " ".join(error.message.split()))
        case aiohttp.ClientOSError():
            return Failure(Kind.BROKEN, error)
        case _:
            return Failure(Kind.OTHER, error)


def _refused(proxy: Proxy | None, how: str) -> NetworkError:
    return NetworkError(message=f"the proxy {proxy} refused: {how}", fix="check the proxy and its password")


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
            return NetworkError(message=f"cannot finish TLS with {where}: {getattr(cause, 'reason', None) or cause}")
        case OSError(errno=int(number)) if number > 0:
            # The event loop has words of its own for what the system says.
            return NetworkError(message=f"cannot connect to {where}: {os.strerror(number)}", retry=Retry.NETWORK)
        case _:
            return NetworkError(message=f"cannot connect to {where}: {_reason(cause)}", retry=Retry.NETWORK)


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
