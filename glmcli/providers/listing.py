"""A provider's own list of its models, as both dialects write it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.errors import ProtocolError
from glmcli.http.bodies import compact_json
from glmcli.providers.decoder import mapping
from glmcli.providers.dialect import Listed

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTEXT = ("max_model_len", "n_ctx_train")  # vLLM and SGLang; llama.cpp


def listed(items: Any, name: str) -> tuple[Listed, ...]:  # noqa: ANN401 - any JSON may come
    """The models of a list whose items are named by this key; what has no name is left out.

    Raises:
        ProtocolError: it is no list.
    """
    # Go writes an empty list as null.
    if not isinstance(items, list | None):
        raise ProtocolError(message="this is no list of models", why=compact_json(items))
    return tuple(_models(items or [], name))


def _models(items: list[Any], name: str) -> Iterator[Listed]:
    for item in map(mapping, items):
        identity, status = item.get(name), item.get("status")
        if isinstance(identity, str) and identity:
            known = {**mapping(item.get("meta")), **item}
            sizes = (known.get(key) for key in _CONTEXT)
            context = next((size for size in sizes if isinstance(size, int) and not isinstance(size, bool)), None)
            yield Listed(identity, status if isinstance(status, str) else None, context)
