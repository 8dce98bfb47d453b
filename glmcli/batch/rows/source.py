"""The first bytes of an input: what they say of the rest, and the mark that is no part of it. Pure."""

from __future__ import annotations

import os
import stat
from array import array
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from glmcli.batch.rows.formats import csv_tables, json_lines, lines, path_list, yaml_documents
from glmcli.batch.rows.formats.reader import InputContext
from glmcli.batch.rows.placeholders import NOTHING, Placeholders
from glmcli.console.terminal import STDIN
from glmcli.errors import InternalError, UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from glmcli.batch.rows.row import MalformedRow, Row
    from glmcli.console.stdin import Stdin

    Reader = Callable[[Iterator[bytes], InputContext], Iterator[Row | MalformedRow]]

MARK = b"\xef\xbb\xbf"
_TABLE = "save the table as CSV"
# How files begin of which not one row could be read, though some lines of them may look like text: what they are, and
# the way out. Longer ones come first. Source: the magic numbers of file(1) 5.45.
_FOREIGN: Mapping[bytes, tuple[str, str]] = {
    b"\xff\xfe\0\0": ("UTF-32", "convert it with iconv -f UTF-32 -t UTF-8"),
    b"\xff\xfe": ("UTF-16", "convert it with iconv -f UTF-16 -t UTF-8"),
    b"\xfe\xff": ("UTF-16", "convert it with iconv -f UTF-16 -t UTF-8"),
    b"\x1f\x8b": ("compressed", "gzip -dc FILE | glm batch run -"),
    b"\x28\xb5\x2f\xfd": ("compressed", "zstd -dc FILE | glm batch run -"),
    b"\xfd7zXZ\0": ("compressed", "xz -dc FILE | glm batch run -"),
    b"BZh91AY&SY": ("compressed", "bzip2 -dc FILE | glm batch run -"),
    b"PK\3\4": ("a ZIP archive, as .xlsx and .ods are", _TABLE),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("an office document, as .xls is", _TABLE),
    b"PAR1": ("Parquet", "write it as JSON lines"),
    b"SQLite format 3\0": ("an SQLite database", "sqlite3 -csv FILE 'SELECT …' writes a table"),
    b"%PDF-": ("a PDF", "write its questions as text, one a line"),
}
_BLANKS = 1 << 20  # bytes; who sends more of them than this before anything else sends no rows


