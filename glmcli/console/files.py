"""Files that must survive: synced to the disk, written beside others, out of reach of links that a stranger planted.

A user's own name is followed wherever it leads. A name that we make ourselves beside it (`.torn`, a temporary file, a
job file) may have been taken by somebody else in a shared folder, so it is never followed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable

NEW_FILE = 0o666  # the umask takes from it
_CHUNK = 1 << 20
_TRIES = 100  # names of a temporary file: others are held by runs that are under way
_FULL_SYNC = getattr(fcntl, "F_FULLFSYNC", None)
# A mount point, a sticky or immutable file, a folder that may not be written or is read-only: none can be replaced.
FIXED_IN_PLACE = (errno.EBUSY, errno.EPERM, errno.EACCES, errno.EROFS, errno.EXDEV)
_UNABLE = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM)


def sync(fd: int) -> None:
    """Return when what was written has reached the disk.

    On macOS fsync leaves it in the cache of the drive, and only F_FULLFSYNC empties that (fsync(2) of macOS); file
    systems that do not know it refuse it.

    Raises:
        OSError: it has not.
    """
    if _FULL_SYNC is not None:
        with suppress(OSError):
            fcntl.fcntl(fd, _FULL_SYNC)
            return
    os.fsync(fd)


def sync_folder(path: str) -> None:
    """Sync the folder of this file, so that its name is on the disk too.

    Raises:
        OSError: it is not. A folder that cannot be read, or a file system that cannot sync one, is no error.
    """
    try:
        fd = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY | os.O_DIRECTORY)  # noqa: PTH120 - no Path has it
    except PermissionError:
        return
    try:
        sync(fd)
    except OSError as error:
        if error.errno not in _UNABLE:
            raise
    finally:
        os.close(fd)


def write_pieces(fd: int, pieces: Iterable[bytes]) -> None:
    """Write many small pieces, in few calls.

    Raises:
        OSError: as `write_all`.
    """
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) > _CHUNK:
            write_all(fd, bytes(held))
            held.clear()
    write_all(fd, bytes(held))


def write_all(fd: int, data: bytes) -> None:
    """Write all of it.

    Raises:
        OSError: only a part, or nothing, could be written.
    """
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def create(path: str) -> int:
    """A new, empty file in place of whatever has this name.

    Raises:
        OSError: it cannot be made.
    """
    with suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - a string, as it was given
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, NEW_FILE)


def open_own(path: str, flags: int) -> int:
    """Open a file of ours beside another, or make it if `flags` say so.

    Raises:
        OSError: it cannot be opened, or is a link, a second name of another file, or no regular file.
    """
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, NEW_FILE)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(fd)
        raise OSError(errno.EMLINK, "it is another file by this name", path)
    return fd


def obstacle(path: str) -> str | None:
    """Why another file cannot take the place of this one, as far as that can be known; None: it can."""
    path = os.path.realpath(path)
    folder = os.path.dirname(path)  # noqa: PTH120 - strings
    try:
        file, above = os.stat(path), os.stat(folder)  # noqa: PTH116 - as above
    except OSError:
        return None
    mounted = _mount_points()
    # On an overlay, as in a container, a file may have another device than its folder and be no mount point.
    if path in mounted or (not mounted and file.st_dev != above.st_dev):
        return "it is a mount point"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "its folder cannot be written"
    if above.st_mode & stat.S_ISVTX and os.geteuid() not in (0, file.st_uid, above.st_uid):
        return "it belongs to another user, in a folder where only owners replace files"
    return None


def _mount_points() -> set[str]:
    """The mount points of Linux (proc(5)), empty elsewhere; of one within its own file system only this list tells."""
    with suppress(OSError), open("/proc/self/mountinfo", "rb") as file:  # noqa: PTH123 - as above
        names = (line.split(b" ")[4] for line in file)
        return {name.decode("unicode_escape").encode("latin-1").decode(errors="surrogateescape") for name in names}
    return set()


class Replacement:
    """A new file that is written beside another and takes its place, whole or not at all.

    Its name is made of that of the other, and it is locked while it is written: what a killed run has left there is
    found, and removed, by the next that writes the same file.

    Attributes:
        fd: the new file, open for reading and writing.
        path: the file whose place it takes.
    """

    def __init__(self, path: str) -> None:
        """Make it beside `path`, which names no link, with the mode of that file or by the umask.

        Raises:
            OSError: it cannot be made.
        """
        self.path = path
        self._name, self.fd = "", -1
        folder, name = os.path.split(path)
        first = os.path.join(folder, f".glm-{crc32(os.fsencode(name)):08x}")  # noqa: PTH118 - strings
        for number in range(_TRIES):
            if self._is_made(f"{first}-{number}" if number else first):
                return
        raise FileExistsError(errno.EEXIST, "there are too many files .glm-…", folder)

    def _is_made(self, name: str) -> bool:
        try:
            fd = self._open(name)
        except FileExistsError:
            if not _is_removed(name):
                return False
            try:
                fd = self._open(name)
            except FileExistsError:
                return False
        self._name, self.fd = name, fd  # at once: a signal may be raised as soon as the file is there
        with suppress(OSError):  # a file system without locks: nobody can tell there which files are left over
            fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return True
        os.close(fd)  # another run took it for one that was left over
        self._name, self.fd = "", -1
        return False

    def _open(self, name: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            mode = stat.S_IMODE(os.stat(self.path).st_mode)  # noqa: PTH116 - a string is all that is needed
        except FileNotFoundError:
            return os.open(name, flags, NEW_FILE)
        fd = os.open(name, flags, 0o600)
        os.fchmod(fd, mode)
        return fd

    def put(self, *, synced: bool = True) -> None:
        """Put it in its place when all that it holds has reached the disk, if it is `synced`; it stays open and locked.

        Its name may reach the disk later (see `sync_folder`): until then the other file is there.

        Raises:
            OSError: it cannot take that place, or did not reach the disk.
        """
        if synced:
            sync(self.fd)
        os.replace(self._name, self.path)  # noqa: PTH105 - as above
        self._name = ""

    def copy_in_place(self) -> None:
        """Write the other file over with what this one holds, where it cannot take its place.

        Raises:
            OSError: it cannot be written; if there is too little room, it is as it was before.
        """
        fd = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            copy_over(self.fd, fd)
        finally:
            os.close(fd)
        self.discard()

    def discard(self) -> None:
        """Remove it, if it has not taken the other's place; nothing of it stays open."""
        if self._name:
            with suppress(OSError):
                os.unlink(self._name)  # noqa: PTH108 - as above
        if self.fd >= 0:
            os.close(self.fd)
        self._name, self.fd = "", -1


def replace_file(path: str, data: bytes, *, synced: bool = True) -> None:
    """Put a file that holds this in its place, whole or not at all; `path` and `synced` as in Replacement.

    Raises:
        OSError: it cannot be written, or cannot take that place.
    """
    new = Replacement(path)
    try:
        write_all(new.fd, data)
        new.put(synced=synced)
    finally:
        new.discard()


def copy_over(source: int, target: int) -> None:
    """Write all that one file holds over another, which ends where it ends, and sync it.

    Raises:
        OSError: it cannot be written; if there is too little room, it is as it was before.
    """
    size, before = os.fstat(source).st_size, os.fstat(target).st_size
    if size > before and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(target, 0, size)
        except OSError as error:
            os.ftruncate(target, before)
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
    at = 0
    while data := os.pread(source, _CHUNK, at):
        at += os.pwrite(target, data, at)
    os.ftruncate(target, size)
    sync(target)


def _is_removed(name: str) -> bool:
    """Remove what a run of ours has left here; False if it is another's, or the run still writes it."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return False
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who holds the lock is the only one that removes it, so the name cannot change hands between these two calls.
        if os.path.samestat(status, os.lstat(name)):
            os.unlink(name)  # noqa: PTH108 - as above
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(fd)
