"""Rows that cannot be asked, where no output says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmcli.batch.rows.row import InvalidRow
    from glmcli.console.terminal import Terminal

_FEW = 3  # that are named


class LeftOut:
    """Names the first of them, and counts all.

    Attributes:
        count: how many there are.
    """

    def __init__(self, terminal: Terminal) -> None:
        """None yet."""
        self._terminal = terminal
        self.count = 0

    def add(self, invalid: InvalidRow) -> None:
        """Another one."""
        self.count += 1
        if self.count <= _FEW:
            self._terminal.note(f"{invalid.error.message}: left out")

    def sum_up(self) -> None:
        """Say how many there are, if not all were named."""
        if self.count > _FEW:
            self._terminal.note(f"{self.count} rows cannot be asked")
