"""The file of the ledger, which is the output of a batch: a row counts as done once its line is written whole.

The file is locked against a second run. A row that was counted is in the file after `kill -9`, and after a power cut
unless it ended in the last second, or each line is synced. What cannot be read when the next run opens it, because a
crash, a full disk or a power cut left it so, is set aside in FILE.torn.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from glmcli.batch.ledger.lock import lock
from glmcli.batch.ledger.record import LONGEST, LedgerReader, joined_records
from glmcli.console.files import (
    FIXED_IN_PLACE,
    NEW_FILE,
    Replacement,
    obstacle,
    open_own,
    sync,
    sync_folder,
    write_all,
    write_pieces,
)
from glmcli.errors import OutputError, UsageError
from glmcli.output.amounts import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmcli.batch.ledger.record import LedgerRecord

_CHUNK = 1 << 20
_SHORT = 1 << 12  # bytes that are read of a line at first
_SYNC = 1.0  # seconds between two syncs to the disk
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Ledger:
    """An open, locked file of JSON lines that only grows.

    Attributes:
        count: lines in the file.
        is_tidy: each record has a line of its own.
    """

    def __init__(self, path: str, *, syncs: bool = False, follows: bool = True) -> None:
        """Open or create the file, and lock it; nothing in it changes yet.

        `syncs`: a line that was written has reached the disk. `follows`: the path may be a symbolic link.

        Raises:
            UsageError: it is no regular file, or another glm writes it.
            OutputError: it cannot be opened or written.
        """
        self.path = path
        self.count = 0
        self.is_tidy = True
        self._syncs = syncs
        self._fd, self._is_new = _opened(path, follows=follows)
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
        """The record of each line that has one."""
        return (record for _, record in LedgerReader(self.path, self.lines(), fix="").records())

    def write(self, line: bytes) -> int:
        """Append a line that ends in a newline; where it begins, in bytes.

        After an error it does not count, even if it is there: nobody was told of it.

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
        if self._syncs:
            self.sync()
        else:
            self._unsynced.set()
        self.count += 1
        # The position after the write, not the size before it: another process may have appended.
        return os.lseek(self._fd, 0, os.SEEK_CUR) - len(line)

    def _take_back(self, written: int) -> None:
        """Cut off the beginning of a line, if it is still the end of the file."""
        with suppress(OSError):  # only the first failure is reported
            end = os.lseek(self._fd, 0, os.SEEK_CUR)
            if written and end == os.fstat(self._fd).st_size:
                os.ftruncate(self._fd, end - written)

    def end_line(self) -> None:
        """Write the newline that the last line lacks.

        Raises:
            OutputError: it cannot be written.
        """
        self.write(b"\n")

    def set_aside(self, reader: LedgerReader) -> str:
        """Move what the reader could not read into FILE.torn; what became of it, in words.

        It stays where no file can be made beside this one, or put in its place: it is passed over then.

        Raises:
            OutputError: it cannot be moved.
        """
        try:
            why = obstacle(self.path) if reader.damaged else None
            size = 0 if why else self._move(reader)
        except OSError as error:
            if error.errno not in FIXED_IN_PLACE:
                raise self._error(error) from error
            why, size = error.strerror, 0
        end = os.fstat(self._fd).st_size
        if end and os.pread(self._fd, 1, end - 1) != b"\n":
            self.end_line()
        stays = f"what they hold stays, for no file can be put beside or in place of this one ({why})"
        return stays if why else f"{plural(size, 'byte')} moved to {self.path}.torn"

    def _move(self, reader: LedgerReader) -> int:
        size = self._copy_torn(reader)
        if reader.damaged:
            self._replace(at for at, _ in LedgerReader(self.path, self.lines(), fix="").records())
        else:
            os.ftruncate(self._fd, reader.torn_at)
            sync(self._fd)
        return size

    def _copy_torn(self, reader: LedgerReader) -> int:
        """Append what could not be read to FILE.torn; how many bytes."""
        path, size = f"{self.path}.torn", 0
        try:
            fd = open_own(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        except OSError as error:
            if error.errno in (*FIXED_IN_PLACE, *_FULL):
                raise
            raise OutputError(
                message=f"cannot write {path}, where what cannot be read is set aside: {error.strerror}",
                fix=f"move it away, or give {self.path} a shorter name; then the same command again",
            ) from error
        try:
            for begin, end in (*reader.damaged, (reader.torn_at, os.fstat(self._fd).st_size)):
                size += self._copy(fd, begin, end) if begin >= 0 else 0
            sync(fd)
        finally:
            os.close(fd)
        sync_folder(path)
        return size

    def _copy(self, fd: int, begin: int, end: int) -> int:
        at = begin
        while chunk := os.pread(self._fd, min(_CHUNK, end - at), at):
            write_all(fd, chunk)
            at += len(chunk)
        if os.pread(self._fd, 1, end - 1) != b"\n":
            write_all(fd, b"\n")
        return at - begin

    def compact(self, offsets: Iterable[int]) -> None:
        """Keep only the lines that begin at these offsets, in this order.

        The new file is written beside the old one and renamed over it: the ledger is replaced whole, or stays as it is.

        Raises:
            OutputError: the path of the ledger names another file now.
            OSError: the new file cannot be written, or cannot take its place.
        """
        self.sync()
        self._replace(offsets)

    def _replace(self, offsets: Iterable[int]) -> None:
        """Put a file in place of this one that holds the records that begin here, each in a line of its own."""
        new = Replacement(os.path.realpath(self.path))
        try:
            write_pieces(new.fd, (piece for at in offsets for piece in (line_at(self._fd, at), b"\n")))
            new.put()
        except BaseException:
            new.discard()
            raise
        with self._descriptor_lock:
            old, self._fd = self._fd, new.fd  # it is locked too
            os.close(old)
        fcntl.fcntl(self._fd, fcntl.F_SETFL, os.O_APPEND)
        sync_folder(self.path)

    def sync(self) -> None:
        """Return when all lines have reached the disk.

        Raises:
            OutputError: they have not.
        """
        try:
            sync(self._fd)
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
                    sync(self._fd)
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


def _opened(path: str, *, follows: bool) -> tuple[int, bool]:
    """A descriptor of the file, locked, and whether it is new; opened anew if it was replaced meanwhile."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | (0 if follows else os.O_NOFOLLOW)
    try:
        while True:
            made = not Path(path).exists()
            fd = os.open(path, flags, NEW_FILE)
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


def split_lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes, bool]]:
    """Each line without its newline: where it begins, in bytes, its bytes, and whether a newline ends it.

    Only the last line may lack its newline. Of a line that is longer than a record may be, a part is left out.
    """
    at, begun, left_out = 0, bytearray(), 0  # adding bytes to bytes would copy a long line with every chunk
    for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line = bytes(begun + end) if begun else end
            begun.clear()
            yield at, line, True
            at += len(line) + left_out + 1
            left_out = 0
        begun += rest
        if len(begun) > LONGEST + _CHUNK:
            left_out += len(begun) - LONGEST - 1
            del begun[LONGEST + 1 :]
    if begun:
        yield at, bytes(begun), False


def line_at(fd: int, at: int) -> bytes:
    """The record that begins at this offset, without what ends it: a newline, or what stands in its place."""
    line, size = b"", _SHORT
    while chunk := os.pread(fd, size, at + len(line)):
        line += chunk
        if b"\n" in chunk or b"\0" in chunk or len(joined_records(line)) > 1:
            break
        size *= 4
    return joined_records(line.partition(b"\n")[0].partition(b"\0")[0])[0]


def read_chunks(fd: int) -> Iterator[bytes]:
    """The bytes of a file from its beginning, whatever the offset of its descriptor."""
    at = 0
    while chunk := os.pread(fd, _CHUNK, at):
        at += len(chunk)
        yield chunk
