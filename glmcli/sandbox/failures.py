"""Refusals as values, and each provider's way of writing one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmcli.sandbox.frames import Json
    from glmcli.sandbox.ids import Ids


@dataclass(frozen=True)
class Failure:
    """Why a request is not answered, in the provider's own words and with its own code."""

    status: int
    code: str
    message: str
    type: str = "invalid_request_error"
    param: str | None = None


def bigmodel(failure: Failure, _ids: Ids) -> Json:
    """`{"error":{"code":"1302","message":"…"}}`; the code is text. A moderated request says who was at fault.

    Source: bodies recorded 2026-05 to 2026-10, replayed as `bigmodel-1302` and so on.
    """
    body = {"error": {"code": failure.code, "message": failure.message}}
    return {"contentFilter": [{"level": 2, "role": "user"}], **body} if failure.code == "1301" else body


def modelstudio(failure: Failure, ids: Ids) -> Json:
    """Refusals of the model's service have an `id` and another order of keys than those of the gateway.

    Source: https://github.com/musistudio/claude-code-router/issues/714 (400) and a recorded 401, both replayed.
    """
    if failure.status == 400:  # noqa: PLR2004 - the status, not a magic number
        named = {"code": failure.code, "param": failure.param, "message": failure.message, "type": failure.type}
        return {"error": named, "id": f"chatcmpl-{ids.uuid}", "request_id": ids.uuid}
    named = {"message": failure.message, "type": failure.type, "param": failure.param, "code": failure.code}
    return {"error": named, "request_id": ids.uuid}


def dashscope(failure: Failure, ids: Ids) -> Json:
    """`{"code","message","request_id"}`.

    Source: github.com/cnblogs/dashscope-sdk@7afccbd, RawHttpData (auth-error, parameter-error-sse).
    """
    return {"code": failure.code, "message": failure.message, "request_id": ids.uuid}


def tokenhub(failure: Failure, ids: Ids) -> Json:
    """A 401 has three fields and the type `gateway_error`, as met; the others are as documented.

    Source: https://cloud.tencent.com/document/product/1823/131595 (2026).
    """
    body: Json = {"type": failure.type, "code": failure.code, "message": failure.message}
    if failure.type == "gateway_error":
        return {"error": body}
    upstream = failure.type == "upstream_error"
    body["source"] = "upstream" if upstream else "gateway"
    if upstream:
        body |= {"upstream_code": "internal_error", "upstream_status": failure.status}
    return {"error": {**body, "request_id": ids.uuid}}


def vllm(failure: Failure, _ids: Ids) -> Json:
    """The code is a number; a 401 is only a text. Source: vLLM 0.32 as run on 2026-11-21."""
    if failure.status == 401:  # noqa: PLR2004 - the status
        return {"error": "Unauthorized"}
    named = {"message": failure.message, "type": failure.type, "param": failure.param, "code": failure.status}
    return {"error": named}


def sglang(failure: Failure, _ids: Ids) -> Json:
    """Flat, without `error`; a 401 like vLLM's. Source: sglang 0.5.23 on PyPI, `srt/entrypoints`."""
    if failure.status == 401:  # noqa: PLR2004 - the status
        return {"error": "Unauthorized"}
    flat = {"object": "error", "message": failure.message, "type": failure.type, "param": failure.param}
    return {**flat, "code": failure.status}


def llamacpp(failure: Failure, _ids: Ids) -> Json:
    """The code is a number, last in a 401 and first elsewhere. Source: llama.cpp's server as run on 2026-11-21."""
    if failure.status == 401:  # noqa: PLR2004 - the status
        return {"error": {"message": failure.message, "type": failure.type, "code": failure.status}}
    return {"error": {"code": failure.status, "message": failure.message, "type": failure.type}}


def ollama(failure: Failure, _ids: Ids) -> Json:
    """`param` and `code` are null. Source: github.com/ollama/ollama@fb30760, openai/openai.go."""
    return {"error": {"message": failure.message, "type": failure.type, "param": None, "code": None}}


def openai(failure: Failure, _ids: Ids) -> Json:
    """OpenAI's own order. Source: https://platform.openai.com/docs/guides/error-codes (2026)."""
    named = {"message": failure.message, "type": failure.type, "param": failure.param, "code": failure.code}
    return {"error": named}


_MODEL_STUDIO_KEY = (
    "Incorrect API key provided. For details, see: https://help.aliyun.com/zh/model-studio/error-code#apikey-error"
)
_TOKENHUB_KEY = (
    "The API Key does not exist or signature verification failed. Please check whether the API Key is correct. "
    "See: https://console.cloud.tencent.com/tokenhub/apikey"
)

# No key, or `bad-key`. Sources: the functions above; Z.ai's words as its clients quote them.
BAD_KEY: Mapping[str, Failure] = {
    "bigmodel": Failure(401, "401", "令牌已过期或验证不正确"),
    "zai": Failure(401, "401", "token expired or incorrect"),
    "sandbox": Failure(401, "401", "token expired or incorrect"),
    "modelstudio": Failure(401, "invalid_api_key", _MODEL_STUDIO_KEY),
    "dashscope": Failure(401, "InvalidApiKey", "Invalid API-key provided."),
    "tokenhub": Failure(401, "401002", _TOKENHUB_KEY, "gateway_error"),
    "vllm": Failure(401, "401", "Unauthorized"),
    "sglang": Failure(401, "401", "Unauthorized"),
    "llamacpp": Failure(401, "401", "Invalid API Key", "authentication_error"),
    "ollama": Failure(401, "401", "unauthorized", "api_error"),
    "openai": Failure(401, "invalid_api_key", "Incorrect API key provided: bad-key."),
}

WRITERS: Mapping[str, Callable[[Failure, Ids], Json]] = {
    "bigmodel": bigmodel,
    "zai": bigmodel,
    "sandbox": bigmodel,
    "modelstudio": modelstudio,
    "dashscope": dashscope,
    "tokenhub": tokenhub,
    "vllm": vllm,
    "sglang": sglang,
    "llamacpp": llamacpp,
    "ollama": ollama,
    "openai": openai,
}
