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


_WRITTEN = "is it the right file? -O names the output, which is read to go on from there"


def refuse_foreign(path: str) -> None:
    """Leave a file alone that is no output, before its last line is looked at, and set aside if it is torn.

    Raises:
        UsageError: it does not begin as one.
    """
    if not os.path.isfile(path):  # noqa: PTH113 - a string suffices; opening a FIFO would wait
        return
    with suppress(OSError), open(path, "rb") as file:  # noqa: PTH123 - the ledger says what is wrong
        begin = file.read(16).strip(b"\0")
        if begin and not begin.startswith(b"{"):
            raise UsageError(f"{path}:1: not a line that glm batch has written", fix=_WRITTEN)


def load(ledger: Ledger, index: Index) -> int:
    """Tell the index of every line that an earlier run has written; how many there are.

    Raises:
        UsageError: the file is not the output of a batch.
    """
    lines, lost = 0, None
    for at, line in ledger.lines():
        known = line_of(line, at)
        if known is None and b"\0" in line:
            lost = at if lost is None else lost  # what a power cut leaves of blocks that never reached the disk
            continue
        if known is None or lost is not None:
            number = lines + 1
            raise UsageError(
                f"{ledger.path}:{number}: not a line that glm batch has written",
                fix=_WRITTEN,
            )
        lines += 1
        index.note(*known, own=is_own(*known))
    if lost is not None:
        ledger.set_aside(lost)
    ledger.count = lines
    return lines


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


def is_own(identity: str, known: states.Known) -> bool:
    """Whether the row is named by what it asks, as it has no id of its own."""
    return identity.partition("#")[0] == known.hash


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
