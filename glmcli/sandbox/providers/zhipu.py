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
from glmcli.sandbox.providers import rules, zhipu_errors
from glmcli.sandbox.providers.openai import token_counts
from glmcli.sandbox.providers.row import SandboxBatchApi, SandboxError, SandboxProvider, model_list
from glmcli.sandbox.providers.zhipu_errors import zhipu_error
from glmcli.sandbox.web_search import searched, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.sandbox.answer import SandboxAnswer, SandboxToolCall
    from glmcli.sandbox.chat_request import ChatRequest, RequestIds
    from glmcli.sandbox.http_messages import Json, ServerResponse
    from glmcli.sandbox.providers.row import Rule


def _stream(request: ChatRequest, answer: SandboxAnswer) -> list[bytes]:
    choices: list[Json] = [{"index": 0, "delta": delta} for delta in _deltas(request, answer)]
    last = {"index": 0, "finish_reason": answer.finish, "delta": {"role": "assistant", "content": ""}}
    end = {**_chunk(request, last), "usage": _usage(request, answer), **told(answer)}
    return [*(sse_event(_chunk(request, choice)) for choice in choices), sse_event(end), DONE]


def _whole(request: ChatRequest, answer: SandboxAnswer) -> Json:
    before = _before(answer)
    message: Json = {"role": "assistant", "content": f"{before}{answer.text}" if answer.text else ""}
    if answer.reasoning:
        message["reasoning_content"] = f"{before}{answer.reasoning}"
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
        **told(answer),
    }


def _before(answer: SandboxAnswer) -> str:
    """The newline before reasoning and answer."""
    return "" if answer.is_scripted else "\n"


def _usage(request: ChatRequest, answer: SandboxAnswer) -> Json:
    """The counts; output includes reasoning, and only the sandbox's own provider says how much it was.

    The details are in the types of zai-sdk 0.2.3 on PyPI and in no recorded reply of BigModel or Z.ai.
    """
    counts: Json = {**token_counts(answer), "prompt_tokens_details": {"cached_tokens": answer.cached_tokens}}
    if request.provider == "sandbox":
        counts["completion_tokens_details"] = {"reasoning_tokens": answer.reasoning_tokens}
    return counts


def _chunk(request: ChatRequest, choice: Json) -> Json:
    head = {"id": request.ids.log, "created": CREATED, "object": "chat.completion.chunk", "model": request.model}
    return {**head, "choices": [choice]}


def _deltas(request: ChatRequest, answer: SandboxAnswer) -> Iterator[Json]:
    role = {"role": "assistant"}
    before = _before(answer)
    if answer.reasoning:
        yield {**role, "content": "", "reasoning_content": before}
    for piece in pieces(answer.reasoning, answer.piece_size):
        yield {**role, "reasoning_content": piece}
    if answer.text and before:
        yield {**role, "content": before}
    for piece in pieces(answer.text, answer.piece_size):
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
    for piece in pieces(call.arguments, call.piece_size):
        yield {"role": "assistant", "tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _call(index: int, call: SandboxToolCall) -> Json:
    return {"id": call.id, "index": index, "type": "function", "function": call.function(call.arguments)}


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
    return lambda request: zhipu_error(code, chinese=request.chinese, field=field)


def _within(field: str, low: float, high: float) -> Rule:
    """The message names the range, as AIHubMix quotes it for glm-5.3: `[1,131072]`."""
    return rules.outside(field, low, high), lambda request: _out_of_range(request, field, f"[{low},{high}]")


def _out_of_range(request: ChatRequest, field: str, span: str) -> SandboxError:
    chinese = f"{field} 参数非法，取值范围 {span}"
    words = chinese if request.chinese else f"The {field} parameter must be in {span}"
    return zhipu_error("1210", chinese=request.chinese, message=words)


def _longest(request: ChatRequest) -> int:
    return next((most for family, most in _LONGEST if request.base_model.startswith(family)), 131072)


def _unknown(request: ChatRequest) -> SandboxError:
    """BigModel says 1211, Z.ai 1214 in these words: github.com/duolahypercho/codex-router/issues/244 (2026-08-15)."""
    if request.provider == "zai":
        return zhipu_error("1214", chinese=request.chinese, message="modelCode: does not exist")
    return zhipu_error("1211", chinese=request.chinese)


def _thinks_always(request: ChatRequest) -> SandboxError:
    return zhipu_error("1210", chinese=request.chinese, message=_ALWAYS_THINKS)


def _keeps_thinking(fields: Mapping[str, Any]) -> bool:
    """Whether earlier reasoning is read, and so is input: only where the request says so.

    Source: docs.z.ai/openapi.json (2026-09), `clear_thinking`, true by default.
    """
    return object_or_empty(fields.get("thinking")).get("clear_thinking") is False


def _unclear(request: ChatRequest) -> bool:
    """`clear_thinking` that is neither true nor false; that this is refused, and how, is our guess."""
    return not isinstance(object_or_empty(request.fields.get("thinking")).get("clear_thinking", True), bool)


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
    (_unclear, _with_code("1210", "thinking.clear_thinking")),
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
    codes=zhipu_errors.STATUSES,
    error=zhipu_errors.error_of,
    broken_stream=_broken_bigmodel,
    models=lambda _: model_list({name: {} for name in _MODELS}, "z-ai"),
    rules=_RULES,
    # The code is our guess: no such body is on record.
    malformed=lambda chinese: zhipu_error("1210", chinese=chinese),
    thinking_on=thinking_type_on,
    keeps_thinking=_keeps_thinking,
    token_limits=(("max_tokens", "all"),),  # `max_completion_tokens` is unknown here
    needs_key=True,
    # A request has its id here; no limits and no Retry-After are sent (measured 2026-08).
    headers=lambda ids: (("x-log-id", ids.log),),
    stream_type="text/event-stream;charset=UTF-8",
    json_type="application/json; charset=UTF-8",
    not_found=_not_found,
    filtered="sensitive",
    chinese_by_default=True,
    takes_tokens=True,
    runs_tasks=True,
    searched=searched,
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
    takes_tokens=False,
    runs_tasks=False,
    batch_api=None,
)
SANDBOX = replace(
    ZAI,
    name="sandbox",
    prefix="/sandbox/api/paas/v4",
    needs_key=False,
    runs_tasks=True,
    batch_api=_BATCH_API,
    replays=("bigmodel", "zai"),
)
