"""The rate limiter of a batch: when the next row may be sent.

A refusal says what the provider counts (`Retry`). What it is known to count (`limits` of its row) decides how the
limiter starts, and what a refusal without a specific code means.
"""

from __future__ import annotations

from math import inf
from typing import Literal, NamedTuple, Protocol

from glmcli.batch.rate.circuit_breaker import CircuitBreaker
from glmcli.batch.rate.concurrency import ConcurrencyLimit, UnrefusedLevels
from glmcli.batch.rate.pace import Pace
from glmcli.batch.rate.token_bucket import Tokens
from glmcli.errors import Retry
from glmcli.http.retry import MAX_RETRY_AFTER
from glmcli.record import Record

_FAILURES = {Retry.OVERLOAD, Retry.NETWORK}
_OPENING = 2  # requests in flight at first: on an account that allows one, this costs one refusal
_EPSILON = 1e-6  # seconds: no timer is that exact
_QUIET = 10.0  # seconds after a pause in which a refusal still belongs to the one before
_HOLD = 15.0  # seconds without growth after an overload,
_HOLD_ROWS = 10  # or as many answers


class AccountLimits(Record):
    """The limits of an account, as far as they are known.

    Attributes:
        ceiling: the most requests in flight that the user allows.
        counted: what the provider counts, if that is known.
        rpm: requests per minute, if the user gave a limit.
        tpm: tokens per minute, likewise.
        usual_rpm: requests per minute that the provider gives an account as a rule; counts where `rpm` is None, as the
            number to begin with: what refusals tell counts more.
        usual_tpm: tokens per minute, likewise.
    """

    ceiling: int
    counted: Literal["in_flight", "per_minute"] | None = None
    rpm: float | None = None
    tpm: float | None = None
    usual_rpm: float | None = None
    usual_tpm: float | None = None


class Ticket(NamedTuple):
    """What a limiter remembers of a request in flight.

    Attributes:
        number: which it is of all that were sent, from 1.
        sent: when, on the limiter's clock.
        tokens: how many it was estimated to use.
        reserved: tokens set aside for it.
        level: how many were in flight, itself included.
        proven: whether as many had been answered before.
        era: which refusals had been seen when it was sent.
        refusals: how often this row had been refused before.
    """

    number: int
    sent: float
    tokens: int
    reserved: float
    level: int
    proven: bool
    era: int
    refusals: int

    def wait(self, kind: Retry, retry_after: float | None) -> float:
        """Seconds for which the row waits when it is refused, in addition to the pauses of the limiter.

        It does not wait after its first refusal at a limit, because the limiter does. `retry_after` holds for all rows,
        unless it is about the number in flight.
        """
        if kind in _FAILURES:
            return kind.delay(self.refusals)
        wait = kind.delay(self.refusals - 1) if self.refusals else 0.0
        return max(wait, retry_after or 0.0) if kind is Retry.IN_FLIGHT else wait


class Limiter(Protocol):
    """The limiter of a scheduler: the RateLimiter of a run, or the ShareLimiter of a worker.

    Attributes:
        refusals: requests that were refused.
    """

    refusals: int

    @property
    def slots(self) -> int:
        """How many rows may be in flight now."""

    def wait(self, now: float, tokens: int) -> float:
        """Seconds until it is worth asking again; 0.0: send now; inf: only the end of another row can help."""

    def start(self, now: float, tokens: int, refusals: int = 0) -> Ticket:
        """Count a row as in flight, with its estimated tokens and how often it was refused before."""

    def answered(self, now: float, ticket: Ticket, tokens_used: int | None) -> None:
        """The row was answered, well or badly; None: how many tokens it used is not known."""

    def refused(self, now: float, ticket: Ticket, kind: Retry, retry_after: float | None) -> float:
        """The row was refused; the seconds for which it must wait itself.

        `NETWORK` stands for a failure that says nothing about rates, such as a 5xx or a lost connection.
        """


