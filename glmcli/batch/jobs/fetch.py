"""Fetches a provider's files of results into the output: each row once, however often a fetch is repeated."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from glmcli.batch.completion import compact_output, print_summary, raise_for_rows
from glmcli.batch.jobs import job_file
from glmcli.batch.jobs.batch_client import UNKNOWN_STATE, BatchClient, name_part
from glmcli.batch.jobs.results import ResultFile, ResultReader
from glmcli.batch.jobs.rows_file import RowsFile
from glmcli.batch.ledger.file import Ledger
from glmcli.batch.ledger.index import Index, load_ledger
from glmcli.batch.ledger.record import RowState, status_of
from glmcli.batch.ledger.writer import LedgerWriter, WriterOptions, command_of
from glmcli.batch.rows.row import QueueItem, Row
from glmcli.chat.messages import Request
from glmcli.errors import IncompleteError, ProtocolError, UsageError
from glmcli.output.amounts import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import ExitStack

    from glmcli.batch.jobs.job_file import JobPart
    from glmcli.batch.jobs.rows_file import SubmittedRow
    from glmcli.chat.outcome import Outcome
    from glmcli.config.app import App
    from glmcli.config.options import Options
    from glmcli.errors import GlmError
    from glmcli.providers.batches import BatchState

_MAX_FAULTS = 5  # faults of a refused batch that are printed


class Fetch:
    """Writes the results of a job into its output.

    Attributes:
        error: the first error that concerns one part only.
    """

    def __init__(self, app: App, name: str, options: Options, stack: ExitStack) -> None:
        """`name` is the output or the job file; `stack` closes what is opened.

        Raises:
            UsageError: there is no such job, it was submitted elsewhere, or its output is in use.
            CredentialsError: the key is missing.
        """
        self._output = output = job_file.output_of(name)
        job_file.load_existing(output)  # before an output of that name is created
        self._app = app
        self._note = app.terminal.note
        self._ledger = stack.enter_context(Ledger(output))
        self._job = job_file.load_existing(output)  # it does not change while the output is locked
        self._client = BatchClient.connect(app, options.replace(provider=self._job.provider))
        job_file.check_provider(self._job, self._client.provider, output)
        self._index = Index()
        load_ledger(self._ledger, self._index, self._note)
        self._submitted = stack.enter_context(RowsFile(output, self._job))
        redactor = app.terminal.redactor
        writer_options = WriterOptions(keep_partial=options.keep_partial, command=command_of(app.arguments))
        self._writer = LedgerWriter(self._ledger, self._index, redactor, writer_options)
        self._reader = ResultReader(self._client.provider, redactor, options.allow_empty, options.exact)
        self._states: dict[int, BatchState] = {}  # by the number of the part
        self.error: GlmError | None = None

    def run(self) -> None:
        """Write the results of all batches that have ended, and print the summary.

        Raises:
            GlmError: results cannot be had or written; what was written stays, and is not written again.
            PartialError: rows are under way, or may get an answer if they are submitted again.
            FailedRowsError: rows have no answer, and would only fail again.
        """
        self._refresh()
        for part in self._job.parts:
            self._fetch(part)
        compact_output(self._ledger, self._index, self._app.terminal)
        print_summary(self._app, self._ledger)
        if self.error:
            raise self.error
        self._raise_for_rows()

    def _refresh(self) -> None:
        """Ask for the state of each batch whose results are not in the output: of all, if the output was lost."""
        if not len(self._index):
            # Saved before the first line is written, because after that the output is not empty any more.
            self._save(*(part.replace(fetched=False) for part in self._job.parts))
        for part in self._job.parts:
            if part.batch and not part.fetched:
                with self._isolated(part):
                    state = self._states[part.number] = self._client.state(part.batch)
                    self._save(part.replace(state=state.state))

    @contextmanager
    def _isolated(self, part: JobPart) -> Iterator[None]:
        """Keep an error that concerns one part from stopping the others; the first one is raised at the end."""
        try:
            yield
        except (UsageError, ProtocolError, IncompleteError) as error:
            name_part(error, part.number)
            if self.error:
                self._note(error.message)
            self.error = self.error or error

    def _fetch(self, part: JobPart) -> None:
        state = self._states.get(part.number)
        if state is None:
            return
        if not state.has_ended:
            if state.is_foreign:
                self._note(f"part {part.number} is {state.state}: {UNKNOWN_STATE}")
            return
        if state.state == "completed" and not (state.output_file or state.error_file):
            self._note(f"part {part.number} is completed, but names no file yet")
            return
        with self._isolated(part):
            self._write_results(part, state)

    def _write_results(self, part: JobPart, state: BatchState) -> None:
        """Write the results in the files of a part. If the files are complete, the part is fetched."""
        files, written = [], 0
        for kind, file in (("output", state.output_file), ("errors", state.error_file)):
            if file:
                files.append(copy := ResultFile(f"{self._output}.job.part-{part.number}.{kind}"))
                written += sum(self._write(result, part) for result in copy.read(self._client, file))
        self._ledger.sync()
        self._check_files(part, state, files)
        self._print_end(part, state, written)
        self._save(part.replace(state=state.state, fetched=True))
        for copy in files:
            copy.remove()

    def _check_files(self, part: JobPart, state: BatchState, files: list[ResultFile]) -> None:
        """Check that the files are complete, so that they need not be downloaded again.

        Raises:
            ProtocolError: they were cut, or something else was sent in their place.
        """
        fix = "fetch again: nothing is paid for it"
        for copy in files:
            if copy.bad_line and (copy.is_torn or not copy.lines):
                message = f"{copy.path}:{copy.bad_line} is no line of answers"
                raise self._client.displayed(ProtocolError(message, why=copy.bad_text, fix=fix))
            if copy.bad_line:
                self._note(f"part {part.number}: {copy.path} stays: line {copy.bad_line} is no line of answers")
        if state.state == "completed" and not any(copy.lines for copy in files):
            raise self._client.displayed(ProtocolError("it is completed, and its files are empty", fix=fix))

    def _write(self, result: Mapping[str, Any], part: JobPart) -> bool:
        """Write a result, unless it belongs to no row or is written already; whether it was written."""
        row = self._submitted.find(part.number, result["custom_id"])
        if row is None:
            self._note(f"part {part.number}: left out a line of answers that belongs to no row")
            return False
        outcome = self._reader.outcome(result, part.model, row.calls)
        if self._is_written(row, outcome):
            return False
        request = Request(part.model, ())
        input_row = Row(row.line, row.id, columns=row.columns)
        self._writer.write(QueueItem(0, input_row, row.id, row.hash, request, 0, row.calls), outcome)
        return True

    def _has_line(self, row: SubmittedRow) -> bool:
        """Whether the output has the end of this request, or another answer to the same request."""
        known = self._index.get(row.id)
        return known is not None and known.hash == row.hash and (known.state == RowState.OK or known.calls >= row.calls)

    def _is_written(self, row: SubmittedRow, outcome: Outcome) -> bool:
        """Whether the output has this outcome or a better one: an answer is better than an error."""
        known = self._index.get(row.id)
        if known is None or not self._has_line(row):
            return False
        return known.state == RowState.OK or status_of(outcome.error) != "ok"

    def _print_end(self, part: JobPart, state: BatchState, written: int) -> None:
        for fault in state.faults[:_MAX_FAULTS]:
            where = f"line {fault.line}: " if fault.line is not None else ""
            self._note(f"part {part.number}: {where}{fault.message or 'refused'} ({fault.code or 'no code'})")
        missing = sum(1 for row in self._submitted.rows(part.number) if not self._has_line(row))
        lacking = f", {plural(missing, 'row')} {'is' if missing == 1 else 'are'} missing" if missing else ""
        self._note(f"part {part.number} is {state.state}: {written} new lines of {part.lines}{lacking}")

    def _raise_for_rows(self) -> None:
        """Raise for rows without an answer: those under way and those that went missing may still get one."""
        fetched = {part.number for part in self._job.parts if part.fetched}
        lacking = [row.part in fetched for row in self._submitted.rows() if not self._has_line(row)]
        under_way = lacking.count(False)
        again = "glm batch submit … --again submits anew what failed or went missing"
        if not all(part.batch for part in self._job.parts):
            again = "the same glm batch submit again brings the rest to the provider"
        elif under_way:
            again = f"{under_way} are under way: glm batch status {self._output} --wait, then fetch again"
        ended = self._index.count_states()
        raise_for_rows(ended, len(lacking), sum(ended.values()) + len(lacking), again)

    def _save(self, *parts: JobPart) -> None:
        changed = self._job
        for part in parts:
            changed = changed.with_part(part)
        if changed != self._job:
            self._job = changed
            job_file.save(self._output, changed)
