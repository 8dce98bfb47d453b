"""From batches that have ended to lines of the output, and to an exit code."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from glmcli.batch.jobs import job_file as jobs
from glmcli.batch.jobs.collection import Collection
from glmcli.batch.jobs.results import ResultReader
from glmcli.batch.jobs.rows_file import RowsFile
from glmcli.batch.ledger.file import Ledger
from glmcli.batch.ledger.index import Index, load_ledger
from glmcli.batch.ledger.writer import LedgerWriter, WriterOptions
from glmcli.batch.options import BatchOptions
from glmcli.commands.batch import ending, reach
from glmcli.commands.batch.looking import job_of
from glmcli.console import signals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.config.app import App


def fetch(app: App, given: Mapping[str, Any]) -> None:
    """Bring the answers.

    Raises:
        GlmError: as its exit code says.
    """
    signals.install_handlers()
    options = reach.options_of(given, ("file",))
    app.apply(options)
    output = jobs.output_of(given["file"])
    job_of(output)  # before a file of that name is made
    with ExitStack() as stack:
        ledger, index = stack.enter_context(Ledger(output)), Index()
        job = job_of(output)  # the lock is ours: nobody changes it now
        service = reach.service(app, options.replace(provider=job.provider))
        reach.same_place(job, service.provider, output)
        load_ledger(ledger, index)
        asked = stack.enter_context(RowsFile(output, job.rows_bytes, job.rows_sha256))
        redactor = app.terminal.redactor
        judge = ResultReader(service.provider, redactor, options.allow_empty, options.exact)
        collection = Collection(output, job, service, asked, judge, app.terminal.note)
        collection.look(index)
        keep = options.keep_partial
        writing = LedgerWriter(ledger, index, redactor, WriterOptions(keep_partial=keep))
        collection.collect(ledger, index, writing)
        ending.settle(app, ledger, index, BatchOptions(), is_whole=False)
        ending.sum_up(app, ledger)
        if collection.failure:
            raise collection.failure
        _judge(output, collection, index)


def _judge(output: str, collection: Collection, index: Index) -> None:
    """How it counts: rows under way and missing ones may still get an answer, as failed ones may."""
    waiting, missing = collection.pending(index)
    again = "glm batch submit … --again submits anew what failed or went missing"
    if not all(part.batch for part in collection.job.parts):
        again = "the same glm batch submit again brings the rest to the provider"
    elif waiting:
        again = f"{waiting} are under way: glm batch status {output} --wait, then fetch again"
    ended = index.count_states()
    ending.judge(ended, waiting + missing, sum(ended.values()) + waiting + missing, again)
