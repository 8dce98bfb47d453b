"""What is known of each row, by its id: in memory while that is little, in a temporary file when it is a million rows.

A `dict` of a million ids takes 200 MB. SQLite's private database keeps a bounded cache and lets the rest spill; it is
made anew from the input and the output at every start, so nothing depends on it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_CACHE = 24 << 10  # KiB
_KEY = 16  # bytes of a digest: two of a million ids are the same once in 10^26 runs

_NOT_ASKED = "NOT EXISTS (SELECT 1 FROM input WHERE input.key = entry.key)"

OK, FINAL, FAILED, INVALID = "ok", "final", "failed", "invalid"

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
CREATE TABLE input (key BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID;
CREATE TABLE asked (hash BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID;
CREATE TABLE entry (key BLOB PRIMARY KEY, state TEXT, hash TEXT, calls INTEGER, at INTEGER, own INTEGER) WITHOUT ROWID;
"""


class Known(NamedTuple):
    """The line of the output that counts for a row: the last one.

    Attributes:
        state: `ok`, `final` (asking again cannot help), `failed`, `invalid`.
        at: where it begins in the file, in bytes.
    """

    state: str
    hash: str
    calls: int
    at: int


class Index:
    """The ids of the input, and the rows of the output."""

    def __init__(self) -> None:
        """Know nothing."""
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(f"PRAGMA cache_size = -{_CACHE}; {_TABLES} BEGIN;")
        self._run = self._database.execute

    def see(self, identity: str, line: int) -> int | None:
        """Note a row of the input; the line of the row that has this id already, or None."""
        key = _key(identity)
        done = self._run("INSERT OR IGNORE INTO input VALUES (?, ?)", (key, line))
        if done.rowcount:
            return None
        return int(self._run("SELECT line FROM input WHERE key = ?", (key,)).fetchone()[0])

    def sees(self, identity: str) -> bool:
        """Whether the input has a row of this id."""
        return self._run("SELECT 1 FROM input WHERE key = ?", (_key(identity),)).fetchone() is not None

    def occurrence(self, digest: str) -> int:
        """How often this has been asked, this time included."""
        sql = "INSERT INTO asked VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times"
        return int(self._run(sql, (bytes.fromhex(digest),)).fetchone()[0])

    def forget_occurrences(self) -> None:
        """Begin to count anew, for a second reading of the input."""
        self._run("DELETE FROM asked")

    def note(self, identity: str, known: Known, *, own: bool) -> None:
        """The last line of the output for this row; `own`: its id is made of what it asks."""
        self._run("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?)", (_key(identity), *known, own))

    def known(self, identity: str) -> Known | None:
        """The line of the output that counts for this row, if there is one."""
        sql = "SELECT state, hash, calls, at FROM entry WHERE key = ?"
        found = self._run(sql, (_key(identity),)).fetchone()
        return Known(*found) if found else None

    def orphans(self, state: str = OK) -> int:
        """How many lines of this state answer rows that the input no longer has, of those named by what they ask."""
        sql = f"SELECT count(*) FROM entry WHERE own AND state = ? AND {_NOT_ASKED}"  # noqa: S608 - words of ours
        return int(self._run(sql, (state,)).fetchone()[0])

    def forget_invalid(self) -> None:
        """Let go of lines for rows that could not be asked, and are no longer in the input: they were mended."""
        self._forget("state = ?", INVALID)

    def forget_orphans(self) -> None:
        """Let go of answers to what the input no longer asks, of rows that are named by what they ask."""
        self._forget("own AND state = ?", OK)

    def _forget(self, which: str, state: str) -> None:
        sql = f"DELETE FROM entry WHERE {which} AND {_NOT_ASKED}"  # noqa: S608 - words of ours
        self._run(sql, (state,))

    @property
    def entries(self) -> int:
        """How many rows the output has."""
        return int(self._run("SELECT count(*) FROM entry").fetchone()[0])

    def states(self) -> Counter[str]:
        """How many rows of the output are in which state."""
        return Counter(dict(self._run("SELECT state, count(*) FROM entry GROUP BY state")))

    def places(self) -> Iterator[int]:
        """Where the lines that count begin, in order."""
        return (int(at) for (at,) in self._run("SELECT at FROM entry ORDER BY at"))


def _key(identity: str) -> bytes:
    return blake2b(identity.encode(errors="surrogatepass"), digest_size=_KEY).digest()
