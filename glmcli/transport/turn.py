"""One request and its response on a lane: who reads it, what was heard so far, and when it is late."""

from __future__ import annotations

import asyncio
import time
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from glmcli.errors import GlmError, NetworkError, ProtocolError, Retry
from glmcli.transport.message import decoder

if TYPE_CHECKING:
    from glmcli.plan import Limits
    from glmcli.transport.faults import Place
    from glmcli.transport.message import Head

_LINGER = 5.0  # seconds for which usage may still follow a finish, and a body the head of a refusal
_STALE = 5.0  # seconds after which a connection that ends did not end because it was idle
_SUCCESS = range(200, 300)


class Heard(Enum):
    """What a reader made of it."""

    NOTHING = "nothing"  # comments and keep-alives: they buy no time
    DATA = "data"
    FINISHED = "finished"  # all that matters was said; at most five seconds more, and no failure counts after it
    OVER = "over"  # not one byte more is wanted


class Reader(Protocol):
    """Reads one response. Called as its bytes come; what it raises hangs up and comes out of `Lane.send`."""

    def head(self, head: Head) -> Heard:
        """Status and headers; FINISHED for a refusal, whose body may say why."""
        ...

    def data(self, chunk: bytes) -> Heard:
        """Some of the body, its content encoding undone."""
        ...


class StaleError(Exception):
    """The connection had been closed while it was idle: nobody read the request."""


class Turn:
    """One request and its response, under way. `over` is done when nothing more is awaited.

    Attributes:
        due: the monotonic time at which it is late.
        sent: some of the request is on its way, so it may be billed.
        answered: a byte came.
        begun: the head came.
        refused: the head says that the rest of the request is not wanted.
    """

    def __init__(self, reader: Reader, limits: Limits, deadline: float, place: Place, *, reused: bool) -> None:
        """`reused`: the connection has served before, so it may be stale."""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.due = deadline
        self.sent = self.answered = self.begun = self.refused = False
        self.place = place
        self._reader = reader
        self._limits = limits
        self._deadline = deadline
        self._reused = reused
        self._began = time.monotonic()
        self._has_data = self._finished = False
        self._otherwise = ""

    def was_sent(self) -> None:
        """Some of the request is on its way: the wait for a response begins anew."""
        self.sent = True
        self._expect(self._limits.first, f"no response within {self._limits.first:g} s")

    def head(self, head: Head) -> None:
        """The head has come.

        Raises:
            Exception: whatever the reader raises.
        """
        self.begun = True
        self.refused = head.status not in _SUCCESS
        try:
            self.place.check(head)
            self._unpack = decoder(head)
        except NetworkError as error:
            self.fail(error)
        except ProtocolError as error:
            self._note(self._reader.head(head))  # a refusal stands, whatever its body is packed in
            self.fail(error)
        else:
            self._note(self._reader.head(head))

    def data(self, packed: bytes) -> None:
        """Some of the body has come.

        Raises:
            Exception: whatever the reader raises.
        """
        try:
            chunk = self._unpack(packed)
        except ProtocolError as error:
            self.fail(error)
            return
        self._note(self._reader.data(chunk))

    def _note(self, heard: Heard) -> None:
        match heard:
            case Heard.DATA if not self._finished:
                self._has_data = True
                self._expect(self._limits.idle, f"nothing came for {self._limits.idle:g} s")
            case Heard.FINISHED if not self._finished:
                self._finished = True
                self._expect(min(self._limits.idle, _LINGER), "")
            case Heard.OVER:
                self.end()
            case _:
                pass

    def _expect(self, seconds: float, otherwise: str) -> None:
        self.due = min(time.monotonic() + seconds, self._deadline)
        self._otherwise = otherwise

    def end(self, error: Exception | None = None) -> None:
        """Let `send` return, or raise this."""
        if self.over.done():
            return
        if error:
            self.over.set_exception(error)
            self.over.exception()  # asyncio complains of what nobody looks at, even where the request was cancelled
        else:
            self.over.set_result(None)

    def fail(self, error: GlmError) -> None:
        """The connection did not end well: it matters only if the model had not finished."""
        self.end(None if self._finished else error)

    def late(self) -> None:
        """The time is up."""
        otherwise, broken = self._otherwise, self._has_data
        self.fail(overdue(self._limits, self._deadline, otherwise, sent=self.sent, broken=broken))

    def is_stale(self) -> bool:
        """Whether an end of the connection means only that it was idle for too long."""
        return self._reused and not self.answered and time.monotonic() - self._began < _STALE


def overdue(limits: Limits, deadline: float, otherwise: str, *, sent: bool, broken: bool = False) -> NetworkError:
    """The error for a time limit that passed: the deadline, or what `otherwise` says."""
    if time.monotonic() < deadline:
        return NetworkError(message=otherwise, retry=Retry.NETWORK, sent=sent, broken=broken)
    what = f"the deadline of {limits.deadline or 0:g} s has passed"
    return NetworkError(message=what, sent=sent, broken=broken)
