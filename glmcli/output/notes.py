"""Lines on stderr for a person: retries, remarks on the reply, calls of tools, and --usage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.chat.events import Answer, Event, Remark, Usage
from glmcli.chat.outcome import no_timing
from glmcli.output.writer import Writer

if TYPE_CHECKING:
    from glmcli.chat.messages import ToolCall, ToolResult
    from glmcli.chat.outcome import NextAttempt, Outcome
    from glmcli.console.terminal import Terminal

_MAX_ARGUMENTS = 200  # characters of a call's arguments that are shown


class AttemptNotes(Writer):
    """Retries, remarks on the reply, and with --verbose the timing of the answer."""

    def __init__(self, terminal: Terminal) -> None:
        """Print through this terminal."""
        self._terminal = terminal
        self._printed: set[Remark] = set()

    def event(self, event: Event) -> None:
        """Print each remark once."""
        if isinstance(event, Remark) and event not in self._printed:
            self._printed.add(event)
            self._terminal.note(event.text)

    def retry(self, following: NextAttempt) -> None:
        """Print a line for each retry."""
        billed = " (the first request may be billed)" if following.error.sent else ""
        what = f"asking {following.fallback}" if following.fallback else f"retrying in {following.wait:.1f} s"
        self._terminal.note(f"{following.error.message}; {what}{billed}")

    def end(self, outcome: Outcome) -> None:
        """With --verbose: who answered, the finish reason, the times."""
        reply, timing = outcome.reply, outcome.timing or no_timing()
        self._terminal.detail(
            f"{outcome.provider}/{outcome.model}: finish {reply.finish_reason or 'none'}, "
            f"request id {reply.request_id or 'unknown'}, requests {outcome.attempts}, "
            f"first data {_seconds(timing['first_event'])}, total {_seconds(timing['total'])}"
        )


class ToolTrace(Writer):
    """A line for each tool call and for each result, and the text of the model between its calls."""

    def __init__(self, terminal: Terminal, *, live: bool) -> None:
        """Print through this terminal; with `live` the model's text is printed by another writer."""
        self._terminal = terminal
        self._live = live
        self._text: list[str] = []

    def start(self, provider: str, model: str) -> None:  # noqa: ARG002 - the names of the interface
        """Drop the text of a void attempt."""
        self._text.clear()

    def event(self, event: Event) -> None:
        """Buffer text: it is the answer unless a tool call follows."""
        if isinstance(event, Answer) and not self._live:
            self._text.append(event.text)

    def tool_call(self, call: ToolCall) -> None:
        """Print the text before the call, and the call."""
        if text := "".join(self._text).strip():
            self._terminal.note(f"the model: {text}")
        self._text.clear()
        arguments = call.arguments
        if len(arguments) > _MAX_ARGUMENTS:
            arguments = arguments[:_MAX_ARGUMENTS] + "…"
        self._terminal.note(f"tool {call.name} {arguments}")

    def tool_result(self, result: ToolResult) -> None:
        """Print how the call ended."""
        self._terminal.note(f"tool {result.call.name}: {result.how}")


class UsageLine(Writer):
    """The line of --usage: tokens and cost of the question."""

    def __init__(self, terminal: Terminal) -> None:
        """Print through this terminal."""
        self._terminal = terminal

    def end(self, outcome: Outcome) -> None:
        """Print the counts; one that the provider does not report is unknown, not 0."""
        usage, cost = outcome.reply.usage or Usage(), outcome.cost
        price = f"{cost.amount:f} {cost.currency} (prices of {cost.as_of})" if cost else "unknown"
        self._terminal.note(
            f"usage: input {_count(usage.input_tokens)} (cached {_count(usage.cached_tokens)}), "
            f"output {_count(usage.output_tokens)} (reasoning {_count(usage.reasoning_tokens)}), "
            f"total {_count(usage.total_tokens)}, cost {price}"
        )


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f} s"


def _count(tokens: int | None) -> str:
    return "unknown" if tokens is None else str(tokens)
