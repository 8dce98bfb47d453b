"""Media in a provider's words: some quote the request that they refuse, and the picture with it. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from glmcli.errors import CredentialsError, GlmError, ProtocolError, QuotaError
from glmcli.http.bodies import compact_json
from glmcli.http.retry import retry_after
from glmcli.providers.codes import BY_STATUS, BY_TYPE, UNKNOWN_FAILURE, UNKNOWN_REFUSAL, UNKNOWN_SERVER_ERROR
from glmcli.providers.json_values import decode
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.providers.row import ErrorMeaning, Provider

_LONGEST = 256  # characters of base64 that may stand in a message; no id, digest or signature has more
_LEAST = 32  # characters of a line of base64 that was folded; excerpts have a blank where a line ended
# Base64 in either alphabet, and as JSON (\/) and URLs (%2F) write it.
_DIGIT = r"[A-Za-z0-9+/_=%\\-]"
_DATA = re.compile(
    rf"data:([\w.+-]{{1,64}}(?:\\?/|%2F)[\w.+-]{{1,64}})[\w;=.-]{{0,64}};base64,({_DIGIT}*(?:\s+{_DIGIT}{{{_LEAST},}})*)"
)
_RUN = re.compile(rf"{_DIGIT}{{{_LEAST},}}(?:\s+{_DIGIT}{{{_LEAST},}})*")
_MIXED = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))  # a ruled line or a row of zeros is none


def masked(text: str) -> str:
    """The text with the size of each picture in its place."""
    return _RUN.sub(_unnamed, _DATA.sub(_named, text))


def _named(found: re.Match[str]) -> str:
    kind = found[1].replace("\\", "").replace("%2F", "/")
    return f"<{kind}, about {_size(found[2])} bytes>"


def _unnamed(found: re.Match[str]) -> str:
    text = found[0]
    looks_so = len(text) > _LONGEST and all(kind.search(text) for kind in _MIXED)
    return f"<about {_size(text)} bytes of base64>" if looks_so else text


def _size(text: str) -> int:
    return len("".join(text.split())) * 3 // 4


# A provider's "no", in whatever shape it comes, as one of our errors. Pure.

MAX_BODY = 1024 * 1024  # bytes of an error body that are read
_FATHOM = 4  # levels of errors wrapped in the text of other errors
_REDIRECT, _CLIENT_ERROR, _SERVER_ERROR, _LAST = 300, 400, 500, 599

# A native frame wrapped as text in the message of another error: QwenLM/qwen-code, rateLimit.test.ts (2026).
_WRAPPED = re.compile(r":HTTP_STATUS/(?P<status>\d{3}).*?data:\s*(?P<data>\{.*\})", re.DOTALL)
_RESET = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


class ErrorPayload(Record):
    """What a provider said when it refused: all shapes brought to one. Empty text is "not said"."""

    message: str = ""
    code: str = ""
    type: str = ""
    request_id: str = ""
    status: int | None = None


def find_error(value: Any, *, is_error: bool = False) -> ErrorPayload | None:  # noqa: ANN401 - any JSON may come
    """The error that a JSON value holds, or None if it holds none.

    Shapes: `{"error": {…}}`, `{"error": "text"}`, `{"code", "message", "request_id"}`, `{"detail": …}`,
    `{"object": "error", …}`. `is_error`: the frame's event name already says that it is one.
    """
    if not isinstance(value, dict):
        return ErrorPayload(message=_text(value)) if is_error else None
    error = value.get("error")
    if isinstance(error, dict) and error:
        return _unwrapped(_from_object(error, value))
    if error and error is not True:
        return _unwrapped(ErrorPayload(message=_text(error), request_id=_text(value.get("request_id"))))
    if error is True or value.get("object") == "error" or is_error or _is_flat(value):
        return _unwrapped(_from_object(value, value))
    if "detail" in value and "choices" not in value:
        return ErrorPayload(message=_text(value["detail"]))
    return None


def _is_flat(value: Mapping[str, Any]) -> bool:
    # Some SDKs show `code: ""` on success; only a code that says something is an error, whatever stands beside it.
    code = value.get("code")
    return bool(code) and code not in (200, "200")


def _from_object(error: Mapping[str, Any], outer: Mapping[str, Any]) -> ErrorPayload:
    return ErrorPayload(
        message=_text(error.get("message")),
        code=_text(error.get("code")),
        type=_text(error.get("type")),
        request_id=_text(error.get("request_id")) or _text(outer.get("request_id")),
    )


def _unwrapped(fault: ErrorPayload, depth: int = 0) -> ErrorPayload:
    match = _WRAPPED.search(fault.message)
    if match is None or depth == _FATHOM:
        return fault
    try:
        inner = find_error(decode(match["data"]))
    except ProtocolError:
        inner = None
    if inner is None:
        return fault
    return ErrorPayload(
        inner.message, inner.code, inner.type, inner.request_id or fault.request_id, int(match["status"])
    )


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON may come
    if value is None or isinstance(value, str):
        return value or ""
    return compact_json(value)


def refusal(fault: ErrorPayload, provider: Provider, status: int | None = None) -> GlmError:
    """The error that this fault means for a script.

    `status` is that of the response, or the one that a frame's comment names; without it the error came inside a 200.
    """
    code_status = int(fault.code) if fault.code.isdecimal() and len(fault.code) == len("500") else None
    status = fault.status or status or (code_status if code_status in range(_CLIENT_ERROR, _LAST + 1) else None)
    meaning = _meaning(fault, provider, status)
    resets = _RESET.search(fault.message) if meaning.error is QuotaError else None
    what = f"{meaning.what} until {resets[0]} (the provider's clock, UTC+8)" if resets else meaning.what
    return meaning.error(
        message=f"{provider.name}: {what}{_details(fault, status)}",
        why=fault.message or None,
        fix=meaning.fix or _fix(meaning, provider),
        http_status=status,
        provider_code=fault.code or fault.type or None,
        request_id=fault.request_id or None,
        retry=meaning.retry,
        model_missing=meaning.model_missing,
    )


def _meaning(fault: ErrorPayload, provider: Provider, status: int | None) -> ErrorMeaning:
    codes = provider.codes
    for name in (fault.code, fault.type):
        for pattern, meaning in codes.by_text.get(name, ()):
            if pattern.search(fault.message):
                return meaning
    return (
        _by_code(fault.code, codes.by_code)
        or codes.by_type.get(fault.type)
        or _by_status(status)
        or BY_TYPE.get(fault.type, UNKNOWN_FAILURE)
    )


def _by_code(code: str, table: Mapping[str, ErrorMeaning]) -> ErrorMeaning | None:
    """DashScope's codes are dotted from the general to the special: an unknown special one counts as its family."""
    while code and code not in table:
        code = code.rpartition(".")[0]
    return table.get(code)


