"""From a request to its response: path, key, fault, recording, refusal, answer. The server only moves bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glmcli.sandbox.chat_request import ChatRequest, RequestIds
from glmcli.sandbox.credentials import has_bad_key
from glmcli.sandbox.faults import FaultPlan, damaged_answer, damaged_response, first_half, response_instead
from glmcli.sandbox.http_messages import (
    ServerRequest,
    ServerResponse,
    json_bytes,
    json_object,
    json_response,
    stream_response,
)
from glmcli.sandbox.providers.row import SandboxError, SandboxProvider
from glmcli.sandbox.providers.table import PROVIDERS
from glmcli.sandbox.recordings import recorded_response

if TYPE_CHECKING:
    from glmcli.sandbox.async_tasks import AsyncTasks
    from glmcli.sandbox.batches import Batches
    from glmcli.sandbox.replies import ReplyScript, ScriptedReply


@dataclass(frozen=True)
class SandboxState:
    """What one request leaves for the next ones."""

    faults: FaultPlan
    replies: ReplyScript
    batches: Batches
    tasks: AsyncTasks


Handler = Callable[[SandboxProvider, ServerRequest, RequestIds, SandboxState], ServerResponse]
ChatHandler = Callable[[SandboxProvider, ChatRequest, str | None, "ScriptedReply", SandboxState], ServerResponse]


def respond(request: ServerRequest, ids: RequestIds, state: SandboxState) -> ServerResponse:
    """The response to any request."""
    provider = next((row for row in PROVIDERS.values() if request.path.startswith(f"{row.prefix}/")), None)
    if provider is None:
        return ServerResponse(404, "text/plain; charset=utf-8", (b"The glm sandbox has no provider at this path.\n",))
    request = replace(request, target=request.target.removeprefix(provider.prefix))
    handlers = _handlers(provider, request.path)
    if not handlers:
        return provider.not_found(request.path)
    handler = handlers.get(request.method) or handlers.get("any")
    if handler is None:
        return provider.method_not_allowed or provider.not_found(request.path)
    if has_bad_key(provider, request.headers):
        response = _bad_key_response(provider, ids)
    else:
        try:
            response = handler(provider, request, ids, state)
        except RecursionError:  # nested so deeply that it could be read but not written
            response = _error_response(provider, provider.malformed(provider.wants_chinese(request.headers)), ids)
    return replace(response, headers=(*provider.headers(ids), *response.headers))


def _handlers(provider: SandboxProvider, path: str) -> Mapping[str, Handler]:
    """Who answers at a path, by method; nobody at one that the provider does not have."""
    if path == provider.chat_path:
        return {"POST": _chat_response}
    if path == "/models":
        return {
            "GET": lambda provider, _, ids, __: json_response(provider.models(ids), content_type=provider.json_type)
        }
    if provider.batch_api and path.split("/")[1] in {"files", "batches"}:
        return {"any": _batches_response}
    if provider.runs_tasks and path == "/async/chat/completions":
        return {"POST": _task_response}
    if provider.runs_tasks and path.startswith("/async-result/"):
        return {"GET": _result_response}
    return {}


def _bad_key_response(provider: SandboxProvider, ids: RequestIds) -> ServerResponse:
    """A 401. DashScope's was recorded without a content type (github.com/cnblogs/dashscope-sdk@7afccbd, auth-error)."""
    error = provider.bad_key
    content_type = None if provider.native_error else provider.json_type
    return ServerResponse(error.status, content_type, (json_bytes(provider.error_body(error, ids)),))


def _batches_response(
    provider: SandboxProvider, request: ServerRequest, ids: RequestIds, state: SandboxState
) -> ServerResponse:
    return state.batches.respond(provider, request, ids) or provider.not_found(request.path)


def _result_response(
    provider: SandboxProvider, request: ServerRequest, ids: RequestIds, state: SandboxState
) -> ServerResponse:
    """The response to a question about a task; what BigModel says of one that does not exist is our guess."""
    error = provider.error("1222", 400, provider.wants_chinese(request.headers))
    return state.tasks.result(provider, request) or _error_response(provider, error, ids)


def _chat_response(
    provider: SandboxProvider, request: ServerRequest, ids: RequestIds, state: SandboxState
) -> ServerResponse:
    """The response to a request for an answer."""
    return _scripted_response(provider, request, ids, state, _answer_response)


def _task_response(
    provider: SandboxProvider, request: ServerRequest, ids: RequestIds, state: SandboxState
) -> ServerResponse:
    """The response to a request for an answer that is fetched later; its faults are those of an answer at once."""
    return _scripted_response(provider, request, ids, state, _new_task_response)


