"""The rows of a submission, and the request files that are uploaded for them, one model a file."""

from __future__ import annotations

import os
import re
from collections import Counter
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Self

from glmcli.batch.jobs.job_file import JobPart, request_path, restart_advice
from glmcli.batch.jobs.rows_file import SubmittedRow
from glmcli.batch.rows.row import InvalidRow, QueueItem
from glmcli.console.files import create, sync, write_pieces
from glmcli.errors import OutputError, UsageError
from glmcli.http.bodies import compact_json
from glmcli.output.amounts import plural
from glmcli.providers.table import dialect_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmcli.batch.jobs.job_file import Job
    from glmcli.batch.jobs.rows_file import RowsFile
    from glmcli.providers.row import BatchApi, Provider

# No page says which characters an id may have. Every service should take these, and no more than 64 of them:
# docs.together.ai/docs/inference/batch (2026).
_SAFE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_DIGITS = 40
_GENERATED_ID = re.compile(f"row-[0-9a-f]{{{_DIGITS}}}")


def custom_id(row_id: str) -> str:
    """The row's id if a provider will take it, else one made of its digest, which the rows file maps back."""
    if _SAFE_ID.fullmatch(row_id) and not _GENERATED_ID.fullmatch(row_id):
        return row_id
    return f"row-{sha256(row_id.encode(errors='surrogatepass')).hexdigest()[:_DIGITS]}"


class RowSelection:
    """Which rows of the input are to be submitted now, besides those that a job has already.

    Attributes:
        job: the job of the earlier submissions.
        submitted: its rows file.
        unanswered: rows that failed or went missing at the provider, and are not submitted again.
    """

    def __init__(self, output: str, job: Job, submitted: RowsFile, *, again: bool) -> None:
        """`again`: rows that failed or went missing are submitted anew."""
        self._output = output
        self.job = job
        self._fetched = frozenset(part.number for part in job.parts if part.fetched)
        self.submitted = submitted
        self._again = again
        self._still_asked: Counter[int] = Counter()  # rows of each part that the input still has unchanged
        self.unanswered = 0

    @property
    def under_way(self) -> int:
        """Rows that are under way, so that they are not submitted."""
        return self._still_asked.total()

    def select(self, rows: Iterable[QueueItem | InvalidRow]) -> Iterator[QueueItem | InvalidRow]:
        """The rows that are to be submitted, and those that cannot be.

        Raises:
            UsageError: a row that is under way has another request now.
        """
        for item in rows:
            if not isinstance(item, QueueItem) or self._is_selected(item):
                yield item

    def _is_selected(self, item: QueueItem) -> bool:
        row = self.submitted.latest(item.id)
        if row is None:
            return True
        is_fetched = row.part in self._fetched
        if is_fetched and row.hash != item.hash:
            return True  # with --redo-changed: this request was never sent
        if is_fetched:
            self.unanswered += not self._again
            return self._again
        if row.hash != item.hash:
            fix = "fetch the answers first, or use another -O FILE"
            raise UsageError(
                f"the row {item.id!r} asks another thing than when it was submitted",
                fix=restart_advice(self._output) if self.job.is_idle else fix,
            )
        self._still_asked[row.part] += 1
        return False

    def check_parts(self) -> None:
        """Check that the input still has all rows of the parts that are to become batches now.

        Raises:
            UsageError: it does not.
        """
        for part in self.job.parts:
            gone = part.lines - self._still_asked[part.number]
            if gone and not (part.may_exist or part.fetched):
                rows = f"{plural(gone, 'row')} of it {'is' if gone == 1 else 'are'} not asked any more"
                fix = "the input as it was when it was submitted"
                raise UsageError(
                    f"part {part.number} is no batch yet, and {rows}",
                    fix=f"{fix}; {restart_advice(self._output)}" if self.job.is_idle else fix,
                )


