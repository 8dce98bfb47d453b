"""The end of a batch: its output in its last form, how it went, and how that counts."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from glmcli.batch.ledger.record import RowState
from glmcli.errors import FailedRowsError, PartialError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.batch.ledger.file import Ledger
    from glmcli.batch.ledger.index import Index
    from glmcli.batch.options import BatchOptions
    from glmcli.config.app import App


def settle(app: App, ledger: Ledger, index: Index, own: BatchOptions, *, is_whole: bool) -> None:
    """Leave one line a row, in the order that was asked for; of a whole input none for rows that it no longer has.

    Raises:
        OutputError: the lines do not reach the disk.
    """
    ledger.sync()
    if is_whole:
        index.drop_removed_failures()
        if own.redo_changed:
            index.drop_removed_answers()
    if ledger.count > len(index) or own.ordered:
        try:
            ledger.compact(index.offsets(ordered=own.ordered))
        except OSError as error:  # the file is longer than it need be, and holds the same
            if own.ordered:
                app.terminal.note(f"{ledger.path} stays in the order in which rows ended: {error.strerror}")


def export(app: App, own: BatchOptions, ledger: Ledger) -> None:
    """The other forms of the output that were asked for.

    Raises:
        OutputError: they cannot be written.
    """
    from glmcli.batch.ledger import export
    from glmcli.output.destination import open_output

    if own.text:
        export.write_texts(ledger, own.text)
    if own.csv:
        export.write_table(ledger, open_output(own.csv, app.terminal))


def sum_up(app: App, ledger: Ledger) -> None:
    """Say on stderr how all of it went, recounted from the file."""
    if app.terminal.quiet:
        return
    from glmcli.batch.report.text import text
    from glmcli.commands.batch.report import recount

    with suppress(UsageError):  # the file is not what it was: it is no longer ours
        for line in text(recount(app, ledger.path, None)).rstrip("\n").split("\n"):
            app.terminal.note(line)


def judge(ended: Mapping[str, int], pending: int, total: int, again: str) -> None:
    """Nothing, if every row has an answer.

    Raises:
        PartialError: some have none, and may still get one; `again` says how.
        FailedRowsError: some have none, and would only fail again.
    """
    may = ended.get(RowState.FAILED, 0) + pending
    final = ended.get(RowState.FINAL, 0) + ended.get(RowState.INVALID, 0)
    lacking = f"{may + final} of {total} rows have no answer"
    if may:
        raise PartialError(f"{lacking}; {may} may still get one", fix=again)
    if final:
        again = "; --retry-failed asks them again all the same" if ended.get(RowState.FINAL) else ""
        raise FailedRowsError(f"{lacking}, and would only fail again", fix=f"glm batch report names them{again}")
