"""From a few rows that were answered to what all the others will take. Pure; unknown stays unknown."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any, Literal

from glmcli.batch.report.text import one_line
from glmcli.output.amounts import count, duration, money, plural, short
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_MINUTE = 60.0
# Student's t, two-sided 95 %, by degrees of freedom from 1; from there on hardly more than the normal distribution's.
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09)
_LATER_T = 2.05

Bound = Literal["jobs", "rpm", "tpm"]


class ConfidenceRange(Record):
    """A number and between which two it lies in 19 of 20 samples, if the sample is like the rest.

    `low` and `high` are None where one row is all there is to go by.
    """

    mean: float
    low: float | None
    high: float | None

    def times(self, factor: float) -> ConfidenceRange:
        """So much of it."""
        low, high = (None if each is None else each * factor for each in (self.low, self.high))
        return ConfidenceRange(self.mean * factor, low, high)


class CostRange(Record):
    """A range of money of one price list."""

    range: ConfidenceRange
    currency: str
    as_of: str


class RunLimits(Record):
    """What is known of how fast a run may be: requests in flight, and what a minute may have.

    Attributes:
        unknown: what the provider counts and nobody has told: the time is the least that it can be.
    """

    jobs: int
    rpm: float | None
    tpm: float | None
    unknown: Literal["in_flight", "per_minute"] | None


class TimeEstimate(Record):
    """Seconds; `bound` is what makes it that long."""

    range: ConfidenceRange
    bound: Bound
    unknown: Literal["in_flight", "per_minute"] | None


class Estimate(Record):
    """What the rest will take.

    Attributes:
        rows: how many the rest are.
        of: how many rows it is made from: those that were answered, well or badly.
    """

    rows: int
    of: int
    input_tokens: ConfidenceRange | None
    output_tokens: ConfidenceRange | None
    total_tokens: ConfidenceRange | None
    cost: CostRange | None
    time: TimeEstimate | None


def estimate(entries: Sequence[Mapping[str, Any]], rows: int, pace: RunLimits) -> Estimate:
    """Take the lines of the rows that were asked, and count on for so many more."""
    answered = [entry for entry in entries if entry["usage"]]
    tokens = {
        name: _over(answered, lambda entry, name=name: entry["usage"][name], rows)  # type: ignore[misc]
        for name in ("input_tokens", "output_tokens", "total_tokens")
    }
    seconds = _over(answered, lambda entry: entry["timing"]["total"], rows)
    time = _time(seconds, tokens["total_tokens"], rows, pace) if seconds else None
    return Estimate(rows, len(answered), **tokens, cost=_cost(answered, rows), time=time)


def _over(entries: Sequence[Any], value: Callable[[Any], float | None], rows: int) -> ConfidenceRange | None:
    """The sum over so many rows; None if one of the entries does not say it."""
    values = [value(entry) for entry in entries]
    known = [each for each in values if each is not None]
    return mean_range(known).times(rows) if known and len(known) == len(values) else None


def mean_range(values: Sequence[float]) -> ConfidenceRange:
    """The mean, and how far it may be from that of all."""
    count = len(values)
    mean = sum(values) / count
    if count == 1:
        return ConfidenceRange(mean, None, None)
    deviation = sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    reach = (_T[count - 2] if count - 2 < len(_T) else _LATER_T) * deviation / sqrt(count)
    return ConfidenceRange(mean, max(mean - reach, 0.0), mean + reach)


def _cost(entries: Sequence[Any], rows: int) -> CostRange | None:
    lists = {(each["cost"]["currency"], each["cost"]["as_of"]) if each["cost"] else None for each in entries}
    found = lists.pop() if len(lists) == 1 else None
    if found is None:  # not known of one row, or two kinds of money
        return None
    amount = _over(entries, lambda entry: entry["cost"]["amount"], rows)
    return CostRange(amount, *found) if amount else None


def _time(seconds: ConfidenceRange, tokens: ConfidenceRange | None, rows: int, pace: RunLimits) -> TimeEstimate:
    """The slowest of: so many at once, so many requests a minute, so many tokens a minute."""
    bounds: list[tuple[ConfidenceRange, Bound]] = [(seconds.times(1 / max(min(pace.jobs, rows), 1)), "jobs")]
    if pace.rpm:
        minutes = rows / pace.rpm * _MINUTE
        bounds.append((ConfidenceRange(minutes, minutes, minutes), "rpm"))
    if pace.tpm and tokens:
        bounds.append((tokens.times(_MINUTE / pace.tpm), "tpm"))
    slowest, bound = max(bounds, key=lambda each: each[0].mean)
    return TimeEstimate(slowest, bound, pace.unknown)


# A sample and what it lets expect, for a person. Pure.

_WIDTH = 11
_SHOWN = 60  # characters of an answer
_UNKNOWN = {
    "in_flight": "if the provider takes so many at once",
    "per_minute": "unless the provider takes fewer a minute, see --rpm",
}


def text(entries: Sequence[Mapping[str, Any]], found: Estimate) -> str:
    """A line a row, then the estimate."""
    rows = [_row(entry) for entry in entries]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    shown = ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    named = [f"{name:{_WIDTH}}{line}" for name, line in _lines(found)]
    return "\n".join([*shown, "", *named, ""])


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    usage, paid, took = entry["usage"] or {}, entry["cost"], entry["timing"]["total"]
    said = one_line(entry["answer"] or (entry["error"] or {}).get("message") or "")
    return (
        entry["status"],
        f"line {entry['line']}",
        one_line(entry["id"])[:_SHOWN],
        "?" if took is None else duration(took),
        f"{_counted(usage.get('input_tokens'))} in, {_counted(usage.get('output_tokens'))} out",
        money(paid["amount"], paid["currency"]) if paid else "?",
        said if len(said) <= _SHOWN else said[:_SHOWN] + "…",
    )


def _counted(number: int | None) -> str:
    return "?" if number is None else count(number)


def _lines(found: Estimate) -> Iterator[tuple[str, str]]:
    yield "the rest", f"{plural(found.rows, 'row')}, estimated from {found.of}"
    if not found.rows:
        return
    yield "tokens in", _shown(found.input_tokens, short)
    yield "tokens out", _shown(found.output_tokens, short)
    paid = found.cost
    yield "cost", _shown(paid.range, lambda amount: money(amount, paid.currency)) if paid else "not known"
    yield "time", _time_text(found.time) if found.time else "not known"


def _shown(found: ConfidenceRange | None, written: Callable[[float], str]) -> str:
    """As in `1.2M (1.1M to 1.3M)`."""
    if found is None:
        return "not known"
    if found.low is None or found.high is None or written(found.low) == written(found.high):
        return written(found.mean)
    return f"{written(found.mean)} ({written(found.low)} to {written(found.high)})"


def _time_text(time: TimeEstimate) -> str:
    by = {"jobs": "-j", "rpm": "--rpm", "tpm": "--tpm"}[time.bound]
    unless = f", {_UNKNOWN[time.unknown]}" if time.unknown else ""
    return f"{_shown(time.range, duration)} at this {by}{unless}"
