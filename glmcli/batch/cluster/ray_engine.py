"""Chunks as tasks of a Ray cluster (docs.ray.io, 2026): each on a node of our choice, and never tried again by Ray."""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import ray

from glmcli.batch.cluster import worker
from glmcli.batch.cluster.engine import LostChunk, is_same_kind, require_same_kind
from glmcli.errors import NetworkError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.cluster.engine import Handle
    from glmcli.batch.cluster.messages import Chunk, ChunkResult, Share

_PATIENCE = 10.0  # seconds for a node to say what it runs; it may have to start a process
_LOOK = 2.0  # seconds between two looks at which nodes are there


class RayEngine:
    """The nodes of a cluster. Tasks cannot be told anything: `hush` does nothing."""

    hears = False

    def __init__(self, address: str) -> None:
        """Reach nobody yet."""
        self._address = address
        self._nodes: frozenset[str] = frozenset()
        self._looked = 0.0
        self._tasks: dict[Handle, tuple[Any, str]] = {}

    def start(self) -> None:
        """Connect, and look at the nodes."""
        try:
            ray.init(self._address, log_to_driver=False, logging_level=logging.CRITICAL, include_dashboard=False)
        except ValueError as error:
            raise UsageError(f"--address {self._address}: {error}", fix="--address HOST:6379") from error
        except (OSError, RuntimeError) as error:  # another version of Python or Ray is a RuntimeError too
            why = " ".join(str(error).split())
            raise NetworkError(f"cannot join the Ray cluster at {self._address}", why=why) from error
        self._look(strict=True)
        if not self._nodes:
            raise NetworkError(f"the Ray cluster at {self._address} has no nodes with processors")

    def _look(self, *, strict: bool = False) -> None:
        """Which nodes are there; one of another kind is an error, or left alone."""
        there = {node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")}
        kinds = {node: _task(worker.kind, node).remote() for node in there - self._nodes}
        said = {node: _got(asked, _PATIENCE) for node, asked in kinds.items()}
        for node, kind in said.items() if strict else ():
            require_same_kind(node, kind)
        self._nodes = frozenset(there & self._nodes | {node for node, kind in said.items() if is_same_kind(kind)})
        self._looked = time.monotonic()

    def workers(self) -> int:
        """The nodes of our kind."""
        if time.monotonic() - self._looked > _LOOK:
            self._look()
        return len(self._nodes)

    def submit(self, chunk: Chunk, share: Share) -> Handle:
        """Give it to the node that has least to do."""
        busy = Counter(node for _, node in self._tasks.values())
        node = min(self._nodes, key=lambda each: (busy[each], each))
        task = _task(worker.work, node).remote(chunk, share)
        self._tasks[task.hex()] = task, node
        return str(task.hex())

    def done(self) -> Iterator[tuple[Handle, ChunkResult | LostChunk]]:
        """What has come back; a task whose node has gone comes back as an error."""
        tasks = {task: handle for handle, (task, _) in self._tasks.items()}
        ready, _ = ray.wait(list(tasks), num_returns=len(tasks), timeout=0) if tasks else ([], [])
        for task in ready:
            _, node = self._tasks.pop(tasks[task])
            result = _got(task, None)
            if isinstance(result, BaseException):
                # Ray calls a node alive for seconds after its end: it gets no other chunk before it has answered.
                self._nodes -= {node}
                result = LostChunk(type(result).__name__)
            yield tasks[task], result

    def hush(self, run: str, seconds: float) -> None:
        """Chunks end by their own time."""

    def stop(self) -> None:
        """Leave the cluster."""
        with suppress(OSError, RuntimeError):
            ray.shutdown()


def _task(function: Any, node: str) -> Any:  # noqa: ANN401 - ray has no types
    """The function as a task of this node, which takes none of its processors: it waits for the network."""
    where = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(function).options(num_cpus=0, max_retries=0, scheduling_strategy=where)


def _got(task: Any, seconds: float | None) -> Any:  # noqa: ANN401 - as above
    """What the task returned, or why it did not."""
    try:
        return ray.get(task, timeout=seconds)
    except ray.exceptions.RayError as error:
        return error
