"""The rows file, OUTPUT.job.rows.jsonl: the row of each submitted line, a JSON object each; append-only.

A provider returns a `custom_id` and an answer. Whatever else a line of the output has (the id of the row, its line in
the input, the hash of its request, its columns) is kept here, so that the input may change or disappear meanwhile.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from glmcli.batch.jobs.job_file import rows_path
from glmcli.batch.ledger.database import TemporaryDatabase
from glmcli.batch.ledger.file import line_at, read_chunks, split_lines
from glmcli.batch.ledger.index import digest_of_id
from glmcli.console.files import open_own, sync
from glmcli.errors import OutputError, UsageError
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.batch.jobs.job_file import Job

# Offsets into the file, so that memory does not grow with the rows. A row that is submitted again has several lines.
_TABLES = """
CREATE TABLE line (custom BLOB, part INTEGER, at INTEGER, PRIMARY KEY (custom, part)) WITHOUT ROWID;
CREATE TABLE latest (id BLOB PRIMARY KEY, at INTEGER, part INTEGER) WITHOUT ROWID
"""
_CACHE = 8 << 10  # KiB


class SubmittedRow(Record):
    """A row as it was submitted.

    Attributes:
        part: the number of the job's part that holds it.
        custom_id: its id at the provider.
        hash: of its request.
        calls: requests sent for it, this one included.
    """

    part: int
    custom_id: str
    id: str
    line: int
    hash: str
    calls: int
    columns: Mapping[str, Any] = EMPTY


class RowsFile:
    """The submitted rows of a job."""

    def __init__(self, output: str, job: Job, redact: Callable[[str], str] = str) -> None:
        """Read the bytes that the job file vouches for, and cut off what a crash left after them.

        `redact` removes keys from what is written, as in the output.

        Raises:
            UsageError: the file is not the one that the job file vouches for.
            OutputError: it cannot be opened.
        """
        self._path = rows_path(output)
        self._redact = redact
        self._hash = sha256()
        self._size = 0
        self._synced_size = job.rows_bytes
        self._fd = self._open(os.O_CREAT * (not job.rows_bytes))
        self._database = TemporaryDatabase(_TABLES, _CACHE)
        try:
            self._read(job.rows_bytes)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise self._changed() from error
        if self._size != job.rows_bytes or (job.rows_sha256 and self.digest != job.rows_sha256):
            raise self._changed()
        os.ftruncate(self._fd, self._size)

    def _open(self, flags: int) -> int:
        try:
            return open_own(self._path, os.O_RDWR | flags)
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
        """Close the file; remove it if no job file vouches for any of it."""
        self._database.close()
        os.close(self._fd)
        if not self._synced_size:
            with suppress(OSError):
                Path(self._path).unlink()

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return self._size

    @property
    def digest(self) -> str:
        """The SHA-256 of the file."""
        return self._hash.hexdigest()

    def append(self, row: SubmittedRow) -> None:
        """Write a row; it counts once `sync` has returned and the job file has the new size and digest.

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
        sync(self._fd)
        self._synced_size = self._size

    def _note(self, line: bytes, row: SubmittedRow) -> None:
        at, write = self._size, self._database.execute
        write("INSERT OR REPLACE INTO line VALUES (?, ?, ?)", (digest_of_id(row.custom_id), row.part, at))
        write("INSERT OR REPLACE INTO latest VALUES (?, ?, ?)", (digest_of_id(row.id), at, row.part))
        self._hash.update(line)
        self._size += len(line)

    def find(self, part: int, custom_id: str) -> SubmittedRow | None:
        """The row with this id at the provider, in this part."""
        return self._first("SELECT at FROM line WHERE custom = ? AND part = ?", (digest_of_id(custom_id), part))

    def latest(self, row_id: str) -> SubmittedRow | None:
        """The row of this id as it was last submitted."""
        return self._first("SELECT at FROM latest WHERE id = ?", (digest_of_id(row_id),))

    def rows(self, part: int | None = None) -> Iterator[SubmittedRow]:
        """Every row as it was last submitted; with `part`, only those that were last submitted in that part."""
        sql = "SELECT at FROM latest WHERE part = ?1 OR ?1 IS NULL ORDER BY at"
        for (at,) in self._database.select(sql, (part,)):
            yield self._read_at(at)

    def _first(self, sql: str, values: tuple[Any, ...]) -> SubmittedRow | None:
        found = self._database.execute(sql, values).fetchone()
        return self._read_at(found[0]) if found else None

    def _read_at(self, at: int) -> SubmittedRow:
        return SubmittedRow(**json.loads(line_at(self._fd, at)))
