"""`glm models`: the catalogue, and how a provider's own list differs from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from glmcli.commands.flags import FLAGS, Flag, argument
from glmcli.commands.tree import build_command
from glmcli.config.options import Options
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from glmcli.commands.models.cards import Card
    from glmcli.config.app import App
    from glmcli.providers.dialect import Listed
    from glmcli.providers.row import Provider

_MODELS = "Models"
_TIME = ("retries", "retry_max_time", "connect_timeout", "first_timeout", "idle_timeout", "deadline")
_OF_REMOTE = ("base_url", "key_file", *_TIME)
_SHARED = (*_OF_REMOTE, "plain", "quiet", "verbose")
_FLAGS = (
    Flag(
        "provider", "-P --provider", "text", _MODELS, "Only this provider; the model is then its id, verbatim.", "NAME"
    ),
    Flag("json", "--json", "switch", _MODELS, "Print every fact as JSON."),
    Flag("remote", "--remote", "switch", _MODELS, "Ask the provider for its own list, and compare."),
    Flag("check", "--check", "text", _MODELS, "Compare with a public list: litellm's or models.dev's.", "FILE|-"),
    *(flag for flag in FLAGS if flag.field in _SHARED),
)
_NAME = argument("model", "Print this model's card.", "[PROVIDER/]MODEL", required=False)


def _models(app: App, given: dict[str, Any]) -> None:
    """List the models that are known, one a line as PROVIDER/MODEL; on a terminal, as a table.

    With a name, print what is known of that model at every provider that has it. With --remote, ask the provider that
    a question would go to (-P names another) for its list, and print how it differs from the catalogue: a hint only,
    for such lists are incomplete.

    --check compares with a list that others keep, in a file that you have: litellm's
    model_prices_and_context_window.json, or models.dev's api.json. It prints a line for each fact that differs and for
    each model that is not here, and ends with 0 whether there are any or not. Models that only we have are counted, and
    stand in --json.
    """
    options = Options(**{field: given[field] for field in ("provider", "json", *_SHARED) if field in given})
    app.apply(options)
    if given.get("remote"):
        if "model" in given:
            raise UsageError(message="--remote asks for the whole list, not for a model", fix="leave one of them out")
        if "check" in given:
            raise UsageError(message="--remote and --check compare with two lists", fix="leave one of them out")
        _compare(app, options)
        return
    for field in _OF_REMOTE:
        if field in given:
            raise UsageError(message=f"--{field.replace('_', '-')} is for --remote", fix="add --remote")
    if "check" in given:
        if "model" in given:
            raise UsageError(message="--check compares whole lists, not a model", fix="leave one of them out")
        _check(app, options, given["check"])
        return
    _show(app, options, given.get("model"))


def _print_json(app: App, values: Sequence[Mapping[str, Any]]) -> None:
    app.terminal.stdout.write(json.dumps(values, ensure_ascii=False, indent=2) + "\n")


# The catalogue


def _show(app: App, options: Options, model: str | None) -> None:
    """Print the known models, or what is known of one at each provider."""
    from glmcli.commands.models.cards import cards_of

    rows = _rows(app, options.provider)
    if model is None:
        cards = [card for row in rows for card in cards_of(row)]
    else:
        cards = _cards_of_model(app, model, rows, verbatim=options.provider is not None)
    if not cards:
        app.terminal.note(f"{rows[0].name} has no catalogue; --remote asks the server for its list")
    if options.json:
        _print_json(app, cards)
    elif model is not None:
        from glmcli.output.model_text import card_text

        app.terminal.stdout.write("\n".join(card_text(card) for card in cards))
    elif app.terminal.stdout.is_terminal and not app.terminal.plain:
        from glmcli.output.model_text import print_table

        if missing := print_table(cards, app.terminal.stdout):
            app.terminal.note(f"no room for {'; '.join(missing)}: glm models MODEL has it")
    else:
        app.terminal.stdout.write("".join(f"{card['provider']}/{card['model']}\n" for card in cards))


def _rows(app: App, name: str | None) -> tuple[Provider, ...]:
    """The provider of that name; without a name all but the sandbox, which has no models."""
    if name is None:
        return tuple(row for row in app.config.providers.values() if not row.embedded)
    from glmcli.config.provider_choice import known

    return (known(name, "--provider", app.config.providers),)


def _cards_of_model(app: App, name: str, rows: Iterable[Provider], *, verbatim: bool) -> list[Card]:
    """The cards of a model at all of these providers that have it.

    Raises:
        UsageError: none has it.
    """
    from glmcli.commands.models.cards import card_of
    from glmcli.config.provider_choice import split

    row, model = (None, name) if verbatim else split(name, app.config.providers)
    asked = (row,) if row else tuple(rows)
    cards = [card_of(each, model) for each in asked if model in each.model_names]
    if not cards:
        if name.rstrip("/") in app.config.providers:
            provider = name.rstrip("/")
            raise UsageError(message=f"{provider} is the name of a provider", fix=f"glm models -P {provider}")
        raise _unknown(model, asked)
    return cards


def _unknown(model: str, rows: Sequence[Provider]) -> UsageError:
    from glmcli.console.suggestions import did_you_mean

    known = [name for row in rows for name in row.model_names]
    where = f" at {rows[0].name}" if len(rows) == 1 else ""
    # With -P the name is verbatim: suggest the part after the slash to a user who wrote the provider before it, too.
    guess = did_you_mean(model, known) or did_you_mean(model.rpartition("/")[2], known)
    return UsageError(
        message=f"no model {model!r}{where} in the catalogue{guess}", fix="glm models lists all; others may work too"
    )


# A list that others keep


def _check(app: App, options: Options, path: str) -> None:
    """Print how what is known here differs from the list in this file.

    Raises:
        UsageError: it cannot be read, or is no such list, or the provider's models are in none.
    """
    from glmcli.commands.models.list_check import check, in_words
    from glmcli.commands.models.public_lists import PUBLIC, SIZE, parse
    from glmcli.console.stdin import normal_path, read_file

    rows = [row for row in _rows(app, options.provider) if row.catalogue in PUBLIC]
    if not rows:
        raise UsageError(f"--check: no public list has the models of {options.provider}", fix="leave out -P")
    if options.provider is None:  # each part of the catalogue once, at the row of that name
        rows = [row for row in rows if row.name == row.catalogue]
    name = "<stdin>" if normal_path(path) == "-" else path
    public = parse(read_file(path, "--check", app.stdin, SIZE), name)
    checks = [check(row, public) for row in rows]
    found = [each for one in checks for each in one.differences]
    if options.json:
        _print_json(app, [each.fields() for each in found])
    else:
        app.terminal.stdout.write("".join(each.line() for each in found if each.state != "missing"))
    app.terminal.note(in_words(public, checks))


# The provider's own list


def _compare(app: App, options: Options) -> None:
    """Print how the provider's list differs from the catalogue.

    Raises:
        GlmError: the provider does not answer with a list.
    """
    from glmcli.commands.models.comparison import compare, of_interest

    provider, listed = _remote_list(app, options)
    found = compare(provider, listed)
    shown = of_interest(provider, found)
    left_out = len(found) - len(shown)
    if options.json:
        _print_json(app, [each.fields() for each in shown])
    else:
        app.terminal.stdout.write("".join(each.line() for each in shown if each.state != "same"))
    others = f", {left_out} of them no GLM models and left out" if left_out else ""
    app.terminal.note(
        f"{provider.name} lists {len(listed)} models{others}; what it does not list may work all the same"
    )


def _remote_list(app: App, options: Options) -> tuple[Provider, tuple[Listed, ...]]:
    """The provider that a question would go to, and the models that it lists."""
    from functools import partial

    from glmcli.config.app import check_caller
    from glmcli.config.provider_choice import layers
    from glmcli.config.resolve import ProviderResolver, make_plan
    from glmcli.engine.api_calls import ApiClient
    from glmcli.providers.table import dialect_of

    if options.key_file == "-":
        app.stdin.reserve("--key-file -")
    resolver = ProviderResolver(app, options, layers(app, options.fields()))
    provider = resolver.provider("models", may_be_embedded=True)
    call = dialect_of(provider).models_request(provider, 1)
    endpoint = resolver.endpoint(provider, call, options.key_file, "models")
    tick = partial(check_caller, app.terminal.stdout)
    client = ApiClient(endpoint, make_plan(app, options), app.terminal, app.tls([endpoint.call]), tick)
    return provider, client.list_models()


command = build_command("models", _models, _FLAGS, _NAME)
