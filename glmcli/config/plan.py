"""All that is decided before the first byte is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.record import Record

if TYPE_CHECKING:
    from glmcli.chat.messages import Request
    from glmcli.http.call import HttpCall
    from glmcli.http.proxies import Proxy
    from glmcli.http.timeouts import Limits
    from glmcli.providers.row import Provider


class Candidate(Record):
    """A provider, and the request as it will be sent there."""

    provider: Provider
    model: str
    call: HttpCall
    request: Request
    proxy: Proxy | None = None


class Endpoint(Record):
    """A provider at its address, with its key and its proxy, for requests that ask no model.

    Attributes:
        call: the first request; later ones use its address and its key.
    """

    provider: Provider
    call: HttpCall
    proxy: Proxy | None = None


class Plan(Record):
    """All that is decided before the first byte is sent.

    Attributes:
        candidates: the provider that is asked first, then the fallbacks.
        live: events are printed as they arrive, so there is no retry after the first event.
        exact: leading newlines are kept, even if the provider is known to add them.
        runs_tools: a reply that ends in tool calls is complete, not a failure.
        started: the monotonic time at which the program began; the deadline counts from it.
    """

    candidates: tuple[Candidate, ...]
    started: float
    limits: Limits
    live: bool = False
    exact: bool = False
    allow_empty: bool = False
    runs_tools: bool = False

    @property
    def deadline(self) -> float:
        """The monotonic time at which everything must be over."""
        return self.started + self.limits.deadline if self.limits.deadline else float("inf")
