"""JSON from providers: a strict parser with one exception for every fault, and access to values of any type. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn

from glmcli.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

JsonObject = Mapping[str, Any]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    # 1e999 is JSON, but becomes an infinity that cannot be written as JSON again.
    number = float(digits)
    return number if isfinite(number) else _refuse(digits)


# No provider nests half as deep; values near the interpreter's own limit can be parsed, but not be serialized again.
_MAX_DEPTH = 256
# Not strict: raw control characters inside strings are read, for some gateways do not escape them.
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, strict=False)


def decode(text: str) -> Any:  # noqa: ANN401 - any JSON may come
    """The value of a JSON text.

    Raises:
        ProtocolError: it is not JSON, nests too deeply, or holds NaN or a number that is too large.
    """
    try:
        value = _DECODER.decode(text)
        _check_depth(value, text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(message="broken JSON", why=text, sent=True) from error
    return value


def decode_all(text: str) -> Iterator[Any]:
    """The values of one or more JSON texts that follow one another.

    Frames without a blank line between them arrive joined by newlines.

    Raises:
        ProtocolError: as `decode`.
    """
    start = _skip_blanks(text, 0)
    while start < len(text):
        try:
            value, end = _DECODER.raw_decode(text, start)
            _check_depth(value, text)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(message="broken JSON", why=text[start:], sent=True) from error
        yield value
        start = _skip_blanks(text, end)


def _check_depth(value: object, text: str) -> None:
    if text.count("[") + text.count("{") > _MAX_DEPTH and is_deeper(value, _MAX_DEPTH):
        raise ValueError(f"nested deeper than {_MAX_DEPTH}")


def is_deeper(value: object, levels: int) -> bool:
    """Whether lists and objects are nested more than `levels` deep."""
    level = [value]
    for _ in range(levels + 1):
        level = [child for parent in level for child in _children(parent) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def is_empty(value: object) -> bool:
    """Whether a value says nothing: null, empty text, 0, false, or lists and objects of nothing else."""
    return all(map(is_empty, _children(value))) if isinstance(value, dict | list) else not value


def _skip_blanks(text: str, start: int) -> int:
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    return start


def as_object(value: object) -> JsonObject:
    """The value if it is an object, else an empty object."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value if it is a list, else an empty list."""
    return value if isinstance(value, list) else []


def as_objects(value: object) -> list[JsonObject]:
    """The objects in the value if it is a list, else an empty list."""
    return [item for item in as_list(value) if isinstance(item, dict)]


def as_int(value: object) -> int | None:
    """The value if it is an integer, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
