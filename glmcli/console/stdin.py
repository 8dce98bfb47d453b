"""Standard input: which argument reads it, and reading it without hanging silently."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from contextlib import contextmanager, nullcontext, suppress
from typing import IO, TYPE_CHECKING

from glmcli.console.terminal import STDIN
from glmcli.errors import NetworkError, UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class SizeLimit(Record):
    """How much is read at the most: in bytes, in words for the message, and what to do with more."""

    size: int
    words: str
    fix: str


# A window of a million tokens holds 4 to 8 MB of text; more than this is a mistake, found before it is sent.
TEXT = SizeLimit(32 << 20, "32 MiB (33554432 bytes), more than any model reads", "send a part of it")
STDIN_PATHS = ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")  # names of descriptor 0, which is read once
_PIPE_FIX = "pipe something in, or name a file"
_IGNORE_FIX = "--no-stdin ignores it"
_EOF_HINT = "Ctrl-D ends it"
_NOTICE_AFTER = 2.0  # seconds until we say what we wait for
_CHUNK = 1 << 16  # bytes
_MAX_POLL = 86400.0  # seconds; the system refuses very long ones
_FIXES = {
    errno.ENOENT: "check the path, and the directory that it begins in",
    errno.EISDIR: "name a file in it",
    errno.EACCES: "check who may read it: ls -l",
}


def decode(data: bytes, name: str) -> str:
    """UTF-8 text without its byte order mark.

    Raises:
        UsageError: it is not UTF-8; the message names the byte.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # utf-8-sig counts from after the mark.
        at = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        raise UsageError(
            message=f"{name} is not UTF-8 (byte 0x{data[at]:02X} at {at})",
            fix="convert it, for example with iconv -f ENCODING -t UTF-8",
        ) from error


