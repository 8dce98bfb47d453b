"""A row in flight, as the gate remembers it."""

from __future__ import annotations

from typing import NamedTuple

from glmcli.errors import Retry

_FAILURES = {Retry.OVERLOAD, Retry.NETWORK}


class Ticket(NamedTuple):
    """What was so when the row was sent.

    Attributes:
        number: which it is of all that were sent, from 1.
        sent: when, in the gate's seconds.
        tokens: what it was thought to use.
        reserved: tokens set aside for it.
        level: how many were in flight, with it.
        proven: whether as many had been answered before.
        era: which refusals had been seen.
        refusals: how often this row had been refused before.
    """

    number: int
    sent: float
    tokens: int
    reserved: float
    level: int
    proven: bool
    era: int
    refusals: int

    def wait(self, kind: Retry, asked: float | None) -> float:
        """Seconds for which the row waits when it is refused, whatever the gate does.

        The first refusal at a limit costs it nothing: the gate sees to the limit. `asked` is the server's wish, which
        holds for all rows unless it is about what is in flight.
        """
        if kind in _FAILURES:
            return kind.wait(self.refusals)
        wait = kind.wait(self.refusals - 1) if self.refusals else 0.0
        return max(wait, asked or 0.0) if kind is Retry.IN_FLIGHT else wait
