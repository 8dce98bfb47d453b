"""`glm tools`: let the model call local programs and MCP servers, without handing it the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.commands.tree import build_group

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "run": "Ask; run the tools that the model calls, until it answers.",
    "check": "Validate tool files; start nothing.",
    "list": "What a tool file offers.",
    "call": "Run one tool as the loop would, without a model.",
}


def _tools() -> None:
    """Let the model call local programs and MCP servers, without handing it the shell."""


command = build_group(__name__, COMMANDS, _tools)
