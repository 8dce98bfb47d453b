# ruff: noqa: RUF001 - some of the words are Chinese
"""Every way in which a provider says no, and what it means for a script."""

from __future__ import annotations

import json
import time

import pytest
from provider_rows import DEFAULTS
from scripted_server import Server, Stall, chunk, head, reply

from glmcli.providers.refusals import error_of_response
from glmcli.providers.table import PROVIDERS

# Contract, section 3.
TYPES = {
    2: "usage",
    3: "credentials",
    4: "quota",
    5: "busy",
    6: "network",
    7: "incomplete",
    8: "filtered",
    13: "protocol",
}
YES, NO = True, False


def zhipu(code, message="said", **beside):
    return {"error": {"code": code, "message": message}} | beside


def compat(code, message="said", kind=None):
    return {"error": {"message": message, "type": kind or code, "param": None, "code": code}, "request_id": "body-1"}


def native(code, message="said"):
    return {"code": code, "message": message, "request_id": "body-1"}


def tokenhub(code, message="said", kind="gateway_error"):
    return {"error": {"type": kind, "code": code, "message": message, "source": "gateway", "request_id": "body-1"}}


def server(code, message="said", kind="BadRequestError"):
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


# (HTTP status, code, message, exit code, may be retried). Source: docs.bigmodel.cn/cn/api/api-code and
# docs.z.ai/api-reference/api-code (2026) with the statuses of a fuller table of 2026.
ZHIPU = [
    (401, "401", "令牌已过期或验证不正确", 3, NO),
    *((401, code, "said", 3, NO) for code in ("1000", "1001", "1002", "1003", "1004", "1005")),
    *((401, code, "said", 3, NO) for code in ("1100", "1110", "1111", "1112", "1120", "1121")),
    *((429, code, "said", 3, NO) for code in ("1100", "1110", "1111", "1112", "1120", "1121")),
    (429, "1113", "余额不足或无可用资源包,请充值。", 4, NO),
    (500, "500", "内部错误", 5, YES),
    (500, "1200", "said", 5, YES),
    (500, "1230", "said", 5, YES),
    (500, "1234", "said", 5, YES),
    (400, "1234", "said", 5, YES),
    (400, "1210", "图片输入格式/解析错误", 2, NO),
    (400, "1210", "This model always engages in thinking and cannot be disabled; please use low, high, or max", 2, NO),
    (400, "1210", "Requested token count exceeds the model's maximum context length of 202752 tokens.", 7, NO),
    (400, "1211", "模型不存在，请检查模型代码。", 2, NO),
    (400, "1212", "said", 2, NO),
    (400, "1213", "said", 2, NO),
    (400, "1214", "messages 参数非法。请检查文档。", 2, NO),
    (400, "1214", "The model parameter is illegal", 2, NO),
    (400, "1215", "said", 2, NO),
    (403, "1220", "said", 3, NO),
    (400, "1221", "said", 2, NO),
    (400, "1222", "said", 2, NO),
    (400, "1231", "said", 2, NO),
    (400, "1261", "Prompt 超长", 7, NO),
    (400, "1300", "said", 8, NO),
    (400, "1301", "系统检测到输入或生成内容可能包含不安全或敏感内容", 8, NO),
    (429, "1302", "Rate limit reached for requests", 5, YES),
    (429, "1303", "said", 5, YES),
    (429, "1304", "said", 4, NO),
    (429, "1305", "said", 5, YES),
    (429, "1308", "Usage limit reached for 5 hour. Your limit will reset at 2026-05-09 04:56:07", 4, NO),
    (429, "1309", "said", 4, NO),
    (429, "1310", "您的限额将在 2026-09-07 19:05:39 重置", 4, NO),
    (429, "1311", "said", 4, NO),
    (429, "1312", "said", 5, YES),
    (429, "1313", "said", 4, NO),
    *((429, code, "said", 4, NO) for code in ("1314", "1315", "1316", "1317", "1318", "1319", "1320", "1321")),
    (529, "", "said", 5, YES),
    (434, "", "said", 3, NO),
    (435, "", "said", 2, NO),
    (429, "9999", "said", 5, YES),
    (400, "9999", "said", 2, NO),
]

