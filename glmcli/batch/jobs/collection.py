"""A provider's file of answers, on this disk while it is read. What cannot be read of it is lost to nobody."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcli.batch.jobs import job_file as jobs
from glmcli.batch.jobs.states import UNKNOWN, of_part, rows
from glmcli.batch.ledger.record import RowState, status_of
from glmcli.batch.rows.row import QueueItem, Row
from glmcli.chat.messages import Request
from glmcli.errors import GlmError, IncompleteError, OutputError, ProtocolError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.batch.jobs.job_file import Job, JobPart
    from glmcli.batch.jobs.results import ResultReader
    from glmcli.batch.jobs.rows_file import RowsFile, SubmittedRow
    from glmcli.batch.jobs.service import Service
    from glmcli.batch.ledger.file import Ledger
    from glmcli.batch.ledger.index import Index
    from glmcli.batch.ledger.writer import LedgerWriter
    from glmcli.chat.outcome import Outcome
    from glmcli.providers.batches import BatchState

_LONGEST = 256 << 20  # bytes of a line; an answer has at most 64 MiB, and JSON may escape it
_SHOWN = 1 << 12  # bytes of a broken line; what is told of them is cut once more


class Copy:
    """The file.

    Attributes:
        lines: how many lines of answers were read.
        broken: the number of the first line that is none; 0 while there is none.
        why: how that line begins.
        is_torn: the file ends in the middle of a line.
    """

    def __init__(self, place: str) -> None:
        """It stands at this place."""
        self.place = place
        self.lines = self.broken = 0
        self.why = ""
        self.is_torn = False

    def read(self, service: Service, file: str) -> Iterator[dict[str, Any]]:
        """Fetch the file that the provider calls so; each line of answers, with a `custom_id` that is text.

        Raises:
            GlmError: it cannot be had, or not be written.
        """
        try:
            with open(self.place, "w+b") as copy:  # noqa: PTH123 - beside the output, whatever it is called
                service.save(file, copy)
                copy.seek(0)
                for number, line in enumerate(iter(lambda: copy.readline(_LONGEST), b""), 1):
                    yield from self._values(number, line)
        except OSError as error:
            raise OutputError(f"cannot write {self.place}: {error.strerror}", fix="make room, then again") from error

    def _values(self, number: int, line: bytes) -> Iterator[dict[str, Any]]:
        if not line.strip():
            return
        value = _object(line)
        if value is not None:
            self.lines += 1
            yield value
            return
        if not self.broken:
            self.broken, self.why = number, line[:_SHOWN].decode(errors="replace")
        self.is_torn = not line.endswith(b"\n")

    def remove(self) -> None:
        """Leave it only if it has lines that nobody could read."""
        if not self.broken:
            with suppress(OSError):
                Path(self.place).unlink()


def _object(line: bytes) -> dict[str, Any] | None:
    """The line, if it is one of answers: an object that says whose it is."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    name = value.get("custom_id") if isinstance(value, dict) else None
    if isinstance(name, int) and not isinstance(name, bool):  # an id that looks like a number has become one
        value["custom_id"] = name = str(name)
    return value if isinstance(name, str) else None


# From a provider's files of answers to lines of the output: each row once, however often this is begun.

_TOLD = 5  # faults of a refused batch that are told


