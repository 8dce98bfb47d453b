"""A search for many strings at once, at a small part of the cost of searching for each. Pure.

Wherever a string occurs in a text, it covers one of the positions 0, s, 2s, … and the few characters after it, if s is
small enough. So only these few characters at these positions are looked up in a set, and only a hit is compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCK = 6  # characters that are looked up; fewer would hit ordinary words and numbers too often
_LONG = 16  # characters; shorter strings would need positions too close to each other
_ENDING = 3  # characters at the end of a text that decide whether a string may begin there

# Searching for one string costs a thousandth of a lookup for each character, and a little for the call: in a long text,
# a few strings are found sooner one by one.
_LOOKUP_COST = 1000
_LONG_TEXT = 1024  # characters

Span = tuple[int, int]


class StringSearch:
    """Strings that are searched for together."""

    def __init__(self) -> None:
        """Start without strings."""
        self._short: list[str] = []
        self._long: list[str] = []
        self._index: _StringIndex | None = None

    def add(self, strings: Iterable[str]) -> None:
        """Search for these too."""
        for string in strings:
            (self._long if len(string) >= _LONG else self._short).append(string)
        self._index = None

    def _indexed(self) -> _StringIndex:
        index = self._index
        if index is None:
            index = self._index = _StringIndex(self._short, self._long)
        return index

    def find(self, text: str) -> list[Span]:
        """Begin and end of every occurrence, unordered; occurrences may overlap."""
        spans = [span for string in self._short for span in _occurrences(text, string, 0, len(text))]
        if not self._long:
            return spans
        index = self._indexed()
        if index.is_small and len(text) > _LONG_TEXT:
            return spans + [span for string in self._long for span in _occurrences(text, string, 0, len(text))]
        blocks, step = index.blocks, index.step
        for hit in [at for at in range(0, len(text) - _BLOCK + 1, step) if text[at : at + _BLOCK] in blocks]:
            begin = max(hit - step + 1, 0)  # what begins earlier is found from the position before
            for string in self._long:
                spans += _occurrences(text, string, begin, hit + len(string))
        return spans

    def overlap(self, text: str) -> int:
        """The most characters at the end of `text` that one of the strings begins with; a whole string is no match."""
        index = self._index or self._indexed()
        if text[-_ENDING:] in index.endings:
            return max((overlap(text, string) for string in (*self._short, *self._long)), default=0)
        if text[-2:] in index.pairs:
            return 2
        return 1 if text[-1:] in index.firsts else 0


class _StringIndex:
    """The strings, prepared for searching.

    Attributes:
        is_small: in a long text, the strings are searched for one by one.
        step: distance between the positions that are looked up.
        blocks: what stands at a position that a long string covers.
        endings: what a text ends with if it ends within a string.
        pairs, firsts: the same, where only two characters of a string are there, or one.
    """

    def __init__(self, short: list[str], long: list[str]) -> None:
        self.step = min(map(len, long), default=_BLOCK) - _BLOCK + 1
        self.is_small = len(long) * self.step < _LOOKUP_COST
        self.blocks = {string[at : at + _BLOCK] for string in long for at in range(self.step)}
        strings = [*short, *long]
        self.endings = {string[at : at + _ENDING] for string in strings for at in range(len(string) - _ENDING)}
        self.pairs = {string[:2] for string in strings if len(string) > 2}  # noqa: PLR2004 - a pair
        self.firsts = {string[:1] for string in strings if len(string) > 1}


def _occurrences(text: str, string: str, begin: int, end: int) -> Iterator[Span]:
    begin = text.find(string, begin, end)
    while begin >= 0:
        yield begin, begin + len(string)
        begin = text.find(string, begin + 1, end)


def overlap(text: str, string: str) -> int:
    """How many characters at the end of `text` begin `string`; a whole `string` is no match."""
    at = text.find(string[0], max(len(text) - len(string) + 1, 0))
    while at >= 0 and not string.startswith(text[at:]):
        at = text.find(string[0], at + 1)
    return len(text) - at if at >= 0 else 0
