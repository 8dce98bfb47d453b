"""One JSON object a line, parsed strictly: what parsers may read differently is refused."""

from __future__ import annotations

import json
from itertools import chain
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn

from glmcli.batch.rows.formats.lines import text_lines
from glmcli.batch.rows.row import MalformedRow
from glmcli.batch.rows.validation import repeated, row_of
from glmcli.documents.quoting import quoted
from glmcli.errors import UsageError
from glmcli.providers.json_values import is_deeper

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmcli.batch.rows.formats.lines import InputContext, TextLine
    from glmcli.batch.rows.row import Row

_ONE_TEXT = "jq -c '.[]' FILE makes lines of a list, and jq -c . FILE of objects"
DEPTH = 64  # as in documents: no recursion limit is reached, here or when a row is written again


def rows(chunks: Iterable[bytes], context: InputContext) -> Iterator[Row | MalformedRow]:
    """A row for each line.

    Raises:
        UsageError: the first line shows that this is one JSON text: a list, or an object over many lines.
    """
    begin, chunks = _first_byte(chunks)
    is_first = True
    for line in text_lines(chunks, context):
        if is_first:
            _refuse_one_text(begin, line, context)
        is_first = False
        yield line if isinstance(line, MalformedRow) else _row(line, context)


def _first_byte(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first byte that is not blank, and the same bytes again."""
    rest, seen, begin = iter(chunks), [], b""
    for chunk in rest:
        seen.append(chunk)
        begin = chunk.lstrip()[:1]
        if begin:
            break
    return begin, chain(seen, rest)


def _refuse_one_text(begin: bytes, line: TextLine | MalformedRow, context: InputContext) -> None:
    """Stop at one JSON text over many lines, or at a list of rows on one, however long that is."""
    text = "" if isinstance(line, MalformedRow) else line.text.strip()
    what, fix = f"{context.name} is one JSON text over many lines, not one object a line", _ONE_TEXT
    if begin == b"[":
        try:
            value = json.loads(text) if text else [{}]
        except (ValueError, RecursionError):
            value = [{}]
        else:
            what = f"{context.name} is one JSON list, not one object a line"
        if value and all(isinstance(item, str) for item in value):
            fix = "jq -c '.[] | {prompt: .}' FILE makes a row of each text"
        elif value and not any(isinstance(item, dict) for item in value):
            return
    elif text != "{":
        return
    raise UsageError(message=what, fix=fix)


def _row(line: TextLine, context: InputContext) -> Row | MalformedRow:
    try:
        value = _DECODER.decode(line.text)
        _refuse_deep(value, line.data)
        if b"\\u" in line.data:
            _refuse_halves(value)
    except json.JSONDecodeError as error:
        why = f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        return context.malformed(line.number, line.data, why, column=error.pos + 1)
    except RecursionError:
        return context.malformed(line.number, line.data, f"nested deeper than {DEPTH}")
    except ValueError as error:
        return context.malformed(line.number, line.data, str(error))
    return row_of(value, line.number, line.data, context)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError(f"key {quoted(repeated(key for key, _ in pairs) or '')} is set twice")
    return made


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"JSON has no number {constant}; quote it if it is text")


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError("a number is too large; quote it if it is text")
    return number


def _whole(digits: str) -> int:
    try:
        return int(digits)
    except ValueError as error:  # more digits than Python reads in a time that is linear
        raise ValueError(f"a number of {len(digits)} characters; quote it if it is text") from error


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)


def _refuse_deep(value: object, data: bytes) -> None:
    if data.count(b"{") + data.count(b"[") > DEPTH and is_deeper(value, DEPTH):
        raise ValueError(f"nested deeper than {DEPTH}")


def _refuse_halves(value: object) -> None:
    """Refuse an escape of half a surrogate pair, which UTF-8 cannot encode."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(r"a \u escape of half a character, without its other half") from error
