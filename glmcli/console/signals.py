"""Signals that end the program: SIGINT, SIGTERM and SIGHUP.

Until `install_handlers` is called, a signal ends the process at once, which is right as long as there is nothing to
clean up. From then on a signal raises Interrupted in the main thread. That exception can get lost: Python drops one
that is raised in a callback (a weak reference, a finalizer), and code that it hits may raise another one instead. So
the signal's number is kept here, and `raise_pending` raises it again.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from glmcli.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FIRST_PROCESS = 1
_BY_SIGNAL = 128
_SOON = 0.01  # seconds
_INSISTS = 3  # signals: whatever is held then, it is held for too long

_came: list[int] = []
_holds: list[None] = []
_cleaners: list[Callable[[], None]] = []


def install_handlers() -> None:
    """From now on, raise Interrupted when a signal comes, so that what is begun is cleared away."""
    for number in _ENDING:
        # A signal that our parent ignores (nohup) stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _raise_later


def raise_pending() -> None:
    """Nothing, if no signal came.

    Raises:
        Interrupted: one came, whatever became of its exception.
    """
    if _came:
        raise Interrupted(_came[0])


@contextmanager
def deferred() -> Iterator[None]:
    """Run the body whole: what it begins would be lost if an exception came between. Keep it short.

    Raises:
        Interrupted: a signal came meanwhile; raised when the body is over.
    """
    _holds.append(None)
    try:
        yield
    finally:
        _holds.pop()
    raise_pending()


def is_deferred() -> bool:
    """Whether something must not be interrupted now."""
    return bool(_holds)


def on_forced_exit(cleaner: Callable[[], None]) -> None:
    """Call this when a second signal leaves no time to clear away: it must be quick, and wait for nothing."""
    _cleaners.append(cleaner)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _came.append(number)
    if is_deferred() and len(_came) < _INSISTS:
        return
    if len(_came) > 1:
        _end_at_once(number)
    raise Interrupted(number)


def _end_at_once(number: int) -> NoReturn:
    """A second signal ends us, and what would outlive us; a third one ends even that."""
    for ending in _ENDING:
        signal.signal(ending, signal.SIG_DFL)
    for cleaner in _cleaners:
        with suppress(Exception):
            cleaner()
    exit_by_signal(number)


def _raise_later(lost: sys.UnraisableHookArgs) -> None:
    """Raise what was dropped in a callback once more, when the callback is over."""
    if not isinstance(lost.exc_value, Interrupted):
        sys.__unraisablehook__(lost)
        return
    signal.signal(signal.SIGALRM, lambda _number, _frame: raise_pending())
    signal.setitimer(signal.ITIMER_REAL, _SOON)


def is_first_process() -> bool:
    """Whether this is process 1, of a container say: the system ends it by no signal that it does not heed."""
    return os.getpid() == _FIRST_PROCESS


def exit_by_signal(number: int) -> NoReturn:
    """End by this signal."""
    if not is_first_process():
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(_BY_SIGNAL + number)
