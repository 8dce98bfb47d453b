"""The fields of a request body that the dialects share: messages, tools, sampling, thinking. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.catalogue import is_no_thinking
from glmcli.chat.messages import TOOL_CHOICES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.chat.messages import Media, Message, Request, ToolCall
    from glmcli.providers.row import Provider, ThinkingSwitch

SAMPLING = ("temperature", "top_p", "top_k", "repetition_penalty", "max_tokens", "seed")
MAX_TOKENS = "max_tokens"
_OWN = frozenset({"model", "messages", "stream", "stop", "tools", "tool_choice", *SAMPLING})


def messages(request: Request, provider: Provider) -> list[dict[str, Any]]:
    """The `messages` field. Messages without media are plain strings: text models refuse arrays.

    Source: "input content must be a string." docs.qwencloud.com error messages (2026-09-28); docs.bigmodel.cn chat
    completion reference (2025-12).
    """
    back = _reasoning_back(request, provider)
    sent = [_message(message, with_reasoning=is_sent) for message, is_sent in zip(request.messages, back, strict=True)]
    if request.messages[-1].partial:
        sent[-1]["partial"] = True
    if any(message.media for message in request.messages):
        from glmcli.providers.media_rules import rules_of

        text_first = rules_of(request.model, provider).text_first
        for fields, message in zip(sent, request.messages, strict=True):
            if message.media:
                fields["content"] = _parts(message, text_first=text_first)
    return sent


def _reasoning_back(request: Request, provider: Provider) -> list[bool]:
    """For each message, whether its reasoning goes back to the model.

    Where the model is asked to keep it, that is all of it, whoever wrote it: a gap costs quality and cache hits.
    Source: docs.z.ai/guides/capabilities/thinking-mode (2026).
    """
    if _keeps_thinking(request, provider):
        return [True] * len(request.messages)
    question = max((at for at, message in enumerate(request.messages) if message.role == "user"), default=0)
    in_turn = provider.api.reasoning_back == "tool_turn"
    return [in_turn and at > question and bool(message.tool_calls) for at, message in enumerate(request.messages)]


def _keeps_thinking(request: Request, provider: Provider) -> bool:
    return bool(request.keep_thinking) and provider.api.keeps_thinking


def leaves_out_reasoning(request: Request, provider: Provider) -> bool:
    """Whether a message has reasoning that is not sent."""
    if not any(message.reasoning for message in request.messages):
        return False
    back = _reasoning_back(request, provider)
    return any(message.reasoning and not is_sent for message, is_sent in zip(request.messages, back, strict=True))


def _message(message: Message, *, with_reasoning: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": message.role, "content": message.text}
    if with_reasoning and message.reasoning:
        fields["reasoning_content"] = message.reasoning
    if message.tool_calls:
        fields["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        fields["tool_call_id"] = message.tool_call_id
    return fields


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _parts(message: Message, *, text_first: bool) -> list[dict[str, Any]]:
    """The content of a message with media; bytes are still a Media, which `glmcli.http.bodies` encodes.

    The order is the user's: no provider has a rule against any, and a model relates the words to the picture beside
    them. Where the user gave no order, it is that of the provider's own examples.
    """
    given: tuple[str | Media, ...] = message.parts
    if not message.is_ordered:
        given = (message.text, *given) if text_first else (*given, message.text)
    return [_part(part) for part in given if part]


def _part(part: str | Media) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    place: dict[str, Any] = {"url": part if part.data else part.url}
    if part.detail:
        place["detail"] = part.detail
    name = f"{part.kind}_url"
    return {"type": name, name: place}


def tools(request: Request, provider: Provider) -> dict[str, Any]:
    """The fields that offer tools: the functions of the request, then the tools that the provider runs."""
    offered = [{"type": "function", "function": function.fields()} for function in request.tools]
    offered += [dict(tool) for tool in request.server_tools]
    fields: dict[str, Any] = {"tools": offered} if offered else {}
    if request.tools and request.tool_choice is not None:
        named = {"type": "function", "function": {"name": request.tool_choice}}
        fields["tool_choice"] = request.tool_choice if request.tool_choice in TOOL_CHOICES else named
    if request.tools and streams_calls(request, provider):
        fields["tool_stream"] = True
    return fields


def streams_calls(request: Request, provider: Provider) -> bool:
    """Whether the arguments of calls come in pieces: in a stream and, unless the user chose, where the model has it.

    Without pieces, a long call is indistinguishable from a dead connection.
    Source: github.com/can1357/oh-my-pi/issues/1494.
    """
    if request.tool_stream is not None or not request.stream:
        return request.stream and request.tool_stream is True
    model = provider.model(request.model)
    return provider.api.tool_stream and model is not None and model.tool_stream is True


def has_data(request: Request) -> bool:
    """Whether the body contains the bytes of a file, as a Media."""
    return any(media.data for message in request.messages for media in message.media)


def field_names(provider: Provider, model: str) -> Mapping[str, str]:
    """The provider's names of those fields of a Request that it calls otherwise, for this model."""
    names, total = provider.api.field_names, provider.api.total_cap
    if total and (known := provider.model(model)) and known.max_completion_tokens:
        return {**names, MAX_TOKENS: total}
    return names


