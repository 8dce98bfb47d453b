"""BigModel, Z.ai, and the sandbox's own provider.

**Shape** of a stream: every delta repeats the role; no `finish_reason` key before the last chunk, which puts it before
`delta` and carries the usage; the reasoning and the answer begin with a newline of their own.

**Source**: a text stream of glm-4.6 recorded 2025-11-15 and a tool call of glm-5.3-flash recorded 2026-09-24 (replayed
as `bigmodel-text` and `bigmodel-tool-call`); https://docs.z.ai/openapi.json for a whole reply; for `tool_stream`
https://docs.bigmodel.cn/cn/guide/capabilities/stream-tool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.sandbox.answer import Answer, Call, pieces
from glmcli.sandbox.frames import DONE, Json, data, fragments, function
from glmcli.sandbox.ids import CREATED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.sandbox.question import Question


def stream(question: Question, answer: Answer) -> list[bytes]:
    """The frames of a streamed reply."""
    choices: list[Json] = [{"index": 0, "delta": delta} for delta in _deltas(question, answer)]
    last = {"index": 0, "finish_reason": answer.finish, "delta": {"role": "assistant", "content": ""}}
    end = {**_chunk(question, last), "usage": usage(question, answer)}
    return [*(data(_chunk(question, choice)) for choice in choices), data(end), DONE]


def whole(question: Question, answer: Answer) -> Json:
    """The body of a reply that is not streamed."""
    message: Json = {"role": "assistant", "content": f"\n{answer.text}" if answer.text else ""}
    if answer.reasoning:
        message["reasoning_content"] = f"\n{answer.reasoning}"
    if answer.calls:
        message["tool_calls"] = [_call(index, call) for index, call in enumerate(answer.calls)]
    return {
        "id": question.ids.log,
        "request_id": question.ids.log,
        "created": CREATED,
        "model": question.model,
        "object": "chat.completion",
        "choices": [{"index": 0, "finish_reason": answer.finish, "message": message}],
        "usage": usage(question, answer),
    }


def usage(question: Question, answer: Answer) -> Json:
    """The counts; output includes reasoning, and only the sandbox's own provider says how much it was.

    The details are in the types of zai-sdk 0.2.3 on PyPI and in no recorded reply of BigModel or Z.ai.
    """
    counts: Json = {
        "prompt_tokens": answer.prompt,
        "completion_tokens": answer.output,
        "total_tokens": answer.prompt + answer.output,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    if question.provider == "sandbox":
        counts["completion_tokens_details"] = {"reasoning_tokens": answer.thought}
    return counts


def _chunk(question: Question, choice: Json) -> Json:
    return {
        "id": question.ids.log,
        "created": CREATED,
        "object": "chat.completion.chunk",
        "model": question.model,
        "choices": [choice],
    }


def _deltas(question: Question, answer: Answer) -> Iterator[Json]:
    role = {"role": "assistant"}
    if answer.reasoning:
        yield {**role, "content": "", "reasoning_content": "\n"}
    for piece in pieces(answer.reasoning):
        yield {**role, "reasoning_content": piece}
    if answer.text:
        yield {**role, "content": "\n"}
    for piece in pieces(answer.text):
        yield {**role, "content": piece}
    for index, call in enumerate(answer.calls):
        yield from _call_deltas(index, call, streamed=question.fields.get("tool_stream") is True)


def _call_deltas(index: int, call: Call, *, streamed: bool) -> Iterator[Json]:
    """The whole call in one delta; with `tool_stream` its arguments in fragments that carry the index only."""
    if not streamed:
        yield {"tool_calls": [_call(index, call)]}
        return
    opening = {"id": call.id, "index": index, "type": "function", "function": function(call.name, "")}
    yield {"role": "assistant", "tool_calls": [opening]}
    for piece in fragments(call):
        yield {"role": "assistant", "tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _call(index: int, call: Call) -> Json:
    return {"id": call.id, "index": index, "type": "function", "function": function(call.name, call.arguments)}
