"""`glm stream`: one question, its answer printed as it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.tree import build_question

if TYPE_CHECKING:
    from glmcli.config.app import App


def _stream(app: App, given: dict[str, Any]) -> None:
    """Ask one question and print the answer as it arrives.

    The message is PROMPT, a blank line, then stdin; in a shell loop over the lines of a file, --no-stdin or </dev/null
    leaves them to the loop. A picture, as --attach or on stdin, is sent as one. Reasoning goes to stderr. Exit 0 means
    that the answer is complete; what was printed before a failure stays.
    """
    from glmcli.commands.answering import Mode, answer

    answer(app, given, Mode(live=True))


command = build_question("stream", _stream)
