"""The file of the ledger, which is the output of a batch: a row counts as done once its line is written whole.

The file is locked against a second run. A row that was counted is in the file after `kill -9`, and after a power cut
unless it ended in the last second. What a crash, a full disk or a power cut left torn at the end is moved to FILE.torn
when the next run opens it.
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
from glmcli.batch.ledger.record import LONGEST, parse
from glmcli.errors import OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmcli.batch.ledger.record import LedgerRecord

_NEW_FILE = 0o666  # the umask takes from it
_CHUNK = 1 << 20
_SHORT = 1 << 12  # bytes that are read of a line at first
_SYNC = 1.0  # seconds between two syncs to the disk


class Ledger:
    """An open, locked file of JSON lines that only grows.

    Attributes:
        torn: bytes of torn lines that were moved to FILE.torn.
        count: lines in the file.
    """

    def __init__(self, path: str) -> None:
        """Open or create the file, and lock it; nothing in it changes yet.

        Raises:
            UsageError: it is no regular file, or another glm writes it.
            OutputError: it cannot be opened or written.
        """
        self.path = path
        self.torn = self.count = 0
        self._fd, self._is_new = _opened(path)
        self._failure: OutputError | None = None
        self._unsynced = threading.Event()
        self._closed = threading.Event()
        self._descriptor_lock = threading.Lock()  # held while the descriptor is synced, closed or replaced
        threading.Thread(target=self._keep_synced, daemon=True).start()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it, and with it the lock."""
        self._closed.set()
        self._unsynced.set()
        with self._descriptor_lock:
            if self._is_new and not os.fstat(self._fd).st_size and not self._gone():
                with suppress(OSError):  # a run that could not begin leaves no empty file behind
                    Path(self.path).resolve().unlink()
            os.close(self._fd)
            self._fd = -1

    def keep(self) -> None:
        """Let the file stay even if nothing is written: no rows are an output too."""
        self._is_new = False

    def lines(self) -> Iterator[tuple[int, bytes, bool]]:
        """As `split_lines`, from the beginning of the file."""
        return split_lines(read_chunks(self._fd))

    def records(self) -> Iterator[LedgerRecord]:
        """The record of each line, once all were validated (see `load_ledger`)."""
        for _, line, is_ended in self.lines():
            if is_ended and line.strip():
                yield parse(line)

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
        self._unsynced.set()
        # The position after the write, not the size before it: another process may have appended.
        return os.lseek(self._fd, 0, os.SEEK_CUR) - len(line)

    def _take_back(self, written: int) -> None:
        """Cut off the beginning of a line, if it is still the end of the file."""
        with suppress(OSError):  # only the first failure is reported
            end = os.lseek(self._fd, 0, os.SEEK_CUR)
            if written and end == os.fstat(self._fd).st_size:
                os.ftruncate(self._fd, end - written)

    def move_torn(self, at: int) -> None:
        """Move all that begins here into FILE.torn.

        Raises:
            OutputError: it cannot be moved.
        """
        try:
            with open(f"{self.path}.torn", "ab") as file:  # noqa: PTH123 - beside the ledger, whatever it is called
                read = at
                while chunk := os.pread(self._fd, _CHUNK, read):
                    file.write(chunk)
                    read += len(chunk)
                file.write(b"\n")
            os.ftruncate(self._fd, at)
            os.fsync(self._fd)
        except OSError as error:
            raise self._error(error) from error
        self.torn = read - at

    def compact(self, offsets: Iterable[int]) -> None:
        """Keep only the lines that begin at these offsets, in this order.

        The new file is written beside the old one and renamed over it: the ledger is replaced whole, or stays as it is.

        Raises:
            OutputError: the path of the ledger names another file now.
            OSError: the new file cannot be written.
        """
        self.sync()
        path = os.path.realpath(self.path)
        new_path = replacement_path(path)
        fd = -1
        try:  # a signal may be raised as soon as the file is there
            fd = os.open(new_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
            os.fchmod(fd, stat.S_IMODE(os.stat(path).st_mode))  # noqa: PTH116 - a string is all that is needed
            with os.fdopen(os.dup(fd), "wb") as file:
                for offset in offsets:
                    file.write(line_at(self._fd, offset) + b"\n")
            os.fsync(fd)
            os.replace(new_path, path)  # noqa: PTH105 - as above
        except BaseException:
            with suppress(OSError):
                Path(new_path).unlink()
            if fd >= 0:
                os.close(fd)
            raise
        with self._descriptor_lock:
            old, self._fd = self._fd, fd
            os.close(old)
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
        sync_folder(path)

    def sync(self) -> None:
        """Return when all lines have reached the disk.

        Raises:
            OutputError: they have not.
        """
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise self._failure or self._error(error) from error
        if failure := self._failure or self._gone():  # the system reports a failed write only once
            raise failure

    def _gone(self) -> OutputError | None:
        """The error if the path no longer names this file, so that what is written would be lost."""
        try:
            if os.path.samestat(os.fstat(self._fd), os.stat(self.path)):  # noqa: PTH116 - follows links
                return None
        except OSError:
            pass
        return OutputError(
            message=f"cannot write {self.path}: it was moved, removed or replaced while this run wrote it",
            fix="what was written is in the file as it is called now; the same command resumes from there",
        )

    def _keep_synced(self) -> None:
        while not self._closed.wait(_SYNC):
            self._unsynced.wait()
            self._unsynced.clear()
            try:
                with self._descriptor_lock:
                    if self._closed.is_set():
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


def replacement_path(path: str) -> str:
    """Where `compact` writes the new file; a file that a crash left there is of no use."""
    path = os.path.realpath(path)
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")  # noqa: PTH118, PTH119, PTH120 - strings


def sync_folder(path: str) -> None:
    """Sync the folder of a new file, so that its name is on the disk too."""
    fd = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY | os.O_DIRECTORY)  # noqa: PTH120 - no Path has it
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def split_lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes, bool]]:
    """Each line without its newline: where it begins, in bytes, its bytes, and whether a newline ends it.

    Only the last line may lack its newline. A line longer than a record may be ends the reading, as a last line.
    """
    at, begun = 0, bytearray()  # adding bytes to bytes would copy a long line with every chunk
    for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line = bytes(begun + end) if begun else end
            begun.clear()
            yield at, line, True
            at += len(line) + 1
        begun += rest
        if len(begun) > LONGEST:
            break
    if begun:
        yield at, bytes(begun), False


def line_at(fd: int, at: int) -> bytes:
    """The line that begins at this offset, without its newline."""
    line, size = bytearray(), _SHORT
    while chunk := os.pread(fd, size, at + len(line)):
        line += chunk
        if b"\n" in chunk:
            break
        size *= 4
    return bytes(line.partition(b"\n")[0])


def read_chunks(fd: int) -> Iterator[bytes]:
    """The bytes of a file from its beginning, whatever the offset of its descriptor."""
    at = 0
    while chunk := os.pread(fd, _CHUNK, at):
        at += len(chunk)
        yield chunk
