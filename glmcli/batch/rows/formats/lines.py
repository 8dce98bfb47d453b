"""Lines, cut from chunks of bytes for all formats, and the context of an input. Also the format `text`.

The lines are the same however the bytes are cut into chunks. Pure.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from glmcli.batch.rows.look import own_table
from glmcli.batch.rows.placeholders import NO_PLACEHOLDERS, Placeholders
from glmcli.batch.rows.row import MalformedRow, Row
from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from hashlib import _Hash as HASH

LIMIT = 16 << 20  # bytes of a line
_HINT = "a line of text has no names; --format csv, tsv, jsonl or yaml says that rows are written so"


class InputContext(Record):
    """What a format needs to know of its input; it makes the malformed rows, too.

    Attributes:
        name: what messages call the input.
        complete: flags and request file have a question, so a row needs none.
        placeholders: those that rows fill in.
        folder: what relative paths in rows are relative to.
        encoding: the one that the input is in, as Python knows it; empty for UTF-8. Formats read UTF-8 in any case.
        delimiter: the character between the columns of a table, where the user has said it.
        note: prints a remark on the input.
    """

    name: str = ""
    complete: bool = False
    placeholders: Placeholders = NO_PLACEHOLDERS
    folder: Path = Path()
    encoding: str = ""
    delimiter: str | None = None
    note: Callable[[str], None] | None = None

    def remark(self, text: str) -> None:
        """Tell the user of something odd that was read all the same."""
        if self.note:
            self.note(text)

    def malformed(
        self, line: int, data: bytes, why: str, *, column: int | None = None, row_id: str | None = None
    ) -> MalformedRow:
        """A malformed row of these bytes; `column` counts characters from 1."""
        place = f"{self.name}:{line}" if column is None else f"{self.name}:{line}:{column}"
        return MalformedRow(line, f"{place}: {why}", sha256(data).hexdigest(), row_id)

    def too_long(self, line: LongLine) -> MalformedRow:
        """A malformed row for a line that is longer than the limit."""
        why = f"{self.name}:{line.number}: longer than {LIMIT >> 20} MiB ({line.size} bytes)"
        return MalformedRow(line.number, why, line.digest)


class Line(NamedTuple):
    """A line without its end.

    Attributes:
        number: from 1.
        ended: whether its end was there; only the last line may lack it.
    """

    number: int
    data: bytes
    ended: bool = True


class LongLine(NamedTuple):
    """A line longer than the limit, of which only the hash was kept.

    Attributes:
        size: its bytes, without its end.
        digest: SHA-256 of them, in hexadecimal.
    """

    number: int
    size: int
    digest: str
    ended: bool = True


def lines(chunks: Iterable[bytes], limit: int = LIMIT, end: bytes = b"\n") -> Iterator[Line | LongLine]:
    r"""The lines, cut at `end` only. A `\r` before `\n` belongs to the end; nothing follows the last end."""
    begun = _PartialLine(1, limit)
    dropped = b"\r" if end == b"\n" else b""
    for chunk in chunks:
        first, *others = chunk.split(end)
        begun.add(first)
        for other in others:
            yield begun.line(dropped, ended=True)
            begun = _PartialLine(begun.number + 1, limit)
            begun.add(other)
    if begun.size:
        yield begun.line(b"", ended=False)


class _PartialLine:
    """A line whose end was not read yet: its bytes or, once there are too many of them, their hash."""

    def __init__(self, number: int, limit: int) -> None:
        self.number = number
        self.size = 0
        self._limit = limit
        self._held = bytearray()  # not a list of parts: single bytes would fill the memory
        self._hash: HASH | None = None
        self._last = b""  # may be dropped, so it is not hashed yet

    def add(self, part: bytes) -> None:
        if not part:
            return
        self.size += len(part)
        self._held += part
        # One byte more may be held: it could belong to the end.
        if self._hash is not None or self.size > self._limit + 1:
            self._spill()

    def _spill(self) -> None:
        self._hash = self._hash or sha256()
        self._hash.update(self._last)
        self._hash.update(memoryview(self._held)[:-1])
        self._last = bytes(self._held[-1:])
        self._held = bytearray()

    def line(self, dropped: bytes, *, ended: bool) -> Line | LongLine:
        if self._hash is None:
            data = bytes(self._held).removesuffix(dropped)
            if len(data) <= self._limit:
                return Line(self.number, data, ended)
            return LongLine(self.number, len(data), sha256(data).hexdigest(), ended)
        last = self._last.removesuffix(dropped)
        self._hash.update(last)
        return LongLine(self.number, self.size - len(self._last) + len(last), self._hash.hexdigest(), ended)


class TextLine(NamedTuple):
    """A line that is not blank: its bytes and its text, and whether its end was there."""

    number: int
    data: bytes
    text: str
    ended: bool


def rows(chunks: Iterable[bytes], context: InputContext) -> Iterator[Row | MalformedRow]:
    """The rows of a text file: each line stands behind the prompt, as it is, or is the question itself.

    Raises:
        UsageError: the request file needs a value; or all is one line, with carriage returns in it.
    """
    is_first = True
    for line in text_lines(chunks, context):
        if is_first:
            context.placeholders.refuse(context.name, (), ("text",), hint=_HINT)
            if isinstance(line, TextLine) and (table := own_table(line.text)):
                context.remark(f"{context.name}: the first line is asked, too; --format {table} takes it for a header")
        is_first = False
        if isinstance(line, MalformedRow):
            yield line
        elif line.number == 1 and not line.ended and "\r" in line.text.rstrip("\r"):
            raise UsageError(
                message=f"{context.name} has no newlines, only carriage returns", fix=r"tr '\r' '\n' makes lines of it"
            )
        elif not line.text.isspace():  # spaces that are not ASCII
            yield Row(line.number, text=line.text)


def text_lines(chunks: Iterable[bytes], context: InputContext) -> Iterator[TextLine | MalformedRow]:
    """The lines that are not blank; those that are too long or not UTF-8 are malformed rows."""
    for line in lines(chunks):
        if isinstance(line, LongLine):
            yield context.too_long(line)
        elif line.data and not line.data.isspace():
            yield _text_line(line, context)


def _text_line(line: Line, context: InputContext) -> TextLine | MalformedRow:
    if why := encoding_fault(line.data, context.encoding):
        return context.malformed(line.number, line.data, why)
    return TextLine(line.number, line.data, line.data.decode(), line.ended)


def encoding_fault(data: bytes, encoding: str = "") -> str:
    """Why these bytes are not text in UTF-8; empty if they are. They were decoded from `encoding`, if it is given."""
    if b"\0" in data:
        return f"a NUL byte at offset {data.index(0)}; is this UTF-16? --encoding utf-16 reads it"
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if encoding:
            return f"not {encoding} after {len(data[: error.start].decode())} characters"
        return f"not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}; --encoding NAME reads another"
    return ""