def _scripted_response(
    provider: SandboxProvider, request: ServerRequest, ids: RequestIds, state: SandboxState, respond_to: ChatHandler
) -> ServerResponse:
    """The response to a request that takes the next fault and the next reply, unless something else answers it."""
    fault = state.faults.next()
    chat = _read_chat(provider, request, ids, fault, state.faults)
    if isinstance(chat, ServerResponse):
        return chat
    reply = state.replies.next()
    fault = fault or reply.fault
    response = _failure(provider, fault, chat, state.faults) or respond_to(provider, chat, fault, reply, state)
    return replace(response, latency=reply.latency, pace=reply.pace)


def _new_task_response(
    provider: SandboxProvider, chat: ChatRequest, fault: str | None, reply: ScriptedReply, state: SandboxState
) -> ServerResponse:
    """The name of a new task."""
    answer = damaged_answer(fault, provider.answer(chat, reply), provider.filtered or "")
    result = None if fault == "error" else provider.whole(chat, answer)
    return damaged_response(fault, state.tasks.add(provider, chat, result))


def _read_chat(
    provider: SandboxProvider, request: ServerRequest, ids: RequestIds, fault: str | None, faults: FaultPlan
) -> ChatRequest | ServerResponse:
    """The request for an answer, or the response to one that gets none of ours."""
    chat = provider.read(body := json_object(request.body) or {}, request.headers, ids)
    if (failure := _failure(provider, fault, chat, faults)) is not None:
        return failure
    if not body and json_object(request.body) is None:
        return _refusal(provider, provider.malformed(chat.chinese), chat)
    if (recorded := recorded_response(provider, chat.model)) is not None:
        return damaged_response(fault, recorded)
    refusal = provider.refusal(chat)
    return chat if refusal is None else _refusal(provider, refusal, chat)


def _failure(
    provider: SandboxProvider, fault: str | None, chat: ChatRequest, faults: FaultPlan
) -> ServerResponse | None:
    """The response of a fault that leaves nothing of the answer; None for the others."""
    if (other := response_instead(fault, provider.prefix)) is not None:
        return other
    error = faults.error(provider, fault, chinese=chat.chinese)
    return None if error is None else _refusal(provider, error, chat, status=error.status)


def _refusal(
    provider: SandboxProvider, error: SandboxError, chat: ChatRequest, status: int | None = None
) -> ServerResponse:
    """An error. DashScope writes it as a frame if a stream was asked for, its parameter errors even under status 200.

    Source: github.com/cnblogs/dashscope-sdk@7afccbd, parameter-error-sse (200); dashscope 2.0.2 on PyPI,
    `_sse_error_body` (an error status with an event stream as its body).
    """
    if not chat.stream or provider.native_error is None:
        return _error_response(provider, error, chat.ids, status)
    frames = (provider.native_error(error.status, provider.error_body(error, chat.ids)),)
    return replace(stream_response(frames, provider.stream_type), status=200 if status is None else status)


def _error_response(
    provider: SandboxProvider, error: SandboxError, ids: RequestIds, status: int | None = None
) -> ServerResponse:
    body = provider.error_body(error, ids)
    return json_response(body, error.status if status is None else status, provider.json_type)


def _answer_response(
    provider: SandboxProvider, chat: ChatRequest, fault: str | None, reply: ScriptedReply, state: SandboxState
) -> ServerResponse:
    """The answer, with the faults that damage it or break it off."""
    answer = provider.answer(chat, reply)
    if fault == "sensitive" and provider.moderation:
        if not chat.stream or provider.moderated_stream is None:
            return _refusal(provider, provider.moderation, chat)
        response = stream_response(provider.stream(chat, answer), provider.stream_type)
        sent = first_half(response)
        return replace(response, frames=(*sent, *provider.moderated_stream(chat, len(sent))))
    answer = damaged_answer(fault, answer, provider.filtered or "")
    if chat.stream:
        response = stream_response(provider.stream(chat, answer), provider.stream_type)
    else:
        response = json_response(provider.whole(chat, answer), content_type=provider.json_type)
    if fault != "error":
        return damaged_response(fault, response)
    error = state.faults.error(provider, "500", chinese=chat.chinese)
    if error is not None and not chat.stream:
        return _refusal(provider, error, chat, status=200)
    sent = first_half(response)
    return replace(response, frames=(*sent, *provider.broken_stream(chat, len(sent))))
