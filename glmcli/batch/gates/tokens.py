"""Tokens per minute: reserved when a row is sent, settled when it ends.

Source: TPM is enforced per second too, as TPM/60: help.aliyun.com/en/model-studio/rate-limit (2026-09-28).
"""

from __future__ import annotations

from glmcli.batch.gates.bucket import SHARE, Bucket

_CREDIT = 1.0  # seconds of tokens that may go at once, when rows used less than was reserved
_LEARNT = 10  # rows in which the estimates are corrected
_WRONG = 100.0  # times that an estimate may be too small


class Tokens:
    """A bucket of tokens, which learns by how much the estimates are wrong: how long answers are is only guessed."""

    def __init__(self, tpm: float, now: float) -> None:
        """Take the limit."""
        self._bucket = Bucket(tpm / 60 * SHARE, _CREDIT, now)
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
