"""The card of a model: all that is known of it at a provider, as the JSON of `glm models`; unknown is None. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from glmcli import catalogue
from glmcli.providers import pricing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.providers.row import Provider

Card = dict[str, Any]

_TIER = dict.fromkeys(("input_over", "input_up_to", "output_over", "output_up_to", "input", "cached_input", "output"))
_SEARCH = ("price", "engines", "currency", "as_of")
_MEDIUM = dict.fromkeys(("url", "data", "most", "max_megabytes", "max_width", "max_height", "formats"))
_VISION = dict.fromkeys(("image", "video", "file", "mixing", "order", "detail", "max_body_megabytes", "box_tags"))
_GROUPS: Mapping[str, Card] = {
    "as_written": dict.fromkeys(("context", "max_output")),
    "thinking": dict.fromkeys(
        ("has", "can_stop", "asked_to_stop", "efforts", "effort_counts_as", "default_effort", "clear_by_default")
    ),
    "structured_output": dict.fromkeys(("json_object", "json_schema", "only_without_thinking")),
    "cache": dict.fromkeys(("implicit", "explicit")),
    "rate_limits": dict.fromkeys(("rpm", "tpm")),
    "defaults": dict.fromkeys(("thinking", "temperature", "top_p", "top_k", "repetition_penalty")),
    "status": dict.fromkeys(("delisted", "scope", "reported", "unlisted", "since", "successor")),
}
# The facts that a source of this name is for; those of other names are for the fact of that name.
_FACTS = {
    "about": ("positioning", "scenario"),
    "limits": ("context", "max_input", "max_reasoning", "max_output"),
    "modalities": ("input", "output"),
    "tools": ("tools", "tool_stream", "web_search", "prefix_completion"),
    "requests": ("stream_only", "refuses"),
    "cached_price": ("prices",),
    "first_tier": ("prices",),
}
_BATCH_PRICE = dict.fromkeys(("price", "cache_discount"))
_OF_PRICES = ("prices", "cached_price", "first_tier")  # sources of what holds at the provider's own address only
_USES: tuple[Literal["ask", "vision"], ...] = ("ask", "vision")
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
    "rate_limits",
    "defaults",
    "prices",
    "vision",
    "stream_only",
    "refuses",
    "max_completion_tokens",
    "batch",
    "status",
    "notes",
)


def card_of(provider: Provider, model: str) -> Card:
    """The card of a model of which something is known at this provider."""
    known = provider.facts(model) or {}
    shown: Card = {"provider": provider.name, "model": model}
    shown |= {key: known.get(key) for key in _KEYS}
    shown |= {key: {**group, **known.get(key, {})} for key, group in _GROUPS.items()}
    if not _knows_default(provider, model):
        shown["thinking"]["clear_by_default"] = None
    prices = pricing.price_list(provider, model)
    shown["prices"] = {**prices, "tiers": [{**_TIER, **tier} for tier in prices["tiers"]]} if prices else None
    searched = pricing.search_prices(provider) if known.get("web_search") is not False else None
    shown["search_price"] = {key: searched.get(key) for key in _SEARCH} if searched else None
    shown["vision"] = _vision(known["vision"], model) if "vision" in known else None
    batch = catalogue.batch_price(provider.catalogue) if prices and known.get("batch") else None
    shown["batch_price"] = {**_BATCH_PRICE, **_without_source(batch)} if batch else None
    defaults = {use: said for use in _USES if (said := provider.default(use)) and said["model"] == model}
    shown["default_for"] = [{"use": use, "reason": said["reason"]} for use, said in defaults.items()]
    shown["notes"] = list(known.get("notes", ()))
    shown["configured"] = _configured(provider, model)
    shown["sources"] = _sources(provider, model, with_prices=prices is not None)
    named = {f"default_for_{use}": said["source"] for use, said in defaults.items()}
    named |= {"batch_price": batch["source"]} if batch else {}
    shown["sources"] |= {group: catalogue.source(name) for group, name in named.items()}
    if searched:
        shown["sources"]["search_price"] = catalogue.source(searched["source"])
        shown["notes"] += [searched["note"]] if "note" in searched else []
    return shown


def _without_source(facts: Mapping[str, Any]) -> Card:
    return {key: value for key, value in facts.items() if key != "source"}


def _knows_default(provider: Provider, model: str) -> bool:
    """Whether the default for earlier reasoning is known: a plan's address keeps what the general one clears."""
    is_stated = "clear_by_default" in provider.stated(model).get("thinking", {})
    return is_stated or pricing.is_listed(provider)


def _configured(provider: Provider, model: str) -> list[str]:
    """The facts that come from the user's configuration, as `context` or `thinking.efforts`."""
    stated = {name: value for name, value in provider.stated(model).items() if name not in ("sources", "notes")}
    parts = {name: list(value) if name in _GROUPS else None for name, value in stated.items()}
    return [full for name, inner in parts.items() for full in ([f"{name}.{key}" for key in inner] if inner else [name])]


def _sources(provider: Provider, model: str, *, with_prices: bool) -> dict[str, Card]:
    """The source of each group of facts: the catalogue's where not all of the group is the user's, and their words."""
    stated = provider.stated(model)
    groups: Mapping[str, str] = (catalogue.facts(provider.catalogue, model) or {}).get("sources", {})
    kept = {
        group: catalogue.source(name)
        for group, name in groups.items()
        if (group not in _OF_PRICES or with_prices)
        and (group != "clear_by_default" or _knows_default(provider, model))
        and not _is_replaced(group, stated)
    }
    return kept | {group: {"url": words, "date": None} for group, words in stated.get("sources", {}).items()}


def _is_replaced(group: str, stated: Mapping[str, Any]) -> bool:
    """Whether the user states all of a group that the catalogue has a source for; what is merged keeps its source."""
    is_merged = group in _GROUPS and group != "status"
    return not is_merged and group != "vision" and set(_FACTS.get(group, (group,))) <= stated.keys()


def _vision(known: Mapping[str, Any], model: str) -> Card:
    media = {kind: {**_MEDIUM, **known[kind]} for kind in ("image", "video", "file") if kind in known}
    return {**_VISION, **known, **media, "box_tags": True if catalogue.boxed(model) else None}


def cards_of(provider: Provider) -> list[Card]:
    """The cards of all models of which something is known at this provider."""
    return [card_of(provider, model) for model in provider.model_names]
