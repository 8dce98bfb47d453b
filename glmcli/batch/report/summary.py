"""The summary of a batch for `glm batch report`. Numbers add up, unknown stays unknown."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Any

from glmcli.batch.ledger.record import STATUSES
from glmcli.batch.report.aggregate import NANO
from glmcli.chat.events import Usage
from glmcli.chat.outcome import Cost
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.batch.report.aggregate import Aggregate

SLOWEST, FAILED, KINDS = 10, 20, 20  # how many rows and errors are listed
_MILLI = 1000
# Upper edges, in milliseconds, of the bars of the histogram: six in each power of ten, up to a week.
_EDGES = tuple(round(step * 10**power) for power in range(1, 8) for step in (1, 1.5, 2, 3, 5, 7))
_TOKENS = Usage.__match_args__

_STATUSES = "SELECT status, count(*), sum(final) FROM rows GROUP BY status"
_CALLS = "SELECT ifnull(sum(sent > 0), 0), ifnull(sum(sent), 0), ifnull(sum(sent > 0 AND paid IS NULL), 0) FROM rows"
# A saving that is known of some rows only is null.
_SPENT = """
SELECT currency, as_of, count(*), sum(paid),
  CASE WHEN sum(cached_tokens > 0 AND saved IS NULL) > 0 THEN NULL ELSE sum(saved) END
FROM rows WHERE paid IS NOT NULL GROUP BY currency, as_of ORDER BY currency, as_of
"""
_KINDS = """
SELECT error_type, provider_code, count(*) FROM rows WHERE status <> 'ok'
GROUP BY error_type, provider_code ORDER BY count(*) DESC, error_type, provider_code LIMIT :most
"""
_MODELS = """
SELECT provider, model, count(*) FROM rows WHERE provider IS NOT NULL
GROUP BY provider, model ORDER BY count(*) DESC, provider, model LIMIT :most
"""
_OLD_COSTS = "SELECT currency, as_of, sum(paid) FROM superseded WHERE paid IS NOT NULL GROUP BY currency, as_of"

SLICES = 60  # of the time line, so that a page can show it however many rows there are
# The last moment belongs to the last slice.
_LOST = "ifnull((SELECT lost FROM pauses WHERE ended <= finished ORDER BY ended DESC LIMIT 1), 0)"
_SLICE = f"min((finished - {_LOST} - :first) * :slices / :span, :slices - 1)"
_ROWS = f"SELECT {_SLICE}, count(*), ifnull(sum(input_tokens), 0), ifnull(sum(output_tokens), 0) FROM rows GROUP BY 1"  # noqa: S608
_COSTS = f"SELECT {_SLICE}, currency, sum(paid) FROM rows WHERE paid IS NOT NULL GROUP BY 1, 2"  # noqa: S608


class TokenSums(Record):
    """Sums of the tokens that providers counted; None where no row has the count.

    Attributes:
        rows: how many rows have each count.
        unknown: rows that were sent and have no count at all.
    """

    sums: Mapping[str, int | None]
    rows: Mapping[str, int]
    unknown: int


class CostSum(Record):
    """What was paid by one price list; `saved` is what the provider's cache took off, None where that is not known."""

    cost: Cost
    rows: int
    saved: float | None


class RunTime(Record):
    """From the first request to the end of the last row.

    Attributes:
        seconds: without the pauses.
        rate: rows a second; None for no time at all.
        pauses: how often nothing was asked, between runs or because the machine slept.
        paused: how long, in seconds.
    """

    first: str
    last: str
    seconds: float
    rate: float | None
    pauses: int
    paused: float


class ModelRows(Record):
    """How many rows a model of a provider was asked last."""

    provider: str
    model: str | None
    rows: int


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
    """A row that is listed; `error_type` and what follows are None for one without an error."""

    id: str
    line: int
    status: str
    seconds: float | None
    error_type: str | None = None
    provider_code: str | None = None
    message: str | None = None


