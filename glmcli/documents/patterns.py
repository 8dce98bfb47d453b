"""Regular expressions of schemas, as ECMA 262 means them where Python differs, and those that take too long."""

from __future__ import annotations

import itertools
import re
import warnings
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from glmcli.documents.bounded import TooSlowError, cpu_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 0.1  # seconds of our own time
_PROBE = 40  # characters: an exponential pattern needs years for them
_PROBES = 24  # texts a pattern is tried on

_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$", re.DOTALL)


@lru_cache
def to_the_end(pattern: str) -> str:
    r"""The pattern with `\Z` for each `$` that is no text: the end, not a place before a last newline."""
    return _PIECE.sub(lambda piece: r"\Z" if piece[0] == "$" else piece[0], pattern)


@contextmanager
def quiet() -> Iterator[None]:
    """Python warns of patterns that a later version may read otherwise, on stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@lru_cache
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, ready for searching, without a word about what a later Python may mean by it.

    Raises:
        re.error: it is none.
    """
    with quiet():
        return re.compile(to_the_end(pattern))


def problem(pattern: str) -> str:
    """What is wrong with a regular expression, found by trying it on texts that hostile ones choke on."""
    try:
        ready_made = compiled(pattern)
        with cpu_limit(_PATIENCE):
            for probe in _probes(pattern):
                ready_made.search(probe)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression of Python: {error}"
    except TooSlowError:
        return "takes exponential time on some texts: write it without a repetition inside a repetition"
    return ""


def _probes(pattern: str) -> Iterator[str]:
    letters = list(dict.fromkeys([*(c for c in pattern if c.isalnum()), *"a0A _-.,/:@", *pattern]))[:_PROBES]
    for letter in letters:
        yield letter * _PROBE + "\x01"
    yield from (f"{one}{two}" * (_PROBE // 2) + "\x01" for one, two in itertools.pairwise(letters))
