"""Media as parts of a turn's content; how their bytes are sent is for glmcli.http.bodies. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.catalogue import find
from glmcli.providers.row import Provider, Thinking

if TYPE_CHECKING:
    from glmcli.chat.messages import Media, Message, Request, ToolCall


def parts(message: Message, *, text_first: bool) -> list[dict[str, Any]]:
    """The content of a turn with media. Bytes stand as their Media.

    The order is the user's: no provider has a rule against one, and a model reads the words beside a picture as
    words about it. Where the user gave none, it is that of the provider's own examples.
    """
    given: tuple[str | Media, ...] = message.parts
    if not message.is_ordered:
        given = (message.text, *given) if text_first else (*given, message.text)
    return [_part(part) for part in given if part]


def _part(part: str | Media) -> dict[str, Any]:
    return {"type": "text", "text": part} if isinstance(part, str) else _medium(part)


def _medium(media: Media) -> dict[str, Any]:
    place: dict[str, Any] = {"url": media if media.data else media.url}
    if media.detail:
        place["detail"] = media.detail
    name = f"{media.kind}_url"
    return {"type": name, name: place}


# Fields of a request body that the dialects share. Pure.

SAMPLING = ("temperature", "top_p", "top_k", "repetition_penalty", "max_tokens", "seed")
_OWN = frozenset({"model", "messages", "stream", "stop", "tools", "tool_choice", *SAMPLING})
CHOICES = ("auto", "none", "required")  # of tool_choice; any other word is the name of a function


def messages(request: Request, provider: Provider) -> list[dict[str, Any]]:
    """The conversation. Text-only turns are plain strings: text models refuse arrays.

    Source: "input content must be a string." docs.qwencloud.com error messages (2026-09-28); docs.bigmodel.cn chat
    completion reference (2025-12).
    """
    asked = max((at for at, message in enumerate(request.messages) if message.role == "user"), default=0)
    back = provider.wire.reasoning_back == "tool_turn"
    sent = [_message(message, reasons=back and at > asked) for at, message in enumerate(request.messages)]
    if any(message.media for message in request.messages):
        from glmcli.providers.media_rules import rules_of

        text_first = rules_of(request.model, provider).text_first
        for fields, message in zip(sent, request.messages, strict=True):
            if message.media:
                fields["content"] = parts(message, text_first=text_first)
    return sent


def _message(message: Message, *, reasons: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": message.role, "content": message.text}
    if reasons and message.tool_calls and message.reasoning:
        fields["reasoning_content"] = message.reasoning
    if message.tool_calls:
        fields["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        fields["tool_call_id"] = message.tool_call_id
    return fields


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def tools(request: Request, provider: Provider) -> dict[str, Any]:
    """The fields that offer tools, our own first."""
    offered = [{"type": "function", "function": function.fields()} for function in request.tools]
    offered += [dict(tool) for tool in request.server_tools]
    fields: dict[str, Any] = {"tools": offered} if offered else {}
    if request.tools and request.tool_choice is not None:
        named = {"type": "function", "function": {"name": request.tool_choice}}
        fields["tool_choice"] = request.tool_choice if request.tool_choice in CHOICES else named
    if request.tools and request.stream and _streams_calls(request, provider):
        fields["tool_stream"] = True
    return fields


def _streams_calls(request: Request, provider: Provider) -> bool:
    """Arguments in pieces keep a long call from looking like a dead connection: on for the models that have it.

    Source: github.com/can1357/oh-my-pi/issues/1494.
    """
    if request.tool_stream is not None:
        return request.tool_stream
    model = find(provider.catalogue, request.model)
    return provider.wire.tool_stream and model is not None and model.tool_stream is True


def has_data(request: Request) -> bool:
    """Whether bytes of a file are sent, which the body holds as Media."""
    return any(media.data for message in request.messages for media in message.media)


def sampling(request: Request) -> dict[str, Any]:
    """The sampling fields that the user set."""
    fields = {name: getattr(request, name) for name in SAMPLING if getattr(request, name) is not None}
    if request.stop:
        fields["stop"] = list(request.stop)
    return fields


def thinking(request: Request, provider: Provider) -> dict[str, Any]:
    """The fields that switch thinking, in the form of the provider's row."""
    fields = _switch(_think(request, provider), request, provider)
    if request.effort is not None:
        fields["reasoning_effort"] = request.effort
    if request.think_budget is not None:
        fields["thinking_budget"] = request.think_budget
    return fields


def _think(request: Request, provider: Provider) -> bool | None:
    if request.think is not None:
        return request.think
    # Without the field, one endpoint was seen not to think at all (github.com/NousResearch/hermes-agent/pull/16533),
    # against its documentation: where a model can think, we say so.
    model = find(provider.catalogue, request.model)
    return True if provider.wire.thinking_explicit and model and model.thinks else None


def _switch(think: bool | None, request: Request, provider: Provider) -> dict[str, Any]:
    if think is None:
        return {}
    match provider.wire.thinking:
        case Thinking.TYPE:
            return {"thinking": {"type": "enabled" if think else "disabled"}}
        case Thinking.ENABLE:
            return {"enable_thinking": think}
        case Thinking.TEMPLATE:
            kept = request.extra.get("chat_template_kwargs") or {}
            return {"chat_template_kwargs": {**kept, "enable_thinking": think}}
        case Thinking.EFFORT:
            return {} if think else {"reasoning_effort": "none"}
        case _:
            return {}


def reserved(provider: Provider) -> frozenset[str]:
    """JsonBody fields that flags decide on this row."""
    wire = provider.wire
    names = set(_OWN)
    if wire.usage_on_request:
        names.add("stream_options")
    if wire.thinking is not Thinking.NONE:
        names.add("reasoning_effort")
    if wire.thinking in {Thinking.TYPE, Thinking.ENABLE}:
        names.add(wire.thinking.value)
    if wire.thinking_budget:
        names.add("thinking_budget")
    if wire.tool_stream:
        names.add("tool_stream")
    return frozenset(names)
