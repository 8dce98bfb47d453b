"""How a batch went: what `glm batch report` says. Numbers add up, unknown stays unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.chat.outcome import Cost


class TokenSums(Record):
    """Sums of what providers counted; None where no row said it.

    Attributes:
        rows: how many rows said it.
        unknown: rows that were sent and of which no count is known at all.
    """

    sums: Mapping[str, int | None]
    rows: Mapping[str, int]
    unknown: int


class CostSum(Record):
    """Money of one price list; `saved` is what the provider's cache took off, None where that is not known."""

    cost: Cost
    rows: int
    saved: float | None


class RunTime(Record):
    """From when the first row was asked to when the last ended; `rate` is rows a second, None for no time at all."""

    first: str
    last: str
    seconds: float
    rate: float | None


class HistogramBar(Record):
    """How many rows took as long as `low` or longer, and less than `high`."""

    low: float
    high: float
    rows: int


class Latency(Record):
    """Seconds that rows took, waits and retries included.

    Attributes:
        percentiles: by name, p50 to max; exact however many rows there are, for they are sorted on disk (the nearest
            rank: the least time in which that share of the rows was over).
        histogram: without gaps, from the fastest row to the slowest.
    """

    rows: int
    percentiles: Mapping[str, float]
    histogram: tuple[HistogramBar, ...]


class ReportedRow(Record):
    """A row by name; `error_type` and what follows are None for one without an error."""

    id: str
    line: int
    status: str
    seconds: float | None
    error_type: str | None = None
    provider_code: str | None = None
    message: str | None = None


class ErrorCount(Record):
    """Rows that failed alike."""

    type: str | None
    provider_code: str | None
    rows: int


class Superseded(Record):
    """Lines that do not count, because a later line of the same row does: they were paid all the same."""

    lines: int
    total_tokens: int | None
    costs: tuple[Cost, ...]


class Summary(Record):
    """The whole batch.

    Attributes:
        rows: all; the sum of `statuses`.
        final: rows that are not ok, and that trying again would not help.
        asked: rows for which anything was sent.
        calls: requests sent for all rows by all runs; all beyond `asked` were sent again.
        unpriced: rows that were sent and whose cost is not known.
        errors: the most frequent errors; `other_errors` rows have others.
        torn_line: the number of a last line that was cut while it was written, and is no row.
    """

    rows: int
    statuses: Mapping[str, int]
    final: int
    asked: int
    calls: int
    tokens: TokenSums
    spent: tuple[CostSum, ...]
    unpriced: int
    time: RunTime | None
    latency: Latency | None
    slowest: tuple[ReportedRow, ...]
    failed: tuple[ReportedRow, ...]
    errors: tuple[ErrorCount, ...]
    other_errors: int
    superseded: Superseded
    torn_line: int | None


def to_json(value: Any) -> Any:  # noqa: ANN401 - any value of a record
    """The object of `glm batch report --json`, or a part of it: schemas/batch-report.schema.json."""
    if isinstance(value, Record):
        return {name: to_json(part) for name, part in value.fields().items()}
    return [to_json(part) for part in value] if isinstance(value, tuple) else value
