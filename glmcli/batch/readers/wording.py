"""The words of the schema judge (documents/words.py), for checks that are quicker than it. Pure.

They differ in one thing: of a string in the wrong place they say only that it is one, for a row holds what others
wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.documents.shown import described, quoted, value_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


def refused(path: str, value: object, *wanted: str) -> str:
    """The value is of another kind than those wanted, which are given in words, as `a string`."""
    hint = "; quote it" if "a string" in wanted and isinstance(value, bool | int | float) else ""
    return f"{path} must be {joined(wanted, 'or')}, not {described(value, secret=isinstance(value, str))}{hint}"


def choice(path: str, value: object, known: Collection[str]) -> str:
    """The value is none of those that are known."""
    wanted = f"one of {', '.join(known)}" if len(known) > 1 else value_text(*known)
    return f"{path} must be {wanted}, not {value_text(value)}{_meant(value, known)}"


def missing(path: str, needed: Collection[str], given: Collection[str]) -> Iterator[str]:
    """One text for all keys that are needed and not there; `path` is empty at the top."""
    names = [quoted(key) for key in needed if key not in given]
    if names:
        yield f"{path}: needs {joined(names, 'and')}" if path else f"needs {joined(names, 'and')}"


def unknown(path: str, known: Collection[str], given: Collection[str]) -> Iterator[str]:
    """A text for each key that is not known."""
    for key in given:
        if key not in known:
            yield f"{path}: unknown key {quoted(key)}{_meant(key, known)}"


def joined(words: Collection[str], last: str) -> str:
    """As in `a, b or c`."""
    *first, end = words
    return f"{', '.join(first)} {last} {end}" if first else end


def _meant(word: object, known: Collection[str]) -> str:
    from glmcli.documents.fault import suggestion  # difflib is for those who err

    return suggestion(word, known) if isinstance(word, str) else ""
