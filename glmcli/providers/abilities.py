"""Checks of JSON output and tools against what a model can do. Pure.

For a model of the catalogue its own facts decide, and what they leave open is allowed. What holds for all models of a
provider, and for those that the catalogue does not list, is in the provider's row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from glmcli.catalogue import is_no_thinking
from glmcli.chat.messages import TOOL_CHOICES
from glmcli.record import EMPTY

if TYPE_CHECKING:
    from glmcli.catalogue import Model
    from glmcli.chat.messages import Request
    from glmcli.providers.row import Provider

_MAX_NAMES = 3  # models that a fix names


class Objection(NamedTuple):
    """Why the provider would refuse, and what to do instead."""

    message: str
    fix: str


def objections(request: Request, provider: Provider, model: Model | None) -> Iterator[Objection]:
    """Why the provider or the model would refuse the request; --force sends it anyway."""
    if _format(request):
        yield from _structured(request, provider, model)
    if request.tools:
        yield from _tools(request, provider, model)


def no_think(request: Request) -> str:
    """The flag that switches thinking off, in place of those that ask for thinking: beside them it is refused."""
    given = {"--effort": request.effort, "--think-budget": request.think_budget}
    others = " and ".join(flag for flag, value in given.items() if value is not None)
    return f"--no-think in place of {others}" if others else "--no-think"


def thinks_as_asked(request: Request, facts: Mapping[str, Any]) -> bool:
    """Whether a model with these facts is not known to refuse how it is to think, so that a fix may name it."""
    thinking = facts.get("thinking", EMPTY)
    if request.think is False:
        return thinking.get("can_stop") is not False or thinking.get("asked_to_stop") == "unclear"
    takes = request.effort is None or request.effort in thinking.get("efforts", (request.effort,))
    return takes and not (request.think and thinking.get("has") is False)


def model_flags(models: tuple[str, ...]) -> str:
    """The flag -m with the first few of these PROVIDER/MODEL: a name alone could select another account."""
    *others, last = models[:_MAX_NAMES]
    return f"-m {', '.join(others)} or {last}" if others else f"-m {last}"


def _who(request: Request, provider: Provider, model: Model | None) -> str:
    return f"{request.model} at {provider.name}" if model else provider.name


def may_think(request: Request, model: Model | None) -> bool:
    """Whether the model may think: it was not asked not to, by the switch or by the effort, or does so all the same."""
    if model and model.thinks is False:
        return False
    if model and model.always_thinks:
        return True
    return request.think is not False and not is_no_thinking(request.effort, model)


def _format(request: Request) -> str | None:
    """The type of structured output that is requested."""
    response_format = request.extra.get("response_format")
    kind = response_format.get("type") if isinstance(response_format, Mapping) else None
    return None if kind == "text" else kind


def _structured(request: Request, provider: Provider, model: Model | None) -> Iterator[Objection]:
    kind, api, who = _format(request), provider.api, _who(request, provider, model)
    excluded = model.json_without_thinking if model else api.json_without_thinking
    if excluded and may_think(request, model):
        always = ", and always thinks" if model and model.always_thinks else ""
        yield Objection(f"{who} writes JSON only without thinking{always}", _json_without_thinking(request, provider))
    conversation = " ".join(message.text for message in request.messages).lower()
    if api.json_must_be_named and "json" not in conversation:
        yield Objection(f"{provider.name} wants the word JSON in the conversation", "ask for JSON in the prompt")
    if kind == "json_schema" and (model.json_schema if model else api.json_schema) is False:
        plain = not model or model.json_object is not False
        fix = "use {type: json_object} and name the fields" if plain else "ask for JSON in the prompt"
        yield Objection(f"{who} does not take a json_schema", fix)
    if kind == "json_object" and model and model.json_object is False:
        yield Objection(f"{who} does not take a json_object", "ask for JSON in the prompt")


def _json_without_thinking(request: Request, provider: Provider) -> str:
    """How JSON is written without thinking: by this model, or, where it cannot stop, by one that can."""
    model = provider.model(request.model)
    if not (model and model.always_thinks):
        return no_think(request)
    able = _models_that(
        _stopped(request),
        provider,
        lambda facts: _can_stop(facts) and facts.get("structured_output", EMPTY).get("json_object"),
    )
    return "ask for JSON in the prompt" + (f", or {model_flags(able)} with {no_think(request)}" if able else "")


def _tools(request: Request, provider: Provider, model: Model | None) -> Iterator[Objection]:
    api, who = provider.api, _who(request, provider, model)
    if model and model.tools is False:
        able = _models_that(request, provider, lambda facts: facts.get("tools") is True)
        yield Objection(
            f"{who} calls no tools", f"a model that does: {model_flags(able)}" if able else "leave out --tools"
        )
    if api.max_tools is not None and len(request.tools) > api.max_tools:
        what = f"{provider.name} takes at most {api.max_tools} tools, not {len(request.tools)}"
        yield Objection(what, "offer fewer")
    for function in request.tools:
        if function.name in api.forbidden_tools:
            yield Objection(f"{provider.name} refuses a tool named {function.name!r}", "give it another name")
    if request.tool_stream and (not api.tool_stream or (model and model.tool_stream is False)):
        yield Objection(f"{who if api.tool_stream else provider.name} has no tool_stream", "leave out --tool-stream")
    if request.tool_choice is not None:
        yield from _tool_choice(request.tool_choice, request, provider, model)


def _models_that(
    request: Request, provider: Provider, condition: Callable[[Mapping[str, Any]], object]
) -> tuple[str, ...]:
    """The other models, as PROVIDER/MODEL, of which this is known, and that take the rest of the request."""
    kinds = {media.kind for message in request.messages for media in message.media}

    def is_able(facts: Mapping[str, Any]) -> bool:
        calls = not request.tools or facts.get("tools") is not False
        takes = calls and kinds <= set(facts.get("vision", ())) and thinks_as_asked(request, facts)
        return takes and bool(condition(facts))

    return tuple(f"{provider.name}/{name}" for name in provider.models_where(is_able) if name != request.model)


def _stopped(request: Request) -> Request:
    """The request with --no-think in place of what asks for thinking."""
    return request.replace(think=False, effort=None, think_budget=None)


def _can_stop(facts: Mapping[str, Any]) -> bool:
    return facts.get("thinking", EMPTY).get("can_stop") is True


def models_that_can_stop(request: Request, provider: Provider) -> str:
    """The flag -m with models of the provider that can be asked this without thinking; empty if none is known."""
    able = _models_that(_stopped(request), provider, _can_stop)
    return model_flags(able) if able else ""


def _tool_choice(choice: str, request: Request, provider: Provider, model: Model | None) -> Iterator[Objection]:
    known = provider.api.tool_choices
    kind = choice if choice in TOOL_CHOICES else "NAME"
    if known is not None and kind not in known:
        yield Objection(f"{provider.name} does not take the tool choice {choice!r}", f"one of {', '.join(known)}")
    elif kind not in ("required", "NAME") or provider.api.forces_thinking:
        return
    elif may_think(request, model):
        fix = no_think(request)
        if model and model.always_thinks:
            able = models_that_can_stop(request, provider)
            fix = f"{fix} with a model that can stop: {able}" if able else "--tool-choice auto"
        yield Objection(f"{provider.name} cannot demand a call while the model thinks", fix)


def remarks(request: Request, provider: Provider, model: Model | None) -> Iterator[str]:
    """Remarks on what the provider refuses to other models, and may refuse to this one."""
    name, api = f"{request.model} at {provider.name}", provider.api
    thinks = may_think(request, model)
    if model and model.json_without_thinking is None and _format(request) and api.json_without_thinking and thinks:
        instead = (
            f"add {no_think(request)}" if model.stops_thinking else "it cannot stop, so ask for JSON in the prompt"
        )
        yield f"{name}: JSON while thinking is refused for some models; {instead}"
    if request.tools and request.tool_stream and not request.stream:
        yield "--tool-stream has no effect without a stream"
    elif request.tools and request.tool_stream and api.tool_stream and not (model and model.tool_stream):
        yield f"{name} is not listed among the models that have tool_stream"
