"""What a dialect is: the wire grammar of a provider, as pure functions between our types and bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from glmcli import __version__
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.chat.events import Event
    from glmcli.chat.messages import Request
    from glmcli.http.call import HttpCall
    from glmcli.providers.row import Provider
    from glmcli.providers.sse import Frame


class Listed(Record):
    """A model in a provider's own list; None where the list does not say it."""

    id: str
    status: str | None = None
    context: int | None = None


class Listing(Record):
    """One page of a provider's own list, and how many models there are on all pages."""

    models: tuple[Listed, ...]
    total: int


class Decoder(Protocol):
    """Reads one reply. A fault inside it is raised as the GlmError that it means."""

    def frame(self, frame: Frame) -> Iterator[Event]:
        """The events of one frame of a stream."""
        ...

    @property
    def keeps_text(self) -> bool:
        """Whether text passes as it is, however it is cut, with nothing held back."""
        ...

    def skip(self, count: int) -> None:
        """So many frames were read in the short way (glmcli.providers.reader)."""
        ...

    def without_memory(self, frame: Frame) -> list[Event]:
        """The events of a frame, if it had been the first, without the request's id that is known."""
        ...

    def whole(self, body: str) -> Iterator[Event]:
        """The events of an answer that came in one piece: they fold to the same reply as a stream."""
        ...

    def close(self) -> Iterator[Event]:
        """What was held back until the end; called once, when the reply is over."""
        ...


class Dialect(Protocol):
    """A module of this package that speaks one grammar."""

    line_framed: bool

    def encode(self, request: Request, provider: Provider) -> HttpCall:
        """The request on this provider's wire."""
        ...

    def decoder(self, provider: Provider) -> Decoder:
        """A fresh reader for one reply."""
        ...

    def reserved(self, provider: Provider) -> frozenset[str]:
        """Fields that flags or the dialect itself decide, and --option may not name."""
        ...

    def ask_models(self, provider: Provider, page: int) -> HttpCall:
        """The request for a page of the provider's own list of models; the first is 1."""
        ...

    def listing(self, value: Any) -> Listing:  # noqa: ANN401 - any JSON may come
        """What came back.

        Raises:
            ProtocolError: it is no list.
        """
        ...


def headers(provider: Provider, *, stream: bool) -> list[tuple[str, str]]:
    """The headers that every dialect sends."""
    pairs = [("Content-Type", "application/json"), ("User-Agent", f"glm/{__version__}")]
    if stream:
        # identity: many readers lose all but the first of gzip members (github.com/pydantic/pydantic-ai/issues/7159).
        pairs += [("Accept", "text/event-stream"), ("Accept-Encoding", "identity")]
    if provider.wire.accept_language:
        pairs.append(("Accept-Language", provider.wire.accept_language))
    return pairs


def headers_to_list(provider: Provider) -> tuple[tuple[str, str], ...]:
    """The headers of a request without a body."""
    pairs = [("User-Agent", f"glm/{__version__}"), ("Accept", "application/json"), ("Accept-Encoding", "identity")]
    if provider.wire.accept_language:
        pairs.append(("Accept-Language", provider.wire.accept_language))
    return tuple(pairs)
