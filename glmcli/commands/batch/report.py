"""`glm batch report`: how a batch went, recounted from its ledger."""

from __future__ import annotations

from contextlib import nullcontext
from typing import IO, TYPE_CHECKING, Any

from glmcli.commands.flags import Flag, argument
from glmcli.commands.tree import build_command
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.report.summary import Summary
    from glmcli.chat.events import Usage
    from glmcli.chat.outcome import Cost
    from glmcli.config.app import App
    from glmcli.output.destination import Destination

_REPORT = "Report"
_FLAGS = (
    Flag("json", ("--json",), "switch", _REPORT, "Print one JSON object."),
    Flag("html", ("--html",), "text", _REPORT, "Write a page with charts here, which needs no network.", "FILE"),
)
_FILE = argument("file", "The file that batch run -O wrote; - is stdin.", "FILE|-")


def _report(app: App, given: dict[str, Any]) -> None:
    """Recount a batch from its output: rows, calls, tokens, cost, time, and what failed.

    Ends with 0 whatever became of the rows, and with 2 if FILE is no output of a batch.
    """
    from glmcli.console import signals
    from glmcli.output.destination import abandoned_on_error, input_file, require_distinct_files

    signals.install_handlers()
    app.terminal.stdout.check()
    require_distinct_files({"FILE": input_file(given["file"]), "--html": given.get("html")})
    page = _page(app, given["html"]) if "html" in given else None
    with abandoned_on_error(page) if page else nullcontext():
        summary = recount(app, given["file"], page)
    _print(app, summary, as_json=given.get("json", False))


def _page(app: App, path: str) -> Destination:
    """The page, opened before the long work begins."""
    from glmcli.output.destination import StreamDestination, open_output

    page = open_output(path, app.terminal)
    if isinstance(page, StreamDestination) and page.stream is app.terminal.stdout:
        raise UsageError(message="--html: stdout holds the report itself", fix="--html FILE")
    return page


def recount(app: App, path: str, page: Destination | None) -> Summary:
    """The summary; the page too, put into its place when it is whole."""
    from glmcli.batch.report.aggregate import Aggregate, ReportContext
    from glmcli.batch.report.summary import summarise, timeline

    name = "stdin" if path == "-" else path
    context = ReportContext(_savings(app), app.terminal.redactor.text)
    with _open(app, path) as file, Aggregate(file, name, context) as aggregate:
        summary = summarise(aggregate)
        if page:
            from glmcli.batch.report.page import page_of

            page.write(page_of(name, summary, timeline(aggregate)))
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
    """What a provider's cache took off, by the prices of the catalogue."""
    from glmcli.providers import pricing

    rows = app.config.providers

    def saved(provider: str, model: str, usage: Usage) -> Cost | None:
        return pricing.saved(rows[provider], model, usage) if provider in rows else None

    return saved


def _print(app: App, summary: Summary, *, as_json: bool) -> None:
    from glmcli.batch.report.summary import to_json
    from glmcli.batch.report.text import text
    from glmcli.output.json_output import json_line

    app.terminal.stdout.write(json_line(to_json(summary)) if as_json else text(summary))


command = build_command("report", _report, _FLAGS, _FILE)
