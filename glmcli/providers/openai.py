"""The OpenAI chat grammar with each provider's own fields: every row but the DashScope-native one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.chat.events import Answer, Event, Finish, Reasoning, RequestId, Usage
from glmcli.http.call import HttpCall
from glmcli.providers import fields
from glmcli.providers.decoder import Chunk, JsonDecoder, count, finish, items, mapping, text_of, tool_calls
from glmcli.providers.dialect import Listing, headers, headers_to_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.chat.messages import Request
    from glmcli.providers.row import Provider

line_framed = False

# vLLM renamed `reasoning_content` to `reasoning` in 2026-01 (github.com/vllm-project/vllm/pull/33402); Ollama says
# `reasoning`, the others `reasoning_content`. Where both stand they hold the same text.
_REASONING = ("reasoning_content", "reasoning")


def encode(request: Request, provider: Provider) -> HttpCall:
    """The request on this provider's wire."""
    pairs = headers(provider, stream=request.stream)
    url, body = f"{provider.base_url}/chat/completions", _body(request, provider)
    return HttpCall(url, tuple(pairs), body, has_data=fields.has_data(request))


def _body(request: Request, provider: Provider) -> dict[str, Any]:
    body: dict[str, Any] = {"model": request.model, "messages": fields.messages(request, provider), **request.extra}
    body |= fields.thinking(request, provider) | fields.sampling(request) | fields.tools(request, provider)
    if request.stream:
        body["stream"] = True
        if provider.wire.usage_on_request:
            body["stream_options"] = {"include_usage": True}
    return body


def reserved(provider: Provider) -> frozenset[str]:
    """Fields that --option may not name."""
    return fields.reserved(provider)


def ask_models(provider: Provider, page: int) -> HttpCall:  # noqa: ARG001 - there is one page
    """The request for the provider's own list of models."""
    return HttpCall(f"{provider.base_url}/models", headers_to_list(provider), None, method="GET")


def listing(value: Any) -> Listing:  # noqa: ANN401 - any JSON may come
    """What came back."""
    from glmcli.providers.listing import listed

    models = listed(mapping(value).get("data", value), "id")
    return Listing(models, len(models))


def decoder(provider: Provider) -> JsonDecoder:
    """A fresh reader for one reply."""
    return JsonDecoder(provider, _events, _errors)


def _errors(chunk: Chunk) -> Iterator[object]:
    """What gateways write into a choice when their upstream fails: github.com/genkit-ai/genkit/pull/6259 (2026-09)."""
    for choice in map(mapping, items(chunk.get("choices"))):
        for place in (choice, mapping(choice.get("delta")), mapping(choice.get("message"))):
            yield place.get("error")


def _events(chunk: Chunk) -> Iterator[Event]:
    """The events of a chunk or of a whole reply: a delta and a message have the same fields."""
    request_id = chunk.get("request_id") or chunk.get("id")
    if isinstance(request_id, str) and request_id:
        yield RequestId(request_id)
    for choice in map(mapping, items(chunk.get("choices"))):
        if choice.get("index") in (0, None):
            yield from _choice(choice)
    if usage := _usage(mapping(chunk.get("usage"))):
        yield usage


def _choice(choice: Chunk) -> Iterator[Event]:
    message = mapping(choice.get("delta")) or mapping(choice.get("message"))
    reasoning = next((text for name in _REASONING if (text := text_of(message.get(name)))), "")
    if reasoning:
        yield Reasoning(reasoning)
    if answer := text_of(message.get("content")):
        yield Answer(answer)
    yield from tool_calls(message.get("tool_calls"))
    if reason := finish(choice.get("finish_reason")):
        yield Finish(reason)


def _usage(usage: Chunk) -> Usage | None:
    """Source of the names: docs.bigmodel.cn chat completion reference (2025-12); hits at the top: TokenHub, 2026."""
    if not usage:
        return None
    details = mapping(usage.get("completion_tokens_details"))
    cached = mapping(usage.get("prompt_tokens_details")).get("cached_tokens")
    return Usage(
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        reasoning_tokens=count(details.get("reasoning_tokens", usage.get("reasoning_tokens"))),
        cached_tokens=count(cached if cached is not None else usage.get("prompt_cache_hit_tokens")),
        total_tokens=count(usage.get("total_tokens")),
    )
