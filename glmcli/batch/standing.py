"""Where a run stands: what its parts have counted, put together for who watches it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from glmcli.batch import index as states
from glmcli.batch.progress import Progress

if TYPE_CHECKING:
    from glmcli.batch.intake import Intake
    from glmcli.batch.sides import Run
    from glmcli.batch.writing import Writing

_WINDOW = 30.0  # seconds over which the rate is measured
_STEP = 0.5  # seconds between two measurements


class Standing:
    """Counts rows against the clock."""

    def __init__(self, writing: Writing, intake: Intake, total: int | None) -> None:
        """`total` is None where the input is read only once."""
        self._writing = writing
        self._intake = intake
        self._total = total
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def now(self, runner: Run) -> Progress:
        """How far it is."""
        counts = self._writing.counts
        asked, skipped = sum(counts.values()), sum(self._intake.skipped.values())
        rate = self._rate(asked)
        total = None if self._total is None else self._total - self._intake.elsewhere
        left = None if total is None or not rate else max(total - asked - skipped, 0) / rate
        return Progress(
            done=asked + skipped,
            total=total,
            failed=asked + skipped - counts[states.OK] - self._intake.skipped[states.OK],
            refused=runner.refusals,
            in_flight=runner.in_flight,
            slots=runner.slots,
            rate=rate,
            tokens=self._writing.tokens,
            costs=tuple(self._writing.costs.values()),
            left=left,
        )

    def _rate(self, asked: int) -> float | None:
        """Rows a second, of the last half minute."""
        now, seen = time.monotonic(), self._seen
        if now - seen[-1][0] >= _STEP:
            seen.append((now, asked))
            while now - seen[1][0] > _WINDOW:
                seen.popleft()
        elapsed = now - seen[0][0]
        return (asked - seen[0][1]) / elapsed if elapsed > _STEP else None