# (HTTP status, code, message, exit code, may be retried), said in both of Alibaba's forms. Source:
# docs.qwencloud.com/api-reference/preparation/error-messages, help.aliyun.com/en/model-studio/rate-limit (2026-09-28).
ALIBABA = [
    (400, "InvalidParameter", "Range of temperature should be [0.0, 2.0)", 2, NO),
    (400, "invalid_parameter_error", "This model only support stream mode", 2, NO),
    (400, "invalid_request_error", "said", 2, NO),
    (400, "invalid_value", "said", 2, NO),
    (400, "InternalError.Algo.InvalidParameter", 'The "function.arguments" parameter must be in JSON format.', 2, NO),
    (400, "InvalidParameter.NotSupportEnableThinking", "said", 2, NO),
    (400, "Arrearage", "Access denied, please make sure your account is in good standing.", 4, NO),
    (400, "DataInspectionFailed", "Input data may contain inappropriate content.", 8, NO),
    (400, "data_inspection_failed", "Output data may contain inappropriate content.", 8, NO),
    (400, "InvalidParameter.DataInspection", "said", 8, NO),
    (400, "CustomRoleBlocked", "said", 8, NO),
    (400, "IPInfringementSuspect", "said", 8, NO),
    (400, "FaqRuleBlocked", "said", 8, NO),
    (400, "ServiceUnavailableError", "Role must be user or assistant and Content length must be greater than 0", 2, NO),
    (400, "InvalidURL", "url error, please check url!", 2, NO),
    (400, "ClientDisconnect", "said", 2, NO),
    (401, "InvalidApiKey", "Invalid API-key provided.", 3, NO),
    (401, "invalid_api_key", "Incorrect API key provided.", 3, NO),
    (401, "NOT AUTHORIZED", "said", 3, NO),
    (401, "", "invalid access token or token expired", 3, NO),
    (403, "AccessDenied", "said", 3, NO),
    (403, "AccessDenied.Unpurchased", "said", 3, NO),
    (403, "Model.AccessDenied", "said", 3, NO),
    (403, "App.AccessDenied", "said", 3, NO),
    (403, "Workspace.AccessDenied", "said", 3, NO),
    (403, "access_denied", "said", 3, NO),
    (403, "AllocationQuota.FreeTierOnly", "The free tier of the model has been exhausted.", 4, NO),
    (404, "ModelNotFound", "said", 2, NO),
    (404, "model_not_found", "The model `glm-9` does not exist or you do not have access to it.", 2, NO),
    (404, "model_not_supported", "Unsupported model `x` for OpenAI compatibility mode.", 2, NO),
    (404, "WorkSpaceNotFound", "said", 2, NO),
    (404, "NotFound", "said", 2, NO),
    (429, "Throttling", "said", 5, YES),
    (429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later.", 5, YES),
    (429, "LimitRequests", "said", 5, YES),
    (429, "limit_requests", "You exceeded your current requests list.", 5, YES),
    (429, "Throttling.BurstRate", "Request rate increased too quickly.", 5, YES),
    (429, "limit_burst_rate", "Request rate increased too quickly.", 5, YES),
    (429, "Throttling.AllocationQuota", "Allocated quota exceeded, please increase your quota limit.", 5, YES),
    (429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details.", 5, YES),
    (429, "Throttling.AllocationQuota", "Free allocated quota exceeded.", 4, NO),
    (429, "insufficient_quota", "Free allocated quota exceeded.", 4, NO),
    (429, "Throttling.AllocationQuota", "hour allocated quota exceeded", 4, NO),
    (429, "insufficient_quota", "week allocated quota exceeded", 4, NO),
    (429, "insufficient_quota", "month allocated quota exceeded", 4, NO),
    (429, "CommodityNotPurchased", "said", 4, NO),
    (429, "PrepaidBillOverdue", "The prepaid bill is overdue.", 4, NO),
    (429, "PostpaidBillOverdue", "The postpaid bill is overdue.", 4, NO),
    (500, "InternalError", "An internal error has occured, please try again later or contact service support.", 5, YES),
    (500, "internal_error", "said", 5, YES),
    (500, "InternalError.Algo", "Expecting ',' delimiter: line 1 column 2", 5, YES),
    (500, "InternalError.Timeout", "said", 5, YES),
    (500, "InternalError", "list index out of range", 2, NO),
    (500, "InternalError.Algo", "list index out of range", 2, NO),
    (500, "internal_error", "list index out of range", 2, NO),
    (500, "SystemError", "said", 5, YES),
    (500, "ModelServiceFailed", "said", 5, YES),
    (500, "RequestTimeOut", "Request timed out, please try again later.", 5, YES),
    (500, "ResponseTimeout", "said", 5, YES),
    (
        500,
        "ModelServingError",
        "Too many requests. Your requests are being throttled due to system capacity limits.",
        5,
        YES,
    ),
    (503, "ModelServingError", "said", 5, YES),
    (503, "ModelUnavailable", "said", 5, YES),
    (503, "ServiceUnavailable", "said", 5, YES),
    (504, "GatewayTimeout", "said", 5, YES),
    # Models that Zhipu serves directly use Zhipu's codes.
    (429, "1113", "said", 4, NO),
    (400, "1301", "said", 8, NO),
    (429, "1302", "said", 5, YES),
    (429, "1305", "said", 5, YES),
    (400, "1261", "said", 7, NO),
]

# Source: cloud.tencent.com/document/product/1823/131595 (2026), and live probes of others.
TOKENHUB = [
    (400, "400001", "said", 2, NO),
    (400, "400002", "said", 2, NO),
    (400, "400004", "The model or service ID glm-9 does not exist.", 2, NO),
    (400, "400005", "said", 2, NO),
    (400, "401006", "the api key is bound to other models", 3, NO),
    (401, "401002", "The API Key does not exist or signature verification failed.", 3, NO),
    (402, "401007", "said", 4, NO),
    (402, "401008", "endpoint is inactive: FREE_QUOTA_EXHAUSTED", 4, NO),
    (402, "403004", "said", 4, NO),
    (403, "403001", "said", 3, NO),
    (403, "403002", "said", 3, NO),
    (403, "403005", "said", 3, NO),
    (429, "429001", "rate limit exceeded on dimension: rpm", 5, YES),
    (429, "429001", "rate limit exceeded on dimension: tpm", 5, YES),
    (451, "451001", "said", 8, NO),
    (502, "502001", "said", 5, YES),
    (502, "upstream-own", "said", 5, YES),
]

# Bodies of servers that people run themselves, as they came (fact: runs of vLLM 0.32, llama.cpp, transformers 5.19 and
# LiteLLM 1.106 on 2026-11-21; sources of SGLang 0.5.23 and Ollama@fb30760): row, status, body, exit, code, retried.
VLLM_CONTEXT = (
    "This model's maximum context length is 2048 tokens. However, your prompt contains at least 2049 input tokens"
)
SERVERS = [
    ("vllm", 401, {"error": "Unauthorized"}, 3, None, NO),
    ("vllm", 404, server(404, "The model `nope` does not exist.", "NotFoundError"), 2, "404", NO),
    ("vllm", 400, server(400, VLLM_CONTEXT), 7, "400", NO),
    ("vllm", 400, server(400, "max_tokens=65536 cannot be greater than max_model_len=2048."), 2, "400", NO),
    ("vllm", 400, server(400, "Stream options can only be defined when `stream=True`."), 2, "400", NO),
    ("vllm", 404, {"detail": "Not Found"}, 2, None, NO),
    ("vllm", 405, {"detail": "Method Not Allowed"}, 2, None, NO),
    ("vllm", 500, server(500, "EngineCore encountered an issue.", "InternalServerError"), 5, "500", YES),
    (
        "sglang",
        400,
        {"object": "error", "message": "Messages cannot be empty.", "type": "BadRequest", "param": None, "code": 400},
        2,
        "400",
        NO,
    ),
    ("sglang", 401, {"error": "Unauthorized"}, 3, None, NO),
    ("llamacpp", 401, server(401, "Invalid API Key", "authentication_error"), 3, "401", NO),
    ("llamacpp", 503, server(503, "Loading model", "unavailable_error"), 5, "503", YES),
    (
        "llamacpp",
        400,
        server(400, "request (12005 tokens) exceeds the available context size", "exceed_context_size_error"),
        7,
        "400",
        NO,
    ),
    ("openai", 422, {"detail": [{"type": "json_invalid", "loc": ["body", 1]}]}, 2, None, NO),
    ("openai", 422, {"detail": "Unexpected fields in the request: {'thinking'}"}, 2, None, NO),
    ("openai", 500, "Internal Server Error", 5, None, YES),
    ("openai", 429, server("429", "litellm.RateLimitError: ...", "throttling_error"), 5, "429", YES),
    (
        "openai",
        404,
        server("model_not_found", "The model does not exist", "invalid_request_error"),
        2,
        "model_not_found",
        NO,
    ),
    ("openai", 429, server("insufficient_quota", "said", "insufficient_quota"), 4, "insufficient_quota", NO),
    ("openai", 429, server("rate_limit_exceeded", "said", "requests"), 5, "rate_limit_exceeded", YES),
    (
        "openai",
        400,
        server("context_length_exceeded", "said", "invalid_request_error"),
        7,
        "context_length_exceeded",
        NO,
    ),
    ("openai", 400, server("content_filter", "said", None), 8, "content_filter", NO),
    ("ollama", 404, server(None, "model 'glm-9' not found", "not_found_error"), 2, "not_found_error", NO),
    ("ollama", 400, server(None, "invalid message format", "invalid_request_error"), 2, "invalid_request_error", NO),
]

# Bodies in odd clothes.
WRAPPED = (
    'id:1\nevent:error\n:HTTP_STATUS/429\ndata:{"request_id":"body-1","code":"Throttling.AllocationQuota",'
    '"message":"Allocated quota exceeded, please increase your quota limit."}'
)
FRAME = (
    'id:1\nevent:error\n:HTTP_STATUS/400\ndata:{"code":"DataInspectionFailed","message":"m","request_id":"body-1"}\n\n'
)
ODD = [
    ("zai", 429, zhipu(1302), 5, "1302", YES),  # the published schema has a number
    ("bigmodel", 400, zhipu("1301", contentFilter=[{"level": 2, "role": "user"}]), 8, "1301", NO),
    ("zai", 500, {"error": {"message": "no code"}}, 5, None, YES),
    ("zai", 401, {"error": {"code": "1302", "message": "the code counts"}}, 5, "1302", YES),
    ("zai", 400, {"error": {}}, 2, None, NO),
    ("zai", 400, {"error": None}, 2, None, NO),
    ("zai", 400, [], 2, None, NO),
    ("zai", 400, "{", 2, None, NO),
    ("zai", 500, "[" * 100_000, 5, None, YES),
    ("modelstudio", 405, {"error": "Coding Plan is currently only available for Coding Agents"}, 2, None, NO),
    ("modelstudio", 400, FRAME, 8, "DataInspectionFailed", NO),
    # What looks like a wrapped error, and holds none.
    ("modelstudio", 400, {"error": {"message": ":HTTP_STATUS/429\ndata:{broken}"}}, 2, None, NO),
    ("modelstudio", 400, {"error": {"message": ":HTTP_STATUS/429\ndata:{}"}}, 2, None, NO),
    ("dashscope", 400, FRAME, 8, "DataInspectionFailed", NO),
    ("tokenhub", 429, tokenhub("429001", kind="invalid_request_error"), 5, "429001", YES),
    ("tokenhub", 401, tokenhub("401002", kind="authentication_error"), 3, "401002", NO),
]

# What an HTTP status alone means.
STATUSES = [
    (400, 2, NO),
    (401, 3, NO),
    (402, 4, NO),
    (403, 3, NO),
    (404, 2, NO),
    (405, 2, NO),
    (408, 5, YES),
    (409, 5, YES),
    (413, 2, NO),
    (418, 2, NO),
    (422, 2, NO),
    (425, 5, YES),
    (429, 5, YES),
    (434, 3, NO),
    (451, 8, NO),
    (500, 5, YES),
    (501, 5, NO),
    (502, 5, YES),
    (503, 5, YES),
    (504, 5, YES),
    (505, 5, NO),
    (529, 5, YES),
    (599, 5, YES),
]

ROWS = [
    *(("bigmodel", s, zhipu(c, m), e, c or None, r) for s, c, m, e, r in ZHIPU),
    *(("zai", s, zhipu(c, m), e, c or None, r) for s, c, m, e, r in ZHIPU),
    *(("modelstudio", s, compat(c, m), e, c or None, r) for s, c, m, e, r in ALIBABA),
    *(("dashscope", s, native(c, m), e, c or None, r) for s, c, m, e, r in ALIBABA if c),
    *(("tokenhub", s, tokenhub(c, m), e, c, r) for s, c, m, e, r in TOKENHUB),
    *SERVERS,
    *ODD,
    *(("zai", s, "", e, None, r) for s, e, r in STATUSES),
    *(("vllm", s, "Sorry", e, None, r) for s, e, r in STATUSES),
]


def encoded(body):
    return (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).encode()


def id_in(body):
    """The request id that the body says, or else that of the header."""
    return "body-1" if "body-1" in str(body) else "head-1"


@pytest.mark.parametrize("case", ROWS, ids=lambda case: f"{case[0]}-{case[1]}-{case[4]}")
def test_meaning(case) -> None:
    row, status, body, code, provider_code, retried = case
    error = error_of_response(status, {"x-log-id": "head-1"}, encoded(body), PROVIDERS[row], 0.0)
    assert (error.exit_code, error.type) == (code, TYPES[code])
    assert (error.http_status, error.provider_code) == (status, provider_code)
    assert error.request_id == id_in(body)
    assert (error.retry is not None) == retried
    assert error.message.startswith(f"{row}: ")
    assert f"HTTP {status}" in error.message
    assert "\n" not in error.message


def picked():
    """One row for each provider, status, meaning and code of at most four in a family, for the installed program."""
    seen, chosen = set(), []
    for case in [*ODD, *SERVERS, *ROWS]:
        key = (case[0] if case[0] not in ("bigmodel", "dashscope") else "", case[1], case[3], case[5])
        if key not in seen:
            seen.add(key)
            chosen.append(case)
    return chosen


@pytest.mark.sampled(5)
@pytest.mark.parametrize("case", picked(), ids=lambda case: f"{case[0]}-{case[1]}-{case[4]}")
def test_refusal_as_json(glm, keys, case) -> None:
    row, status, body, code, provider_code, retried = case
    with Server(reply(status, body if isinstance(body, dict) else encoded(body), "X-Request-Id: head-1")) as server:
        model = DEFAULTS.get(row, "glm-5")
        flags = ("-P", row, "-m", model, "--base-url", server.url, "--retries", "0", "--json")
        done = glm("ask", *flags, "hi", env=keys)
    assert len(server.requests) == 1
    value = json.loads(done.out)
    error = value["error"]
    assert done.code == code == error["exit_code"], done.err
    assert (error["type"], error["http_status"]) == (TYPES[code], status)
    assert (error["provider_code"], error["retryable"]) == (provider_code, retried)
    assert error["request_id"] == value["request_id"] == id_in(body)
    assert (value["provider"], value["model"], value["attempts"]) == (row, model, 1)
    assert (value["answer"], value["partial"], value["usage"], value["cost"]) == (None, None, None, None)
    assert done.err.startswith(f"glm: error: {row}: ")
    assert f"\n  request id: {id_in(body)}\n" in done.err


# --- what a person reads ---


def lines(glm, keys, script, *flags, row="zai"):
    """The lines of stderr of an ask that fails."""
    with Server(script) as server:
        done = glm("ask", "-P", row, "-m", "glm-5", "--base-url", server.url, "--retries", "0", *flags, "hi", env=keys)
    assert done.out == b""
    assert done.code != 0
    return done.code, [line.replace(server.url, "URL") for line in done.err.splitlines()]


CLOCK = " (the provider's clock, UTC+8) (HTTP 429, code "


@pytest.mark.parametrize(
    "case",
    [
        (
            "zai",
            429,
            zhipu("1308", "Usage limit reached for 5 hour. Your limit will reset at 2026-05-09 04:56:07"),
            [
                f"glm: error: zai: the five-hour quota is used up until 2026-05-09 04:56:07{CLOCK}1308)",
                "  why: Usage limit reached for 5 hour. Your limit will reset at 2026-05-09 04:56:07",
            ],
        ),
        (
            "bigmodel",
            429,
            zhipu("1310", "您的限额将在 2026-09-07 19:05:39 重置", request_id="r-9"),
            [
                f"glm: error: bigmodel: the weekly or monthly quota is used up until 2026-09-07 19:05:39{CLOCK}1310)",
                "  why: 您的限额将在 2026-09-07 19:05:39 重置",
                "  request id: r-9",
            ],
        ),
        (
            "zai",
            401,
            zhipu("401", "令牌已过期或验证不正确"),
            [
                "glm: error: zai: the key was refused (HTTP 401, code 401)",
                "  why: 令牌已过期或验证不正确",
                "  fix: check the key in ZAI_API_KEY, and that it belongs to URL",
            ],
        ),
        (
            "vllm",
            404,
            server(404, "The model `nope` does not exist.", "NotFoundError"),
            [
                "glm: error: vllm: the model does not exist here (HTTP 404, code 404)",
                "  why: The model `nope` does not exist.",
                "  fix: check --model, or add --fallback",
            ],
        ),
        (
            "openai",
            422,
            {"detail": [{"type": "json_invalid"}]},
            [
                "glm: error: openai: the request was refused as malformed (HTTP 422)",
                '  why: [{"type":"json_invalid"}]',
            ],
        ),
        (
            "sglang",
            401,
            {"error": "Unauthorized\nGo  away"},
            ["glm: error: sglang: the key was refused (HTTP 401)", "  why: Unauthorized Go away"],
        ),
        ("zai", 503, "", ["glm: error: zai: the provider failed (HTTP 503)"]),
    ],
)
def test_words(glm, keys, case) -> None:
    row, status, body, said = case
    _, got = lines(glm, keys, reply(status, body), row=row)
    assert got == said


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("status", "retried"), [(403, NO), (404, NO), (405, NO), (429, YES), (501, NO), (502, YES), (503, YES), (504, YES)]
)
@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "text/plain"])
def test_html(glm, keys, status, retried, kind) -> None:
    page = "<!DOCTYPE html>\n<html><title>405</title>" + "blocked " * 100
    with Server(reply(status, page, content_type=kind)) as server:
        done = glm("ask", "-P", "zai", "--base-url", server.url, "--retries", "0", "--json", "hi", env=keys)
    error = json.loads(done.out)["error"]
    assert (done.code, error["type"], error["http_status"]) == (13, "protocol", status)
    assert error["message"] == f"zai: got HTML, not an API response (HTTP {status})"
    assert error["why"].startswith("<!DOCTYPE html> <html><title>405</title>blocked blocked")
    assert len(error["why"]) == 201  # 200 characters and an ellipsis
    assert error["retryable"] == retried


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(glm, keys, status) -> None:
    with (
        Server(reply(200, "")) as other,
        Server(reply(status, "", f"Location: {other.url}/chat/completions")) as server,
    ):
        done = glm("ask", "-P", "zai", "--base-url", server.url, "hi", env=keys)
    assert done.code == 13
    assert f"zai: refusing the redirect to {other.url}/chat/completions (HTTP {status})" in done.err
    assert (len(server.requests), len(other.requests)) == (1, 0)


