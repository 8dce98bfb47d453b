"""What an error of a provider means: the exception for a payload, for a response, and for a web page. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmcli.errors import BusyError, CredentialsError, GlmError, ProtocolError, QuotaError, Retry
from glmcli.http.retry import retry_after, sent_at
from glmcli.providers.codes import (
    ANYWHERE,
    BIGMODEL,
    BY_STATUS,
    BY_TYPE,
    NO_ADDRESS,
    NO_CASH,
    UNKNOWN_FAILURE,
    UNKNOWN_REFUSAL,
    UNKNOWN_SERVER_ERROR,
)
from glmcli.providers.error_payload import CLOUDFLARE, ErrorPayload, find_error_in_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.providers.row import ErrorMeaning, Provider

MAX_BODY = 1024 * 1024  # bytes of an error body that are read
_REDIRECT, _CLIENT_ERROR, _SERVER_ERROR, _MAX_STATUS = 300, 400, 500, 599

# Patterns of errors are text: an answer does not wait until they are compiled.
_RESET_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_CLOUDFLARE = r"error code: (1\d{3})"
_CLOUDFLARE_RATE = "1015"
# A key of the Coding Plan has no cash balance: docs.z.ai/devpack/quick-start (2026).
_GENERAL, _CODING = "/api/paas/v4", "/api/coding/paas/v4"


# From a payload to an exception


def refusal(
    payload: ErrorPayload,
    provider: Provider,
    status: int | None = None,
    unknown: ErrorMeaning = UNKNOWN_FAILURE,
    url: str = "",
) -> GlmError:
    """The exception that this error means.

    `status` is that of the response, or the one in a comment of the stream; None: the error came inside a 200.
    `unknown` is what it means if neither code nor status nor type nor words are known. `url` is what was asked, if it
    was no question.
    """
    levels = (payload, *payload.outer)
    code = next((level.code for level in levels if level.code), "")
    code_status = int(code) if code.isdecimal() and len(code) == len("500") else None
    status = payload.status or status or (code_status if code_status in range(_CLIENT_ERROR, _MAX_STATUS + 1) else None)
    meaning = _meaning(levels, provider, status) or unknown
    details = ", ".join(part for part in (f"HTTP {status}" if status else "", f"code {code}" if code else "") if part)
    what = _what(meaning, payload, url or provider.chat_url)
    return meaning.error(
        message=f"{provider.name}: {what} ({details})" if details else f"{provider.name}: {what}",
        why=payload.message or None,
        fix=_fix(meaning, provider),
        http_status=status,
        provider_code=code or next((level.type for level in levels if level.type), None),
        request_id=payload.request_id or None,
        retry=meaning.retry,
        model_missing=meaning.model_missing,
        concerns_all=meaning is NO_ADDRESS,
    )


def _what(meaning: ErrorMeaning, payload: ErrorPayload, url: str) -> str:
    if meaning is NO_ADDRESS:
        seen = f", which the server sees as {payload.path}" if payload.path else ""
        return f"{meaning.what}: {url}{seen}"
    if meaning.error is QuotaError and (resets := re.search(_RESET_TIME, payload.message)):
        return f"{meaning.what} until {resets[0]} (the provider's clock, UTC+8)"
    return meaning.what


def _meaning(levels: tuple[ErrorPayload, ...], provider: Provider, status: int | None) -> ErrorMeaning | None:
    """The innermost error that is known decides; then the status, which a gateway may have made up."""
    from glmcli.providers.error_sentences import refined  # its patterns take longer to compile than an answer to read

    for level in levels:
        if meaning := refined(_of_code(level, provider), level.message):
            return meaning
    by_type = (BY_TYPE[level.type] for level in levels if level.type in BY_TYPE)
    return _by_status(status) or next(by_type, None)


def _of_code(payload: ErrorPayload, provider: Provider) -> ErrorMeaning | None:
    codes = provider.codes
    for name in (payload.code, payload.type):
        for pattern, meaning in codes.by_text.get(name, ()):
            if re.search(pattern, payload.message):
                return meaning
    own = _by_code(payload.code, codes.by_code) or codes.by_type.get(payload.type)
    return own or _by_code(payload.code.lower(), ANYWHERE) or _by_code(payload.type.lower(), ANYWHERE)


def _by_code(code: str, table: Mapping[str, ErrorMeaning]) -> ErrorMeaning | None:
    """DashScope's codes are dotted from the general to the special: an unknown special one counts as its family."""
    while code and code not in table:
        code = code.rpartition(".")[0]
    return table.get(code)


