"""Which word was meant by one that nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHORT, _LONG = 3, 8  # letters: none of fewer may be wrong, and two from so many on


def closest(word: str, known: Iterable[str]) -> str | None:
    """The first known word that differs only in its case, else the one that is a slip or two away, else None.

    A guess that is not close is worse than none: whoever follows it asks something else than they meant.
    """
    asked = word.casefold()
    most = (len(asked) >= _SHORT) + (len(asked) >= _LONG)
    best: tuple[int, str] | None = None
    for name in known:
        slips = _slips(asked, name.casefold(), most)
        if slips <= most and (best is None or slips < best[0]):
            best = slips, name
    return best[1] if best else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What a message about an unknown word ends in: the closest known one, or nothing."""
    close = closest(word, known)
    return f", did you mean {close!r}?" if close else ""


def _slips(one: str, other: str, most: int) -> int:
    """How many letters are left out, added, replaced, or exchanged with their neighbour; beyond `most`, any number."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        above, before, row = before, row, [at]
        for column, its in enumerate(other, 1):
            slips = min(before[column] + 1, row[-1] + 1, before[column - 1] + (letter != its))
            if above and column > 1 and letter == other[column - 2] and one[at - 2] == its:
                slips = min(slips, above[column - 2] + 1)
            row.append(slips)
    return row[-1]
