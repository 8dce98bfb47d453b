"""Whether asking a provider is any use: not when it answers nobody any more, or cannot be reached."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from glmcli.chat.outcome import Outcome
from glmcli.engine.retry import may_fall_back, retry_delay
from glmcli.errors import CredentialsError, GlmError, NetworkError, QuotaError
from glmcli.providers.pricing import cost

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.rows.row import QueueItem
    from glmcli.batch.run.budget import Budget
    from glmcli.batch.run.interfaces import RowOutput
    from glmcli.batch.run.retries import RetryQueue
    from glmcli.batch.run.shutdown import Shutdown
    from glmcli.config.plan import Candidate, Plan
    from glmcli.engine.attempt import AttemptResult

_LONGEST_ASKED = 60.0  # seconds of Retry-After that are obeyed
_UNREACHED = 60.0  # seconds in which no connection could be made
_LOST = 20  # rows one after the other that no connection could be made for
# Seconds without one answer, while there is no room for any request; fewer where another provider waits.
_STARVED, _STARVED_SOONER = 600.0, 120.0
_DOWN = 10.0  # seconds in which every request failed, before another provider that waits is asked


class Contact:
    """What the last requests to a provider say of it as a whole.

    Attributes:
        unreached: why the last request could not be sent; None where it was.
    """

    def __init__(
        self, give_up: Callable[[GlmError], None], say: Callable[[str], None], now: float, *, is_last: bool
    ) -> None:
        """Nothing was asked yet. `give_up` is called when asking is no use; `is_last`: no other provider waits.

        `say` tells a person that it cannot be reached, on a line.
        """
        self._give_up = give_up
        self._say = say
        self._is_last = is_last
        self._answered = now
        self._failing: float | None = None  # since when
        self.unreached: GlmError | None = None
        self._since = now  # when it could not be reached any more
        self._lost = 0

    def answered(self, now: float) -> None:
        """An answer has come, good or bad."""
        self._answered = now
        self._failing = self.unreached = None

    def refused(self, error: GlmError, now: float) -> None:
        """There was no room for a request."""
        self._failing = self.unreached = None
        self._weigh(error, now)

    def _weigh(self, error: GlmError, now: float) -> None:
        """Give up where waiting is no use any more."""
        starved = _STARVED if self._is_last else _STARVED_SOONER
        if (error.retry_after or 0) > _LONGEST_ASKED:
            error.message += f"; the server asks to wait {error.retry_after:.0f} s"
            self._give_up(error)
        elif now - self._answered > starved:
            error.message += f"; so was every request of the last {starved:.0f} s"
            self._give_up(error)

    def failed(self, error: GlmError, now: float) -> None:
        """A request failed in a way that may pass; perhaps it reached nobody."""
        self._weigh(error, now)
        self._failing = now if self._failing is None else self._failing
        before, self.unreached = self.unreached, error if is_unreached(error) else None
        if before is None and self.unreached:
            self._since = now
            self._say(f"{error.message}; trying again")
        if not self._is_last and now - self._failing > _DOWN:
            error.message += f"; nothing else came for {_DOWN:.0f} s"
            self._give_up(error)
        elif self.unreached and now - self._since > _UNREACHED:
            error.message += f"; so it was for {_UNREACHED:.0f} s"
            self._give_up(error)

    def is_lost(self, error: GlmError | None) -> bool:
        """Of a row that is not tried again: whether nothing can be reached any more, so that it stays to be asked."""
        self._lost = self._lost + 1 if is_unreached(error) else 0
        if error is None or self._lost < _LOST:
            return False
        self._give_up(error)
        return True


def is_unreached(error: GlmError | None) -> bool:
    """Whether no connection could be made."""
    return isinstance(error, NetworkError) and not error.sent


# Who is asked: the first provider, and the next where one is no use any more.


class Standbys:
    """The candidates of the plan, and which of them were given up.

    Attributes:
        contacts: one for each candidate.
    """

    def __init__(self, plan: Plan, shutdown: Shutdown, say: Callable[[str], None], now: float) -> None:
        """All are asked; `say` tells a person which is not any more, on a line."""
        self._candidates = plan.candidates
        self._halt = shutdown
        self._say = say
        self._given_up: set[int] = set()  # never the last
        last = len(plan.candidates) - 1
        self.contacts = tuple(
            Contact(partial(self.give_up, number), say, now, is_last=number == last) for number in range(last + 1)
        )

    def give_up(self, candidate: int, error: GlmError) -> None:
        """Send no row there any more. The run stops where there is no other, or the other would say the same."""
        if not may_fall_back(error) or candidate + 1 == len(self._candidates):
            self._halt.stop(error)
        elif candidate not in self._given_up:
            self._given_up.add(candidate)
            following = self._candidates[candidate + 1]
            self._say(f"{error.message}: rows go to {following.provider.name}/{following.model} from now on")

    def is_given_up(self, candidate: int) -> bool:
        """Whether no row is sent there any more."""
        return candidate in self._given_up

    def move(self, item: QueueItem) -> bool:
        """Leave the row to the next candidate, if there is one."""
        if item.candidate + 1 == len(self._candidates):
            return False
        item.candidate += 1
        item.retries, item.resent = 0, False
        return True

    def settle(self, item: QueueItem) -> QueueItem:
        """The same row, left to one that was not given up."""
        while self.is_given_up(item.candidate):
            self.move(item)
        return item


# What becomes of a row when its request has ended: it is written, sent again, or left to whoever comes next.

_NOT_FOUND, _UNAUTHORIZED = 404, 401


class Judge:
    """Decides for one row after the other."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is a side of it
        self,
        plan: Plan,
        retries: RetryQueue,
        writing: RowOutput,
        budget: Budget,
        standbys: Standbys,
        shutdown: Shutdown,
    ) -> None:
        """Rows go to `retries` or `writing`, or are left where the run stops."""
        self._plan = plan
        self._retries = retries
        self._writing = writing
        self._budget = budget
        self._standbys = standbys
        self._halt = shutdown

    def judge(self, item: QueueItem, candidate: Candidate, result: AttemptResult) -> None:
        """This came of the row's last request.

        Raises:
            OutputError: the line cannot be written.
        """
        error = result.error
        if error and not self._is_written(item, error):
            return
        if error is None:
            self._standbys.contacts[item.candidate].is_lost(None)
        self._write(item, candidate, result)

    def _is_written(self, item: QueueItem, error: GlmError) -> bool:
        """Whether this is how the row has ended; if not, it is where it belongs."""
        if self._is_of_all(item, error):
            self._standbys.give_up(item.candidate, error)
            if self._standbys.is_given_up(item.candidate):
                self._falls_back(item, error)
            return False  # where the run stops, the row stays to be asked
        if self._halt.is_on and not self._halt.rests and error.retry:
            return False  # the row stays to be asked
        if isinstance(error, NetworkError) and self._halt.is_late(time.monotonic()):
            return False  # the row was cut by our own clock, and stays to be asked
        wait = self._wait(item, error)
        if wait is not None:
            item.retries += 1
            self._retries.add(item, wait)
            return False
        return not self._falls_back(item, error) and not self._standbys.contacts[item.candidate].is_lost(error)

    def _is_of_all(self, item: QueueItem, error: GlmError) -> bool:
        """Whether all other rows would be refused for the same reason: key, balance, model, address."""
        if isinstance(error, QuotaError):
            return True
        is_own_model = item.candidate == 0 and item.request.model != self._plan.candidates[0].model
        nothing_there = error.http_status == _NOT_FOUND and error.provider_code is None
        about_model = isinstance(error, CredentialsError) or error.model_missing
        return nothing_there or (about_model and not (is_own_model and error.http_status != _UNAUTHORIZED))

    def _wait(self, item: QueueItem, error: GlmError) -> float | None:
        """Seconds until the row is sent again, or None if it is not."""
        wait = retry_delay(error, item.retries, item.began, self._plan)
        if wait is not None and error.sent:
            if item.resent:
                return None
            item.resent = True
        return wait

    def _falls_back(self, item: QueueItem, error: GlmError) -> bool:
        if not may_fall_back(error) or not self._standbys.move(item):
            return False
        self._retries.add(item, 0.0)
        return True

    def _write(self, item: QueueItem, candidate: Candidate, result: AttemptResult) -> None:
        reply = result.reply
        paid = None if candidate.request.server_tools else cost(candidate.provider, candidate.model, reply.usage)
        first_event, first_answer = (
            None if moment is None else moment - item.began for moment in (result.first_event, result.first_answer)
        )
        timing = {"first_event": first_event, "first_answer": first_answer, "total": time.monotonic() - item.began}
        name, model = candidate.provider.name, candidate.model
        outcome = Outcome(name, model, reply, result.error, item.calls, timing, paid)
        self._budget.paid(paid, result.error)
        self._writing.write(item, outcome)
        if why := self._budget.error or self._writing.failure_limit:
            self._halt.stop(why)
