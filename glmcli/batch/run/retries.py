"""Rows that are sent again, when their time has come."""

from __future__ import annotations

import heapq
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmcli.batch.rows.row import QueueItem


class RetryQueue:
    """The rows that wait, the first to be sent first."""

    def __init__(self) -> None:
        """None waits."""
        self._waiting: list[tuple[float, int, QueueItem]] = []

    def __bool__(self) -> bool:
        """Whether any row waits."""
        return bool(self._waiting)

    def add(self, item: QueueItem, seconds: float) -> None:
        """Send it again after so long."""
        heapq.heappush(self._waiting, (time.monotonic() + seconds, item.number, item))

    def take(self, now: float) -> QueueItem | None:
        """A row whose time has come."""
        return heapq.heappop(self._waiting)[2] if self._waiting and self._waiting[0][0] <= now else None

    def waits(self, now: float) -> dict[int, float]:
        """Seconds until each row may be sent, by its number."""
        return {number: max(due - now, 0.0) for due, number, _ in self._waiting}

    def delay(self, now: float) -> float:
        """Seconds until the next one may be sent; inf where none waits."""
        return self._waiting[0][0] - now if self._waiting else float("inf")
