"""Even spacing of what is counted per second: requests, or tokens."""

from __future__ import annotations

SHARE = 0.98  # of a limit that was told: clocks and networks move requests into each other's minute
_LONGEST_DEBT = 60.0  # seconds: limits are per minute, so that nothing is owed for longer


class TokenBucket:
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


# Tokens per minute: reserved when a row is sent, settled when it ends.
#
# Source: TPM is enforced per second too, as TPM/60: help.aliyun.com/en/model-studio/rate-limit (2026-09-28).

_CREDIT = 1.0  # seconds of tokens that may go at once, when rows used less than was reserved
_LEARNT = 10  # rows in which the estimates are corrected
_WRONG = 100.0  # times that an estimate may be too small


class Tokens:
    """A bucket of tokens, which learns by how much the estimates are wrong: how long answers are is only guessed."""

    def __init__(self, tpm: float, now: float) -> None:
        """Take the limit."""
        self._bucket = TokenBucket(tpm / 60 * SHARE, _CREDIT, now)
        self._scale = 1.0

    def wait(self, now: float) -> float:
        """Seconds until the next row; 0.0 or less: now."""
        return self._bucket.wait(now)

    def reserve(self, now: float, estimate: int) -> float:
        """A row is sent; the tokens that are reserved for it."""
        reserved = estimate * self._scale
        self._bucket.take(now, reserved)
        return reserved

    def settle(self, now: float, estimate: int, reserved: float, used: int) -> None:
        """A row was answered and used these tokens."""
        if estimate > 0:
            self._scale += (min(used / estimate, _WRONG) - self._scale) / _LEARNT
        self._bucket.correct(now, used - reserved)

    def release(self, now: float, reserved: float) -> None:
        """A row was refused, and used none."""
        self._bucket.correct(now, -reserved)
