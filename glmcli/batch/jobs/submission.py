"""From lines on this disk to batches at the provider, so that a crash at any moment leaves no doubt what exists."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from glmcli.batch.jobs import job_file as jobs
from glmcli.batch.ledger.writer import utc_now
from glmcli.errors import GlmError, ProtocolError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.jobs.job_file import Job, JobPart
    from glmcli.batch.jobs.service import Service
    from glmcli.providers.batches import BatchState
    from glmcli.providers.row import BatchApi

_CLOCKS = 600.0  # seconds by which two clocks may differ
_NOT_SERVED = "another model, or glm batch run, which asks for every row itself"
_LOOK = "the same command again looks whether the batch is there, and asks for it only if it is not"


class Submission:
    """Brings the parts of a job to the provider.

    Attributes:
        job: as its file says at this moment.
    """

    def __init__(self, output: str, job: Job, service: Service, form: BatchApi, note: Callable[[str], None]) -> None:
        """`note` tells a person what happens."""
        self.job = job
        self._output = output
        self._service = service
        self._form = form
        self._note = note

    def bring(self, address: str | None) -> None:
        """Upload every part that is not there, and have a batch made of it; `address` is where the lines stand already.

        Raises:
            GlmError: the provider refuses, or is silent; the job file says how far it came.
        """
        for part in self.job.parts:
            if part.batch is None:
                self._bring(part, address)

    def _bring(self, part: JobPart, address: str | None) -> None:
        form = self._form.of(part.model)
        if part.file is None:
            part = self._uploaded(part, address)
        if part.state == jobs.CREATING and (found := self._find(part)):
            self._note(f"part {part.number}: its batch {found.id} is there already")
            self._created(part, found)
            return
        part = self._saved(part.replace(state=jobs.CREATING, created=part.created or utc_now()))
        try:
            state = self._service.create(form, part.file or "")
        except GlmError as error:
            if error.sent:
                error.fix = _LOOK
            else:  # it has said no, so there is none
                self._saved(part.replace(state=jobs.UPLOADED, created=None))
                if error.model_missing:
                    error.fix = _NOT_SERVED
            raise
        self._created(part, state)

    def _uploaded(self, part: JobPart, address: str | None) -> JobPart:
        if not self._form.uploads:
            if address is None:
                raise UsageError("there is no address for the lines", fix="--input-url URL, where they can be read")
            return self._saved(part.replace(state=jobs.UPLOADED, file=address))
        path = jobs.lines_path(self._output, part.number)
        if not Path(path).exists():
            raise UsageError(
                f"{path} is gone, and not uploaded", fix=f"remove {jobs.job_path(self._output)} to begin anew"
            )
        part = self._saved(part.replace(state=jobs.UPLOADING))
        file = self._service.upload(path, part)
        return self._saved(part.replace(state=jobs.UPLOADED, file=file))

    def _find(self, part: JobPart) -> BatchState | None:
        """The batch that an earlier command may have asked for, without learning of it."""
        known = {each.batch for each in self.job.parts}
        try:
            for each in self._service.all():
                if each.input_file == part.file and each.id not in known and self._is_ours(each, part):
                    return each
        except (UsageError, ProtocolError) as error:
            place = jobs.job_path(self._output)
            error.fix = f"see at the provider whether there is a batch of {part.file}; if none is, remove {place}"
            raise
        return None

    def _is_ours(self, state: BatchState, part: JobPart) -> bool:
        """Whether it was made for this part: an address, unlike an uploaded file, may have served others before."""
        if self._form.uploads:
            return True
        if state.created is None:
            raise ProtocolError(f"there is a batch {state.id} of {part.file}, and nobody says since when")
        asked = datetime.fromisoformat(part.created).timestamp() if part.created else 0.0
        return state.created > asked - _CLOCKS

    def _created(self, part: JobPart, state: BatchState) -> None:
        self._saved(part.replace(state=state.state, batch=state.id))
        with suppress(OSError):  # what is left of it harms nobody
            Path(jobs.lines_path(self._output, part.number)).unlink()

    def _saved(self, part: JobPart) -> JobPart:
        self.job = self.job.with_part(part)
        jobs.save(self._output, self.job)
        return part
