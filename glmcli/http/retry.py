"""When a failed request is sent again, and when another provider is asked instead."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glmcli.errors import BusyError, GlmError, IncompleteError, NetworkError, ProtocolError, QuotaError
from glmcli.http.timeouts import TICK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmcli.http.timeouts import Limits

MAX_RETRY_AFTER = 60.0  # seconds; a server that asks for more is not waited for
_JITTER = 0.25  # waits grow by up to this share, so that many clients do not return at once


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks to wait, or None if it has no usable value.

    Takes seconds (whole or not) and an HTTP date; a date in the past is 0. NaN, infinite and negative numbers are not
    usable. `now`, in seconds since the epoch, is when the response was sent, see `sent_at`.
    Source: RFC 9110 section 10.2.3.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        until = _seconds_since_epoch(value)
        return None if until is None else max(until - now, 0.0)
    return seconds if 0 <= seconds < float("inf") else None


def sent_at(headers: Mapping[str, str], now: float) -> float:
    """When a response was sent, by the server's own clock, which its dates are counted from; `now` if it has no Date.

    `headers` have lower-case names. Source: RFC 9110 section 6.6.1.
    """
    sent = _seconds_since_epoch(headers.get("date", ""))
    return now if sent is None else sent


def _seconds_since_epoch(date: str) -> float | None:
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(date)
        # "-0000" is UTC of an unknown place, which Python gives without a zone.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_delay(error: GlmError, retry: int, began: float, limits: Limits, deadline: float) -> float | None:
    """Seconds until retry number `retry` (from 0), or None if there is none.

    `began` and `deadline` are monotonic times: of the first attempt, and of the latest end of the whole command.
    """
    if error.retry is None:
        return None
    if error.retry_after is not None and error.retry_after > MAX_RETRY_AFTER:
        error.message += f"; the server asks to wait {error.retry_after:.0f} s"
        return None
    if retry >= limits.retries:
        return None
    delay = error.retry_after
    if delay is None:
        # The clock's last digits spread clients as well as a random number does, and need no import.
        delay = error.retry.delay(retry) * (1 + _JITTER * (time.monotonic_ns() % 1000) / 1000)
    until = time.monotonic() + delay
    return None if until - began > limits.retry_max_time or until > deadline else delay


def sleep(seconds: float, tick: Callable[[], None]) -> None:
    """Wait; `tick` is called several times a second, and may raise."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        tick()
        time.sleep(min(left, TICK))


def may_fall_back(error: GlmError) -> bool:
    """Whether another provider may succeed: quota, busy, network, no API answer, no such model, a broken stream."""
    if isinstance(error, IncompleteError):
        return error.broken
    return error.model_missing or isinstance(error, QuotaError | BusyError | NetworkError | ProtocolError)
