"""`glm batch cancel`: cancels the batches of a job."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from glmcli.commands.batch.status import FILE_OR_ID, PROVIDER, api_flags
from glmcli.commands.tree import build_command
from glmcli.config.options import Options
from glmcli.errors import PartialError

if TYPE_CHECKING:
    from glmcli.config.app import App


def _cancel(app: App, given: dict[str, Any]) -> None:
    """Cancel the batches of a job, and print their states after that.

    What was done by then is paid; glm batch fetch brings it when the batches are cancelled, which takes some minutes.
    """
    from glmcli.batch.jobs.batch_client import JobStatus
    from glmcli.console import signals

    signals.install_handlers()
    status = JobStatus(app, given.pop("file"), Options(**given))
    status.refresh()
    status.cancel()
    app.terminal.stdout.write(status.text(time.time()))
    if status.error:
        raise status.error
    if status.uncertain:
        raise PartialError(
            f"nobody knows yet whether there is a batch of part {status.uncertain[0]}: it was asked for",
            fix="the same glm batch submit again finds it, or makes it; then cancel again",
        )


command = build_command("cancel", _cancel, (*PROVIDER, *api_flags()), FILE_OR_ID)
