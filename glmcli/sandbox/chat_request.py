"""A request for an answer as the sandbox understands it, whatever its dialect."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# The clock of the sandbox stands still: 2026-11-22 10:00:00 in Beijing, the time zone of BigModel's ids.
CREATED = 1795312800
_BEIJING = "20261122100000"
# Ids of models that take pictures. Source: https://docs.z.ai/openapi.json (2026-09), vision request.
_TAKES_IMAGES = re.compile(r"glm-\d+(\.\d+)?v|glm-5\.3-flash|autoglm", re.IGNORECASE)
# The generation before 4.5 cannot think: glm-4-flash, glm-4-plus, glm-4v-flash.
_NEVER_THINKS = re.compile(r"glm-4v?-", re.IGNORECASE)


@dataclass(frozen=True)
class RequestIds:
    """The ids in the reply to request number `serial`, counted from 1: the same in each run, so that tests compare."""

    serial: int

    @property
    def log(self) -> str:
        """BigModel's id of a request: 14 digits of Beijing time, then 16 hexadecimal digits."""
        return f"{_BEIJING}{self.serial:016x}"

    @property
    def uuid(self) -> str:
        """The form that Alibaba, Tencent and the self-hosted servers use."""
        return f"{self.serial:08x}-7204-4b9b-98cd-{self.serial:012x}"

    @property
    def hex(self) -> str:
        """32 hexadecimal digits without dashes, as vLLM and SGLang write it."""
        return f"{self.serial:032x}"

    def call(self, index: int) -> str:
        """The id of tool call number `index`; other requests never repeat it."""
        return f"call_{self.serial:016x}{index:08x}"


@dataclass(frozen=True)
class ChatRequest:
    """One request.

    Attributes:
        provider: the name of the provider that it was sent to.
        messages: the items of `messages` that are objects.
        fields: the parameters: the whole body, or `parameters` of a DashScope body.
        thinking_on: whether the provider's switch for thinking is on, by the request or by default.
        keeps_thinking: whether the reasoning of earlier turns is read.
        chinese: whether errors are in Chinese.
    """

    provider: str
    model: str
    messages: tuple[Mapping[str, Any], ...]
    fields: Mapping[str, Any]
    stream: bool
    thinking_on: bool
    keeps_thinking: bool
    chinese: bool
    ids: RequestIds

    @property
    def include_usage(self) -> bool:
        """Whether the client asked for a chunk with the usage."""
        return object_or_empty(self.fields.get("stream_options")).get("include_usage") is True

    @property
    def base_model(self) -> str:
        """The model without the name of its maker, in lower case: `glm-5.2` of `ZHIPU/GLM-5.2`."""
        return self.model.rsplit("/", 1)[-1].lower()

    @property
    def takes_images(self) -> bool:
        """Whether the model takes pictures."""
        return _TAKES_IMAGES.match(self.base_model) is not None

    @property
    def thinks(self) -> bool:
        """Whether the model thinks about this request."""
        return self.thinking_on and not _NEVER_THINKS.match(self.base_model)


def object_or_empty(value: object) -> Mapping[str, Any]:
    """A JSON object, or an empty one if the value is something else."""
    return value if isinstance(value, dict) else {}


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
