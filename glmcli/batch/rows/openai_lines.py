"""The body of an OpenAI batch line as a request: known fields by our names, all others as they are.

Source: platform.openai.com/docs/guides/batch and the chat completion reference (2026); BigModel and Model Studio take
the same lines (docs.bigmodel.cn/cn/guide/tools/batch, help.aliyun.com batch-interfaces-compatible-with-openai, 2026).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from glmcli.batch.rows.validation import refused
from glmcli.chat.messages import Function, Media, Message, ToolCall
from glmcli.config.options import overruled
from glmcli.documents.quoting import quoted
from glmcli.errors import UsageError
from glmcli.http.urls import checked_media_url
from glmcli.media.sniffing import sniff

if TYPE_CHECKING:
    from glmcli.chat.messages import MediaKind, Request, Role

_WORDS: Mapping[type, str] = {str: "a string", int: "an integer", float: "a number", bool: "true or false"}
# What our fields hold; an integer is a number too.
_KINDS: Mapping[str, type] = {
    "model": str,
    "temperature": float,
    "top_p": float,
    "top_k": int,
    "repetition_penalty": float,
    "max_tokens": int,
    "seed": int,
    "effort": str,
    "think_budget": int,
    "think": bool,
    "tool_stream": bool,
}
# A field of the body -> ours.
_FIELDS = {name: name for name in _KINDS if name not in ("effort", "think_budget", "think")} | {
    "reasoning_effort": "effort",
    "thinking_budget": "think_budget",
    "enable_thinking": "think",
}
# How a body speaks of thinking, in the words of all providers, and which fields of ours these become.
THINKING_FIELDS = frozenset({"thinking", "enable_thinking", "thinking_budget", "reasoning_effort"})
_THINKING = ("think", "effort", "think_budget")
_ROLES = ("system", "user", "assistant", "tool")
_MEDIA_PARTS: Mapping[str, MediaKind] = {"image_url": "image", "video_url": "video", "file_url": "file"}
_MESSAGE_FIELDS = ("role", "content", "reasoning_content", "tool_calls", "tool_call_id", "partial")
_IGNORED = ("stream", "stream_options")  # a row does not decide whether its answer is streamed


def request_of_body(
    body: Mapping[str, Any],
    base: Request,
    flags: Mapping[str, Any],
    names: Mapping[str, str],
    as_written: Collection[str] = (),
) -> Request:
    """The request of this body. Fields that it does not set are taken from `base`; flags override it.

    `names` has the provider's own names of our fields. Where a body says one by both names, the other one is passed on,
    and so are the fields in `as_written`.

    Raises:
        UsageError: the body is not one of a chat completion.
    """
    fields: dict[str, Any] = {"messages": _messages(body.get("messages"))}
    extra: dict[str, Any] = {}
    for name, value in body.items():
        if value is None or name in ("messages", *_IGNORED):
            continue
        is_passed = name in as_written or _is_older(name, body, names)
        known = None if is_passed else _request_fields(name, value, names)
        if known is None:
            extra[name] = value
        fields |= {
            key: item
            for key, item in (known or {}).items()
            if key not in flags or getattr(base, key, None) in (None, ())
        }
    return base.replace(**{**_of_one_mind(fields, base, flags), "extra": {**extra, **base.extra}})


def _of_one_mind(fields: dict[str, Any], base: Request, flags: Mapping[str, Any]) -> dict[str, Any]:
    """The fields without those that flags contradict, and with None for those of the request file that they do."""
    said = {name: getattr(base, name) for name in _THINKING}
    by_flags = {name: value for name, value in said.items() if name in flags}
    fields = {name: value for name, value in fields.items() if name not in overruled(fields, by_flags)}
    rest = {name: value for name, value in said.items() if name not in flags}
    return {**dict.fromkeys(overruled(rest, fields) & rest.keys()), **fields}


def _is_older(name: str, body: Mapping[str, Any], names: Mapping[str, str]) -> bool:
    """Whether this is our name of a field that the body has by the provider's name too."""
    return names.get(name, name) != name and body.get(names[name]) is not None


def _request_fields(name: str, value: Any, names: Mapping[str, str]) -> dict[str, Any] | None:  # noqa: ANN401 - any JSON
    """The fields of a Request that a field of the body sets; None for one that is passed on."""
    ours = next((ours for ours, theirs in names.items() if theirs == name), None) or _FIELDS.get(name)
    if ours:
        return {ours: _checked(f"body.{name}", value, _KINDS[ours])}
    match name, value:
        case "stop", str() | list():
            texts = value if isinstance(value, list) else [value]
            return {"stop": tuple(_checked(f"body.stop[{at}]", text, str) for at, text in enumerate(texts))}
        case "thinking", {"type": "enabled" | "disabled"} | {"clear_thinking": bool()}:
            return _thinking(value)
        case "tool_choice", str() | {"function": {"name": str()}}:
            return {"tool_choice": value if isinstance(value, str) else value["function"]["name"]}
        case "tools", list():
            return _tools(value)
        case (("stop" | "thinking" | "tool_choice" | "tools"), _):
            raise UsageError(f"body.{name} is not what a chat completion has there")
    return None


