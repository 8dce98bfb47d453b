"""Cases that go through several commands, of which one is in the quick suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from _pytest.mark import ParameterSet

COMMANDS = ("ask", "stream", "batch")  # those that read a reply


def by_turns(names: Iterable[str], commands: Sequence[str]) -> Iterator[ParameterSet]:
    """Each name with each command, as parameters of a test; for each name one of them is quick, by turns."""
    for number, name in enumerate(names):
        for at, command in enumerate(commands):
            yield pytest.param(name, command, marks=pytest.mark.slow if (number + at) % len(commands) else ())
