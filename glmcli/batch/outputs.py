"""Where lines go: into the ledger, or to stdout, which remembers nothing."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcli.batch import index as states
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.index import Index
    from glmcli.batch.ledger import Ledger
    from glmcli.terminal import Stream


class Printed:
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


def load(ledger: Ledger, index: Index) -> int:
    """Tell the index of every line that an earlier run has written; how many there are.

    Raises:
        UsageError: the file is not the output of a batch.
    """
    lines = _Lines(ledger)
    index.note_all(lines.known())
    if lines.lost is not None:
        ledger.set_aside(lines.lost)
    ledger.count = lines.count
    return lines.count


class _Lines:
    """The lines of a ledger; `lost` is where those begin that never reached the disk before a power cut."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.count = 0
        self.lost: int | None = None

    def known(self) -> Iterator[tuple[str, states.Known]]:
        for at, line in self._ledger.lines():
            known = line_of(line, at)
            if known is None and b"\0" in line:
                self.lost = at if self.lost is None else self.lost
                continue
            if known is None or self.lost is not None:
                raise UsageError(
                    f"{self._ledger.path}:{self.count + 1}: not a line that glm batch has written",
                    fix="is it the right file? -O names the output, which is read to go on from there",
                )
            self.count += 1
            yield known


def line_of(line: bytes, at: int) -> tuple[str, states.Known] | None:
    """The id of the row, and how it ended; None for what is no line of an output."""
    try:
        value: Any = json.loads(line.decode())
        state = {"ok": states.OK, "invalid": states.INVALID}.get(value["status"])
        state = state or (states.FINAL if value["final"] else states.FAILED)
        known = states.Known(state, value["hash"], value["calls"], at)
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    is_whole = isinstance(value["id"], str) and isinstance(known.hash, str) and isinstance(known.calls, int)
    return (value["id"], known) if is_whole else None


def compact(ledger: Ledger, index: Index) -> None:
    """Leave only the lines that count: of each row the last. The file is replaced whole, or stays as it is.

    Raises:
        OSError: the new file cannot be written.
    """
    place = os.path.realpath(ledger.path)
    fd, beside = tempfile.mkstemp(dir=os.path.dirname(place), prefix=".glm-")  # noqa: PTH120 - strings suffice
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.fchmod(fd, stat.S_IMODE(os.stat(place).st_mode))  # noqa: PTH116 - as above
        counting = index.places()
        wanted = next(counting, None)
        with os.fdopen(os.dup(fd), "wb") as file:
            for at, line in ledger.lines():
                if at == wanted:
                    file.write(line + b"\n")
                    wanted = next(counting, None)
        os.fsync(fd)
        os.replace(beside, place)  # noqa: PTH105 - as above
    except BaseException:
        os.close(fd)
        with suppress(OSError):
            Path(beside).unlink()
        raise
    ledger.become(fd)
