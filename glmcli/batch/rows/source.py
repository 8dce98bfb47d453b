"""The input of a batch: opens a file or stdin, finds out its format, and reads its rows, once or twice."""

from __future__ import annotations

import os
import stat
from array import array
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from glmcli.batch.rows.encodings import MARK, as_utf8, codec_name, refuse_other, without_inner_marks
from glmcli.batch.rows.formats import FORMATS, TABLES
from glmcli.batch.rows.formats.table_layout import read_delimiter
from glmcli.batch.rows.look import found_format
from glmcli.console.terminal import STDIN
from glmcli.errors import InternalError, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from glmcli.batch.rows.formats.lines import InputContext
    from glmcli.batch.rows.row import MalformedRow, Row
    from glmcli.console.stdin import Stdin

_CHUNK = 1 << 16
_USUAL = ("jsonl", "text")  # formats that need no word where an input is taken for them
_TABLE = "save the table as CSV"
# Byte order marks, and the family of encodings that each belongs to. Longer ones come first.
# Source: www.unicode.org/faq/utf_bom.html, from memory in 2026.
_ENCODINGS: Mapping[bytes, str] = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    MARK: "utf-8",
}
# Magic numbers of files that hold no rows, though some of their lines may look like text: what the file
# is, and what to do. Source: the magic numbers of file(1) 5.45.
_OTHER_FILES: Mapping[bytes, tuple[str, str]] = {
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
_UNMARKED = 4  # bytes that show UTF-16 without a mark


def _without_mark(chunks: Iterable[bytes], name: str, encoding: str) -> Iterator[bytes]:
    """The same bytes without a byte order mark of UTF-8 at their beginning.

    Raises:
        UsageError: it is a file without rows: compressed, a spreadsheet; or in another encoding than this.
    """
    rest = iter(chunks)
    head = b""
    for chunk in rest:
        head += chunk
        # Waits for no more bytes than it needs: slow input is read as it arrives.
        needed = _UNMARKED if b"\0" in head[:2] else 2
        if len(head) >= needed and not any(
            len(head) < len(magic) and magic.startswith(head) for magic in (*_ENCODINGS, *_OTHER_FILES)
        ):
            break
    for begin, (what, fix) in _OTHER_FILES.items():
        if head.startswith(begin):
            raise UsageError(message=f"{name} is {what}", fix=fix)
    found = next((family for mark, family in _ENCODINGS.items() if head.startswith(mark)), None) or _unmarked(head)
    if found and not (encoding or "utf-8").startswith(found) and (found, encoding) != ("utf-16-le", "utf-16"):
        what = found.upper().removesuffix("-LE").removesuffix("-BE")
        fix = f"--encoding {found} reads it; or iconv -f {what} -t UTF-8 FILE" if found != "utf-8" else "leave it out"
        raise UsageError(message=f"{name} is {what}" + f", and --encoding says {encoding}" * bool(encoding), fix=fix)
    return chain([head.removeprefix(MARK)], rest)


def _unmarked(head: bytes) -> str | None:
    """UTF-16, if two characters of ASCII in it are the beginning."""
    low, high = head[:_UNMARKED:2], head[1:_UNMARKED:2]
    if len(head) >= _UNMARKED and all(low) and not any(high):
        return "utf-16-le"
    return "utf-16-be" if len(head) >= _UNMARKED and all(high) and not any(low) else None


class RereadableFile:
    """A file that is read twice and must be the same both times; anything appended in between is ignored.

    It keeps the checksum of each chunk: 1.3 MB for an input of 10 GB.
    """

    def __init__(self, name: str) -> None:
        """Nothing was read yet; messages call the file `name`."""
        self._name = name
        self._sizes, self._sums = array("I"), array("I")
        self._ended = False

    def chunks(self, fd: int, at: int) -> Generator[bytes, None, int]:
        """The bytes of the file from this place; returns where they end.

        Raises:
            UsageError: it was changed since the first time; no changed byte is returned.
            OSError: it cannot be read.
        """
        for size, before in zip(self._sizes[:], self._sums[:], strict=True):
            chunk = _exactly(fd, size, at)
            if crc32(chunk) != before:
                raise UsageError(f"{self._name} was changed while it was read", fix="let nobody write it meanwhile")
            at += size
            yield chunk
        while not self._ended and (chunk := os.pread(fd, _CHUNK, at)):
            self._sizes.append(len(chunk))
            self._sums.append(crc32(chunk))
            at += len(chunk)
            yield chunk
        self._ended = True
        return at


def _exactly(fd: int, size: int, at: int) -> bytes:
    """So many bytes, or fewer at the end of the file."""
    data = os.pread(fd, size, at)
    while len(data) < size and (more := os.pread(fd, size - len(data), at + len(data))):
        data += more
    return data


def open_rows(place: str, format_name: str | None, stdin: Stdin, context: InputContext) -> RowSource:
    """The rows of a file, or of stdin for `-`, which is claimed at once; nothing is read yet.

    Without `format_name` (see FORMATS) the name of the file decides, or else its first bytes. `context` has the
    encoding and the delimiter as they were typed, and is completed by the name of the input and the folder of the file.

    Raises:
        UsageError: it cannot be read, or is a directory; another claims stdin; there is no such format or encoding; or
            the delimiter cannot be one.
    """
    if format_name not in (None, *FORMATS):
        raise UsageError(message=f"{format_name!r} is not a format of rows: {', '.join(FORMATS)}")
    if context.encoding:
        context = context.replace(encoding=codec_name(context.encoding))
    if context.delimiter:
        context = context.replace(delimiter=read_delimiter(context.delimiter))
        format_name = _table(format_name, place)
    if place == "-":
        owner = "--files0" if format_name == "files" else "INPUT"
        begin = stdin.file_offset(owner)
        pipe = stdin.chunks(owner) if begin is None else None
        return RowSource(place, format_name, context.replace(name="<stdin>"), pipe, begin)
    context = context.replace(name=place, folder=Path(place).parent)
    return RowSource(place, format_name or _format_by_ending(place), context)


def _table(format_name: str | None, place: str) -> str:
    """The format of a table, which an input with a delimiter is.

    Raises:
        UsageError: it is said to be another one, or its name says so.
    """
    name = format_name or _format_by_ending(place) or "csv"
    if name == "text" and format_name is None:
        return "csv"
    if name not in TABLES:
        raise UsageError(f"--delimiter separates the columns of a table, and {place} is {name}", fix="--format csv")
    return name


def _format_by_ending(place: str) -> str | None:
    return next((name for name, each in FORMATS.items() if place.lower().endswith(each.endings)), None)


class RowSource:
    """An input.

    Attributes:
        name: what messages call it.
        identity: its device and inode.
        rereadable: it is a regular file, whose rows can be read more than once.
        hint: that of its format (see RowFormat), which is known when a row was read; empty before.
    """

    def __init__(
        self,
        place: str,
        format_name: str | None,
        context: InputContext,
        pipe: Iterator[bytes] | None = None,
        begin: int | None = None,
    ) -> None:
        """For stdin, `pipe` yields its bytes; or, if stdin is a file, `begin` is its offset.

        Raises:
            UsageError: there is no such file, or it is a directory.
        """
        self.name = context.name
        self._place = place
        self._format_name = format_name
        self._context = context.replace(note=self._note)
        self._say = context.note
        self._said: set[str] = set()  # the rows may be read twice
        self._pipe = pipe
        self._begin = begin
        self._rereadable_file = RereadableFile(context.name)
        self._was_read = False
        self.hint = ""
        found = self._stat()
        self.identity = (found.st_dev, found.st_ino)
        self.rereadable = stat.S_ISREG(found.st_mode)

    def rows(self) -> Iterator[Row | MalformedRow]:
        """The rows, in the order of the input, read lazily.

        Raises:
            UsageError: the input as a whole cannot be used; some rows may have been read by then.
            NetworkError: the deadline passed while waiting for stdin.
        """
        if self._was_read and not self.rereadable:
            raise InternalError(f"{self.name} is read twice")
        self._was_read = True
        chunks = self._text()
        name = self._format_name
        if name is None:
            name, chunks = found_format(chunks, self._context.placeholders)
            if name not in _USUAL:
                self._note(f"{self.name} is read as {name}, by its first line; --format may say otherwise")
        self.hint = FORMATS[name].hint
        yield from FORMATS[name].rows(chunks, self._context)

    def _text(self) -> Iterator[bytes]:
        """The bytes of the input: where it is text, in UTF-8 without marks."""
        chunks = self._file() if self._pipe is None else self._pipe
        if self._format_name and not FORMATS[self._format_name].is_text:
            return chunks
        encoding = self._context.encoding
        chunks = _without_mark(chunks, self.name, encoding)
        if encoding:
            chunks = as_utf8(chunks, encoding, self.name)
        return without_inner_marks(refuse_other(chunks, self.name, encoding), self._remark_mark)

    def _remark_mark(self) -> None:
        self._note(f"{self.name}: byte order marks at the beginning of lines are skipped; were files joined?")

    def _note(self, text: str) -> None:
        if self._say and text not in self._said:
            self._said.add(text)
            self._say(text)

    def _stat(self) -> os.stat_result:
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
                end = yield from self._rereadable_file.chunks(STDIN, self._begin)
                os.lseek(STDIN, end, os.SEEK_SET)  # another program that reads it afterwards begins behind it
            else:
                yield from self._named()
        except OSError as error:
            raise self._unreadable(error) from error

    def _named(self) -> Iterator[bytes]:
        with open(self._place, "rb", buffering=0) as file:  # noqa: PTH123 - unbuffered
            found = os.fstat(file.fileno())
            if (found.st_dev, found.st_ino) != self.identity:
                raise UsageError(message=f"{self.name} was replaced while it was read", fix="run it again")
            if self.rereadable:
                yield from self._rereadable_file.chunks(file.fileno(), 0)
                return
            while chunk := file.read(_CHUNK):
                yield chunk

    def _unreadable(self, error: OSError | ValueError) -> UsageError:
        return UsageError(message=f"cannot read {self.name}: {getattr(error, 'strerror', error)}")