def _by_status(status: int | None) -> ErrorMeaning | None:
    if status is None or status < _CLIENT_ERROR:
        return None
    return BY_STATUS.get(status) or (UNKNOWN_REFUSAL if status < _SERVER_ERROR else UNKNOWN_SERVER_ERROR)


def _fix(meaning: ErrorMeaning, provider: Provider) -> str | None:
    if meaning is NO_CASH and not provider.base_url.endswith(_CODING):
        base = provider.base_url.removesuffix(_GENERAL)
        if base != provider.base_url or provider.codes is BIGMODEL:
            place = base + _CODING if base != provider.base_url else f"an address that ends in {_CODING}"
            return f"{meaning.fix}; a key of the GLM Coding Plan is for {place}: --base-url"
    if meaning.fix:
        return meaning.fix
    if meaning.error is CredentialsError and provider.key_variables:
        return f"check the key in {provider.key_variables[0]}, and that it belongs to {provider.base_url}"
    return "check --model, or add --fallback" if meaning.model_missing else None


# From a response to an exception


def error_of_response(  # noqa: PLR0913 - a response, who sent it, and when
    status: int, headers: Mapping[str, str], body: bytes, provider: Provider, now: float, *, url: str = ""
) -> GlmError:
    """The exception for a response whose status is no success.

    `headers` have lower-case names; `now`, in seconds since the epoch, is what a Retry-After date is compared with
    where the response has no date. `url` is as in `refusal`.
    """
    text = body.decode(errors="replace").removeprefix("\ufeff").strip()
    error = _of_body(status, headers, text, provider, url)
    error.http_status = error.http_status or status
    error.request_id = error.request_id or headers.get("x-request-id") or headers.get("x-log-id")
    error.retry_after = retry_after(headers.get("retry-after"), sent_at(headers, now))
    return error


def _of_body(status: int, headers: Mapping[str, str], text: str, provider: Provider, url: str) -> GlmError:
    if _REDIRECT <= status < _CLIENT_ERROR:
        target = headers.get("location") or "another place"
        return ProtocolError(
            message=f"{provider.name}: refusing the redirect to {target} (HTTP {status})",
            fix="set the base URL to where the API really is; a key and a prompt are never sent on",
        )
    if found := re.fullmatch(_CLOUDFLARE, text):
        return _of_cloudflare(ErrorPayload(text, found[1]), provider, status)
    if payload := find_error_in_text(text, is_error=True):
        if payload.type == CLOUDFLARE:
            return _of_cloudflare(payload, provider, status)
        return refusal(payload, provider, status, url=url)
    if is_html(headers.get("content-type", ""), text):
        return html_page(text, provider, status)
    return refusal(ErrorPayload(message=one_line(text)), provider, status, url=url)


def _of_cloudflare(payload: ErrorPayload, provider: Provider, status: int) -> GlmError:
    """What Cloudflare answers in place of a provider: developers.cloudflare.com, its 1xxx errors (2026-03-12)."""
    details, code, meaning = f"(HTTP {status}, code {payload.code})", payload.code, _by_status(status)
    if code == _CLOUDFLARE_RATE:
        what = f"{provider.name}: rate limited by Cloudflare, which stands before it {details}"
        return BusyError(what, why=payload.message, http_status=status, provider_code=code, retry=Retry.RATE)
    return ProtocolError(
        message=f"{provider.name}: Cloudflare, which stands before it, answers in its place {details}",
        why=payload.message,
        fix="developers.cloudflare.com explains its codes; most refuse this network or program",
        http_status=status,
        provider_code=code,
        retry=meaning.retry if meaning else None,
    )


def is_html(content_type: str, text: str) -> bool:
    """Whether a body is a web page."""
    return "html" in content_type.lower() or text.lstrip().startswith("<")


def html_page(text: str, provider: Provider, status: int) -> ProtocolError:
    """The exception for a web page in place of an API response; after a gateway's 502 to 504 a retry may help."""
    meaning = _by_status(status)
    return ProtocolError(
        message=f"{provider.name}: got HTML, not an API response (HTTP {status})",
        why=one_line(text),
        fix="a proxy, a firewall or a wrong base URL answers in its place",
        http_status=status,
        retry=meaning.retry if meaning else None,
    )


def one_line(text: str) -> str:
    """The text with each run of blanks and line ends as one space."""
    return " ".join(text.split())
