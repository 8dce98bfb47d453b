"""`glm models`: the catalogue, and what a provider's own list says beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from glmcli.commands.flags import FLAGS, Flag, argument
from glmcli.commands.tree import build_command
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from glmcli.commands.models.cards import Card
    from glmcli.config.app import App
    from glmcli.config.config_file import Config
    from glmcli.providers.row import Provider

_MODELS = "Models"
OF_REMOTE = (
    "base_url",
    "key_file",
    "retries",
    "retry_max_time",
    "connect_timeout",
    "first_timeout",
    "idle_timeout",
    "deadline",
)
_SHARED = (*OF_REMOTE, "plain", "quiet", "verbose")
_FLAGS = (
    Flag("provider", ("-P", "--provider"), "text", _MODELS, "Only this provider; NAME is then verbatim.", "NAME"),
    Flag("json", ("--json",), "switch", _MODELS, "Print every fact as JSON."),
    Flag("remote", ("--remote",), "switch", _MODELS, "Ask the provider for its own list, and compare."),
    *(flag for flag in FLAGS if flag.field in _SHARED),
)
_NAME = argument("model", "Print this model's card.", "[PROVIDER/]MODEL", required=False)


def _models(app: App, given: dict[str, Any]) -> None:
    """List the models that are known, one a line as PROVIDER/MODEL; on a terminal, as a table.

    With a name, print what is known of that model at every provider that has it. With --remote, ask the provider that
    a question would go to (-P names another), and print what its list has and the catalogue has not, or the other way
    round: a hint, for such lists are incomplete.
    """
    from glmcli.config.options import Options

    options = Options(**{field: given[field] for field in ("provider", *_SHARED) if field in given})
    app.apply(options)
    config = app.config
    if given.get("remote"):
        if "model" in given:
            raise UsageError(message="--remote asks for the whole list, not for a model", fix="leave one of them out")
        from glmcli.commands.models.remote import compare

        compare(app, options, as_json=given.get("json", False))
        return
    for field in OF_REMOTE:
        if field in given:
            raise UsageError(message=f"--{field.replace('_', '-')} is for --remote", fix="add --remote")
    _local(app, given, config)


def _local(app: App, given: Mapping[str, Any], config: Config) -> None:
    rows = _rows(given.get("provider"), config)
    if "model" in given:
        cards = _named(given["model"], rows, config, verbatim="provider" in given)
        text = "\n".join(_card_text(card) for card in cards)
    else:
        from glmcli.commands.models.cards import cards as all_cards

        cards = [card for row in rows for card in all_cards(row)]
        text = "".join(f"{card['provider']}/{card['model']}\n" for card in cards)
        if not cards:
            app.terminal.note(f"{rows[0].name} has no catalogue; --remote asks the server for its list")
    if given.get("json"):
        print_json(app, cards)
    elif "model" not in given and app.terminal.stdout.is_terminal and not app.terminal.plain:
        from glmcli.output.model_text import print_table

        if missing := print_table(cards, app.terminal.stdout):
            app.terminal.note(f"no room for {'; '.join(missing)}: glm models MODEL has it")
    else:
        app.terminal.stdout.write(text)


def _card_text(card: Card) -> str:
    from glmcli.output.model_text import card_text

    return card_text(card)


def print_json(app: App, value: Sequence[Any]) -> None:
    """Print an array."""
    app.terminal.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _rows(name: str | None, config: Config) -> tuple[Provider, ...]:
    """The providers that are asked for; the sandbox, which has no models, only by name."""
    if name is None:
        return tuple(row for row in config.providers.values() if not row.embedded)
    from glmcli.config.provider_choice import known

    return (known(name, "--provider", config.providers),)


def _named(name: str, rows: Iterable[Provider], config: Config, *, verbatim: bool) -> list[Card]:
    """The cards of a model at all of these providers that have it.

    Raises:
        UsageError: none has it.
    """
    from glmcli.catalogue import names
    from glmcli.commands.models.cards import card
    from glmcli.config.provider_choice import split

    row, model = (None, name) if verbatim else split(name, config.providers)
    asked = (row,) if row else tuple(rows)
    having = [each for each in asked if model in names(each.catalogue)]
    if not having:
        raise _unknown(model, asked)
    return [card(each, model) for each in having]


def _unknown(model: str, rows: Sequence[Provider]) -> UsageError:
    from glmcli.catalogue import names
    from glmcli.console.suggestions import closest

    known = [name for row in rows for name in names(row.catalogue)]
    where = f" at {rows[0].name}" if len(rows) == 1 else ""
    # With -P the name is verbatim; who writes the provider before it all the same is told the name without.
    close = closest(model, known) or closest(model.rpartition("/")[2], known)
    guess = f", did you mean {close!r}?" if close else ""
    return UsageError(
        message=f"no model {model!r}{where} in the catalogue{guess}", fix="glm models lists all; others may work too"
    )


command = build_command("models", _models, _FLAGS, _NAME)
