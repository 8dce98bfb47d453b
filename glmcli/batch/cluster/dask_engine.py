"""Chunks as tasks of a Dask cluster (distributed.dask.org, 2026), on workers of our choice, never retried by Dask."""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections import Counter, deque
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import distributed

from glmcli.batch.cluster import worker
from glmcli.batch.cluster.engine import LostChunk
from glmcli.errors import NetworkError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.cluster.engine import Handle
    from glmcli.batch.cluster.messages import Chunk, ChunkResult, Share

_CONNECT = 10.0  # seconds for the scheduler to answer, and for the first worker to report its version;
_FIRST = 3.0  # for the first worker to appear, and for the others to report their versions;
_SILENCE = 20.0  # and after which a scheduler or worker without a heartbeat is lost
_POLL = 1.0  # seconds between two updates of the list of workers
_POLL_AT_START = 0.02  # seconds between two while the run waits for their versions
_DRAIN = 1.0  # seconds to send the workers the end of the run
# Exceptions when the scheduler is gone.
_GONE = (OSError, RuntimeError, CancelledError, distributed.client.ClosedClientError)


class _DaskWorker:
    """The state of a worker.

    Attributes:
        version: what `worker.version()` returned there; None: it has not answered yet.
        last_seen: its last heartbeat, on the scheduler's clock.
        heard: when that changed last, on our clock.
    """

    def __init__(self) -> None:
        self.version: object = None
        self.last_seen: object = None
        self.heard = 0.0


