"""Health of the providers and failover: what happens to a row when its request has ended, and who gets the next row.

Nothing here acts: methods return a Decision about a row, or a RunChange about the whole run. The time is always an
argument, on the monotonic clock.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from glmcli.config.checks import can_keep_thinking
from glmcli.errors import CredentialsError, GlmError, NetworkError, QuotaError
from glmcli.http.retry import MAX_RETRY_AFTER, may_fall_back, retry_delay

if TYPE_CHECKING:
    from glmcli.batch.rows.row import QueueItem
    from glmcli.chat.messages import Request
    from glmcli.config.plan import Plan

_UNREACHED = 60.0  # seconds in which no connection could be made
_UNREACHED_ROWS = 20  # successive rows for which no connection could be made
# Seconds without one answer while every request is refused; fewer where there is a fallback.
_STARVED, _STARVED_SOONER = 600.0, 120.0
_DOWN = 10.0  # seconds in which every request failed, before rows go to a fallback
_NOT_FOUND, _UNAUTHORIZED = 404, 401


class RunChange(NamedTuple):
    """A consequence for the whole run.

    Attributes:
        stop: the error that ends it, because no provider is left.
        notice: a line for the user.
    """

    stop: GlmError | None = None
    notice: str | None = None


class Action(Enum):
    """What happens to a row whose request has ended."""

    WRITE = "write"  # it has ended
    RETRY = "retry"  # it is sent again, perhaps to another provider
    LEAVE = "leave"  # the run ends: it is not written, and the next run sends it


class Decision(NamedTuple):
    """What happens to a row, after how many seconds if it is sent again, and the consequence for the run."""

    action: Action
    wait: float = 0.0
    change: RunChange | None = None


_WRITE, _RETRY_AT_ONCE, _LEAVE = Decision(Action.WRITE), Decision(Action.RETRY), Decision(Action.LEAVE)


class Health:
    """What the last requests to one provider say about it: whether it answers, has room, and can be reached.

    Attributes:
        unreached: why no connection could be made for the last request; None where one was made.
    """

    def __init__(self, now: float, *, is_last: bool) -> None:
        """Nothing was sent yet; `is_last`: there is no other provider to fall back to."""
        self._is_last = is_last
        self._answered = now
        self._failing_since: float | None = None
        self._unreached_since = now
        self._unreached_rows = 0
        self.unreached: GlmError | None = None

    def answered(self, now: float) -> None:
        """A request was answered, well or badly."""
        self._answered = now
        self._failing_since = self.unreached = None

    def refused(self, error: GlmError, now: float) -> bool:
        """The provider was too busy for a request; whether to give it up, which the error then explains."""
        self._failing_since = self.unreached = None
        return self._is_starved(error, now)

    def failed(self, error: GlmError, now: float) -> bool:
        """A request failed in a way that may pass; whether to give the provider up, which the error then explains."""
        self._failing_since = now if self._failing_since is None else self._failing_since
        before, self.unreached = self.unreached, error if _is_unreached(error) else None
        if before is None and self.unreached:
            self._unreached_since = now
        if self._is_starved(error, now):
            return True
        if not self._is_last and now - self._failing_since > _DOWN:
            error.message += f"; every request failed for {_DOWN:.0f} s"
            return True
        if self.unreached and now - self._unreached_since > _UNREACHED:
            error.message += f"; no connection could be made for {_UNREACHED:.0f} s"
            return True
        return False

    def _is_starved(self, error: GlmError, now: float) -> bool:
        """Whether it is pointless to wait any longer; then the error explains why."""
        longest = _STARVED if self._is_last else _STARVED_SOONER
        if (error.retry_after or 0) > MAX_RETRY_AFTER:
            error.message += f"; the server asks to wait {error.retry_after:.0f} s"
            return True
        if now - self._answered > longest:
            error.message += f"; no request was answered for {longest:.0f} s"
            return True
        return False

    def is_unreachable(self, error: GlmError | None) -> bool:
        """Count a row that is not retried; whether no connection could be made for many of them in succession."""
        self._unreached_rows = self._unreached_rows + 1 if _is_unreached(error) else 0
        return self._unreached_rows >= _UNREACHED_ROWS


def _is_unreached(error: GlmError | None) -> bool:
    """Whether no connection could be made."""
    return isinstance(error, NetworkError) and not error.sent


class Failover:
    """The candidates of a plan, the health of each, and which were given up: those get no more rows.

    Attributes:
        health: of each candidate.
    """

    def __init__(self, plan: Plan, now: float) -> None:
        """Rows go to the first candidate, and to a later one when all before it were given up."""
        self._plan = plan
        self._candidates = plan.candidates
        self._given_up: set[int] = set()  # never the last
        last = len(plan.candidates) - 1
        self.health = tuple(Health(now, is_last=number == last) for number in range(last + 1))

    # Health of the candidates.

    def refused(self, candidate: int, error: GlmError, now: float) -> RunChange | None:
        """The provider was too busy for a request."""
        return self.give_up(candidate, error) if self.health[candidate].refused(error, now) else None

    def failed(self, candidate: int, error: GlmError, now: float) -> RunChange | None:
        """A request failed in a way that may pass."""
        health = self.health[candidate]
        was_unreached = health.unreached
        if health.failed(error, now):
            return self.give_up(candidate, error)
        if health.unreached and not was_unreached:
            return RunChange(notice=f"{error.message}; trying again")
        return None

    def give_up(self, candidate: int, error: GlmError) -> RunChange | None:
        """Send no more rows there; the run stops if no candidate is left or the next would fail likewise."""
        if not may_fall_back(error) or candidate + 1 == len(self._candidates):
            return RunChange(stop=error)
        if candidate in self._given_up:
            return None
        self._given_up.add(candidate)
        following = self._candidates[candidate + 1]
        return RunChange(notice=f"{error.message}: rows go to {following.provider.name}/{following.model} from now on")

    def is_given_up(self, candidate: int) -> bool:
        """Whether no more rows are sent there."""
        return candidate in self._given_up

    # The candidate of a row.

    def assign(self, item: QueueItem) -> QueueItem:
        """The same row, moved to the next candidate that was not given up."""
        while item.candidate in self._given_up:
            self.move(item)
        return item

    def move(self, item: QueueItem) -> bool:
        """Move the row to the next candidate; whether there is one."""
        if item.candidate + 1 == len(self._candidates):
            return False
        item.candidate += 1
        item.retries, item.resent = 0, False
        return True

    def request(self, item: QueueItem) -> Request:
        """The request of the row to its candidate; a fallback always gets the model of the plan.

        It is sent earlier reasoning only where it can be asked to read it.
        """
        if item.candidate == 0:
            return item.request
        fallback = self._candidates[item.candidate]
        request = item.request.replace(model=fallback.model)
        if request.keep_thinking and not can_keep_thinking(fallback.model, fallback.provider):
            return request.replace(keep_thinking=None)
        return request

    # What happens to a row.

    def decide(self, item: QueueItem, error: GlmError | None, *, is_cut: bool) -> Decision:
        """What happens to a row whose request has ended; `is_cut`: it is not retried, because the run ends."""
        if error and self._concerns_all_rows(item, error):
            change = self.give_up(item.candidate, error)
            moves = self.is_given_up(item.candidate) and may_fall_back(error) and self.move(item)
            return Decision(Action.RETRY if moves else Action.LEAVE, change=change)
        if error and is_cut:
            return _LEAVE
        wait = self._retry_wait(item, error) if error else None
        if wait is not None:
            item.retries += 1
            return Decision(Action.RETRY, wait)
        return self.decide_final(item, error)

    def decide_final(self, item: QueueItem, error: GlmError | None) -> Decision:
        """What happens to a row that is not sent to this candidate again."""
        if error and may_fall_back(error) and self.move(item):
            return _RETRY_AT_ONCE
        if self.health[item.candidate].is_unreachable(error) and error:
            return Decision(Action.LEAVE, change=self.give_up(item.candidate, error))
        return _WRITE

    def _concerns_all_rows(self, item: QueueItem, error: GlmError) -> bool:
        """Whether all other rows would be refused for the same reason: key, balance, model, address, certificates."""
        if error.concerns_all or isinstance(error, QuotaError):
            return True
        is_own_model = item.candidate == 0 and item.request.model != self._candidates[0].model
        nothing_there = error.http_status == _NOT_FOUND and error.provider_code is None
        about_model = isinstance(error, CredentialsError) or error.model_missing
        return nothing_there or (about_model and not (is_own_model and error.http_status != _UNAUTHORIZED))

    def _retry_wait(self, item: QueueItem, error: GlmError) -> float | None:
        """Seconds until the row is sent again; None if it is not."""
        wait = retry_delay(error, item.retries, item.began, self._plan.limits, self._plan.deadline)
        if wait is not None and error.sent:
            if item.resent:
                return None
            item.resent = True
        return wait
