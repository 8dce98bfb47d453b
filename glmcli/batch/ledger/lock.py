"""The lock on a ledger, so that only one run at a time writes it."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


def lock(fd: int, path: str) -> None:
    """Lock an open file until it is closed.

    Raises:
        UsageError: another glm writes it.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = lock_holder(os.fstat(fd))
        by = f" (process {holder})" if holder else ""
        fix = "wait for it, or use another file"
        raise UsageError(message=f"--output: {path} is in use by another glm{by}", fix=fix) from error


@contextmanager
def write_lock(path: str | None) -> Iterator[None]:
    """Lock a file that will be replaced, so that no run writes it meanwhile; does nothing if there is no such file.

    Raises:
        UsageError: a run writes it.
    """
    if path in (None, "-") or not os.path.isfile(path):  # noqa: PTH113 - a string is all that is needed
        yield
        return
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # where we may not write, no run of ours writes
        yield
        return
    try:
        lock(fd, path)
        yield
    finally:
        os.close(fd)


def lock_holder(status: os.stat_result) -> str | None:
    """The process that holds the lock, if the system says so (Linux: proc(5), /proc/locks)."""
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with suppress(OSError):
        for text in Path("/proc/locks").read_text(encoding="ascii").split("\n"):
            fields = text.split()
            if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == device:  # noqa: PLR2004 - as the page has it
                return fields[4]
    return None
