"""Even spacing of what is counted per second: requests, or tokens."""

from __future__ import annotations

SHARE = 0.98  # of a limit that was told: clocks and networks move requests into each other's minute
_LONGEST_DEBT = 60.0  # seconds: limits are per minute, so that nothing is owed for longer


class Bucket:
    """A bucket that is told what was taken, and says how long it must be left alone.

    It keeps the moment at which all that was taken is paid for, as the virtual scheduling of ITU-T I.371 does: no
    timer, and a request that is larger than the bucket still goes through, and is paid for afterwards.
    """

    def __init__(self, rate: float, credit: float, now: float) -> None:
        """Take the units a second, and for how many seconds of idleness more may go at once."""
        self.rate = rate
        self._credit = credit
        self._paid = now

    def wait(self, now: float) -> float:
        """Seconds until more may be taken; 0.0 or less: now."""
        return self._paid - now

    def take(self, now: float, units: float) -> None:
        """Count what begins now."""
        self._paid = max(self._paid, now - self._credit)
        self.correct(now, units)

    def correct(self, now: float, units: float) -> None:
        """Count what was used more (or less, below 0) than was taken."""
        self._paid = min(self._paid + units / self.rate, now + _LONGEST_DEBT)
