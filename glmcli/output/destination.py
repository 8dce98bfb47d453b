"""Where text can be written: stdout, a descriptor, a file that is replaced only by a complete answer."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from glmcli.console.files import FIXED_IN_PLACE, NEW_FILE, Replacement, copy_over, sync, sync_folder, write_all
from glmcli.console.terminal import STDIN, STDOUT, Stream, Terminal
from glmcli.errors import OutputError, ReaderGoneError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmcli.errors import GlmError

_WORDS = ("stderr", "stdout", "none", "-")


class Destination(Protocol):
    """Text is written, then committed or abandoned; an abandoned file is as it was before."""

    def write(self, text: str) -> None:
        """Write all of it now."""
        ...

    def check_reader(self) -> None:
        """Raise ReaderGoneError if it is a pipe without a reader."""
        ...

    def commit(self) -> None:
        """End with a complete answer."""
        ...

    def abandon(self) -> None:
        """End without a complete answer."""
        ...


def commit_or_abandon(out: Destination, error: GlmError | None) -> None:
    """End a destination: commit it unless there is an error."""
    if error:
        out.abandon()
    else:
        out.commit()


class StreamDestination:
    """A descriptor that is written as the text arrives: stdout, a device, a FIFO, `fd:N`."""

    def __init__(self, stream: Stream) -> None:
        """Write to this stream."""
        stream.check()
        self.stream = stream
        self.write = stream.write
        self.check_reader = stream.check_reader

    def commit(self) -> None:
        """Do nothing: the text is written already."""

    def abandon(self) -> None:
        """Do nothing: the text cannot be taken back."""


class AtomicFile:
    """A file that takes its place only when it is complete; symbolic links are followed, the mode is kept.

    It is written beside the old one and renamed. Where no file can take the place of the old one (a mount point, a
    folder that may not be written), that one is written over at the end.
    """

    def __init__(self, path: str, terminal: Terminal, *, is_paid: bool = False) -> None:
        """Find out whether it can be written, before a request is paid for.

        `is_paid`: what is written is kept elsewhere if it cannot be written here.

        Raises:
            OutputError: it cannot be written.
        """
        self._terminal = terminal
        self._is_paid = is_paid
        self._replacement: Replacement | None = None
        self._target = -1
        self._kept: list[bytes] = []  # what is complete only in memory, because the disk is full
        self._failure: OutputError | None = None
        try:
            self._stream = Stream(self._open(os.path.realpath(path)), path, terminal.redactor)
        except OSError as error:
            raise OutputError(message=f"cannot write {path}: {error.strerror}") from error

    def _open(self, path: str) -> int:
        """The descriptor of what is written until the file is complete."""
        try:
            self._replacement = Replacement(path)
        except OSError as error:
            if error.errno not in FIXED_IN_PLACE or not os.path.isfile(path):  # noqa: PTH113 - a string
                raise
            self._target = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            return _unnamed_file()
        return self._replacement.fd

    def write(self, text: str) -> None:
        """Write it to the new file.

        Raises:
            OutputError: it cannot be written, and nobody paid for it.
        """
        if not self._failure:
            before = os.lseek(self._stream.fd, 0, os.SEEK_CUR)
            try:
                self._stream.write(text)
            except OutputError as error:
                if not self._is_paid:
                    raise
                self._failure = error
                self._kept.append(os.pread(self._stream.fd, before, 0))
        if self._failure:
            self._kept.append(self._terminal.redactor.text(text).encode(errors="replace"))

    def check_reader(self) -> None:
        """Do nothing: a file needs no reader."""

    def commit(self) -> None:
        """Put the file in its place, and return when it has reached the disk.

        Raises:
            OutputError: the disk is full, or the directory is gone; if it was paid for, the error says where it is.
        """
        try:
            if self._failure:
                raise self._failure
            self._put()
        except OSError as error:
            raise self._lost(f"cannot write {self._stream.name}: {error.strerror}") from error
        except OutputError as error:
            raise self._lost(error.message) from error
        self.abandon()

    def _put(self) -> None:
        if self._replacement is None:
            copy_over(self._stream.fd, self._target)
            return
        try:
            self._replacement.put()
        except OSError as error:
            if error.errno not in FIXED_IN_PLACE:
                raise
            self._replacement.copy_in_place()
        else:
            sync_folder(self._replacement.path)

    def _lost(self, message: str) -> OutputError:
        """The error, once what was paid for is somewhere else: in the folder for temporary files, else on stderr."""
        fix = None
        if self._is_paid:
            if not self._failure:
                fd = self._stream.fd
                self._kept = [os.pread(fd, os.fstat(fd).st_size, 0)]
            fix = self._keep(b"".join(self._kept))
        self.abandon()
        return OutputError(message=message, fix=fix)

    def _keep(self, data: bytes) -> str:
        import tempfile

        try:
            fd, name = tempfile.mkstemp(prefix="glm-answer-")
        except OSError:
            return self._printed(data)
        try:
            write_all(fd, data)
            sync(fd)
        except OSError:
            os.unlink(name)  # noqa: PTH108 - a string
            return self._printed(data)
        finally:
            os.close(fd)
        return f"the answer is whole in {name}: move it where it belongs"

    def _printed(self, data: bytes) -> str:
        with suppress(OutputError, ReaderGoneError):
            self._terminal.stderr.write(data.decode())
            self._terminal.stderr.end_line()
        return "the answer stands above, on stderr: no file can be written"

    def abandon(self) -> None:
        """Leave the old file as it was."""
        if self._replacement:
            self._replacement.discard()
        elif self._target >= 0:
            os.close(self._stream.fd)
            os.close(self._target)
            self._target = -1


def _unnamed_file() -> int:
    """A file that vanishes with its descriptor: in the folder for temporary files, or in memory where there is none."""
    import tempfile

    try:
        fd, name = tempfile.mkstemp(prefix="glm-")
    except OSError:
        if not hasattr(os, "memfd_create"):
            raise
        return os.memfd_create("glm")
    os.unlink(name)  # noqa: PTH108 - a string
    return fd


def require_distinct_files(files: Mapping[str, str | tuple[int, int] | None]) -> None:
    """Check that no two flags name the same file: one would overwrite what the other wrote.

    `files` maps a flag to its file, those that are read first; of inputs, as `input_file` returns them.

    Raises:
        UsageError: two flags name the same file.
    """
    owners: dict[object, str] = {}
    for flag, name in files.items():
        if isinstance(name, tuple):
            owners.setdefault(name, flag)
            continue
        if name is None or _fd_of(name) is not None:
            continue
        owner = owners.setdefault(_identity(name), flag)
        if owner != flag:
            raise UsageError(message=f"{owner} and {flag} name the same file: {name}", fix="use two files")


def dest_file(destination: str | None) -> str | None:
    """The file that a DEST names, for `require_distinct_files`; None where it names a stream."""
    is_stream = destination is None or destination in _WORDS or destination.startswith("fd:")
    return None if is_stream else destination


def is_stdout(destination: str | None) -> bool:
    """Whether a DEST is stdout, by whatever name."""
    if destination is None or destination in ("stdout", "-"):
        return destination is not None
    number = destination.removeprefix("fd:")
    return number.lstrip("0") == str(STDOUT) if number != destination else _fd_of(destination) == STDOUT


def is_stdout_file(path: str | None) -> bool:
    """The same of the file of --output, which may be called `stdout`."""
    return path is None or (path != "stdout" and is_stdout(path))


def input_file(path: str | None) -> str | tuple[int, int] | None:
    """The file that is read, for `require_distinct_files`; of `-` and names of descriptors, device and inode."""
    if path is None or (path != "-" and _fd_of(path) is None):
        return path
    try:
        status = os.fstat(STDIN) if path == "-" else os.stat(path)  # noqa: PTH116 - as below
    except OSError:
        return None  # the error is reported when it is read
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def _identity(name: str) -> object:
    """A value that is equal for two names of one file; devices and FIFOs may be shared."""
    try:
        status = os.stat(name)  # noqa: PTH116 - pathlib costs a million instructions here for nothing
    except (OSError, ValueError):
        pass
    else:
        return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else object()
    try:
        return os.path.realpath(name)
    except (OSError, ValueError):
        return name  # the error is reported when it is opened


@contextmanager
def abandoned_on_error(out: Destination) -> Iterator[None]:
    """Leave no half-written file behind, whatever exception ends the block."""
    try:
        yield
    except BaseException:
        with suppress(OutputError, ReaderGoneError):  # the exception of the block is the one to report
            out.abandon()
        raise


def open_output(path: str | None, terminal: Terminal, *, is_paid: bool = False) -> Destination:
    """The destination of the answer: stdout, or what --output names; `is_paid` as in AtomicFile.

    Raises:
        OutputError: it cannot be written.
    """
    if path is None or path == "-":
        return StreamDestination(terminal.stdout)
    if (fd := _fd_of(path)) is not None:
        return StreamDestination(_inherited(fd, path, terminal))
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        if path.endswith("/"):
            raise OutputError(message=f"cannot write {path}: it is not a file") from None
        return AtomicFile(path, terminal, is_paid=is_paid)
    except OSError as error:
        raise OutputError(message=f"cannot write {path}: {error.strerror}") from error
    if stat.S_ISDIR(status.st_mode):
        raise OutputError(message=f"cannot write {path}: it is a directory")
    if stat.S_ISREG(status.st_mode):
        return AtomicFile(path, terminal, is_paid=is_paid)
    return StreamDestination(_open(path, terminal, os.O_WRONLY))


def open_dest(flag: str, destination: str, terminal: Terminal) -> Stream | None:
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
        case "stdout" | "-":
            stream = terminal.stdout
        case _ if destination.startswith("fd:"):
            stream = _descriptor(flag, destination, terminal)
        case _ if (fd := _fd_of(destination)) is not None:
            stream = _inherited(fd, destination, terminal)
        case _:
            stream = _open(destination, terminal, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    if stream is not terminal.stderr:  # a stderr that cannot be written must not change the exit code
        stream.check()
    return stream


def check_destinations(output: str | None, others: Mapping[str, str | None], terminal: Terminal) -> None:
    """Check --output, and the DEST of each other flag, where nothing will be written: no file is made or emptied.

    Raises:
        UsageError: as `open_dest`.
        OutputError: as `open_output` and `open_dest`.
    """
    if output is None or not Path(output).is_fifo():  # opening one would wait for its reader
        open_output(output, terminal).abandon()
    for flag, destination in others.items():
        path = dest_file(destination)
        if destination and (path is None or _fd_of(path) is not None):
            open_dest(flag, destination, terminal)
        elif path and not Path(path).exists():
            AtomicFile(path, terminal).abandon()
        elif path and not Path(path).is_fifo():
            _open(path, terminal, os.O_WRONLY)


def _descriptor(flag: str, destination: str, terminal: Terminal) -> Stream:
    number = destination.removeprefix("fd:")
    try:
        return _inherited(int(number), destination, terminal)
    except (ValueError, OverflowError, OutputError) as error:
        fix = f"open it in the shell, as in {flag} fd:3 3>FILE"
        raise UsageError(message=f"{flag}: {destination} is not an open descriptor", fix=fix) from error


def _fd_of(path: str) -> int | None:
    """The descriptor that a path names. Opening the path instead would truncate the file or write at its beginning."""
    named = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
    folder, _, number = path.rpartition("/")
    if folder in ("/dev/fd", "/proc/self/fd") and number.isdecimal():
        return int(number)
    return named.get(path)


def _inherited(fd: int, name: str, terminal: Terminal) -> Stream:
    """A descriptor that the user opened; one that we opened ourselves, such as the session's, counts as not open.

    Raises:
        OutputError: it is not open.
    """
    if fd == terminal.stdout.fd:
        return terminal.stdout
    if fd == terminal.stderr.fd:
        return terminal.stderr
    try:
        is_ours = not os.get_inheritable(fd)  # descriptors of the parent process are inheritable
    except (OSError, OverflowError):
        is_ours = True
    if is_ours:
        raise OutputError(message=f"cannot write {name}: it is not open")
    return Stream(fd, name, terminal.redactor)


def _open(path: str, terminal: Terminal, flags: int) -> Stream:
    try:
        return Stream(os.open(path, flags | os.O_CLOEXEC, NEW_FILE), path, terminal.redactor)
    except OSError as error:
        raise OutputError(message=f"cannot write {path}: {error.strerror}") from error
