"""`glm batch merge`: joins the outputs of shards, or of separate runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.batch.rows.formats import CHOICES
from glmcli.commands.batch.run import BATCH_FLAGS
from glmcli.commands.flags import FLAGS, Flag, argument
from glmcli.commands.tree import build_command
from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmcli.batch.ledger.merge import Merger
    from glmcli.config.app import App

_MERGE = "Merge"
_QUIET = next(flag for flag in FLAGS if flag.field == "quiet")
_FLAGS = (
    Flag("output", "-O --output", "text", _MERGE, "Write the lines here, all of them or nothing.", "FILE"),
    Flag(
        "input",
        "--input",
        "text",
        _MERGE,
        "Say which rows of this input are missing; a list for --files0 is --format files.",
        "INPUT",
    ),
    Flag("format", "--format", "text", _MERGE, "How its rows are written (by the name).", CHOICES),
    *(flag.replace(group=_MERGE) for flag in BATCH_FLAGS if flag.field in ("delimiter", "encoding")),
    Flag("keep_changed", "--keep-changed", "switch", _MERGE, "Of answers to different requests keep the first."),
    _QUIET,
)
_OUTPUTS = argument("outputs", "The files that batch run -O wrote.", "OUT...", repeatable=True)


class _MergeOptions(Record):
    outputs: Sequence[str]
    output: str | None = None
    input: str | None = None
    format: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    keep_changed: bool = False
    quiet: bool = False


def _merge(app: App, given: dict[str, Any]) -> None:
    """Join the outputs of shards, or of separate runs: one line a row, copied as it is.

    A line that is ok counts before any failure, and the first of two that are. Two answers of one id to different
    requests are exit 2. Exit 0: every row has a complete answer; 11: rows are missing (--input), or may still get one;
    15: the rest would only fail again. The merged file is an output too: batch run -O resumes from it.
    """
    from glmcli.batch.completion import raise_for_rows
    from glmcli.batch.ledger.merge import Merger
    from glmcli.console import signals
    from glmcli.output.amounts import plural
    from glmcli.output.destination import input_file, require_distinct_files

    signals.install_handlers()
    options = _MergeOptions(**given)
    app.terminal.quiet = options.quiet
    paths = list(dict.fromkeys(options.outputs))
    read = {path: path for path in paths} | {"--input": input_file(options.input)}
    require_distinct_files({**read, "--output": options.output})
    merger = Merger(keep_changed=options.keep_changed)
    for path in paths:
        part = merger.read(path)
        if part.unreadable:
            app.terminal.note(f"{path}: {part.unreadable}: left out")
        if part.holder:
            app.terminal.note(f"{path}: process {part.holder} still writes it")
    missing = _count_missing(app, options, merger) if options.input else 0
    _write(app, options.output, merger)
    ended = merger.counts
    app.terminal.note(f"{plural(ended.total(), 'row')} of {plural(len(paths), 'file')}")
    is_stdout = options.output in (None, "-")
    again = "merge with -O, then batch run -O" if is_stdout else f"glm batch run -O {options.output}"
    raise_for_rows(ended, missing, ended.total() + missing, f"{again} asks them")


def _count_missing(app: App, options: _MergeOptions, merger: Merger) -> int:
    """How many rows of the input have no line; prints the first of them."""
    from glmcli.batch.rows.formats.lines import InputContext
    from glmcli.batch.rows.source import open_rows
    from glmcli.output.amounts import plural

    context = InputContext(
        complete=True, encoding=options.encoding or "", delimiter=options.delimiter, note=app.terminal.note
    )
    source = open_rows(options.input or "", options.format, app.stdin, context)
    place, missing = source.name, merger.missing(source)
    if missing.named:
        more = ", …" if missing.named > len(missing.first) else ""
        app.terminal.note(f"{place}: {plural(missing.named, 'row')} missing: {', '.join(missing.first)}{more}")
    if missing.unnamed:
        without = f"{plural(missing.unnamed, 'row')} missing of those without an id, which can only be counted"
        app.terminal.note(f"{place}: {without}")
    return missing.count


def _write(app: App, path: str | None, merger: Merger) -> None:
    from glmcli.batch.ledger.lock import write_lock
    from glmcli.output.destination import AtomicFile, abandoned_on_error, open_output

    with write_lock(path):
        out = open_output(path, app.terminal)
        with abandoned_on_error(out):
            if isinstance(out, AtomicFile):
                _refuse_loss(path or "", merger)
            for line in merger.lines():
                out.write(line.decode())
            out.commit()


def _refuse_loss(path: str, merger: Merger) -> None:
    """Check that no answer is overwritten that only that file has: a run may have resumed from an earlier merge."""
    from glmcli.output.amounts import plural

    lost = merger.count_lost_answers(path)
    if lost:
        why = f"{path} has {plural(lost, 'answer')} that none of these files has"
        raise UsageError(why, fix="name it before them, and another file with -O; or remove it")


command = build_command("merge", _merge, _FLAGS, _OUTPUTS)
