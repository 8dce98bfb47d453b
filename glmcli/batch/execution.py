"""A run of a batch: sends rows from this machine or through workers, writes the output, and ends with an exit code."""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from glmcli.batch.completion import compact_output, print_summary, raise_for_rows
from glmcli.batch.jobs.job_file import refuse_submitted_rows
from glmcli.batch.ledger.index import Index
from glmcli.batch.ledger.record import InvalidRecordError
from glmcli.batch.ledger.writer import StdoutSink
from glmcli.batch.rate.limiter import AccountLimits, RateLimiter
from glmcli.batch.rows.queue import RowQueue
from glmcli.batch.run.budget import Budget
from glmcli.batch.run.progress import ProgressDisplay, ProgressMeter
from glmcli.batch.run.scheduler import Scheduler
from glmcli.batch.run.state import RunSetup
from glmcli.batch.setup import BatchOptions, open_ledger, pending_rows, require_prices, row_writer
from glmcli.config import resolve
from glmcli.console import signals
from glmcli.errors import BudgetError, GlmError, Interrupted, UsageError
from glmcli.http import event_loop
from glmcli.output.amounts import plural
from glmcli.output.destination import open_output
from glmcli.providers.pricing import most_for_tokens, price_list
from glmcli.record import EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from glmcli.batch.cluster.driver import Driver
    from glmcli.batch.cluster.engine import Engine
    from glmcli.batch.ledger.file import Ledger
    from glmcli.batch.ledger.record import LedgerRecord
    from glmcli.batch.ledger.writer import LedgerWriter
    from glmcli.batch.run.shutdown import Shutdown
    from glmcli.batch.run.state import RowInput
    from glmcli.batch.setup import BatchPlan
    from glmcli.config.app import App
    from glmcli.config.plan import Candidate
    from glmcli.console.terminal import Terminal

_SPARE_FILES = 32  # descriptors beside one for each request in flight
_IN_PROCESS = (None, "local")  # engines whose connections this process holds
_WINDOWS = 4  # how far --ordered may send rows ahead of the next line, in multiples of the requests in flight


def per_minute(plan: BatchPlan) -> tuple[float | None, float | None]:
    """The limits of requests and of tokens a minute; a shard has its part of them."""
    parts = plan.shard.of if plan.shard else 1
    rpm, tpm = (None if each is None else each / parts for each in (plan.batch.rpm, plan.batch.tpm))
    return rpm, tpm


def usual_per_minute(plan: BatchPlan, candidate: Candidate) -> tuple[float | None, float | None]:
    """What the provider gives an account a minute as a rule, in requests and in tokens; a shard has its part of it."""
    parts = plan.shard.of if plan.shard else 1
    known = (candidate.provider.facts(candidate.model) or EMPTY).get("rate_limits", EMPTY)
    rpm, tpm = (known[each] / parts if each in known else None for each in ("rpm", "tpm"))
    return rpm, tpm


