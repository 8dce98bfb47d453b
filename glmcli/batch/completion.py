"""The end of a batch: its compacted output, its summary, and the error for rows without an answer."""

from __future__ import annotations

from contextlib import suppress
from typing import IO, TYPE_CHECKING

from glmcli.batch.ledger.record import RowState
from glmcli.console.files import FIXED_IN_PLACE
from glmcli.errors import FailedRowsError, OutputError, PartialError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmcli.batch.ledger.file import Ledger
    from glmcli.batch.ledger.index import Index
    from glmcli.batch.report.summary import Summary
    from glmcli.chat.events import Usage
    from glmcli.chat.outcome import Cost
    from glmcli.config.app import App
    from glmcli.console.terminal import Terminal
    from glmcli.output.destination import Destination

IN_A_FOLDER = "-O FILE in a folder where files can be replaced; mount the folder, not the file"


def compact_output(ledger: Ledger, index: Index, terminal: Terminal, *, ordered: bool = False) -> None:
    """Leave one line a row, in the order of the input if it is to be `ordered`.

    Raises:
        OutputError: the lines do not reach the disk, or not in that order; all are in the file.
    """
    ledger.sync()
    if ledger.count > len(index) or ordered or not ledger.is_tidy:
        try:
            ledger.compact(index.offsets(ordered=ordered))
        except OSError as error:  # the file is longer than it need be, and holds the same
            if ordered:
                why = f"{ledger.path} stays in the order in which rows ended: {error.strerror}"
                fix = IN_A_FOLDER if error.errno in FIXED_IN_PLACE else "make room, then the same command again"
                raise OutputError(why, fix=fix) from error
            terminal.note(f"{ledger.path} keeps lines that later ones took the place of: {error.strerror}")


def print_summary(app: App, ledger: Ledger) -> None:
    """Print the report of the output on stderr, counted from the file."""
    if app.terminal.quiet:
        return
    from glmcli.batch.report.text import text

    with suppress(UsageError):  # the file was replaced meanwhile by something else
        for line in text(recount(app, ledger.path)).rstrip("\n").split("\n"):
            app.terminal.note(line)


def raise_for_rows(ended: Mapping[str, int], pending: int, total: int, again: str) -> None:
    """Check that every row has an answer; `ended` counts rows by their state.

    Raises:
        PartialError: some have none, and may still get one; `again` says how.
        FailedRowsError: some have none, and would only fail again.
    """
    retryable = ended.get(RowState.FAILED, 0) + pending
    final = ended.get(RowState.FINAL, 0) + ended.get(RowState.INVALID, 0)
    message = f"{retryable + final} of {total} rows have no answer"
    if retryable:
        raise PartialError(f"{message}; {retryable} may still get one", fix=again)
    if final:
        retry = "; --retry-failed asks them again all the same" if ended.get(RowState.FINAL) else ""
        raise FailedRowsError(f"{message}, and would only fail again", fix=f"glm batch report names them{retry}")


def recount(app: App, path: str, page: Destination | None = None) -> Summary:
    """The summary of the ledger at `path`; its HTML report is written to `page`, whole or not at all."""
    from glmcli.batch.report.aggregate import Aggregate, ReportContext
    from glmcli.batch.report.summary import summarise, timeline

    name = "stdin" if path == "-" else path
    context = ReportContext(_savings(app), app.terminal.redactor.text)
    with _open(app, path) as file, Aggregate(file, name, context) as aggregate:
        summary = summarise(aggregate)
        if page:
            from glmcli.batch.report.page import page_of

            page.write(page_of(name, summary, timeline(aggregate), aggregate.answers))
            page.commit()
    return summary


def _open(app: App, path: str) -> IO[bytes]:
    if path == "-":
        return app.stdin.open("FILE")
    try:
        return open(path, "rb")  # noqa: PTH123 - closed by the caller
    except OSError as error:
        raise UsageError(message=f"cannot read {path}: {error.strerror}") from error


def _savings(app: App) -> Callable[[str, str, Usage], Cost | None]:
    """How much cheaper a provider's cache made a row, by the prices of the catalogue."""
    from glmcli.providers import pricing

    rows = app.config.providers

    def saved(provider: str, model: str, usage: Usage) -> Cost | None:
        return pricing.saved(rows[provider], model, usage) if provider in rows else None

    return saved
