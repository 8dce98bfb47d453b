"""The part of a run in which rows are under way, from the first request to the last line."""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from glmcli import settings
from glmcli.batch import shard as shards
from glmcli.batch.budget import Budget
from glmcli.batch.gates.gate import Gate
from glmcli.batch.intake import Intake, Resume
from glmcli.batch.runner import Runner, signals_of
from glmcli.batch.ticker import Ticker
from glmcli.batch.writing import Writing
from glmcli.errors import GlmError, UsageError
from glmcli.plan import Candidate, Plan
from glmcli.record import Record
from glmcli.transport import aside

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.app import App
    from glmcli.batch.index import Index
    from glmcli.batch.runner import Rows
    from glmcli.batch.shard import Shard
    from glmcli.batch.standing import Standing
    from glmcli.batch.writing import Lines
    from glmcli.commands.batch.preparing import Job
    from glmcli.providers.row import Provider

_SPARE = 64  # descriptors beside one for each request in flight
_AHEAD = 4  # windows of --ordered, in requests in flight


class Asked(Record):
    """How it ended: why it stopped before its end, and the first signal that came."""

    why: GlmError | None
    signal: int | None


def shard_of(app: App, job: Job) -> Shard | None:
    """The part of the rows that is asked; None is all of them."""
    return shards.read(job.own.shard, app.environment) if job.own.shard else None


def intake_of(app: App, job: Job, index: Index) -> Intake:
    """What is to be done, of the rows and of what `index` knows to be finished."""
    own = job.own
    changed = "redo" if own.redo_changed else "keep" if own.keep_changed else None
    resume = Resume(own.retry_failed, changed)
    provider, shard = job.candidates[0].provider, shard_of(app, job)
    return Intake(job.source, job.questions, index, resume, provider, force=job.options.force, shard=shard)


def writing_of(app: App, job: Job, index: Index, out: Lines) -> Writing:
    """What makes lines of how rows end."""
    own, redactor = job.own, app.terminal.redactor
    keep_partial = job.options.keep_partial
    return Writing(out, index, redactor, ordered=own.ordered, keep_partial=keep_partial, max_failures=own.max_failures)


def ask(app: App, job: Job, rows: Rows, writing: Writing, standing: Standing) -> Asked:
    """Ask for all of these rows; every line is written when it returns.

    Raises:
        OutputError: a line cannot be written.
    """
    ticker = Ticker(app.terminal, time.monotonic)

    def watch() -> None:
        if ticker.is_due:
            ticker.update(standing.now(runner))

    runner = _runner(app, job, rows, writing, watch)
    came: list[int] = []
    try:
        _loop(runner, job.own.jobs, came)
    finally:
        ticker.stop()
        with suppress(GlmError):
            writing.flush()
    return Asked(runner.why, came[0] if came else None)


def _runner(app: App, job: Job, rows: Rows, writing: Writing, watch: Callable[[], None]) -> Runner:
    own, options, shard = job.own, job.options, shard_of(app, job)
    limits = settings.limits(options)
    plan = Plan(job.candidates, app.started, limits, exact=options.exact, allow_empty=options.allow_empty)
    return Runner(
        rows,
        tuple(_gate(job, each.provider, shard.of if shard else 1) for each in job.candidates),
        plan,
        writing,
        Budget(own.max_cost),
        redactor=app.terminal.redactor,
        tls=_tls(app, job.candidates),
        window=max(_AHEAD * own.jobs, 256) if own.ordered else None,
        watch=watch,
    )


def _gate(job: Job, provider: Provider, parts: int) -> Gate:
    own = job.own
    rpm, tpm = (None if each is None else each / parts for each in (own.rpm, own.tpm))
    return Gate(own.jobs, provider.wire.limits, rpm=rpm, tpm=tpm, now=time.monotonic())


def _tls(app: App, candidates: tuple[Candidate, ...]) -> Any:  # noqa: ANN401 - imported only where it is needed
    if not any(each.call.url.startswith("https:") for each in candidates):
        return None
    from glmcli.tls import Tls

    return Tls(app.environment)


def _loop(runner: Runner, jobs: int, came: list[int]) -> None:
    _allow_descriptors(jobs + _SPARE)
    heeded = tuple(
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    )

    async def whole() -> None:
        signals_of(runner, asyncio.get_running_loop(), heeded, came)
        await runner.run()

    aside.run(whole())


def _allow_descriptors(wanted: int) -> None:
    """Raise the limit on open files, as far as the system lets us.

    Raises:
        UsageError: it does not let us far enough.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise UsageError(f"--jobs: only {hard} files may be open at once", fix=f"-j {max(hard - _SPARE, 1)}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
