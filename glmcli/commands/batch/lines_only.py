"""The lines of a batch, written or shown and not sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.batch.jobs.request_lines import line_of
from glmcli.batch.rows.row import QueueItem
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmcli.batch.rows.row import InvalidRow
    from glmcli.commands.batch.preparing import BatchPlan
    from glmcli.config.app import App
    from glmcli.providers.row import BatchApi

    Rows = Iterator[QueueItem | InvalidRow | None]


def show(app: App, prepared: BatchPlan, form: BatchApi, rows: Rows) -> None:
    """Print the first line.

    Raises:
        UsageError: there is none.
    """
    item = next((item for item in rows if isinstance(item, QueueItem)), None)
    if item is None:
        raise UsageError(f"{prepared.source.name} has no row that can be submitted")
    app.terminal.stdout.write(line_of(item, form, prepared.candidates[0].provider).decode())


def write(  # noqa: PLR0917 - each is a side of it
    app: App, prepared: BatchPlan, form: BatchApi, rows: Rows, admit: Callable[[str], None], place: str
) -> None:
    """Write all lines into this file.

    Raises:
        UsageError: a model is not served.
        OutputError: the file cannot be written.
    """
    from glmcli.output.destination import abandoned_on_error, open_output

    out, seen = open_output(place, app.terminal), set()
    with abandoned_on_error(out):
        for item in rows:
            if isinstance(item, QueueItem):
                if item.request.model not in seen:
                    seen.add(item.request.model)
                    admit(item.request.model)
                out.write(line_of(item, form, prepared.candidates[0].provider).decode())
            elif item:
                app.terminal.note(f"{item.error.message}: left out")
        out.commit()
