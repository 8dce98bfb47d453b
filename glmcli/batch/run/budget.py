"""A ceiling on the cost of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.errors import BudgetError

if TYPE_CHECKING:
    from glmcli.chat.outcome import Cost
    from glmcli.errors import GlmError


class Budget:
    """Counts what was paid, and stops the run before the ceiling is crossed.

    Attributes:
        error: why no more rows may be sent; None as long as they may.
    """

    def __init__(self, ceiling: float | None, spent: float) -> None:
        """`ceiling`: in the currency of the provider's price list, None for no limit; `spent`: by earlier runs."""
        self._ceiling = ceiling
        self._spent = spent
        self._dearest: float | None = None
        self.error: BudgetError | None = None

    def may_start(self, in_flight: int) -> bool:
        """Whether one more row may be sent now; if not, either `error` is set, or the end of another row can change it.

        The cost of a row is known when it has ended: until then each counts as the dearest so far, and the first row
        is sent alone.
        """
        if self._ceiling is None:
            return True
        if self._dearest is None and self._spent < self._ceiling:
            return not in_flight
        if self._dearest is not None and self._spent + self._dearest * (in_flight + 1) <= self._ceiling:
            return True
        if in_flight == 0:
            self.error = BudgetError(
                f"the next row might cost more than is left: {self._spent:g} of {self._ceiling:g} is spent",
                fix="a higher --max-cost; the same command resumes where this one stopped",
            )
        return False

    def paid(self, cost: Cost | None, error: GlmError | None) -> None:
        """Count a row that has ended; one that failed before the model wrote anything costs nothing."""
        if self._ceiling is None or (cost is None and error is not None and not error.sent):
            return
        if cost is None and error is None:
            self.error = BudgetError("--max-cost: what a row has cost is not known", fix="glm models NAME shows prices")
            return
        if cost is None:
            self._spent += self._dearest or 0.0  # what a broken answer costs is not known
            return
        self._spent += cost.amount
        self._dearest = max(self._dearest or 0.0, cost.amount)
