"""Errors and refusals of Model Studio and DashScope.

**Source** unless said otherwise: https://www.alibabacloud.com/help/model-studio/error-code (2026-09), which quotes most
of the messages; ranges from docs.qwencloud.com/api-reference/chat (2026).
"""

from __future__ import annotations

import json
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from glmcli.sandbox.providers import rules, zhipu_errors
from glmcli.sandbox.providers.row import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmcli.sandbox.chat_request import ChatRequest, RequestIds
    from glmcli.sandbox.http_messages import Json
    from glmcli.sandbox.providers.row import Rule

_QUOTA_EXCEEDED = (
    "You exceeded your current quota, please check your plan and billing details. For details, see: "
    "https://help.aliyun.com/zh/model-studio/error-code#token-limit"
)

_ROLE = "Role must be user or assistant and Content length must be greater than 0"
_BAD_KEY = (
    "Incorrect API key provided. For details, see: https://help.aliyun.com/zh/model-studio/error-code#apikey-error"
)

# DashScope's name: (status, name on the compatible address, words). Words that no page quotes are ours, after what the
# page says that the code means. Of the rows with one status the first answers for that status.
_ERRORS: Mapping[str, tuple[int, str, str]] = {
    "InvalidParameter": (400, "invalid_parameter_error", "The request is invalid."),
    "InternalError.Algo.InvalidParameter": (400, "InternalError.Algo.InvalidParameter", "The request is invalid."),
    "InvalidURL": (400, "InvalidURL", "Invalid URL provided in your request."),
    "BadRequest": (400, "BadRequest", "The request is invalid."),
    "invalid_request_error": (400, "invalid_request_error", "The request is invalid."),
    "invalid_value": (400, "invalid_value", "The value of a parameter is invalid."),
    "ServiceUnavailableError": (400, "ServiceUnavailableError", _ROLE),
    "Arrearage": (400, "Arrearage", "Access denied, please make sure your account is in good standing."),
    "DataInspectionFailed": (400, "data_inspection_failed", "Output data may contain inappropriate content."),
    "InvalidParameter.DataInspection": (
        400,
        "InvalidParameter.DataInspection",
        "Unable to download the media resource during the data inspection process.",
    ),
    "CustomRoleBlocked": (
        400,
        "CustomRoleBlocked",
        "Input or output data may contain inappropriate content with custom rule.",
    ),
    "IPInfringementSuspect": (
        400,
        "IPInfringementSuspect",
        "Input data is suspected of being involved in IP infringement.",
    ),
    "FaqRuleBlocked": (400, "FaqRuleBlocked", "Input or output data is blocked by faq rule."),
    "InvalidApiKey": (401, "invalid_api_key", "Invalid API-key provided."),
    "NOT AUTHORIZED": (401, "NOT AUTHORIZED", "You are not authorized to access this workspace."),
    "AccessDenied": (403, "access_denied", "Access denied."),
    "Model.AccessDenied": (403, "Model.AccessDenied", "Model access denied."),
    "App.AccessDenied": (403, "App.AccessDenied", "App access denied."),
    "Workspace.AccessDenied": (403, "Workspace.AccessDenied", "Workspace access denied."),
    "AllocationQuota.FreeTierOnly": (
        403,
        "AllocationQuota.FreeTierOnly",
        "The free tier of the model has been exhausted.",
    ),
    "ModelNotFound": (404, "model_not_found", "Model not exist."),
    "model_not_supported": (404, "model_not_supported", "Unsupported model for OpenAI compatibility mode."),
    "Throttling.RateQuota": (429, "limit_requests", "You exceeded your current requests list limit."),
    "LimitRequests": (429, "LimitRequests", "You exceeded your current requests list limit."),
    "Throttling": (429, "Throttling", "Requests throttling triggered."),
    "Throttling.BurstRate": (429, "limit_burst_rate", "Request rate increased too quickly."),
    "Throttling.AllocationQuota": (429, "insufficient_quota", _QUOTA_EXCEEDED),
    "CommodityNotPurchased": (429, "CommodityNotPurchased", "Commodity has not purchased yet."),
    "PrepaidBillOverdue": (429, "PrepaidBillOverdue", "The prepaid bill is overdue."),
    "PostpaidBillOverdue": (429, "PostpaidBillOverdue", "The postpaid bill is overdue."),
    "InternalError": (500, "internal_error", "An internal error has occured, please try again later."),
    "SystemError": (500, "SystemError", "An system error has occured, please try again later."),
    "ModelServiceFailed": (500, "ModelServiceFailed", "Failed to request model service."),
    "RequestTimeOut": (500, "RequestTimeOut", "Request timed out, please try again later."),
    "ResponseTimeout": (500, "ResponseTimeout", "Response timeout!"),
    "ModelServingError": (
        503,
        "ModelServingError",
        "Too many requests. Your requests are being throttled due to system capacity limits.",
    ),
    "ModelUnavailable": (503, "ModelUnavailable", "Model is unavailable, please try again later."),
    "ServiceUnavailable": (503, "ServiceUnavailable", "The service is unavailable, please try again later."),
    "GatewayTimeout": (504, "GatewayTimeout", "Gateway timeout."),
}
# The type of all others is their name on the compatible address.
_INVALID_REQUESTS = ("InvalidParameter", "InvalidApiKey", "ModelNotFound", "model_not_supported")
_NATIVE_NAMES = {name: native for native, (_, name, _) in _ERRORS.items()}
# Models that Zhipu serves itself (ZHIPU/*) answer with its codes: help.aliyun.com/zh/model-studio/glm-zhipu.
CODES = dict(zhipu_errors.STATUSES)
CODES |= {code: _ERRORS[_NATIVE_NAMES.get(code, code)][0] for code in (*_ERRORS, *_NATIVE_NAMES)}


