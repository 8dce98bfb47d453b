"""Events as lines of JSON, live: schemas/event.schema.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.chat.events import Answer, Event, Reasoning
from glmcli.output.json_reply import error_object, line, usage_object

if TYPE_CHECKING:
    from glmcli.chat.messages import ToolCall, ToolResult
    from glmcli.chat.outcome import Again, Outcome
    from glmcli.output.destination import Destination


class JsonLines:
    """One event a line, those that came together in one write; the last line is `end`."""

    wants_deltas = True

    def __init__(self, out: Destination) -> None:
        """Write to this destination."""
        self._out = out
        self._lines: list[str] = []

    def start(self, provider: str, model: str) -> None:
        """An attempt begins."""
        self._write({"type": "start", "provider": provider, "model": model})

    def event(self, event: Event) -> None:
        """Reasoning and answer as they come; calls are told when they are whole, usage at the end."""
        match event:
            case Reasoning(text):
                self._lines.append(line({"type": "reasoning", "text": text}))
            case Answer(text):
                self._lines.append(line({"type": "answer", "text": text}))
            case _:
                pass

    def flush(self) -> None:
        """Write the lines that wait."""
        text = "".join(self._lines)
        self._lines.clear()
        self._out.write(text)

    def tool_call(self, call: ToolCall) -> None:
        """A whole call."""
        self._write({"type": "tool_call", **call.fields()})

    def tool_result(self, result: ToolResult) -> None:
        """What the model will read."""
        call = result.call
        told = {"id": call.id, "name": call.name, "text": result.text, "failed": result.failed}
        self._write({"type": "tool_result", **told})

    def retry(self, again: Again) -> None:
        """All since `start` is void."""
        error = error_object(again.error)
        self._write({"type": "retry", "error": error, "wait": round(again.wait, 3), "attempt": again.attempt})

    def end(self, outcome: Outcome) -> None:
        """Usage, error, end."""
        reply = outcome.reply
        if usage := usage_object(reply.usage):
            self._write({"type": "usage", **usage})
        if outcome.error:
            self._write({"type": "error", "error": error_object(outcome.error)})
        self._write({"type": "end", "finish_reason": reply.finish_reason, "complete": outcome.error is None})
        if outcome.error:
            self._out.abandon()
        else:
            self._out.commit()

    def _write(self, value: dict[str, Any]) -> None:
        self._lines.append(line(value))
        self.flush()
