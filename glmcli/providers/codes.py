"""The meaning of the providers' error codes. The HTTP status decides only without one: BigModel sends 429 for all.

Sources:
    BigModel and Z.ai: docs.bigmodel.cn/cn/api/api-code and docs.z.ai/api-reference/api-code (2026), statuses from a
        fuller table of 2026; 1305: github.com/zai-org/feedback/issues/761.
    Model Studio and DashScope: docs.qwencloud.com/api-reference/preparation/error-messages and
        help.aliyun.com/en/model-studio/rate-limit (2026-09-28); `insufficient_quota` as a one-minute throttle:
        github.com/can1357/oh-my-pi/issues/8496.
    TokenHub: cloud.tencent.com/document/product/1823/131595 (2026).
    Status 529: github.com/zai-org/GLM-5/issues/87.
"""

from __future__ import annotations

import re

from glmcli.errors import (
    BusyError,
    CredentialsError,
    FilteredError,
    IncompleteError,
    NetworkError,
    ProtocolError,
    QuotaError,
    Retry,
    UsageError,
)
from glmcli.providers.row import ErrorCodes, ErrorMeaning

_BAD_KEY = ErrorMeaning(CredentialsError, "the key was refused")
_NO_RIGHT = ErrorMeaning(CredentialsError, "the key has no permission for this")
_ACCOUNT = ErrorMeaning(CredentialsError, "the account cannot be used")
_MALFORMED = ErrorMeaning(UsageError, "the request was refused as malformed")
_NO_MODEL = ErrorMeaning(UsageError, "the model does not exist here", model_missing=True)
_TOO_LONG = ErrorMeaning(
    IncompleteError,
    "the prompt does not fit the model's context window",
    fix="send less text, or use a model with a larger window",
)
_FILTERED = ErrorMeaning(FilteredError, "the content filter refused the request or the answer")
_NO_MONEY = ErrorMeaning(
    QuotaError, "the balance is used up", fix="top up the account, or use another provider: --fallback"
)
_NO_PLAN = ErrorMeaning(QuotaError, "the plan or resource package does not cover this")
_USED_UP = ErrorMeaning(QuotaError, "the quota is used up")
_RATE = ErrorMeaning(BusyError, "rate limited", Retry.RATE)
_PER_MINUTE = ErrorMeaning(BusyError, "the one-minute token limit is reached", Retry.MINUTE)
_OVERLOAD = ErrorMeaning(
    BusyError, "the platform is overloaded for this model", Retry.OVERLOAD, "use another model: --fallback"
)
_SERVER = ErrorMeaning(BusyError, "the provider failed", Retry.SERVER)
_SERVER_FINAL = ErrorMeaning(BusyError, "the provider failed")
_SLOW = ErrorMeaning(
    BusyError, "the provider took too long", Retry.NETWORK, "leave the response streamed: no --no-stream"
)

_CONTEXT_TEXT = re.compile(r"context (length|window)|tokens?\b.*\bmore than max|上下文", re.IGNORECASE)
# "Free allocated quota exceeded." and "hour/week/month allocated quota exceeded" are final; without these words it is
# throttling.
_PLAN_QUOTA_TEXT = re.compile(r"\b(free|hour(ly)?|week(ly)?|month(ly)?)\b[\w -]*quota|free.?tier", re.IGNORECASE)
_TOKENS_DIMENSION = re.compile(r"dimension:\s*tpm", re.IGNORECASE)


def _by_code(codes: dict[str, ErrorMeaning]) -> dict[str, ErrorMeaning]:
    """Code -> meaning, from a table whose keys list several codes, separated by a comma and a space."""
    return {code: meaning for listed, meaning in codes.items() for code in listed.split(", ")}


BIGMODEL = ErrorCodes(
    _by_code(
        {
            "401, 1000, 1001, 1002, 1003, 1004, 1005": _BAD_KEY,
            "1100, 1110, 1111, 1112, 1120, 1121": _ACCOUNT,
            "1113": _NO_MONEY,
            "500, 1200, 1230, 1234": _SERVER,
            "1210, 1212, 1213, 1214, 1215, 1221, 1222, 1231": _MALFORMED,
            "1211": _NO_MODEL,
            "1220": _NO_RIGHT,
            "1261": _TOO_LONG,
            "1300, 1301": _FILTERED,
            "1302": ErrorMeaning(BusyError, "too many requests in flight", Retry.IN_FLIGHT),
            "1303": _RATE,
            "1304": ErrorMeaning(QuotaError, "the daily call limit is reached"),
            "1305, 1312": _OVERLOAD,
            "1308": ErrorMeaning(QuotaError, "the five-hour quota is used up"),
            "1309, 1311, 1314, 1315": _NO_PLAN,
            "1310": ErrorMeaning(QuotaError, "the weekly or monthly quota is used up"),
            "1313": ErrorMeaning(QuotaError, "the account is throttled under the fair-use rule"),
            "1316, 1317, 1318, 1319, 1320, 1321": _USED_UP,
        }
    ),
    {
        "1210": ((_CONTEXT_TEXT, _TOO_LONG),),
        # Z.ai sends 1214 where BigModel sends 1211 (measured on a real key, 2026-08-16).
        "1214": ((re.compile(r"\bmodel\b|模型", re.IGNORECASE), _NO_MODEL),),
    },
)

_BILLING_TEXT = ((_PLAN_QUOTA_TEXT, _USED_UP),)
# This is how the native endpoint says that the last message is no user message.
_NO_QUESTION_TEXT = ((re.compile("list index out of range"), _MALFORMED),)

