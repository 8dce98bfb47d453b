"""The engine on this machine: each chunk is processed in a thread with an event loop of its own.

Chunks and results are pickled as if they were sent over a network: what works here works on a cluster.
"""

from __future__ import annotations

import pickle
import threading
from collections import deque
from itertools import count
from typing import TYPE_CHECKING

from glmcli.batch.cluster import worker
from glmcli.batch.cluster.engine import LostChunk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.cluster.engine import Handle
    from glmcli.batch.cluster.messages import Chunk, ChunkResult, Share


class LocalEngine:
    """One worker, which processes each chunk in a thread."""

    tracks_workers = True

    def __init__(self) -> None:
        """Nothing was submitted yet."""
        self._numbers = count()
        self._done: deque[tuple[Handle, ChunkResult | LostChunk]] = deque()

    def start(self) -> None:
        """Return at once: nothing is needed."""

    def workers(self) -> int:
        """One: this machine."""
        return 1

    def submit(self, chunk: Chunk, share: Share) -> Handle:
        """Start a thread."""
        handle = f"chunk-{next(self._numbers)}"
        threading.Thread(target=self._run, args=(handle, pickle.dumps((chunk, share))), daemon=True).start()
        return handle

    def _run(self, handle: Handle, task: bytes) -> None:
        try:
            result: ChunkResult | LostChunk = pickle.loads(pickle.dumps(worker.work(*pickle.loads(task))))  # noqa: S301 - our own
        except Exception as error:  # noqa: BLE001 - a thread has no caller to raise to
            result = LostChunk(f"{type(error).__name__}: {error}")
        self._done.append((handle, result))

    def done(self) -> Iterator[tuple[Handle, ChunkResult | LostChunk]]:
        """The chunks that have ended since the last call."""
        while self._done:
            yield self._done.popleft()

    def drain(self, run: str, seconds: float) -> None:
        """Drain this process, which is the worker."""
        worker.drain(run, seconds)

    def stop(self) -> None:
        """The threads end with the program."""
