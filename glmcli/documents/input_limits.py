"""Limits on what hostile input may cost: CPU time, and regular expressions that take exponential time."""

from __future__ import annotations

import itertools
import re
import signal
import time
import warnings
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_REPEAT = 0.05  # seconds between signals, in case a library catches the exception of the first one
_limits: list[float] = []  # ends of the active limits, in CPU time of this process, the innermost last

_MAX_SEARCH = 0.1  # seconds of processor time for trying a pattern
_PROBE_LENGTH = 40  # characters: an exponential pattern needs years for them
_PROBE_LETTERS = 24
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$", re.DOTALL)


class TooSlowError(Exception):
    """The work took more than its limit."""


def _raise_too_slow(_number: int, _frame: FrameType | None) -> NoReturn:
    raise TooSlowError


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Run the body for at most so many seconds of CPU time.

    A limit inside another one ends no later than the outer one; if the inner body catches the exception of the outer
    limit, the outer limit raises it again. Works in the main thread only. The `re` module checks for signals too, so
    that even a single search is interrupted.

    Raises:
        TooSlowError: the body took longer.
    """
    end = min([time.process_time() + seconds, *_limits[-1:]])
    _require_time(end)
    before = signal.signal(signal.SIGVTALRM, _raise_too_slow)
    _limits.append(end)
    _start_timer()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        _limits.pop()
        signal.signal(signal.SIGVTALRM, before)
        if _limits:  # continue the outer limit
            _start_timer()
    _require_time(end)


def _start_timer() -> None:
    signal.setitimer(signal.ITIMER_VIRTUAL, max(_limits[-1] - time.process_time(), 0.001), _REPEAT)


def _require_time(end: float) -> None:
    if time.process_time() >= end:
        raise TooSlowError


@contextmanager
def without_warnings() -> Iterator[None]:
    """Run the body without warnings, which Python prints on stderr about some regular expressions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@lru_cache
def compiled(pattern: str) -> re.Pattern[str]:
    r"""The regular expression of a schema, with `$` as in ECMA 262: it does not match before a final newline.

    Raises:
        re.error: it is malformed.
    """
    with without_warnings():
        return re.compile(_PIECE.sub(lambda piece: r"\Z" if piece[0] == "$" else piece[0], pattern))


def pattern_problem(pattern: str) -> str:
    """What is wrong with a regular expression; empty if it can be used.

    It is tried on texts on which patterns of exponential time do not end.
    """
    try:
        regex = compiled(pattern)
        with cpu_limit(_MAX_SEARCH):
            for probe in _probes(pattern):
                regex.search(probe)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression that Python knows: {error}"
    except TooSlowError:
        return "takes exponential time on some texts: write it without a repetition inside a repetition"
    return ""


def _probes(pattern: str) -> Iterator[str]:
    """Texts of one repeated letter, or of two in turn, with an end that few patterns match."""
    letters = dict.fromkeys([*(c for c in pattern if c.isalnum()), *"a0A _-.,/:@", *pattern])
    chosen = list(letters)[:_PROBE_LETTERS]
    for letter in chosen:
        yield letter * _PROBE_LENGTH + "\x01"
    yield from (f"{one}{two}" * (_PROBE_LENGTH // 2) + "\x01" for one, two in itertools.pairwise(chosen))
