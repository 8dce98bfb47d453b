"""One request to one provider: its time limits, its bytes, its verdict."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glmcli.errors import GlmError, NetworkError, OutputError, ProtocolError, Retry
from glmcli.events import Answer, Event, Fold, Reasoning, ToolCallPart, verdict
from glmcli.providers.reader import ReplyReader
from glmcli.providers.refusals import MAX_BODY, from_body
from glmcli.secrets import Redactor, StreamRedactor
from glmcli.transport import End, Exchange, Happening, Head, Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from glmcli.outcome import Timing
    from glmcli.output.writer import Writer
    from glmcli.plan import Candidate, Plan
    from glmcli.tls import Tls

TICK = 0.2  # seconds between looks at whether anybody still reads
_LINGER = 5.0  # seconds for which usage and an error may still follow a finish, and a body the head of a refusal
_LONGEST_WHY = 500  # characters of the provider's words
_EXCERPT = 200  # characters of what is no API answer
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
        watch = _Watch(Exchange(self._candidate.call, self._candidate.proxy, tls), self._plan, provider.name, tick)
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
        if not isinstance(error, OutputError):
            name = f"{self._candidate.provider.name}: "
            error.message = name + error.message.removeprefix(name)
        error.request_id = error.request_id or self.fold.reply().request_id
        error.message = self._redactor.text(error.message)
        # Cut only now: a key that is cut in two would not be found.
        why = self._redactor.text(error.why or "")
        longest = _EXCERPT if isinstance(error, ProtocolError) else _LONGEST_WHY
        why = why if len(why) <= longest else why[:longest] + "…"
        error.why = f"{why} {self._remark}".strip() or None
        return error

    def _salvage(self) -> None:
        """Let go of the text that was held back when the reply broke off."""
        if self._reader:
            self._deliver(self._reader.salvage())
        self._flush()

    def _read(self, watch: _Watch) -> None:
        try:
            for happening in watch:
                if self._take(happening, watch):
                    break
        except _TransportError as failure:
            # The model had finished; that the connection did not end well changes nothing.
            if not self.fold.finished:
                raise failure.error from failure
        if self._reader:
            self._deliver(self._reader.close())
        self._flush()

    def _take(self, happening: Happening, watch: _Watch) -> bool:
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

    def _refusal(self, head: Head, watch: _Watch) -> GlmError:
        body = bytearray()
        watch.linger()
        try:
            for happening in watch:
                if isinstance(happening, bytes):
                    body += happening
                if isinstance(happening, End) or len(body) > MAX_BODY:
                    break
        except _TransportError:
            pass  # the status is known, and what came of the body
        error = from_body(head.status, head.headers, bytes(body[:MAX_BODY]), self._candidate.provider, time.time())
        if len(body) > MAX_BODY:
            self._remark = f"(only the first {MAX_BODY >> 20} MiB of the body was read)"
        return error

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


class _TransportError(Exception):
    """The connection failed, or a time limit passed: not the provider's word, so a finish that came before stands."""

    def __init__(self, error: GlmError) -> None:
        super().__init__(error)
        self.error = error


class _Watch:
    """What happens in an exchange, under the time limits of the plan."""

    def __init__(self, exchange: Exchange, plan: Plan, name: str, tick: Callable[[], None]) -> None:
        self._exchange = exchange
        self._limits = plan.limits
        self._deadline = plan.deadline
        self._name = name
        self._tick = tick
        self._sent = False
        self._began = False
        self._lingers = False
        self._expect(plan.limits.connect, f"cannot connect within {plan.limits.connect:g} s")
        self.close = exchange.close

    def _expect(self, seconds: float, otherwise: str) -> None:
        self._due = time.monotonic() + seconds
        self._otherwise = otherwise

    def saw_data(self, *, finished: bool) -> None:
        """Data came: comments and keep-alives do not count."""
        self._began = True
        if finished:
            self.linger()
        else:
            self._expect(self._limits.idle, f"nothing came for {self._limits.idle:g} s")

    def linger(self) -> None:
        """The end is known: wait only a little for what may follow, however much does."""
        if not self._lingers:
            self._lingers = True
            self._expect(min(self._limits.idle, _LINGER), f"nothing came for {self._limits.idle:g} s")

    def __iter__(self) -> _Watch:
        return self

    def __next__(self) -> Happening:
        while True:
            self._tick()
            left = min(self._due, self._deadline) - time.monotonic()
            happening = self._exchange.next(min(left, TICK))
            if isinstance(happening, GlmError):
                happening.message = f"{self._name}: {happening.message}"
                raise _TransportError(happening)
            if isinstance(happening, Sent):
                self._sent = True
                self._expect(self._limits.first, f"no response within {self._limits.first:g} s")
            if happening is not None:
                return happening
            if left <= 0:
                raise _TransportError(self._late())

    def _late(self) -> NetworkError:
        over = time.monotonic() >= self._deadline
        what = f"the deadline of {self._limits.deadline or 0:g} s has passed" if over else self._otherwise
        retry = None if over else Retry.NETWORK
        return NetworkError(message=f"{self._name}: {what}", retry=retry, sent=self._sent, broken=self._began)
