"""One question put to the providers that may answer it: retries and fallback.

The rules: what was printed is never asked again; what may have been billed is asked again at most once, and said so;
what waiting cannot cure is not waited for.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glmcli.chat.outcome import NextAttempt, Outcome, no_timing
from glmcli.engine.attempt import Attempt, AttemptResult
from glmcli.engine.retry import may_fall_back, retry_delay, sleep
from glmcli.http.client import Exchange
from glmcli.providers.pricing import cost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glmcli.chat.reply import Reply
    from glmcli.config.plan import Candidate, Plan
    from glmcli.console.redaction import Redactor
    from glmcli.errors import GlmError
    from glmcli.http.tls import Tls
    from glmcli.output.writer import Writer


class RequestSender:
    """Asks, and tells a writer what comes."""

    def __init__(
        self, plan: Plan, writer: Writer, redactor: Redactor, tls: Tls | None, tick: Callable[[], None]
    ) -> None:
        """`tick` is called several times a second while we wait; it may raise to end everything."""
        self._plan = plan
        self._writer = writer
        self._redactor = redactor
        self._tls = tls
        self._tick = tick
        self._timing = no_timing()
        self._attempts = 0
        self._printed = False
        self._resent = False

    def ask(self) -> Outcome:
        """The end of the question: the first complete answer, or the last candidate's error."""
        outcome = self.step(self._plan.candidates)
        for call in outcome.reply.tool_calls:
            self._writer.tool_call(call)
        self._writer.end(outcome)
        return outcome

    def step(self, candidates: Sequence[Candidate]) -> Outcome:
        """The same without telling the writers of the end: one of several requests that make up a question."""
        outcome = Outcome()
        self._printed = False
        for number, candidate in enumerate(candidates, 1):
            reply, error = self._ask_one(candidate)
            self._timing["total"] = time.monotonic() - self._plan.started
            outcome = Outcome(candidate.provider.name, candidate.model, reply, error, self._attempts, self._timing)
            if not candidate.request.server_tools:  # what the provider runs has a price of its own
                outcome = outcome.replace(cost=cost(candidate.provider, candidate.model, reply.usage))
            if error is None or self._printed or not may_fall_back(error) or time.monotonic() >= self._plan.deadline:
                break
            if number < len(candidates):
                following = candidates[number]
                fallback = f"{following.provider.name}/{following.model}"
                self._writer.retry(NextAttempt(error, 0.0, self._attempts + 1, fallback))
        return outcome

    def _ask_one(self, candidate: Candidate) -> tuple[Reply, GlmError | None]:
        """One provider, with its retries."""
        retry, began = 0, time.monotonic()
        self._resent = False
        while True:
            self._writer.start(candidate.provider.name, candidate.model)
            self._attempts += 1
            attempted = self._attempt(candidate)
            reply, error = attempted.reply, attempted.error
            if error is None:
                return reply, None
            wait = self._wait(error, retry, began)
            if wait is None:
                return reply, error
            retry += 1
            self._writer.retry(NextAttempt(error, wait, self._attempts + 1))
            sleep(wait, self._tick)

    def _attempt(self, candidate: Candidate) -> AttemptResult:
        attempt = Attempt(candidate, self._plan, self._redactor, self._writer)
        exchange = Exchange(candidate.call, candidate.proxy, self._tls)
        try:
            exchange.tell(attempt.response, self._tick)
        finally:
            exchange.close()
            self._printed |= self._plan.live and attempt.had_events
        result = attempt.result()
        for moment in ("first_event", "first_answer"):
            when: float | None = getattr(result, moment)
            if when is not None and self._timing[moment] is None:
                self._timing[moment] = when - self._plan.started
        return result

    def _wait(self, error: GlmError, retry: int, began: float) -> float | None:
        """Seconds until the request is sent again, or None if it is not."""
        wait = None if self._printed else retry_delay(error, retry, began, self._plan)
        if wait is not None and error.sent:
            if self._resent:
                return None
            self._resent = True
        return wait
