"""OpenAI, and the format of streams that it shares with TokenHub and the self-hosted servers.

**Shape** of a stream: an opening chunk with the role, deltas, a chunk with `finish_reason`, a chunk without choices
that holds the usage if it was asked for, `[DONE]`.

**Source**: https://platform.openai.com/docs/api-reference/chat-streaming, for errors
https://platform.openai.com/docs/guides/error-codes, for batches https://platform.openai.com/docs/api-reference/batch
(all 2026).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from glmcli.sandbox.answer import SandboxAnswer, SandboxToolCall, TokenLimit, pieces
from glmcli.sandbox.chat_request import CREATED, ChatRequest
from glmcli.sandbox.http_messages import DONE, Json, reason_phrase, sse_event
from glmcli.sandbox.providers import rules
from glmcli.sandbox.providers.row import SandboxBatchApi, SandboxError, SandboxProvider, model_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.sandbox.chat_request import RequestIds
    from glmcli.sandbox.providers.row import Rule


def head(request: ChatRequest, kind: str) -> Json:
    """The first fields of a chunk, or of a whole reply."""
    return {"id": f"chatcmpl-{request.ids.uuid}", "object": kind, "created": CREATED, "model": request.model}


def call_deltas(index: int, call: SandboxToolCall) -> Iterator[Json]:
    """Id, type and name first with empty arguments, then fragments that carry the index only."""
    yield {"tool_calls": [{**call.whole(index), "function": call.function("")}]}
    for piece in pieces(call.arguments, call.piece_size):
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def message(answer: SandboxAnswer) -> Json:
    """The message of a whole reply."""
    found: Json = {"role": "assistant"}
    if answer.reasoning:
        found["reasoning_content"] = answer.reasoning
    found["content"] = answer.text
    if answer.calls:
        found["tool_calls"] = answer.whole_calls
    return found


def token_counts(answer: SandboxAnswer) -> Json:
    """The three counts that all servers report; output includes reasoning."""
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.prompt_tokens + answer.output_tokens,
    }


@dataclass(frozen=True)
class ChunkFormat:
    """How one server writes replies, where it differs from the plain form of the defaults.

    Attributes:
        first_delta: the delta with the role.
        reasoning_delta, answer_delta, call_deltas: the deltas of a piece of reasoning, of the answer, of a tool call.
        last_delta: the delta beside the finish reason.
        head, message, usage: parts of chunks and whole replies.
        finish_reason: the reason that the last delta gives.
        encode_chunk: a chunk from a delta and a finish reason; None for the plain form.
        encode_usage: the chunk with the usage; None for the plain form.
        encode_whole: the body of a reply that is not streamed; None for the plain form.
        last_fields: further fields of the last chunk before `[DONE]`.
    """

    first_delta: Json
    reasoning_delta: Callable[[str], Json] = lambda piece: {"reasoning_content": piece}
    answer_delta: Callable[[str], Json] = lambda piece: {"content": piece}
    call_deltas: Callable[[int, SandboxToolCall], Iterator[Json]] = call_deltas
    last_delta: Json = field(default_factory=dict)
    head: Callable[[ChatRequest, str], Json] = head
    message: Callable[[SandboxAnswer], Json] = message
    usage: Callable[[SandboxAnswer], Json] = token_counts
    finish_reason: Callable[[ChatRequest, SandboxAnswer], str] = lambda _, answer: answer.finish
    encode_chunk: Callable[[ChatRequest, Json, str | None], Json] | None = None
    encode_usage: Callable[[ChatRequest, SandboxAnswer], Json] | None = None
    encode_whole: Callable[[ChatRequest, SandboxAnswer], Json] | None = None
    last_fields: Callable[[SandboxAnswer], Json] = lambda _: {}

    def stream(self, request: ChatRequest, answer: SandboxAnswer) -> list[bytes]:
        """The frames of a streamed reply."""
        chunks = [self.chunk(request, delta, None) for delta in self._deltas(answer)]
        chunks.append(self.chunk(request, self.last_delta, self.finish_reason(request, answer)))
        if request.include_usage:
            chunks.append(self._usage_chunk(request, answer))
        chunks[-1] = {**chunks[-1], **self.last_fields(answer)}
        return [*(sse_event(chunk) for chunk in chunks), DONE]

    def whole(self, request: ChatRequest, answer: SandboxAnswer) -> Json:
        """The body of a reply that is not streamed."""
        if self.encode_whole:
            return self.encode_whole(request, answer)
        choice = {"index": 0, "message": self.message(answer), "finish_reason": answer.finish}
        return {**self.head(request, "chat.completion"), "choices": [choice], "usage": self.usage(answer)}

    def chunk(self, request: ChatRequest, delta: Json, finish: str | None) -> Json:
        """One chunk with a choice; `finish` is None before the last."""
        if self.encode_chunk:
            return self.encode_chunk(request, delta, finish)
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**self.head(request, "chat.completion.chunk"), "choices": [choice]}

    def _usage_chunk(self, request: ChatRequest, answer: SandboxAnswer) -> Json:
        if self.encode_usage:
            return self.encode_usage(request, answer)
        return {**self.head(request, "chat.completion.chunk"), "choices": [], "usage": self.usage(answer)}

    def _deltas(self, answer: SandboxAnswer) -> Iterator[Json]:
        yield self.first_delta
        for piece in pieces(answer.reasoning, answer.piece_size):
            yield self.reasoning_delta(piece)
        for piece in pieces(answer.text, answer.piece_size):
            yield self.answer_delta(piece)
        for index, call in enumerate(answer.calls):
            yield from self.call_deltas(index, call)


# Both fields end the output of OpenAI and of most servers, and both count reasoning.
TOKEN_LIMITS: tuple[TokenLimit, ...] = (("max_tokens", "all"), ("max_completion_tokens", "all"))


def _usage(answer: SandboxAnswer) -> Json:
    details = {"audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    return {
        **token_counts(answer),
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens, **details},
    }


def _chunk(request: ChatRequest, delta: Json, finish: str | None) -> Json:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    ends = {"service_tier": "default", "system_fingerprint": None, "choices": [choice]}
    return {**head(request, "chat.completion.chunk"), **ends, **({"usage": None} if request.include_usage else {})}


def _whole(request: ChatRequest, answer: SandboxAnswer) -> Json:
    content = {**message(answer), "refusal": None, "annotations": []}
    if answer.calls:
        content["content"] = answer.text or None
    choice = {"index": 0, "message": content, "logprobs": None, "finish_reason": answer.finish}
    ends = {"service_tier": "default", "system_fingerprint": None}
    return {**head(request, "chat.completion"), "choices": [choice], "usage": _usage(answer), **ends}


_FORMAT = ChunkFormat(
    first_delta={"role": "assistant", "content": "", "refusal": None},
    encode_chunk=_chunk,
    encode_usage=lambda request, answer: {**_chunk(request, {}, None), "choices": [], "usage": _usage(answer)},
    encode_whole=_whole,
)


# Code: (status, type, words); OpenAI's own errors.
_ERRORS: Mapping[str, tuple[int, str, str]] = {
    "model_not_found": (404, "invalid_request_error", "The model does not exist or you do not have access to it."),
    "insufficient_quota": (
        429,
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "rate_limit_exceeded": (429, "requests", "Rate limit reached for requests."),
    "content_filter": (400, "invalid_request_error", "The prompt was refused by the content management policy."),
    "context_length_exceeded": (
        400,
        "invalid_request_error",
        "This model's maximum context length is 202752 tokens. However, your messages resulted in 202753 tokens.",
    ),
}


def _error_body(error: SandboxError, _ids: RequestIds) -> Json:
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}


def _error(code: str, status: int, _chinese: bool) -> SandboxError:
    if status == HTTPStatus.TOO_MANY_REQUESTS and code not in _ERRORS:
        code = "rate_limit_exceeded"
    if code in _ERRORS:
        _, kind, words = _ERRORS[code]
        return SandboxError(status, code, words, kind)
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    return SandboxError(status, kind, reason_phrase(status), kind)


def _unknown(request: ChatRequest) -> SandboxError:
    words = f"The model `{request.model}` does not exist or you do not have access to it."
    return SandboxError(404, "model_not_found", words)


_RULES: tuple[Rule, ...] = (
    (rules.unknown_model, _unknown),
    (rules.no_messages, rules.bad_request("[] is too short - 'messages'", "messages")),
    (rules.outside("temperature", 0, 2), rules.bad_request("Invalid 'temperature'.", "temperature")),
    (rules.outside("top_p", 0, 1), rules.bad_request("Invalid 'top_p'.", "top_p")),
)

OPENAI = SandboxProvider(
    name="openai",
    prefix="/openai/v1",
    stream=_FORMAT.stream,
    whole=_FORMAT.whole,
    bad_key=SandboxError(401, "invalid_api_key", "Incorrect API key provided: bad-key."),
    error_body=_error_body,
    codes={code: row[0] for code, row in _ERRORS.items()},
    error=_error,
    # The error is a text, as transformers serve 5.19 writes it.
    broken_stream=lambda _request, _sent: (b'data: {"error": "CUDA out of memory"}\n\n',),
    models=lambda _: model_list({"glm-5": {}}, "system"),
    rules=_RULES,
    malformed=lambda _: SandboxError(400, "", "We could not parse the JSON body of your request."),
    thinking_on=lambda _: False,  # a server of which nothing is known
    token_limits=TOKEN_LIMITS,
    needs_key=True,
    relays=True,
    stream_type="text/event-stream; charset=utf-8",
    batch_api=SandboxBatchApi(lists_ends=True),
)
