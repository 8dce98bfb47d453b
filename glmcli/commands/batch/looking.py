"""Batches as their provider sees them: those of a job, or one by its id."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from glmcli.batch.jobs import job as jobs
from glmcli.batch.jobs.standings import line, of_job, plain
from glmcli.commands.batch import reach
from glmcli.errors import UsageError
from glmcli.output.json_reply import line as json_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.app import App
    from glmcli.batch.jobs.service import Service
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
        reach.set_terminal(app, given)
        options = reach.options_of(given, own)
        self.output = jobs.output_of(given["file"])
        self.job = None if options.provider else job_of(self.output)
        if self.job:
            options = options.replace(provider=self.job.provider)
        self.service: Service = reach.service(app, options)
        if self.job:
            reach.same_place(self.job, self.service.provider, self.output)
        self._ids = {part.number: part.batch for part in self.job.parts} if self.job else {1: given["file"]}
        self.states: dict[int, BatchState] = {}
        self.sleep = self.service.sleep

    def look(self) -> None:
        """Ask for those that have not ended, as far as we know."""
        for number, identity in self._ids.items():
            known = self.states.get(number)
            if identity and not (known and known.has_ended):
                self.states[number] = self.service.look(identity)

    def cancel(self) -> None:
        """Ask that no more be done of those that have not ended."""
        for number, state in self.states.items():
            if not state.has_ended:
                self.states[number] = self.service.cancel(state.id)

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
        of = len(self._ids)
        lines = []
        for number, state in sorted(self.states.items()):
            label = f"part {number} of {of}" if self.job else ""
            lines.append(line(state, now, label).removesuffix("\n"))
        parts = self.job.parts if self.job else ()
        lines += [f"part {part.number} of {of}\t{part.state}\tnot a batch yet" for part in parts if not part.batch]
        return lines

    def show(self, *, as_json: bool) -> None:
        """Print them."""
        now = time.time()
        stdout = self._app.terminal.stdout
        if not as_json:
            stdout.write("".join(f"{text}\n" for text in self.text(now)))
        elif self.job:
            stdout.write(json_line(of_job(self.output, self.job, self.states, now)))
        else:
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
