"""`glm batch fetch`: writes the answers of a job into its output."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from glmcli.commands.batch.status import api_flags
from glmcli.commands.flags import argument
from glmcli.commands.tree import build_command
from glmcli.config.options import Options

if TYPE_CHECKING:
    from glmcli.config.app import App

_FILE = argument("file", "The output of glm batch submit, or its job file.", "FILE")


def _fetch(app: App, given: dict[str, Any]) -> None:
    """Bring the answers of all batches that have ended into the output: one line a row, as batch run writes it.

    A row is never written twice, whatever interrupts it. Exit 0: every row has a complete answer; 11: some are under
    way, or may get one if they are submitted anew (submit --again); 15: the rest would only fail again.
    """
    from glmcli.batch.jobs.fetch import Fetch
    from glmcli.console import signals

    signals.install_handlers()
    name, options = given.pop("file"), Options(**given)
    app.apply(options)
    with ExitStack() as stack:
        Fetch(app, name, options, stack).run()


command = build_command("fetch", _fetch, api_flags("keep_partial", "allow_empty", "exact"), _FILE)
