"""One question sent to the providers that may answer it, with retries and fallback.

After a part of the answer was printed, nothing is sent again. A request that may have been billed is sent again at most
once, with a note. An error that waiting cannot cure is not retried.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glmcli.chat.outcome import NextAttempt, Outcome, no_timing
from glmcli.engine.attempt import Attempt, AttemptResult
from glmcli.http.client import send
from glmcli.http.retry import may_fall_back, retry_delay, sleep
from glmcli.providers.pricing import reply_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glmcli.config.plan import Candidate, Plan
    from glmcli.console.redaction import Redactor
    from glmcli.errors import GlmError
    from glmcli.http.tls import Tls
    from glmcli.output.writer import Writer


class RequestSender:
    """Sends the requests of one question, and reports to a writer what happens.

    Attributes:
        plan, writer, redactor, tick: as given; the tool loop works with the same.
    """

    def __init__(
        self, plan: Plan, writer: Writer, redactor: Redactor, tls: Tls | None, tick: Callable[[], None]
    ) -> None:
        """`tick` is called several times a second while we wait; what it raises ends everything."""
        self.plan = plan
        self.writer = writer
        self.redactor = redactor
        self.tick = tick
        self._tls = tls
        self._timing = no_timing()
        self._attempts = 0
        self._has_printed = False
        self._has_resent = False

    def ask(self) -> Outcome:
        """The outcome of the question: the first complete answer, or the last candidate's error."""
        outcome = self.send(self.plan.candidates)
        for call in outcome.reply.tool_calls:
            self.writer.tool_call(call)
        self.writer.end(outcome)
        return outcome

    def send(self, candidates: Sequence[Candidate]) -> Outcome:
        """The outcome of one of the requests that make up a question; the writer is not ended."""
        outcome = Outcome()
        self._has_printed = False
        for number, candidate in enumerate(candidates, 1):
            result = self._send_with_retries(candidate)
            reply, error = result.reply, result.error
            self._timing["total"] = time.monotonic() - self.plan.started
            paid = reply_cost(candidate.provider, candidate.request, reply)
            outcome = Outcome(
                candidate.provider.name, candidate.model, reply, error, self._attempts, self._timing, paid
            )
            if error is None or self._has_printed or not may_fall_back(error):
                break
            if time.monotonic() >= self.plan.deadline:
                break
            if number < len(candidates):
                following = candidates[number]
                fallback = f"{following.provider.name}/{following.model}"
                self.writer.retry(NextAttempt(error, 0.0, self._attempts + 1, fallback))
        return outcome

    def _send_with_retries(self, candidate: Candidate) -> AttemptResult:
        retry, began = 0, time.monotonic()
        self._has_resent = False
        while True:
            self.writer.start(candidate.provider.name, candidate.model)
            self._attempts += 1
            result = self._attempt(candidate)
            error = result.error
            delay = self._delay(error, retry, began) if error else None
            if error is None or delay is None:
                return result
            retry += 1
            self.writer.retry(NextAttempt(error, delay, self._attempts + 1))
            sleep(delay, self.tick)

    def _attempt(self, candidate: Candidate) -> AttemptResult:
        attempt = Attempt(candidate, self.plan, self.redactor, self.writer)
        send(candidate.call, candidate.proxy, self._tls, attempt.response, self.tick)
        self._has_printed |= self.plan.live and attempt.had_events
        result = attempt.result()
        for moment in ("first_event", "first_answer"):
            when: float | None = getattr(result, moment)
            if when is not None and self._timing[moment] is None:
                self._timing[moment] = when - self.plan.started
        return result

    def _delay(self, error: GlmError, retry: int, began: float) -> float | None:
        """Seconds until the request is sent again, or None if it is not."""
        if self._has_printed:
            return None
        delay = retry_delay(error, retry, began, self.plan.limits, self.plan.deadline)
        if delay is not None and error.sent:
            if self._has_resent:
                return None
            self._has_resent = True
        return delay
