"""`glm batch`: many prompts, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.commands.tree import Listed, group

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Mapping[str, Listed] = {
    "run": Listed("glmcli.commands.batch.run", "Ask for every row; the same command again goes on."),
    "report": Listed("glmcli.commands.batch.report", "What became of the rows: counts, cost, time, failures."),
}


def _batch() -> None:
    """Many prompts: rows in, one line a row out."""


command = group(COMMANDS, _batch)
