"""Batches as their provider sees them: those of a job, or one by its id."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from glmcli.batch.jobs import job_file as jobs
from glmcli.batch.jobs.states import line, of_job, of_part, plain
from glmcli.commands.batch import reach
from glmcli.errors import ProtocolError, UsageError
from glmcli.output.json_output import json_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmcli.batch.jobs.service import Service
    from glmcli.config.app import App
    from glmcli.errors import GlmError
    from glmcli.providers.batches import BatchState


class Looking:
    """The batches that were named, and where they stand.

    Attributes:
        service: their provider.
        job: as its file says; None where an id was named.
        states: by the number of the part, from 1.
    """

    def __init__(self, app: App, given: Mapping[str, Any], own: tuple[str, ...]) -> None:
        """`own` are the flags that are the command's own.

        Raises:
            UsageError: there is no such job, or it is elsewhere.
            CredentialsError: a key is missing.
        """
        self._app = app
        options = reach.options_of(given, own)
        app.apply(options)
        if not given["file"]:
            raise UsageError("FILE is empty", fix="name the output, or with -P a batch by the provider's id")
        self.output = jobs.output_of(given["file"])
        self.job = None if options.provider else job_of(self.output)
        if self.job:
            options = options.replace(provider=self.job.provider)
        self.service: Service = reach.service(app, options)
        if self.job:
            reach.same_place(self.job, self.service.provider, self.output)
        self._ids = {part.number: part.batch for part in self.job.parts} if self.job else {1: given["file"]}
        self.states: dict[int, BatchState] = {}
        self._failed: dict[int, GlmError] = {}
        self.sleep = self.service.sleep

    def look(self) -> None:
        """Ask for those that have not ended, as far as we know."""
        self._failed.clear()
        for number, identity in self._ids.items():
            known = self.states.get(number)
            if identity and not (known and known.has_ended):
                with self._apart(number):
                    self.states[number] = self.service.look(identity)
                if number in self._failed:
                    self.states.pop(number, None)

    def cancel(self) -> None:
        """Ask that no more be done of those that have not ended."""
        for number, state in self.states.items():
            if not state.has_ended:
                with self._apart(number):
                    self.states[number] = self._cancelled(state)

    def _cancelled(self, state: BatchState) -> BatchState:
        try:
            return self.service.cancel(state.id)
        except UsageError:
            now = self.service.look(state.id)
            if now.has_ended:  # while we asked
                return now
            raise

    @contextmanager
    def _apart(self, number: int) -> Iterator[None]:
        """What is wrong with one batch says nothing of the others."""
        try:
            yield
        except (UsageError, ProtocolError) as error:
            if error.retry:
                raise
            if self.job:
                of_part(error, number)
            self._failed[number] = error

    @property
    def failure(self) -> GlmError | None:
        """The first thing that was wrong with one batch, and with no other."""
        return next(iter(self._failed.values()), None)

    @property
    def uncertain(self) -> list[int]:
        """The parts of which there may be a batch that we know nothing of."""
        return [part.number for part in self.job.parts if part.may_be_there and not part.batch] if self.job else []

    @property
    def has_ended(self) -> bool:
        """Nothing more comes of those that there are."""
        return all(state.has_ended for state in self.states.values())

    @property
    def is_complete(self) -> bool:
        """All are completed, and no request failed."""
        return len(self.states) == len(self._ids) and all(
            state.state == "completed" and not state.failed for state in self.states.values()
        )

    @property
    def advice(self) -> str:
        """What to do if it is not complete."""
        if len(self.states) < len(self._ids):
            return "the same glm batch submit again brings the rest to the provider"
        if not self.has_ended:
            return "--wait returns when it is"
        return f"glm batch fetch {self.output} brings what there is" if self.job else "see what failed"

    def text(self, now: float) -> list[str]:
        """A line a part, without newlines."""
        if not self.job:
            return [line(state, now).removesuffix("\n") for state in self.states.values()]
        lines = []
        for part in self.job.parts:
            label = f"part {part.number} of {len(self.job.parts)}"
            if state := self.states.get(part.number):
                lines.append(line(state, now, label).removesuffix("\n"))
            else:
                known = f"{part.batch}\t{part.state}\tnot found" if part.batch else f"{part.state}\tnot a batch yet"
                lines.append(f"{label}\t{known}")
        return lines

    def show(self, *, as_json: bool) -> None:
        """Print them."""
        now = time.time()
        stdout = self._app.terminal.stdout
        if not as_json:
            stdout.write("".join(f"{text}\n" for text in self.text(now)))
        elif self.job:
            stdout.write(json_line(of_job(self.output, self.job, self.states, now)))
        elif self.states:
            stdout.write(json_line(plain(self.states[1], now)))


def job_of(output: str) -> jobs.Job:
    """What was submitted for this output.

    Raises:
        UsageError: nothing was.
    """
    job = jobs.load(output)
    if job is None:
        fix = "name the file that glm batch submit -O wrote beside, or with -P a batch by the provider's id"
        raise UsageError(f"there is no {jobs.job_path(output)}", fix=fix)
    return job
