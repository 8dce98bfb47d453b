"""A provider's own list of models compared with the catalogue. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from glmcli.catalogue import is_gone
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from glmcli.providers.dialect import Listed
    from glmcli.providers.row import Provider

_ONLINE = "online"  # TokenHub's word for a model that answers


class ComparedModel(Record):
    """A model of the list, of the catalogue, or of both; `note` says what is different."""

    provider: str
    model: str
    state: Literal["same", "new", "missing", "different"]
    status: str | None = None
    context: int | None = None
    note: str | None = None

    def line(self) -> str:
        """Its state, the model, and the note or status, with tabs between."""
        remark = self.note or (f"its status is {self.status}" if self.status else None)
        words = [self.state, f"{self.provider}/{self.model}", *([remark] if remark else [])]
        return "\t".join(map(printable, words)) + "\n"


def printable(word: str) -> str:
    """The word without what could end its line or its column: names come from the provider."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in word)


def compare(provider: Provider, listed: Iterable[Listed]) -> list[ComparedModel]:
    """What the provider lists, in its order, then what only the catalogue has."""
    known = provider.model_names
    by_id = {model.id: model for model in listed}
    found = [_compared(provider, model, known) for model in by_id.values()]
    for name in known:
        if name not in by_id:
            state: Literal["same", "missing"] = "same" if is_gone(provider.facts(name) or {}) else "missing"
            found.append(ComparedModel(provider.name, name, state))
    return found


def _compared(provider: Provider, listed: Listed, known: Sequence[str]) -> ComparedModel:
    row = ComparedModel(provider.name, listed.id, "new", listed.status, listed.context)
    if listed.id not in known:
        return row
    notes = "; ".join(_differences(provider, listed))
    return row.replace(state="different" if notes else "same", note=notes or None)


def _differences(provider: Provider, listed: Listed) -> Iterator[str]:
    if listed.status and listed.status != _ONLINE:
        yield f"its status is {listed.status}"
    facts = provider.facts(listed.id) or {}
    if is_gone(facts):
        gone = "it is delisted" if facts["status"].get("delisted") else "no page of the provider has it"
        yield f"the catalogue says that {gone}"
    context = facts.get("context")
    if listed.context and context and listed.context != context:
        yield f"its context is {listed.context}, the catalogue says {context}"


def of_interest(provider: Provider, found: Sequence[ComparedModel]) -> list[ComparedModel]:
    """Those that may be GLM models: a gateway lists hundreds of others, a server of one's own has any names."""
    if not provider.catalogue:
        return list(found)
    return [each for each in found if "glm" in each.model.lower()]