def test_a_redirect_to_nowhere(glm, keys) -> None:
    code, got = lines(glm, keys, reply(302, ""))
    assert code == 13
    assert got[0] == "glm: error: zai: refusing the redirect to another place (HTTP 302)"


def test_only_a_mebibyte_of_an_error_is_read(glm, keys) -> None:
    # The rest never comes: who waited for it would wait for ever.
    script = [head(status=500, content_type="text/plain"), chunk(b"no" * (600 * 1024)), Stall()]
    began = time.monotonic()
    code, got = lines(glm, keys, script)
    assert time.monotonic() - began < 30
    assert code == 5
    assert got[1].startswith("  why: nononono")
    assert got[1].endswith("… (only the first 1 MiB of the body was read)")


@pytest.mark.slow
def test_an_error_whose_body_never_comes(glm, keys) -> None:
    code, got = lines(glm, keys, [head(status=503), Stall()], "--first-timeout", "0.4")
    assert (code, got) == (5, ["glm: error: zai: the provider failed (HTTP 503)"])


def test_an_error_whose_body_is_cut(glm, keys) -> None:
    body = json.dumps(zhipu("1113")).encode()
    code, got = lines(glm, keys, [head(status=429), chunk(body)])
    assert code == 4
    assert "code 1113" in got[0]


