"""What every reader is told, and how each says that a row is wrong."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from glmcli.batch.rows.placeholders import NOTHING, Placeholders
from glmcli.batch.rows.row import MalformedRow
from glmcli.record import Record

if TYPE_CHECKING:
    from glmcli.batch.rows.formats.lines import Long


class InputContext(Record):
    """An input that is read.

    Attributes:
        name: what messages call it.
        complete: the request file asks something by itself, so a row need not.
        prompted: the request file has a prompt, so a column of that name only fills it.
        wanted: what the request file wants of rows.
        folder: where the paths in rows begin.
    """

    name: str
    complete: bool = False
    prompted: bool = False
    placeholders: Placeholders = NOTHING
    folder: Path = Path()

    def malformed(
        self, line: int, data: bytes, why: str, *, column: int | None = None, row_id: str | None = None
    ) -> MalformedRow:
        """The row of these bytes, which cannot be asked; `column` is counted from 1, in characters."""
        place = f"{self.name}:{line}" if column is None else f"{self.name}:{line}:{column}"
        return MalformedRow(line, f"{place}: {why}", sha256(data).hexdigest(), row_id)

    def too_long(self, line: Long, limit: int) -> MalformedRow:
        """The same for a line that nobody has seen whole."""
        why = f"{self.name}:{line.number}: longer than {limit >> 20} MiB ({line.size} bytes)"
        return MalformedRow(line.number, why, line.digest)
