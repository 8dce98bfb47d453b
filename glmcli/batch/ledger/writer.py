"""From how rows ended to lines of the output, and what is counted on the way."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from glmcli.batch.ledger.index import IndexedRow
from glmcli.batch.ledger.record import LedgerRecord, RowState, is_final, status_of
from glmcli.batch.rows.row import Row
from glmcli.chat.outcome import Outcome
from glmcli.errors import GlmError, PartialError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.batch.ledger.index import Index
    from glmcli.batch.rows.pending import InvalidRow
    from glmcli.batch.rows.row import QueueItem
    from glmcli.chat.outcome import Cost
    from glmcli.console.redaction import Redactor

_JSON = json.JSONEncoder(ensure_ascii=False, check_circular=False)  # what was read from JSON holds no circles


class LineSink(Protocol):
    """Where lines go."""

    def write(self, line: bytes) -> int:
        """Write the line whole; where it begins, in bytes."""
        ...


class LedgerWriter:
    """Writes how rows ended, in the order in which they end or in that of the input.

    Attributes:
        counts: lines written by this run, by state (glmcli.batch.ledger.index).
        tokens: what the providers have counted in this run; None where none did.
        costs: what this run has cost, by currency and day of the price list.
        ordered: lines are written in the order of the input.
        next_number: the number of the row whose line comes next, where that is so.
        failure: why nothing can be written any more.
    """

    def __init__(  # noqa: PLR0913 - each is a side of it
        self,
        out: LineSink,
        index: Index,
        redactor: Redactor,
        *,
        ordered: bool,
        keep_partial: bool,
        max_failures: int | None,
    ) -> None:
        """Lines go to `out`, and `index` learns of them."""
        self._out = out
        self._index = index
        self._redactor = redactor
        self.ordered = ordered
        self._keep_partial = keep_partial
        self._max_failures = max_failures
        self._early: dict[int, LedgerRecord] = {}
        self.counts: Counter[str] = Counter()
        self.tokens: int | None = None
        self.costs: dict[tuple[str, str], Cost] = {}
        self.next_number = 0
        self.failure: BaseException | None = None

    def write(self, item: QueueItem, outcome: Outcome) -> None:
        """Write how a row ended."""
        error = outcome.error
        final = error is None or is_final(error)
        status = status_of(error)
        columns = item.row.columns
        self._count(outcome)
        entry = LedgerRecord(item.id, item.row.line, item.hash, status, final, item.calls, utc_now(), outcome, columns)
        self._add(item.number, entry)

    def _count(self, outcome: Outcome) -> None:
        usage, paid = outcome.reply.usage, outcome.cost
        if usage and usage.total_tokens is not None:
            self.tokens = (self.tokens or 0) + usage.total_tokens
        if paid:
            earlier = self.costs.get((paid.currency, paid.as_of))
            amount = paid.amount + (earlier.amount if earlier else 0)
            self.costs[paid.currency, paid.as_of] = paid.replace(amount=amount)

    def invalid(self, row: InvalidRow) -> None:
        """A row cannot be asked."""
        columns: Mapping[str, object] = row.row.columns if isinstance(row.row, Row) else {}
        outcome = Outcome(error=row.why)
        entry = LedgerRecord(
            id=row.id,
            line=row.row.line,
            hash=row.hash,
            status="invalid",
            final=True,
            calls=0,
            finished_at=utc_now(),
            outcome=outcome,
            columns=columns,
        )
        self._add(row.number, entry)

    def _add(self, number: int, entry: LedgerRecord) -> None:
        if not self.ordered:
            self._write(entry)
            return
        self._early[number] = entry
        while self.next_number in self._early:
            self._write(self._early.pop(self.next_number))
            self.next_number += 1

    def flush(self) -> None:
        """Write what still waits for its place: those before it were not asked."""
        for number in sorted(self._early):
            self._write(self._early.pop(number))

    def _write(self, entry: LedgerRecord) -> None:
        if self.failure:
            return
        text = _JSON.encode(entry.object(keep_partial=self._keep_partial)) + "\n"
        try:
            at = self._out.write(self._redactor.text(text).encode(errors="replace"))
        except BaseException as error:
            self.failure = error
            raise
        state = _state(entry)
        self._index.note(entry.id, IndexedRow(state, entry.hash, entry.calls, at, entry.line))
        self.counts[state] += 1

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


def _state(entry: LedgerRecord) -> str:
    if entry.status == "ok":
        return RowState.OK
    if entry.status == "invalid":
        return RowState.INVALID
    return RowState.FINAL if entry.final else RowState.FAILED


def utc_now() -> str:
    """UTC, as in `2026-11-22T07:40:00.123Z`."""
    second, millisecond = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_date(second)}.{millisecond:03}Z"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
