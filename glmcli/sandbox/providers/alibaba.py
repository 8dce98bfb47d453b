"""Alibaba Cloud: Model Studio, the OpenAI-compatible address, and DashScope, the native one.

**Shape** of a stream of Model Studio: the order of a choice's keys changes from chunk to chunk; the role comes once;
`content` is null while it thinks and `reasoning_content` is null while it answers; `usage` is null in every chunk, and
the counts come in a chunk without choices only if they were asked for. A call ends in a fragment whose `arguments` are
null, in a choice without `finish_reason`, and the finish reason comes with an empty delta.

**Source**: streams of the same gateway recorded 2025-09 and 2025-11 (replayed as `modelstudio-thinking` and
`modelstudio-tool-tail`), whole reply: the "Fast mode" page of help.aliyun.com/zh/model-studio (2026).

**Shape** of a frame of DashScope: `id:N`, `event:result`, the comment `:HTTP_STATUS/200`, `data:{…}`; no space after a
colon, no blank line between frames, no `[DONE]`. The finish reason in flight is the text "null"; the usage so far is in
every frame. Text is cumulative unless `incremental_output` is true; without `result_format: message` it is
`output.text`.

**Source**: github.com/cnblogs/dashscope-sdk@7afccbd, test/Cnblogs.DashScope.Tests.Shared/RawHttpData (2025-06, 2026-04;
replayed as `dashscope-thinking` and `dashscope-parallel-tools`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from glmcli.sandbox.answer import TokenLimit, pieces
from glmcli.sandbox.chat_request import CREATED
from glmcli.sandbox.http_messages import DONE, json_bytes, sse_event
from glmcli.sandbox.providers import alibaba_errors
from glmcli.sandbox.providers.alibaba_errors import alibaba_error, error_of
from glmcli.sandbox.providers.openai import token_counts
from glmcli.sandbox.providers.row import SandboxBatchApi, SandboxProvider, model_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmcli.sandbox.answer import SandboxAnswer
    from glmcli.sandbox.chat_request import ChatRequest, RequestIds
    from glmcli.sandbox.http_messages import Header, Json


def _stream(request: ChatRequest, answer: SandboxAnswer) -> list[bytes]:
    frames = [sse_event(_chunk(request, [choice])) for choice in _choices(request, answer)]
    if request.include_usage:
        frames.append(sse_event(_chunk(request, [], _usage(answer))))
    return [*frames, DONE]


def _whole(request: ChatRequest, answer: SandboxAnswer) -> Json:
    message: Json = {"role": "assistant"}
    if _thinks(request, answer):
        message["reasoning_content"] = answer.reasoning
    message["content"] = answer.text
    if answer.calls:
        message["tool_calls"] = answer.whole_calls
    return {
        "id": f"chatcmpl-{request.ids.uuid}",
        "object": "chat.completion",
        "model": request.model,
        "choices": [{"index": 0, "message": message, "finish_reason": answer.finish}],
        "created": CREATED,
        "system_fingerprint": None,
        "usage": _usage(answer),
    }


def _thinks(request: ChatRequest, answer: SandboxAnswer) -> bool:
    """Whether reasoning has a place in the reply; one that was scripted has it anyway."""
    return request.thinks or bool(answer.reasoning)


def _usage(answer: SandboxAnswer) -> Json:
    """The counts; output includes reasoning."""
    return {
        **token_counts(answer),
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
    }


def _call_fragments(request: ChatRequest, answer: SandboxAnswer) -> Iterator[Json]:
    """The pieces of all calls: whole, or with `tool_stream` in fragments that have an empty id and no name.

    Source: alibabacloud.com/help/en/model-studio/glm (2026-03-15), "Streaming tool calling".
    """
    for index, call in enumerate(answer.calls):
        opening = call.whole(index)
        if request.fields.get("tool_stream") is not True:
            yield opening
            continue
        yield {**opening, "function": call.function("")}
        for piece in pieces(call.arguments, call.piece_size):
            yield {"index": index, "id": "", "type": "function", "function": {"arguments": piece}}


def _chunk(request: ChatRequest, choices: list[Json], counts: Json | None = None) -> Json:
    return {
        "choices": choices,
        "object": "chat.completion.chunk",
        "usage": counts,
        "created": CREATED,
        "system_fingerprint": None,
        "model": request.model,
        "id": f"chatcmpl-{request.ids.uuid}",
    }


def _choices(request: ChatRequest, answer: SandboxAnswer) -> Iterator[Json]:
    thinks = _thinks(request, answer)
    opening = {"content": None, "role": "assistant", "reasoning_content": ""}
    yield {
        "delta": opening if thinks else {"content": "", "role": "assistant"},
        "index": 0,
        "logprobs": None,
        "finish_reason": None,
    }
    for piece in pieces(answer.reasoning, answer.piece_size):
        delta: Json = {"content": None, "reasoning_content": piece}
        yield {"finish_reason": None, "logprobs": None, "delta": delta, "index": 0}
    silent = {"reasoning_content": None} if thinks else {}
    for piece in pieces(answer.text, answer.piece_size):
        yield {"delta": {"content": piece, **silent}, "finish_reason": None, "index": 0, "logprobs": None}
    yield from _call_choices(request, answer)
    last = {} if answer.calls else {"content": "", **silent}
    yield {"finish_reason": answer.finish, "delta": last, "index": 0, "logprobs": None}


def _call_choices(request: ChatRequest, answer: SandboxAnswer) -> Iterator[Json]:
    for fragment in _call_fragments(request, answer):
        delta = {"content": None, "tool_calls": [fragment]}
        yield {"delta": delta, "finish_reason": None, "index": 0, "logprobs": None}
    if answer.calls:
        tail = {"function": {"arguments": None}, "index": len(answer.calls) - 1, "id": "", "type": "function"}
        yield {"delta": {"tool_calls": [tail]}, "index": 0}


@dataclass(frozen=True)
class _FrameContent:
    """What one frame of DashScope adds."""

    reasoning: str = ""
    text: str = ""
    call: Json | None = None


def _frame(number: int, event: str, status: int, value: Json) -> bytes:
    """One frame of DashScope's stream."""
    return f"id:{number}\nevent:{event}\n:HTTP_STATUS/{status}\ndata:".encode() + json_bytes(value) + b"\n"


