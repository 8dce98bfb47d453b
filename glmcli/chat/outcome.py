"""How a question ended: what the writers and the session file get when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.chat.reply import Reply
from glmcli.record import Record

if TYPE_CHECKING:
    from glmcli.chat.messages import Message
    from glmcli.errors import GlmError

Timing = dict[str, float | None]


def no_timing() -> Timing:
    """A timing without values yet: seconds since the start of the program, or None for what has not happened."""
    return {"first_event": None, "first_answer": None, "total": None}


class Cost(Record):
    """What was paid, by the price list of the day `as_of` (YYYY-MM-DD)."""

    amount: float
    currency: str
    as_of: str


class Outcome(Record):
    """The end of a question; `error` is None only for a complete answer.

    Attributes:
        attempts: requests sent.
        cost: what the reply cost; None where it is not known.
        turns: the messages between the question and this reply: tool calls and their results.
    """

    provider: str | None = None
    model: str | None = None
    reply: Reply = Reply()
    error: GlmError | None = None
    attempts: int = 0
    timing: Timing | None = None
    cost: Cost | None = None
    turns: tuple[Message, ...] = ()


class NextAttempt(Record):
    """A request that is sent because the one before it failed.

    Attributes:
        error: how the one before failed.
        wait: seconds until this one is sent.
        attempt: its number; the first request was 1.
        fallback: PROVIDER/MODEL where it goes to another candidate; None: it goes to the same.
    """

    error: GlmError
    wait: float
    attempt: int
    fallback: str | None = None
