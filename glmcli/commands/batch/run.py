"""`glm batch run`: sends every row of an input, from this machine or from the workers of a cluster."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from glmcli.batch.rows.formats import CHOICES
from glmcli.commands.flags import FLAGS, Flag, argument
from glmcli.commands.tree import build_command

if TYPE_CHECKING:
    from glmcli.config.app import App

_ROWS, _PACE, _RESUME, _MACHINES = "Rows", "Pace", "Resume", "Machines"

# The flags of `batch run` besides those of the commands that ask a model.
BATCH_FLAGS: tuple[Flag, ...] = (
    Flag("format", "--format", "text", _ROWS, "How rows are written (by the name).", CHOICES),
    Flag("delimiter", "--delimiter", "text", _ROWS, "What separates columns (found by the header).", "CHAR|tab"),
    Flag("encoding", "--encoding", "text", _ROWS, "How the text of rows is encoded (UTF-8).", "NAME"),
    Flag("files0", "--files0", "text", _ROWS, "Each file is a row; read NUL-separated paths from here.", "FILE|-"),
    Flag("need_rows", "--need-rows", "switch", _ROWS, "Exit 2 if there is no row (a note, and 0)."),
    Flag("ordered", "--ordered", "switch", _ROWS, "Write rows in the order of the input."),
    Flag("text", "--text", "text", _ROWS, "Also each answer as a file in this folder.", "DIR"),
    Flag("csv", "--csv", "text", _ROWS, "Also all rows as a CSV table, when the run ends.", "FILE"),
    Flag("csv_safe", "--csv-safe", "switch", _ROWS, "Write cells that begin as formulas do (= + - @) as text."),
    Flag("jobs", "-j --jobs", "integer", _PACE, "Maximum requests in flight (32).", "N", 1),
    Flag(
        "rpm", "--rpm", "number", _PACE, "Maximum requests a minute (else found, from the usual number on).", "N", 0.001
    ),
    Flag("tpm", "--tpm", "number", _PACE, "Maximum tokens a minute, in and out (likewise).", "N", 1),
    Flag("max_failures", "--max-failures", "integer", _PACE, "Stop after so many failed rows.", "N", 1),
    Flag("max_cost", "--max-cost", "number", _PACE, "Stop before this is spent, in the provider's currency.", "X", 0),
    Flag("shard", "--shard", "text", _PACE, "Only part I of N of the rows; --rpm and --tpm are divided.", "I/N|auto"),
    Flag(
        "retry_failed",
        "--retry-failed/--no-retry-failed",
        "choice",
        _RESUME,
        "Ask all failed rows again, or none (those that may succeed).",
    ),
    Flag("sync", "--sync", "switch", _RESUME, "A row counts when it is on the disk: a power cut loses none."),
    Flag("redo_changed", "--redo-changed", "switch", _RESUME, "Ask finished rows anew whose request has changed."),
    Flag("engine", "--engine", "text", _MACHINES, "Send rows to workers through this engine.", "local|dask|ray"),
    Flag("address", "--address", "text", _MACHINES, "Where the engine's cluster is.", "ADDRESS"),
    Flag("keep_changed", "--keep-changed", "switch", _RESUME, "Keep their answers to the old request."),
)

# Flags for one question and one answer, which make no sense for thousands of rows.
_OF_ONE = frozenset(
    (
        *("session", "no_stdin", "need_stdin", "no_reasoning", "reasoning", "sources"),
        *("json", "jsonl", "usage", "meta", "raw", "curl"),
    )
)
# Help of shared flags that mean something else for rows.
_HELP = {
    "output": "The lines; with it, the same command again resumes.",
    "keep_partial": "Keep what came of cut answers (`partial`); the exit code stays.",
    "dry_run": "Print the first row's request as JSON; send nothing.",
    "deadline": "Until the run is over, stdin included (none).",
    "retries": "Maximum retries of a row (3); refusals for the rate are none.",
}
SHARED_FLAGS = tuple(flag.replace(help=_HELP.get(flag.field, flag.help)) for flag in FLAGS if flag.field not in _OF_ONE)
INPUT = argument("input", "The rows; - is stdin.", "INPUT", required=False)


def _run(app: App, given: dict[str, Any]) -> None:
    """Ask for every row of INPUT, and write one JSON line a row.

    With -O FILE the file is also the ledger: the same command again resumes where this one stopped, and asks failed
    rows again that may succeed. Exit 0: every row has a complete answer; 11: some may still get one; 15: the rest would
    only fail again. Ctrl-C lets what is in flight end, for up to ten seconds; a second one does not.
    """
    from glmcli.batch.execution import run_batch
    from glmcli.batch.setup import first_request, prepare, read_options
    from glmcli.console import signals

    signals.install_handlers()
    with ExitStack() as stack:
        plan = prepare(app, read_options(given))
        if plan.options.dry_run:
            app.terminal.stdout.write(first_request(app, plan))
            return
        run_batch(app, plan, stack)


command = build_command("run", _run, (*BATCH_FLAGS, *SHARED_FLAGS), INPUT)
