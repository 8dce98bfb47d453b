"""The page of `glm batch report --html`: one file with charts, which loads nothing and runs nothing. Pure.

Charts are inline SVG with a title and a description for screen readers. Foreign text (of a model, a provider or the
author of a row) is escaped, its control characters are made visible, and its writing direction is isolated.
"""

from __future__ import annotations

from html import escape
from itertools import accumulate
from typing import TYPE_CHECKING

from glmcli.batch.report import text as texts
from glmcli.console.terminal import visible_table
from glmcli.output.amounts import count, duration, money, plain, plural, short
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from glmcli.batch.report.aggregate import ShownAnswer
    from glmcli.batch.report.summary import Latency, ModelRows, ReportedRow, Summary, Timeline

_WIDTH, _HEIGHT = 640.0, 200.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 24.0, 12.0, 24.0
_WIDE, _HIGH = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_FLOOR = _TOP + _HIGH
_GRID = 4  # lines
_STEPS = (1.0, 2.0, 4.0, 8.0, 10.0)  # the top of an axis is one of these times a power of 10: its quarters are round
_THOUSAND = 1000


class Chart(Record):
    """A chart without its data.

    Attributes:
        name: the id of its title, unique in the page.
        description: the data in a sentence.
        ticks: texts below the axis, from its left end to its right end, evenly.
    """

    name: str
    title: str
    description: str
    ticks: tuple[str, ...] = ()


def bars(chart: Chart, values: Sequence[float]) -> str:
    """A bar for each value, side by side."""
    top = _round_up(max(values, default=0))
    return _svg(chart, top, _bars(values, top))


def lines(chart: Chart, series: Mapping[str, Sequence[float]]) -> str:
    """A line for each of the series, named in the corner."""
    top = _round_up(max((value for values in series.values() for value in values), default=0))
    return _svg(chart, top, _lines(series, top))


def share(part: float) -> str:
    """A bar as long as this part of a whole; the same number is beside it."""
    bar = f'<rect class="s0" width="{max(part * 200, 1):.1f}" height="10"/>' if part else ""
    return f'<svg aria-hidden="true" width="200" height="10" xmlns="http://www.w3.org/2000/svg">{bar}</svg>'


def _bars(values: Sequence[float], top: float) -> Iterator[str]:
    wide = _WIDE / max(len(values), 1)
    for place, value in enumerate(values):
        high = value / top * _HIGH
        if value:
            x, y = _LEFT + place * wide, _FLOOR - high
            yield f'<rect class="s0" x="{x:.1f}" y="{y:.1f}" width="{max(wide - 1, 0.5):.1f}" height="{high:.1f}"/>'


def _lines(series: Mapping[str, Sequence[float]], top: float) -> Iterator[str]:
    for number, (name, values) in enumerate(series.items()):
        wide = _WIDE / max(len(values) - 1, 1)
        points = (f"{_LEFT + n * wide:.1f},{_FLOOR - value / top * _HIGH:.1f}" for n, value in enumerate(values))
        yield f'<polyline class="l{number % 4}" fill="none" stroke="black" points="{" ".join(points)}"/>'
        x, y = _LEFT + 8, _TOP + 14 * (number + 1)
        yield f'<text class="t{number % 4}" x="{x:.0f}" y="{y:.0f}">{escape(name)}</text>'


def _svg(chart: Chart, top: float, data: Iterator[str]) -> str:
    name = escape(chart.name)
    size = f'viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" width="{_WIDTH:.0f}" height="{_HEIGHT:.0f}"'
    parts = [
        f'<svg role="img" aria-labelledby="{name} {name}-says" {size} xmlns="http://www.w3.org/2000/svg">',
        f'<title id="{name}">{escape(chart.title)}</title><desc id="{name}-says">{escape(chart.description)}</desc>',
        *_axis(top),
        *data,
        *_ticks(chart.ticks),
        "</svg>",
    ]
    return "\n".join(parts)


def _axis(top: float) -> Iterator[str]:
    for step in range(_GRID + 1):
        y, value = _FLOOR - step / _GRID * _HIGH, top * step / _GRID
        yield f'<path class="grid" stroke="silver" d="M{_LEFT:.0f} {y:.1f}H{_WIDTH - _RIGHT:.0f}"/>'
        yield f'<text x="{_LEFT - 6:.0f}" y="{y + 4:.1f}" text-anchor="end">{_figure(value)}</text>'


