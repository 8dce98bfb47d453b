"""Facts about models as text: the card of one model, and a table of many on a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from glmcli.console.terminal import Stream

_LIMITS = ("context", "max_input", "max_reasoning", "max_output")
_COUNTED = (("rpm", "requests"), ("tpm", "tokens"))
_NAME_WIDTH = 18
_ASKED_TO_STOP = {
    "refused": "a request to stop is refused",
    "ignored": "a request to stop is ignored",
    "unclear": "one source alone says so",
}


_EARLIER = {True: "; of earlier turns: ignored by default", False: "; of earlier turns: read by default"}


def card_text(card: Mapping[str, Any]) -> str:
    """The card of a model: its name, then a line for each fact."""
    lines = [f"{card['provider']}/{card['model']}"]
    lines += [f"  {name.replace('_', ' '):{_NAME_WIDTH}}{value}" for name, value in _rows(card)]
    return "\n".join(lines) + "\n"


def _rows(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "positioning", _plain(card["positioning"])
    yield "recommended for", _plain(card["scenario"])
    for name in _LIMITS:
        yield name, _tokens(card[name], card["as_written"].get(name))
    yield "input", _list(card["input"])
    yield "output", _list(card["output"])
    yield "thinking", _thinking(card["thinking"])
    yield "tools", _tools(card)
    yield "structured_output", _structured(card["structured_output"])
    yield "cache", _switches(card["cache"])
    if limits := [f"{card['rate_limits'][key]:,} {what}" for key, what in _COUNTED if card["rate_limits"][key]]:
        yield "rate limits", f"{' and '.join(limits)} a minute"
    if card["batch"] is not None:
        yield "batch", _batch(card)
    yield "defaults", _switches(card["defaults"])
    yield from _prices(card["prices"])
    if card["search_price"]:
        yield "web search", _search_price(card["search_price"])
    if card["vision"]:
        yield from _vision(card["vision"])
    yield from _requests(card)
    yield from _status(card["status"])
    for default in card["default_for"]:
        yield "default for", f"{default['use']}: {default['reason']}"
    yield from (("note", note) for note in card["notes"])
    if card["configured"]:
        yield "source", f"your configuration: {', '.join(card['configured'])}"
    yield from (("source", line) for line in _sources(card["sources"]))


def _requests(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is odd about its requests."""
    if card["stream_only"]:
        yield "answers", "only as a stream"
    if card["refuses"]:
        yield "refuses", _list(card["refuses"])
    if card["max_completion_tokens"] is not None:
        what = "thinking and answer (max_completion_tokens)" if card["max_completion_tokens"] else "the answer alone"
        yield "a cap is of", what


