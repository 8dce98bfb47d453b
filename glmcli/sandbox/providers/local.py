"""llama.cpp's server and Ollama.

**Shape**, llama.cpp run on 2026-11-21, also for errors: the first delta has null content, a call opens with the
arguments `{`, the last chunk carries `timings`.

**Shape**, Ollama: reasoning in `reasoning`, every delta has the role and a content, a call comes whole in one chunk.
Source: github.com/ollama/ollama@fb30760, openai/openai.go, middleware/openai.go and server/routes.go (2026-08).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from glmcli.sandbox.answer import SandboxToolCall, pieces
from glmcli.sandbox.chat_request import CREATED, media_of, object_or_empty
from glmcli.sandbox.http_messages import ServerResponse, json_response, reason_phrase, sse_event
from glmcli.sandbox.providers import rules
from glmcli.sandbox.providers.openai import TOKEN_LIMITS, ChunkFormat, message
from glmcli.sandbox.providers.row import SandboxError, SandboxProvider, model_list
from glmcli.sandbox.providers.vllm import TOO_LONG, template_thinking_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.sandbox.answer import SandboxAnswer, SandboxToolCall
    from glmcli.sandbox.chat_request import ChatRequest, RequestIds
    from glmcli.sandbox.http_messages import Json
    from glmcli.sandbox.providers.row import Rule


_BUILD = "b9120-4f1c8a2e"


def _llama_head(request: ChatRequest, kind: str) -> Json:
    names = {"id": f"chatcmpl-{request.ids.hex}", "model": request.model, "system_fingerprint": _BUILD}
    return {"created": CREATED, **names, "object": kind}


def _llama_chunk(request: ChatRequest, delta: Json, finish: str | None) -> Json:
    choice = {"finish_reason": finish, "index": 0, "delta": delta}
    return {"choices": [choice], **_llama_head(request, "chat.completion.chunk")}


def _llama_call_deltas(index: int, call: SandboxToolCall) -> Iterator[Json]:
    yield {"tool_calls": [{**call.whole(index), "function": call.function(call.arguments[:1])}]}
    for piece in pieces(call.arguments[1:], call.piece_size):
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _llama_usage(answer: SandboxAnswer) -> Json:
    return {
        "completion_tokens": answer.output_tokens,
        "prompt_tokens": answer.prompt_tokens,
        "total_tokens": answer.prompt_tokens + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
    }


def _llama_timings(answer: SandboxAnswer) -> Json:
    """Ten milliseconds a token, always."""
    timings: Json = {"cache_n": 0}
    for stage, count in (("prompt", answer.prompt_tokens), ("predicted", answer.output_tokens)):
        timings |= {f"{stage}_n": count, f"{stage}_ms": count * 10.0}
        timings |= {f"{stage}_per_token_ms": 10.0, f"{stage}_per_second": 100.0}
    return timings


def _llama_whole(request: ChatRequest, answer: SandboxAnswer) -> Json:
    choice = {"finish_reason": answer.finish, "index": 0, "message": message(answer)}
    head = _llama_head(request, "chat.completion")
    ends = {"usage": _llama_usage(answer), "id": head.pop("id"), "timings": _llama_timings(answer)}
    return {"choices": [choice], **head, **ends}


def _llama_usage_chunk(request: ChatRequest, answer: SandboxAnswer) -> Json:
    return {"choices": [], **_llama_head(request, "chat.completion.chunk"), "usage": _llama_usage(answer)}


_LLAMA_FORMAT = ChunkFormat(
    first_delta={"role": "assistant", "content": None},
    call_deltas=_llama_call_deltas,
    encode_chunk=_llama_chunk,
    encode_usage=_llama_usage_chunk,
    encode_whole=_llama_whole,
    last_fields=lambda answer: {"timings": _llama_timings(answer)},
)
_LLAMA_TYPES = {400: "invalid_request_error", 403: "permission_error", 404: "not_found_error", 503: "unavailable_error"}


def _llama_error_body(error: SandboxError, _ids: RequestIds) -> Json:
    """The code is a number, last in a 401 and first elsewhere."""
    if error.status == HTTPStatus.UNAUTHORIZED:
        return {"error": {"message": error.message, "type": error.type, "code": error.status}}
    return {"error": {"code": error.status, "message": error.message, "type": error.type}}


def _llama_error(code: str, status: int, _chinese: bool) -> SandboxError:
    if code in TOO_LONG:
        words = "request (12005 tokens) exceeds the available context size (2048 tokens), try increasing it"
        return SandboxError(status, "", words, "exceed_context_size_error")
    return SandboxError(status, "", reason_phrase(status), _LLAMA_TYPES.get(status, "server_error"))


def _llama_broken_stream(_request: ChatRequest, _sent: int) -> tuple[bytes, ...]:
    """No [DONE] follows. Source: llama.cpp's `tools/server` (2026-11)."""
    return (sse_event({"error": {"code": 500, "message": "Compute error.", "type": "server_error"}}),)


def _llama_models(_ids: RequestIds) -> Json:
    path = "GLM-4.7-Flash-Q4_K_M.gguf"
    meta = {"vocab_type": 2, "n_vocab": 151552, "n_ctx_train": 202752, "n_embd": 2048}
    return {"models": [{"name": path, "model": path}], **model_list({path: {"meta": meta}}, "llamacpp")}


