"""One question put to the providers that may answer it: retries and fallback.

The rules: what was printed is never asked again; what may have been billed is asked again at most once, and said so;
what waiting cannot cure is not waited for.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glmcli.attempt import TICK, Attempt
from glmcli.errors import BusyError, GlmError, IncompleteError, NetworkError, ProtocolError, QuotaError
from glmcli.outcome import Again, Outcome, no_timing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glmcli.events import Reply
    from glmcli.output.writer import Writer
    from glmcli.plan import Candidate, Plan
    from glmcli.secrets import Redactor
    from glmcli.tls import Tls

_LONGEST_OBEYED = 60.0  # seconds of Retry-After
_JITTER = 0.25  # waits grow by up to this share, so that many clients do not come back at once


class Engine:
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
            if error is None or self._printed or not _may_fall_back(error) or time.monotonic() >= self._plan.deadline:
                break
            if number < len(candidates):
                following = candidates[number]
                elsewhere = f"{following.provider.name}/{following.model}"
                self._writer.retry(Again(error, 0.0, self._attempts + 1, elsewhere))
        return outcome

    def _ask_one(self, candidate: Candidate) -> tuple[Reply, GlmError | None]:
        """One provider, with its retries."""
        retry, began = 0, time.monotonic()
        self._resent = False
        while True:
            self._writer.start(candidate.provider.name, candidate.model)
            self._attempts += 1
            attempt = Attempt(candidate, self._plan, self._writer, self._redactor, self._timing)
            error = attempt.run(self._tls, self._tick)
            self._printed |= self._plan.live and attempt.had_events
            if error is None:
                return attempt.fold.reply(), None
            wait = self._wait(error, retry, began)
            if wait is None:
                return attempt.fold.reply(), error
            retry += 1
            self._writer.retry(Again(error, wait, self._attempts + 1))
            self._sleep(wait)

    def _wait(self, error: GlmError, retry: int, began: float) -> float | None:
        """Seconds until the request is sent again, or None if it is not."""
        limits = self._plan.limits
        if error.retry is None or self._printed:
            return None
        if error.retry_after is not None and error.retry_after > _LONGEST_OBEYED:
            error.message += f"; the server asks to wait {error.retry_after:.0f} s"
            return None
        if retry >= limits.retries:
            return None
        wait = error.retry_after
        if wait is None:
            # The clock's last digits spread clients as well as a random number, and need no import.
            wait = error.retry.wait(retry) * (1 + _JITTER * (time.monotonic_ns() % 1000) / 1000)
        if error.sent:
            if self._resent:
                return None
            self._resent = True
        until = time.monotonic() + wait
        too_late = until - began > limits.retry_max_time or until > self._plan.deadline
        return None if too_late else wait

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._tick()
            time.sleep(min(left, TICK))


def _may_fall_back(error: GlmError) -> bool:
    """Whether another provider may do better: quota, busy, network, no API, no such model, a broken stream."""
    if isinstance(error, IncompleteError):
        return error.broken
    return error.model_missing or isinstance(error, QuotaError | BusyError | NetworkError | ProtocolError)
