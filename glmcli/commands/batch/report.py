"""`glm batch report`: summarises a batch from its ledger."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from glmcli.commands.flags import Flag, argument
from glmcli.commands.tree import build_command
from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from glmcli.config.app import App
    from glmcli.output.destination import Destination

_REPORT = "Report"
_FLAGS = (
    Flag("json", "--json", "switch", _REPORT, "Print one JSON object."),
    Flag("html", "--html", "text", _REPORT, "Write a page with charts here, which needs no network.", "FILE"),
)
_FILE = argument("file", "The file that batch run -O wrote; - is stdin.", "FILE|-")


class _ReportOptions(Record):
    file: str
    json: bool = False
    html: str | None = None


def _report(app: App, given: dict[str, Any]) -> None:
    """Recount a batch from its output: rows, calls, tokens, cost, time, and what failed.

    Ends with 0 whatever became of the rows, and with 2 if FILE is no output of a batch.
    """
    from glmcli.batch.completion import recount
    from glmcli.batch.report.summary import to_json
    from glmcli.batch.report.text import text
    from glmcli.console import signals
    from glmcli.output.destination import abandoned_on_error, input_file, require_distinct_files
    from glmcli.output.json_output import json_line

    signals.install_handlers()
    options = _ReportOptions(**given)
    app.terminal.stdout.check()
    require_distinct_files({"FILE": input_file(options.file), "--html": options.html})
    page = _open_page(app, options.html) if options.html else None
    with abandoned_on_error(page) if page else nullcontext():
        summary = recount(app, options.file, page)
    app.terminal.stdout.write(json_line(to_json(summary)) if options.json else text(summary))


def _open_page(app: App, path: str) -> Destination:
    """The destination of the page, opened before the ledger is read."""
    from glmcli.output.destination import StreamDestination, open_output

    page = open_output(path, app.terminal)
    if isinstance(page, StreamDestination) and page.stream is app.terminal.stdout:
        raise UsageError(message="--html: stdout holds the report itself", fix="--html FILE")
    return page


command = build_command("report", _report, _FLAGS, _FILE)
