"""How a run ends early: nothing more is sent, and requests in flight may end, for a while or not at all."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from glmcli.errors import GlmError, NetworkError

if TYPE_CHECKING:
    import asyncio

    from glmcli.config.plan import Plan

_DRAIN = 10.0  # seconds in which requests in flight may still end after the first signal


class Shutdown:
    """Whether a run is to stop, why, and how soon.

    Attributes:
        is_stopping: nothing more is sent.
        hands_over: the driver takes the other rows back, so a failure counts as in a run that continues.
        cut_at: when the requests that are still in flight are cut off, on the monotonic clock.
        error: what stopped the run; None where a signal did.
        signal: the number of the first signal received.
        notice: a line for the user, if anything is still in flight.
    """

    def __init__(self, plan: Plan) -> None:
        """The run continues until its deadline."""
        self._deadline = plan.deadline
        self._seconds = plan.limits.deadline or 0.0
        self.is_stopping = self.hands_over = False
        self.cut_at = float("inf")
        self.error: GlmError | None = None
        self.signal: int | None = None
        self.notice: str | None = None

    def stop(self, error: GlmError | None = None) -> None:
        """Send nothing more; requests in flight may end."""
        if error and not self.is_stopping:
            self.notice = f"{error.message}: stopping when the requests in flight have ended (Ctrl-C ends them now)"
        self.error = self.error or error
        self.is_stopping, self.hands_over = True, False

    def hand_over(self) -> None:
        """Send nothing more, and give the other rows back to the driver."""
        self.hands_over = self.hands_over or not self.is_stopping
        self.is_stopping = True

    def drain(self, seconds: float = _DRAIN) -> None:
        """Send nothing more; requests in flight may end within so many seconds."""
        if not self.is_stopping:
            self.notice = f"stopping: requests in flight have {seconds:g} s to end (Ctrl-C again ends them now)"
        self.stop()
        self.cut_at = min(self.cut_at, time.monotonic() + seconds)

    def abort(self, error: GlmError | None = None) -> None:
        """End now: requests in flight are cut off, and their rows are left to the next run."""
        self.notice = None
        self.cut_at = 0.0
        self.error = self.error or error
        self.is_stopping, self.hands_over = True, False

    def check_deadline(self, now: float) -> bool:
        """Abort if the deadline of the run has passed; whether it has."""
        if now < self._deadline:
            return False
        self.abort(NetworkError(f"the deadline of {self._seconds:g} s has passed"))
        return True

    def on_signal(self, number: int) -> None:
        """Drain after the first signal; abort after the second, or after the first where the run was stopping."""
        self.signal = self.signal or number
        (self.abort if self.is_stopping else self.drain)()

    def handle_signals(self, loop: asyncio.AbstractEventLoop, numbers: tuple[int, ...]) -> None:
        """Have the loop call `on_signal` for these signals."""
        for number in numbers:
            with suppress(RuntimeError):  # not the main thread
                loop.add_signal_handler(number, self.on_signal, number)
