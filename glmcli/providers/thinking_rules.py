"""What a model's thinking allows: switching it off, its efforts, its budget; judged before anything is sent. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.catalogue import counted_effort, is_no_thinking
from glmcli.errors import UsageError
from glmcli.providers.abilities import Objection, may_think, models_that_can_stop, no_think
from glmcli.providers.table import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.catalogue import Model
    from glmcli.chat.messages import Request
    from glmcli.providers.row import Provider

_ASKED_TO_STOP = {"ignored": "a request to stop is ignored without a word", "refused": "a request to stop is refused"}


def contradictions(request: Request, provider: Provider) -> Iterator[UsageError]:
    """What says that the model thinks, and that it does not: --force does not send it."""
    model, fix = provider.model(request.model), "leave one of them out"
    stops = is_no_thinking(request.effort, model)
    if request.effort is not None and request.think is False:
        both = f"--effort {request.effort} and --no-think ask for the same: no thinking"
        yield UsageError(message=both if stops else "--effort asks for thinking, --no-think for none", fix=fix)
    if request.think_budget is not None and request.think is False:
        yield UsageError(message="--think-budget asks for thinking, --no-think for none", fix=fix)
    if stops:
        said = f"--effort {request.effort} asks for no thinking"
        if request.think:
            yield UsageError(message=f"{said}, --think for thinking", fix=fix)
        if request.think_budget is not None:
            yield UsageError(message=f"{said}, --think-budget for thinking", fix=fix)
    if request.keep_thinking and not provider.api.keeps_thinking:
        able = " and ".join(row.name for row in PROVIDERS.values() if row.hosted and row.api.keeps_thinking)
        yield UsageError(
            message=f"{provider.name} is sent no reasoning of earlier turns, so it can keep none",
            fix=f"leave out --keep-thinking; models of {able} take it back",
        )


def objections(request: Request, provider: Provider, model: Model | None) -> Iterator[Objection]:
    """What of thinking is known to be refused or ignored; --force sends it anyway."""
    name = f"{request.model} at {provider.name}"
    if model and request.think and model.thinks is False:
        yield Objection(f"{name} has no thinking mode", "leave out --think and --effort")
    if model and request.keep_thinking and model.thinks is False:
        yield Objection(f"{name} has no thinking mode, so there is none to keep", "leave out --keep-thinking")
    if model and request.think is False and model.always_thinks:
        how = _ASKED_TO_STOP.get(model.asked_to_stop or "", "it cannot be switched off")
        yield Objection(f"{name} always thinks: {how}", _instead_of_stopping(request, provider, model))
    if request.think_budget is not None and "think_budget" not in provider.api.field_names:
        yield Objection(f"{provider.name} has no thinking budget", _instead_of_a_budget(request, provider, model))
    if model and request.think_budget is not None and budget_has_no_effect(provider, model):
        field = provider.api.field_names["think_budget"]
        yield Objection(f"{name} does not take {field}", _instead_of_a_budget(request, provider, model))
    if model and model.max_reasoning and (request.think_budget or 0) > model.max_reasoning:
        yield Objection(
            f"--think-budget {request.think_budget} is more than {name} thinks", f"at most {model.max_reasoning}"
        )
    words = model.efforts if model else provider.api.effort_words
    if request.effort is not None and words is not None and request.effort not in words:
        known = f"one of {', '.join(words)}" if words else "leave out --effort"
        what = f"does not know the effort {request.effort!r}" if words else "takes no effort"
        yield Objection(f"{name} {what}", known)


def budget_has_no_effect(provider: Provider, model: Model | None) -> bool:
    """Whether the model is known to refuse or ignore the thinking budget of its provider."""
    return model is not None and provider.api.field_names.get("think_budget") in model.refuses


def _instead_of_a_budget(request: Request, provider: Provider, model: Model | None) -> str:
    """What else bounds thinking: an effort, if the model takes one, and the cap of all that is written."""
    if not provider.api.thinking:
        return "set the field of your server with --option"
    words = model.efforts if model else provider.api.effort_words
    thinks = not model or model.thinks is not False
    caps = provider.api.caps_thinking or (model is not None and provider.api.total_cap and model.max_completion_tokens)
    ways = {
        "--effort": words != () and thinks and request.effort is None,
        "--max-tokens": caps and request.max_tokens is None,
    }
    usable = " or ".join(way for way, is_open in ways.items() if is_open)
    return f"use {usable}" if usable else "leave out --think-budget"


def _instead_of_stopping(request: Request, provider: Provider, model: Model) -> str:
    """The effort at which it thinks least, and the models of the row that can stop."""
    can_stop = models_that_can_stop(request, provider)
    needs_none = model.json_without_thinking and "response_format" in request.extra
    ways = [
        *([f"--effort {model.efforts[0]}, the least that it takes"] if model.efforts and not needs_none else []),
        *([f"a model that can stop: {can_stop}"] if can_stop else []),
    ]
    return "; ".join(ways) or "leave out --no-think"


def remarks(request: Request, provider: Provider, model: Model | None, name: str) -> Iterator[str]:
    """What the user should know of thinking that is asked for, or asked to stop; `name` is that of the model."""
    is_stopped = request.think is False or is_no_thinking(request.effort, model)
    if model and is_stopped and not model.stops_thinking and not model.always_thinks:
        yield f"{name} may think all the same: that it cannot stop rests on one source, which is not the provider"
    ends = provider.api.thinking_without_stream
    if ends and not request.stream and may_think(request, model):
        or_stop = "" if model and not model.stops_thinking else f", or add {no_think(request)}"
        yield f"{name}: thinking without a stream {ends}; leave out --no-stream{or_stop}"


def details(request: Request, provider: Provider, model: Model | None) -> Iterator[str]:
    """What becomes of the effort, where it is another than its word says, and of earlier reasoning without thinking."""
    stops = is_no_thinking(request.effort, model)
    if request.keep_thinking and (request.think is False or stops):
        yield "earlier reasoning is sent without thinking now: no page says what a model makes of it then"
    if request.effort is not None and (counted := counted_effort(request.effort, model)) != request.effort:
        yield f"--effort {request.effort} counts as {counted} at {provider.name}"
    if stops:
        switch = provider.api.thinking
        other = "the switch of --no-think is sent with it" if switch and switch.is_shared else "no other switch is sent"
        yield f"--effort {request.effort} switches thinking off; {other}"
