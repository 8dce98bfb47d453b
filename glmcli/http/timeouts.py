"""The time limits of one request: how long each stage may take, and the error when it takes longer."""

from __future__ import annotations

import time

from glmcli.errors import NetworkError, Retry
from glmcli.record import Record

TICK = 0.2  # seconds between two checks, while we wait, whether our output is still being read
# Seconds without data after which a finished reply is complete, and a refusal without the rest of its body is read.
LINGER = 5.0
# The same where the finish may be early: gateways send `stop` on the first or on every frame, and the text follows
# later (github.com/open-webui/open-webui/issues/23921, 2026-04-21; …/16377, 2025-08-08).
EARLY_LINGER = 15.0
_MAX_LINGERS = 3  # how often data that says nothing new can renew the wait, in multiples of it


class Limits(Record):
    """How long a request may take, and how often it is retried. Units: seconds; None is no limit."""

    retries: int
    retry_max_time: float
    connect: float
    first: float
    idle: float
    deadline: float | None


class ResponseTimer:
    """When a request times out, by the stage that it has reached.

    Attributes:
        is_sent: the request may have reached the provider.
        has_data: data of the reply has arrived.
    """

    def __init__(self, limits: Limits, deadline: float) -> None:
        """Start the time to connect; everything must be over by `deadline`, on the monotonic clock."""
        self._limits = limits
        self._deadline = deadline
        self._linger = self._linger_end = 0.0
        self.is_sent = self.has_data = False
        self._start(limits.connect, f"cannot connect within {limits.connect:g} s")

    def _start(self, seconds: float, message: str) -> None:
        self._since, self._seconds, self._message = time.monotonic(), seconds, message

    @property
    def timeout_at(self) -> float:
        """The monotonic time at which the request times out."""
        return min(self._since + self._seconds, self._deadline)

    def request_sent(self) -> None:
        """The request, or a piece of it, is being written: restart the wait for a response."""
        self.is_sent = True
        self._start(self._limits.first, f"no response within {self._limits.first:g} s")

    def data_received(self) -> None:
        """Restart the idle time; not for comments and keep-alives, which are no data."""
        self.has_data = True
        # Called for every read, so the message is written only when it is needed.
        self._since, self._seconds, self._message = time.monotonic(), self._limits.idle, ""

    def linger(self, seconds: float) -> None:
        """The reply has finished, or was refused: wait so many seconds for what may follow."""
        self._linger = min(self._limits.idle, seconds)
        self._linger_end = time.monotonic() + _MAX_LINGERS * self._linger
        self._start(self._linger, "")

    def linger_on(self) -> None:
        """Data came that does not take the finish back: restart the wait, but not for ever."""
        self._start(min(self._linger, self._linger_end - time.monotonic()), "")

    def error(self) -> NetworkError:
        """The error for the limit that has passed."""
        if time.monotonic() >= self._deadline:
            return deadline_error(self._limits, sent=self.is_sent, broken=self.has_data)
        message = self._message or f"no data for {self._limits.idle:g} s"
        return NetworkError(message, retry=Retry.NETWORK, sent=self.is_sent, broken=self.has_data)


def deadline_error(limits: Limits, *, sent: bool = False, broken: bool = False) -> NetworkError:
    """The error for a deadline that has passed."""
    return NetworkError(f"the deadline of {limits.deadline or 0:g} s has passed", sent=sent, broken=broken)
