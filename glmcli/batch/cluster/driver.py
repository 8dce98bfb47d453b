"""The run over many machines: chunks go out as the gate lets them, and come back as lines of the output.

The driver alone holds the limits and writes. Each chunk takes a part of the gate's slots with it, and what the provider
refused comes back with the rows, so that one gate governs all workers. A row is in one place at any time: not read yet,
waiting to be sent (again), or out with a chunk; of two results of one row the second is dropped.
"""

from __future__ import annotations

import asyncio
import time
from math import inf
from typing import TYPE_CHECKING
from uuid import uuid4

from glmcli.batch.cluster.engine import LostChunk
from glmcli.batch.cluster.messages import Chunk, RowTask
from glmcli.batch.cluster.outstanding import OpenRows, SentChunk
from glmcli.batch.cluster.results import ResultHandler
from glmcli.batch.cluster.share import Lease, Sizing, fitted, offer
from glmcli.batch.run.shutdown import Shutdown
from glmcli.errors import GlmError, NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmcli.batch.cluster.engine import Engine, Handle
    from glmcli.batch.rate.limiter import RateLimiter
    from glmcli.batch.rows.row import QueueItem
    from glmcli.batch.run.budget import Budget
    from glmcli.batch.run.interfaces import RowInput, RowOutput
    from glmcli.config.plan import Plan

_PER_WORKER = 2  # chunks: one at work, and one that begins while the last rows of the other end
_LOOK = 0.02  # seconds between two looks at what has come back
_ALONE = 60.0  # seconds without any worker
_PATIENCE = 2.0  # times its expected duration, after which a chunk begins no other row
_GRACE = 5.0  # seconds for the way there and back,
_BACK = 1.0  # and in which a chunk that was told to end is back
_HEAVY = 8 << 20  # bytes of rows beyond which a chunk has no more of them than slots


