"""The index of a run: the record that counts of each row, by the row's id.

A `dict` of a million ids takes 200 MB; a temporary database takes 24 MB. It is built anew from the input and the ledger
at every start, so losing it does no harm.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from glmcli.batch.ledger.database import TemporaryDatabase
from glmcli.batch.ledger.record import LedgerReader, LedgerRecord, RowState
from glmcli.output.amounts import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from glmcli.batch.ledger.file import Ledger

_CACHE = 24 << 10  # KiB
_KEY = 16  # bytes of a digest: two of a million ids are the same once in 10^26 runs
_RIGHT_FILE = "is it the right file? -O names the output, which a run reads to resume"

# `input`: the rows of the input; `asked`: how many rows have each request; `entry`: the record that counts of each row.
_TABLES = """
CREATE TABLE input (key BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID;
CREATE TABLE asked (hash BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID;
CREATE TABLE entry (
    key BLOB PRIMARY KEY, state TEXT, hash TEXT, calls INTEGER, at INTEGER, line INTEGER, unnamed INTEGER
) WITHOUT ROWID
"""
# A failure never takes the place of an earlier answer.
_ADD = """
INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
    state = excluded.state, hash = excluded.hash, calls = excluded.calls, at = excluded.at, line = excluded.line,
    unnamed = excluded.unnamed
WHERE NOT (entry.state = 'ok' AND excluded.state <> 'ok')
"""
_NOT_IN_INPUT = "NOT EXISTS (SELECT 1 FROM input WHERE input.key = entry.key)"
_LINE_NOW = "(SELECT line FROM input WHERE input.key = entry.key)"


class IndexedRow(NamedTuple):
    """The record that counts for a row: the last answer, else the last record.

    Attributes:
        state: a RowState.
        at: where the record begins in the ledger, in bytes.
        line: where the row stands in the input.
    """

    state: str
    hash: str
    calls: int
    at: int
    line: int


def indexed(record: LedgerRecord, at: int) -> IndexedRow:
    """What the index keeps of a record that begins here."""
    return IndexedRow(record.state, record.hash, record.calls, at, record.line)


def load_ledger(ledger: Ledger, index: Index, note: Callable[[str], None]) -> int:
    """Index what earlier runs have written, and set aside what cannot be read; how many records there are.

    Raises:
        UsageError: the file is not the output of a batch; nothing in it was changed.
        OutputError: what cannot be read cannot be set aside.
    """
    reader = _read(ledger, index)
    if reader.unreadable:
        where = ledger.set_aside(reader)
        note(f"{ledger.path}: {unreadable_lines(reader)}: {where}, and the rest goes on")
        if reader.damaged:
            _read(ledger, index)  # every record has moved
    elif reader.lacks_newline:
        ledger.end_line()
    ledger.count, ledger.is_tidy = reader.count, not reader.has_joined
    return reader.count


def _read(ledger: Ledger, index: Index) -> LedgerReader:
    reader = LedgerReader(ledger.path, ledger.lines(), fix=_RIGHT_FILE)
    index.add_all((record.id, indexed(record, at)) for at, record in reader.records())
    return reader


def unreadable_lines(reader: LedgerReader) -> str:
    """As in `2 lines cannot be read (the first is line 7: it is not JSON)`."""
    first = f"the first is line {reader.first}" if reader.unreadable > 1 else f"line {reader.first}"
    return f"{plural(reader.unreadable, 'line')} cannot be read ({first}: {reader.why})"


class Index:
    """The ids of the input, and the record that counts of each row of the ledger.

    A row without an id is named by the hash of its request, and called `unnamed` here.

    Raises:
        OutputError: in every method: the temporary folder is full.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._database = TemporaryDatabase(_TABLES, _CACHE)
        self._execute = self._database.execute

    def close(self) -> None:
        """Free memory and disk; it cannot be used any more."""
        self._database.close()

    def add_input(self, row_id: str, line: int) -> int | None:
        """Add a row of the input; the line of the row that has this id already, or None."""
        added = self._execute("INSERT OR IGNORE INTO input VALUES (?, ?)", (digest_of_id(row_id), line))
        return None if added.rowcount else self.input_line(row_id)

    def input_line(self, row_id: str) -> int | None:
        """The line of the row of the input that has this id, or None."""
        found = self._execute("SELECT line FROM input WHERE key = ?", (digest_of_id(row_id),)).fetchone()
        return int(found[0]) if found else None

    def count_request(self, digest: str) -> int:
        """How many rows have this request so far; counts one more."""
        sql = "INSERT INTO asked VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times"
        return int(self._execute(sql, (bytes.fromhex(digest),)).fetchone()[0])

    def reset_requests(self) -> None:
        """Count requests from the beginning, for a second reading of the input."""
        self._execute("DELETE FROM asked")

    def add(self, row_id: str, row: IndexedRow) -> None:
        """Add the newest record of this row."""
        self._execute(_ADD, _values(row_id, row))

    def add_all(self, rows: Iterable[tuple[str, IndexedRow]]) -> None:
        """Add all records of a ledger from the first to the last."""
        self._database.executemany(_ADD, (_values(row_id, row) for row_id, row in rows))

    def get(self, row_id: str) -> IndexedRow | None:
        """The record that counts for this row, or None."""
        sql = "SELECT state, hash, calls, at, line FROM entry WHERE key = ?"
        found = self._execute(sql, (digest_of_id(row_id),)).fetchone()
        return IndexedRow(*found) if found else None

    def __len__(self) -> int:
        """How many rows the ledger has."""
        return int(self._execute("SELECT count(*) FROM entry").fetchone()[0])

    def count_states(self) -> Counter[str]:
        """How many rows of the ledger are in which RowState."""
        return Counter(dict(self._database.select("SELECT state, count(*) FROM entry GROUP BY state")))

    def count_unnamed(self) -> tuple[int, int]:
        """How many unnamed rows the ledger has, and on how many lines of an input they stood."""
        sql = "SELECT count(*), count(DISTINCT line) FROM entry WHERE unnamed"
        rows, lines = self._execute(sql).fetchone()
        return int(rows), int(lines)

    def count_removed_answers(self) -> int:
        """How many answers belong to unnamed rows that the input no longer has."""
        sql = f"SELECT count(*) FROM entry WHERE unnamed AND state = ? AND {_NOT_IN_INPUT}"  # noqa: S608 - words of ours
        return int(self._execute(sql, (RowState.OK,)).fetchone()[0])

    def drop_removed_answers(self) -> None:
        """Drop answers of unnamed rows that the input no longer has."""
        self._execute(f"DELETE FROM entry WHERE unnamed AND state = ? AND {_NOT_IN_INPUT}", (RowState.OK,))  # noqa: S608

    def drop_removed_failures(self) -> None:
        """Drop invalid rows, and failures of unnamed rows, that the input no longer has.

        They were corrected, so the input has them in another form now.
        """
        sql = f"DELETE FROM entry WHERE (state = ? OR (unnamed AND state <> ?)) AND {_NOT_IN_INPUT}"  # noqa: S608
        self._execute(sql, (RowState.INVALID, RowState.OK))

    def offsets(self, *, ordered: bool) -> Iterator[int]:
        """Where the records that count begin, in their order or in that of the input as it is now."""
        order = f"coalesce({_LINE_NOW}, line), at" if ordered else "at"
        return (int(at) for (at,) in self._database.select(f"SELECT at FROM entry ORDER BY {order}"))  # noqa: S608


def _values(row_id: str, row: IndexedRow) -> tuple[object, ...]:
    """A row of the table `entry`."""
    is_unnamed = row_id.partition("#")[0] == row.hash
    return (digest_of_id(row_id), *row, is_unnamed)


def digest_of_id(row_id: str) -> bytes:
    """The key of a row in a temporary database: of the same length for every id."""
    return blake2b(row_id.encode(errors="surrogatepass"), digest_size=_KEY).digest()
