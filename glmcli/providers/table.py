"""The table of providers: one row for each service that offers GLM.

A new provider that speaks a known dialect is one row of `_ROWS`. One that switches thinking in a way of its own is one
more line in the table of thinking switches. A new dialect is one more module beside this one (see `dialect.py`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from glmcli.providers.codes import BIGMODEL, GATEWAY, MODELSTUDIO, OPENAI, TOKENHUB
from glmcli.providers.row import Api, BatchApi, Provider, Range, ThinkingSwitch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.providers.dialect import Dialect

# The table of thinking switches: the fields of a request body that turn thinking on, and those that turn it off.
_THINKING_TYPE = ThinkingSwitch({"thinking": {"type": "enabled"}}, {"thinking": {"type": "disabled"}})
# docs.z.ai/openapi.json, ChatThinking (2026-09); docs.z.ai and docs.bigmodel.cn, guides/capabilities/thinking-mode
# (2026): earlier reasoning is ignored without this, and has to come back whole, unmodified and in order with it.
# Whether the model thinks now is another matter.
_ZHIPU_THINKING = _THINKING_TYPE.replace(
    keep={"thinking": {"clear_thinking": False}}, clear={"thinking": {"clear_thinking": True}}
)
_ENABLE_THINKING = ThinkingSwitch({"enable_thinking": True}, {"enable_thinking": False})
_TEMPLATE_THINKING = ThinkingSwitch(
    {"chat_template_kwargs": {"enable_thinking": True}},
    {"chat_template_kwargs": {"enable_thinking": False}},
    is_shared=True,
)
_EFFORT_NONE = ThinkingSwitch({}, {"reasoning_effort": "none"})

# docs.bigmodel.cn and docs.z.ai chat completion reference: ranges of 2026-09; fields that are not listed there are
# ignored silently (github.com/earendil-works/pi/issues/2025), so a script would rely on a setting that has no effect.
_ZHIPU = Api(
    thinking=_ZHIPU_THINKING,
    thinking_explicit=True,
    usage_on_request=False,
    accept_language="en-US,en",
    leading_newlines=True,
    # docs.z.ai/guides/capabilities/thinking-mode (2026-09): within a tool turn the reasoning goes back whole.
    reasoning_back="tool_turn",
    # The chat completion OpenAPI of docs.z.ai (2026-09): at most 128 functions, and "auto" is the only choice listed.
    tool_stream=True,
    tool_choices=("auto",),
    max_tools=128,
    parameters={
        "temperature": Range(0, 1),
        "top_p": Range(0.01, 1),
        "top_k": None,
        "repetition_penalty": None,
    },
    # Not in those pages, but a parameter of the provider's own SDK: zai-sdk 0.2.3 on PyPI (2026). The other one is
    # OpenAI's newer name of `max_tokens`, and in neither.
    doubtful=("seed", "max_completion_tokens"),
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
_MODELSTUDIO = Api(
    thinking=_ENABLE_THINKING,
    thinking_without_stream="is refused for some models, and ends after 300 s",
    tool_stream=True,
    search_parameter="enable_search",
    partial=True,  # help.aliyun.com/zh/model-studio/partial-mode (2026-11), for both protocols
    tool_choices=("auto", "none", "NAME"),
    forces_thinking=False,
    forbidden_tools=("search",),
    caps_thinking=False,
    field_names={"think_budget": "thinking_budget"},
    json_without_thinking=True,
    json_must_be_named=True,
    # help.aliyun.com/zh/model-studio/qwen-api-via-openai-chat-completions (2026-11), for GLM-5 and later.
    total_cap="max_completion_tokens",
    parameters=_MODELSTUDIO_PARAMETERS | {"seed": Range(0, 2**31 - 1)},
    limits="per_minute",
)
_DASHSCOPE = _MODELSTUDIO.replace(
    usage_on_request=False,
    total_cap=None,  # the page is of the other protocol, and that of this one names no GLM model beside the field
    doubtful=("max_completion_tokens",),
    parameters=_MODELSTUDIO_PARAMETERS | {"seed": Range(0, 2**63 - 1)},
    # The native protocol has parts of its own, on a path of its own (`multimodal-generation`), and is documented for
    # other models only: docs.qwencloud.com/api-reference/chat/dashscope (2026).
    media=None,
)

# tencentcloud.com/document/product/1300/80634 (GLM guide) and 1300/78942 (2026).
_TOKENHUB = Api(
    thinking=_THINKING_TYPE,
    thinking_explicit=True,
    # "Non-streaming calls are prone to triggering gateway timeouts", without a number.
    thinking_without_stream="may run into the gateway's time-out",
    tool_stream=True,
    tool_choices=("auto", "none", "required"),  # the object form is not documented for chat
    json_schema=False,
    # Its parameters are listed there, and these two are not among them.
    parameters={"temperature": Range(0, 2), "top_p": Range(0, 1), "top_k": None, "repetition_penalty": None},
    max_stops=4,
    limits="per_minute",
    media="tokenhub",
)

# vLLM 0.32, SGLang 0.5.23, llama.cpp and Ollama: their sources and local runs of 2026-11-21.
# The templates of GLM read `reasoning_content` of the turns since the last question:
# github.com/vllm-project/vllm/issues/33616.
_SERVER = Api(thinking=_TEMPLATE_THINKING, reasoning_back="tool_turn", think_tags="open")
_LLAMACPP = _SERVER.replace(
    # Fields that it does not know are ignored, `repetition_penalty` too, and a `top_p` outside its range is moved into
    # it: github.com/ggml-org/llama.cpp, tools/server/server-schema.cpp (2026). The budget since the spring of 2026
    # (pull/20297 of 2026-03, pull/23116 of 2026-05-15); older builds ignore it.
    field_names={"think_budget": "thinking_budget_tokens", "repetition_penalty": "repeat_penalty"},
    parameters={"top_p": Range(0, 1)},
)
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_SAMPLING = {
    "top_p": Range(0, 1, open_low=True),
    "presence_penalty": Range(-2, 2),
    "frequency_penalty": Range(-2, 2),
    "seed": Range(-(2**63), 2**63 - 1),
}
_VLLM = _SERVER.replace(
    effort_words=_EFFORTS,
    # Since 0.19.0 (github.com/vllm-project/vllm/pull/20859), where a reasoning parser runs; older ones ignore it.
    field_names={"think_budget": "thinking_token_budget"},
    # vllm/sampling_params.py (2026); the upper limit of the temperature since 0.24.0: pull/44965 (2026-06-09).
    parameters=_SAMPLING
    | {"temperature": Range(0, 2), "top_k": Range(-1), "repetition_penalty": Range(0, open_low=True)},
)
_SGLANG = _SERVER.replace(
    effort_words=(*_EFFORTS, "ultra"),
    # SGLang 0.5.23 on PyPI, sampling_params.py. Its chat API has no field for a budget of thinking, and `custom_params`
    # only work where the server was started for it: docs.sglang.io/docs/advanced_features/thinking_budget (2026).
    parameters=_SAMPLING
    | {"temperature": Range(0), "top_k": Range(1, off=-1), "repetition_penalty": Range(0, 2, open_low=True)},
)
_OLLAMA = Api(
    thinking=_EFFORT_NONE,
    # Its route knows the fields of ChatCompletionRequest in openai/openai.go, and drops all others silently, such as
    # these: github.com/ollama/ollama/issues/11325 (2025-07).
    parameters=dict.fromkeys(
        ("top_k", "repetition_penalty", "repeat_penalty", "min_p", "num_ctx", "chat_template_kwargs")
    ),
    tool_choices=("auto",),  # any other is dropped silently (github.com/ollama/ollama, openai/openai.go)
    effort_words=("none", "minimal", "low", "medium", "high", "xhigh", "ultra", "max"),
    think_tags="open",
    media="ollama",
)
_OPENAI = Api(
    thinking=None,
    total_cap="max_completion_tokens",  # OpenAI's own name, for models that are known to take it
)

_MB = 1_000_000  # bytes; a server whose MB are 1,048,576 bytes accepts these sizes too

# docs.bigmodel.cn/cn/guide/tools/batch, …/cn/faq/batch-api-issues (2026): 50,000 lines, 100 MB, `/v4/…` in each line.
# `auto_delete_input_file` is true by default: docs.bigmodel.cn, create batch; zai-sdk 0.2.3 on PyPI.
_BIGMODEL_BATCH = BatchApi(url="/v4/chat/completions", auto_delete=True, max_lines=50_000, max_bytes=100 * _MB)

# help.aliyun.com, batch-interfaces-compatible-with-openai (2025): 50,000 lines, 500 MB, 6 MB a line. The test model is
# free, has an endpoint of its own, and takes 100 lines and 1 MB.
_MODELSTUDIO_BATCH = BatchApi(
    max_lines=50_000,
    max_bytes=500 * _MB,
    max_line_bytes=6 * _MB,
    models={"batch-test-model": BatchApi(url="/v1/chat/ds-test", max_lines=100, max_bytes=_MB, max_line_bytes=_MB)},
)

# cloud.tencent.com/document/product/1823/130849 (2026-04-28): `input_file_id` is a public address, no /files.
_TOKENHUB_BATCH = BatchApi(uploads=False)

# platform.openai.com/docs/api-reference/batch/create (2026): 50,000 lines, 200 MB. Gateways in front of vLLM and SGLang
# speak the same: github.com/llm-d/llm-d-batch-gateway takes 50,000 lines too.
_OPENAI_BATCH = BatchApi(max_lines=50_000, max_bytes=200 * _MB)


def _server(name: str, base_url: str, api: Api) -> Provider:
    """A self-hosted server. It has no Batch API, but a gateway in front of it may have one."""
    return Provider(name=name, base_url=base_url, catalogue="", api=api, codes=OPENAI, batch=_OPENAI_BATCH)


_BIGMODEL = Provider(
    name="bigmodel",
    base_url="https://open.bigmodel.cn/api/paas/v4",
    key_variables=("BIGMODEL_API_KEY", "ZHIPUAI_API_KEY", "ZHIPU_API_KEY"),
    catalogue="bigmodel",
    api=_ZHIPU,
    codes=BIGMODEL,
    hosted=True,
    batch=_BIGMODEL_BATCH,
)

_ROWS = (
    _BIGMODEL,
    _BIGMODEL.replace(
        name="zai",
        base_url="https://api.z.ai/api/paas/v4",
        key_variables=("ZAI_API_KEY",),
        catalogue="zai",
        # docs.z.ai/openapi.json (2026-09) has fourteen paths, and neither /files of this kind nor /batches among them.
        batch=None,
        no_batch="glm batch run asks for every row itself; BigModel has one: -m bigmodel/MODEL",
    ),
    Provider(
        name="modelstudio",
        base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
        key_variables=("DASHSCOPE_API_KEY",),
        catalogue="modelstudio",
        api=_MODELSTUDIO,
        codes=MODELSTUDIO,
        hosted=True,
        batch=_MODELSTUDIO_BATCH,
    ),
    Provider(
        name="dashscope",
        base_url="https://dashscope.aliyuncs.com/api/v1",
        key_variables=("DASHSCOPE_API_KEY",),
        dialect="dashscope",
        catalogue="modelstudio",
        api=_DASHSCOPE,
        codes=MODELSTUDIO,
        hosted=True,
        no_batch="its OpenAI-compatible protocol has one: -m modelstudio/MODEL",
    ),
    Provider(
        name="tokenhub",
        base_url="https://tokenhub-intl.tencentcloudmaas.com/v1",
        key_variables=("TOKENHUB_API_KEY",),
        catalogue="tokenhub",
        api=_TOKENHUB,
        codes=TOKENHUB,
        hosted=True,
        batch=_TOKENHUB_BATCH,
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
        api=_OPENAI,
        codes=GATEWAY,
        batch=_OPENAI_BATCH,
    ),
    # The embedded server behaves like BigModel; its address is set when it is started.
    _BIGMODEL.replace(name="sandbox", base_url="", key_variables=(), hosted=False, embedded=True),
)

PROVIDERS: Mapping[str, Provider] = {row.name: row for row in _ROWS}


def dialect_of(provider: Provider) -> Dialect:
    """The module of this provider's dialect, imported when it is first needed."""
    return cast("Dialect", import_module(f"glmcli.providers.{provider.dialect}"))
