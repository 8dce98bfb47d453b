"""A limit on what hostile input may cost."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_AGAIN = 0.05  # seconds until the next try, where the first was swallowed
_ends: list[float] = []  # when each limit that is at work ends, in time of this process, the innermost last


class TooSlowError(Exception):
    """The work took more than its share."""


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise TooSlowError


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Run the body, for at most so many seconds of this program's own time, however busy the machine is.

    A limit inside another one ends no later than that one, and who takes it for the inner one is told again.
    Works in the main thread only. Regular expressions look for signals too, so that even a single search ends.

    Raises:
        TooSlowError: the body took longer.
    """
    end = min([time.process_time() + seconds, *_ends[-1:]])
    _require(end)
    before = signal.signal(signal.SIGVTALRM, _stop)
    _ends.append(end)
    _arm()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        _ends.pop()
        signal.signal(signal.SIGVTALRM, before)
        if _ends:  # a limit around this one goes on with what is left
            _arm()
    _require(end)


def _arm() -> None:
    signal.setitimer(signal.ITIMER_VIRTUAL, max(_ends[-1] - time.process_time(), 0.001), _AGAIN)


def _require(end: float) -> None:
    if time.process_time() >= end:
        raise TooSlowError
