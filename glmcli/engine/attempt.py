"""One request to one provider, from its bytes to the verdict: the same for `ask`, a row of a batch, and a worker."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING

from glmcli.chat.events import Answer, Event, Reasoning, Remark, ToolCallPart, coalesce
from glmcli.chat.reply import Fold, Reply, verdict
from glmcli.console.redaction import Redactor, StreamRedactor
from glmcli.engine.response import ReadStatus, Response, displayed
from glmcli.errors import GlmError, OutputError
from glmcli.providers.reader import ReplyReader
from glmcli.providers.text_remarks import think_tag_remarks
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmcli.config.plan import Candidate, Plan
    from glmcli.http.call import ResponseHead
    from glmcli.output.writer import Writer

_MAX_BUFFERED = 256  # reads


class AttemptResult(Record):
    """How a request ended.

    Attributes:
        reply: the reply, or as much of it as arrived.
        error: why it is not a complete answer; None if it is one.
        first_event: when the first text or tool call arrived, on the monotonic clock; None if none did.
        first_answer: the same for text of the answer.
        remarks: what a person should know about the reply; where there is a writer, it was told of them.
    """

    reply: Reply
    error: GlmError | None
    first_event: float | None
    first_answer: float | None
    remarks: tuple[Remark, ...] = ()


class Attempt:
    """Decodes, redacts and prints a reply, read by read, and decides at the end whether it is complete.

    Attributes:
        response: the `Receiver` that handles the events of the exchange.
    """

    def __init__(self, candidate: Candidate, plan: Plan, redactor: Redactor, writer: Writer | None = None) -> None:
        """Without a `writer` nothing is printed before the end."""
        provider = candidate.provider
        self._provider = provider
        self._several = candidate.request.wants_several
        self._plan = plan
        self._redactor = redactor
        self._strips_newlines = not plan.exact and provider.api.sends_leading_newlines
        self._output = _RedactedOutput(writer, redactor, strips_newlines=self._strips_newlines) if writer else None
        self._reader: ReplyReader | None = None
        self._buffered: list[bytes] = []
        self._fold = Fold()
        self._remarks: list[Remark] = []
        self._first_event: float | None = None
        self._first_answer: float | None = None
        self.response = Response(provider, self, plan.limits, plan.deadline)

    @property
    def had_events(self) -> bool:
        """Whether text or a tool call arrived, which may have been printed."""
        return self._first_event is not None

    def head(self, head: ResponseHead) -> None:
        """Begin to read a success."""
        self._reader = ReplyReader(self._provider, head.headers.get("content-type", ""), several=self._several)

    def data(self, chunk: bytes) -> ReadStatus:
        """Decode the bytes of one read."""
        reader = self._reader
        if reader is None:
            return ReadStatus.KEEP_ALIVE
        if self._output is None and len(self._buffered) < _MAX_BUFFERED and reader.can_defer(chunk):
            self._buffered.append(chunk)
            return ReadStatus.DATA
        frames, finishes = reader.frames, self._fold.finishes
        if self._buffered:
            chunk = self._take_buffered() + chunk
        self._take(reader.feed(chunk))
        if reader.done:
            return ReadStatus.DONE
        return ReadStatus.KEEP_ALIVE if reader.frames == frames else self._status(finishes)

    def _status(self, finishes: int) -> ReadStatus:
        """What the data of a read means for its time limit; before it, there were so many finishes."""
        if not self._fold.finished:
            return ReadStatus.DATA
        if self._fold.finishes == finishes:
            return ReadStatus.AFTER_FINISH
        return ReadStatus.FINISHED_EARLY if self._fold.finish_is_early else ReadStatus.FINISHED

    def _take_buffered(self) -> bytes:
        """The reads that were kept back: decoding many at once costs a tenth of decoding each."""
        buffered = b"".join(self._buffered)
        self._buffered.clear()
        return buffered

    def end(self, failure: GlmError | None = None) -> None:
        """Decode and print the rest: the body is over. A failure after the finish is only a remark."""
        if self._reader:
            self._take(chain(self._reader.feed(self._take_buffered()), self._reader.close()))
        self._flush()
        if failure:
            self._remark(Remark(f"{self._provider.name}: after the finish: {failure.message}"))

    def _remark(self, *remarks: Remark) -> None:
        self._add(self._output.print([*remarks]) if self._output else remarks)

    def _take(self, events: Iterable[Event]) -> None:
        """Print the events and add them to the reply, also those before an error."""
        decoded: list[Event] = []
        failure: GlmError | None = None
        try:
            for event in events:
                decoded.append(event)  # noqa: PERF402 - a list() would lose the events before an error
        except GlmError as error:
            failure = error
        self._add(self._output.print(decoded) if self._output else coalesce(decoded))
        if failure:
            raise failure

    def _flush(self) -> None:
        if self._output:
            self._add(self._output.flush())

    def _add(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Answer | Reasoning | ToolCallPart):
                now = time.monotonic()
                self._first_event = self._first_event or now
                if isinstance(event, Answer):
                    self._first_answer = self._first_answer or now
            elif isinstance(event, Remark):
                self._remarks.append(event)
            self._fold.add(event)

    def result(self) -> AttemptResult:
        """How the request ended.

        Raises:
            OutputError: text that was held back until now cannot be written.
        """
        error = self.response.error
        if error and not isinstance(error, OutputError):
            self._salvage()
        reply = self._reply()
        if error is None:
            self._remark(*think_tag_remarks(reply.answer, self._provider.api))
            error = verdict(reply, allow_empty=self._plan.allow_empty, runs_tools=self._plan.runs_tools)
        elif self.had_events:
            error.sent = error.broken = True
        if error:
            error.request_id = error.request_id or reply.request_id
            displayed(error, self._provider, self._redactor, self.response.remark)
        return AttemptResult(reply, error, self._first_event, self._first_answer, tuple(self._remarks))

    def _salvage(self) -> None:
        """Decode and print what was held back when the reply broke off."""
        if self._reader:
            for events in (self._reader.feed(self._take_buffered()), self._reader.salvage()):
                try:
                    self._take(events)
                except OutputError:
                    raise
                except GlmError:
                    pass  # the first failure is the one to report
        self._flush()

    def _reply(self) -> Reply:
        """The whole reply. Where nothing was printed it may contain keys: whoever writes it redacts the line."""
        reply = self._fold.reply()
        strips = self._strips_newlines and not self._output
        return reply.replace(answer=reply.answer.lstrip("\n")) if strips else reply


class _RedactedOutput:
    """Prints events as they arrive: without keys, and without leading newlines that mean nothing."""

    def __init__(self, writer: Writer, redactor: Redactor, *, strips_newlines: bool) -> None:
        self._writer = writer
        self._strips_newlines = strips_newlines
        self._reasoning = StreamRedactor(redactor)
        self._answer = StreamRedactor(redactor)

    def print(self, events: list[Event]) -> list[Event]:
        """Print what can be printed now; returns the events as they were printed."""
        printed: list[Event] = []
        for event in events if self._writer.wants_deltas else coalesce(events):
            match event:
                case Reasoning(text):
                    printed += self._rest_of_answer()
                    printed.append(Reasoning(self._reasoning.push(text)))
                case Answer(text):
                    printed += self._rest_of_reasoning()
                    printed.append(Answer(self._stripped(self._answer.push(text))))
                case ToolCallPart():
                    printed += [*self._rest_of_reasoning(), *self._rest_of_answer(), event]
                case _:
                    printed.append(event)
        return self._write(printed)

    def flush(self) -> list[Event]:
        """Print what was held back."""
        return self._write([*self._rest_of_reasoning(), *self._rest_of_answer()])

    def _rest_of_reasoning(self) -> list[Event]:
        return [Reasoning(text)] if (text := self._reasoning.flush()) else []

    def _rest_of_answer(self) -> list[Event]:
        return [Answer(text)] if (text := self._stripped(self._answer.flush())) else []

    def _stripped(self, text: str) -> str:
        if self._strips_newlines:
            text = text.lstrip("\n")
            self._strips_newlines = not text
        return text

    def _write(self, events: Iterable[Event]) -> list[Event]:
        written = [event for event in events if not isinstance(event, Reasoning | Answer) or event.text]
        for event in written:
            self._writer.event(event)
        if written:
            self._writer.flush()
        return written
