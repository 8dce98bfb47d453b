"""What becomes of a row when its request has ended: it is written, sent again, or left to whoever comes next."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glmcli.engine.retry import may_fall_back, pause
from glmcli.errors import CredentialsError, GlmError, NetworkError, QuotaError
from glmcli.outcome import Outcome
from glmcli.pricing import cost

if TYPE_CHECKING:
    from glmcli.batch.budget import Budget
    from glmcli.batch.halt import Halt
    from glmcli.batch.item import Item
    from glmcli.batch.retries import Retries
    from glmcli.batch.sides import Ends
    from glmcli.batch.standbys import Standbys
    from glmcli.engine.attempt import Attempted
    from glmcli.plan import Candidate, Plan

_NOT_FOUND, _UNAUTHORIZED = 404, 401


class Judge:
    """Decides for one row after the other."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is a side of it
        self, plan: Plan, retries: Retries, writing: Ends, budget: Budget, standbys: Standbys, halt: Halt
    ) -> None:
        """Rows go to `retries` or `writing`, or are left where the run stops."""
        self._plan = plan
        self._retries = retries
        self._writing = writing
        self._budget = budget
        self._standbys = standbys
        self._halt = halt

    def judge(self, item: Item, candidate: Candidate, result: Attempted) -> None:
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

    def _is_written(self, item: Item, error: GlmError) -> bool:
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

    def _is_of_all(self, item: Item, error: GlmError) -> bool:
        """Whether all other rows would be refused for the same reason: key, balance, model, address."""
        if isinstance(error, QuotaError):
            return True
        is_own_model = item.candidate == 0 and item.request.model != self._plan.candidates[0].model
        nothing_there = error.http_status == _NOT_FOUND and error.provider_code is None
        about_model = isinstance(error, CredentialsError) or error.model_missing
        return nothing_there or (about_model and not (is_own_model and error.http_status != _UNAUTHORIZED))

    def _wait(self, item: Item, error: GlmError) -> float | None:
        """Seconds until the row is sent again, or None if it is not."""
        wait = pause(error, item.retries, item.began, self._plan)
        if wait is not None and error.sent:
            if item.resent:
                return None
            item.resent = True
        return wait

    def _falls_back(self, item: Item, error: GlmError) -> bool:
        if not may_fall_back(error) or not self._standbys.move(item):
            return False
        self._retries.add(item, 0.0)
        return True

    def _write(self, item: Item, candidate: Candidate, result: Attempted) -> None:
        reply = result.reply
        paid = None if candidate.request.server_tools else cost(candidate.provider, candidate.model, reply.usage)
        first_event, first_answer = (
            None if moment is None else moment - item.began for moment in (result.first_event, result.first_answer)
        )
        timing = {"first_event": first_event, "first_answer": first_answer, "total": time.monotonic() - item.began}
        name, model = candidate.provider.name, candidate.model
        outcome = Outcome(name, model, reply, result.error, item.calls, timing, paid)
        self._budget.paid(paid, result.error)
        self._writing.done(item, outcome)
        if why := self._budget.over or self._writing.too_many:
            self._halt.stop(why)
