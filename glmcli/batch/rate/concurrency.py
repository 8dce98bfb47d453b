"""The concurrency limit: how many requests may be in flight, where the provider counts those.

Sources: BigModel and Z.ai count requests in process per account and model, on free models one
(docs.bigmodel.cn/cn/api/rate-limit, 2026); a request too many is refused after 0.38 s (measured on a free key at Z.ai,
2026-08; the recording zai-1302).

A request's `level` is how many were in flight when it was sent, itself included.
"""

from __future__ import annotations

from collections import deque
from math import inf

_FIRST_BACKOFF = 1.0  # seconds
_LONGEST_BACKOFF = 60.0  # seconds
_EARLY_FACTOR = 3.0  # the backoff grows by this if the cap was found before the first answers arrived
_ROWS_PER_SECOND = 2  # answers for each second of backoff: where answers are slow, each refusal counts more
_MANY_ROWS = 500  # answers after which a refusal is forgotten, however little time has passed


class ConcurrencyLimit:
    """A limit that multiplies until the first refusal, falls by one with each, and probes for more now and then.

    It multiplies when a row is answered, and also when it is certain that it will be: refusals arrive at once, answers
    after a minute. The requests of a step are sent together. Spread over time they would stop early where a refusal
    takes 50 ms, but cost as much where it takes half a second, and twice as much where it takes the whole step.
    """

    def __init__(self, ceiling: int, opening: int) -> None:
        """Begin with a limit of `opening`, and never go above `ceiling`."""
        self._ceiling = ceiling
        self._opening = opening  # multiplies
        self._known = ceiling  # the limit that the provider is believed to have
        self._is_early = False  # multiplied without waiting for answers
        self._proven = 0  # the highest level that was answered
        self._probing = False
        self._step = 1
        self._backoff = _FIRST_BACKOFF
        self._next_probe = 0.0
        self._rows = 0

    @property
    def limit(self) -> int:
        """How many requests may be in flight."""
        return min(self._known, self._opening)

    def proves(self, level: int) -> bool:
        """Whether requests at this level were answered lately, so that a refusal there has another reason."""
        return level <= self._proven

    @property
    def is_opening(self) -> bool:
        """Whether it still multiplies."""
        return self._opening < self._known

    def unrefused(self, level: int) -> None:
        """A level is allowed: requests up to it are in flight, and were not refused in time."""
        opening = min(_next_unanswered(level), self._ceiling)
        if opening > self._opening:
            self._opening = opening
            self._is_early = True

    def answered(self, now: float, level: int, *, may_grow: bool) -> None:
        """A request that was sent after the last refusal was answered."""
        self._proven = max(self._proven, level)
        self._rows += 1
        if self.is_opening:
            if may_grow:
                self._opening = min(max(self._opening, _next(level)), self._ceiling)
        elif level >= self._known:
            self._reached(now, may_grow=may_grow)

    def _reached(self, now: float, *, may_grow: bool) -> None:
        """The limit was used in full, and that was not too many."""
        if self._probing:
            self._probing = False
            self._step = max(min(2 * self._step, self._known // 2), 1)
            self._back_off(now, self._backoff / 4)
        elif may_grow and self._is_due(now) and self._known < self._ceiling:
            self._probing = True
            self._known = min(self._known + self._step, self._ceiling)
            self._opening = max(self._opening, self._known)

    def _is_due(self, now: float) -> bool:
        """Whether it is time for another probe."""
        backed_off = now >= self._next_probe and self._rows >= _ROWS_PER_SECOND * self._backoff
        return backed_off or self._rows >= _MANY_ROWS

    def refused(self, now: float, in_flight: int) -> None:
        """Fall to one less than is in use."""
        self._known = max(min(self.limit, in_flight) - 1, 1)
        self._opening = self._ceiling
        self._proven = min(self._proven, self._known)
        times = _EARLY_FACTOR if self._is_early else 2 if self._probing else 1
        self._back_off(now, self._backoff * times)
        self._is_early = False
        self._probing = False  # the other refusals of a burst lower the limit, but do not lengthen the backoff
        self._step = 1

    def reopen(self, *, forget: bool) -> None:
        """Multiply once more from one; `forget` what was known, which may be out of date."""
        self._opening = 1
        self._is_early = False
        if forget:
            self._known = self._ceiling
            self._backoff = _FIRST_BACKOFF
            self._step = 1
        self._probing = False
        self._proven = 0

    def _back_off(self, now: float, seconds: float) -> None:
        """Do not probe for so many seconds."""
        self._backoff = min(max(seconds, _FIRST_BACKOFF), _LONGEST_BACKOFF)
        self._next_probe = now + self._backoff
        self._rows = 0


def _next(level: int) -> int:
    """The level to try next: twice as many, later half as many more, because all above the cap are refused."""
    return level + min(level, 4 + level // 2)


def _next_unanswered(level: int) -> int:
    """The same for steps of a second without answers: a little more, or ten steps would not reach 500."""
    return max(_next(level), level + min(level, 1 + level * 3 // 5))


_REFUSAL_TIME = 1.02  # seconds; Z.ai refuses after 0.38 s (measured on a free key, 2026-08), and connecting takes time
_ANSWERS_LEAD = 5.0  # seconds after an answer that was quicker than a refusal, in which only answers count
_EPSILON = 1e-6  # seconds: no timer is that exact


class UnrefusedLevels:
    """Levels that are allowed because no refusal arrived in the time that refusals take, long before any answer."""

    def __init__(self) -> None:
        """Nothing was sent yet."""
        self._refusal_time = _REFUSAL_TIME
        self._sent: deque[tuple[float, int]] = deque()  # each at a higher level than all before
        self._highest = 0
        self._begins = -inf

    def sent(self, now: float, level: int) -> None:
        """A request is sent at this level."""
        if level > self._highest:
            self._highest = level
            self._sent.append((max(now, self._begins), level))

    def allowed(self, now: float) -> int:
        """The highest level that turned out to be allowed since the last call; 0: none."""
        level = 0
        while self._sent and self.wait(now) <= _EPSILON:
            _, level = self._sent.popleft()
        return level

    def wait(self, now: float) -> float:
        """Seconds until the next level is known to be allowed; inf: nothing was sent at a new one."""
        return self._sent[0][0] + self._refusal_time - now if self._sent else inf

    def answered(self, now: float, took: float) -> None:
        """A row was answered after so many seconds.

        After a quick answer only answers count: no refusal may mean that this machine or the server has stalled.
        """
        if took < self._refusal_time:
            self._begins = now + _ANSWERS_LEAD
            self._forget()

    def refused(self, took: float) -> None:
        """A request was refused after so many seconds: those in flight may be refused as late."""
        self._refusal_time = max(self._refusal_time, took)
        self._forget()

    def _forget(self) -> None:
        self._sent.clear()
        self._highest = 0
