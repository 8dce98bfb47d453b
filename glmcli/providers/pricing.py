"""The cost of a reply: the provider's list price for the tokens that it counted. Pure.

The cost is None where it is not known: the price is not listed, the address has prices of its own, or the number of
tokens falls between two tiers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.catalogue import batch_price, prices_at
from glmcli.chat.outcome import Cost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glmcli.chat.events import Usage
    from glmcli.providers.row import Provider

_PRICE_UNIT = 1_000_000  # tokens
_DIGITS = 9  # a price has at most three decimals


def price_list(provider: Provider, model: str) -> Mapping[str, Any] | None:
    """The price list of this model, or None where it does not hold at the provider's address.

    A subscription, another region and a gateway have prices of their own, at addresses of their own. A price that the
    user states for a row holds there.
    """
    known = provider.facts(model)
    if known is None or not (_is_stated(provider, model) or _is_listed(provider)):
        return None
    return known.get("prices")


def _is_stated(provider: Provider, model: str) -> bool:
    return model in provider.models and "prices" in provider.models[model].stated


def _is_listed(provider: Provider) -> bool:
    """Whether the prices of the catalogue are paid at the provider's address."""
    return provider.base_url in prices_at(provider.catalogue)


def cost(provider: Provider, model: str, usage: Usage | None) -> Cost | None:
    """What these tokens cost, or None if that is not known."""
    prices = price_list(provider, model)
    tier = _tier(prices, usage)
    if prices is None or usage is None or tier is None:
        return None
    # A provider that reports no cached tokens bills all input alike.
    cached, input_tokens = usage.cached_tokens or 0, usage.input_tokens or 0
    if cached > input_tokens or (cached and "cached_input" not in tier):
        return None
    paid = (input_tokens - cached) * tier["input"] + (usage.output_tokens or 0) * tier["output"]
    return _cost(paid + cached * tier.get("cached_input", 0), prices)


def batch_cost(provider: Provider, model: str, usage: Usage | None) -> Cost | None:
    """What these tokens cost in a batch, or None if that is not known, as where a cache may have lowered the price."""
    # What share of a price of one's own is paid in a batch at another address is not known.
    known = batch_price(provider.catalogue) if _is_listed(provider) else None
    if known is None or usage is None or (usage.cached_tokens and known.get("cache_discount") is not False):
        return None
    paid = cost(provider, model, usage.replace(cached_tokens=None))
    return paid and paid.replace(amount=round(paid.amount * known["price"], _DIGITS))


def saved(provider: Provider, model: str, usage: Usage) -> Cost | None:
    """How much more these tokens would have cost without the provider's cache, or None if that is not known."""
    prices, cached = price_list(provider, model), usage.cached_tokens
    tier = _tier(prices, usage)
    if prices is None or tier is None or cached is None:
        return None
    if cached > (usage.input_tokens or 0) or "cached_input" not in tier:
        return None
    return _cost(cached * (tier["input"] - tier["cached_input"]), prices)


def _cost(amount: float, prices: Mapping[str, Any]) -> Cost:
    return Cost(round(amount / _PRICE_UNIT, _DIGITS), prices["currency"], prices["as_of"])


def _tier(prices: Mapping[str, Any] | None, usage: Usage | None) -> Mapping[str, Any] | None:
    """The prices for these numbers of tokens; the pages' "32K" is no exact number, so there are gaps between tiers."""
    if prices is None or usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    read, written = usage.input_tokens, usage.output_tokens
    for tier in prices["tiers"]:
        fits = tier.get("input_over", -1) < read <= tier.get("input_up_to", read)
        if fits and tier.get("output_over", -1) < written <= tier.get("output_up_to", written):
            known: Mapping[str, Any] = tier
            return known
    return None


def total(costs: Iterable[Cost | None]) -> Cost | None:
    """The cost of several requests; None if that of one is not known, or if their currencies differ."""
    known = tuple(costs)
    first = known[0] if known else None
    if first is None:
        return None
    amount = 0.0
    for each in known:
        if each is None or (each.currency, each.as_of) != (first.currency, first.as_of):
            return None
        amount += each.amount
    return first.replace(amount=round(amount, _DIGITS))
