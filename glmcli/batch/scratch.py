"""A database for the time of a run: in memory while it is little, in a file that nobody else sees when it is much.

SQLite makes the file in TMPDIR when its cache is full, and removes it when it is closed
(https://www.sqlite.org/inmemorydb.html#temp_db, read 2026-11).
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from glmcli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Values = tuple[object, ...] | Mapping[str, Any]


class Scratch:
    """Tables that are worth nothing afterwards, so nothing is done to keep them whole."""

    def __init__(self, tables: str, cache: int) -> None:
        """Make these tables, and hold `cache` KiB of them in memory.

        Raises:
            OutputError: as all that follows: the temporary folder is full.
        """
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        settings = f"PRAGMA cache_size = -{cache}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
        try:
            # In one transaction, or every line would be one of its own.
            self._database.executescript(f"{settings} PRAGMA temp_store = FILE; {tables}; BEGIN")
        except sqlite3.Error as error:
            raise _full(error) from error

    def run(self, sql: str, values: Values = ()) -> sqlite3.Cursor:
        """Do this."""
        try:
            return self._database.execute(sql, values)
        except sqlite3.Error as error:
            raise _full(error) from error

    def run_all(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Do it for each of these rows."""
        try:
            self._database.executemany(sql, rows)
        except sqlite3.Error as error:
            raise _full(error) from error

    def ask(self, sql: str, values: Values = ()) -> Iterator[Any]:
        """The rows of the result, one at a time."""
        try:
            yield from self._database.execute(sql, values)
        except sqlite3.Error as error:
            raise _full(error) from error

    def close(self) -> None:
        """Give back memory and disk."""
        self._database.close()


def _full(error: sqlite3.Error) -> OutputError:
    fix = "TMPDIR names a folder with room: about 200 bytes a line"
    return OutputError(message=f"cannot keep the rows in a temporary file: {error}", fix=fix)