def _status(status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A line for a model that is gone, or may be."""
    if status["delisted"]:
        scope = f", {status['scope']}" if status["scope"] else ""
        instead = f"; the provider names {status['successor']} instead" if status["successor"] else ""
        yield "delisted", f"{status['since'] or 'no day is named'}{scope}{instead}"
    if status["reported"]:
        yield "reported gone", "users say so, while a page of the provider still has it"
    if status["unlisted"]:
        read = f", as they were read on {status['since']}" if status["since"] else ""
        yield "unlisted", f"on no page of the provider{read}"


def _batch(card: Mapping[str, Any]) -> str:
    price = card["batch_price"]
    if price is None:
        return _plain(card["batch"])
    cached = {None: "", True: ", cached input cheaper still", False: ", cached input too"}[price["cache_discount"]]
    return f"{_plain(card['batch'])}; at {price['price']:g} of the list price{cached}"


def _plain(value: Any) -> str:  # noqa: ANN401 - any fact
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else f"{value}"


def _tokens(count: int | None, written: str | None) -> str:
    source = f" (the page: {written}, in units of 1,024)" if written else ""
    return "unknown" if count is None else f"{count:,} tokens{source}"


def _list(words: Sequence[str] | None) -> str:
    return "unknown" if words is None else ", ".join(words) or "none"


def _thinking(thinking: Mapping[str, Any]) -> str:
    effort = f", default {thinking['default_effort']}" if thinking["default_effort"] else ""
    asked = (
        thinking["asked_to_stop"] and f" ({_ASKED_TO_STOP.get(thinking['asked_to_stop'], thinking['asked_to_stop'])})"
    )
    can_stop = f"can be switched off: {_plain(thinking['can_stop'])}{asked or ''}"
    counted = {word: f"{word} (as {other})" for word, other in (thinking["effort_counts_as"] or {}).items()}
    efforts = thinking["efforts"] and [counted.get(word, word) for word in thinking["efforts"]]
    earlier = _EARLIER.get(thinking["clear_by_default"], "")
    return f"{_plain(thinking['has'])}; {can_stop}; efforts: {_list(efforts)}{effort}{earlier}"


def _tools(card: Mapping[str, Any]) -> str:
    features = {"tool_stream": "tool_stream", "web_search": "web search", "prefix_completion": "prefix completion"}
    return "; ".join([_plain(card["tools"]), *(f"{name}: {_plain(card[key])}" for key, name in features.items())])


def _structured(output: Mapping[str, Any]) -> str:
    only = ", only without thinking" if output["only_without_thinking"] else ""
    return f"json_object: {_plain(output['json_object'])}{only}; json_schema: {_plain(output['json_schema'])}"


def _switches(facts: Mapping[str, Any]) -> str:
    return "; ".join(f"{name}: {_plain(value)}" for name, value in facts.items())


def _prices(prices: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if prices is None:
        yield "price", "unknown"
        return
    region = f", {prices['region']}" if prices["region"] else ""
    where = f"{prices['currency']} a million tokens{region}, {prices['as_of']}"
    for tier in prices["tiers"]:
        cached = "unknown" if tier["cached_input"] is None else f"{tier['cached_input']:g}"
        paid = f"input {tier['input']:g}, cached {cached}, output {tier['output']:g}"
        yield "price", f"{paid} {where}{_bounds(tier, 'input')}{_bounds(tier, 'output')}"


def _search_price(searched: Mapping[str, Any]) -> str:
    engines = [f"{name} {price:g}" for name, price in (searched["engines"] or {}).items()]
    prices = ([f"{searched['price']:g}"] if searched["price"] is not None else []) + engines
    return f"{', '.join(prices)} {searched['currency']} a search, {searched['as_of']}"


def _bounds(tier: Mapping[str, Any], what: str) -> str:
    over, up_to = tier[f"{what}_over"], tier[f"{what}_up_to"]
    least = f"; {what} over {over:,} tokens" if over is not None else ""
    return least + (f"; {what} up to {up_to:,} tokens" if up_to is not None else "")


def _vision(vision: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind in ("image", "video", "file"):
        if vision[kind]:
            known = {name: value for name, value in vision[kind].items() if value is not None}
            yield kind, "; ".join(f"{name.replace('_', ' ')}: {_medium(value)}" for name, value in known.items())
    rest = {name: vision[name] for name in ("mixing", "order", "detail", "max_body_megabytes", "box_tags")}
    yield "vision", "; ".join(f"{name.replace('_', ' ')}: {_medium(value)}" for name, value in rest.items())


def _medium(value: Any) -> str:  # noqa: ANN401 - any fact
    return _list(value) if isinstance(value, list) else _plain(value)


def _sources(sources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A line for each address, with the groups of facts that it is the source of."""
    groups: dict[tuple[str, str | None], list[str]] = {}
    for group, source in sources.items():
        groups.setdefault((source["url"], source["date"]), []).append(group.replace("_", " "))
    for (url, date), names in groups.items():
        yield f"{url}{f' ({date})' if date else ''}: {', '.join(names)}"


_COLUMNS = ("model", "context", "output", "takes", "thinks", "price of input, output")  # the most important first
_WRAPPED = ("takes", "thinks")  # lists of words; ids and numbers must not be broken over two lines
_MAX_EFFORTS = 3  # words in a cell
_RIGHT_ALIGNED = ("context", "output")
_COLUMN_GAP = 2  # spaces between two columns


def print_table(cards: Iterable[Mapping[str, Any]], stream: Stream) -> tuple[str, ...]:
    """Print a row for each model; unknown facts stay empty. Returns the names of the columns that did not fit."""
    from rich.console import Console
    from rich.table import Table

    rows = [tuple(stream.visible(cell) for cell in _cells(card)) for card in cards]
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, markup=False, highlight=False, emoji=False)
    count = _fitting_columns(rows, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in _COLUMNS[:count]:
        justify: Literal["right", "left"] = "right" if name in _RIGHT_ALIGNED else "left"
        table.add_column(name, justify=justify, no_wrap=name not in _WRAPPED, overflow="fold")
    for row in rows:
        table.add_row(*row[:count])
    console.print(table)
    stream.control(text.getvalue())
    return _COLUMNS[count:]


def _fitting_columns(rows: list[tuple[str, ...]], width: int) -> int:
    """How many columns fit, from the left."""
    widths = [_min_width(name, [name, *(row[at] for row in rows)]) for at, name in enumerate(_COLUMNS)]
    counts = range(len(_COLUMNS), 1, -1)
    return next((count for count in counts if sum(widths[:count]) + _COLUMN_GAP * (count - 1) <= width), 1)


def _min_width(name: str, cells: list[str]) -> int:
    """The width at which no cell of this column is cut; of a wrapped column, no word."""
    return max(len(word) for cell in cells for word in (cell.split() if name in _WRAPPED else [cell]))


def _cells(card: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"{card['provider']}/{card['model']}{_mark(card['status'])}"
    media = ", ".join(card["input"] or ())
    return name, _count(card["context"]), _count(card["max_output"]), media, _thinks(card["thinking"]), _price(card)


def _mark(status: Mapping[str, Any]) -> str:
    """What stands behind the name of a model that is gone, or may be."""
    if status["delisted"]:
        return " (may be gone)" if status["scope"] else " (delisted)"
    marks = {"reported": " (reported gone)", "unlisted": " (unlisted)"}
    return next((mark for key, mark in marks.items() if status[key]), "")


def _count(tokens: int | None) -> str:
    return "" if tokens is None else f"{tokens:,}"


def _thinks(thinking: Mapping[str, Any]) -> str:
    if not thinking["has"]:
        return "" if thinking["has"] is None else "no"
    always = "always" if thinking["can_stop"] is False else "yes"
    efforts = list(thinking["efforts"] or ())
    if len(efforts) > _MAX_EFFORTS:
        efforts = [f"{efforts[0]} to {efforts[-1]}"]
    return ", ".join([always, *efforts])


def _price(card: Mapping[str, Any]) -> str:
    prices = card["prices"]
    if prices is None:
        return ""
    first = prices["tiers"][0]
    more = " and more" if len(prices["tiers"]) > 1 else ""
    return f"{first['input']:g}, {first['output']:g} {prices['currency']}{more}"