class RateLimiter:
    """Decides when rows are sent, and learns from how they end (see Limiter).

    Attributes:
        in_flight: rows that were sent and have not ended.
        started: requests sent.
        refusals: how many of them were refused.
        paused_until: nothing is sent before.
    """

    def __init__(self, limits: AccountLimits, now: float, *, refuses_at_once: bool = True) -> None:
        """Begin carefully where the provider counts what is in flight or per minute.

        `refuses_at_once`: `refused` is called as soon as a refusal arrives, not when a whole chunk is back. Then a
        request that was not refused for a while counts as allowed, if the provider limits those in flight; a server of
        one's own queues them instead.
        """
        ceiling, in_flight = max(limits.ceiling, 1), limits.counted == "in_flight"
        self._per_minute = limits.counted == "per_minute"
        self._concurrency = ConcurrencyLimit(ceiling, min(_OPENING, ceiling) if in_flight else ceiling)
        usual_rpm = None if limits.rpm else limits.usual_rpm
        tpm = limits.tpm or limits.usual_tpm
        self._pace = Pace(
            limits.rpm, now, ramp=bool(self._per_minute or limits.rpm or tpm or usual_rpm), usual=usual_rpm
        )
        self._tokens = Tokens(tpm, now, is_usual=not limits.tpm) if tpm else None
        self._breaker = CircuitBreaker(ceiling)
        self._unrefused = UnrefusedLevels() if in_flight and refuses_at_once else None
        self.in_flight = self.started = self.refusals = 0
        self.paused_until = now
        self._era = 0
        self._event_era = 0
        self._cuts = 0
        self._held_until = -inf
        self._held_rows = 0

    @property
    def slots(self) -> int:
        """How many rows may be in flight now."""
        return self._concurrency.limit

    @property
    def rate(self) -> float:
        """How many rows may be sent a second; inf: as many as there are slots."""
        return self._pace.rate

    def wait(self, now: float, tokens: int) -> float:
        """Seconds until it is worth asking again; 0.0: send now; inf: only the end of another row can help."""
        if self.in_flight >= self._concurrency.limit and (wait := self._wait_for_slot(now)) > 0:
            return wait
        wait = max(self.paused_until - now, self._pace.wait(now))
        if self._tokens and tokens:
            wait = max(wait, self._tokens.wait(now))
        return wait if wait > _EPSILON else 0.0

    def _wait_for_slot(self, now: float) -> float:
        """Raise the limit if the requests in flight were not refused; seconds until it is worth asking again."""
        if self._unrefused is None or not self._concurrency.is_opening or self._breaker.is_open:
            return inf
        if not self._may_grow(now):
            return self._held_until - now
        self._concurrency.unrefused(self._unrefused.allowed(now))
        return 0.0 if self.in_flight < self._concurrency.limit else self._unrefused.wait(now)

    def start(self, now: float, tokens: int, refusals: int = 0) -> Ticket:
        """Count a row as in flight, with its estimated tokens and how often it was refused before."""
        self.in_flight += 1
        self.started += 1
        self._pace.take(now)
        reserved = self._tokens.reserve(now, tokens) if self._tokens else 0.0
        self._breaker.sent(self.started)
        if self._unrefused and self._concurrency.is_opening:
            self._unrefused.sent(now, self.in_flight)
        proven = self._concurrency.proves(self.in_flight)
        return Ticket(self.started, now, tokens, reserved, self.in_flight, proven, self._era, refusals)

    def answered(self, now: float, ticket: Ticket, tokens_used: int | None) -> None:
        """The row was answered, well or badly; None: how many tokens it used is not known."""
        self.in_flight -= 1
        if self._tokens and tokens_used is not None:
            self._tokens.settle(now, ticket.tokens, ticket.reserved, tokens_used)
        if self._unrefused:
            self._unrefused.answered(now, now - ticket.sent)
        self._held_rows -= 1
        self._breaker.answered(fresh=ticket.era >= self._event_era)
        if ticket.era == self._era:
            self._concurrency.answered(now, ticket.level, may_grow=self._may_grow(now))

    def _may_grow(self, now: float) -> bool:
        return now >= self._held_until or self._held_rows <= 0

    def refused(self, now: float, ticket: Ticket, kind: Retry, retry_after: float | None) -> float:
        """The row was refused; the seconds for which it must wait itself. `NETWORK` counts like an overload."""
        retry_after = _capped(retry_after)
        if self._tokens:
            self._tokens.release(now, ticket.reserved)
        if self._unrefused:
            self._unrefused.refused(0.0 if kind is Retry.NETWORK else now - ticket.sent)
        self._pace.recent.refused(ticket.sent)
        self._learn(now, ticket, kind, retry_after)
        self.in_flight -= 1
        self.refusals += 1
        return ticket.wait(kind, retry_after)

    def _learn(self, now: float, ticket: Ticket, kind: Retry, retry_after: float | None) -> None:
        fresh = ticket.era >= self._event_era
        too_many = kind is Retry.IN_FLIGHT or (kind is Retry.RATE and self._blames_concurrency(ticket))
        if fresh and not (too_many and self.slots > 1) and (pause := self._breaker.failed(ticket.number)):
            self._break(now, pause, kind)
        elif too_many:
            self._concurrency.refused(now, self.in_flight)
            self._begin_era(event=fresh)
        elif kind in _FAILURES:
            self._hold(now)
        elif fresh and kind is Retry.RATE:
            self._slow_down(now, retry_after)
        elif fresh:
            self._use_up(now, kind.delay(0) if retry_after is None else retry_after)
        if retry_after is not None and kind is not Retry.IN_FLIGHT:
            self._pause(now + retry_after)

    def _blames_concurrency(self, ticket: Ticket) -> bool:
        """Whether a refused rate may be a cap on the number in flight: until as many have been answered."""
        return not self._per_minute and not ticket.proven

    def _break(self, now: float, pause: float, kind: Retry) -> None:
        """Hardly anything gets through: pause, and begin again with one row."""
        self._pause(now + pause)
        self._concurrency.reopen(forget=kind in {Retry.IN_FLIGHT, Retry.RATE})
        self._held_until = now
        self._begin_era(event=True)

    def _slow_down(self, now: float, retry_after: float | None) -> None:
        again = self._cuts > 0 and now < self.paused_until + _QUIET
        self._cuts = self._cuts + 1 if again else 1
        self._pause(now + (Retry.RATE.delay(self._cuts - 1) if retry_after is None else retry_after))
        self._pace.cut(now, self.paused_until, again=again)
        self._begin_era(event=True)

    def _use_up(self, now: float, wait: float) -> None:
        """The tokens of this minute are used up."""
        self._pause(now + wait)
        if self._tokens and not self._tokens.refused(self.paused_until):
            self._tokens = None  # the account has less than is usual: the pace finds how much
        self._pace.use_up(now, self.paused_until)
        self._begin_era(event=True)

    def _hold(self, now: float) -> None:
        """The provider is busy: do not send less, but do not send more either."""
        if now < self._held_until + _HOLD:  # if some requests always fail, half of the time allows growth
            return
        self._held_until = now + _HOLD
        self._held_rows = _HOLD_ROWS
        self._pace.hold(self._held_until)

    def _begin_era(self, *, event: bool) -> None:
        """From now on, answers to earlier requests prove nothing; after an event, nor do refusals."""
        self._era += 1
        if event:
            self._event_era = self._era

    def _pause(self, until: float) -> None:
        self.paused_until = max(self.paused_until, until)


def _capped(retry_after: float | None) -> float | None:
    """The Retry-After, or the longest one that a limiter waits for; None if it is not valid."""
    if retry_after is None or not retry_after >= 0:
        return None
    return min(retry_after, MAX_RETRY_AFTER)
