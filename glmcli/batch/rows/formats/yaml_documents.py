"""YAML: one document a row. The input is cut at the document markers, so that one document at a time is parsed."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from glmcli import documents
from glmcli.batch.rows.formats.lines import Line, LongLine, encoding_fault, lines
from glmcli.batch.rows.row import MalformedRow, Row
from glmcli.batch.rows.validation import row_of
from glmcli.documents.document import MAX_SIZE
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmcli.batch.rows.formats.lines import InputContext


def rows(chunks: Iterable[bytes], context: InputContext) -> Iterator[Row | MalformedRow]:
    """A row for each document that is not empty."""
    for document in _documents(chunks, context):
        row = document if isinstance(document, MalformedRow) else document.row(context)
        if row is not None:
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

    def row(self, context: InputContext) -> Row | MalformedRow | None:
        """The row; None if the document is empty, or a line of it was too long."""
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
        return row_of(document.value, self._first, data, context)

    def _malformed(self, why: str) -> MalformedRow:
        return MalformedRow(self._first, why, self._hash.hexdigest())
