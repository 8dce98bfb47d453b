"""What a provider's rules are made of: conditions of a request, and the usual error."""

from __future__ import annotations

from collections.abc import Callable

from glmcli.sandbox.chat_request import ChatRequest, media_of, object_or_empty, text_of
from glmcli.sandbox.providers.row import SandboxError

Condition = Callable[[ChatRequest], bool]

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def unknown_model(request: ChatRequest) -> bool:
    """The sandbox knows every id that begins with `glm`, also after the name of a maker (`ZHIPU/GLM-5.2`)."""
    return not request.base_model.startswith(("glm", "autoglm"))


def no_messages(request: ChatRequest) -> bool:
    """No message at all."""
    return not request.messages


def no_user(request: ChatRequest) -> bool:
    """Only system and assistant messages."""
    return all(message.get("role") != "user" for message in request.messages)


def empty_content(request: ChatRequest) -> bool:
    """A user or system message without text and media."""
    return any(
        not text_of(message.get("content")).strip() and not media_of(message.get("content"))
        for message in request.messages
        if message.get("role") in ("user", "system")
    )


def parts(request: ChatRequest) -> bool:
    """Content that is a list, for a model that takes text only."""
    return not request.takes_images and any(isinstance(message.get("content"), list) for message in request.messages)


def media(*kinds: str) -> Condition:
    """Content with a part of one of these kinds."""
    return lambda request: any(
        kind in kinds for message in request.messages for kind in media_of(message.get("content"))
    )


def outside(field: str, low: float, high: float, *, above_low: bool = False, below_high: bool = False) -> Condition:
    """A value that is no number, or not in the range; `above_low` and `below_high` exclude the ends."""

    def is_broken(request: ChatRequest) -> bool:
        value = request.fields.get(field)
        if value is None:
            return False
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        return value < low or value > high or (above_low and value == low) or (below_high and value == high)

    return is_broken


def other_than(field: str, *allowed: object) -> Condition:
    """A field that is given, with none of these values."""
    return lambda request: request.fields.get(field) not in (None, *allowed)


def given(field: str, *values: object) -> Condition:
    """A field that has one of these values."""
    return lambda request: request.fields.get(field) in values


def both(*conditions: Condition) -> Condition:
    """All of these at once."""
    return lambda request: all(is_broken(request) for is_broken in conditions)


def model(*beginnings: str) -> Condition:
    """A model whose id begins with one of these."""
    return lambda request: request.base_model.startswith(beginnings)


def thinks(request: ChatRequest) -> bool:
    """The model would think."""
    return request.thinks


def thinking_off(request: ChatRequest) -> bool:
    """`thinking: {"type": "disabled"}`."""
    return object_or_empty(request.fields.get("thinking")).get("type") == "disabled"


def response_format(*kinds: str) -> Condition:
    """A `response_format` of these types."""
    return lambda request: object_or_empty(request.fields.get("response_format")).get("type") in kinds


def bad_request(
    message: str, param: str | None = None, kind: str = "invalid_request_error"
) -> Callable[[ChatRequest], SandboxError]:
    """Status 400 with this message and type."""
    return lambda _: SandboxError(400, "invalid_request", message, kind, param)