def _native_stream(request: ChatRequest, answer: SandboxAnswer) -> list[bytes]:
    steps = list(_steps(request, answer))
    frames, reasoning, text = [], "", ""
    for number, step in enumerate(steps, 1):
        reasoning, text = reasoning + step.reasoning, text + step.text
        shown = step if request.fields.get("incremental_output") is True else _cumulative(answer, step, reasoning, text)
        finish = answer.finish if number == len(steps) else "null"
        thought = len(reasoning.split())
        counts = _native_usage(answer, thought + len(text.split()), thought)
        if number == len(steps):
            counts = _native_usage(answer, answer.output_tokens, answer.reasoning_tokens)
        output = _native_output(request, shown, finish, thinks=_thinks(request, answer))
        value = {"output": output, "usage": counts, "request_id": request.ids.uuid}
        frames.append(_frame(number, "result", 200, value))
    return frames


def _native_whole(request: ChatRequest, answer: SandboxAnswer) -> Json:
    message: Json = {"content": answer.text}
    if _thinks(request, answer):
        message["reasoning_content"] = answer.reasoning
    if answer.calls:
        message["tool_calls"] = answer.whole_calls
    message["role"] = "assistant"
    output: Json = {"choices": [{"finish_reason": answer.finish, "message": message}]}
    if request.fields.get("result_format") != "message":
        output = {"finish_reason": answer.finish, "text": answer.text}
    counts = _native_usage(answer, answer.output_tokens, answer.reasoning_tokens)
    return {"output": output, "usage": counts, "request_id": request.ids.uuid}


