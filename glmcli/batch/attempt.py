"""One request of a row: bytes in, a reply and its verdict out. The same rules as for `glm ask` (glmcli.attempt)."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from glmcli.errors import GlmError
from glmcli.events import Answer, Event, Fold, Reasoning, Reply, ToolCallPart, verdict
from glmcli.providers.reader import ReplyReader
from glmcli.providers.refusals import MAX_BODY, from_body
from glmcli.record import Record
from glmcli.transport.lane import Heard
from glmcli.watch import named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmcli.plan import Candidate, Limits
    from glmcli.secrets import Redactor
    from glmcli.transport.lane import Lane
    from glmcli.transport.message import Head

_SUCCESS = range(200, 300)


class Attempted(Record):
    """What came of a request; moments in seconds since it was begun, None where they did not come."""

    reply: Reply
    error: GlmError | None
    first_event: float | None
    first_answer: float | None


class Rules(Record):
    """What counts as a complete answer, and what may be left out of it; see Plan."""

    limits: Limits
    deadline: float
    exact: bool = False
    allow_empty: bool = False


async def attempt(candidate: Candidate, lane: Lane, rules: Rules, redactor: Redactor) -> Attempted:
    """Send the request once, over this connection."""
    reading = _Reading(candidate)
    try:
        await lane.send(candidate.call, reading, rules.limits, rules.deadline)
        reading.end()
    except GlmError as error:
        # The model had finished; that the connection did not end well changes nothing.
        if reading.fold.finished and reading.error is None:
            reading.end()
        else:
            reading.error = reading.error or error
            reading.salvage()
    return reading.outcome(rules, redactor)


class _Reading:
    """Takes what comes; a fault of the reply is kept in `error`, so that what `send` raises is the connection's."""

    def __init__(self, candidate: Candidate) -> None:
        self._provider = candidate.provider
        self._began = time.monotonic()
        self._reader: ReplyReader | None = None
        self._refused: tuple[Head, bytearray] | None = None
        self._moments: dict[type, float] = {}
        self.fold = Fold()
        self.error: GlmError | None = None

    def head(self, head: Head) -> Heard:
        if head.status in _SUCCESS:
            self._reader = ReplyReader(self._provider, head.headers.get("content-type", ""))
            return Heard.NOTHING
        self._refused = head, bytearray()
        return Heard.FINISHED

    def data(self, chunk: bytes) -> Heard:
        if self._refused:
            self._refused[1].extend(chunk[: MAX_BODY - len(self._refused[1])])
            return Heard.OVER if len(self._refused[1]) >= MAX_BODY else Heard.FINISHED
        if self._reader is None:
            return Heard.NOTHING
        frames = self._reader.frames
        try:
            self._take(self._reader.feed(chunk))
        except GlmError as error:
            self.error = error
            return Heard.OVER
        if self._reader.done:
            return Heard.OVER
        if self._reader.frames == frames:
            return Heard.NOTHING
        return Heard.FINISHED if self.fold.finished else Heard.DATA

    def end(self) -> None:
        """The reply is over, as far as the connection goes."""
        if self.error:
            return
        if self._refused:
            head, body = self._refused
            self.error = from_body(head.status, head.headers, bytes(body), self._provider, time.time())
        elif self._reader:
            try:
                self._take(self._reader.close())
            except GlmError as error:
                self.error = error

    def salvage(self) -> None:
        """Let go of the text that was held back when the reply broke off."""
        if self._reader:
            with suppress(GlmError):  # the first failure is the one to tell
                self._take(self._reader.salvage())

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Reasoning | Answer | ToolCallPart):
                self._moments.setdefault(type(event), time.monotonic() - self._began)
            self.fold.add(event)

    def outcome(self, rules: Rules, redactor: Redactor) -> Attempted:
        reply, error = self.fold.reply(), self.error
        if not rules.exact and self._provider.wire.sends_leading_newlines:
            reply = reply.replace(answer=reply.answer.lstrip("\n"))
        if error is None and self._refused is None:
            error = verdict(reply, allow_empty=rules.allow_empty)
        elif error and self._moments:
            error.sent = error.broken = True
        if error:
            error.request_id = error.request_id or reply.request_id
            named(error, self._provider, redactor)
        return Attempted(reply, error, min(self._moments.values(), default=None), self._moments.get(Answer))
