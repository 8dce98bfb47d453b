"""Writes how rows end to the ledger, or to stdout, and counts what a run has done and spent."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from glmcli.batch.ledger.index import indexed
from glmcli.batch.ledger.record import LedgerRecord, RowState, is_final, status_of
from glmcli.batch.rows.row import InvalidRow, Row
from glmcli.chat.outcome import Outcome
from glmcli.errors import GlmError, PartialError
from glmcli.output.json_output import reply_object
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmcli.batch.ledger.index import Index
    from glmcli.batch.rows.row import QueueItem
    from glmcli.chat.outcome import Cost
    from glmcli.console.redaction import Redactor
    from glmcli.console.terminal import Stream

_JSON = json.JSONEncoder(ensure_ascii=False, check_circular=False)  # values that were read from JSON have no cycles
_LONGEST_COMMAND = 4000  # characters


class LineSink(Protocol):
    """Where lines are written: a Ledger or a StdoutSink."""

    def write(self, line: bytes) -> int:
        """Write the line whole; where it begins, in bytes."""


class StdoutSink:
    """Lines on stdout: such a run cannot be resumed."""

    def __init__(self, stream: Stream) -> None:
        """Write to this stream."""
        stream.check()
        self._stream = stream

    def write(self, line: bytes) -> int:
        """Print the line.

        Raises:
            OutputError: it cannot be written.
            ReaderGoneError: nobody reads it.
        """
        self._stream.write(line.decode())
        return 0


class WriterOptions(Record):
    """How a LedgerWriter writes.

    Attributes:
        ordered: lines are in the order of the input, not in the order in which rows end.
        keep_partial: lines keep the beginning of an answer that was cut.
        max_failures: the run stops after so many failed rows; None: never.
        command: the command line of the run, which its first line names.
    """

    ordered: bool = False
    keep_partial: bool = False
    max_failures: int | None = None
    command: str = ""


class LedgerWriter:
    """Writes a line for each row that ends.

    Attributes:
        counts: lines written by this run, by RowState.
        tokens: what the providers have counted in this run; None where none did.
        costs: what this run has cost, by currency and day of the price list.
        ordered: lines are written in the order of the input.
        next_number: the number of the row whose line comes next, if `ordered`.
        failure: why nothing can be written any more.
    """

    def __init__(self, out: LineSink, index: Index, redactor: Redactor, options: WriterOptions) -> None:
        """Write lines to `out`, and add them to `index`."""
        self._out = out
        self._index = index
        self._redactor = redactor
        self.ordered = options.ordered
        self._keep_partial = options.keep_partial
        self._max_failures = options.max_failures
        self._command = options.command
        self._run = utc_now()
        self._early: dict[int, LedgerRecord] = {}
        self.counts: Counter[str] = Counter()
        self.tokens: int | None = None
        self.costs: dict[tuple[str, str], Cost] = {}
        self.next_number = 0
        self.failure: BaseException | None = None

    def write(self, item: QueueItem, outcome: Outcome) -> None:
        """Write how a row ended.

        Raises:
            OutputError: it cannot be written.
        """
        self._count(outcome)
        self._add(item.number, _record(item, outcome, self._run, keep_partial=self._keep_partial))

    def write_invalid(self, row: InvalidRow) -> None:
        """Write why a row cannot be sent.

        Raises:
            OutputError: it cannot be written.
        """
        self._add(row.number, _record(row, Outcome(error=row.error), self._run))

    def _count(self, outcome: Outcome) -> None:
        usage, paid = outcome.reply.usage, outcome.cost
        if usage and usage.total_tokens is not None:
            self.tokens = (self.tokens or 0) + usage.total_tokens
        if paid:
            earlier = self.costs.get((paid.currency, paid.as_of))
            amount = paid.amount + (earlier.amount if earlier else 0)
            self.costs[paid.currency, paid.as_of] = paid.replace(amount=amount)

    def _add(self, number: int, record: LedgerRecord) -> None:
        if not self.ordered:
            self._write(record)
            return
        self._early[number] = record
        while self.next_number in self._early:
            self._write(self._early.pop(self.next_number))
            self.next_number += 1

    def flush(self) -> None:
        """Write the records that wait for earlier rows, which were not sent."""
        for number in sorted(self._early):
            self._write(self._early.pop(number))

    def _write(self, record: LedgerRecord) -> None:
        if self.failure:
            return
        command = {"command": self._command} if self._command else {}
        text = _JSON.encode({**record.value, **command}) + "\n"
        try:
            at = self._out.write(self._redactor.text(text).encode(errors="replace"))
        except BaseException as error:
            self.failure = error
            raise
        self._command = ""
        row = indexed(record, at)
        self._index.add(record.id, row)
        self.counts[row.state] += 1

    @property
    def _failed(self) -> int:
        return sum(self.counts.values()) - self.counts[RowState.OK]

    @property
    def failures_left(self) -> int | None:
        """How many more rows may fail before the run stops; None: any number."""
        return None if self._max_failures is None else max(self._max_failures - self._failed, 0)

    @property
    def failure_limit(self) -> GlmError | None:
        """Why the run stops, if more rows have failed than are allowed."""
        failed = self._failed
        if self._max_failures is None or failed < self._max_failures:
            return None
        return PartialError(f"stopped after {failed} failed row{'s' * (failed > 1)} (--max-failures)")


def _record(item: QueueItem | InvalidRow, outcome: Outcome, run: str, *, keep_partial: bool = False) -> LedgerRecord:
    """The record of a row that ended just now; an invalid one was never sent. `run` is when the run began."""
    row, error = item.row, outcome.error
    if isinstance(item, InvalidRow):
        status, final, calls = "invalid", True, 0
    else:
        status, final, calls = status_of(error), error is None or is_final(error), item.calls
    value = {
        "id": item.id,
        "line": row.line,
        "status": status,
        **reply_object(outcome, keep_partial=keep_partial),
        "columns": dict(row.columns) if isinstance(row, Row) else {},
        "final": final,
        "calls": calls,
        "hash": item.hash,
        "finished_at": utc_now(),
        "run": run,
    }
    return LedgerRecord(item.id, row.line, item.hash, status, final, calls, value)


def command_of(arguments: Sequence[str]) -> str:
    """The command line as it can be pasted, cut where it is long; keys are blanked out with the line that holds it."""
    command = shlex.join(["glm", *arguments])
    return command if len(command) <= _LONGEST_COMMAND else f"{command[:_LONGEST_COMMAND]}…"


def utc_now() -> str:
    """UTC, as in `2026-11-22T07:40:00.123Z`."""
    second, millisecond = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_date(second)}.{millisecond:03}Z"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
