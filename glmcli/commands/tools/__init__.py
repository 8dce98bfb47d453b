"""`glm tools`: let the model call local programs and MCP servers, without handing it the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.commands.tree import Listed, group

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Mapping[str, Listed] = {
    "run": Listed("glmcli.commands.tools.run", "Ask; run the tools that the model calls, until it answers."),
    "check": Listed("glmcli.commands.tools.check", "Validate tool files; start nothing."),
    "list": Listed("glmcli.commands.tools.list", "What a tool file offers."),
    "call": Listed("glmcli.commands.tools.call", "Run one tool as the loop would, without a model."),
}


def _tools() -> None:
    """Let the model call local programs and MCP servers, without handing it the shell."""


command = group(COMMANDS, _tools)
