"""A sample and what it lets expect, for a person. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.batch.amounts import count, duration, money, plural, short
from glmcli.batch.summary_text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from glmcli.batch.estimate import Estimate, Range, Time

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
    yield "time", _time(found.time) if found.time else "not known"


def _shown(found: Range | None, written: Callable[[float], str]) -> str:
    """As in `1.2M (1.1M to 1.3M)`."""
    if found is None:
        return "not known"
    if found.low is None or found.high is None or written(found.low) == written(found.high):
        return written(found.mean)
    return f"{written(found.mean)} ({written(found.low)} to {written(found.high)})"


def _time(time: Time) -> str:
    by = {"jobs": "-j", "rpm": "--rpm", "tpm": "--tpm"}[time.bound]
    unless = f", {_UNKNOWN[time.unknown]}" if time.unknown else ""
    return f"{_shown(time.range, duration)} at this {by}{unless}"
