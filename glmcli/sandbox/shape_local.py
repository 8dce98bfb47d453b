"""llama.cpp and Ollama.

**Shape**, llama.cpp run on 2026-11-21: the first delta has null content, a call opens with the arguments `{`, the last
chunk carries `timings`.

**Shape**, Ollama: thoughts in `reasoning`, every delta has the role and a content, a call comes whole in one chunk.
Source: github.com/ollama/ollama@fb30760, openai/openai.go and middleware/openai.go (2026-08).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.sandbox.answer import Answer, Call
from glmcli.sandbox.frames import Json, fragments, function, whole_call
from glmcli.sandbox.ids import CREATED
from glmcli.sandbox.shape_openai import Grammar, counts
from glmcli.sandbox.shape_tokenhub import message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.sandbox.question import Question

_BUILD = "b9120-4f1c8a2e"


def _llama_tail(question: Question, kind: str) -> Json:
    names = {"id": f"chatcmpl-{question.ids.hex}", "model": question.model, "system_fingerprint": _BUILD}
    return {"created": CREATED, **names, "object": kind}


def _llama_chunk(question: Question, delta: Json, finish: str | None) -> Json:
    choice = {"finish_reason": finish, "index": 0, "delta": delta}
    return {"choices": [choice], **_llama_tail(question, "chat.completion.chunk")}


def _llama_called(index: int, call: Call) -> Iterator[Json]:
    yield {"tool_calls": [{**whole_call(index, call), "function": function(call.name, call.arguments[:1])}]}
    for piece in fragments(Call(call.id, call.name, call.arguments[1:])):
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _llama_usage(answer: Answer) -> Json:
    return {
        "completion_tokens": answer.output,
        "prompt_tokens": answer.prompt,
        "total_tokens": answer.prompt + answer.output,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def _llama_timings(answer: Answer) -> Json:
    """Ten milliseconds a token, always."""
    rate = {"per_token_ms": 10.0, "per_second": 100.0}
    prompt = {f"prompt_{key}": value for key, value in rate.items()}
    predicted = {f"predicted_{key}": value for key, value in rate.items()}
    return {
        "cache_n": 0,
        "prompt_n": answer.prompt,
        "prompt_ms": answer.prompt * 10.0,
        **prompt,
        "predicted_n": answer.output,
        "predicted_ms": answer.output * 10.0,
        **predicted,
    }


def _llama_whole(question: Question, answer: Answer) -> Json:
    choice = {"finish_reason": answer.finish, "index": 0, "message": message(answer, "reasoning_content")}
    tail = _llama_tail(question, "chat.completion")
    named = {key: tail[key] for key in ("created", "model", "system_fingerprint", "object")}
    ends = {"usage": _llama_usage(answer), "id": tail["id"], "timings": _llama_timings(answer)}
    return {"choices": [choice], **named, **ends}


LLAMACPP = Grammar(
    opening=lambda _: {"role": "assistant", "content": None},
    thought=lambda piece: {"reasoning_content": piece},
    said=lambda piece: {"content": piece},
    called=_llama_called,
    closing={},
    chunk=_llama_chunk,
    counted=lambda question, answer: {
        "choices": [],
        **_llama_tail(question, "chat.completion.chunk"),
        "usage": _llama_usage(answer),
    },
    whole=_llama_whole,
    last=lambda answer: {"timings": _llama_timings(answer)},
)


def _ollama_head(question: Question, kind: str) -> Json:
    # Ollama draws one of 999 ids and may repeat it.
    names = {"id": f"chatcmpl-{question.ids.serial % 999}", "object": kind, "created": CREATED}
    return {**names, "model": question.model, "system_fingerprint": "fp_ollama"}


def _ollama_chunk(question: Question, delta: Json, finish: str | None) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**_ollama_head(question, "chat.completion.chunk"), "choices": [choice]}


def _ollama_called(index: int, call: Call) -> Iterator[Json]:
    yield {"role": "assistant", "content": "", "tool_calls": [_ollama_call(index, call)]}


def _ollama_call(index: int, call: Call) -> Json:
    named = function(call.name, call.arguments)
    return {"id": f"call_{call.id[-12:-8]}{call.id[-4:]}", "index": index, "type": "function", "function": named}


def _ollama_whole(question: Question, answer: Answer) -> Json:
    said: Json = {"role": "assistant", "content": answer.text}
    if answer.reasoning:
        said["reasoning"] = answer.reasoning
    if answer.calls:
        said["tool_calls"] = [_ollama_call(index, call) for index, call in enumerate(answer.calls)]
    choice = {"index": 0, "message": said, "finish_reason": answer.finish}
    return {**_ollama_head(question, "chat.completion"), "choices": [choice], "usage": counts(answer)}


OLLAMA = Grammar(
    opening=lambda _: {"role": "assistant", "content": ""},
    thought=lambda piece: {"role": "assistant", "content": "", "reasoning": piece},
    said=lambda piece: {"role": "assistant", "content": piece},
    called=_ollama_called,
    closing={"role": "assistant", "content": ""},
    chunk=_ollama_chunk,
    counted=lambda question, answer: {
        **_ollama_head(question, "chat.completion.chunk"),
        "choices": [],
        "usage": counts(answer),
    },
    whole=_ollama_whole,
)
