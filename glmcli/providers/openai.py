"""The dialect of the OpenAI chat API, with the fields that providers added to it: every row but DashScope-native."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.chat.events import Answer, Event, Finish, Reasoning, Refusal, RequestId, Sources, ToolCallPart, Usage
from glmcli.chat.reply import Fold
from glmcli.errors import ProtocolError
from glmcli.http.call import HttpCall
from glmcli.providers import request_fields as fields
from glmcli.providers.decoder import ReplyDecoder
from glmcli.providers.dialect import ModelsPage, get_headers, headers, listed_models
from glmcli.providers.json_values import JsonObject, as_int, as_list, as_object, as_objects
from glmcli.providers.reply_fields import (
    Choices,
    content_events,
    finish_reason,
    object_of,
    refusal,
    sources,
    text_of,
    tool_calls,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmcli.chat.messages import Request
    from glmcli.providers.row import Provider

line_framed = False
reserved = fields.reserved

# vLLM renamed `reasoning_content` to `reasoning` in 2026-01 (github.com/vllm-project/vllm/pull/33402); Ollama sends
# `reasoning`, the others `reasoning_content`. Where both are present they hold the same text.
_REASONING = ("reasoning_content", "reasoning")

# Our names of what BigModel and Z.ai say of a page, in `web_search` beside the choices, of a stream on the last chunk.
# Source: docs.bigmodel.cn chat completion reference (2025-12), docs.z.ai/openapi.json (2026-09), a recording (2026-08).
_PAGE = {
    "ref": "refer",
    "title": "title",
    "link": "link",
    "site": "media",
    "date": "publish_date",
    "text": "content",
}
# The same for OpenAI, in the `url_citation` of the `annotations` of a message or a delta; `content` is OpenRouter's.
# Described at platform.openai.com/docs/guides/tools-web-search and openrouter.ai/docs/features/web-search (2026): the
# form is from public clients, neither page was read for it.
_CITATION = {"title": "title", "link": "url", "text": "content"}


def encode(request: Request, provider: Provider) -> HttpCall:
    """The HTTP request for this provider."""
    pairs = headers(provider, stream=request.stream)
    return HttpCall(provider.chat_url, tuple(pairs), _body(request, provider), has_data=fields.has_data(request))


def _body(request: Request, provider: Provider) -> dict[str, Any]:
    body: dict[str, Any] = {"model": request.model, "messages": fields.messages(request, provider), **request.extra}
    body |= fields.thinking(request, provider) | fields.sampling(request, provider) | fields.tools(request, provider)
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


def decoder(provider: Provider, *, several: bool = False) -> ReplyDecoder:
    """A new decoder, for one reply; `several`: more than one answer was asked for, and the first counts."""
    return ReplyDecoder(provider, lambda: _Chunks(several=several))


class _Chunks:
    """Reads the chunks of a stream, or a whole reply: `delta` and `message` have the same fields.

    In a stream, a `message` after or beside text in `delta` is the whole message so far, and adds what is missing.
    Source: github.com/microsoft/foundry-local/issues/263 (2025-09-26). Without any `delta`, it is a piece, unless it
    repeats all text so far after a finish.
    """

    def __init__(self, *, several: bool) -> None:
        self._choices = Choices(several=several)
        self._text: dict[type[Answer | Reasoning | Refusal], list[str]] = {Reasoning: [], Answer: [], Refusal: []}
        self._calls = Fold()
        self._had_delta = self._had_message = self._had_finish = False

    @property
    def frames_stand_alone(self) -> bool:
        return not (self._had_message or self._choices.had_several)

    def has_choice(self, chunk: JsonObject) -> bool:
        return bool(as_objects(chunk.get("choices")))

    def errors(self, chunk: JsonObject) -> Iterator[object]:
        # What gateways put into a choice when their upstream failed: github.com/genkit-ai/genkit/pull/6259 (2026-09).
        for choice in as_objects(chunk.get("choices")):
            for place in (choice, as_object(choice.get("delta")), as_object(choice.get("message"))):
                yield place.get("error")

    def passed(self, kind: type[Answer | Reasoning], texts: Sequence[str]) -> None:
        # Joined: a delta holds a few characters, and each text would cost the memory of an object.
        self._text[kind].append("".join(texts))

    def events(self, chunk: JsonObject) -> Iterator[Event]:
        request_id = chunk.get("request_id") or chunk.get("id")
        if isinstance(request_id, str) and request_id:
            yield RequestId(request_id)
        choices = self._choices.ours(as_objects(chunk.get("choices")))
        for choice in choices:
            yield from self._choice(choice)
        yield from _sources(chunk, choices)
        # Moonshot puts it into the choice: github.com/higress-group/higress/pull/1568 (2024-12-04).
        for place in (chunk, *choices):
            if usage := _usage(as_object(place.get("usage"))):
                yield usage
                break

    def _choice(self, choice: JsonObject) -> Iterator[Event]:
        for event in _message(object_of(choice.get("delta"), "delta")):
            self._had_delta = True
            yield self._noted(event)
        if message := object_of(choice.get("message"), "message"):
            self._had_message = True
            events = list(_message(message))
            is_whole = self._had_delta or (self._had_finish and self._repeats(events))
            yield from self._missing(events) if is_whole else map(self._noted, events)
        if reason := finish_reason(choice.get("finish_reason")):
            self._had_finish = True
            yield Finish(reason)

    def _noted(self, event: Event) -> Event:
        if isinstance(event, Answer | Reasoning | Refusal):
            self._text[type(event)].append(event.text)
        else:
            self._calls.add(event)
        return event

    def _repeats(self, message: list[Event]) -> bool:
        texts = [event for event in message if isinstance(event, Answer | Reasoning)]
        return bool(texts) and all(event.text == "".join(self._text[type(event)]) for event in texts)

    def _missing(self, message: list[Event]) -> Iterator[Event]:
        """What of the whole message did not come before.

        Raises:
            ProtocolError: the message says something else than the text so far.
        """
        for event in message:
            if isinstance(event, Answer | Reasoning | Refusal):
                so_far = "".join(self._text[type(event)])
                if event.text.startswith(so_far):
                    if rest := event.text.removeprefix(so_far):
                        self._text[type(event)].append(rest)
                        yield type(event)(rest)
                elif event.text.strip() not in so_far:
                    raise ProtocolError("the whole message differs from its deltas", why=event.text, sent=True)
        parts = [event for event in message if isinstance(event, ToolCallPart)]
        calls = [(call.name, call.arguments) for call in self._calls.reply().tool_calls]
        for position, part in enumerate(parts):
            if (part.name, part.arguments) not in calls[position : position + 1]:
                yield part.replace(index=position if part.index is None else part.index)


def _message(message: JsonObject) -> Iterator[Event]:
    for name in _REASONING:
        if name in message and (text := text_of(message[name], name)):
            yield Reasoning(text)
            break
    else:
        # OpenRouter's list: github.com/aixplain/aiXplain/pull/1012 (2026-07-28).
        details = as_list(message.get("reasoning_details"))
        if details and (text := text_of(details, "reasoning_details")):
            yield Reasoning(text)
    yield from content_events(message.get("content"))
    if "refusal" in message:
        yield from refusal(message)
    if calls := message.get("tool_calls"):
        yield from tool_calls(calls)
    elif call := message.get("function_call"):
        # The older form of a call: github.com/can1357/oh-my-pi/pull/1692 (2026-06-02).
        yield from tool_calls([{"function": call}])


def _sources(chunk: JsonObject, choices: list[JsonObject]) -> Iterator[Sources]:
    if found := sources(chunk.get("web_search"), _PAGE):
        yield found
    for choice in choices:
        for place in (as_object(choice.get("delta")), as_object(choice.get("message"))):
            cited = [each.get("url_citation") for each in as_objects(place.get("annotations"))]
            # The list is empty in every reply, searched or not.
            if cited and (found := sources(cited, _CITATION)):
                yield found


def _usage(usage: JsonObject) -> Usage | None:
    """The usage in a chunk, if there is one.

    Source: docs.bigmodel.cn chat completion reference (2025-12); for cache hits at the top: TokenHub, 2026.
    """
    if not usage:
        return None
    details = as_object(usage.get("completion_tokens_details"))
    cached = as_object(usage.get("prompt_tokens_details")).get("cached_tokens")
    return Usage(
        # mlx-vlm uses the names of another API: github.com/earendil-works/pi/issues/2326 (2026-03-18).
        input_tokens=as_int(usage.get("prompt_tokens", usage.get("input_tokens"))),
        output_tokens=as_int(usage.get("completion_tokens", usage.get("output_tokens"))),
        reasoning_tokens=as_int(details.get("reasoning_tokens", usage.get("reasoning_tokens"))),
        cached_tokens=as_int(cached if cached is not None else usage.get("prompt_cache_hit_tokens")),
        total_tokens=as_int(usage.get("total_tokens")),
    )
