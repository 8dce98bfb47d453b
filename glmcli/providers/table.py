"""Who serves GLM: one row a provider.

A new provider that speaks a known dialect is one row here; a new grammar is one module beside this one.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from glmcli.providers import batch_form
from glmcli.providers.codes import BIGMODEL, MODELSTUDIO, SELF_HOSTED, TOKENHUB
from glmcli.providers.row import Provider, Range, Thinking, Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.providers.dialect import Dialect

# docs.bigmodel.cn and docs.z.ai chat completion reference: ranges of 2026-09; fields that are not listed there are
# ignored without a word (github.com/earendil-works/pi/issues/2025), so a script would believe in a setting that is not.
_ZHIPU = Wire(
    thinking=Thinking.TYPE,
    thinking_explicit=True,
    usage_on_request=False,
    accept_language="en-US,en",
    leading_newlines=True,
    # docs.z.ai/guides/capabilities/thinking-mode (2026-09): within a tool turn the reasoning goes back whole.
    reasoning_back="tool_turn",
    # The chat completion OpenAPI of docs.z.ai (2026-09): at most 128 functions, and "auto" is the only choice listed.
    tool_stream=True,
    tool_choices=("auto",),
    most_tools=128,
    parameters={
        "temperature": Range(0, 1),
        "top_p": Range(0.01, 1),
        "top_k": None,
        "repetition_penalty": None,
    },
    # "only one stop word" (OpenAPI 2025-12) against "up to four" (a reading of 2026-09).
    few_stops=True,
    limits="in_flight",
    media="zhipu",
)

# docs.qwencloud.com/api-reference/chat/openai-chat and …/chat/dashscope (2026): max_tokens caps the answer only.
_MODELSTUDIO_PARAMETERS: dict[str, Range | None] = {
    "temperature": Range(0, 2, open_high=True),
    "top_p": Range(0, 1, open_low=True),
    "top_k": Range(0),
    "repetition_penalty": Range(0, open_low=True),
    "presence_penalty": Range(-2, 2),
    # "This model does not support enable_search."; n, logprobs: Qwen only.
    "enable_search": None,
    "n": None,
    "logprobs": None,
}
# docs.qwencloud.com/api-reference/chat (2026): thinking mode cannot be told to call a tool; "required" is not listed.
# …/error-messages (2026-09-28): no function may be called `search`.
_MODELSTUDIO = Wire(
    thinking=Thinking.ENABLE,
    tool_stream=True,
    tool_choices=("auto", "none", "NAME"),
    forces_thinking=False,
    forbidden_tools=("search",),
    caps_thinking=False,
    thinking_budget=True,
    json_without_thinking=True,
    json_must_be_named=True,
    parameters=_MODELSTUDIO_PARAMETERS | {"seed": Range(0, 2**31 - 1)},
    limits="per_minute",
)
_DASHSCOPE = Wire(
    thinking=Thinking.ENABLE,
    tool_stream=True,
    tool_choices=("auto", "none", "NAME"),
    forces_thinking=False,
    forbidden_tools=("search",),
    usage_on_request=False,
    caps_thinking=False,
    thinking_budget=True,
    json_without_thinking=True,
    json_must_be_named=True,
    parameters=_MODELSTUDIO_PARAMETERS | {"seed": Range(0, 2**63 - 1)},
    limits="per_minute",
    # The native protocol has parts of its own, on a path of its own (`multimodal-generation`), and is documented for
    # other models only: docs.qwencloud.com/api-reference/chat/dashscope (2026).
    media=None,
)

# tencentcloud.com/document/product/1300/80634 (GLM guide) and 1300/78942 (2026).
_TOKENHUB = Wire(
    thinking=Thinking.TYPE,
    thinking_explicit=True,
    tool_stream=True,
    tool_choices=("auto", "none", "required"),  # the object form is not documented for chat
    json_schema=False,
    parameters={"temperature": Range(0, 2), "top_p": Range(0, 1)},
    most_stops=4,
    limits="per_minute",
    media="tokenhub",
)

# vLLM 0.32, SGLang 0.5.23, llama.cpp and Ollama: their sources and local runs of 2026-11-21.
# The templates of GLM read `reasoning_content` of the turns since the last question:
# github.com/vllm-project/vllm/issues/33616.
_VLLM = Wire(
    thinking=Thinking.TEMPLATE,
    reasoning_back="tool_turn",
    effort_words=("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    think_tags="open",
)
_SGLANG = Wire(
    thinking=Thinking.TEMPLATE,
    reasoning_back="tool_turn",
    effort_words=("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"),
    think_tags="open",
)
_LLAMACPP = Wire(thinking=Thinking.TEMPLATE, reasoning_back="tool_turn", think_tags="open")
_OLLAMA = Wire(
    thinking=Thinking.EFFORT,
    tool_choices=("auto",),  # any other is dropped without a word (github.com/ollama/ollama, openai/openai.go)
    effort_words=("none", "minimal", "low", "medium", "high", "xhigh", "ultra", "max"),
    think_tags="open",
    media="ollama",
)
_OPENAI = Wire(thinking=Thinking.NONE)


def _server(name: str, base_url: str, wire: Wire) -> Provider:
    """A server of your own. It has no Batch API by itself, but a gateway in front of it may."""
    return Provider(name=name, base_url=base_url, catalogue="", wire=wire, codes=SELF_HOSTED, batch=batch_form.OPENAI)


_ROWS = (
    Provider(
        name="bigmodel",
        base_url="https://open.bigmodel.cn/api/paas/v4",
        key_variables=("BIGMODEL_API_KEY", "ZHIPUAI_API_KEY", "ZHIPU_API_KEY"),
        catalogue="bigmodel",
        wire=_ZHIPU,
        codes=BIGMODEL,
        hosted=True,
        default_model="glm-5",
        vision_model="glm-5v-turbo",
        batch=batch_form.BIGMODEL,
    ),
    Provider(
        name="zai",
        base_url="https://api.z.ai/api/paas/v4",
        key_variables=("ZAI_API_KEY",),
        catalogue="zai",
        wire=_ZHIPU,
        codes=BIGMODEL,
        hosted=True,
        default_model="glm-5",
        vision_model="glm-5v-turbo",
        # docs.z.ai/openapi.json (2026-09) has fourteen paths, and neither /files of this kind nor /batches among them.
        no_batch="glm batch run asks for every row itself; BigModel has one: -m bigmodel/MODEL",
    ),
    Provider(
        name="modelstudio",
        base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
        key_variables=("DASHSCOPE_API_KEY",),
        catalogue="modelstudio",
        wire=_MODELSTUDIO,
        codes=MODELSTUDIO,
        hosted=True,
        default_model="glm-5",
        batch=batch_form.MODELSTUDIO,
    ),
    Provider(
        name="dashscope",
        base_url="https://dashscope.aliyuncs.com/api/v1",
        key_variables=("DASHSCOPE_API_KEY",),
        dialect="dashscope",
        catalogue="modelstudio",
        wire=_DASHSCOPE,
        codes=MODELSTUDIO,
        hosted=True,
        default_model="glm-5",
        no_batch="its OpenAI-compatible protocol has one: -m modelstudio/MODEL",
    ),
    Provider(
        name="tokenhub",
        base_url="https://tokenhub-intl.tencentcloudmaas.com/v1",
        key_variables=("TOKENHUB_API_KEY",),
        catalogue="tokenhub",
        wire=_TOKENHUB,
        codes=TOKENHUB,
        hosted=True,
        default_model="glm-5",
        vision_model="glm-5v-turbo",
        batch=batch_form.TOKENHUB,
    ),
    _server("vllm", "http://127.0.0.1:8000/v1", _VLLM),
    _server("sglang", "http://127.0.0.1:30000/v1", _SGLANG),
    _server("ollama", "http://127.0.0.1:11434/v1", _OLLAMA),
    _server("llamacpp", "http://127.0.0.1:8080/v1", _LLAMACPP),
    Provider(
        name="openai",
        base_url="",
        base_url_variable="OPENAI_BASE_URL",
        key_variables=("OPENAI_API_KEY",),
        catalogue="",
        wire=_OPENAI,
        codes=SELF_HOSTED,
        batch=batch_form.OPENAI,
    ),
    # The embedded server speaks as BigModel does; whoever starts it sets the address.
    Provider(
        name="sandbox",
        base_url="",
        catalogue="bigmodel",
        wire=_ZHIPU,
        codes=BIGMODEL,
        embedded=True,
        default_model="glm-5",
        vision_model="glm-5v-turbo",
        batch=batch_form.BIGMODEL,
    ),
)

PROVIDERS: Mapping[str, Provider] = {row.name: row for row in _ROWS}


def dialect_of(provider: Provider) -> Dialect:
    """The module that speaks this provider's grammar, imported when it is first needed."""
    return _module(provider.dialect)


@cache
def _module(dialect: str) -> Dialect:
    return cast("Dialect", import_module(f"glmcli.providers.{dialect}"))
