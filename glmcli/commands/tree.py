"""The command tree of `glm`, built with Typer so that the program starts quickly.

A command is imported when it is called, its values stay text (see commands.flags), and its help is plain text.
"""

from __future__ import annotations

import inspect
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core
import typer.main

from glmcli import __version__
from glmcli.commands.flags import FLAGS, PAIRS, PROMPT, values_of
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from glmcli.commands.flags import Flag
    from glmcli.config.app import App

    Handler = Callable[[App, dict[str, Any]], None]

# The help lists them in this order; the command NAME is `command` of the module glmcli.commands.NAME.
COMMANDS: Mapping[str, str] = {
    "ask": "One question, one complete answer, or nothing on stdout.",
    "stream": "The same, printed as it arrives.",
    "vision": "Ask about pictures, videos and files.",
    "tools": "Let the model call local programs and MCP servers.",
    "batch": "Many prompts: a row each in, a JSON line each out.",
    "models": "List the models that are known, or those that a provider lists.",
    "sandbox": "Serve the embedded providers on loopback, with faults on demand.",
}

# What Typer raises for a wrong command line: a class of its private click, found through a public subclass.
CommandLineError: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")

_SETTINGS = {"help_option_names": ["-h", "--help"]}
_ORDER = "glmcli.order"  # key in the context's `meta`: the fields of the flags, in the order of the command line


def root() -> typer.core.TyperGroup:
    """The whole command tree."""
    return build_group("glmcli.commands", COMMANDS, _glm)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"glm {__version__}")
        raise typer.Exit


_Version = Annotated[
    bool,
    typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True, show_default=False),
]


def _glm(*, version: _Version = False) -> None:
    """A scriptable command line for GLM language models: exit 0 means a complete answer."""


def build_group(package: str, helps: Mapping[str, str], about: Callable[..., None]) -> typer.core.TyperGroup:
    """A group of the modules in `package` that `helps` names, with a line of help each; `about` has its own help."""
    app = typer.Typer(
        cls=type("_Group", (LazyGroup,), {"package": package, "helps": helps}),
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=_SETTINGS,
    )
    app.callback()(about)
    return typer.main.get_command(app)  # type: ignore[return-value]


def build_command(
    name: str, handler: Handler, flags: Iterable[Flag], argument: inspect.Parameter | None = None
) -> typer.core.TyperCommand:
    """The command of that name, with the docstring of `handler` as its help.

    `handler` gets the app and the values that were given, by field.
    """
    by_field = {flag.field: flag for flag in flags}
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    subjects = {field: flag.group for field, flag in by_field.items()}
    grouped = type("_Command", (TextCommand,), {"subjects": subjects})
    app.command(name, cls=grouped, context_settings=_SETTINGS)(_declared(handler, by_field, argument))
    return typer.main.get_command(app)  # type: ignore[return-value]


def build_question(name: str, handler: Handler, more: Iterable[Flag] = ()) -> typer.core.TyperCommand:
    """A command that asks a model: with a prompt, all of FLAGS, and `more` flags before them."""
    return build_command(name, handler, (*more, *FLAGS), PROMPT)


def _declared(handler: Handler, flags: Mapping[str, Flag], argument: inspect.Parameter | None) -> Callable[..., None]:
    """The handler as a function that Typer can read, with every flag as a parameter."""

    def called(ctx: typer.Context, **given: Any) -> None:  # noqa: ANN401 - what the parser gives
        handler(ctx.obj, values_of(given, flags, ctx.meta[_ORDER]))

    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = [context, *([argument] if argument else []), *(flag.parameter() for flag in flags.values())]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    called.__doc__ = handler.__doc__
    return called


def _unconverted(parameter: Any, context: Any, value: Any) -> Any:  # noqa: ANN401 - click's own types are private
    """The value as it was parsed, without conversion.

    Raises:
        UsageError: a required one is missing.
    """
    if parameter.required and value in (None, ()) and not context.resilient_parsing:
        raise UsageError(f"{parameter.metavar} is missing", fix=f"{context.command_path} --help")
    if value is None and (parameter.multiple or parameter.nargs == -1):
        return ()
    return parameter.callback(context, parameter, value) if parameter.callback else value


class _TextParameters:
    """Disables Typer's conversion of values: it loads pydantic, which costs as much as the whole start."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - click's own types are private
        """The parameters, --help among them."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if parameter.name in PAIRS:
                parameter.nargs = 2  # Typer offers this only for flags that are not repeatable
            parameter.process_value = partial(_unconverted, parameter)
        return parameters


def _parse_noting_order(parse: Any, context: Any, args: list[str]) -> Any:  # noqa: ANN401 - as above
    values, rest, order = parse(args=args)
    context.meta[_ORDER] = tuple(parameter.name for parameter in order)
    return values, rest, order


class TextCommand(_TextParameters, typer.core.TyperCommand):
    """A command whose values stay text, and whose help lists flags under headings: `subjects` maps fields to them."""

    subjects: Mapping[str, str] = {}

    def make_parser(self, ctx: Any) -> Any:  # noqa: ANN401 - click's own types are private
        """The parser, which also records the order of the flags."""
        parser = super().make_parser(ctx)
        parser.parse_args = partial(_parse_noting_order, parser.parse_args, ctx)  # type: ignore[method-assign]
        return parser

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - click's own types are private
        """Write the flags under their headings."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                default = "Arguments" if parameter.param_type_name == "argument" else "Options"
                sections.setdefault(self.subjects.get(parameter.name or "", default), []).append(record)
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)


class LazyGroup(_TextParameters, typer.core.TyperGroup):
    """A group whose commands are imported when they are called: modules of `package`, listed in `helps`."""

    package = ""
    helps: Mapping[str, str] = {}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - click's own types are private
        """The names, in the order of the table."""
        return list(self.helps)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - as above
        """The command of that name.

        Raises:
            UsageError: there is none.
        """
        if cmd_name not in self.helps:
            from glmcli.console.suggestions import did_you_mean

            guess = did_you_mean(cmd_name, self.helps)
            raise UsageError(f"unknown command {cmd_name!r}{guess}", fix=f"{ctx.command_path} --help")
        return import_module(f"{self.package}.{cmd_name}").command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - as above
        """Write one line for each command, without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.helps.items()))
