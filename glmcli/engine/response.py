"""One response under its time limits, whoever sends: a success is read, a refusal becomes the error that is told."""

from __future__ import annotations

import time
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Protocol

from glmcli.errors import GlmError, OutputError, ProtocolError
from glmcli.http.call import SUCCESS, RequestSent, ResponseEnd, ResponseHead
from glmcli.http.timeouts import Limits, ResponseTimer
from glmcli.providers.refusals import MAX_BODY, error_of_response

if TYPE_CHECKING:
    from glmcli.console.redaction import Redactor
    from glmcli.http.call import HttpEvent
    from glmcli.providers.row import Provider

_LONGEST_WHY = 500  # characters of the provider's words
_EXCERPT = 200  # characters of what is no API answer


class ReadStatus(Enum):
    """What a reader made of some bytes."""

    NOTHING = "nothing"  # comments and keep-alives: they buy no time
    DATA = "data"
    FINISHED = "finished"  # all that matters was said; little time is left, and no failure of the connection counts
    OVER = "over"  # not one byte more is wanted


class Reader(Protocol):
    """Reads the body of a success; it may raise the GlmError that the body means."""

    def head(self, head: ResponseHead) -> None:
        """Status and headers."""
        ...

    def data(self, chunk: bytes) -> ReadStatus:
        """All that came in one read."""
        ...

    def end(self) -> None:
        """The body is over, or nothing that matters can follow."""
        ...


class Response:
    """A `Receiver`: takes what happens to a request, and has its end.

    Attributes:
        over: nothing more is awaited.
        error: why it failed; None as long as it has not.
    """

    def __init__(self, provider: Provider, reader: Reader, limits: Limits, deadline: float) -> None:
        """`deadline` is on the monotonic clock."""
        self._provider = provider
        self._reader = reader
        self._timer = ResponseTimer(limits, deadline)
        self._refusal: tuple[ResponseHead, bytearray] | None = None
        self._is_finished = False
        self._remark = ""
        self.over = False
        self.error: GlmError | None = None

    @property
    def due(self) -> float:
        """The monotonic time at which it is late."""
        return inf if self.over else self._timer.due

    def take(self, happening: HttpEvent) -> None:
        """This happened."""
        try:
            if isinstance(happening, bytes):
                self._data(happening)
            else:
                self._take(happening)
        except GlmError as error:
            self.over = True
            self.error = error

    def _take(self, happening: RequestSent | ResponseHead | ResponseEnd | GlmError) -> None:
        match happening:
            case RequestSent():
                self._timer.sent()
            case ResponseHead() if happening.status in SUCCESS:
                self._reader.head(happening)
            case ResponseHead():
                self._refusal = happening, bytearray()
                self._timer.linger()
            case ResponseEnd():
                self._end()
            case _:
                self._fail(happening)

    def late(self) -> None:
        """The time is up."""
        self.take(self._timer.late())

    def _data(self, chunk: bytes) -> None:
        if self._refusal:
            self._refused(self._refusal[1], chunk)
            return
        heard = self._reader.data(chunk)
        if heard is ReadStatus.DATA:
            self._timer.data()
        elif heard is ReadStatus.FINISHED:
            self._is_finished = True
            self._timer.has_data = True
            self._timer.linger()
        elif heard is ReadStatus.OVER:
            self._end()

    def _refused(self, body: bytearray, chunk: bytes) -> None:
        body += chunk
        if len(body) > MAX_BODY:
            del body[MAX_BODY:]
            self._remark = f"(only the first {MAX_BODY >> 20} MiB of the body was read)"
            self._end()

    def _end(self) -> None:
        self.over = True
        if self._refusal:
            head, body = self._refusal
            self.error = error_of_response(head.status, head.headers, bytes(body), self._provider, time.time())
        else:
            self._reader.end()

    def _fail(self, error: GlmError) -> None:
        """The connection did not end well: it matters only if the model had not finished, and no status was told."""
        if self._refusal or self._is_finished:
            self._end()
            return
        self.over = True
        self.error = error

    def displayed(self, error: GlmError, redactor: Redactor) -> GlmError:
        """The error as it is told."""
        return displayed(error, self._provider, redactor, self._remark)


def displayed(error: GlmError, provider: Provider, redactor: Redactor, remark: str = "") -> GlmError:
    """The error as it is told: with the provider's name, without keys, and with words of a bearable length."""
    if not isinstance(error, OutputError):
        name = f"{provider.name}: "
        error.message = name + error.message.removeprefix(name)
    error.message = _clean(error.message, redactor)
    # Cut only now: a key that is cut in two would not be found.
    why = _clean(error.why or "", redactor)
    longest = _EXCERPT if isinstance(error, ProtocolError) else _LONGEST_WHY
    why = why if len(why) <= longest else why[:longest] + "…"
    error.why = f"{why} {remark}".strip() or None
    return error


def _clean(text: str, redactor: Redactor) -> str:
    """Foreign words without keys, and without the pictures that were sent."""
    from glmcli.providers.refusals import masked

    return masked(redactor.text(text))
