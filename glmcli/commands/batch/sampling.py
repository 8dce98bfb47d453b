"""A sample of a batch, from the flags to the exit code."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from glmcli.batch.jobs.job_file import refuse_under_way
from glmcli.batch.ledger.index import Index
from glmcli.batch.report.estimate import Estimate, RunLimits, Sampler, estimate, text
from glmcli.batch.report.summary import to_json
from glmcli.batch.rows.row import QueueItem
from glmcli.batch.run.progress import ProgressMeter
from glmcli.commands.batch import ending
from glmcli.commands.batch.asking import ask, budget_of, intake_of, per_minute, writing_of
from glmcli.commands.batch.left_out import LeftOut
from glmcli.commands.batch.preparing import BatchPlan, open_ledger, prepare
from glmcli.commands.batch.running import part_of, show
from glmcli.errors import GlmError, Interrupted, UsageError
from glmcli.output.json_output import error_object, json_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmcli.batch.ledger.file import Ledger
    from glmcli.batch.rows.pending import PendingRows
    from glmcli.config.app import App

_COUNT = 5


def sample(app: App, given: Mapping[str, Any]) -> None:
    """Ask a few rows, and say what the others will take.

    Raises:
        GlmError: as its exit code says.
        Interrupted: a signal ended it.
    """
    own = {name: given[name] for name in ("count", "json") if name in given}
    # Other forms of the output are made of all rows, at the end of a run; a few rows need no other machines.
    others = {
        name: value
        for name, value in given.items()
        if name not in (*own, "text", "csv", "ordered", "engine", "address")
    }
    app.terminal.stdout.check()
    said = _Said(app, as_json=own.get("json", False))
    try:
        with ExitStack() as stack:
            job = prepare(app, others, stack)
            if job.options.dry_run:
                show(app, job)
                return
            index = Index()
            ledger = open_ledger(app, job, index, stack)
            if ledger:
                refuse_under_way(ledger.path)
            _Sample(app, job, index, ledger, said).run(own.get("count", _COUNT))
    except GlmError as error:
        said.end(error)
        raise
    said.end(None)


class _Said:
    """What is printed of a sample; as JSON one object however it ends: schemas/batch-sample.schema.json."""

    def __init__(self, app: App, *, as_json: bool) -> None:
        self._out = app.terminal.stdout
        self._as_json = as_json
        self.rows: list[dict[str, Any]] = []
        self.invalid = 0
        self.estimate: Estimate | None = None

    def show(self, rows: list[dict[str, Any]], found: Estimate) -> None:
        """The rows that were asked, and what they let expect."""
        self.rows, self.estimate = rows, found
        if not self._as_json:
            self._out.write(text(rows, found))

    def end(self, error: GlmError | None) -> None:
        if self._as_json:
            why = error_object(error) if error else None
            whole = {"rows": self.rows, "invalid": self.invalid, "estimate": to_json(self.estimate), "error": why}
            self._out.write(json_line(whole))


class _Few:
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


class _Noted:
    """Keeps the lines, and passes them on to the ledger if there is one."""

    def __init__(self, ledger: Ledger | None) -> None:
        self._ledger = ledger
        self.entries: list[dict[str, Any]] = []

    def write(self, line: bytes) -> int:
        self.entries.append(json.loads(line))
        return self._ledger.write(line) if self._ledger else 0


class _Sample:
    def __init__(self, app: App, job: BatchPlan, index: Index, ledger: Ledger | None, said: _Said) -> None:
        self._app = app
        self._job = job
        self._index = index
        self._ledger = ledger
        self._intake: PendingRows = intake_of(app, job, index)
        self._open = 0  # rows that a run would ask
        self._left_out = LeftOut(app.terminal)
        self._said = said

    def run(self, count: int) -> None:
        items = self._chosen(count)
        noted = _Noted(self._ledger)
        writing = writing_of(self._app, self._job, self._index, noted)
        others = self._intake.skipped.total() + self._intake.elsewhere
        meter = ProgressMeter(writing, self._intake, len(items) + others)
        budget = budget_of(self._job, self._ledger)
        asked = ask(self._app, self._job, _Few(items), writing, meter=meter, budget=budget)
        if self._ledger:
            ending.settle(self._app, self._ledger, self._index, self._job.own, is_whole=False)
        entries = sorted(noted.entries, key=lambda entry: int(entry["line"]))
        if entries:
            self._said.show(entries, self._estimate(entries))
        if asked.signal is not None:
            self._said.end(None)
            raise Interrupted(asked.signal)
        if asked.why:
            raise asked.why
        ending.judge(writing.counts, 0, len(entries), "what failed says why; the same command may fare better")

    def _chosen(self, count: int) -> list[QueueItem]:
        """The rows of the sample, of those that a run would ask."""
        if self._job.source.rereadable:
            self._intake.scan()
        chosen: Sampler[QueueItem] = Sampler(count)
        for row in self._job.source.rows():
            item = self._intake.take(row)
            if isinstance(item, QueueItem):
                self._open += 1
                chosen.offer(item.id, item)
            elif item:
                self._left_out.add(item)
        self._left_out.sum_up()
        self._said.invalid = self._left_out.count
        if not self._open:
            raise UsageError(f"{part_of(self._job)} has no row that is still to be asked")
        return chosen.chosen

    def _estimate(self, entries: list[dict[str, Any]]) -> Estimate:
        """What a run would take now: without an output it asks the sample's rows once more."""
        finished = sum(entry["final"] for entry in entries) if self._ledger else 0
        counted = self._job.candidates[0].provider.api.limits
        rpm, tpm = per_minute(self._job)
        told = counted == "per_minute" and bool(rpm or tpm)
        return estimate(
            entries, self._open - finished, RunLimits(self._job.own.jobs, rpm, tpm, None if told else counted)
        )
