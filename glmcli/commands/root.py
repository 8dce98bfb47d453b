"""The commands of `glm`, and the root that finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from glmcli import __version__
from glmcli.commands.tree import Listed, group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typer.core import TyperGroup

# What Typer raises for a wrong command line. Its own click is private, so the class is found from a public one.
CommandLineError: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")

COMMANDS: Mapping[str, Listed] = {
    "ask": Listed("glmcli.commands.ask", "One question, one complete answer, or nothing on stdout."),
    "stream": Listed("glmcli.commands.stream", "The same, printed as it arrives."),
    "vision": Listed("glmcli.commands.vision", "Ask about pictures, videos and files."),
    "tools": Listed("glmcli.commands.tools", "Let the model call local programs and MCP servers."),
    "batch": Listed("glmcli.commands.batch", "Many prompts: rows in, one line a row out."),
    "models": Listed("glmcli.commands.models", "What is known of every model; what a provider lists beside it."),
    "sandbox": Listed("glmcli.commands.sandbox", "Serve the embedded providers on loopback, with faults on demand."),
}


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


def root() -> TyperGroup:
    """The whole command tree."""
    return group(COMMANDS, _glm)
