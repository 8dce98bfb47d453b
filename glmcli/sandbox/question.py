"""A request as the sandbox understands it, whatever its dialect."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmcli.sandbox.ids import Ids

# Ids of models that take pictures. Source: https://docs.z.ai/openapi.json (2026-09), vision request.
_SEES = re.compile(r"glm-\d+(\.\d+)?v|glm-5\.3-flash|autoglm", re.IGNORECASE)
# The generation before 4.5 cannot think: glm-4-flash, glm-4-plus, glm-4v-flash.
_NEVER_THINKS = re.compile(r"glm-4v?-", re.IGNORECASE)


@dataclass(frozen=True)
class Question:
    """One request.

    Attributes:
        fields: the parameters: the whole body, or `parameters` of a DashScope body.
        messages: the items of `messages` that are objects.
        chinese: errors are in Chinese.
    """

    provider: str
    model: str
    messages: tuple[Mapping[str, Any], ...]
    fields: Mapping[str, Any]
    stream: bool
    chinese: bool
    ids: Ids

    @property
    def include_usage(self) -> bool:
        """Whether the client asked for a chunk with the usage."""
        options = self.fields.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True

    @property
    def base(self) -> str:
        """The model without the name of its maker: `GLM-5.2` of `ZHIPU/GLM-5.2`."""
        return self.model.rsplit("/", 1)[-1].lower()

    @property
    def sees(self) -> bool:
        """Whether the model takes pictures."""
        return _SEES.match(self.base) is not None

    @property
    def thinks(self) -> bool:
        """Whether this provider would let the model think, by its own switch and default."""
        return not _NEVER_THINKS.match(self.base) and SWITCHES[self.provider](self.fields)


def read(provider: str, body: Mapping[str, Any], headers: Mapping[str, str], ids: Ids) -> Question:
    """The question in a JSON body; wrong types count as absent, for the refusals to find.

    Source of the native form, where a header and not a field asks for a stream: dashscope 2.0.2 on PyPI,
    `api_entities/http_request.py`.
    """
    native = provider == "dashscope"
    outer = _object(body.get("input")) if native else body
    fields = _object(body.get("parameters")) if native else body
    messages = outer.get("messages")
    return Question(
        provider=provider,
        model=model if isinstance(model := body.get("model"), str) else "",
        messages=tuple(each for each in messages if isinstance(each, dict)) if isinstance(messages, list) else (),
        fields=fields,
        stream=native_stream(headers) if native else body.get("stream") is True,
        chinese=chinese(provider, headers),
        ids=ids,
    )


def native_stream(headers: Mapping[str, str]) -> bool:
    """Whether DashScope's header asks for a stream."""
    return headers.get("x-dashscope-sse", "").lower() == "enable"


def chinese(provider: str, headers: Mapping[str, str]) -> bool:
    """Whether errors are in Chinese: BigModel's default. Source: https://docs.z.ai/openapi.json, `Accept-Language`."""
    language = headers.get("accept-language", "").lower()
    return language.startswith("zh") or (provider == "bigmodel" and not language.startswith("en"))


def text_of(content: object) -> str:
    """The text of a message's content; parts of a list are joined by newlines."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


def media_of(content: object) -> tuple[str, ...]:
    """The kinds of the parts that are not text: `image_url`, or DashScope's `image`."""
    if not isinstance(content, list):
        return ()
    kinds = [part.get("type") or next(iter(part), "") for part in content if isinstance(part, dict)]
    return tuple(str(kind) for kind in kinds if kind != "text")


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _thinking_type(fields: Mapping[str, Any]) -> bool:
    """BigModel, Z.ai, TokenHub; GLM-5.2 also takes `none` and `minimal` as off."""
    off = _object(fields.get("thinking")).get("type") == "disabled"
    return not off and fields.get("reasoning_effort") not in ("none", "minimal")


def _enable_thinking(fields: Mapping[str, Any]) -> bool:
    """Model Studio: on by default for GLM; the effort `none` was measured on glm-5.2 to turn it off."""
    return fields.get("enable_thinking") is not False and fields.get("reasoning_effort") != "none"


def _template(fields: Mapping[str, Any]) -> bool:
    """The chat template's own switch; `thinking` is ignored without a word."""
    off = _object(fields.get("chat_template_kwargs")).get("enable_thinking") is False
    return not off and fields.get("reasoning_effort") != "none"


# Sources: docs.z.ai and docs.bigmodel.cn guides/capabilities/thinking-mode; alibabacloud.com/help/en/model-studio/glm
# (2026-03-15); tencentcloud.com/document/product/1300/80634; vLLM 0.32, SGLang 0.5.23 and llama.cpp as run or read on
# 2026-11-21; github.com/ollama/ollama@fb30760. `openai` is a server of which nothing is known: it does not think.
SWITCHES: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "bigmodel": _thinking_type,
    "zai": _thinking_type,
    "sandbox": _thinking_type,
    "tokenhub": _thinking_type,
    "modelstudio": _enable_thinking,
    "dashscope": _enable_thinking,
    "vllm": _template,
    "sglang": _template,
    "llamacpp": _template,
    "ollama": lambda fields: fields.get("reasoning_effort") != "none",
    "openai": lambda _: False,
}
