"""The lines of a ledger, put together row by row in a temporary database, so that a million rows need little memory.

Lines are appended as they come. Which of them count is found afterwards by one sort on disk, which is much faster than
keeping an index of a million digests up to date.
"""

from __future__ import annotations

import sqlite3
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from glmcli.batch.facts import Facts
from glmcli.batch.temporary import on_disk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_AT_ONCE = 1000  # lines
_MEMORY = -16 * 1024  # KiB of pages that are held, and of what is sorted at once
_OK_FIRST = 1 << 53  # added to the place of a line that is ok: no file has so many lines

_BEGIN = (
    f"PRAGMA cache_size = {_MEMORY}",
    "PRAGMA journal_mode = OFF",
    "PRAGMA temp_store = FILE",
    f"CREATE TABLE lines (seq INTEGER PRIMARY KEY, {', '.join(Facts._fields)})",
    "BEGIN",  # or every line would be a transaction of its own
)
_ADD = f"INSERT INTO lines VALUES (NULL{', ?' * len(Facts._fields)})"  # noqa: S608 - names of our own

# The line that counts is the last that is ok, else the last. `calls` of a later line includes those before.
_PLACE = f"max((status = 'ok') * {_OK_FIRST} + seq) % {_OK_FIRST}"
_SETTLE = (
    "COMMIT",
    "CREATE TABLE kept (seq INTEGER PRIMARY KEY, sent)",
    f"INSERT INTO kept SELECT {_PLACE}, max(calls) FROM lines GROUP BY digest ORDER BY 1",  # noqa: S608 - as above
    "CREATE VIEW rows AS SELECT * FROM kept CROSS JOIN lines USING (seq)",
    "CREATE VIEW superseded AS SELECT * FROM lines WHERE seq NOT IN (SELECT seq FROM kept)",
)


class Tally:
    """A database of `lines`; when they are all there, of `rows` (those that count) and `superseded` ones."""

    def __init__(self, lines: Iterable[Facts]) -> None:
        """Take in all of these.

        Raises:
            OutputError: the temporary folder is full.
        """
        with on_disk():
            self._database = sqlite3.connect("", isolation_level=None)  # a file that is gone when it is closed
            self._run(_BEGIN)
        source = iter(lines)
        while some := list(islice(source, _AT_ONCE)):
            with on_disk():
                self._database.executemany(_ADD, some)
        with on_disk():
            self._run(_SETTLE)

    def _run(self, statements: Iterable[str]) -> None:
        for statement in statements:
            self._database.execute(statement)

    def ask(self, query: str, values: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """The rows of the result, one at a time."""
        with on_disk():
            yield from self._database.execute(query, values or {})

    def one(self, query: str) -> Any:  # noqa: ANN401 - whatever is asked for
        """The only row of the result."""
        return next(self.ask(query))

    def __enter__(self) -> Self:
        """Nothing more to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the disk back."""
        self._database.close()
