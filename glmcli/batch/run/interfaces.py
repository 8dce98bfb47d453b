"""What a run meets on each side. One machine or many: the same feed, the same lines, the same person who watches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.rows.row import QueueItem
    from glmcli.batch.run.shutdown import Shutdown
    from glmcli.chat.outcome import Outcome
    from glmcli.errors import GlmError


class RowInput(Protocol):
    """Where rows come from (glmcli.batch.rows.queue)."""

    @property
    def error(self) -> GlmError | None:
        """What stops the run: no more can be read."""
        ...

    def start(self, wake: Callable[[], None]) -> None:
        """Read from now on; `wake` is called in the loop's thread when rows have come."""
        ...

    @property
    def is_exhausted(self) -> bool:
        """Nothing comes any more."""
        ...

    @property
    def is_ready(self) -> bool:
        """A row can be taken now."""
        ...

    def take(self) -> QueueItem | None:
        """The next row that is to be asked; None: it is not there yet, or there was something else to do first."""
        ...


class RowOutput(Protocol):
    """Where it goes how rows ended (glmcli.batch.ledger.writer)."""

    next_number: int
    failure: BaseException | None

    def write(self, item: QueueItem, outcome: Outcome) -> None:
        """A row was asked, and this came of it."""
        ...

    @property
    def failures_left(self) -> int | None:
        """How many more rows may fail before the run stops; None: any number."""
        ...

    @property
    def failure_limit(self) -> GlmError | None:
        """Why the run stops, if more rows have failed than are allowed."""
        ...


class BatchRun(Protocol):
    """A run as those see it who start it, watch it and stop it: that of one machine, or that of many.

    Attributes:
        halt: tells it to stop, and knows why it did.
    """

    shutdown: Shutdown

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        ...

    @property
    def refusals(self) -> int:
        """Requests that were refused."""
        ...

    @property
    def slots(self) -> int:
        """How many may be under way now."""
        ...

    async def run(self) -> None:
        """Return when every row is written, or the run is stopped and what was in flight has ended."""
        ...
