"""How a question ended: what the writers and the session file are told when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.chat.events import Reply
from glmcli.record import Record

if TYPE_CHECKING:
    from glmcli.chat.messages import Message
    from glmcli.errors import GlmError

Timing = dict[str, float | None]


def no_timing() -> Timing:
    """Seconds since the program began; None where it has not happened."""
    return {"first_event": None, "first_answer": None, "total": None}


class Cost(Record):
    """What was paid, by the price list of a day."""

    amount: float
    currency: str
    as_of: str


class Outcome(Record):
    """The end of a question; `error` is None only for a complete answer.

    Attributes:
        attempts: requests sent.
        cost: what the reply cost; None where it is not known.
        turns: what was said between the question and this reply: calls of tools, and their results.
    """

    provider: str | None = None
    model: str | None = None
    reply: Reply = Reply()
    error: GlmError | None = None
    attempts: int = 0
    timing: Timing | None = None
    cost: Cost | None = None
    turns: tuple[Message, ...] = ()


class Again(Record):
    """Another attempt follows.

    Attributes:
        error: why.
        wait: seconds until then.
        attempt: the number of the coming request; the first was 1.
        elsewhere: the next provider and model, when the question goes on to another.
    """

    error: GlmError
    wait: float
    attempt: int
    elsewhere: str | None = None
