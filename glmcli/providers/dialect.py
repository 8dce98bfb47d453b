"""What a dialect is: a module of pure functions from a Request to an HTTP request, and from its response to events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from glmcli import __version__
from glmcli.errors import ProtocolError
from glmcli.http.bodies import compact_json
from glmcli.providers.json_values import as_int, as_object
from glmcli.record import Record

if TYPE_CHECKING:
    from glmcli.chat.messages import Request
    from glmcli.http.call import HttpCall
    from glmcli.providers.decoder import ReplyDecoder
    from glmcli.providers.row import Provider

_USER_AGENT = ("User-Agent", f"glm/{__version__}")
_CONTEXT = ("max_model_len", "n_ctx_train")  # vLLM and SGLang; llama.cpp


class Listed(Record):
    """A model in a provider's own list; None where the list does not say it."""

    id: str
    status: str | None = None
    context: int | None = None


class ModelsPage(Record):
    """One page of a provider's own list, and how many models there are on all pages."""

    models: tuple[Listed, ...]
    total: int


class Dialect(Protocol):
    """A module of this package that implements one dialect."""

    line_framed: bool

    def encode(self, request: Request, provider: Provider) -> HttpCall:
        """The HTTP request for this provider."""
        ...

    def decoder(self, provider: Provider, *, several: bool = False) -> ReplyDecoder:
        """A new decoder, for one reply; `several`: more than one answer was asked for, and the first counts."""
        ...

    def reserved(self, provider: Provider, model: str) -> frozenset[str]:
        """The body fields that flags or the dialect itself set, so that --option may not name them."""
        ...

    def models_request(self, provider: Provider, page: int) -> HttpCall:
        """The HTTP request for a page of the provider's own list of models; the first is 1."""
        ...

    def models_page(self, value: Any) -> ModelsPage:  # noqa: ANN401 - any JSON may come
        """The page in the JSON of the response.

        Raises:
            ProtocolError: it is no list of models.
        """
        ...


def headers(provider: Provider, *, stream: bool) -> list[tuple[str, str]]:
    """The headers of a request with a JSON body."""
    pairs = [("Content-Type", "application/json"), _USER_AGENT]
    if stream:
        # identity: many readers lose all but the first of gzip members (github.com/pydantic/pydantic-ai/issues/7159).
        pairs += [("Accept", "text/event-stream"), ("Accept-Encoding", "identity")]
    return pairs + _language(provider)


def get_headers(provider: Provider) -> tuple[tuple[str, str], ...]:
    """The headers of a request without a body."""
    return (_USER_AGENT, ("Accept", "application/json"), ("Accept-Encoding", "identity"), *_language(provider))


def _language(provider: Provider) -> list[tuple[str, str]]:
    return [("Accept-Language", provider.api.accept_language)] if provider.api.accept_language else []


def listed_models(items: Any, key: str) -> tuple[Listed, ...]:  # noqa: ANN401 - any JSON may come
    """The models of a list whose items hold their id under `key`; items without an id are left out.

    Raises:
        ProtocolError: it is not a list.
    """
    # Go writes an empty list as null.
    if not isinstance(items, list | None):
        raise ProtocolError(message="this is not a list of models", why=compact_json(items))
    models: list[Listed] = []
    for item in map(as_object, items or []):
        model, status = item.get(key), item.get("status")
        if isinstance(model, str) and model:
            facts = {**as_object(item.get("meta")), **item}
            context = next((size for name in _CONTEXT if (size := as_int(facts.get(name))) is not None), None)
            models.append(Listed(model, status if isinstance(status, str) else None, context))
    return tuple(models)
