"""Errors of providers: all shapes read into one `ErrorPayload`, and the exception that it means. Pure."""

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

MAX_BODY = 1024 * 1024  # bytes of an error body that are read
_REDIRECT, _CLIENT_ERROR, _SERVER_ERROR, _MAX_STATUS = 300, 400, 500, 599

# A native frame wrapped as text in the message of another error: QwenLM/qwen-code, rateLimit.test.ts (2026).
_WRAPPED = re.compile(r":HTTP_STATUS/(?P<status>\d{3}).*?data:\s*(?P<data>\{.*\})", re.DOTALL)
# What an object without a choice must say to be an error: words but these, codes.
_SUCCESS = ("", "ok", "success", "succeeded")
_WORDS = ("message", "msg", "error_msg", "errmsg", "error_message", "errorMessage")
_CODES = ("errors", "error_code", "errorCode", "errcode")
_RESET_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


class ErrorPayload(Record):
    """The contents of an error of a provider, independent of its shape. Empty text: not given."""

    message: str = ""
    code: str = ""
    type: str = ""
    request_id: str = ""
    status: int | None = None


# From JSON or text to a payload


def find_error(value: Any, *, is_error: bool = False) -> ErrorPayload | None:  # noqa: ANN401 - any JSON may come
    """The error that a JSON value holds, or None if it holds none.

    Shapes: `{"error": {…}}`, `{"error": "text"}`, `{"code", "message", "request_id"}`, `{"detail": …}`,
    `{"object": "error", …}`. `is_error`: the event name of the frame or its status already says that it is one.
    """
    if not isinstance(value, dict):
        return ErrorPayload(message=_text(value)) if is_error else None
    error = value.get("error")
    if isinstance(error, dict) and error:
        return _unwrap(_payload(error, value))
    if error and error is not True:
        return _unwrap(ErrorPayload(message=_text(error), request_id=_text(value.get("request_id"))))
    # Some SDKs show `code: ""` on success; any other code is an error, whatever other fields there are.
    has_code = bool(value.get("code")) and value["code"] not in (200, "200")
    if error is True or value.get("object") == "error" or is_error or has_code:
        return _unwrap(_payload(value, value))
    if "detail" in value and "choices" not in value:
        return ErrorPayload(message=_text(value["detail"]))
    return None


def find_error_in_text(text: str) -> ErrorPayload | None:
    """The error in a body: as JSON, as JSON on its first line, or in `data:` lines, as the DashScope SDK reads it."""
    payloads = [text, text.lstrip().partition("\n")[0]]
    payloads += [line.partition(":")[2] for line in re.split(r"[\r\n]+", text) if line.startswith("data:")]
    for payload in payloads:
        try:
            error = find_error(decode(payload))
        except ProtocolError:
            continue
        if error:
            return error
    return None


def _payload(error: Mapping[str, Any], outer: Mapping[str, Any]) -> ErrorPayload:
    return ErrorPayload(
        message=_text(error.get("message")),
        code=_text(error.get("code")),
        type=_text(error.get("type")),
        request_id=_text(error.get("request_id")) or _text(outer.get("request_id")),
    )


def _unwrap(error: ErrorPayload) -> ErrorPayload:
    """The error that is wrapped as text in the message of this one, or this one."""
    match = _WRAPPED.search(error.message)
    if match is None:
        return error
    try:
        inner = find_error(decode(match["data"]))
    except ProtocolError:
        return error
    if inner is None:
        return error
    return inner.replace(request_id=inner.request_id or error.request_id, status=int(match["status"]))


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON may come
    if value is None or isinstance(value, str):
        return value or ""
    return compact_json(value)


def find_complaint(value: Mapping[str, Any]) -> ErrorPayload | None:
    """The error in an object that only its words tell from others, such as `{"message": "Unauthorized"}`, or None.

    It counts where the object is no part of a reply, and the reply has not finished.
    """
    base = value.get("base_resp")
    response = value.get("Response")
    is_one = (
        value.get("type") == "error"
        or value.get("success") is False
        or any(isinstance(value.get(name), str) and value[name].strip().lower() not in _SUCCESS for name in _WORDS)
        or any(value.get(name) for name in _CODES)
        or (isinstance(base, dict) and bool(base.get("status_code")))
        or (isinstance(response, dict) and bool(response.get("Error")))
    )
    return find_error(value, is_error=True) if is_one else None


# From a payload to an exception


