"""What a run on one machine and one on a cluster share: their inputs, which row comes next, and when they stop."""

from __future__ import annotations

import heapq
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from glmcli.batch.run.failover import Failover
from glmcli.batch.run.shutdown import Shutdown
from glmcli.providers.pricing import most_for_search, most_for_tokens, search_price, server_tools
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from glmcli.batch.rows.row import QueueItem
    from glmcli.batch.run.budget import Budget
    from glmcli.batch.run.failover import RunChange
    from glmcli.chat.events import Remark
    from glmcli.chat.outcome import Outcome
    from glmcli.config.plan import Plan
    from glmcli.errors import GlmError
    from glmcli.providers.row import Provider

_MAX_REMARKS = 8  # lines of a run; what a provider sends may be in each of them


class RowInput(Protocol):
    """Where rows come from (glmcli.batch.rows.queue)."""

    @property
    def error(self) -> GlmError | None:
        """Why no more can be read, which stops the run."""

    def start(self, wake: Callable[[], None]) -> None:
        """Start reading; `wake` is called in the loop's thread when rows have arrived."""

    @property
    def is_exhausted(self) -> bool:
        """Whether no more rows come."""

    @property
    def is_ready(self) -> bool:
        """Whether a row can be taken now."""

    def take(self) -> QueueItem | None:
        """The next row to be sent; None: it has not arrived yet, or the event loop should run first."""


class RowOutput(Protocol):
    """Where the results of rows go (glmcli.batch.ledger.writer).

    Attributes:
        next_number: the number of the row whose line comes next in an ordered output.
        failure: why nothing can be written any more.
    """

    next_number: int
    failure: BaseException | None

    def write(self, item: QueueItem, outcome: Outcome) -> None:
        """Write how a row ended."""

    @property
    def failures_left(self) -> int | None:
        """How many more rows may fail before the run stops; None: any number."""

    @property
    def failure_limit(self) -> GlmError | None:
        """Why the run stops, if more rows have failed than are allowed."""


class RunSetup(Record):
    """The parts and settings of a run.

    Attributes:
        window: how far a row may be ahead of the next line of an ordered output; None: any distance.
        watch: is called often, in the loop's thread, to show progress or to end a chunk in time.
        note: prints a line for the user.
    """

    rows: RowInput
    output: RowOutput
    plan: Plan
    budget: Budget
    window: int | None
    watch: Callable[[], None]
    note: Callable[[str], None]


class RequestCounts(NamedTuple):
    """Requests in flight, how many may be in flight now, and how many were refused so far."""

    in_flight: int
    slots: int
    refused: int


class RetryQueue:
    """Rows that wait to be sent again, the first to be sent first."""

    def __init__(self) -> None:
        """No row waits."""
        self._waiting: list[tuple[float, int, QueueItem]] = []

    def __bool__(self) -> bool:
        """Whether any row waits."""
        return bool(self._waiting)

    def add(self, item: QueueItem, seconds: float) -> None:
        """Have the row sent again after so long."""
        heapq.heappush(self._waiting, (time.monotonic() + seconds, item.number, item))

    def take(self, now: float) -> QueueItem | None:
        """A row that has waited for long enough."""
        return heapq.heappop(self._waiting)[2] if self._waiting and self._waiting[0][0] <= now else None

    def waits(self, now: float) -> dict[int, float]:
        """Seconds until each row may be sent, by its number."""
        return {number: max(due - now, 0.0) for due, number, _ in self._waiting}

    def wait(self, now: float) -> float:
        """Seconds until the next row may be sent; inf where none waits."""
        return self._waiting[0][0] - now if self._waiting else float("inf")


class RunState:
    """Which row comes next, which candidate it goes to, what was paid, and whether the run stops.

    Attributes:
        held: a row that was taken and could not be sent yet.
    """

    def __init__(self, setup: RunSetup) -> None:
        """Nothing was read or sent yet."""
        self._setup = setup
        self.shutdown = Shutdown(setup.plan)
        self.failover = Failover(setup.plan, time.monotonic())
        self.retries = RetryQueue()
        self.held: QueueItem | None = None
        self._remarks: set[Remark] = set()

    def next_row(self, now: float) -> QueueItem | None:
        """The row to be sent next: one that was held, one that has waited for its retry, or one of the input."""
        item, self.held = self.held, None
        item = item or self.retries.take(now) or self._read()
        return item and self.failover.assign(item)

    def _read(self) -> QueueItem | None:
        item = self._setup.rows.take()
        if error := self._setup.output.failure_limit or self._setup.rows.error:
            self.shutdown.stop(error)
        return item

    def hold(self, item: QueueItem) -> None:
        """Keep a row that cannot be sent yet; the run stops if the budget is why."""
        self.held = item
        if error := self._setup.budget.error:
            self.shutdown.stop(error)

    def may_pay(self, item: QueueItem, in_flight: int) -> bool:
        """Whether the budget allows to send the row now, see `Budget.may_start`."""
        budget = self._setup.budget
        return not budget.is_limited or budget.may_start(in_flight, most_for_search(*self._asks(item)))

    def _asks(self, item: QueueItem) -> tuple[Provider, str, tuple[Mapping[str, Any], ...]]:
        """Provider and model of this row, and the provider's own tools that it asks for."""
        request, provider = self.failover.request(item), self._setup.plan.candidates[item.candidate].provider
        return provider, request.model, server_tools(provider, request)

    def is_ahead(self, item: QueueItem) -> bool:
        """Whether the row would wait too long for its place in an ordered output."""
        window = self._setup.window
        return window is not None and item.number - self._setup.output.next_number >= window

    def write(self, item: QueueItem, outcome: Outcome) -> None:
        """Write how a row ended, and count what it cost.

        Raises:
            OutputError: the line cannot be written.
        """
        if self._setup.budget.is_limited:
            self._count_cost(item, outcome)
        self._setup.output.write(item, outcome)
        if error := self._setup.budget.error or self._setup.output.failure_limit:
            self.shutdown.stop(error)

    def _count_cost(self, item: QueueItem, outcome: Outcome) -> None:
        """Tell the budget what the row has cost, how much of it a search, or the most that it may have cost."""
        provider, model, tools = self._asks(item)
        usage = outcome.reply.usage
        # A reply that tells of a search has paid for one.
        searched = search_price(provider, model, tools) if outcome.reply.sources is not None else None
        is_open = outcome.cost is None and not tools
        most = most_for_tokens(provider, model, usage) if is_open and usage is not None else None
        self._setup.budget.paid(outcome.cost, outcome.error, searched or 0.0, most)

    def apply(self, change: RunChange | None) -> None:
        """Stop the run, or print the notice, that follows from the health of a provider."""
        if change and change.stop:
            self.shutdown.stop(change.stop)
        if change and change.notice:
            self._setup.note(change.notice)

    def remark(self, item: QueueItem, remarks: Iterable[Remark]) -> None:
        """Print what was remarked on a row's reply, each remark once in a run, and not more than a few."""
        for remark in remarks:
            if remark not in self._remarks and len(self._remarks) < _MAX_REMARKS:
                self._remarks.add(remark)
                self._setup.note(f"{item.id}: {remark.text}")

    def announce(self, *, is_busy: bool) -> None:
        """Print what a run that stops still waits for, if it is busy."""
        notice, self.shutdown.notice = self.shutdown.notice, None
        if notice and is_busy:
            self._setup.note(notice)
