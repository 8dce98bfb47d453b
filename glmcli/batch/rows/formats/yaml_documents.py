"""YAML: one document a row. The input is cut at the document markers, so that one document at a time is parsed."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from glmcli import documents
from glmcli.batch.rows.formats.lines import Line, LongLine, encoding_fault, lines
from glmcli.batch.rows.row import MalformedRow, Row
from glmcli.batch.rows.validation import row_of
from glmcli.documents.document import MAX_SIZE
from glmcli.documents.quoting import path_text
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmcli.batch.rows.formats.lines import InputContext
    from glmcli.batch.rows.placeholders import Placeholders
    from glmcli.documents import Document


def rows(chunks: Iterable[bytes], context: InputContext) -> Iterator[Row | MalformedRow]:
    """A row for each document that is not empty.

    Raises:
        UsageError: the first is a list of rows.
    """
    is_first = True
    for document in _documents(chunks, context):
        row = document if isinstance(document, MalformedRow) else document.row(context, is_first=is_first)
        if row is not None:
            is_first = False
            yield row


def _documents(chunks: Iterable[bytes], context: InputContext) -> Iterator[_DocumentLines | MalformedRow]:
    here = _DocumentLines()
    for line in lines(chunks):
        if isinstance(line, LongLine):
            # The rest of its document, up to the next marker, cannot be parsed either.
            yield context.too_long(line)
            here.has_long_line = True
        elif _is_marker(line.data, b"...") or (_is_marker(line.data, b"---") and not here.is_prologue):
            yield here
            here = _DocumentLines()
        if isinstance(line, Line) and not _is_marker(line.data, b"..."):
            here.add(line)
    yield here


def _is_marker(line: bytes, marker: bytes) -> bool:
    return line.startswith(marker) and line[3:4] in b" \t"


def _rewritten_numbers(document: Document, placeholders: Placeholders) -> Iterator[str]:
    """What is wrong with each number that fills a placeholder and would look otherwise there, as 01234 or 1.10."""
    whole = document.value if isinstance(document.value, dict) else {}
    given = whole.get("vars")
    for path, fields in (((), whole), (("vars",), given if isinstance(given, dict) else {})):
        for name, value in fields.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and placeholders.wants(name):
                place = document.node([*path, name])
                written, sent = document.source.text[place.at : place.end], json.dumps(value)
                if written != sent:
                    where = document.source.place(place.at)
                    yield f"{where}: {path_text((*path, name))}: {written} is the number {sent}; quote it if it is text"


class _DocumentLines:
    """The lines of a document from the first that is not blank; what exceeds a megabyte is only hashed."""

    def __init__(self) -> None:
        self.is_prologue = True  # nothing yet but directives and comments, which belong to the `---` behind them
        self.has_long_line = False
        self._first = 0
        self._lines: list[bytes] = []
        self._size = 0
        self._hash = sha256()

    def add(self, line: Line) -> None:
        """Add a line."""
        self.is_prologue = self.is_prologue and line.data.strip()[:1] in (b"", b"#", b"%")
        if not self._first and not line.data.strip():
            return
        self._first = self._first or line.number
        self._size += len(line.data) + 1
        self._hash.update(line.data + b"\n")
        if self._size <= MAX_SIZE:
            self._lines.append(line.data + b"\n")

    def row(self, context: InputContext, *, is_first: bool) -> Row | MalformedRow | None:
        """The row; None if the document is empty, or a line of it was too long.

        Raises:
            UsageError: it is the first, and a list of rows.
        """
        if self.has_long_line or not self._first:
            return None
        if self._size > MAX_SIZE:
            return self._malformed(
                f"{context.name}:{self._first}: larger than {MAX_SIZE >> 20} MiB ({self._size} bytes)"
            )
        data = b"".join(self._lines)
        if context.encoding and (why := encoding_fault(data, context.encoding)):
            return self._malformed(f"{context.name}:{self._first}: {why}")
        try:
            document = documents.parse(data, context.name, self._first)
        except UsageError as error:
            return self._malformed(error.message)
        if document.value is None and document.root.at == document.root.end:
            return None
        if is_first:
            self._refuse_list(document.value, context)
        row = row_of(document.value, self._first, data, context)
        rewritten = next(_rewritten_numbers(document, context.placeholders), None) if isinstance(row, Row) else None
        return row if rewritten is None else self._malformed(rewritten, row.id)

    def _refuse_list(self, value: object, context: InputContext) -> None:
        """Stop at a list of rows, as other programs have them."""
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            raise UsageError(
                f"{context.name}:{self._first}: a list of rows, not one document a row",
                fix="yq -o json -I 0 '.[]' FILE makes JSON lines of it; in YAML, --- stands between rows",
            )

    def _malformed(self, why: str, row_id: str | None = None) -> MalformedRow:
        return MalformedRow(self._first, why, self._hash.hexdigest(), row_id)
