"""`glm batch submit`: submits rows to the provider's own Batch API."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from glmcli.commands.batch.run import BATCH_FLAGS, INPUT, SHARED_FLAGS
from glmcli.commands.flags import Flag
from glmcli.commands.tree import build_command

if TYPE_CHECKING:
    from glmcli.config.app import App

_JOB = "Job"
_OF_ROWS = frozenset(("format", "delimiter", "encoding", "files0", "redo_changed", "keep_changed"))
# Flags that matter only when answers are fetched, or that a Batch API does not support.
_ELSEWHERE = frozenset(("fallback", "no_stream", "keep_partial", "allow_empty", "exact", "plain"))
_FLAGS: tuple[Flag, ...] = (
    *(flag for flag in BATCH_FLAGS if flag.field in _OF_ROWS),
    Flag("again", "--again", "switch", _JOB, "Submit rows anew that failed or went missing: they are paid again."),
    Flag("lines", "--lines", "text", _JOB, "Write the lines here instead, and send nothing.", "FILE"),
    Flag("input_url", "--input-url", "text", _JOB, "Where the lines of --lines can be read (TokenHub).", "URL"),
    *(flag for flag in SHARED_FLAGS if flag.field not in _ELSEWHERE),
)


def _submit(app: App, given: dict[str, Any]) -> None:
    """Submit the rows of INPUT to the provider's Batch API; glm batch fetch brings the answers into -O FILE.

    The rows, the request file and the flags are those of batch run, and so are ids and output: rows that FILE has
    answers to are left out. FILE.job.json records what exists at the provider, so the same command again submits
    nothing twice.

    A batch costs half the list price at BigModel and Model Studio, and is slow: 3 lines took 10 minutes, 1,000 took an
    hour (measured by Qwen Code, 2026, at Model Studio). It gives no discount for cached input: where online calls find
    more than 62.5 % of their input in the cache, they are cheaper.
    """
    from glmcli.batch.jobs.batch_client import state_line
    from glmcli.batch.jobs.submission import Submission, SubmitOptions
    from glmcli.batch.setup import prepare, read_options
    from glmcli.console import signals

    signals.install_handlers()
    options = SubmitOptions.pop_from(given)
    with ExitStack() as stack:
        plan = prepare(app, read_options(given), sends=options.lines is None)
        submission = Submission(app, plan, options, stack)
        if plan.options.dry_run:
            submission.print_first_line()
        elif options.lines:
            submission.write_lines(options.lines)
        else:
            for label, state in submission.submit():
                app.terminal.stdout.write(state_line(state, time.time(), label) + "\n")


command = build_command("submit", _submit, _FLAGS, INPUT)
