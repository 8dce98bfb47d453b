# ruff: noqa: RUF001 - the provider's own words are Chinese
"""The errors of BigModel and Z.ai, in both languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.sandbox.providers.row import SandboxError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Code: (status, Chinese, English). `{}` is the field that the message names. Words that no page quotes are ours, after
# what the page says that the code means.
# Source: https://docs.bigmodel.cn/cn/api/api-code and https://docs.z.ai/api-reference/api-code (2026); where recorded,
# the words of the recording.
_CODES: Mapping[str, tuple[int, str, str]] = {
    "500": (500, "内部错误", "Internal error"),
    "1000": (401, "身份验证失败。", "Authentication failed."),
    "1001": (401, "Header中未收到Authentication参数，无法进行身份验证。", "No Authentication parameter in the header."),
    "1002": (401, "Authentication Token非法。", "Invalid Authentication Token."),
    "1003": (401, "Authentication Token已过期，请重新生成/获取。", "Authentication Token expired."),
    "1004": (401, "通过提供的Authentication Token的验证失败。", "Authentication Token could not be verified."),
    "1005": (401, "请先完成双重身份验证。", "Complete the two-factor authentication first."),
    "1100": (401, "账户读写异常。", "The account cannot be read or written."),
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
    "1320": (429, "子账号已达到使用上限。", "The limit of the sub-account is reached."),
    "1321": (429, "企业已达到使用上限。", "The limit of the company is reached."),
}

STATUSES: Mapping[str, int] = {code: row[0] for code, row in _CODES.items()}
_CODE_OF_STATUS = {400: "1210", 403: "1220", 429: "1302", 500: "500"}


def zhipu_error(code: str, *, chinese: bool, field: str = "", message: str = "") -> SandboxError:
    """The error with this code; `message` replaces the words of the table."""
    status, chinese_words, english_words = _CODES[code]
    return SandboxError(status, code, message or (chinese_words if chinese else english_words).format(field))


def error_of(code: str, status: int, chinese: bool) -> SandboxError:
    """The error with this code, else the usual one with this status."""
    code = code if code in _CODES else _CODE_OF_STATUS.get(status, "")
    return zhipu_error(code, chinese=chinese) if code else SandboxError(status, str(status), f"HTTP {status}")
