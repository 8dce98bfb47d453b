"""What rules are made of: questions about a question."""

from __future__ import annotations

from collections.abc import Callable

from glmcli.sandbox.failures import Failure
from glmcli.sandbox.question import Question, media_of, text_of

Broken = Callable[[Question], bool]
Rules = tuple[tuple[Broken, Callable[[Question], Failure]], ...]


def unknown_model(question: Question) -> bool:
    """The sandbox knows every id that begins with `glm`, also behind the name of a maker (`ZHIPU/GLM-5.2`)."""
    return not question.base.startswith(("glm", "autoglm"))


def no_messages(question: Question) -> bool:
    """No message at all."""
    return not question.messages


def no_user(question: Question) -> bool:
    """Only system and assistant messages."""
    return all(message.get("role") != "user" for message in question.messages)


def empty_content(question: Question) -> bool:
    """A user or system message that says and shows nothing."""
    return any(
        not text_of(message.get("content")).strip() and not media_of(message.get("content"))
        for message in question.messages
        if message.get("role") in ("user", "system")
    )


def parts(question: Question) -> bool:
    """Content that is a list, for a model that takes text only."""
    return not question.sees and any(isinstance(message.get("content"), list) for message in question.messages)


def media(*kinds: str) -> Broken:
    """Content that shows one of these kinds."""
    return lambda question: any(
        kind in kinds for message in question.messages for kind in media_of(message.get("content"))
    )


def outside(field: str, low: float, high: float, *, above_low: bool = False, below_high: bool = False) -> Broken:
    """A number that is none or not in the range; `above_low` and `below_high` exclude the ends."""

    def broken(question: Question) -> bool:
        value = question.fields.get(field)
        if value is None:
            return False
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        return value < low or value > high or (above_low and value == low) or (below_high and value == high)

    return broken


def other_than(field: str, *allowed: object) -> Broken:
    """A value that is given and none of these."""
    return lambda question: question.fields.get(field) not in (None, *allowed)


def both(*conditions: Broken) -> Broken:
    """All of these at once."""
    return lambda question: all(broken(question) for broken in conditions)


def model(*beginnings: str) -> Broken:
    """A model whose id begins so."""
    return lambda question: question.base.startswith(beginnings)


def given(field: str, *values: object) -> Broken:
    """A field that has one of these values."""
    return lambda question: question.fields.get(field) in values


def thinking_off(question: Question) -> bool:
    """`thinking: {"type": "disabled"}`."""
    thinking = question.fields.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") == "disabled"


def form(*kinds: str) -> Broken:
    """A `response_format` of these types."""

    def broken(question: Question) -> bool:
        wanted = question.fields.get("response_format")
        return isinstance(wanted, dict) and wanted.get("type") in kinds

    return broken
