"""The dialect of the native DashScope API: `input` and `parameters`, SSE by a header, no `[DONE]`.

Source: docs.qwencloud.com/api-reference/chat/dashscope (2026), recorded bodies in github.com/cnblogs/dashscope-sdk
(2024-02 to 2026-06).
"""

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

# In 6 of 20 recorded streams there is no blank line between the frames.
line_framed = True

_PATH = "/services/aigc/text-generation/generation"
_PAGE = 100  # models; the server may return fewer


def encode(request: Request, provider: Provider) -> HttpCall:
    """The HTTP request for this provider. A header, not a field, makes the response a stream."""
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
        # By default every frame repeats all text so far, which is refused with thinking.
        parameters["incremental_output"] = True
    return parameters


def reserved(provider: Provider) -> frozenset[str]:
    """The body fields that --option may not name."""
    return fields.reserved(provider) | {"result_format", "incremental_output"}


def models_request(provider: Provider, page: int) -> HttpCall:
    """The request for a page of the provider's own list of models.

    Source: dashscope 2.0.2 on PyPI, `v2/resources/models.py`.
    """
    query = f"?page_no={page}&page_size={_PAGE}"
    return HttpCall(f"{provider.base_url}/models{query}", get_headers(provider), None, method="GET")


def models_page(value: Any) -> ModelsPage:  # noqa: ANN401 - any JSON may come
    """The page in the JSON of the response."""
    output = as_object(as_object(value).get("output"))
    models = listed_models(output.get("models", value), "model")
    total = output.get("total")
    return ModelsPage(models, total if isinstance(total, int) else len(models))


def decoder(provider: Provider) -> ReplyDecoder:
    """A new decoder, for one reply."""
    return ReplyDecoder(provider, _events)


def _events(chunk: JsonObject) -> Iterator[Event]:
    if isinstance(chunk.get("request_id"), str):
        yield RequestId(chunk["request_id"])
    output = as_object(chunk.get("output"))
    choices = as_list(output.get("choices"))
    for choice in map(as_object, choices):
        if choice.get("index") in (0, None):
            yield from _message(as_object(choice.get("message")), choice.get("finish_reason"))
    if not choices:
        # With the result_format "text", which is never requested here, the same fields are in `output` itself.
        yield from _message({"content": output.get("text")}, output.get("finish_reason"))
    if usage := _usage(as_object(chunk.get("usage"))):
        yield usage


def _message(message: JsonObject, reason: object) -> Iterator[Event]:
    if reasoning := as_text(message.get("reasoning_content")):
        yield Reasoning(reasoning)
    if answer := as_text(message.get("content")):
        yield Answer(answer)
    yield from tool_calls(message.get("tool_calls"))
    if word := finish_reason(reason):
        yield Finish(word)


def _usage(usage: JsonObject) -> Usage | None:
    if not usage:
        return None
    return Usage(
        input_tokens=as_int(usage.get("input_tokens")),
        output_tokens=as_int(usage.get("output_tokens")),
        reasoning_tokens=as_int(as_object(usage.get("output_tokens_details")).get("reasoning_tokens")),
        cached_tokens=as_int(as_object(usage.get("prompt_tokens_details")).get("cached_tokens")),
        total_tokens=as_int(usage.get("total_tokens")),
    )