MODELSTUDIO = ErrorCodes(
    # Models that Zhipu serves directly (ZHIPU/*) use Zhipu's codes: help.aliyun.com/zh/model-studio/glm-zhipu.
    dict(BIGMODEL.by_code)
    | _by_code(
        {
            "InvalidApiKey, invalid_api_key, NOT AUTHORIZED": _BAD_KEY,
            "AccessDenied, Model.AccessDenied, App.AccessDenied, Workspace.AccessDenied, access_denied": _NO_RIGHT,
            "InvalidParameter, invalid_parameter_error, invalid_request_error, invalid_value": _MALFORMED,
            "InternalError.Algo.InvalidParameter, InvalidURL, BadRequest": _MALFORMED,
            "ServiceUnavailableError": _MALFORMED,  # misnamed: "Role must be user or assistant …"
            "DataInspectionFailed, data_inspection_failed, InvalidParameter.DataInspection": _FILTERED,
            "CustomRoleBlocked, IPInfringementSuspect, FaqRuleBlocked": _FILTERED,
            "ModelNotFound, model_not_found, model_not_supported": _NO_MODEL,
            "AllocationQuota.FreeTierOnly": ErrorMeaning(QuotaError, "the free quota is used up"),
            "Arrearage, CommodityNotPurchased, PrepaidBillOverdue, PostpaidBillOverdue": _NO_MONEY,
            "Throttling, LimitRequests, limit_requests": _RATE,
            "Throttling.BurstRate, limit_burst_rate": ErrorMeaning(
                BusyError, "the request rate rose too quickly", Retry.RATE
            ),
            "Throttling.AllocationQuota, insufficient_quota": _PER_MINUTE,
            "InternalError, internal_error, SystemError, ModelServiceFailed": _SERVER,
            "ModelServingError, ModelUnavailable, ServiceUnavailable, GatewayTimeout": _SERVER,
            "RequestTimeOut, ResponseTimeout": _SLOW,
        }
    ),
    {
        "1210": BIGMODEL.by_text["1210"],
        "Throttling.AllocationQuota": _BILLING_TEXT,
        "insufficient_quota": _BILLING_TEXT,
        "InternalError": _NO_QUESTION_TEXT,
        "InternalError.Algo": _NO_QUESTION_TEXT,
        "internal_error": _NO_QUESTION_TEXT,
    },
    {"insufficient_quota": _PER_MINUTE, "Arrearage": _NO_MONEY},
)

TOKENHUB = ErrorCodes(
    _by_code(
        {
            "400001, 400002, 400005": _MALFORMED,
            "400004": _NO_MODEL,
            "401006": ErrorMeaning(CredentialsError, "the key is bound to other models"),
            "401002": ErrorMeaning(
                CredentialsError,
                "the key was refused",
                fix="check the key and its site: keys of the international and the China site differ",
            ),
            "401007, 401008, 403004": _NO_PLAN,
            "403001, 403002, 403005": _NO_RIGHT,
            "429001": _RATE,
            "451001, content_filter": _FILTERED,
            "502001": _SERVER,
        }
    ),
    {"429001": ((_TOKENS_DIMENSION, _PER_MINUTE),)},
)

# OpenAI's codes. vLLM, SGLang, llama.cpp and Ollama put the kind of error into `type`, or into `code` where that is no
# number; from the servers' responses on 2026-11-21.
OPENAI = ErrorCodes(
    {
        "model_not_found": _NO_MODEL,
        "insufficient_quota": _USED_UP,
        "rate_limit_exceeded": _RATE,
        "content_filter": _FILTERED,
        "context_length_exceeded": _TOO_LONG,
    },
    {"BadRequestError": ((re.compile("maximum context length is"), _TOO_LONG),)},
    {
        "NotFoundError": _NO_MODEL,
        "not_found_error": _NO_MODEL,
        "exceed_context_size_error": _TOO_LONG,
    },
)

# The meaning of an HTTP status without a known code. Waiting does not help against 501 and 505.
BY_STATUS: dict[int, ErrorMeaning] = {
    401: _BAD_KEY,
    402: _NO_MONEY,
    403: _NO_RIGHT,
    404: ErrorMeaning(UsageError, "nothing is served at this address", fix="check the base URL"),
    407: ErrorMeaning(NetworkError, "the proxy wants credentials", fix="put them into the proxy's URL"),
    408: _SLOW,
    409: _RATE,
    425: _RATE,
    429: _RATE,
    434: _NO_RIGHT,
    451: _FILTERED,
    500: _SERVER,
    501: _SERVER_FINAL,
    502: _SERVER,
    503: _SERVER,
    504: _SERVER,
    505: _SERVER_FINAL,
    529: _OVERLOAD,
}

# The meaning of OpenAI's values of `type` without a known code or status, as for an error inside a stream.
BY_TYPE: dict[str, ErrorMeaning] = {
    "invalid_request_error": _MALFORMED,
    "authentication_error": _BAD_KEY,
    "permission_error": _NO_RIGHT,
    "rate_limit_error": _RATE,
    "overloaded_error": _OVERLOAD,
}

# The meaning of what stands in place of an answer, and says nothing that is known.
NOT_AN_ANSWER = ErrorMeaning(ProtocolError, "not an API answer", fix="check the base URL")

UNKNOWN_REFUSAL = _MALFORMED
UNKNOWN_FAILURE = _SERVER_FINAL
UNKNOWN_SERVER_ERROR = _SERVER