def _llama_not_found(_path: str) -> ServerResponse:
    error = {"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}
    return json_response(error, 404, "application/json; charset=utf-8")


def _has_media(request: ChatRequest) -> bool:
    return any(media_of(message.get("content")) for message in request.messages)


def _no_images(_request: ChatRequest) -> SandboxError:
    words = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
    return SandboxError(500, "500", words, "server_error")


def _switch_is_text(request: ChatRequest) -> bool:
    options = object_or_empty(request.fields.get("chat_template_kwargs"))
    return isinstance(options.get("enable_thinking"), str)


# The model is ignored, pictures without mmproj are a 500.
_LLAMA_RULES: tuple[Rule, ...] = (
    (rules.no_messages, rules.bad_request("'messages' is required")),
    (_has_media, _no_images),
    (_switch_is_text, rules.bad_request('invalid type for "enable_thinking" (expected boolean, got string)')),
)

LLAMACPP = SandboxProvider(
    name="llamacpp",
    prefix="/llamacpp/v1",
    stream=_LLAMA_FORMAT.stream,
    whole=_LLAMA_FORMAT.whole,
    bad_key=SandboxError(401, "401", "Invalid API Key", "authentication_error"),
    error_body=_llama_error_body,
    codes=TOO_LONG,
    error=_llama_error,
    broken_stream=_llama_broken_stream,
    models=_llama_models,
    rules=_LLAMA_RULES,
    # Broken JSON is a failure of its own here.
    malformed=lambda _: SandboxError(
        500, "500", "[json.exception.parse_error.101] parse error: syntax error", "server_error"
    ),
    thinking_on=template_thinking_on,
    token_limits=TOKEN_LIMITS,
    not_found=_llama_not_found,
)


def _ollama_head(request: ChatRequest, kind: str) -> Json:
    # Ollama draws one of 999 ids and may repeat it.
    names = {"id": f"chatcmpl-{request.ids.serial % 999}", "object": kind, "created": CREATED}
    return {**names, "model": request.model, "system_fingerprint": "fp_ollama"}


def _ollama_call_deltas(index: int, call: SandboxToolCall) -> Iterator[Json]:
    yield {"role": "assistant", "content": "", "tool_calls": [_ollama_call(index, call)]}


def _ollama_call(index: int, call: SandboxToolCall) -> Json:
    named = call.function(call.arguments)
    return {"id": f"call_{call.id[-12:-8]}{call.id[-4:]}", "index": index, "type": "function", "function": named}


def _ollama_message(answer: SandboxAnswer) -> Json:
    found: Json = {"role": "assistant", "content": answer.text}
    if answer.reasoning:
        found["reasoning"] = answer.reasoning
    if answer.calls:
        found["tool_calls"] = [_ollama_call(index, call) for index, call in enumerate(answer.calls)]
    return found


_OLLAMA_FORMAT = ChunkFormat(
    first_delta={"role": "assistant", "content": ""},
    reasoning_delta=lambda piece: {"role": "assistant", "content": "", "reasoning": piece},
    answer_delta=lambda piece: {"role": "assistant", "content": piece},
    call_deltas=_ollama_call_deltas,
    last_delta={"role": "assistant", "content": ""},
    head=_ollama_head,
    message=_ollama_message,
)
_OLLAMA_TYPES = {400: "invalid_request_error", 404: "not_found_error"}


def _ollama_error_body(error: SandboxError, _ids: RequestIds) -> Json:
    """`param` and `code` are null."""
    return {"error": {"message": error.message, "type": error.type, "param": None, "code": None}}


def _ollama_error(_code: str, status: int, _chinese: bool) -> SandboxError:
    return SandboxError(status, "", reason_phrase(status).lower(), _OLLAMA_TYPES.get(status, "api_error"))


def _ollama_broken_stream(request: ChatRequest, _sent: int) -> tuple[bytes, ...]:
    """Ollama reports no error: an empty delta, and the end."""
    return (sse_event(_OLLAMA_FORMAT.chunk(request, {"role": "assistant", "content": ""}, None)),)


def _ollama_unknown(request: ChatRequest) -> SandboxError:
    return SandboxError(404, "", f"model '{request.model}' not found", "not_found_error")


def _has_remote_image(request: ChatRequest) -> bool:
    addresses = (
        part.get("image_url", {}).get("url", "")
        for message in request.messages
        if isinstance(message.get("content"), list)
        for part in message["content"]
        if isinstance(part, dict) and isinstance(part.get("image_url"), dict)
    )
    return any(str(address).startswith(("http://", "https://")) for address in addresses)


_OLLAMA_RULES: tuple[Rule, ...] = (
    (rules.no_messages, rules.bad_request("[] is too short - 'messages'")),
    (rules.unknown_model, _ollama_unknown),
    (rules.media("video_url", "file_url"), rules.bad_request("invalid message format")),
    (
        _has_remote_image,
        rules.bad_request("image URLs are not currently supported, please use base64 encoded data instead"),
    ),
    (
        rules.other_than("reasoning_effort", *rules.EFFORTS, "ultra"),
        rules.bad_request("invalid reasoning value (must be one of the known efforts)"),
    ),
)

OLLAMA = SandboxProvider(
    name="ollama",
    prefix="/ollama/v1",
    stream=_OLLAMA_FORMAT.stream,
    whole=_OLLAMA_FORMAT.whole,
    bad_key=SandboxError(401, "401", "unauthorized", "api_error"),
    error_body=_ollama_error_body,
    error=_ollama_error,
    broken_stream=_ollama_broken_stream,
    models=lambda _: model_list({"glm-4.7-flash:latest": {}}, "library"),
    rules=_OLLAMA_RULES,
    malformed=lambda _: SandboxError(400, "", "invalid character in request body", "invalid_request_error"),
    thinking_on=lambda fields: fields.get("reasoning_effort") != "none",
    token_limits=TOKEN_LIMITS[:1],  # it drops `max_completion_tokens`
    not_found=lambda _: ServerResponse(404, "text/plain", (b"404 page not found",)),  # of Go's router
)
