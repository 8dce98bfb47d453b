"""DashScope's native grammar.

**Shape** of a frame: `id:N`, `event:result`, the comment `:HTTP_STATUS/200`, `data:{…}`; no space after a colon, no
blank line between frames, no `[DONE]`. The finish reason in flight is the text "null"; the usage so far is in every
frame. Text is cumulative unless `incremental_output` is true; without `result_format: message` it is `output.text`.

**Source**: github.com/cnblogs/dashscope-sdk@7afccbd, test/Cnblogs.DashScope.Tests.Shared/RawHttpData (2025-06, 2026-04;
replayed as `dashscope-thinking` and `dashscope-parallel-tools`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmcli.sandbox.answer import Answer, pieces
from glmcli.sandbox.frames import Json, compact, whole_call
from glmcli.sandbox.shape_modelstudio import call_fragments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.sandbox.question import Question


@dataclass(frozen=True)
class _Step:
    """What one frame adds."""

    reasoning: str = ""
    text: str = ""
    call: Json | None = None


def frame(number: int, event: str, status: int, value: Json) -> bytes:
    """One frame of the native grammar."""
    return f"id:{number}\nevent:{event}\n:HTTP_STATUS/{status}\ndata:".encode() + compact(value) + b"\n"


def stream(question: Question, answer: Answer) -> list[bytes]:
    """The frames of a streamed reply."""
    steps = list(_steps(question, answer))
    frames, reasoning, text = [], "", ""
    for number, step in enumerate(steps, 1):
        reasoning, text = reasoning + step.reasoning, text + step.text
        shown = step if question.fields.get("incremental_output") is True else _so_far(answer, step, reasoning, text)
        finish = answer.finish if number == len(steps) else "null"
        spent = answer.output if number == len(steps) else len(reasoning.split()) + len(text.split())
        counts = _usage(answer, spent, len(reasoning.split()))
        value = {"output": _output(question, shown, finish), "usage": counts, "request_id": question.ids.uuid}
        frames.append(frame(number, "result", 200, value))
    return frames


def whole(question: Question, answer: Answer) -> Json:
    """The body of a reply that is not streamed."""
    message: Json = {"content": answer.text}
    if question.thinks:
        message["reasoning_content"] = answer.reasoning
    if answer.calls:
        message["tool_calls"] = [whole_call(index, call) for index, call in enumerate(answer.calls)]
    message["role"] = "assistant"
    output: Json = {"choices": [{"finish_reason": answer.finish, "message": message}]}
    if question.fields.get("result_format") != "message":
        output = {"finish_reason": answer.finish, "text": answer.text}
    counts = _usage(answer, answer.output, answer.thought)
    return {"output": output, "usage": counts, "request_id": question.ids.uuid}


def _steps(question: Question, answer: Answer) -> Iterator[_Step]:
    """A call's last fragment carries the finish; text ends in an empty frame. An empty frame comes first."""
    yield _Step()
    for piece in pieces(answer.reasoning):
        yield _Step(reasoning=piece)
    for piece in pieces(answer.text):
        yield _Step(text=piece)
    for fragment in call_fragments(question, answer):
        yield _Step(call=fragment)
    if not answer.calls:
        yield _Step()


def _so_far(answer: Answer, step: _Step, reasoning: str, text: str) -> _Step:
    """A cumulative frame: everything up to here; of calls, the whole call to which the fragment belongs."""
    call = None if step.call is None else whole_call(step.call["index"], answer.calls[step.call["index"]])
    return _Step(reasoning, text, call)


def _output(question: Question, step: _Step, finish: str) -> Json:
    if question.fields.get("result_format") != "message":
        return {"finish_reason": finish, "text": step.text}
    message: Json = {"content": step.text}
    if question.thinks:
        message["reasoning_content"] = step.reasoning
    if step.call is not None:
        message["tool_calls"] = [step.call]
    message["role"] = "assistant"
    return {"choices": [{"message": message, "index": 0, "finish_reason": finish}]}


def _usage(answer: Answer, spent: int, thought: int) -> Json:
    """The counts so far; output includes reasoning."""
    return {
        "total_tokens": answer.prompt + spent,
        "output_tokens": spent,
        "input_tokens": answer.prompt,
        "output_tokens_details": {"reasoning_tokens": thought},
        "prompt_tokens_details": {"cached_tokens": 0},
    }
