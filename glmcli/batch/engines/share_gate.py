"""The gate inside a worker: it keeps to the share of its chunk, loses by refusals, and never takes more.

Growing is for the driver, who sees all workers: two that probe for themselves would both find the same room.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from glmcli.batch.engines.chunk import Refused
from glmcli.batch.gates.bucket import SHARE, Bucket
from glmcli.batch.gates.ticket import Ticket
from glmcli.errors import Retry

if TYPE_CHECKING:
    from glmcli.batch.engines.chunk import Share
    from glmcli.providers.row import Provider

_CREDIT = 0.05  # seconds that a timer may be late
_LONGEST = 2.0  # seconds for which a refused row is kept; who must wait longer waits at the driver


class ShareGate:
    """Lets the rows of one chunk go.

    Attributes:
        refused_for: what the driver must know at once; the chunk is to end.
    """

    def __init__(self, share: Share, provider: Provider, now: float) -> None:
        """Begin with all of the share: what it allows was found out by the driver."""
        self.slots = share.slots
        self._share = share
        self._per_minute = provider.wire.limits == "per_minute"
        self._pace = _bucket(share.rpm, now)
        self._tokens = _bucket(share.tpm, now)
        self._in_flight = self._started = self.refusals = self._failures = 0
        self.refused_for: tuple[Retry, float | None] | None = None

    def may_start(self, now: float, tokens: int) -> float:
        """As Gate; nothing is sent any more when the driver must decide."""
        if self._in_flight >= self.slots or self.refused_for:
            return inf
        waits = [bucket.wait(now) for bucket in (self._pace, self._tokens if tokens else None) if bucket]
        return max([*waits, 0.0])

    def start(self, now: float, tokens: int, refusals: int = 0) -> Ticket:
        """As Gate."""
        self._in_flight += 1
        self._started += 1
        if self._pace:
            self._pace.take(now, 1)
        if self._tokens:
            self._tokens.take(now, tokens)
        return Ticket(self._started, now, tokens, tokens, self._in_flight, proven=True, era=0, refusals=refusals)

    def ended(self, now: float, ticket: Ticket, tokens_used: int | None) -> None:
        """As Gate."""
        self._in_flight -= 1
        if self._tokens and tokens_used is not None:
            self._tokens.correct(now, tokens_used - ticket.reserved)

    def refused(self, now: float, ticket: Ticket, kind: Retry, retry_after: float | None) -> float:
        """As Gate: a slot less where slots are what is counted, else the end of the chunk."""
        self._in_flight -= 1
        if self._tokens:
            self._tokens.correct(now, -ticket.reserved)
        if kind is Retry.NETWORK:
            self._failures += 1
            if (retry_after or 0) > _LONGEST:
                self.refused_for = kind, retry_after
            return 0.0
        self.refusals += 1
        wait = ticket.wait(kind, retry_after)
        if not self._costs_slot(kind) or self.slots == 1 or wait > _LONGEST:
            self.refused_for = kind, retry_after
        else:
            self.slots -= 1
        return wait

    def _costs_slot(self, kind: Retry) -> bool:
        return kind is Retry.IN_FLIGHT or (kind is Retry.RATE and not self._per_minute)

    def learnt(self) -> Refused:
        """What the driver's gate is told."""
        kind, retry_after = self.refused_for or (None, None)
        return Refused(self.refusals, self._share.slots - self.slots, kind, retry_after, self._failures)


def _bucket(per_minute: float | None, now: float) -> Bucket | None:
    return None if per_minute is None else Bucket(per_minute / 60 * SHARE, _CREDIT, now)
