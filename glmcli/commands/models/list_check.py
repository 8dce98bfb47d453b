"""What is known of models compared with a public list that others keep. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from glmcli.catalogue import is_gone
from glmcli.commands.models.comparison import printable
from glmcli.commands.models.public_lists import PriceTier
from glmcli.providers import pricing
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from glmcli.commands.models.public_lists import PublicList, PublicModel
    from glmcli.providers.row import Provider

_CURRENCY = "USD"  # of the lists
_READINGS = ((1_000, 1_024), (1_000_000, 1_048_576))  # of a page's K and M, which lists read otherwise than we do


class Difference(Record):
    """A fact that differs, or a model that only one side has: then there is no field.

    Attributes:
        ours: None: not known here.
    """

    provider: str
    model: str
    state: Literal["different", "new", "missing"]
    field: str | None = None
    ours: Any = None
    theirs: Any = None

    def line(self) -> str:
        """Its state, the model, and the field with both values, with tabs between."""
        words = [self.state, f"{self.provider}/{self.model}"]
        if self.field:
            words.append(f"{self.field}: {_text(self.ours)}, theirs {_text(self.theirs)}")
        return "\t".join(map(printable, words)) + "\n"


def _text(value: Any) -> str:  # noqa: ANN401 - any fact
    if value is None:
        return "unknown"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else f"{value}"


class Check(Record):
    """How one row differs from a list.

    Attributes:
        compared: how many models both have.
        unpriced: how many of them have prices in another currency here, which are not compared.
    """

    differences: tuple[Difference, ...]
    compared: int
    unpriced: int


def check(provider: Provider, public: PublicList) -> Check:
    """The differences in the order of the list, then the models that only we have."""
    theirs = {model.model: model for model in public.models if model.catalogue == provider.catalogue}
    known = provider.model_names
    both = [model for name, model in theirs.items() if name in known]
    found: list[Difference] = []
    for model in theirs.values():
        if model.model in known:
            found += _differences(provider, model)
        elif "glm" in model.model.lower():
            found.append(Difference(provider.name, model.model, "new"))
    found += [Difference(provider.name, name, "missing") for name in known if name not in theirs]
    unpriced = sum(bool(model.prices) and _is_other_money(provider, model.model) for model in both)
    return Check(tuple(found), len(both), unpriced)


def _is_other_money(provider: Provider, model: str) -> bool:
    prices = pricing.price_list(provider, model)
    return prices is not None and prices["currency"] != _CURRENCY


def _differences(provider: Provider, public: PublicModel) -> Iterator[Difference]:
    ours = provider.facts(public.model) or {}
    pairs = [(_field(ours, name), _known(ours, name), value) for name, value in public.facts.items()]
    holds = pricing.is_listed(provider) or pricing.price_list(provider, public.model) is not None
    if public.prices and holds and not _is_other_money(provider, public.model):
        pairs += _prices(pricing.price_list(provider, public.model), public.prices)
    for name, mine, value in pairs:
        if not _is_same(mine, value):
            yield Difference(provider.name, public.model, "different", name, mine, value)


def _field(facts: Mapping[str, Any], name: str) -> str:
    """What to call it: a list's most input is our window, where no page says anything else."""
    return "context" if name == "max_input" and "max_input" not in facts and "context" in facts else name


def _known(facts: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - any fact
    """Our fact of that name; None: not known."""
    group, _, key = name.partition(".")
    if group == "input":
        return key in facts["input"] if "input" in facts else None
    value = facts.get(_field(facts, group))
    if name == "status.delisted":
        return is_gone(facts)
    return value.get(key) if key and value is not None else value


def _is_same(ours: Any, theirs: Any) -> bool:  # noqa: ANN401 - any fact
    if isinstance(ours, list) and isinstance(theirs, list):
        return sorted(ours) == sorted(theirs)
    if ours == theirs or isinstance(ours, bool) or not isinstance(ours, int | float):
        return bool(ours == theirs)
    return any(ours * few == theirs * many or ours * many == theirs * few for few, many in _READINGS)


def _prices(ours: Mapping[str, Any] | None, theirs: Sequence[PriceTier]) -> list[tuple[str, Any, Any]]:
    """Our prices beside theirs, by name; where the tiers are not the same number, those of the shortest questions."""
    mine = [
        PriceTier(tier.get("input_over", 0), tier["input"], tier.get("cached_input"), tier["output"])
        for tier in (ours or {}).get("tiers", ())
    ]
    if not mine:
        return [("prices", None, _price_text(theirs[0]))]
    pairs: list[tuple[str, Any, Any]] = []
    if len(mine) != len(theirs):
        pairs.append(("prices.tiers", len(mine), len(theirs)))
    alike = zip(mine, theirs, strict=False) if len(mine) == len(theirs) else [(mine[0], theirs[0])]
    for our_tier, their_tier in alike:
        pairs += _tier_pairs(our_tier, their_tier)
    return pairs


def _tier_pairs(ours: PriceTier, theirs: PriceTier) -> Iterable[tuple[str, Any, Any]]:
    where = f" over {ours.over}" if ours.over else ""
    if ours.over or theirs.over:
        yield f"prices.over{where}", ours.over, theirs.over
    for name in ("input", "cached_input", "output"):
        if (value := getattr(theirs, name)) is not None:
            yield f"prices.{name}{where}", getattr(ours, name), value


def _price_text(tier: PriceTier) -> str:
    known = {"input": tier.input, "cached": tier.cached_input, "output": tier.output}
    return " ".join([*(f"{name} {price:g}" for name, price in known.items() if price is not None), _CURRENCY])


def in_words(public: PublicList, checks: Sequence[Check]) -> str:
    """How many models were compared, and what was left out of the lines."""
    found = [each for one in checks for each in one.differences]
    counts = {state: sum(each.state == state for each in found) for state in ("different", "new", "missing")}
    text = f"{public.name} has {sum(one.compared for one in checks)} of these models: {counts['different']} differences"
    text += f", {counts['new']} that are not here; {counts['missing']} of ours are not there"
    if unpriced := sum(one.unpriced for one in checks):
        text += f"; prices of {unpriced} in another currency than {_CURRENCY} are not compared"
    return text
