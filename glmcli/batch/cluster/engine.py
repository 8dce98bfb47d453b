"""The protocol of engines, which carry chunks of rows to workers and bring back the results.

An engine knows nothing of rows, limits or files, and the driver knows nothing of clusters. A chunk is sent once; the
driver decides whether it is sent again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.cluster.messages import Chunk, ChunkResult, Share

Handle = str  # an engine's name for a submitted chunk


class LostChunk(Record):
    """A chunk that will not come back, and why; the cost of its rows is not known."""

    why: str


class Engine(Protocol):
    """Carries chunks to workers. All methods but `start` and `stop` return at once.

    Attributes:
        tracks_workers: it knows which workers are alive, so that a chunk may take as long as it needs; if not, a chunk
            that takes too long is lost.
    """

    tracks_workers: bool

    def start(self) -> None:
        """Connect to the workers, and check that they run our version.

        Raises:
            GlmError: there is no worker, or one runs another version.
        """

    def workers(self) -> int:
        """How many workers can be given chunks now."""

    def submit(self, chunk: Chunk, share: Share) -> Handle:
        """Have a worker process the chunk (glmcli.batch.cluster.worker).

        Raises:
            GlmError: the connection to the cluster is lost.
        """

    def done(self) -> Iterator[tuple[Handle, ChunkResult | LostChunk]]:
        """The chunks that have come back or were lost since the last call.

        Raises:
            GlmError: the connection to the cluster is lost.
        """

    def drain(self, run: str, seconds: float) -> None:
        """Have the workers send no more rows of this run, where the engine can reach them.

        Requests in flight may end within so many seconds; then they are cut off, and the chunk comes back.
        """

    def stop(self) -> None:
        """Disconnect."""
