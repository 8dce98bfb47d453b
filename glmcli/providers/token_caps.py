"""What --max-tokens caps: the answer, or thinking and answer together; judged before anything is sent. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.providers.abilities import Objection, may_think
from glmcli.providers.request_fields import MAX_TOKENS, field_names
from glmcli.providers.thinking_rules import budget_has_no_effect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.catalogue import Model
    from glmcli.chat.messages import Request
    from glmcli.providers.row import Provider


def objections(request: Request, provider: Provider, model: Model | None) -> Iterator[Objection]:
    """Why a cap would be refused; --force sends it anyway."""
    cap, name = request.max_tokens or 0, f"{request.model} at {provider.name}"
    caps_all = _caps_all(request, provider)
    most = model.max_output if model else None
    if model and most and caps_all:  # how much it thinks is not known of every model
        most = most + model.max_reasoning if model.max_reasoning else None
    if most and cap > most:
        what = "thinks and writes" if caps_all else "writes"
        yield Objection(f"--max-tokens {cap} is more than {name} {what}", f"at most {most}")
    # "max_completion_tokens must be greater than thinking_budget", measured for glm-5.2 at Model Studio (2026-08-21).
    if caps_all and request.think_budget is not None and request.think_budget >= cap:
        message = f"--max-tokens {cap} counts thinking too at {provider.name}: --think-budget {request.think_budget}"
        yield Objection(f"{message} leaves nothing for the answer", "raise --max-tokens above the budget")


def details(request: Request, provider: Provider) -> Iterator[str]:
    """In which field the cap is sent, where that is not plain, and what it caps."""
    field = field_names(provider, request.model).get(MAX_TOKENS, MAX_TOKENS)
    if _caps_all(request, provider):
        about = "" if provider.api.caps_thinking else ", give or take 10 tokens"  # Model Studio's own words
        yield f"--max-tokens is sent as {field}: it caps thinking and answer together{about}"
    elif not provider.api.caps_thinking:
        thinking = f"; thinking is not capped at {provider.name} (--think-budget)"
        if request.think_budget is not None:
            thinking = "; --think-budget caps thinking"
        elif budget_has_no_effect(provider, provider.model(request.model)):
            thinking = f"; thinking is not capped at {provider.name}"
        elif not may_think(request, provider.model(request.model)):
            thinking = ""
        yield f"--max-tokens is sent as {field}: it caps the answer only{thinking}"


def _caps_all(request: Request, provider: Provider) -> bool:
    """Whether it is sent in a field of its own that caps thinking and answer together."""
    return field_names(provider, request.model).get(MAX_TOKENS, MAX_TOKENS) == provider.api.total_cap
