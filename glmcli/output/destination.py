"""Where a text can go: stdout, a descriptor, a file that is replaced only by a complete answer."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from glmcli.console.terminal import STDIN, Stream, Terminal
from glmcli.errors import OutputError, ReaderGoneError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NEW_FILE = 0o666  # the umask takes from it
_WORDS = ("stderr", "stdout", "none", "-")


class Destination(Protocol):
    """Takes text; `commit` makes it count, `abandon` leaves no trace where that is possible."""

    def write(self, text: str) -> None:
        """Write all of it now."""
        ...

    def check_reader(self) -> None:
        """Raise ReaderGoneError if nobody reads it any more."""
        ...

    def commit(self) -> None:
        """The answer is complete."""
        ...

    def abandon(self) -> None:
        """The answer is not complete."""
        ...


class OpenStream:
    """A descriptor that is written as it goes: stdout, a device, a FIFO, `fd:N`."""

    def __init__(self, stream: Stream) -> None:
        """Write to this stream."""
        stream.check()
        self.stream = stream
        self.write = stream.write
        self.check_reader = stream.check_reader

    def commit(self) -> None:
        """Nothing: what is written is written."""

    def abandon(self) -> None:
        """Nothing: what is written is written."""


class ReplacedFile:
    """A file that is written beside its place and renamed into it; symbolic links are followed, the mode is kept."""

    def __init__(self, path: str, terminal: Terminal) -> None:
        """Make the file beside it now, so that a full or read-only directory is found before anything is paid for.

        Raises:
            OutputError: it cannot be made.
        """
        import tempfile

        try:
            self._place = Path(path).resolve()
            mode = stat.S_IMODE(self._place.stat().st_mode) if self._place.exists() else _NEW_FILE & ~_umask()
            fd, self._beside = tempfile.mkstemp(dir=self._place.parent, prefix=".glm-")
            os.fchmod(fd, mode)
        except OSError as error:
            raise OutputError(message=f"cannot write {path}: {error.strerror}") from error
        self._stream = Stream(fd, path, terminal.redactor)
        self.write = self._stream.write

    def check_reader(self) -> None:
        """A file needs no reader."""

    def commit(self) -> None:
        """Put the file into its place.

        Raises:
            OutputError: the disk is full, or the directory is gone.
        """
        try:
            os.fsync(self._stream.fd)
            os.close(self._stream.fd)
            Path(self._beside).replace(self._place)
        except OSError as error:
            self.abandon()
            raise OutputError(message=f"cannot write {self._stream.name}: {error.strerror}") from error

    def abandon(self) -> None:
        """Leave the old file as it was."""
        Path(self._beside).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def refuse_shared_file(places: Mapping[str, str | tuple[int, int] | None]) -> None:
    """Let no two flags name the same file: one would write over what the other wrote.

    What is read stands before what is written, and stdin is given as `read_place` does.

    Raises:
        UsageError: two of them do.
    """
    owners: dict[object, str] = {}
    for flag, name in places.items():
        if isinstance(name, tuple):
            owners.setdefault(name, flag)
            continue
        if name is None or _fd_of(name) is not None:
            continue
        owner = owners.setdefault(_identity(name), flag)
        if owner != flag:
            raise UsageError(message=f"{owner} and {flag} name the same file: {name}", fix="use two files")


def side_file(destination: str | None) -> str | None:
    """The file that a DEST names, for `refuse_shared_file`; None where it names a stream."""
    is_stream = destination is None or destination in _WORDS or destination.startswith("fd:")
    return None if is_stream else destination


def read_place(path: str | None) -> str | tuple[int, int] | None:
    """What is read there, for `refuse_shared_file`: of `-` and all other names of descriptors, the file behind them."""
    if path is None or (path != "-" and _fd_of(path) is None):
        return path
    try:
        status = os.fstat(STDIN) if path == "-" else os.stat(path)  # noqa: PTH116 - as below
    except OSError:
        return None  # reading it will say what is wrong
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def _identity(name: str) -> object:
    """What is equal for two names of one file; devices and FIFOs may be shared."""
    try:
        status = os.stat(name)  # noqa: PTH116 - pathlib costs a million instructions here for nothing
    except (OSError, ValueError):
        pass
    else:
        return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else object()
    try:
        return os.path.realpath(name)
    except (OSError, ValueError):
        return name  # opening it will say what is wrong


@contextmanager
def unless_broken(out: Destination) -> Iterator[None]:
    """Leave no half-written file behind, whatever ends us."""
    try:
        yield
    except BaseException:
        with suppress(OutputError, ReaderGoneError):  # what ended us is what counts, not a terminal that is gone
            out.abandon()
        raise


def open_output(path: str | None, terminal: Terminal) -> Destination:
    """Where the answer goes: stdout, or what --output names.

    Raises:
        OutputError: it cannot be written.
    """
    if path is None or path == "-":
        return OpenStream(terminal.stdout)
    if (fd := _fd_of(path)) is not None:
        return OpenStream(_inherited(fd, path, terminal))
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        if path.endswith("/"):
            raise OutputError(message=f"cannot write {path}: it is no file") from None
        return ReplacedFile(path, terminal)
    except OSError as error:
        raise OutputError(message=f"cannot write {path}: {error.strerror}") from error
    if stat.S_ISDIR(status.st_mode):
        raise OutputError(message=f"cannot write {path}: it is a directory")
    if stat.S_ISREG(status.st_mode):
        return ReplacedFile(path, terminal)
    return OpenStream(_open(path, terminal, os.O_WRONLY))


def open_side(flag: str, destination: str, terminal: Terminal) -> Stream | None:
    """The stream that a DEST names (`stderr|stdout|none|FILE|fd:N`); None for `none`.

    Raises:
        UsageError: `fd:N` names no open descriptor.
        OutputError: the file cannot be opened, or nothing can be written there.
    """
    match destination:
        case "none":
            return None
        case "stderr":
            return terminal.stderr
        case "stdout":
            stream = terminal.stdout
        case _ if destination.startswith("fd:"):
            stream = _descriptor(flag, destination, terminal)
        case _ if (fd := _fd_of(destination)) is not None:
            stream = _inherited(fd, destination, terminal)
        case _:
            stream = _open(destination, terminal, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    if stream is not terminal.stderr:  # a stderr that cannot be written never hides the exit code
        stream.check()
    return stream


def _descriptor(flag: str, destination: str, terminal: Terminal) -> Stream:
    number = destination.removeprefix("fd:")
    try:
        return _inherited(int(number), destination, terminal)
    except (ValueError, OverflowError, OutputError) as error:
        fix = f"open it in the shell, as in {flag} fd:3 3>FILE"
        raise UsageError(message=f"{flag}: {destination} is no open descriptor", fix=fix) from error


def _fd_of(path: str) -> int | None:
    """The descriptor that a path names. Opening the path anew would write at the file's beginning, or cut it."""
    named = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
    folder, _, number = path.rpartition("/")
    if folder in ("/dev/fd", "/proc/self/fd") and number.isdecimal():
        return int(number)
    return named.get(path)


def _inherited(fd: int, name: str, terminal: Terminal) -> Stream:
    """A descriptor that the user opened; one that we opened ourselves, such as the session's, is not for writing.

    Raises:
        OutputError: it is not open.
    """
    if fd == terminal.stdout.fd:
        return terminal.stdout
    if fd == terminal.stderr.fd:
        return terminal.stderr
    try:
        is_ours = not os.get_inheritable(fd)  # what survived the start of this process is inheritable
    except (OSError, OverflowError):
        is_ours = True
    if is_ours:
        raise OutputError(message=f"cannot write {name}: it is not open")
    return Stream(fd, name, terminal.redactor)


def _open(path: str, terminal: Terminal, flags: int) -> Stream:

    try:
        return Stream(os.open(path, flags | os.O_CLOEXEC, _NEW_FILE), path, terminal.redactor)
    except OSError as error:
        raise OutputError(message=f"cannot write {path}: {error.strerror}") from error