class Execution:
    """A batch that is sent row by row.

    Attributes:
        index: what is known of each row, by its id.
        ledger: the output; None if that is stdout.
        pending: makes requests of the rows that are still to be sent.
    """

    def __init__(self, app: App, plan: BatchPlan, stack: ExitStack) -> None:
        """Open the output; `stack` closes it.

        Raises:
            UsageError: it is in use, or no output of a batch, or its rows were submitted to a Batch API.
            OutputError: it cannot be written.
        """
        self.app = app
        self.plan = plan
        self.index = Index()
        self.ledger = open_ledger(app, plan, self.index, stack)
        if self.ledger:
            refuse_submitted_rows(self.ledger.path)
        self.pending = pending_rows(app, plan, self.index)

    @cached_property
    def budget(self) -> Budget:
        """The ceiling on the cost of this run and of those that wrote to the same output.

        Raises:
            BudgetError: a price is not known.
        """
        ceiling = self.plan.batch.max_cost
        if ceiling is None:
            return Budget(None, 0.0)
        require_prices(self.plan)
        return Budget(ceiling, sum(map(self._spent, self.ledger.records())) if self.ledger else 0.0)

    def _spent(self, record: LedgerRecord) -> float:
        """What a row of an earlier run has cost, or may have where that is not known.

        Raises:
            BudgetError: it was paid in another currency.
        """
        if paid := record.value.get("cost"):
            first = self.plan.candidates[0]
            currency = (price_list(first.provider, first.model) or EMPTY).get("currency")
            if record.amount and paid.get("currency") != currency:
                raise BudgetError(
                    f"--max-cost: the output has rows paid in {paid.get('currency')}, and these are paid in {currency}",
                    fix="leave out --max-cost, or write to another output",
                )
            return record.amount
        try:
            usage = record.usage()
        except InvalidRecordError:
            return 0.0
        asked, model = record.value.get("provider"), f"{record.value.get('model')}"
        served = (each.provider for each in self.plan.candidates if each.provider.name == asked)
        return next((most_for_tokens(provider, model, usage) or 0.0 for provider in served), 0.0)

    def run(self, rows: RowInput, writer: LedgerWriter, *, total: int | None, engine: Engine | None = None) -> Shutdown:
        """Send these rows, from here or from workers of `engine`, and write them; how the run ended.

        `total` is how many rows the input has; None where that is not known.

        Raises:
            BudgetError: as `budget`.
            OutputError: a line cannot be written.
        """
        meter = ProgressMeter(writer, self.pending, total)
        display = ProgressDisplay(self.app.terminal, time.monotonic)

        def watch() -> None:
            if display.is_due:
                display.update(meter.measure(run.counts()))

        run = self._scheduler(rows, writer, engine, watch)
        try:
            _run_event_loop(run)
        finally:
            display.stop()
            with suppress(GlmError):
                writer.flush()
        return run.shutdown

    def _scheduler(
        self, rows: RowInput, writer: LedgerWriter, engine: Engine | None, watch: Callable[[], None]
    ) -> Scheduler | Driver:
        batch, options, terminal = self.plan.batch, self.plan.options, self.app.terminal
        candidates = self.plan.candidates
        jobs = _within_open_files(batch.jobs, terminal) if batch.engine in _IN_PROCESS else batch.jobs
        plan = resolve.make_plan(self.app, options, candidates)
        limiters = tuple(self._limiter(each, jobs, refuses_at_once=engine is None) for each in candidates)
        window = max(_WINDOWS * jobs, 256) if writer.ordered else None
        setup = RunSetup(rows, writer, plan, self.budget, window, watch, terminal.note)
        if engine:
            from glmcli.batch.cluster.driver import Driver

            _, tpm = per_minute(self.plan)
            return Driver(engine, setup, limiters, tpm=tpm)
        tls = self.app.tls(each.call for each in candidates)
        return Scheduler(setup, limiters, redactor=terminal.redactor, tls=tls)

    def _limiter(self, candidate: Candidate, jobs: int, *, refuses_at_once: bool) -> RateLimiter:
        told, usual = per_minute(self.plan), usual_per_minute(self.plan, candidate)
        if begins := _numbers(*(None if mine else theirs for mine, theirs in zip(told, usual, strict=True))):
            name = f"{candidate.provider.name}/{candidate.model}"
            what = f"{name}: the pace begins at {begins} a minute, which are usual"
            self.app.terminal.detail(f"{what}; --rpm and --tpm set a limit")
        limits = AccountLimits(jobs, candidate.provider.api.limits, *told, *usual)
        return RateLimiter(limits, time.monotonic(), refuses_at_once=refuses_at_once)


def _numbers(rpm: float | None, tpm: float | None) -> str:
    """As in `500 requests and 1,000,000 tokens`, or `0.25 requests` of a shard; empty where neither is known."""
    known = ((rpm, "requests"), (tpm, "tokens"))
    shown = ((f"{number:,.0f}" if number >= 1 else f"{number:.2g}", what) for number, what in known if number)
    return " and ".join(f"{number} {what}" for number, what in shown)


def _run_event_loop(run: Scheduler | Driver) -> None:
    """Return when the run is over; a signal stops it, unless our parent ignores that signal."""
    handled = tuple(
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    )

    async def main() -> None:
        run.shutdown.handle_signals(asyncio.get_running_loop(), handled)
        await run.run()

    try:
        event_loop.run(main())
    finally:
        signals.install_handlers()  # asyncio leaves the default handlers behind


