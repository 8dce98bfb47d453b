"""From rows to the files that are uploaded: a line a request, cut where the provider's limits are, one model a file."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from glmcli.batch.jobs.job_file import JobPart, lines_path
from glmcli.batch.jobs.rows_file import SubmittedRow
from glmcli.errors import OutputError, UsageError
from glmcli.http.bodies import compact_json
from glmcli.providers.table import dialect_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmcli.batch.jobs.rows_file import RowsFile
    from glmcli.batch.rows.row import QueueItem
    from glmcli.providers.row import BatchApi, Provider

# No page names the characters that an id may have. These every service should take, and no more than 64 of them:
# docs.together.ai/docs/inference/batch (2026).
_SAFE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_DIGITS = 40
_MADE = re.compile(f"row-[0-9a-f]{{{_DIGITS}}}")


def custom_id(identity: str) -> str:
    """The row's id, if a provider will take it, else one that is made of it; `asked` knows the way back."""
    if _SAFE.fullmatch(identity) and not _MADE.fullmatch(identity):
        return identity
    return f"row-{sha256(identity.encode(errors='surrogatepass')).hexdigest()[:_DIGITS]}"


class _Growing:
    """A file that is being written."""

    def __init__(self, path: str, number: int, model: str, form: BatchApi) -> None:
        self.number = number
        self.form = form
        self._model = model
        self._hash = sha256()
        self._lines = self._bytes = 0
        self._file = open(path, "wb")  # noqa: PTH123, SIM115 - closed in `part`

    def has_room(self, size: int) -> bool:
        lines, most = self.form.most_lines, self.form.most_bytes
        return (lines is None or self._lines < lines) and (most is None or self._bytes + size <= most)

    def write(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            self._file.write(piece)
            self._hash.update(piece)
            self._bytes += len(piece)
        self._lines += 1

    def part(self) -> JobPart:
        """The file, whole and on the disk."""
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())
        return JobPart(self.number, self._model, self._lines, self._bytes, self._hash.hexdigest())


class Packing:
    """Writes the files."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is a side of it
        self,
        output: str,
        provider: Provider,
        form: BatchApi,
        asked: RowsFile,
        first: int,
        admit: Callable[[str], None],
    ) -> None:
        """Parts are numbered from `first`; `admit` raises for a model that the provider does not serve."""
        self._output = output
        self._provider = provider
        self._form = form
        self._asked = asked
        self._first = self._next = first
        self._admit = admit
        self._open: dict[str, _Growing] = {}
        self._parts: list[JobPart] = []

    def add(self, item: QueueItem) -> None:
        """Write the line of a row.

        Raises:
            UsageError: it is too long for the provider, or its model is not served.
            OutputError: it cannot be written.
        """
        model, form = item.request.model, self._form.of(item.request.model)
        name = custom_id(item.id)
        pieces, size = _line(item, name, form, self._provider.serving(model))
        if form.most_line_bytes is not None and size > form.most_line_bytes:
            fix = "shorter texts, smaller files or URLs; glm batch run has no such limit"
            raise UsageError(f"its line has {size} bytes; {self._provider.name} takes {form.most_line_bytes}", fix=fix)
        try:
            file = self._file(model, form, size)
            file.write(pieces)
        except OSError as error:
            raise self._error(error) from error
        before = self._asked.latest(item.id)
        calls = max(item.calls, before.calls if before else 0) + 1
        self._asked.add(SubmittedRow(file.number, name, item.id, item.row.line, item.hash, calls, item.row.columns))

    def _file(self, model: str, form: BatchApi, size: int) -> _Growing:
        if model not in self._open:
            self._admit(model)
        elif not self._open[model].has_room(size):
            self._parts.append(self._open.pop(model).part())
        if model not in self._open:
            self._open[model] = _Growing(lines_path(self._output, self._next), self._next, model, form)
            self._next += 1
        return self._open[model]

    def close(self) -> tuple[JobPart, ...]:
        """All parts, on the disk.

        Raises:
            OutputError: they are not.
        """
        try:
            self._parts += [growing.part() for growing in self._open.values()]
            self._asked.sync()
        except OSError as error:
            raise self._error(error) from error
        self._open = {}
        return tuple(sorted(self._parts, key=lambda part: part.number))

    def abandon(self) -> None:
        """Leave nothing behind of files that nobody will upload."""
        for number in range(self._first, self._next):
            with suppress(OSError):
                Path(lines_path(self._output, number)).unlink()

    def _error(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write the lines beside {self._output}: {error.strerror}", fix="make room")


def line_of(item: QueueItem, form: BatchApi, provider: Provider) -> bytes:
    """The line of a row, all of it."""
    model = item.request.model
    return b"".join(_line(item, custom_id(item.id), form.of(model), provider.serving(model))[0])


def _line(item: QueueItem, name: str, form: BatchApi, provider: Provider) -> tuple[Iterator[bytes], int]:
    """The line of a row in pieces, and how many bytes it has."""
    body = dialect_of(provider).encode(item.request, provider).content()
    head = compact_json({"custom_id": name, "method": "POST", "url": form.url})[:-1].encode() + b',"body":'

    def pieces() -> Iterator[bytes]:
        yield head
        yield from (body,) if isinstance(body, bytes) else body
        yield b"}\n"

    return pieces(), len(head) + len(body) + 2
