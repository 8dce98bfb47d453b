"""CSV and TSV (RFC 4180): a header that names the columns, and a row for each record."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from glmcli.batch.rows.formats.lines import LIMIT, LongLine, encoding_fault, lines
from glmcli.batch.rows.formats.table_layout import read_layout
from glmcli.batch.rows.placeholders import columns
from glmcli.batch.rows.row import MalformedRow, Row
from glmcli.batch.rows.validation import id_fault, prompt_fault, repeated
from glmcli.documents.quoting import quoted
from glmcli.documents.template import compared
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmcli.batch.rows.formats.lines import InputContext


def rows(chunks: Iterable[bytes], context: InputContext, *, usual: str) -> Iterator[Row | MalformedRow]:
    """A row for each record; every column is copied, and fills the placeholder of its name.

    The header shows what separates columns, as a rule `usual` (see `read_layout`). A header that comes again is skipped
    with a remark.

    Raises:
        UsageError: the header cannot be used, or lacks a column that the request file needs; a record is so long that a
            quote must be unclosed.
    """
    records = _Records(*read_layout(chunks, context, usual), context)
    first = next(records, None)
    if first is None:
        return
    header = _header(first, records, context)
    for fields in records:
        if isinstance(fields, MalformedRow):
            yield fields
            continue
        _drop_empty(fields, len(header))
        if fields == first:  # of joined files; no row is called id and asks prompt
            context.remark(f"{context.name}:{records.line}: the header again is no row")
        else:
            yield _row(header, fields, records, context)


def _header(header: list[str] | MalformedRow, records: _Records, context: InputContext) -> list[str]:
    if isinstance(header, MalformedRow):
        raise UsageError(message=f"{header.why} (in the header)")
    if header.count("") > 1:  # spreadsheets write columns that were only formatted, too
        _drop_empty(header, 0)
    if header.count("") > 1:  # pandas writes the columns of an index so, which have no names
        header = [name or f"column {at}" for at, name in enumerate(header, 1)]
    if (name := repeated(map(compared, header))) is not None:
        why = f"{context.name}:{records.line}: two columns are called {quoted(name)}"
        raise UsageError(why, fix="rename one of them")
    own = ("prompt",) if "prompt" in header and not context.placeholders.wants("prompt") else ()
    context.placeholders.refuse(f"{context.name}:{records.line}", header, own, hint=columns(header))
    return header


def _row(header: list[str], fields: list[str], records: _Records, context: InputContext) -> Row | MalformedRow:
    if len(fields) != len(header):
        counted = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
        more = "; a field that has the separator in it stands in quotes" if len(fields) > len(header) else ""
        return records.malformed(f"{counted}, but the header has {len(header)}{more}")
    columns = dict(zip(header, fields, strict=True))
    prompt = columns.get("prompt")
    if "id" in columns and (why := id_fault("id", columns["id"])):
        return records.malformed(why)
    if prompt is not None and not context.placeholders.wants("prompt") and (why := prompt_fault(prompt)):
        return records.malformed(why, columns.get("id"))
    return Row(records.line, id=columns.get("id"), prompt=prompt, columns=columns)


def _drop_empty(fields: list[str], wanted: int) -> None:
    """Drop empty fields from the end, as long as there are more than `wanted`."""
    while len(fields) > wanted and not fields[-1]:
        fields.pop()


class _Records:
    """The records that have more than blanks, with the lines of each."""

    def __init__(self, chunks: Iterable[bytes], delimiter: str, context: InputContext) -> None:
        self.line = 0
        self._context = context
        self._seen: list[bytes] = []
        csv.field_size_limit(LIMIT)  # one for the whole program; a record is never longer
        self._reader = csv.reader(self._lines(chunks), delimiter=delimiter, strict=True)

    def __iter__(self) -> Iterator[list[str] | MalformedRow]:
        return self

    def __next__(self) -> list[str] | MalformedRow:
        while True:
            self._seen.clear()
            try:
                fields = next(self._reader)
            except csv.Error as error:
                return self.malformed(_reason(error))
            if why := encoding_fault(self._data(), self._context.encoding):
                return self.malformed(why)
            if any(map(str.strip, fields)):
                return fields

    def malformed(self, why: str, row_id: str | None = None) -> MalformedRow:
        """The last record that was read, as a row that cannot be sent."""
        last = self.line + len(self._seen) - 1
        to = f" (it ends on line {last})" if last > self.line else ""
        return self._context.malformed(self.line, self._data(), why + to, row_id=row_id)

    def _data(self) -> bytes:
        """The bytes of the last record, its lines joined by newlines."""
        return b"\n".join(self._seen)

    def _lines(self, chunks: Iterable[bytes]) -> Iterator[str]:
        """The lines that csv reads, as many as a record has; bytes that are not UTF-8 are kept as surrogates."""
        size = 0
        for line in lines(chunks):
            size = size + 1 if self._seen else 0
            self.line = self.line if self._seen else line.number
            size += line.size if isinstance(line, LongLine) else len(line.data)
            if isinstance(line, LongLine) or size > LIMIT:
                raise UsageError(
                    message=f"{self._context.name}:{self.line}: a record longer than {LIMIT >> 20} MiB begins here",
                    fix='look for a quote that is never closed; inside quotes a quote is written twice ("")',
                )
            self._seen.append(line.data)
            yield line.data.decode("utf-8", "surrogateescape") + "\n"


def _reason(error: csv.Error) -> str:
    """What is wrong with a record, in plain words.

    Source: Modules/_csv.c of Python 3.11 to 3.13, whose three errors these are.
    """
    text = str(error)
    if "unexpected end" in text:
        return "a quote is never closed"
    if "new-line" in text:
        return "a carriage return outside quotes"
    return 'text behind a closing quote; inside quotes a quote is written twice ("")'