def _steps(request: ChatRequest, answer: SandboxAnswer) -> Iterator[_FrameContent]:
    """A call's last fragment carries the finish; text ends in an empty frame. An empty frame comes first."""
    yield _FrameContent()
    for piece in pieces(answer.reasoning, answer.piece_size):
        yield _FrameContent(reasoning=piece)
    for piece in pieces(answer.text, answer.piece_size):
        yield _FrameContent(text=piece)
    for fragment in _call_fragments(request, answer):
        yield _FrameContent(call=fragment)
    if not answer.calls:
        yield _FrameContent()


def _cumulative(answer: SandboxAnswer, step: _FrameContent, reasoning: str, text: str) -> _FrameContent:
    """A cumulative frame: everything up to here; of calls, the whole call to which the fragment belongs."""
    call = None if step.call is None else answer.calls[step.call["index"]].whole(step.call["index"])
    return _FrameContent(reasoning, text, call)


def _native_output(request: ChatRequest, step: _FrameContent, finish: str, *, thinks: bool) -> Json:
    if request.fields.get("result_format") != "message":
        return {"finish_reason": finish, "text": step.text}
    message: Json = {"content": step.text}
    if thinks:
        message["reasoning_content"] = step.reasoning
    if step.call is not None:
        message["tool_calls"] = [step.call]
    message["role"] = "assistant"
    return {"choices": [{"message": message, "index": 0, "finish_reason": finish}]}


def _native_usage(answer: SandboxAnswer, spent: int, thought: int) -> Json:
    """The counts so far; output includes reasoning."""
    return {
        "total_tokens": answer.prompt_tokens + spent,
        "output_tokens": spent,
        "input_tokens": answer.prompt_tokens,
        "output_tokens_details": {"reasoning_tokens": thought},
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
    }


def _headers(ids: RequestIds) -> tuple[Header, ...]:
    """Those of Alibaba's gateway. Source: github.com/cnblogs/dashscope-sdk@7afccbd, RawHttpData."""
    return (("x-request-id", ids.uuid), ("x-dashscope-call-gateway", "true"), ("x-dashscope-timeout", "298"))


def _broken_stream(request: ChatRequest, _sent: int) -> tuple[bytes, ...]:
    """A native error as a frame of its own: glm-5.2, https://github.com/anomalyco/opencode/issues/32623.

    That [DONE] follows is a guess.
    """
    words = "Streaming error: 'str' object has no attribute 'get'"
    return (sse_event({"request_id": request.ids.uuid, "code": "InternalError", "message": words}), DONE)


def _broken_native_stream(request: ChatRequest, sent: int) -> tuple[bytes, ...]:
    """Source: QwenLM/qwen-code, `packages/core/src/utils/rateLimit.test.ts` (2026)."""
    words = "Allocated quota exceeded, please increase your quota limit."
    value = {"request_id": request.ids.uuid, "code": "Throttling.AllocationQuota", "message": words}
    return (_frame(sent + 1, "error", 429, value),)


def _moderated_stream(request: ChatRequest, _sent: int) -> tuple[bytes, ...]:
    """The frame in which the moderation of the output ends a stream."""
    error = alibaba_error("DataInspectionFailed", native=False)
    named = {"message": error.message, "type": error.type, "param": None, "code": error.code}
    return (sse_event({"error": named, "id": f"chatcmpl-{request.ids.uuid}", "request_id": request.ids.uuid}),)


def _moderated_native_stream(request: ChatRequest, sent: int) -> tuple[bytes, ...]:
    error = alibaba_error("DataInspectionFailed", native=True)
    return (_frame(sent + 1, "error", error.status, alibaba_errors.native_body(error, request.ids)),)


