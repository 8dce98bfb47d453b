"""The bytes of a file that is read twice, and must be the same both times."""

from __future__ import annotations

import os
from array import array
from typing import TYPE_CHECKING
from zlib import crc32

from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Generator

PIECE = 1 << 16


class Steady:
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
