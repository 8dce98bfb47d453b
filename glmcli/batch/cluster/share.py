"""The share of the limits that a chunk takes to its worker: a lease for the driver, a limiter for the worker.

The limiter counts requests, so a chunk holds as many of its tickets as it may have requests in flight. The worker gives
up a slot for each refusal: as many tickets are refused as it has lost slots, and the others were answered. Only the
driver raises limits, because it sees all workers: two that probe by themselves would find the same free slot.
"""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING

from glmcli.batch.cluster.messages import Refusals, Share
from glmcli.batch.rate.limiter import Ticket
from glmcli.batch.rate.token_bucket import SHARE, TokenBucket
from glmcli.errors import Retry

if TYPE_CHECKING:
    from glmcli.batch.cluster.messages import ChunkResult
    from glmcli.batch.rate.limiter import RateLimiter
    from glmcli.errors import GlmError
    from glmcli.providers.row import Provider


def offer(limiter: RateLimiter, chunks: int, tpm: float | None) -> Share | None:
    """What the next of so many chunks may use; None: nothing is left."""
    chunks = max(min(chunks, limiter.slots), 1)
    slots = min(limiter.slots - limiter.in_flight, ceil(limiter.slots / chunks))
    if slots < 1:
        return None
    rpm = None if limiter.rate == inf else limiter.rate * 60 / SHARE / chunks
    return Share(slots, rpm, None if tpm is None else tpm / chunks)


def fitted(share: Share, rows: int) -> Share:
    """The share for so many rows: no more slots than rows, and a pace that is a little slower.

    The first row is sent at once, so that at the full pace n rows would take the time of n - 1.
    """
    slower = (rows - 1) / rows if rows > 1 else 1.0
    return share.replace(slots=min(share.slots, rows), rpm=None if share.rpm is None else share.rpm * slower)


class Lease:
    """The tickets of the driver's limiter that one chunk holds: one for each slot of its share."""

    def __init__(self, limiter: RateLimiter, share: Share, tokens: int, now: float) -> None:
        """Take the tickets; the last has the tokens of all rows."""
        self._limiter = limiter
        self.share = share
        self._tickets = [limiter.start(now, 0) for _ in range(share.slots - 1)]
        self._tickets.append(limiter.start(now, tokens))

    def settle(self, result: ChunkResult, now: float) -> None:
        """Give the tickets back, and tell the limiter what was refused and answered."""
        if not self._tickets:
            return  # given back already, when the chunk was late
        refusals = result.refusals
        self._refuse(refusals.slots, Retry.IN_FLIGHT, None, now)
        if refusals.kind:
            self._refuse(1, refusals.kind, refusals.retry_after, now)
        requests = sum(row.calls for row in result.finished) + sum(row.calls for row in result.unfinished)
        if refusals.failures:
            self._refuse(round(self.share.slots * refusals.failures / max(requests, 1)), Retry.NETWORK, None, now)
        if requests:
            used = _tokens(result)
            for ticket in self._tickets:
                self._limiter.answered(now, ticket, used if ticket.tokens else None)
            self._tickets = []
        self.release(now)

    def release(self, now: float) -> None:
        """Give the tickets back, without knowing how the requests ended."""
        for ticket in self._tickets:
            self._limiter.answered(now, ticket._replace(era=-1), None)  # an era long past: it proves nothing
        self._tickets = []

    def _refuse(self, tickets: int, kind: Retry, retry_after: float | None, now: float) -> None:
        for _ in range(min(tickets, len(self._tickets))):
            self._limiter.refused(now, self._tickets.pop(0), kind, retry_after)


def _tokens(result: ChunkResult) -> int | None:
    """The tokens that the provider has counted; None: unknown."""
    usages = [row.outcome.reply.usage for row in result.finished]
    counted = [usage.total_tokens or 0 for usage in usages if usage]
    return sum(counted) if counted else None


_FIRST = 10  # rows, as long as nothing is known
_MOST = 200  # rows
_SHORTEST, _LONGEST = 5.0, 20.0  # seconds of work in a chunk, but less while the run is young
_REQUESTS = 4.0  # that one slot carries one after the other: where answers are slow, chunks are long
_YOUNG = 4.0  # a chunk takes at most this part of the time that the run has lasted, so that the run learns quickly
_AT_ONCE = 1.0  # seconds that even the first may take
_NEWEST = 0.3  # weight of the last chunk


