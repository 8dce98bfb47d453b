"""What travels between the driver and its workers: plain values, and never a key.

A worker reads keys, proxies and certificates from its own environment; what it sends back holds none of them.
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
    """A row to be asked, and how far it has come; see Item."""

    number: int
    id: str
    request: Request
    tokens: int
    refusals: int = 0
    retries: int = 0
    resent: bool = False


class Chunk(Record):
    """Rows for one worker, and who is asked.

    Attributes:
        run: the name of the run that they belong to.
        elapsed: seconds since that began; its deadline counts from there.
        patience: seconds after which no other row is begun.
        failures: rows that may fail before none is begun any more; None: any number.
    """

    run: str
    provider: Provider
    model: str
    rows: tuple[RowTask, ...]
    limits: Limits
    elapsed: float
    patience: float
    exact: bool = False
    allow_empty: bool = False
    failures: int | None = None


class Share(Record):
    """How much of the limits of the whole run a chunk may use: requests in flight, requests and tokens a minute."""

    slots: int
    rpm: float | None = None
    tpm: float | None = None


class FinishedRow(Record):
    """A row that is done with, after so many requests."""

    number: int
    outcome: Outcome
    calls: int


class UnfinishedRow(Record):
    """A row that is still to be asked.

    Attributes:
        blamed: it is for this row that the worker stopped (`Result.why`).
        wait: seconds before it may be sent again.
    """

    number: int
    calls: int
    refusals: int
    retries: int
    resent: bool
    blamed: bool = False
    wait: float = 0.0


class Refusals(Record):
    """How the provider refused what was sent.

    Attributes:
        requests: how many.
        slots: how many slots that has cost.
        kind: what it counts, where the whole run must learn of it.
        retry_after: seconds that it asked for.
        failures: requests that failed without a word about rates.
        unreached: why the last of all requests could not be sent.
    """

    requests: int = 0
    slots: int = 0
    kind: Retry | None = None
    retry_after: float | None = None
    failures: int = 0
    unreached: GlmError | None = None


class ChunkResult(Record):
    """How a chunk ended; every row of it stands here once.

    Attributes:
        seconds: how long it took.
        why: what stops the whole run, as a key that is missing does.
    """

    ended: tuple[FinishedRow, ...]
    left: tuple[UnfinishedRow, ...]
    refused: Refusals
    seconds: float
    why: GlmError | None = None
