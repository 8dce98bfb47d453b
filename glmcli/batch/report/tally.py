"""The lines of a ledger, put together row by row in a temporary database, so that a million rows need little memory.

Lines are appended as they come. Which of them count is found afterwards by one sort on disk, which is much faster than
keeping an index of a million digests up to date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from glmcli.batch.ledger.database import TemporaryDatabase
from glmcli.batch.report.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_MEMORY = 16 * 1024  # KiB of pages that are held, and of what is sorted at once
_OK_FIRST = 1 << 53  # added to the place of a line that is ok: no file has so many lines

_LINES = f"CREATE TABLE lines (seq INTEGER PRIMARY KEY, {', '.join(Facts._fields)})"
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
        self._database = TemporaryDatabase(_LINES, _MEMORY)
        self._database.executemany(_ADD, lines)
        for statement in _SETTLE:
            self._database.execute(statement)

    def ask(self, query: str, values: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """The rows of the result, one at a time."""
        return self._database.select(query, values or {})

    def one(self, query: str) -> Any:  # noqa: ANN401 - whatever is asked for
        """The only row of the result."""
        return next(self.ask(query))

    def span(self) -> tuple[int, int] | None:
        """When the first row was asked and when the last ended, in milliseconds since the epoch; None without rows."""
        first, last = self.one("SELECT min(finished - ifnull(took, 0)), max(finished) FROM rows")
        return None if first is None else (first, last)

    def __enter__(self) -> Self:
        """Nothing more to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the disk back."""
        self._database.close()
