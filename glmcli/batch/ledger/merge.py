"""Several outputs as one: the lines that count, as they are.

Each file is read twice, and of its rows only digests are kept, in the index of a run: a first time to find the lines
that count, a second time to copy them.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from glmcli.batch.ledger.file import read_lines, read_tail
from glmcli.batch.ledger.index import Index, IndexedRow
from glmcli.batch.ledger.lock import lock_holder
from glmcli.batch.ledger.output import Lines
from glmcli.batch.ledger.record import RowState
from glmcli.batch.rows.row import MalformedRow
from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from glmcli.batch.rows.source import RowSource

_FEW = 5  # ids that are named
_SHOWN = 60  # characters of one


class MergeInput(Record):
    """An output that was read.

    Attributes:
        base: where its first byte stands among those of all parts.
        torn: the number of a line that was cut while it was written, and is no row; 0: there is none.
        holder: the process that still writes it, where the system tells.
    """

    path: str
    base: int
    size: int
    identity: tuple[int, int]
    torn: int
    holder: str | None


class MissingRows(Record):
    """Rows of the input without a line.

    Attributes:
        named: how many have an id; `first` are a few of those.
        unnamed: how many have none.
    """

    named: int
    first: tuple[str, ...]
    unnamed: int

    @property
    def count(self) -> int:
        """All of them."""
        return self.named + self.unnamed


class Merger:
    """Finds the lines that count: of one file the last that is ok, else the last; of several the first that is ok.

    A row that could not be asked is called by its place, as in `line-3`. Those of two inputs are not the same row:
    the later is given a number, as in `line-3#2`, unless it says the same.

    Attributes:
        parts: the files, in their order.
    """

    def __init__(self, *, keep_changed: bool) -> None:
        """`keep_changed`: the first of two answers counts, even if they answer different requests."""
        self._keep_changed = keep_changed
        self._index = Index()
        self._renamed: dict[int, str] = {}  # ids by where their lines begin
        self._changed: dict[str, tuple[int, int]] = {}  # ids answered to another request: where before, and where now
        self.parts: list[MergeInput] = []

    def read(self, path: str) -> MergeInput:
        """Take in the lines of another file.

        Raises:
            UsageError: it is no output of a batch, or a row of it was answered before, to another request.
        """
        base = self.parts[-1].base + self.parts[-1].size if self.parts else 0
        with _opened(path) as (fd, found):
            lines = Lines(path, read_lines(fd), lambda: read_tail(fd), fix="name the files that batch run -O wrote")
            for identity, known in lines.known():
                self._note(identity, known._replace(at=base + known.at), base)
            size = os.fstat(fd).st_size + 1
        part = MergeInput(path, base, size, (found.st_dev, found.st_ino), lines.torn, lock_holder(found))
        self.parts.append(part)
        self._refuse_changed()
        return part

    def _note(self, identity: str, new: IndexedRow, base: int) -> None:
        name = self._name(identity, new, base)
        old = self._index.known(name)
        if old is None or old.state != RowState.OK or old.at >= base:
            self._index.note(name, new)
        elif new.state == RowState.OK:
            self._compare(name, old, new)

    def _name(self, identity: str, new: IndexedRow, base: int) -> str:
        """The id; another if it is a place, and stands for a row of another input."""
        place, name, times = f"line-{new.line}", identity, 1
        if new.state != RowState.INVALID or identity.partition("#")[0] != place:
            return identity
        while (old := self._index.known(name)) and old.at < base and old.hash != new.hash:
            times += 1
            name = f"{place}#{times}"
        if name != identity:
            self._renamed[new.at] = name
        return name

    def _compare(self, identity: str, old: IndexedRow, new: IndexedRow) -> None:
        """Note whether they answer different requests; the last of this file decides."""
        if old.hash == new.hash:
            self._changed.pop(identity, None)
        elif not self._keep_changed:
            self._changed.setdefault(identity, (old.at, new.at))

    def _refuse_changed(self) -> None:
        for identity, (old, new) in self._changed.items():
            raise UsageError(
                f"the id {identity[:_SHOWN]!r} has answers to two requests: {self._place(old)} and {self._place(new)}",
                fix="--keep-changed keeps the first; else merge outputs of the same rows and the same request",
            )

    def _place(self, at: int) -> str:
        part = next(part for part in reversed(self.parts) if part.base <= at)
        with _opened(part.path) as (fd, _):
            number = sum(1 for place, _ in _all_lines(fd) if place + part.base <= at)
        return f"{part.path}:{number}"

    @property
    def counts(self) -> Counter[str]:
        """How many rows ended in which way (glmcli.batch.ledger.index)."""
        return self._index.states()

    def lines(self) -> Iterator[bytes]:
        """The lines that count, in the order of the files and as they stand there, but for the ids that are new.

        Raises:
            UsageError: a file was changed meanwhile.
        """
        counting = self._index.places(ordered=False)
        wanted = next(counting, None)
        for part in self.parts:
            with _opened(part.path) as (fd, found):
                if (found.st_dev, found.st_ino) != part.identity:
                    raise _was_changed(part)
                for at, line in _all_lines(fd):
                    if wanted == part.base + at:
                        yield self._copied(line, wanted)
                        wanted = next(counting, None)
                if wanted is not None and wanted < part.base + part.size:
                    raise _was_changed(part)

    def _copied(self, line: bytes, at: int) -> bytes:
        name = self._renamed.get(at)
        if name:
            line = json.dumps(json.loads(line) | {"id": name}).encode()  # in ASCII, as it may hold half a character
        return line + b"\n"

    def lacks(self, path: str) -> int:
        """How many answers of another output would be gone if this took its place; 0 if it is none."""
        answers = 0
        with suppress(UsageError), _opened(path) as (fd, _):
            for identity, known in Lines(path, read_lines(fd), lambda: read_tail(fd), fix="").known():
                if known.state == RowState.OK:
                    ours = self._index.known(identity)
                    answers += ours is None or ours.state != RowState.OK
        return answers

    def missing(self, source: RowSource) -> MissingRows:
        """The rows of an input that have no line. Those without an id can only be counted.

        Raises:
            UsageError: the input cannot be read.
        """
        named = unnamed = 0
        first: list[str] = []
        for row in source.rows():
            identity = row.id or f"line-{row.line}"
            if self._index.known(identity):
                continue
            if not row.id and not isinstance(row, MalformedRow):
                unnamed += 1
                continue
            if self._index.see(identity, row.line) is None:
                named += 1
                first += [identity] * (len(first) < _FEW)
        rows, lines = self._index.own
        # More answers than questions: of some rows there are several, to different requests.
        return MissingRows(named, tuple(first), max(unnamed - (rows if rows <= unnamed else lines), 0))


def _was_changed(part: MergeInput) -> UsageError:
    return UsageError(f"{part.path} was changed while it was read", fix="run it again")


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


def _all_lines(fd: int) -> Iterator[tuple[int, bytes]]:
    """Each line and where it begins, also a last one that nothing ends."""
    yield from read_lines(fd)
    yield read_tail(fd)
