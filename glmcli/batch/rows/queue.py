"""The queue from which a run takes its rows; a thread reads from a pipe, so that the run never waits for one."""

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
_LEAST = 4096  # bytes that each row counts for at least
_TOGETHER = 64  # rows that are skipped at most before the event loop gets its turn


class RowQueue:
    """The rows that are still to be sent, one by one.

    Attributes:
        error: why no more rows can be read, or why they do not fit the ledger.
    """

    error: GlmError | None = None

    def __init__(self, source: RowSource, pending: PendingRows, writer: LedgerWriter, total: int | None) -> None:
        """Read nothing yet; invalid rows are written to `writer`.

        Of an input that was scanned only `total` rows are read: what was appended to it since is left out.
        """
        self._pending = pending
        self._writer = writer
        self._rows = islice(source.rows(), total)
        self._pipe = None if source.rereadable else _Pipe(self._rows)
        self._ended = False

    def start(self, wake: Callable[[], None]) -> None:
        """Start reading; `wake` is called in the loop's thread when rows have arrived from a pipe."""
        if self._pipe:
            self._pipe.start(wake)

    @property
    def is_exhausted(self) -> bool:
        """Whether no more rows will come."""
        return self._pipe.is_exhausted if self._pipe else self._ended

    @property
    def is_ready(self) -> bool:
        """Whether a row can be taken now."""
        return bool(self._pipe.rows) if self._pipe else not self._ended

    def take(self) -> QueueItem | None:
        """The next row to be sent; None: it has not arrived yet, or the event loop should run first.

        Raises:
            OutputError: an invalid row cannot be written to the ledger.
        """
        for _ in range(_TOGETHER):
            try:
                row = self._pipe.take() if self._pipe else next(self._rows, None)
                item = self._pending.take(row) if row else None
            except (UsageError, NetworkError) as error:  # not raised: requests in flight are paid for, and are awaited
                self.error = error
                return None
            if row is None:
                self._ended = not self._pipe
                return None
            if isinstance(item, InvalidRow):
                self._writer.write_invalid(item)
                return None
            if item:
                return item
        return None


class _Pipe:
    """Rows of a pipe, which a thread reads ahead by a bounded number of bytes."""

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
            except Exception as error:  # noqa: BLE001 - raised in the loop's thread by `take`
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
