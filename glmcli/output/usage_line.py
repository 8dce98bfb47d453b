"""What the question cost, in one line for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.chat.events import Usage
from glmcli.output.writer import Silent

if TYPE_CHECKING:
    from glmcli.chat.outcome import Cost, Outcome
    from glmcli.console.terminal import Terminal


class UsageLine(Silent):
    """The line of --usage."""

    def __init__(self, terminal: Terminal) -> None:
        """Speak through this terminal."""
        self._terminal = terminal

    def end(self, outcome: Outcome) -> None:
        """Print the counts that the provider said; what it did not say is unknown, not 0."""
        usage = outcome.reply.usage or Usage()
        self._terminal.note(
            f"usage: input {_count(usage.input_tokens)} (cached {_count(usage.cached_tokens)}), "
            f"output {_count(usage.output_tokens)} (reasoning {_count(usage.reasoning_tokens)}), "
            f"total {_count(usage.total_tokens)}, cost {_money(outcome.cost)}"
        )


def _count(tokens: int | None) -> str:
    return "unknown" if tokens is None else str(tokens)


def _money(cost: Cost | None) -> str:
    return "unknown" if cost is None else f"{cost.amount:f} {cost.currency} (prices of {cost.as_of})"
