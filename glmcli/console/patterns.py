"""Many texts looked for at once, at a small part of the price of looking for each. Pure.

Wherever a text of some length stands, it covers one of the places 0, s, 2s, ... and the few characters that follow, if
s is small enough. So only what stands at these places is looked up in a set; a hit is looked at more closely.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCK = 6  # characters that are looked up: fewer would hit ordinary words, and numbers, too often
_LONG = 16  # characters; for shorter texts the places would be too close to each other
_ENDING = 3  # characters at the end of a text that decide whether a pattern may have begun there

# Looking for one pattern costs, for each character, a thousandth of a look at a place, and something for each call: in
# a long text, a few patterns are found sooner one by one.
_LOOK = 1000
_LONG_TEXT = 1024

Span = tuple[int, int]


class Patterns:
    """Texts of some length that are looked for together."""

    def __init__(self) -> None:
        """Look for nothing yet."""
        self._short: list[str] = []
        self._long: list[str] = []
        self._index: _Index | None = None

    def add(self, patterns: Iterable[str]) -> None:
        """Look for these too."""
        for pattern in patterns:
            (self._long if len(pattern) >= _LONG else self._short).append(pattern)
        self._index = None

    def _indexed(self) -> _Index:
        index = self._index
        if index is None:
            index = self._index = _Index(self._short, self._long)
        return index

    def find(self, text: str) -> list[Span]:
        """Where each of them stands, in no order; occurrences may overlap."""
        spans = [span for pattern in self._short for span in _occurrences(text, pattern, 0, len(text))]
        if not self._long:
            return spans
        index = self._indexed()
        if index.is_small and len(text) > _LONG_TEXT:
            return spans + [span for pattern in self._long for span in _occurrences(text, pattern, 0, len(text))]
        blocks, step = index.blocks, index.step
        for place in [at for at in range(0, len(text) - _BLOCK + 1, step) if text[at : at + _BLOCK] in blocks]:
            begin = max(place - step + 1, 0)  # what begins earlier is found from the place before
            for pattern in self._long:
                spans += _occurrences(text, pattern, begin, place + len(pattern))
        return spans

    def overlap(self, text: str) -> int:
        """How many characters at the end of `text` begin one of them, at the most; a whole one is not counted."""
        index = self._index or self._indexed()
        if text[-_ENDING:] in index.endings:
            return max((overlap(text, pattern) for pattern in (*self._short, *self._long)), default=0)
        if text[-2:] in index.pairs:
            return 2
        return 1 if text[-1:] in index.firsts else 0


class _Index:
    """What is looked up.

    Attributes:
        is_small: in a long text, the patterns are looked for one by one.
        step: so far apart are the places that are looked at.
        blocks: what stands there if a long pattern covers the place.
        endings: what a text ends with if it ends within a pattern.
        pairs, firsts: the same, for patterns of which only two characters are there, or one.
    """

    def __init__(self, short: list[str], long: list[str]) -> None:
        self.step = min(map(len, long), default=_BLOCK) - _BLOCK + 1
        self.is_small = len(long) * self.step < _LOOK
        self.blocks = {pattern[at : at + _BLOCK] for pattern in long for at in range(self.step)}
        patterns = [*short, *long]
        self.endings = {pattern[at : at + _ENDING] for pattern in patterns for at in range(len(pattern) - _ENDING)}
        self.pairs = {pattern[:2] for pattern in patterns if len(pattern) > 2}  # noqa: PLR2004 - a pair
        self.firsts = {pattern[:1] for pattern in patterns if len(pattern) > 1}


def _occurrences(text: str, pattern: str, begin: int, end: int) -> Iterator[Span]:
    begin = text.find(pattern, begin, end)
    while begin >= 0:
        yield begin, begin + len(pattern)
        begin = text.find(pattern, begin + 1, end)


def overlap(text: str, pattern: str) -> int:
    """How many characters at the end of `text` may begin `pattern`; a whole pattern is not counted."""
    at = text.find(pattern[0], max(len(text) - len(pattern) + 1, 0))
    while at >= 0 and not pattern.startswith(text[at:]):
        at = text.find(pattern[0], at + 1)
    return len(text) - at if at >= 0 else 0
