"""What a user asks for, said once, for any provider."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """One turn of the conversation; `reasoning` only on the assistant's own turns."""

    role: Role
    text: str
    reasoning: str = ""


@dataclass(frozen=True)
class ToolCall:
    """A call that the model asked for; `arguments` is the JSON text as it was sent."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question. None means: not set by the user, and not sent. It says nothing of who will serve it.

    Units: `max_tokens` and `think_budget` in tokens.
    """

    model: str
    messages: tuple[Message, ...]
    think: bool | None = None
    effort: str | None = None
    think_budget: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    server_tools: tuple[Mapping[str, Any], ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = True
