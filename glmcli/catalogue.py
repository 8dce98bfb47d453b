"""Facts about models that decide what is sent and what is refused. Each with its source.

The rows hold what the checks before sending need. A model that is not listed is allowed: tomorrow's models and private
deployments are not our business to forbid.

Sources:
    bigmodel, zai: docs.z.ai and docs.bigmodel.cn chat completion OpenAPI and thinking-mode guide (2026-09); thinking
        cannot be switched off on glm-5.3: github.com/NousResearch/hermes-agent/pull/85890.
    modelstudio: alibabacloud.com/help/en/model-studio/glm (2026-03-15 and 2026-09-02), docs.qwencloud.com chat
        reference (2026); glm-4.5 answers only as a stream: github.com/musistudio/claude-code-router/issues/714.
    tokenhub: tencentcloud.com/document/product/1300/80634 (2026).
    tool_stream: docs.z.ai OpenAPI (2026-09); alibabacloud.com/help/en/model-studio/glm, "Streaming tool calling"
        (2026-03-15), with 5.1 and 5.2 by docs.qwencloud.com (2026); the TokenHub page names no models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping


class Model(Record):
    """What one provider's model can do.

    Units: `context` and `max_output` in tokens; None where no source says it.

    Attributes:
        thinks: the model has a thinking mode.
        stops_thinking: thinking can be switched off.
        efforts: the words of --effort that it honours.
        stream_only: a whole answer is refused.
        refuses: request parameters that this model does not take.
        tool_stream: the model is listed among those whose calls can come in pieces.
    """

    context: int | None = None
    max_output: int | None = None
    thinks: bool = True
    stops_thinking: bool = True
    efforts: tuple[str, ...] = ()
    stream_only: bool = False
    refuses: tuple[str, ...] = ()
    tool_stream: bool = False


_ZHIPU: dict[str, Model] = {
    "glm-5.3": Model(
        context=1_048_576, max_output=131_072, stops_thinking=False, efforts=("low", "high", "max"), tool_stream=True
    ),
    "glm-5.3-flash": Model(context=1_048_576, max_output=131_072, stops_thinking=False, efforts=("low", "high", "max")),
    "glm-5.3-flashx": Model(
        context=1_000_000, max_output=131_072, stops_thinking=False, efforts=("low", "high", "max")
    ),
    "glm-5.2": Model(context=1_000_000, max_output=131_072, efforts=("high", "max"), tool_stream=True),
    "glm-5.1": Model(context=200_000, max_output=131_072, tool_stream=True),
    "glm-5": Model(context=204_800, max_output=131_072, tool_stream=True),
    "glm-5-turbo": Model(context=200_000, max_output=131_072, tool_stream=True),
    "glm-5-code": Model(context=200_000, max_output=131_072),
    "glm-5v-turbo": Model(context=200_000, max_output=131_072),
    "glm-4.7": Model(context=204_800, max_output=131_072, tool_stream=True),
    "glm-4.7-flashx": Model(context=200_000, max_output=131_072),
    "glm-4.7-flash": Model(context=200_000, max_output=131_072),
    "glm-4.6": Model(context=204_800, max_output=131_072, tool_stream=True),
    "glm-4.6v": Model(context=128_000, max_output=32_768),
    "glm-4.5": Model(context=131_072, max_output=98_304),
    "glm-4.5-x": Model(context=131_072, max_output=98_304),
    "glm-4.5-air": Model(context=131_072, max_output=98_304),
    "glm-4.5-airx": Model(context=131_072, max_output=98_304),
    "glm-4.5-flash": Model(context=131_072, max_output=98_304),
    "glm-4.5v": Model(context=64_000, max_output=16_384),
}

_MODELS: Mapping[str, Mapping[str, Model]] = {
    "bigmodel": _ZHIPU
    | {
        "glm-4-flash-250414": Model(thinks=False),
        "glm-4-flashx-250414": Model(thinks=False),
    },
    "zai": _ZHIPU | {"glm-4-32b-0414-128k": Model(context=128_000, max_output=16_384, thinks=False)},
    "modelstudio": {
        "glm-5.3": Model(efforts=("low", "high", "max")),
        "glm-5.3-flash": Model(efforts=("low", "high", "max")),
        "glm-5.2": Model(context=1_048_576, max_output=131_072, efforts=("high", "max"), tool_stream=True),
        "glm-5.1": Model(context=202_752, efforts=("high", "max"), tool_stream=True),
        "glm-5": Model(context=202_752, max_output=16_384, efforts=("high", "max"), tool_stream=True),
        "glm-4.7": Model(context=202_752, max_output=16_384, tool_stream=True),
        "glm-4.6": Model(context=202_752, max_output=16_384, tool_stream=True),
        "glm-4.5": Model(context=131_072, max_output=16_384, stream_only=True),
        "glm-4.5-air": Model(context=131_072, max_output=16_384, stream_only=True),
        "ZHIPU/GLM-5.2": Model(efforts=("high", "max"), refuses=("top_k", "repetition_penalty")),
        "ZHIPU/GLM-5.1": Model(refuses=("top_k", "repetition_penalty")),
        "ZHIPU/GLM-5": Model(refuses=("top_k", "repetition_penalty")),
    },
    "tokenhub": {
        "glm-5.2": Model(context=1_000_000, max_output=131_072, efforts=("high", "max"), tool_stream=True),
        "glm-5.1": Model(context=200_000, max_output=131_072, tool_stream=True),
        "glm-5": Model(context=200_000, max_output=131_072, tool_stream=True),
        "glm-5-turbo": Model(context=200_000, max_output=131_072, tool_stream=True),
        "glm-5v-turbo": Model(context=200_000, max_output=131_072, tool_stream=True),
    },
}


def find(catalogue: str, model: str) -> Model | None:
    """What is known of this model at this provider, or None."""
    return _MODELS.get(catalogue, {}).get(model)


def names(catalogue: str) -> tuple[str, ...]:
    """The models known at this provider."""
    return tuple(_MODELS.get(catalogue, {}))
