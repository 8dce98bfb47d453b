"""The arguments of a call: the JSON text that a model wrote, read strictly and never repaired. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from glmcli.documents.document import has_surrogate

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_SIZE = 256 * 1024  # characters
_MAX_DEPTH = 64
_MAX_NUMBER = 64  # characters; no double needs more


class BadArgumentsError(Exception):
    """The text is no JSON object; the message says what is wrong with it."""


def read(text: str) -> dict[str, Any]:
    """The object; nothing at all means no arguments.

    Raises:
        BadArgumentsError: it is not a JSON object, or is too large, too deep, or not valid Unicode.
    """
    if len(text) > _MAX_SIZE:
        raise BadArgumentsError(f"the arguments are longer than {_MAX_SIZE >> 10} KiB")
    try:
        value = json.loads(
            text or "{}", parse_constant=_constant, parse_int=_whole, parse_float=_number, object_pairs_hook=_object
        )
    except RecursionError as error:
        raise BadArgumentsError("the arguments are no JSON: nested too deep") from error
    except ValueError as error:
        raise BadArgumentsError(f"the arguments are no JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadArgumentsError("the arguments must be one JSON object")
    if _is_deep(value):
        raise BadArgumentsError(f"the arguments are nested deeper than {_MAX_DEPTH}")
    if has_surrogate(json.dumps(value, ensure_ascii=False)):
        raise BadArgumentsError("the arguments hold half a character (a lone surrogate)")
    return value


def normalized(arguments: dict[str, Any]) -> str:
    """The arguments as canonical JSON: equal arguments give equal text."""
    return json.dumps(arguments, sort_keys=True, ensure_ascii=False)


def redacted(value: Any, redact: Callable[[str], str]) -> Any:  # noqa: ANN401 - any JSON
    """The value with `redact` applied to every string in it, names in objects too.

    Done after decoding: JSON escapes could hide a key.
    """
    match value:
        case str():
            return redact(value)
        case list():
            return [redacted(item, redact) for item in value]
        case dict():
            return {redact(name): redacted(item, redact) for name, item in value.items()}
        case _:
            return value


def _is_deep(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether it is nested too deep, found without recursion."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        inner = [list(each.values()) if isinstance(each, dict) else each for each in level]
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
    return bool(level)


def _constant(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


def _whole(text: str) -> int:
    if len(text) > _MAX_NUMBER:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if len(text) > _MAX_NUMBER or value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:_MAX_NUMBER]} is too large")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for name, item in pairs:
        if name in value:
            raise ValueError(f"the key {name!r} is there twice")
        value[name] = item
    return value