def _thinking(value: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the model is to think, and what becomes of earlier reasoning, as far as it says so."""
    _refuse_others("body.thinking", value, ("type", "clear_thinking"))
    kind, clear = value.get("type"), value.get("clear_thinking")
    if kind not in ("enabled", "disabled", None):
        raise UsageError("body.thinking is not what a chat completion has there")
    keep = {} if clear is None else {"keep_thinking": not _checked("body.thinking.clear_thinking", clear, bool)}
    return ({} if kind is None else {"think": kind == "enabled"}) | keep


def _checked(path: str, value: Any, kind: type) -> Any:  # noqa: ANN401 - any JSON
    """The value, if it is of this type and not empty."""
    kinds = (int, float) if kind is float else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
        raise UsageError(refused(path, value, _WORDS[kind]))
    if value == "":
        raise UsageError(f"{path} must not be empty")
    return value


def _refuse_others(path: str, given: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse fields that cannot be sent, instead of silently dropping them; empty ones mean nothing."""
    for name, value in given.items():
        if name not in known and value not in (None, False, "", [], {}):
            raise UsageError(f"{path}: {quoted(name)} cannot be sent", fix="leave it out")


def _tools(tools: list[Any]) -> dict[str, Any]:
    own, others = [], []
    for at, tool in enumerate(tools):
        match tool:
            case {"type": "function", "function": {"name": str() as name} as function}:
                own.append(_function(f"body.tools[{at}]", name, function))
            case {"type": str() as kind} if kind != "function":
                others.append(tool)
            case _:
                raise UsageError(f"body.tools[{at}] is neither a function nor another kind of tool")
    return {"tools": tuple(own), "server_tools": tuple(others)}


def _function(path: str, name: str, function: Mapping[str, Any]) -> Function:
    _refuse_others(f"{path}.function", function, ("name", "description", "parameters"))
    description, parameters = function.get("description") or "", function.get("parameters") or {}
    if not isinstance(parameters, Mapping):
        raise UsageError(refused(f"{path}.function.parameters", parameters, "a mapping"))
    if not isinstance(description, str):
        raise UsageError(refused(f"{path}.function.description", description, "a string"))
    return Function(_checked(f"{path}.function.name", name, str), description, parameters)


def _messages(turns: Any) -> tuple[Message, ...]:  # noqa: ANN401 - any JSON
    if not isinstance(turns, list) or not turns:
        raise UsageError("body.messages is not a list of turns")
    return tuple(_message(turn, f"body.messages[{number}]") for number, turn in enumerate(turns))


def _message(turn: Any, where: str) -> Message:  # noqa: ANN401 - any JSON
    if not isinstance(turn, dict) or turn.get("role") not in _ROLES:
        raise UsageError(f"{where} has no role of {', '.join(_ROLES)}")
    role = cast("Role", turn["role"])
    # A result is matched to its call by the id, so its name is not needed.
    _refuse_others(where, turn, (*_MESSAGE_FIELDS, "name") if role == "tool" else _MESSAGE_FIELDS)
    text, parts = _content(turn.get("content"), where)
    calls = turn.get("tool_calls") or []
    if not isinstance(calls, list):
        raise UsageError(refused(f"{where}.tool_calls", calls, "a list"))
    return Message(
        role,
        text,
        _text(turn, "reasoning_content", where),
        tuple(_call(call, where) for call in calls),
        _text(turn, "tool_call_id", where),
        parts,
        _is_partial(turn, where),
    )


def _is_partial(turn: Mapping[str, Any], where: str) -> bool:
    value = turn.get("partial")
    if value is not None and not isinstance(value, bool):
        raise UsageError(refused(f"{where}.partial", value, "true or false"))
    if value and turn["role"] != "assistant":
        raise UsageError(f"{where}.partial belongs to turns of the assistant only")
    return value is True


def _text(turn: Mapping[str, Any], name: str, where: str) -> str:
    value = turn.get(name)
    if value is not None and not isinstance(value, str):
        raise UsageError(refused(f"{where}.{name}", value, "a string"))
    return value or ""


def _content(content: Any, where: str) -> tuple[str, tuple[str | Media, ...]]:  # noqa: ANN401 - any JSON
    if content is None or isinstance(content, str):
        return content or "", ()
    if not isinstance(content, list):
        raise UsageError(f"{where}.content is neither text nor a list of parts")
    parts: list[str | Media] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            parts.append(part["text"])
        elif isinstance(kind, str) and kind in _MEDIA_PARTS:
            parts.append(_media(kind, part.get(kind), where))
        else:
            raise UsageError(f"{where}.content has a part that is no {', '.join(('text', *_MEDIA_PARTS))}")
    text = "".join(part for part in parts if isinstance(part, str))
    return text, tuple(parts) if any(isinstance(part, Media) for part in parts) else ()


def _media(kind: str, value: Any, where: str) -> Media:  # noqa: ANN401 - any JSON
    url = value.get("url") if isinstance(value, Mapping) else value
    if not isinstance(url, str):
        raise UsageError(f"{where}.content: {kind} has no url")
    detail = _text(value, "detail", f"{where}.content: {kind}") or None if isinstance(value, Mapping) else None
    if url.startswith("data:"):
        return _data(_MEDIA_PARTS[kind], url, where).replace(detail=detail)
    return Media(_MEDIA_PARTS[kind], url=checked_media_url(url, f"{where}.content"), detail=detail, name=url)


def _data(kind: MediaKind, url: str, where: str) -> Media:
    head, _, text = url.partition(",")
    try:
        data = b64decode(text, validate=True) if head.endswith(";base64") else b""
    except ValueError:
        data = b""
    if not data:
        raise UsageError(f"{where}.content: the data URL holds no base64")
    info = sniff(data)
    declared = head.removeprefix("data:").removesuffix(";base64")
    return Media(kind, data=data, type=declared or info.type, name=where, sha256=sha256(data).hexdigest(), info=info)


def _call(call: Any, where: str) -> ToolCall:  # noqa: ANN401 - any JSON
    match call:
        case {"id": str() as identity, "function": {"name": str() as name, "arguments": str() as arguments}}:
            return ToolCall(identity, name, arguments)
        case _:
            raise UsageError(f"{where}.tool_calls: not a call of a function")
