"""One request to one provider, from its bytes to the verdict: the same for `ask`, a row of a batch, and a worker's."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING

from glmcli.chat.events import Answer, Event, Reasoning, ToolCallPart, coalesce
from glmcli.chat.reply import Fold, Reply, verdict
from glmcli.console.redaction import Redactor, StreamRedactor
from glmcli.engine.response import ReadStatus, Response
from glmcli.errors import GlmError, OutputError
from glmcli.providers.reader import ReplyReader
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmcli.config.plan import Candidate, Plan
    from glmcli.http.call import ResponseHead
    from glmcli.output.writer import Writer

_MOST_WAITING = 256  # frames


class AttemptResult(Record):
    """How a request ended.

    Attributes:
        reply: the reply, or as much of it as came.
        error: why it is no complete answer; None if it is one.
        first_event: when the first text or call came, on the monotonic clock; None: none did.
        first_answer: the same of the answer.
    """

    reply: Reply
    error: GlmError | None
    first_event: float | None
    first_answer: float | None


class Attempt:
    """Decodes, redacts and shows a reply, all of one read together, and judges it at the end.

    Attributes:
        response: its `Receiver`, which is told what happens.
    """

    def __init__(self, candidate: Candidate, plan: Plan, redactor: Redactor, writer: Writer | None = None) -> None:
        """Without a `writer` nothing is shown before the end."""
        provider = candidate.provider
        self._provider = provider
        self._plan = plan
        self._redactor = redactor
        self._trims = not plan.exact and provider.api.sends_leading_newlines
        self._shown = _Shown(writer, redactor, trims=self._trims) if writer else None
        self._reader: ReplyReader | None = None
        self._waiting: list[bytes] = []
        self._fold = Fold()
        self._first_event: float | None = None
        self._first_answer: float | None = None
        self.response = Response(provider, self, plan.limits, plan.deadline)

    @property
    def had_events(self) -> bool:
        """Whether text or a call came, which may have been shown."""
        return self._first_event is not None

    def head(self, head: ResponseHead) -> None:
        """A success begins."""
        self._reader = ReplyReader(self._provider, head.headers.get("content-type", ""))

    def data(self, chunk: bytes) -> ReadStatus:
        """All that came in one read."""
        reader = self._reader
        if reader is None:
            return ReadStatus.NOTHING
        if self._shown is None and len(self._waiting) < _MOST_WAITING and reader.may_wait(chunk):
            self._waiting.append(chunk)
            return ReadStatus.DATA
        frames = reader.frames
        if self._waiting:
            chunk = self._waited() + chunk
        self._take(reader.feed(chunk))
        if reader.done:
            return ReadStatus.OVER
        if reader.frames == frames:
            return ReadStatus.NOTHING
        return ReadStatus.FINISHED if self._fold.finished else ReadStatus.DATA

    def _waited(self) -> bytes:
        """What nobody is shown before the end: a piece of text costs a tenth when it is read with others."""
        waited = b"".join(self._waiting)
        self._waiting.clear()
        return waited

    def end(self) -> None:
        """Nothing follows."""
        if self._reader:
            self._take(chain(self._reader.feed(self._waited()), self._reader.close()))
        self._flush()

    def _take(self, events: Iterable[Event]) -> None:
        """Take in the events; what came before a fault counts."""
        came: list[Event] = []
        failure: GlmError | None = None
        try:
            for event in events:
                came.append(event)  # noqa: PERF402 - what came before a fault is kept
        except GlmError as error:
            failure = error
        self._add(self._shown.show(came) if self._shown else coalesce(came))
        if failure:
            raise failure

    def _flush(self) -> None:
        if self._shown:
            self._add(self._shown.flush())

    def _add(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Answer | Reasoning | ToolCallPart):
                now = time.monotonic()
                self._first_event = self._first_event or now
                if isinstance(event, Answer):
                    self._first_answer = self._first_answer or now
            self._fold.add(event)

    def result(self) -> AttemptResult:
        """How it ended.

        Raises:
            OutputError: what was held back until now cannot be written.
        """
        error = self.response.error
        if error and not isinstance(error, OutputError):
            self._salvage()
        reply = self._reply()
        if error is None:
            error = verdict(reply, allow_empty=self._plan.allow_empty, runs_tools=self._plan.runs_tools)
        elif self.had_events:
            error.sent = error.broken = True
        if error:
            error.request_id = error.request_id or reply.request_id
            self.response.displayed(error, self._redactor)
        return AttemptResult(reply, error, self._first_event, self._first_answer)

    def _salvage(self) -> None:
        """Let go of the text that was held back when the reply broke off."""
        if self._reader:
            for events in (self._reader.feed(self._waited()), self._reader.salvage()):
                try:
                    self._take(events)
                except OutputError:
                    raise
                except GlmError:
                    pass  # the first failure is the one to tell
        self._flush()

    def _reply(self) -> Reply:
        """All that came; what was not shown may hold keys, which are looked for in the line that is written."""
        reply = self._fold.reply()
        trims = self._trims and not self._shown
        return reply.replace(answer=reply.answer.lstrip("\n")) if trims else reply


class _Shown:
    """Shows events as they come: without keys, and without newlines that mean nothing."""

    def __init__(self, writer: Writer, redactor: Redactor, *, trims: bool) -> None:
        self._writer = writer
        self._trims = trims
        self._reasoning = StreamRedactor(redactor)
        self._answer = StreamRedactor(redactor)

    def show(self, events: list[Event]) -> list[Event]:
        """The events as they were shown."""
        shown: list[Event] = []
        for event in events if self._writer.wants_deltas else coalesce(events):
            match event:
                case Reasoning(text):
                    shown += self._flushed_answer()
                    shown.append(Reasoning(self._reasoning.push(text)))
                case Answer(text):
                    shown += self._flushed_reasoning()
                    shown.append(Answer(self._trimmed(self._answer.push(text))))
                case ToolCallPart():
                    shown += [*self._flushed_reasoning(), *self._flushed_answer(), event]
                case _:
                    shown.append(event)
        return self._told(shown)

    def flush(self) -> list[Event]:
        """What was held back, shown now."""
        return self._told([*self._flushed_reasoning(), *self._flushed_answer()])

    def _flushed_reasoning(self) -> list[Event]:
        return [Reasoning(text)] if (text := self._reasoning.flush()) else []

    def _flushed_answer(self) -> list[Event]:
        return [Answer(text)] if (text := self._trimmed(self._answer.flush())) else []

    def _trimmed(self, text: str) -> str:
        if self._trims:
            text = text.lstrip("\n")
            self._trims = not text
        return text

    def _told(self, events: Iterable[Event]) -> list[Event]:
        told = [event for event in events if not isinstance(event, Reasoning | Answer) or event.text]
        for event in told:
            self._writer.event(event)
        if told:
            self._writer.flush()
        return told
