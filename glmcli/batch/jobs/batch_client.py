"""A provider's Files and Batches APIs, and the states of its batches, as lines or as JSON."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from glmcli.batch.jobs.job_file import check_provider, load_existing, output_of
from glmcli.config import resolve
from glmcli.config.app import check_caller
from glmcli.config.provider_choice import layers
from glmcli.engine.api_calls import ApiClient
from glmcli.errors import ProtocolError, UsageError
from glmcli.http.bodies import MultipartBody
from glmcli.output.amounts import duration
from glmcli.providers import batches
from glmcli.providers.batches import BatchState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.jobs.job_file import JobPart
    from glmcli.config.app import App
    from glmcli.config.options import Options
    from glmcli.config.plan import Endpoint
    from glmcli.errors import GlmError
    from glmcli.providers.row import BatchApi, Provider

_MAX_PAGES = 100
_BOUNDARY_DIGITS = 32  # hexadecimal digits of a file's own digest, which the file cannot contain
UNKNOWN_STATE = "glm does not know this state, and takes it for under way"
_NOT_FOUND = 404
_DAY = 86400


def check_has_batches(provider: Provider) -> BatchApi:
    """The provider's Batch API.

    Raises:
        UsageError: it has none; the fix names an alternative.
    """
    if provider.batch is None:
        fix = provider.no_batch or "glm batch run asks for every row itself"
        raise UsageError(f"{provider.name} has no Batch API", fix=fix)
    if provider.embedded:
        raise UsageError(
            "the sandbox inside glm ends with this command, and its batches with it",
            fix="start glm sandbox, and name its address with --base-url",
        )
    return provider.batch


class BatchClient:
    """The APIs of one provider; every method raises GlmError where the provider refuses or does not answer."""

    def __init__(self, calls: ApiClient) -> None:
        """Send requests over `calls`."""
        self._calls = calls
        self.provider = calls.provider
        self.sleep = calls.sleep
        self.displayed = calls.displayed

    @classmethod
    def connect(cls, app: App, options: Options) -> BatchClient:
        """The APIs of the provider that these options choose; nothing is sent yet.

        Raises:
            UsageError: it has none.
            CredentialsError: its key is missing or no key.
        """
        resolver = resolve.ProviderResolver(app, options, layers(app, options.given()))
        provider = resolver.provider("batches", may_be_embedded=False)
        check_has_batches(provider)
        endpoint = resolver.endpoint(provider, batches.listing(provider), options.key_file, "batches")
        return cls.at(app, endpoint, options)

    @classmethod
    def at(cls, app: App, endpoint: Endpoint, options: Options) -> BatchClient:
        """The APIs at this endpoint."""
        plan, check = resolve.make_plan(app, options), partial(check_caller, app.terminal.stdout)
        return cls(ApiClient(endpoint, plan, app.terminal, app.tls([endpoint.call]), check))

    def upload(self, path: str, part: JobPart) -> str:
        """Upload a request file; the provider's id of it."""
        boundary = f"glm-{part.sha256[:_BOUNDARY_DIGITS]}"
        body = MultipartBody(path, f"part-{part.number}.jsonl", {"purpose": "batch"}, boundary)
        call = batches.upload(self.provider, body, body.content_type)
        return batches.file_of(self._calls.request_json(call, "the reply to an upload"))

    def create(self, api: BatchApi, file: str) -> BatchState:
        """Create a batch of a file. It costs money, so the request is sent once.

        An error with `sent` says that the batch may exist all the same.
        """
        reply = self._calls.request_json(batches.create(self.provider, api, file), "the new batch", once=True)
        try:
            return batches.state_of(reply)
        except ProtocolError as error:
            error.sent = True
            raise self._calls.displayed(error) from error

    def state(self, batch: str) -> BatchState:
        """The state of a batch."""
        return batches.state_of(self._calls.request_json(batches.status(self.provider, batch), "the batch"))

    def cancel(self, batch: str) -> BatchState:
        """Request that a batch be cancelled; its state after that."""
        return batches.state_of(self._calls.request_json(batches.cancel(self.provider, batch), "the batch"))

    def list(self) -> Iterator[BatchState]:
        """The account's batches, page by page, in the provider's order; each once."""
        seen: set[str] = set()
        after = None
        for _ in range(_MAX_PAGES):
            call = batches.listing(self.provider, after)
            page, has_more = batches.page_of(self._calls.request_json(call, "the list of batches"))
            fresh = [each for each in page if each.id not in seen]
            yield from fresh
            if not fresh or not has_more:
                return
            seen |= {each.id for each in fresh}
            after = page[-1].id

    def download(self, file: str, into: IO[bytes]) -> None:
        """Write the content of a file into `into`.

        Raises:
            OSError: it cannot be written.
        """
        api = self.provider.batch
        if "/" in file or (api and not api.uploads):
            raise ProtocolError(
                f"{self.provider.name}: the answers are not where glm can fetch them: {file}",
                fix="fetch them as the provider says",
            )
        self._calls.download(batches.content(self.provider, file), into)


