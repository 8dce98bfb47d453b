"""The dialect of the OpenAI chat API, with the fields that providers added to it: every row but DashScope-native."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.chat.events import Answer, Event, Finish, Reasoning, RequestId, Usage
from glmcli.http.call import HttpCall
from glmcli.providers import request_fields as fields
from glmcli.providers.decoder import ReplyDecoder, as_text, finish_reason, tool_calls
from glmcli.providers.dialect import ModelsPage, get_headers, headers, listed_models
from glmcli.providers.json_values import JsonObject, as_int, as_list, as_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.chat.messages import Request
    from glmcli.providers.row import Provider

line_framed = False
reserved = fields.reserved

# vLLM renamed `reasoning_content` to `reasoning` in 2026-01 (github.com/vllm-project/vllm/pull/33402); Ollama sends
# `reasoning`, the others `reasoning_content`. Where both are present they hold the same text.
_REASONING = ("reasoning_content", "reasoning")


def encode(request: Request, provider: Provider) -> HttpCall:
    """The HTTP request for this provider."""
    pairs = headers(provider, stream=request.stream)
    url, body = f"{provider.base_url}/chat/completions", _body(request, provider)
    return HttpCall(url, tuple(pairs), body, has_data=fields.has_data(request))


def _body(request: Request, provider: Provider) -> dict[str, Any]:
    body: dict[str, Any] = {"model": request.model, "messages": fields.messages(request, provider), **request.extra}
    body |= fields.thinking(request, provider) | fields.sampling(request) | fields.tools(request, provider)
    if request.stream:
        body["stream"] = True
        if provider.api.usage_on_request:
            body["stream_options"] = {"include_usage": True}
    return body


def models_request(provider: Provider, page: int) -> HttpCall:  # noqa: ARG001 - there is one page
    """The request for the provider's own list of models."""
    return HttpCall(f"{provider.base_url}/models", get_headers(provider), None, method="GET")


def models_page(value: Any) -> ModelsPage:  # noqa: ANN401 - any JSON may come
    """The page in the JSON of the response; it holds all models."""
    models = listed_models(as_object(value).get("data", value), "id")
    return ModelsPage(models, len(models))


def decoder(provider: Provider) -> ReplyDecoder:
    """A new decoder, for one reply."""
    return ReplyDecoder(provider, _events, _errors)


def _errors(chunk: JsonObject) -> Iterator[object]:
    """What gateways put into a choice when their upstream failed: github.com/genkit-ai/genkit/pull/6259 (2026-09)."""
    for choice in map(as_object, as_list(chunk.get("choices"))):
        for place in (choice, as_object(choice.get("delta")), as_object(choice.get("message"))):
            yield place.get("error")


def _events(chunk: JsonObject) -> Iterator[Event]:
    """The events of a chunk of a stream, or of a whole reply: `delta` and `message` have the same fields."""
    request_id = chunk.get("request_id") or chunk.get("id")
    if isinstance(request_id, str) and request_id:
        yield RequestId(request_id)
    for choice in map(as_object, as_list(chunk.get("choices"))):
        if choice.get("index") in (0, None):
            yield from _choice(choice)
    if usage := _usage(as_object(chunk.get("usage"))):
        yield usage


def _choice(choice: JsonObject) -> Iterator[Event]:
    message = as_object(choice.get("delta")) or as_object(choice.get("message"))
    reasoning = next((text for name in _REASONING if (text := as_text(message.get(name)))), "")
    if reasoning:
        yield Reasoning(reasoning)
    if answer := as_text(message.get("content")):
        yield Answer(answer)
    yield from tool_calls(message.get("tool_calls"))
    if reason := finish_reason(choice.get("finish_reason")):
        yield Finish(reason)


def _usage(usage: JsonObject) -> Usage | None:
    """The usage in a chunk, if there is one.

    Source: docs.bigmodel.cn chat completion reference (2025-12); for cache hits at the top: TokenHub, 2026.
    """
    if not usage:
        return None
    details = as_object(usage.get("completion_tokens_details"))
    cached = as_object(usage.get("prompt_tokens_details")).get("cached_tokens")
    return Usage(
        input_tokens=as_int(usage.get("prompt_tokens")),
        output_tokens=as_int(usage.get("completion_tokens")),
        reasoning_tokens=as_int(details.get("reasoning_tokens", usage.get("reasoning_tokens"))),
        cached_tokens=as_int(cached if cached is not None else usage.get("prompt_cache_hit_tokens")),
        total_tokens=as_int(usage.get("total_tokens")),
    )
