"""From a provider's files of answers to lines of the output: each row once, however often this is begun."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcli.batch import index as states
from glmcli.batch.entry import status_of
from glmcli.batch.item import Item
from glmcli.batch.jobs import job as jobs
from glmcli.batch.jobs.standings import rows
from glmcli.batch.row import Row
from glmcli.chat import Request
from glmcli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.index import Index
    from glmcli.batch.jobs.asked import Asked, AskedRow
    from glmcli.batch.jobs.job import Job, Part
    from glmcli.batch.jobs.results import Judge
    from glmcli.batch.jobs.service import Service
    from glmcli.batch.ledger import Ledger
    from glmcli.batch.writing import Writing
    from glmcli.outcome import Outcome
    from glmcli.providers.batches import BatchState

_LONGEST = 256 << 20  # bytes of a line; an answer has at most 64 MiB, and JSON may escape it
_TOLD = 5  # faults of a refused batch that are told


class Collection:
    """Brings the answers of a job into its output.

    Attributes:
        job: as its file says at this moment.
        states: where the batches stand that were looked at, by the number of their part.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each is a side of it
        self, output: str, job: Job, service: Service, asked: Asked, judge: Judge, note: Callable[[str], None]
    ) -> None:
        """`note` tells a person what happens."""
        self.job = job
        self.states: dict[int, BatchState] = {}
        self._output = output
        self._service = service
        self._asked = asked
        self._judge = judge
        self._note = note

    def look(self, index: Index) -> None:
        """Learn where all batches stand whose answers are not in the output: all of them, if it was lost."""
        is_lost = not index.entries
        for part in self.job.parts:
            if part.batch and (is_lost or not part.fetched):
                state = self._service.look(part.batch)
                self.states[part.number] = state
                self._save(part.replace(state=state.state))

    def collect(self, ledger: Ledger, index: Index, writing: Writing) -> None:
        """Write the answers of all batches that have ended.

        Raises:
            GlmError: they cannot be had, or not be written; what was written stays, and is not written again.
        """
        for part in self.job.parts:
            state = self.states.get(part.number)
            if state is None or not state.has_ended:
                continue
            written = self._part(part, state, index, writing)
            ledger.sync()
            self._tell(part, state, written, index)
            if state.state == "completed" and not (state.output_file or state.error_file):
                self._note(f"part {part.number} is completed, but names no file yet")
                continue
            self._save(part.replace(state=state.state, fetched=True))
            for kind in ("output", "errors"):
                with suppress(OSError):
                    Path(self._place(part, kind)).unlink()

    def _part(self, part: Part, state: BatchState, index: Index, writing: Writing) -> int:
        """Write what the files of a part say; how many lines were new."""
        written = 0
        for kind, file in (("output", state.output_file), ("errors", state.error_file)):
            if file is None:
                continue
            place = self._place(part, kind)
            try:
                with open(place, "w+b") as copy:  # noqa: PTH123 - beside the output, whatever it is called
                    self._service.save(file, copy)
                    copy.seek(0)
                    for line in iter(lambda: copy.readline(_LONGEST), b""):
                        written += self._line(line, part, index, writing)
            except OSError as error:
                raise OutputError(f"cannot write {place}: {error.strerror}", fix="make room, then again") from error
        return written

    def _place(self, part: Part, kind: str) -> str:
        return f"{self._output}.job.part-{part.number}.{kind}"

    def _line(self, line: bytes, part: Part, index: Index, writing: Writing) -> bool:
        """Whether the line was a row's, and not written yet."""
        if not line.strip():
            return False
        value = _object(line)
        name = value.get("custom_id") if value else None
        row = self._asked.find(part.number, name) if isinstance(name, str) else None
        if value is None or row is None:
            self._note(f"part {part.number}: left out a line of answers that belongs to no row")
            return False
        outcome = self._judge.outcome(value, part.model, row.calls)
        if _is_written(row, outcome, index):
            return False
        request = Request(part.model, ())
        columns = Row(row.line, row.id, columns=row.columns)
        writing.done(Item(0, columns, row.id, row.hash, request, 0, row.calls), outcome)
        return True

    def _tell(self, part: Part, state: BatchState, written: int, index: Index) -> None:
        """Say how a part ended."""
        for fault in state.faults[:_TOLD]:
            where = f"line {fault.line}: " if fault.line is not None else ""
            self._note(f"part {part.number}: {where}{fault.message or 'refused'} ({fault.code or 'no code'})")
        missing = sum(1 for row in self._asked.rows() if row.part == part.number and not _has_line(row, index))
        lacking = f", {rows(missing, 'is', 'are')} missing" if missing else ""
        self._note(f"part {part.number} is {state.state}: {written} new lines of {part.lines}{lacking}")

    def pending(self, index: Index) -> tuple[int, int]:
        """How many rows have no line yet: those that are under way, and those that will get none by themselves."""
        over = {part.number for part in self.job.parts if part.fetched}
        lacking = [row.part in over for row in self._asked.rows() if not _has_line(row, index)]
        return lacking.count(False), lacking.count(True)

    def _save(self, part: Part) -> None:
        changed = self.job.with_part(part)
        if changed != self.job:
            self.job = changed
            jobs.save(self._output, changed)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _has_line(row: AskedRow, index: Index) -> bool:
    """Whether the output says how this very request ended, or has an answer to the same from elsewhere."""
    known = index.known(row.id)
    return known is not None and known.hash == row.hash and (known.state == states.OK or known.calls >= row.calls)


def _is_written(row: AskedRow, outcome: Outcome, index: Index) -> bool:
    """Whether there is nothing new in it; an answer is better than an error that the same row has elsewhere."""
    known = index.known(row.id)
    if known is None or not _has_line(row, index):
        return False
    return known.state == states.OK or status_of(outcome.error) != "ok"
