# ruff: noqa: RUF001 - the provider's own words are Chinese
"""BigModel, Z.ai, and the sandbox's own provider, which is like Z.ai but needs no key.

**Shape** of a stream: every delta repeats the role; no `finish_reason` key before the last chunk, which puts it before
`delta` and carries the usage; the reasoning and the answer begin with a newline of their own.

**Source**: a text stream of glm-4.6 recorded 2025-11-15 and a tool call of glm-5.3-flash recorded 2026-09-24 (replayed
as `bigmodel-text` and `bigmodel-tool-call`); https://docs.z.ai/openapi.json for a whole reply and the refusals; for
`tool_stream` https://docs.bigmodel.cn/cn/guide/capabilities/stream-tool.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from glmcli.sandbox.answer import pieces
from glmcli.sandbox.chat_request import CREATED, object_or_empty
from glmcli.sandbox.http_messages import DONE, json_bytes, json_response, sse_event
from glmcli.sandbox.providers import rules
from glmcli.sandbox.providers.openai import token_counts
from glmcli.sandbox.providers.row import SandboxBatchApi, SandboxError, SandboxProvider, model_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.sandbox.answer import SandboxAnswer, SandboxToolCall
    from glmcli.sandbox.chat_request import ChatRequest, RequestIds
    from glmcli.sandbox.http_messages import Json, ServerResponse
    from glmcli.sandbox.providers.row import Rule


def _stream(request: ChatRequest, answer: SandboxAnswer) -> list[bytes]:
    choices: list[Json] = [{"index": 0, "delta": delta} for delta in _deltas(request, answer)]
    last = {"index": 0, "finish_reason": answer.finish, "delta": {"role": "assistant", "content": ""}}
    end = {**_chunk(request, last), "usage": _usage(request, answer)}
    return [*(sse_event(_chunk(request, choice)) for choice in choices), sse_event(end), DONE]


def _whole(request: ChatRequest, answer: SandboxAnswer) -> Json:
    message: Json = {"role": "assistant", "content": f"\n{answer.text}" if answer.text else ""}
    if answer.reasoning:
        message["reasoning_content"] = f"\n{answer.reasoning}"
    if answer.calls:
        message["tool_calls"] = [_call(index, call) for index, call in enumerate(answer.calls)]
    return {
        "id": request.ids.log,
        "request_id": request.ids.log,
        "created": CREATED,
        "model": request.model,
        "object": "chat.completion",
        "choices": [{"index": 0, "finish_reason": answer.finish, "message": message}],
        "usage": _usage(request, answer),
    }


def _usage(request: ChatRequest, answer: SandboxAnswer) -> Json:
    """The counts; output includes reasoning, and only the sandbox's own provider says how much it was.

    The details are in the types of zai-sdk 0.2.3 on PyPI and in no recorded reply of BigModel or Z.ai.
    """
    counts: Json = {**token_counts(answer), "prompt_tokens_details": {"cached_tokens": 0}}
    if request.provider == "sandbox":
        counts["completion_tokens_details"] = {"reasoning_tokens": answer.reasoning_tokens}
    return counts


def _chunk(request: ChatRequest, choice: Json) -> Json:
    head = {"id": request.ids.log, "created": CREATED, "object": "chat.completion.chunk", "model": request.model}
    return {**head, "choices": [choice]}


def _deltas(request: ChatRequest, answer: SandboxAnswer) -> Iterator[Json]:
    role = {"role": "assistant"}
    if answer.reasoning:
        yield {**role, "content": "", "reasoning_content": "\n"}
    for piece in pieces(answer.reasoning):
        yield {**role, "reasoning_content": piece}
    if answer.text:
        yield {**role, "content": "\n"}
    for piece in pieces(answer.text):
        yield {**role, "content": piece}
    for index, call in enumerate(answer.calls):
        yield from _call_deltas(index, call, streamed=request.fields.get("tool_stream") is True)


def _call_deltas(index: int, call: SandboxToolCall, *, streamed: bool) -> Iterator[Json]:
    """The whole call in one delta; with `tool_stream` its arguments in fragments that carry the index only."""
    if not streamed:
        yield {"tool_calls": [_call(index, call)]}
        return
    opening = {"id": call.id, "index": index, "type": "function", "function": call.function("")}
    yield {"role": "assistant", "tool_calls": [opening]}
    for piece in pieces(call.arguments):
        yield {"role": "assistant", "tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _call(index: int, call: SandboxToolCall) -> Json:
    return {"id": call.id, "index": index, "type": "function", "function": call.function(call.arguments)}


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

_CODE_OF_STATUS = {400: "1210", 403: "1220", 429: "1302", 500: "500"}


def _error(code: str, *, chinese: bool, field: str = "", message: str = "") -> SandboxError:
    """The error with this code; `message` replaces the words of the table."""
    status, chinese_words, english_words = _CODES[code]
    return SandboxError(status, code, message or (chinese_words if chinese else english_words).format(field))


def _error_of(code: str, status: int, chinese: bool) -> SandboxError:
    code = code if code in _CODES else _CODE_OF_STATUS.get(status, "")
    return _error(code, chinese=chinese) if code else SandboxError(status, str(status), f"HTTP {status}")


def _error_body(error: SandboxError, _ids: RequestIds) -> Json:
    """`{"error":{"code":"1302","message":"…"}}`; the code is text. A moderated request says who was at fault.

    Source: bodies recorded 2026-05 to 2026-10, replayed as `bigmodel-1302` and so on.
    """
    body = {"error": {"code": error.code, "message": error.message}}
    return {"contentFilter": [{"level": 2, "role": "user"}], **body} if error.code == "1301" else body


def _broken_bigmodel(_request: ChatRequest, _sent: int) -> tuple[bytes, ...]:
    """A bare line of JSON, then the end: met on glm-5.1's coding address in 2026 by the author of a proxy."""
    return (json_bytes({"error": {"code": "500", "message": "内部错误"}}) + b"\n",)


