"""The catalogue as a table, on a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glmcli.console.terminal import Stream


_NAMES = ("model", "context", "output", "takes", "thinks", "price of input, output")  # what counts most comes first
_FOLDED = ("takes", "thinks")  # words; ids and numbers could not be read or copied in two lines
_RIGHT = ("context", "output")
_GAP = 2  # blanks between two columns


def show(cards: Iterable[Mapping[str, Any]], stream: Stream) -> tuple[str, ...]:
    """Print a row a model; what is not known stays empty. Returns the names of the columns that have no room."""
    rows = [tuple(stream.visible(cell) for cell in _cells(card)) for card in cards]
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, markup=False, highlight=False, emoji=False)
    count = _that_fit(rows, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in _NAMES[:count]:
        justify: Literal["right", "left"] = "right" if name in _RIGHT else "left"
        table.add_column(name, justify=justify, no_wrap=name not in _FOLDED, overflow="fold")
    for row in rows:
        table.add_row(*row[:count])
    console.print(table)
    stream.control(text.getvalue())
    return _NAMES[count:]


def _that_fit(rows: list[tuple[str, ...]], width: int) -> int:
    """How many columns have room, from the left."""
    least = [_least_width(name, [name, *(row[at] for row in rows)]) for at, name in enumerate(_NAMES)]
    fitting = (count for count in range(len(_NAMES), 1, -1) if sum(least[:count]) + _GAP * (count - 1) <= width)
    return next(fitting, 1)


def _least_width(name: str, cells: list[str]) -> int:
    """The width at which no word of this column is cut; where it is not folded, no cell."""
    return max(len(word) for cell in cells for word in (cell.split() if name in _FOLDED else [cell]))


def _cells(card: Mapping[str, Any]) -> tuple[str, ...]:
    gone = " (delisted)" if card["status"]["delisted"] else ""
    kinds = ", ".join(card["input"] or ())
    name = f"{card['provider']}/{card['model']}{gone}"
    return name, _count(card["context"]), _count(card["max_output"]), kinds, _thinks(card["thinking"]), _price(card)


def _count(tokens: int | None) -> str:
    return "" if tokens is None else f"{tokens:,}"


def _thinks(thinking: Mapping[str, Any]) -> str:
    if not thinking["has"]:
        return "" if thinking["has"] is None else "no"
    always = "always" if thinking["can_stop"] is False else "yes"
    return ", ".join([always, *(thinking["efforts"] or ())])


def _price(card: Mapping[str, Any]) -> str:
    prices = card["prices"]
    if prices is None:
        return ""
    first = prices["tiers"][0]
    more = " and more" if len(prices["tiers"]) > 1 else ""
    return f"{first['input']:g}, {first['output']:g} {prices['currency']}{more}"
