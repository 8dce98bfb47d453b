"""The meaning of the providers' error codes. The HTTP status decides only without one: BigModel sends 429 for all.

Sources:
    BigModel and Z.ai: docs.bigmodel.cn/cn/api/api-code and docs.z.ai/api-reference/api-code (2026), statuses from a
        fuller table of 2026; 1305: github.com/zai-org/feedback/issues/761.
    Model Studio and DashScope: docs.qwencloud.com/api-reference/preparation/error-messages and
        help.aliyun.com/en/model-studio/rate-limit (2026-09-28); `insufficient_quota` as a one-minute throttle:
        github.com/can1357/oh-my-pi/issues/8496.
    TokenHub: cloud.tencent.com/document/product/1823/131595 (2026).
    Status 498: Groq, console.groq.com/docs/flex-processing (2026); 529: github.com/zai-org/GLM-5/issues/87.
"""

from __future__ import annotations

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

BAD_KEY = ErrorMeaning(CredentialsError, "the key was refused")
_NO_RIGHT = ErrorMeaning(CredentialsError, "the key has no permission for this")
REGION = ErrorMeaning(
    CredentialsError, "the provider does not serve this region", fix="send it from a region that it serves"
)
_ACCOUNT = ErrorMeaning(CredentialsError, "the account cannot be used")
MALFORMED = ErrorMeaning(UsageError, "the request was refused as malformed")
NO_MODEL = ErrorMeaning(UsageError, "the model does not exist here", model_missing=True)
NO_ADDRESS = ErrorMeaning(UsageError, "nothing is served at this address", fix="check the base URL")
TOO_LONG = ErrorMeaning(
    IncompleteError,
    "the prompt does not fit the model's context window",
    fix="send less text, or use a model with a larger window",
)
FILTERED = ErrorMeaning(FilteredError, "the content filter refused the request or the answer")
NO_MONEY = ErrorMeaning(
    QuotaError, "the balance is used up", fix="top up the account, or use another provider: --fallback"
)
# Of Zhipu's pay-as-you-go addresses, where a key of the Coding Plan is told so too.
NO_CASH = NO_MONEY.replace()
FIVE_HOURS = ErrorMeaning(QuotaError, "the five-hour quota is used up")
WEEK_OR_MONTH = ErrorMeaning(QuotaError, "the weekly or monthly quota is used up")
PER_DAY = ErrorMeaning(QuotaError, "the daily quota is used up")
NO_PLAN = ErrorMeaning(QuotaError, "the plan or resource package does not cover this")
USED_UP = ErrorMeaning(QuotaError, "the quota is used up")
RATE = ErrorMeaning(BusyError, "rate limited", Retry.RATE)
PER_MINUTE = ErrorMeaning(BusyError, "the one-minute token limit is reached", Retry.MINUTE)
OVERLOAD = ErrorMeaning(
    BusyError, "the platform is overloaded for this model", Retry.OVERLOAD, "use another model: --fallback"
)
SERVER = ErrorMeaning(BusyError, "the provider failed", Retry.SERVER)
_SERVER_FINAL = ErrorMeaning(BusyError, "the provider failed")
_SLOW = ErrorMeaning(
    BusyError, "the provider took too long", Retry.NETWORK, "leave the response streamed: no --no-stream"
)

# "Free allocated quota exceeded." and "hour/week/month allocated quota exceeded" are final; without these words it is
# throttling.
_PLAN_QUOTA_TEXT = r"(?i)\b(free|hour(ly)?|week(ly)?|month(ly)?)\b[\w -]*quota|free.?tier"
_TOKENS_DIMENSION = r"(?i)dimension:\s*tpm"


def _by_code(codes: dict[str, ErrorMeaning]) -> dict[str, ErrorMeaning]:
    """Code -> meaning, from a table whose keys list several codes, separated by a comma and a space."""
    return {code: meaning for listed, meaning in codes.items() for code in listed.split(", ")}


BIGMODEL = ErrorCodes(
    _by_code(
        {
            "401, 1000, 1001, 1002, 1003, 1004, 1005": BAD_KEY,
            "1100, 1110, 1111, 1112, 1120, 1121": _ACCOUNT,
            "1113": NO_CASH,
            "500, 1200, 1230, 1234": SERVER,
            "1210, 1212, 1213, 1214, 1215, 1221, 1222, 1231": MALFORMED,
            "1211": NO_MODEL,
            "1220": _NO_RIGHT,
            "1261": TOO_LONG,
            "1300, 1301": FILTERED,
            "1302": ErrorMeaning(BusyError, "too many requests in flight", Retry.IN_FLIGHT),
            "1303": RATE,
            "1304": ErrorMeaning(QuotaError, "the daily call limit is reached"),
            "1305, 1312": OVERLOAD,
            "1308": FIVE_HOURS,
            "1309, 1311, 1314, 1315": NO_PLAN,
            "1310": WEEK_OR_MONTH,
            "1313": ErrorMeaning(QuotaError, "the account is throttled under the fair-use rule"),
            "1316, 1317, 1318, 1319, 1320, 1321": USED_UP,
        }
    )
)

