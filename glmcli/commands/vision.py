"""`glm vision`: a question about pictures, videos and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.flags import VISION_FLAGS
from glmcli.commands.tree import build_question

if TYPE_CHECKING:
    from glmcli.config.app import App


def _vision(app: App, given: dict[str, Any]) -> None:
    """Ask about pictures, videos and files, and print the answer when it is complete.

    A picture is a file, a URL, or bytes on stdin; its type is read from its bytes. Videos and files are URLs that the
    provider fetches. What the model is known not to take is refused before anything is sent.
    """
    from glmcli.commands.answering import Mode, answer

    answer(app, given, Mode(live="live" in given, vision=True))


command = build_question("vision", _vision, VISION_FLAGS)
