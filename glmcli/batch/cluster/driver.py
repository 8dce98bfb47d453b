"""The run on a cluster: chunks of rows go out as the limiter lets them, and come back as lines of the output.

Only the driver holds the limits and writes. Each chunk takes a part of the limiter's slots with it, and the refusals of
the provider come back with the rows, so that one limiter governs all workers. A row is in one place at any time:
not read yet, waiting to be sent (again), or with a chunk; of two results of one row the second is dropped.
"""

from __future__ import annotations

import asyncio
import time
from math import inf
from typing import TYPE_CHECKING
from uuid import uuid4

from glmcli.batch.cluster.engine import LostChunk
from glmcli.batch.cluster.messages import Chunk, RowTask
from glmcli.batch.cluster.results import OpenRows, ResultHandler, SentChunk
from glmcli.batch.cluster.share import Lease, Sizing, fitted, offer
from glmcli.batch.run.state import RequestCounts, RunState
from glmcli.errors import GlmError, NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.cluster.engine import Engine, Handle
    from glmcli.batch.rate.limiter import RateLimiter
    from glmcli.batch.rows.row import QueueItem
    from glmcli.batch.run.state import RunSetup

_PER_WORKER = 2  # chunks: one at work, and one that begins while the last rows of the other end
_POLL = 0.02  # seconds between two collections of results
_NO_WORKER = 60.0  # seconds without any worker, after which the run stops
_SLACK = 2.0  # times its expected duration, after which a chunk sends no more rows
_GRACE = 5.0  # seconds for the transport of a chunk and its result,
_RETURN = 1.0  # and for the result of a chunk that is drained
_HEAVY = 8 << 20  # bytes of rows beyond which a chunk has no more of them than slots


