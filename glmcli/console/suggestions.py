"""Did you mean: the known word that an unknown one was probably meant to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ONE_TYPO, _TWO_TYPOS = 3, 8  # letters from which on a word may have one typing error, and two
_ABBREVIATION = 3  # letters of an abbreviation, at least


def closest(word: str, known: Iterable[str]) -> str | None:
    """The first known word that differs only in case, else the one with the fewest typing errors (one or two).

    Without such a word, the only one that this may be an abbreviation of, else None. A suggestion that is not close is
    worse than none: whoever follows it asks something else than they meant.
    """
    known, asked = tuple(known), word.casefold()
    most = (len(asked) >= _ONE_TYPO) + (len(asked) >= _TWO_TYPOS)
    best: tuple[int, str] | None = None
    for name in known:
        distance = _distance(asked, name.casefold(), most)
        if distance <= most and (best is None or distance < best[0]):
            best = distance, name
    if best:
        return best[1]
    long_forms = {name for name in known if _abbreviates(asked, name.casefold())}
    return long_forms.pop() if len(long_forms) == 1 else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What a message about an unknown word ends in: the closest known one, or nothing."""
    close = closest(word, known)
    return f", did you mean {close!r}?" if close else ""


def _abbreviates(short: str, long: str) -> bool:
    """Whether this is the first letter and at least half of the letters of `long`, in their order: `img` of `image`."""
    if not (short.isalpha() and len(short) >= _ABBREVIATION and short[0] == long[:1] and len(long) <= 2 * len(short)):
        return False
    rest = iter(long)
    return all(letter in rest for letter in short)


def _distance(one: str, other: str, most: int) -> int:
    """The Damerau-Levenshtein distance: letters omitted, added, replaced or swapped; beyond `most`, any number."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        above, before, row = before, row, [at]
        for column, other_letter in enumerate(other, 1):
            distance = min(before[column] + 1, row[-1] + 1, before[column - 1] + (letter != other_letter))
            if above and column > 1 and letter == other[column - 2] and one[at - 2] == other_letter:
                distance = min(distance, above[column - 2] + 1)
            row.append(distance)
    return row[-1]
