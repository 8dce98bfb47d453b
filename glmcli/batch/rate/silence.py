"""What was not refused in the time that refusals take: it is allowed, long before it is answered."""

from __future__ import annotations

from collections import deque
from math import inf

_SECONDS = 1.02  # Z.ai refuses after 0.38 s (measured on a free key, 2026-08), and connecting comes on top
_LED = 5.0  # seconds after an answer that came before a refusal must: answers tell more, while they are so quick
_NOW = 1e-6  # seconds: no timer is that exact


class UnrefusedLevels:
    """Levels at which rows were sent, until no refusal can come any more; a level is how many were in flight."""

    def __init__(self) -> None:
        """Begin with nothing sent."""
        self._seconds = _SECONDS
        self._sent: deque[tuple[float, int]] = deque()  # each at a higher level than all before
        self._highest = 0
        self._begins = -inf

    def sent(self, now: float, level: int) -> None:
        """A row is sent at this level."""
        if level > self._highest:
            self._highest = level
            self._sent.append((max(now, self._begins), level))

    def allowed(self, now: float) -> int:
        """The highest level that is known to be allowed since the last look; 0: none."""
        level = 0
        while self._sent and self.wait(now) <= _NOW:
            _, level = self._sent.popleft()
        return level

    def wait(self, now: float) -> float:
        """Seconds until the next level is known to be allowed; inf: no row was sent at a new one."""
        return self._sent[0][0] + self._seconds - now if self._sent else inf

    def answered(self, now: float, took: float) -> None:
        """A row was answered after so many seconds: quick ones lead, for silence may be a machine that stands still."""
        if took < self._seconds:
            self._begins = now + _LED
            self._forget()

    def broken(self, took: float) -> None:
        """A request was refused after so many seconds: all that is in flight may be, and it may take as long."""
        self._seconds = max(self._seconds, took)
        self._forget()

    def _forget(self) -> None:
        self._sent.clear()
        self._highest = 0
