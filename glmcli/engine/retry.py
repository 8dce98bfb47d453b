"""When the same request is sent again, and when another provider is asked instead."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glmcli.errors import BusyError, GlmError, IncompleteError, NetworkError, ProtocolError, QuotaError
from glmcli.http.timeouts import TICK

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.config.plan import Plan

LONGEST_RETRY_AFTER = 60.0  # seconds of Retry-After that are obeyed
_JITTER = 0.25  # waits grow by up to this share, so that many clients do not come back at once


def retry_delay(error: GlmError, retry: int, began: float, plan: Plan) -> float | None:
    """Seconds until retry number `retry` (from 0) of what began at this moment, or None if waiting is no use."""
    limits = plan.limits
    if error.retry is None:
        return None
    if error.retry_after is not None and error.retry_after > LONGEST_RETRY_AFTER:
        error.message += f"; the server asks to wait {error.retry_after:.0f} s"
        return None
    if retry >= limits.retries:
        return None
    wait = error.retry_after
    if wait is None:
        # The clock's last digits spread clients as well as a random number, and need no import.
        wait = error.retry.wait(retry) * (1 + _JITTER * (time.monotonic_ns() % 1000) / 1000)
    until = time.monotonic() + wait
    too_late = until - began > limits.retry_max_time or until > plan.deadline
    return None if too_late else wait


def sleep(seconds: float, tick: Callable[[], None]) -> None:
    """Wait, and call `tick` several times a second; it may raise."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        tick()
        time.sleep(min(left, TICK))


def may_fall_back(error: GlmError) -> bool:
    """Whether another provider may do better: quota, busy, network, no API, no such model, a broken stream."""
    if isinstance(error, IncompleteError):
        return error.broken
    return error.model_missing or isinstance(error, QuotaError | BusyError | NetworkError | ProtocolError)
