"""What a writer is: one part of the output, told what happens while a question is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmcli.chat.events import Event
    from glmcli.chat.messages import ToolCall, ToolResult
    from glmcli.chat.outcome import Again, Outcome


class Writer(Protocol):
    """Told of every attempt, every event, and the end.

    Attributes:
        wants_deltas: it is told of each delta, not only of the text that came together.
    """

    @property
    def wants_deltas(self) -> bool:
        """Whether it is."""
        ...

    def start(self, provider: str, model: str) -> None:
        """An attempt begins."""
        ...

    def event(self, event: Event) -> None:
        """A piece of the reply came."""
        ...

    def flush(self) -> None:
        """That was all that came together: nothing of it may wait any longer."""
        ...

    def tool_call(self, call: ToolCall) -> None:
        """The model's turn is whole, and this is a call in it."""
        ...

    def tool_result(self, result: ToolResult) -> None:
        """A call has ended."""
        ...

    def retry(self, again: Again) -> None:
        """All since `start` is void: another attempt follows."""
        ...

    def end(self, outcome: Outcome) -> None:
        """The question is over."""
        ...


class Silent:
    """Writes nothing: what a writer is that has no interest in some of the calls."""

    wants_deltas = False

    def start(self, provider: str, model: str) -> None:
        """Nothing."""

    def event(self, event: Event) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing."""

    def tool_call(self, call: ToolCall) -> None:
        """Nothing."""

    def tool_result(self, result: ToolResult) -> None:
        """Nothing."""

    def retry(self, again: Again) -> None:
        """Nothing."""

    def end(self, outcome: Outcome) -> None:
        """Nothing."""


class Together:
    """Several writers as one, told in order."""

    def __init__(self, writers: Iterable[Writer]) -> None:
        """Order matters where two of them share a stream."""
        self._writers = tuple(writers)
        self.wants_deltas = any(writer.wants_deltas for writer in self._writers)
        self.ended: set[type[Writer]] = set()

    def start(self, provider: str, model: str) -> None:
        """An attempt begins."""
        for writer in self._writers:
            writer.start(provider, model)

    def event(self, event: Event) -> None:
        """A piece of the reply came."""
        for writer in self._writers:
            writer.event(event)

    def flush(self) -> None:
        """That was all that came together."""
        for writer in self._writers:
            writer.flush()

    def tool_call(self, call: ToolCall) -> None:
        """The model called a tool."""
        for writer in self._writers:
            writer.tool_call(call)

    def tool_result(self, result: ToolResult) -> None:
        """A call has ended."""
        for writer in self._writers:
            writer.tool_result(result)

    def retry(self, again: Again) -> None:
        """All since `start` is void."""
        for writer in self._writers:
            writer.retry(again)

    def end(self, outcome: Outcome) -> None:
        """The question is over; `ended` remembers who knows, for the case that one of them fails."""
        for writer in self._writers:
            self.ended.add(type(writer))
            try:
                writer.end(outcome)
            except MemoryError:
                self.ended.discard(type(writer))  # it has written nothing: a stream copies no text
                raise
