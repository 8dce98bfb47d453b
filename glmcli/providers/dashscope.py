"""The dialect of the native DashScope API: `input` and `parameters`, SSE by a header, no `[DONE]`.

Source: docs.qwencloud.com/api-reference/chat/dashscope (2026), recorded bodies in github.com/cnblogs/dashscope-sdk
(2024-02 to 2026-06).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.chat.events import Answer, Event, Finish, Reasoning, RequestId, Usage
from glmcli.http.call import HttpCall
from glmcli.providers import request_fields as fields
from glmcli.providers.decoder import ReplyDecoder
from glmcli.providers.dialect import ModelsPage, get_headers, headers, listed_models
from glmcli.providers.json_values import JsonObject, as_int, as_object, as_objects
from glmcli.providers.reply_fields import (
    Choices,
    content_events,
    finish_reason,
    object_of,
    sources,
    text_of,
    tool_calls,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmcli.chat.messages import Request
    from glmcli.providers.row import Provider

# In 6 of 20 recorded streams there is no blank line between the frames.
line_framed = True

_PAGE = 100  # models; the server may return fewer

# Our names of what `search_info.search_results` says of a page, where a search was made for a model and `enable_source`
# asked for it. Described at help.aliyun.com/zh/model-studio/web-search (2026): the form is from public clients, and the
# page was not read.
_SEARCH_RESULT = {"ref": "index", "title": "title", "link": "url", "site": "site_name"}


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
    return HttpCall(provider.chat_url, tuple(pairs), body)


def _parameters(request: Request, provider: Provider) -> dict[str, Any]:
    parameters: dict[str, Any] = {**request.extra, "result_format": "message"}
    parameters |= (
        fields.thinking(request, provider) | fields.sampling(request, provider) | fields.tools(request, provider)
    )
    if request.stream:
        # By default every frame repeats all text so far, which is refused with thinking.
        parameters["incremental_output"] = True
    return parameters


def reserved(provider: Provider, model: str) -> frozenset[str]:
    """The body fields that --option may not name."""
    return fields.reserved(provider, model) | {"result_format", "incremental_output"}


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


def decoder(provider: Provider, *, several: bool = False) -> ReplyDecoder:
    """A new decoder, for one reply; `several`: more than one answer was asked for, and the first counts."""
    return ReplyDecoder(provider, lambda: _Frames(several=several))


class _Frames:
    """Reads the frames of a stream, or a whole reply."""

    def __init__(self, *, several: bool) -> None:
        self._choices = Choices(several=several)

    @property
    def frames_stand_alone(self) -> bool:
        return not self._choices.had_several

    def has_choice(self, chunk: JsonObject) -> bool:
        output = as_object(chunk.get("output"))
        return any(output.get(name) is not None for name in ("text", "finish_reason")) or bool(
            as_objects(output.get("choices"))
        )

    def errors(self, chunk: JsonObject) -> Iterator[object]:  # noqa: ARG002 - errors stand at the top only
        return iter(())

    def passed(self, kind: type[Answer | Reasoning], texts: Sequence[str]) -> None:
        """Nothing to note: no frame repeats the whole message."""

    def events(self, chunk: JsonObject) -> Iterator[Event]:
        if isinstance(chunk.get("request_id"), str):
            yield RequestId(chunk["request_id"])
        output = as_object(chunk.get("output"))
        choices = as_objects(output.get("choices"))
        for choice in self._choices.ours(choices):
            yield from _message(object_of(choice.get("message"), "message"), choice.get("finish_reason"))
        if not choices:
            # With the result_format "text", which is never requested here, the same fields are in `output` itself.
            yield from _message({"content": output.get("text")}, output.get("finish_reason"))
        if found := sources(as_object(output.get("search_info")).get("search_results"), _SEARCH_RESULT):
            yield found
        if usage := _usage(as_object(chunk.get("usage"))):
            yield usage


def _message(message: JsonObject, reason: object) -> Iterator[Event]:
    if reasoning := text_of(message.get("reasoning_content"), "reasoning_content"):
        yield Reasoning(reasoning)
    yield from content_events(message.get("content"))
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
