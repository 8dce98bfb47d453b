"""The gate inside a worker: it keeps to the share of its chunk, loses by refusals, and never takes more.

Growing is for the driver, who sees all workers: two that probe for themselves would both find the same room.
"""

from __future__ import annotations

import os
import platform
import socket
import time
from math import inf
from typing import TYPE_CHECKING, Any

from glmcli import __version__
from glmcli.batch.cluster.messages import ChunkResult, FinishedRow, Refusals, UnfinishedRow
from glmcli.batch.rate.limiter import Ticket
from glmcli.batch.rate.token_bucket import SHARE, TokenBucket
from glmcli.batch.rows.row import QueueItem, Row
from glmcli.batch.run.budget import Budget
from glmcli.batch.run.scheduler import Scheduler
from glmcli.config.keys import KeyRing, key_name
from glmcli.config.plan import Candidate, Plan
from glmcli.config.resolve import refuse_plain_http
from glmcli.console.redaction import VARIABLES, Redactor
from glmcli.console.stdin import Stdin
from glmcli.errors import CredentialsError, GlmError, Retry
from glmcli.http import event_loop
from glmcli.http.proxies import choose_proxy
from glmcli.http.tls import Tls
from glmcli.http.urls import origin
from glmcli.providers.table import dialect_of
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.cluster.messages import Chunk, RowTask, Share
    from glmcli.chat.outcome import Outcome
    from glmcli.console.redaction import Key
    from glmcli.providers.row import Provider

_CREDIT = 0.05  # seconds that a timer may be late
_LONGEST = 2.0  # seconds for which a refused row is kept; who must wait longer waits at the driver


class ShareLimiter:
    """Lets the rows of one chunk go.

    Attributes:
        refused_for: what the driver must know at once; the chunk is to end.
    """

    def __init__(self, share: Share, provider: Provider, now: float) -> None:
        """Begin with all of the share: what it allows was found out by the driver."""
        self.slots = share.slots
        self._share = share
        self._per_minute = provider.wire.limits == "per_minute"
        self._pace = _bucket(share.rpm, now)
        self._tokens = _bucket(share.tpm, now)
        self._in_flight = self._started = self.refusals = self._failures = 0
        self.refused_for: tuple[Retry, float | None] | None = None

    def wait(self, now: float, tokens: int) -> float:
        """As RateLimiter; nothing is sent any more when the driver must decide."""
        if self._in_flight >= self.slots or self.refused_for:
            return inf
        waits = [bucket.wait(now) for bucket in (self._pace, self._tokens if tokens else None) if bucket]
        return max([*waits, 0.0])

    def start(self, now: float, tokens: int, refusals: int = 0) -> Ticket:
        """As RateLimiter."""
        self._in_flight += 1
        self._started += 1
        if self._pace:
            self._pace.take(now, 1)
        if self._tokens:
            self._tokens.take(now, tokens)
        return Ticket(self._started, now, tokens, tokens, self._in_flight, proven=True, era=0, refusals=refusals)

    def answered(self, now: float, ticket: Ticket, tokens_used: int | None) -> None:
        """As RateLimiter."""
        self._in_flight -= 1
        if self._tokens and tokens_used is not None:
            self._tokens.correct(now, tokens_used - ticket.reserved)

    def refused(self, now: float, ticket: Ticket, kind: Retry, retry_after: float | None) -> float:
        """As RateLimiter: a slot less where slots are what is counted, else the end of the chunk."""
        self._in_flight -= 1
        if self._tokens:
            self._tokens.correct(now, -ticket.reserved)
        if kind is Retry.NETWORK:
            self._failures += 1
            if (retry_after or 0) > _LONGEST:
                self.refused_for = kind, retry_after
            return 0.0
        self.refusals += 1
        wait = ticket.wait(kind, retry_after)
        if not self._costs_slot(kind) or self.slots == 1 or wait > _LONGEST:
            self.refused_for = kind, retry_after
        else:
            self.slots -= 1
        return wait

    def _costs_slot(self, kind: Retry) -> bool:
        return kind is Retry.IN_FLIGHT or (kind is Retry.RATE and not self._per_minute)

    def learnt(self) -> Refusals:
        """What the driver's gate is told."""
        kind, retry_after = self.refused_for or (None, None)
        return Refusals(self.refusals, self._share.slots - self.slots, kind, retry_after, self._failures)


def _bucket(per_minute: float | None, now: float) -> TokenBucket | None:
    return None if per_minute is None else TokenBucket(per_minute / 60 * SHARE, _CREDIT, now)


# What a worker does with a chunk: the same as a run on one machine, with a share of its limits.
#
# It reads its own environment: the key never travels. Nothing here raises what a row or a provider has done wrong: how
# rows ended is the result.

_hushed: dict[str, float] = {}  # runs that are to begin nothing more, and when what they have under way is cut


def kind() -> tuple[str, str]:
    """The version of glm and of Python: what travels fits only where both are the same."""
    return __version__, ".".join(platform.python_version_tuple()[:2])


def hush(run: str, seconds: float) -> None:
    """Begin no other row of this run in this process; what is under way may end within so many seconds."""
    _hushed[run] = min(_hushed.get(run, inf), time.monotonic() + seconds)


def work(chunk: Chunk, share: Share) -> ChunkResult:
    """Ask for the rows of the chunk with at most this share; how they ended. It blocks for as long as that takes."""
    began = time.monotonic()
    redactor = Redactor()
    redactor.add_variables(VARIABLES, os.environ)
    try:
        candidate = _candidate(chunk, redactor)
        tls = Tls(os.environ) if candidate.call.url.startswith("https:") else None
    except GlmError as error:
        error.message = f"on {socket.gethostname()}: {error.message}"
        if isinstance(error, CredentialsError):
            error.fix = f"{key_name(chunk.provider, os.environ)} in the environment of every worker"
        return ChunkResult(
            (), tuple(_left(each, each, 0) for each in chunk.rows), Refusals(), 0.0, _clean(error, redactor)
        )
    worker = _Worker(chunk, share, candidate, tls, redactor, began)
    event_loop.run(worker.run())
    return worker.result()


