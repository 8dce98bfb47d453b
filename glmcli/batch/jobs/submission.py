"""Submits the rows of a plan as batches at the provider.

The job file is written before and after each step, so that it is known after a crash what exists at the provider.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from glmcli.batch.jobs import job_file
from glmcli.batch.jobs.batch_client import BatchClient, check_has_batches
from glmcli.batch.jobs.job_file import Job
from glmcli.batch.jobs.request_files import RequestFiles, RowSelection, request_line
from glmcli.batch.jobs.rows_file import RowsFile
from glmcli.batch.ledger.index import Index
from glmcli.batch.ledger.record import RowState
from glmcli.batch.ledger.writer import utc_now
from glmcli.batch.rows.row import InvalidRow, QueueItem
from glmcli.batch.setup import open_ledger, pending_rows, refuse_shared_files, row_writer
from glmcli.config.plan import Endpoint
from glmcli.errors import FailedRowsError, GlmError, ProtocolError, UsageError
from glmcli.http.urls import checked_media_url
from glmcli.output.amounts import plural
from glmcli.output.destination import abandoned_on_error, open_output
from glmcli.providers.batches import BatchState
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import ExitStack

    from glmcli.batch.jobs.job_file import JobPart
    from glmcli.batch.setup import BatchPlan
    from glmcli.config.app import App
    from glmcli.providers.row import BatchApi, Provider

_CLOCK_SKEW = 600.0  # seconds by which two clocks may differ
_NOT_SERVED = "another model, or glm batch run, which asks for every row itself"
_UNCERTAIN = "the same command again looks whether the batch is there, and asks for it only if it is not"


class SubmitOptions(Record):
    """The flags of `glm batch submit` beside those of `glm batch run`."""

    again: bool = False
    lines: str | None = None
    input_url: str | None = None


class Submission:
    """One run of `glm batch submit`."""

    def __init__(self, app: App, plan: BatchPlan, options: SubmitOptions, stack: ExitStack) -> None:
        """`stack` closes what is opened.

        Raises:
            UsageError: the flags do not fit the provider, or it has no Batch API.
        """
        self._app = app
        self._note = app.terminal.note
        self._plan = plan
        self._options = options
        self._stack = stack
        self._output = job_file.output_for_new_job(plan.options.output or "")
        self._index = Index()
        self._api = self._check_flags()
        plan.requests.set_base(plan.candidates[0].request.replace(stream=False), plan.provider)

    def _check_flags(self) -> BatchApi:
        """The provider's Batch API, if the flags fit it."""
        provider, options, url = self._plan.provider, self._plan.options, self._options.input_url
        sends = not (self._options.lines or options.dry_run)
        api = check_has_batches(provider if sends else provider.replace(embedded=False))
        if sends and options.output in (None, "-"):
            raise UsageError("a job is remembered beside its output, and there is none", fix="add -O FILE")
        if url and api.uploads:
            raise UsageError(f"--input-url: {provider.name} takes an upload", fix="leave it out")
        if url:
            checked_media_url(url, "--input-url")
            if self._app.terminal.redactor.text(url) != url:
                fix = "an address that needs none"
                raise UsageError("--input-url: it holds a key, and would be remembered", fix=fix)
        elif sends and not api.uploads:
            raise UsageError(
                f"{provider.name} reads the lines at an address",
                fix="--lines FILE writes the lines; put it where it can be read, and name the place with --input-url",
            )
        return api

    def print_first_line(self) -> None:
        """Print the line of the first row that can be submitted.

        Raises:
            UsageError: there is none, or its model may not be submitted.
        """
        item = next((item for item in self._served(self._rows()) if isinstance(item, QueueItem)), None)
        if item is None:
            raise UsageError(f"{self._plan.source.name} has no row that can be submitted")
        self._app.terminal.stdout.write(self._line(item))

    def write_lines(self, path: str) -> None:
        """Write the lines that would be submitted into this file.

        Raises:
            UsageError: the file is one that is read, or a row or its model may not be submitted.
            OutputError: it cannot be written.
        """
        refuse_shared_files(self._plan, {"--output": self._output or None, "--lines": path})
        selection = self._select() if self._output not in ("", "-") else None
        out = open_output(path, self._app.terminal)
        with abandoned_on_error(out):
            for item in self._served(selection.select(self._rows()) if selection else self._rows()):
                if isinstance(item, QueueItem):
                    out.write(self._line(item))
                else:
                    self._note(f"{item.error.message}: left out")
            out.commit()
        if selection:
            self._note_left_out(selection)

    def submit(self) -> Iterator[tuple[str, BatchState]]:
        """Submit the rows; then the state of each batch whose answers are not fetched, and the name of its part.

        Raises:
            GlmError: as its exit code says; the job file says what exists at the provider.
        """
        job = self._add_rows()
        if not job.parts:
            return
        first = self._plan.candidates[0]
        client = BatchClient.at(self._app, Endpoint(first.provider, first.call, first.proxy), self._plan.options)
        creator = BatchCreator(self._output, job, client, self._api, self._note)
        creator.create_all(self._options.input_url)
        for part in creator.job.parts:
            if part.batch and not part.fetched:
                label = f"part {part.number} of {len(job.parts)}"
                try:
                    state = client.state(part.batch)
                except GlmError as error:  # the batch exists and its id is saved, so the submission has succeeded
                    self._note(f"{label}: {error.message}")
                    state = BatchState(part.batch, part.state)
                yield label, state

    def _rows(self) -> Iterator[QueueItem | InvalidRow]:
        """The rows that have no answer in the output."""
        pending = pending_rows(self._app, self._plan, self._index)
        if self._plan.source.rereadable:
            pending.scan()
        yield from pending

    def _served(self, rows: Iterable[QueueItem | InvalidRow]) -> Iterator[QueueItem | InvalidRow]:
        """These rows; the model of each is checked when it is seen first."""
        checked: set[str] = set()
        for item in rows:
            if isinstance(item, QueueItem) and (model := item.request.model) not in checked:
                checked.add(model)
                self._check_served(model)
            yield item

    def _check_served(self, model: str) -> None:
        """Check that the Batch API is not known to refuse the model; print a note if nothing is known."""
        provider = self._plan.provider
        if model in self._api.models:
            return
        known = provider.model(model)
        serves = known.batch if known else None
        if serves is False and not self._plan.options.force:
            raise UsageError(
                f"the Batch API of {provider.name} does not serve {model}",
                fix="glm batch run asks for every row itself (--force submits it anyway)",
                model_missing=True,
            )
        if serves is None and provider.catalogue:
            what = f"no source says whether the Batch API of {provider.name} serves {model}: not checked"
            self._note(what + _only_gone(provider))

    def _line(self, item: QueueItem) -> str:
        return request_line(item, self._api, self._plan.provider)

    def _select(self) -> RowSelection:
        """The rows that no earlier submission for this output has; opens the output and the rows file."""
        provider, output = self._plan.provider, self._output
        self._ledger = open_ledger(self._app, self._plan, self._index, self._stack)
        job = job_file.load(output)
        if job is None:
            job = Job(provider.name, provider.base_url, self._plan.source.name, 0, "", ())
        else:
            job_file.check_provider(job, provider, output)
        submitted = self._stack.enter_context(RowsFile(output, job, self._app.terminal.redactor.text))
        return RowSelection(output, job, submitted, again=self._options.again)

    def _add_rows(self) -> Job:
        """The job with its new rows, saved.

        Raises:
            FailedRowsError: it has no rows, and those of the input cannot be submitted.
        """
        selection, output = self._select(), self._output
        job, submitted = selection.job, selection.submitted
        with RequestFiles(output, self._plan.provider, self._api, submitted, len(job.parts) + 1) as files:
            invalid = self._write_requests(self._served(selection.select(self._rows())), files)
            parts = files.close()
            selection.check_parts()
            if self._options.input_url and sum(part.file is None for part in (*job.parts, *parts)) > 1:
                raise UsageError("these rows make several files, and --input-url names one", fix="cut the input")
        if parts:
            size, digest = submitted.size, submitted.digest
            job = job.replace(rows_bytes=size, rows_sha256=digest, parts=(*job.parts, *parts))
            job_file.save(output, job)
        self._note_left_out(selection)
        if invalid:
            self._note(f"{plural(invalid, 'row')} cannot be submitted; {output} says why")
        if not (parts or selection.under_way):
            self._note("nothing is left to submit" if len(self._index) else "there is nothing to submit")
        if invalid and not job.parts:
            message = f"there is nothing to submit: {plural(invalid, 'row')} cannot be"
            raise FailedRowsError(message, fix=f"see {output}")
        return job

    def _write_requests(self, rows: Iterable[QueueItem | InvalidRow], files: RequestFiles) -> int:
        """Write the lines of these rows; how many cannot be submitted, which the output records."""
        assert self._ledger is not None  # noqa: S101 - there is an output
        writer, count = row_writer(self._app, self._plan, self._index, self._ledger), 0
        for item in rows:
            invalid = item if isinstance(item, InvalidRow) else files.add(item)
            if invalid:
                count += 1
                known = self._index.get(invalid.id)
                if known is None or (known.state, known.hash) != (RowState.INVALID, invalid.hash):
                    writer.write_invalid(invalid)
        return count

    def _note_left_out(self, selection: RowSelection) -> None:
        if under_way := selection.under_way:
            are = "is" if under_way == 1 else "are"
            self._note(f"{plural(under_way, 'row')} {are} under way already; glm batch status {self._output}")
        if selection.unanswered:
            them = "--again submits what may succeed anew, and it is paid again"
            self._note(f"{plural(selection.unanswered, 'row')} failed or went missing; {them}")