def _by_status(status: int | None) -> ErrorMeaning | None:
    if status is None or status < _CLIENT_ERROR:
        return None
    known = BY_STATUS.get(status)
    return known or (UNKNOWN_REFUSAL if status < _SERVER_ERROR else UNKNOWN_SERVER_ERROR)


def _details(fault: ErrorPayload, status: int | None) -> str:
    parts = [f"HTTP {status}" if status else "", f"code {fault.code}" if fault.code else ""]
    said = ", ".join(part for part in parts if part)
    return f" ({said})" if said else ""


def _fix(meaning: ErrorMeaning, provider: Provider) -> str | None:
    if meaning.error is CredentialsError and provider.key_variables:
        return f"check the key in {provider.key_variables[0]}, and that it belongs to {provider.base_url}"
    if meaning.model_missing:
        return "check --model, or add --fallback"
    return None


def error_of_response(status: int, headers: Mapping[str, str], body: bytes, provider: Provider, now: float) -> GlmError:
    """The error of a response whose status is no success.

    `headers` have lower-case names; `now`, in seconds since the epoch, is what a Retry-After date is compared with.
    """
    text = body.decode(errors="replace").strip()
    request_id = headers.get("x-request-id") or headers.get("x-log-id")
    if _REDIRECT <= status < _CLIENT_ERROR:
        error: GlmError = _redirect(status, headers, provider)
    else:
        fault = find_error_in_text(text)
        error = refusal(fault, provider, status) if fault else _no_answer(status, headers, text, provider)
    error.http_status = error.http_status or status
    error.request_id = error.request_id or request_id
    error.retry_after = retry_after(headers.get("retry-after"), now)
    return error


def find_error_in_text(text: str) -> ErrorPayload | None:
    """The error in a body, also in SSE clothes (the DashScope SDK reads it so) or on a first line of its own."""
    payloads = [text, text.lstrip().partition("\n")[0]]
    payloads += [line.partition(":")[2] for line in re.split(r"[\r\n]+", text) if line.startswith("data:")]
    for payload in payloads:
        try:
            fault = find_error(decode(payload))
        except ProtocolError:
            continue
        if fault:
            return fault
    return None


def _redirect(status: int, headers: Mapping[str, str], provider: Provider) -> GlmError:
    target = headers.get("location", "another place")
    return ProtocolError(
        message=f"{provider.name}: refusing the redirect to {target} (HTTP {status})",
        fix="set the base URL to where the API really is; a key and a prompt are never sent on",
    )


def _no_answer(status: int, headers: Mapping[str, str], text: str, provider: Provider) -> GlmError:
    if is_html(headers.get("content-type", ""), text):
        return html_page(text, provider, status)
    return refusal(ErrorPayload(message=excerpt(text)), provider, status)


def is_html(content_type: str, text: str) -> bool:
    """Whether a body is a page for people."""
    return "html" in content_type.lower() or text.lstrip().startswith("<")


def html_page(text: str, provider: Provider, status: int) -> ProtocolError:
    """The error for a page where an API answer should be; a gateway's 502 to 504 page may be gone in a moment."""
    passing = _by_status(status)
    return ProtocolError(
        message=f"{provider.name}: got HTML, not an API response (HTTP {status})",
        why=excerpt(text),
        fix="a proxy, a firewall or a wrong base URL answers in its place",
        http_status=status,
        retry=passing.retry if passing else None,
    )


def excerpt(text: str) -> str:
    """A body on one line."""
    return " ".join(text.split())