class Stdin:
    """Descriptor 0, which only one argument can read; `owner` is that argument, for messages."""

    def __init__(self, *, is_closed: bool, deadline: float, say: Callable[[str], None]) -> None:
        """`deadline` is a monotonic time; `say` prints a line that even --quiet shows."""
        self._owner: str | None = None
        self._reserved: str | None = None
        self._is_closed = is_closed
        self._deadline = deadline
        self._say = say

    @property
    def has_input(self) -> bool:
        """Whether it is a pipe, a socket or a regular file, and not claimed yet."""
        if self.is_claimed:
            return False
        try:
            mode = os.fstat(STDIN).st_mode
        except OSError as error:
            raise _unreadable(error, _IGNORE_FIX) from error
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode)

    @property
    def is_claimed(self) -> bool:
        """Whether an argument reads it, or it is closed."""
        return self._is_closed or self._owner is not None or self._reserved is not None

    @property
    def was_read(self) -> bool:
        """Whether an argument has read it."""
        return self._owner is not None

    @property
    def begins_at(self) -> int:
        """How many bytes of it were read before this program began, if it is a regular file; else 0."""
        with suppress(OSError):
            if stat.S_ISREG(os.fstat(STDIN).st_mode):
                return os.lseek(STDIN, 0, os.SEEK_CUR)
        return 0

    def reserve(self, owner: str) -> None:
        """Keep stdin for an argument that reads it later, or, where nothing is sent, never."""
        self._reserved = owner

    def read(self, owner: str, limit: SizeLimit = TEXT, *, may_be_ignored: bool = False) -> bytes:
        """All bytes until the end; `may_be_ignored`: messages may suggest --no-stdin, which this command has.

        Raises:
            UsageError: another argument has claimed it, or there is too much.
            NetworkError: the deadline passed first.
        """
        self._claim(owner)
        data = bytearray()
        for chunk in self._chunks(owner, may_be_ignored=may_be_ignored):
            data += chunk
            if len(data) > limit.size:
                raise UsageError(message=f"stdin is larger than {limit.words}", fix=limit.fix)
        return bytes(data)

    def chunks(self, owner: str) -> Iterator[bytes]:
        """The same bytes chunk by chunk, as they arrive, however many; claimed at once, read on iteration.

        Raises:
            UsageError: another argument has claimed it; on iteration: it cannot be read.
            NetworkError: on iteration: the deadline passed first.
        """
        self._claim(owner)
        return self._chunks(owner)

    def file_offset(self, owner: str) -> int | None:
        """The current position in bytes, if it is a file, which the caller then reads itself; else None.

        Raises:
            UsageError: another argument has claimed it.
        """
        if self._is_closed or not stat.S_ISREG(os.fstat(STDIN).st_mode):
            return None
        self._claim(owner)
        return os.lseek(STDIN, 0, os.SEEK_CUR)

    def open(self, owner: str) -> IO[bytes]:
        """Its bytes as a file, for what is read line by line, once the first of them have arrived.

        Raises:
            UsageError: another argument has claimed it.
            NetworkError: the deadline passed first.
        """
        self._claim(owner)
        self._wait(owner, _EOF_HINT)
        return os.fdopen(STDIN, "rb", closefd=False)

    def _claim(self, owner: str) -> None:
        other = self._owner or self._reserved
        if other and (self._owner or other != owner):
            raise UsageError(message=f"stdin is used twice: by {other} and by {owner}", fix="use a file for one")
        self._owner = owner
        if self._is_closed:
            raise UsageError(message=f"{owner} reads stdin, but stdin is closed", fix=_PIPE_FIX)

    def _chunks(self, owner: str, *, may_be_ignored: bool = False) -> Iterator[bytes]:
        hint = f"{_EOF_HINT}, {_IGNORE_FIX}" if may_be_ignored else _EOF_HINT
        try:
            self._wait(owner, hint)
            while chunk := os.read(STDIN, _CHUNK):
                yield chunk
                self._wait(owner, None)
        except OSError as error:
            raise _unreadable(error, _IGNORE_FIX if may_be_ignored else _PIPE_FIX) from error

    def _wait(self, owner: str, hint: str | None) -> None:
        """Return when there is something to read; with a `hint`, print after a while what we wait for."""
        began = time.monotonic()
        while True:
            left = max(self._deadline - time.monotonic(), 0.0)
            if select.select([STDIN], [], [], min(left, _MAX_POLL if hint is None else _NOTICE_AFTER))[0]:
                return
            if time.monotonic() >= self._deadline:
                raise NetworkError(message="the deadline passed while waiting for stdin")
            if hint is not None:
                self._say(f"waiting for {owner} on stdin for {time.monotonic() - began:.0f} s ({hint})")
                hint = None

    @contextmanager
    def fifo_notice(self, owner: str, path: str) -> Iterator[None]:
        """Print after a while that we wait for a FIFO, which ends when all who write to it are done."""
        from threading import Timer

        text = f"waiting for {owner} on {path}, a pipe that has not ended after {_NOTICE_AFTER:.0f} s (Ctrl-C gives up)"
        timer = Timer(_NOTICE_AFTER, self._say, [text])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _unreadable(error: OSError, fix: str) -> UsageError:
    return UsageError(message=f"cannot read stdin: {error.strerror}", fix=fix)


def normal_path(path: str) -> str:
    """The path, or `-` for the names that the system has for stdin: so that two who read it are found."""
    return "-" if path in STDIN_PATHS else path


def read_file(path: str, name: str, stdin: Stdin, limit: SizeLimit = TEXT) -> bytes:
    """The bytes of a file that a flag names; `-` and the other names of stdin are stdin.

    Raises:
        UsageError: it cannot be read, or there is too much.
    """
    if normal_path(path) == "-":
        return stdin.read(name, limit)
    try:
        data = _content(path, name, stdin, limit.size + 1)
    except OSError as error:
        fix = _FIXES.get(error.errno or 0)
        raise UsageError(message=f"{name}: cannot read {path}: {error.strerror}", fix=fix) from error
    if len(data) > limit.size:
        raise UsageError(message=f"{name}: {path} is larger than {limit.words}", fix=limit.fix)
    return data


def _content(path: str, name: str, stdin: Stdin, size: int) -> bytes:
    # pathlib would cost a million instructions here.
    waiting = stdin.fifo_notice(name, path) if stat.S_ISFIFO(os.stat(path).st_mode) else nullcontext()  # noqa: PTH116
    with waiting, open(path, "rb") as file:  # noqa: PTH123
        return file.read(size)
