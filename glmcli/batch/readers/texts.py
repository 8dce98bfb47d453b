"""Lines as text: a prompt a line, and what JSON lines begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from glmcli.batch.readers.lines import LIMIT, Long, lines
from glmcli.batch.row import BadRow, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmcli.batch.readers.lines import Line
    from glmcli.batch.readers.reading import Reading


class Text(NamedTuple):
    """A line that is not blank: `data` are the bytes of its text."""

    number: int
    data: bytes
    text: str


def rows(pieces: Iterable[bytes], reading: Reading) -> Iterator[Row | BadRow]:
    """Each line is a prompt, as it is.

    Raises:
        UsageError: the request file wants a value beside it.
    """
    reading.wanted.refuse(reading.name, (), ("prompt",), there="a line of text is a prompt alone")
    for line in texts(pieces, reading):
        if isinstance(line, BadRow):
            yield line
        elif not line.text.isspace():  # blanks that only Unicode knows
            yield Row(line.number, prompt=line.text)


def texts(pieces: Iterable[bytes], reading: Reading) -> Iterator[Text | BadRow]:
    """The lines that are not blank; bad are those that are too long, or no text."""
    for line in lines(pieces):
        if isinstance(line, Long):
            yield reading.too_long(line, LIMIT)
        elif line.data and not line.data.isspace():
            yield _text(line, reading)


def _text(line: Line, reading: Reading) -> Text | BadRow:
    if why := no_text(line.data):
        return reading.bad(line.number, line.data, why)
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
