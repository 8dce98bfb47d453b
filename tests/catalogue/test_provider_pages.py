"""The tables of three providers' pages, typed out row by row as they stand there, beside what `glm models --json` says.

A page's words stay as they are; `UNITS` turns its round numbers into tokens. What the catalogue has from elsewhere, as
newer models and prices, is in `test_models.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

UNITS = {"1M tokens": 1_048_576, "200K tokens": 204_800, "128K tokens": 131_072, "200K": 204_800, "128K": 131_072}


@pytest.fixture
def card(glm) -> Callable[[str], dict[str, Any]]:
    """The card of PROVIDER/MODEL."""
    done = glm("models", "--json")
    assert (done.code, done.err) == (0, "")
    cards = {f"{each['provider']}/{each['model']}": each for each in json.loads(done.out)}
    return cards.__getitem__


# Alibaba Model Studio: www.alibabacloud.com/help/en/model-studio/glm (2026-03-15). A cell that spans rows is repeated.

STUDIO_LIMITS = """
Model   | Context window | Max input | Max CoT | Max response
glm-5   | 202,752        | 202,752   | 32,768  | 16,384
glm-4.7 | 202,752        | 169,984   | 32,768  | 16,384
glm-4.6 | 202,752        | 169,984   | 32,768  | 16,384
"""
# The models that the page says to support the parameter tool_stream, which is false by default.
STUDIO_TOOL_STREAM = ("glm-5", "glm-4.7", "glm-4.6")
# Of the table of features the text has these cells alone: JSON, and the cache of glm-5.
STUDIO_FEATURES = """
Model   | Structured output      | Context cache
glm-5   | Non-thinking mode only | Implicit cache only.
glm-4.7 | Non-thinking mode only |
glm-4.6 | Non-thinking mode only |
"""
STUDIO_DEFAULTS = """
Model   | enable_thinking | temperature | top_p | top_k | repetition_penalty
glm-5   | true            | 1.0         | 0.95  | 20    | 1.0
glm-4.7 | true            | 1.0         | 0.95  | 20    | 1.0
glm-4.6 | true            | 1.0         | 0.95  | 20    | 1.0
"""


def rows(table: str) -> dict[str, dict[str, str]]:
    """A typed-out table: by the first cell of each row, its other cells by the heads of their columns."""
    head, *lines = ([cell.strip() for cell in line.split("|")] for line in table.strip().splitlines())
    return {cells[0]: dict(zip(head[1:], cells[1:], strict=True)) for cells in lines}


@pytest.mark.parametrize("row", ["modelstudio", "dashscope"])
def test_the_page_of_model_studio(card, row) -> None:
    limits = {"Context window": "context", "Max input": "max_input", "Max CoT": "max_reasoning"}
    for model, cells in rows(STUDIO_LIMITS).items():
        said = card(f"{row}/{model}")
        for column, key in (limits | {"Max response": "max_output"}).items():
            assert said[key] == int(cells[column].replace(",", "")), f"{model}: {column}"
        assert said["sources"]["limits"] == {
            "url": "https://www.alibabacloud.com/help/en/model-studio/glm",
            "date": "2026-03-15",
        }
    for model in STUDIO_TOOL_STREAM:
        assert card(f"{row}/{model}")["tool_stream"] is True
    for model, cells in rows(STUDIO_FEATURES).items():
        said = card(f"{row}/{model}")
        assert said["structured_output"]["only_without_thinking"] is (
            cells["Structured output"] == "Non-thinking mode only"
        )
        if cells["Context cache"] == "Implicit cache only.":
            assert said["cache"] == {"implicit": True, "explicit": False}
    for model, cells in rows(STUDIO_DEFAULTS).items():
        defaults = card(f"{row}/{model}")["defaults"]
        assert defaults.pop("thinking") is (cells.pop("enable_thinking") == "true")
        assert defaults == {name: float(value) for name, value in cells.items()}
        assert card(f"{row}/{model}")["thinking"]["can_stop"] is True  # "thinking and non-thinking modes"


# "The combined behavior of stream and tool_stream", and the flags that ask for each.
STUDIO_STREAMS = """
Flags                          | Stream | Tool stream     | Tool call return method
--tool-stream                  | true   | true            | Arguments are returned incrementally in multiple chunks.
--no-tool-stream               | true   | false (default) | Arguments are returned completely in a single chunk.
--tool-stream --no-stream      | false  | true/false      | tool_stream has no effect
--no-tool-stream --no-stream   | false  | true/false      | tool_stream has no effect
"""
TOOLS = "tools: [{name: get_weather, description: d, parameters: {type: object, properties: {}}, run: ['true']}]\n"


@pytest.mark.parametrize("flags", rows(STUDIO_STREAMS))
def test_stream_and_tool_stream_of_model_studio(glm, cwd, flags) -> None:
    cells = rows(STUDIO_STREAMS)[flags]
    (cwd / "t.yaml").write_text(TOOLS)
    asked = ("-m", "modelstudio/glm-5", "--no-think", "--tools", "t.yaml", *flags.split(), "-n", "hi")
    done = glm("tools", "run", *asked)
    body = json.loads(done.out)["body"]
    assert body.get("stream", False) is (cells["Stream"] == "true")
    # What is the provider's default, or has no effect, is not sent.
    assert body.get("tool_stream") is (True if cells["Tool stream"] == "true" else None)
    without = "glm: --tool-stream has no effect without a stream\n"
    assert done.err == (without if flags == "--tool-stream --no-stream" else "")


# Tencent TokenHub: www.tencentcloud.com/document/product/1300/80634 (2026-11-21).

TOKENHUB_MODELS = """
model         | Positioning                  | Context / Max Output     | Multimodal
glm-5.2       | Flagship (latest)            | 1M tokens / 128K tokens   | Not supported.
glm-5.1       | Flagship                     | 200K tokens / 128K tokens | Not supported.
glm-5         | Previous-generation flagship | 200K tokens / 128K tokens | Not supported.
glm-5-turbo   | Agent-optimized              | 200K tokens / 128K tokens | Not supported.
glm-5v-turbo  | Multimodal                   | 200K tokens / 128K tokens | Supports images, videos, and files.
"""
# "Recommended Scenario", and the column before it, in the words of the catalogue.
TOKENHUB_USES = {
    "glm-5.2": (
        "Flagship, the latest",
        # "Agent and coding, long-running tasks, full-stack development, code translation, research reproduction"
        "Agents and coding, long tasks, full-stack development, translating code, reproducing research",
    ),
    "glm-5.1": (
        "Flagship",
        # "General conversation, content creation, knowledge Q&A, complex reasoning"
        "Conversation, writing, questions of knowledge, complex reasoning",
    ),
    # "Scenarios prioritizing stability"
    "glm-5": ("Flagship of the generation before", "Where stability comes first"),
    # "Tool calling, long-chain Agent tasks"
    "glm-5-turbo": ("Tuned for agents", "Calling tools, long chains of an agent's steps"),
    # "Image understanding, video analysis, document parsing"
    "glm-5v-turbo": ("Multimodal", "Understanding images, analysing videos, reading documents"),
}
# The table of thinking.type: "enabled / disabled", default enabled; of reasoning_effort, "only supported by glm-5.2".
TOKENHUB_EFFORTS = """
Value | Description
high  | Enhances reasoning.
max   | Deep reasoning (default value).
"""


def test_the_page_of_tokenhub(card) -> None:
    kinds = {"Not supported.": ["text"], "Supports images, videos, and files.": ["text", "image", "video", "file"]}
    for model, cells in rows(TOKENHUB_MODELS).items():
        said = card(f"tokenhub/{model}")
        context, output = cells["Context / Max Output"].split(" / ")
        assert (said["context"], said["max_output"]) == (UNITS[context], UNITS[output])
        assert said["as_written"] == {"context": context.split()[0], "max_output": output.split()[0]}
        assert said["input"] == kinds[cells["Multimodal"]]
        assert (said["positioning"], said["scenario"]) == TOKENHUB_USES[model]
        assert (said["thinking"]["has"], said["thinking"]["can_stop"]) == (True, True)
        assert said["defaults"]["thinking"] is True
        assert said["tools"] is said["tool_stream"] is True
        assert said["sources"]["limits"]["url"] == "https://www.tencentcloud.com/document/product/1300/80634"
        if model != "glm-5.2":
            assert said["thinking"]["efforts"] == []
    efforts = card("tokenhub/glm-5.2")["thinking"]
    assert set(rows(TOKENHUB_EFFORTS)) <= set(efforts["efforts"])
    assert efforts["default_effort"] == "max"


def test_the_restrictions_on_the_page_of_tokenhub(card) -> None:
    vision = card("tokenhub/glm-5v-turbo")["vision"]
    assert (
        vision["mixing"] == "one_kind"
    )  # "Only one type of image, video, or file can be uploaded in a single request."
    assert (vision["file"]["url"], vision["file"]["data"]) == (True, False)  # "file_url does not support Base64"
    assert vision["image"]["data"] is True  # data:image/jpeg;base64,… of the example
    assert vision["max_body_megabytes"] == 100  # "The body of a single request must not exceed 100 MB."
    for model in ("glm-5.2", "glm-5.1", "glm-5", "glm-5-turbo"):  # "Multimodal support limited to glm-5v-turbo."
        assert card(f"tokenhub/{model}")["vision"] is None


# Zhipu BigModel: docs.bigmodel.cn/cn/guide/models/text/glm-5 (2026-11-21).

BIGMODEL_CARDS = {
    "定位": "基座模型",  # positioning: base model
    "输入模态": "文本",  # input: text
    "输出模态": "文本",  # output: text
    "上下文窗口": "200K",  # context window
    "最大输出 Tokens": "128K",  # most tokens of output
}
# 思考模式, Function Call, 上下文缓存, 结构化输出: thinking, calling functions, the cache of context, JSON.
BIGMODEL_ABILITIES = ("thinking", "tools", "cache", "structured_output")
# 推荐场景: coding and tasks of agents, office work, role play, scripts, translation, extracting data, checking quality.
BIGMODEL_SCENARIO = (
    "Coding by agents, long tasks with tools, office work, role play and scripts, translation, extracting data, "
    "checking texts"
)


def test_the_page_of_bigmodel(card) -> None:
    said = card("bigmodel/glm-5")
    texts = {"文本": ["text"]}
    assert said["positioning"].startswith({"基座模型": "Base model"}[BIGMODEL_CARDS["定位"]])
    assert said["input"] == texts[BIGMODEL_CARDS["输入模态"]]
    assert said["output"] == texts[BIGMODEL_CARDS["输出模态"]]
    assert said["context"] == UNITS[BIGMODEL_CARDS["上下文窗口"]]
    assert said["max_output"] == UNITS[BIGMODEL_CARDS["最大输出 Tokens"]]
    assert said["as_written"] == {"context": "200K", "max_output": "128K"}
    assert said["scenario"] == BIGMODEL_SCENARIO
    able = {
        "thinking": said["thinking"]["has"],
        "tools": said["tools"],
        "cache": said["cache"]["implicit"],
        "structured_output": said["structured_output"]["json_object"],
    }
    assert able == dict.fromkeys(BIGMODEL_ABILITIES, True)
    for group in ("about", "limits", "modalities"):
        assert said["sources"][group] == {
            "url": "https://docs.bigmodel.cn/cn/guide/models/text/glm-5",
            "date": "2026-11-21",
        }