_BILLING_TEXT = ((_PLAN_QUOTA_TEXT, USED_UP),)
# This is how the native endpoint says that the last message is no user message.
_NO_QUESTION_TEXT = (("list index out of range", MALFORMED),)

MODELSTUDIO = ErrorCodes(
    # Models that Zhipu serves directly (ZHIPU/*) use Zhipu's codes: help.aliyun.com/zh/model-studio/glm-zhipu.
    dict(BIGMODEL.by_code)
    | _by_code(
        {
            "InvalidApiKey, invalid_api_key, NOT AUTHORIZED": BAD_KEY,
            "AccessDenied, Model.AccessDenied, App.AccessDenied, Workspace.AccessDenied, access_denied": _NO_RIGHT,
            "InvalidParameter, invalid_parameter_error, invalid_request_error, invalid_value": MALFORMED,
            "InternalError.Algo.InvalidParameter, InvalidURL, BadRequest": MALFORMED,
            "ServiceUnavailableError": MALFORMED,  # misnamed: "Role must be user or assistant …"
            "DataInspectionFailed, data_inspection_failed, InvalidParameter.DataInspection": FILTERED,
            "CustomRoleBlocked, IPInfringementSuspect, FaqRuleBlocked": FILTERED,
            "ModelNotFound, model_not_found, model_not_supported": NO_MODEL,
            "AllocationQuota.FreeTierOnly": ErrorMeaning(QuotaError, "the free quota is used up"),
            "Arrearage, CommodityNotPurchased, PrepaidBillOverdue, PostpaidBillOverdue": NO_MONEY,
            "Throttling, LimitRequests, limit_requests": RATE,
            "Throttling.BurstRate, limit_burst_rate": ErrorMeaning(
                BusyError, "the request rate rose too quickly", Retry.RATE
            ),
            "Throttling.AllocationQuota, insufficient_quota": PER_MINUTE,
            "InternalError, internal_error, SystemError, ModelServiceFailed": SERVER,
            "ModelServingError, ModelUnavailable, ServiceUnavailable, GatewayTimeout": SERVER,
            "RequestTimeOut, ResponseTimeout": _SLOW,
        }
    ),
    {
        "Throttling.AllocationQuota": _BILLING_TEXT,
        "insufficient_quota": _BILLING_TEXT,
        "InternalError": _NO_QUESTION_TEXT,
        "InternalError.Algo": _NO_QUESTION_TEXT,
        "internal_error": _NO_QUESTION_TEXT,
    },
    {"insufficient_quota": PER_MINUTE, "Arrearage": NO_MONEY},
)

TOKENHUB = ErrorCodes(
    _by_code(
        {
            "400001, 400002, 400005": MALFORMED,
            "400004": NO_MODEL,
            "401006": ErrorMeaning(CredentialsError, "the key is bound to other models"),
            "401002": ErrorMeaning(
                CredentialsError,
                "the key was refused",
                fix="check the key and its site: keys of the international and the China site differ",
            ),
            "401007, 401008, 403004": NO_PLAN,
            "403001, 403002, 403005": _NO_RIGHT,
            "429001": RATE,
            "451001, content_filter": FILTERED,
            "502001": SERVER,
        }
    ),
    {"429001": ((_TOKENS_DIMENSION, PER_MINUTE),)},
)

# OpenAI's codes. vLLM, SGLang, llama.cpp and Ollama put the kind of error into `type`, or into `code` where that is no
# number; from the servers' responses on 2026-11-21.
OPENAI = ErrorCodes(
    {
        "model_not_found": NO_MODEL,
        "rate_limit_exceeded": RATE,
        "content_filter": FILTERED,
    },
    # llama.cpp says so of a path (tools/server/server-http.cpp, 2026), in the type that others have for a model.
    {"not_found_error": (("^File Not Found$", NO_ADDRESS),)},
    {
        "NotFoundError": NO_MODEL,
        "not_found_error": NO_MODEL,
        "exceed_context_size_error": TOO_LONG,
    },
)

# Gateways pass on Zhipu's codes; those below 1100 are others' too.
GATEWAY = OPENAI.replace(
    by_code={code: meaning for code, meaning in BIGMODEL.by_code.items() if "1100" <= code < "1400"}
    | dict(OPENAI.by_code)
)

