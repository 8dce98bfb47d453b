"""What the driver and its workers send each other: plain values, and never a key.

A worker reads keys, proxies and certificates from its own environment; what it sends back contains none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.record import Record

if TYPE_CHECKING:
    from glmcli.chat.messages import Request
    from glmcli.chat.outcome import Outcome
    from glmcli.errors import GlmError, Retry
    from glmcli.http.timeouts import Limits
    from glmcli.providers.row import Provider


class RowTask(Record):
    """A row to be sent, with its counts so far (see QueueItem)."""

    number: int
    id: str
    request: Request
    tokens: int
    refusals: int = 0
    retries: int = 0
    resent: bool = False


class Chunk(Record):
    """Rows for one worker, and the provider that they are sent to.

    Attributes:
        run: the name of the run that they belong to.
        elapsed: seconds since the run began, from which its deadline counts.
        max_seconds: after which no more rows are sent.
        failures_left: rows that may fail before no more are sent; None: any number.
    """

    run: str
    provider: Provider
    model: str
    rows: tuple[RowTask, ...]
    limits: Limits
    elapsed: float
    max_seconds: float
    exact: bool = False
    allow_empty: bool = False
    failures_left: int | None = None


class Share(Record):
    """How much of the limits of the whole run a chunk may use: requests in flight, requests and tokens a minute."""

    slots: int
    rpm: float | None = None
    tpm: float | None = None


class FinishedRow(Record):
    """A row that has ended, after so many requests."""

    number: int
    outcome: Outcome
    calls: int


class UnfinishedRow(Record):
    """A row that is still to be sent.

    Attributes:
        stopped_chunk: the worker stopped because of this row (`ChunkResult.error`).
        wait: seconds before it may be sent again.
    """

    number: int
    calls: int
    refusals: int
    retries: int
    resent: bool
    stopped_chunk: bool = False
    wait: float = 0.0


class Refusals(Record):
    """How often and why the provider refused requests.

    Attributes:
        requests: how many were refused.
        slots: how many slots were given up for it.
        kind: what the provider counts, if the limiter of the whole run must know.
        retry_after: seconds in the Retry-After.
        failures: requests that failed for reasons other than rates.
        unreached: why no connection could be made for the last request; None where one was made.
    """

    requests: int = 0
    slots: int = 0
    kind: Retry | None = None
    retry_after: float | None = None
    failures: int = 0
    unreached: GlmError | None = None


class ChunkResult(Record):
    """How a chunk ended; every row of it is in `finished` or in `unfinished`.

    Attributes:
        seconds: how long it took.
        error: what stops the whole run, as a missing key does.
    """

    finished: tuple[FinishedRow, ...]
    unfinished: tuple[UnfinishedRow, ...]
    refusals: Refusals
    seconds: float
    error: GlmError | None = None
