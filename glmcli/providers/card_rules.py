"""Web search and answers that were begun: judged by the card of the model before anything is sent. Pure.

An answer that was begun is a last message of the assistant with `partial: true`: the model goes on with it, and the
answer is what it adds. Source: help.aliyun.com/zh/model-studio/partial-mode (2026-11), whose examples join the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.errors import UsageError
from glmcli.providers.abilities import Objection, may_think, model_flags, no_think, thinks_as_asked
from glmcli.providers.table import PROVIDERS
from glmcli.record import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmcli.catalogue import Model
    from glmcli.chat.messages import Request
    from glmcli.providers.row import Provider


def contradictions(request: Request) -> Iterator[UsageError]:
    """What no provider could go on with: --force does not send it."""
    if any(message.partial for message in request.messages[:-1]):
        yield UsageError(
            message="partial: the model goes on with the last message only, and others follow this one",
            fix="leave it out, or what follows: messages, a prompt, stdin",
        )


def objections(request: Request, provider: Provider, model: Model | None) -> Iterator[Objection]:
    """Why the provider or the model would refuse it, or leave it out; --force sends it anyway."""
    name = f"{request.model} at {provider.name}"
    if model and model.web_search is False and _searches(request, provider):
        # Where a parameter asks for it, it does so at this provider only.
        by = "" if _has_search_tool(request) else "web_search in server_tools of a request file, with "
        fix = f"leave the search out, or {by}a model that does: {_able(request, provider, 'web_search')}"
        yield Objection(f"{name} does not search the web", fix)
    if not request.messages[-1].partial:
        return
    able = f"a model that does: {_able(request, provider, 'prefix_completion')}"
    if not provider.api.partial:
        yield Objection(f"{provider.name} is not known to go on with an answer that was begun (partial)", able)
    elif model and model.prefix_completion is False:
        yield Objection(f"{name} does not go on with an answer that was begun (partial)", able)


def remarks(request: Request, provider: Provider, model: Model | None, name: str) -> Iterator[str]:
    """What the user should know of it; `name` is that of the model."""
    if not (request.messages[-1].partial and provider.api.partial):
        return
    if model and model.prefix_completion is None:
        yield f"{name} is not listed among the models that go on with an answer that was begun (partial)"
    # The general page excludes models in thinking mode; the cards of ZHIPU/GLM-* say yes without a condition.
    if may_think(request, model):
        stop = "" if model and not model.stops_thinking else f"; add {no_think(request)}"
        yield f"{name}: going on with an answer (partial) is documented without thinking only{stop}"


def _searches(request: Request, provider: Provider) -> bool:
    parameter = provider.api.search_parameter
    return _has_search_tool(request) or bool(parameter and request.extra.get(parameter))


def _has_search_tool(request: Request) -> bool:
    return any(tool.get("type") == "web_search" for tool in request.server_tools)


def _able(request: Request, provider: Provider, fact: str) -> str:
    """The flag -m with the models of the row that have this on their card; else with the newest of each other row."""
    stops = fact == "prefix_completion"  # which is documented without thinking

    def is_able(facts: Mapping[str, Any]) -> bool:
        can_stop = facts.get("thinking", EMPTY).get("can_stop") is not False
        return facts.get(fact) is True and (can_stop or not stops) and thinks_as_asked(request, facts)

    here = [name for name in provider.models_where(is_able) if name != request.model]
    if here:
        return model_flags(tuple(f"{provider.name}/{name}" for name in here))
    hosted = [row for row in PROVIDERS.values() if row.hosted]
    newest = tuple(f"{row.name}/{name}" for row in hosted for name in row.models_where(is_able)[:1])
    return model_flags(newest) if newest else "glm models shows which"
