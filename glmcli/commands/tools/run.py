"""`glm tools run`: ask, run the tools that the model calls, ask again, until it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.flags import TOOL_FLAGS
from glmcli.commands.tree import build_question

if TYPE_CHECKING:
    from glmcli.config.app import App


def _run(app: App, given: dict[str, Any]) -> None:
    """Let the model call the tools of --tools until it answers; print the answer when it is complete.

    A call runs only if its arguments satisfy the tool's schema, and if it is approved: by its file (approve: auto), by
    --approve or --yes, or by you at the terminal. Without a terminal, what needs approval is denied (exit 10).
    """
    from glmcli.commands.answering import Mode, answer

    answer(app, given, Mode(live="live" in given, runs_tools=True))


command = build_question("run", _run, TOOL_FLAGS)
