"""The proxy of a request, by the environment variables. Pure: the environment is an argument.

HTTP libraries read these variables too, but crash on values that other programs set (`NO_PROXY=::1`:
github.com/encode/httpx/issues/3574), do not support CIDR or `*.x`, and send loopback traffic to the proxy.
"""

from __future__ import annotations

from base64 import b64encode
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKS = ("socks5", "socks5h")
_SCHEMES = ("http", "https", *SOCKS)
_MAX_LABEL = 63  # characters; RFC 1035 section 2.3.4
_MAX_PORT_DIGITS = 5  # Python refuses to read thousands of digits
_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


class Proxy(Record):
    """A proxy and its credentials, which are sent as bytes; the repr shows no password."""

    scheme: str
    host: str
    port: int
    user: bytes | None = None
    password: bytes | None = None
    _hidden = ("password",)

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return self.host == "localhost" or is_loopback_address(self.host)

    def __str__(self) -> str:
        """The proxy as a URL without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def authorization(proxy: Proxy) -> dict[str, str]:
    """The header with the credentials for an HTTP proxy; empty if there are none."""
    if not proxy.user:
        return {}
    return {"Proxy-Authorization": "Basic " + b64encode(proxy.user + b":" + (proxy.password or b"")).decode()}


def is_loopback_address(host: str) -> bool:
    """Whether this is a literal address of loopback, be it of IPv4 or of IPv6 (`::1`, `::ffff:127.0.0.1`)."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None  # Python looks at it from 3.13 only
    return (mapped or address).is_loopback


def is_loopback(host: str) -> bool:
    """Whether the host is this machine; requests to it never take a proxy."""
    return host == "localhost" or host.endswith(".localhost") or is_loopback_address(host)


def ascii_name(host: str) -> str | None:
    """The host name as it is sent (IDNA), or None if it is not a valid one."""
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return None
    labels = name.removesuffix(".").split(".")
    return name if ":" in name or all(0 < len(label) <= _MAX_LABEL for label in labels) else None


def choose_proxy(scheme: str, host: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy for a request to this origin, or None.

    Raises:
        UsageError: the variable contains no usable proxy URL.
    """
    if is_loopback(host) or _excluded(host, port, _variable("no_proxy", environment)[1]):
        return None
    for name in (f"{scheme}_proxy", "all_proxy"):
        variable, value = _variable(name, environment)
        if value:
            return _parse(value, variable)
    return None


def _variable(name: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """The variable that is set, and its value: lower case comes first, as in curl."""
    for variable in (name, name.upper()):
        if value := environment.get(variable, "").strip():
            return variable, value
    return name, ""


def _parse(value: str, variable: str) -> Proxy:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        port = parts.port
    except ValueError as error:
        # Python's message may contain a part of the password.
        raise UsageError(message=f"{variable} is not a proxy URL", fix="http://HOST:PORT") from error
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise UsageError(
            message=f"{variable} names a proxy that cannot be used ({parts.scheme or 'no'} scheme)",
            fix=f"one of {', '.join(_SCHEMES)}, as in socks5://127.0.0.1:1080",
        )
    host = ascii_name(parts.hostname)
    if host is None or port == 0:
        raise UsageError(message=f"{variable} names a proxy without a valid host and port", fix="http://HOST:PORT")
    return Proxy(
        parts.scheme,
        host,
        port or _DEFAULT_PORTS[parts.scheme],
        _unquoted(parts.username),
        _unquoted(parts.password),
    )


def _unquoted(text: str | None) -> bytes | None:
    """The decoded bytes: UTF-8, or what the variable itself contains."""
    return unquote_to_bytes(text.encode(errors="surrogateescape")) if text else None


def _excluded(host: str, port: int, no_proxy: str) -> bool:
    entries = (entry.strip().lower() for entry in no_proxy.replace(" ", ",").split(","))
    return any(_matches(entry, host.lower().rstrip("."), port) for entry in entries if entry)


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    name, entry_port = _split_port(entry)
    if entry_port is not None and entry_port != port:
        return False
    if address is not None:
        network = _network(name)
        return network is not None and address in network
    name = name.removeprefix("*").lstrip(".").rstrip(".")
    return bool(name) and (host == name or host.endswith("." + name))


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None


def _split_port(entry: str) -> tuple[str, int | None]:
    name, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and len(port) <= _MAX_PORT_DIGITS and (":" not in name or name.endswith("]")):
        return name.strip("[]"), int(port)
    return entry, None
