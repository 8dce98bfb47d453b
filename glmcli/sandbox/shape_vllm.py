"""vLLM and SGLang.

**Shape**, vLLM 0.32 run on 2026-11-21: thoughts in `reasoning`, the opening chunk differs from the others, a call opens
without an `arguments` key, and a call that `tool_choice` names by function finishes with `stop`.

**Shape**, SGLang: every delta holds every key, null where nothing came; thoughts in `reasoning_content`. Source:
https://github.com/sgl-project/sglang/pull/9657 (2025-08) and sglang 0.5.23 on PyPI, `srt/entrypoints/openai`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.sandbox.frames import Json, fragments, function, whole_call
from glmcli.sandbox.ids import CREATED
from glmcli.sandbox.shape_openai import Grammar, counts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.sandbox.answer import Answer, Call
    from glmcli.sandbox.question import Question

_FINGERPRINT = "vllm-0.32.0-c6486161"
_END_OF_TURN = 151336  # GLM's <|user|>: the token at which SGLang and vLLM stop


def _vllm_head(question: Question, kind: str) -> Json:
    return {"id": f"chatcmpl-{question.ids.hex}", "object": kind, "created": CREATED, "model": question.model}


def _vllm_chunk(question: Question, delta: Json, finish: str | None) -> Json:
    head = _vllm_head(question, "chat.completion.chunk")
    choice: dict[str, Any] = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    if "role" in delta:
        return {**head, "choices": [choice], "prompt_token_ids": None, "prompt_text": None}
    if finish is not None:
        choice["stop_reason"] = _END_OF_TURN if finish == "stop" else None
    return {**head, "choices": [{**choice, "token_ids": None}]}


def _vllm_called(index: int, call: Call) -> Iterator[Json]:
    name = call.id.replace("call_", "chatcmpl-tool-")
    yield {"tool_calls": [{"id": name, "type": "function", "index": index, "function": {"name": call.name}}]}
    for piece in fragments(call):
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _vllm_usage(answer: Answer) -> Json:
    return {
        "prompt_tokens": answer.prompt,
        "total_tokens": answer.prompt + answer.output,
        "completion_tokens": answer.output,
        "prompt_tokens_details": {"cached_tokens": 0, "created_cache_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": answer.thought},
    }


def _vllm_finish(question: Question, answer: Answer) -> str:
    named = isinstance(question.fields.get("tool_choice"), dict)
    return "stop" if named and answer.finish == "tool_calls" else answer.finish


def _vllm_whole(question: Question, answer: Answer) -> Json:
    message = {
        "role": "assistant",
        "content": answer.text or None,  # null when the cut came inside the thoughts
        "refusal": None,
        "annotations": None,
        "audio": None,
        "function_call": None,
        "tool_calls": [_vllm_call(call) for call in answer.calls],
        "reasoning": answer.reasoning or None,
    }
    finish = _vllm_finish(question, answer)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish, "stop_reason": None}
    return {
        **_vllm_head(question, "chat.completion"),
        "choices": [{**choice, "token_ids": None}],
        "service_tier": None,
        "system_fingerprint": _FINGERPRINT,
        "usage": _vllm_usage(answer),
        "prompt_logprobs": None,
        "prompt_token_ids": None,
    }


def _vllm_call(call: Call) -> Json:
    name = call.id.replace("call_", "chatcmpl-tool-")
    return {"id": name, "type": "function", "function": function(call.name, call.arguments)}


VLLM = Grammar(
    opening=lambda _: {"role": "assistant", "content": ""},
    thought=lambda piece: {"reasoning": piece},
    said=lambda piece: {"content": piece},
    called=_vllm_called,
    closing={},
    chunk=_vllm_chunk,
    counted=lambda question, answer: {
        **_vllm_head(question, "chat.completion.chunk"),
        "choices": [],
        "usage": _vllm_usage(answer),
        "system_fingerprint": _FINGERPRINT,
    },
    whole=_vllm_whole,
    finish=_vllm_finish,
)


def _full(**filled: object) -> Json:
    """A delta of SGLang: all keys, null but for those that are given."""
    return {"role": None, "content": None, "reasoning_content": None, "tool_calls": None, **filled}


def _sglang_head(question: Question, kind: str) -> Json:
    return {"id": question.ids.hex, "object": kind, "created": CREATED, "model": question.model}


def _sglang_stop(finish: str | None) -> int | None:
    return _END_OF_TURN if finish in {"stop", "tool_calls"} else None


def _sglang_chunk(question: Question, delta: Json, finish: str | None) -> Json:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    choices = [{**choice, "matched_stop": _sglang_stop(finish)}]
    return {**_sglang_head(question, "chat.completion.chunk"), "choices": choices, "usage": None}


def _sglang_called(index: int, call: Call) -> Iterator[Json]:
    opening = {"id": call.id, "index": index, "type": "function", "function": function(call.name, "")}
    yield _full(tool_calls=[opening])
    for piece in fragments(call):
        more = {"name": None, "arguments": piece}
        yield _full(tool_calls=[{"id": None, "index": index, "type": "function", "function": more}])


def _sglang_usage(answer: Answer) -> Json:
    shape = counts(answer)
    order = {key: shape[key] for key in ("prompt_tokens", "total_tokens", "completion_tokens")}
    return {**order, "prompt_tokens_details": None, "reasoning_tokens": answer.thought}


def _sglang_whole(question: Question, answer: Answer) -> Json:
    calls = [whole_call(index, call) for index, call in enumerate(answer.calls)]
    message = {
        "role": "assistant",
        "content": answer.text or None,
        "reasoning_content": answer.reasoning or None,
        "tool_calls": calls or None,
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}
    return {
        **_sglang_head(question, "chat.completion"),
        "choices": [{**choice, "matched_stop": _sglang_stop(answer.finish)}],
        "usage": _sglang_usage(answer),
        "metadata": {"weight_version": "default"},
    }


SGLANG = Grammar(
    opening=lambda _: _full(role="assistant", content=""),
    thought=lambda piece: _full(reasoning_content=piece),
    said=lambda piece: _full(content=piece),
    called=_sglang_called,
    closing=_full(),
    chunk=_sglang_chunk,
    counted=lambda question, answer: {
        **_sglang_head(question, "chat.completion.chunk"),
        "choices": [],
        "usage": _sglang_usage(answer),
    },
    whole=_sglang_whole,
)
