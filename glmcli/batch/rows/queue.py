"""The rows as the run takes them: at once from a file, and as they come from a pipe, which must not hold up the run."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from glmcli.batch.rows.row import InvalidRow, MalformedRow
from glmcli.errors import NetworkError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmcli.batch.ledger.writer import LedgerWriter
    from glmcli.batch.rows.pending import PendingRows
    from glmcli.batch.rows.row import QueueItem, Row
    from glmcli.batch.rows.source import RowSource
    from glmcli.errors import GlmError

_AHEAD = 1 << 20  # bytes of a pipe's rows that are read ahead
_LEAST = 4096  # bytes that a row counts for, however short it is
_TOGETHER = 64  # rows that may be skipped before the loop looks at its sockets again


class RowQueue:
    """What is still to be done, row by row.

    Attributes:
        error: the input as a whole cannot be read further, or does not fit the output.
    """

    error: GlmError | None = None

    def __init__(self, source: RowSource, intake: PendingRows, writing: LedgerWriter, total: int | None) -> None:
        """Read nothing yet; rows that cannot be asked go to `writing`.

        Of an input that was read before, what came to its `total` of rows since is left out.
        """
        self._intake = intake
        self._writing = writing
        self._rows = islice(source.rows(), total)
        self._pipe = None if source.rereadable else _Pipe(self._rows)
        self._ended = False

    def start(self, wake: Callable[[], None]) -> None:
        """Read from now on; `wake` is called in the loop's thread when rows have come from a pipe."""
        if self._pipe:
            self._pipe.start(wake)

    @property
    def is_exhausted(self) -> bool:
        """Nothing comes any more."""
        return self._pipe.is_exhausted if self._pipe else self._ended

    @property
    def is_ready(self) -> bool:
        """A row can be taken now."""
        return bool(self._pipe.rows) if self._pipe else not self._ended

    def take(self) -> QueueItem | None:
        """The next row that is to be asked; None: it is not there yet, or there was something else to do first.

        Raises:
            OutputError: a row that cannot be asked cannot be written either.
        """
        for _ in range(_TOGETHER):
            try:
                row = self._pipe.take() if self._pipe else next(self._rows, None)
                item = self._intake.take(row) if row else None
            except (UsageError, NetworkError) as error:  # not raised: what is under way is paid for, and may end
                self.error = error
                return None
            if row is None:
                self._ended = not self._pipe
                return None
            if isinstance(item, InvalidRow):
                self._writing.write_invalid(item)
                return None
            if item:
                return item
        return None


class _Pipe:
    """Rows that a thread reads, a bounded number of bytes ahead."""

    def __init__(self, rows: Iterator[Row | MalformedRow]) -> None:
        self._source = rows
        self.rows: deque[Row | MalformedRow | Exception] = deque()
        self._size = 0
        self._room = threading.Condition()
        self._ended = False

    @property
    def is_exhausted(self) -> bool:
        return self._ended and not self.rows

    def start(self, wake: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop, wake), daemon=True).start()

    def _read(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the run was stopped
            try:
                for row in self._source:
                    self._put(row, _size(row))
                    loop.call_soon_threadsafe(wake)
            except Exception as error:  # noqa: BLE001 - a thread has no caller: what it meets is told to the run
                self._put(error, 0)
            self._ended = True
            loop.call_soon_threadsafe(wake)

    def _put(self, row: Row | MalformedRow | Exception, size: int) -> None:
        with self._room:
            self._room.wait_for(lambda: not self.rows or self._size + size <= _AHEAD)
            self.rows.append(row)
            self._size += size

    def take(self) -> Row | MalformedRow | None:
        if not self.rows:
            return None
        with self._room:
            row = self.rows.popleft()
            self._size -= 0 if isinstance(row, Exception) else _size(row)
            self._room.notify()
        if isinstance(row, Exception):
            raise row
        return row


def _size(row: Row | MalformedRow) -> int:
    """About how many bytes a row holds."""
    if isinstance(row, MalformedRow):
        return _LEAST
    texts = (row.prompt, row.text, *row.vars.values())
    return _LEAST + sum(len(text) for text in texts if text) + (len(str(row.messages or row.body or "")))
