"""`glm batch fetch`: answers of a job into its output."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glmcli.commands.batch.reach import flags
from glmcli.commands.options import declare
from glmcli.commands.tree import single

if TYPE_CHECKING:
    from glmcli.config.app import App

_FILE = inspect.Parameter(
    "file",
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    annotation=Annotated[str, typer.Argument(help="The output of glm batch submit, or its job file.", metavar="FILE")],
)


def _fetch(ctx: typer.Context, given: dict[str, Any]) -> None:
    """Bring the answers of all batches that have ended into the output: one line a row, as batch run writes it.

    A row is never written twice, whatever interrupts it. Exit 0: every row has a complete answer; 11: some are under
    way, or may get one if they are submitted anew (submit --again); 15: the rest would only fail again.
    """
    from glmcli.commands.batch.fetching import fetch

    app: App = ctx.obj
    fetch(app, given)


command = single("fetch", declare(_fetch, flags("keep_partial", "allow_empty", "exact"), [_FILE]))
