"""Fields of a request body that the dialects share. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.catalogue import find
from glmcli.providers.row import Provider, Thinking

if TYPE_CHECKING:
    from glmcli.chat import Request

SAMPLING = ("temperature", "top_p", "top_k", "repetition_penalty", "max_tokens", "seed")
_OWN = frozenset({"model", "messages", "stream", "stop", "tools", *SAMPLING})


def messages(request: Request) -> list[dict[str, Any]]:
    """The conversation. Text-only turns are plain strings: text models refuse arrays.

    Source: "input content must be a string." docs.qwencloud.com error messages (2026-09-28); docs.bigmodel.cn chat
    completion reference (2025-12).
    """
    return [{"role": message.role, "content": message.text} for message in request.messages]


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
    """Body fields that flags decide on this row."""
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
    return frozenset(names)