class JobStatus:
    """The batches of a job, or one by its id, and their states.

    Attributes:
        client: the client of their provider.
        job: the job in the job file; None if the id of a batch was given.
        states: by the number of the part, from 1; a batch that was not found has none.
    """

    def __init__(self, app: App, name: str, options: Options) -> None:
        """`name` is the output or its job file; with a provider in the options, a batch by its id.

        Raises:
            UsageError: there is no such job, or it was submitted elsewhere.
            CredentialsError: a key is missing.
        """
        app.apply(options)
        if not name:
            raise UsageError("FILE is empty", fix="name the output, or with -P a batch by the provider's id")
        self._output = output_of(name)
        self.job = None if options.provider else load_existing(self._output)
        if self.job:
            options = options.replace(provider=self.job.provider)
        self.client = BatchClient.connect(app, options)
        if self.job:
            check_provider(self.job, self.client.provider, self._output)
        self._batches = {part.number: part.batch for part in self.job.parts} if self.job else {1: name}
        self.states: dict[int, BatchState] = {}
        self._errors: dict[int, GlmError] = {}

    def refresh(self) -> None:
        """Ask for the state of each batch that is not known to have ended."""
        self._errors.clear()
        for number, batch in self._batches.items():
            known = self.states.get(number)
            if batch and not (known and known.has_ended):
                with self._isolated(number):
                    self.states[number] = self.client.state(batch)
                if number in self._errors:
                    self.states.pop(number, None)

    def cancel(self) -> None:
        """Request that each batch that has not ended be cancelled."""
        for number, state in self.states.items():
            if not state.has_ended:
                with self._isolated(number):
                    self.states[number] = self._cancelled(state)

    def _cancelled(self, state: BatchState) -> BatchState:
        try:
            return self.client.cancel(state.id)
        except UsageError:
            now = self.client.state(state.id)
            if now.has_ended:  # meanwhile
                return now
            raise

    @contextmanager
    def _isolated(self, number: int) -> Iterator[None]:
        """Keep an error that concerns one batch from stopping the others."""
        try:
            yield
        except (UsageError, ProtocolError) as error:
            if error.retry:
                raise
            if self.job:
                name_part(error, number)
            self._errors[number] = error

    @property
    def error(self) -> GlmError | None:
        """The first error that concerns one batch only."""
        return next(iter(self._errors.values()), None)

    @property
    def uncertain(self) -> list[int]:
        """The numbers of the parts that may have a batch whose id is not known."""
        return [part.number for part in self.job.parts if part.may_exist and not part.batch] if self.job else []

    @property
    def has_ended(self) -> bool:
        """Whether no batch is under way."""
        return all(state.has_ended for state in self.states.values())

    @property
    def is_complete(self) -> bool:
        """Whether all batches are completed, and no request failed."""
        return len(self.states) == len(self._batches) and all(
            state.state == "completed" and not state.failed for state in self.states.values()
        )

    @property
    def advice(self) -> str:
        """What the user can do if it is not complete."""
        if len(self.states) < len(self._batches):
            return "the same glm batch submit again brings the rest to the provider"
        if not self.has_ended:
            return "--wait returns when it is"
        return f"glm batch fetch {self._output} brings what there is" if self.job else "see what failed"

    def lines(self, now: float) -> list[str]:
        """A line for each part, without newlines."""
        if not self.job:
            return [state_line(state, now) for state in self.states.values()]
        lines = []
        for part in self.job.parts:
            label = f"part {part.number} of {len(self.job.parts)}"
            if state := self.states.get(part.number):
                lines.append(state_line(state, now, label))
            else:
                known = f"{part.batch}\t{part.state}\tnot found" if part.batch else f"{part.state}\tnot a batch yet"
                lines.append(f"{label}\t{known}")
        return lines

    def text(self, now: float) -> str:
        """The same lines as a text."""
        return "".join(f"{line}\n" for line in self.lines(now))

    def json(self, now: float) -> dict[str, Any] | None:
        """The job, or the batch, as JSON; None if the batch was not found."""
        if self.job is None:
            return state_json(self.states[1], now) if self.states else None
        parts = []
        for part in self.job.parts:
            state = self.states.get(part.number) or BatchState(part.batch or "", part.state, input_file=part.file)
            remembered = {"part": part.number, "model": part.model, "lines": part.lines, "fetched": part.fetched}
            parts.append({**remembered, **state_json(state, now), "batch_id": state.id or None})
        return {
            "output": self._output,
            "provider": self.job.provider,
            "base_url": self.job.base_url,
            "parts": parts,
        }


def state_line(state: BatchState, now: float, label: str = "") -> str:
    """`part 1 of 2  batch_1  in_progress  3 of 9 done, 1 failed  12 min old`, with tabs between."""
    age = "" if state.created is None else f"{_duration(now - state.created)} old"
    fields = [label, state.id, state.state, _counts(state), UNKNOWN_STATE * state.is_foreign, age]
    # The provider's names may contain tabs and newlines.
    return "\t".join(" ".join(field.split()) for field in fields if field)


def _counts(state: BatchState) -> str:
    if state.total is None and state.completed is None:
        return "no counts yet"
    failed = f", {state.failed} failed" if state.failed else ""
    return f"{state.completed or 0} of {'?' if state.total is None else state.total} done{failed}"


def _duration(seconds: float) -> str:
    return f"{seconds / _DAY:.1f} days" if seconds >= _DAY else duration(max(seconds, 0.0))


def state_json(state: BatchState, now: float) -> dict[str, Any]:
    """A batch as JSON; unknown is null. `age` in seconds, `created` in seconds since the epoch."""
    return {
        "batch_id": state.id,
        "state": state.state,
        "ended": state.has_ended,
        "total": state.total,
        "completed": state.completed,
        "failed": state.failed,
        "created": state.created,
        "age": None if state.created is None else round(now - state.created, 1),
        "input_file_id": state.input_file,
        "output_file_id": state.output_file,
        "error_file_id": state.error_file,
        "errors": [fault.fields() for fault in state.faults],
    }


def name_part(error: GlmError, number: int) -> None:
    """Let the error's message begin with the number of the part that it is about."""
    error.message = f"part {number}: {error.message}"
    if error.http_status == _NOT_FOUND:
        account = "is the key that of the account which submitted it?"
        error.fix = f"{account} What is gone for good is submitted anew when the job file is removed"
