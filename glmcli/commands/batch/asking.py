"""The part of a run in which rows are under way, from the first request to the last line."""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from glmcli.batch.ledger.writer import LedgerWriter, StdoutSink, WriterOptions
from glmcli.batch.rate.limiter import RateLimiter
from glmcli.batch.rows.pending import PendingRows, ResumePolicy
from glmcli.batch.run.budget import Budget
from glmcli.batch.run.progress import ProgressDisplay
from glmcli.batch.run.scheduler import Scheduler
from glmcli.batch.run.state import RunSetup
from glmcli.config import resolve
from glmcli.console import signals
from glmcli.errors import BudgetError, GlmError
from glmcli.http import event_loop
from glmcli.providers.pricing import listed
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.cluster.engine import Engine
    from glmcli.batch.ledger.file import Ledger
    from glmcli.batch.ledger.index import Index
    from glmcli.batch.ledger.writer import LineSink
    from glmcli.batch.run.progress import ProgressMeter
    from glmcli.batch.run.state import BatchRun, RowInput
    from glmcli.commands.batch.preparing import BatchPlan
    from glmcli.config.app import App
    from glmcli.console.terminal import Terminal
    from glmcli.providers.row import Provider

_SPARE = 32  # descriptors beside one for each request in flight
_HERE = (None, "local")  # engines whose connections this process holds
_AHEAD = 4  # windows of --ordered, in requests in flight


class RunEnd(Record):
    """How it ended: why it stopped before its end, and the first signal that came."""

    why: GlmError | None
    signal: int | None


def intake_of(app: App, job: BatchPlan, index: Index) -> PendingRows:
    """What is to be done, of the rows and of what `index` knows to be finished."""
    own = job.own
    changed = "redo" if own.redo_changed else "keep" if own.keep_changed else None
    resume = ResumePolicy(own.retry_failed, changed)
    return PendingRows(
        job.source,
        job.questions,
        index,
        resume,
        job.candidates[0].provider,
        force=job.options.force,
        redact=app.terminal.redactor.text,
        shard=job.shard,
    )


def writing_of(app: App, job: BatchPlan, index: Index, out: LineSink) -> LedgerWriter:
    """What makes lines of how rows end."""
    own = job.own
    # A file is brought into order when the run ends: an answer that waits for its turn would be lost in a crash.
    ordered = own.ordered and isinstance(out, StdoutSink)
    options = WriterOptions(ordered, job.options.keep_partial, own.max_failures)
    return LedgerWriter(out, index, app.terminal.redactor, options)


def budget_of(job: BatchPlan, ledger: Ledger | None) -> Budget:
    """The ceiling on the cost of this run and of those before it.

    Raises:
        BudgetError: nobody knows what rows will cost.
    """
    ceiling = job.own.max_cost
    for each in job.candidates if ceiling is not None else ():
        if listed(each.provider, each.model) is None:
            raise BudgetError(
                f"--max-cost: the price of {each.provider.name}/{each.model} is not known here",
                fix="leave out --max-cost, or use a model whose price glm models NAME shows",
            )
    return Budget(ceiling, sum(record.amount for record in ledger.records()) if ledger and ceiling is not None else 0.0)


def ask(
    app: App,
    job: BatchPlan,
    rows: RowInput,
    writing: LedgerWriter,
    *,
    meter: ProgressMeter,
    budget: Budget,
    engine: Engine | None = None,
) -> RunEnd:
    """Ask for all of these rows, here or on the workers of `engine`; every line is written when it returns.

    Raises:
        OutputError: a line cannot be written.
    """
    display = ProgressDisplay(app.terminal, time.monotonic)

    def watch() -> None:
        if display.is_due:
            display.update(meter.measure(run))

    run = _runner(app, job, (rows, writing, budget), engine, watch=watch)
    try:
        _loop(run)
    finally:
        display.stop()
        with suppress(GlmError):
            writing.flush()
    return RunEnd(run.shutdown.error, run.shutdown.signal)


def _runner(
    app: App,
    job: BatchPlan,
    sides: tuple[RowInput, LedgerWriter, Budget],
    engine: Engine | None,
    *,
    watch: Callable[[], None],
) -> BatchRun:
    own, options, (rows, writing, budget) = job.own, job.options, sides
    jobs = _allowed(own.jobs, app.terminal) if own.engine in _HERE else own.jobs
    plan = resolve.make_plan(app, options, job.candidates)
    limiters = tuple(_limiter(job, each.provider, jobs, refuses_at_once=engine is None) for each in job.candidates)
    window = max(_AHEAD * jobs, 256) if writing.ordered else None
    setup = RunSetup(rows, writing, plan, budget, window, watch, app.terminal.note)
    if engine:
        from glmcli.batch.cluster.driver import Driver

        _, tpm = per_minute(job)
        return Driver(engine, setup, limiters, tpm=tpm)
    return Scheduler(setup, limiters, redactor=app.terminal.redactor, tls=app.tls(each.call for each in job.candidates))


def per_minute(job: BatchPlan) -> tuple[float | None, float | None]:
    """How many requests and how many tokens a minute may have, of which each shard takes its part."""
    parts = job.shard.of if job.shard else 1
    rpm, tpm = (None if each is None else each / parts for each in (job.own.rpm, job.own.tpm))
    return rpm, tpm


def _limiter(job: BatchPlan, provider: Provider, jobs: int, *, refuses_at_once: bool) -> RateLimiter:
    rpm, tpm = per_minute(job)
    now = time.monotonic()
    return RateLimiter(jobs, provider.api.limits, rpm=rpm, tpm=tpm, now=now, refuses_at_once=refuses_at_once)


def _loop(run: BatchRun) -> None:
    heeded = tuple(
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    )

    async def whole() -> None:
        run.shutdown.handle_signals(asyncio.get_running_loop(), heeded)
        await run.run()

    try:
        event_loop.run(whole())
    finally:
        signals.install_handlers()  # asyncio leaves the system's way behind; what follows clears away after itself


def _allowed(jobs: int, terminal: Terminal) -> int:
    """As many requests in flight as there may be open files, each with its connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = jobs + _SPARE
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    allowed = max(min(jobs, soft - _SPARE), 1)
    if allowed < jobs:
        terminal.note(f"only {soft} files may be open here: at most {allowed} requests in flight, not {jobs}")
    return allowed
