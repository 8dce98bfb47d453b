"""The run: rows go out as the gate lets them, and come back as lines of the output.

One thread, one event loop. A row is in one place at any time: not read yet, waiting to be sent (again), in flight, or
written; whatever ends the run leaves it in one of them.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from glmcli.batch.attempt import Attempted, Rules, attempt
from glmcli.batch.intake import Invalid
from glmcli.batch.item import Item
from glmcli.engine import may_fall_back
from glmcli.errors import BusyError, CredentialsError, GlmError, NetworkError, QuotaError, Retry
from glmcli.outcome import Outcome
from glmcli.patience import pause
from glmcli.pricing import cost
from glmcli.providers import dialect_of
from glmcli.transport.lane import Lane, Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.budget import Budget
    from glmcli.batch.gates.ticket import Ticket
    from glmcli.batch.sides import Ends, Rows, Run, Turnstile
    from glmcli.plan import Candidate, Plan
    from glmcli.secrets import Redactor
    from glmcli.tls import Tls

_DRAIN = 10.0  # seconds in which rows in flight may still end after the first signal
_REFUSED = (Retry.RATE, Retry.IN_FLIGHT, Retry.MINUTE, Retry.OVERLOAD)
_LONGEST_ASKED = 60.0  # seconds of Retry-After that are obeyed
_STARVED = 600.0  # seconds without one answer, while every request is refused
_LOST = 20  # rows one after the other that no connection could be made for
_UNREACHED = 60.0  # seconds of it
_NOT_FOUND, _UNAUTHORIZED = 404, 401
_LOOK = 0.1  # seconds between two looks at how it goes on
_MANY = 128  # rows in flight
_TOGETHER = 64  # rows that may be prepared before the loop looks at its sockets again


class _Flight(NamedTuple):
    """A row that is sent."""

    item: Item
    gate: Turnstile
    ticket: Ticket


class Runner:
    """Asks what the feed gives, and writes how it ended."""

    def __init__(  # noqa: PLR0913 - each is a side of the run
        self,
        feed: Rows,
        gates: tuple[Turnstile, ...],
        plan: Plan,
        writing: Ends,
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
        self._say = say
        self._rules = Rules(plan.limits, plan.deadline, plan.exact, plan.allow_empty)
        self._idle: tuple[deque[Lane], ...] = tuple(deque() for _ in plan.candidates)
        self._routes = tuple(Route.to(urlsplit(each.call.url), each.proxy, tls) for each in plan.candidates)
        self._waiting: list[tuple[float, int, Item]] = []
        self._held: Item | None = None
        self._flying: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._failure: BaseException | None = None
        self._alarm: asyncio.Future[None] | None = None
        self._answered = time.monotonic()
        self._lost = 0
        self._unreached: float | None = None  # since when no connection could be made
        self._given_up: set[int] = set()  # candidates whose key, balance or model is refused
        self._stopping = self._resting = False
        self._drained_by = float("inf")
        self.why: GlmError | None = None  # what stopped the run before its end

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

    async def run(self) -> None:
        """Return when every row is written, or the run is stopped and what was in flight has ended.

        Raises:
            OutputError: a line cannot be written; nothing more is sent.
        """
        loop = asyncio.get_running_loop()
        self._feed.begin(self._poke)
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
            for task in self._flying:
                task.cancel()
            for lanes in self._idle:
                for lane in lanes:
                    lane.close()

    def stop(self, why: GlmError | None = None) -> None:
        """Send nothing more; what is in flight may end."""
        if why and not self._stopping and self._in_flight:
            self._say(f"{why.message}: stopping, when what is under way has ended (Ctrl-C ends it)")
        self.why = self.why or why
        self._stopping, self._resting = True, False
        self._poke()

    def rest(self) -> None:
        """Send nothing more; another runner goes on with what is left, so what fails now is counted as ever."""
        self._resting = self._resting or not self._stopping
        self._stopping = True
        self._poke()

    def drain(self) -> None:
        """Send nothing more; what is in flight may end within ten seconds."""
        self._drained_by = time.monotonic() + _DRAIN
        self.stop()

    def abort(self) -> None:
        """End at once: what is in flight stays to be asked."""
        self._drained_by = 0.0
        self.stop()

    def _is_over(self) -> bool:
        if self._stopping:
            return not self._flying or time.monotonic() >= self._drained_by
        return not (self._flying or self._held or self._waiting) and self._feed.is_over

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
        if self._stopping:
            return self._drained_by - now
        if now >= self._plan.deadline:
            self._end_in_time()
            return 0.0
        item, self._held = self._held or self._next(now), None
        if item is None and self._feed.is_ready:
            return 0.0  # there was much to skip: look at the sockets first
        if item is None:
            return self._waiting[0][0] - now if self._waiting else float("inf")
        while item.candidate in self._given_up and item.candidate + 1 < len(self._gates):
            item.candidate += 1
        gate = self._gates[item.candidate]
        delay = self._budget.may_start(self._in_flight) or gate.may_start(now, item.tokens)
        if delay > 0 or self._is_ahead(item):
            self._held = item
            if self._budget.over:
                self.stop(self._budget.over)
            return 0.0 if self._stopping else delay or float("inf")
        return self._start(item, gate, now)

    def _end_in_time(self) -> None:
        self.stop(NetworkError(f"the deadline of {self._plan.limits.deadline or 0:g} s has passed"))
        self.abort()

    def _is_ahead(self, item: Item) -> bool:
        """Whether it would wait too long for its place in an ordered output."""
        return self._window is not None and item.number - self._writing.next >= self._window

    def _next(self, now: float) -> Item | None:
        if self._waiting and self._waiting[0][0] <= now:
            return heapq.heappop(self._waiting)[2]
        for _ in range(_TOGETHER):
            try:
                taken = self._feed.take()
            except GlmError as why:  # what is under way is paid for, and may end
                self.stop(why)
                break
            match taken:
                case Invalid() as invalid:
                    self._writing.invalid(invalid)
                    if self._writing.too_many:
                        self.stop(self._writing.too_many)
                        break
                case Item() as item:
                    return item
                case None if not self._feed.is_ready:
                    break
        return None

    def _start(self, item: Item, gate: Turnstile, now: float) -> _Flight:
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

    async def _send(self, item: Item, gate: Turnstile, ticket: Ticket) -> None:
        candidate = self._encoded(item)
        idle = self._idle[item.candidate]
        lane = idle.pop() if idle else Lane(self._routes[item.candidate])
        began = time.monotonic()
        result = await attempt(candidate, lane, self._rules, self._redactor)
        idle.append(lane)
        now = time.monotonic()
        if result.error and self._is_refused(result.error):
            self._put_back(item, gate.refused(now, ticket, result.error.retry or Retry.RATE, result.error.retry_after))
            self._look(result.error, now)
            return
        if result.error and result.error.retry:
            # One more sign that the provider may be down.
            gate.refused(now, ticket, Retry.NETWORK, result.error.retry_after)
            self._look(result.error, now)
            self._seek(result.error, now)
        else:
            self._unreached = None
            usage = result.reply.usage
            gate.ended(now, ticket, usage.total_tokens if usage else None)
            self._answered = now
        self._judge(item, candidate, result, began - item.began)

    def _encoded(self, item: Item) -> Candidate:
        """What goes out: the provider and key of the plan, and the row's own words."""
        first = self._plan.candidates[item.candidate]
        request = item.request if item.candidate == 0 else item.request.replace(model=first.model)
        provider = first.provider if request.model == first.model else first.provider.serving(request.model)
        call = dialect_of(provider).encode(request, provider)
        return first.replace(
            provider=provider, model=request.model, request=request, call=call.replace(key=first.call.key)
        )

    def _is_refused(self, error: GlmError) -> bool:
        return isinstance(error, BusyError) and error.retry in _REFUSED and not error.broken

    def _put_back(self, item: Item, wait: float) -> None:
        item.refusals += 1
        item.due = time.monotonic() + wait
        heapq.heappush(self._waiting, (item.due, item.number, item))

    def _look(self, error: GlmError, now: float) -> None:
        """Stop the run where waiting is no use any more."""
        if (error.retry_after or 0) > _LONGEST_ASKED:
            error.message += f"; the server asks to wait {error.retry_after:.0f} s"
            self.stop(error)
        elif now - self._answered > _STARVED:
            error.message += f"; so was every request of the last {_STARVED:.0f} s"
            self.stop(error)

    def _judge(self, item: Item, candidate: Candidate, result: Attempted, before: float) -> None:
        """What becomes of a row that was answered, or failed."""
        error = result.error
        if error is None:
            self._lost = 0
        elif self._is_of_all(item, error):
            self._given_up.add(item.candidate)
            if not self._falls_back(item, error):
                self.stop(error)  # the row stays to be asked
            return
        elif self._stopping and not self._resting and error.retry:
            return  # the row stays to be asked
        elif isinstance(error, NetworkError) and time.monotonic() >= self._plan.deadline:
            self._end_in_time()  # the row was cut by our own clock, and stays to be asked
            return
        else:
            wait = self._wait(item, error)
            if wait is not None:
                item.retries += 1
                item.due = time.monotonic() + wait
                heapq.heappush(self._waiting, (item.due, item.number, item))
                return
            if self._falls_back(item, error) or self._is_lost(error):
                return
        self._write(item, candidate, result, before)

    def _is_of_all(self, item: Item, error: GlmError) -> bool:
        """Whether all other rows would be refused for the same reason: key, balance, model, address."""
        if isinstance(error, QuotaError):
            return True
        is_own_model = item.candidate == 0 and item.request.model != self._plan.candidates[0].model
        nothing_there = error.http_status == _NOT_FOUND and error.provider_code is None
        about_model = isinstance(error, CredentialsError) or error.model_missing
        return nothing_there or (about_model and not (is_own_model and error.http_status != _UNAUTHORIZED))

    def _seek(self, error: GlmError, now: float) -> None:
        """Stop when no connection could be made for too long."""
        if not isinstance(error, NetworkError) or error.sent:
            self._unreached = None
            return
        if self._unreached is None:
            self._unreached = now
            self._say(f"{error.message}; trying again")
        elif now - self._unreached > _UNREACHED:
            error.message += f"; so it was for {_UNREACHED:.0f} s"
            self.stop(error)

    def _is_lost(self, error: GlmError) -> bool:
        """Whether nothing can be reached any more: the rows stay to be asked."""
        self._lost = self._lost + 1 if isinstance(error, NetworkError) and not error.sent else 0
        if self._lost >= _LOST:
            self.stop(error)
        return self._lost >= _LOST

    def _wait(self, item: Item, error: GlmError) -> float | None:
        """Seconds until the row is sent again, or None if it is not."""
        wait = pause(error, item.retries, item.began, self._plan)
        if wait is not None and error.sent:
            if item.resent:
                return None
            item.resent = True
        return wait

    def _falls_back(self, item: Item, error: GlmError) -> bool:
        if not may_fall_back(error) or item.candidate + 1 >= len(self._gates):
            return False
        item.candidate += 1
        item.retries, item.resent = 0, False
        item.due = time.monotonic()
        heapq.heappush(self._waiting, (item.due, item.number, item))
        return True

    def _write(self, item: Item, candidate: Candidate, result: Attempted, before: float) -> None:
        reply = result.reply
        paid = None if candidate.request.server_tools else cost(candidate.provider, candidate.model, reply.usage)
        first_event, first_answer = (
            None if moment is None else moment + before for moment in (result.first_event, result.first_answer)
        )
        timing = {"first_event": first_event, "first_answer": first_answer, "total": time.monotonic() - item.began}
        name, model = candidate.provider.name, candidate.model
        outcome = Outcome(name, model, reply, result.error, item.calls, timing, paid)
        self._budget.paid(paid, result.error)
        self._writing.done(item, outcome)
        if why := self._budget.over or self._writing.too_many:
            self.stop(why)


def signals_of(runner: Run, loop: asyncio.AbstractEventLoop, numbers: tuple[int, ...], came: list[int]) -> None:
    """The first signal ends the sending, the second the waiting."""

    def heed(number: int) -> None:
        came.append(number)
        (runner.drain if len(came) == 1 else runner.abort)()

    for number in numbers:
        with suppress(RuntimeError):  # not the main thread
            loop.add_signal_handler(number, heed, number)
