"""The run on one machine: rows are sent as the limiter lets them, and written when they have ended.

One thread, one event loop. A row is in one place at any time: not read yet, waiting to be sent (again), in flight, or
written; whatever ends the run leaves it in one of them.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from glmcli.batch.run.failover import Action
from glmcli.batch.run.state import RequestCounts, RunState
from glmcli.chat.outcome import Outcome
from glmcli.engine.attempt import Attempt
from glmcli.errors import BusyError, GlmError, NetworkError, Retry
from glmcli.http.bulk import ConnectionPool
from glmcli.providers.pricing import reply_cost
from glmcli.providers.table import dialect_of

if TYPE_CHECKING:
    from glmcli.batch.rate.limiter import Limiter, Ticket
    from glmcli.batch.rows.row import QueueItem
    from glmcli.batch.run.state import RunSetup
    from glmcli.config.plan import Candidate
    from glmcli.console.redaction import Redactor
    from glmcli.engine.attempt import AttemptResult
    from glmcli.http.tls import Tls

_REFUSED = (Retry.RATE, Retry.IN_FLIGHT, Retry.MINUTE, Retry.OVERLOAD)
_POLL = 0.1  # longest sleep of the loop, in seconds
_MANY = 128  # rows in flight from which a task sends one row only
_TOGETHER = 64  # rows that may be prepared before the loop looks at its sockets again


class _Sending(NamedTuple):
    """A row that is in flight."""

    item: QueueItem
    limiter: Limiter
    ticket: Ticket


class Scheduler:
    """Sends the rows of an input, and writes how they ended.

    Attributes:
        shutdown: stops it, and knows why it stopped.
    """

    def __init__(self, setup: RunSetup, limiters: tuple[Limiter, ...], *, redactor: Redactor, tls: Tls | None) -> None:
        """`limiters` has one for each candidate of the plan."""
        self._setup = setup
        self._limiters = limiters
        self._redactor = redactor
        self._pools = tuple(ConnectionPool(each.proxy, tls) for each in setup.plan.candidates)
        self._state = RunState(setup)
        self.shutdown = self._state.shutdown
        self._in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._bug: BaseException | None = None
        self._waker: asyncio.Future[None] | None = None

    def counts(self) -> RequestCounts:
        """What is in flight, and what was refused."""
        refused = sum(limiter.refusals for limiter in self._limiters)
        return RequestCounts(self._in_flight, self._limiters[0].slots, refused)

    @property
    def retry_waits(self) -> dict[int, float]:
        """Seconds until each row that is to be sent again may be sent, by its number."""
        return self._state.retries.waits(time.monotonic())

    @property
    def unreached(self) -> GlmError | None:
        """Why no connection could be made for the last request to the first candidate."""
        return self._state.failover.health[0].unreached

    async def run(self) -> None:
        """Return when every row is written, or the run is stopped and what was in flight has ended.

        Raises:
            OutputError: a line cannot be written; nothing more is sent.
        """
        loop = asyncio.get_running_loop()
        self._setup.rows.start(self._wake)
        try:
            while not self._is_over():
                delay = self._dispatch(loop)
                self._state.announce(is_busy=bool(self._tasks))
                self._setup.watch()
                if delay > 0:
                    await self._sleep(loop, delay)
                else:
                    await asyncio.sleep(0)
                if failure := self._setup.output.failure or self._bug:
                    raise failure
        finally:
            await self._close()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pool in self._pools:
            await pool.close()

    def _is_over(self) -> bool:
        if self.shutdown.is_stopping:
            return not self._tasks or time.monotonic() >= self.shutdown.cut_at
        return not (self._tasks or self._state.held or self._state.retries) and self._setup.rows.is_exhausted

    def _wake(self) -> None:
        if self._waker and not self._waker.done():
            self._waker.set_result(None)

    async def _sleep(self, loop: asyncio.AbstractEventLoop, delay: float) -> None:
        self._waker = loop.create_future()
        timer = loop.call_later(min(delay, _POLL), self._wake)
        try:
            await self._waker
        finally:
            timer.cancel()

    def _dispatch(self, loop: asyncio.AbstractEventLoop) -> float:
        """Send what may be sent now; the seconds until it makes sense to look again."""
        for _ in range(_TOGETHER):
            sending = self._pick()
            if isinstance(sending, float):
                return sending
            task = loop.create_task(self._send_rows(sending))
            self._tasks.add(task)
            task.add_done_callback(self._task_ended)
        return 0.0

    def _pick(self) -> _Sending | float:
        """The next row, counted as in flight; or the seconds until it makes sense to look again."""
        now = time.monotonic()
        if self.shutdown.is_stopping:
            return self.shutdown.cut_at - now
        if self.shutdown.check_deadline(now):
            return 0.0
        item = self._state.next_row(now)
        if item is None:
            # Where there was much to skip, the loop looks at its sockets first.
            return 0.0 if self._setup.rows.is_ready else self._state.retries.wait(now)
        limiter = self._limiters[item.candidate]
        may_start = self._state.may_pay(item, self._in_flight)
        delay = limiter.wait(now, item.tokens) if may_start else float("inf")
        if delay > 0 or self._state.is_ahead(item):
            self._state.hold(item)
            return 0.0 if self.shutdown.is_stopping else delay or float("inf")
        item.began = item.began or now
        item.calls += 1
        self._in_flight += 1
        return _Sending(item, limiter, limiter.start(now, item.tokens, item.refusals))

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (bug := task.exception()):
            self._bug = self._bug or bug
        self._wake()

    async def _send_rows(self, sending: _Sending) -> None:
        """Send one row after the other, as long as there is one that may be sent at once.

        So the next request is sent before the next answer is decoded: when many answers arrive together, the requests
        that follow them would otherwise wait for all of them, and be answered together again. Where hundreds are in
        flight the loop is never idle, and handling answers in bulk saves a tenth of the time.
        """
        while True:
            try:
                await self._send(*sending)
            finally:
                self._in_flight -= 1
            if self._in_flight >= _MANY:
                return
            following = self._pick()
            if isinstance(following, float):
                return
            sending = following

    async def _send(self, item: QueueItem, limiter: Limiter, ticket: Ticket) -> None:
        candidate = self._encoded(item)
        attempt = Attempt(candidate, self._setup.plan, self._redactor)
        await self._pools[item.candidate].send(candidate.call, attempt.response)
        result = attempt.result()
        self._state.remark(item, result.remarks)
        now = time.monotonic()
        error, failover = result.error, self._state.failover
        if error and _is_refused(error):
            item.refusals += 1
            wait = limiter.refused(now, ticket, error.retry or Retry.RATE, error.retry_after)
            self._state.apply(failover.refused(item.candidate, error, now))
            self._state.retries.add(item, 0.0 if failover.is_given_up(item.candidate) else wait)
            return
        if error and error.retry:
            # One more sign that the provider may be down.
            limiter.refused(now, ticket, Retry.NETWORK, error.retry_after)
            self._state.apply(failover.failed(item.candidate, error, now))
        else:
            usage = result.reply.usage
            limiter.answered(now, ticket, usage.total_tokens if usage else None)
            failover.health[item.candidate].answered(now)
        self._finish(item, candidate, result, now)

    def _encoded(self, item: QueueItem) -> Candidate:
        """What is sent: the provider and key of the plan, and the row's own request."""
        first = self._setup.plan.candidates[item.candidate]
        request = self._state.failover.request(item)
        provider = first.provider if request.model == first.model else first.provider.serving(request.model)
        call = dialect_of(provider).encode(request, provider)
        return first.replace(
            provider=provider, model=request.model, request=request, call=call.replace(key=first.call.key)
        )

    def _finish(self, item: QueueItem, candidate: Candidate, result: AttemptResult, now: float) -> None:
        """Write the row, have it sent again, or leave it to the next run.

        Raises:
            OutputError: the line cannot be written.
        """
        error = result.error
        decision = self._state.failover.decide(item, error, is_cut=error is not None and self._is_cut(error, now))
        self._state.apply(decision.change)
        match decision.action:
            case Action.WRITE:
                self._state.write(item, _outcome(item, candidate, result))
            case Action.RETRY:
                self._state.retries.add(item, decision.wait)

    def _is_cut(self, error: GlmError, now: float) -> bool:
        """Whether the row could only be retried after the run has ended, or was cut off by the run's own deadline."""
        if error.retry and self.shutdown.is_stopping and not self.shutdown.hands_over:
            return True
        return isinstance(error, NetworkError) and self.shutdown.check_deadline(now)


def _is_refused(error: GlmError) -> bool:
    """Whether there was no room for the request, which costs the row none of its retries."""
    return isinstance(error, BusyError) and error.retry in _REFUSED and not error.broken


def _outcome(item: QueueItem, candidate: Candidate, result: AttemptResult) -> Outcome:
    """How the row ended, with the times since it was sent first."""
    reply = result.reply
    paid = reply_cost(candidate.provider, candidate.request, reply)
    first_event, first_answer = (
        None if moment is None else moment - item.began for moment in (result.first_event, result.first_answer)
    )
    timing = {"first_event": first_event, "first_answer": first_answer, "total": time.monotonic() - item.began}
    return Outcome(candidate.provider.name, candidate.model, reply, result.error, item.calls, timing, paid)
