"""vLLM and SGLang.

**Shape**, vLLM 0.32 run on 2026-11-21: reasoning in `reasoning`, the first chunk differs from the others, a call opens
without an `arguments` key, and a call that `tool_choice` names by function finishes with `stop`.

**Shape**, SGLang: every delta holds every key, null where nothing came; reasoning in `reasoning_content`. Source:
https://github.com/sgl-project/sglang/pull/9657 (2025-08) and sglang 0.5.23 on PyPI, `srt/entrypoints`, also for errors.
"""

from __future__ import annotations

import json
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from glmcli.sandbox.answer import pieces
from glmcli.sandbox.chat_request import CREATED, object_or_empty
from glmcli.sandbox.http_messages import DONE, ServerResponse, reason_phrase, sse_event
from glmcli.sandbox.providers import rules
from glmcli.sandbox.providers.openai import TOKEN_LIMITS, ChunkFormat, token_counts
from glmcli.sandbox.providers.row import SandboxError, SandboxProvider, model_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.sandbox.answer import SandboxAnswer, SandboxToolCall
    from glmcli.sandbox.chat_request import ChatRequest, RequestIds
    from glmcli.sandbox.http_messages import Json
    from glmcli.sandbox.providers.row import Rule


_END_OF_TURN = 151336  # GLM's <|user|>: the token at which SGLang and vLLM stop
_FINGERPRINT = "vllm-0.32.0-c6486161"


def template_thinking_on(fields: Mapping[str, Any]) -> bool:
    """The chat template's own switch; `thinking` is ignored without a word.

    Source: vLLM 0.32, SGLang 0.5.23 and llama.cpp as run or read on 2026-11-21.
    """
    off = object_or_empty(fields.get("chat_template_kwargs")).get("enable_thinking") is False
    return not off and fields.get("reasoning_effort") != "none"


def _vllm_head(request: ChatRequest, kind: str) -> Json:
    return {"id": f"chatcmpl-{request.ids.hex}", "object": kind, "created": CREATED, "model": request.model}


def _vllm_chunk(request: ChatRequest, delta: Json, finish: str | None) -> Json:
    head = _vllm_head(request, "chat.completion.chunk")
    choice: dict[str, Any] = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    if "role" in delta:
        return {**head, "choices": [choice], "prompt_token_ids": None, "prompt_text": None}
    if finish is not None:
        choice["stop_reason"] = _END_OF_TURN if finish == "stop" else None
    return {**head, "choices": [{**choice, "token_ids": None}]}


def _vllm_call_deltas(index: int, call: SandboxToolCall) -> Iterator[Json]:
    name = call.id.replace("call_", "chatcmpl-tool-")
    yield {"tool_calls": [{"id": name, "type": "function", "index": index, "function": {"name": call.name}}]}
    for piece in pieces(call.arguments, call.piece_size):
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _vllm_usage(answer: SandboxAnswer) -> Json:
    return {
        "prompt_tokens": answer.prompt_tokens,
        "total_tokens": answer.prompt_tokens + answer.output_tokens,
        "completion_tokens": answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens, "created_cache_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
    }


def _vllm_finish_reason(request: ChatRequest, answer: SandboxAnswer) -> str:
    named = isinstance(request.fields.get("tool_choice"), dict)
    return "stop" if named and answer.finish == "tool_calls" else answer.finish


def _vllm_whole(request: ChatRequest, answer: SandboxAnswer) -> Json:
    message = {
        "role": "assistant",
        "content": answer.text or None,  # null when the cut came inside the reasoning
        "refusal": None,
        "annotations": None,
        "audio": None,
        "function_call": None,
        "tool_calls": [_vllm_call(call) for call in answer.calls],
        "reasoning": answer.reasoning or None,
    }
    finish = _vllm_finish_reason(request, answer)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish, "stop_reason": None}
    return {
        **_vllm_head(request, "chat.completion"),
        "choices": [{**choice, "token_ids": None}],
        "service_tier": None,
        "system_fingerprint": _FINGERPRINT,
        "usage": _vllm_usage(answer),
        "prompt_logprobs": None,
        "prompt_token_ids": None,
    }


def _vllm_call(call: SandboxToolCall) -> Json:
    name = call.id.replace("call_", "chatcmpl-tool-")
    return {"id": name, "type": "function", "function": call.function(call.arguments)}


def _vllm_usage_chunk(request: ChatRequest, answer: SandboxAnswer) -> Json:
    head = _vllm_head(request, "chat.completion.chunk")
    return {**head, "choices": [], "usage": _vllm_usage(answer), "system_fingerprint": _FINGERPRINT}


