"""Text of others inside messages: on one line, cut, and without control characters."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)


def quoted(text: str) -> str:
    """A key as messages show it: 'key', cut, with nothing in it that could break the line."""
    return f"'{visible(text)}'"


def visible(text: str, limit: int = 40) -> str:
    """The text with its unprintable characters spelled out, and no longer than `limit`."""
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[:limit])
    return shown if len(text) <= limit else f"{shown}…"


def value_text(value: object) -> str:
    """A value as messages show it."""
    if isinstance(value, str):
        return f'"{visible(value)}"'
    return visible(json.dumps(value))


def path_text(path: tuple[str | int, ...]) -> str:
    """A path as people write it: `messages[0].role`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN.fullmatch(step):
            text += f".{visible(step)}" if text else visible(step)
        else:
            text += f'["{visible(step)}"]'
    return text or "the document"


def described(value: object, *, secret: bool) -> str:
    """The type of a value in words, with the value if it is short and no secret."""
    match value:
        case None:
            return "null"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case bool():
            kind = "a boolean"
        case str():
            kind = "a string"
        case _:
            kind = "a number"
    # A user may have written a key in place of the name of its variable: it must not be logged.
    return kind if secret else f"{kind} ({value_text(value)})"


def wrong_type(where: str, value: object, types: Collection[str], *, secret: bool = False) -> str:
    """The message that a value has none of these types, given in words such as `a string`."""
    hint = "; quote it" if "a string" in types and isinstance(value, bool | int | float) else ""
    return f"{where} must be {listed(types, 'or')}, not {described(value, secret=secret)}{hint}"


def wrong_choice(where: str, value: object, choices: Sequence[object]) -> str:
    """The message that a value is none of the choices."""
    named = choice_names(choices)
    wanted = f"one of {', '.join(named)}" if len(named) > 1 else value_text(choices[0])
    return f"{where} must be {wanted}, not {value_text(value)}"


def choice_names(choices: Iterable[object]) -> tuple[str, ...]:
    """These values as messages name them, without duplicates."""
    return tuple(dict.fromkeys(choice if isinstance(choice, str) else value_text(choice) for choice in choices))


def listed(words: Collection[str], last: str) -> str:
    """The words as in `a, b or c`, with `last` before the last of them."""
    *first, end = words
    return f"{', '.join(first)} {last} {end}" if first else end
