"""`glm batch sample`: sends a few rows, and estimates what the others will take."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from glmcli.commands.batch.run import BATCH_FLAGS, INPUT, SHARED_FLAGS
from glmcli.commands.flags import Flag
from glmcli.commands.tree import build_command
from glmcli.errors import GlmError, Interrupted, UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.execution import Execution
    from glmcli.batch.ledger.file import Ledger
    from glmcli.batch.report.estimate import Estimate
    from glmcli.batch.rows.row import QueueItem
    from glmcli.config.app import App

_SAMPLE = "Sample"
_FLAGS = (
    Flag("count", "-n --count", "integer", _SAMPLE, "How many rows (5).", "N", 1),
    Flag("json", "--json", "switch", _SAMPLE, "Print one JSON object, with the rows whole, also on failure."),
)
# Flags for the end of a run over all rows, and for many machines.
_IGNORED = ("text", "csv", "csv_safe", "ordered", "engine", "address")
# `-n` is taken.
_SHARED = tuple(flag.replace(names="--dry-run") if flag.field == "dry_run" else flag for flag in SHARED_FLAGS)


class _SampleOptions(Record):
    count: int = 5
    json: bool = False


def _sample(app: App, given: dict[str, Any]) -> None:
    """Ask a few rows of INPUT, spread over all of it, and estimate what the rest will take.

    Takes the flags of batch run; --ordered, --text, --csv and --engine wait for the run itself. Nothing is written
    unless -O is given: then the rows of the sample are finished rows of the output, and batch run resumes after them.
    Ranges in brackets are right in 19 of 20 samples, if the rest is like the sample. Exit 0: every row of it has a
    complete answer; 11, 15: as batch run.
    """
    from glmcli.batch.execution import Execution
    from glmcli.batch.setup import first_request, prepare, read_options
    from glmcli.console import signals

    signals.install_handlers()
    options = _SampleOptions.pop_from(given)
    app.terminal.stdout.check()
    result = _Result(app, as_json=options.json)
    try:
        with ExitStack() as stack:
            plan = prepare(app, read_options({name: given[name] for name in given if name not in _IGNORED}))
            if plan.options.dry_run:
                app.terminal.stdout.write(first_request(app, plan))
                return
            _Sample(Execution(app, plan, stack), result).run(options.count)
    except GlmError as error:
        result.end(error)
        raise
    result.end(None)


class _Result:
    """The printed result of a sample; as JSON one object, however it ends: schemas/batch-sample.schema.json."""

    def __init__(self, app: App, *, as_json: bool) -> None:
        self._out = app.terminal.stdout
        self._as_json = as_json
        self.rows: list[dict[str, Any]] = []
        self.invalid = 0
        self.estimate: Estimate | None = None

    def show(self, rows: list[dict[str, Any]], estimate: Estimate) -> None:
        """The rows that were sent, and the estimate that follows from them."""
        from glmcli.batch.report.estimate import text

        self.rows, self.estimate = rows, estimate
        if not self._as_json:
            self._out.write(text(rows, estimate))

    def end(self, error: GlmError | None) -> None:
        from glmcli.batch.report.summary import to_json
        from glmcli.output.json_output import error_object, json_line

        if self._as_json:
            failure = error_object(error) if error else None
            estimate = to_json(self.estimate)
            self._out.write(
                json_line({"rows": self.rows, "invalid": self.invalid, "estimate": estimate, "error": failure})
            )


class _SampledRows:
    """The rows of a sample, as the scheduler takes them."""

    error = None

    def __init__(self, items: list[QueueItem]) -> None:
        self._items = items[::-1]

    @property
    def is_exhausted(self) -> bool:
        return not self._items

    is_ready = property(lambda self: bool(self._items))

    def start(self, wake: Callable[[], None]) -> None:
        pass

    def take(self) -> QueueItem | None:
        return self._items.pop() if self._items else None


class _KeptLines:
    """Keeps the lines that are written, and passes them on to the ledger if there is one."""

    def __init__(self, ledger: Ledger | None) -> None:
        self._ledger = ledger
        self.entries: list[dict[str, Any]] = []

    def write(self, line: bytes) -> int:
        from glmcli.batch.ledger.record import parse

        self.entries.append(dict(parse(line).value))
        return self._ledger.write(line) if self._ledger else 0


class _Sample:
    def __init__(self, execution: Execution, result: _Result) -> None:
        self._execution = execution
        self._result = result
        self._remaining = 0  # rows that a run would send

    def run(self, count: int) -> None:
        from glmcli.batch.completion import compact_output, raise_for_rows
        from glmcli.batch.setup import row_writer

        execution, pending = self._execution, self._execution.pending
        app, ledger = execution.app, execution.ledger
        items = self._choose(count)
        kept = _KeptLines(ledger)
        writer = row_writer(app, execution.plan, execution.index, kept)
        total = len(items) + pending.skipped.total() + pending.elsewhere
        end = execution.run(_SampledRows(items), writer, total=total)
        if ledger:
            compact_output(ledger, execution.index, app.terminal)
        entries = sorted(kept.entries, key=lambda entry: int(entry["line"]))
        if entries:
            self._result.show(entries, self._estimate(entries))
        if end.signal is not None:
            self._result.end(None)
            raise Interrupted(end.signal)
        if end.error:
            raise end.error
        raise_for_rows(writer.counts, 0, len(entries), "what failed says why; the same command may fare better")

    def _choose(self, count: int) -> list[QueueItem]:
        """The rows of the sample, of those that a run would send."""
        from glmcli.batch.report.estimate import Sampler
        from glmcli.batch.setup import ValidRows

        execution, plan = self._execution, self._execution.plan
        if plan.source.rereadable:
            execution.pending.scan()
        sampler: Sampler[QueueItem] = Sampler(count)
        rows = ValidRows(execution.pending, execution.app.terminal)
        for item in rows:
            self._remaining += 1
            sampler.offer(item.id, item)
        self._result.invalid = rows.invalid
        if not self._remaining:
            raise UsageError(f"{plan.name} has no row that is still to be sent")
        return sampler.chosen

    def _estimate(self, entries: list[dict[str, Any]]) -> Estimate:
        """What a run would take now: without an output it sends the sample's rows once more."""
        from glmcli.batch.execution import per_minute, usual_per_minute
        from glmcli.batch.report.estimate import RunLimits, estimate

        plan = self._execution.plan
        finished = sum(entry["final"] for entry in entries) if self._execution.ledger else 0
        counted = plan.provider.api.limits
        rpm, tpm = per_minute(plan)
        is_told = bool(rpm or tpm)
        if not is_told:
            rpm, tpm = usual_per_minute(plan, plan.candidates[0])
        unknown = None if is_told and counted == "per_minute" else counted
        limits = RunLimits(plan.batch.jobs, rpm, tpm, unknown, usual=not is_told)
        return estimate(entries, self._remaining - finished, limits)


command = build_command("sample", _sample, (*_FLAGS, *BATCH_FLAGS, *_SHARED), INPUT)