def _broken_zai(request: ChatRequest, _sent: int) -> tuple[bytes, ...]:
    """An error in a frame: what `_streaming.py` of zai-sdk 0.2.3 on PyPI looks for; the words are ours."""
    words = f"Network error, error id: {request.ids.log}, please contact customer service"
    return (sse_event({"error": {"code": "1234", "message": words}}),)


def _not_found(path: str) -> ServerResponse:
    """Source: https://github.com/borawong/AiMaMi/issues/64 (2026-06)."""
    error = {"timestamp": "2026-11-22T02:00:00.000+00:00", "status": 404, "error": "Not Found", "path": f"/v4{path}"}
    return json_response(error, 404)


# https://github.com/NousResearch/hermes-agent/issues/85890 (glm-5.3, general address)
_ALWAYS_THINKS = "This model always engages in thinking and cannot be disabled; please use low, high, or max"
# The longest output of a family, first match; everything newer has 131072.
_LONGEST = (("glm-4.5v", 16384), ("glm-4.5", 98304), ("glm-4.6v", 32768))


def _with_code(code: str, field: str = "") -> Callable[[ChatRequest], SandboxError]:
    return lambda request: _error(code, chinese=request.chinese, field=field)


def _within(field: str, low: float, high: float) -> Rule:
    """The message names the range, as AIHubMix quotes it for glm-5.3: `[1,131072]`."""
    return rules.outside(field, low, high), lambda request: _out_of_range(request, field, f"[{low},{high}]")


def _out_of_range(request: ChatRequest, field: str, span: str) -> SandboxError:
    chinese = f"{field} 参数非法，取值范围 {span}"
    words = chinese if request.chinese else f"The {field} parameter must be in {span}"
    return _error("1210", chinese=request.chinese, message=words)


def _longest(request: ChatRequest) -> int:
    return next((most for family, most in _LONGEST if request.base_model.startswith(family)), 131072)


def _unknown(request: ChatRequest) -> SandboxError:
    """BigModel says 1211; Z.ai was measured to say 1214 for an unknown id (2026-08)."""
    if request.provider == "zai":
        return _error("1214", chinese=request.chinese, message="Unknown Model, please check the model code.")
    return _error("1211", chinese=request.chinese)


def _thinks_always(request: ChatRequest) -> SandboxError:
    return _error("1210", chinese=request.chinese, message=_ALWAYS_THINKS)


