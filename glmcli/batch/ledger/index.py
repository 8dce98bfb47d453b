"""The index of a run: what the ledger says of each row, by the row's id.

A `dict` of a million ids takes 200 MB; a temporary database takes 24 MB. It is built anew from the input and the ledger
at every start, so nothing depends on it.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from glmcli.batch.ledger.database import TemporaryDatabase
from glmcli.batch.ledger.record import RowState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CACHE = 24 << 10  # KiB
_KEY = 16  # bytes of a digest: two of a million ids are the same once in 10^26 runs

_NOT_ASKED = "NOT EXISTS (SELECT 1 FROM input WHERE input.key = entry.key)"
_LINE_NOW = "(SELECT line FROM input WHERE input.key = entry.key)"

_TABLES = """
CREATE TABLE input (key BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID;
CREATE TABLE asked (hash BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID;
CREATE TABLE entry (key BLOB PRIMARY KEY, state TEXT, hash TEXT, calls INTEGER, at INTEGER, line INTEGER, own INTEGER)
    WITHOUT ROWID
"""
# An answer is never taken back by a failure that follows it.
_NOTE = """
INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
    state = excluded.state, hash = excluded.hash, calls = excluded.calls, at = excluded.at, line = excluded.line,
    own = excluded.own
WHERE NOT (entry.state = 'ok' AND excluded.state <> 'ok')
"""


class IndexedRow(NamedTuple):
    """The line of the output that counts for a row: the last answer, else the last.

    Attributes:
        state: `ok`, `final` (asking again cannot help), `failed`, `invalid`.
        at: where it begins in the file, in bytes.
        line: where the row stands in the input.
    """

    state: str
    hash: str
    calls: int
    at: int
    line: int


class Index:
    """The ids of the input, and the rows of the output.

    Raises:
        OutputError: whatever is asked: it does not fit into memory, and the temporary folder is full.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self._database = TemporaryDatabase(_TABLES, _CACHE)
        self._run = self._database.execute

    def close(self) -> None:
        """Give back memory and disk; nothing may be asked any more."""
        self._database.close()

    def see(self, identity: str, line: int) -> int | None:
        """Note a row of the input; the line of the row that has this id already, or None."""
        noted = self._run("INSERT OR IGNORE INTO input VALUES (?, ?)", (_key(identity), line))
        return None if noted.rowcount else self.line_of(identity)

    def line_of(self, identity: str) -> int | None:
        """The line of the row of the input that has this id, or None."""
        found = self._run("SELECT line FROM input WHERE key = ?", (_key(identity),)).fetchone()
        return int(found[0]) if found else None

    def occurrence(self, digest: str) -> int:
        """How often this has been asked, this time included."""
        sql = "INSERT INTO asked VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times"
        return int(self._run(sql, (bytes.fromhex(digest),)).fetchone()[0])

    def forget_occurrences(self) -> None:
        """Begin to count anew, for a second reading of the input."""
        self._run("DELETE FROM asked")

    def note(self, identity: str, known: IndexedRow) -> None:
        """The last line of the output for this row."""
        self._run(_NOTE, _noted(identity, known))

    def note_all(self, lines: Iterable[tuple[str, IndexedRow]]) -> None:
        """The lines of the output from the first to the last."""
        self._database.executemany(_NOTE, (_noted(identity, known) for identity, known in lines))

    def known(self, identity: str) -> IndexedRow | None:
        """The line of the output that counts for this row, if there is one."""
        sql = "SELECT state, hash, calls, at, line FROM entry WHERE key = ?"
        found = self._run(sql, (_key(identity),)).fetchone()
        return IndexedRow(*found) if found else None

    def orphans(self, state: str = RowState.OK) -> int:
        """How many lines of this state answer rows that the input no longer has, of those named by what they ask."""
        sql = f"SELECT count(*) FROM entry WHERE own AND state = ? AND {_NOT_ASKED}"  # noqa: S608 - words of ours
        return int(self._run(sql, (state,)).fetchone()[0])

    def forget_failures(self) -> None:
        """Let go of rows that could not be asked, or failed and are named by what they ask, and that the input lacks.

        They were mended, and stand there in other words now.
        """
        sql = f"DELETE FROM entry WHERE (state = ? OR (own AND state <> ?)) AND {_NOT_ASKED}"  # noqa: S608 - words of ours
        self._run(sql, (RowState.INVALID, RowState.OK))

    def forget_orphans(self) -> None:
        """Let go of answers to what the input no longer asks, of rows that are named by what they ask."""
        self._run(f"DELETE FROM entry WHERE own AND state = ? AND {_NOT_ASKED}", (RowState.OK,))  # noqa: S608 - words of ours

    @property
    def entries(self) -> int:
        """How many rows the output has."""
        return int(self._run("SELECT count(*) FROM entry").fetchone()[0])

    def states(self) -> Counter[str]:
        """How many rows of the output are in which state."""
        return Counter(dict(self._database.select("SELECT state, count(*) FROM entry GROUP BY state")))

    @property
    def own(self) -> tuple[int, int]:
        """How many rows of the output are named by what they ask, and on how many lines of an input they stood."""
        rows, lines = self._run("SELECT count(*), count(DISTINCT line) FROM entry WHERE own").fetchone()
        return int(rows), int(lines)

    def places(self, *, ordered: bool) -> Iterator[int]:
        """Where the lines that count begin, in their order or in that of the input as it is now."""
        order = f"coalesce({_LINE_NOW}, line), at" if ordered else "at"
        return (int(at) for (at,) in self._database.select(f"SELECT at FROM entry ORDER BY {order}"))  # noqa: S608 - words of ours


def _is_own(identity: str, known: IndexedRow) -> bool:
    """Whether the row is named by what it asks, as it has no id of its own."""
    return identity.partition("#")[0] == known.hash


def _noted(identity: str, known: IndexedRow) -> tuple[object, ...]:
    """As `entry` has it."""
    return (_key(identity), *known, _is_own(identity, known))


def _key(identity: str) -> bytes:
    return blake2b(identity.encode(errors="surrogatepass"), digest_size=_KEY).digest()
