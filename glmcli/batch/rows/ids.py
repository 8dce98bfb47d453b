"""What each row is called, and that no two are called the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.ledger.index import Index
    from glmcli.batch.rows.row import MalformedRow, Row


class RowIds:
    """The ids of the rows of an input that is read once, or twice: first to judge it, then to ask."""

    def __init__(self, name: str, index: Index, redact: Callable[[str], str]) -> None:
        """`name` is what messages call the input; `redact` blanks out keys."""
        self._name = name
        self._index = index
        self._redact = redact

    def refuse_twice(self, identity: str, line: int) -> None:
        """Note the id of a row before anything is sent.

        Raises:
            UsageError: another row has it.
        """
        earlier = self._index.add_input(identity, line)
        if earlier is not None:
            where = f"{self._name}:{line}"
            raise UsageError(f"{where}: the id {identity!r} stands on line {earlier} too", fix="give each row its own")

    def judge(self, row: Row) -> None:
        """Let no two rows have one id, and none one that would be blanked out in the output.

        Raises:
            UsageError: this row's own cannot stay.
        """
        if row.id and self._is_taken(row.id, row.line):
            raise UsageError(f"the id {row.id!r} stands on line {self._index.add_input(row.id, row.line)} too")
        if row.id and self._redact(row.id) != row.id:
            raise UsageError("its id holds a key")

    def of_asked(self, asked: str, line: int) -> str:
        """What a row that has none of its own is called.

        Raises:
            UsageError: another row has that for its id.
        """
        identity = self.named(asked)
        if self._is_taken(identity, line):
            raise UsageError("the name that it would have is the id of another row", fix="give it an id")
        return identity

    def of_bad(self, row: Row | MalformedRow) -> str:
        """Its id, or its place, unless another row is called so."""
        place = f"line-{row.line}"
        names = (row.id or place, place, f"{place}#bad")
        return next((name for name in names if not self._is_taken(name, row.line)), names[-1])

    def named(self, asked: str) -> str:
        """The id of a row that has none of its own: what it asks, and how often that was asked before."""
        times = self._index.count_request(asked)
        return asked if times == 1 else f"{asked}#{times}"

    def _is_taken(self, identity: str, line: int) -> bool:
        """Whether a row on another line is called so; if not, this one is from now on."""
        known = self._index.input_line(identity)  # as a rule: the input was read before
        return (self._index.add_input(identity, line) if known is None else known) not in (None, line)
