"""A ceiling on what a run may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.errors import BudgetError

if TYPE_CHECKING:
    from glmcli.chat.outcome import Cost
    from glmcli.errors import GlmError


class Budget:
    """Counts what was paid, and stops the run before the ceiling is crossed."""

    def __init__(self, ceiling: float | None, spent: float) -> None:
        """`ceiling` is in the money of the provider's price list, None is none; `spent` went to earlier runs."""
        self._ceiling = ceiling
        self._spent = spent
        self._dearest: float | None = None
        self.over: BudgetError | None = None

    def may_start(self, in_flight: int) -> float:
        """0.0 if one more row may be asked, else infinity: only the end of another row can tell.

        What a row costs is known when it has ended: until then each counts as the dearest so far, and the first goes
        alone.
        """
        if self._ceiling is None:
            return 0.0
        if self._dearest is None and self._spent < self._ceiling:
            return float("inf") if in_flight else 0.0
        if self._dearest is not None and self._spent + self._dearest * (in_flight + 1) <= self._ceiling:
            return 0.0
        if in_flight == 0:
            self.over = BudgetError(
                f"the next row might cost more than is left: {self._spent:g} of {self._ceiling:g} is spent",
                fix="a higher --max-cost; the same command goes on where this one stopped",
            )
        return float("inf")

    def paid(self, cost: Cost | None, error: GlmError | None) -> None:
        """A row has ended; one that failed before the model wrote anything costs nothing."""
        if self._ceiling is None or (cost is None and error is not None and not error.sent):
            return
        if cost is None and error is None:
            self.over = BudgetError("--max-cost: what a row has cost is not known", fix="glm models NAME shows prices")
            return
        if cost is None:
            self._spent += self._dearest or 0.0  # nobody says what a broken answer costs
            return
        self._spent += cost.amount
        self._dearest = max(self._dearest or 0.0, cost.amount)
