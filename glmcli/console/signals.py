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

_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_EXIT_CODE_BASE = 128  # plus the number of the signal: the exit code that shells report
_AFTER_CALLBACK = 0.01  # seconds
_MAX_DEFERRED = 3  # signals; with the third, a deferred section takes too long and is interrupted

_received: list[int] = []
_deferrals: list[None] = []
_cleanups: list[Callable[[], None]] = []


def install_handlers() -> None:
    """Raise Interrupted when a signal arrives from now on, so that there is a chance to clean up."""
    for number in _HANDLED:
        # A signal that our parent ignores (nohup) stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)
    sys.unraisablehook = _raise_dropped


def raise_pending() -> None:
    """Return if no signal has arrived.

    Raises:
        Interrupted: one has, whatever became of its exception.
    """
    if _received:
        raise Interrupted(_received[0])


@contextmanager
def deferred() -> Iterator[None]:
    """Run the body without interruption, for what must not stop halfway. Keep it short.

    Raises:
        Interrupted: a signal arrived meanwhile; raised after the body.
    """
    _deferrals.append(None)
    try:
        yield
    finally:
        _deferrals.pop()
    raise_pending()


def is_deferred() -> bool:
    """Whether a signal would be deferred now."""
    return bool(_deferrals)


def on_forced_exit(cleanup: Callable[[], None]) -> None:
    """Call this when a second signal leaves no time for an orderly cleanup: it must be quick and wait for nothing."""
    _cleanups.append(cleanup)


def _handle(number: int, _frame: FrameType | None) -> None:
    _received.append(number)
    if is_deferred() and len(_received) < _MAX_DEFERRED:
        return
    if len(_received) > 1:
        _force_exit(number)
    raise Interrupted(number)


def _force_exit(number: int) -> NoReturn:
    """End at once, after a second signal; a third one ends even the cleanups."""
    for handled in _HANDLED:
        signal.signal(handled, signal.SIG_DFL)
    for cleanup in _cleanups:
        with suppress(Exception):
            cleanup()
    exit_by_signal(number)


def _raise_dropped(dropped: sys.UnraisableHookArgs) -> None:
    """After a callback in which Python dropped an Interrupted, raise it again."""
    if not isinstance(dropped.exc_value, Interrupted):
        sys.__unraisablehook__(dropped)
        return
    signal.signal(signal.SIGALRM, lambda _number, _frame: raise_pending())
    signal.setitimer(signal.ITIMER_REAL, _AFTER_CALLBACK)


def is_first_process() -> bool:
    """Whether this is process 1, of a container for example: the system drops signals that it has no handler for."""
    return os.getpid() == 1


def exit_by_signal(number: int) -> NoReturn:
    """End the process by this signal, so that a shell's loop around it ends too; process 1 exits with its number."""
    if not is_first_process():
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(_EXIT_CODE_BASE + number)
