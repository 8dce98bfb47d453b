"""`glm batch`: many prompts, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.commands.tree import Listed, group

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Mapping[str, Listed] = {
    "run": Listed("glmcli.commands.batch.run", "Ask for every row; the same command again goes on."),
    "sample": Listed("glmcli.commands.batch.sample", "Ask a few rows first, and estimate what the rest will take."),
    "merge": Listed("glmcli.commands.batch.merge", "Join the outputs of shards, or of separate runs."),
    "submit": Listed("glmcli.commands.batch.submit", "Submit the rows to the provider's Batch API."),
    "status": Listed("glmcli.commands.batch.status", "Where a submitted job stands."),
    "fetch": Listed("glmcli.commands.batch.fetch", "Bring the answers of a submitted job."),
    "cancel": Listed("glmcli.commands.batch.cancel", "Stop a submitted job."),
    "list": Listed("glmcli.commands.batch.list", "The batches of an account."),
    "report": Listed("glmcli.commands.batch.report", "What became of the rows: counts, cost, time, failures."),
}


def _batch() -> None:
    """Many prompts: rows in, one line a row out."""


command = group(COMMANDS, _batch)
