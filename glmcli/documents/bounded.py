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


class TooSlowError(Exception):
    """The work took more than its share."""


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise TooSlowError


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Run the body, for at most so many seconds of this program's own time, however busy the machine is.

    Works in the main thread only. Regular expressions look for signals too, so that even a single search ends.

    Raises:
        TooSlowError: the body took longer.
    """
    outer = signal.getitimer(signal.ITIMER_VIRTUAL)[0]
    before = signal.signal(signal.SIGVTALRM, _stop)
    given = min(seconds, outer) if outer else seconds
    signal.setitimer(signal.ITIMER_VIRTUAL, given, _AGAIN)
    began = time.process_time()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        if outer:  # a limit around this one goes on with what is left
            left = max(outer - (time.process_time() - began), 0.001)
            signal.setitimer(signal.ITIMER_VIRTUAL, left, _AGAIN)
