"""The lines of a ledger, read once and one at a time."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING

from glmcli.batch.ledger.output import is_lost
from glmcli.batch.report.facts import NotALineError
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.report.facts import Facts, Judge

_LONGEST = 256 * 1024 * 1024  # bytes; an answer has at most 64 MiB, and JSON may escape it
_FIX = "name the file that glm batch run -O wrote"


class Reading:
    """The lines of one file.

    Attributes:
        torn: the number of a last line that was cut while it was written, or lost to a power cut, or None; it is no
            row.
    """

    def __init__(self, file: IO[bytes], name: str, judge: Judge) -> None:
        """Read this open file; messages call it `name`."""
        self._file = file
        self._name = name
        self._judge = judge
        self.torn: int | None = None

    def facts(self) -> Iterator[Facts]:
        """What every line says; blank lines say nothing.

        Raises:
            UsageError: a line is no line of a ledger, or the file cannot be read.
        """
        is_first = True
        for number, line in enumerate(self._lines(), 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line.decode())
            except (ValueError, RecursionError) as error:  # also for bytes that are no UTF-8
                if not is_lost(line, is_ended=line.endswith(b"\n"), is_first=is_first):
                    raise self._fault(number, "it is no JSON") from error
                self.torn = self.torn or number
                continue
            if self.torn:
                raise self._fault(self.torn, "it is no JSON")
            is_first = False
            try:
                yield self._judge.facts(value)
            except NotALineError as error:
                raise self._fault(number, str(error)) from error

    def _lines(self) -> Iterator[bytes]:
        number = 0
        try:
            while line := self._file.readline(_LONGEST + 1):
                number += 1
                if len(line) > _LONGEST:
                    raise self._fault(number, f"it is longer than {_LONGEST >> 20} MiB")
                yield line
        except OSError as error:
            raise UsageError(message=f"cannot read {self._name}: {error.strerror}") from error

    def _fault(self, number: int, why: str) -> UsageError:
        return UsageError(message=f"{self._name}:{number}: not a line of a ledger: {why}", fix=_FIX)
