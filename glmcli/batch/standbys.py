"""Who is asked: the first provider, and the next where one is no use any more."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from glmcli.batch.contact import Contact
from glmcli.engine.retry import may_fall_back

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.halt import Halt
    from glmcli.batch.item import Item
    from glmcli.errors import GlmError
    from glmcli.plan import Plan


class Standbys:
    """The candidates of the plan, and which of them were given up.

    Attributes:
        contacts: one for each candidate.
    """

    def __init__(self, plan: Plan, halt: Halt, say: Callable[[str], None], now: float) -> None:
        """All are asked; `say` tells a person which is not any more, on a line."""
        self._candidates = plan.candidates
        self._halt = halt
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

    def move(self, item: Item) -> bool:
        """Leave the row to the next candidate, if there is one."""
        if item.candidate + 1 == len(self._candidates):
            return False
        item.candidate += 1
        item.retries, item.resent = 0, False
        return True

    def settle(self, item: Item) -> Item:
        """The same row, left to one that was not given up."""
        while self.is_given_up(item.candidate):
            self.move(item)
        return item
