"""The border of the HTTP library's errors: one table, whoever sends."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import httpcore

from glmcli.errors import GlmError, IncompleteError, NetworkError, ProtocolError, Retry, no_memory
from glmcli.record import Record

if TYPE_CHECKING:
    from glmcli.proxies import Proxy
    from glmcli.transport.message import Head

SOCKS = ("socks5", "socks5h")
_PROXY_REFUSES = 407  # Proxy Authentication Required: no word of the provider's


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


def translated(error: Exception, place: Place, *, sent: bool, begun: bool) -> GlmError:  # noqa: PLR0911 - one row an error
    """The border: an error of the HTTP library or the system as one of ours, by its type alone.

    Args:
        error: in the words of httpcore, which the lanes use too.
        place: who was asked.
        sent: the request was on its way.
        begun: the head of the response had come.
    """
    where = str(place)
    match error:
        case httpcore.ProxyError():
            return _refused(place.proxy, str(error))
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
        case _ if place.proxy and place.proxy.scheme in SOCKS and not sent:
            # The errors of the SOCKS library, which httpcore lets through; nothing else can fail before our request.
            return NetworkError(
                message=f"the proxy {place.proxy} does not speak SOCKS 5", fix="check the proxy's address"
            )
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
            return NetworkError(message=f"cannot finish TLS with {where}: {getattr(cause, 'reason', None) or cause}")
        case _:
            return NetworkError(message=f"cannot connect to {where}: {_reason(cause)}", retry=Retry.NETWORK)


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
