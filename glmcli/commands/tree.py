"""Typer, fitted to a program that starts a thousand times in a shell loop.

Commands are imported when they are called, values stay text (see commands.options), help is plain.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
import typer.core
import typer.main

from glmcli.commands.options import ORDER, PAIRS
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SETTINGS = {"help_option_names": ["-h", "--help"]}
_OTHER = "Options"


class Listed(NamedTuple):
    """A command in the tree: where it is, and its line in the help."""

    module: str
    help: str


def _as_given(parameter: Any, context: Any, value: Any) -> Any:  # noqa: ANN401 - click's own types are private
    """Hand a value on as the parser gives it.

    Raises:
        UsageError: there is none, and the command cannot do without.
    """
    if parameter.required and value in (None, ()) and not context.resilient_parsing:
        raise UsageError(f"{parameter.metavar} is missing", fix=f"{context.command_path} --help")
    if value is None and (parameter.multiple or parameter.nargs == -1):
        return ()
    return parameter.callback(context, parameter, value) if parameter.callback else value


class _AsGiven:
    """Takes Typer's conversion of values away: it would load pydantic, which costs as much as all the rest."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - click's own types are private
        """The parameters, --help among them."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if parameter.name in PAIRS:
                parameter.nargs = 2  # which Typer has only for flags that are not repeatable
            parameter.process_value = partial(_as_given, parameter)
        return parameters


def _noting_order(parse: Any, context: Any, args: list[str]) -> Any:  # noqa: ANN401 - as above
    values, rest, order = parse(args=args)
    context.meta[ORDER] = tuple(parameter.name for parameter in order)
    return values, rest, order


class Command(_AsGiven, typer.core.TyperCommand):
    """A command whose values stay text, and whose help lists flags by subject: `groups` says by which."""

    groups: Mapping[str, str] = {}

    def make_parser(self, ctx: Any) -> Any:  # noqa: ANN401 - click's own types are private
        """The parser, which also notes in which order the flags were written."""
        parser = super().make_parser(ctx)
        parser.parse_args = partial(_noting_order, parser.parse_args, ctx)  # type: ignore[method-assign]
        return parser

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - click's own types are private
        """Write the flags in the groups of their table."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                default = "Arguments" if parameter.param_type_name == "argument" else _OTHER
                groups.setdefault(self.groups.get(parameter.name or "", default), []).append(record)
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records)


def group(listed: Mapping[str, Listed], about: Callable[..., None]) -> typer.core.TyperGroup:
    """Commands that are imported when they are called, with the flags and the help of `about`."""
    app = typer.Typer(
        cls=type("_Listed", (Group,), {"listed": listed}),
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=SETTINGS,
    )
    app.callback()(about)
    return typer.main.get_command(app)  # type: ignore[return-value]


def single(name: str, function: Callable[..., None]) -> typer.core.TyperCommand:
    """The function as a command of that name."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    grouped = type("_Grouped", (Command,), {"groups": getattr(function, "groups", {})})
    app.command(name, cls=grouped, context_settings=SETTINGS)(function)
    return typer.main.get_command(app)  # type: ignore[return-value]


class Group(_AsGiven, typer.core.TyperGroup):
    """A group whose commands are imported when they are called; `listed` is set by its builder."""

    listed: Mapping[str, Listed] = {}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - click's own types are private
        """The names, in the order of the table."""
        return list(self.listed)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - as above
        """The command of that name.

        Raises:
            UsageError: there is none.
        """
        if cmd_name not in self.listed:
            from glmcli.console.suggestions import closest

            close = closest(cmd_name, self.listed)
            guess = f", did you mean {close!r}?" if close else ""
            raise UsageError(f"unknown command {cmd_name!r}{guess}", fix=f"{ctx.command_path} --help")
        return import_module(self.listed[cmd_name].module).command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - as above
        """Write one line a command without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.listed.items()])
