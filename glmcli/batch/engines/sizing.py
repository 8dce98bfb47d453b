"""How many rows a chunk has: by the time that it is expected to take, for what is lost with a worker is paid again."""

from __future__ import annotations

_FIRST = 10  # rows, as long as nothing is known
_MOST = 200  # rows
_SHORTEST, _LONGEST = 5.0, 20.0  # seconds of work in a chunk, but less while the run is young
_REQUESTS = 4.0  # that one slot carries one after the other: where answers are slow, chunks are long
_YOUNG = 4.0  # a chunk takes no more than this part of the time that the run has lasted, so that it learns quickly
_AT_ONCE = 1.0  # seconds that even the first may take
_NEWS = 0.3  # weight of the last chunk


class Sizing:
    """Measures how many rows a slot carries in a second."""

    def __init__(self, now: float) -> None:
        """Begin with nothing known, at this moment."""
        self._began = now
        self._rate: float | None = None  # rows a second in one slot

    def seconds(self, now: float) -> float:
        """How long the next chunk is to take."""
        whole = _LONGEST if self._rate is None else _REQUESTS / self._rate
        return min(max(whole, _SHORTEST), _LONGEST, _AT_ONCE + (now - self._began) / _YOUNG)

    def rows(self, now: float, slots: int, rpm: float | None) -> int:
        """How many rows so many slots carry in that time; at least one each."""
        if self._rate is None:
            return _FIRST
        seconds = self.seconds(now)
        rows = max(round(self._rate * slots * seconds), slots)
        if rpm is not None:
            rows = min(rows, round(rpm / 60 * seconds))
        return min(max(rows, 1), _MOST)

    def learn(self, rows: int, slots: int, seconds: float) -> None:
        """A chunk has brought back so many rows that are done with."""
        if not rows or not seconds:
            return
        rate = rows / slots / seconds
        self._rate = rate if self._rate is None else self._rate + (rate - self._rate) * _NEWS