class Driver:
    """Gives out what the feed gives, and writes how it ended.

    Attributes:
        halt: tells it to stop.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each is a side of the run
        self,
        engine: Engine,
        feed: RowInput,
        gates: tuple[RateLimiter, ...],
        plan: Plan,
        writing: RowOutput,
        budget: Budget,
        *,
        tpm: float | None,
        window: int | None,
        watch: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        """As Runner; the engine has started, `tpm` is what the gates hold to, `say` tells a person what was lost."""
        self._engine = engine
        self._feed = feed
        self._gates = gates
        self._plan = plan
        self._writing = writing
        self._budget = budget
        self._tpm = tpm
        self._window = window
        self._watch = watch
        self._say = say
        self._name = uuid4().hex
        self._staffed = time.monotonic()
        self._sizing = Sizing(self._staffed)
        self._begun = OpenRows()
        self.shutdown = Shutdown(plan, say, lambda: any(self._live()))
        self._returns = ResultHandler(self._begun, plan, writing, budget, self.shutdown, say)
        self._outs: dict[Handle, SentChunk] = {}
        self._held: QueueItem | None = None
        self._told: tuple[float, float] | None = None  # by when the workers are to end, and when they were told

    @property
    def in_flight(self) -> int:
        """Requests that may be under way."""
        return sum(out.grant.share.slots for out in self._live())

    @property
    def refusals(self) -> int:
        """Requests that were refused."""
        return self._returns.refusals

    @property
    def slots(self) -> int:
        """How many may be under way now."""
        return self._gates[0].slots

    def _live(self) -> Iterator[SentChunk]:
        return (out for out in self._outs.values() if not out.is_late)

    async def run(self) -> None:
        """Return when every row is written, or the run is stopped and what was out has come back.

        Raises:
            OutputError: a line cannot be written; nothing more is sent.
        """
        self._feed.start(_nothing)
        try:
            while not self._is_over():
                now = time.monotonic()
                busy = self._turn(now)
                if self.shutdown.is_on:
                    self._hush(now)
                self._watch()
                if self._writing.failure:
                    raise self._writing.failure
                await asyncio.sleep(0 if busy else _LOOK)
        finally:
            if self._outs:
                self._engine.hush(self._name, 0.0)

    def _is_over(self) -> bool:
        if not self.shutdown.is_on:
            return not (self._begun or self._held) and self._feed.is_exhausted
        _, told = self._told or (0.0, time.monotonic())
        return not any(self._live()) or time.monotonic() >= max(self.shutdown.by, told + _BACK)

    def _turn(self, now: float) -> bool:
        """Look at all sides once; whether there is more to do at once."""
        self._collect(now)
        return not self.shutdown.is_late(now) and not self.shutdown.is_on and self._send(now)

    def _hush(self, now: float) -> None:
        """Have the workers begin no other row, and bring what they have in time."""
        if self._told is None or self._told[0] != self.shutdown.by:
            self._told = self.shutdown.by, now
            self._engine.hush(self._name, max(self.shutdown.by - now - _BACK, 0.0))

    def _part(self, error: GlmError) -> None:
        """The engine is lost, and what is out with it."""
        self.shutdown.abort(error)
        self._outs.clear()

    # What goes out.

    def _send(self, now: float) -> bool:
        """Send the chunks that may be sent now; whether rows were only skipped, and others are there."""
        workers = self._engine.workers()
        self._staffed = now if workers else self._staffed
        if now - self._staffed > _ALONE:
            self.shutdown.stop(NetworkError(f"no worker is left for {_ALONE:.0f} s"))
        chunks = _PER_WORKER * workers
        for _ in range(chunks - sum(1 for _ in self._live())):
            item = self._first()
            if item is None:
                return self._feed.is_ready
            gate = self._gates[item.candidate]
            share = None if gate.wait(now, item.tokens) else offer(gate, chunks, self._tpm)
            items = self._gathered(item, share.slots, self._sizing.rows(now, share.slots, share.rpm)) if share else []
            if not share or not items:
                self._held = self._held or item
                if self._budget.error:
                    self.shutdown.stop(self._budget.error)
                return False
            share = fitted(share, len(items))
            self._submit(items, Lease(gate, share, sum(each.tokens for each in items), now), now)
            if self.shutdown.is_on:
                return False
        return False

    def _gathered(self, item: QueueItem | None, slots: int, most: int) -> list[QueueItem]:
        """This row and those that go with it; what comes next and does not is held."""
        items: list[QueueItem] = []
        out = self._begun.out
        weight = 0
        while item and len(items) < most:
            weight += _weight(item)
            fits = not items or (item.candidate == items[0].candidate and (weight <= _HEAVY or len(items) < slots))
            if not fits or not self._budget.may_start(out + len(items)) or self._is_ahead(item):
                self._held = item
                break
            items.append(item)
            following = self._next() if len(items) < most else None
            item = following and self._returns.standbys.settle(following)
        return items

    def _is_ahead(self, item: QueueItem) -> bool:
        """Whether it would wait too long for its place in an ordered output."""
        return self._window is not None and item.number - self._writing.next_number >= self._window

    def _first(self) -> QueueItem | None:
        """What was held, or what comes next."""
        item, self._held = self._held, None
        item = item if item and self._begun.may_go(item) else self._next()
        return item and self._returns.standbys.settle(item)

    def _next(self) -> QueueItem | None:
        if item := self._begun.next(time.monotonic()):
            return item
        item = self._feed.take()
        if why := self._writing.failure_limit or self._feed.error:
            self.shutdown.stop(why)
        return item

    def _submit(self, items: list[QueueItem], grant: Lease, now: float) -> None:
        candidate, limits = self._plan.candidates[items[0].candidate], self._plan.limits
        patience = _PATIENCE * self._sizing.seconds(now)
        chunk = Chunk(
            run=self._name,
            provider=candidate.provider,
            model=candidate.model,
            rows=tuple(_asked(item, candidate.model) for item in items),
            limits=limits,
            elapsed=now - self._plan.started,
            patience=patience,
            exact=self._plan.exact,
            allow_empty=self._plan.allow_empty,
            failures=self._writing.failures_left,
        )
        longest = patience + limits.connect + limits.first + limits.idle + _GRACE
        out = SentChunk(items, grant, inf if self._engine.hears else now + longest)
        self._begun.go(out, now)
        try:
            self._outs[self._engine.submit(chunk, grant.share)] = out
        except GlmError as error:
            self._part(error)

    # What comes back.

    def _collect(self, now: float) -> None:
        try:
            back = list(self._engine.done())
        except GlmError as error:
            self._part(error)
            return
        for handle, result in back:
            out = self._outs.pop(handle)
            if isinstance(result, LostChunk):
                self._returns.lose(out, result.why, now)
            else:
                self._sizing.learn(len(result.ended), out.grant.share.slots, result.seconds)
                self._returns.take(out, result, now)
        for out in self._live():
            if now > out.due:
                out.is_late = True  # its result still counts, if it comes before the next one
                self._returns.lose(out, "it did not come back in time", now)


def _asked(item: QueueItem, model: str) -> RowTask:
    """The row as it travels; a fallback is asked for its own model."""
    request = item.request if item.candidate == 0 else item.request.replace(model=model)
    return RowTask(item.number, item.id, request, item.tokens, item.refusals, item.retries, item.resent)


def _weight(item: QueueItem) -> int:
    """About how many bytes it is on its way."""
    turns = item.request.messages
    return sum(len(turn.text) + sum(len(each.data) + len(each.url) for each in turn.media) for turn in turns)


def _nothing() -> None:
    pass
