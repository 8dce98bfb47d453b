"""Whether a worker is of our kind: what travels fits only where glm and Python have the same version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from glmcli.batch.cluster import worker
from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.cluster.messages import Chunk, ChunkResult, Share


def is_same_kind(theirs: object) -> bool:
    """Whether a worker that says this of itself can be given work."""
    return theirs == worker.kind()


def require_same_kind(where: str, theirs: object) -> None:
    """Let a worker pass that says this of itself; an exception is one that has no glm.

    Raises:
        UsageError: it cannot be given work.
    """
    if is_same_kind(theirs):
        return
    said = "no glm that can be used" if isinstance(theirs, BaseException) else "glm {} on Python {}".format(*theirs)  # type: ignore[misc]
    wanted = "glm {} on Python {}".format(*worker.kind())
    raise UsageError(f"the worker {where} has {said}, this is {wanted}", fix="the same versions everywhere")


# What an engine is: whoever carries chunks of rows to workers, and brings back how they ended.
#
# An engine knows nothing of rows, limits or files; the driver knows nothing of clusters. A chunk is sent once:
# whether it is sent again is for the driver to decide.

Handle = str  # what an engine calls a chunk that it was given


class LostChunk(Record):
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
        """Have a worker carry out the chunk (glmcli.batch.cluster.worker).

        Raises:
            GlmError: the engine itself is lost.
        """
        ...

    def done(self) -> Iterator[tuple[Handle, ChunkResult | LostChunk]]:
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
