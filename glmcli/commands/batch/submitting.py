"""From the flags of `glm batch submit` to batches at the provider."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from glmcli.batch.jobs import job_file as jobs
from glmcli.batch.jobs.request_lines import Packing
from glmcli.batch.jobs.rows_file import RowsFile
from glmcli.batch.jobs.states import line, rows
from glmcli.batch.jobs.submission import Submission
from glmcli.batch.ledger.index import Index
from glmcli.batch.ledger.record import RowState
from glmcli.batch.rows.row import InvalidRow, QueueItem
from glmcli.commands.batch import lines_only
from glmcli.commands.batch.admission import admission, agreed
from glmcli.commands.batch.asking import intake_of, writing_of
from glmcli.commands.batch.preparing import open_ledger, prepare, refuse_shared
from glmcli.commands.batch.reach import same_place, service_at
from glmcli.config.plan import Endpoint
from glmcli.console import signals
from glmcli.errors import FailedRowsError, GlmError, UsageError
from glmcli.providers.batches import BatchState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.batch.ledger.file import Ledger
    from glmcli.batch.ledger.writer import LedgerWriter
    from glmcli.commands.batch.preparing import BatchPlan
    from glmcli.config.app import App
    from glmcli.providers.row import BatchApi

_OWN = frozenset(("again", "lines", "input_url"))


def submit(app: App, given: Mapping[str, Any]) -> None:
    """Submit the rows.

    Raises:
        GlmError: as its exit code says.
    """
    own = {name: value for name, value in given.items() if name in _OWN}
    asking = {name: value for name, value in given.items() if name not in _OWN}
    with ExitStack() as stack:
        signals.install_handlers()
        prepared = prepare(app, asking, stack, dry="lines" in own)
        _Submitting(app, prepared, own, stack).run()


class _Submitting:
    def __init__(self, app: App, prepared: BatchPlan, own: Mapping[str, Any], stack: ExitStack) -> None:
        self._app = app
        self._note = app.terminal.note
        self._prepared = prepared
        self._stack = stack
        self._again = own.get("again", False)
        self._lines: str | None = own.get("lines")
        self._address: str | None = own.get("input_url")
        self._output = jobs.for_output(prepared.options.output or "")
        self._provider = prepared.candidates[0].provider
        prepared.questions.base(prepared.candidates[0].request.replace(stream=False))
        self._index = Index()
        self._waiting = self._left = self._invalid = 0
        self._seen: Counter[int] = Counter()  # rows of each part that are in the input still, and ask the same

    def run(self) -> None:
        form, admit = agreed(self._prepared, self._lines, self._address), admission(self._app, self._prepared)
        if self._address and self._app.terminal.redactor.text(self._address) != self._address:
            raise UsageError("--input-url: it holds a key, and would be remembered", fix="an address that needs none")
        if self._prepared.options.dry_run:
            lines_only.show(self._app, self._prepared, form, self._rows())
        elif self._lines:
            self._write(form, admit, self._lines)
        else:
            self._submit(form, admit)

    def _write(self, form: BatchApi, admit: Callable[[str], None], place: str) -> None:
        """Write the lines of those rows that a submission would hold."""
        refuse_shared(self._prepared, {"--output": self._output or None, "--lines": place})
        rows = self._rows()
        if self._output not in ("", "-"):
            open_ledger(self._app, self._prepared, self._index, self._stack)
            job = self._known() or self._new()
            rows = self._wanted(job, self._stack.enter_context(self._asked(job)))
        lines_only.write(self._app, self._prepared, form, rows, admit, place)
        self._say_left_out()

    def _known(self) -> jobs.Job | None:
        """What was submitted for this output before, to this very place."""
        known = jobs.load(self._output)
        if known:
            same_place(known, self._provider, self._output)
        return known

    def _new(self) -> jobs.Job:
        return jobs.Job(self._provider.name, self._provider.base_url, self._prepared.source.name, 0, "", ())

    def _asked(self, job: jobs.Job) -> RowsFile:
        return RowsFile(self._output, job.rows_bytes, job.rows_sha256, self._app.terminal.redactor.text)

    def _wanted(self, job: jobs.Job, asked: RowsFile) -> Iterator[QueueItem | InvalidRow | None]:
        """The rows that are to be submitted now, and those that cannot be."""
        parts = {part.number: part for part in job.parts}
        for item in self._rows():
            if not isinstance(item, QueueItem) or self._is_wanted(item, asked, parts):
                yield item

    def _rows(self) -> Iterator[QueueItem | InvalidRow | None]:
        intake = intake_of(self._app, self._prepared, self._index)
        if self._prepared.source.rereadable:
            intake.scan()
        for row in self._prepared.source.rows():
            yield intake.take(row)

    def _submit(self, form: BatchApi, admit: Callable[[str], None]) -> None:
        ledger = open_ledger(self._app, self._prepared, self._index, self._stack)
        assert ledger is not None  # noqa: S101 - there is an output
        known = self._known()
        job = self._packed(form, known, ledger, admit)
        self._say(job, known)
        if not job.parts:
            if self._invalid:
                raise FailedRowsError(
                    f"there is nothing to submit: {rows(self._invalid)} cannot be", fix=f"see {self._output}"
                )
            return
        first = self._prepared.candidates[0]
        service = service_at(self._app, Endpoint(self._provider, first.call, first.proxy), self._prepared.options)
        submission = Submission(self._output, job, service, form, self._note)
        submission.bring(self._address)
        for part in submission.job.parts:
            if part.batch and not part.fetched:
                label = f"part {part.number} of {len(job.parts)}"
                try:
                    state = service.look(part.batch)
                except GlmError as error:  # it is there, and remembered: that is what was asked for
                    self._note(f"{label}: {error.message}")
                    state = BatchState(part.batch, part.state)
                self._app.terminal.stdout.write(line(state, time.time(), label))

    def _packed(self, form: BatchApi, known: jobs.Job | None, ledger: Ledger, admit: Callable[[str], None]) -> jobs.Job:
        """The job with the rows that are not in it yet, written to the disk."""
        job = known or self._new()
        with self._asked(job) as asked:
            packing = Packing(self._output, self._provider, form, asked, len(job.parts) + 1, admit)
            try:
                parts = self._lines_of(packing, self._wanted(job, asked), ledger)
                self._judge_waiting(job)
                self._judge_address((*job.parts, *parts))
            except BaseException:
                packing.abandon()
                raise
            if parts:
                job = job.replace(rows_bytes=asked.size, rows_sha256=asked.digest, parts=(*job.parts, *parts))
                jobs.save(self._output, job)
        return job

    def _judge_waiting(self, job: jobs.Job) -> None:
        """Return if each part that would become a batch now holds what the input still asks, and nothing else."""
        for part in job.parts:
            gone = part.lines - self._seen[part.number]
            if gone and not (part.may_be_there or part.fetched):
                what = (
                    f"part {part.number} is no batch yet, and {rows(gone, 'of it is', 'of it are')} not asked any more"
                )
                fix = "the input as it was when it was submitted"
                raise UsageError(what, fix=f"{fix}; {jobs.anew(self._output)}" if job.is_idle else fix)

    def _judge_address(self, parts: tuple[jobs.JobPart, ...]) -> None:
        if self._address and sum(part.file is None for part in parts) > 1:
            raise UsageError("these rows make several files, and --input-url names one", fix="cut the input")

    def _lines_of(
        self, packing: Packing, items: Iterator[QueueItem | InvalidRow | None], ledger: Ledger
    ) -> tuple[jobs.JobPart, ...]:
        """The files of these rows, on the disk; the output says of the others why they have no line."""
        writing = writing_of(self._app, self._prepared, self._index, ledger)
        for item in items:
            invalid = _refused(packing, item) if isinstance(item, QueueItem) else item
            if invalid:
                self._refuse(invalid, writing)
        return packing.close()

    def _refuse(self, invalid: InvalidRow, writing: LedgerWriter) -> None:
        """Let the output say why a row cannot be submitted, once."""
        self._invalid += 1
        known = self._index.get(invalid.id)
        if known is None or (known.state, known.hash) != (RowState.INVALID, invalid.hash):
            writing.write_invalid(invalid)

    def _is_wanted(self, item: QueueItem, asked: RowsFile, parts: Mapping[int, jobs.JobPart]) -> bool:
        """Whether the row is to be submitted now."""
        row = asked.latest(item.id)
        if row is None:
            return True
        if not ((part := parts.get(row.part)) and part.fetched):
            if row.hash != item.hash:
                is_idle = not any(part.is_under_way for part in parts.values())
                fix = "fetch the answers first, or use another -O FILE"
                raise UsageError(
                    f"the row {item.id!r} asks another thing than when it was submitted",
                    fix=jobs.anew(self._output) if is_idle else fix,
                )
            self._waiting += 1
            self._seen[row.part] += 1
            return False
        if row.hash != item.hash:
            return True  # --redo-changed: this was never asked
        self._left += not self._again
        return bool(self._again)

    def _say(self, job: jobs.Job, known: jobs.Job | None) -> None:
        """Tell what was left out, and why."""
        done = len(self._index)
        new = sum(part.lines for part in job.parts[len(known.parts) if known else 0 :])
        self._say_left_out()
        if self._invalid:
            self._note(f"{rows(self._invalid)} cannot be submitted; {self._output} says why")
        if not (new or self._waiting):
            self._note("nothing is left to submit" if done else "there is nothing to submit")

    def _say_left_out(self) -> None:
        if self._waiting:
            self._note(f"{rows(self._waiting, 'is', 'are')} under way already; glm batch status {self._output}")
        if self._left:
            them = "--again submits what may succeed anew, and it is paid again"
            self._note(f"{rows(self._left)} failed or went missing; {them}")


def _refused(packing: Packing, item: QueueItem) -> InvalidRow | None:
    """Write the line of a row; the row as one that cannot be submitted, if the provider takes no such line."""
    try:
        packing.add(item)
    except UsageError as error:
        if error.model_missing:
            raise
        return InvalidRow(item.number, item.row, item.id, item.hash, error)
    return None
