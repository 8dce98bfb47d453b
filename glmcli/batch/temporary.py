"""What is kept in SQLite's temporary files, when there is no room for it."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from glmcli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def on_disk() -> Iterator[None]:
    """Tell what went wrong in a temporary database.

    Raises:
        OutputError: the temporary folder is full.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise no_room(error) from error


def no_room(error: sqlite3.Error) -> OutputError:
    """That the temporary folder is full, in SQLite's own words."""
    fix = "TMPDIR names a folder with room: about 200 bytes a line"
    return OutputError(message=f"cannot keep the rows in a temporary file: {error}", fix=fix)
