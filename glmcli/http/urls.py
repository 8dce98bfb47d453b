"""URLs: base URLs of providers in a normal form, and those of media that a provider fetches. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from glmcli.errors import UsageError
from glmcli.http.proxies import ascii_name, is_loopback_address

_PORTS = {"http": 80, "https": 443}
_ANTHROPIC = "/anthropic"
# An address of one endpoint, which is pasted for the base URL: of OpenAI's, Anthropic's, or DashScope's own API.
_ENDPOINTS = ("chat", "completions", "models", "responses", "messages", "generation")
_WITH_ENDPOINT = (
    r"(?is)(?P<base>[a-z]+://[^/]+.*?)"
    r"(?P<endpoint>(?:/+(?:chat|completions|models|responses|messages|(?:services/+aigc/+[^/]+/+)?generation))+)"
    r"/*(?:[?#].*)?"
)


class Origin(NamedTuple):
    """Scheme, host and port of a URL."""

    scheme: str
    host: str
    port: int

    @property
    def is_secure(self) -> bool:
        """Whether nobody on the way can read what is sent, so that a key may be: TLS, or certainly this machine."""
        return self.scheme == "https" or self.host == "localhost" or is_loopback_address(self.host)


def normal_base_url(url: str, source: str) -> str:
    """The URL of an API without a slash at its end; `source` is the flag, variable or place that it comes from.

    Raises:
        UsageError: as `normal_url`; or it contains the endpoint, and the fix says what is left without.
    """
    path = url.partition("?")[0].partition("#")[0].strip().rstrip("/")
    # The pattern takes longer to compile than all else here, so it waits until the last word is one of an endpoint.
    may_have = path.rpartition("/")[2].lower() in _ENDPOINTS
    found = re.fullmatch(_WITH_ENDPOINT, url.strip()) if may_have else None
    if found is None:
        return normal_url(url, source)
    base = normal_url(found["base"], source)
    fix = f"leave the endpoint out, which glm adds: {base}"
    if _ANTHROPIC in base:
        # Zhipu's Anthropic address is /api/anthropic, and that of this grammar /api/paas/v4: docs.z.ai/devpack (2026).
        right = base.partition(_ANTHROPIC)[0] + "/paas/v4"
        fix = f"glm speaks OpenAI's grammar, not Anthropic's; at Zhipu and Z.ai that is {right}"
    raise UsageError(message=f"{source}: a base URL ends before {found['endpoint']}", fix=fix)


def normal_url(url: str, source: str) -> str:
    """The URL without a slash at its end; `source` is the flag, variable or place that it comes from.

    Raises:
        UsageError: it is not an http or https URL, or contains a user or a query.
    """
    try:
        parts = urlsplit(url.strip())
        has_port = parts.port != 0
    except ValueError as error:
        # Python's message may contain a part of a password.
        raise UsageError(message=f"{source}: not a URL", fix="https://HOST/PATH") from error
    fault = None
    if parts.scheme not in _PORTS or not parts.hostname or not has_port:
        fault = "a base URL begins with https:// or http:// and a host"
    elif parts.username is not None or parts.password is not None:
        fault = "a base URL may not contain a user or a password"
    elif parts.query or parts.fragment:
        fault = "a base URL has no query and no fragment"
    elif any(character <= " " or character == "\x7f" for character in url.strip()):
        fault = "a base URL has no blanks and no control characters"
    elif not parts.path.isascii():
        fault = "the path of a base URL is ASCII; write other characters as %XX"
    elif (netloc := _ascii(parts.hostname, parts.port)) is None:
        fault = f"{parts.hostname!r} is not a host name"
    if fault:
        raise UsageError(message=f"{source}: {fault}", fix="https://HOST/PATH, to which glm adds the endpoint")
    return f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"


def is_url(place: str) -> bool:
    """Whether this is a URL, not a path."""
    return "://" in place or place.startswith("data:")


def printable_url(url: str) -> str:
    """A URL as it is printed: without its query, which may contain a signature that gives anybody access."""
    place, query, _ = url.partition("?")
    return f"{place.partition('#')[0]}?…" if query else place.partition("#")[0]


def checked_media_url(url: str, source: str) -> str:
    """The URL of something that the provider fetches, unchanged; `source` is the place that it comes from.

    Raises:
        UsageError: it is not an http or https URL, or contains a user, a password, or a character that no URL has.
    """
    try:
        parts = urlsplit(url)
        is_place = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
        has_user = parts.username is not None or parts.password is not None
    except ValueError as error:
        raise UsageError(message=f"{source}: not a URL", fix="https://HOST/PATH") from error
    fault = None
    if any(character <= " " or "\x7f" <= character <= "\x9f" for character in url):
        fault = "a URL has no blanks and no control characters"
    elif has_user:
        fault = "a URL that a provider fetches may not contain a user or a password: it would read them"
    elif not is_place:
        fault = "a URL begins with https:// or http:// and a host; of a file on this machine, give the path"
    if fault:
        raise UsageError(message=f"{source}: {fault}", fix="https://HOST/PATH")
    return url


def _ascii(host: str, port: int | None) -> str | None:
    """Host and port as they are sent, or None if the host name is not valid."""
    name = ascii_name(host)
    if name is None:
        return None
    name = f"[{name}]" if ":" in name else name
    return name if port is None else f"{name}:{port}"


def origin(url: str) -> Origin:
    """The origin of a URL."""
    parts = urlsplit(url)
    return Origin(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])
