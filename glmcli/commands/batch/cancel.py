"""`glm batch cancel`: no more of a job is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.batch.reach import flags
from glmcli.commands.batch.status import FILE_OR_ID, PROVIDER
from glmcli.commands.tree import build_command
from glmcli.errors import PartialError

if TYPE_CHECKING:
    from glmcli.config.app import App


def _cancel(app: App, given: dict[str, Any]) -> None:
    """Ask the provider to do no more of a job, and print where its parts stand then.

    What was done by then is paid; glm batch fetch brings it when the batches are cancelled, which takes some minutes.
    """
    from glmcli.commands.batch.looking import Looking
    from glmcli.console import signals

    signals.install_handlers()
    looking = Looking(app, given, ("file",))
    looking.look()
    looking.cancel()
    looking.show(as_json=False)
    if looking.failure:
        raise looking.failure
    if looking.uncertain:
        raise PartialError(
            f"nobody knows yet whether there is a batch of part {looking.uncertain[0]}: it was asked for",
            fix="the same glm batch submit again finds it, or makes it; then cancel again",
        )


command = build_command("cancel", _cancel, (*PROVIDER, *flags()), FILE_OR_ID)
