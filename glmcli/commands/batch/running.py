"""One run of a batch, from the flags to the last line."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from glmcli import settings
from glmcli.batch import index as states
from glmcli.batch import shard as shards
from glmcli.batch.budget import Budget
from glmcli.batch.feed import Feed
from glmcli.batch.gates.gate import Gate
from glmcli.batch.index import Index
from glmcli.batch.intake import Intake, Resume
from glmcli.batch.ledger import Ledger
from glmcli.batch.options import BatchOptions
from glmcli.batch.outputs import Printed, compact, load
from glmcli.batch.questions import Questions
from glmcli.batch.readers import open_rows
from glmcli.batch.runner import Runner, signals_of
from glmcli.batch.standing import Standing
from glmcli.batch.ticker import Ticker
from glmcli.batch.writing import Writing
from glmcli.chat import Message
from glmcli.commands import caller
from glmcli.commands.options import merge
from glmcli.config import load as load_config
from glmcli.errors import FailedRowsError, GlmError, Interrupted, PartialError, UsageError
from glmcli.keys import KeyRing
from glmcli.options import Options
from glmcli.plan import Candidate, Plan
from glmcli.transport import aside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.app import App
    from glmcli.batch.engines.engine import Engine
    from glmcli.batch.readers import Source
    from glmcli.batch.sides import Run
    from glmcli.config import Config
    from glmcli.providers.row import Provider
    from glmcli.request_file import RowForm
    from glmcli.stdin import Stdin

_OWN = frozenset(BatchOptions.__match_args__)
_LEDGER = "rows.jsonl"  # in the folder of --text, where no --output is given
_SPARE = 64  # descriptors beside one for each request in flight
_AHEAD = 4  # windows of --ordered, in requests in flight
# What is judged of a run before its rows are known: a conversation that no rule objects to.
_ANY = (Message("user", "JSON"),)


def run(app: App, given: Mapping[str, Any]) -> None:
    """Ask for every row.

    Raises:
        GlmError: as its exit code says.
        Interrupted: a signal ended it.
    """
    own = BatchOptions(**{name: value for name, value in given.items() if name in _OWN})
    flags = {name: value for name, value in given.items() if name not in _OWN}
    with ExitStack() as stack:
        _Run(app, own, flags, stack).run()


class _Run:
    """One run; what is decided before the first row stands in `_plan` and `_intake`."""

    def __init__(self, app: App, own: BatchOptions, flags: Mapping[str, Any], stack: ExitStack) -> None:
        self._app = app
        self._terminal = app.terminal
        self._own = own
        self._flags = flags
        self._stack = stack
        self._options = Options(**flags)
        self._index = Index()
        self._ledger: Ledger | None = None
        self._total: int | None = None

    def run(self) -> None:
        self._agree()
        stdin = caller.stdin(self._app, self._options.deadline)
        form = self._form(stdin)
        self._set_terminal()
        config = load_config(self._app.environment)
        for row in config.providers.values():
            self._terminal.redactor.add_variables(row.key_variables, self._app.environment)
        questions = Questions(self._options, self._flags, form, stdin)
        source = self._source(stdin, questions)
        candidates = self._candidates(form, config, stdin)
        questions.base(candidates[0].request)
        if self._options.dry_run:
            self._show(source, questions, candidates[0])
            return
        engine = self._engine()
        self._open(source)
        self._ask(source, questions, candidates, engine)

    def _agree(self) -> None:
        own = self._own
        if (own.input is None) == (own.files0 is None):
            fix = "glm batch run prompts.jsonl, or git ls-files -z | glm batch run --files0 -"
            raise UsageError("the rows come from INPUT or from --files0", fix=fix)
        if own.redo_changed and own.keep_changed:
            raise UsageError("--redo-changed and --keep-changed contradict each other", fix="leave one of them out")
        if own.csv and not (self._options.output or own.text):
            raise UsageError("--csv is made of the output, and there is none", fix="add -O FILE")

        if own.address and not own.engine:
            raise UsageError("--address is where an engine's cluster is, and there is no engine", fix="--engine dask")
        if own.engine and self._options.key_file:
            raise UsageError(
                "--key-file is on this machine, and workers read their own environment", fix="leave it out"
            )

    def _engine(self) -> Engine | None:
        """The engine, if there is one, with its workers."""
        if not self._own.engine:
            return None
        from glmcli.batch.engines import open_engine

        engine = open_engine(self._own.engine, self._own.address)
        self._stack.callback(engine.stop)
        engine.start()
        return engine

    def _form(self, stdin: Stdin) -> RowForm | None:
        options = self._options
        if options.request is None:
            if options.var:
                raise UsageError("--var fills a request file, and there is none", fix="add --request FILE")
            return None
        from glmcli.request_file import RowForm

        form = RowForm(options.request, options.var, stdin)
        self._options = merge(form.fields, self._flags)
        for name in ("tools", "session", "reasoning", "meta", "json", "jsonl"):
            if getattr(self._options, name):
                raise UsageError(f"the request file sets {name}, which a batch has no use for", fix="leave it out")
        return form

    def _set_terminal(self) -> None:
        terminal, options = self._terminal, self._options
        terminal.quiet = options.quiet
        terminal.verbose = options.verbose and not options.quiet
        terminal.plain |= options.plain

    def _source(self, stdin: Stdin, questions: Questions) -> Source:
        own = self._own
        place, form = (own.files0, "files") if own.files0 else (own.input or "", own.format)
        complete = questions.is_complete
        prompted = bool(self._options.prompt)
        return open_rows(place, form, stdin, complete=complete, prompted=prompted)

    def _candidates(self, form: RowForm | None, config: Config, stdin: Stdin) -> tuple[Candidate, ...]:
        """Who is asked, with key and address, and what is the same for all rows."""
        environment = self._app.environment
        layers = settings.Layers(Options(**self._flags), form.fields if form else {}, environment, config)
        keys = KeyRing(environment, stdin, self._terminal.note)
        resolver = settings.Resolver(self._options, layers, self._terminal, keys, self._embedded)
        return resolver.candidates(_ANY, stream=not self._options.no_stream)

    def _embedded(self, provider: Provider) -> str:
        from glmcli.sandbox import PREFIXES, Sandbox

        if self._options.dry_run:
            return f"http://127.0.0.1:0{PREFIXES[provider.name]}"
        return self._stack.enter_context(Sandbox()).base_url(provider.name)

    def _show(self, source: Source, questions: Questions, first: Candidate) -> None:
        """Print what the first row that can be asked would send."""
        from glmcli.batch.item import Item
        from glmcli.output.requests import as_json
        from glmcli.providers import dialect_of

        intake = Intake(source, questions, self._index, Resume(), first.provider, force=self._options.force)
        for row in source.rows():
            item = intake.take(row)
            if isinstance(item, Item):
                call = dialect_of(first.provider).encode(item.request, first.provider)
                self._terminal.stdout.write(as_json(first.replace(call=call.replace(key=first.call.key))))
                return
            if item:
                self._terminal.note(f"{item.why.message}: left out")
        raise UsageError(f"{source.name} has no row that can be asked")

    def _open(self, source: Source) -> None:
        """The output, and what an earlier run has written there."""
        path = self._options.output
        if path in (None, "-") and self._own.text:
            os.makedirs(self._own.text, exist_ok=True)  # noqa: PTH103 - a string is all that is needed
            path = os.path.join(self._own.text, _LEDGER)  # noqa: PTH118 - as above
        if path in (None, "-"):
            return
        self._ledger = self._stack.enter_context(Ledger(path or ""))
        if self._ledger.identity == source.identity:
            raise UsageError(f"the output {path} is the input", fix="another -O FILE")
        lines = load(self._ledger, self._index)
        if self._ledger.torn:
            self._terminal.note(f"{path}: {self._ledger.torn} bytes of a torn line were moved to {path}.torn")
        if lines:
            self._terminal.note(f"{path}: going on after {self._index.entries} rows")

    def _ask(
        self, source: Source, questions: Questions, candidates: tuple[Candidate, ...], engine: Engine | None
    ) -> None:
        own, options = self._own, self._options
        changed = "redo" if own.redo_changed else "keep" if own.keep_changed else None
        shard = shards.read(own.shard, self._app.environment) if own.shard else None
        intake = Intake(
            source,
            questions,
            self._index,
            Resume(own.retry_failed, changed),
            candidates[0].provider,
            force=options.force,
            shard=shard,
        )
        if source.rereadable:
            self._total = intake.scan(resumes=bool(self._index.entries))
        out = self._ledger or Printed(self._terminal.stdout)
        writing = Writing(
            out,
            self._index,
            self._terminal.redactor,
            ordered=own.ordered,
            keep_partial=options.keep_partial,
            max_failures=own.max_failures,
        )
        ticker = Ticker(self._terminal, time.monotonic)
        self._stack.callback(ticker.stop)
        plan = Plan(
            candidates=candidates,
            limits=settings.limits(options),
            exact=options.exact,
            allow_empty=options.allow_empty,
            started=self._app.started,
        )
        parts = shard.of if shard else 1
        gates = tuple(self._gate(each.provider, parts) for each in candidates)
        sides = (Feed(source, intake), gates, plan, writing, Budget(own.max_cost))
        window = max(_AHEAD * own.jobs, 256) if own.ordered else None

        def watch() -> None:
            if ticker.is_due:
                ticker.update(standing.now(runner))

        runner: Run
        if engine:
            from glmcli.batch.engines.driver import Driver

            tpm = own.tpm / parts if own.tpm else None
            runner = Driver(engine, *sides, tpm=tpm, window=window, watch=watch, say=self._terminal.note)
        else:
            redactor, tls = self._terminal.redactor, self._tls(candidates)
            runner = Runner(*sides, redactor=redactor, tls=tls, window=window, watch=watch)
        standing = Standing(writing, intake, self._total)
        came: list[int] = []
        try:
            self._loop(runner, came)
        finally:
            with suppress(GlmError):
                writing.flush()
        ticker.stop()
        self._end(runner, writing, intake, came)

    def _gate(self, provider: Provider, parts: int) -> Gate:
        own = self._own
        per_part = (None if each is None else each / parts for each in (own.rpm, own.tpm))
        rpm, tpm = per_part
        return Gate(own.jobs, provider.wire.limits, rpm=rpm, tpm=tpm, now=time.monotonic())

    def _tls(self, candidates: tuple[Candidate, ...]) -> Any:  # noqa: ANN401 - imported only where it is needed
        if not any(each.call.url.startswith("https:") for each in candidates):
            return None
        from glmcli.tls import Tls

        return Tls(self._app.environment)

    def _loop(self, runner: Run, came: list[int]) -> None:
        _allow_descriptors(self._own.jobs + _SPARE)
        heeded = tuple(
            number
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(number) is not signal.SIG_IGN
        )

        async def whole() -> None:
            signals_of(runner, asyncio.get_running_loop(), heeded, came)
            await runner.run()

        aside.run(whole())

    def _end(self, runner: Run, writing: Writing, intake: Intake, came: list[int]) -> None:
        """Bring the output into its last form, say how it went, and how that counts."""
        total = (intake.read if self._total is None else self._total) - intake.elsewhere
        states_of = writing.counts + intake.skipped
        pending = total - sum(states_of.values())
        if self._ledger:
            self._ledger.sync()
            if not pending and not came:
                self._index.forget_invalid()
                if self._own.redo_changed:
                    self._index.forget_orphans()
            if self._ledger.count > self._index.entries:
                with suppress(OSError):  # without it the file is longer, and as good
                    compact(self._ledger, self._index)
            self._export()
            self._sum_up(self._ledger)
        if came:
            raise Interrupted(came[0])
        self._judge(runner.why, states_of, pending, total)

    def _sum_up(self, ledger: Ledger) -> None:
        """Say on stderr how all of it went, recounted from the file."""
        if self._terminal.quiet:
            return
        from glmcli.batch.summary_text import text
        from glmcli.commands.batch.report import recount

        with suppress(UsageError):  # the file is not what it was: it is no longer ours
            for line in text(recount(self._app, ledger.path, None)).rstrip("\n").split("\n"):
                self._terminal.note(line)

    def _export(self) -> None:
        from glmcli.batch import exports
        from glmcli.output.destination import open_output

        if self._ledger and self._own.text:
            exports.texts(self._ledger, self._own.text)
        if self._ledger and self._own.csv:
            exports.table(self._ledger, open_output(self._own.csv, self._terminal))

    def _judge(self, why: GlmError | None, ended: Mapping[str, int], pending: int, total: int) -> None:
        again = "the same command again goes on from here" if self._ledger else "-O FILE makes a run that can go on"
        if why:
            why.fix = f"{why.fix}; {again}" if why.fix else again
            raise why
        may = ended.get(states.FAILED, 0) + pending
        final = ended.get(states.FINAL, 0) + ended.get(states.INVALID, 0)
        if may:
            raise PartialError(f"{may + final} of {total} rows have no answer; {may} may still get one", fix=again)
        if final:
            raise FailedRowsError(
                f"{final} of {total} rows have no answer, and would only fail again",
                fix="glm batch report names them; --retry-failed asks them again all the same",
            )


def _allow_descriptors(wanted: int) -> None:
    """Raise the limit on open files, as far as the system lets us.

    Raises:
        UsageError: it does not let us far enough.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise UsageError(f"--jobs: only {hard} files may be open at once", fix=f"-j {max(hard - _SPARE, 1)}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
