"""JSON as providers send it, read strictly: every way in which it can be wrong is one error. Pure."""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn

from glmcli.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    # 1e999 is JSON, but becomes an infinity that cannot be written as JSON again.
    number = float(digits)
    return number if isfinite(number) else _refuse(digits)


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def decode(text: str) -> Any:  # noqa: ANN401 - any JSON may come
    """The value of a JSON text.

    Raises:
        ProtocolError: it is not JSON, nests too deeply, or holds NaN or a number that is too large.
    """
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(message="broken JSON", why=text, sent=True) from error


def decode_all(text: str) -> Iterator[Any]:
    """The values of one or more JSON texts that follow one another.

    Frames that stand without a blank line between them arrive joined by newlines.

    Raises:
        ProtocolError: as `decode`.
    """
    start = _past_blanks(text, 0)
    while start < len(text):
        try:
            value, start = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(message="broken JSON", why=text[start:], sent=True) from error
        yield value
        start = _past_blanks(text, start)


def _past_blanks(text: str, start: int) -> int:
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    return start


def encode(value: Any, other: Callable[[Any], str] | None = None) -> str:  # noqa: ANN401 - any JSON value
    """Compact JSON; characters stand as they are. `other` gives the text for what is no JSON value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=other)
