"""Limits on what hostile input may cost: CPU time, and warnings."""

from __future__ import annotations

import signal
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_REPEAT = 0.05  # seconds between signals, in case a library catches the exception of the first one
_limits: list[float] = []  # ends of the active limits, in CPU time of this process, the innermost last


class TooSlowError(Exception):
    """The work took more than its limit."""


def _raise_too_slow(_number: int, _frame: FrameType | None) -> NoReturn:
    raise TooSlowError


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Run the body for at most so many seconds of CPU time.

    A limit inside another one ends no later than the outer one; if the inner body catches the exception of the outer
    limit, the outer limit raises it again. Works in the main thread only. The `re` module checks for signals too, so
    that even a single search is interrupted.

    Raises:
        TooSlowError: the body took longer.
    """
    end = min([time.process_time() + seconds, *_limits[-1:]])
    _require_time(end)
    before = signal.signal(signal.SIGVTALRM, _raise_too_slow)
    _limits.append(end)
    _start_timer()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        _limits.pop()
        signal.signal(signal.SIGVTALRM, before)
        if _limits:  # continue the outer limit
            _start_timer()
    _require_time(end)


def _start_timer() -> None:
    signal.setitimer(signal.ITIMER_VIRTUAL, max(_limits[-1] - time.process_time(), 0.001), _REPEAT)


def _require_time(end: float) -> None:
    if time.process_time() >= end:
        raise TooSlowError


@contextmanager
def without_warnings() -> Iterator[None]:
    """Run the body without warnings, which Python prints on stderr about some regular expressions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