def alibaba_error(code: str, *, native: bool, message: str = "") -> SandboxError:
    """The error with this native name, under the name that the address uses; `message` replaces the usual words."""
    status, name, words = _ERRORS[code]
    if code == "InvalidApiKey" and not native:
        words = _BAD_KEY
    kind = "invalid_request_error" if code in _INVALID_REQUESTS else name
    return SandboxError(status, code if native else name, message or words, kind)


def error_of(code: str, status: int, *, native: bool) -> SandboxError:
    """The error with this code of either address or of Zhipu, else the first with this status."""
    if code in zhipu_errors.STATUSES:
        return replace(zhipu_errors.zhipu_error(code, chinese=False), type=code)
    code = _NATIVE_NAMES.get(code, code)
    if code not in _ERRORS:
        code = next((name for name, row in _ERRORS.items() if row[0] == status), "")
    return alibaba_error(code, native=native) if code else SandboxError(status, str(status), f"HTTP {status}")


def compatible_body(error: SandboxError, ids: RequestIds) -> Json:
    """Refusals of the model's service have an `id` and another order of keys than those of the gateway.

    Source: https://github.com/musistudio/claude-code-router/issues/714 (400) and a recorded 401, both replayed.
    """
    if error.status == HTTPStatus.BAD_REQUEST:
        named = {"code": error.code, "param": error.param, "message": error.message, "type": error.type}
        return {"error": named, "id": f"chatcmpl-{ids.uuid}", "request_id": ids.uuid}
    named = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return {"error": named, "request_id": ids.uuid}


def native_body(error: SandboxError, ids: RequestIds) -> Json:
    """`{"code","message","request_id"}`.

    Source: github.com/cnblogs/dashscope-sdk@7afccbd, RawHttpData (auth-error, parameter-error-sse).
    """
    return {"code": error.code, "message": error.message, "request_id": ids.uuid}


def malformed(*, native: bool) -> SandboxError:
    """The error for a body that is no JSON object."""
    words = "Required body invalid, please check the request body format."
    return alibaba_error("InvalidParameter", native=native, message=words)


def _bad(message: str) -> Callable[[ChatRequest], SandboxError]:
    return lambda request: alibaba_error("InvalidParameter", native=request.provider == "dashscope", message=message)


def _unknown(request: ChatRequest) -> SandboxError:
    native = request.provider == "dashscope"
    words = "" if native else f"The model `{request.model}` does not exist or you do not have access to it."
    return alibaba_error("ModelNotFound", native=native, message=words)


def _no_question(request: ChatRequest) -> SandboxError:
    """Without a user's message the native service itself fails."""
    if request.provider == "dashscope":
        return alibaba_error("InternalError", native=True, message="list index out of range")
    return _bad(_ROLE)(request)


def _no_json(request: ChatRequest) -> bool:
    return "json" not in json.dumps(request.messages, ensure_ascii=False).lower()


def _forces(request: ChatRequest) -> bool:
    return request.thinks and isinstance(request.fields.get("tool_choice"), dict)


_STOPPED = _bad("This model always engages in thinking and cannot be disabled; please use low, high, or max")


def _is_zhipus_own_5_3(request: ChatRequest) -> bool:
    own = request.model.startswith("ZHIPU/GLM-5.3")
    return own and request.fields.get("enable_thinking") is False


