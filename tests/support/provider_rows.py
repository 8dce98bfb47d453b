"""The rows of the table of providers in its order, typed out once for all tests that go through them."""

# Name -> the variables that hold its key, the first one first. The sandbox's row is left out.
from __future__ import annotations

KEYS: dict[str, tuple[str, ...]] = {
    "bigmodel": ("BIGMODEL_API_KEY", "ZHIPUAI_API_KEY", "ZHIPU_API_KEY"),
    "zai": ("ZAI_API_KEY",),
    "modelstudio": ("DASHSCOPE_API_KEY",),
    "dashscope": ("DASHSCOPE_API_KEY",),
    "tokenhub": ("TOKENHUB_API_KEY",),
    "vllm": (),
    "sglang": (),
    "ollama": (),
    "llamacpp": (),
    "openai": ("OPENAI_API_KEY",),
}
ROWS = tuple(KEYS)
WITH_KEY = tuple(row for row in ROWS if KEYS[row])
# May be chosen without being named.
HOSTED = ("bigmodel", "zai", "modelstudio", "dashscope", "tokenhub")
# The model that a hosted row asks where none is named.
DEFAULTS = {"bigmodel": "glm-5", "zai": "glm-5", "modelstudio": "glm-5", "dashscope": "glm-5", "tokenhub": "glm-5.2"}
# One variable for each row, so that any of them can be asked.
KEY_VARIABLES = tuple(dict.fromkeys(KEYS[row][0] for row in WITH_KEY))
