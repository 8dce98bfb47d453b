"""The output of a batch, which is its ledger: a line is written whole, once, and only then does the row count as done.

A file is locked against a second run, and what a crash, a full disk or a power cut left torn at its end is set aside
when it is opened. What is promised: a row that was counted is in the file after `kill -9`, and after a power cut unless
it came in the last second.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from glmcli.batch.ledger.lock import lock
from glmcli.errors import OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEW_FILE = 0o666  # the umask takes from it
_PIECE = 1 << 20
_SHORT = 1 << 16
_SYNC = 1.0  # seconds between two looks at whether anything must reach the disk


class Ledger:
    """An open, locked file of JSON lines that only grows."""

    def __init__(self, path: str) -> None:
        """Open or make the file, and lock it; nothing in it is touched before `mend`.

        Raises:
            UsageError: it is no regular file, or another glm writes it.
            OutputError: it cannot be opened or written.
        """
        self.path = path
        self.torn = 0  # bytes that were set aside
        self.count = 0  # lines
        self._fd, self._is_new = _opened(path)
        self._failure: OutputError | None = None
        self._dirty = threading.Event()
        self._over = threading.Event()
        self._held = threading.Lock()  # while the descriptor is used, or replaced
        threading.Thread(target=self._keep_synced, daemon=True).start()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it, and with it the lock."""
        self._over.set()
        self._dirty.set()
        with self._held:
            if self._is_new and not os.fstat(self._fd).st_size and not self._gone():
                with suppress(OSError):  # a run that could not begin leaves no empty file behind
                    Path(self.path).resolve().unlink()
            os.close(self._fd)
            self._fd = -1

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Each whole line without its newline, and where it begins, in bytes."""
        yield from read_lines(self._fd)

    def line_at(self, at: int) -> bytes:
        """The line that begins here, without its newline."""
        line, piece = bytearray(), b""
        while b"\n" not in piece and (piece := os.pread(self._fd, _SHORT, at + len(line))):
            line += piece
        return bytes(line.partition(b"\n")[0])

    def write(self, line: bytes) -> int:
        """Append a line that ends in a newline; where it begins, in bytes.

        Raises:
            OutputError: it cannot be written whole; nothing of it stays.
        """
        if self._failure:
            raise self._failure
        left = memoryview(line)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError as error:
            self._take_back(len(line) - len(left))
            raise self._error(error) from error
        self.count += 1
        self._dirty.set()
        # The end of what was written, wherever the end of the file was: another may have added to it.
        return os.lseek(self._fd, 0, os.SEEK_CUR) - len(line)

    def _take_back(self, written: int) -> None:
        """Cut off the beginning of a line, if it is still the end of the file."""
        with suppress(OSError):  # the first failure is the one to tell
            end = os.lseek(self._fd, 0, os.SEEK_CUR)
            if written and end == os.fstat(self._fd).st_size:
                os.ftruncate(self._fd, end - written)

    def set_aside(self, at: int) -> None:
        """Move all that begins here into FILE.torn.

        Raises:
            OutputError: it cannot be moved.
        """
        try:
            self._set_aside(at)
        except OSError as error:
            raise self._error(error) from error

    def become(self, fd: int) -> None:
        """Go on in this file, which has taken the place of the old one and is locked."""
        with self._held:
            old, self._fd = self._fd, fd
            os.close(old)
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
        sync_folder(self.path)

    def sync(self) -> None:
        """Return when all lines have reached the disk.

        Raises:
            OutputError: they have not.
        """
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise self._failure or self._error(error) from error
        if failure := self._failure or self._gone():  # the system tells of a failed write only once
            raise failure

    def _gone(self) -> OutputError | None:
        """Why what is written would be lost, if the name no longer leads to this file."""
        try:
            if os.path.samestat(os.fstat(self._fd), os.stat(self.path)):  # noqa: PTH116 - of what the name leads to
                return None
        except OSError:
            pass
        return OutputError(
            message=f"cannot write {self.path}: it was moved, removed or replaced while this run wrote it",
            fix="what was written is in the file as it is called now; the same command goes on from there",
        )

    def _keep_synced(self) -> None:
        while not self._over.wait(_SYNC):
            self._dirty.wait()
            self._dirty.clear()
            try:
                with self._held:
                    if self._over.is_set():
                        return
                    os.fsync(self._fd)
                    self._failure = self._gone()
            except OSError as error:
                self._failure = self._error(error)
            if self._failure:
                return

    def _error(self, error: OSError) -> OutputError:
        return OutputError(
            message=f"cannot write {self.path}: {error.strerror}",
            fix="make room, then the same command again: what is in the file stays, and is not asked again",
        )

    def tail(self) -> tuple[int, bytes]:
        """What follows the last newline, and where it begins."""
        return read_tail(self._fd)

    def end_line(self) -> None:
        """Give the last line its newline.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            os.write(self._fd, b"\n")
        except OSError as error:
            raise self._error(error) from error

    def _set_aside(self, at: int) -> None:
        with open(f"{self.path}.torn", "ab") as aside:  # noqa: PTH123 - beside the file, whatever it is called
            read = at
            while piece := os.pread(self._fd, _PIECE, read):
                aside.write(piece)
                read += len(piece)
            aside.write(b"\n")
        os.ftruncate(self._fd, at)
        os.fsync(self._fd)
        self.torn = read - at


def _opened(path: str) -> tuple[int, bool]:
    """A descriptor of the file, locked, and whether it is new; opened anew if it was replaced meanwhile."""
    try:
        while True:
            made = not Path(path).exists()
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _NEW_FILE)
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise UsageError(message=f"--output: {path} is no regular file", fix="-O FILE, or stdout without -O")
            lock(fd, path)
            if os.path.samestat(os.fstat(fd), os.stat(path)):  # noqa: PTH116 - of what the path names now
                break
            os.close(fd)
        if made:
            sync_folder(path)
    except OSError as error:
        raise OutputError(message=f"cannot write {path}: {error.strerror}") from error
    return fd, made


def sync_folder(path: str) -> None:
    """Make the name of a new file as lasting as what is in it."""
    fd = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY | os.O_DIRECTORY)  # noqa: PTH120 - no Path has it
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_tail(fd: int) -> tuple[int, bytes]:
    """What follows the last newline of a file, and where it begins, in bytes."""
    pieces: list[bytes] = []
    at = size = os.fstat(fd).st_size
    while at > 0 and not (pieces and b"\n" in pieces[-1]):
        step = min(_PIECE, at)
        at -= step
        pieces.append(os.pread(fd, step, at))
    tail = b"".join(reversed(pieces)).rpartition(b"\n")[2]
    return size - len(tail), tail


def read_lines(fd: int) -> Iterator[tuple[int, bytes]]:
    """Each whole line of a file without its newline, and where it begins, in bytes."""
    at, read, begun = 0, 0, bytearray()  # bytes added to bytes would be copied with every piece of a long line
    while piece := os.pread(fd, _PIECE, read):
        read += len(piece)
        *ends, rest = piece.split(b"\n")
        for end in ends:
            line = bytes(begun + end) if begun else end
            begun.clear()
            yield at, line
            at += len(line) + 1
        begun += rest