class RequestFiles:
    """Writes request files: a line a row, a file a model, a new one where the provider's limits are reached."""

    def __init__(self, output: str, provider: Provider, api: BatchApi, submitted: RowsFile, first: int) -> None:
        """Files are numbered from `first`; each row is noted in `submitted` too."""
        self._output = output
        self._provider = provider
        self._api = api
        self._submitted = submitted
        self._first = self._next = first
        self._open: dict[str, _RequestFile] = {}  # by model
        self._parts: list[JobPart] = []

    def add(self, item: QueueItem) -> InvalidRow | None:
        """Write the line of a row; if it cannot be submitted, return it as an invalid row.

        Raises:
            OutputError: the line cannot be written.
        """
        model, api = item.request.model, self._api.of(item.request.model)
        provider_id = custom_id(item.id)
        try:
            pieces, size = self._checked_line(item, provider_id, api)
        except UsageError as error:
            return InvalidRow(item.number, item.row, item.id, item.hash, error)
        try:
            file = self._file(model, api, size)
            file.write(pieces)
        except OSError as error:
            raise self._error(error) from error
        before = self._submitted.latest(item.id)
        calls = max(item.calls, before.calls if before else 0) + 1
        row = SubmittedRow(file.number, provider_id, item.id, item.row.line, item.hash, calls, item.row.columns)
        self._submitted.append(row)
        return None

    def _checked_line(self, item: QueueItem, provider_id: str, api: BatchApi) -> tuple[Iterator[bytes], int]:
        pieces, size = _line(item, provider_id, api, self._provider.serving(item.request.model))
        if api.max_line_bytes is not None and size > api.max_line_bytes:
            fix = "shorter texts, smaller files or URLs; glm batch run has no such limit"
            raise UsageError(f"its line has {size} bytes; {self._provider.name} takes {api.max_line_bytes}", fix=fix)
        return pieces, size

    def _file(self, model: str, api: BatchApi, size: int) -> _RequestFile:
        if model in self._open and not self._open[model].has_room(api, size):
            self._parts.append(self._open.pop(model).close())
        if model not in self._open:
            self._open[model] = _RequestFile(request_path(self._output, self._next), self._next, model)
            self._next += 1
        return self._open[model]

    def close(self) -> tuple[JobPart, ...]:
        """The parts of the job that these files are; all have reached the disk.

        Raises:
            OutputError: they have not.
        """
        try:
            self._parts += [file.close() for file in self._open.values()]
            self._submitted.sync()
        except OSError as error:
            raise self._error(error) from error
        self._open = {}
        return tuple(sorted(self._parts, key=lambda part: part.number))

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """After an error, remove the files: nobody will upload them."""
        for number in range(self._first, self._next) if error else ():
            with suppress(OSError):
                Path(request_path(self._output, number)).unlink()

    def _error(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write the lines beside {self._output}: {error.strerror}", fix="make room")


class _RequestFile:
    """A request file that is being written."""

    def __init__(self, path: str, number: int, model: str) -> None:
        self.number = number
        self._model = model
        self._hash = sha256()
        self._lines = self._bytes = 0
        self._fd = create(path)

    def has_room(self, api: BatchApi, size: int) -> bool:
        lines, most = api.max_lines, api.max_bytes
        return (lines is None or self._lines < lines) and (most is None or self._bytes + size <= most)

    def write(self, pieces: Iterator[bytes]) -> None:
        write_pieces(self._fd, map(self._counted, pieces))
        self._lines += 1

    def _counted(self, piece: bytes) -> bytes:
        self._hash.update(piece)
        self._bytes += len(piece)
        return piece

    def close(self) -> JobPart:
        try:
            sync(self._fd)
        finally:
            os.close(self._fd)
        return JobPart(self.number, self._model, self._lines, self._bytes, self._hash.hexdigest())


def request_line(item: QueueItem, api: BatchApi, provider: Provider) -> str:
    """The line of a row in a request file."""
    model = item.request.model
    pieces, _ = _line(item, custom_id(item.id), api.of(model), provider.serving(model))
    return b"".join(pieces).decode()


def _line(item: QueueItem, provider_id: str, api: BatchApi, provider: Provider) -> tuple[Iterator[bytes], int]:
    """The line of a row in pieces, and its size in bytes: the body may be large, and is not copied."""
    body = dialect_of(provider).encode(item.request, provider).content()
    head = compact_json({"custom_id": provider_id, "method": "POST", "url": api.url})[:-1].encode() + b',"body":'

    def pieces() -> Iterator[bytes]:
        yield head
        yield from (body,) if isinstance(body, bytes) else body
        yield b"}\n"

    return pieces(), len(head) + len(body) + 2
