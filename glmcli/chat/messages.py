"""What a user asks for, said once, for any provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.media.formats import Looks

Role = Literal["system", "user", "assistant", "tool"]
MediaKind = Literal["image", "video", "file"]


class ToolCall(Record):
    """A call that the model asked for; `arguments` is the JSON text as it was sent."""

    id: str
    name: str
    arguments: str


class ToolResult(Record):
    """What a call gave back: the text that the model reads, and in `how` how it ended, for a person."""

    call: ToolCall
    text: str
    failed: bool
    how: str = ""


class Media(Record):
    """A picture, video or file that belongs to a turn: an address, or the bytes themselves.

    Attributes:
        url: where the provider fetches it, as it was given; empty where `data` is sent. Never printed whole but in
            the request itself: it may hold a signature.
        data: the bytes, which are never printed.
        type: the media type of `data`.
        detail: how closely the model looks, in the provider's own word.
        name: what it is called in messages.
        path: where the same bytes can be read again; None for stdin, pipes, and bytes that we changed.
        sha256: the digest of `data`, in hexadecimal.
        looks: what `data` says of itself.
    """

    kind: MediaKind
    url: str = ""
    data: bytes = b""
    type: str = ""
    detail: str | None = None
    name: str = ""
    path: str | None = None
    sha256: str = ""
    looks: Looks | None = None
    _hidden = ("data",)

    def shown(self) -> str:
        """What stands for its bytes wherever something is printed."""
        return f"<{self.type}, {len(self.data)} bytes, sha256:{self.sha256}>"


class Message(Record):
    """One turn of the conversation; `reasoning` and `tool_calls` only on the assistant's own turns.

    A turn of the role `tool` is the result of one call, named by `tool_call_id`.

    Attributes:
        text: all that is said in words.
        parts: where more is sent than text, the words and the media in the user's order. Without words in it, the
            text stands where the provider's own examples have it.
    """

    role: Role
    text: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    parts: tuple[str | Media, ...] = ()

    @property
    def media(self) -> tuple[Media, ...]:
        """What is sent beside text."""
        return tuple(part for part in self.parts if isinstance(part, Media))

    @property
    def is_ordered(self) -> bool:
        """Whether the user said where the words stand among the media."""
        return any(isinstance(part, str) for part in self.parts)


class Function(Record):
    """A tool as the model sees it; `parameters` is a JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class Request(Record):
    """One question. None means: not set by the user, and not sent. It says nothing of who will serve it.

    Units: `max_tokens` and `think_budget` in tokens.

    Attributes:
        tools: the functions that the model may call.
        tool_choice: `auto`, `none`, `required`, or the name of a function.
        tool_stream: whether the arguments of calls come in pieces; None: where the provider has it.
        server_tools: tools that the provider runs, passed as they are.
        extra: other fields of the provider.
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
    tools: tuple[Function, ...] = ()
    tool_choice: str | None = None
    tool_stream: bool | None = None
    server_tools: tuple[Mapping[str, Any], ...] = ()
    extra: Mapping[str, Any] = EMPTY
    stream: bool = True