def without_mark(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """The same bytes without a byte order mark at their beginning.

    Raises:
        UsageError: not one row could be read: another encoding, a compressed file, a spreadsheet.
    """
    rest = iter(pieces)
    head = b""
    for piece in rest:
        head += piece
        # No more is waited for than a mark needs: what comes slowly is read as it comes.
        if not any(len(head) < len(mark) and mark.startswith(head) for mark in (MARK, *_FOREIGN)):
            break
    for begin, (what, fix) in _FOREIGN.items():
        if head.startswith(begin):
            raise UsageError(message=f"{name} is {what}", fix=fix)
    return chain([head.removeprefix(MARK)], rest)


def is_json(pieces: Iterable[bytes]) -> tuple[bool, Iterator[bytes]]:
    """Whether they begin as JSON objects do, or a list of them, blanks aside; and the same bytes once more."""
    rest = iter(pieces)
    seen, begin, size = [], b"", 0
    for piece in rest:
        seen.append(piece)
        size += len(piece)
        begin = (begin + b"".join(piece.split()))[:2]
        if begin not in {b"", b"["} or size > _BLANKS:
            break
    return begin.startswith((b"{", b"[{")), chain(seen, rest)


# The bytes of a file that is read twice, and must be the same both times.

PIECE = 1 << 16


class RereadGuard:
    """Knows what was read. What is behind that, once the end was reached, came later and is not read.

    Eight bytes are held for each piece: 1.3 MB for an input of 10 GB.
    """

    def __init__(self, name: str) -> None:
        """Nothing was read yet; messages call the file `name`."""
        self._name = name
        self._sizes, self._sums = array("I"), array("I")
        self._ended = False

    def pieces(self, fd: int, at: int) -> Generator[bytes, None, int]:
        """The bytes of the file from this place, and where they end.

        Raises:
            UsageError: it is another text than before. No byte of that is given, or rows would be half of each.
            OSError: it cannot be read.
        """
        for size, before in zip(self._sizes[:], self._sums[:], strict=True):
            piece = _exactly(fd, size, at)
            if crc32(piece) != before:
                raise UsageError(f"{self._name} was changed while it was read", fix="let nobody write it meanwhile")
            at += size
            yield piece
        while not self._ended and (piece := os.pread(fd, PIECE, at)):
            self._sizes.append(len(piece))
            self._sums.append(crc32(piece))
            at += len(piece)
            yield piece
        self._ended = True
        return at


def _exactly(fd: int, size: int, at: int) -> bytes:
    """So many bytes, or all until the end."""
    data = os.pread(fd, size, at)
    while len(data) < size and (more := os.pread(fd, size - len(data), at + len(data))):
        data += more
    return data


# Opening an input: where its bytes come from, and which form they have.


class RowFormat(Record):
    """How rows are written.

    Attributes:
        read: the rows of bytes in pieces, without a byte order mark.
        endings: of the names of files that are written so.
    """

    read: Reader
    endings: tuple[str, ...] = ()


FORMATS: Mapping[str, RowFormat] = {
    "jsonl": RowFormat(json_lines.rows, (".jsonl", ".ndjson", ".json")),
    "text": RowFormat(lines.rows, (".txt",)),
    "csv": RowFormat(csv_tables.comma, (".csv",)),
    "tsv": RowFormat(csv_tables.tab, (".tsv",)),
    "yaml": RowFormat(yaml_documents.rows, (".yaml", ".yml")),
    "files": RowFormat(path_list.rows),
}


def open_rows(  # noqa: PLR0913 - each is told by another
    place: str,
    form: str | None,
    stdin: Stdin,
    *,
    complete: bool = False,
    prompted: bool = False,
    placeholders: Placeholders = NOTHING,
) -> RowSource:
    """The rows of a file, or of stdin for `-`, which is claimed at once; nothing is read yet.

    `form` is one of FORMS; None lets the name tell, or else the first byte. `complete` says that the request file asks
    something by itself, so that an id alone is a row; `prompted` that it has a prompt, so that a column `prompt` of a
    table is only a variable; `wanted` what it wants of rows.

    Raises:
        UsageError: it cannot be read, or is a directory; another has claimed stdin; the form is unknown.
    """
    if form not in (None, *FORMATS):
        raise UsageError(message=f"{form!r} is no form of rows: {', '.join(FORMATS)}")
    if place == "-":
        owner = "--files0" if form == "files" else "INPUT"
        begin = stdin.file_offset(owner)
        pipe = stdin.chunks(owner) if begin is None else None
        return RowSource(place, form, InputContext("<stdin>", complete, prompted, placeholders), pipe, begin)
    return RowSource(
        place, form or _by_name(place), InputContext(place, complete, prompted, placeholders, Path(place).parent)
    )


def _by_name(place: str) -> str | None:
    return next((name for name, form in FORMATS.items() if place.lower().endswith(form.endings)), None)


class RowSource:
    """An input.

    Attributes:
        name: what messages call it.
        identity: device and inode, to tell whether the output is the same file.
        rereadable: it is a regular file, whose rows may be asked for more than once.
    """

    def __init__(
        self,
        place: str,
        form: str | None,
        reading: InputContext,
        pipe: Iterator[bytes] | None = None,
        begin: int | None = None,
    ) -> None:
        """Of stdin, `pipe` are its bytes, or `begin` is where it stands if it is a file; None of a file that is named.

        Raises:
            UsageError: there is no such file, or it is a directory.
        """
        self.name = reading.name
        self._place = place
        self._form = form
        self._reading = reading
        self._pipe = pipe
        self._begin = begin
        self._steady = RereadGuard(reading.name)
        self._is_begun = False
        found = self._look()
        self.identity = (found.st_dev, found.st_ino)
        self.rereadable = stat.S_ISREG(found.st_mode)

    def rows(self) -> Iterator[Row | MalformedRow]:
        """The rows, in the order of the input; read as they are asked for.

        Raises:
            UsageError: the input as a whole cannot be used; some of it may have been read before that is known.
            NetworkError: the deadline passed while waiting for stdin.
        """
        if self._is_begun and not self.rereadable:
            raise InternalError(f"{self.name} is read twice")
        self._is_begun = True
        pieces = without_mark(self._file() if self._pipe is None else self._pipe, self.name)
        form = self._form
        if form is None:
            objects, pieces = is_json(pieces)
            form = "jsonl" if objects else "text"
        yield from FORMATS[form].read(pieces, self._reading)

    def _look(self) -> os.stat_result:
        try:
            # Path("") would be the working directory.
            found = os.fstat(STDIN) if self._place == "-" else os.stat(self._place)  # noqa: PTH116
        except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
            raise self._unreadable(error) from error
        if stat.S_ISDIR(found.st_mode):
            raise UsageError(
                message=f"{self.name} is a directory", fix="find DIRECTORY -type f -print0 lists its files"
            )
        return found

    def _file(self) -> Iterator[bytes]:
        try:
            if self._begin is not None:
                end = yield from self._steady.pieces(STDIN, self._begin)
                os.lseek(STDIN, end, os.SEEK_SET)  # who reads it after us reads nothing again
            else:
                yield from self._named()
        except OSError as error:
            raise self._unreadable(error) from error

    def _named(self) -> Iterator[bytes]:
        with open(self._place, "rb", buffering=0) as file:  # noqa: PTH123 - as it comes, without a buffer
            found = os.fstat(file.fileno())
            if (found.st_dev, found.st_ino) != self.identity:
                raise UsageError(message=f"{self.name} was replaced while it was read", fix="run it again")
            if self.rereadable:
                yield from self._steady.pieces(file.fileno(), 0)
                return
            while piece := file.read(PIECE):
                yield piece

    def _unreadable(self, error: OSError | ValueError) -> UsageError:
        return UsageError(message=f"cannot read {self.name}: {getattr(error, 'strerror', error)}")
