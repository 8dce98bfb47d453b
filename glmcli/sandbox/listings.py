"""`GET {base}/models` and paths that do not exist, as each provider answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.sandbox.frames import Json, compact
from glmcli.sandbox.ids import CREATED, Ids
from glmcli.sandbox.response import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Z.ai listed nine ids and left out the free `-flash` models that do answer (measured 2026-08).
_BIGMODEL = ("glm-4.5", "glm-4.5-air", "glm-4.6", "glm-4.7", "glm-5", "glm-5-turbo", "glm-5.1", "glm-5.2", "glm-5.3")
# Model Studio lists models that cannot chat and leaves out some that can (measured 2026-08).
_ALIBABA = ("glm-4.7", "glm-5", "glm-5.1", "glm-5.2", "qwen3.7-max", "wan2.7-t2v-plus", "ZHIPU/GLM-5.2")
# TokenHub gives each a `status`; what is `pre-offline` answers 400004 (measured 2026-08).
_TENCENT = {
    "glm-5.2": "online",
    "glm-5.1": "online",
    "glm-5": "online",
    "glm-5-turbo": "online",
    "glm-5v-turbo": "online",
    "glm-4.6": "offline",
    "hunyuan-image": "pre-offline",
}


def _item(name: str, owner: str, **more: object) -> Json:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": owner, **more}


def _list(items: list[Json]) -> Json:
    return {"object": "list", "data": items}


def _zhipu(_ids: Ids) -> Json:
    return _list([_item(name, "z-ai") for name in _BIGMODEL])


def _native(ids: Ids) -> Json:
    """Source: dashscope 2.0.2 on PyPI, `v2/resources/models.py`."""
    models = [{"model": name, "provider": "zhipu", "source": "public", "opensource": True} for name in _ALIBABA]
    paging = {"total": len(models), "page_no": 1, "page_size": 10}
    return {"request_id": ids.uuid, "output": {"models": models, **paging}}


def _llamacpp(_ids: Ids) -> Json:
    path = "GLM-4.7-Flash-Q4_K_M.gguf"
    meta = {"vocab_type": 2, "n_vocab": 151552, "n_ctx_train": 202752, "n_embd": 2048}
    return {"models": [{"name": path, "model": path}], **_list([_item(path, "llamacpp", meta=meta)])}


MODELS: Mapping[str, Callable[[Ids], Json]] = {
    "bigmodel": _zhipu,
    "zai": _zhipu,
    "sandbox": _zhipu,
    "modelstudio": lambda _: _list([_item(name, "system") for name in _ALIBABA]),
    "dashscope": _native,
    "tokenhub": lambda _: _list([_item(name, "tencent", status=status) for name, status in _TENCENT.items()]),
    "vllm": lambda _: _list([_item("glm-5.1", "vllm", root="zai-org/GLM-5.1", parent=None, max_model_len=202752)]),
    "sglang": lambda _: _list([_item("glm-5.1", "sglang", root="zai-org/GLM-5.1", parent=None, max_model_len=202752)]),
    "llamacpp": _llamacpp,
    "ollama": lambda _: _list([_item("glm-4.7-flash:latest", "library")]),
    "openai": lambda _: _list([_item("glm-5", "system")]),
}


def not_found(provider: str, path: str) -> Response:
    """The answer to a path that the provider does not have.

    **Source**: BigModel https://github.com/borawong/AiMaMi/issues/64 (2026-06); vLLM (404 and 405 alike are
    `{"detail":…}`) and llama.cpp as run on 2026-11-21; the others are not on record and send an empty body.
    """
    if provider in {"bigmodel", "zai", "sandbox"}:
        where = f"/v4{path}"
        body: Json = {"timestamp": "2026-11-22T02:00:00.000+00:00", "status": 404, "error": "Not Found", "path": where}
        return Response(404, "application/json", (compact(body),))
    if provider in {"vllm", "sglang"}:
        return Response(404, "application/json", (b'{"detail":"Not Found"}',))
    if provider == "llamacpp":
        error = {"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}
        return Response(404, "application/json; charset=utf-8", (compact(error),))
    if provider == "ollama":  # Go's router
        return Response(404, "text/plain", (b"404 page not found",))
    return Response(404, None, ())


def not_allowed(provider: str, path: str) -> Response:
    """The answer to a method that the path does not take; `{"detail":…}` is vLLM's, and SGLang is built alike."""
    if provider in {"vllm", "sglang"}:
        return Response(405, "application/json", (b'{"detail":"Method Not Allowed"}',))
    return not_found(provider, path)
