"""The cost of a reply: the provider's list price for the tokens that it counted. Pure.

The cost is None where it is not known: the price is not listed, the address has prices of its own, or the number of
tokens falls between two tiers.

A search of the web that the provider makes is paid beside the tokens. No reply says how many were made; the pages of
BigModel and Z.ai describe one for a question, so a reply that tells of a search has made one, also if it found nothing.
Where the request asked to be told (`search_result`), a finished reply that tells of none has made none; else that is
not known. Source: docs.bigmodel.cn/cn/guide/tools/web-search (2026), docs.z.ai/openapi.json (2026-09).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.catalogue import batch_price, prices_at, web_search
from glmcli.chat.outcome import Cost
from glmcli.providers.json_values import as_object
from glmcli.record import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from glmcli.chat.events import Usage
    from glmcli.chat.messages import Request
    from glmcli.chat.reply import Reply
    from glmcli.providers.row import Provider

_PRICE_UNIT = 1_000_000  # tokens
_DIGITS = 9  # a price has at most three decimals


def price_list(provider: Provider, model: str) -> Mapping[str, Any] | None:
    """The price list of this model, or None where it does not hold at the provider's address.

    A subscription, another region and a gateway have prices of their own, at addresses of their own. A price that the
    user states for a row holds there.
    """
    known = provider.facts(model)
    if known is None or not ("prices" in provider.stated(model) or is_listed(provider)):
        return None
    return known.get("prices")


def is_listed(provider: Provider) -> bool:
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


def reply_cost(provider: Provider, request: Request, reply: Reply) -> Cost | None:
    """What a reply to this request cost: its tokens, and a search that was made for it; None if that is not known."""
    paid = cost(provider, request.model, reply.usage)
    tools = server_tools(provider, request)
    made = searches(tools, reply)
    price = search_price(provider, request.model, tools) if made else 0.0
    if paid is None or made is None or price is None:
        return None
    return paid.replace(amount=round(paid.amount + made * price, _DIGITS))


def server_tools(provider: Provider, request: Request) -> tuple[Mapping[str, Any], ...]:
    """The provider's own tools that a request asks for; a parameter that asks for one counts as a tool of its name."""
    parameter = provider.api.search_parameter
    asked = bool(parameter and request.extra.get(parameter))
    return (*request.server_tools, *([{"type": parameter}] if asked else []))


def most_for_tokens(provider: Provider, model: str, usage: Usage) -> float | None:
    """The most that these tokens may have cost where `cost` does not know it, in the currency of the price list.

    Between two tiers, or of cached tokens whose price is not listed, it is that of the dearest tier without a cache.
    None beyond the last tier: what is paid there may be more.
    """
    prices = price_list(provider, model)
    if prices is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    most, counts = 0.0, {"input": usage.input_tokens, "output": usage.output_tokens}
    for kind, count in counts.items():
        if count > max(tier.get(f"{kind}_up_to", count) for tier in prices["tiers"]):
            return None
        most += count * max(tier[kind] for tier in prices["tiers"])
    return round(most / _PRICE_UNIT, _DIGITS)


def searches(tools: Sequence[Mapping[str, Any]], reply: Reply) -> int | None:
    """How many searches were made for a reply to a request with these server tools; None: that is not known."""
    options = _search_options(tools)
    if tools and options is None:
        return None
    if options is None or not _may_search(options):
        return None if reply.sources else 0
    if reply.sources is not None:
        return 1
    return 0 if _is_told(options) and reply.finish_reason is not None else None


def search_prices(provider: Provider) -> Mapping[str, Any] | None:
    """The prices of a search, as schemas/models.schema.json has them; None where they do not hold at this address."""
    return web_search(provider.catalogue) if is_listed(provider) else None


def search_price(provider: Provider, model: str, tools: Sequence[Mapping[str, Any]]) -> float | None:
    """The price of a search with the only one of these server tools, in the currency of the model's price list.

    None where it is not known, as for other tools than web search.
    """
    options, known, prices = _search_options(tools), search_prices(provider), price_list(provider, model)
    if options is None or known is None or prices is None:
        return None
    price: float | None = known.get("engines", EMPTY).get(_engine(options), known.get("price"))
    return price if known["currency"] == prices["currency"] else None


def most_for_search(provider: Provider, model: str, tools: Sequence[Mapping[str, Any]]) -> float | None:
    """The most that is paid for searches of a request with these server tools, in the currency as above.

    None where that is not known, or its reply would not tell whether one was made.
    """
    options = _search_options(tools)
    if not tools or (options is not None and not _may_search(options)):
        return 0.0
    return search_price(provider, model, tools) if options is not None and _is_told(options) else None


def _search_options(tools: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """How the only one of these server tools searches the web; None where it does something else, or is not alone."""
    if len(tools) != 1 or tools[0].get("type") != "web_search":
        return None
    return as_object(tools[0].get("web_search"))


def _may_search(options: Mapping[str, Any]) -> bool:
    return options.get("enable") is not False


def _is_told(options: Mapping[str, Any]) -> bool:
    """Whether a reply tells of a search that was made."""
    return options.get("search_result") is True


def _engine(options: Mapping[str, Any]) -> str:
    engine = options.get("search_engine")
    return engine if isinstance(engine, str) else ""


def batch_cost(provider: Provider, model: str, usage: Usage | None) -> Cost | None:
    """What these tokens cost in a batch, or None if that is not known, as where a cache may have lowered the price."""
    # What share of a price of one's own is paid in a batch at another address is not known.
    known = batch_price(provider.catalogue) if is_listed(provider) else None
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