class Driver:
    """Sends the rows of an input to workers, and writes how they ended.

    Attributes:
        shutdown: stops it, and knows why it stopped.
    """

    def __init__(
        self, engine: Engine, setup: RunSetup, limiters: tuple[RateLimiter, ...], *, tpm: float | None
    ) -> None:
        """The engine has started; `limiters` has one for each candidate of the plan; `tpm` is their limit of tokens."""
        self._engine = engine
        self._setup = setup
        self._limiters = limiters
        self._tpm = tpm
        self._name = uuid4().hex
        self._last_worker = time.monotonic()  # when there was a worker last
        self._sizing = Sizing(self._last_worker)
        self._state = RunState(setup)
        self.shutdown = self._state.shutdown
        self._rows = OpenRows()
        self._results = ResultHandler(self._rows, setup, self._state)
        self._chunks: dict[Handle, SentChunk] = {}
        self._drained: tuple[float, float] | None = None  # by when the workers are to end, and when that was sent

    def counts(self) -> RequestCounts:
        """How much may be in flight, and how many requests were refused."""
        in_flight = sum(chunk.lease.share.slots for chunk in self._live())
        return RequestCounts(in_flight, self._limiters[0].slots, self._results.refusals)

    def _live(self) -> Iterator[SentChunk]:
        return (chunk for chunk in self._chunks.values() if not chunk.is_late)

    async def run(self) -> None:
        """Return when every row is written, or the run is stopped and its chunks have come back.

        Raises:
            OutputError: a line cannot be written; nothing more is sent.
        """
        self._setup.rows.start(lambda: None)
        try:
            while not self._is_over():
                now = time.monotonic()
                self._collect(now)
                stops = self.shutdown.check_deadline(now) or self.shutdown.is_stopping
                busy = not stops and self._send(now)
                if self.shutdown.is_stopping:
                    self._drain(now)
                self._state.announce(is_busy=any(self._live()))
                self._setup.watch()
                if self._setup.output.failure:
                    raise self._setup.output.failure
                await asyncio.sleep(0 if busy else _POLL)
        finally:
            if self._chunks:
                self._engine.drain(self._name, 0.0)

    def _is_over(self) -> bool:
        if not self.shutdown.is_stopping:
            return not (self._rows or self._state.held) and self._setup.rows.is_exhausted
        _, sent = self._drained or (0.0, time.monotonic())
        return not any(self._live()) or time.monotonic() >= max(self.shutdown.cut_at, sent + _RETURN)

    def _drain(self, now: float) -> None:
        """Have the workers send no more rows, and return their results in time."""
        if self._drained is None or self._drained[0] != self.shutdown.cut_at:
            self._drained = self.shutdown.cut_at, now
            self._engine.drain(self._name, max(self.shutdown.cut_at - now - _RETURN, 0.0))

    def _abort(self, error: GlmError) -> None:
        """Stop the run because the cluster is lost, and all chunks with it."""
        self.shutdown.abort(error)
        self._chunks.clear()

    # Sending chunks.

    def _send(self, now: float) -> bool:
        """Send the chunks that may be sent now; whether more rows can be read at once."""
        workers = self._engine.workers()
        self._last_worker = now if workers else self._last_worker
        if now - self._last_worker > _NO_WORKER:
            self.shutdown.stop(NetworkError(f"there was no worker for {_NO_WORKER:.0f} s"))
        chunks = _PER_WORKER * workers
        for _ in range(chunks - sum(1 for _ in self._live())):
            item = self._next()
            if item is None:
                return self._setup.rows.is_ready
            limiter = self._limiters[item.candidate]
            share = None if limiter.wait(now, item.tokens) else offer(limiter, chunks, self._tpm)
            if share is None:
                self._state.hold(item)
                return False
            items = self._gathered(item, share.slots, self._sizing.rows(now, share.slots, share.rpm))
            if not items:
                return False
            share = fitted(share, len(items))
            self._submit(items, Lease(limiter, share, sum(each.tokens for each in items), now), now)
            if self.shutdown.is_stopping:
                return False
        return False

    def _next(self) -> QueueItem | None:
        """The next row that is to be sent."""
        while item := self._state.next_row(time.monotonic()):
            if self._rows.may_send(item):
                return item
        return None

    def _gathered(self, item: QueueItem | None, slots: int, most: int) -> list[QueueItem]:
        """This row and the next ones that fit into its chunk; the first that does not is held."""
        items: list[QueueItem] = []
        sent = self._rows.in_chunks()
        weight = 0
        while item:
            weight += _weight(item)
            fits = not items or (item.candidate == items[0].candidate and (weight <= _HEAVY or len(items) < slots))
            if not fits or not self._state.may_pay(item, sent + len(items)) or self._state.is_ahead(item):
                self._state.hold(item)
                break
            items.append(item)
            item = self._next() if len(items) < most else None
        return items

    def _submit(self, items: list[QueueItem], lease: Lease, now: float) -> None:
        plan = self._setup.plan
        candidate, limits = plan.candidates[items[0].candidate], plan.limits
        max_seconds = _SLACK * self._sizing.seconds(now)
        chunk = Chunk(
            run=self._name,
            provider=candidate.provider,
            model=candidate.model,
            rows=tuple(self._task(item) for item in items),
            limits=limits,
            elapsed=now - plan.started,
            max_seconds=max_seconds,
            exact=plan.exact,
            allow_empty=plan.allow_empty,
            failures_left=self._setup.output.failures_left,
        )
        longest = max_seconds + limits.connect + limits.first + limits.idle + _GRACE
        sent = SentChunk(items, lease, inf if self._engine.tracks_workers else now + longest)
        self._rows.send(sent, now)
        try:
            self._chunks[self._engine.submit(chunk, lease.share)] = sent
        except GlmError as error:
            self._abort(error)

    def _task(self, item: QueueItem) -> RowTask:
        request = self._state.failover.request(item)
        return RowTask(item.number, item.id, request, item.tokens, item.refusals, item.retries, item.resent)

    # Results.

    def _collect(self, now: float) -> None:
        try:
            back = list(self._engine.done())
        except GlmError as error:
            self._abort(error)
            return
        for handle, result in back:
            chunk = self._chunks.pop(handle)
            if isinstance(result, LostChunk):
                self._results.lose(chunk, result.why, now)
            else:
                self._sizing.learn(len(result.finished), chunk.lease.share.slots, result.seconds)
                self._results.take(chunk, result, now)
        for chunk in self._live():
            if now > chunk.due:
                chunk.is_late = True  # its result still counts, if it comes before the next one
                self._results.lose(chunk, "it did not come back in time", now)


def _weight(item: QueueItem) -> int:
    """About how many bytes of request the row is."""
    turns = item.request.messages
    return sum(len(turn.text) + sum(len(each.data) + len(each.url) for each in turn.media) for turn in turns)
