"""Keys in what a model says, masked where nothing hides them any more. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def mapped(value: Any, redact: Callable[[str], str]) -> Any:  # noqa: ANN401 - any JSON
    """The value with every string in it, keys of objects too, as `redact` leaves it."""
    match value:
        case str():
            return redact(value)
        case list():
            return [mapped(item, redact) for item in value]
        case dict():
            return {redact(name): mapped(item, redact) for name, item in value.items()}
        case _:
            return value