class Sizing:
    """How many rows a chunk has: limited by its expected time, because rows that are lost with a worker are paid again.

    It measures how many rows a slot carries in a second.
    """

    def __init__(self, now: float) -> None:
        """The run begins at this moment."""
        self._began = now
        self._rate: float | None = None  # rows a second in one slot

    def seconds(self, now: float) -> float:
        """How long the next chunk is to take."""
        whole = _LONGEST if self._rate is None else _REQUESTS / self._rate
        return min(max(whole, _SHORTEST), _LONGEST, _AT_ONCE + (now - self._began) / _YOUNG)

    def rows(self, now: float, slots: int, rpm: float | None) -> int:
        """How many rows so many slots carry in that time; at least one each."""
        if self._rate is None:
            return _FIRST
        seconds = self.seconds(now)
        rows = max(round(self._rate * slots * seconds), slots)
        if rpm is not None:
            rows = min(rows, round(rpm / 60 * seconds))
        return min(max(rows, 1), _MOST)

    def learn(self, rows: int, slots: int, seconds: float) -> None:
        """Count a chunk that has finished so many rows."""
        if not rows or not seconds:
            return
        rate = rows / slots / seconds
        self._rate = rate if self._rate is None else self._rate + (rate - self._rate) * _NEWEST


_CREDIT = 0.05  # seconds that a timer may be late
_LONGEST_WAIT = 2.0  # seconds for which a worker keeps a refused row; one that must wait longer waits at the driver


class ShareLimiter:
    """The limiter of one chunk, in its worker (see Limiter): it loses slots by refusals, and never gains any.

    Attributes:
        slots: how many requests may be in flight now.
        refused_for: a refusal that the driver must know at once, so that the chunk ends.
    """

    def __init__(self, share: Share, provider: Provider, now: float) -> None:
        """Start with the whole share: the driver's limiter knows what is allowed."""
        self.slots = share.slots
        self._share = share
        self._per_minute = provider.api.limits == "per_minute"
        self._pace = _bucket(share.rpm, now)
        self._tokens = _bucket(share.tpm, now)
        self._in_flight = self._started = self.refusals = self._failures = 0
        self.refused_for: tuple[Retry, float | None] | None = None

    def wait(self, now: float, tokens: int) -> float:
        """Seconds until the next request; inf also where the driver must decide first."""
        if self._in_flight >= self.slots or self.refused_for:
            return inf
        waits = [bucket.wait(now) for bucket in (self._pace, self._tokens if tokens else None) if bucket]
        return max([*waits, 0.0])

    def start(self, now: float, tokens: int, refusals: int = 0) -> Ticket:
        """Count a row as in flight."""
        self._in_flight += 1
        self._started += 1
        if self._pace:
            self._pace.take(now, 1)
        reserved = self._tokens.take(now, tokens) if self._tokens else 0.0
        return Ticket(self._started, now, tokens, reserved, self._in_flight, proven=True, era=0, refusals=refusals)

    def answered(self, now: float, ticket: Ticket, tokens_used: int | None) -> None:
        """The row was answered."""
        self._in_flight -= 1
        if self._tokens and tokens_used is not None:
            self._tokens.correct(now, tokens_used - ticket.reserved)

    def refused(self, now: float, ticket: Ticket, kind: Retry, retry_after: float | None) -> float:
        """The row was refused: the chunk loses a slot if the provider counts those, else it ends."""
        self._in_flight -= 1
        if self._tokens:
            self._tokens.correct(now, -ticket.reserved)
        if kind is Retry.NETWORK:
            self._failures += 1
            if (retry_after or 0) > _LONGEST_WAIT:
                self.refused_for = kind, retry_after
            return 0.0
        self.refusals += 1
        wait = ticket.wait(kind, retry_after)
        costs_slot = kind is Retry.IN_FLIGHT or (kind is Retry.RATE and not self._per_minute)
        if not costs_slot or self.slots == 1 or wait > _LONGEST_WAIT:
            self.refused_for = kind, retry_after
        else:
            self.slots -= 1
        return wait

    def summary(self, unreached: GlmError | None = None) -> Refusals:
        """The refusals for the driver's limiter; `unreached`: why no connection could be made for the last request."""
        kind, retry_after = self.refused_for or (None, None)
        lost = self._share.slots - self.slots
        return Refusals(self.refusals, lost, kind, retry_after, self._failures, unreached)


def _bucket(per_minute: float | None, now: float) -> TokenBucket | None:
    return None if per_minute is None else TokenBucket(per_minute / 60 * SHARE, _CREDIT, now)