class ErrorCount(Record):
    """How many rows failed with the same error."""

    type: str | None
    provider_code: str | None
    rows: int


class Superseded(Record):
    """Lines that do not count, because another line of the same row does; they were paid all the same."""

    lines: int
    total_tokens: int | None
    costs: tuple[Cost, ...]


class Summary(Record):
    """The whole batch.

    Attributes:
        rows: all; the sum of `statuses`.
        models: who was asked, the most frequent first.
        commands: the command lines of the runs that wrote the output, as far as its lines name them.
        final: rows that are not ok, and that trying again would not help.
        asked: rows for which at least one request was sent.
        calls: requests sent for all rows by all runs; those beyond `asked` are repeats.
        unpriced: rows that were sent and whose cost is not known.
        errors: the most frequent errors; `other_errors` rows have others.
        torn_lines: lines that cannot be read, and are no rows; the first of them is `torn_line`, None if there is none.
    """

    rows: int
    models: tuple[ModelRows, ...]
    commands: tuple[str, ...]
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
    torn_lines: int
    torn_line: int | None


class Slice(Record):
    """What ended in one slice of time; costs by currency."""

    rows: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    costs: Mapping[str, float] = EMPTY


class Timeline(Record):
    """The course of a batch, in slices of equal length; none if all rows ended at one moment."""

    seconds: float  # of one slice
    slices: tuple[Slice, ...]


def to_json(value: Any) -> Any:  # noqa: ANN401 - any value of a record
    """The object of `glm batch report --json`, or a part of it: schemas/batch-report.schema.json."""
    if isinstance(value, Record):
        return {name: to_json(part) for name, part in value.fields().items()}
    return [to_json(part) for part in value] if isinstance(value, tuple) else value


def summarise(aggregate: Aggregate) -> Summary:
    """The summary of a ledger; foreign text in it is redacted."""
    redact = aggregate.redact
    counted = {status: (rows, final) for status, rows, final in aggregate.select(_STATUSES)}
    statuses: dict[str, int] = {status: counted.get(status, (0, 0))[0] for status in STATUSES}
    asked, calls, unpriced = aggregate.one(_CALLS)
    kinds = tuple(ErrorCount(*kind) for kind in aggregate.select(_KINDS, {"most": KINDS}))
    wrong = sum(rows for status, rows in statuses.items() if status != "ok")
    return Summary(
        rows=sum(statuses.values()),
        models=_models(aggregate),
        commands=tuple(map(redact, aggregate.commands)),
        statuses=statuses,
        final=sum(final for status, (_, final) in counted.items() if status != "ok"),
        asked=asked,
        calls=calls,
        tokens=_tokens(aggregate),
        spent=tuple(_spent(*row) for row in aggregate.select(_SPENT)),
        unpriced=unpriced,
        time=_span(sum(statuses.values()), aggregate),
        latency=_latency(aggregate),
        slowest=_named(aggregate, "took IS NOT NULL ORDER BY took DESC, seq", SLOWEST),
        failed=_named(aggregate, "status <> 'ok' ORDER BY line, seq", FAILED),
        errors=tuple(kind.replace(provider_code=kind.provider_code and redact(kind.provider_code)) for kind in kinds),
        other_errors=wrong - sum(kind.rows for kind in kinds),
        superseded=_superseded(aggregate),
        torn_lines=aggregate.unreadable,
        torn_line=aggregate.first_unreadable or None,
    )


def _tokens(aggregate: Aggregate) -> TokenSums:
    sums = ", ".join(f"sum({name}), count({name})" for name in _TOKENS)
    known = f"coalesce({', '.join(_TOKENS)})"
    *counted, unknown = aggregate.one(f"SELECT {sums}, ifnull(sum(sent > 0 AND {known} IS NULL), 0) FROM rows")  # noqa: S608
    names = dict(zip(_TOKENS, counted[::2], strict=True))
    return TokenSums(names, dict(zip(_TOKENS, counted[1::2], strict=True)), unknown)