def _figure(value: float) -> str:
    return short(value) if value >= _THOUSAND else plain(value)


def _ticks(texts: Sequence[str]) -> Iterator[str]:
    for place, text in enumerate(texts):
        x = _LEFT + _WIDE * place / max(len(texts) - 1, 1)
        yield f'<text x="{x:.1f}" y="{_HEIGHT - 6:.0f}" text-anchor="middle">{escape(text)}</text>'


def _round_up(value: float) -> float:
    """The next round number, so that the lines of the grid have short labels; 1 for zero."""
    from math import floor, log10

    if value <= 0:
        return 1.0
    power: float = 10.0 ** floor(log10(value))
    return next((step * power for step in _STEPS if step * power >= value), 10 * power)


_HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width"/>
<meta name="color-scheme" content="light dark"/>
<title>Batch report</title>
<style>
:root { --ink: #1b1f24; --paper: #fff; --pale: #d0d7de; --c0: #0969da; --c1: #bc4c00; --c2: #1a7f37; --c3: #8250df; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --pale: #3d444d;
    --c0: #58a6ff; --c1: #f0883e; --c2: #56d364; --c3: #bc8cff; }
}
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }
h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; }
table { border-collapse: collapse; }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--pale);
  overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.answer { white-space: pre-wrap; }
