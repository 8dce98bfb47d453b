# ruff: noqa: RUF001 - some of the words are Chinese
"""What gateways, proxies and servers say in words and shapes of their own, and what it means for a script.

The bodies are rebuilt from public reports, which the tables in `glmcli/providers/` name beside each sentence and shape.
"""

from __future__ import annotations

import json
import re
import time
from email.utils import formatdate

import pytest
from scripted_server import Server, answer, delta, reply, stream

from glmcli.http.retry import retry_after, sent_at
from glmcli.providers.error_payload import find_error
from glmcli.providers.refusals import error_of_response
from glmcli.providers.table import PROVIDERS

TYPES = {2: "usage", 3: "credentials", 4: "quota", 5: "busy", 7: "incomplete", 8: "filtered", 13: "protocol"}
YES, NO = True, False


def said(message, code=None, kind=None, **beside):
    return {"error": {"message": message, "type": kind, "param": None, "code": code}} | beside


def upstream(raw):
    """OpenRouter's error around that of an upstream."""
    metadata = {"raw": raw, "provider_name": "Z.AI"}
    return {"error": {"message": "Provider returned error", "code": 429, "metadata": metadata}, "user_id": "u"}


LITELLM = "litellm.RateLimitError: RateLimitError: OpenAIException - "
ZAI_BROKE = "Insufficient balance or no resource package. Please recharge."
GROUP = "\nReceived Model Group=glm-5\nAvailable Model Group Fallbacks=None"
TOO_LARGE = (
    "Request too large for model glm-5 in organization org_x on tokens per minute (TPM): Limit 6000, Requested 9000"
)

ABROAD = "unsupported_country_region_territory"
NEURONS = "you have used up your daily free allocation of 10,000 neurons, please upgrade"
DEGRADED = "DEGRADED function cannot be invoked"

