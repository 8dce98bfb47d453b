"""From a request to its response: path, key, fault, recording, refusal, answer. The server only moves bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from glmcli.sandbox.faults import KINDS, FaultPlan, damaged_answer, damaged_response, first_half, response_instead
from glmcli.sandbox.http_messages import ServerRequest, ServerResponse, json_bytes, json_response, stream_response
from glmcli.sandbox.providers.table import PROVIDERS, injected_error
from glmcli.sandbox.recordings import recorded_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.sandbox.answer import SandboxAnswer
    from glmcli.sandbox.batches import Batches
    from glmcli.sandbox.chat_request import ChatRequest, RequestIds
    from glmcli.sandbox.providers.row import SandboxError, SandboxProvider


def respond(request: ServerRequest, ids: RequestIds, faults: FaultPlan, batches: Batches) -> ServerResponse:
    """The response to any request."""
    provider = next((row for row in PROVIDERS.values() if request.path.startswith(f"{row.prefix}/")), None)
    if provider is None:
        return ServerResponse(404, "text/plain; charset=utf-8", (b"The glm sandbox has no provider at this path.\n",))
    request = replace(request, target=request.target.removeprefix(provider.prefix))
    path = request.path
    batch_api = provider.batch_api if path.startswith(("/files", "/batches")) else None
    method = request.method if batch_api else {provider.chat_path: "POST", "/models": "GET"}.get(path)
    if method is None:
        return provider.not_found(path)
    if method != request.method:
        return provider.method_not_allowed or provider.not_found(path)
    if _has_bad_key(provider, request.headers):
        response = _bad_key_response(provider, ids)
    elif batch_api:
        response = batches.respond(provider, batch_api, request, ids) or provider.not_found(path)
    elif method == "GET":
        response = json_response(provider.models(ids), content_type=provider.json_type)
    else:
        response = _chat_response(provider, request, ids, faults.next())
    return replace(response, headers=(*provider.headers(ids), *response.headers))


def _has_bad_key(provider: SandboxProvider, headers: Mapping[str, str]) -> bool:
    """The key `bad-key` is bad everywhere; hosted providers need one."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key == "bad-key" or (provider.needs_key and (scheme.lower() != "bearer" or not key.strip()))


def _bad_key_response(provider: SandboxProvider, ids: RequestIds) -> ServerResponse:
    """A 401. DashScope's was recorded without a content type (github.com/cnblogs/dashscope-sdk@7afccbd, auth-error)."""
    error = provider.bad_key
    content_type = None if provider.native_error else provider.json_type
    return ServerResponse(error.status, content_type, (json_bytes(provider.error_body(error, ids)),))


def _chat_response(
    provider: SandboxProvider, request: ServerRequest, ids: RequestIds, fault: str | None
) -> ServerResponse:
    """The response to a request for an answer."""
    streamed = provider.wants_native_stream(request.headers)
    chinese = provider.wants_chinese(request.headers)
    if (other := response_instead(fault, provider.prefix)) is not None:
        return other
    if fault is not None and fault not in KINDS:
        error = injected_error(provider, fault, chinese=chinese)
        return _error_response(provider, error, ids, status=error.status, streamed=streamed)
    body = _json_object(request.body)
    if body is None:
        return _error_response(provider, provider.malformed(chinese), ids, streamed=streamed)
    chat = provider.read(body, request.headers, ids)
    if (recorded := recorded_response(provider, chat.model)) is not None:
        return damaged_response(fault, recorded)
    if (refusal := provider.refusal(chat)) is not None:
        return _error_response(provider, refusal, ids, streamed=streamed)
    return _answer_response(provider, chat, fault)


def _json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object of a body; None if it is something else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _error_response(
    provider: SandboxProvider,
    error: SandboxError,
    ids: RequestIds,
    *,
    status: int | None = None,
    streamed: bool = False,
) -> ServerResponse:
    """An error. DashScope writes it as a frame if a stream was asked for, its parameter errors even under status 200.

    Source: github.com/cnblogs/dashscope-sdk@7afccbd, parameter-error-sse (200); dashscope 2.0.2 on PyPI,
    `_sse_error_body` (an error status with an event stream as its body).
    """
    body = provider.error_body(error, ids)
    if not streamed or provider.native_error is None:
        return json_response(body, error.status if status is None else status, provider.json_type)
    frames = (provider.native_error(error.status, body),)
    return replace(stream_response(frames, provider.stream_type), status=200 if status is None else status)


def _answer_response(provider: SandboxProvider, chat: ChatRequest, fault: str | None) -> ServerResponse:
    """The answer, with the faults that damage it or break it off."""
    if fault == "sensitive" and provider.moderation:
        return _moderated_response(provider, provider.moderation, chat)
    answer = damaged_answer(fault, provider.answer(chat), provider.filtered or "")
    response = _encoded(provider, chat, answer)
    if fault != "error":
        return damaged_response(fault, response)
    if not chat.stream:
        error = injected_error(provider, "500", chinese=chat.chinese)
        return _error_response(provider, error, chat.ids, status=200)
    sent = first_half(response)
    return replace(response, frames=(*sent, *provider.broken_stream(chat, len(sent))))


def _encoded(provider: SandboxProvider, chat: ChatRequest, answer: SandboxAnswer) -> ServerResponse:
    if chat.stream:
        return stream_response(provider.stream(chat, answer), provider.stream_type)
    return json_response(provider.whole(chat, answer), content_type=provider.json_type)


def _moderated_response(provider: SandboxProvider, error: SandboxError, chat: ChatRequest) -> ServerResponse:
    """The response of a provider whose content filter is an error: before the answer, or in the middle of a stream."""
    if not chat.stream or provider.moderated_stream is None:
        return _error_response(provider, error, chat.ids)
    response = _encoded(provider, chat, provider.answer(chat))
    sent = first_half(response)
    return replace(response, frames=(*sent, *provider.moderated_stream(chat, len(sent))))
