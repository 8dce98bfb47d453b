"""The run: rows go out as the gate lets them, and come back as lines of the output.

One thread, one event loop. A row is in one place at any time: not read yet, waiting to be sent (again), in flight, or
written; whatever ends the run leaves it in one of them.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from glmcli.batch.run.failover import Judge, Standbys
from glmcli.batch.run.retries import RetryQueue
from glmcli.batch.run.shutdown import Shutdown
from glmcli.engine.attempt import Attempt
from glmcli.errors import BusyError, GlmError, Retry
from glmcli.http.bulk import ConnectionPool
from glmcli.providers.table import dialect_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.rate.limiter import Limiter, Ticket
    from glmcli.batch.rows.row import QueueItem
    from glmcli.batch.run.budget import Budget
    from glmcli.batch.run.interfaces import RowInput, RowOutput
    from glmcli.config.plan import Candidate, Plan
    from glmcli.console.redaction import Redactor
    from glmcli.http.tls import Tls

_REFUSED = (Retry.RATE, Retry.IN_FLIGHT, Retry.MINUTE, Retry.OVERLOAD)
_LOOK = 0.1  # seconds between two looks at how it goes on
_MANY = 128  # rows in flight
_TOGETHER = 64  # rows that may be prepared before the loop looks at its sockets again


class _Flight(NamedTuple):
    """A row that is sent."""

    item: QueueItem
    gate: Limiter
    ticket: Ticket


class Scheduler:
    """Asks what the feed gives, and writes how it ended.

    Attributes:
        halt: tells it to stop.
        standbys: who is asked.
    """

    def __init__(  # noqa: PLR0913 - each is a side of the run
        self,
        feed: RowInput,
        gates: tuple[Limiter, ...],
        plan: Plan,
        writing: RowOutput,
        budget: Budget,
        *,
        redactor: Redactor,
        tls: Tls | None,
        window: int | None,
        watch: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        """`gates` has one gate for each candidate of the plan; `window` bounds how far rows run ahead in order.

        `watch` is called often; `say` tells a person something, on a line.
        """
        self._feed = feed
        self._gates = gates
        self._plan = plan
        self._writing = writing
        self._budget = budget
        self._redactor = redactor
        self._window = window
        self._watch = watch
        self._pools = tuple(ConnectionPool(each.proxy, tls) for each in plan.candidates)
        self._held: QueueItem | None = None
        self._flying: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._failure: BaseException | None = None
        self._alarm: asyncio.Future[None] | None = None
        self.shutdown = Shutdown(plan, say, lambda: bool(self._flying))
        self._retries = RetryQueue()
        self.standbys = Standbys(plan, self.shutdown, say, time.monotonic())
        self._judge = Judge(plan, self._retries, writing, budget, self.standbys, self.shutdown)

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return self._in_flight

    @property
    def refusals(self) -> int:
        """Requests that were refused."""
        return sum(gate.refusals for gate in self._gates)

    @property
    def slots(self) -> int:
        """How many may be under way now."""
        return self._gates[0].slots

    @property
    def waits(self) -> dict[int, float]:
        """Seconds until each row that is to be sent again may be sent, by its number."""
        return self._retries.waits(time.monotonic())

    async def run(self) -> None:
        """Return when every row is written, or the run is stopped and what was in flight has ended.

        Raises:
            OutputError: a line cannot be written; nothing more is sent.
        """
        loop = asyncio.get_running_loop()
        self._feed.start(self._poke)
        try:
            while not self._is_over():
                delay = self._dispatch(loop)
                self._watch()
                if delay > 0:
                    await self._sleep(loop, delay)
                else:
                    await asyncio.sleep(0)
                if failure := self._writing.failure or self._failure:
                    raise failure
        finally:
            await self._hang_up()

    async def _hang_up(self) -> None:
        for task in self._flying:
            task.cancel()
        await asyncio.gather(*self._flying, return_exceptions=True)
        for pool in self._pools:
            await pool.close()

    def _is_over(self) -> bool:
        nothing_left = not (self._flying or self._held or self._retries) and self._feed.is_exhausted
        return self.shutdown.is_over or (nothing_left and not self.shutdown.is_on)

    def _poke(self) -> None:
        if self._alarm and not self._alarm.done():
            self._alarm.set_result(None)

    async def _sleep(self, loop: asyncio.AbstractEventLoop, delay: float) -> None:
        self._alarm = loop.create_future()
        timer = loop.call_later(min(delay, _LOOK), self._poke)
        try:
            await self._alarm
        finally:
            timer.cancel()

    def _dispatch(self, loop: asyncio.AbstractEventLoop) -> float:
        """Send what may be sent now; the seconds until it makes sense to look again."""
        for _ in range(_TOGETHER):
            flight = self._pick()
            if isinstance(flight, float):
                return flight
            task = loop.create_task(self._carry(flight))
            self._flying.add(task)
            task.add_done_callback(self._landed)
        return 0.0

    def _pick(self) -> _Flight | float:
        """The next row, which is in flight from now on; or the seconds until it makes sense to look again."""
        now = time.monotonic()
        if self.shutdown.is_on:
            return self.shutdown.by - now
        if self.shutdown.is_late(now):
            return 0.0
        item, self._held = self._held or self._next(now), None
        if item is None and self._feed.is_ready:
            return 0.0  # there was much to skip: look at the sockets first
        if item is None:
            return self._retries.delay(now)
        gate = self._gates[self.standbys.settle(item).candidate]
        delay = gate.wait(now, item.tokens) if self._budget.may_start(self._in_flight) else float("inf")
        if delay > 0 or self._is_ahead(item):
            self._held = item
            if self._budget.error:
                self.shutdown.stop(self._budget.error)
            return 0.0 if self.shutdown.is_on else delay or float("inf")
        return self._start(item, gate, now)

    def _is_ahead(self, item: QueueItem) -> bool:
        """Whether it would wait too long for its place in an ordered output."""
        return self._window is not None and item.number - self._writing.next_number >= self._window

    def _next(self, now: float) -> QueueItem | None:
        if item := self._retries.take(now):
            return item
        item = self._feed.take()
        if why := self._writing.failure_limit or self._feed.error:
            self.shutdown.stop(why)
        return item

    def _start(self, item: QueueItem, gate: Limiter, now: float) -> _Flight:
        item.began = item.began or now
        item.calls += 1
        self._in_flight += 1
        return _Flight(item, gate, gate.start(now, item.tokens, item.refusals))

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        if not task.cancelled() and (bug := task.exception()):
            self._failure = self._failure or bug
        self._poke()

    async def _carry(self, flight: _Flight) -> None:
        """Send one row after the other, as long as there is one that may be sent at once.

        So that the next request goes out before the next answer is looked at: when many answers come together, their
        successors would otherwise wait for all of them, and come together again. Where hundreds are in flight there is
        always something to do, and a tenth of the time is saved by doing the same for many rows in a row.
        """
        while True:
            try:
                await self._send(*flight)
            finally:
                self._in_flight -= 1
            if self._in_flight >= _MANY:
                return
            following = self._pick()
            if isinstance(following, float):
                return
            flight = following

    async def _send(self, item: QueueItem, gate: Limiter, ticket: Ticket) -> None:
        candidate = self._encoded(item)
        attempt = Attempt(candidate, self._plan, self._redactor)
        await self._pools[item.candidate].send(candidate.call, attempt.response)
        result = attempt.result()
        now = time.monotonic()
        error, contact = result.error, self.standbys.contacts[item.candidate]
        if error and _is_refused(error):
            item.refusals += 1
            wait = gate.refused(now, ticket, error.retry or Retry.RATE, error.retry_after)
            contact.refused(error, now)
            self._retries.add(item, 0.0 if self.standbys.is_given_up(item.candidate) else wait)
            return
        if error and error.retry:
            # One more sign that the provider may be down.
            gate.refused(now, ticket, Retry.NETWORK, error.retry_after)
            contact.failed(error, now)
        else:
            usage = result.reply.usage
            gate.answered(now, ticket, usage.total_tokens if usage else None)
            contact.answered(now)
        self._judge.judge(item, candidate, result)

    def _encoded(self, item: QueueItem) -> Candidate:
        """What goes out: the provider and key of the plan, and the row's own words."""
        first = self._plan.candidates[item.candidate]
        request = item.request if item.candidate == 0 else item.request.replace(model=first.model)
        provider = first.provider if request.model == first.model else first.provider.serving(request.model)
        call = dialect_of(provider).encode(request, provider)
        return first.replace(
            provider=provider, model=request.model, request=request, call=call.replace(key=first.call.key)
        )


def _is_refused(error: GlmError) -> bool:
    """Whether there was no room for the request, which costs the row none of its retries."""
    return isinstance(error, BusyError) and error.retry in _REFUSED and not error.broken
