"""The DashScope-native grammar: `input` and `parameters`, SSE by header, no `[DONE]`.

Source: docs.qwencloud.com/api-reference/chat/dashscope (2026), recorded bodies in github.com/cnblogs/dashscope-sdk
(2024-02 to 2026-06).
"""

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

# In 6 of 20 recorded streams no blank line stands between the frames.
line_framed = True

_PATH = "/services/aigc/text-generation/generation"
_PAGE = 100  # models; what the server makes of it is read from its answer


def encode(request: Request, provider: Provider) -> HttpCall:
    """The request on this provider's wire. The header, not a field, makes it a stream."""
    pairs = headers(provider, stream=request.stream)
    if request.stream:
        pairs.append(("X-DashScope-SSE", "enable"))
    body = {
        "model": request.model,
        "input": {"messages": fields.messages(request, provider)},
        "parameters": _parameters(request, provider),
    }
    return HttpCall(provider.base_url + _PATH, tuple(pairs), body)


def _parameters(request: Request, provider: Provider) -> dict[str, Any]:
    parameters: dict[str, Any] = {**request.extra, "result_format": "message"}
    parameters |= fields.thinking(request, provider) | fields.sampling(request) | fields.tools(request, provider)
    if request.stream:
        # The default repeats all text so far in every frame, and is refused beside thinking.
        parameters["incremental_output"] = True
    return parameters


def reserved(provider: Provider) -> frozenset[str]:
    """Fields that --option may not name."""
    return fields.reserved(provider) | {"result_format", "incremental_output"}


def ask_models(provider: Provider, page: int) -> HttpCall:
    """The request for a page of the provider's own list of models.

    Source: dashscope 2.0.2 on PyPI, `v2/resources/models.py`.
    """
    query = f"?page_no={page}&page_size={_PAGE}"
    return HttpCall(f"{provider.base_url}/models{query}", headers_to_list(provider), None, method="GET")


def listing(value: Any) -> Listing:  # noqa: ANN401 - any JSON may come
    """What came back."""
    from glmcli.providers.listing import listed

    output = mapping(mapping(value).get("output"))
    models = listed(output.get("models", value), "model")
    total = output.get("total")
    return Listing(models, total if isinstance(total, int) else len(models))


def decoder(provider: Provider) -> JsonDecoder:
    """A fresh reader for one reply."""
    return JsonDecoder(provider, _events)


def _events(chunk: Chunk) -> Iterator[Event]:
    if isinstance(chunk.get("request_id"), str):
        yield RequestId(chunk["request_id"])
    output = mapping(chunk.get("output"))
    choices = items(output.get("choices"))
    for choice in map(mapping, choices):
        if choice.get("index") in (0, None):
            yield from _message(mapping(choice.get("message")), choice.get("finish_reason"))
    if not choices:
        # result_format "text", which we never ask for, puts the same fields into `output` itself.
        yield from _message({"content": output.get("text")}, output.get("finish_reason"))
    if usage := _usage(mapping(chunk.get("usage"))):
        yield usage


def _message(message: Chunk, reason: object) -> Iterator[Event]:
    if reasoning := text_of(message.get("reasoning_content")):
        yield Reasoning(reasoning)
    if answer := text_of(message.get("content")):
        yield Answer(answer)
    yield from tool_calls(message.get("tool_calls"))
    if word := finish(reason):
        yield Finish(word)


def _usage(usage: Chunk) -> Usage | None:
    if not usage:
        return None
    return Usage(
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        reasoning_tokens=count(mapping(usage.get("output_tokens_details")).get("reasoning_tokens")),
        cached_tokens=count(mapping(usage.get("prompt_tokens_details")).get("cached_tokens")),
        total_tokens=count(usage.get("total_tokens")),
    )
