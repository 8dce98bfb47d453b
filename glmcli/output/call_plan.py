"""What the model wants to call, as JSON, instead of running it: --plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from glmcli.output.writer import Silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.chat.messages import ToolCall
    from glmcli.chat.outcome import Outcome
    from glmcli.console.terminal import Terminal
    from glmcli.output.destination import Destination


class CallPlan(Silent):
    """One list of calls; it is empty where the model answered without any."""

    def __init__(self, out: Destination, terminal: Terminal, planned: Callable[[ToolCall], dict[str, Any]]) -> None:
        """`planned` says what would become of a call."""
        self._out = out
        self._terminal = terminal
        self._planned = planned
        self._calls: list[ToolCall] = []

    def tool_call(self, call: ToolCall) -> None:
        """Remember the call."""
        self._calls.append(call)

    def end(self, outcome: Outcome) -> None:
        """Write the list, if the turn is whole."""
        if outcome.error:
            self._out.abandon()
            return
        self._out.write(json.dumps([self._planned(call) for call in self._calls], ensure_ascii=False, indent=2) + "\n")
        self._out.commit()
        if not self._calls:
            self._terminal.note(f"the model called nothing, it answered: {outcome.reply.answer.strip()}")
