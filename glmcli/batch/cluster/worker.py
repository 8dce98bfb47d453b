"""How a worker processes a chunk: like a run on one machine, with a share of the limits.

It reads its own environment, because the key is never sent. Failures of rows and providers are not raised: they are
part of the result.
"""

from __future__ import annotations

import os
import platform
import socket
import time
from math import inf
from typing import TYPE_CHECKING, Any

from glmcli import __version__
from glmcli.batch.cluster.messages import ChunkResult, FinishedRow, Refusals, UnfinishedRow
from glmcli.batch.cluster.share import ShareLimiter
from glmcli.batch.rows.row import QueueItem, Row
from glmcli.batch.run.budget import Budget
from glmcli.batch.run.scheduler import Scheduler
from glmcli.batch.run.state import RunSetup
from glmcli.config.keys import KeyRing, bound, key_name
from glmcli.config.plan import Candidate, Plan
from glmcli.console.redaction import VARIABLES, Redactor
from glmcli.console.stdin import Stdin
from glmcli.errors import CredentialsError, GlmError, UsageError
from glmcli.http import event_loop
from glmcli.http.proxies import choose_proxy
from glmcli.http.tls import Tls
from glmcli.http.urls import origin
from glmcli.providers.table import dialect_of
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.cluster.messages import Chunk, RowTask, Share
    from glmcli.chat.outcome import Outcome

_draining: dict[str, float] = {}  # runs that send no more rows, and when their requests in flight are cut off


def version() -> tuple[str, str]:
    """The versions of glm and of Python; a worker can only unpickle what it is sent if both are the same."""
    return __version__, ".".join(platform.python_version_tuple()[:2])


def require_same_version(where: str, theirs: object) -> None:
    """Check the version of the worker at `where`; `theirs` is an exception if it has no glm.

    Raises:
        UsageError: it is another version.
    """
    if theirs == version():
        return
    found = "no glm that can be used" if isinstance(theirs, BaseException) else "glm {} on Python {}".format(*theirs)  # type: ignore[misc]
    needed = "glm {} on Python {}".format(*version())
    raise UsageError(f"the worker {where} has {found}, this is {needed}", fix="the same versions everywhere")


def drain(run: str, seconds: float) -> None:
    """Send no more rows of this run in this process; requests in flight may end within so many seconds."""
    _draining[run] = min(_draining.get(run, inf), time.monotonic() + seconds)


def work(chunk: Chunk, share: Share) -> ChunkResult:
    """Send the rows of the chunk within this share, and return how they ended, which blocks until then."""
    redactor = Redactor()
    redactor.add_variables(VARIABLES, os.environ)
    try:
        run = _ChunkRun(chunk, share, redactor)
    except GlmError as error:
        error.message = f"on {socket.gethostname()}: {error.message}"
        if isinstance(error, CredentialsError):
            error.fix = f"{key_name(chunk.provider, os.environ)} in the environment of every worker"
        rows = tuple(_unfinished(each, each, 0) for each in chunk.rows)
        return ChunkResult((), rows, Refusals(), 0.0, _redacted(error, redactor))
    event_loop.run(run.scheduler.run())
    return run.result()


