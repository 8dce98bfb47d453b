"""A model's name whose first part names no provider: `olama/qwen3` would otherwise go to the default one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.console.suggestions import closest
from glmcli.providers.abilities import Objection
from glmcli.providers.table import PROVIDERS
from glmcli.record import EMPTY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.providers.row import Provider

_SLASHES = "/\\\N{FULLWIDTH SOLIDUS}\N{FRACTION SLASH}\N{DIVISION SLASH}"
# A colon is taken for a slash behind the name of a provider only: ids may have one of their own.
_COLONS = ":\N{FULLWIDTH COLON}"


def objection_to(
    model: str, source: str, provider: Provider | None, providers: Mapping[str, Provider]
) -> Objection | None:
    """Why this model, which was written without a provider, is not sent to this one, the default.

    Only the hosted providers of the table have objections: elsewhere ids have slashes of their own. None stands for
    whichever of them would have a key. `source` says where the model was named.
    """
    if provider and not (provider.hosted and provider.replace(models=EMPTY) == PROVIDERS.get(provider.name)):
        return None
    goes = f", and {provider.name} would get the prompt" if provider else ""
    here = f"; or {provider.name}/{model} if {provider.name} has a model of that name" if provider else ""
    if named := _named(model, providers):
        what = f"{source}: {model!r} is the name of a provider, not of a model{goes}"
        return Objection(what, f"write {named.name}/{named.default_model or 'MODEL'}{here}")
    ids = _known_ids(provider)
    first, slash, rest = _parts(model, providers)
    if not slash or any(name.startswith(f"{first}/") for name in ids):
        return None
    close = _suggestion(first.strip(), rest.strip(), ids, providers)
    guess = f" (did you mean {close!r}?)" if close else ""
    what = f"{source}: {model!r} names no provider that is known{goes}{guess}"
    return Objection(what, f"write {close or 'PROVIDER/MODEL (a row of the configuration file adds a provider)'}{here}")


def _known_ids(provider: Provider | None) -> dict[str, str]:
    """The ids that the catalogue knows there, and each as PROVIDER/MODEL, at the first provider that has it."""
    ids: dict[str, str] = {}
    for row in [provider] if provider else filter(lambda row: row.hosted, PROVIDERS.values()):
        for name in row.model_names:
            ids.setdefault(name, f"{row.name}/{name}")
    return ids


def _named(text: str, providers: Mapping[str, Provider]) -> Provider | None:
    """The provider of this name, whatever its case."""
    return next((row for name, row in providers.items() if name.casefold() == text.strip().casefold()), None)


def _parts(model: str, providers: Mapping[str, Provider]) -> tuple[str, str, str]:
    """The text around the first slash, or sign that is taken for one, as `str.partition` gives it."""
    for at, sign in enumerate(model):
        if sign in _SLASHES or (sign in _COLONS and _named(model[:at], providers)):
            return model[:at], sign, model[at + 1 :]
    return model, "", ""


def _suggestion(first: str, rest: str, ids: Mapping[str, str], providers: Mapping[str, Provider]) -> str | None:
    """What was probably meant: a provider of a similar name, else a model that is known here."""
    if row := closest(first, providers):
        return f"{row}/{rest or 'MODEL'}"
    close = closest(f"{first}/{rest}".strip("/"), ids) or closest(rest, ids)
    return ids[close] if close else None
