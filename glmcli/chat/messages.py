"""A question in the form that is the same for every provider: messages, media, tools, parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.media.formats import MediaInfo

Role = Literal["system", "user", "assistant", "tool"]
MediaKind = Literal["image", "video", "file"]
TOOL_CHOICES = ("auto", "none", "required")  # any other `tool_choice` is the name of a function


class ToolCall(Record):
    """A call that the model asked for; `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


class ToolResult(Record):
    """The result of a call: the text that the model reads, and in `how`, for a person, how the call ended."""

    call: ToolCall
    text: str
    failed: bool
    how: str = ""


class Media(Record):
    """A picture, video or file that belongs to a message: an address, or the bytes themselves.

    Attributes:
        url: where the provider fetches it, as it was given; empty where `data` is sent. It may contain a signature, so
            it is printed in full only as a part of the request.
        data: the bytes, which are never printed.
        type: the media type of `data`.
        detail: the resolution at which the model sees it, in the provider's own word.
        name: its name in our error messages.
        path: where the same bytes can be read again; None for stdin, pipes, and bytes that we changed.
        sha256: the digest of `data`, in hexadecimal.
        info: what the bytes of `data` tell about it.
    """

    kind: MediaKind
    url: str = ""
    data: bytes = b""
    type: str = ""
    detail: str | None = None
    name: str = ""
    path: str | None = None
    sha256: str = ""
    info: MediaInfo | None = None
    _hidden = ("data",)

    def shown(self) -> str:
        """The text that is printed in place of its bytes."""
        return f"<{self.type}, {len(self.data)} bytes, sha256:{self.sha256}>"


class Message(Record):
    """One message of the conversation; `reasoning` and `tool_calls` only where the role is `assistant`.

    A message of the role `tool` is the result of one call, identified by `tool_call_id`.

    Attributes:
        text: all of its text.
        partial: an answer that was begun, as the last message: the model goes on with it.
        parts: where media are sent too, the pieces of text and the media in the user's order. If they are media only,
            `text` is placed where the provider's own examples have it.
    """

    role: Role
    text: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    parts: tuple[str | Media, ...] = ()
    partial: bool = False

    @property
    def media(self) -> tuple[Media, ...]:
        """The media among its parts."""
        return tuple(part for part in self.parts if isinstance(part, Media))

    @property
    def is_ordered(self) -> bool:
        """Whether the user placed the text among the media."""
        return any(isinstance(part, str) for part in self.parts)


class Function(Record):
    """A tool as the model sees it; `parameters` is a JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class Request(Record):
    """One question, independent of the provider. None means: not set by the user, and not sent.

    Units: `max_tokens` and `think_budget` in tokens.

    Attributes:
        keep_thinking: the model reads the reasoning of earlier turns, which is sent back for it.
        tools: the functions that the model may call.
        tool_choice: one of TOOL_CHOICES, or the name of a function.
        tool_stream: whether the arguments of calls come in pieces; None: if the model supports it.
        server_tools: tools that the provider runs, sent as they are.
        extra: other fields of the request body, from --option.
    """

    model: str
    messages: tuple[Message, ...]
    think: bool | None = None
    effort: str | None = None
    think_budget: int | None = None
    keep_thinking: bool | None = None
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

    @property
    def wants_several(self) -> bool:
        """Whether more than one answer is asked for (`n`), of which the first is read."""
        return self.extra.get("n") not in (None, 1)
