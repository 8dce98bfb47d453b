"""Chunks as tasks of a Ray cluster (docs.ray.io, 2026), each on a node of our choice; Ray never retries one."""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import ray

from glmcli.batch.cluster import worker
from glmcli.batch.cluster.engine import LostChunk
from glmcli.errors import NetworkError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.cluster.engine import Handle
    from glmcli.batch.cluster.messages import Chunk, ChunkResult, Share

_FIRST_CALL = 10.0  # seconds for a node to report its version; it may have to start a process
_POLL = 2.0  # seconds between two updates of the list of nodes


class RayEngine:
    """The nodes of a cluster. Running tasks cannot be sent anything, so `drain` does nothing."""

    tracks_workers = False

    def __init__(self, address: str) -> None:
        """Connect to nothing yet."""
        self._address = address
        self._nodes: frozenset[str] = frozenset()
        self._updated = 0.0  # when the list of nodes was updated
        self._tasks: dict[Handle, tuple[Any, str]] = {}

    def start(self) -> None:
        """Connect, and check the versions of the nodes."""
        try:
            ray.init(self._address, log_to_driver=False, logging_level=logging.CRITICAL, include_dashboard=False)
        except ValueError as error:
            raise UsageError(f"--address {self._address}: {error}", fix="--address HOST:6379") from error
        except (OSError, RuntimeError) as error:  # another version of Python or Ray is a RuntimeError too
            why = " ".join(str(error).split())
            raise NetworkError(f"cannot join the Ray cluster at {self._address}", why=why) from error
        self._update_nodes(strict=True)
        if not self._nodes:
            raise NetworkError(f"the Ray cluster at {self._address} has no nodes with processors")

    def _update_nodes(self, *, strict: bool = False) -> None:
        """Find the nodes; one with another version is not used, or an error if `strict`."""
        there = {node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")}
        versions = {node: _task(worker.version, node).remote() for node in there - self._nodes}
        found = {node: _result(task, _FIRST_CALL) for node, task in versions.items()}
        for node, version in found.items() if strict else ():
            worker.require_same_version(node, version)
        self._nodes = frozenset(
            there & self._nodes | {node for node, version in found.items() if version == worker.version()}
        )
        self._updated = time.monotonic()

    def workers(self) -> int:
        """How many nodes run our version."""
        if time.monotonic() - self._updated > _POLL:
            self._update_nodes()
        return len(self._nodes)

    def submit(self, chunk: Chunk, share: Share) -> Handle:
        """Send it to the node that has the fewest chunks."""
        busy = Counter(node for _, node in self._tasks.values())
        node = min(self._nodes, key=lambda each: (busy[each], each))
        task = _task(worker.work, node).remote(chunk, share)
        self._tasks[task.hex()] = task, node
        return str(task.hex())

    def done(self) -> Iterator[tuple[Handle, ChunkResult | LostChunk]]:
        """The chunks that have come back; a task whose node has gone comes back as an error."""
        tasks = {task: handle for handle, (task, _) in self._tasks.items()}
        ready, _ = ray.wait(list(tasks), num_returns=len(tasks), timeout=0) if tasks else ([], [])
        for task in ready:
            _, node = self._tasks.pop(tasks[task])
            result = _result(task, None)
            if isinstance(result, BaseException):
                # Ray lists a node as alive for seconds after its end: it must report its version before another chunk.
                self._nodes -= {node}
                result = LostChunk(type(result).__name__)
            yield tasks[task], result

    def drain(self, run: str, seconds: float) -> None:
        """Do nothing: chunks end when their own time is over."""

    def stop(self) -> None:
        """Leave the cluster."""
        with suppress(OSError, RuntimeError):
            ray.shutdown()


def _task(function: Any, node: str) -> Any:  # noqa: ANN401 - ray has no types
    """The function as a task of this node; it claims no processor, because it waits for the network."""
    where = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(function).options(num_cpus=0, max_retries=0, scheduling_strategy=where)


def _result(task: Any, seconds: float | None) -> Any:  # noqa: ANN401 - as above
    """What the task returned, or the error that it ended with."""
    try:
        return ray.get(task, timeout=seconds)
    except ray.exceptions.RayError as error:
        return error
