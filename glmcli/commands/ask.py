"""`glm ask`: one question, one complete answer, or nothing on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.options import asking
from glmcli.commands.tree import single

if TYPE_CHECKING:
    import typer


def _ask(ctx: typer.Context, given: dict[str, Any]) -> None:
    """Ask one question and print the answer when it is complete; otherwise print nothing and say why.

    The message is PROMPT, a blank line, then stdin. Reasoning goes to stderr. Exit 0 means a complete answer.
    """
    from glmcli.commands.answering import answer

    answer(ctx.obj, given, live=False)


command = single("ask", asking(_ask))
