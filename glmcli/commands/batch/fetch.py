"""`glm batch fetch`: answers of a job into its output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.batch.reach import flags
from glmcli.commands.flags import argument
from glmcli.commands.tree import build_command

if TYPE_CHECKING:
    from glmcli.config.app import App

_FILE = argument("file", "The output of glm batch submit, or its job file.", "FILE")


def _fetch(app: App, given: dict[str, Any]) -> None:
    """Bring the answers of all batches that have ended into the output: one line a row, as batch run writes it.

    A row is never written twice, whatever interrupts it. Exit 0: every row has a complete answer; 11: some are under
    way, or may get one if they are submitted anew (submit --again); 15: the rest would only fail again.
    """
    from glmcli.commands.batch.fetching import fetch

    fetch(app, given)


command = build_command("fetch", _fetch, flags("keep_partial", "allow_empty", "exact"), _FILE)
