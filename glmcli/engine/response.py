"""One response under its time limits, for either HTTP client: a success is read, a refusal becomes our error."""

from __future__ import annotations

import time
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Protocol

from glmcli.errors import GlmError, OutputError, ProtocolError
from glmcli.http.call import SUCCESS, RequestSent, ResponseEnd, ResponseHead
from glmcli.http.timeouts import EARLY_LINGER, LINGER, Limits, ResponseTimer
from glmcli.providers.refusals import MAX_BODY, error_of_response

if TYPE_CHECKING:
    from glmcli.console.redaction import Redactor
    from glmcli.http.call import HttpEvent
    from glmcli.providers.row import Provider

_MAX_WHY = 500  # characters of the provider's own words
_MAX_EXCERPT = 200  # characters of a body that is not an API response


class ReadStatus(Enum):
    """What the bytes of one read were."""

    KEEP_ALIVE = "keep-alive"  # comments too: they do not restart the idle time
    DATA = "data"  # data of a reply that is not finished, or not any more
    FINISHED = "finished"  # the reply has finished: little time is left, and no failure of the connection counts
    FINISHED_EARLY = "finished early"  # the same, but text may follow: more time is left
    AFTER_FINISH = "after finish"  # data that does not take the finish back
    DONE = "done"  # nothing more is read


class BodyReader(Protocol):
    """Reads the body of a success; each method may raise the GlmError that the body amounts to."""

    def head(self, head: ResponseHead) -> None:
        """Take status and headers."""
        ...

    def data(self, chunk: bytes) -> ReadStatus:
        """Take the bytes of one read."""
        ...

    def end(self, failure: GlmError | None = None) -> None:
        """Finish: the body is over, or nothing that matters can follow.

        `failure`: how the connection broke after a finish.
        """
        ...


class Response:
    """A `Receiver` for one response.

    Attributes:
        is_done: no event is handled any more.
        error: why the request failed; None if it has not.
        remark: what a person should know about the error.
    """

    def __init__(self, provider: Provider, reader: BodyReader, limits: Limits, deadline: float, url: str = "") -> None:
        """`deadline` is on the monotonic clock; `url` is what was asked, if it was no question."""
        self._provider = provider
        self._url = url
        self._reader = reader
        self._timer = ResponseTimer(limits, deadline)
        self._refusal: tuple[ResponseHead, bytearray] | None = None
        self._is_finished = False
        self.remark = ""
        self.is_done = False
        self.error: GlmError | None = None

    @property
    def timeout_at(self) -> float:
        """The monotonic time at which the request times out."""
        return inf if self.is_done else self._timer.timeout_at

    def handle(self, event: HttpEvent) -> None:
        """Handle an event; an error that the reader raises becomes `error`."""
        try:
            match event:
                case bytes():
                    self._data(event)
                case RequestSent():
                    self._timer.request_sent()
                case ResponseHead() if event.status in SUCCESS:
                    self._reader.head(event)
                case ResponseHead():
                    self._refusal = event, bytearray()
                    self._timer.linger(LINGER)
                case ResponseEnd():
                    self._end()
                case _:
                    self._fail(event)
        except GlmError as error:
            self.is_done = True
            self.error = error

    def timed_out(self) -> None:
        """Handle that the time limit has passed; nothing was lost if it is the wait after a finish or a refusal."""
        self.handle(ResponseEnd() if self._refusal or self._is_finished else self._timer.error())

    def _data(self, chunk: bytes) -> None:
        if self._refusal:
            self._add_to_refusal(self._refusal[1], chunk)
            return
        match self._reader.data(chunk):
            case ReadStatus.DATA:
                self._is_finished = False
                self._timer.data_received()
            case ReadStatus.FINISHED | ReadStatus.FINISHED_EARLY as status:
                self._is_finished = True
                self._timer.has_data = True
                self._timer.linger(LINGER if status is ReadStatus.FINISHED else EARLY_LINGER)
            case ReadStatus.AFTER_FINISH:
                self._timer.linger_on()
            case ReadStatus.DONE:
                self._end()
            case ReadStatus.KEEP_ALIVE:
                pass

    def _add_to_refusal(self, body: bytearray, chunk: bytes) -> None:
        body += chunk
        if len(body) > MAX_BODY:
            del body[MAX_BODY:]
            self.remark = f"(only the first {MAX_BODY >> 20} MiB of the body was read)"
            self._end()

    def _end(self, failure: GlmError | None = None) -> None:
        self.is_done = True
        if self._refusal:
            head, body = self._refusal
            self.error = error_of_response(
                head.status, head.headers, bytes(body), self._provider, time.time(), url=self._url
            )
        else:
            self._reader.end(failure)

    def _fail(self, error: GlmError) -> None:
        """The connection failed: that matters only if the reply was not finished and the request not refused."""
        if self._refusal or self._is_finished:
            self._end(error)
            return
        self.is_done = True
        self.error = error


def displayed(error: GlmError, provider: Provider, redactor: Redactor, remark: str = "") -> GlmError:
    """The error as a person reads it: with the provider's name, without keys, its words cut to a readable length."""
    if not isinstance(error, OutputError):
        name = f"{provider.name}: "
        error.message = name + error.message.removeprefix(name)
    error.message = _clean(error.message, redactor)
    # Cut after redaction: a key that is cut in two would not be found.
    why = _clean(error.why or "", redactor)
    longest = _MAX_EXCERPT if isinstance(error, ProtocolError) else _MAX_WHY
    why = why if len(why) <= longest else why[:longest] + "…"
    error.why = f"{why} {remark}".strip() or None
    return error


def _clean(text: str, redactor: Redactor) -> str:
    """Foreign text without keys, and without the base64 of pictures that were sent."""
    from glmcli.providers.media_echo import mask_media

    return mask_media(redactor.error(text))
