"""The part of the gate's limits that a chunk takes with it, and what the gate learns when it comes back.

The gate counts requests; a chunk holds as many of its tickets as it may have requests in flight. The worker has given
up a slot for each refusal, so as many tickets are refused as it has lost slots, and those that are left were answered.
"""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING

from glmcli.batch.cluster.messages import Share
from glmcli.batch.rate.token_bucket import SHARE
from glmcli.errors import Retry

if TYPE_CHECKING:
    from glmcli.batch.cluster.messages import ChunkResult
    from glmcli.batch.rate.limiter import RateLimiter


def offer(gate: RateLimiter, chunks: int, tpm: float | None) -> Share | None:
    """What the next of so many chunks may use, if anything is left."""
    chunks = max(min(chunks, gate.slots), 1)
    slots = min(gate.slots - gate.in_flight, ceil(gate.slots / chunks))
    if slots < 1:
        return None
    rpm = None if gate.rate == inf else gate.rate * 60 / SHARE / chunks
    return Share(slots, rpm, None if tpm is None else tpm / chunks)


def fitted(share: Share, rows: int) -> Share:
    """The same for so many rows: no more slots than rows, and a pace that is a little slower.

    The first row goes at once, so that at the full pace n rows would take the time of n - 1.
    """
    slower = (rows - 1) / rows if rows > 1 else 1.0
    return share.replace(slots=min(share.slots, rows), rpm=None if share.rpm is None else share.rpm * slower)


class Lease:
    """What one chunk holds."""

    def __init__(self, gate: RateLimiter, share: Share, tokens: int, now: float) -> None:
        """Take it: a ticket for each slot, the last with the tokens of all rows."""
        self._gate = gate
        self.share = share
        self._tickets = [gate.start(now, 0) for _ in range(share.slots - 1)]
        self._tickets.append(gate.start(now, tokens))

    def settle(self, result: ChunkResult, now: float) -> None:
        """Give it back, with what became of it."""
        if not self._tickets:
            return  # given back already, when the chunk was late
        refused = result.refused
        self._refuse(refused.slots, Retry.IN_FLIGHT, None, now)
        if refused.kind:
            self._refuse(1, refused.kind, refused.retry_after, now)
        requests = sum(row.calls for row in result.ended) + sum(row.calls for row in result.left)
        if refused.failures:
            self._refuse(round(self.share.slots * refused.failures / max(requests, 1)), Retry.NETWORK, None, now)
        if requests:
            self._end(now, _tokens(result))
        self.release(now)

    def release(self, now: float) -> None:
        """Give it back: nothing is known of what became of it."""
        for ticket in self._tickets:
            self._gate.answered(now, ticket._replace(era=-1), None)  # an era long past: it proves nothing
        self._tickets = []

    def _refuse(self, tickets: int, kind: Retry, retry_after: float | None, now: float) -> None:
        for _ in range(min(tickets, len(self._tickets))):
            self._gate.refused(now, self._tickets.pop(0), kind, retry_after)

    def _end(self, now: float, used: int | None) -> None:
        for ticket in self._tickets:
            self._gate.answered(now, ticket, used if ticket.tokens else None)
        self._tickets = []


def _tokens(result: ChunkResult) -> int | None:
    """What the provider has counted, where it said so."""
    said = [row.outcome.reply.usage.total_tokens or 0 for row in result.ended if row.outcome.reply.usage]
    return sum(said) if said else None


# How many rows a chunk has: by the time that it is expected to take, for what is lost with a worker is paid again.

_FIRST = 10  # rows, as long as nothing is known
_MOST = 200  # rows
_SHORTEST, _LONGEST = 5.0, 20.0  # seconds of work in a chunk, but less while the run is young
_REQUESTS = 4.0  # that one slot carries one after the other: where answers are slow, chunks are long
_YOUNG = 4.0  # a chunk takes no more than this part of the time that the run has lasted, so that it learns quickly
_AT_ONCE = 1.0  # seconds that even the first may take
_NEWS = 0.3  # weight of the last chunk


class Sizing:
    """Measures how many rows a slot carries in a second."""

    def __init__(self, now: float) -> None:
        """Begin with nothing known, at this moment."""
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
        """A chunk has brought back so many rows that are done with."""
        if not rows or not seconds:
            return
        rate = rows / slots / seconds
        self._rate = rate if self._rate is None else self._rate + (rate - self._rate) * _NEWS
