"""A sample of a batch, and the estimate of the rest: tokens, cost and time. Pure; unknown stays unknown."""

from __future__ import annotations

from hashlib import blake2b
from math import sqrt
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from glmcli.batch.report.text import one_line
from glmcli.output.amounts import count, duration, money, plural, short
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_MINUTE = 60.0
# Student's t, two-sided 95 %, by degrees of freedom from 1; from there on hardly more than the normal distribution's.
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09)
_LATER_T = 2.05

_PARTS_EACH = 8  # parts that a sampler keeps, for each row of the final sample

Bound = Literal["jobs", "rpm", "tpm"]
_Row = TypeVar("_Row")


class Sampler(Generic[_Row]):
    """Chooses a few of many rows, spread evenly over all of them, however many there turn out to be.

    The rows are cut into equal parts, and of each part the row is chosen whose name has the least digest. A digest and
    not a position decides, so that rows which repeat in a pattern (a question in five languages) are not all taken from
    the same position of it. The same names in the same order yield the same sample.
    """

    def __init__(self, count: int) -> None:
        """Choose `count` rows in the end."""
        self._count = count
        self._most_parts = count * _PARTS_EACH
        self._length = 1  # rows in a part
        self._offered = 0
        self._parts: list[tuple[bytes, int, _Row]] = []

    def offer(self, name: str, row: _Row) -> None:
        """Consider one more row."""
        digest = blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest()
        offered = (digest, self._offered, row)
        if self._offered % self._length:
            self._parts[-1] = _least(self._parts[-1], offered)
        else:
            self._parts.append(offered)
        self._offered += 1
        if len(self._parts) > self._most_parts and self._offered % (2 * self._length) == 0:
            self._length *= 2
            self._parts = [_least(*pair) for pair in zip(self._parts[::2], self._parts[1::2], strict=True)]

    @property
    def chosen(self) -> list[_Row]:
        """The sample, in the order in which it was offered; fewer rows if there are no more."""
        parts = len(self._parts)
        count = min(self._count, parts)
        groups = (self._parts[parts * group // count : parts * (group + 1) // count] for group in range(count))
        return [_least(*group)[2] for group in groups]


def _least(*offered: tuple[bytes, int, _Row]) -> tuple[bytes, int, _Row]:
    """The first by digest; rows themselves are not compared."""
    return min(offered, key=lambda each: each[:2])


class ConfidenceRange(Record):
    """A mean and its 95 % confidence interval, if the sample is like the rest.

    `low` and `high` are None where the sample is a single row.
    """

    mean: float
    low: float | None
    high: float | None

    def times(self, factor: float) -> ConfidenceRange:
        """The range of a multiple."""
        low, high = (None if each is None else each * factor for each in (self.low, self.high))
        return ConfidenceRange(self.mean * factor, low, high)


class CostRange(Record):
    """An amount of money by one price list."""

    range: ConfidenceRange
    currency: str
    as_of: str


class RunLimits(Record):
    """How fast a run may be: requests in flight, and requests and tokens a minute.

    Attributes:
        unknown: what the provider limits by a number that is not known here: the run may take longer than estimated.
        usual: `rpm` and `tpm` are what the provider gives an account as a rule.
    """

    jobs: int
    rpm: float | None
    tpm: float | None
    unknown: Literal["in_flight", "per_minute"] | None
    usual: bool = False


class TimeEstimate(Record):
    """Seconds; `bound` is the limit that makes it that long, and `usual` whether it is only the provider's rule."""

    range: ConfidenceRange
    bound: Bound
    unknown: Literal["in_flight", "per_minute"] | None
    usual: bool


class Estimate(Record):
    """What the rest of a batch will take.

    Attributes:
        rows: how many rows the rest has.
        of: how many rows it is estimated from: those with an answer, complete or not.
    """

    rows: int
    of: int
    input_tokens: ConfidenceRange | None
    output_tokens: ConfidenceRange | None
    total_tokens: ConfidenceRange | None
    cost: CostRange | None
    time: TimeEstimate | None


def estimate(entries: Sequence[Mapping[str, Any]], rows: int, pace: RunLimits) -> Estimate:
    """What `rows` more rows will take, by the lines of those that were sent."""
    answered = [entry for entry in entries if entry["usage"]]
    tokens = {
        name: _over(answered, lambda entry, name=name: entry["usage"][name], rows)  # type: ignore[misc]
        for name in ("input_tokens", "output_tokens", "total_tokens")
    }
    seconds = _over(answered, lambda entry: entry["timing"]["total"], rows)
    time = _time(seconds, tokens["total_tokens"], rows, pace) if seconds else None
    return Estimate(rows, len(answered), **tokens, cost=_cost(answered, rows), time=time)


def _over(entries: Sequence[Any], value: Callable[[Any], float | None], rows: int) -> ConfidenceRange | None:
    """The sum over so many rows; None if it is not known of one entry."""
    values = [value(entry) for entry in entries]
    numbers = [each for each in values if each is not None]
    return mean_range(numbers).times(rows) if numbers and len(numbers) == len(values) else None


def mean_range(values: Sequence[float]) -> ConfidenceRange:
    """The mean with its 95 % confidence interval."""
    count = len(values)
    mean = sum(values) / count
    if count == 1:
        return ConfidenceRange(mean, None, None)
    deviation = sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    margin = (_T[count - 2] if count - 2 < len(_T) else _LATER_T) * deviation / sqrt(count)
    return ConfidenceRange(mean, max(mean - margin, 0.0), mean + margin)


def _cost(entries: Sequence[Any], rows: int) -> CostRange | None:
    lists = {(each["cost"]["currency"], each["cost"]["as_of"]) if each["cost"] else None for each in entries}
    price_list = lists.pop() if len(lists) == 1 else None
    if price_list is None:  # not known of one row, or two kinds of money
        return None
    amount = _over(entries, lambda entry: entry["cost"]["amount"], rows)
    return CostRange(amount, *price_list) if amount else None


def _time(seconds: ConfidenceRange, tokens: ConfidenceRange | None, rows: int, pace: RunLimits) -> TimeEstimate:
    """The longest of the times that the limits of concurrency, requests and tokens each allow."""
    bounds: list[tuple[ConfidenceRange, Bound]] = [(seconds.times(1 / max(min(pace.jobs, rows), 1)), "jobs")]
    if pace.rpm:
        minutes = rows / pace.rpm * _MINUTE
        bounds.append((ConfidenceRange(minutes, minutes, minutes), "rpm"))
    if pace.tpm and tokens:
        bounds.append((tokens.times(_MINUTE / pace.tpm), "tpm"))
    slowest, bound = max(bounds, key=lambda each: each[0].mean)
    return TimeEstimate(slowest, bound, pace.unknown, pace.usual and bound != "jobs")


_WIDTH = 11
_SHOWN = 60  # characters of an answer
_UNKNOWN = {
    "in_flight": "if the provider takes so many at once",
    "per_minute": "unless the provider takes fewer a minute, see --rpm",
}


def text(entries: Sequence[Mapping[str, Any]], estimated: Estimate) -> str:
    """A line a row, then the estimate."""
    rows = [_row(entry) for entry in entries]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    shown = ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    named = [f"{name:{_WIDTH}}{line}" for name, line in _lines(estimated)]
    return "\n".join([*shown, "", *named, ""])


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    usage, paid, took = entry["usage"] or {}, entry["cost"], entry["timing"]["total"]
    shown = one_line(entry["answer"] or (entry["error"] or {}).get("message") or "")
    return (
        entry["status"],
        f"line {entry['line']}",
        one_line(entry["id"])[:_SHOWN],
        "?" if took is None else duration(took),
        f"{_counted(usage.get('input_tokens'))} in, {_counted(usage.get('output_tokens'))} out",
        money(paid["amount"], paid["currency"]) if paid else "?",
        shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…",
    )


def _counted(number: int | None) -> str:
    return "?" if number is None else count(number)


def _lines(estimated: Estimate) -> Iterator[tuple[str, str]]:
    yield "the rest", f"{plural(estimated.rows, 'row')}, estimated from {estimated.of}"
    if not estimated.rows:
        return
    yield "tokens in", _shown(estimated.input_tokens, short)
    yield "tokens out", _shown(estimated.output_tokens, short)
    paid = estimated.cost
    yield "cost", _shown(paid.range, lambda amount: money(amount, paid.currency)) if paid else "not known"
    yield "time", _time_text(estimated.time) if estimated.time else "not known"


def _shown(estimated: ConfidenceRange | None, written: Callable[[float], str]) -> str:
    """As in `1.2M (1.1M to 1.3M)`."""
    if estimated is None:
        return "not known"
    if estimated.low is None or estimated.high is None or written(estimated.low) == written(estimated.high):
        return written(estimated.mean)
    return f"{written(estimated.mean)} ({written(estimated.low)} to {written(estimated.high)})"


def _time_text(time: TimeEstimate) -> str:
    by = {"jobs": "this -j", "rpm": "this --rpm", "tpm": "this --tpm"}[time.bound]
    if time.usual:
        by = f"the {'requests' if time.bound == 'rpm' else 'tokens'} a minute that are usual"
    unless = f", {_UNKNOWN[time.unknown]}" if time.unknown else ""
    return f"{_shown(time.range, duration)} at {by}{unless}"
