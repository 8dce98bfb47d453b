"""A line of the output, which is the ledger: how a row ended (schemas/batch-reply.schema.json)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from glmcli.errors import FilteredError, GlmError, IncompleteError, ToolError, UsageError
from glmcli.output.json_output import reply_object
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.chat.outcome import Outcome

Status = Literal["ok", "incomplete", "filtered", "rejected", "invalid", "failed"]


class RowState(StrEnum):
    """What a later run makes of a row: OK is answered, FINAL would only fail again, FAILED may succeed.

    INVALID could not be sent at all, and is validated again.
    """

    OK = "ok"
    FINAL = "final"
    FAILED = "failed"
    INVALID = "invalid"


def is_final(error: GlmError) -> bool:
    """Whether the same request would only fail again: waiting, or a second try, cures nothing."""
    if isinstance(error, IncompleteError):
        return not error.broken
    return error.retry is None and isinstance(error, UsageError | FilteredError | ToolError)


def status_of(error: GlmError | None) -> Status:
    """The word by which the rows of an output are told apart."""
    match error:
        case None:
            return "ok"
        case IncompleteError():
            return "incomplete"
        case FilteredError():
            return "filtered"
        case _:
            return "failed"


class LedgerRecord(Record):
    """How a row ended.

    Attributes:
        hash: what was asked, whoever was asked, in hexadecimal; empty for a row that could not be asked.
        calls: requests sent for this row by all runs together.
        finished_at: UTC, as in `2026-11-22T07:40:00.123Z`.
        final: no other run asks this again by itself: it is answered, or would only fail again.
    """

    id: str
    line: int
    hash: str
    status: Status
    final: bool
    calls: int
    finished_at: str
    outcome: Outcome
    columns: Mapping[str, Any] = EMPTY

    def object(self, *, keep_partial: bool = False) -> dict[str, Any]:
        """The line as JSON."""
        return {
            "id": self.id,
            "line": self.line,
            "status": self.status,
            **reply_object(self.outcome, keep_partial=keep_partial),
            "columns": dict(self.columns),
            "final": self.final,
            "calls": self.calls,
            "hash": self.hash,
            "finished_at": self.finished_at,
        }