_VLLM_FORMAT = ChunkFormat(
    first_delta={"role": "assistant", "content": ""},
    reasoning_delta=lambda piece: {"reasoning": piece},
    call_deltas=_vllm_call_deltas,
    encode_chunk=_vllm_chunk,
    encode_usage=_vllm_usage_chunk,
    encode_whole=_vllm_whole,
    finish_reason=_vllm_finish_reason,
)


def _vllm_error_body(error: SandboxError, _ids: RequestIds) -> Json:
    """The code is a number; a 401 is only a text. Source: vLLM 0.32 as run on 2026-11-21."""
    if error.status == HTTPStatus.UNAUTHORIZED:
        return {"error": "Unauthorized"}
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.status}}


# What other servers of this form call a prompt that is too long, and the status with which all refuse it.
TOO_LONG = {"context_length_exceeded": 400, "exceed_context_size_error": 400}
_TOO_LONG = (  # as recorded, with the window of the model that is served here
    "This model's maximum context length is 202752 tokens. However, your prompt contains at least 202753 input tokens, "
    "for a total of at least 202754 tokens."
)


def _vllm_error(code: str, status: int, _chinese: bool) -> SandboxError:
    """The type is named after the status."""
    if code in TOO_LONG:
        return SandboxError(status, "", _TOO_LONG, "BadRequestError", "input_tokens")
    words = reason_phrase(status)
    return SandboxError(status, "", words, words.title().replace(" ", "") + "Error")


def _vllm_broken_stream(_request: ChatRequest, _sent: int) -> tuple[bytes, ...]:
    """With spaces, then [DONE] all the same: vLLM 0.32 whose engine was killed, 2026-11-21."""
    words = "EngineCore encountered an issue. See stack trace (above) for the root cause."
    error = {"message": words, "type": "InternalServerError", "param": None, "code": 500}
    return (b"data: " + json.dumps({"error": error}).encode() + b"\n\n", DONE)


def _vllm_unknown(request: ChatRequest) -> SandboxError:
    words = f"The model `{request.model}` does not exist. Valid aliases: glm-5.1."
    return SandboxError(404, "404", words, "NotFoundError", "model")


def _has_stray_options(request: ChatRequest) -> bool:
    return request.fields.get("stream_options") is not None and not request.stream


def _vllm_bad(message: str, param: str | None = None) -> Callable[[ChatRequest], SandboxError]:
    return rules.bad_request(message, param, "BadRequestError")


_VLLM_RULES: tuple[Rule, ...] = (
    (rules.unknown_model, _vllm_unknown),
    (_has_stray_options, _vllm_bad("Stream options can only be defined when `stream=True`.")),
    (rules.no_messages, _vllm_bad("At least one message is required.")),
    (
        rules.other_than("reasoning_effort", *rules.EFFORTS),
        _vllm_bad("Input should be 'none', 'minimal', 'low', 'medium', 'high', 'xhigh' or 'max'"),
    ),
    (rules.outside("temperature", 0, float("inf")), _vllm_bad("temperature must be non-negative.", "temperature")),
    (rules.outside("top_p", 0, 1, above_low=True), _vllm_bad("top_p must be in (0, 1].", "top_p")),
    (
        rules.outside("max_tokens", 1, 202752),
        _vllm_bad("max_tokens must be at least 1 and cannot be greater than max_model_len=202752.", "max_tokens"),
    ),
)

VLLM = SandboxProvider(
    name="vllm",
    prefix="/vllm/v1",
    stream=_VLLM_FORMAT.stream,
    whole=_VLLM_FORMAT.whole,
    bad_key=SandboxError(401, "401", "Unauthorized"),
    error_body=_vllm_error_body,
    codes=TOO_LONG,
    error=_vllm_error,
    broken_stream=_vllm_broken_stream,
    models=lambda _: model_list(_MODELS, "vllm"),
    rules=_VLLM_RULES,
    malformed=lambda _: SandboxError(
        400, "400", "[{'type': 'json_invalid', 'msg': 'JSON decode error'}]", "Bad Request"
    ),
    thinking_on=template_thinking_on,
    token_limits=TOKEN_LIMITS,
    stream_type="text/event-stream; charset=utf-8",
    # 404 and 405 as run on 2026-11-21
    not_found=lambda _: ServerResponse(404, "application/json", (b'{"detail":"Not Found"}',)),
    method_not_allowed=ServerResponse(405, "application/json", (b'{"detail":"Method Not Allowed"}',)),
)


def _full_delta(**filled: object) -> Json:
    """A delta of SGLang: all keys, null but for those that are given."""
    return {"role": None, "content": None, "reasoning_content": None, "tool_calls": None, **filled}


def _sglang_head(request: ChatRequest, kind: str) -> Json:
    return {"id": request.ids.hex, "object": kind, "created": CREATED, "model": request.model}


