"""The rows that were begun and are not written yet: out with a chunk, or waiting for their next one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from glmcli.batch.run.retries import RetryQueue

if TYPE_CHECKING:
    from glmcli.batch.cluster.share import Lease
    from glmcli.batch.rows.row import QueueItem


class SentChunk:
    """A chunk that is out; `due` is when it is late, on the monotonic clock: inf, where its engine sees to that."""

    def __init__(self, items: list[QueueItem], grant: Lease, due: float) -> None:
        """These rows go, with this part of the limits."""
        self.items = {item.number: item for item in items}
        self.grant = grant
        self.candidate = items[0].candidate
        self.due = due
        self.is_late = False


class OpenRows:
    """Who has which row."""

    def __init__(self) -> None:
        """Nothing was begun."""
        self._holders: dict[int, SentChunk | None] = {}  # None: the row waits
        self._waiting = RetryQueue()
        self._losses: Counter[int] = Counter()

    def __bool__(self) -> bool:
        """Whether any row is not written yet."""
        return bool(self._holders)

    def __contains__(self, item: QueueItem) -> bool:
        """Whether the row is not written yet."""
        return item.number in self._holders

    @property
    def out(self) -> int:
        """How many rows are out."""
        return sum(1 for holder in self._holders.values() if holder)

    def may_go(self, item: QueueItem) -> bool:
        """Whether it is to be sent: a chunk that was given up may have answered it after all."""
        return not item.began or self._holders.get(item.number, item) is None

    def go(self, out: SentChunk, now: float) -> None:
        """The rows of this chunk are out with it."""
        for item in out.items.values():
            item.began = item.began or now
            self._holders[item.number] = out

    def is_with(self, item: QueueItem, out: SentChunk) -> bool:
        """Whether this chunk is the last that the row went with, and it has not been written."""
        return self._holders.get(item.number) is out

    def wait(self, item: QueueItem, seconds: float = 0.0) -> None:
        """The row goes with the next chunk after so long."""
        self._holders[item.number] = None
        self._waiting.add(item, seconds)

    def keep(self, item: QueueItem) -> None:
        """The row stays to be asked, by another run."""
        self._holders[item.number] = None

    def end(self, item: QueueItem) -> None:
        """The row is done with."""
        del self._holders[item.number]

    def next(self, now: float) -> QueueItem | None:
        """A row that has waited for long enough."""
        while item := self._waiting.take(now):
            if self.may_go(item):
                return item
        return None

    def lose(self, item: QueueItem) -> int:
        """The row was lost with its chunk; how often, with this time."""
        self._losses[item.number] += 1
        return self._losses[item.number]