# The row, the status, the body, the exit code, the provider's code, whether it is asked again.
CONTEXT = [
    ("sglang", 400, "The input (61709 tokens) is longer than the model's context length (40960 tokens)."),
    ("sglang", 400, "Requested token count exceeds the model's maximum context length of 202752 tokens. You requested"),
    ("sglang", 400, "Input length (700001 tokens) exceeds the maximum allowed length (536826 tokens). Use a shorter"),
    ("vllm", 400, "'max_tokens' or 'max_completion_tokens' is too large: 9. This model's maximum context length is 8"),
    (
        "vllm",
        500,
        "[address=0.0.0.0:43769, pid=1] The decoder prompt (length 9) is longer than the maximum model length",
    ),
    ("llamacpp", 500, "the request exceeds the available context size. try increasing it"),
    ("openai", 400, "This endpoint's maximum context length is 262144 tokens. However, you requested about 264896"),
    ("openai", 400, "This model's maximum prompt length is 131072 but the request contains 136973 tokens."),
    ("openai", 413, "Your input exceeds the context window of this model. Please adjust your input and try again."),
    ("openai", 400, "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 509178"),
    ("openai", 400, "number of input tokens (204703) has exceeded max_prompt_tokens (202752) limit."),
    ("openai", 400, "The prompt is too long: 40177, model maximum context length: 32767"),
    ("openai", 400, "prompt is too long: 209303 tokens > 200000 maximum"),
    ("openai", 400, "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."),
    ("openai", 400, "invalid params, context window exceeds limit (2013)"),
    (
        "openai",
        400,
        "litellm.BadRequestError: Fireworks_aiException - The prompt is too long: 9, model maximum context length: 8",
    ),
    ("openai", 400, "litellm.ContextWindowExceededError: litellm.BadRequestError: OpenAIException - too much"),
    (
        "openai",
        502,
        "proxy failed. Provider: GLM; model: glm-4.5; upstream_status: HTTP 400; cause: Prompt exceeds max length",
    ),
    ("openai", 400, "Error: API Error: 400 Bad Request: [zai] glm/glm-5: Prompt exceeds max length"),
    ("openai", 422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 1887 `inputs`"),
    ("openai", 400, "Trying to keep the first 10136 tokens when context the overflows. However, the model is loaded"),
    ("openai", 400, "prompt token count of 138898 exceeds the limit of 64000"),
    ("openai", 413, "Request body too large for gpt-4o model. Max size: 8000 tokens."),
    ("openai", 400, "Input is too long."),
    ("openai", 400, "Prompt exceeds maximum context length"),
    (
        "openai",
        400,
        "Prompt contains 6 tokens and 0 draft tokens, too large for model with 4 maximum context length",
    ),
    ("openai", 400, "too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs."),
    ("vllm", 400, "The prompt (total length 25938) is too long to fit into the model (context length 4096). Make sure"),
    ("zai", 400, "Prompt exceeds max length"),
    ("modelstudio", 400, "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 202752]"),
]
MONEY = [
    (
        "openai",
        403,
        said("用户额度不足, 剩余额度: $0.000000 (request id: 2026022819)", "insufficient_user_quota", "new_api"),
    ),
    ("openai", 403, said("user quota is not enough (request id: 20250228)", None, "v_api_error")),
    ("openai", 403, said("预扣费额度失败, 用户剩余额度: $0.01", None, "new_api_error")),
    ("openai", 429, said("Budget has been exceeded! Current cost: 10.51, Max budget: 10.00", "429", "budget_exceeded")),
    (
        "openai",
        400,
        said("litellm.BadRequestError: OpenAIException - Budget has been exceeded! Current cost: 1", "400"),
    ),
    ("openai", 400, said("ExceededBudget: End User=x over budget. Spend=0.0008, Budget=0.0001", "400", "budget_error")),
    ("openai", 400, said("Authentication Error, ExceededTokenBudget: Current spend for token: 7.2e-05", "400", "auth")),
    ("openai", 429, said("LiteLLM User: engineer-1, exceeded budget for model=glm-5", "429", "None")),
    ("openai", 429, said(ZAI_BROKE, None, "AI_APICallError")),
    ("openai", 429, said("429 余额不足或无可用资源包,请充值。")),
    ("openai", 500, said(f"{LITELLM}{ZAI_BROKE}", "500", "None")),
    ("openai", 429, said(LITELLM + str(said(ZAI_BROKE, "1113")) + GROUP, "429", "throttling_error")),
    ("openai", 429, said(LITELLM + json.dumps(said("x", "1308")) + GROUP, "429", "throttling_error")),
    ("openai", 429, said("Usage limit reached for 5 hour. Your limit will reset at 2026-05-09 04:56:07")),
    ("openai", 429, said("Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-04-23 18:33:48")),
    ("openai", 429, said("Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free models", 429)),
    ("openai", 429, said("Rate limit exceeded: free-models-per-day-high-balance.", "429", "rate_limit_error")),
    ("openai", 429, upstream(json.dumps(said(ZAI_BROKE, "1113")))),
    ("openai", 403, said("Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys", 403)),
    ("openai", 402, said("Insufficient credits. Add more using https://openrouter.ai/settings/credits", 402)),
    ("openai", 401, {"message": "Insufficient balance. Manage your billing here: https://x", "type": "CreditsError"}),
    ("openai", 403, {"code": "INSUFFICIENT_BALANCE", "message": "Insufficient account balance"}),
    ("openai", 403, {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}),
    ("openai", 403, said("The request failed because your account has an overdue balance.", "AccountOverdueError")),
    (
        "openai",
        412,
        said("Account x is suspended, possibly due to reaching the monthly spending limit", "PRECONDITION_FAILED"),
    ),
    ("openai", 500, said("Upstream request failed: Insufficient account funds", None, "server_error")),
    (
        "openai",
        429,
        said(
            "Rate limit reached for glm-5 in organization org on tokens per day (TPD): Limit 9", "rate_limit_exceeded"
        ),
    ),
    ("ollama", 429, {"error": "you (anna) have reached your session usage limit, please wait or upgrade to continue"}),
    ("ollama", 403, {"error": "this model requires a subscription, upgrade for access: https://ollama.com/upgrade"}),
    ("vllm", 429, said("You exceeded your current quota", None, "insufficient_quota")),
    ("openai", 403, {"code": 403, "reason": "NOT_ENOUGH_BALANCE", "message": "not enough balance"}),
    (
        "openai",
        403,
        {"code": 30011, "message": "The selected model requires paid balance. Your paid balance is", "data": 0},
    ),
    (
        "openai",
        403,
        {
            "code": "The caller has no permission",
            "error": "Your newly created team doesn't have any credits or licenses yet.",
        },
    ),
    ("openai", 403, said("Your team x-1 has either used all available credits or reached its monthly spending limit.")),
    (
        "openai",
        403,
        {"statusCode": 403, "message": "Out of call volume quota. Quota will be replenished in 22.14:18:12."},
    ),
    (
        "openai",
        429,
        {"message": "Tokens per day limit exceeded - too many tokens processed.", "code": "token_quota_exceeded"},
    ),
    ("openai", 429, {"errors": [{"message": f"AiError: {NEURONS}", "code": 4006}], "success": False, "result": {}}),
    ("openai", 429, {"errors": [{"message": f"4006: {NEURONS}", "code": 3036}], "success": False, "result": {}}),
    (
        "openai",
        429,
        {"errors": {"message": "You have exceeded today's quota for model ZhipuAI/GLM-5, please try again"}},
    ),
    ("openai", 429, {"message": "Too many tokens per day, please wait before trying again."}),
    (
        "openai",
        429,
        said("Number of request tokens has exceeded your daily rate limit (https://x)", None, "rate_limit_error"),
    ),
    ("openai", 429, [said("Quota exceeded for quota metric 'Requests' and limit 'Requests per day per user' of", 429)]),
    ("openai", 429, said("You have exhausted your daily quota on this model.")),
    ("openai", 429, said("You have exceeded the 5-hour usage quota.", "AccountQuotaExceeded", "TooManyRequests")),
    ("openai", 429, said("Your account has reached the set inference limit", "SetLimitExceeded", "TooManyRequests")),
    ("openai", 500, said("Token limit (500,000 per day) exceeded. Used: 508,311 tokens.")),
]
FILTERS = [
    ("openai", 400, said("Content blocked by guardrail", "400", "None")),
    ("openai", 400, said("Content Exists Risk", "invalid_request_error", "invalid_request_error")),
    ("openai", 400, {"detail": "Content Exists Risk"}),
    ("openai", 400, said("The request was rejected because it was considered high risk", 400, "content_filter")),
    (
        "openai",
        400,
        said("Output blocked by content filtering policy", None, "invalid_request_error") | {"type": "error"},
    ),
    ("openai", 400, said("m", "content_filter", status=400, innererror={"code": "ResponsibleAIPolicyViolation"})),
    (
        "openai",
        400,
        said("litellm.BadRequestError: litellm.ContentPolicyViolationError: AzureException - The response", "400"),
    ),
    (
        "openai",
        500,
        said("Error code: 400 - {'error': {'message': 'The response was filtered', 'code': 'content_filter'}}"),
    ),
    ("openai", 400, said("<400> InternalError.Algo.DataInspectionFailed: m", "data_inspection_failed", "x")),
    ("openai", 400, said("Input text data may contain inappropriate content.", None, "one_api_error")),
    ("openai", 403, said('x/y requires moderation on Amazon Bedrock. Your input was flagged for "sexual".', 403)),
]
REGIONS = [
    ("openai", 403, said("Country, region, or territory not supported", ABROAD, "request_forbidden")),
    ("openai", 403, {"code": ABROAD, "message": "Country, region, or territory not supported", "param": None}),
    ("openai", 403, upstream(json.dumps(said("Country, region, or territory not supported", ABROAD)))),
    ("openai", 403, said(f"Upstream request failed: [{ABROAD}] Country, region, or territory not supported")),
    ("openai", 400, [said("User location is not supported for the API use.", 400, "FAILED_PRECONDITION")]),
]
MISSING = [
    (
        "openai",
        400,
        said("400: {'error': '/chat/completions: Invalid model name passed in model=x. Call `/v1/models`'}", 400),
    ),
    (
        "openai",
        400,
        said({"error": "/chat/completions: Invalid model name passed in model=x. Call `/v1/models`"}, "400"),
    ),
    ("openai", 404, said("/chat/completions: Invalid model name passed in model=x", "404", "None")),
    ("openai", 503, said("当前分组 default 下对于模型 glm-5 无可用渠道 (request id: 20250822)", None, "one_api_error")),
    ("openai", 503, said("No available channel for model glm-5 under group default (distributor)", "model_not_found")),
    ("openai", 400, said("glm-5 is not a valid model ID", 400)),
    ("openai", 404, said("No endpoints found for z-ai/glm-5:free.", 404)),
    ("openai", 400, {"code": 20012, "message": "Model does not exist. Please check it carefully.", "data": None}),
    ("openai", 404, said("The model or endpoint glm-5 does not exist", "InvalidEndpointOrModel.NotFound", "NotFound")),
    ("openai", 400, said("[1211][模型不存在，请检查模型代码。][2026071]", "1211", "invalid_request_error")),
    ("openai", 400, said("Request failed: [1214][modelCode: does not exist][2026071]")),
    ("ollama", 404, {"error": "model 'glm-9' not found"}),
    ("openai", 400, {"message": "The provided model identifier is invalid."}),
    (
        "openai",
        404,
        {"message": "Model not found, inaccessible, and/or not deployed", "code": "NOT_FOUND", "type": "error"},
    ),
    ("openai", 404, {"status": 404, "title": "Not Found", "detail": "Function '1-2': Not found for account 'A'"}),
    ("openai", 410, {"title": "Gone", "status": 410, "detail": "The model 'z-ai/glm4.7' has reached its end of life"}),
    ("openai", 404, said("Model 'x' not found", None, "model_not_found")),
    ("openai", 400, said("The model `x` has been decommissioned and is no longer supported.", "model_decommissioned")),
    ("openai", 404, said("Not found the model kimi-k9 or Permission denied", None, "resource_not_found_error")),
    ("openai", 404, [said("models/x is not found for API version v1main, or is not supported", 404, "NOT_FOUND")]),
    ("zai", 400, said("modelCode: does not exist", "1214")),
    ("zai", 400, said("modelCode: glm-x does not exist", "1214")),
    ("zai", 400, said("Unknown Model, please check the model code.", "1214")),
]
MISTAKES = [
    ("llamacpp", "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
    ("llamacpp", "image input is not supported by this server"),
    ("llamacpp", "tools param requires --jinja flag"),
    ("llamacpp", "error: cannot make GET request"),
    ("llamacpp", "Failed to download image"),
    ("llamacpp", 'Either "json_schema" or "grammar" can be specified, but not both'),
    ("llamacpp", "Cannot use both json_schema and grammar"),
    ("llamacpp", "[json.exception.type_error.302] type must be string, but is array"),
    ("openai", "tools param requires --jinja flag"),
]
OTHERS = [
    ("openai", 400, {"code": "Client specified", "error": "Incorrect API key provided: xa***ab. You can"}, 3, ..., NO),
    ("openai", 400, said("Organization has been restricted.", "organization_restricted"), 3, ..., NO),
    ("openai", 400, {"status": 400, "title": "Bad Request", "detail": f"Function id '8-1': {DEGRADED}"}, 5, None, YES),
    ("openai", 498, said("Flex tier capacity exceeded", "capacity_exceeded"), 5, "capacity_exceeded", YES),
    # Limits of a minute are asked again, whatever else they say.
    (
        "openai",
        429,
        {"message": "Tokens per minute limit exceeded - too many", "code": "token_quota_exceeded"},
        5,
        ...,
        YES,
    ),
    ("openai", 429, {"message": "Too many tokens, please wait before trying again."}, 5, None, YES),
    ("openai", 429, {"errors": {"message": "Request limit exceeded.", "request_id": "r"}}, 5, None, YES),
    ("openai", 429, [said("Quota exceeded for quota metric 'A' and limit 'A per minute' of", 429)], 5, "429", YES),
    ("llamacpp", 404, said("File Not Found", 404, "not_found_error"), 2, "404", NO),
    ("openai", 400, [said("API key not valid. Please pass a valid API key.", 400, "INVALID_ARGUMENT")], 3, "400", NO),
    (
        "openai",
        400,
        {"error": {"type": "error", "value": {"error_message": "Input is too long for requested model."}}},
        7,
        ...,
        NO,
    ),
    ("openai", 403, said("Provider returned error", 403, kind=None), 3, "403", NO),
    ("openai", 413, said(TOO_LARGE, "rate_limit_exceeded", "tokens"), 5, "rate_limit_exceeded", NO),
    ("openai", 404, said("No endpoints found that support tool use. To learn more", 404), 2, "404", NO),
    ("openai", 400, said(LITELLM + str(said("x", "1301")) + GROUP, "400"), 8, "1301", NO),
    ("openai", 500, said(LITELLM + str(said("x", "1302")) + GROUP, "500"), 5, "1302", YES),
    ("openai", 429, said("Rate limit exceeded: free-models-per-min. ", 429), 5, "429", YES),
    ("openai", 429, {"Response": {"Error": {"Code": "Busy", "Message": "slow"}, "RequestId": "r-1"}}, 5, "Busy", YES),
    ("ollama", 400, said("unexpected EOF", None, "invalid_request_error"), 5, "invalid_request_error", YES),
    ("ollama", 400, {"error": 'Post "https://ollama.com:443/v1/chat/completions?ts=1": unexpected EOF'}, 5, None, YES),
    # Google says of a minute what OpenAI says of money.
    (
        "openai",
        429,
        [
            said(
                "You exceeded your current quota, please check your plan and billing details. For more information on "
                "this error, head to: https://ai.google.dev. Quota exceeded for metric: a_minute. Please retry in 20s.",
                429,
            )
        ],
        5,
        "429",
        YES,
    ),
    ("openai", 429, said("Resource has been exhausted (e.g. check quota).", 429, "RESOURCE_EXHAUSTED"), 5, "429", YES),
    ("openai", 400, said("m", "InputTextSensitiveContentDetected.Violence"), 8, ..., NO),
]
# Words of the user, quoted by a server, mean nothing.
QUOTED = [
    (
        "openai",
        400,
        said("Invalid value: 'Content Exists Risk'. Supported values are: 'text'", None, "invalid_request_error"),
    ),
    ("openai", 400, said('messages[0]: "Too many tokens per day" is not allowed here', "400")),
    ("zai", 400, said("messages[1].content: User location is not supported for the API use", "1214")),
    ("openai", 400, said(f"Invalid value: '{ZAI_BROKE}'. Supported values are: 'text'", None, "invalid_request_error")),
    ("openai", 400, said('messages[0]: "Budget has been exceeded!" is not allowed here', "400")),
    (
        "zai",
        400,
        said("messages[1].content: 'which model has this context window? The model x does not exist'", "1214"),
    ),
    ("zai", 400, said("The content This model's maximum context length is 5 tokens is illegal", "1210")),
    ("openai", 400, said('invalid message {"error":{"code":"1113","message":"x"}} in the request', "400")),
    ("openai", 400, said('{"error":{"code":"1113","message":"x"}} is no message', "400")),
    # Too much output asked for is no full context.
    (
        "openai",
        400,
        said("The parameter `max_tokens` specified in the request are not valid: above 32768", "InvalidParameter"),
    ),
    ("vllm", 400, said("max_tokens=65536 cannot be greater than max_model_len=2048.", 400, "BadRequestError")),
    ("openai", 400, said('Invalid request body: {"role":"user","content":"1113"}', "400")),
]


def rows():
    """All of them as (row, status, body, exit code, provider's code or ..., asked again, model missing)."""
    yield from ((row, status, said(text, status), 7, ..., NO, NO) for row, status, text in CONTEXT)
    yield from ((row, status, body, 4, ..., NO, NO) for row, status, body in MONEY)
    yield from ((row, status, body, 8, ..., NO, NO) for row, status, body in FILTERS)
    yield from ((row, status, body, 3, ..., NO, NO) for row, status, body in REGIONS)
    yield from ((row, status, body, 2, ..., NO, YES) for row, status, body in MISSING)
    yield from ((row, 500, said(text, 500, "server_error"), 2, "500", NO, NO) for row, text in MISTAKES)
    yield from ((*case, NO) for case in OTHERS)
    yield from ((row, status, body, 2, ..., NO, NO) for row, status, body in QUOTED)


def encoded(body):
    return (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).encode()


def named(case):
    return re.sub(r"[^\w ]", "", f"{case[0]} {case[1]} {case[2]}")[:70]


@pytest.mark.parametrize("case", list(rows()), ids=named)
def test_meaning(case) -> None:
    row, status, body, code, provider_code, retried, missing = case
    error = error_of_response(status, {}, encoded(body), PROVIDERS[row], 0.0)
    assert (error.exit_code, error.type) == (code, TYPES[code]), error.why
    assert ((error.retry is not None), error.model_missing, error.http_status) == (retried, missing, status)
    assert provider_code in (..., error.provider_code)
    assert "{'" not in error.why
    assert "litellm" not in error.why or "{" not in error.why


# Decided by code or words, so that it means the same inside a 200.
KNOWN = [case for case in rows() if case[5] == NO and case[3] != 2] + [case for case in rows() if case[6]]


@pytest.mark.sampled(9)
@pytest.mark.parametrize("form", ["refused", "framed", "after text"])
@pytest.mark.parametrize("case", KNOWN, ids=named)
def test_it_means_the_same_in_a_stream(glm, keys, case, form) -> None:
    row, status, body, code, *_ = case
    frames = (delta(content="Hello"), body) if form == "after text" else (body,)
    script = reply(status, encoded(body)) if form == "refused" else stream(*frames)
    with Server(script) as server:
        flags = ("-P", row, "-m", "glm-5", "--base-url", server.url, "--retries", "1", "--json")
        done = glm("ask", *flags, "hi", env=keys)
    error = json.loads(done.out)["error"]
    assert (done.code, error["type"], error["exit_code"], error["retryable"]) == (code, TYPES[code], code, NO)
    assert len(server.requests) == 1


# What concerns all rows ends a batch, and leaves them to be asked; the rest is the row's own.
BATCH = {2: 2, 3: 3, 4: 4, 5: 11, 7: 15, 8: 15}


@pytest.mark.sampled(9)
@pytest.mark.parametrize("case", KNOWN, ids=named)
def test_it_means_the_same_in_a_batch(glm, keys, cwd, case) -> None:
    row, status, body, code, *_ = case
    (cwd / "rows.txt").write_text("hi\n")
    with Server(reply(status, encoded(body))) as server:
        flags = ("-P", row, "-m", "glm-5", "--base-url", server.url, "--retries", "1")
        done = glm("batch", "run", "rows.txt", *flags, env=keys)
    assert (done.code, len(server.requests)) == (BATCH[code], 1), done.err
    for line in done.out.splitlines():
        assert json.loads(line)["error"]["exit_code"] == code


@pytest.mark.parametrize("body", [said("404 NOT_FOUND", "500"), {"status": 404, "error": "Not Found", "path": "/v4/x"}])
@pytest.mark.parametrize("status", [404, 500])
def test_a_wrong_path_ends_a_batch(glm, keys, cwd, status, body) -> None:
    (cwd / "rows.txt").write_text("".join(f"{number}\n" for number in range(20)))
    with Server(reply(status, encoded(body))) as server:
        flags = ("-m", "zai/glm-5", "--base-url", server.url, "-j", "1", "-O", "out.jsonl")
        done = glm("batch", "run", "rows.txt", *flags, env=keys)
    assert (done.code, len(server.requests), (cwd / "out.jsonl").exists()) == (2, 1, False)
    assert f"nothing is served at this address: {server.url}/chat/completions" in done.err


# Words, codes and ids in every shape


@pytest.mark.parametrize(
    ("value", "message", "code", "request_id"),
    [
        ({"message": "no"}, "no", "", ""),
        ({"Message": "no"}, "no", "", ""),
        ({"code": 401, "msg": "no", "success": False}, "no", "401", ""),
        ({"errors": ["a", "b"]}, "a; b", "", ""),
        ({"errors": "no"}, "no", "", ""),
        ({"errors": {"message": "no", "code": 3}}, "no", "3", ""),
        ({"errors": [{"code": 7003, "message": "no"}], "success": False}, "no", "7003", ""),
        ({"type": "error", "error": {"type": "x", "message": "no"}, "request_id": "r"}, "no", "", "r"),
        ({"error_code": 336003, "error_msg": "no", "id": "as-1"}, "no", "336003", ""),
        ({"Response": {"Error": {"Code": "C", "Message": "no"}, "RequestId": "r"}}, "no", "C", "r"),
        ({"status": "434", "msg": "no", "body": None}, "no", "", ""),
        ({"base_resp": {"status_code": 1004, "status_msg": "no"}}, "no (1004)", "", ""),
        ({"error": "invalid_token", "error_description": "no"}, "no", "", ""),
        ({"error": "Not Found", "message": "no", "path": "/v4"}, "Not Found: no", "", ""),
        ({"error": 404, "message": "no"}, "no", "404", ""),
        ({"error": True, "message": "no"}, "no", "", ""),
        ({"type": "about:blank", "title": "Bad", "status": 400, "detail": "no"}, "Bad: no", "", ""),
        ({"detail": [{"loc": ["body", "messages", 0], "msg": "no", "type": "missing"}]}, "body.messages.0: no", "", ""),
        ({"detail": {"error": {"message": "no", "code": "x"}}}, "no", "x", ""),
        ([{"error": {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED"}}], "no", "429", ""),
        ({"error": {"message": "no (request id: a-1) (request id: b-2)"}}, "no", "", "b-2"),
        (
            {"error": {"message": f"{LITELLM}{{'error': {{'message': 'no', 'code': 'x'}}}}. More", "code": "9"}},
            "no",
            "x",
            "",
        ),
        ({"error": {"message": "Provider returned error", "code": 9, "metadata": {"raw": "no"}}}, "no", "", ""),
        ({"error": {"message": "x", "metadata": {"raw": {"error": {"message": "no", "code": 5}}}}}, "no", "5", ""),
        ({"html-message": "no", "provider": "openai"}, "no", "", ""),
        ({"x": {"y": 1}}, '{"x":{"y":1}}', "", ""),
        ({"error": {}}, '{"error":{}}', "", ""),
        ([], "[]", "", ""),
        ("no", "no", "", ""),
        (None, "", "", ""),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_every_shape_is_read(value, message, code, request_id) -> None:
    payload = find_error(value, is_error=True)
    assert (payload.message, payload.code, payload.request_id) == (message, code, request_id)


@pytest.mark.parametrize(
    "beside",
    [
        *({"error": nothing} for nothing in ({}, None, "", False, [], {"message": "", "type": "", "code": None})),
        {"error": {"code": 0, "message": "success", "details": {}}},
        *({"code": code} for code in (0, "0", 200, "200", "Success", "success", "OK", "", None)),
        {"detail": None},
        {"code": 0, "msg": "ok", "message": "Success", "success": True, "base_resp": {"status_code": 0}},
    ],
    ids=json.dumps,
)
def test_success_in_an_envelope(glm, keys, beside) -> None:
    assert find_error(beside) is None
    with Server(stream(delta(content="Hello") | beside, delta(finish_reason="stop") | beside)) as server:
        done = glm("ask", "-P", "openai", "-m", "glm-5", "--base-url", server.url, "hi", env=keys)
    assert (done.code, done.out) == (0, b"Hello\n"), done.err


def test_a_byte_order_mark_before_an_error(glm, keys) -> None:
    body = b"\xef\xbb\xbf" + encoded(said("the words", "1113"))
    with Server(reply(429, body)) as server:
        done = glm("ask", "-P", "zai", "-m", "glm-5", "--base-url", server.url, "hi", env=keys)
    assert (done.code, len(server.requests)) == (4, 1)
    assert "\n  why: the words\n" in done.err


@pytest.mark.parametrize(
    "text",
    [
        "error: {'a': " + "9" * 6000 + "}",
        "error: {'message': 1e999}",
        "error: {[]: 1}",
        "error: " + "{'a':" * 300 + "1" + "}" * 300,
        "error: " + "{" * 5000,
        "error: {'a': 1}}}}}}}}",
        "error: [{'a'",
        "Error: " * 9 + "Prompt exceeds max length",
        ":HTTP_STATUS/400 " * 9000,
        " " * 90_000 + "x",
        "a/" + ":" * 90_000,
        "[1211][" + "][" * 90_000,
    ],
    ids=lambda text: text[:20],
)
def test_what_only_looks_like_an_error_inside_stays_as_it_is(text) -> None:
    error = error_of_response(400, {}, encoded(said(text)), PROVIDERS["openai"], 0.0)
    assert (error.exit_code, error.why) == (2, text)


def test_errors_around_errors_without_end() -> None:
    for opens, closes in (('{"error":', "}"), ('{"detail":[{"errors":', "}]}"), ("[", "]")):
        body = opens * 84 + '"x"' + closes * 84
        assert error_of_response(400, {}, body.encode(), PROVIDERS["openai"], 0.0).exit_code == 2


# Addresses


@pytest.mark.parametrize(
    "case",
    [
        (
            404,
            {"timestamp": "2026-01-27", "status": 404, "error": "Not Found", "path": "/v4/v1/chat/completions"},
            "/v4/v1/",
        ),
        (
            500,
            {"timestamp": "2026-01-27", "status": 404, "error": "Not Found", "path": "/v4/v1/chat/completions"},
            "/v4/v1/",
        ),
        (404, said("404 NOT_FOUND", "500"), ""),
        (500, said("404 NOT_FOUND", "500"), ""),
        (500, {"code": 500, "msg": "404 NOT_FOUND", "success": False}, ""),
        (200, {"error": "Unexpected endpoint or method. (POST /chat/completions)"}, ""),
        (404, {"detail": "Not Found"}, ""),
        (404, "404 page not found", ""),
        (404, "", ""),
    ],
)
@pytest.mark.parametrize("row", ["zai", "openai"])
def test_a_wrong_path_is_named(glm, keys, row, case) -> None:
    status, body, seen = case
    scripts = [reply(status, encoded(body))]
    if isinstance(body, dict) and "detail" not in body:
        scripts.append(stream(body))
    for script in scripts:
        with Server(script) as server:
            done = glm("ask", "-P", row, "-m", "glm-5", "--base-url", server.url, "hi", env=keys)
        assert (done.code, len(server.requests)) == (2, 1)
        first = done.err.splitlines()[0]
        assert first.startswith(f"glm: error: {row}: nothing is served at this address: {server.url}/chat/completions")
        assert seen in first
        assert "\n  fix: check the base URL\n" in done.err


def test_the_address_of_each_protocol_and_question(glm, keys) -> None:
    with Server(reply(404, "")) as server:
        native = glm("ask", "-P", "dashscope", "-m", "glm-5", "--base-url", server.url, "hi", env=keys)
        listed = glm("models", "--remote", "-P", "zai", "--base-url", server.url, env=keys)
    assert (native.code, listed.code) == (2, 2)
    assert f"this address: {server.url}/services/aigc/text-generation/generation (HTTP 404)" in native.err
    assert f"this address: {server.url}/models (HTTP 404)" in listed.err


def test_a_region_is_no_problem_of_the_key(glm, keys) -> None:
    with Server(reply(403, said("Country, region, or territory not supported", ABROAD))) as server:
        done = glm("ask", "-P", "openai", "-m", "glm-5", "--base-url", server.url, "hi", env=keys)
    assert (done.code, len(server.requests)) == (3, 1)
    assert f"glm: error: openai: the provider does not serve this region (HTTP 403, code {ABROAD})\n" in done.err
    assert "  fix: send it from a region that it serves\n" in done.err


@pytest.mark.parametrize("row", ["zai", "bigmodel", "openai"])
@pytest.mark.parametrize("code", ["1113", None])
def test_a_plan_key_at_a_general_address_is_told_its_own(glm, keys, row, code) -> None:
    with Server(reply(429, said(ZAI_BROKE, code))) as server:
        root = server.url.removesuffix("/v1")
        general = glm("ask", "-P", row, "-m", "glm-5", "--base-url", f"{root}/api/paas/v4", "hi", env=keys)
        coding = glm("ask", "-P", row, "-m", "glm-5", "--base-url", f"{root}/api/coding/paas/v4", "hi", env=keys)
    assert (general.code, coding.code, len(server.requests)) == (4, 4, 2)
    fix = "\n  fix: top up the account, or use another provider: --fallback"
    assert f"{fix}; a key of the GLM Coding Plan is for {root}/api/coding/paas/v4: --base-url\n" in general.err
    assert f"{fix}\n" in coding.err


def test_behind_a_proxy_the_plan_is_still_told(glm, keys) -> None:
    with Server(reply(429, said(ZAI_BROKE, "1113"))) as server:
        ours = glm("ask", "-P", "zai", "-m", "glm-5", "--base-url", server.url, "hi", env=keys)
        other = glm("ask", "-P", "openai", "-m", "glm-5", "--base-url", server.url, "hi", env=keys)
    assert "is for an address that ends in /api/coding/paas/v4: --base-url\n" in ours.err
    assert "Coding Plan" not in other.err


# Who stands between


@pytest.mark.parametrize(
    ("status", "code", "body"),
    [
        *((status, code, f"error code: {code}") for status, code in ((403, "1010"), (403, "1020"), (530, "1033\n"))),
        (
            403,
            "1010",
            {"title": "Error 1010: Access denied", "status": 403, "error_code": 1010, "cloudflare_error": True},
        ),
    ],
)
def test_cloudflare_is_no_key_problem(glm, keys, status, code, body) -> None:
    kind = "text/plain; charset=UTF-8" if isinstance(body, str) else "application/problem+json"
    with Server(reply(status, encoded(body), "Server: cloudflare", content_type=kind)) as server:
        done = glm("ask", "-P", "openai", "-m", "glm-5", "--base-url", server.url, "--retries", "0", "hi", env=keys)
    assert (done.code, done.out, len(server.requests)) == (13, b"", 1)
    assert f"Cloudflare, which stands before it, answers in its place (HTTP {status}, code {code.strip()})" in done.err
    assert "\n  why: " in done.err
    assert code.strip() in done.err.partition("why: ")[2]
    assert "key" not in done.err


def test_cloudflare_limits_rates(glm, keys) -> None:
    refused = reply(429, "error code: 1015", "Retry-After: 0", content_type="text/plain")
    with Server(refused, answer()) as server:
        done = glm("ask", "-P", "openai", "-m", "glm-5", "--base-url", server.url, "hi", env=keys)
    assert (done.code, done.out, len(server.requests)) == (0, b"Hello\n", 2)
    assert "rate limited by Cloudflare" in done.err


def test_what_ollama_lost_is_asked_again(glm) -> None:
    lost = reply(400, said("unexpected EOF", None, "invalid_request_error"), "Retry-After: 0")
    with Server(lost, answer()) as server:
        done = glm("ask", "-m", "ollama/glm-5.1:cloud", "--base-url", server.url, "hi")
    assert (done.code, done.out, len(server.requests)) == (0, b"Hello\n", 2)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", MISSING, ids=named)
def test_another_provider_is_asked_for_a_missing_model(glm, keys, cwd, case) -> None:
    row, status, body = case
    with Server(reply(status, encoded(body))) as first, Server(answer()) as second:
        (cwd / "config.yaml").write_text(f"providers:\n  one: {{like: vllm, base_url: {second.url}}}\n")
        flags = ("-P", row, "-m", "x", "--base-url", first.url, "--fallback", "one/y", "--retries", "0")
        done = glm("ask", *flags, "hi", env=keys | {"GLM_CONFIG": str(cwd / "config.yaml")})
    assert (done.code, done.out, len(first.requests), len(second.requests)) == (0, b"Hello\n", 1, 1)


# Dates

SENT = "Mon, 30 Nov 2026 16:00:00 GMT"
LATER = "Mon, 30 Nov 2026 16:00:30 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": LATER, "date": SENT}, 30.0),
        ({"retry-after": "Mon, 30 Nov 2026 16:00:30 -0000", "date": SENT}, 30.0),
        ({"retry-after": SENT, "date": LATER}, 0.0),
        ({"retry-after": LATER, "date": "soon"}, 130.0),
        ({"retry-after": LATER}, 130.0),
        ({"retry-after": "7", "date": SENT}, 7.0),
        ({"date": SENT}, None),
    ],
)
def test_a_date_is_counted_from_that_of_the_response(headers, seconds) -> None:
    now = 1_796_054_300.0  # 15:58:20
    assert retry_after(headers.get("retry-after"), sent_at(headers, now)) == seconds
    assert error_of_response(429, headers, b"", PROVIDERS["zai"], now).retry_after == seconds


def test_a_clock_that_is_wrong_makes_no_wait(glm, keys) -> None:
    # By the clock here the server asks to wait for a day, and by its own for no time at all.
    tomorrow = formatdate(time.time() + 86_400, usegmt=True)
    refused = reply(429, said("m", "1302"), f"Date: {tomorrow}", f"Retry-After: {tomorrow}")
    with Server(refused, answer()) as server:
        done = glm("ask", "-P", "zai", "-m", "glm-5", "--base-url", server.url, "hi", env=keys)
    assert (done.code, done.out, len(server.requests)) == (0, b"Hello\n", 2)
