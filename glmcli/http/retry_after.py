"""What a server says of when to come back. Pure: the time is an argument."""

from __future__ import annotations


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, or None if it asks for nothing that can be obeyed.

    Takes seconds (whole or not) and an HTTP date; a date in the past is 0. NaN, infinite, negative and other values are
    as good as none. `now` is in seconds since the epoch.
    Source: RFC 9110 section 10.2.3.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return _until(value, now)
    return seconds if 0 <= seconds < float("inf") else None


def _until(date: str, now: float) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return max(parsedate_to_datetime(date).timestamp() - now, 0.0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
