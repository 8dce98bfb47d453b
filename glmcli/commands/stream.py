"""`glm stream`: the same question, printed as it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.options import asking
from glmcli.commands.tree import single

if TYPE_CHECKING:
    import typer


def _stream(ctx: typer.Context, given: dict[str, Any]) -> None:
    """Ask one question and print the answer as it arrives.

    The message is PROMPT, a blank line, then stdin. Reasoning goes to stderr. Exit 0 means that the answer is complete;
    what was printed before a failure stays.
    """
    from glmcli.commands.answering import answer

    answer(ctx.obj, given, live=True)


command = single("stream", asking(_stream))
