"""The card of a model: all that is known of it at a provider, as the JSON of `glm models`; unknown is None. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli import catalogue
from glmcli.providers import pricing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.providers.row import Provider

Card = dict[str, Any]

_TIER = dict.fromkeys(("input_over", "input_up_to", "output_over", "output_up_to", "input", "cached_input", "output"))
_MEDIUM = dict.fromkeys(("url", "data", "most", "max_megabytes", "max_width", "max_height", "formats"))
_VISION = dict.fromkeys(("image", "video", "file", "mixing", "order", "detail", "max_body_megabytes", "box_tags"))
_GROUPS: Mapping[str, Card] = {
    "as_written": dict.fromkeys(("context", "max_output")),
    "thinking": dict.fromkeys(("has", "can_stop", "efforts", "default_effort")),
    "structured_output": dict.fromkeys(("json_object", "json_schema", "only_without_thinking")),
    "cache": dict.fromkeys(("implicit", "explicit")),
    "defaults": dict.fromkeys(("thinking", "temperature", "top_p", "top_k", "repetition_penalty")),
    "status": dict.fromkeys(("delisted", "reported", "since", "successor")),
}
_KEYS = (
    "positioning",
    "scenario",
    "context",
    "max_input",
    "max_reasoning",
    "max_output",
    "as_written",
    "input",
    "output",
    "thinking",
    "tools",
    "tool_stream",
    "web_search",
    "prefix_completion",
    "structured_output",
    "cache",
    "defaults",
    "prices",
    "vision",
    "stream_only",
    "refuses",
    "batch",
    "status",
    "notes",
)


def card_of(provider: Provider, model: str) -> Card:
    """The card of a model that the provider's catalogue lists."""
    known = provider.facts(model) or {}
    shown: Card = {"provider": provider.name, "model": model}
    shown |= {key: known.get(key) for key in _KEYS}
    shown |= {key: {**group, **known.get(key, {})} for key, group in _GROUPS.items()}
    prices = pricing.price_list(provider, model)
    shown["prices"] = {**prices, "tiers": [{**_TIER, **tier} for tier in prices["tiers"]]} if prices else None
    shown["vision"] = _vision(known["vision"], model) if "vision" in known else None
    shown["notes"] = list(known.get("notes", ()))
    groups: Mapping[str, str] = known.get("sources", {})
    named = {group: name for group, name in groups.items() if group != "prices" or prices}
    shown["sources"] = {group: catalogue.source(name) for group, name in named.items()}
    return shown


def _vision(known: Mapping[str, Any], model: str) -> Card:
    media = {kind: {**_MEDIUM, **known[kind]} for kind in ("image", "video", "file") if kind in known}
    return {**_VISION, **known, **media, "box_tags": True if catalogue.boxed(model) else None}


def cards_of(provider: Provider) -> list[Card]:
    """The cards of all models that the provider's catalogue lists."""
    return [card_of(provider, model) for model in provider.model_names]
