# ruff: noqa: RUF001 - the providers' own words are Chinese
"""The providers' own error codes: their HTTP status and their words.

Words that no page quotes are ours, after what the page says that the code means.
Of Alibaba's rows with one status the first answers for that status.

**Source**: BigModel https://docs.bigmodel.cn/cn/api/api-code and https://docs.z.ai/api-reference/api-code (2026), where
recorded the words of the recording; Alibaba https://www.alibabacloud.com/help/model-studio/error-code (2026-09);
Tencent https://cloud.tencent.com/document/product/1823/131595 (2026).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.sandbox.failures import BAD_KEY, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Code: (status, Chinese, English). `{}` is the field or model that the message names.
ZHIPU: Mapping[str, tuple[int, str, str]] = {
    "500": (500, "内部错误", "Internal error"),
    "1000": (401, "身份验证失败。", "Authentication failed."),
    "1001": (401, "Header中未收到Authentication参数，无法进行身份验证。", "No Authentication parameter in the header."),
    "1002": (401, "Authentication Token非法。", "Invalid Authentication Token."),
    "1003": (401, "Authentication Token已过期，请重新生成/获取。", "Authentication Token expired."),
    "1004": (401, "通过提供的Authentication Token的验证失败。", "Authentication Token could not be verified."),
    "1110": (401, "您的账户当前处于非活动状态。", "Your account is inactive."),
    "1111": (401, "您的账户不存在。", "Your account does not exist."),
    "1112": (401, "您的账户已被锁定，请联系客服解锁。", "Your account has been locked."),
    "1113": (429, "余额不足或无可用资源包,请充值。", "Insufficient balance or no resource package. Please recharge."),
    "1120": (429, "无法成功访问您的账户，请稍后重试。", "Unable to access your account, please try again later."),
    "1121": (429, "账户存在违规行为，账号已被锁定。", "Your account was locked for violations."),
    "1200": (500, "API 调用失败。", "The API call failed."),
    "1210": (400, "API 调用参数有误，请检查文档。", "Invalid API parameter, please check the documentation."),
    "1211": (400, "模型不存在，请检查模型代码。", "Unknown Model, please check the model code."),
    "1212": (400, "当前模型不支持该调用方式。", "The model does not support this method."),
    "1213": (400, "未正常接收到{}参数。", "The {} parameter was not received."),
    "1214": (400, "{} 参数非法。请检查文档。", "The {} parameter is illegal. Please check the documentation."),
    "1215": (400, "参数互斥，请检查文档。", "Parameters exclude each other. Please check the documentation."),
    "1220": (403, "您无权访问该API。", "You have no permission to access this API."),
    "1221": (400, "API 已下线。", "The API has been taken offline."),
    "1222": (400, "API 不存在。", "The API does not exist."),
    "1230": (500, "API 调用流程出错。", "The API call process failed."),
    "1231": (400, "您已有请求，请勿重复请求。", "You already have a request with this id."),
    "1234": (500, "网络错误，请联系客服。", "Network error, please contact customer service."),
    "1261": (400, "Prompt 超长。", "Prompt exceeds max length."),
    "1300": (400, "API 调用被策略阻止。", "The API call was blocked by policy."),
    "1301": (
        400,
        "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语，感谢您的配合。",
        "System detected potentially unsafe or sensitive content in input or generation.",
    ),
    "1302": (429, "您的账户已达到速率限制，请您控制请求频率。", "Rate limit reached for requests"),
    "1303": (
        429,
        "您当前使用该API的频率过高，请降低频率。",
        "The frequency of this API is too high, please reduce it.",
    ),
    "1304": (429, "该API已达今日调用次数限额。", "The daily call limit of this API has been reached."),
    "1305": (429, "该模型当前访问量过大，请您稍后再试。", "The model is overloaded, please try again later."),
    "1308": (
        429,
        "已达到 5 小时的使用上限。您的限额将在 2026-11-22 14:56:07 重置。",
        "Usage limit reached for 5 hour. Your limit will reset at 2026-11-22 14:56:07",
    ),
    "1309": (429, "您的编码套餐已到期。", "Your coding plan has expired."),
    "1310": (
        429,
        "已达到每周/每月使用上限，您的限额将在 2026-11-29 00:00:00 重置。",
        "Weekly/Monthly limit exhausted. Your limit will reset at 2026-11-29 00:00:00",
    ),
    "1311": (429, "当前订阅套餐暂未开放该模型权限。", "Your plan does not include this model."),
    "1312": (429, "该模型当前访问量过大，请您稍后再试。", "The model is overloaded, please try again later."),
    "1313": (429, "您的账户触发了公平使用限制。", "Your account is limited by the fair use policy."),
    "1314": (429, "企业套餐无效。", "The enterprise plan is not valid."),
    "1315": (429, "该密钥仅限企业编码套餐使用。", "This key is for the enterprise coding plan only."),
    "1316": (429, "已达到 5 小时使用上限且余额不足。", "The 5 hour limit is reached and the balance is insufficient."),
    "1317": (429, "已达到每周使用上限且余额不足。", "The weekly limit is reached and the balance is insufficient."),
    "1318": (429, "子账号已达到每月上限。", "The monthly limit of the sub-account is reached."),
    "1319": (429, "企业已达到每月上限。", "The monthly limit of the company is reached."),
}

_TOO_FAST = (
    "You exceeded your current quota, please check your plan and billing details. For details, see: "
    "https://help.aliyun.com/zh/model-studio/error-code#token-limit"
)

# DashScope's name: (status, name on the compatible address, its type, words).
ALIBABA: Mapping[str, tuple[int, str, str, str]] = {
    "InvalidParameter": (400, "invalid_parameter_error", "invalid_request_error", "The request is invalid."),
    "Arrearage": (
        400,
        "Arrearage",
        "Arrearage",
        "Access denied, please make sure your account is in good standing.",
    ),
    "DataInspectionFailed": (
        400,
        "data_inspection_failed",
        "data_inspection_failed",
        "Output data may contain inappropriate content.",
    ),
    "AccessDenied": (403, "access_denied", "access_denied", "Access denied."),
    "AllocationQuota.FreeTierOnly": (
        403,
        "AllocationQuota.FreeTierOnly",
        "AllocationQuota.FreeTierOnly",
        "The free tier of the model has been exhausted.",
    ),
    "ModelNotFound": (404, "model_not_found", "invalid_request_error", "Model not exist."),
    "Throttling.RateQuota": (
        429,
        "limit_requests",
        "limit_requests",
        "You exceeded your current requests list limit.",
    ),
    "Throttling.BurstRate": (429, "limit_burst_rate", "limit_burst_rate", "Request rate increased too quickly."),
    "Throttling.AllocationQuota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        _TOO_FAST,
    ),
    "InternalError": (
        500,
        "internal_error",
        "internal_error",
        "An internal error has occured, please try again later.",
    ),
    "RequestTimeOut": (500, "RequestTimeOut", "RequestTimeOut", "Request timed out, please try again later."),
    "ModelServingError": (
        503,
        "ModelServingError",
        "ModelServingError",
        "Too many requests. Your requests are being throttled due to system capacity limits.",
    ),
    "GatewayTimeout": (504, "GatewayTimeout", "GatewayTimeout", "Gateway timeout."),
}

# Code: (status, type, words).
TENCENT: Mapping[str, tuple[int, str, str]] = {
    "400001": (400, "invalid_request_error", "Request parameter is invalid."),
    "400002": (400, "invalid_request_error", "Request body is invalid."),
    "400004": (400, "invalid_request_error", "model or service id does not exist"),
    "400005": (400, "invalid_request_error", "The model does not support this protocol."),
    "401006": (400, "invalid_request_error", "The API Key is not bound to this model."),
    "401007": (402, "permission_error", "The service is not activated."),
    "401008": (402, "permission_error", "endpoint is inactive: FREE_QUOTA_EXHAUSTED"),
    "403001": (403, "permission_error", "No permission to access this resource."),
    "403002": (403, "permission_error", "The model is not included in the current plan."),
    "403004": (402, "permission_error", "The account is in arrears."),
    "403005": (403, "permission_error", "The source IP is not in the allow-list."),
    "429001": (429, "rate_limit_error", "rate limit exceeded on dimension: rpm"),
    "451001": (451, "content_filter_error", "The request was rejected by the safety filter."),
    "502001": (502, "upstream_error", "The upstream model service failed."),
}

_ZHIPU_PROVIDERS = frozenset({"bigmodel", "zai", "sandbox"})
_ALIBABA_PROVIDERS = frozenset({"modelstudio", "dashscope"})


def known(code: str) -> bool:
    """Whether a provider has this code; Alibaba's by either name."""
    return code in ZHIPU or code in TENCENT or _alibaba_name(code) in ALIBABA


