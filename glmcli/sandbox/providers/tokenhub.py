"""Tencent TokenHub.

**Shape**: arguments come in fragments even without `tool_stream`; the usage may hold null where others count
(`reasoning_tokens`) and always tells the cached tokens.

**Source**: tencentcloud.com/document/product/1300/80634 and cloud.tencent.com/document/product/1823/135872 (2026); the
usage object as seen by a client of hy3 on the same gateway. Where they are silent, OpenAI's own shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.sandbox.http_messages import sse_event
from glmcli.sandbox.providers import rules
from glmcli.sandbox.providers.openai import ChunkFormat, token_counts
from glmcli.sandbox.providers.row import SandboxError, SandboxProvider, model_list
from glmcli.sandbox.providers.zhipu import thinking_type_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmcli.sandbox.answer import SandboxAnswer
    from glmcli.sandbox.chat_request import ChatRequest, RequestIds
    from glmcli.sandbox.http_messages import Json
    from glmcli.sandbox.providers.row import Rule


def _usage(answer: SandboxAnswer) -> Json:
    return {
        **token_counts(answer),
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": None},
        "prompt_cache_hit_tokens": answer.cached_tokens,
    }


_FORMAT = ChunkFormat(
    first_delta={"role": "assistant", "content": ""},
    reasoning_delta=lambda piece: {"role": "assistant", "reasoning_content": piece},
    answer_delta=lambda piece: {"role": "assistant", "content": piece},
    last_delta={"role": "assistant", "content": ""},
    usage=_usage,
)

# Code: (status, type, words). Words that no page quotes are ours.
# Source: https://cloud.tencent.com/document/product/1823/131595 (2026).
_BAD_KEY = (
    "The API Key does not exist or signature verification failed. Please check whether the API Key is correct. "
    "See: https://console.cloud.tencent.com/tokenhub/apikey"
)
_ERRORS: Mapping[str, tuple[int, str, str]] = {
    "400001": (400, "invalid_request_error", "Request parameter is invalid."),
    "400002": (400, "invalid_request_error", "Request body is invalid."),
    "400004": (400, "invalid_request_error", "model or service id does not exist"),
    "400005": (400, "invalid_request_error", "The model does not support this protocol."),
    "401002": (401, "gateway_error", _BAD_KEY),
    "401006": (400, "invalid_request_error", "The API Key is not bound to this model."),
    "401007": (402, "permission_error", "The service is not activated."),
    "401008": (402, "permission_error", "endpoint is inactive: FREE_QUOTA_EXHAUSTED"),
    "403001": (403, "permission_error", "No permission to access this resource."),
    "403002": (403, "permission_error", "The model is not included in the current plan."),
    "403004": (402, "permission_error", "The account is in arrears."),
    "403005": (403, "permission_error", "The source IP is not in the allow-list."),
    "429001": (429, "rate_limit_error", "rate limit exceeded on dimension: rpm"),
    "451001": (451, "content_filter_error", "The request was rejected by the safety filter."),
    # As met inside a 200 on its image route, in a proxy's test of 2026.
    "content_filter": (451, "invalid_request_error", "input moderation rejected"),
    "502001": (502, "upstream_error", "The upstream model service failed."),
}
_CODE_OF_STATUS = {400: "400001", 402: "401008", 403: "403001", 429: "429001", 451: "451001", 502: "502001"}


def _error(code: str, message: str = "") -> SandboxError:
    """The error with this code; `message` replaces the words of the table."""
    status, kind, words = _ERRORS[code]
    return SandboxError(status, code, message or words, kind)


def _error_of(code: str, status: int, _chinese: bool) -> SandboxError:
    code = code if code in _ERRORS else _CODE_OF_STATUS.get(status, "")
    return _error(code) if code else SandboxError(status, f"{status}001", f"HTTP {status}", "upstream_error")


def _error_body(error: SandboxError, ids: RequestIds) -> Json:
    """A 401 has three fields and the type `gateway_error`, as met; the others are as documented.

    Source: https://cloud.tencent.com/document/product/1823/131595 (2026).
    """
    body: Json = {"type": error.type, "code": error.code, "message": error.message}
    if error.type == "gateway_error":
        return {"error": body}
    upstream = error.type == "upstream_error"
    body["source"] = "upstream" if upstream else "gateway"
    if upstream:
        body |= {"upstream_code": "internal_error", "upstream_status": error.status}
    return {"error": {**body, "request_id": ids.uuid}}


def _broken_stream(request: ChatRequest, _sent: int) -> tuple[bytes, ...]:
    """An error beside a finish of that name: the shape of a body met on its image route, not seen here yet."""
    error = {"type": "upstream_error", "code": "502001", "message": "The upstream model service failed."}
    return (sse_event({**_FORMAT.chunk(request, {}, "error"), "error": error}),)


# The words of a plan address of TokenHub: https://github.com/earendil-works/pi/pull/8876
_VARIANTS = "expected one of none, minimal, low, medium, high, xhigh, max"
# https://cloud.tencent.com/document/product/1823 as probed on glm-5.3 (2026-08)
_ALWAYS_THINKS = "该模型始终思考，不支持关闭思考；请使用 low、high 或 max"  # noqa: RUF001 - its own words


def _fixed(code: str, message: str = "") -> Callable[[ChatRequest], SandboxError]:
    return lambda _: _error(code, message)


def _unknown_model(request: ChatRequest) -> bool:
    """A private service has an id of its own (tencentcloud.com/document/product/1300/78942)."""
    return rules.unknown_model(request) and not request.model.startswith("ep-")


def _wrong_effort(request: ChatRequest) -> SandboxError:
    return _error("400001", f'unknown variant "{request.fields.get("reasoning_effort")}", {_VARIANTS}')


_MAX_STOPS = 4

# Ranges: tencentcloud.com/document/product/1300/78942; no `json_schema` on GLM and no effort `none` on some models:
# npm @llmgateway/models 1.324.0, each probed with a live request (2026).
_RULES: tuple[Rule, ...] = (
    (_unknown_model, _fixed("400004")),
    (rules.no_messages, _fixed("400001", "messages must not be empty")),
    (rules.no_user, _fixed("400001", "messages must contain a user message")),
    (rules.empty_content, _fixed("400001", "content must not be empty")),
    (rules.other_than("reasoning_effort", *rules.EFFORTS), _wrong_effort),
    (
        rules.both(rules.model("glm-5.1", "glm-5-turbo", "glm-5v"), rules.given("reasoning_effort", "none")),
        _wrong_effort,
    ),
    (rules.both(rules.model("glm-5.3"), rules.thinking_off), _fixed("400001", _ALWAYS_THINKS)),
    (
        rules.response_format("json_schema"),
        _fixed("400001", "response_format json_schema is not supported by this model"),
    ),
    (rules.outside("temperature", 0, 2), _fixed("400001", "temperature must be in [0, 2]")),
    (rules.outside("top_p", 0, 1), _fixed("400001", "top_p must be in [0, 1]")),
    (
        lambda request: isinstance(stop := request.fields.get("stop"), list) and len(stop) > _MAX_STOPS,
        _fixed("400001", "stop accepts at most 4 strings"),
    ),
)

# Each model has a `status`; what is `pre-offline` answers 400004 (measured 2026-08). Of GLM these four were online on
# 2026-09-30 (github.com/Lore-Hex/quill-router, provider_models/tencent.json); the list may leave out what answers.
_MODELS = {
    "glm-5.3": "online",
    "glm-5.3-flash": "online",
    "glm-5.3-flashx": "online",
    "glm-5.2": "online",
    "glm-4.6": "offline",
    "hunyuan-image": "pre-offline",
}

TOKENHUB = SandboxProvider(
    name="tokenhub",
    prefix="/tokenhub/v1",
    stream=_FORMAT.stream,
    whole=_FORMAT.whole,
    bad_key=_error("401002"),
    error_body=_error_body,
    codes={code: row[0] for code, row in _ERRORS.items()},
    error=_error_of,
    broken_stream=_broken_stream,
    models=lambda _: model_list({name: {"status": status} for name, status in _MODELS.items()}, "tencent"),
    rules=_RULES,
    malformed=lambda _: _error("400002"),
    thinking_on=thinking_type_on,
    token_limits=(("max_tokens", "all"),),  # `max_completion_tokens` is unknown here
    needs_key=True,
    filtered=None,
    moderation=_error("451001"),
)