def _only_gone(provider: Provider) -> str:
    """What to add where all models that the Batch API is known to serve may be gone, with their names; else nothing."""
    served = [name for name in provider.model_names if (provider.facts(name) or EMPTY).get("batch")]
    if not served or provider.models_where(lambda facts: facts.get("batch") is True):
        return ""
    return f"; those that it is known to serve may be gone: {', '.join(served)}"


class BatchCreator:
    """Uploads the request files of a job, and creates its batches.

    Attributes:
        job: as it is saved in its file.
    """

    def __init__(self, output: str, job: Job, client: BatchClient, api: BatchApi, note: Callable[[str], None]) -> None:
        """`note` prints a line for the user."""
        self.job = job
        self._output = output
        self._client = client
        self._api = api
        self._note = note

    def create_all(self, url: str | None) -> None:
        """Create a batch of each part that has none; `url` is where the provider finds the requests already.

        Raises:
            GlmError: the provider refuses, or does not answer; the job file says what exists.
        """
        for part in self.job.parts:
            if part.batch is None:
                self._create(part, url)

    def _create(self, part: JobPart, url: str | None) -> None:
        if part.file is None:
            part = self._upload(part, url)
        if part.state == job_file.CREATING and (found := self._find(part)):
            self._note(f"part {part.number}: its batch {found.id} is there already")
            self._save_created(part, found)
            return
        part = self._save(part.replace(state=job_file.CREATING, created=part.created or utc_now()))
        try:
            state = self._client.create(self._api.of(part.model), part.file or "")
        except GlmError as error:
            if error.sent:
                error.fix = _UNCERTAIN
            else:  # a clear refusal: there is no batch
                self._save(part.replace(state=job_file.UPLOADED, created=None))
                if error.model_missing:
                    error.fix = _NOT_SERVED
            raise
        self._save_created(part, state)

    def _upload(self, part: JobPart, url: str | None) -> JobPart:
        if not self._api.uploads:
            if url is None:
                raise UsageError("there is no address for the lines", fix="--input-url URL, where they can be read")
            return self._save(part.replace(state=job_file.UPLOADED, file=url))
        path = job_file.request_path(self._output, part.number)
        if not Path(path).exists():
            fix = f"remove {job_file.job_path(self._output)} to start anew"
            raise UsageError(f"{path} is gone, and not uploaded", fix=fix)
        part = self._save(part.replace(state=job_file.UPLOADING))
        return self._save(part.replace(state=job_file.UPLOADED, file=self._client.upload(path, part)))

    def _find(self, part: JobPart) -> BatchState | None:
        """The batch that an earlier command requested without learning its id."""
        known = {each.batch for each in self.job.parts}
        try:
            for each in self._client.list():
                if each.input_file == part.file and each.id not in known and self._is_of(each, part):
                    return each
        except (UsageError, ProtocolError) as error:
            path = job_file.job_path(self._output)
            error.fix = f"see at the provider whether there is a batch of {part.file}; if none is, remove {path}"
            raise
        return None

    def _is_of(self, state: BatchState, part: JobPart) -> bool:
        """Whether a batch of the same file is this part's: unlike an upload, a URL may have served other batches."""
        if self._api.uploads:
            return True
        if state.created is None:
            raise ProtocolError(f"there is a batch {state.id} of {part.file}, and nobody says since when")
        requested = datetime.fromisoformat(part.created).timestamp() if part.created else 0.0
        return state.created > requested - _CLOCK_SKEW

    def _save_created(self, part: JobPart, state: BatchState) -> None:
        self._save(part.replace(state=state.state, batch=state.id))
        with suppress(OSError):  # a request file that stays does no harm
            Path(job_file.request_path(self._output, part.number)).unlink()

    def _save(self, part: JobPart) -> JobPart:
        self.job = self.job.with_part(part)
        job_file.save(self._output, self.job)
        return part