class DaskEngine:
    """The workers of a Dask scheduler."""

    tracks_workers = True

    def __init__(self, address: str) -> None:
        """Connect to nothing yet."""
        self._address = address
        self._known: dict[str, _DaskWorker] = {}
        self._usable: frozenset[str] = frozenset()  # those of our version with a recent heartbeat
        self._futures: dict[Handle, tuple[Any, str]] = {}
        self._back: deque[tuple[Handle, ChunkResult | LostChunk]] = deque()
        self._client: Any = None
        self._heard = 0.0  # when the scheduler answered last
        self._stopped = threading.Event()
        self._draining: threading.Thread | None = None

    def start(self) -> None:
        """Connect, and check the versions of the workers."""
        logging.disable()  # stderr is ours, and so is what is printed there
        warnings.simplefilter("ignore")
        failures: list[Exception] = []
        thread = threading.Thread(target=self._connect, args=(failures,), daemon=True)
        thread.start()
        thread.join(_CONNECT)  # a server that accepts and never answers would block us for ever
        for error in failures:
            if not isinstance(error, OSError):
                why = " ".join(str(error).split())
                raise UsageError(f"--address {self._address}: {why}", fix="--address tcp://HOST:8786") from error
        if self._client is None:
            raise NetworkError(f"no Dask scheduler answers at {self._address} within {_CONNECT:.0f} s")
        with suppress(TimeoutError):
            self._client.wait_for_workers(1, timeout=_FIRST)
        self._check_versions()
        threading.Thread(target=self._watch, daemon=True).start()

    def _connect(self, failures: list[Exception]) -> None:
        try:
            self._client = distributed.Client(self._address, timeout=_CONNECT, set_as_default=False)
        except (OSError, ValueError, TypeError, ImportError) as error:  # TypeError: a certificate is wanted
            failures.append(error)

    def _check_versions(self) -> None:
        """Wait for the versions of the workers; one that does not answer is not used."""
        began = time.monotonic()
        self._look()
        if not self._known:
            raise NetworkError(f"the Dask scheduler at {self._address} has no workers")
        while (waited := time.monotonic() - began) < _CONNECT and not all(self._versions()):
            if any(self._versions()) and waited > _FIRST:
                break
            time.sleep(_POLL_AT_START)
        for address, each in self._known.items():
            if each.version:
                worker.require_same_version(address, each.version)
        self._look()
        if not self._usable:
            raise NetworkError(f"no worker of the Dask scheduler at {self._address} answers within {_CONNECT:.0f} s")

    def _versions(self) -> list[object]:
        return [each.version for each in self._known.values()]

    def _look(self) -> None:
        """Find the workers with a recent heartbeat; new ones are asked for their version."""
        there = self._client.scheduler_info(n_workers=-1).get("workers")
        if there is None:
            return  # the client has lost its list
        now = self._heard = time.monotonic()
        known = {address: self._known.get(address) or self._new(address) for address in there}
        for address, each in known.items():
            if each.last_seen != there[address]["last_seen"]:
                each.last_seen, each.heard = there[address]["last_seen"], now
        self._known = known
        self._usable = frozenset(
            address
            for address, each in known.items()
            if now - each.heard < _SILENCE and each.version == worker.version()
        )

    def _new(self, address: str) -> _DaskWorker:
        """A worker whose version is requested in a thread, because one that does not answer would block us.

        Not by a task, which would end a worker that has no glm.
        """
        new = _DaskWorker()
        threading.Thread(target=self._ask_version, args=(address, new), daemon=True).start()
        return new

    def _ask_version(self, address: str, new: _DaskWorker) -> None:
        with suppress(*_GONE):
            answers = self._client.run(worker.version, workers=[address], on_error="return") or {}
            new.version = answers.get(address)

    def _watch(self) -> None:
        while not self._stopped.wait(_POLL):
            with suppress(*_GONE):  # the next update may succeed
                self._look()

    def workers(self) -> int:
        """How many workers run our version."""
        return len(self._usable)

    def submit(self, chunk: Chunk, share: Share) -> Handle:
        """Send it to the worker that has the fewest chunks."""
        handle = f"glm-{uuid4().hex}"
        busy = Counter(address for _, address in self._futures.values())
        address = min(self._usable, key=lambda each: (busy[each], each), default="")
        try:
            future = self._client.submit(_work, chunk, share, key=handle, workers=[address], pure=False, retries=0)
        except _GONE as error:
            raise self._lost() from error
        self._futures[handle] = future, address
        future.add_done_callback(self._landed)
        return handle

    def _landed(self, future: Any) -> None:  # noqa: ANN401 - distributed has no types
        """Take the result, in a thread of the client, which may wait for the worker to send it."""
        try:
            result: ChunkResult | LostChunk = future.result()
        except Exception as error:  # noqa: BLE001 - for whatever reason, the chunk is lost
            result = LostChunk(f"{type(error).__name__}: {error}")
        self._back.append((future.key, result))

    def done(self) -> Iterator[tuple[Handle, ChunkResult | LostChunk]]:
        """The chunks that have come back, and those of workers that have gone."""
        if self._client.status != "running" or time.monotonic() - self._heard > _SILENCE:
            raise self._lost()
        while self._back:
            handle, result = self._back.popleft()
            if self._futures.pop(handle, None):
                yield handle, result
        for handle, (future, address) in list(self._futures.items()):
            if address not in self._usable:
                del self._futures[handle]
                future.cancel()
                silent = f"was not heard of for {_SILENCE:.0f} s"
                yield handle, LostChunk(f"{address} {silent if address in self._known else 'has gone'}")

    def _lost(self) -> NetworkError:
        return NetworkError(f"the connection to the Dask scheduler at {self._address} is lost")

    def drain(self, run: str, seconds: float) -> None:
        """Drain all workers, in a thread, because one that is gone would block us."""
        self._draining = threading.Thread(target=self._drain, args=(run, seconds, list(self._usable)), daemon=True)
        self._draining.start()

    def _drain(self, run: str, seconds: float, workers: list[str]) -> None:
        with suppress(*_GONE):
            self._client.run(worker.drain, run, seconds, workers=workers, on_error="ignore")

    def stop(self) -> None:
        """Disconnect; the scheduler drops our tasks."""
        self._stopped.set()
        if self._draining:
            self._draining.join(_DRAIN)
        if self._client:
            with suppress(*_GONE):
                self._client.close(timeout=1)


def _work(chunk: Chunk, share: Share) -> ChunkResult:
    """Process the chunk on the worker outside its pool of threads, so that a pool of one thread runs two chunks too."""
    distributed.secede()
    return worker.work(chunk, share)
