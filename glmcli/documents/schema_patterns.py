"""The patterns of schemas that others wrote: what judges a text by one, or why nothing here does."""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from glmcli.documents import ecma_patterns
from glmcli.documents.ecma_patterns import NotEcmaError, Translation, UntranslatableError
from glmcli.documents.fast_validator import with_strict_end
from glmcli.documents.input_limits import TooSlowError, cpu_limit, without_warnings

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_SEARCH = 0.1  # seconds of processor time for trying a pattern
_PROBE_LENGTH = 40  # characters: an exponential pattern needs years for them
_PROBE_LETTERS = 24


class SchemaPattern(NamedTuple):
    """A pattern as it was read.

    Attributes:
        regex: what judges texts; None if nothing here can.
        problem: why nothing can, in words that follow "it has"; empty if something can.
        broken: nobody can, as far as one can see: a bracket has no partner.
        samples: characters that parts of it match.
    """

    regex: re.Pattern[str] | None
    problem: str = ""
    broken: bool = False
    samples: str = ""


@lru_cache(maxsize=4096)
def read(pattern: str) -> SchemaPattern:
    """A pattern of ECMA-262; or of Python, in whose own syntax (`(?i)`, `(?P<name>`) many schemas are written."""
    try:
        text, samples = ecma_patterns.translate(pattern)
    except UntranslatableError as error:
        return SchemaPattern(None, str(error))
    except NotEcmaError as error:
        return _of_python(pattern, error)
    except RecursionError:
        return SchemaPattern(None, "groups nested too deep")
    return _compiled(Translation(text, samples))


def _of_python(pattern: str, problem: NotEcmaError) -> SchemaPattern:
    found = _compiled(Translation(with_strict_end(pattern), ""))
    return found if found.regex else SchemaPattern(None, str(problem), problem.broken)


def _compiled(translation: Translation) -> SchemaPattern:
    try:
        with without_warnings():
            return SchemaPattern(re.compile(translation.text), samples=translation.samples)
    except (re.error, OverflowError, RecursionError) as error:
        return SchemaPattern(None, f"what Python lacks ({error})")


def compiled(pattern: str) -> re.Pattern[str] | None:
    """What searches a text for a pattern; None if nothing here can: then the text is not judged by it."""
    return read(pattern).regex


def is_exponential(pattern: str) -> bool:
    """Whether it takes too long on one of the texts on which patterns of exponential time do not end."""
    found = read(pattern)
    if found.regex is None:
        return False
    try:
        with cpu_limit(_MAX_SEARCH):
            for probe in _probes(pattern, found.samples):
                found.regex.search(probe)
    except TooSlowError:
        return True
    return False


def _probes(pattern: str, samples: str) -> Iterator[str]:
    """Texts of one repeated letter, or of two in turn, with an end that few patterns match."""
    plain = dict.fromkeys([*(c for c in pattern if c.isalnum()), *"a0A _-.,/:@", *pattern])
    letters = dict.fromkeys([*list(plain)[:_PROBE_LETTERS], *samples[:_PROBE_LETTERS]])
    for letter in letters:
        yield letter * _PROBE_LENGTH + "\x01"
    yield from (f"{one}{two}" * (_PROBE_LENGTH // 2) + "\x01" for one, two in itertools.pairwise(letters))