def refusal(
    payload: ErrorPayload, provider: Provider, status: int | None = None, unknown: ErrorMeaning = UNKNOWN_FAILURE
) -> GlmError:
    """The exception that this error means.

    `status` is that of the response, or the one in a comment of the stream; None: the error came inside a 200.
    `unknown` is what it means if neither code nor status nor type are known.
    """
    code = payload.code
    code_status = int(code) if code.isdecimal() and len(code) == len("500") else None
    status = payload.status or status or (code_status if code_status in range(_CLIENT_ERROR, _MAX_STATUS + 1) else None)
    meaning = _meaning(payload, provider, status) or unknown
    resets = _RESET_TIME.search(payload.message) if meaning.error is QuotaError else None
    what = f"{meaning.what} until {resets[0]} (the provider's clock, UTC+8)" if resets else meaning.what
    details = ", ".join(part for part in (f"HTTP {status}" if status else "", f"code {code}" if code else "") if part)
    return meaning.error(
        message=f"{provider.name}: {what} ({details})" if details else f"{provider.name}: {what}",
        why=payload.message or None,
        fix=meaning.fix or _fix(meaning, provider),
        http_status=status,
        provider_code=code or payload.type or None,
        request_id=payload.request_id or None,
        retry=meaning.retry,
        model_missing=meaning.model_missing,
    )


def _meaning(payload: ErrorPayload, provider: Provider, status: int | None) -> ErrorMeaning | None:
    codes = provider.codes
    for name in (payload.code, payload.type):
        for pattern, meaning in codes.by_text.get(name, ()):
            if pattern.search(payload.message):
                return meaning
    return (
        _by_code(payload.code, codes.by_code)
        or codes.by_type.get(payload.type)
        or _by_status(status)
        or BY_TYPE.get(payload.type)
    )


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
    if meaning.error is CredentialsError and provider.key_variables:
        return f"check the key in {provider.key_variables[0]}, and that it belongs to {provider.base_url}"
    return "check --model, or add --fallback" if meaning.model_missing else None


# From a response to an exception


def error_of_response(status: int, headers: Mapping[str, str], body: bytes, provider: Provider, now: float) -> GlmError:
    """The exception for a response whose status is no success.

    `headers` have lower-case names; `now`, in seconds since the epoch, is what a Retry-After date is compared with.
    """
    text = body.decode(errors="replace").strip()
    if _REDIRECT <= status < _CLIENT_ERROR:
        target = headers.get("location", "another place")
        error: GlmError = ProtocolError(
            message=f"{provider.name}: refusing the redirect to {target} (HTTP {status})",
            fix="set the base URL to where the API really is; a key and a prompt are never sent on",
        )
    elif payload := find_error_in_text(text):
        error = refusal(payload, provider, status)
    elif is_html(headers.get("content-type", ""), text):
        error = html_page(text, provider, status)
    else:
        error = refusal(ErrorPayload(message=one_line(text)), provider, status)
    error.http_status = error.http_status or status
    error.request_id = error.request_id or headers.get("x-request-id") or headers.get("x-log-id")
    error.retry_after = retry_after(headers.get("retry-after"), now)
    return error


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


# Media in error messages: some providers quote the request that they refuse, with the picture in it.

_MAX_BASE64 = 256  # characters of base64 that a message may contain; no id, digest or signature has more
_MIN_LINE = 32  # characters of a line of base64 that was folded; messages on one line have a blank where a line ended
# Base64 in either alphabet, and as JSON (\/) and URLs (%2F) write it.
_DIGIT = r"[A-Za-z0-9+/_=%\\-]"
_TYPE = r"[\w.+-]{1,64}(?:\\?/|%2F)[\w.+-]{1,64}"
_DATA_URL = re.compile(rf"data:({_TYPE})[\w;=.-]{{0,64}};base64,({_DIGIT}*(?:\s+{_DIGIT}{{{_MIN_LINE},}})*)")
_BASE64 = re.compile(rf"{_DIGIT}{{{_MIN_LINE},}}(?:\s+{_DIGIT}{{{_MIN_LINE},}})*")
_KINDS = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))  # all occur in base64, not in a ruled line


def mask_media(text: str) -> str:
    """The text with the size of each picture, video or file in place of its base64."""
    return _BASE64.sub(_masked_base64, _DATA_URL.sub(_masked_data_url, text))


def _masked_data_url(found: re.Match[str]) -> str:
    media_type = found[1].replace("\\", "").replace("%2F", "/")
    return f"<{media_type}, about {_decoded_size(found[2])} bytes>"


def _masked_base64(found: re.Match[str]) -> str:
    text = found[0]
    is_base64 = len(text) > _MAX_BASE64 and all(kind.search(text) for kind in _KINDS)
    return f"<about {_decoded_size(text)} bytes of base64>" if is_base64 else text


def _decoded_size(base64: str) -> int:
    return len("".join(base64.split())) * 3 // 4
