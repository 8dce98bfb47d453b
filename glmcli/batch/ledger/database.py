"""A temporary SQLite database: in memory while it is small, in an unnamed file in TMPDIR when its cache is full.

SQLite makes that file when it is needed and deletes it when the database is closed
(https://www.sqlite.org/inmemorydb.html#temp_db, read 2026-11).
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from glmcli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Values = tuple[object, ...] | Mapping[str, Any]


class TemporaryDatabase:
    """Tables that nobody needs once the run is over, so nothing is done to protect them from a crash.

    Raises:
        OutputError: in every method: the temporary folder is full.
    """

    def __init__(self, tables: str, cache: int) -> None:
        """Create these tables; up to `cache` KiB of pages stay in memory."""
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        settings = f"PRAGMA cache_size = -{cache}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
        try:
            # One transaction for everything: a transaction a statement would cost more than the statement.
            self._database.executescript(f"{settings} PRAGMA temp_store = FILE; {tables}; BEGIN")
        except sqlite3.Error as error:
            raise _full(error) from error

    def execute(self, sql: str, values: Values = ()) -> sqlite3.Cursor:
        """Run one statement."""
        try:
            return self._database.execute(sql, values)
        except sqlite3.Error as error:
            raise _full(error) from error

    def executemany(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Run one statement for each of these rows."""
        try:
            self._database.executemany(sql, rows)
        except sqlite3.Error as error:
            raise _full(error) from error

    def select(self, sql: str, values: Values = ()) -> Iterator[Any]:
        """The rows of the result, one at a time."""
        try:
            yield from self._database.execute(sql, values)
        except sqlite3.Error as error:
            raise _full(error) from error

    def close(self) -> None:
        """Free its memory and its file."""
        self._database.close()


def _full(error: sqlite3.Error) -> OutputError:
    fix = "TMPDIR names a folder with room: about 200 bytes a line"
    return OutputError(message=f"cannot keep the rows in a temporary file: {error}", fix=fix)
