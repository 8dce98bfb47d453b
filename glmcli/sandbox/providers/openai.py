"""OpenAI, and the format of streams that it shares with TokenHub and the self-hosted servers.

**Shape** of a stream: an opening chunk with the role, deltas, a chunk with `finish_reason`, a chunk without choices
that holds the usage if it was asked for, `[DONE]`.

**Source**: https://platform.openai.com/docs/api-reference/chat-streaming, for errors
https://platform.openai.com/docs/guides/error-codes, for batches https://platform.openai.com/docs/api-reference/batch
(all 2026).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from glmcli.sandbox.answer import SandboxAnswer, SandboxToolCall, TokenLimit, pieces
from glmcli.sandbox.chat_request import CREATED, ChatRequest
from glmcli.sandbox.http_messages import DONE, Json, reason_phrase, sse_event
from glmcli.sandbox.providers import rules
from glmcli.sandbox.providers.row import SandboxBatchApi, SandboxError, SandboxProvider, model_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmcli.sandbox.chat_request import RequestIds
    from glmcli.sandbox.providers.row import Rule


def call_deltas(index: int, call: SandboxToolCall) -> Iterator[Json]:
    """Id, type and name first with empty arguments, then fragments that carry the index only."""
    yield {"tool_calls": [{**call.whole(index), "function": call.function("")}]}
    for piece in pieces(call.arguments):
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


@dataclass(frozen=True)
class ChunkFormat:
    """What one server writes its own way.

    Attributes:
        first_delta: the delta with the role.
        reasoning_delta, answer_delta, call_deltas: of a piece of reasoning, of the answer, of a tool call.
        last_delta: beside the finish reason.
        chunk: a choice's delta and finish reason (None in flight) as a chunk.
        usage_chunk: the chunk with the usage.
        whole: the body of a reply that is not streamed.
        finish_reason: the one that it gives.
        last_fields: of the last chunk before `[DONE]`.
    """

    first_delta: Json
    chunk: Callable[[ChatRequest, Json, str | None], Json]
    usage_chunk: Callable[[ChatRequest, SandboxAnswer], Json]
    whole: Callable[[ChatRequest, SandboxAnswer], Json]
    reasoning_delta: Callable[[str], Json] = lambda piece: {"reasoning_content": piece}
    answer_delta: Callable[[str], Json] = lambda piece: {"content": piece}
    call_deltas: Callable[[int, SandboxToolCall], Iterator[Json]] = call_deltas
    last_delta: Json = field(default_factory=dict)
    finish_reason: Callable[[ChatRequest, SandboxAnswer], str] = lambda _, answer: answer.finish
    last_fields: Callable[[SandboxAnswer], Json] = lambda _: {}

    def stream(self, request: ChatRequest, answer: SandboxAnswer) -> list[bytes]:
        """The frames of a streamed reply."""
        chunks = [self.chunk(request, delta, None) for delta in self._deltas(answer)]
        chunks.append(self.chunk(request, self.last_delta, self.finish_reason(request, answer)))
        if request.include_usage:
            chunks.append(self.usage_chunk(request, answer))
        chunks[-1] = {**chunks[-1], **self.last_fields(answer)}
        return [*(sse_event(chunk) for chunk in chunks), DONE]

    def _deltas(self, answer: SandboxAnswer) -> Iterator[Json]:
        yield self.first_delta
        for piece in pieces(answer.reasoning):
            yield self.reasoning_delta(piece)
        for piece in pieces(answer.text):
            yield self.answer_delta(piece)
        for index, call in enumerate(answer.calls):
            yield from self.call_deltas(index, call)


def head(request: ChatRequest, kind: str) -> Json:
    """The first fields of a chunk, or of a whole reply."""
    return {"id": f"chatcmpl-{request.ids.uuid}", "object": kind, "created": CREATED, "model": request.model}


def token_counts(answer: SandboxAnswer) -> Json:
    """The three counts that all of them have; output includes reasoning."""
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.prompt_tokens + answer.output_tokens,
    }


def message(answer: SandboxAnswer, reasoning_field: str | None) -> Json:
    """The message of a whole reply."""
    found: Json = {"role": "assistant"}
    if reasoning_field and answer.reasoning:
        found[reasoning_field] = answer.reasoning
    found["content"] = answer.text
    if answer.calls:
        found["tool_calls"] = answer.whole_calls
    return found


# Both fields end the output of OpenAI and of most servers, and both count reasoning.
TOKEN_LIMITS: tuple[TokenLimit, ...] = (("max_tokens", "all"), ("max_completion_tokens", "all"))


def _usage(answer: SandboxAnswer) -> Json:
    details = {"audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    return {
        **token_counts(answer),
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens, **details},
    }


def _chunk(request: ChatRequest, delta: Json, finish: str | None) -> Json:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    ends = {"service_tier": "default", "system_fingerprint": None, "choices": [choice]}
    return {**head(request, "chat.completion.chunk"), **ends, **({"usage": None} if request.include_usage else {})}


def _whole(request: ChatRequest, answer: SandboxAnswer) -> Json:
    content = {**message(answer, None), "refusal": None, "annotations": []}
    if answer.calls:
        content["content"] = None
    choice = {"index": 0, "message": content, "logprobs": None, "finish_reason": answer.finish}
    ends = {"service_tier": "default", "system_fingerprint": None}
    return {**head(request, "chat.completion"), "choices": [choice], "usage": _usage(answer), **ends}


_FORMAT = ChunkFormat(
    first_delta={"role": "assistant", "content": "", "refusal": None},
    chunk=_chunk,
    usage_chunk=lambda request, answer: {**_chunk(request, {}, None), "choices": [], "usage": _usage(answer)},
    whole=_whole,
)


def _error_body(error: SandboxError, _ids: RequestIds) -> Json:
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}


def _error(_code: str, status: int, _chinese: bool) -> SandboxError:
    if status == 429:  # noqa: PLR2004 - the status
        return SandboxError(status, "rate_limit_exceeded", "Rate limit reached for requests.", "requests")
    kind = "server_error" if status >= 500 else "invalid_request_error"  # noqa: PLR2004 - the class of the status
    return SandboxError(status, kind, reason_phrase(status), kind)


def _unknown(request: ChatRequest) -> SandboxError:
    words = f"The model `{request.model}` does not exist or you do not have access to it."
    return SandboxError(404, "model_not_found", words)


_RULES: tuple[Rule, ...] = (
    (rules.unknown_model, _unknown),
    (rules.no_messages, rules.bad_request("[] is too short - 'messages'", "invalid_request_error", "messages")),
    (
        rules.outside("temperature", 0, 2),
        rules.bad_request("Invalid 'temperature'.", "invalid_request_error", "temperature"),
    ),
    (rules.outside("top_p", 0, 1), rules.bad_request("Invalid 'top_p'.", "invalid_request_error", "top_p")),
)

OPENAI = SandboxProvider(
    name="openai",
    prefix="/openai/v1",
    stream=_FORMAT.stream,
    whole=_FORMAT.whole,
    bad_key=SandboxError(401, "invalid_api_key", "Incorrect API key provided: bad-key."),
    error_body=_error_body,
    error=_error,
    # The error is a text, as transformers serve 5.19 writes it.
    broken_stream=lambda _request, _sent: (b'data: {"error": "CUDA out of memory"}\n\n',),
    models=lambda _: model_list({"glm-5": {}}, "system"),
    rules=_RULES,
    malformed=lambda _: SandboxError(400, "", "We could not parse the JSON body of your request."),
    thinking_on=lambda _: False,  # a server of which nothing is known
    token_limits=TOKEN_LIMITS,
    needs_key=True,
    stream_type="text/event-stream; charset=utf-8",
    batch_api=SandboxBatchApi(),
)
