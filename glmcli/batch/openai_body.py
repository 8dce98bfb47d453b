"""The body of an OpenAI batch line as a request: known fields by our names, all others as they are.

Source: platform.openai.com/docs/guides/batch and the chat completion reference (2026); BigModel and Model Studio take
the same lines (docs.bigmodel.cn/cn/guide/tools/batch, help.aliyun.com batch-interfaces-compatible-with-openai, 2026).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from glmcli.chat import Function, Media, Message, ToolCall
from glmcli.errors import UsageError
from glmcli.media.sniff import look
from glmcli.urls import media_url

if TYPE_CHECKING:
    from glmcli.chat import MediaKind, Request, Role

_NUMBERS = ("temperature", "top_p", "top_k", "repetition_penalty", "max_tokens", "seed")
_NAMED = {
    **{name: name for name in _NUMBERS},
    "model": "model",
    "reasoning_effort": "effort",
    "thinking_budget": "think_budget",
    "enable_thinking": "think",
}
_ROLES = ("system", "user", "assistant", "tool")
_PARTS: Mapping[str, MediaKind] = {"image_url": "image", "video_url": "video", "file_url": "file"}
_HOW = ("stream", "stream_options")  # how the answer travels is not the row's business


def asked(body: Mapping[str, Any], base: Request, flags: Mapping[str, Any]) -> Request:
    """The request of this body; what it does not say is as in `base`, and what a flag says is as the flag says.

    Raises:
        UsageError: the body is not one of a chat completion.
    """
    fields: dict[str, Any] = {"messages": _messages(body.get("messages"))}
    extra: dict[str, Any] = {}
    for name, value in body.items():
        if value is None or name in ("messages", *_HOW):
            continue
        own = _own(name, value)
        if own is None:
            extra[name] = value
        fields |= {key: item for key, item in (own or {}).items() if not (key in flags and getattr(base, key, None))}
    return base.replace(**{**fields, "extra": {**extra, **base.extra}})


def _own(name: str, value: Any) -> dict[str, Any] | None:  # noqa: ANN401 - any JSON
    """The fields of a Request that a field of the body sets; None for one that is passed on."""
    if name in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise UsageError(f"body.{name} is not a number")
    if name in _NAMED:
        return {_NAMED[name]: value}
    match name, value:
        case "stop", str() | list():
            return {"stop": (value,) if isinstance(value, str) else tuple(value)}
        case "thinking", {"type": "enabled" | "disabled" as kind}:
            return {"think": kind == "enabled"}
        case "tool_choice", str() | {"function": {"name": str()}}:
            return {"tool_choice": value if isinstance(value, str) else value["function"]["name"]}
        case "tools", list():
            return _tools(value)
    return None


def _tools(tools: list[Any]) -> dict[str, Any]:
    functions = [tool["function"] for tool in tools if isinstance(tool, dict) and tool.get("type") == "function"]
    try:
        own = tuple(
            Function(each["name"], each.get("description", ""), each.get("parameters", {})) for each in functions
        )
    except (TypeError, KeyError) as error:
        raise UsageError("body.tools: not a list of tools") from error
    return {"tools": own, "server_tools": tuple(tool for tool in tools if tool.get("type") != "function")}


def _messages(turns: Any) -> tuple[Message, ...]:  # noqa: ANN401 - any JSON
    if not isinstance(turns, list) or not turns:
        raise UsageError("body.messages is not a list of turns")
    return tuple(_message(turn, f"body.messages[{number}]") for number, turn in enumerate(turns))


def _message(turn: Any, where: str) -> Message:  # noqa: ANN401 - any JSON
    if not isinstance(turn, dict) or turn.get("role") not in _ROLES:
        raise UsageError(f"{where} has no role of {', '.join(_ROLES)}")
    text, parts = _content(turn.get("content"), where)
    calls = tuple(_call(call, where) for call in turn.get("tool_calls") or ())
    role = cast("Role", turn["role"])
    reasoning = turn.get("reasoning_content")
    return Message(
        role,
        text,
        reasoning if isinstance(reasoning, str) else "",
        calls,
        str(turn.get("tool_call_id") or ""),
        parts,
    )


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
        elif isinstance(kind, str) and kind in _PARTS:
            parts.append(_media(kind, part[kind], where))
        else:
            raise UsageError(f"{where}.content has a part of type {kind!r}, which is not known")
    text = "".join(part for part in parts if isinstance(part, str))
    return text, tuple(parts) if any(isinstance(part, Media) for part in parts) else ()


def _media(kind: str, value: Any, where: str) -> Media:  # noqa: ANN401 - any JSON
    url = value.get("url") if isinstance(value, Mapping) else value
    if not isinstance(url, str):
        raise UsageError(f"{where}.content: {kind} has no url")
    detail = value.get("detail") if isinstance(value, Mapping) else None
    if url.startswith("data:"):
        return _data(_PARTS[kind], url, where).replace(detail=detail)
    return Media(_PARTS[kind], url=media_url(url, f"{where}.content"), detail=detail, name=url)


def _data(kind: MediaKind, url: str, where: str) -> Media:
    head, _, text = url.partition(",")
    try:
        data = b64decode(text, validate=True) if head.endswith(";base64") else b""
    except ValueError:
        data = b""
    if not data:
        raise UsageError(f"{where}.content: the data URL holds no base64")
    looks = look(data)
    declared = head.removeprefix("data:").removesuffix(";base64")
    return Media(kind, data=data, type=declared or looks.type, name=where, sha256=sha256(data).hexdigest(), looks=looks)


def _call(call: Any, where: str) -> ToolCall:  # noqa: ANN401 - any JSON
    match call:
        case {"id": str() as identity, "function": {"name": str() as name, "arguments": str() as arguments}}:
            return ToolCall(identity, name, arguments)
        case _:
            raise UsageError(f"{where}.tool_calls: not a call of a function")
