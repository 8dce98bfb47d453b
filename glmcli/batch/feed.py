"""The rows as the run takes them: at once from a file, and as they come from a pipe, which must not hold up the run."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.batch.intake import Intake, Invalid
    from glmcli.batch.item import Item
    from glmcli.batch.readers import Source
    from glmcli.batch.row import BadRow, Row

_AHEAD = 256  # rows of a pipe that are read ahead


class Feed:
    """What is still to be done, row by row."""

    def __init__(self, source: Source, intake: Intake) -> None:
        """Read nothing yet."""
        self._intake = intake
        self._rows = iter(source.rows())
        self._pipe = None if source.rereadable else _Pipe(self._rows)
        self._ended = False

    def begin(self, poke: Callable[[], None]) -> None:
        """Read from now on; `poke` is called in the loop's thread when rows have come from a pipe."""
        if self._pipe:
            self._pipe.begin(poke)

    @property
    def is_over(self) -> bool:
        """Nothing comes any more."""
        return self._pipe.is_over if self._pipe else self._ended

    @property
    def is_ready(self) -> bool:
        """A row can be taken now."""
        return bool(self._pipe.rows) if self._pipe else not self._ended

    def take(self) -> Item | Invalid | None:
        """What is to be done with the next row; None: nothing, or it is not there yet.

        Raises:
            UsageError: the input as a whole cannot be read, or does not fit the output.
        """
        row = self._pipe.take() if self._pipe else next(self._rows, None)
        if row is None:
            self._ended = not self._pipe
            return None
        return self._intake.take(row)


class _Pipe:
    """Rows that a thread reads."""

    def __init__(self, rows: object) -> None:
        self._source = rows
        self.rows: deque[Row | BadRow | Exception] = deque()
        self._room = threading.Semaphore(_AHEAD)
        self._ended = False

    @property
    def is_over(self) -> bool:
        return self._ended and not self.rows

    def begin(self, poke: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop, poke), daemon=True).start()

    def _read(self, loop: asyncio.AbstractEventLoop, poke: Callable[[], None]) -> None:
        try:
            for row in self._source:  # type: ignore[attr-defined]
                self._room.acquire()
                self.rows.append(row)
                loop.call_soon_threadsafe(poke)
        except Exception as error:  # noqa: BLE001 - a thread has no caller: what it meets is told to the run
            self.rows.append(error)
        self._ended = True
        loop.call_soon_threadsafe(poke)

    def take(self) -> Row | BadRow | None:
        if not self.rows:
            return None
        row = self.rows.popleft()
        self._room.release()
        if isinstance(row, Exception):
            raise row
        return row
