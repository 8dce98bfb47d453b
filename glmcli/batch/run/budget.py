"""A ceiling on the cost of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.errors import BudgetError

if TYPE_CHECKING:
    from glmcli.chat.outcome import Cost
    from glmcli.errors import GlmError

UNKNOWN_TOOLS = "--max-cost: what the provider takes for its own tools (server_tools) is not known here"
TOOLS_FIX = (
    "leave out --max-cost, or have web_search alone there, with search_result: true and an engine whose price "
    "glm models NAME shows"
)


class Budget:
    """Counts what was paid, and stops the run before the ceiling is crossed.

    Attributes:
        error: why no more rows may be sent; None as long as they may.
    """

    def __init__(self, ceiling: float | None, spent: float) -> None:
        """`ceiling`: in the currency of the provider's price list, None for no limit; `spent`: by earlier runs."""
        self._ceiling = ceiling
        self._spent = spent
        self._dearest: float | None = None  # of the rows that have ended, without their searches
        self._search = 0.0  # the most that searches for a row cost
        self.error: BudgetError | None = None

    @property
    def is_limited(self) -> bool:
        """Whether there is a ceiling."""
        return self._ceiling is not None

    def may_start(self, in_flight: int, search: float | None = 0.0) -> bool:
        """Whether one more row may be sent now; if not, either `error` is set, or the end of another row can change it.

        The cost of a row is known when it has ended: until then each counts as the dearest so far, with a search if it
        may make one, and the first row is sent alone. `search`: the most that searches for this row cost; None: that is
        not known, or will not be.
        """
        if self._ceiling is None:
            return True
        if search is None:
            self.error = BudgetError(UNKNOWN_TOOLS, fix=TOOLS_FIX)
            return False
        self._search = max(self._search, search)
        if self._dearest is None and self._spent + self._search < self._ceiling:
            return not in_flight
        if self._dearest is not None and self._spent + self._worst * (in_flight + 1) <= self._ceiling:
            return True
        if in_flight == 0:
            self.error = BudgetError(
                f"the next row might cost more than is left: {self._spent:g} of {self._ceiling:g} is spent",
                fix="a higher --max-cost; the same command resumes where this one stopped",
            )
        return False

    @property
    def _worst(self) -> float:
        """What a row that is in flight counts as."""
        return (self._dearest or 0.0) + self._search

    def paid(self, cost: Cost | None, error: GlmError | None, searched: float = 0.0, most: float | None = None) -> None:
        """Count a row that has ended; one that failed before the model wrote anything costs nothing.

        `searched`: how much of the cost are searches; `most`: what the row may have cost where the cost is not known.
        """
        if self._ceiling is None:
            return
        if cost is not None:
            self._count(cost.amount, searched)
        elif error is not None:
            if error.sent:
                self._spent += self._worst  # what a broken answer costs is not known
        elif most is not None:
            self._count(most)
        else:
            self.error = BudgetError("--max-cost: what a row has cost is not known", fix="glm models NAME shows prices")

    def _count(self, amount: float, searched: float = 0.0) -> None:
        self._spent += amount
        self._dearest = max(self._dearest or 0.0, amount - searched)