def zhipu(code: str, *, chinese: bool, field: str = "", message: str = "") -> Failure:
    """A refusal by BigModel or Z.ai; `message` stands for the table's words."""
    status, chinese_words, english_words = ZHIPU[code]
    return Failure(status, code, message or (chinese_words if chinese else english_words).format(field))


def alibaba(code: str, *, native: bool, message: str = "") -> Failure:
    """A refusal by Alibaba under the name that the address uses; `message` stands for the table's words."""
    status, name, kind, words = ALIBABA[code]
    return Failure(status, code if native else name, message or words, kind)


def tencent(code: str, message: str = "") -> Failure:
    """A refusal by TokenHub; `message` stands for the table's words."""
    status, kind, words = TENCENT[code]
    return Failure(status, code, message or words, kind)


def on_demand(provider: str, kind: str, *, chinese: bool) -> Failure:
    """The failure for a status or a code. A code of somebody else is answered by its status, in this one's words."""
    if provider in _ZHIPU_PROVIDERS and kind in ZHIPU and kind != "500":
        return zhipu(kind, chinese=chinese)
    if provider in _ALIBABA_PROVIDERS and _alibaba_name(kind) in ALIBABA:
        return alibaba(_alibaba_name(kind), native=provider == "dashscope")
    if provider == "tokenhub" and kind in TENCENT:
        return tencent(kind)
    return _by_status(provider, _status(kind), chinese=chinese)


