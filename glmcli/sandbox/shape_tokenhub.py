"""Tencent TokenHub, and the generic `openai` row.

**Shape**: TokenHub's arguments come in fragments even without `tool_stream`; the usage may hold null where others count
(`reasoning_tokens`) and always tells the cached tokens.

**Source**: tencentcloud.com/document/product/1300/80634 and cloud.tencent.com/document/product/1823/135872 (2026); the
usage object as seen by a client of hy3 on the same gateway. Where they are silent, OpenAI's own shape
(https://platform.openai.com/docs/api-reference/chat-streaming, 2026).
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


def _head(question: Question, kind: str) -> Json:
    return {"id": f"chatcmpl-{question.ids.uuid}", "object": kind, "created": CREATED, "model": question.model}


def _chunk(question: Question, delta: Json, finish: str | None) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**_head(question, "chat.completion.chunk"), "choices": [choice]}


def called(index: int, call: Call) -> Iterator[Json]:
    """Id, type and name first with empty arguments, then fragments that carry the index only."""
    yield {"tool_calls": [{**whole_call(index, call), "function": function(call.name, "")}]}
    for piece in fragments(call):
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def message(answer: Answer, reasoning: str | None) -> Json:
    """The message of a whole reply; `reasoning` names the field of the thoughts."""
    found: dict[str, Any] = {"role": "assistant"}
    if reasoning and answer.reasoning:
        found[reasoning] = answer.reasoning
    found["content"] = answer.text
    if answer.calls:
        found["tool_calls"] = [whole_call(index, call) for index, call in enumerate(answer.calls)]
    return found


def _tokenhub_usage(answer: Answer) -> Json:
    return {
        **counts(answer),
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": None},
        "prompt_cache_hit_tokens": 0,
    }


def _tokenhub_whole(question: Question, answer: Answer) -> Json:
    choice = {"index": 0, "message": message(answer, "reasoning_content"), "finish_reason": answer.finish}
    return {**_head(question, "chat.completion"), "choices": [choice], "usage": _tokenhub_usage(answer)}


TOKENHUB = Grammar(
    opening=lambda _: {"role": "assistant", "content": ""},
    thought=lambda piece: {"role": "assistant", "reasoning_content": piece},
    said=lambda piece: {"role": "assistant", "content": piece},
    called=called,
    closing={"role": "assistant", "content": ""},
    chunk=_chunk,
    counted=lambda question, answer: {
        **_head(question, "chat.completion.chunk"),
        "choices": [],
        "usage": _tokenhub_usage(answer),
    },
    whole=_tokenhub_whole,
)


def _openai_usage(answer: Answer) -> Json:
    return {
        **counts(answer),
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": answer.thought,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _openai_chunk(question: Question, delta: Json, finish: str | None) -> Json:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    ends = {"service_tier": "default", "system_fingerprint": None, "choices": [choice]}
    return {**_head(question, "chat.completion.chunk"), **ends, **({"usage": None} if question.include_usage else {})}


def _openai_whole(question: Question, answer: Answer) -> Json:
    said = {**message(answer, None), "refusal": None, "annotations": []}
    if answer.calls:
        said["content"] = None
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": answer.finish}
    ends = {"service_tier": "default", "system_fingerprint": None}
    return {**_head(question, "chat.completion"), "choices": [choice], "usage": _openai_usage(answer), **ends}


OPENAI = Grammar(
    opening=lambda _: {"role": "assistant", "content": "", "refusal": None},
    thought=lambda piece: {"reasoning_content": piece},
    said=lambda piece: {"content": piece},
    called=called,
    closing={},
    chunk=_openai_chunk,
    counted=lambda question, answer: {
        **_openai_chunk(question, {}, None),
        "choices": [],
        "usage": _openai_usage(answer),
    },
    whole=_openai_whole,
)
