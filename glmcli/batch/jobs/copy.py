"""A provider's file of answers, on this disk while it is read. What cannot be read of it is lost to nobody."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.jobs.service import Service

_LONGEST = 256 << 20  # bytes of a line; an answer has at most 64 MiB, and JSON may escape it
_SHOWN = 1 << 12  # bytes of a broken line; what is told of them is cut once more


class Copy:
    """The file.

    Attributes:
        lines: how many lines of answers were read.
        broken: the number of the first line that is none; 0 while there is none.
        why: how that line begins.
        is_torn: the file ends in the middle of a line.
    """

    def __init__(self, place: str) -> None:
        """It stands at this place."""
        self.place = place
        self.lines = self.broken = 0
        self.why = ""
        self.is_torn = False

    def read(self, service: Service, file: str) -> Iterator[dict[str, Any]]:
        """Fetch the file that the provider calls so; each line of answers, with a `custom_id` that is text.

        Raises:
            GlmError: it cannot be had, or not be written.
        """
        try:
            with open(self.place, "w+b") as copy:  # noqa: PTH123 - beside the output, whatever it is called
                service.save(file, copy)
                copy.seek(0)
                for number, line in enumerate(iter(lambda: copy.readline(_LONGEST), b""), 1):
                    yield from self._values(number, line)
        except OSError as error:
            raise OutputError(f"cannot write {self.place}: {error.strerror}", fix="make room, then again") from error

    def _values(self, number: int, line: bytes) -> Iterator[dict[str, Any]]:
        if not line.strip():
            return
        value = _object(line)
        if value is not None:
            self.lines += 1
            yield value
            return
        if not self.broken:
            self.broken, self.why = number, line[:_SHOWN].decode(errors="replace")
        self.is_torn = not line.endswith(b"\n")

    def remove(self) -> None:
        """Leave it only if it has lines that nobody could read."""
        if not self.broken:
            with suppress(OSError):
                Path(self.place).unlink()


def _object(line: bytes) -> dict[str, Any] | None:
    """The line, if it is one of answers: an object that says whose it is."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    name = value.get("custom_id") if isinstance(value, dict) else None
    if isinstance(name, int) and not isinstance(name, bool):  # an id that looks like a number has become one
        value["custom_id"] = name = str(name)
    return value if isinstance(name, str) else None
