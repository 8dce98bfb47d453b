"""The catalogue as a table, on a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glmcli.terminal import Stream


def show(cards: Iterable[Mapping[str, Any]], stream: Stream) -> None:
    """Print a row a model; what is not known stays empty."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("model", no_wrap=True, overflow="fold")  # an id in two lines could not be copied
    for name in ("context", "output"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("takes", "thinks", "price of input, output"):
        table.add_column(name, overflow="fold")
    for card in cards:
        table.add_row(*(stream.visible(cell) for cell in _cells(card)))
    text = io.StringIO()
    Console(file=text, force_terminal=True, markup=False, highlight=False, emoji=False).print(table)
    stream.control(text.getvalue())


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
