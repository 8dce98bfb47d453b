"""What is wrong with a document, and where."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from glmcli.documents.shown import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

# Comparing words is quadratic in their length.
_LONGEST = 40
# From 0 to 1: `more` shall not be taken for `model`, but `usr` for `user`.
_ALIKE = 0.7


@dataclass(frozen=True)
class Fault:
    """Something wrong at a path: with the key there, or with the value.

    `word` is what was written where one of `known` was expected, for "did you mean".
    """

    path: tuple[str | int, ...]
    text: str
    key: bool = False
    word: str = ""
    known: tuple[str, ...] = ()


def suggestion(word: str, known: Iterable[str]) -> str:
    """Words to add to a message if one of the known words was meant, else nothing."""
    if not word or len(word) > _LONGEST:
        return ""
    spelled = word.casefold().replace("-", "_")
    known = list(known)
    near = [spelled] if spelled in known else get_close_matches(spelled, known, 1, _ALIKE)
    return f", did you mean {quoted(near[0])}?" if near else ""
