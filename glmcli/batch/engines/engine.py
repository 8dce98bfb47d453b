"""What an engine is: whoever carries chunks of rows to workers, and brings back how they ended.

An engine knows nothing of rows, limits or files; the driver knows nothing of clusters. A chunk is sent once: whether it
is sent again is for the driver to decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.engines.chunk import Chunk, Result, Share

Handle = str  # what an engine calls a chunk that it was given


class Lost(Record):
    """A chunk will not come back, and this is why; what its rows have cost is not known."""

    why: str


class Engine(Protocol):
    """Carries chunks. Everything but `start` and `stop` returns at once.

    Attributes:
        hears: it knows which workers are alive, and their chunks may take what time they need; if not, a chunk that
            takes too long is lost.
    """

    hears: bool

    def start(self) -> None:
        """Reach the workers, and see that they are of our kind.

        Raises:
            GlmError: nobody is there, or they run another version.
        """
        ...

    def workers(self) -> int:
        """How many can be given work now."""
        ...

    def submit(self, chunk: Chunk, share: Share) -> Handle:
        """Have a worker carry out the chunk (glmcli.batch.engines.work).

        Raises:
            GlmError: the engine itself is lost.
        """
        ...

    def done(self) -> Iterator[tuple[Handle, Result | Lost]]:
        """What has come back since the last call.

        Raises:
            GlmError: the engine itself is lost.
        """
        ...

    def hush(self, run: str, seconds: float) -> None:
        """Tell the workers, as far as they can be told, to begin no other row of this run.

        What is under way may end within so many seconds; then it is cut, and the chunk comes back.
        """
        ...

    def stop(self) -> None:
        """Let go of everything."""
        ...
