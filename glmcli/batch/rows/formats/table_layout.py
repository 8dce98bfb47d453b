"""How a table is written, found by its header: what separates its columns, and what ends its lines.

Excel writes semicolons where a comma is the decimal point, and reads a first line such as `sep=;`; what it calls "CSV
(Macintosh)" has a carriage return alone at the end of a line. Source: support.microsoft.com, "Import or export
text (.txt or .csv) files" and "File formats that are supported in Excel", from memory, not opened in 2026. Pure.
"""

from __future__ import annotations

import csv
import re
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from glmcli.batch.rows.look import SEPARATORS
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmcli.batch.rows.formats.lines import InputContext

_COMMA = ","
_LONGEST = 1 << 20  # bytes that are read for the header
_SEP_LINE = re.compile(rb'"?sep=([^"\w\r\n])"?[ \t]*', re.IGNORECASE)
_QUOTE = ord('"')
_PLAIN = re.compile(rb'"?[^"\r\n]*')  # from a quote that is none, or from what is no quote
_WORDS = {"tab": "\t", r"\t": "\t"}
_NAMES = {_COMMA: "a comma", ";": "a semicolon", "\t": "a tab", " ": "a blank"}


class TableLayout(NamedTuple):
    """The bytes of a table, whose lines end in newlines, and what separates its columns."""

    chunks: Iterator[bytes]
    delimiter: str


def read_delimiter(text: str) -> str:
    """The character that --delimiter names.

    Raises:
        UsageError: it is none that can separate columns.
    """
    found = _WORDS.get(text.lower(), text)
    if len(found) != 1 or found in '"\r\n\0' or "\ud800" <= found <= "\udfff":
        raise UsageError(f"--delimiter {text}: not one character", fix=r"as in ';', '|', tab or \t")
    return found


def read_layout(chunks: Iterable[bytes], context: InputContext, usual: str) -> TableLayout:
    """The layout of the table in these chunks, in whose format this delimiter is usual.

    What `context` says counts first, then a line `sep=;`, then what the header has. What was found is remarked.

    Raises:
        UsageError: the header has more than one character that may separate columns.
    """
    rest = iter(chunks)
    seen, header = b"", _Header(0, 0, b"")
    while (chunk := next(rest, None)) is not None:
        seen += chunk
        # Only behind the end of a line there may be more to see than before.
        found = _header(seen, context.delimiter) if _ends_line(seen[-len(chunk) - 1 :]) else None
        if found or len(seen) > _LONGEST:
            break
    header = _header(seen, context.delimiter, is_all=chunk is None) or header
    if seen[header.end : header.end + 1] == b"\r" and seen[header.end + 1 : header.end + 2] != b"\n":
        context.remark(f"{context.name}: lines end with a carriage return alone")
        rest = _with_newlines(chain([seen[header.end :]], rest))
        seen = b"".join(_with_newlines([seen[: header.begin]])) + seen[header.begin : header.end]
    if said := _SEP_LINE.fullmatch(seen[header.begin : header.end]):
        seen = seen[: header.begin] + seen[header.end :]  # its line stays, and is blank
        found_delimiter = said[1].decode(errors="replace")
    else:
        text = seen[header.begin : header.end]
        found_delimiter = context.delimiter or _found(text, header.outside, context, usual)
    return TableLayout(chain([seen], rest), context.delimiter or found_delimiter)


class _Header(NamedTuple):
    """Where the first record that is not blank begins and ends, and what of it is outside quotes."""

    begin: int
    end: int
    outside: bytes


def _ends_line(data: bytes) -> bool:
    return b"\n" in data or b"\r" in data


def _header(data: bytes, delimiter: str | None, *, is_all: bool = False) -> _Header | None:
    """The header; None if its end, or what follows it, was not read yet."""
    separators = {*map(str.encode, SEPARATORS), (delimiter or _COMMA).encode()}
    begin = at = len(data) - len(data.lstrip(b" \r\n"))
    outside = bytearray()
    while at < len(data) and data[at] not in b"\r\n":
        if data[at] == _QUOTE and (at == begin or data[at - 1 : at] in separators):
            at = _behind_quote(data, at + 1)
        elif found := _PLAIN.match(data, at):
            outside += found[0]
            at = found.end()
    if at + 1 < len(data) or is_all:
        return _Header(begin, min(at, len(data)), bytes(outside))
    return None


def _behind_quote(data: bytes, at: int) -> int:
    """The place behind the quote that closes the one before `at`; the end if none does."""
    while (at := data.find(b'"', at) + 1) and data[at : at + 1] == b'"':
        at += 1
    return at or len(data)


def _with_newlines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    r"""The same bytes with `\n` for each `\r` and `\r\n`."""
    after_return = False
    for chunk in chunks:
        data = chunk.removeprefix(b"\n") if after_return else chunk
        after_return = chunk.endswith(b"\r")
        if data:
            yield data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _found(header: bytes, outside: bytes, context: InputContext, usual: str) -> str:
    """What separates the columns of this header."""
    there = [each for each in SEPARATORS if each.encode() in outside]
    if usual in there and usual != _COMMA:
        return usual
    if len(there) > 1:
        wanted = {"id", "prompt"}.union(*context.placeholders.open.values())
        text = header.decode(errors="replace")
        names = {each: next(csv.reader([text], delimiter=each), []) for each in there}
        there = [each for each in there if not wanted.isdisjoint(names[each])] or there
    if len(there) > 1:
        which = " and ".join(_NAMES.get(each, each) for each in there)
        raise UsageError(
            f"{context.name}: {which} in the header may each separate its columns",
            fix=f"--delimiter '{there[0]}' or --delimiter '{there[1]}'".replace("'\t'", "tab"),
        )
    found = there[0] if there else usual
    if found != usual:
        context.remark(f"{context.name}: {_NAMES.get(found, found)} separates its columns (--delimiter says otherwise)")
    return found
