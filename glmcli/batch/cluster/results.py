"""Rows on a cluster: the chunk that has each row, and what happens when it comes back or is lost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from glmcli.batch.run.failover import Action
from glmcli.chat.outcome import Outcome
from glmcli.errors import BusyError, NetworkError, Retry
from glmcli.output.amounts import plural

if TYPE_CHECKING:
    from glmcli.batch.cluster.messages import ChunkResult, FinishedRow, UnfinishedRow
    from glmcli.batch.cluster.share import Lease
    from glmcli.batch.rows.row import QueueItem
    from glmcli.batch.run.state import RunSetup, RunState

_MOST_LOSSES = 3  # times that a row may be lost with its worker


class SentChunk:
    """A chunk that a worker has, with its lease of the limits.

    Attributes:
        due: when it is late, on the monotonic clock; inf if its engine tracks the worker.
    """

    def __init__(self, items: list[QueueItem], lease: Lease, due: float) -> None:
        """`items` are sent to one candidate."""
        self.items = {item.number: item for item in items}
        self.lease = lease
        self.candidate = items[0].candidate
        self.due = due
        self.is_late = False


class OpenRows:
    """The rows that were sent and are not written yet: each is with a chunk, or waits for the next one."""

    def __init__(self) -> None:
        """No row was sent."""
        self._holders: dict[int, SentChunk | None] = {}  # None: the row waits
        self._losses: Counter[int] = Counter()

    def __bool__(self) -> bool:
        """Whether any row is not written yet."""
        return bool(self._holders)

    def __contains__(self, item: QueueItem) -> bool:
        """Whether the row is not written yet."""
        return item.number in self._holders

    def in_chunks(self) -> int:
        """How many rows are with a chunk."""
        return sum(1 for holder in self._holders.values() if holder)

    def may_send(self, item: QueueItem) -> bool:
        """Whether to send the row: a chunk that was late may have answered it after all."""
        return not item.began or self._holders.get(item.number, item) is None

    def send(self, chunk: SentChunk, now: float) -> None:
        """The rows of this chunk are with it."""
        for item in chunk.items.values():
            item.began = item.began or now
            self._holders[item.number] = chunk

    def is_with(self, item: QueueItem, chunk: SentChunk) -> bool:
        """Whether the row is not written yet, and this is the last chunk that it was sent with."""
        return self._holders.get(item.number) is chunk

    def wait(self, item: QueueItem) -> None:
        """The row is with no chunk."""
        self._holders[item.number] = None

    def end(self, item: QueueItem) -> None:
        """The row is written."""
        del self._holders[item.number]

    def lose(self, item: QueueItem) -> int:
        """Count that the row was lost with its chunk; how often it was."""
        self._losses[item.number] += 1
        return self._losses[item.number]


class ResultHandler:
    """Writes the rows of a chunk, has them sent again, or leaves them to another provider.

    Attributes:
        refusals: requests that were refused.
    """

    def __init__(self, rows: OpenRows, setup: RunSetup, state: RunState) -> None:
        """No chunk has come back yet."""
        self._rows = rows
        self._setup = setup
        self._state = state
        self._failover = state.failover
        self.refusals = 0

    def take(self, chunk: SentChunk, result: ChunkResult, now: float) -> None:
        """A chunk has come back."""
        candidate, refusals = chunk.candidate, result.refusals
        chunk.lease.settle(result, now)
        self.refusals += refusals.requests
        for row in result.finished:
            self._finish(chunk.items[row.number], row, candidate, now)
        if result.error:
            self._state.apply(self._failover.give_up(candidate, result.error))
        for left in result.unfinished:
            self._resume(chunk, left)
        if refusals.requests:
            error = BusyError("the request was refused", retry=Retry.RATE)
            self._state.apply(self._failover.refused(candidate, error, now))
        if refusals.unreached:
            self._state.apply(self._failover.failed(candidate, refusals.unreached, now))

    def _finish(self, item: QueueItem, row: FinishedRow, candidate: int, now: float) -> None:
        """Write how the row ended, unless it was written before, or goes to a fallback."""
        outcome = row.outcome
        error = outcome.error
        if item not in self._rows:
            self._setup.budget.paid(outcome.cost, error)  # paid twice
            return
        item.calls += row.calls
        if error and error.retry:
            self._state.apply(self._failover.failed(candidate, error, now))
        else:
            self._failover.health[candidate].answered(now)
        decision = self._failover.decide_final(item, error)
        self._state.apply(decision.change)
        match decision.action:
            case Action.WRITE:
                self._write(item, outcome.replace(attempts=item.calls))
            case Action.RETRY:
                self._wait(item)
            case Action.LEAVE:
                self._rows.wait(item)

    def _write(self, item: QueueItem, outcome: Outcome) -> None:
        self._rows.end(item)
        self._state.write(item, outcome)

    def _wait(self, item: QueueItem, seconds: float = 0.0) -> None:
        """Have the row sent with another chunk."""
        self._rows.wait(item)
        self._state.retries.add(item, seconds)

    def _resume(self, chunk: SentChunk, row: UnfinishedRow) -> None:
        """Have the row wait for its next chunk, perhaps at another provider."""
        item = chunk.items[row.number]
        item.calls += row.calls
        if not self._rows.is_with(item, chunk):
            return
        item.refusals, item.retries, item.resent = row.refusals, row.retries, row.resent
        moves = row.stopped_chunk and self._failover.is_given_up(chunk.candidate) and self._failover.move(item)
        self._wait(item, 0.0 if moves else row.wait)

    def lose(self, chunk: SentChunk, why: str, now: float) -> None:
        """A chunk is lost: send its rows again; those that were lost too often have failed."""
        chunk.lease.release(now)
        lost = [item for item in chunk.items.values() if self._rows.is_with(item, chunk)]
        if lost:
            then = "left to the next run" if self._state.shutdown.is_stopping else "sent again"
            self._setup.note(f"{plural(len(lost), 'row')} lost with a worker ({why}): {then}; some may be paid twice")
        for item in lost:
            if self._rows.lose(item) <= _MOST_LOSSES:
                self._setup.budget.paid(None, NetworkError(why, sent=True))
                self._wait(item)
            else:
                self._give_up(item, why)

    def _give_up(self, item: QueueItem, why: str) -> None:
        """Write the row as failed; what it has cost is not known, and counts as the dearest so far."""
        candidate = self._setup.plan.candidates[item.candidate]
        error = NetworkError(f"lost {_MOST_LOSSES + 1} times with its worker: {why}", retry=Retry.NETWORK, sent=True)
        self._write(item, Outcome(candidate.provider.name, candidate.model, error=error, attempts=item.calls))
