"""`glm ask`: one question, one complete answer, or nothing on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.tree import build_question

if TYPE_CHECKING:
    from glmcli.config.app import App


def _ask(app: App, given: dict[str, Any]) -> None:
    """Ask one question and print the answer when it is complete; otherwise print nothing and say why.

    The message is PROMPT, a blank line, then stdin; in a shell loop over the lines of a file, --no-stdin or </dev/null
    leaves them to the loop. A picture, as --attach or on stdin, is sent as one. Reasoning goes to stderr. Exit 0 means
    a complete answer.
    """
    from glmcli.commands.answering import Mode, answer

    answer(app, given, Mode())


command = build_question("ask", _ask)