def _within_open_files(jobs: int, terminal: Terminal) -> int:
    """`jobs`, or fewer where fewer files may be open: each request in flight has a connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = jobs + _SPARE_FILES
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    allowed = max(min(jobs, soft - _SPARE_FILES), 1)
    if allowed < jobs:
        terminal.note(f"only {soft} files may be open here: at most {allowed} requests in flight, not {jobs}")
    return allowed


def run_batch(app: App, plan: BatchPlan, stack: ExitStack) -> None:
    """Send every row, compact the output, and print the summary; `stack` closes what is opened.

    Raises:
        GlmError: as its exit code says.
        Interrupted: a signal ended it.
    """
    engine = _start_engine(plan.batch, stack)
    execution = Execution(app, plan, stack)
    pending = execution.pending
    _ = execution.budget  # a price that is not known is an error before the input is read
    total = pending.scan() if plan.source.rereadable else None
    writer = row_writer(app, plan, execution.index, execution.ledger or StdoutSink(app.terminal.stdout))
    rows = RowQueue(plan.source, pending, writer, total)
    end = execution.run(rows, writer, total=total, engine=engine)
    _finish(execution, end, writer, pending.read if total is None else total)


def _start_engine(batch: BatchOptions, stack: ExitStack) -> Engine | None:
    """The engine, if there is to be one, with its workers."""
    if not batch.engine:
        return None
    from glmcli.batch.cluster import open_engine

    engine = open_engine(batch.engine, batch.address)
    stack.callback(engine.stop)
    engine.start()
    return engine


def _finish(execution: Execution, end: Shutdown, writer: LedgerWriter, read: int) -> None:
    """Compact the output, print the summary, and raise for rows without an answer; `read` rows are in the input."""
    app, plan, ledger = execution.app, execution.plan, execution.ledger
    ended = writer.counts + execution.pending.skipped
    total = read - execution.pending.elsewhere
    pending = total - sum(ended.values())
    again = "the same command again resumes from here" if ledger else "-O FILE makes a run that can resume"
    if ledger:
        # Lines of rows that left the input are dropped, but not for a pipe: one that broke looks like one that ended.
        # So does a file that the step before has failed to write.
        if read and not pending and end.signal is None and plan.source.rereadable:
            execution.index.drop_removed_failures()
            if plan.batch.redo_changed:
                execution.index.drop_removed_answers()
        compact_output(ledger, execution.index, app.terminal, ordered=plan.batch.ordered)
        execution.index.close()  # the summary needs as much memory
        if end.signal is None and not end.error:
            ledger.keep()
        _export(app, plan.batch, ledger)
        print_summary(app, ledger)
    if end.signal is not None:
        if pending and plan.source.rereadable:  # how many a pipe still has is not known
            app.terminal.note(f"{plural(pending, 'row')} still to be sent: {again}")
        raise Interrupted(end.signal)
    if end.error:
        if ledger or sum(ended.values()):  # on stdout, without an answer, there is nothing to resume
            end.error.fix = f"{end.error.fix}; {again}" if end.error.fix else again
        raise end.error
    if not read:
        _tell_no_rows(app, plan)
    raise_for_rows(ended, pending, total, again)


def _tell_no_rows(app: App, plan: BatchPlan) -> None:
    """Say that the input has no rows: what should have written it may have failed.

    Raises:
        UsageError: with --need-rows.
    """
    what = f"no rows in {plan.source.name}"
    if plan.batch.need_rows:
        raise UsageError(what, fix="see what writes it; without --need-rows an empty input ends with 0")
    app.terminal.note(what)


def _export(app: App, batch: BatchOptions, ledger: Ledger) -> None:
    """Write the other forms of the output, for --text and --csv."""
    from glmcli.batch.ledger import export

    if batch.text:
        export.write_texts(ledger, batch.text)
    if batch.csv:
        formulas = export.write_table(ledger, open_output(batch.csv, app.terminal), safe=batch.csv_safe)
        if formulas and not batch.csv_safe:
            begin = "1 cell begins" if formulas == 1 else f"{formulas} cells begin"
            runs = "as formulas do (= + - @), which a spreadsheet runs; --csv-safe writes them as text"
            app.terminal.note(f"{batch.csv}: {begin} {runs}")