def _sglang_stop(finish: str | None) -> int | None:
    return _END_OF_TURN if finish in {"stop", "tool_calls"} else None


def _sglang_chunk(request: ChatRequest, delta: Json, finish: str | None) -> Json:
    choice = {
        "index": 0,
        "delta": delta,
        "logprobs": None,
        "finish_reason": finish,
        "matched_stop": _sglang_stop(finish),
    }
    return {**_sglang_head(request, "chat.completion.chunk"), "choices": [choice], "usage": None}


def _sglang_call_deltas(index: int, call: SandboxToolCall) -> Iterator[Json]:
    opening = {"id": call.id, "index": index, "type": "function", "function": call.function("")}
    yield _full_delta(tool_calls=[opening])
    for piece in pieces(call.arguments, call.piece_size):
        more = {"name": None, "arguments": piece}
        yield _full_delta(tool_calls=[{"id": None, "index": index, "type": "function", "function": more}])


def _sglang_usage(answer: SandboxAnswer) -> Json:
    shape = token_counts(answer)
    order = {key: shape[key] for key in ("prompt_tokens", "total_tokens", "completion_tokens")}
    return {**order, "prompt_tokens_details": None, "reasoning_tokens": answer.reasoning_tokens}


def _sglang_whole(request: ChatRequest, answer: SandboxAnswer) -> Json:
    message = {
        "role": "assistant",
        "content": answer.text or None,
        "reasoning_content": answer.reasoning or None,
        "tool_calls": answer.whole_calls or None,
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}
    return {
        **_sglang_head(request, "chat.completion"),
        "choices": [{**choice, "matched_stop": _sglang_stop(answer.finish)}],
        "usage": _sglang_usage(answer),
        "metadata": {"weight_version": "default"},
    }


_SGLANG_FORMAT = ChunkFormat(
    first_delta=_full_delta(role="assistant", content=""),
    reasoning_delta=lambda piece: _full_delta(reasoning_content=piece),
    answer_delta=lambda piece: _full_delta(content=piece),
    call_deltas=_sglang_call_deltas,
    last_delta=_full_delta(),
    head=_sglang_head,
    usage=_sglang_usage,
    encode_chunk=_sglang_chunk,
    encode_whole=_sglang_whole,
)


def _sglang_error_body(error: SandboxError, _ids: RequestIds) -> Json:
    """Flat, without `error`; a 401 like vLLM's."""
    if error.status == HTTPStatus.UNAUTHORIZED:
        return {"error": "Unauthorized"}
    fields = {"message": error.message, "type": error.type, "param": error.param, "code": error.status}
    return {"object": "error", **fields}


def _sglang_error(code: str, status: int, _chinese: bool) -> SandboxError:
    """The words for a prompt that is too long: `srt/managers/tokenizer_manager.py` of sglang 0.5.23 on PyPI."""
    if code in TOO_LONG:
        words = "The input (202753 tokens) is longer than the model's context length (202752 tokens)."
        return SandboxError(status, "", words, "BadRequest")
    words = reason_phrase(status)
    return SandboxError(status, "", words, words.title().replace(" ", ""))


def _sglang_broken_stream(_request: ChatRequest, _sent: int) -> tuple[bytes, ...]:
    error = {"object": "error", "message": "Internal server error", "type": "InternalServerError", "param": None}
    return (sse_event({"error": {**error, "code": 500}}), DONE)


def _is_bad_effort(request: ChatRequest) -> bool:
    """Efforts are words, `ultra` among them, or a number; true and false are neither."""
    effort = request.fields.get("reasoning_effort")
    if effort is None or (isinstance(effort, float | int) and not isinstance(effort, bool)):
        return False
    return effort not in (*rules.EFFORTS, "ultra")


# The model of a chat request is not compared.
_SGLANG_RULES: tuple[Rule, ...] = (
    (rules.no_messages, rules.bad_request("Messages cannot be empty.", kind="BadRequest")),
    (_is_bad_effort, rules.bad_request("Input should be one of the known efforts or a number", kind="BadRequest")),
)
_MODELS: Mapping[str, Json] = {"glm-5.1": {"root": "zai-org/GLM-5.1", "parent": None, "max_model_len": 202752}}

# What no source tells of SGLang is taken from vLLM.
SGLANG = replace(
    VLLM,
    name="sglang",
    prefix="/sglang/v1",
    stream=_SGLANG_FORMAT.stream,
    whole=_SGLANG_FORMAT.whole,
    error_body=_sglang_error_body,
    error=_sglang_error,
    broken_stream=_sglang_broken_stream,
    models=lambda _: model_list(_MODELS, "sglang"),
    rules=_SGLANG_RULES,
    malformed=lambda _: SandboxError(400, "400", "JSON decode error", "BadRequest"),
)
