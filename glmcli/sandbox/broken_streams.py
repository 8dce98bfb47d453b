"""How each provider breaks off a stream that began well, under status 200."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from glmcli.sandbox.codes import alibaba
from glmcli.sandbox.failures import Failure, dashscope
from glmcli.sandbox.frames import DONE, Json, compact, data
from glmcli.sandbox.ids import CREATED
from glmcli.sandbox.question import Question
from glmcli.sandbox.shape_dashscope import frame

Tail = Callable[[Question, int], tuple[bytes, ...]]


def broken_off(question: Question, sent: int) -> tuple[bytes, ...]:
    """The frames that end a stream after `sent` good ones."""
    return _TAILS[question.provider](question, sent)


def filtered_off(question: Question, sent: int) -> tuple[bytes, ...]:
    """The frames in which Alibaba's moderation of the output ends a stream."""
    native = question.provider == "dashscope"
    failure = alibaba("DataInspectionFailed", native=native)
    if native:
        return (frame(sent + 1, "error", failure.status, dashscope(failure, question.ids)),)
    named = {"message": failure.message, "type": failure.type, "param": None, "code": failure.code}
    return (data({"error": named, "id": f"chatcmpl-{question.ids.uuid}", "request_id": question.ids.uuid}),)


def _bigmodel(_question: Question, _sent: int) -> tuple[bytes, ...]:
    """A bare line of JSON, then the end: met on glm-5.1's coding address in 2026 by the author of a proxy."""
    return (compact({"error": {"code": "500", "message": "内部错误"}}) + b"\n",)


def _zai(question: Question, _sent: int) -> tuple[bytes, ...]:
    """An error in a frame: what `_streaming.py` of zai-sdk 0.2.3 on PyPI looks for; the words are ours."""
    words = f"Network error, error id: {question.ids.log}, please contact customer service"
    return (data({"error": {"code": "1234", "message": words}}),)


def _modelstudio(question: Question, _sent: int) -> tuple[bytes, ...]:
    """A native error as a frame of its own: glm-5.2, https://github.com/anomalyco/opencode/issues/32623.

    That [DONE] follows is a guess.
    """
    words = "Streaming error: 'str' object has no attribute 'get'"
    return (data({"request_id": question.ids.uuid, "code": "InternalError", "message": words}), DONE)


def _dashscope(question: Question, sent: int) -> tuple[bytes, ...]:
    """Source: QwenLM/qwen-code, `packages/core/src/utils/rateLimit.test.ts` (2026)."""
    words = "Allocated quota exceeded, please increase your quota limit."
    value = {"request_id": question.ids.uuid, "code": "Throttling.AllocationQuota", "message": words}
    return (frame(sent + 1, "error", 429, value),)


def _tokenhub(question: Question, _sent: int) -> tuple[bytes, ...]:
    """An error beside a finish of that name: the shape of a body met on its image route, not seen here yet."""
    error = {"type": "upstream_error", "code": "502001", "message": "The upstream model service failed."}
    head: Json = {"id": f"chatcmpl-{question.ids.uuid}", "object": "chat.completion.chunk", "created": CREATED}
    choice = {"index": 0, "delta": {}, "finish_reason": "error"}
    return (data({**head, "model": question.model, "choices": [choice], "error": error}),)


def _vllm(_question: Question, _sent: int) -> tuple[bytes, ...]:
    """With spaces, then [DONE] all the same: vLLM 0.32 whose engine was killed, 2026-11-21."""
    words = "EngineCore encountered an issue. See stack trace (above) for the root cause."
    error = {"message": words, "type": "InternalServerError", "param": None, "code": 500}
    return (b"data: " + json.dumps({"error": error}).encode() + b"\n\n", DONE)


def _sglang(_question: Question, _sent: int) -> tuple[bytes, ...]:
    """Source: sglang 0.5.23 on PyPI, `srt/entrypoints/openai`."""
    failure = Failure(500, "500", "Internal server error", "InternalServerError")
    error = {"object": "error", "message": failure.message, "type": failure.type, "param": None, "code": 500}
    return (data({"error": error}), DONE)


def _llamacpp(_question: Question, _sent: int) -> tuple[bytes, ...]:
    """No [DONE] follows. Source: llama.cpp's `tools/server` (2026-11)."""
    return (data({"error": {"code": 500, "message": "Compute error.", "type": "server_error"}}),)


def _ollama(question: Question, _sent: int) -> tuple[bytes, ...]:
    """The error is swallowed: an empty delta and the end. Read in github.com/ollama/ollama@fb30760."""
    head: Json = {"id": f"chatcmpl-{question.ids.serial % 999}", "object": "chat.completion.chunk", "created": CREATED}
    choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    return (data({**head, "model": question.model, "system_fingerprint": "fp_ollama", "choices": [choice]}),)


def _openai(_question: Question, _sent: int) -> tuple[bytes, ...]:
    """The error is a text, as transformers serve 5.19 writes it."""
    return (b'data: {"error": "CUDA out of memory"}\n\n',)


_TAILS: Mapping[str, Tail] = {
    "bigmodel": _bigmodel,
    "zai": _zai,
    "sandbox": _zai,
    "modelstudio": _modelstudio,
    "dashscope": _dashscope,
    "tokenhub": _tokenhub,
    "vllm": _vllm,
    "sglang": _sglang,
    "llamacpp": _llamacpp,
    "ollama": _ollama,
    "openai": _openai,
}
