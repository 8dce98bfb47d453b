# ruff: noqa: RUF001 - gateways write Chinese colons and curly quotes
"""Errors of providers and of the gateways before them, in all their shapes, read into one `ErrorPayload`. Pure.

Where the less usual shapes were seen:
    `msg`, flat: Z.ai (github.com/zai-org/GLM-5/issues/68); `status`, `msg`: iflow
        (github.com/router-for-me/CLIProxyAPI/issues/1689, 2026-02-23).
    `error_code`, `error_msg`: Baidu; `Response.Error`: Tencent Cloud API 3.0; `base_resp`: MiniMax.
    `timestamp`, `status`, `error`, `path`: Spring, github.com/dyad-sh/dyad/issues/1285 (2025-09-15).
    `title`, `detail`, `status`: RFC 9457; `detail` as a list: FastAPI; `html-message`:
        github.com/Portkey-AI/gateway/issues/1286 (2025-08-14).
    `error.value`: Vercel's gateway, github.com/vercel/ai/issues/18303 (2026-07-31).
    `metadata.raw`: OpenRouter, github.com/open-webui/computer/issues/293 (2026-09-20).
    a list around it all: Google, github.com/google-gemini/gemini-cli/issues/12098 (2025-10-27).
    an error as text in the message of another, as JSON or as Python prints it: LiteLLM,
        github.com/OpenHands/OpenHands/issues/5350 (2024-12-01), github.com/BerriAI/litellm/issues/8821 (2025-02-26).
    `[1214][words][request id]`: Zhipu's Anthropic endpoint, github.com/aaif-goose/goose/issues/11667 (2026-08-28).
    `(request id: …)` at the end: one-api and new-api, github.com/songquanpeng/one-api/issues/1270 (2024-04-03).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from glmcli.errors import ProtocolError
from glmcli.http.bodies import compact_json
from glmcli.providers.json_values import JsonObject, as_int, as_object, decode, decode_all
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FAILURES = range(400, 600)  # HTTP statuses
_MAX_LEVELS = 8  # errors around one another
_MAX_SUFFIX = 256  # characters at the end of a message that may be ids of the request
# What Python prints is parsed with a parser that a hostile text could exhaust.
_MAX_LITERAL, _MAX_BRACKETS, _MAX_ENDS = 16 * 1024, 64, 4

CLOUDFLARE = "cloudflare"  # the type of what Cloudflare says in place of a server
_SUCCESS = frozenset({"0", "200", "success", "succeeded", "ok", "none", "null"})
_CONTAINERS = ("error", "Error", "errors", "Response", "base_resp", "detail", "message", "value")
_MESSAGES = (
    *("message", "msg", "Message", "error_msg", "error_message", "errorMessage"),
    *("errmsg", "status_msg", "errors", "error_description", "html-message"),
)
_CODES = ("code", "Code", "error_code", "errorCode", "errcode", "status_code")
_TYPES = ("type", "Type", "__type", "error_type", "reason")
_REQUEST_IDS = ("request_id", "RequestId", "requestId")
_STATUSES = ("status", "statusCode")

# A native frame wrapped as text in the message of another error: QwenLM/qwen-code, rateLimit.test.ts (2026).
_FRAME_STATUS = ":HTTP_STATUS/"
_WRAPPED = rf"(?s){_FRAME_STATUS}(?P<status>\d{{3}}).*?data:\s*(?P<data>\{{.*\}})"
_OBJECT = r"\[?\s{0,8}\{"
_BRACKETED = r"\[(\d{3,4})\]\[([^\]]*)\]\[(\w+)\]"
_SUFFIX = r"(?i)(?:\s*\(request id: ?([\w-]+)\))+\s*$"
_NAME = r"[A-Za-z_.]+"
# What stands before the words of an upstream: a tag, a status, a path or model id, and a clause that names a failure.
# None of them contains a quote, behind which words are those of somebody else, such as of the user's own prompt.
_PREFIX = r"""\s{0,8}(?:
        [<\[(]\ ?[\w ./-]{1,60}[>\])]:?
      | (?:HTTP\ |Error\ |Status\ )?[45]\d\d\b[ ,:;.-]*
      | [\w.@-]*(?:/[\w.@:-]+)+:(?=\s)
      | [\w .-]{1,60};(?=\s)
      | (?:Not\ Found|Gone|Bad\ Request|Payment\ Required|Forbidden|Unauthorized|Too\ Many\ Requests):(?=\s)
      | (?=[^:：\n"'`“‘{}]{0,120}?(?:error|exception|fail|upstream|status|provider|request|model|cause|completion))
        [^:：\n"'`“‘{}]{1,120}?(?::(?=\s)|：|!:|\ [-–—](?=\s))
    )\s{0,8}"""


class ErrorPayload(Record):
    """The contents of an error, independent of its shape. Empty text: not given.

    Attributes:
        status: an HTTP status that the body says.
        path: the path that the server saw.
        outer: the errors that were wrapped around this one, the nearest first.
    """

    message: str = ""
    code: str = ""
    type: str = ""
    request_id: str = ""
    status: int | None = None
    path: str = ""
    outer: tuple[ErrorPayload, ...] = ()


def find_error(value: Any, *, is_error: bool = False) -> ErrorPayload | None:  # noqa: ANN401 - any JSON may come
    """The error that a JSON value holds, the innermost of several; None if it is not certainly one.

    `is_error`: the event name of the frame or its status already says that it is one, in whatever shape it comes.
    """
    if not is_error and not _is_error(value):
        return None
    payload = _unwrapped(_read(value), _MAX_LEVELS)
    return payload if payload.message or value is None else payload.replace(message=compact_json(value))


def find_complaint(value: JsonObject) -> ErrorPayload | None:
    """The error in an object that only its words tell from others, such as `{"message": "Unauthorized"}`, or None.

    It counts where the object is no part of a reply, and the reply has not finished.
    """
    is_one = (
        value.get("type") == "error"
        or value.get("success") is False
        or any(isinstance(value.get(name), str) and _says_something(value[name]) for name in _MESSAGES)
        or any(_says_something(value.get(name)) for name in ("errors", "base_resp", *_CODES))
        or _says_something(as_object(value.get("Response")).get("Error"))
    )
    return find_error(value, is_error=True) if is_one else None


def find_error_in_text(text: str, *, is_error: bool = False) -> ErrorPayload | None:
    """The error in a body: as JSON, as JSON on its first line, or in `data:` lines, as the DashScope SDK reads it."""
    payloads = [text, text.lstrip().partition("\n")[0]]
    payloads += [line.partition(":")[2] for line in re.split(r"[\r\n]+", text) if line.startswith("data:")]
    values = [value for payload in payloads for value in _decoded(payload)]
    certain = next((value for value in values if _is_error(value)), None)
    if certain is not None:
        return find_error(certain)
    return find_error(values[0], is_error=True) if is_error and values else None


def _decoded(text: str) -> Iterator[Any]:
    try:
        yield decode(text)
    except ProtocolError:
        return


def sentence_starts(message: str) -> Iterator[int]:
    """Where the words of a message may begin: at its start, and behind each thing that a gateway put before them."""
    at, pattern = 0, re.compile(_PREFIX, re.IGNORECASE | re.VERBOSE)
    for _ in range(_MAX_LEVELS):
        yield at
        prefix = pattern.match(message, at)
        if prefix is None or prefix.end() == at:
            return
        at = prefix.end()


# What a value says


def _is_error(value: object) -> bool:
    """Whether a value is certainly an error: some gateways send the fields of an error with success too, empty."""
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], dict) and _is_error(value[0])
    if not isinstance(value, dict):
        return False
    if _says_something(value.get("error")) or _says_something(value.get("code")) or value.get("object") == "error":
        return True
    return "choices" not in value and _says_something(value.get("detail"))


def _says_something(value: object) -> bool:
    """Whether a field of an error is neither empty nor a word for success."""
    if isinstance(value, dict):
        return any(map(_says_something, value.values()))
    if isinstance(value, list):
        return any(map(_says_something, value))
    return bool(value) and str(value).lower() not in _SUCCESS


# From a value to a payload


def _read(value: object) -> ErrorPayload:
    if isinstance(value, list):
        return _read_list(value)
    if not isinstance(value, dict):
        return ErrorPayload(message=_text(value))
    own = _fields(value)
    for name in _CONTAINERS:
        part = value.get(name)
        if isinstance(part, dict | list) and _says_something(part) and (name != "message" or "error" in part):
            inner = _filled(_read(part), own)
            # MiniMax's numbers mean other things than Zhipu's.
            return inner.replace(message=f"{inner.message} ({inner.code})", code="") if name == "base_resp" else inner
    raw = as_object(value.get("metadata")).get("raw")
    if _says_something(raw):
        return _wrapped(_read(_json_or_text(raw)), own)
    return own


def _read_list(items: Sequence[object]) -> ErrorPayload:
    if not all(isinstance(item, dict | str) for item in items):
        return ErrorPayload(message=compact_json(items))
    parts = [_read(item if isinstance(item, dict) else _text(item)) for item in items if _says_something(item)]
    words = "; ".join(part.message for part in parts if part.message)
    first = parts[0] if parts else ErrorPayload()
    return first.replace(message=words or compact_json(items))


def _fields(value: JsonObject) -> ErrorPayload:
    status = next((value[name] for name in _STATUSES if as_int(value.get(name)) in _FAILURES), None)
    message, kind, code = _first(value, _MESSAGES), _type(value), _first(value, _CODES)
    error = value.get("error")
    if isinstance(error, str) and message and re.fullmatch(_NAME, error):
        kind = kind or error
    elif isinstance(error, str) and error:
        message = f"{error}: {message}" if message else error
    elif _says_something(error) and not isinstance(error, bool | dict | list):
        message, code = message or _text(error), code or (_text(error) if message else "")
    message = _problem(value) or message
    path = _first(value, ("path",))
    request_id = _first(value, _REQUEST_IDS)
    return ErrorPayload(message, code, kind, request_id, status, path if path.startswith("/") else "")


def _problem(value: JsonObject) -> str:
    """The words of RFC 9457, or of a FastAPI row: where it is wrong, and what is wrong there."""
    title, detail, place = value.get("title"), value.get("detail"), value.get("loc")
    if isinstance(place, list) and isinstance(value.get("msg"), str):
        return f"{'.'.join(map(_text, place))}: {value['msg']}"
    return ": ".join(word for word in (title, detail) if isinstance(word, str) and word)


def _type(value: JsonObject) -> str:
    """The type: no address, as in RFC 9457, not the bare word "error", and not that of a row of FastAPI."""
    if value.get("cloudflare_error") is True:
        return CLOUDFLARE
    if "loc" in value:
        return ""
    kind = _first(value, _TYPES)
    status = value.get("status")
    if not kind and isinstance(status, str) and (status.isupper() or status.isdecimal()):
        return status  # Google's RESOURCE_EXHAUSTED, and iflow's numbers, which are not those of HTTP
    return "" if ":" in kind or kind == "error" else kind


def _first(value: JsonObject, names: Sequence[str]) -> str:
    for name in names:
        if _says_something(value.get(name)):
            return _text(value[name])
    return ""


def _filled(payload: ErrorPayload, around: ErrorPayload) -> ErrorPayload:
    """The payload, with what it does not say itself from the object around it."""
    missing = {name: value for name, value in around.fields().items() if value and not payload.fields()[name]}
    return payload.replace(**missing)


def _wrapped(payload: ErrorPayload, outer: ErrorPayload) -> ErrorPayload:
    """The error of an upstream inside that of a gateway, whose status counts: the upstream speaks of another key."""
    request_id = payload.request_id or outer.request_id
    chain = (*payload.outer, outer.replace(outer=()), *outer.outer)
    return payload.replace(outer=chain, request_id=request_id, status=outer.status, path=outer.path)


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return compact_json(value)


# Errors inside the message of an error


def _unwrapped(payload: ErrorPayload, levels: int) -> ErrorPayload:
    """The innermost error, which may stand as text in the messages of the others."""
    start = payload.message.find(_FRAME_STATUS)
    if levels and start >= 0 and (frame := re.match(_WRAPPED, payload.message[start:])):
        inner = next((find_error(value) for value in _decoded(frame["data"])), None)
        return _wrapped(inner, payload).replace(status=int(frame["status"])) if inner else payload
    if levels and (inner := _inner(payload.message)):
        return _unwrapped(_wrapped(inner, payload), levels - 1)
    tail = payload.message[-_MAX_SUFFIX:]
    if found := re.search(_SUFFIX, tail):
        words = payload.message.removesuffix(tail) + tail[: found.start()]
        return payload.replace(message=words, request_id=payload.request_id or found[1])
    return payload


def _inner(message: str) -> ErrorPayload | None:
    """The error that a message holds: the whole of it, or what follows the words of a gateway."""
    for start in sentence_starts(message):
        if found := re.compile(_BRACKETED).match(message, start):
            return ErrorPayload(message=found[2], code=found[1], request_id=found[3])
        if re.compile(_OBJECT).match(message, start):
            value = _json_or_text(message[start:], is_whole=start == 0)
            payload = _read(value)
            if _is_error(value) or (start and value != message[start:] and (payload.message or payload.code)):
                return payload
    return None


def _json_or_text(value: object, *, is_whole: bool = False) -> object:
    """The value of a text that is JSON, or that Python printed; `is_whole`: nothing may follow it."""
    if not isinstance(value, str) or not re.match(_OBJECT, value):
        return value
    try:
        return decode(value) if is_whole else next(decode_all(value))
    except ProtocolError:
        return value if is_whole else _python_value(value)


def _python_value(text: str) -> object:
    """The dictionary that Python printed at the beginning of a text, or the text."""
    from ast import literal_eval

    head = text[:_MAX_LITERAL]
    if sum(map(head.count, "([{")) > _MAX_BRACKETS:
        return text
    end = len(head)
    for _ in range(_MAX_ENDS):
        end = head.rfind("}", 0, end)
        if end < 0:
            break
        try:
            return decode(json.dumps(literal_eval(head[: end + 1]), default=str))
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, ProtocolError):
            continue
    return text
