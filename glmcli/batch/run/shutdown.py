"""How a run ends before its end: nothing more is sent, and what is under way may end, for a while or not at all."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from glmcli.errors import GlmError, NetworkError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from glmcli.config.plan import Plan

_DRAIN = 10.0  # seconds in which rows under way may still end after the first signal


class Shutdown:
    """Whether a run is to stop, why, and how soon.

    Attributes:
        is_on: nothing more is sent.
        rests: another runner goes on with what is left, so what fails now is counted as ever.
        by: when what is still under way is left, on the monotonic clock.
        why: what stopped the run; None where a person did.
    """

    def __init__(self, plan: Plan, say: Callable[[str], None], is_busy: Callable[[], bool]) -> None:
        """`is_busy`: whether anything is under way; `say` tells a person what it waits for, on a line."""
        self._deadline = plan.deadline
        self._seconds = plan.limits.deadline or 0.0
        self._say = say
        self._is_busy = is_busy
        self.is_on = self.rests = False
        self.by = float("inf")
        self.why: GlmError | None = None

    def stop(self, why: GlmError | None = None) -> None:
        """Send nothing more; what is under way may end."""
        if why and not self.is_on and self._is_busy():
            self._say(f"{why.message}: stopping, when what is under way has ended (Ctrl-C ends it)")
        self._end(why)

    def _end(self, why: GlmError | None) -> None:
        self.why = self.why or why
        self.is_on, self.rests = True, False

    def rest(self) -> None:
        """Send nothing more, and leave what is left to another runner."""
        self.rests = self.rests or not self.is_on
        self.is_on = True

    def drain(self, seconds: float = _DRAIN) -> None:
        """Send nothing more; what is under way may end within so many seconds."""
        if not self.is_on and self._is_busy():
            self._say(f"stopping: what is under way has {seconds:g} s to end (Ctrl-C again ends it now)")
        self.stop()
        self.by = min(self.by, time.monotonic() + seconds)

    def abort(self, why: GlmError | None = None) -> None:
        """End at once: what is under way stays to be asked."""
        self.by = 0.0
        self._end(why)

    def is_late(self, now: float) -> bool:
        """Whether the deadline of the run has passed, which ends it at once."""
        if now < self._deadline:
            return False
        self.abort(NetworkError(f"the deadline of {self._seconds:g} s has passed"))
        return True

    @property
    def is_over(self) -> bool:
        """Whether a run that is to stop has stopped."""
        return self.is_on and (not self._is_busy() or time.monotonic() >= self.by)


def install_signal_handlers(
    shutdown: Shutdown, loop: asyncio.AbstractEventLoop, numbers: tuple[int, ...], came: list[int]
) -> None:
    """The first signal ends the sending, the second the waiting, or the first where that had begun.

    `came` takes down which came.
    """

    def note(number: int) -> None:
        came.append(number)
        (shutdown.abort if shutdown.is_on else shutdown.drain)()

    for number in numbers:
        with suppress(RuntimeError):  # not the main thread
            loop.add_signal_handler(number, note, number)
