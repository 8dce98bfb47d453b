"""One run of a batch, from the flags to the exit code."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from glmcli.batch.jobs.job_file import refuse_under_way
from glmcli.batch.ledger.index import Index
from glmcli.batch.ledger.writer import StdoutSink
from glmcli.batch.rows.queue import RowQueue
from glmcli.batch.run.progress import ProgressMeter
from glmcli.commands.batch import ending
from glmcli.commands.batch.asking import RunEnd, ask, budget_of, intake_of, writing_of
from glmcli.commands.batch.left_out import LeftOut
from glmcli.commands.batch.preparing import BatchPlan, open_ledger, prepare
from glmcli.console import signals
from glmcli.errors import Interrupted, UsageError
from glmcli.output.amounts import plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.batch.cluster.engine import Engine
    from glmcli.batch.ledger.file import Ledger
    from glmcli.batch.ledger.writer import LedgerWriter
    from glmcli.batch.rows.pending import PendingRows
    from glmcli.config.app import App


def run(app: App, given: Mapping[str, Any]) -> None:
    """Ask for every row.

    Raises:
        GlmError: as its exit code says.
        Interrupted: a signal ended it.
    """
    signals.install_handlers()
    with ExitStack() as stack:
        job = prepare(app, given, stack)
        if job.options.dry_run:
            show(app, job)
            return
        engine = _engine(job, stack)
        index = Index()
        ledger = open_ledger(app, job, index, stack)
        if ledger:
            refuse_under_way(ledger.path)
        _Run(app, job, index, ledger).run(engine)


def _engine(job: BatchPlan, stack: ExitStack) -> Engine | None:
    """The engine, if there is to be one, with its workers."""
    if not job.own.engine:
        return None
    from glmcli.batch.cluster import open_engine

    engine = open_engine(job.own.engine, job.own.address)
    stack.callback(engine.stop)
    engine.start()
    return engine


def show(app: App, job: BatchPlan) -> None:
    """Print what the first row that can be asked would send."""
    from glmcli.batch.rows.row import QueueItem
    from glmcli.output.dry_run import as_json
    from glmcli.providers.table import dialect_of

    first = job.candidates[0]
    intake, left_out = intake_of(app, job, Index()), LeftOut(app.terminal)
    for row in job.source.rows():
        item = intake.take(row)
        if isinstance(item, QueueItem):
            call = dialect_of(first.provider).encode(item.request, first.provider)
            app.terminal.stdout.write(as_json(first.replace(call=call.replace(key=first.call.key))))
            return
        if item:
            left_out.add(item)
    left_out.sum_up()
    raise UsageError(f"{part_of(job)} has no row that can be asked")


def part_of(job: BatchPlan) -> str:
    """What the rows are read from, or the part of it that is asked."""
    name = job.source.name
    return f"{name}, part {job.shard.which} of {job.shard.of}," if job.shard else name


class _Run:
    def __init__(self, app: App, job: BatchPlan, index: Index, ledger: Ledger | None) -> None:
        self._app = app
        self._job = job
        self._index = index
        self._ledger = ledger

    def run(self, engine: Engine | None) -> None:
        budget = budget_of(self._job, self._ledger)
        intake = intake_of(self._app, self._job, self._index)
        total = intake.scan() if self._job.source.rereadable else None
        out = self._ledger or StdoutSink(self._app.terminal.stdout)
        writing = writing_of(self._app, self._job, self._index, out)
        rows = RowQueue(self._job.source, intake, writing, total)
        meter = ProgressMeter(writing, intake, total)
        asked = ask(self._app, self._job, rows, writing, meter=meter, budget=budget, engine=engine)
        self._end(asked, writing, intake, (intake.read if total is None else total) - intake.elsewhere)

    def _end(self, asked: RunEnd, writing: LedgerWriter, intake: PendingRows, total: int) -> None:
        """Bring the output into its last form, say how it went, and how that counts."""
        ended = writing.counts + intake.skipped
        pending = total - sum(ended.values())
        again = "the same command again goes on from here" if self._ledger else "-O FILE makes a run that can go on"
        if self._ledger:
            is_whole = not pending and asked.signal is None
            is_known = is_whole and self._job.source.rereadable  # a pipe that broke looks like one that ended
            ending.settle(self._app, self._ledger, self._index, self._job.own, is_whole=is_known)
            self._index.close()  # what counts the lines next takes as much memory
            ending.export(self._app, self._job.own, self._ledger)
            ending.sum_up(self._app, self._ledger)
        if asked.signal is not None:
            if pending and self._job.source.rereadable:  # of a pipe nobody knows how many are left
                self._app.terminal.note(f"{plural(pending, 'row')} still to be asked: {again}")
            raise Interrupted(asked.signal)
        if asked.why:
            asked.why.fix = f"{asked.why.fix}; {again}" if asked.why.fix else again
            raise asked.why
        ending.judge(ended, pending, total, again)
