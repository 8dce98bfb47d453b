"""What every command gets from the program that called it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.console.terminal import Terminal


class App(Record):
    """The terminal, the environment, and when the program began (monotonic)."""

    terminal: Terminal
    lost: frozenset[int]
    environment: Mapping[str, str]
    started: float
