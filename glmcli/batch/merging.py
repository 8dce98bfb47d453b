"""Several outputs as one: the lines that count, as they are.

Each file is read twice, and of its rows only digests are kept, in the index of a run: a first time to find the lines
that count, a second time to copy them.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from glmcli.batch import index as states
from glmcli.batch.index import Index, is_own
from glmcli.batch.ledger import lines_of
from glmcli.batch.outputs import line_of
from glmcli.batch.row import BadRow
from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.readers import Source

_FEW = 5  # ids that are named
_SHOWN = 60  # characters of one


class Part(Record):
    """An output that was read.

    Attributes:
        base: where its first byte stands among those of all parts.
        torn: the number of a line that was cut while it was written, and is no row; 0: there is none.
    """

    path: str
    base: int
    size: int
    identity: tuple[int, int]
    torn: int


class Missing(Record):
    """Rows of the input without a line.

    Attributes:
        named: how many have an id; `first` are a few of those.
        unnamed: how many have none.
    """

    rows: int
    named: int
    first: tuple[str, ...]
    unnamed: int

    @property
    def count(self) -> int:
        """All of them."""
        return self.named + self.unnamed


class Merger:
    """Finds the lines that count: of one file the last that is ok, else the last; of several the first that is ok.

    Attributes:
        counts: rows, by how they ended (glmcli.batch.index).
        parts: the files, in their order.
    """

    def __init__(self, *, keep_changed: bool) -> None:
        """`keep_changed`: the first of two answers counts, even if they answer different requests."""
        self._keep_changed = keep_changed
        self._index = Index()
        self._own = 0
        self.counts: Counter[str] = Counter()
        self.parts: list[Part] = []

    def read(self, path: str) -> Part:
        """Take in the lines of another file.

        Raises:
            UsageError: it is no output of a batch, or a row of it was answered before, to another request.
        """
        base = self.parts[-1].base + self.parts[-1].size if self.parts else 0
        with _opened(path) as (fd, found):
            end, torn = 0, 0
            for number, (at, line, ended) in enumerate(_whole_lines(fd), 1):
                known = line_of(line, base + at)
                if known is None and (not ended or b"\0" in line):
                    torn = torn or number
                    continue
                if known is None or torn:
                    raise UsageError(f"{path}:{torn or number}: not a line that glm batch has written")
                self._note(*known, base, f"{path}:{number}")
                end = at + len(line) + 1
        part = Part(path, base, end, (found.st_dev, found.st_ino), torn)
        self.parts.append(part)
        return part

    def _note(self, identity: str, new: states.Known, base: int, place: str) -> None:
        old = self._index.known(identity)
        if old and old.state == states.OK:
            if new.state != states.OK:
                return
            if old.at < base:
                if old.hash != new.hash and not self._keep_changed:
                    raise self._changed(identity, old, place)
                return
        if old:
            self._count(identity, old, -1)
        self._count(identity, new, 1)
        self._index.note(identity, new)

    def _count(self, identity: str, known: states.Known, by: int) -> None:
        self.counts[known.state] += by
        self._own += by * is_own(identity, known)

    def _changed(self, identity: str, old: states.Known, place: str) -> UsageError:
        return UsageError(
            f"the id {identity[:_SHOWN]!r} has answers to two requests: {self._place(old.at)} and {place}",
            fix="--keep-changed keeps the first; else merge outputs of the same rows and the same request",
        )

    def _place(self, at: int) -> str:
        part = next(part for part in reversed(self.parts) if part.base <= at)
        with _opened(part.path) as (fd, _):
            number = sum(1 for place, _ in lines_of(fd) if place + part.base <= at)
        return f"{part.path}:{number}"

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.counts.total()

    def lines(self) -> Iterator[bytes]:
        """The lines that count, in the order of the files and as they stand there.

        Raises:
            UsageError: a file was changed meanwhile.
        """
        counting = self._index.places(ordered=False)
        wanted = next(counting, None)
        for part in self.parts:
            with _opened(part.path) as (fd, found):
                if (found.st_dev, found.st_ino) != part.identity or found.st_size < part.size - 1:
                    raise UsageError(f"{part.path} was changed while it was read", fix="run it again")
                for at, line, _ in _whole_lines(fd):
                    if wanted == part.base + at:
                        yield line + b"\n"
                        wanted = next(counting, None)

    def missing(self, source: Source) -> Missing:
        """The rows of an input that have no line. Those without an id can only be counted.

        Raises:
            UsageError: the input cannot be read.
        """
        rows = named = unnamed = 0
        first: list[str] = []
        for row in source.rows():
            rows += 1
            identity = row.id or f"line-{row.line}"
            if self._index.known(identity):
                continue
            if not row.id and not isinstance(row, BadRow):
                unnamed += 1
                continue
            if self._index.see(identity, row.line) is None:
                named += 1
                first += [identity] * (len(first) < _FEW)
        return Missing(rows, named, tuple(first), max(unnamed - self._own, 0))


@contextmanager
def _opened(path: str) -> Iterator[tuple[int, os.stat_result]]:
    if path == "-":
        raise UsageError("an output is read twice, which stdin cannot be", fix="merge files")
    try:
        # A FIFO that nobody writes to would be waited for at the door.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        raise UsageError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"cannot read {path}: it is no regular file, and an output is read twice")
        yield fd, found
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(fd)


def _whole_lines(fd: int) -> Iterator[tuple[int, bytes, bool]]:
    """Each line and where it begins; the last is also there if nothing ends it, and says so."""
    end = 0
    for at, line in lines_of(fd):
        yield at, line, True
        end = at + len(line) + 1
    tail = os.pread(fd, os.fstat(fd).st_size - end, end)
    if tail:
        yield end, tail, False
