"""Standard input: who wants it, and reading it without hanging in silence."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from contextlib import contextmanager, nullcontext
from typing import IO, TYPE_CHECKING

from glmcli.console.terminal import STDIN
from glmcli.errors import NetworkError, UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class SizeLimit(Record):
    """The most that is read: in bytes, in words, and the way out for one who has more."""

    size: int
    words: str
    fix: str


# A window of a million tokens holds 4 to 8 MB of text; more than this is a mistake, found before it is sent.
TEXT = SizeLimit(32 << 20, "32 MiB (33554432 bytes), more than any model reads", "send a part of it")
_FEED = "pipe something in, or name a file"
_IGNORE = "--no-stdin ignores it"
_SILENCE = 2.0  # seconds until we say what we wait for
_CHUNK = 1 << 16
_LONGEST = 86400.0  # seconds that one wait may take; the system refuses very long ones
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
        # utf-8-sig counts from behind the mark.
        at = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        raise UsageError(
            message=f"{name} is not UTF-8 (byte 0x{data[at]:02X} at {at})",
            fix="convert it, for example with iconv -f ENCODING -t UTF-8",
        ) from error


class Stdin:
    """Descriptor 0, which only one thing can be read from."""

    def __init__(self, *, is_closed: bool, deadline: float, say: Callable[[str], None]) -> None:
        """`deadline` is a monotonic time; `say` prints a line that even --quiet shows."""
        self._owner: str | None = None
        self._reserved: str | None = None
        self._is_closed = is_closed
        self._deadline = deadline
        self._say = say

    @property
    def has_input(self) -> bool:
        """Whether it is a pipe, a socket or a regular file, and not yet claimed."""
        if self.is_claimed:
            return False
        try:
            mode = os.fstat(STDIN).st_mode
        except OSError as error:
            raise _unreadable(error, _IGNORE) from error
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode)

    @property
    def is_claimed(self) -> bool:
        """Whether something reads it, or it is closed."""
        return self._is_closed or self._owner is not None or self._reserved is not None

    @property
    def was_read(self) -> bool:
        """Whether something has read it."""
        return self._owner is not None

    def reserve(self, owner: str) -> None:
        """Keep stdin for one who reads it later, or, where nothing is sent, never."""
        self._reserved = owner

    def read(self, owner: str, limit: SizeLimit = TEXT, *, may_be_ignored: bool = False) -> bytes:
        """All bytes until the end; `may_be_ignored` says that --no-stdin is a flag of the command, and about them.

        Raises:
            UsageError: another has claimed it, or there is too much.
            NetworkError: the deadline passed first.
        """
        self._claim(owner)
        data = bytearray()
        for chunk in self._chunks(owner, may_be_ignored=may_be_ignored):
            data += chunk
            if len(data) > limit.size:
                raise UsageError(message=f"stdin holds more than {limit.words}", fix=limit.fix)
        return bytes(data)

    def chunks(self, owner: str) -> Iterator[bytes]:
        """The same bytes piece by piece, as they come, however many there are; claimed at once, read when asked for.

        Raises:
            UsageError: another has claimed it; or, later, it cannot be read.
            NetworkError: later: the deadline passed first.
        """
        self._claim(owner)
        return self._chunks(owner)

    def begin(self, owner: str) -> int | None:
        """Where it stands, in bytes, if it is a file, which the caller then reads; None if it is none.

        Raises:
            UsageError: another has claimed it.
        """
        if self._is_closed or not stat.S_ISREG(os.fstat(STDIN).st_mode):
            return None
        self._claim(owner)
        return os.lseek(STDIN, 0, os.SEEK_CUR)

    def open(self, owner: str) -> IO[bytes]:
        """Its bytes as a file, for what is read in lines, when the first of them are there.

        Raises:
            UsageError: another has claimed it.
            NetworkError: the deadline passed first.
        """
        self._claim(owner)
        self._wait(owner, "Ctrl-D ends it", silent=True)
        return os.fdopen(STDIN, "rb", closefd=False)

    def _claim(self, owner: str) -> None:
        other = self._owner or self._reserved
        if other and (self._owner or other != owner):
            raise UsageError(message=f"stdin is wanted twice: by {other} and by {owner}", fix="use a file for one")
        self._owner = owner
        if self._is_closed:
            raise UsageError(message=f"{owner} reads stdin, but stdin is closed", fix=_FEED)

    def _chunks(self, owner: str, *, may_be_ignored: bool = False) -> Iterator[bytes]:
        silent = True
        way_out = "Ctrl-D ends it" + f", {_IGNORE}" * may_be_ignored
        try:
            while chunk := self._chunk(owner, way_out, silent=silent):
                silent = False
                yield chunk
        except OSError as error:
            raise _unreadable(error, _IGNORE if may_be_ignored else _FEED) from error

    def _chunk(self, owner: str, way_out: str, *, silent: bool) -> bytes:
        self._wait(owner, way_out, silent=silent)
        return os.read(STDIN, _CHUNK)

    def _wait(self, owner: str, way_out: str, *, silent: bool) -> None:
        waiting_since = time.monotonic()
        while not select.select([STDIN], [], [], self._patience(silent=silent))[0]:
            if time.monotonic() >= self._deadline:
                raise NetworkError(message="the deadline passed while waiting for stdin")
            if silent:
                silent = False
                waited = time.monotonic() - waiting_since
                self._say(f"waiting for {owner} on stdin for {waited:.0f} s ({way_out})")

    @contextmanager
    def told(self, owner: str, path: str) -> Iterator[None]:
        """Say after a while that we wait for a FIFO, which ends when all who write to it are done."""
        from threading import Timer

        text = f"waiting for {owner} on {path}, a pipe that has not ended after {_SILENCE:.0f} s (Ctrl-C gives up)"
        timer = Timer(_SILENCE, self._say, [text])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _patience(self, *, silent: bool) -> float:
        left = max(self._deadline - time.monotonic(), 0.0)
        patience = min(left, _SILENCE) if silent else left
        return min(patience, _LONGEST)


def _unreadable(error: OSError, fix: str) -> UsageError:
    return UsageError(message=f"cannot read stdin: {error.strerror}", fix=fix)


def read_file(path: str, name: str, stdin: Stdin, limit: SizeLimit = TEXT) -> bytes:
    """The bytes of a file that a flag names; `-` is stdin.

    Raises:
        UsageError: it cannot be read, or there is too much.
    """
    if path == "-":
        return stdin.read(name, limit)
    try:
        data = _content(path, name, stdin, limit.size + 1)
    except OSError as error:
        fix = _FIXES.get(error.errno or 0)
        raise UsageError(message=f"{name}: cannot read {path}: {error.strerror}", fix=fix) from error
    if len(data) > limit.size:
        raise UsageError(message=f"{name}: {path} is larger than {limit.words}", fix=limit.fix)
    return data


def _content(path: str, name: str, stdin: Stdin, most: int) -> bytes:
    # pathlib costs a million instructions here for nothing.
    waiting = stdin.told(name, path) if stat.S_ISFIFO(os.stat(path).st_mode) else nullcontext()  # noqa: PTH116
    with waiting, open(path, "rb") as file:  # noqa: PTH123
        return file.read(most)
