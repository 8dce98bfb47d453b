"""What TokenHub, the self-hosted servers and OpenAI refuse. Messages that no source quotes are worded by us."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.sandbox import rules
from glmcli.sandbox.codes import tencent
from glmcli.sandbox.failures import Failure
from glmcli.sandbox.question import Question, media_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
# The words of a plan address of TokenHub: https://github.com/earendil-works/pi/pull/8876
_VARIANTS = "expected one of none, minimal, low, medium, high, xhigh, max"
# https://cloud.tencent.com/document/product/1823 as probed on glm-5.3 (2026-08)
_ALWAYS_THINKS = "该模型始终思考，不支持关闭思考；请使用 low、high 或 max"  # noqa: RUF001 - its own words


def _tencent(code: str, message: str = "") -> Callable[[Question], Failure]:
    return lambda _: tencent(code, message)


def _bad(message: str, kind: str, param: str | None = None) -> Callable[[Question], Failure]:
    return lambda _: Failure(400, "invalid_request", message, kind, param)


def _not_ours(question: Question) -> bool:
    """A private service has an id of its own (tencentcloud.com/document/product/1300/78942)."""
    return rules.unknown_model(question) and not question.model.startswith("ep-")


def _wrong_effort(question: Question) -> Failure:
    return tencent("400001", f'unknown variant "{question.fields.get("reasoning_effort")}", {_VARIANTS}')


# Ranges: tencentcloud.com/document/product/1300/78942; no `json_schema` on GLM and no effort `none` on some models:
# npm @llmgateway/models 1.324.0, each probed with a live request (2026).
TOKENHUB: rules.Rules = (
    (_not_ours, _tencent("400004")),
    (rules.no_messages, _tencent("400001", "messages must not be empty")),
    (rules.no_user, _tencent("400001", "messages must contain a user message")),
    (rules.empty_content, _tencent("400001", "content must not be empty")),
    (rules.other_than("reasoning_effort", *_EFFORTS), _wrong_effort),
    (
        rules.both(rules.model("glm-5.1", "glm-5-turbo", "glm-5v"), rules.given("reasoning_effort", "none")),
        _wrong_effort,
    ),
    (rules.both(rules.model("glm-5.3"), rules.thinking_off), _tencent("400001", _ALWAYS_THINKS)),
    (rules.form("json_schema"), _tencent("400001", "response_format json_schema is not supported by this model")),
    (rules.outside("temperature", 0, 2), _tencent("400001", "temperature must be in [0, 2]")),
    (rules.outside("top_p", 0, 1), _tencent("400001", "top_p must be in [0, 1]")),
    (
        lambda question: isinstance(stop := question.fields.get("stop"), list) and len(stop) > 4,  # noqa: PLR2004
        _tencent("400001", "stop accepts at most 4 strings"),
    ),
)


def _missing(question: Question) -> Failure:
    words = f"The model `{question.model}` does not exist. Valid aliases: glm-5.1."
    return Failure(404, "404", words, "NotFoundError", "model")


def _stray_options(question: Question) -> bool:
    return question.fields.get("stream_options") is not None and not question.stream


# vLLM 0.32 as run on 2026-11-21.
VLLM: rules.Rules = (
    (rules.unknown_model, _missing),
    (_stray_options, _bad("Stream options can only be defined when `stream=True`.", "BadRequestError")),
    (rules.no_messages, _bad("At least one message is required.", "BadRequestError")),
    (
        rules.other_than("reasoning_effort", *_EFFORTS),
        _bad("Input should be 'none', 'minimal', 'low', 'medium', 'high', 'xhigh' or 'max'", "BadRequestError"),
    ),
    (
        rules.outside("temperature", 0, float("inf")),
        _bad("temperature must be non-negative.", "BadRequestError", "temperature"),
    ),
    (
        rules.outside("top_p", 0, 1, above_low=True),
        _bad("top_p must be in (0, 1].", "BadRequestError", "top_p"),
    ),
    (
        rules.outside("max_tokens", 1, 202752),
        _bad(
            "max_tokens must be at least 1 and cannot be greater than max_model_len=202752.",
            "BadRequestError",
            "max_tokens",
        ),
    ),
)

# SGLang does not compare the model of a chat request (sglang 0.5.23 on PyPI, `srt/entrypoints/openai`).
SGLANG: rules.Rules = (
    (rules.no_messages, _bad("Messages cannot be empty.", "BadRequest")),
    (
        lambda question: _sglang_effort(question.fields.get("reasoning_effort")),
        _bad("Input should be one of the known efforts or a number", "BadRequest"),
    ),
)


def _sglang_effort(effort: object) -> bool:
    """Words, `ultra` among them, or a number; true and false are neither."""
    if effort is None or (isinstance(effort, float | int) and not isinstance(effort, bool)):
        return False
    return effort not in (*_EFFORTS, "ultra")


def _template_text(question: Question) -> bool:
    options = question.fields.get("chat_template_kwargs")
    return isinstance(options, dict) and isinstance(options.get("enable_thinking"), str)


def _blind(_question: Question) -> Failure:
    words = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
    return Failure(500, "500", words, "server_error")


def _any_media(question: Question) -> bool:
    return any(media_of(message.get("content")) for message in question.messages)


# llama.cpp's server as run on 2026-11-21: the model is ignored, pictures without mmproj are a 500.
LLAMACPP: rules.Rules = (
    (rules.no_messages, _bad("'messages' is required", "invalid_request_error")),
    (_any_media, _blind),
    (
        _template_text,
        _bad('invalid type for "enable_thinking" (expected boolean, got string)', "invalid_request_error"),
    ),
)


def _ollama_missing(question: Question) -> Failure:
    return Failure(404, "", f"model '{question.model}' not found", "not_found_error")


def _remote_picture(question: Question) -> bool:
    addresses = (
        part.get("image_url", {}).get("url", "")
        for message in question.messages
        if isinstance(message.get("content"), list)
        for part in message["content"]
        if isinstance(part, dict) and isinstance(part.get("image_url"), dict)
    )
    return any(str(address).startswith(("http://", "https://")) for address in addresses)


# github.com/ollama/ollama@fb30760: openai/openai.go, middleware/openai.go, server/routes.go
OLLAMA: rules.Rules = (
    (rules.no_messages, _bad("[] is too short - 'messages'", "invalid_request_error")),
    (rules.unknown_model, _ollama_missing),
    (rules.media("video_url", "file_url"), _bad("invalid message format", "invalid_request_error")),
    (
        _remote_picture,
        _bad("image URLs are not currently supported, please use base64 encoded data instead", "invalid_request_error"),
    ),
    (
        rules.other_than("reasoning_effort", *_EFFORTS, "ultra"),
        _bad("invalid reasoning value (must be one of the known efforts)", "invalid_request_error"),
    ),
)


def _openai_missing(question: Question) -> Failure:
    words = f"The model `{question.model}` does not exist or you do not have access to it."
    return Failure(404, "model_not_found", words)


# https://platform.openai.com/docs/api-reference/chat (2026)
OPENAI: rules.Rules = (
    (rules.unknown_model, _openai_missing),
    (rules.no_messages, _bad("[] is too short - 'messages'", "invalid_request_error", "messages")),
    (rules.outside("temperature", 0, 2), _bad("Invalid 'temperature'.", "invalid_request_error", "temperature")),
    (rules.outside("top_p", 0, 1), _bad("Invalid 'top_p'.", "invalid_request_error", "top_p")),
)

# llama.cpp calls broken JSON a failure of its own (run on 2026-11-21).
_MALFORMED: Mapping[str, Failure] = {
    "tokenhub": tencent("400002"),
    "vllm": Failure(400, "400", "[{'type': 'json_invalid', 'msg': 'JSON decode error'}]", "Bad Request"),
    "sglang": Failure(400, "400", "JSON decode error", "BadRequest"),
    "llamacpp": Failure(500, "500", "[json.exception.parse_error.101] parse error: syntax error", "server_error"),
    "ollama": Failure(400, "", "invalid character in request body", "invalid_request_error"),
    "openai": Failure(400, "", "We could not parse the JSON body of your request."),
}


def malformed_server(provider: str) -> Failure:
    """The answer to a body that is no JSON object."""
    return _MALFORMED[provider]