# Both list models that cannot chat and leave out some that can (measured 2026-08).
_MODELS = ("glm-4.7", "glm-5", "glm-5.1", "glm-5.2", "qwen3.7-max", "wan2.7-t2v-plus", "ZHIPU/GLM-5.2")


def _native_models(ids: RequestIds) -> Json:
    """Source: dashscope 2.0.2 on PyPI, `v2/resources/models.py`."""
    models = [{"model": name, "provider": "zhipu", "source": "public", "opensource": True} for name in _MODELS]
    paging = {"total": len(models), "page_no": 1, "page_size": 10}
    return {"request_id": ids.uuid, "output": {"models": models, **paging}}


def _thinking_on(fields: Mapping[str, Any]) -> bool:
    """On by default for GLM; the effort `none` was measured on glm-5.2 to turn it off.

    Source: alibabacloud.com/help/en/model-studio/glm (2026-03-15).
    """
    return fields.get("enable_thinking") is not False and fields.get("reasoning_effort") != "none"


# `max_tokens` spares the chain of thought: docs.qwencloud.com/api-reference/chat (mid-2026).
_TOKEN_LIMITS: tuple[TokenLimit, ...] = (
    ("thinking_budget", "reasoning"),
    ("max_tokens", "answer"),
    ("max_completion_tokens", "all"),
)

MODELSTUDIO = SandboxProvider(
    name="modelstudio",
    prefix="/modelstudio/compatible-mode/v1",
    stream=_stream,
    whole=_whole,
    bad_key=alibaba_error("InvalidApiKey", native=False),
    error_body=alibaba_errors.compatible_body,
    codes=alibaba_errors.CODES,
    error=lambda code, status, _: error_of(code, status, native=False),
    broken_stream=_broken_stream,
    models=lambda _: model_list({name: {} for name in _MODELS}, "system"),
    rules=alibaba_errors.MODELSTUDIO,
    malformed=lambda _: alibaba_errors.malformed(native=False),
    thinking_on=_thinking_on,
    always_think=("glm-5.3",),  # help.aliyun.com/zh/model-studio/deep-thinking (2026-09-19)
    token_limits=_TOKEN_LIMITS,
    needs_key=True,
    parallel_calls=False,
    headers=_headers,
    stream_type="text/event-stream;charset=UTF-8",
    filtered=None,
    moderation=alibaba_error("DataInspectionFailed", native=False),
    moderated_stream=_moderated_stream,
    # Source: help.aliyun.com, batch-interfaces-compatible-with-openai (2025); an empty list is `data: null` in
    # github.com/cnblogs/dashscope-sdk@7afccbd, RawHttpData.
    batch_api=SandboxBatchApi(
        file_prefix="file-batch-",
        output_prefix="file-batch_output-",
        null_lists=True,
        # No page lists a GLM model: cards of glm-5, glm-4.5-air and ZHIPU/GLM-5 say that batches do not serve them.
        refuses_glm=True,
        test_model="batch-test-model",
        test_endpoint="/v1/chat/ds-test",
        file_fields=lambda name: {"filename": name, "status": "processed", "status_details": None},
    ),
)

DASHSCOPE = replace(
    MODELSTUDIO,
    name="dashscope",
    prefix="/dashscope/api/v1",
    stream=_native_stream,
    whole=_native_whole,
    bad_key=alibaba_error("InvalidApiKey", native=True),
    error_body=alibaba_errors.native_body,
    error=lambda code, status, _: error_of(code, status, native=True),
    broken_stream=_broken_native_stream,
    models=_native_models,
    rules=alibaba_errors.DASHSCOPE,
    malformed=lambda _: alibaba_errors.malformed(native=True),
    chat_path="/services/aigc/text-generation/generation",
    moderation=alibaba_error("DataInspectionFailed", native=True),
    moderated_stream=_moderated_native_stream,
    batch_api=None,
    native_error=lambda status, body: _frame(1, "error", status, body),
)
