"""Token buckets: even spacing of what a provider counts per second, which is requests or tokens."""

from __future__ import annotations

from math import inf

SHARE = 0.98  # of a limit that the user gave: clocks and networks move requests into the next minute
_DOUBLING = 12.0  # seconds in which a ramp doubles: the platforms do not say what is too steep
CAREFUL = 1.1  # growth in the same time, near a rate that was refused, or beyond one that is usual
_FIRST_PROBE = 120.0  # seconds at a usual limit before more is tried: two of the minutes in which it is counted
_LONGEST_DEBT = 60.0  # seconds: limits are per minute, so that nothing is owed for longer, unless one unit takes longer


def doublings(seconds: float) -> float:
    """How many times a ramp doubles in this time; at most so often that no rate overflows after a long sleep."""
    return min(seconds / _DOUBLING, _DOUBLING)


class TokenBucket:
    """Says how long to wait until more may be taken.

    It stores the moment at which all that was taken is paid for, as the virtual scheduling of ITU-T I.371 (GCRA) does:
    no timer is needed, and a request that is larger than the bucket still passes and is paid for afterwards.
    """

    def __init__(self, rate: float, credit: float, now: float) -> None:
        """`rate` is in units a second; after idle time, the units of `credit` seconds may be taken at once."""
        self.rate = rate
        self._credit = credit
        self._paid = now

    def wait(self, now: float) -> float:
        """Seconds until more may be taken; 0.0 or less: now."""
        return self._paid - now

    def take(self, now: float, units: float) -> float:
        """Count units that are used from now; returns how many count: fewer than they are if they were owed too long.

        No more may be given back later, else the bucket would be fuller than before.
        """
        self._paid = before = max(self._paid, now - self._credit)
        self.correct(now, units)
        return min((self._paid - before) * self.rate, units) if self.rate < inf else units

    def correct(self, now: float, units: float) -> None:
        """Add units to what was taken; a negative number gives some back."""
        longest = max(_LONGEST_DEBT, 1 / self.rate)
        self._paid = min(self._paid + units / self.rate, now + longest)


class Probing:
    """When to try more than what a provider gives an account as a rule: later each time that it was refused."""

    def __init__(self, now: float) -> None:
        """Nothing was tried."""
        self._wait = _FIRST_PROBE
        self._begins = now + self._wait

    def is_due(self, now: float) -> bool:
        """Whether it is time to try more."""
        return now >= self._begins

    def refused(self, now: float) -> None:
        """More was refused."""
        self._wait *= 2
        self._begins = now + self._wait


# Source: TPM is enforced per second too, as TPM/60: help.aliyun.com/en/model-studio/rate-limit (2026-09-28).
_CREDIT = 1.0  # seconds of tokens that may be taken at once, when rows used less than was reserved
_LEARNING_ROWS = 10  # rows in which the estimates are corrected
_MOST = 1e9  # tokens a second: no limit
_WORST_ESTIMATE = 100.0  # how many times more than its estimate a row is believed to use


class Tokens:
    """The limit of tokens per minute: reserved when a row is sent, settled when it ends.

    The length of an answer can only be guessed, so it learns by which factor the estimates are wrong.

    A limit that is only usual is exceeded after a while, by a tenth more every 12 seconds, until that is refused.
    """

    def __init__(self, tpm: float, now: float, *, is_usual: bool = False) -> None:
        """`tpm` is the limit in tokens per minute."""
        self._told = tpm / 60 * SHARE
        self._probing = Probing(now) if is_usual else None
        self._grown = now
        self._bucket = TokenBucket(self._told, _CREDIT, now)
        self._scale = 1.0

    def wait(self, now: float) -> float:
        """Seconds until the next row may be sent; 0.0 or less: now."""
        return self._bucket.wait(now)

    def reserve(self, now: float, estimate: int) -> float:
        """Reserve tokens for a row that is sent; returns how many, which is what may be given back."""
        if self._probing and self._probing.is_due(now):
            self._bucket.rate = min(self._bucket.rate * CAREFUL ** doublings(now - self._grown), _MOST)
        self._grown = now
        return self._bucket.take(now, estimate * self._scale)

    def settle(self, now: float, estimate: int, reserved: float, used: int) -> None:
        """Replace the reservation by what the row used."""
        if estimate > 0:
            self._scale += (min(used / estimate, _WORST_ESTIMATE) - self._scale) / _LEARNING_ROWS
        self._bucket.correct(now, used - reserved)

    def refused(self, until: float) -> bool:
        """So many tokens were refused, and none are sent until then; whether the limit is still to be believed."""
        is_exceeded = self._probing is not None and self._bucket.rate > self._told
        if self._probing and is_exceeded:
            self._bucket.rate = self._told
            self._probing.refused(until)
        return is_exceeded or self._probing is None

    def release(self, now: float, reserved: float) -> None:
        """Give back the reservation of a row that was refused."""
        self._bucket.correct(now, -reserved)
