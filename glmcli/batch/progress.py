"""Where a batch stands while it runs, in one line. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.batch.amounts import count, duration, money, plain, plural, short
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.outcome import Cost


class Progress(Record):
    """What the runner counts; None is not known.

    Attributes:
        done: rows that have ended, whatever became of them.
        total: rows there are; None while the input is still read.
        failed: rows that have ended without an answer.
        refused: requests that were refused and are sent again.
        in_flight: requests that wait for their answer.
        slots: how many may wait at once.
        rate: rows a second.
        costs: one for each price list.
        left: seconds until all is over.
    """

    done: int = 0
    total: int | None = None
    failed: int = 0
    refused: int = 0
    in_flight: int = 0
    slots: int | None = None
    rate: float | None = None
    tokens: int | None = None
    costs: tuple[Cost, ...] = ()
    left: float | None = None


def one_line(progress: Progress) -> str:
    """As in `1,240/5,000 rows  212/s  40 in flight  2 failed  1.9M tokens  ¥3.10  18 s left`."""
    return "  ".join(_parts(progress))


def _parts(progress: Progress) -> Iterator[str]:
    known = progress.total is not None
    yield f"{count(progress.done)}/{count(progress.total or 0)} rows" if known else plural(progress.done, "row")
    if progress.rate is not None:
        yield f"{plain(progress.rate)}/s"
    # How many could be is of interest only while it is another number.
    full = progress.slots in (None, progress.in_flight)
    yield f"{progress.in_flight}{'' if full else f' of {progress.slots}'} in flight"
    if progress.refused:
        yield f"{count(progress.refused)} refused"
    if progress.failed:
        yield f"{count(progress.failed)} failed"
    if progress.tokens is not None:
        yield f"{short(progress.tokens)} tokens"
    yield from _costs(progress.costs)
    if progress.left is not None:
        yield f"{duration(progress.left)} left"


def _costs(costs: tuple[Cost, ...]) -> Iterator[str]:
    """What was spent in each currency, by whatever price list."""
    for currency in dict.fromkeys(cost.currency for cost in costs):
        yield money(sum(cost.amount for cost in costs if cost.currency == currency), currency)
