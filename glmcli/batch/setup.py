"""Prepares a batch: reads its flags, request file and input, and chooses its providers. Nothing is sent here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from glmcli.batch.completion import IN_A_FOLDER
from glmcli.batch.ledger.file import Ledger
from glmcli.batch.ledger.index import Index, load_ledger
from glmcli.batch.ledger.writer import LedgerWriter, StdoutSink, WriterOptions, command_of
from glmcli.batch.rows.pending import PendingRows, RowFilter
from glmcli.batch.rows.requests import RequestBuilder
from glmcli.batch.rows.row import QueueItem
from glmcli.batch.rows.shard import read_shard
from glmcli.batch.rows.source import RowSource, open_rows
from glmcli.batch.run.budget import TOOLS_FIX, UNKNOWN_TOOLS
from glmcli.chat.messages import Message
from glmcli.config.options import Options, merged
from glmcli.config.provider_choice import layers
from glmcli.config.resolve import ProviderResolver
from glmcli.console.files import obstacle
from glmcli.console.stdin import normal_path
from glmcli.errors import BudgetError, OutputError, UsageError
from glmcli.output.amounts import plural
from glmcli.output.destination import input_file, require_distinct_files
from glmcli.providers.pricing import most_for_search, price_list, server_tools
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import ExitStack

    from glmcli.batch.ledger.writer import LineSink
    from glmcli.batch.rows.shard import Shard
    from glmcli.config.app import App
    from glmcli.config.plan import Candidate
    from glmcli.config.request_file import RequestTemplate
    from glmcli.console.terminal import Terminal
    from glmcli.providers.row import Provider

_LEDGER = "rows.jsonl"  # the ledger in the folder of --text, where no --output is given
_SHOWN = 3  # invalid rows that are named
_USELESS = ("tools", "session", "reasoning", "sources", "meta", "json", "jsonl")  # fields that a batch does not use
# Provider, key and options are checked before any row is known, with a text that no rule objects to.
_ANY_TEXT = "JSON"


class BatchOptions(Record):
    """The flags of `glm batch run`, `sample` and `submit`. None and empty mean: not set.

    Units: `rpm` requests a minute, `tpm` tokens a minute, `max_cost` the money of the provider's price list.

    Attributes:
        shared: the flags that `glm ask` has too.
    """

    shared: Options
    input: str | None = None
    jobs: int = 32
    rpm: float | None = None
    tpm: float | None = None
    max_failures: int | None = None
    max_cost: float | None = None
    ordered: bool = False
    retry_failed: bool | None = None
    redo_changed: bool = False
    keep_changed: bool = False
    shard: str | None = None
    engine: str | None = None
    address: str | None = None
    format: str | None = None
    files0: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    need_rows: bool = False
    text: str | None = None
    csv: str | None = None
    csv_safe: bool = False
    sync: bool = False


def read_options(given: Mapping[str, Any]) -> BatchOptions:
    """The options of these flags.

    Raises:
        UsageError: two of them contradict each other.
    """
    own = {name: value for name, value in given.items() if name in BatchOptions.__match_args__}
    shared = {name: value for name, value in given.items() if name not in own}
    if "input" in own:
        own["input"] = normal_path(own["input"])
    options = BatchOptions(Options(**shared), **own)
    if (options.input is None) == (options.files0 is None):
        fix = "glm batch run prompts.jsonl, or git ls-files -z | glm batch run --files0 -"
        raise UsageError("the rows come from INPUT or from --files0", fix=fix)
    if options.redo_changed and options.keep_changed:
        raise UsageError("--redo-changed and --keep-changed contradict each other", fix="leave one of them out")
    if options.csv_safe and not options.csv:
        raise UsageError("--csv-safe is about the table of --csv, and there is none", fix="add --csv FILE")
    if options.address and not options.engine:
        raise UsageError("--address is where an engine's cluster is, and there is no engine", fix="--engine dask")
    return options


class BatchPlan(Record):
    """A batch that is ready to start.

    Attributes:
        batch: the flags.
        options: the flags that `glm ask` has too, merged with the request file.
        shard: the part of the rows that is sent; None is all of them.
        requests: makes the request of each row.
        candidates: who is asked, with key and address, and what is the same for all rows.
    """

    batch: BatchOptions
    options: Options
    shard: Shard | None
    source: RowSource
    requests: RequestBuilder
    candidates: tuple[Candidate, ...]

    @property
    def provider(self) -> Provider:
        """The provider of the first candidate."""
        return self.candidates[0].provider

    @property
    def name(self) -> str:
        """The name of the rows for messages: that of the input, and which part of it is sent."""
        shard = self.shard
        return f"{self.source.name}, part {shard.which} of {shard.of}," if shard else self.source.name


def prepare(app: App, batch: BatchOptions, *, sends: bool = True) -> BatchPlan:
    """Read the request file, open the rows and find keys; nothing is opened for writing.

    Without `sends` no key is needed.

    Raises:
        GlmError: the batch cannot begin.
    """
    app.apply(batch.shared)
    options, template = _read_template(app, batch.shared)
    if not batch.text and options.output in (None, "-"):
        _require_no_output(batch)
    if batch.engine and options.key_file:
        why = "--key-file is on this machine, and workers read their own environment"
        raise UsageError(why, fix="leave it out")
    app.apply(options)
    shard = read_shard(batch.shard, app.environment) if batch.shard else None
    if shard and batch.shard and batch.shard.startswith("auto"):
        app.terminal.note(f"--shard {batch.shard}: part {shard.which} of {shard.of}")
    flags = batch.shared.given()
    requests = RequestBuilder(options, flags, template, app.stdin, app.terminal)
    source = open_rows(
        batch.files0 or batch.input or "",
        "files" if batch.files0 else batch.format,
        app.stdin,
        requests.context.replace(encoding=batch.encoding or "", delimiter=batch.delimiter, note=app.terminal.note),
    )
    resolver = ProviderResolver(app, options, layers(app, flags, template.fields if template else {}), dry=not sends)
    candidates = resolver.candidates((Message("user", _ANY_TEXT, parts=requests.pictures),))
    requests.objection_to_model = resolver.objection_to_model
    requests.set_base(candidates[0].request, candidates[0].provider)
    return BatchPlan(batch, options, shard, source, requests, candidates)


def _require_no_output(batch: BatchOptions) -> None:
    """Check that nothing is to be done with the output, where the lines go to stdout."""
    if batch.csv:
        raise UsageError("--csv is made of the output, and there is none", fix="add -O FILE")
    if batch.sync:
        raise UsageError("--sync is about the output, and there is none", fix="add -O FILE")


def _read_template(app: App, flags: Options) -> tuple[Options, RequestTemplate | None]:
    """The flags merged with the request file, and that file."""
    if flags.request is None:
        if flags.var:
            raise UsageError("--var fills a request file, and there is none", fix="add --request FILE")
        return flags, None
    from glmcli.config.request_file import RequestTemplate

    template = RequestTemplate(flags.request, flags.var, app.stdin)
    if template.remark:
        app.terminal.note(template.remark)
    options = merged(template.fields, flags.given())
    for name in _USELESS:
        if getattr(options, name):
            raise UsageError(f"the request file sets {name}, which a batch has no use for", fix="leave it out")
    return options, template


def open_ledger(app: App, plan: BatchPlan, index: Index, stack: ExitStack) -> Ledger | None:
    """The output, with what earlier runs have written noted in `index`; None if the output is stdout.

    Raises:
        UsageError: it is the input, no output of a batch, or in use.
        OutputError: it cannot be written.
    """
    path = _ledger_path(plan)
    if path is None:
        return None
    if text := plan.batch.text:
        try:
            os.makedirs(text, exist_ok=True)  # noqa: PTH103 - as below
        except (OSError, ValueError) as error:
            what = getattr(error, "strerror", error)
            raise OutputError(message=f"--text: cannot make the folder {text}: {what}") from error
    # In a folder that is named, the name of the ledger is ours.
    named = plan.options.output not in (None, "-")
    ledger = stack.enter_context(Ledger(path, syncs=plan.batch.sync, follows=named))
    lines = load_ledger(ledger, index, app.terminal.note)
    if plan.batch.ordered and (why := obstacle(path)):
        raise OutputError(
            f"--ordered puts a new file in place of {path}, and none can be put there: {why}", fix=IN_A_FOLDER
        )
    if lines:
        app.terminal.note(f"{path}: resuming after {plural(len(index), 'row')}")
    return ledger


def _ledger_path(plan: BatchPlan) -> str | None:
    """The path of the output, which no other flag names; the folder of --csv is checked before anything is paid for."""
    batch, path = plan.batch, plan.options.output
    if batch.csv and not os.path.isdir(os.path.dirname(os.path.abspath(batch.csv))):  # noqa: PTH100, PTH112, PTH120 - strings
        raise OutputError(message=f"cannot write {batch.csv}: there is no such folder", fix="make it first")
    if batch.csv and os.path.isdir(batch.csv):  # noqa: PTH112 - a string
        raise OutputError(message=f"cannot write {batch.csv}: it is a directory", fix="--csv FILE")
    if path in (None, "-"):
        path = os.path.join(batch.text, _LEDGER) if batch.text else None  # noqa: PTH118 - as above
    if path:
        refuse_shared_files(plan, {"--output" if plan.options.output else "--text": path, "--csv": batch.csv})
    return path


def refuse_shared_files(plan: BatchPlan, written: Mapping[str, str | None]) -> None:
    """Check that no file of `written` (its flag and path) is also read, or written for another flag.

    Raises:
        UsageError: two flags name one file.
    """
    batch, options = plan.batch, plan.options
    read = {
        "INPUT": batch.input,
        "--files0": batch.files0,
        "--request": options.request,
        "--key-file": options.key_file,
    }
    read |= {f"--attach {path}": path for path in options.attach}
    require_distinct_files({flag: input_file(path) for flag, path in read.items()} | dict(written))


def pending_rows(app: App, plan: BatchPlan, index: Index) -> PendingRows:
    """The rows of the plan that `index` does not list as finished."""
    batch = plan.batch
    changed = "redo" if batch.redo_changed else "keep" if batch.keep_changed else None
    row_filter = RowFilter(batch.retry_failed, changed, plan.shard)
    return PendingRows(plan.source, plan.requests, index, row_filter, app.terminal.redactor.text)


def row_writer(app: App, plan: BatchPlan, index: Index, sink: LineSink) -> LedgerWriter:
    """The writer of a line to `sink` for each row that ends."""
    # A file is sorted when the run ends: an answer that waits for its turn in memory would be lost in a crash.
    ordered = plan.batch.ordered and isinstance(sink, StdoutSink)
    command = command_of(app.arguments)
    options = WriterOptions(ordered, plan.options.keep_partial, plan.batch.max_failures, command)
    return LedgerWriter(sink, index, app.terminal.redactor, options)


class ValidRows:
    """The rows that can be sent. The first of the others are named on stderr, because no output records them.

    Attributes:
        invalid: how many rows cannot be sent.
    """

    def __init__(self, pending: PendingRows, terminal: Terminal) -> None:
        """Read the rows of `pending`."""
        self._pending = pending
        self._terminal = terminal
        self.invalid = 0

    def __iter__(self) -> Iterator[QueueItem]:
        """Read the input once."""
        for item in self._pending:
            if isinstance(item, QueueItem):
                yield item
            else:
                self.invalid += 1
                if self.invalid <= _SHOWN:
                    self._terminal.note(f"{item.error.message}: left out")
        if self.invalid > _SHOWN:
            self._terminal.note(f"{self.invalid} rows cannot be sent")


def require_prices(plan: BatchPlan) -> None:
    """Check that all prices are known, and in one currency, where there is a ceiling on the cost.

    Raises:
        BudgetError: one is not.
    """
    currencies: dict[str, str] = {}  # and the first model that is paid in each
    for each in plan.candidates if plan.batch.max_cost is not None else ():
        prices = price_list(each.provider, each.model)
        if prices is None:
            raise BudgetError(
                f"--max-cost: the price of {each.provider.name}/{each.model} is not known here",
                fix="leave out --max-cost, or state the price under models: in the configuration file",
            )
        if most_for_search(each.provider, each.model, server_tools(each.provider, each.request)) is None:
            raise BudgetError(UNKNOWN_TOOLS, fix=TOOLS_FIX)
        currencies.setdefault(prices["currency"], f"{each.provider.name}/{each.model}")
    if len(currencies) > 1:
        (currency, model), (other, fallback), *_ = currencies.items()
        raise BudgetError(
            f"--max-cost: {model} is paid in {currency}, and {fallback} in {other}",
            fix="leave out --max-cost, or a fallback that is paid in the same currency",
        )


def first_request(app: App, plan: BatchPlan) -> str:
    """The request of the first row that can be sent, as JSON.

    Raises:
        UsageError: there is none, or files or rows of the plan cannot be used.
        GlmError: what else a run would refuse before it sends.
    """
    from glmcli.batch.jobs.job_file import refuse_submitted_rows
    from glmcli.output.dry_run import as_json
    from glmcli.providers.table import dialect_of

    require_prices(plan)
    if path := _ledger_path(plan):
        refuse_submitted_rows(path)
    first = plan.candidates[0]
    pending = pending_rows(app, plan, Index())
    if plan.source.rereadable:
        pending.scan()
    for item in ValidRows(pending, app.terminal):
        call = dialect_of(first.provider).encode(item.request, first.provider)
        return as_json(first.replace(call=call.replace(key=first.call.key)))
    raise UsageError(f"{plan.name} has no row that can be sent")