class Collection:
    """Brings the answers of a job into its output.

    Attributes:
        job: as its file says at this moment.
        states: where the batches stand that were looked at, by the number of their part.
        failure: the first thing that was wrong with a part, and with no other.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each is a side of it
        self, output: str, job: Job, service: Service, asked: RowsFile, judge: ResultReader, note: Callable[[str], None]
    ) -> None:
        """`note` tells a person what happens."""
        self.job = job
        self.states: dict[int, BatchState] = {}
        self.failure: GlmError | None = None
        self._output = output
        self._service = service
        self._asked = asked
        self._judge = judge
        self._note = note

    def look(self, index: Index) -> None:
        """Learn where all batches stand whose answers are not in the output: all of them, if it was lost."""
        if not len(index):
            # On the disk before the first line is written: after that the output does not look lost any more.
            self._save(*(part.replace(fetched=False) for part in self.job.parts))
        for part in self.job.parts:
            if part.batch and not part.fetched:
                with self._apart(part):
                    state = self._service.look(part.batch)
                    self.states[part.number] = state
                    self._save(part.replace(state=state.state))

    @contextmanager
    def _apart(self, part: JobPart) -> Iterator[None]:
        """What is wrong with one part keeps no other from the output: the first such error is raised at the end."""
        try:
            yield
        except (UsageError, ProtocolError, IncompleteError) as error:
            of_part(error, part.number)
            if self.failure:
                self._note(error.message)
            self.failure = self.failure or error

    def collect(self, ledger: Ledger, index: Index, writing: LedgerWriter) -> None:
        """Write the answers of all batches that have ended.

        Raises:
            GlmError: they cannot be had, or not be written; what was written stays, and is not written again.
        """
        for part in self.job.parts:
            state = self.states.get(part.number)
            if state is None or not state.has_ended:
                if state and state.is_foreign:
                    self._note(f"part {part.number} is {state.state}: {UNKNOWN}")
                continue
            if state.state == "completed" and not (state.output_file or state.error_file):
                self._note(f"part {part.number} is completed, but names no file yet")
                continue
            with self._apart(part):
                self._settle(part, state, ledger, index, writing)

    def _settle(self, part: JobPart, state: BatchState, ledger: Ledger, index: Index, writing: LedgerWriter) -> None:
        """Write what the files of a part say; if they are whole, nothing more comes of it."""
        files = [(kind, file) for kind, file in (("output", state.output_file), ("errors", state.error_file)) if file]
        copies, new = [], 0
        for kind, file in files:
            copies.append(copy := Copy(self._place(part, kind)))
            new += sum(self._line(value, part, index, writing) for value in copy.read(self._service, file))
        ledger.sync()
        self._judge_copies(part, state, copies)
        self._tell(part, state, new, index)
        self._save(part.replace(state=state.state, fetched=True))
        for copy in copies:
            copy.remove()

    def _judge_copies(self, part: JobPart, state: BatchState, copies: list[Copy]) -> None:
        """Return if the files are such that it makes no sense to fetch them again.

        Raises:
            ProtocolError: something else answered in their place, or they were cut.
        """
        for copy in copies:
            if copy.broken and (copy.is_torn or not copy.lines):
                what = f"{copy.place}:{copy.broken} is no line of answers"
                error = ProtocolError(what, why=copy.why, fix="fetch again: nothing is paid for it")
                raise self._service.displayed(error)
            if copy.broken:
                self._note(f"part {part.number}: {copy.place} stays: line {copy.broken} is no line of answers")
        if state.state == "completed" and not any(copy.lines for copy in copies):
            what = "it is completed, and its files are empty"
            raise self._service.displayed(ProtocolError(what, fix="fetch again: nothing is paid for it"))

    def _place(self, part: JobPart, kind: str) -> str:
        return f"{self._output}.job.part-{part.number}.{kind}"

    def _line(self, value: Mapping[str, Any], part: JobPart, index: Index, writing: LedgerWriter) -> bool:
        """Whether the line was a row's, and not written yet."""
        row = self._asked.find(part.number, value["custom_id"])
        if row is None:
            self._note(f"part {part.number}: left out a line of answers that belongs to no row")
            return False
        outcome = self._judge.outcome(value, part.model, row.calls)
        if _is_written(row, outcome, index):
            return False
        request = Request(part.model, ())
        columns = Row(row.line, row.id, columns=row.columns)
        writing.write(QueueItem(0, columns, row.id, row.hash, request, 0, row.calls), outcome)
        return True

    def _tell(self, part: JobPart, state: BatchState, written: int, index: Index) -> None:
        """Say how a part ended."""
        for fault in state.faults[:_TOLD]:
            where = f"line {fault.line}: " if fault.line is not None else ""
            self._note(f"part {part.number}: {where}{fault.message or 'refused'} ({fault.code or 'no code'})")
        missing = sum(1 for row in self._asked.rows(part.number) if not _has_line(row, index))
        lacking = f", {rows(missing, 'is', 'are')} missing" if missing else ""
        self._note(f"part {part.number} is {state.state}: {written} new lines of {part.lines}{lacking}")

    def pending(self, index: Index) -> tuple[int, int]:
        """How many rows have no line yet: those that are under way, and those that will get none by themselves."""
        over = {part.number for part in self.job.parts if part.fetched}
        lacking = [row.part in over for row in self._asked.rows() if not _has_line(row, index)]
        return lacking.count(False), lacking.count(True)

    def _save(self, *parts: JobPart) -> None:
        changed = self.job
        for part in parts:
            changed = changed.with_part(part)
        if changed != self.job:
            self.job = changed
            jobs.save(self._output, changed)


def _has_line(row: SubmittedRow, index: Index) -> bool:
    """Whether the output says how this very request ended, or has an answer to the same from elsewhere."""
    known = index.get(row.id)
    return known is not None and known.hash == row.hash and (known.state == RowState.OK or known.calls >= row.calls)


def _is_written(row: SubmittedRow, outcome: Outcome, index: Index) -> bool:
    """Whether there is nothing new in it; an answer is better than an error that the same row has elsewhere."""
    known = index.get(row.id)
    if known is None or not _has_line(row, index):
        return False
    return known.state == RowState.OK or status_of(outcome.error) != "ok"