class _Worker:
    """One chunk: where its rows come from, and where it goes how they ended."""

    next_number = 0
    failure: BaseException | None = None
    failures_left = failure_limit = error = None

    def __init__(  # noqa: PLR0913, PLR0917 - each is a side of it
        self, chunk: Chunk, share: Share, candidate: Candidate, tls: Tls | None, redactor: Redactor, began: float
    ) -> None:
        self._chunk = chunk
        self._began = began
        self._redactor = redactor
        self._gate = ShareLimiter(share, candidate.provider, began)
        self._items = {each.number: _item(each) for each in chunk.rows}
        self._untaken = iter(self._items.values())
        self._ended: list[FinishedRow] = []
        self._failed = 0
        self._plan = Plan(
            candidates=(candidate,),
            started=began - chunk.elapsed,
            limits=chunk.limits,
            exact=chunk.exact,
            allow_empty=chunk.allow_empty,
        )
        self.is_exhausted = False
        sides = (self, (self._gate,), self._plan, self, Budget(None, 0.0))
        self._runner = Scheduler(*sides, redactor=redactor, tls=tls, window=None, watch=self._look, say=_nothing)

    async def run(self) -> None:
        await self._runner.run()

    def _look(self) -> None:
        """Stop where only the driver can go on, and when the time of the chunk is over."""
        late = time.monotonic() - self._began > self._chunk.patience
        if self._chunk.run in _hushed:
            self._runner.shutdown.drain(_hushed[self._chunk.run] - time.monotonic())
        elif late or self._gate.refused_for:
            self._runner.shutdown.rest()

    # The side of the rows.

    def start(self, wake: Callable[[], None]) -> None:
        pass

    @property
    def is_ready(self) -> bool:
        return not self.is_exhausted

    def take(self) -> QueueItem | None:
        item = next(self._untaken, None)
        self.is_exhausted = item is None
        return item

    # The side of the ends.

    def write(self, item: QueueItem, outcome: Outcome) -> None:
        self._failed += outcome.error is not None
        self._ended.append(FinishedRow(item.number, _clean(outcome, self._redactor), item.calls))
        if outcome.error and self._failed == self._chunk.failures:
            self._runner.shutdown.rest()  # only the driver knows how many have failed elsewhere

    def result(self) -> ChunkResult:
        """How every row of the chunk ended."""
        if self.failure:
            raise self.failure
        ended = {each.number for each in self._ended}
        rows = [each for each in self._chunk.rows if each.number not in ended]
        waits = self._runner.waits
        left = tuple(
            _left(each, item, item.calls, waits.get(each.number, 0.0))
            for each in rows
            if (item := self._items[each.number])
        )
        seconds = time.monotonic() - self._began
        refused = self._gate.learnt().replace(
            unreached=_clean(self._runner.standbys.contacts[0].unreached, self._redactor)
        )
        return ChunkResult(
            tuple(self._ended), left, refused, seconds, _clean(self._runner.shutdown.why, self._redactor)
        )


def _item(asked: RowTask) -> QueueItem:
    """The row as a run has it; calls are counted from here."""
    nothing = Row(line=asked.number)  # what the row itself says stays with the driver
    item = QueueItem(asked.number, nothing, asked.id, "", asked.request, asked.tokens)
    item.refusals, item.retries, item.resent = asked.refusals, asked.retries, asked.resent
    return item


def _left(asked: RowTask, now: RowTask | QueueItem, calls: int, wait: float = 0.0) -> UnfinishedRow:
    """The row as it comes back; blamed, if its last request was neither refused nor is to be sent again."""
    blamed = calls > now.refusals - asked.refusals + now.retries - asked.retries
    return UnfinishedRow(asked.number, calls, now.refusals, now.retries, now.resent, blamed, wait)


def _candidate(chunk: Chunk, redactor: Redactor) -> Candidate:
    """Who is asked, with the key and the way of this machine.

    Raises:
        GlmError: there is no key here, or no way.
    """
    call = dialect_of(chunk.provider).encode(chunk.rows[0].request, chunk.provider)
    key, where = _key(chunk), origin(call.url)
    if key:
        redactor.add(key.value)
        refuse_plain_http(chunk.provider, where)
    proxy = choose_proxy(where.scheme, where.host, where.port, os.environ)
    if proxy and proxy.password:
        redactor.add(proxy.password.decode(errors="surrogateescape"))
    return Candidate(chunk.provider, chunk.model, call.replace(key=key), chunk.rows[0].request, proxy)


def _key(chunk: Chunk) -> Key | None:
    nobody = Stdin(is_closed=True, deadline=0.0, say=_nothing)
    return KeyRing(os.environ, nobody, _nothing).find(chunk.provider)


def _nothing(_: str) -> None:
    pass


def _clean(value: Any, redactor: Redactor) -> Any:  # noqa: ANN401 - an outcome or an error, or any part of them
    """The same without the keys of this machine, which the driver need not know."""
    match value:
        case str():
            return redactor.text(value)
        case tuple():
            return tuple(_clean(each, redactor) for each in value)
        case GlmError():
            vars(value).update({name: _clean(each, redactor) for name, each in vars(value).items()})
            value.args = (value.message,)
            return value
        case Record():
            return value.replace(**{name: _clean(each, redactor) for name, each in value.fields().items()})
        case _:
            return value
