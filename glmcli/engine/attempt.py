"""One request to one provider, from its bytes to the verdict: the same for `ask`, a row of a batch, and a worker's."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from glmcli.engine.response import Heard, Response
from glmcli.errors import GlmError, OutputError
from glmcli.events import Answer, Event, Fold, Reasoning, Reply, ToolCallPart, joined, verdict
from glmcli.providers.reader import ReplyReader
from glmcli.record import Record
from glmcli.secrets import Redactor, StreamRedactor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from glmcli.http.call import Happening, Head
    from glmcli.output.writer import Writer
    from glmcli.plan import Candidate, Plan
    from glmcli.providers.row import Provider


class Attempted(Record):
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
    """A `Receiver` that decodes, redacts, tells a writer what comes, and judges at the end.

    Attributes:
        over: nothing more is awaited.
    """

    def __init__(self, candidate: Candidate, plan: Plan, redactor: Redactor, writer: Writer | None = None) -> None:
        """Without a `writer` nothing is shown before the end, so keys are looked for then."""
        self._plan = plan
        self._redactor = redactor
        trims = not plan.exact and candidate.provider.wire.sends_leading_newlines
        shown = _Shown(writer, redactor, trims=trims) if writer else None
        self._reply = _ReplyBody(candidate.provider, shown, trims=trims)
        self._response = Response(candidate.provider, self._reply, plan.limits, plan.deadline)
        self.over = False

    @property
    def due(self) -> float:
        """The monotonic time at which it is late."""
        return self._response.due

    @property
    def had_events(self) -> bool:
        """Whether text or a call came, which may have been shown."""
        return self._reply.first_event is not None

    def take(self, happening: Happening) -> None:
        """This happened."""
        self._response.take(happening)
        self.over = self._response.over

    def late(self) -> None:
        """The time is up."""
        self._response.late()
        self.over = True

    def result(self) -> Attempted:
        """How it ended.

        Raises:
            OutputError: what was held back until now cannot be written.
        """
        body, error = self._reply, self._response.error
        if error and not isinstance(error, OutputError):
            body.salvage()
        reply = body.reply(self._redactor)
        if error is None:
            error = verdict(reply, allow_empty=self._plan.allow_empty, runs_tools=self._plan.runs_tools)
        elif self.had_events:
            error.sent = error.broken = True
        if error:
            error.request_id = error.request_id or reply.request_id
            self._response.named(error, self._redactor)
        return Attempted(reply, error, body.first_event, body.first_answer)


class _ReplyBody:
    """Bytes of a reply to its fold, and to who is shown it; all of one read together."""

    def __init__(self, provider: Provider, shown: _Shown | None, *, trims: bool) -> None:
        self._provider = provider
        self._trims = trims
        self._shown = shown
        self._reader: ReplyReader | None = None
        self._fold = Fold()
        self.first_event: float | None = None
        self.first_answer: float | None = None

    def head(self, head: Head) -> None:
        self._reader = ReplyReader(self._provider, head.headers.get("content-type", ""))

    def data(self, chunk: bytes) -> Heard:
        reader = self._reader
        if reader is None:
            return Heard.NOTHING
        frames = reader.frames
        self._take(reader.feed(chunk))
        if reader.done:
            return Heard.OVER
        if reader.frames == frames:
            return Heard.NOTHING
        return Heard.FINISHED if self._fold.finished else Heard.DATA

    def end(self) -> None:
        if self._reader:
            self._take(self._reader.close())
        self._flush()

    def salvage(self) -> None:
        """Let go of the text that was held back when the reply broke off."""
        if self._reader:
            with suppress(GlmError):  # the first failure is the one to tell
                self._take(self._reader.salvage())
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
        shown = self._shown
        self._add(shown.show(came) if shown else joined(came))
        if failure:
            raise failure

    def _flush(self) -> None:
        if self._shown:
            self._add(self._shown.flush())

    def _add(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Answer | Reasoning | ToolCallPart):
                self._note_time(answer=isinstance(event, Answer))
            self._fold.add(event)

    def _note_time(self, *, answer: bool) -> None:
        if self.first_event is None:
            self.first_event = time.monotonic()
        if answer and self.first_answer is None:
            self.first_answer = time.monotonic()

    def reply(self, redactor: Redactor) -> Reply:
        """All that came, as it may be told."""
        reply = self._fold.reply()
        if self._shown:
            return reply
        answer = reply.answer.lstrip("\n") if self._trims else reply.answer
        return reply.replace(answer=redactor.text(answer), reasoning=redactor.text(reply.reasoning))


class _Shown:
    """Shows events as they come: without keys, and without newlines that mean nothing."""

    def __init__(self, writer: Writer, redactor: Redactor, *, trims: bool) -> None:
        self._writer = writer
        self._trims = trims
        self._reasoning = StreamRedactor(redactor)
        self._answer = StreamRedactor(redactor)

    def show(self, events: Sequence[Event]) -> list[Event]:
        """The events as they were shown."""
        shown: list[Event] = []
        for event in events if self._writer.wants_deltas else joined(events):
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
