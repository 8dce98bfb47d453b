"""The time limits of one request: how long each stage may take, and what is said when it took longer."""

from __future__ import annotations

import time

from glmcli.errors import NetworkError, Retry
from glmcli.record import Record

TICK = 0.2  # seconds between looks at whether anybody still reads, while we wait
LINGER = 5.0  # seconds for which usage and an error may still follow a finish, and a body the head of a refusal


class Limits(Record):
    """How long and how often. Units: seconds; None is for ever."""

    retries: int
    retry_max_time: float
    connect: float
    first: float
    idle: float
    deadline: float | None


class ResponseTimer:
    """When a request is late, by the stage that it has reached.

    Attributes:
        is_sent: it may have reached the provider.
        has_data: the reply has begun.
    """

    def __init__(self, limits: Limits, deadline: float) -> None:
        """It is to be connected from now on; everything must be over by `deadline`, on the monotonic clock."""
        self._limits = limits
        self._deadline = deadline
        self._lingers = False
        self.is_sent = self.has_data = False
        self._expect(limits.connect, f"cannot connect within {limits.connect:g} s")

    def _expect(self, seconds: float, otherwise: str) -> None:
        self._since, self._seconds, self._otherwise = time.monotonic(), seconds, otherwise

    @property
    def due(self) -> float:
        """The monotonic time at which it is late."""
        return min(self._since + self._seconds, self._deadline)

    def sent(self) -> None:
        """The request, or a piece of it, is on its way: the wait for a response begins anew."""
        self.is_sent = True
        self._expect(self._limits.first, f"no response within {self._limits.first:g} s")

    def data(self) -> None:
        """Data came; comments and keep-alives are none, and buy no time."""
        self.has_data = True
        if not self._lingers:
            self._since, self._seconds, self._otherwise = time.monotonic(), self._limits.idle, ""

    def linger(self) -> None:
        """The end is known: wait only a little for what may follow, however much does."""
        if not self._lingers:
            self._lingers = True
            self._expect(min(self._limits.idle, LINGER), "")

    def late(self) -> NetworkError:
        """The error for the limit that has passed."""
        if time.monotonic() >= self._deadline:
            return deadline_error(self._limits, sent=self.is_sent, broken=self.has_data)
        what = self._otherwise or f"nothing came for {self._limits.idle:g} s"
        return NetworkError(message=what, retry=Retry.NETWORK, sent=self.is_sent, broken=self.has_data)


def deadline_error(limits: Limits, *, sent: bool = False, broken: bool = False) -> NetworkError:
    """The error for a deadline that has passed."""
    return NetworkError(f"the deadline of {limits.deadline or 0:g} s has passed", sent=sent, broken=broken)
