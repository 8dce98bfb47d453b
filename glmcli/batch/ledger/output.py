"""Where lines go: into the ledger, or to stdout, which remembers nothing."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcli.batch.ledger.index import IndexedRow
from glmcli.batch.ledger.record import RowState
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from glmcli.batch.ledger.file import Ledger
    from glmcli.batch.ledger.index import Index
    from glmcli.console.terminal import Stream


_BEGINNING = b'{"id": '  # of every line that we write
_MOST = 10**12  # a larger count is none
_RIGHT_FILE = "is it the right file? -O names the output, which is read to go on from there"


class StdoutSink:
    """Lines on stdout: nothing can be resumed."""

    def __init__(self, stream: Stream) -> None:
        """Write to this stream."""
        stream.check()
        self._stream = stream

    def write(self, line: bytes) -> int:
        """Print the line.

        Raises:
            OutputError: it cannot be written.
            ReaderGoneError: nobody reads it.
        """
        self._stream.write(line.decode())
        return 0


def load_ledger(ledger: Ledger, index: Index) -> int:
    """Tell the index of every line that an earlier run has written, and mend the end; how many lines there are.

    Raises:
        UsageError: the file is not the output of a batch; nothing in it was touched.
    """
    lines = Lines(ledger.path, ledger.lines(), ledger.tail, fix=_RIGHT_FILE)
    index.note_all(lines.known())
    ledger.count = lines.count
    if lines.lost is not None:
        ledger.set_aside(lines.lost)
    elif lines.is_whole:
        ledger.end_line()
    return lines.count


class Lines:
    """The lines of an output, whoever reads it.

    Attributes:
        count: how many there are.
        lost: where those begin that are no lines: torn, or what a power cut left of blocks that never reached the disk.
        torn: the number of the first of those; 0: there is none.
        is_whole: the last line lacks nothing but its newline.
    """

    def __init__(
        self, path: str, lines: Iterable[tuple[int, bytes]], tail: Callable[[], tuple[int, bytes]], *, fix: str
    ) -> None:
        """`lines` are those that a newline ends, `tail` is what follows them, each with where it begins, in bytes."""
        self._path = path
        self._lines = lines
        self._read_tail = tail
        self._fix = fix
        self._number = 0
        self.count = 0
        self.lost: int | None = None
        self.torn = 0
        self.is_whole = False

    def known(self) -> Iterator[tuple[str, IndexedRow]]:
        """What each says, as line_of does.

        Raises:
            UsageError: there is something else among them.
        """
        for at, line in self._lines:
            yield from self._one(at, line, is_ended=True)
        at, line = self._read_tail()
        if self.lost is None:
            yield from self._one(at, line, is_ended=False)

    def _one(self, at: int, line: bytes, *, is_ended: bool) -> Iterator[tuple[str, IndexedRow]]:
        self._number += 1
        if not line.strip():
            return
        known = line_of(line, at)
        if known is None and is_lost(line, is_ended=is_ended, is_first=not self.count):
            self.lost, self.torn = (at, self._number) if self.lost is None else (self.lost, self.torn)
            return
        if known is None or self.lost is not None:
            raise UsageError(f"{self._path}:{self._number}: not a line that glm batch has written", fix=self._fix)
        self.is_whole = not is_ended
        self.count += 1
        yield known


def line_of(line: bytes, at: int) -> tuple[str, IndexedRow] | None:
    """The id of the row, and how it ended; None for what is no line of an output."""
    try:
        value: Any = json.loads(line.decode())
        state = {"ok": RowState.OK, "invalid": RowState.INVALID}.get(value["status"])
        state = state or (RowState.FINAL if value["final"] else RowState.FAILED)
        known = IndexedRow(state, value["hash"], value["calls"], at, value.get("line", 0))
        is_answered = state != RowState.OK or isinstance(value.get("answer", ""), str)
        value["id"].encode()
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
    counts = all(type(count) is int and 0 <= count < _MOST for count in (known.calls, known.line))
    is_whole = is_answered and counts and isinstance(known.hash, str) and known.hash.isascii()
    is_whole = is_whole and isinstance(value.get("columns", {}), dict) and _is_cost(value.get("cost"))
    return (value["id"], known) if is_whole else None


def is_lost(line: bytes, *, is_ended: bool, is_first: bool) -> bool:
    """Whether what is no line was one before a crash: cut, or zeros where blocks never reached the disk."""
    if is_ended:
        return b"\0" in line
    return not _is_json(line) and (not is_first or _BEGINNING.startswith(line[: len(_BEGINNING)]))


def _is_json(line: bytes) -> bool:
    """Whether it is a whole JSON text, which no line is that was torn."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _is_cost(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether it is an amount of money that can be added up, or none."""
    if not isinstance(value, dict):
        return value is None
    amount = value.get("amount")
    return isinstance(amount, int | float) and not isinstance(amount, bool) and 0 <= amount < _MOST


def total_cost(ledger: Ledger) -> float:
    """What the rows of an output have cost, by the lines that are there."""
    costs = (json.loads(line).get("cost") for _, line in ledger.lines() if line.strip())
    return sum(float(cost["amount"]) for cost in costs if cost)


def compact(ledger: Ledger, index: Index, *, ordered: bool) -> None:
    """Leave only the lines that count, of each row one, in their order or in that of the input.

    The file is replaced whole, or stays as it is.

    Raises:
        OutputError: it is no longer the file that its name leads to.
        OSError: the new file cannot be written.
    """
    ledger.sync()
    place = os.path.realpath(ledger.path)
    beside = replacement_path(place)
    fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.fchmod(fd, stat.S_IMODE(os.stat(place).st_mode))  # noqa: PTH116 - a string is all that is needed
        with os.fdopen(os.dup(fd), "wb") as file:
            for at in index.places(ordered=ordered):
                file.write(ledger.line_at(at) + b"\n")
        os.fsync(fd)
        os.replace(beside, place)  # noqa: PTH105 - as above
    except BaseException:
        os.close(fd)
        with suppress(OSError):
            Path(beside).unlink()
        raise
    ledger.become(fd)


def replacement_path(path: str) -> str:
    """Where the new form of an output is written; what a crash leaves there is worth nothing."""
    place = os.path.realpath(path)
    return os.path.join(os.path.dirname(place), f".{os.path.basename(place)}.new")  # noqa: PTH118, PTH119, PTH120 - as above
