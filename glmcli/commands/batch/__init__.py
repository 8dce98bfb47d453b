"""`glm batch`: the commands for many prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.commands.tree import build_group

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "run": "Ask for every row; the same command again resumes.",
    "sample": "Ask a few rows first, and estimate what the rest will take.",
    "merge": "Join the outputs of shards, or of separate runs.",
    "submit": "Submit the rows to the provider's Batch API.",
    "status": "Show the state of a submitted job.",
    "fetch": "Fetch the answers of a submitted job.",
    "cancel": "Stop a submitted job.",
    "list": "The batches of an account.",
    "report": "Summarise an output: counts, cost, time, failures.",
}


def _batch() -> None:
    """Many prompts: rows in, one line a row out."""


command = build_group(__name__, COMMANDS, _batch)
