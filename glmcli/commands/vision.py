"""`glm vision`: a question about pictures, videos and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.options import VISION_FLAGS, asking
from glmcli.commands.tree import single

if TYPE_CHECKING:
    import typer


def _vision(ctx: typer.Context, given: dict[str, Any]) -> None:
    """Ask about pictures, videos and files, and print the answer when it is complete.

    A picture is a file, a URL, or bytes on stdin; its type is read from its bytes. Videos and files are URLs that the
    provider fetches. What the model is known not to take is refused before anything is sent.
    """
    from glmcli.commands.answering import answer

    answer(ctx.obj, given, live=bool(given.get("live")), vision=True)


command = single("vision", asking(_vision, VISION_FLAGS))
