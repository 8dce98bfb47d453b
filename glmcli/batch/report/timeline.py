"""How a batch went over time, in so few slices that a page can show them, however many rows there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.batch.report.facts import NANO
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.batch.report.tally import Tally

SLICES = 60

# The last moment belongs to the last slice.
_SLICE = "min((finished - :first) * :slices / :span, :slices - 1)"
_ROWS = f"SELECT {_SLICE}, count(*), ifnull(sum(input_tokens), 0), ifnull(sum(output_tokens), 0) FROM rows GROUP BY 1"  # noqa: S608
_COSTS = f"SELECT {_SLICE}, currency, sum(paid) FROM rows WHERE paid IS NOT NULL GROUP BY 1, 2"  # noqa: S608


class Slice(Record):
    """What ended in one slice; costs by currency."""

    rows: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    costs: Mapping[str, float] = EMPTY


class Timeline(Record):
    """Slices of equal length; none where all ended at one moment."""

    seconds: float  # of one slice
    slices: tuple[Slice, ...]


def timeline(tally: Tally) -> Timeline:
    """Cut the time from when the first row was asked to when the last ended."""
    first, last = tally.span() or (0, 0)
    if first == last:
        return Timeline(0.0, ())
    values = {"first": first, "span": last - first, "slices": SLICES}
    slices = [Slice()] * SLICES
    for place, *counts in tally.ask(_ROWS, values):
        slices[place] = Slice(*counts)
    for place, currency, paid in tally.ask(_COSTS, values):
        slices[place] = slices[place].replace(costs={**slices[place].costs, currency: paid / NANO})
    return Timeline((last - first) / 1000 / SLICES, tuple(slices))
