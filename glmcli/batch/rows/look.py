"""The format of an input whose name says nothing, from its first bytes."""

from __future__ import annotations

import csv
import re
from itertools import chain
from typing import TYPE_CHECKING

from glmcli.documents.template import compared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmcli.batch.rows.placeholders import Placeholders

_MOST = 1 << 20  # bytes that are looked at
SEPARATORS = (",", ";", "\t", "|")  # what spreadsheets put between columns
_OWN_FIELDS = ("id", "prompt", "messages", "vars")
_OWN_COLUMNS = ("id", "prompt")
_KEY = re.compile(r"""(?:"([^"]+)"|'([^']+)'|([^\s"'#\[{-][^:]*?))\s*:(?:\s|$)""")
_MARKER = re.compile(r"---(?:\s|$)|%YAML ")


def found_format(chunks: Iterator[bytes], placeholders: Placeholders) -> tuple[str, Iterator[bytes]]:
    """`jsonl`, `csv`, `tsv`, `yaml` or `text`; and the same bytes again. Of a pipe no more than a line is waited for.

    JSON begins with an object or a list of them. A table has the columns id and prompt. What else the input may be is
    asked only if a line of text cannot give what the request file wants.
    """
    is_json, chunks = _is_json(chunks)
    if is_json:
        return "jsonl", chunks
    wanted = placeholders.missing((), ("text",))
    line, chunks = _first_line(chunks)
    if not wanted:
        return own_table(line) or "text", chunks
    return _table(line, wanted) or _yaml(line, wanted) or "text", chunks


def _is_json(chunks: Iterator[bytes]) -> tuple[bool, Iterator[bytes]]:
    """Whether the first bytes that are not blank begin a JSON object or a list of them; and the same bytes again."""
    seen, begin, size = [], b"", 0
    for chunk in chunks:
        seen.append(chunk)
        size += len(chunk)
        begin = (begin + b"".join(chunk.split()))[:2]
        if begin not in {b"", b"["} or size > _MOST:
            break
    return begin.startswith((b"{", b"[{")), chain(seen, chunks)


def _first_line(chunks: Iterator[bytes]) -> tuple[str, Iterator[bytes]]:
    """The first line that is neither blank nor a comment of YAML; and the same bytes again."""
    seen, size, line, begun = [], 0, b"", b""
    for chunk in chunks:
        seen.append(chunk)
        size += len(chunk)
        *whole, begun = (begun + chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        line = next((each for each in whole if each.strip() and not each.startswith(b"#")), b"")
        if line or size > _MOST:
            break
    return (line or begun).decode(errors="replace"), chain(seen, chunks)


def own_table(line: str) -> str | None:
    """`csv` or `tsv`, if this is a header with the columns id and prompt."""
    return _table(line, _OWN_COLUMNS) if all(name in line for name in _OWN_COLUMNS) else None


def _table(line: str, wanted: Iterable[str]) -> str | None:
    """`csv` or `tsv`, if this is a header that names all that is wanted."""
    try:
        for delimiter in sorted(SEPARATORS):
            names = {compared(name) for name in next(csv.reader([line], delimiter=delimiter), ())}
            if names.issuperset(wanted):
                return "tsv" if delimiter == "\t" else "csv"
    except csv.Error:  # a field of 128 KiB is no name
        return None
    return None


def _yaml(line: str, wanted: list[str]) -> str | None:
    """`yaml`, if a document begins with this line, or with a key of a row, as a list of them does, too."""
    if _MARKER.match(line):
        return "yaml"
    found = _KEY.match(line.removeprefix("- "))
    key = next((name for name in found.groups() if name), "") if found else ""
    return "yaml" if key in _OWN_FIELDS or compared(key) in wanted else None
