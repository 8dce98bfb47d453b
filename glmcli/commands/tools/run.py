"""`glm tools run`: ask, run the tools that the model calls, ask again, until it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.options import TOOL_FLAGS, asking
from glmcli.commands.tree import single

if TYPE_CHECKING:
    import typer


def _run(ctx: typer.Context, given: dict[str, Any]) -> None:
    """Let the model call the tools of --tools until it answers; print the answer when it is complete.

    A call runs only if its arguments satisfy the tool's schema, and if it is approved: by its file (approve: auto), by
    --approve or --yes, or by you at the terminal. Without a terminal, what needs approval is denied (exit 10).
    """
    from glmcli.commands.answering import answer

    answer(ctx.obj, given, live=bool(given.get("live")), runs_tools=True)


command = single("run", asking(_run, TOOL_FLAGS))
