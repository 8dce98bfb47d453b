"""What got through in the last minute."""

from __future__ import annotations

_SECONDS = 60
_ENOUGH = 20  # requests by which a rate is known well


class Recent:
    """Counts of requests that were not refused, by the second in which they were sent.

    By the second of sending, not of the answer: an answer may take a minute, and the limit was judged before.
    """

    def __init__(self, now: float) -> None:
        """Begin with nothing sent."""
        self._began = now
        self._counts = [0] * _SECONDS
        self._seconds = [-1] * _SECONDS  # which second a place counts: they are used again and again

    def sent(self, now: float) -> None:
        """Count a request."""
        place = self._place(int(now))
        if self._seconds[place] != int(now):
            self._seconds[place] = int(now)
            self._counts[place] = 0
        self._counts[place] += 1

    def refused(self, sent: float) -> None:
        """Take back a request that was counted then."""
        if self._seconds[self._place(int(sent))] == int(sent):
            self._counts[self._place(int(sent))] -= 1

    def rate(self, now: float) -> float:
        """Requests a second, over as little time as tells it well: 20 requests, and one second to 60."""
        count = 0
        for back in range(_SECONDS):
            second = int(now) - back
            count += self._at(second)
            if count >= _ENOUGH and now - second >= 1:
                break
        return count / max(now - max(second, self._began), 1.0)

    def minute(self, now: float) -> float:
        """Requests a second over the last minute, even if the run is younger: a limit per minute allows this."""
        return sum(self._at(int(now) - back) for back in range(_SECONDS)) / _SECONDS

    def _at(self, second: int) -> int:
        place = self._place(second)
        return self._counts[place] if self._seconds[place] == second else 0

    def _place(self, second: int) -> int:
        return second % _SECONDS
