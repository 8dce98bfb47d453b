"""A provider's own list of models beside the catalogue. Pure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from glmcli import catalogue
from glmcli.commands.models import print_json
from glmcli.config import resolve
from glmcli.config.app import check_caller
from glmcli.config.provider_choice import layers
from glmcli.engine.api_calls import ApiClient
from glmcli.providers.table import dialect_of
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from glmcli.config.app import App
    from glmcli.config.options import Options
    from glmcli.providers.dialect import Listed
    from glmcli.providers.row import Provider

State = Literal["same", "new", "missing", "different"]
_ONLINE = "online"  # TokenHub's word for a model that answers


class Compared(Record):
    """A model of the list, of the catalogue, or of both; `note` says what is different."""

    provider: str
    model: str
    state: State
    status: str | None = None
    context: int | None = None
    note: str | None = None


def models(provider: Provider, listed: Iterable[Listed]) -> list[Compared]:
    """What the provider lists, in its order, then what only the catalogue has."""
    known = catalogue.names(provider.catalogue)
    there = {model.id: model for model in listed}
    found = [_compared(provider, model, known) for model in there.values()]
    return found + [_unlisted(provider, name) for name in known if name not in there]


def _unlisted(provider: Provider, name: str) -> Compared:
    return Compared(provider.name, name, "same" if _is_delisted(provider, name) else "missing")


def _is_delisted(provider: Provider, name: str) -> bool:
    facts = catalogue.facts(provider.catalogue, name) or {}
    return bool(facts.get("status", {}).get("delisted"))


def _compared(provider: Provider, listed: Listed, known: Sequence[str]) -> Compared:
    row = Compared(provider.name, listed.id, "new", listed.status, listed.context)
    if listed.id not in known:
        return row
    notes = "; ".join(_differences(provider, listed))
    return row.replace(state="different" if notes else "same", note=notes or None)


def _differences(provider: Provider, listed: Listed) -> Iterator[str]:
    if listed.status and listed.status != _ONLINE:
        yield f"its status is {listed.status}"
    if _is_delisted(provider, listed.id):
        yield "the catalogue says that it is delisted"
    context = (catalogue.facts(provider.catalogue, listed.id) or {}).get("context")
    if listed.context and context and listed.context != context:
        yield f"its context is {listed.context}, the catalogue says {context}"


def of_interest(provider: Provider, found: Sequence[Compared]) -> list[Compared]:
    """Those that may be GLM models: a gateway's list has hundreds of others, a server of one's own has any names."""
    if not catalogue.names(provider.catalogue):
        return list(found)
    return [each for each in found if "glm" in each.model.lower()]


def line(compared: Compared) -> str:
    """How it differs, the model, and what is said of it, with tabs between."""
    said = compared.note or (f"its status is {compared.status}" if compared.status else None)
    words = [compared.state, f"{compared.provider}/{compared.model}", *([said] if said else [])]
    return "\t".join(map(_printable, words)) + "\n"


def _printable(word: str) -> str:
    """The word without what could end its line or its column: names come from the provider."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in word)


# `glm models --remote`: a provider's own list beside the catalogue.


def compare(app: App, options: Options, *, as_json: bool) -> None:
    """Print how the provider's list differs from the catalogue.

    Raises:
        GlmError: the provider does not say.
    """
    provider, listed = _asked(app, options)
    found = models(provider, listed)
    shown = of_interest(provider, found)
    left_out = len(found) - len(shown)
    if as_json:
        print_json(app, [each.fields() for each in shown])
    else:
        app.terminal.stdout.write("".join(line(each) for each in shown if each.state != "same"))
    others = f", {left_out} of them no GLM models and left out" if left_out else ""
    app.terminal.note(
        f"{provider.name} lists {len(listed)} models{others}; what it does not list may work all the same"
    )


def _asked(app: App, options: Options) -> tuple[Provider, tuple[Listed, ...]]:
    """The provider, and what it lists."""
    if options.key_file == "-":
        app.stdin.reserve("--key-file -")
    resolver = resolve.ProviderResolver(app, options, layers(app, options.fields()))
    provider = resolver.provider("models", may_be_embedded=True)
    call = dialect_of(provider).models_request(provider, 1)
    endpoint = resolver.endpoint(provider, call, options.key_file, "models")
    tick = partial(check_caller, app.terminal.stdout)
    client = ApiClient(endpoint, resolve.make_plan(app, options), app.terminal, app.tls([endpoint.call]), tick)
    return provider, client.list_models()
