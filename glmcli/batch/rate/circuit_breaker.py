"""The circuit breaker: when most requests fail, all rows wait, each time longer, before one is tried.

Why: for half an hour 17 of 20 requests to glm-4.7-flash were refused with 1305, while another model answered all
(measured on a free key at Z.ai, 2026-08). That is an outage, which no rate cures.
"""

from __future__ import annotations

_WINDOW = 20  # recent requests that are counted
_MOST_FAILURES = _WINDOW // 2
_LONGEST_PAUSE = 60.0  # seconds


class CircuitBreaker:
    """Opens when most of the last requests failed, and closes with the first answer to a later one.

    Requests are counted in the order in which they were sent, not in which they ended: failures arrive at once and
    answers after a minute, so that all failures would come first.

    Attributes:
        is_open: there is an outage; hardly anything is sent.
    """

    def __init__(self, ceiling: int) -> None:
        """`ceiling` is how many requests can be in flight at most."""
        self._failed = bytearray(ceiling + _WINDOW)  # a ring: 1 for each recent request that failed
        self._last = 0
        self._first = 1
        self._pause = 0.0
        self._answers = 0
        self.is_open = False

    def sent(self, number: int) -> None:
        """Count request `number`, which is one more than the last."""
        self._failed[number % len(self._failed)] = 0
        self._last = number

    def failed(self, number: int) -> float:
        """Count a failure; the seconds for which all rows must wait, 0.0 if there is no outage."""
        self._answers = 0
        if number > self._last - len(self._failed):
            self._failed[number % len(self._failed)] = 1
        if not self.is_open and self._failures(number) <= _MOST_FAILURES:
            return 0.0
        self.is_open = True
        self._pause = min(max(2 * self._pause, 1.0), _LONGEST_PAUSE)
        return self._pause

    def answered(self, *, fresh: bool) -> None:
        """Count an answer; during an outage only one to a request that was sent since (`fresh`) ends it."""
        self._answers += 1
        if self._answers == _WINDOW:
            self._pause = 0.0
        if self.is_open and fresh:
            self.is_open = False
            self._first = self._last + 1
            self._pause /= 4  # the next outage begins with half of the last pause

    def _failures(self, number: int) -> int:
        """How many of the requests up to this one are known to have failed."""
        size = len(self._failed)
        oldest = max(number - _WINDOW + 1, self._first, self._last - size + 1)
        return sum(self._failed[each % size] for each in range(oldest, number + 1))