class _ChunkRun:
    """The input and the output of a scheduler that sends the rows of one chunk."""

    next_number = 0
    failure: BaseException | None = None
    failures_left = failure_limit = error = None

    def __init__(self, chunk: Chunk, share: Share, redactor: Redactor) -> None:
        """Find the key and the proxy.

        Raises:
            GlmError: there is no key on this machine, or the proxy cannot be used.
        """
        self._began = time.monotonic()
        candidate = _candidate(chunk, redactor)
        tls = Tls(os.environ) if candidate.call.url.startswith("https:") else None
        self._chunk = chunk
        self._redactor = redactor
        self._limiter = ShareLimiter(share, candidate.provider, self._began)
        self._items = {each.number: _item(each) for each in chunk.rows}
        self._untaken = iter(self._items.values())
        self._finished: list[FinishedRow] = []
        self._failed = 0
        self.is_exhausted = False
        plan = Plan(
            candidates=(candidate,),
            started=self._began - chunk.elapsed,
            limits=chunk.limits,
            exact=chunk.exact,
            allow_empty=chunk.allow_empty,
        )
        setup = RunSetup(self, self, plan, Budget(None, 0.0), window=None, watch=self._watch, note=_nothing)
        self.scheduler = Scheduler(setup, (self._limiter,), redactor=redactor, tls=tls)

    def _watch(self) -> None:
        """Stop when the driver must decide, and when the time of the chunk is over."""
        shutdown = self.scheduler.shutdown
        if self._chunk.run in _draining:
            shutdown.drain(_draining[self._chunk.run] - time.monotonic())
        elif self._limiter.refused_for or time.monotonic() - self._began > self._chunk.max_seconds:
            shutdown.hand_over()

    # The input.

    def start(self, wake: Callable[[], None]) -> None:
        pass

    @property
    def is_ready(self) -> bool:
        return not self.is_exhausted

    def take(self) -> QueueItem | None:
        item = next(self._untaken, None)
        self.is_exhausted = item is None
        return item

    # The output.

    def write(self, item: QueueItem, outcome: Outcome) -> None:
        self._failed += outcome.error is not None
        self._finished.append(FinishedRow(item.number, _redacted(outcome, self._redactor), item.calls))
        if outcome.error and self._failed == self._chunk.failures_left:
            self.scheduler.shutdown.hand_over()  # only the driver knows how many failed on other workers

    def result(self) -> ChunkResult:
        """How every row of the chunk ended."""
        finished = {each.number for each in self._finished}
        waits = self.scheduler.retry_waits
        unfinished = tuple(
            _unfinished(each, item, item.calls, waits.get(each.number, 0.0))
            for each in self._chunk.rows
            if each.number not in finished and (item := self._items[each.number])
        )
        refusals = self._limiter.summary(_redacted(self.scheduler.unreached, self._redactor))
        seconds = time.monotonic() - self._began
        error = _redacted(self.scheduler.shutdown.error, self._redactor)
        return ChunkResult(tuple(self._finished), unfinished, refusals, seconds, error)


def _item(task: RowTask) -> QueueItem:
    """The row as the scheduler takes it; calls are counted from 0."""
    row = Row(line=task.number)  # the fields of the row stay with the driver
    item = QueueItem(task.number, row, task.id, "", task.request, task.tokens)
    item.refusals, item.retries, item.resent = task.refusals, task.retries, task.resent
    return item


def _unfinished(task: RowTask, now: RowTask | QueueItem, calls: int, wait: float = 0.0) -> UnfinishedRow:
    """The row as it is returned to the driver.

    If its last request was neither refused nor is retried, that request stopped the chunk.
    """
    stopped_chunk = calls > now.refusals - task.refusals + now.retries - task.retries
    return UnfinishedRow(task.number, calls, now.refusals, now.retries, now.resent, stopped_chunk, wait)


def _candidate(chunk: Chunk, redactor: Redactor) -> Candidate:
    """The provider, with the key and the proxy of this machine.

    Raises:
        GlmError: there is no key here, or the proxy cannot be used.
    """
    call = dialect_of(chunk.provider).encode(chunk.rows[0].request, chunk.provider)
    no_stdin = Stdin(is_closed=True, deadline=0.0, say=_nothing)
    key, where = KeyRing(os.environ, no_stdin, _nothing).find(chunk.provider), origin(call.url)
    redactor.add(key.value if key else "")
    proxy = choose_proxy(where.scheme, where.host, where.port, os.environ)
    if proxy and proxy.password:
        redactor.add(proxy.password.decode(errors="surrogateescape"))
    key = key and bound(key, chunk.provider, where, proxy)
    return Candidate(chunk.provider, chunk.model, call.replace(key=key), chunk.rows[0].request, proxy)


def _nothing(_: str) -> None:
    pass


def _redacted(value: Any, redactor: Redactor) -> Any:  # noqa: ANN401 - an outcome or an error, or any part of them
    """The same value without the keys of this machine, which the driver must not get."""
    match value:
        case str():
            return redactor.text(value)
        case tuple():
            return tuple(_redacted(each, redactor) for each in value)
        case GlmError():
            vars(value).update({name: _redacted(each, redactor) for name, each in vars(value).items()})
            value.args = (value.message,)
            return value
        case Record():
            return value.replace(**{name: _redacted(each, redactor) for name, each in value.fields().items()})
        case _:
            return value
