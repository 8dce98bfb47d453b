"""What becomes of rows when their chunk comes back, or does not: written, sent again, or left to another provider."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glmcli.batch.run.failover import Standbys
from glmcli.chat.outcome import Outcome
from glmcli.engine.retry import may_fall_back
from glmcli.errors import BusyError, NetworkError, Retry
from glmcli.output.amounts import plural

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.cluster.messages import ChunkResult, FinishedRow, UnfinishedRow
    from glmcli.batch.cluster.outstanding import OpenRows, SentChunk
    from glmcli.batch.rows.row import QueueItem
    from glmcli.batch.run.budget import Budget
    from glmcli.batch.run.failover import Contact
    from glmcli.batch.run.interfaces import RowOutput
    from glmcli.batch.run.shutdown import Shutdown
    from glmcli.config.plan import Plan

_LOSSES = 3  # times that a row may be lost with its worker


class ResultHandler:
    """Judges what comes back.

    Attributes:
        refusals: requests that were refused.
        standbys: who is asked.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each is a side of it
        self,
        begun: OpenRows,
        plan: Plan,
        writing: RowOutput,
        budget: Budget,
        shutdown: Shutdown,
        say: Callable[[str], None],
    ) -> None:
        """`say` tells a person what was lost."""
        self._begun = begun
        self._plan = plan
        self._writing = writing
        self._budget = budget
        self._halt = shutdown
        self._say = say
        self.standbys = Standbys(plan, shutdown, say, time.monotonic())
        self.refusals = 0

    def take(self, out: SentChunk, result: ChunkResult, now: float) -> None:
        """A chunk has come back."""
        out.grant.settle(result, now)
        self.refusals += result.refused.requests
        for ended in result.ended:
            self._end(out.items[ended.number], ended, self.standbys.contacts[out.candidate], now)
        if result.why:
            self.standbys.give_up(out.candidate, result.why)
        moves = self.standbys.is_given_up(out.candidate)
        for left in result.left:
            self._leave(out, left, moves=moves and left.blamed)
        contact = self.standbys.contacts[out.candidate]
        if result.refused.requests:
            contact.refused(BusyError("the request was refused", retry=Retry.RATE), now)
        if result.refused.unreached:
            contact.failed(result.refused.unreached, now)

    def _end(self, item: QueueItem, ended: FinishedRow, contact: Contact, now: float) -> None:
        """Write how the row ended, unless it was written before, or another provider may do better."""
        error = ended.outcome.error
        if item not in self._begun:
            self._budget.paid(ended.outcome.cost, error)  # twice
            return
        item.calls += ended.calls
        if error and error.retry:
            contact.failed(error, now)
        else:
            contact.answered(now)
        if error and may_fall_back(error) and self._falls_back(item):
            return
        if contact.is_lost(error):
            self._begun.keep(item)  # it stays to be asked
            return
        self._write(item, ended.outcome.replace(attempts=item.calls))

    def _write(self, item: QueueItem, outcome: Outcome) -> None:
        self._begun.end(item)
        self._budget.paid(outcome.cost, outcome.error)
        self._writing.write(item, outcome)
        if why := self._budget.error or self._writing.failure_limit:
            self._halt.stop(why)

    def _leave(self, out: SentChunk, left: UnfinishedRow, *, moves: bool) -> None:
        """Have the row wait for its next chunk, or for another provider."""
        item = out.items[left.number]
        item.calls += left.calls
        if not self._begun.is_with(item, out):
            return
        item.refusals, item.retries, item.resent = left.refusals, left.retries, left.resent
        if not (moves and self._falls_back(item)):
            self._begun.wait(item, left.wait)

    def lose(self, out: SentChunk, why: str, now: float) -> None:
        """Send the rows of a chunk again; those that were lost too often have failed."""
        out.grant.release(now)
        lost = [item for item in out.items.values() if self._begun.is_with(item, out)]
        if lost:
            each = "they stay to be asked" if self._halt.is_on else "they are sent again"
            self._say(f"{plural(len(lost), 'row')} lost with a worker ({why}): {each}, and some may be paid twice")
        for item in lost:
            if self._begun.lose(item) <= _LOSSES:
                self._budget.paid(None, NetworkError(why, sent=True))
                self._begun.wait(item)
            else:
                self._give_up(item, why)

    def _give_up(self, item: QueueItem, why: str) -> None:
        """What the row has cost is not known: it counts as the dearest so far."""
        candidate = self._plan.candidates[item.candidate]
        error = NetworkError(f"lost {_LOSSES + 1} times with its worker: {why}", retry=Retry.NETWORK, sent=True)
        self._write(item, Outcome(candidate.provider.name, candidate.model, error=error, attempts=item.calls))

    def _falls_back(self, item: QueueItem) -> bool:
        if not self.standbys.move(item):
            return False
        self._begun.wait(item)
        return True
