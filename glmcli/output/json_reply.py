"""A reply as one JSON object: schemas/reply.schema.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from glmcli.chat.outcome import Outcome, no_timing
from glmcli.console.terminal import STDERR
from glmcli.errors import OutputError, ReaderGoneError
from glmcli.output.writer import Silent

if TYPE_CHECKING:
    from glmcli.chat.events import Usage
    from glmcli.console.terminal import Stream
    from glmcli.errors import GlmError
    from glmcli.output.destination import Destination

_TEXTS = ("reasoning", "answer", "partial")
_ENCODER = json.JSONEncoder(ensure_ascii=False)
_PLACES = 3  # decimals of a second


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
        "usage": usage_object(reply.usage),
        "cost": outcome.cost.fields() if outcome.cost else None,
        "attempts": outcome.attempts,
        "timing": {name: _rounded(seconds) for name, seconds in (outcome.timing or no_timing()).items()},
        "error": error_object(error) if error else None,
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, _PLACES)


def usage_object(usage: Usage | None) -> dict[str, Any] | None:
    """The token counts, or None if the provider said none."""
    return usage.fields() if usage else None


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


def line(value: dict[str, Any]) -> str:
    """One line of JSON."""
    return _ENCODER.encode(value) + "\n"


class JsonReply(Silent):
    """The one object of --json."""

    def __init__(self, out: Destination, *, keep_partial: bool) -> None:
        """Write to this destination."""
        self._out = out
        self._keep_partial = keep_partial

    def end(self, outcome: Outcome) -> None:
        """Write the object; a file is put into its place only if the answer is complete."""
        self._out.write(line(reply_object(outcome, keep_partial=self._keep_partial)))
        if outcome.error:
            self._out.abandon()
        else:
            self._out.commit()


class Meta(Silent):
    """The object without the texts, beside whatever else is printed."""

    def __init__(self, stream: Stream) -> None:
        """Write to this stream."""
        self._stream = stream

    def end(self, outcome: Outcome) -> None:
        """Write the object, also after a failure."""
        whole = reply_object(outcome)
        try:
            self._stream.end_line()
            self._stream.write(line({name: value for name, value in whole.items() if name not in _TEXTS}))
        except (OutputError, ReaderGoneError):
            # A stderr that is closed or full must not hide the exit code.
            if self._stream.fd != STDERR:
                raise