def _spent(currency: str, as_of: str, rows: int, paid: int, saved: int | None) -> CostSum:
    return CostSum(Cost(paid / NANO, currency, as_of), rows, None if saved is None else saved / NANO)


def _models(aggregate: Aggregate) -> tuple[ModelRows, ...]:
    redact = aggregate.redact
    found = aggregate.select(_MODELS, {"most": KINDS})
    return tuple(ModelRows(redact(provider), model and redact(model), rows) for provider, model, rows in found)


def _span(rows: int, aggregate: Aggregate) -> RunTime | None:
    span = aggregate.time_span()
    if span is None:
        return None
    first, last = span
    paused, pauses = aggregate.paused
    seconds = (last - first - paused) / _MILLI
    rate = rows / seconds if seconds else None
    return RunTime(_moment(first), _moment(last), seconds, rate, pauses, paused / _MILLI)


def _moment(milliseconds: int) -> str:
    """As in `2026-11-22T07:40:00.123Z`."""
    at = datetime.fromtimestamp(milliseconds / _MILLI, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _latency(aggregate: Aggregate) -> Latency | None:
    rows = aggregate.one("SELECT count(took) FROM rows")[0]
    ranks = {"p50": ceil(rows * 0.5), "p90": ceil(rows * 0.9), "p99": ceil(rows * 0.99), "max": rows}
    at: dict[int, int] = {}
    bars = [0] * (len(_EDGES) + 1)
    for rank, (took,) in enumerate(aggregate.select("SELECT took FROM rows WHERE took IS NOT NULL ORDER BY took"), 1):
        bars[bisect_right(_EDGES, took)] += 1
        if rank in ranks.values():
            at[rank] = took
    return Latency(rows, {name: at[rank] / _MILLI for name, rank in ranks.items()}, _bars(bars)) if rows else None


def _bars(rows: list[int]) -> tuple[HistogramBar, ...]:
    """The bars from the first that holds a row to the last."""
    edges = (0, *_EDGES, 10 * _EDGES[-1])
    filled = [place for place, number in enumerate(rows) if number]
    shown = range(filled[0], filled[-1] + 1)
    return tuple(HistogramBar(edges[place] / _MILLI, edges[place + 1] / _MILLI, rows[place]) for place in shown)


def _named(aggregate: Aggregate, which: str, most: int) -> tuple[ReportedRow, ...]:
    columns, redact = "id, line, status, took, error_type, provider_code, message", aggregate.redact
    found = aggregate.select(f"SELECT {columns} FROM rows WHERE {which} LIMIT :most", {"most": most})  # noqa: S608 - ours
    return tuple(
        ReportedRow(redact(id_), line, status, _seconds(took), *(text and redact(text) for text in why))
        for id_, line, status, took, *why in found
    )


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / _MILLI


def _superseded(aggregate: Aggregate) -> Superseded:
    lines, tokens = aggregate.one("SELECT count(*), sum(total_tokens) FROM superseded")
    costs = tuple(Cost(paid / NANO, currency, as_of) for currency, as_of, paid in aggregate.select(_OLD_COSTS))
    return Superseded(lines, tokens, costs)


def timeline(aggregate: Aggregate) -> Timeline:
    """The time from the first request to the end of the last row, without pauses, cut into slices."""
    first, last = aggregate.time_span() or (0, 0)
    span = last - first - aggregate.paused[0]
    if not span:
        return Timeline(0.0, ())
    values = {"first": first, "span": span, "slices": SLICES}
    slices = [Slice()] * SLICES
    for place, *counts in aggregate.select(_ROWS, values):
        slices[place] = Slice(*counts)
    for place, currency, paid in aggregate.select(_COSTS, values):
        slices[place] = slices[place].replace(costs={**slices[place].costs, currency: paid / NANO})
    return Timeline(span / _MILLI / SLICES, tuple(slices))