def sampling(request: Request, provider: Provider) -> dict[str, Any]:
    """The sampling fields that the user set, by the provider's names."""
    names = field_names(provider, request.model)
    given = {name: getattr(request, name) for name in SAMPLING}
    fields = {names.get(name, name): value for name, value in given.items() if value is not None}
    if request.stop:
        fields["stop"] = list(request.stop)
    return fields


def thinking(request: Request, provider: Provider) -> dict[str, Any]:
    """The fields that turn thinking on or off, in the form of the provider's row, and set its effort and its budget."""
    fields = _switch(request, provider)
    switch = provider.api.thinking
    if switch and request.keep_thinking is not None:
        kept = (switch.keep if request.keep_thinking else switch.clear) or {}
        fields |= {name: {**fields.get(name, {}), **value} for name, value in kept.items()}
    if request.effort is not None:
        fields["reasoning_effort"] = request.effort
    if request.think_budget is not None:
        fields[provider.api.field_names.get("think_budget", "thinking_budget")] = request.think_budget
    return fields


def _switch(request: Request, provider: Provider) -> dict[str, Any]:
    switch, think = provider.api.thinking, request.think
    if is_no_thinking(request.effort, provider.model(request.model)):
        # The effort says it alone, as the pages have it and as it was measured. Builds of a server may not know it:
        # llama.cpp reads it since github.com/ggml-org/llama.cpp/pull/26045 (2026-07), older ones ignore it.
        return _fields(switch.off, switch, request) if switch and switch.is_shared else {}
    if think is None and provider.api.thinking_explicit:
        # Without the field, one endpoint did not think at all, against its documentation: where a model can think,
        # thinking is switched on explicitly. Source: github.com/NousResearch/hermes-agent/pull/16533.
        model = provider.model(request.model)
        think = True if (model and model.thinks) or _keeps_thinking(request, provider) else None
    if switch is None or think is None:
        return {}
    return _fields(switch.on if think else switch.off, switch, request)


def _fields(given: Mapping[str, Any], switch: ThinkingSwitch, request: Request) -> dict[str, Any]:
    """The fields of the switch, with what the user set in those that are shared."""
    if not switch.is_shared:
        return dict(given)
    return {name: {**(request.extra.get(name) or {}), **value} for name, value in given.items()}


def reserved(provider: Provider, model: str) -> frozenset[str]:
    """The body fields that are set by flags of their own for this model, so that --option may not name them."""
    api, called = provider.api, field_names(provider, model)
    names = {*_OWN, *called.values()}
    if MAX_TOKENS in called:
        names.discard(MAX_TOKENS)  # the cap of the answer alone has no flag there
    if api.usage_on_request:
        names.add("stream_options")
    if api.thinking:
        names.add("reasoning_effort")
        if not api.thinking.is_shared:
            names |= api.thinking.on.keys() | api.thinking.off.keys()
        if api.keeps_thinking:
            names.add("clear_thinking")  # beside the switch, where it would be ignored, as where it belongs
    if api.tool_stream:
        names.add("tool_stream")
    return frozenset(names)
