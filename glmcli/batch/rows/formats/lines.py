"""Bytes in pieces -> lines, the same however the bytes are cut. Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from glmcli.batch.rows.row import MalformedRow, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from hashlib import _Hash as HASH

    from glmcli.batch.rows.formats.reader import InputContext

LIMIT = 16 << 20  # bytes of a line


class Line(NamedTuple):
    """A line without its end.

    Attributes:
        number: from 1.
        ended: whether the end was there; only the last line may lack it.
    """

    number: int
    data: bytes
    ended: bool = True


class Long(NamedTuple):
    """A line of more than the limit, which was never held whole.

    Attributes:
        size: its bytes, without its end.
        digest: SHA-256 of them, in hexadecimal.
    """

    number: int
    size: int
    digest: str
    ended: bool = True


def lines(pieces: Iterable[bytes], limit: int = LIMIT, end: bytes = b"\n") -> Iterator[Line | Long]:
    r"""The lines, cut at `end` only. A `\r` before `\n` belongs to the end; nothing behind the last end is no line."""
    begun = _Begun(1, limit)
    dropped = b"\r" if end == b"\n" else b""
    for piece in pieces:
        first, *others = piece.split(end)
        begun.add(first)
        for other in others:
            yield begun.line(dropped, ended=True)
            begun = _Begun(begun.number + 1, limit)
            begun.add(other)
    if begun.size:
        yield begun.line(b"", ended=False)


class _Begun:
    """A line whose end has not come: its bytes, or, once there are too many, their hash."""

    def __init__(self, number: int, limit: int) -> None:
        self.number = number
        self.size = 0
        self._limit = limit
        self._held = bytearray()  # not a list of parts: who sends single bytes would fill the memory with it
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

    def line(self, dropped: bytes, *, ended: bool) -> Line | Long:
        if self._hash is None:
            data = bytes(self._held).removesuffix(dropped)
            if len(data) <= self._limit:
                return Line(self.number, data, ended)
            return Long(self.number, len(data), sha256(data).hexdigest(), ended)
        last = self._last.removesuffix(dropped)
        self._hash.update(last)
        return Long(self.number, self.size - len(self._last) + len(last), self._hash.hexdigest(), ended)


# Lines as text: a prompt a line, and what JSON lines begin with.


class Text(NamedTuple):
    """A line that is not blank: `data` are the bytes of its text."""

    number: int
    data: bytes
    text: str


def rows(pieces: Iterable[bytes], reading: InputContext) -> Iterator[Row | MalformedRow]:
    """Each line is a prompt, as it is.

    Raises:
        UsageError: the request file wants a value beside it.
    """
    reading.placeholders.refuse(reading.name, (), ("prompt",), there="a line of text is a prompt alone")
    for line in texts(pieces, reading):
        if isinstance(line, MalformedRow):
            yield line
        elif not line.text.isspace():  # blanks that only Unicode knows
            yield Row(line.number, prompt=line.text)


def texts(pieces: Iterable[bytes], reading: InputContext) -> Iterator[Text | MalformedRow]:
    """The lines that are not blank; bad are those that are too long, or no text."""
    for line in lines(pieces):
        if isinstance(line, Long):
            yield reading.too_long(line, LIMIT)
        elif line.data and not line.data.isspace():
            yield _text(line, reading)


def _text(line: Line, reading: InputContext) -> Text | MalformedRow:
    if why := no_text(line.data):
        return reading.malformed(line.number, line.data, why)
    return Text(line.number, line.data, line.data.decode())


def no_text(data: bytes) -> str:
    """Why these bytes are no text that can be sent; empty where they are."""
    if b"\0" in data:
        return f"a NUL byte at offset {data.index(0)}; is this UTF-16? Save it as UTF-8"
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
    return ""
