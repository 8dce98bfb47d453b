"""Which row each line is: OUTPUT.job.rows.jsonl, a line of JSON a row, which only grows.

A provider gives back a `custom_id` and an answer. What else a line of the output holds (the row's own id, its place in
the input, what it asked, its columns) is kept here, so that the input need not be there any more, nor be the same.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from hashlib import blake2b, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from glmcli.batch.jobs.job_file import rows_path
from glmcli.batch.ledger.database import TemporaryDatabase
from glmcli.batch.ledger.file import read_chunks, split_lines
from glmcli.errors import OutputError, UsageError
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_TABLES = """
CREATE TABLE line (custom BLOB, part INTEGER, at INTEGER, PRIMARY KEY (custom, part)) WITHOUT ROWID;
CREATE TABLE latest (id BLOB PRIMARY KEY, at INTEGER, part INTEGER) WITHOUT ROWID
"""
_CACHE = 8 << 10  # KiB
_NEW_FILE = 0o666  # the umask takes from it
_LONGEST = 1 << 24  # bytes of a line; columns are the user's, and seldom long


class SubmittedRow(Record):
    """A row that was submitted.

    Attributes:
        part: the number of the part in which it went.
        custom_id: what the provider calls it.
        hash: what it asks.
        calls: requests sent for it when this one is answered.
    """

    part: int
    custom_id: str
    id: str
    line: int
    hash: str
    calls: int
    columns: Mapping[str, Any] = EMPTY


class RowsFile:
    """The rows of a job."""

    def __init__(
        self, output: str, size: int = 0, digest: str | None = None, redact: Callable[[str], str] = str
    ) -> None:
        """Read what counts of the file, `size` bytes of this digest; what a crash left behind that is cut off.

        `redact` blanks out keys, as in the output.

        Raises:
            UsageError: it is not the file that the job knows.
            OutputError: it cannot be opened.
        """
        self._path = rows_path(output)
        self._redact = redact
        self._hash = sha256()
        self._size = self._counts = 0
        self._fd = self._opened(os.O_CREAT * (not size))
        self._database = TemporaryDatabase(_TABLES, _CACHE)
        try:
            self._read(size)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise self._changed() from error
        if self._size != size or (digest and self.digest != digest):
            raise self._changed()
        self._counts = size
        os.ftruncate(self._fd, size)

    def _opened(self, flags: int) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CLOEXEC | flags, _NEW_FILE)
        except FileNotFoundError as error:
            raise self._changed() from error
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror}") from error

    def _changed(self) -> UsageError:
        return UsageError(
            f"{self._path} is not as glm batch submit left it",
            fix="put it back: without it nobody knows which row an answer belongs to",
        )

    def _read(self, size: int) -> None:
        for _, line, is_ended in split_lines(read_chunks(self._fd)):
            if not is_ended or self._size + len(line) + 1 > size:
                break
            self._note(line + b"\n", SubmittedRow(**json.loads(line)))

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; one in which nothing counts does not stay."""
        self._database.close()
        os.close(self._fd)
        if not self._counts:
            with suppress(OSError):
                Path(self._path).unlink()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return self._hash.hexdigest()

    def add(self, row: SubmittedRow) -> None:
        """Remember another one; it counts when `sync` has returned and the job file says so.

        Raises:
            OutputError: the file cannot be written.
        """
        text = self._redact(json.dumps(row.fields(), ensure_ascii=False))
        line = text.encode(errors="surrogatepass") + b"\n"
        at, left = self._size, memoryview(line)
        try:
            while left:
                written = os.pwrite(self._fd, left, at)
                at, left = at + written, left[written:]
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror}") from error
        self._note(line, row)

    def sync(self) -> None:
        """Return when the file has reached the disk."""
        os.fsync(self._fd)
        self._counts = self._size

    def _note(self, line: bytes, row: SubmittedRow) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO line VALUES (?, ?, ?)", (_key(row.custom_id), row.part, self._size)
        )
        self._database.execute("INSERT OR REPLACE INTO latest VALUES (?, ?, ?)", (_key(row.id), self._size, row.part))
        self._hash.update(line)
        self._size += len(line)

    def find(self, part: int, custom_id: str) -> SubmittedRow | None:
        """The row that the provider calls so in this part."""
        return self._one("SELECT at FROM line WHERE custom = ? AND part = ?", (_key(custom_id), part))

    def latest(self, identity: str) -> SubmittedRow | None:
        """How a row was submitted last."""
        return self._one("SELECT at FROM latest WHERE id = ?", (_key(identity),))

    def rows(self, part: int | None = None) -> Iterator[SubmittedRow]:
        """Every row, as it was submitted last; those whose last part is this one."""
        sql = "SELECT at FROM latest WHERE part = ?1 OR ?1 IS NULL ORDER BY at"
        for (at,) in self._database.select(sql, (part,)):
            yield self._at(at)

    def _one(self, sql: str, values: tuple[Any, ...]) -> SubmittedRow | None:
        found = self._database.execute(sql, values).fetchone()
        return self._at(found[0]) if found else None

    def _at(self, at: int) -> SubmittedRow:
        step, line = 1 << 12, b""
        while b"\n" not in line and step <= _LONGEST:
            line, step = os.pread(self._fd, step, at), step * 4
        return SubmittedRow(**json.loads(line.partition(b"\n")[0]))


def _key(text: str) -> bytes:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
