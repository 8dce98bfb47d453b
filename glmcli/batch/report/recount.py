"""A batch recounted from the lines of its ledger."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING

from glmcli.batch.report.facts import NANO, STATUSES
from glmcli.batch.report.summary import (
    CostSum,
    ErrorCount,
    HistogramBar,
    Latency,
    ReportedRow,
    RunTime,
    Summary,
    Superseded,
    TokenSums,
)
from glmcli.chat.events import Usage
from glmcli.chat.outcome import Cost

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.report.tally import Tally

SLOWEST, FAILED, KINDS = 10, 20, 20  # how many are named
_MILLI = 1000
# Upper edges, in milliseconds, of the bars of the histogram: six in each power of ten, up to a week.
_EDGES = tuple(round(step * 10**power) for power in range(1, 8) for step in (1, 1.5, 2, 3, 5, 7))
_TOKENS = Usage.__match_args__

_STATUSES = "SELECT status, count(*), sum(final) FROM rows GROUP BY status"
_CALLS = "SELECT ifnull(sum(sent > 0), 0), ifnull(sum(sent), 0), ifnull(sum(sent > 0 AND paid IS NULL), 0) FROM rows"
# A saving that is known in part only is not said.
_SPENT = """
SELECT currency, as_of, count(*), sum(paid),
  CASE WHEN sum(cached_tokens > 0 AND saved IS NULL) > 0 THEN NULL ELSE sum(saved) END
FROM rows WHERE paid IS NOT NULL GROUP BY currency, as_of ORDER BY currency, as_of
"""
_KINDS = """
SELECT error_type, provider_code, count(*) FROM rows WHERE status <> 'ok'
GROUP BY error_type, provider_code ORDER BY count(*) DESC, error_type, provider_code LIMIT :most
"""
_OLD_COSTS = "SELECT currency, as_of, sum(paid) FROM superseded WHERE paid IS NOT NULL GROUP BY currency, as_of"


def summarise(tally: Tally, redact: Callable[[str], str], *, torn: int | None = None) -> Summary:
    """Ask the tally for everything; foreign text goes through `redact`."""
    counted = {status: (rows, final) for status, rows, final in tally.ask(_STATUSES)}
    statuses: dict[str, int] = {status: counted.get(status, (0, 0))[0] for status in STATUSES}
    asked, calls, unpriced = tally.one(_CALLS)
    kinds = tuple(ErrorCount(*kind) for kind in tally.ask(_KINDS, {"most": KINDS}))
    wrong = sum(rows for status, rows in statuses.items() if status != "ok")
    return Summary(
        rows=sum(statuses.values()),
        statuses=statuses,
        final=sum(final for status, (_, final) in counted.items() if status != "ok"),
        asked=asked,
        calls=calls,
        tokens=_tokens(tally),
        spent=tuple(_spent(*row) for row in tally.ask(_SPENT)),
        unpriced=unpriced,
        time=_span(sum(statuses.values()), tally.span()),
        latency=_latency(tally),
        slowest=_named(tally, "took IS NOT NULL ORDER BY took DESC, seq", SLOWEST, redact),
        failed=_named(tally, "status <> 'ok' ORDER BY line, seq", FAILED, redact),
        errors=tuple(kind.replace(provider_code=kind.provider_code and redact(kind.provider_code)) for kind in kinds),
        other_errors=wrong - sum(kind.rows for kind in kinds),
        superseded=_superseded(tally),
        torn_line=torn,
    )


def _tokens(tally: Tally) -> TokenSums:
    sums = ", ".join(f"sum({name}), count({name})" for name in _TOKENS)
    said = f"coalesce({', '.join(_TOKENS)})"
    *counted, unsaid = tally.one(f"SELECT {sums}, ifnull(sum(sent > 0 AND {said} IS NULL), 0) FROM rows")  # noqa: S608
    names = dict(zip(_TOKENS, counted[::2], strict=True))
    return TokenSums(names, dict(zip(_TOKENS, counted[1::2], strict=True)), unsaid)


def _spent(currency: str, as_of: str, rows: int, paid: int, saved: int | None) -> CostSum:
    return CostSum(Cost(paid / NANO, currency, as_of), rows, None if saved is None else saved / NANO)


def _span(rows: int, span: tuple[int, int] | None) -> RunTime | None:
    if span is None:
        return None
    first, last = span
    seconds = (last - first) / _MILLI
    return RunTime(_moment(first), _moment(last), seconds, rows / seconds if seconds else None)


def _moment(milliseconds: int) -> str:
    """As in `2026-11-22T07:40:00.123Z`."""
    at = datetime.fromtimestamp(milliseconds / _MILLI, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _latency(tally: Tally) -> Latency | None:
    rows = tally.one("SELECT count(took) FROM rows")[0]
    ranks = {"p50": ceil(rows * 0.5), "p90": ceil(rows * 0.9), "p99": ceil(rows * 0.99), "max": rows}
    wanted = set(ranks.values())
    at: dict[int, int] = {}
    bars = [0] * (len(_EDGES) + 1)
    for rank, (took,) in enumerate(tally.ask("SELECT took FROM rows WHERE took IS NOT NULL ORDER BY took"), 1):
        bars[bisect_right(_EDGES, took)] += 1
        if rank in wanted:
            at[rank] = took
    return Latency(rows, {name: at[rank] / _MILLI for name, rank in ranks.items()}, _bars(bars)) if rows else None


def _bars(rows: list[int]) -> tuple[HistogramBar, ...]:
    """The bars from the first that holds a row to the last."""
    edges = (0, *_EDGES, 10 * _EDGES[-1])
    filled = [place for place, number in enumerate(rows) if number]
    shown = range(filled[0], filled[-1] + 1)
    return tuple(HistogramBar(edges[place] / _MILLI, edges[place + 1] / _MILLI, rows[place]) for place in shown)


def _named(tally: Tally, which: str, most: int, redact: Callable[[str], str]) -> tuple[ReportedRow, ...]:
    columns = "id, line, status, took, error_type, provider_code, message"
    found = tally.ask(f"SELECT {columns} FROM rows WHERE {which} LIMIT :most", {"most": most})  # noqa: S608 - ours
    return tuple(
        ReportedRow(redact(id_), line, status, _seconds(took), *(text and redact(text) for text in why))
        for id_, line, status, took, *why in found
    )


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / _MILLI


def _superseded(tally: Tally) -> Superseded:
    lines, tokens = tally.one("SELECT count(*), sum(total_tokens) FROM superseded")
    costs = tuple(Cost(paid / NANO, currency, as_of) for currency, as_of, paid in tally.ask(_OLD_COSTS))
    return Superseded(lines, tokens, costs)
