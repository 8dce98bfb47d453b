"""The summary of a batch as text: few lines, each with its name. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.output.amounts import count, duration, money, plain, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.report.summary import CostSum, ErrorCount, Latency, ReportedRow, RunTime, Summary, TokenSums

_WIDTH = 11
_SLOWEST, _FAILED = 3, 10  # rows; the page and --json name more
_SHOWN = 100  # characters of a message


def text(summary: Summary) -> str:
    """The whole text; a line without a name belongs to the one above."""
    return "".join(f"{name:{_WIDTH}}{line}".rstrip() + "\n" for name, line in _lines(summary))


def _lines(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "rows", rows_line(summary)
    if open_line := _open(summary):
        yield "not ok", open_line
    if summary.rows:
        yield "calls", calls_line(summary)
        yield "tokens", tokens_line(summary.tokens)
        yield from _under("cost", cost_lines(summary))
    if summary.time:
        yield "time", span_line(summary.time)
    if summary.latency:
        yield "a row took", latency_line(summary.latency)
        yield from _under("slowest", _aligned(map(_slow, summary.slowest[:_SLOWEST])))
    yield from _under("errors", kind_lines(summary))
    yield from _under("failed", _aligned(map(_failed, summary.failed[:_FAILED])))
    unnamed = summary.rows - summary.statuses["ok"] - _FAILED
    if unnamed > 0:
        yield "", f"and {plural(unnamed, 'other')}"
    if summary.superseded.lines:
        yield "superseded", superseded_line(summary)
    if summary.torn_line:
        yield "torn", torn_line(summary.torn_lines, summary.torn_line)


def _under(name: str, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        yield name, line
        name = ""


def rows_line(summary: Summary) -> str:
    """As in `5: 3 ok, 2 failed`."""
    some = [f"{count(rows)} {status}" for status, rows in summary.statuses.items() if rows]
    return f"{count(summary.rows)}: {', '.join(some)}" if some else "0"


def _open(summary: Summary) -> str:
    wrong = summary.rows - summary.statuses["ok"]
    again = wrong - summary.final
    parts = [f"{count(summary.final)} final"] * bool(summary.final)
    parts += [f"{count(again)} may still succeed: the same command asks them again"] * bool(again)
    return f"{count(wrong)}: {', '.join(parts)}" if wrong else ""


def calls_line(summary: Summary) -> str:
    """How many requests were sent, and how many of them were retries: beyond one a row, by any run."""
    retries = summary.calls - summary.asked
    more = f", {count(retries)} {'retry' if retries == 1 else 'retries'}" if retries else ""
    return f"{count(summary.calls)} for {plural(summary.asked, 'row')}{more}"


def tokens_line(tokens: TokenSums) -> str:
    """The sums that are known, and of how many rows they are not."""
    sums = {name: "unknown" if number is None else count(number) for name, number in tokens.sums.items()}
    line = (
        f"{sums['input_tokens']} in ({sums['cached_tokens']} cached), "
        f"{sums['output_tokens']} out ({sums['reasoning_tokens']} reasoning), {sums['total_tokens']} in all"
    )
    return line + f"; of {plural(tokens.unknown, 'row')} not known" * bool(tokens.unknown)


def cost_lines(summary: Summary) -> Iterator[str]:
    """A line for each price list, and one for what is not known."""
    yield from map(_spent, summary.spent)
    if summary.unpriced:
        yield f"not known of {plural(summary.unpriced, 'row')}"


def _spent(spent: CostSum) -> str:
    cost = spent.cost
    line = f"{money(cost.amount, cost.currency)} for {plural(spent.rows, 'row')} (prices of {cost.as_of})"
    return line + (f", {money(spent.saved, cost.currency)} saved by the cache" if spent.saved else "")


def span_line(span: RunTime) -> str:
    """From when to when, and how fast: without pauses."""
    rate = f", {plain(span.rate)} rows/s" if span.rate else ""
    pauses = f"; not counted: {plural(span.pauses, 'pause')}, {duration(span.paused)}" if span.pauses else ""
    return f"{span.first[:19]}Z to {span.last[:19]}Z, {duration(span.seconds)}{rate}{pauses}"


def latency_line(latency: Latency) -> str:
    """As in `p50 1.2 s, p90 3.0 s`."""
    return ", ".join(f"{name} {duration(seconds)}" for name, seconds in latency.percentiles.items())


def kind_lines(summary: Summary) -> Iterator[str]:
    """The errors by frequency."""
    yield from _aligned(map(_kind, summary.errors))
    if summary.other_errors:
        yield f"{count(summary.other_errors)} of other kinds"


def _kind(kind: ErrorCount) -> tuple[str, ...]:
    return count(kind.rows), one_line(kind.type or "no error reported"), one_line(kind.provider_code or "")


def _slow(row: ReportedRow) -> tuple[str, ...]:
    return duration(row.seconds or 0), f"line {row.line}", one_line(row.id)


def _failed(row: ReportedRow) -> tuple[str, ...]:
    why = " ".join(filter(None, (row.error_type or row.status, row.provider_code)))
    message = one_line(row.message or "")
    return (
        f"line {row.line}",
        one_line(row.id),
        one_line(why),
        message if len(message) <= _SHOWN else message[:_SHOWN] + "…",
    )


def superseded_line(summary: Summary) -> str:
    """How many lines do not count, and what they cost."""
    gone = summary.superseded
    paid = [money(cost.amount, cost.currency) for cost in gone.costs]
    tokens = [plural(gone.total_tokens, "token")] if gone.total_tokens else []
    more = f", which took {' and '.join([*tokens, *paid])} more" if tokens or paid else ""
    return f"{plural(gone.lines, 'line')} that a later one of the same row took the place of{more}"


def torn_line(lines: int, first: int) -> str:
    """The note on lines that cannot be read, which are not counted."""
    if lines == 1:
        return f"line {first} cannot be read: it is no row"
    return f"{plural(lines, 'line')} cannot be read, the first is line {first}: they are no rows"


def one_line(text: str) -> str:
    """The text on a single line."""
    return " ".join(text.split())


def _aligned(rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """Columns of equal width, but for the last."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
