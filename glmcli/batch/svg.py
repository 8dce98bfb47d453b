"""Charts as inline SVG, with a title and a description for who cannot see them. Pure; the same data, the same bytes.

Colours come from the page's style sheet; without one all is black on white, and still a chart.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from glmcli.batch.amounts import plain, short
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_WIDTH, _HEIGHT = 640.0, 200.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 24.0, 12.0, 24.0
_WIDE, _HIGH = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_FLOOR = _TOP + _HIGH
_GRID = 4  # lines
_STEPS = (1.0, 2.0, 4.0, 8.0, 10.0)  # the top of an axis is one of these times a power of 10: its quarters are round
_THOUSAND = 1000


class Chart(Record):
    """What stands around the data.

    Attributes:
        name: the id of its title, an own one for each chart of a page.
        says: the data in a sentence.
        ticks: texts below the axis, from its left end to its right end, evenly.
    """

    name: str
    title: str
    says: str
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
    """A bar as long as this part of a whole, beside a number that says the same."""
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
        f'<title id="{name}">{escape(chart.title)}</title><desc id="{name}-says">{escape(chart.says)}</desc>',
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
    """The next round number, so that the lines of the grid have short names; 1 for nothing."""
    from math import floor, log10

    if value <= 0:
        return 1.0
    power: float = 10.0 ** floor(log10(value))
    return next((step * power for step in _STEPS if step * power >= value), 10 * power)
