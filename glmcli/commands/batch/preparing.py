"""What is decided before the first row is asked: the options, the request, the rows, and who answers."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcli.batch.ledger.file import Ledger, replacement_path
from glmcli.batch.ledger.index import load_ledger
from glmcli.batch.options import BatchOptions
from glmcli.batch.rows import shard as shards
from glmcli.batch.rows.requests import RequestBuilder
from glmcli.batch.rows.source import RowSource, open_rows
from glmcli.chat.messages import Message
from glmcli.config.options import Options, merged
from glmcli.config.provider_choice import layers
from glmcli.config.resolve import ProviderResolver
from glmcli.errors import OutputError, UsageError
from glmcli.output.amounts import plural
from glmcli.output.destination import input_file, require_distinct_files
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from glmcli.batch.ledger.index import Index
    from glmcli.batch.rows.shard import Shard
    from glmcli.config.app import App
    from glmcli.config.plan import Candidate
    from glmcli.config.request_file import RequestTemplate

_OWN = frozenset(BatchOptions.__match_args__)
_LEDGER = "rows.jsonl"  # in the folder of --text, where no --output is given
_USELESS = ("tools", "session", "reasoning", "meta", "json", "jsonl")
# What is judged of a run before its rows are known: a conversation that no rule objects to.
_ANY = (Message("user", "JSON"),)


class BatchPlan(Record):
    """A batch that can begin.

    Attributes:
        own: the flags that only a batch has.
        options: all others, with those of the request file.
        shard: the part of the rows that is asked; None is all of them.
        candidates: who is asked, with key and address, and what is the same for all rows.
    """

    own: BatchOptions
    options: Options
    shard: Shard | None
    source: RowSource
    questions: RequestBuilder
    candidates: tuple[Candidate, ...]


def prepare(app: App, given: Mapping[str, Any], stack: ExitStack, *, dry: bool = False) -> BatchPlan:
    """Read the flags and the request file, and find keys; nothing is opened for writing, and nothing sent.

    `dry`: nothing will be sent, so no key is needed.

    Raises:
        GlmError: it cannot begin.
    """
    own = BatchOptions(**{name: value for name, value in given.items() if name in _OWN})
    _agree(own)
    return _Preparing(app, {name: value for name, value in given.items() if name not in _OWN}, stack, dry=dry).job(own)


def _agree(own: BatchOptions) -> None:
    if (own.input is None) == (own.files0 is None):
        fix = "glm batch run prompts.jsonl, or git ls-files -z | glm batch run --files0 -"
        raise UsageError("the rows come from INPUT or from --files0", fix=fix)
    if own.redo_changed and own.keep_changed:
        raise UsageError("--redo-changed and --keep-changed contradict each other", fix="leave one of them out")
    if own.address and not own.engine:
        raise UsageError("--address is where an engine's cluster is, and there is no engine", fix="--engine dask")


class _Preparing:
    def __init__(self, app: App, flags: Mapping[str, Any], stack: ExitStack, *, dry: bool) -> None:
        self._app = app
        self._dry = dry
        self._flags = flags
        self._stack = stack
        self._options = Options(**flags)
        app.apply(self._options)
        self._form: RequestTemplate | None = None

    def job(self, own: BatchOptions) -> BatchPlan:
        self._read_form()
        if own.csv and not own.text and self._options.output in (None, "-"):
            raise UsageError("--csv is made of the output, and there is none", fix="add -O FILE")
        if own.engine and self._options.key_file:
            why = "--key-file is on this machine, and workers read their own environment"
            raise UsageError(why, fix="leave it out")
        self._app.apply(self._options)
        shard = self._shard(own.shard) if own.shard else None
        questions = RequestBuilder(self._options, self._flags, self._form, self._app.stdin, self._app.terminal)
        source = self._source(own, questions)
        candidates = self._candidates()
        questions.base(candidates[0].request)
        if self._options.resize:
            from glmcli.config.resizing import resized

            provider, terminal = candidates[0].provider, self._app.terminal
            questions.fit(lambda request: resized(request, provider, terminal))
        return BatchPlan(own, self._options, shard, source, questions, candidates)

    def _read_form(self) -> None:
        options = self._options
        if options.request is None:
            if options.var:
                raise UsageError("--var fills a request file, and there is none", fix="add --request FILE")
            return
        from glmcli.config.request_file import RequestTemplate

        self._form = RequestTemplate(options.request, options.var, self._app.stdin)
        self._options = merged(self._form.fields, self._flags)
        for name in _USELESS:
            if getattr(self._options, name):
                raise UsageError(f"the request file sets {name}, which a batch has no use for", fix="leave it out")

    def _shard(self, text: str) -> Shard:
        shard = shards.read(text, self._app.environment)
        if text.startswith("auto"):
            self._app.terminal.note(f"--shard {text}: part {shard.which} of {shard.of}")
        return shard

    def _source(self, own: BatchOptions, questions: RequestBuilder) -> RowSource:
        place, form = (own.files0, "files") if own.files0 else (own.input or "", own.format)
        complete, prompted = questions.is_complete, bool(self._options.prompt)
        return open_rows(
            place, form, self._app.stdin, complete=complete, prompted=prompted, placeholders=questions.placeholders
        )

    def _candidates(self) -> tuple[Candidate, ...]:
        file = self._form.fields if self._form else {}
        resolver = ProviderResolver(self._app, self._options, layers(self._app, self._flags, file), dry=self._dry)
        return resolver.candidates(_ANY)


def open_ledger(app: App, job: BatchPlan, index: Index, stack: ExitStack) -> Ledger | None:
    """The output, and what an earlier run has written there; None if that is stdout.

    Raises:
        UsageError: it is the input, no output of a batch, or in use.
        OutputError: it cannot be written.
    """
    path = _place(job)
    if path is None:
        return None
    refuse_shared(job, {"--output" if job.options.output else "--text": path, "--csv": job.own.csv})
    ledger = stack.enter_context(Ledger(path))
    lines = load_ledger(ledger, index)
    with suppress(OSError):  # what a crash left of a new form of the file
        Path(replacement_path(path)).unlink()
    if ledger.torn:
        app.terminal.note(f"{path}: {ledger.torn} bytes of a torn line were moved to {path}.torn")
    if lines:
        app.terminal.note(f"{path}: going on after {plural(len(index), 'row')}")
    return ledger


def refuse_shared(job: BatchPlan, written: Mapping[str, str | None]) -> None:
    """Let nothing that is `written`, by its flag, be what the rows are read from, or another that is written.

    Raises:
        UsageError: two are one file.
    """
    own, options = job.own, job.options
    read = {"INPUT": own.input, "--files0": own.files0, "--request": options.request, "--key-file": options.key_file}
    read |= {f"--attach {path}": path for path in options.attach}
    require_distinct_files({flag: input_file(path) for flag, path in read.items()} | dict(written))


def _place(job: BatchPlan) -> str | None:
    """The output; the places of its other forms are looked at too, before anything is paid for."""
    own, path = job.own, job.options.output
    if own.csv and not os.path.isdir(os.path.dirname(os.path.abspath(own.csv))):  # noqa: PTH100, PTH112, PTH120 - strings
        raise OutputError(message=f"cannot write {own.csv}: there is no such folder", fix="make it first")
    if own.text:
        try:
            os.makedirs(own.text, exist_ok=True)  # noqa: PTH103 - as above
        except (OSError, ValueError) as error:
            what = getattr(error, "strerror", error)
            raise OutputError(message=f"--text: cannot make the folder {own.text}: {what}") from error
    if path not in (None, "-"):
        return path
    return os.path.join(own.text, _LEDGER) if own.text else None  # noqa: PTH118 - as above
