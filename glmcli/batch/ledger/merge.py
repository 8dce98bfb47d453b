"""Merges ledgers: of each row the line that counts, copied unchanged.

Each file is read twice, and of its rows only digests are kept, in the index of a run: a first time to find the lines
that count, a second time to copy them.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from glmcli.batch.ledger.file import read_chunks, split_lines
from glmcli.batch.ledger.index import Index, IndexedRow, indexed, unreadable_lines
from glmcli.batch.ledger.lock import lock_holder
from glmcli.batch.ledger.record import LedgerReader, RowState, pieces
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
    """A ledger that was read.

    Attributes:
        base: the offset of its first byte in all inputs together.
        unreadable: which lines cannot be read, in words; empty: there are none.
        holder: the process that still writes it, if the system says so.
    """

    path: str
    base: int
    size: int
    identity: tuple[int, int]
    unreadable: str
    holder: str | None


class MissingRows(Record):
    """Rows of an input without a line.

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

    A row that could not be sent is named by its line, as in `line-3`. Those of two inputs are different rows: the later
    one gets a number, as in `line-3#2`, unless both have the same hash.

    Attributes:
        inputs: the files, in their order.
    """

    def __init__(self, *, keep_changed: bool) -> None:
        """`keep_changed`: the first of two answers counts, even if they answer different requests."""
        self._keep_changed = keep_changed
        self._index = Index()
        self._renamed: dict[int, str] = {}  # new ids, by where their lines begin
        self._changed: dict[str, tuple[int, int]] = {}  # where rows were answered twice, to different requests
        self.inputs: list[MergeInput] = []

    def read(self, path: str) -> MergeInput:
        """Add the lines of another file.

        Raises:
            UsageError: it is no output of a batch, or a row of it was answered before, to another request.
        """
        base = self.inputs[-1].base + self.inputs[-1].size if self.inputs else 0
        with _opened(path) as (fd, found):
            reader = _reader(path, fd)
            for at, record in reader.records():
                self._add(record.id, indexed(record, base + at), base)
            size = os.fstat(fd).st_size + 1
        unreadable = unreadable_lines(reader) if reader.unreadable else ""
        read = MergeInput(path, base, size, (found.st_dev, found.st_ino), unreadable, lock_holder(found))
        self.inputs.append(read)
        self._refuse_changed()
        return read

    def _add(self, row_id: str, new: IndexedRow, base: int) -> None:
        name = self._name(row_id, new, base)
        old = self._index.get(name)
        if old is None or old.state != RowState.OK or old.at >= base:
            self._index.add(name, new)
        elif new.state == RowState.OK:
            self._compare(name, old, new)

    def _name(self, row_id: str, new: IndexedRow, base: int) -> str:
        """The id; with another number if it is a line and already names a row of another input."""
        place, name, times = f"line-{new.line}", row_id, 1
        if new.state != RowState.INVALID or row_id.partition("#")[0] != place:
            return row_id
        while (old := self._index.get(name)) and old.at < base and old.hash != new.hash:
            times += 1
            name = f"{place}#{times}"
        if name != row_id:
            self._renamed[new.at] = name
        return name

    def _compare(self, row_id: str, old: IndexedRow, new: IndexedRow) -> None:
        """Note whether they answer different requests; the last answer of a file decides."""
        if old.hash == new.hash:
            self._changed.pop(row_id, None)
        elif not self._keep_changed:
            self._changed.setdefault(row_id, (old.at, new.at))

    def _refuse_changed(self) -> None:
        for row_id, (old, new) in self._changed.items():
            raise UsageError(
                f"the id {row_id[:_SHOWN]!r} has answers to two requests: {self._place(old)} and {self._place(new)}",
                fix="--keep-changed keeps the first; else merge outputs of the same rows and the same request",
            )

    def _place(self, at: int) -> str:
        """As in `FILE:LINE`."""
        read = next(each for each in reversed(self.inputs) if each.base <= at)
        with _opened(read.path) as (fd, _):
            number = sum(1 for offset, _, _ in split_lines(read_chunks(fd)) if offset + read.base <= at)
        return f"{read.path}:{number}"

    @property
    def counts(self) -> Counter[str]:
        """How many rows are in which RowState."""
        return self._index.count_states()

    def lines(self) -> Iterator[bytes]:
        """The lines that count, in the order of the files, unchanged except for new ids.

        Raises:
            UsageError: a file was changed meanwhile.
        """
        offsets = self._index.offsets(ordered=False)
        following = next(offsets, None)
        for read in self.inputs:
            with _opened(read.path) as (fd, found):
                if (found.st_dev, found.st_ino) != read.identity:
                    raise _was_changed(read)
                for _, at, line, _ in pieces(split_lines(read_chunks(fd))):
                    if following == read.base + at:
                        yield self._copied(line, following)
                        following = next(offsets, None)
                if following is not None and following < read.base + read.size:
                    raise _was_changed(read)

    def _copied(self, line: bytes, at: int) -> bytes:
        name = self._renamed.get(at)
        if name:
            line = json.dumps(json.loads(line) | {"id": name}).encode()  # in ASCII, as it may hold half a character
        return line + b"\n"

    def count_lost_answers(self, path: str) -> int:
        """How many answers of another ledger would be lost if the merged one took its place; 0 if it is none."""
        answers = 0
        with suppress(UsageError), _opened(path) as (fd, _):
            for _, record in _reader(path, fd).records():
                if record.state == RowState.OK:
                    ours = self._index.get(record.id)
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
            row_id = row.id or f"line-{row.line}"
            if self._index.get(row_id):
                continue
            if not row.id and not isinstance(row, MalformedRow):
                unnamed += 1
                continue
            if self._index.add_input(row_id, row.line) is None:
                named += 1
                first += [row_id] * (len(first) < _FEW)
        rows, lines = self._index.count_unnamed()
        # More answers than questions: of some rows there are several, to different requests.
        return MissingRows(named, tuple(first), max(unnamed - (rows if rows <= unnamed else lines), 0))


def _was_changed(read: MergeInput) -> UsageError:
    return UsageError(f"{read.path} was changed while it was read", fix="run it again")


def _reader(path: str, fd: int) -> LedgerReader:
    return LedgerReader(path, split_lines(read_chunks(fd)), fix="name the files that batch run -O wrote")


@contextmanager
def _opened(path: str) -> Iterator[tuple[int, os.stat_result]]:
    if path == "-":
        raise UsageError("an output is read twice, which stdin cannot be", fix="merge files")
    try:
        # Without O_NONBLOCK, opening a FIFO would wait until somebody writes to it.
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