def test_a_wrapped_frame_is_unwrapped(glm, keys) -> None:
    script = reply(400, {"error": {"message": WRAPPED, "type": None, "param": None, "code": None}})
    with Server(script) as server:
        flags = ("-P", "modelstudio", "--base-url", server.url, "--retries", "0", "--json")
        done = glm("ask", *flags, "hi", env=keys)
    error = json.loads(done.out)["error"]
    assert (done.code, error["http_status"], error["provider_code"]) == (5, 429, "Throttling.AllocationQuota")
    assert (error["request_id"], error["retryable"]) == ("body-1", True)


def test_the_words_of_a_key_are_not_repeated(glm, keys) -> None:
    # A gateway may quote the key that it refuses; the fixture looks for it on every stream.
    key = keys["ZAI_API_KEY"]
    code, got = lines(glm, keys, reply(401, zhipu("1000", f"bad key {key}", request_id=key)))
    assert code == 3
    assert got[1] == "  why: bad key ***"


@pytest.mark.parametrize("body", ['{"error":{"code":"1302","message":1e999}}', '{"error":{"code":NaN}}', "\x00\xff"])
def test_bodies_that_are_no_json_are_judged_by_status(glm, keys, body) -> None:
    code, got = lines(glm, keys, reply(401, body.encode("latin-1")))
    assert code == 3
    assert got[0] == "glm: error: zai: the key was refused (HTTP 401)"
