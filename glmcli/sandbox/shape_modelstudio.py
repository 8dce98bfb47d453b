"""Alibaba Cloud Model Studio, the OpenAI-compatible address.

**Shape** of a stream: the order of a choice's keys changes from chunk to chunk; the role comes once; `content` is null
while it thinks and `reasoning_content` is null while it answers; `usage` is null in every chunk, and the counts come in
a chunk without choices only if they were asked for. A call ends in a fragment whose `arguments` are null, in a choice
without `finish_reason`, and the finish rides on an empty delta.

**Source**: streams of the same gateway recorded 2025-09 and 2025-11 (replayed as `modelstudio-thinking` and
`modelstudio-tool-tail`), whole reply: the "Fast mode" page of help.aliyun.com/zh/model-studio (2026).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.sandbox.answer import Answer, pieces
from glmcli.sandbox.frames import DONE, Json, data, whole_call
from glmcli.sandbox.ids import CREATED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.sandbox.question import Question


def stream(question: Question, answer: Answer) -> list[bytes]:
    """The frames of a streamed reply."""
    frames = [data(_chunk(question, [choice])) for choice in _choices(question, answer)]
    if question.include_usage:
        frames.append(data(_chunk(question, [], usage(answer))))
    return [*frames, DONE]


def whole(question: Question, answer: Answer) -> Json:
    """The body of a reply that is not streamed."""
    message: Json = {"role": "assistant"}
    if question.thinks:
        message["reasoning_content"] = answer.reasoning
    message["content"] = answer.text
    if answer.calls:
        message["tool_calls"] = [whole_call(index, call) for index, call in enumerate(answer.calls)]
    return {
        "id": f"chatcmpl-{question.ids.uuid}",
        "object": "chat.completion",
        "model": question.model,
        "choices": [{"index": 0, "message": message, "finish_reason": answer.finish}],
        "created": CREATED,
        "system_fingerprint": None,
        "usage": usage(answer),
    }


def usage(answer: Answer) -> Json:
    """The counts; output includes reasoning."""
    return {
        "prompt_tokens": answer.prompt,
        "completion_tokens": answer.output,
        "total_tokens": answer.prompt + answer.output,
        "completion_tokens_details": {"reasoning_tokens": answer.thought},
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def call_fragments(question: Question, answer: Answer) -> Iterator[Json]:
    """The pieces of all calls: whole, or with `tool_stream` in fragments that have an empty id and no name.

    Source: alibabacloud.com/help/en/model-studio/glm (2026-03-15), "Streaming tool calling".
    """
    for index, call in enumerate(answer.calls):
        opening = whole_call(index, call)
        if question.fields.get("tool_stream") is not True:
            yield opening
            continue
        yield {**opening, "function": {"name": call.name, "arguments": ""}}
        for piece in pieces(call.arguments):
            yield {"index": index, "id": "", "type": "function", "function": {"arguments": piece}}


def _chunk(question: Question, choices: list[Json], counts: Json | None = None) -> Json:
    return {
        "choices": choices,
        "object": "chat.completion.chunk",
        "usage": counts,
        "created": CREATED,
        "system_fingerprint": None,
        "model": question.model,
        "id": f"chatcmpl-{question.ids.uuid}",
    }


def _choices(question: Question, answer: Answer) -> Iterator[Json]:
    thinks = question.thinks
    opening = {"content": None, "role": "assistant", "reasoning_content": ""}
    yield {
        "delta": opening if thinks else {"content": "", "role": "assistant"},
        "index": 0,
        "logprobs": None,
        "finish_reason": None,
    }
    for piece in pieces(answer.reasoning):
        delta: Json = {"content": None, "reasoning_content": piece}
        yield {"finish_reason": None, "logprobs": None, "delta": delta, "index": 0}
    silent = {"reasoning_content": None} if thinks else {}
    for piece in pieces(answer.text):
        yield {"delta": {"content": piece, **silent}, "finish_reason": None, "index": 0, "logprobs": None}
    yield from _call_choices(question, answer)
    last = {} if answer.calls else {"content": "", **silent}
    yield {"finish_reason": answer.finish, "delta": last, "index": 0, "logprobs": None}


def _call_choices(question: Question, answer: Answer) -> Iterator[Json]:
    for fragment in call_fragments(question, answer):
        delta = {"content": None, "tool_calls": [fragment]}
        yield {"delta": delta, "finish_reason": None, "index": 0, "logprobs": None}
    if answer.calls:
        tail = {"function": {"arguments": None}, "index": len(answer.calls) - 1, "id": "", "type": "function"}
        yield {"delta": {"tool_calls": [tail]}, "index": 0}
