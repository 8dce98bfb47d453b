"""What may still change on a terminal: rows at its end that are drawn again where they differ, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from glmcli.output.ansi import OWN

if TYPE_CHECKING:
    from collections.abc import Sequence


class Picture:
    """Rows that are on the screen, the cursor at the end of the last. Each is at most as wide as the terminal.

    The methods write nothing: they say what is to be written, so that it can go out in one piece.
    """

    def __init__(self) -> None:
        """Nothing is drawn yet."""
        self.rows: list[str] = []

    def show(self, rows: Sequence[str]) -> str:
        """What makes the picture these rows."""
        old, self.rows = self.rows, list(rows)
        same = _alike(old, rows)
        if same == len(old):
            return ("\n" if old and same < len(rows) else "") + "\n".join(rows[same:])
        if same == len(old) - 1 and same < len(rows) and (change := _last_row(old[same], rows[same])) is not None:
            return "\n".join([change, *rows[same + 1 :]])
        keep = same if same < len(rows) else max(same - 1, 0)  # the cursor ends on a row that is there
        up = len(old) - 1 - keep
        return "\r" + (f"\x1b[{up}A" if up else "") + "\x1b[J" + "\n".join(rows[keep:])

    def reflow(self, width: int) -> None:
        """The terminal is narrower now, and broke the rows anew: count them as it does."""
        more = sum(max(cell_len(OWN.sub("", row)) - 1, 0) // width for row in self.rows)
        self.rows = ["\0"] * more + self.rows  # what no row is equal to

    def settle(self, rows: Sequence[str]) -> str:
        """What makes these rows final in place of the picture, of which nothing is left."""
        change = self.show(rows)
        self.rows = []
        return change + ("\n" if rows else "")


def _alike(old: Sequence[str], rows: Sequence[str]) -> int:
    """How many rows at the beginning are the same."""
    pairs = enumerate(zip(old, rows, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(old), len(rows)))


def _last_row(old: str, row: str) -> str | None:
    """What turns the row with the cursor into another that is the same but for its end; None if it is not."""
    if row.startswith(old):
        return row[len(old) :]
    if row and old.startswith(row) and "\x1b" not in old[len(row) :]:
        return f"\r\x1b[{cell_len(OWN.sub('', row))}C\x1b[K"
    return None
