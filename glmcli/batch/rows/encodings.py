"""The encoding of an input: every other one becomes UTF-8, so that formats read nothing else.

The bytes that come out are the same however those that go in are cut into chunks. Pure.
"""

from __future__ import annotations

import codecs
from itertools import chain
from typing import TYPE_CHECKING

from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MARK = b"\xef\xbb\xbf"
_FIX = "--encoding NAME reads it, as gb18030 (Chinese) or cp1252 (Western Europe); or iconv -f NAME -t UTF-8 FILE"
# Codecs of Python 3.11 that decode text, but are encodings of no file: docs.python.org/3/library/codecs.html.
_OF_NO_FILE = frozenset(("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"))
_BROKEN = "glmcli.broken"  # the name of our handler of errors


def _keep_broken(error: UnicodeError) -> tuple[str, int]:
    """A half of a surrogate pair for what cannot be decoded: its row is then no UTF-8, and malformed."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - it is registered for decoding
    return "\udcff", error.end


codecs.register_error(_BROKEN, _keep_broken)


def codec_name(encoding: str) -> str:
    """The name by which Python knows this encoding; empty for UTF-8.

    Raises:
        UsageError: there is no such encoding of text.
    """
    try:
        found = codecs.lookup(encoding)
        b"\0\0\0\0".decode(encoding)  # refuses codecs of bytes, such as base64
    except (LookupError, ValueError) as error:
        raise _unknown(encoding) from error
    if found.name in _OF_NO_FILE or found.incrementaldecoder is None:
        raise _unknown(encoding)
    return "" if found.name in {"utf-8", "utf-8-sig"} else found.name


def _unknown(encoding: str) -> UsageError:
    return UsageError(
        f"--encoding {encoding}: Python knows no such encoding",
        fix="as in gb18030, big5, shift_jis, euc_kr, cp1252, latin-1, utf-16",
    )


def as_utf8(chunks: Iterable[bytes], encoding: str, name: str) -> Iterator[bytes]:
    """The same text in UTF-8, without a mark at its beginning; what cannot be decoded is no UTF-8 either.

    Raises:
        UsageError: its first character says that its bytes are the other way round.
    """
    decoder = codecs.getincrementaldecoder(encoding)(_BROKEN)
    is_first = True
    for chunk in chain(chunks, [None]):
        text = decoder.decode(b"", final=True) if chunk is None else decoder.decode(chunk)
        if text and is_first:
            if text.startswith("\ufffe"):
                raise UsageError(f"{name} is not {encoding}: its bytes are in the other order", fix="--encoding utf-16")
            text, is_first = text.removeprefix("\ufeff"), False
        if text:
            yield text.encode("utf-8", "surrogatepass")


def refuse_other(chunks: Iterable[bytes], name: str, encoding: str) -> Iterator[bytes]:
    """The same bytes, as long as they may be text in UTF-8 of which some lines are broken.

    All of it is in another encoding if two lines are not UTF-8, and no line before had more than ASCII; or if no other
    line has text. `encoding` is the one that they were decoded from; empty: none.

    Raises:
        UsageError: that is so.
    """
    scan = _Utf8Scan()
    for chunk in chunks:
        if scan.is_open:
            scan.add(chunk)
            if scan.is_open and len(scan.broken) > 1:
                raise _other(name, scan.broken[0], encoding)
        yield chunk
    scan.end()
    if scan.is_open and scan.broken and (len(scan.broken) > 1 or not scan.others):
        raise _other(name, scan.broken[0], encoding)


def _other(name: str, broken: BrokenLine, encoding: str) -> UsageError:
    if encoding:
        return UsageError(f"{name}:{broken.number}: not {encoding}", fix=_FIX)
    return UsageError(f"{name}:{broken.number}: not UTF-8 (byte 0x{broken.byte:02x})", fix=_FIX)


class BrokenLine(Record):
    """The number of a line that is not UTF-8, from 1, and its first byte that is not."""

    number: int
    byte: int


class _Utf8Scan:
    """Looks through bytes for lines that are not UTF-8, until one is that has more than ASCII.

    Attributes:
        is_open: no such line was seen.
        broken: the first lines that are not UTF-8.
        others: whether another line has text.
    """

    def __init__(self) -> None:
        self.is_open = True
        self.broken: list[BrokenLine] = []
        self.others = False
        self._line = 1
        self._has_text = False  # the line, until now
        self._is_broken = False
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def add(self, chunk: bytes) -> None:
        """Look through more bytes."""
        while chunk and self.is_open:
            chunk = self._rest_of_broken(chunk) if self._is_broken else self._decode(chunk, final=False)

    def end(self) -> None:
        """A character that was begun does not end."""
        if self.is_open and not self._is_broken:
            self._decode(b"", final=True)
        self.others = self.others or self._has_text

    def _rest_of_broken(self, chunk: bytes) -> bytes:
        """What follows the line that is broken."""
        _, end, rest = chunk.partition(b"\n")
        if end:
            self._is_broken, self._line = False, self._line + 1
        return rest

    def _decode(self, chunk: bytes, *, final: bool) -> bytes:
        """What follows the first character that is broken."""
        if chunk.isascii() and not (final or self._decoder.getstate()[0]):
            self._note(chunk)
            return b""
        try:
            self._note(self._decoder.decode(chunk, final).encode())
        except UnicodeDecodeError as error:
            self._decoder.reset()
            before = error.object[: error.start]
            self._note(before)
            if self.is_open:
                self.broken.append(BrokenLine(self._line, error.object[error.start]))
                self._is_broken, self._has_text = True, False
            return error.object[error.start :]
        return b""

    def _note(self, good: bytes) -> None:
        if not good.isascii():
            self.is_open = False
            return
        ended, newline, begun = good.rpartition(b"\n")
        if newline:
            self.others = self.others or self._has_text or not _is_blank(ended)
            self._line += good.count(b"\n")
            self._has_text = False
        self._has_text = self._has_text or not _is_blank(begun)


def _is_blank(data: bytes) -> bool:
    return not data or data.isspace()


def without_inner_marks(chunks: Iterable[bytes], remark: Callable[[], None]) -> Iterator[bytes]:
    """The same bytes without byte order marks at the beginning of lines, as joined files have; they are remarked."""
    begins_line, held = True, b""
    for chunk in chunks:
        data, held = held + chunk, b""
        if begins_line and data.startswith(MARK):
            data = data.removeprefix(MARK)
            remark()
        while b"\n" + MARK in data:
            data = data.replace(b"\n" + MARK, b"\n")
            remark()
        held = _begun_mark(data, begins_line=begins_line)
        data = data.removesuffix(held)
        if data:
            begins_line = data.endswith(b"\n")
            yield data
    if held:
        yield held


def _begun_mark(data: bytes, *, begins_line: bool) -> bytes:
    """The end of the data, if it may be the beginning of a mark."""
    for size in (2, 1):
        begun = MARK[:size]
        if data.endswith(b"\n" + begun) or (begins_line and data == begun):
            return begun
    return b""
