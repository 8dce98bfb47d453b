"""What a model does with tools, told to the person on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.chat.events import Answer, Event
from glmcli.output.writer import Silent

if TYPE_CHECKING:
    from glmcli.chat.messages import ToolCall, ToolResult
    from glmcli.console.terminal import Terminal

_LONGEST = 200  # characters of a call's arguments


class ToolTrace(Silent):
    """A line for each call and for each end of one, and what the model says between its calls."""

    def __init__(self, terminal: Terminal, *, live: bool) -> None:
        """Speak through this terminal; `live`: what the model says is printed elsewhere."""
        self._terminal = terminal
        self._live = live
        self._said: list[str] = []

    def start(self, provider: str, model: str) -> None:  # noqa: ARG002 - the contract's names
        """A turn begins."""
        self._said.clear()

    def event(self, event: Event) -> None:
        """Remember what is said: only what follows tells whether it is the answer."""
        if isinstance(event, Answer) and not self._live:
            self._said.append(event.text)

    def tool_call(self, call: ToolCall) -> None:
        """What the model said before it called, and the call."""
        if said := "".join(self._said).strip():
            self._terminal.note(f"the model: {said}")
        self._said.clear()
        arguments = call.arguments if len(call.arguments) <= _LONGEST else call.arguments[:_LONGEST] + "…"
        self._terminal.note(f"tool {call.name} {arguments}")

    def tool_result(self, result: ToolResult) -> None:
        """How the call ended."""
        self._terminal.note(f"tool {result.call.name}: {result.how}")
