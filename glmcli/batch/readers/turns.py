"""What is wrong with the turns of a row, which have the form of a request file's. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.batch.readers.wording import choice, missing, refused, unknown
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ROLES = ("system", "user", "assistant")
_FIELDS = ("role", "content", "reasoning")
_PLAIN = {"role", "content"}


class _Part(Record):
    """The fields of a kind of part, all of them strings."""

    needed: tuple[str, ...]
    other: tuple[str, ...] = ()


_PARTS: Mapping[str, _Part] = {
    "text": _Part(("text",)),
    "image": _Part((), ("path", "url", "media_type", "detail")),
    "video": _Part(("url",)),
    "file": _Part(("url",)),
}
_DETAILS = ("auto", "low", "high")


def turn_faults(turns: object) -> Iterator[str]:
    """Everything that is wrong with `messages`, lazily."""
    if not isinstance(turns, list):
        yield refused("messages", turns, "a list")
        return
    if not turns:
        yield "messages must not be empty"
    for number, turn in enumerate(turns):
        if not _is_plain(turn):
            yield from _turn_faults(f"messages[{number}]", turn)


def _is_plain(turn: object) -> bool:
    """Most turns are a role and a text, and need no more than this look."""
    return (
        isinstance(turn, dict) and turn.keys() == _PLAIN and turn["role"] in _ROLES and isinstance(turn["content"], str)
    )


def _turn_faults(path: str, turn: object) -> Iterator[str]:
    if not isinstance(turn, dict):
        yield refused(path, turn, "a mapping")
        return
    yield from missing(path, ("role", "content"), turn)
    yield from unknown(path, _FIELDS, turn)
    yield from _role_faults(f"{path}.role", turn)
    if "content" in turn:
        yield from _content_faults(f"{path}.content", turn["content"])
        yield from _place_faults(f"{path}.content", turn)
    if "reasoning" in turn:
        yield from _reasoning_faults(f"{path}.reasoning", turn)


def _role_faults(path: str, turn: Mapping[str, Any]) -> Iterator[str]:
    role = turn.get("role", "user")
    if not isinstance(role, str):
        yield refused(path, role, "a string")
    elif role not in _ROLES:
        yield choice(path, role, _ROLES)


def _reasoning_faults(path: str, turn: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(turn["reasoning"], str):
        yield refused(path, turn["reasoning"], "a string")
    if turn.get("role") in ("system", "user"):
        yield f"{path} belongs to turns of the assistant only"


def _content_faults(path: str, content: object) -> Iterator[str]:
    if isinstance(content, list):
        if not content:
            yield f"{path} must not be empty"
        for number, part in enumerate(content):
            yield from _part_faults(f"{path}[{number}]", part)
    elif not isinstance(content, str):
        yield refused(path, content, "a string", "a list")


def _place_faults(path: str, turn: Mapping[str, Any]) -> Iterator[str]:
    """Of pictures, videos and files in turns that the user did not say."""
    if turn.get("role") in ("system", "assistant") and isinstance(turn["content"], list):
        for number, part in enumerate(turn["content"]):
            if isinstance(part, dict) and part.get("type", "text") != "text":
                yield f"{path}[{number}] is a picture, video or file, which only turns of the user may hold"


def _part_faults(path: str, part: object) -> Iterator[str]:
    if not isinstance(part, dict):
        yield refused(path, part, "a mapping")
    elif "type" not in part:
        yield from missing(path, ("type",), part)
    elif not isinstance(part["type"], str) or part["type"] not in _PARTS:
        yield choice(f"{path}.type", part["type"], tuple(_PARTS))
    else:
        yield from _field_faults(path, part, _PARTS[part["type"]])


def _field_faults(path: str, part: Mapping[str, Any], rules: _Part) -> Iterator[str]:
    is_image = part["type"] == "image"
    yield from missing(path, rules.needed, part)
    if is_image and not part.keys() & {"path", "url"}:
        yield f"{path}: needs 'path' or 'url'"
    yield from unknown(path, ("type", *rules.needed, *rules.other), part)
    for name in (*rules.needed, *rules.other):
        if name in part:
            yield from _string_faults(f"{path}.{name}", part[name], may_be_empty=name == "text")
    if is_image and "path" in part and "url" in part:
        yield f"{path}.url and path are two places of one picture: leave one of them out"
    if isinstance(detail := part.get("detail", "auto"), str) and is_image and detail not in _DETAILS:
        yield choice(f"{path}.detail", detail, _DETAILS)


def _string_faults(path: str, value: object, *, may_be_empty: bool) -> Iterator[str]:
    if not isinstance(value, str):
        yield refused(path, value, "a string")
    elif not value and not may_be_empty:
        yield f"{path} must not be empty"
