"""`glm batch sample`: a few rows first, and what all the others will take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.batch.run import BATCH_FLAGS, INPUT, SHARED_FLAGS
from glmcli.commands.flags import Flag
from glmcli.commands.tree import build_command

if TYPE_CHECKING:
    from glmcli.config.app import App

_SAMPLE = "Sample"
_FLAGS = (
    Flag("count", ("-n", "--count"), "integer", _SAMPLE, "How many rows (5).", "N", 1),
    Flag("json", ("--json",), "switch", _SAMPLE, "Print one JSON object, with the rows whole, also on failure."),
)
# `-n` is taken.
_SHARED = tuple(flag.replace(written=("--dry-run",)) if flag.field == "dry_run" else flag for flag in SHARED_FLAGS)


def _sample(app: App, given: dict[str, Any]) -> None:
    """Ask a few rows of INPUT, spread over all of it, and estimate what the rest will take.

    Takes the flags of batch run; --ordered, --text, --csv and --engine wait for the run itself. Nothing is written
    unless -O is given: then the rows of the sample are finished rows of the output, and batch run goes on from them.
    What stands in brackets holds in 19 of 20 samples, if the rest is like the sample. Exit 0: every row of it has a
    complete answer; 11, 15: as batch run.
    """
    from glmcli.commands.batch.sampling import sample

    sample(app, given)


command = build_command("sample", _sample, (*_FLAGS, *BATCH_FLAGS, *_SHARED), INPUT)
