"""`glm batch merge`: the outputs of shards, or of separate runs, as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.flags import FLAGS, Flag, argument
from glmcli.commands.tree import build_command
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from glmcli.batch.ledger.merge import Merger, MissingRows
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
    Flag("format", "--format", "text", _MERGE, "How its rows are written (by the name).", "jsonl|text|csv|tsv|yaml"),
    Flag("keep_changed", "--keep-changed", "switch", _MERGE, "Of answers to different requests keep the first."),
    _QUIET,
)
_OUTPUTS = argument("outputs", "The files that batch run -O wrote.", "OUT...", repeatable=True)


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
    app.terminal.quiet = given.get("quiet", False)
    paths = list(dict.fromkeys(given["outputs"]))
    read = {path: path for path in paths} | {"--input": input_file(given.get("input"))}
    require_distinct_files({**read, "--output": given.get("output")})
    merger = Merger(keep_changed=given.get("keep_changed", False))
    for path in paths:
        part = merger.read(path)
        if part.torn:
            app.terminal.note(f"{path}: line {part.torn}, the last, was cut while it was written, and is left out")
        if part.holder:
            app.terminal.note(f"{path}: process {part.holder} still writes it")
    missing = _missing(app, given, merger) if "input" in given else None
    _write(app, given.get("output"), merger)
    ended, lacking = merger.counts, missing.count if missing else 0
    app.terminal.note(f"{plural(ended.total(), 'row')} of {plural(len(paths), 'file')}")
    raise_for_rows(ended, lacking, ended.total() + lacking, _again(given))


def _again(given: dict[str, Any]) -> str:
    path = given.get("output")
    return (
        f"glm batch run -O {path} asks them"
        if path not in (None, "-")
        else "merge with -O, then batch run -O asks them"
    )


def _missing(app: App, given: dict[str, Any], merger: Merger) -> MissingRows:
    from glmcli.batch.rows.formats.lines import InputContext
    from glmcli.batch.rows.source import open_rows
    from glmcli.output.amounts import plural

    source = open_rows(given["input"], given.get("format"), app.stdin, InputContext(complete=True))
    place, missing = source.name, merger.missing(source)
    if missing.named:
        more = ", …" if missing.named > len(missing.first) else ""
        app.terminal.note(f"{place}: {plural(missing.named, 'row')} missing: {', '.join(missing.first)}{more}")
    if missing.unnamed:
        without = f"{plural(missing.unnamed, 'row')} missing of those without an id, which can only be counted"
        app.terminal.note(f"{place}: {without}")
    return missing


def _write(app: App, path: str | None, merger: Merger) -> None:
    from glmcli.batch.ledger.lock import write_lock
    from glmcli.output.destination import AtomicFile, abandoned_on_error, open_output

    with write_lock(path):
        out = open_output(path, app.terminal)
        with abandoned_on_error(out):
            if isinstance(out, AtomicFile):
                _keep_answers(path or "", merger)
            for line in merger.lines():
                out.write(line.decode())
            out.commit()


def _keep_answers(path: str, merger: Merger) -> None:
    """Write over no answer that was paid and is nowhere else: a run may have gone on from an earlier merge."""
    from glmcli.output.amounts import plural

    lacking = merger.count_lost_answers(path)
    if lacking:
        why = f"{path} has {plural(lacking, 'answer')} that none of these files has"
        raise UsageError(why, fix="name it before them, and another file with -O; or remove it")


command = build_command("merge", _merge, _FLAGS, _OUTPUTS)