def _is_begun(request: ChatRequest) -> bool:
    """An answer to go on with, for a model of Model Studio's own: its GLM guide (2026-02-25) says that they do not."""
    last = request.messages[-1] if request.messages else {}
    return last.get("partial") is True and not request.model.startswith("ZHIPU/")


def _budget_is_all(request: ChatRequest) -> bool:
    budget, cap = request.fields.get("thinking_budget"), request.fields.get("max_completion_tokens")
    return isinstance(budget, int) and isinstance(cap, int) and cap <= budget


def _is_glm_5_or_5_1(request: ChatRequest) -> bool:
    return request.model in {"glm-5", "glm-5.1"}


_COMMON: tuple[Rule, ...] = (
    (rules.unknown_model, _unknown),
    (rules.no_messages, _bad("[] is too short - 'messages'")),
    (rules.no_user, _no_question),
    # Words of a body recorded in github.com/cnblogs/dashscope-sdk@7afccbd, parameter-error-sse
    (rules.empty_content, _bad(_ROLE)),
    (rules.parts, _bad("input content must be a string.")),
    (rules.outside("temperature", 0, 2, below_high=True), _bad("Temperature should be in [0.0, 2.0)")),
    (rules.outside("top_p", 0, 1, above_low=True), _bad("Range of top_p should be (0.0, 1.0]")),
    (rules.outside("presence_penalty", -2, 2), _bad("Range of presence_penalty should be [-2.0, 2.0]")),
    (
        rules.outside("repetition_penalty", 0, float("inf"), above_low=True),
        _bad("Repetition_penalty should be greater than 0.0"),
    ),
    (rules.outside("max_tokens", 1, 131072), _bad("Range of max_tokens should be [1, 131072]")),
    (rules.given("seed", -1), _bad("-1 is lesser than the minimum of 0 - 'seed'")),
    (lambda request: request.fields.get("enable_search") is True, _bad("This model does not support enable_search.")),
    # glm-5.2 took 4096 and refused 131073 (measured 2026-08)
    (rules.outside("thinking_budget", 1, 131072), _bad("The thinking_budget parameter must be in [1, 131072]")),
    (_is_begun, _bad("This model does not support partial mode.")),  # the words are ours
    # measured for glm-5.2 (2026-08); the words are ours
    (_budget_is_all, _bad("max_completion_tokens must be greater than thinking_budget")),
    # help.aliyun.com/zh/model-studio/glm and …/deep-thinking (2026-09-19): the GLM-5.3 that Zhipu serves itself refuses
    # a request to stop; glm-5 and glm-5.1 refuse the effort max. The words are those of Zhipu, and ours.
    (_is_zhipus_own_5_3, _STOPPED),
    (
        rules.both(_is_glm_5_or_5_1, rules.other_than("reasoning_effort", *rules.EFFORTS[:-1])),
        _bad(f"reasoning_effort should be one of {', '.join(rules.EFFORTS[:-1])}"),
    ),
    # Other words are an error on glm-5.3 ("Anthropic-Messages" page of help.aliyun.com, 2026)
    (
        rules.both(rules.model("glm-5.3"), rules.other_than("reasoning_effort", "low", "high", "max")),
        _bad("reasoning_effort should be one of low, high, max"),
    ),
    (
        lambda request: isinstance(choice := request.fields.get("tool_choice"), str) and choice not in {"none", "auto"},
        _bad('tool_choice is one of the strings that should be ["none", "auto"]'),
    ),
    (_forces, _bad("The tool_choice parameter does not support being set to required or object in thinking mode")),
    (
        rules.both(rules.response_format("json_object", "json_schema"), rules.thinks),
        _bad("Json mode response is not supported when enable_thinking is true"),
    ),
    (
        rules.both(rules.response_format("json_object"), _no_json),
        _bad("'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."),
    ),
)

MODELSTUDIO: tuple[Rule, ...] = (
    *_COMMON,
    # https://github.com/musistudio/claude-code-router/issues/714
    (
        lambda request: rules.model("glm-4.5")(request) and not request.stream,
        _bad("This model only support stream mode, please enable the stream parameter to access the model. "),
    ),
)

DASHSCOPE: tuple[Rule, ...] = (
    *_COMMON,
    (
        lambda request: request.thinks and request.stream and request.fields.get("incremental_output") is not True,
        _bad('The incremental_output parameter must be "true" when enable_thinking is true'),
    ),
    (
        lambda request: request.thinks and request.fields.get("result_format") != "message",
        _bad('The result_format parameter must be "message" when enable_thinking is true'),
    ),
)
