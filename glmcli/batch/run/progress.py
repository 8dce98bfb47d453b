"""The progress of a batch: its measurement, and the line that shows it on stderr."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from glmcli.batch.ledger.record import RowState
from glmcli.errors import OutputError, ReaderGoneError
from glmcli.output.amounts import count, duration, money, plain, plural, short
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmcli.batch.ledger.writer import LedgerWriter
    from glmcli.batch.rows.pending import PendingRows
    from glmcli.batch.run.state import RequestCounts
    from glmcli.chat.outcome import Cost
    from glmcli.console.terminal import Terminal
    from glmcli.output.rich_terminal import LiveLine


class Progress(Record):
    """Figures of a run; None: not known.

    Attributes:
        done: rows that have ended, with or without an answer.
        total: rows of the input; None while it is still read.
        failed: rows that have ended without an answer.
        refused: requests that were refused and are sent again.
        slots: how many requests may be in flight.
        rate: rows a second.
        costs: one for each price list.
        left: seconds until the run ends.
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
    # The limit is of interest only while it is another number.
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


_WINDOW = 30.0  # seconds over which the rate is measured
_STEP = 0.5  # seconds between two measurements


class ProgressMeter:
    """Collects the figures of a run from its parts, and measures the rate."""

    def __init__(self, writer: LedgerWriter, pending: PendingRows, total: int | None) -> None:
        """`total` is None where the input is read only once."""
        self._writer = writer
        self._pending = pending
        self._total = total
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def measure(self, requests: RequestCounts) -> Progress:
        """The progress at this moment."""
        counts = self._writer.counts
        asked, skipped = sum(counts.values()), sum(self._pending.skipped.values())
        rate = self._rate(asked)
        total = None if self._total is None else self._total - self._pending.elsewhere
        left = None if total is None or not rate else max(total - asked - skipped, 0) / rate
        return Progress(
            done=asked + skipped,
            total=total,
            failed=asked + skipped - counts[RowState.OK] - self._pending.skipped[RowState.OK],
            refused=requests.refused,
            in_flight=requests.in_flight,
            slots=requests.slots,
            rate=rate,
            tokens=self._writer.tokens,
            costs=tuple(self._writer.costs.values()),
            left=left,
        )

    def _rate(self, asked: int) -> float | None:
        """Rows a second over the last half minute; None: too early to tell."""
        now, seen = time.monotonic(), self._seen
        if now - seen[-1][0] >= _STEP:
            seen.append((now, asked))
            while now - seen[1][0] > _WINDOW:
                seen.popleft()
        elapsed = now - seen[0][0]
        return (asked - seen[0][1]) / elapsed if elapsed > _STEP else None


_FRAME = 0.1  # seconds between two updates of the live line
_PAUSE = 10.0  # seconds between two lines in a log


class ProgressDisplay:
    """One live line on a terminal, else a plain line now and then; nothing under --quiet.

    No escape sequence is printed where stderr is no terminal, or under --plain. There is no thread: whoever runs the
    batch calls `update` as often as it likes, and the clock decides what is printed.
    """

    def __init__(self, terminal: Terminal, clock: Callable[[], float]) -> None:
        """Print to the stderr of this terminal; `clock` returns seconds and never goes back."""
        self._terminal = terminal
        self._clock = clock
        self._is_live = terminal.colours and not terminal.quiet
        self._due = clock() + (0.0 if self._is_live else _PAUSE)
        self._line: LiveLine | None = None

    @property
    def is_due(self) -> bool:
        """Whether an update would print something."""
        return not self._terminal.quiet and self._clock() >= self._due

    def update(self, progress: Progress) -> None:
        """Print the progress, if it is time."""
        if not self.is_due:
            return
        now = self._clock()
        self._due = now + (_FRAME if self._is_live else _PAUSE)
        if self._is_live:
            self._draw(one_line(progress))
        else:
            self._terminal.note(one_line(progress))

    def stop(self) -> None:
        """Wipe the live line and restore the cursor; a later update draws it again."""
        line, self._line = self._line, None
        self._terminal.erase_drawing = lambda: None
        if line:
            with suppress(OutputError, ReaderGoneError):
                line.stop()

    def _draw(self, text: str) -> None:
        # A stderr that is closed or full does not end the batch.
        try:
            if self._line is None:
                self._line = self._begin()
            self._line.show(text)
        except (OutputError, ReaderGoneError):
            self._is_live = False
            self.stop()

    def _begin(self) -> LiveLine:
        from glmcli.output.rich_terminal import LiveLine

        # Other messages begin on a line of their own; the next update draws the live line again below them.
        self._terminal.erase_drawing = self.stop
        self._terminal.stderr.end_line()
        return LiveLine(self._terminal.stderr)