def _alibaba_name(code: str) -> str:
    return next((name for name, (_, other, _, _) in ALIBABA.items() if code == other), code)


def _status(kind: str) -> int:
    for table in (ZHIPU, TENCENT):
        if kind in table:
            return table[kind][0]
    name = _alibaba_name(kind)
    return ALIBABA[name][0] if name in ALIBABA else int(kind)


def _by_status(provider: str, status: int, *, chinese: bool) -> Failure:
    if status == BAD_KEY[provider].status:
        return BAD_KEY[provider]
    if provider in _ZHIPU_PROVIDERS:
        code = {400: "1210", 403: "1220", 429: "1302", 500: "500"}.get(status)
        return zhipu(code, chinese=chinese) if code else Failure(status, str(status), f"HTTP {status}")
    if provider in _ALIBABA_PROVIDERS:
        name = next((name for name, row in ALIBABA.items() if row[0] == status), None)
        return alibaba(name, native=provider == "dashscope") if name else Failure(status, str(status), f"HTTP {status}")
    if provider == "tokenhub":
        code = _TENCENT_STATUS.get(status)
        return tencent(code) if code else Failure(status, f"{status}001", f"HTTP {status}", "upstream_error")
    return _SERVERS[provider](status)


_TENCENT_STATUS = {400: "400001", 402: "401008", 403: "403001", 429: "429001", 451: "451001", 502: "502001"}
_WORDS = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    413: "Payload Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_LLAMA_TYPES = {
    400: "invalid_request_error",
    403: "permission_error",
    404: "not_found_error",
    503: "unavailable_error",
}
_OLLAMA_TYPES = {400: "invalid_request_error", 404: "not_found_error"}


def _words(status: int) -> str:
    return _WORDS.get(status, f"HTTP {status}")


def _openai_failure(status: int) -> Failure:
    if status == 429:  # noqa: PLR2004 - the status
        return Failure(status, "rate_limit_exceeded", "Rate limit reached for requests.", "requests")
    kind = "server_error" if status >= 500 else "invalid_request_error"  # noqa: PLR2004 - the class of the status
    return Failure(status, kind, _words(status), kind)


# vLLM and SGLang name the type after the status, llama.cpp and Ollama have words of their own (sources: failures.py).
_SERVERS: Mapping[str, Callable[[int], Failure]] = {
    "vllm": lambda status: Failure(status, "", _words(status), _words(status).title().replace(" ", "") + "Error"),
    "sglang": lambda status: Failure(status, "", _words(status), _words(status).title().replace(" ", "")),
    "llamacpp": lambda status: Failure(status, "", _words(status), _LLAMA_TYPES.get(status, "server_error")),
    "ollama": lambda status: Failure(status, "", _words(status).lower(), _OLLAMA_TYPES.get(status, "api_error")),
    "openai": _openai_failure,
}
