"""What a plain scalar of YAML 1.2 means, by its core schema.

**Source**: https://yaml.org/spec/1.2.2/#1032-tag-resolution. The numbers of JSON are a subset of it.
"""

from __future__ import annotations

import re

_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER = re.compile(
    r"(?P<decimal>[-+]?[0-9]+)|0o(?P<octal>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<odd>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_BASES = {"decimal": 10, "octal": 8, "hex": 16}
# No double needs more, and reading a million digits takes seconds.
_LONGEST = 64


def core(text: str) -> str | float | bool | None:
    """The value of a plain scalar. `010` is ten: leading zeros are decimal in YAML 1.2.

    Raises:
        ValueError: a number that JSON cannot carry, or that 64 bits cannot hold; the text says so.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    found = _NUMBER.fullmatch(text)
    return text if found is None else _number(found)


def _number(found: re.Match[str]) -> float:
    text, kind = found[0], found.lastgroup or ""
    if kind == "odd":
        raise ValueError(f"JSON has no number {text}; quote it if it is text")
    if len(text) > _LONGEST:
        raise ValueError(f"a number of {len(text)} characters; quote it if it is text")
    if kind == "float":
        value = float(text)
        if value in {float("inf"), float("-inf")}:
            raise ValueError(f"{text} is too large for a number; quote it if it is text")
        return value
    whole = int(found[kind], _BASES[kind])
    if not -(1 << 63) <= whole < 1 << 64:
        raise ValueError(f"{text} does not fit 64 bits; quote it if it is text")
    return whole
