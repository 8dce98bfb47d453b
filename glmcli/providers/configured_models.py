"""Facts of models that the user's configuration states, merged with those of the catalogue. Pure.

Imported only where a configuration has such facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from glmcli.catalogue import model_of
from glmcli.providers.row import ConfiguredModel
from glmcli.record import EMPTY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmcli.catalogue import Model
    from glmcli.providers.row import Provider

_MEDIA = ("image", "video", "file")  # what is both a word of `input` and a part of `vision`
# A price list is one thing: a tier of the one means nothing beside a tier of the other. So is a status and its day.
_WHOLE = ("prices", "status")
_SIDES = ("input", "output")  # whose tokens are counted
_WRITTEN = "as_written"  # the limits in the words of the page that our numbers were read from


def with_models(provider: Provider, stated: Mapping[str, Mapping[str, Any]]) -> Provider:
    """The row with what the user states of models there: facts by model, as schemas/config.schema.json has them."""
    return provider.replace(models={name: _configured(provider, name, facts) for name, facts in stated.items()})


def _configured(provider: Provider, name: str, stated: Mapping[str, Any]) -> ConfiguredModel:
    known = provider.facts(name)
    facts = merged(known or EMPTY, stated)
    model = model_of(facts)
    return ConfiguredModel(stated, facts, model if known is not None else _as_unlisted(model, provider))


def merged(known: Mapping[str, Any], stated: Mapping[str, Any]) -> Mapping[str, Any]:
    """Both, where what is stated counts first.

    A group of facts, such as `thinking`, is merged key by key; a list, a price list and a status stand in the place of
    the other. What the model takes beside text is said twice: what is stated in one place counts in the other.
    """
    facts = {**known, **stated}
    for name, value in stated.items():
        if isinstance(value, Mapping) and name not in _WHOLE:
            facts[name] = {**known.get(name, EMPTY), **value}
    if "prices" in stated:
        facts["prices"] = {"region": None, **stated["prices"]}
    facts |= _media(facts, stated)
    if _WRITTEN in facts:
        said = stated.get(_WRITTEN, EMPTY)
        facts[_WRITTEN] = {
            limit: word for limit, word in facts[_WRITTEN].items() if limit in said or limit not in stated
        }
    return facts


def idle_tier(tiers: Sequence[Mapping[str, Any]]) -> int | None:
    """Which of these prices counts for no question and answer, because those before it have them all; None: each does.

    Where several hold, the first counts.
    """
    spans = [[(tier.get(f"{what}_over", -1), tier.get(f"{what}_up_to", inf)) for what in _SIDES] for tier in tiers]
    for at, span in enumerate(spans):
        is_empty = any(over >= up_to for over, up_to in span)
        if is_empty or any(all(map(_holds, earlier, span)) for earlier in spans[:at]):
            return at
    return None


def _holds(outer: tuple[float, float], inner: tuple[float, float]) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _media(facts: Mapping[str, Any], stated: Mapping[str, Any]) -> dict[str, Any]:
    """`input` and `vision`, where both are known and one is stated, without what they contradict each other in."""
    if "input" not in facts or "vision" not in facts or not stated.keys() & {"input", "vision"}:
        return {}
    takes, vision, said = facts["input"], facts["vision"], stated.get("vision", EMPTY)
    if "input" in stated:
        kept = {name: value for name, value in vision.items() if name not in _MEDIA or name in takes or name in said}
        vision = {**kept, **{kind: EMPTY for kind in _MEDIA if kind in takes and kind not in kept}}
    return {"input": [*takes, *(kind for kind in _MEDIA if kind in said and kind not in takes)], "vision": vision}


def _as_unlisted(model: Model, provider: Provider) -> Model:
    """A model that the catalogue does not list: what the user leaves open is as for all such models of the row."""
    api = provider.api
    open_ = {
        "efforts": api.effort_words,
        "json_without_thinking": api.json_without_thinking,
        "json_schema": None if api.json_schema else False,
    }
    return model.replace(**{name: rule for name, rule in open_.items() if getattr(model, name) is None})
