"""`glm batch status`: prints the states of the batches of a job."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from glmcli.commands.flags import FLAGS, Flag, argument
from glmcli.commands.tree import build_command
from glmcli.config.options import Options
from glmcli.errors import GlmError, PartialError, UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from glmcli.batch.jobs.batch_client import JobStatus
    from glmcli.config.app import App
    from glmcli.console.terminal import Terminal

_STATUS = "Status"
_FIRST, _LONGEST, _GROWTH = 10.0, 60.0, 1.5  # seconds between two requests, and how they grow
_CONNECTION = (
    *("base_url", "key_file", "retries", "retry_max_time", "connect_timeout", "first_timeout", "idle_timeout"),
    *("deadline", "quiet", "verbose"),
)
PROVIDER = tuple(flag for flag in FLAGS if flag.field == "provider")


def api_flags(*more: str) -> tuple[Flag, ...]:
    """The flags of all commands that call a Batch API, and those of these fields."""
    return tuple(flag for flag in FLAGS if flag.field in (*_CONNECTION, *more))


_FLAGS = (
    *PROVIDER,
    Flag("json", "--json", "switch", _STATUS, "Print one JSON object."),
    Flag("wait", "--wait", "switch", _STATUS, "Return when all have ended."),
    Flag("poll", "--poll", "seconds", _STATUS, "Poll at this interval (10, growing to 60).", "S"),
    *api_flags(),
)
FILE_OR_ID = argument("file", "The output or its job file; with -P the provider's id of a batch.", "FILE|ID")


class _StatusOptions(Record):
    file: str
    json: bool = False
    wait: bool = False
    poll: float | None = None


def _status(app: App, given: dict[str, Any]) -> None:
    """Print the state, the counts and the age of each part of a job.

    Exit 0: all are completed, and no request failed; 11: some are under way, or ended otherwise. A batch may stand
    still for half an hour (measured by Qwen Code, 2026); --wait looks every 10 seconds at first, then every 60.
    """
    from glmcli.batch.jobs.batch_client import JobStatus
    from glmcli.console import signals
    from glmcli.output.json_output import json_line

    signals.install_handlers()
    options = _StatusOptions.pop_from(given)
    if options.poll and not options.wait:
        raise UsageError("--poll says how often --wait looks", fix="add --wait")
    status = JobStatus(app, options.file, Options(**given))
    status.refresh()
    if options.wait:
        _wait(app.terminal, status, options.poll)
    if not options.json:
        app.terminal.stdout.write(status.text(time.time()))
    elif (value := status.json(time.time())) is not None:
        app.terminal.stdout.write(json_line(value))
    if status.error:
        raise status.error
    if not status.is_complete:
        raise PartialError("not all of it is completed", fix=status.advice)


def _wait(terminal: Terminal, status: JobStatus, poll: float | None) -> None:
    """Return when all batches have ended; errors that may pass are printed, and the wait continues."""
    pause, printed = poll or _FIRST, ""
    while not status.has_ended:
        lines = status.lines(time.time())
        without_age = "\n".join(line.rpartition("\t")[0] for line in lines)
        if printed != without_age:
            printed = without_age
            for line in lines:
                terminal.note(line.replace("\t", "  "))
        status.client.sleep(pause)
        pause = pause if poll else min(pause * _GROWTH, _LONGEST)
        try:
            status.refresh()
        except GlmError as error:
            if error.retry is None:
                raise
            terminal.note(f"{error.message}; looking again in {pause:.0f} s")


command = build_command("status", _status, _FLAGS, FILE_OR_ID)
