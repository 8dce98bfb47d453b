"""The first bytes of an input: what they say of the rest, and the mark that is no part of it. Pure."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
