"""The first bytes of an input: what they say of the rest, and the mark that is no part of it. Pure."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARK = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_BLANKS = 1 << 20  # bytes; who sends more of them than this before anything else sends no rows


def without_mark(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """The same bytes without a byte order mark at their beginning.

    Raises:
        UsageError: the mark is one of UTF-16: not one row could be read.
    """
    rest = iter(pieces)
    head = b""
    for piece in rest:
        head += piece
        # No more is waited for than a mark needs: what comes slowly is read as it comes.
        if not any(len(head) < len(mark) and mark.startswith(head) for mark in (MARK, *_UTF_16)):
            break
    if head.startswith(_UTF_16):
        raise UsageError(message=f"{name} is UTF-16", fix="convert it with iconv -f UTF-16 -t UTF-8")
    return chain([head.removeprefix(MARK)], rest)


def first_byte(pieces: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first byte that is not blank, empty if there is none; and the same bytes once more."""
    rest = iter(pieces)
    seen = []
    size = 0
    for piece in rest:
        seen.append(piece)
        size += len(piece)
        if (found := piece.lstrip()) or size > _BLANKS:
            return found[:1], chain(seen, rest)
    return b"", iter(seen)
