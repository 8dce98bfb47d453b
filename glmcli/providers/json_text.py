"""JSON as providers send it, read strictly: every way in which it can be wrong is one error. Pure."""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn

from glmcli.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    # 1e999 is JSON, but becomes an infinity that cannot be written as JSON again.
    number = float(digits)
    return number if isfinite(number) else _refuse(digits)


_DEEPEST = 256  # no provider comes near; text near the interpreter's limit could be read, and not be written again
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def decode(text: str) -> Any:  # noqa: ANN401 - any JSON may come
    """The value of a JSON text.

    Raises:
        ProtocolError: it is not JSON, nests too deeply, or holds NaN or a number that is too large.
    """
    try:
        value = _DECODER.decode(text)
        _refuse_deep(value, text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(message="broken JSON", why=text, sent=True) from error
    return value


def decode_all(text: str) -> Iterator[Any]:
    """The values of one or more JSON texts that follow one another.

    Frames that stand without a blank line between them arrive joined by newlines.

    Raises:
        ProtocolError: as `decode`.
    """
    start = _past_blanks(text, 0)
    while start < len(text):
        try:
            value, end = _DECODER.raw_decode(text, start)
            _refuse_deep(value, text)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(message="broken JSON", why=text[start:], sent=True) from error
        yield value
        start = _past_blanks(text, end)


def _refuse_deep(value: object, text: str) -> None:
    if text.count("[") + text.count("{") > _DEEPEST and is_deeper(value, _DEEPEST):
        raise ValueError(f"nested deeper than {_DEEPEST}")


def is_deeper(value: object, most: int) -> bool:
    """Whether lists and objects stand in one another more than `most` deep."""
    level = [value]
    for _ in range(most + 1):
        level = [below for above in level for below in _below(above) if isinstance(below, dict | list)]
        if not level:
            return False
    return True


def _below(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _past_blanks(text: str, start: int) -> int:
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    return start
