"""One request to one provider: its bytes, its verdict."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glmcli.errors import GlmError
from glmcli.events import Answer, Event, Fold, Reasoning, ToolCallPart, verdict
from glmcli.providers.reader import ReplyReader
from glmcli.secrets import Redactor, StreamRedactor
from glmcli.transport.exchange import End, Exchange, Happening
from glmcli.transport.message import Head
from glmcli.watch import Refusal, TransportError, Watch, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from glmcli.outcome import Timing
    from glmcli.output.writer import Writer
    from glmcli.plan import Candidate, Plan
    from glmcli.tls import Tls

_SUCCESS = range(200, 300)


class Attempt:
    """Sends the request once and reads what comes."""

    def __init__(self, candidate: Candidate, plan: Plan, writer: Writer, redactor: Redactor, timing: Timing) -> None:
        """`timing` is shared by all attempts; the first to see an event notes it."""
        self._candidate = candidate
        self._plan = plan
        self._writer = writer
        self._timing = timing
        self._redactor = redactor
        self._reasoning = StreamRedactor(redactor)
        self._answer = StreamRedactor(redactor)
        self._trim = not plan.exact and candidate.provider.wire.sends_leading_newlines
        self._reader: ReplyReader | None = None
        self._remark = ""
        self.fold = Fold()
        self.had_events = False

    def run(self, tls: Tls | None, tick: Callable[[], None]) -> GlmError | None:
        """Why there is no complete answer, or None if there is one."""
        provider = self._candidate.provider
        watch = Watch(Exchange(self._candidate.call, self._candidate.proxy, tls), self._plan, provider.name, tick)
        try:
            self._read(watch)
        except GlmError as error:
            self._salvage()
            error.sent |= self.had_events
            error.broken |= self.had_events
            return self._named(error)
        finally:
            watch.close()
        plan = self._plan
        shortfall = verdict(self.fold.reply(), allow_empty=plan.allow_empty, runs_tools=plan.runs_tools)
        if shortfall:
            return self._named(shortfall)
        return None

    def _named(self, error: GlmError) -> GlmError:
        """The error with the provider's name, and its name of this request, where a chunk said it."""
        error.request_id = error.request_id or self.fold.reply().request_id
        return named(error, self._candidate.provider, self._redactor, self._remark)

    def _salvage(self) -> None:
        """Let go of the text that was held back when the reply broke off."""
        if self._reader:
            self._deliver(self._reader.salvage())
        self._flush()

    def _read(self, watch: Watch) -> None:
        try:
            for happening in watch:
                if self._take(happening, watch):
                    break
        except TransportError as failure:
            # The model had finished; that the connection did not end well changes nothing.
            if not self.fold.finished:
                raise failure.error from failure
        if self._reader:
            self._deliver(self._reader.close())
        self._flush()

    def _take(self, happening: Happening, watch: Watch) -> bool:
        """Whether the reply is over."""
        match happening:
            case Head() if happening.status not in _SUCCESS:
                raise self._refusal(happening, watch)
            case Head():
                content_type = happening.headers.get("content-type", "")
                self._reader = ReplyReader(self._candidate.provider, content_type)
            case bytes() if self._reader:
                frames = self._reader.frames
                self._deliver(self._reader.feed(happening))
                if self._reader.frames > frames:
                    watch.saw_data(finished=self.fold.finished)
                return self._reader.done
            case End():
                return True
            case _:
                pass
        return False

    def _refusal(self, head: Head, watch: Watch) -> GlmError:
        refusal = Refusal(head, watch, self._candidate.provider)
        self._remark = refusal.remark
        return refusal.error

    def _deliver(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case Reasoning(text):
                    self._flush_answer()
                    self._pass(Reasoning(self._reasoning.push(text)))
                case Answer(text):
                    self._flush_reasoning()
                    self._pass(Answer(self._trimmed(self._answer.push(text))))
                case ToolCallPart():
                    self._flush()
                    self._pass(event)
                case _:
                    self._pass(event)

    def _flush(self) -> None:
        self._flush_reasoning()
        self._flush_answer()

    def _flush_reasoning(self) -> None:
        self._pass(Reasoning(self._reasoning.flush()))

    def _flush_answer(self) -> None:
        self._pass(Answer(self._trimmed(self._answer.flush())))

    def _trimmed(self, text: str) -> str:
        if self._trim:
            text = text.lstrip("\n")
            self._trim = not text
        return text

    def _pass(self, event: Event) -> None:
        if isinstance(event, Reasoning | Answer) and not event.text:
            return
        if isinstance(event, Reasoning | Answer | ToolCallPart):
            self._note_time(answer=isinstance(event, Answer))
        self.fold.add(event)
        self._writer.event(event)

    def _note_time(self, *, answer: bool) -> None:
        self.had_events = True
        now = time.monotonic() - self._plan.started
        for moment in ("first_event", "first_answer") if answer else ("first_event",):
            if self._timing[moment] is None:
                self._timing[moment] = now
