"""The interface of a writer: one part of the output, notified of each event while a question is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmcli.chat.events import Event
    from glmcli.chat.messages import ToolCall, ToolResult
    from glmcli.chat.outcome import NextAttempt, Outcome


class Writer:
    """Writes nothing: a writer extends this class and overrides the methods whose events it prints.

    Attributes:
        wants_deltas: `event` is called for each delta; otherwise adjacent text of one read from the socket is joined.
    """

    wants_deltas = False

    def start(self, provider: str, model: str) -> None:
        """An attempt begins."""

    def event(self, event: Event) -> None:
        """A piece of the reply has arrived."""

    def flush(self) -> None:
        """All events of one read from the socket were passed on: none of them may be buffered any longer."""

    def tool_call(self, call: ToolCall) -> None:
        """The model's turn is complete, and contains this call."""

    def tool_result(self, result: ToolResult) -> None:
        """A tool call has ended."""

    def retry(self, following: NextAttempt) -> None:
        """Everything since `start` is void: another attempt follows."""

    def end(self, outcome: Outcome) -> None:
        """The question is answered, or has failed."""


class WriterGroup(Writer):
    """Several writers as one, called in order.

    Attributes:
        ended: the classes whose `end` was called, so that an error of one is not reported twice.
    """

    def __init__(self, writers: Iterable[Writer]) -> None:
        """Combine these writers, which are called in this order."""
        self._writers = tuple(writers)
        self.wants_deltas = any(writer.wants_deltas for writer in self._writers)
        self.ended: set[type[Writer]] = set()

    def start(self, provider: str, model: str) -> None:
        """An attempt begins."""
        for writer in self._writers:
            writer.start(provider, model)

    def event(self, event: Event) -> None:
        """A piece of the reply has arrived."""
        for writer in self._writers:
            writer.event(event)

    def flush(self) -> None:
        """All events of one read were passed on."""
        for writer in self._writers:
            writer.flush()

    def tool_call(self, call: ToolCall) -> None:
        """The model called a tool."""
        for writer in self._writers:
            writer.tool_call(call)

    def tool_result(self, result: ToolResult) -> None:
        """A tool call has ended."""
        for writer in self._writers:
            writer.tool_result(result)

    def retry(self, following: NextAttempt) -> None:
        """Everything since `start` is void."""
        for writer in self._writers:
            writer.retry(following)

    def end(self, outcome: Outcome) -> None:
        """The question is answered, or has failed."""
        for writer in self._writers:
            self.ended.add(type(writer))
            try:
                writer.end(outcome)
            except MemoryError:
                self.ended.discard(type(writer))  # it has written nothing
                raise
