"""What a model is known not to be able to do: JSON and tools. Pure.

A model of the catalogue is judged by its own facts, and what they leave open is sent. What holds at a provider whatever
the model, or where nobody knows it, stands in the provider's row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from glmcli import catalogue
from glmcli.providers.request_fields import CHOICES

if TYPE_CHECKING:
    from glmcli.catalogue import Model
    from glmcli.chat.messages import Request
    from glmcli.providers.row import Provider

_FEW = 3  # models that a fix names


class Objection(NamedTuple):
    """Why the provider would refuse, and what to do instead."""

    message: str
    fix: str


def objections(request: Request, provider: Provider, model: Model | None) -> Iterator[Objection]:
    """What the provider or the model is known to refuse; --force sends it anyway."""
    if _format(request):
        yield from _structured(request, provider, model)
    if request.tools:
        yield from _tools(request, provider, model)


def named(models: tuple[str, ...]) -> str:
    """The first few of these, each as PROVIDER/MODEL: without its provider a name may go to another account."""
    *others, last = models[:_FEW]
    return f"-m {', '.join(others)} or {last}" if others else f"-m {last}"


def _who(request: Request, provider: Provider, model: Model | None) -> str:
    return f"{request.model} at {provider.name}" if model else provider.name


def _may_think(request: Request, model: Model | None) -> bool:
    return request.think is not False and not (model and model.thinks is False)


def _format(request: Request) -> str | None:
    """The structured output that is asked for."""
    wanted = request.extra.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    return None if kind == "text" else kind


def _structured(request: Request, provider: Provider, model: Model | None) -> Iterator[Objection]:
    kind, api, who = _format(request), provider.api, _who(request, provider, model)
    if (model.json_without_thinking if model else api.json_without_thinking) and _may_think(request, model):
        yield Objection(f"{who} writes JSON only without thinking", "--no-think")
    said = " ".join(message.text for message in request.messages).lower()
    if api.json_must_be_named and "json" not in said:
        yield Objection(f"{provider.name} wants the word JSON in the conversation", "ask for JSON in the prompt")
    if kind == "json_schema" and (model.json_schema if model else api.json_schema) is False:
        plain = not model or model.json_object is not False
        fix = "use {type: json_object} and name the fields" if plain else "ask for JSON in the prompt"
        yield Objection(f"{who} does not take a json_schema", fix)
    if kind == "json_object" and model and model.json_object is False:
        yield Objection(f"{who} does not take a json_object", "ask for JSON in the prompt")


def _tools(request: Request, provider: Provider, model: Model | None) -> Iterator[Objection]:
    api, who = provider.api, _who(request, provider, model)
    if model and model.tools is False:
        able = tuple(f"{provider.name}/{name}" for name in _callers(request, provider))
        yield Objection(f"{who} calls no tools", f"a model that does: {named(able)}" if able else "leave out --tools")
    if api.most_tools is not None and len(request.tools) > api.most_tools:
        yield Objection(f"{provider.name} takes at most {api.most_tools} tools", f"these are {len(request.tools)}")
    for function in request.tools:
        if function.name in api.forbidden_tools:
            yield Objection(f"{provider.name} refuses a tool named {function.name!r}", "give it another name")
    if request.tool_stream and (not api.tool_stream or (model and model.tool_stream is False)):
        yield Objection(f"{who if api.tool_stream else provider.name} has no tool_stream", "leave out --tool-stream")
    if request.tool_choice is not None:
        yield from _tool_choice(request.tool_choice, request, provider, model)


def _callers(request: Request, provider: Provider) -> tuple[str, ...]:
    """The models that call tools and take what is sent."""
    kinds = {media.kind for message in request.messages for media in message.media}
    return catalogue.models_where(
        provider.catalogue, lambda facts: facts.get("tools") is True and kinds <= set(facts.get("vision", ()))
    )


def _tool_choice(choice: str, request: Request, provider: Provider, model: Model | None) -> Iterator[Objection]:
    known = provider.api.tool_choices
    kind = choice if choice in CHOICES else "NAME"
    if known is not None and kind not in known:
        yield Objection(f"{provider.name} does not take the tool choice {choice!r}", f"one of {', '.join(known)}")
    elif kind in ("required", "NAME") and not provider.api.forces_thinking and _may_think(request, model):
        yield Objection(f"{provider.name} cannot demand a call while the model thinks", "--no-think")


def remarks(request: Request, provider: Provider, model: Model | None) -> Iterator[str]:
    """What is not known of the model, and its provider refuses to others."""
    name, api = f"{request.model} at {provider.name}", provider.api
    open_ = model is not None and model.json_without_thinking is None
    if _format(request) and api.json_without_thinking and open_ and _may_think(request, model):
        yield f"{name}: JSON while thinking is refused for some models; add --no-think"
    if request.tools and request.tool_stream and not request.stream:
        yield "--tool-stream has no effect without a stream"
    elif request.tools and request.tool_stream and api.tool_stream and not (model and model.tool_stream):
        yield f"{name} is not listed among the models that have tool_stream"
