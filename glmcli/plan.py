"""All that is decided before the first byte is sent."""

import time
from dataclasses import dataclass, field

from glmcli.providers.dialect import HttpCall
from glmcli.providers.row import Provider
from glmcli.proxies import Proxy


@dataclass(frozen=True)
class Limits:
    """How long and how often. Units: seconds; None is for ever."""

    retries: int = 3
    retry_max_time: float = 180.0
    connect: float = 10.0
    first: float = 300.0
    idle: float = 300.0
    deadline: float | None = None


@dataclass(frozen=True)
class Candidate:
    """A provider and the request as it will go to it."""

    provider: Provider
    model: str
    call: HttpCall
    proxy: Proxy | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is decided before the first byte is sent.

    Attributes:
        candidates: who is asked, in this order.
        live: events are printed as they come, so nothing is asked twice after the first.
        exact: leading newlines are kept even where they mean nothing.
        started: the monotonic clock when the program began; the deadline counts from it.
    """

    candidates: tuple[Candidate, ...]
    limits: Limits = Limits()
    live: bool = False
    exact: bool = False
    allow_empty: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def deadline(self) -> float:
        """The monotonic time at which everything must be over."""
        return self.started + self.limits.deadline if self.limits.deadline else float("inf")
