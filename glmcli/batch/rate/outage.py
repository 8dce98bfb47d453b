"""When most requests fail it is not a matter of rate: all wait, longer and longer, and then one row is tried.

Why: 17 of 20 requests to glm-4.7-flash were refused with 1305 for half an hour, while another model answered all
(measured on a free key at Z.ai, 2026-08).
"""

from __future__ import annotations

_SEEN = 20  # requests that are looked at
_TOO_MANY = _SEEN // 2
_LONGEST = 60.0  # seconds


class CircuitBreaker:
    """Which of the last requests failed, and how long to stay away.

    Requests are looked at in the order in which they were sent: a failure comes at once and an answer after a minute,
    so that in the order of their ends the failures would always come first.
    """

    def __init__(self, ceiling: int) -> None:
        """Begin with nothing known against the provider; there are at most so many requests in flight."""
        self._failed = bytearray(ceiling + _SEEN)
        self._last = 0
        self._first = 1
        self._pause = 0.0
        self._answers = 0
        self.lasts = False

    def sent(self, number: int) -> None:
        """Request `number` is sent, one more than the last."""
        self._failed[number % len(self._failed)] = 0
        self._last = number

    def failed(self, number: int) -> float:
        """Count a failure; seconds for which all must wait, 0.0 if there is no outage."""
        self._answers = 0
        if number > self._last - len(self._failed):
            self._failed[number % len(self._failed)] = 1
        if not self.lasts and self._failures(number) <= _TOO_MANY:
            return 0.0
        self.lasts = True
        self._pause = min(max(2 * self._pause, 1.0), _LONGEST)
        return self._pause

    def answered(self, *, fresh: bool) -> None:
        """Count an answer. During an outage only what was sent since (fresh) tells: one answer ends it."""
        self._answers += 1
        if self._answers == _SEEN:
            self._pause = 0.0
        if self.lasts and fresh:
            self.lasts = False
            self._first = self._last + 1
            self._pause /= 4  # the next outage begins with half the pause

    def _failures(self, number: int) -> int:
        """How many of the requests up to this one failed, as far as is known."""
        size = len(self._failed)
        oldest = max(number - _SEEN + 1, self._first, self._last - size + 1)
        return sum(self._failed[each % size] for each in range(oldest, number + 1))
