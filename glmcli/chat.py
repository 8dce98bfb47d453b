"""What a user asks for, said once, for any provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

Role = Literal["system", "user", "assistant"]


class Message(Record):
    """One turn of the conversation; `reasoning` only on the assistant's own turns."""

    role: Role
    text: str
    reasoning: str = ""


class ToolCall(Record):
    """A call that the model asked for; `arguments` is the JSON text as it was sent."""

    id: str
    name: str
    arguments: str


class Request(Record):
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
    extra: Mapping[str, Any] = EMPTY
    stream: bool = True
