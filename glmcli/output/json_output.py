"""JSON for scripts: --json, --meta (schemas/reply.schema.json), --jsonl (schemas/event.schema.json) and --plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from glmcli.chat.events import Answer, Event, Reasoning
from glmcli.chat.outcome import no_timing
from glmcli.console.terminal import STDERR
from glmcli.errors import OutputError, ReaderGoneError
from glmcli.output.destination import commit_or_abandon
from glmcli.output.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.chat.messages import ToolCall, ToolResult
    from glmcli.chat.outcome import NextAttempt, Outcome
    from glmcli.chat.reply import Reply
    from glmcli.console.terminal import Stream, Terminal
    from glmcli.errors import GlmError
    from glmcli.output.destination import Destination

_TEXTS = ("reasoning", "answer", "partial")
_ENCODER = json.JSONEncoder(ensure_ascii=False)
_DECIMALS = 3  # of a second


def json_line(value: dict[str, Any]) -> str:
    """One line of JSON."""
    return _ENCODER.encode(value) + "\n"


def reply_object(outcome: Outcome, *, keep_partial: bool = False) -> dict[str, Any]:
    """The object of --json. Unknown is None, never 0; `answer` is None unless `error` is."""
    reply, error = outcome.reply, outcome.error
    return {
        "provider": outcome.provider,
        "model": outcome.model,
        "request_id": reply.request_id or (error.request_id if error else None),
        "reasoning": reply.reasoning or None,
        "answer": None if error else reply.answer,
        "partial": reply.answer or None if error and keep_partial else None,
        "tool_calls": [call.fields() for call in reply.tool_calls],
        "finish_reason": reply.finish_reason,
        "sources": _source_objects(reply),
        "usage": reply.usage.fields() if reply.usage else None,
        "cost": outcome.cost.fields() if outcome.cost else None,
        "attempts": outcome.attempts,
        "timing": {name: _rounded(seconds) for name, seconds in (outcome.timing or no_timing()).items()},
        "error": error_object(error) if error else None,
    }


def _source_objects(reply: Reply) -> list[dict[str, Any]] | None:
    return None if reply.sources is None else [source.fields() for source in reply.sources]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, _DECIMALS)


def error_object(error: GlmError) -> dict[str, Any]:
    """The error as scripts see it."""
    return {
        "type": error.type,
        "message": error.message,
        "why": error.why,
        "fix": error.fix,
        "http_status": error.http_status,
        "provider_code": error.provider_code,
        "request_id": error.request_id,
        "retryable": error.retry is not None,
        "exit_code": error.exit_code,
    }


class JsonReply(Writer):
    """The one object of --json."""

    def __init__(self, out: Destination, *, keep_partial: bool) -> None:
        """Write to this destination."""
        self._out = out
        self._keep_partial = keep_partial

    def end(self, outcome: Outcome) -> None:
        """Write the object; a file is renamed into place only if the answer is complete."""
        self._out.write(json_line(reply_object(outcome, keep_partial=self._keep_partial)))
        commit_or_abandon(self._out, outcome.error)


class JsonLines(Writer):
    """The events of --jsonl, one a line, those of one read in one write; the last line is `end`."""

    wants_deltas = True

    def __init__(self, out: Destination) -> None:
        """Write to this destination."""
        self._out = out
        self._buffer: list[str] = []

    def start(self, provider: str, model: str) -> None:
        """Write `start`."""
        self._write({"type": "start", "provider": provider, "model": model})

    def event(self, event: Event) -> None:
        """Buffer reasoning and answer until `flush`; calls are written when they are complete, usage at the end."""
        match event:
            case Reasoning(text):
                self._buffer.append(json_line({"type": "reasoning", "text": text}))
            case Answer(text):
                self._buffer.append(json_line({"type": "answer", "text": text}))
            case _:
                pass

    def flush(self) -> None:
        """Write the buffered lines."""
        text = "".join(self._buffer)
        self._buffer.clear()
        self._out.write(text)

    def tool_call(self, call: ToolCall) -> None:
        """Write a complete call."""
        self._write({"type": "tool_call", **call.fields()})

    def tool_result(self, result: ToolResult) -> None:
        """Write what the model will read."""
        call = result.call
        fields = {"id": call.id, "name": call.name, "text": result.text, "failed": result.failed}
        self._write({"type": "tool_result", **fields})

    def retry(self, following: NextAttempt) -> None:
        """Write `retry`, which voids all lines since `start`."""
        error = error_object(following.error)
        self._write({"type": "retry", "error": error, "wait": round(following.wait, 3), "attempt": following.attempt})

    def end(self, outcome: Outcome) -> None:
        """Write sources, usage, error, end: a retry has voided those of attempts before the last."""
        reply = outcome.reply
        if reply.sources is not None:
            self._write({"type": "sources", "sources": _source_objects(reply)})
        if reply.usage:
            self._write({"type": "usage", **reply.usage.fields()})
        if outcome.error:
            self._write({"type": "error", "error": error_object(outcome.error)})
        self._write({"type": "end", "finish_reason": reply.finish_reason, "complete": outcome.error is None})
        commit_or_abandon(self._out, outcome.error)

    def _write(self, value: dict[str, Any]) -> None:
        self._buffer.append(json_line(value))
        self.flush()


class CallPlan(Writer):
    """The list of --plan: the calls that the model wants, none of which is run. Empty if it answered without any."""

    def __init__(self, out: Destination, terminal: Terminal, planned: Callable[[ToolCall], dict[str, Any]]) -> None:
        """`planned` returns how a call would be run."""
        self._out = out
        self._terminal = terminal
        self._planned = planned
        self._calls: list[ToolCall] = []

    def tool_call(self, call: ToolCall) -> None:
        """Collect the call."""
        self._calls.append(call)

    def end(self, outcome: Outcome) -> None:
        """Write the list, if the turn is complete."""
        if not outcome.error:
            calls = [self._planned(call) for call in self._calls]
            self._out.write(json.dumps(calls, ensure_ascii=False, indent=2) + "\n")
        commit_or_abandon(self._out, outcome.error)
        if not outcome.error and not self._calls:
            self._terminal.note(f"the model called nothing, it answered: {outcome.reply.answer.strip()}")


class Meta(Writer):
    """The object of --meta: that of --json without the texts, also of sources, beside whatever else is printed."""

    def __init__(self, stream: Stream) -> None:
        """Write to this stream."""
        self._stream = stream

    def end(self, outcome: Outcome) -> None:
        """Write the object, also after a failure."""
        whole = {name: value for name, value in reply_object(outcome).items() if name not in _TEXTS}
        for source in whole["sources"] or ():
            del source["text"]
        try:
            self._stream.end_line()
            self._stream.write(json_line(whole))
        except (OutputError, ReaderGoneError):
            # A stderr that is closed or full must not hide the exit code.
            if self._stream.fd != STDERR:
                raise
