"""The one gate of a batch: when the next row may be sent.

What is refused says what the provider counts (`Retry`); what it is known to count (`limits` of its row) decides how the
gate begins, and what a refusal without a code of its own means.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal

from glmcli.batch.rate.buckets import Tokens
from glmcli.batch.rate.concurrency import ConcurrencyLimit
from glmcli.batch.rate.outage import CircuitBreaker
from glmcli.batch.rate.pace import Pace
from glmcli.batch.rate.silence import UnrefusedLevels
from glmcli.batch.rate.ticket import Ticket
from glmcli.errors import Retry

if TYPE_CHECKING:
    Limits = Literal["in_flight", "per_minute"] | None

_OPENING = 2  # slots to begin with: accounts with one exist, and the second is then refused once
_NOW = 1e-6  # seconds: no timer is that exact
_LONGEST_OBEYED = 60.0  # seconds of Retry-After
_QUIET = 10.0  # seconds after a pause in which a refusal still belongs to the last
_HOLD = 15.0  # seconds without growth after an overload,
_HOLD_ROWS = 10  # or as many answers


class RateLimiter:
    """Decides when rows are sent, and learns from how they end.

    Attributes:
        in_flight: rows that were sent and have not ended.
        started: rows that were sent, each time counted.
        refusals: how many of them were refused.
        paused_until: nothing is sent before, in the gate's seconds.
    """

    def __init__(  # noqa: PLR0913 - all that is known
        self,
        ceiling: int,
        limits: Limits,
        *,
        rpm: float | None,
        tpm: float | None,
        now: float,
        is_told_at_once: bool = True,
    ) -> None:
        """Take what is known: the most rows in flight, what the provider counts, and its limits per minute.

        `is_told_at_once` says whether `refused` is called when the refusal comes, and not only when a chunk is back:
        then silence is consent, where what is in flight is counted. A server of one's own lets all of it queue.
        """
        self._ceiling = max(ceiling, 1)
        self._per_minute = limits == "per_minute"
        opening = min(_OPENING, self._ceiling) if limits == "in_flight" else self._ceiling
        self._slots = ConcurrencyLimit(self._ceiling, opening)
        self._pace = Pace(rpm, now, ramp=self._per_minute or rpm is not None or tpm is not None)
        self._tokens = Tokens(tpm, now) if tpm else None
        self._outage = CircuitBreaker(self._ceiling)
        self._silence = UnrefusedLevels() if limits == "in_flight" and is_told_at_once else None
        self.in_flight = self.started = self.refusals = 0
        self.paused_until = now
        self._era = 0
        self._event = 0
        self._cuts = 0
        self._held_until = -inf
        self._held_rows = 0

    @property
    def slots(self) -> int:
        """How many rows may be in flight now."""
        return self._slots.limit

    @property
    def rate(self) -> float:
        """How many rows may be sent a second; inf: as many as there are slots."""
        return self._pace.rate

    def may_start(self, now: float, tokens: int) -> float:
        """Seconds until it is worth asking again; 0.0: send it now; inf: only the end of another row can help."""
        if self.in_flight >= self._slots.limit and (wait := self._listen(now)) > 0:
            return wait
        wait = max(self.paused_until - now, self._pace.wait(now))
        if self._tokens and tokens:
            wait = max(wait, self._tokens.wait(now))
        return wait if wait > _NOW else 0.0

    def _listen(self, now: float) -> float:
        """Take more slots, if what is in flight was not refused; seconds until it makes sense to ask again."""
        if self._silence is None or not self._slots.are_opening or self._outage.lasts:
            return inf
        if not self._may_grow(now):
            return self._held_until - now
        self._slots.unrefused(self._silence.allowed(now))
        return 0.0 if self.in_flight < self._slots.limit else self._silence.wait(now)

    def start(self, now: float, tokens: int, refusals: int = 0) -> Ticket:
        """Count a row as in flight, with the tokens that it is thought to use, and how often it was refused before."""
        self.in_flight += 1
        self.started += 1
        self._pace.take(now)
        reserved = self._tokens.reserve(now, tokens) if self._tokens else 0.0
        self._outage.sent(self.started)
        if self._silence and self._slots.are_opening:
            self._silence.sent(now, self.in_flight)
        proven = self._slots.proves(self.in_flight)
        return Ticket(self.started, now, tokens, reserved, self.in_flight, proven, self._era, refusals)

    def ended(self, now: float, ticket: Ticket, tokens_used: int | None) -> None:
        """The row was answered, well or badly; None: nobody knows what it used."""
        self.in_flight -= 1
        if self._tokens and tokens_used is not None:
            self._tokens.settle(now, ticket.tokens, ticket.reserved, tokens_used)
        if self._silence:
            self._silence.answered(now, now - ticket.sent)
        self._held_rows -= 1
        self._outage.answered(fresh=ticket.era >= self._event)
        if ticket.era == self._era:
            self._slots.answered(now, ticket.level, may_grow=self._may_grow(now))

    def _may_grow(self, now: float) -> bool:
        return now >= self._held_until or self._held_rows <= 0

    def refused(self, now: float, ticket: Ticket, kind: Retry, retry_after: float | None) -> float:
        """The row was refused; seconds for which it must wait itself.

        `NETWORK` is for what failed without a word about rates (a 5xx, a lost connection): it is counted like an
        overload.
        """
        asked = _obeyed(retry_after)
        if self._tokens:
            self._tokens.release(now, ticket.reserved)
        if self._silence:
            self._silence.broken(0.0 if kind is Retry.NETWORK else now - ticket.sent)
        self._pace.recent.refused(ticket.sent)
        self._learn(now, ticket, kind, asked)
        self.in_flight -= 1
        self.refusals += 1
        return ticket.wait(kind, asked)

    def _learn(self, now: float, ticket: Ticket, kind: Retry, asked: float | None) -> None:
        fresh = ticket.era >= self._event
        too_many = kind is Retry.IN_FLIGHT or (kind is Retry.RATE and self._blames_slots(ticket))
        if fresh and not (too_many and self.slots > 1) and (pause := self._outage.failed(ticket.number)):
            self._stay_away(now, pause, kind)
        elif too_many:
            self._slots.refused(now, self.in_flight)
            self._turn(event=fresh)
        elif kind in {Retry.OVERLOAD, Retry.NETWORK}:
            self._hold(now)
        elif fresh and kind is Retry.RATE:
            self._slow_down(now, asked)
        elif fresh:
            self._used_up(now, kind.wait(0) if asked is None else asked)
        if asked is not None and kind is not Retry.IN_FLIGHT:
            self._pause(now + asked)

    def _blames_slots(self, ticket: Ticket) -> bool:
        """Whether a rate that was refused may be a cap on what is in flight: until that is shown to be innocent."""
        return not self._per_minute and not ticket.proven

    def _stay_away(self, now: float, pause: float, kind: Retry) -> None:
        """Hardly anything gets through: rest, and begin again with one row."""
        self._pause(now + pause)
        self._slots.reopen(forget=kind in {Retry.IN_FLIGHT, Retry.RATE})
        self._held_until = now
        self._turn(event=True)

    def _slow_down(self, now: float, asked: float | None) -> None:
        again = self._cuts > 0 and now < self.paused_until + _QUIET
        self._cuts = self._cuts + 1 if again else 1
        self._pause(now + (Retry.RATE.wait(self._cuts - 1) if asked is None else asked))
        self._pace.cut(now, self.paused_until, again=again)
        self._turn(event=True)

    def _used_up(self, now: float, wait: float) -> None:
        self._pause(now + wait)
        self._pace.used_up(now, self.paused_until)
        self._turn(event=True)

    def _hold(self, now: float) -> None:
        """The provider is busy: that is no reason to send less, but none to send more either."""
        if now < self._held_until + _HOLD:  # where some requests always fail, half of the time is for growth
            return
        self._held_until = now + _HOLD
        self._held_rows = _HOLD_ROWS
        self._pace.hold(self._held_until)

    def _turn(self, *, event: bool) -> None:
        """Begin an era: answers to what was sent before prove nothing; after an event, nor do refusals."""
        self._era += 1
        if event:
            self._event = self._era

    def _pause(self, until: float) -> None:
        self.paused_until = max(self.paused_until, until)


def _obeyed(retry_after: float | None) -> float | None:
    """The server's wish as far as it is obeyed; a gate does not stand still for longer."""
    if retry_after is None or not retry_after >= 0:
        return None
    return min(retry_after, _LONGEST_OBEYED)