_RULES: tuple[Rule, ...] = (
    (lambda request: not request.model, _with_code("1213", "model")),
    (rules.unknown_model, _unknown),
    # "must not consist of only system or assistant messages"; opencode#2557
    (rules.no_user, _with_code("1214", "messages")),
    (rules.empty_content, _with_code("1213", "prompt")),
    # The text schema has no parts; https://github.com/agentscope-ai/agentscope-java flattens them for that reason.
    (rules.parts, _with_code("1210")),
    _within("temperature", 0, 1),
    _within("top_p", 0.01, 1),
    (
        lambda request: rules.outside("max_tokens", 1, _longest(request))(request),
        lambda request: _out_of_range(request, "max_tokens", f"[1,{_longest(request)}]"),
    ),
    (rules.both(rules.model("glm-5.3"), rules.thinking_off), _thinks_always),
    (rules.both(rules.model("glm-5.3"), rules.other_than("reasoning_effort", "low", "high", "max")), _thinks_always),
    # Before glm-5.2 the effort is ignored without a word (forgecode#3074).
    (
        rules.both(rules.model("glm-5.2"), rules.other_than("reasoning_effort", *rules.EFFORTS)),
        _with_code("1214", "reasoning_effort"),
    ),
    (rules.both(rules.media("file_url"), rules.media("image_url", "video_url")), _with_code("1215")),
)


def thinking_type_on(fields: Mapping[str, Any]) -> bool:
    """The switch `thinking.type`, which TokenHub has too; GLM-5.2 also takes the efforts `none` and `minimal` as off.

    Source: docs.z.ai and docs.bigmodel.cn, guides/capabilities/thinking-mode;
    tencentcloud.com/document/product/1300/80634.
    """
    off = object_or_empty(fields.get("thinking")).get("type") == "disabled"
    return not off and fields.get("reasoning_effort") not in ("none", "minimal")


# Z.ai listed nine ids and left out the free `-flash` models that do answer (measured 2026-08).
_MODELS = ("glm-4.5", "glm-4.5-air", "glm-4.6", "glm-4.7", "glm-5", "glm-5-turbo", "glm-5.1", "glm-5.2", "glm-5.3")

# Source: BigModel's docs (guide/tools/batch, create batch, 2026) and the tests of zai-sdk 0.2.3 on PyPI, whose replies
# have `fileName`, milliseconds, empty strings and counts of null.
_BATCH_API = SandboxBatchApi(
    endpoint="/v4/chat/completions",
    file_prefix="file_",
    output_prefix="file_out_",
    absent_id="",
    ticks=1000,
    null_counts=True,
    file_fields=lambda name: {"filename": None, "fileName": name},
)

BIGMODEL = SandboxProvider(
    name="bigmodel",
    prefix="/bigmodel/api/paas/v4",
    stream=_stream,
    whole=_whole,
    bad_key=SandboxError(401, "401", "令牌已过期或验证不正确"),
    error_body=_error_body,
    codes={code: row[0] for code, row in _CODES.items()},
    error=_error_of,
    broken_stream=_broken_bigmodel,
    models=lambda _: model_list({name: {} for name in _MODELS}, "z-ai"),
    rules=_RULES,
    # The code is our guess: no such body is on record.
    malformed=lambda chinese: _error("1210", chinese=chinese),
    thinking_on=thinking_type_on,
    token_limits=(("max_tokens", "all"),),  # `max_completion_tokens` is unknown here
    needs_key=True,
    # A request has its id here; no limits and no Retry-After are sent (measured 2026-08).
    headers=lambda ids: (("x-log-id", ids.log),),
    stream_type="text/event-stream;charset=UTF-8",
    json_type="application/json; charset=UTF-8",
    not_found=_not_found,
    filtered="sensitive",
    chinese_by_default=True,
    batch_api=_BATCH_API,
)
# Its words for a bad key as its clients quote them.
ZAI = replace(
    BIGMODEL,
    name="zai",
    prefix="/zai/api/paas/v4",
    bad_key=SandboxError(401, "401", "token expired or incorrect"),
    broken_stream=_broken_zai,
    chinese_by_default=False,
    batch_api=None,
)
SANDBOX = replace(
    ZAI,
    name="sandbox",
    prefix="/sandbox/api/paas/v4",
    needs_key=False,
    batch_api=_BATCH_API,
    replays=("bigmodel", "zai"),
)