# Codes and types, in lower case, that mean the same at every server and gateway that sends them, under whatever status.
# The row's own codes come first: at Model Studio `insufficient_quota` is a throttle of one minute.
#     insufficient_user_quota, pre_consume_token_quota_failed: one-api and new-api, QuantumNous/new-api/issues/7448
#         (2026-09-18); insufficient_balance: Wei-Shaw/sub2api/issues/890 (2026-03-09); budget_exceeded: LiteLLM,
#         BerriAI/litellm/issues/36729 (2026-08-13); credit_limit: Together, expectedparrot/edsl/issues/2098
#         (2025-07-16); insufficient_credits: Gitlawb/openclaude/issues/1491 (2026-06-02); creditserror: OpenCode Zen,
#         TiaraBasori/OpenCode2API/issues/5 (2026-07-17); insufficient_funds: Vercel's gateway; not_enough_balance:
#         Novita; exceeded_current_quota_error: Kimi; billing_…: OpenAI; usage_limit_reached: 1jehuang/jcode/issues/227
#         (2026-05-18).
#     AccountOverdueError, AccountQuotaExceeded, ModelNotOpen and the like: Volcengine Ark,
#         volcengine.com/docs/82379/1299023 (2025-11-07).
#     20012, 30001: SiliconFlow, docs.siliconflow.cn/faqs/error-code (2024-12-19); 30011: FoundationAgents/OpenManus/
#         issues/438 (2025-03-11).
#     model_max_prompt_tokens_exceeded, tokens_limit_reached: GitHub, microsoft/copilot-intellij-feedback/issues/94
#         (2025-04-14), eslint/tsc-meetings/pull/593 (2025-07-03).
#     model_decommissioned, organization_restricted: Groq, atiilla/sqlmap-ai/issues/3 (2025-08-21),
#         kerlig.com/help/groq/troubleshooting (2025).
#     content_filter as a type: Kimi, MoonshotAI/kimi-cli/issues/1002 (2026-02-06).
#     …_rate_limit_exceeded, tokens_too_long, invalid_model and the like: Baidu Qianfan, PaddlePaddle/ERNIE/issues/1031
#         (2025-07-16), ai.baidu.com/ai-doc/AppBuilder/4m8sgh88y (2025-06-27).
ANYWHERE: dict[str, ErrorMeaning] = _by_code(
    {
        "insufficient_user_quota, pre_consume_token_quota_failed, insufficient_quota, budget_exceeded": USED_UP,
        "exceeded_current_quota_error, usage_limit_reached, billing_hard_limit_reached": USED_UP,
        "insufficient_balance, not_enough_balance, insufficient_credits, insufficient_funds, credit_limit": NO_MONEY,
        "creditserror, billing_not_active, billing_insufficient_balance, accountoverdueerror, arrearage": NO_MONEY,
        "30001, 30011": NO_MONEY,
        "accountquotaexceeded, setlimitexceeded": USED_UP,
        "model_max_prompt_tokens_exceeded, tokens_limit_reached": TOO_LONG,
        "context_length_exceeded, contextwindowexceedederror, tokens_too_long, characters_too_long": TOO_LONG,
        "invalidendpointormodel.notfound, modelnotopen, unsupportedmodel, deploymentnotfound": NO_MODEL,
        "invalid_model, model_not_found, model_not_available, model_decommissioned, 20012": NO_MODEL,
        "unsupported_country_region_territory": REGION,
        "organization_restricted": _ACCOUNT,
        "rpm_rate_limit_exceeded, tpm_rate_limit_exceeded": RATE,
        "inputtextsensitivecontentdetected, outputtextsensitivecontentdetected": FILTERED,
        "content_filter, datainspectionfailed, data_inspection_failed": FILTERED,
    }
)

# The meaning of an HTTP status without a known code. Waiting does not help against 501 and 505.
BY_STATUS: dict[int, ErrorMeaning] = {
    401: BAD_KEY,
    402: NO_MONEY,
    403: _NO_RIGHT,
    404: NO_ADDRESS,
    407: ErrorMeaning(NetworkError, "the proxy wants credentials", fix="put them into the proxy's URL"),
    408: _SLOW,
    409: RATE,
    425: RATE,
    429: RATE,
    434: _NO_RIGHT,
    451: FILTERED,
    500: SERVER,
    501: _SERVER_FINAL,
    502: SERVER,
    503: SERVER,
    504: SERVER,
    505: _SERVER_FINAL,
    529: OVERLOAD,
    498: OVERLOAD,
}

# The meaning of OpenAI's values of `type` without a known code or status, as for an error inside a stream.
BY_TYPE: dict[str, ErrorMeaning] = {
    "invalid_request_error": MALFORMED,
    "authentication_error": BAD_KEY,
    "permission_error": _NO_RIGHT,
    "rate_limit_error": RATE,
    "overloaded_error": OVERLOAD,
}

# The meaning of what stands in place of an answer, and says nothing that is known.
NOT_AN_ANSWER = ErrorMeaning(ProtocolError, "not an API answer", fix="check the base URL")

UNKNOWN_REFUSAL = MALFORMED
UNKNOWN_FAILURE = _SERVER_FINAL
UNKNOWN_SERVER_ERROR = SERVER