svg { max-width: 100%; height: auto; }
svg text { font-size: 12px; fill: var(--ink); }
.grid { stroke: var(--pale); }
.s0 { fill: var(--c0); }
.l0 { stroke: var(--c0); } .l1 { stroke: var(--c1); } .l2 { stroke: var(--c2); } .l3 { stroke: var(--c3); }
polyline { stroke-width: 2; }
svg .t0 { fill: var(--c0); } svg .t1 { fill: var(--c1); } svg .t2 { fill: var(--c2); } svg .t3 { fill: var(--c3); }
</style>
</head>
<body>
"""
_VISIBLE = visible_table()


def page_of(name: str, summary: Summary, time: Timeline, answers: Sequence[ShownAnswer]) -> str:
    """The whole page; `name` is what the ledger is called."""
    parts = [_HEAD, f"<h1>Batch report: {_foreign(name)}</h1>\n", *_overview(summary)]
    parts += ["<h2>Status</h2>\n", *_statuses(summary)]
    parts += [f"<h2>{escape(title)}</h2>\n{chart}\n" for title, chart in _charts(summary, time)]
    parts += _failures(summary)
    if summary.slowest:
        parts += ["<h2>Slowest rows</h2>\n", *_table(("took", "line", "id", "status"), map(_slow, summary.slowest))]
    parts += _answers(summary, answers)
    return "".join([*parts, "</body>\n</html>\n"])


def _foreign(text: str) -> str:
    return f"<bdi>{escape(texts.one_line(text).translate(_VISIBLE))}</bdi>"


def _overview(summary: Summary) -> Iterator[str]:
    facts = [("model", _model(each)) for each in summary.models]
    facts += [("command", command) for command in summary.commands]
    facts += [("rows", texts.rows_line(summary)), ("calls", texts.calls_line(summary))]
    facts += [("tokens", texts.tokens_line(summary.tokens))]
    facts += [("cost", line) for line in texts.cost_lines(summary)]
    facts += [("time", texts.span_line(summary.time))] if summary.time else []
    facts += [("a row took", texts.latency_line(summary.latency))] if summary.latency else []
    facts += [("superseded", texts.superseded_line(summary))] if summary.superseded.lines else []
    facts += [("torn", texts.torn_line(summary.torn_lines, summary.torn_line))] if summary.torn_line else []
    yield "<table>\n"
    for name, line in facts:
        yield f'<tr><th scope="row">{escape(name)}</th><td>{_foreign(line)}</td></tr>\n'
    yield "</table>\n"


def _model(each: ModelRows) -> str:
    return f"{each.provider}/{each.model}: {plural(each.rows, 'row')}"


def _answers(summary: Summary, answers: Sequence[ShownAnswer]) -> Iterator[str]:
    if not answers:
        return
    many = summary.statuses["ok"]
    shown = "" if many == len(answers) else f": {len(answers)} of {count(many)}"
    yield f"<h2>Answers{shown}</h2>\n<table>\n"
    yield '<tr><th scope="col">line</th><th scope="col">id</th><th scope="col">answer</th></tr>\n'
    for one in answers:
        text = escape(one.answer.translate(_VISIBLE))
        cells = f'<td>{one.line}</td><td>{_foreign(one.id)}</td><td class="answer"><bdi>{text}</bdi></td>'
        yield f"<tr>{cells}</tr>\n"
    yield "</table>\n"


def _statuses(summary: Summary) -> Iterator[str]:
    yield "<table>\n"
    for status, rows in summary.statuses.items():
        part = rows / max(summary.rows, 1)
        numbers = f'<td class="number">{count(rows)}</td><td class="number">{part:.1%}</td>'
        yield f'<tr><th scope="row">{status}</th>{numbers}<td>{share(part)}</td></tr>\n'
    yield "</table>\n"


def _charts(summary: Summary, time: Timeline) -> Iterator[tuple[str, str]]:
    if time.slices:
        ticks = tuple(duration(time.seconds * len(time.slices) * quarter / 4) for quarter in range(5))
        yield "Rows a second", _rate(summary, time, ticks)
        yield "Tokens a second", _tokens(summary, time, ticks)
        if summary.spent:
            yield "Cost so far", _cost(summary, time, ticks)
    if summary.latency:
        yield "How long a row took", _latency(summary.latency)


def _rate(summary: Summary, time: Timeline, ticks: tuple[str, ...]) -> str:
    description = f"{plural(summary.rows, 'row')} in all: {texts.span_line(summary.time)}" if summary.time else ""
    return bars(
        Chart("rate", "Rows that ended, a second", description, ticks), [one.rows / time.seconds for one in time.slices]
    )


def _tokens(summary: Summary, time: Timeline, ticks: tuple[str, ...]) -> str:
    chart = Chart("tokens", "Tokens in and out, a second", texts.tokens_line(summary.tokens), ticks)
    series = {
        "in": [one.input_tokens / time.seconds for one in time.slices],
        "out": [one.output_tokens / time.seconds for one in time.slices],
    }
    return lines(chart, series)


def _cost(summary: Summary, time: Timeline, ticks: tuple[str, ...]) -> str:
    chart = Chart("cost", "Cost so far", "; ".join(texts.cost_lines(summary)), ticks)
    currencies = dict.fromkeys(spent.cost.currency for spent in summary.spent)
    series = {name: list(accumulate(one.costs.get(name, 0.0) for one in time.slices)) for name in currencies}
    return lines(chart, {f"{name}, {money(sums[-1], name)}": sums for name, sums in series.items()})


def _latency(latency: Latency) -> str:
    edges = [latency.histogram[0].low, *(bar.high for bar in latency.histogram)]
    every = -(-len(edges) // 10)  # so many names of edges fit below the axis
    names = tuple(duration(edge) if not place % every else "" for place, edge in enumerate(edges))
    description = f"{texts.latency_line(latency)}; the bars are wider in time from left to right"
    return bars(
        Chart("latency", "Rows by how long they took", description, names), [bar.rows for bar in latency.histogram]
    )


def _failures(summary: Summary) -> Iterator[str]:
    if not summary.failed:
        return
    yield "<h2>Errors</h2>\n"
    kinds = ((count(kind.rows), kind.type or "", kind.provider_code or "") for kind in summary.errors)
    others = [(count(summary.other_errors), "others", "")] if summary.other_errors else []
    yield from _table(("rows", "type", "provider's code"), [*kinds, *others])
    wrong = summary.rows - summary.statuses["ok"]
    shown = "" if wrong == len(summary.failed) else f": the first {len(summary.failed)} of {count(wrong)}"
    yield f"<h2>Rows that are not ok{shown}</h2>\n"
    yield from _table(("line", "id", "status", "error", "message"), map(_failed, summary.failed))


def _failed(row: ReportedRow) -> tuple[str, ...]:
    error = " ".join(filter(None, (row.error_type, row.provider_code)))
    return str(row.line), row.id, row.status, error, row.message or ""


def _slow(row: ReportedRow) -> tuple[str, ...]:
    return duration(row.seconds or 0), str(row.line), row.id, row.status


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    yield f"<table>\n<tr>{heads}</tr>\n"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{_foreign(cell)}</td>' for cell in row)}</tr>\n"
    yield "</table>\n"
