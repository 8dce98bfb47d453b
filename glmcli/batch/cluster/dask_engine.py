"""Chunks as tasks of a Dask cluster (distributed.dask.org, 2026): each on a worker of our choice, never tried again."""

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

from glmcli.batch.cluster import worker as work
from glmcli.batch.cluster.engine import LostChunk, is_same_kind, require_same_kind
from glmcli.errors import NetworkError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.cluster.engine import Handle
    from glmcli.batch.cluster.messages import Chunk, ChunkResult, Share

_PATIENCE = 10.0  # seconds for the scheduler, and for a first worker to say what it is;
_FIRST = 3.0  # for a first worker to be there, and for the others to say what they are;
_SILENCE = 20.0  # and in which something is heard of the scheduler, and of each worker
_LOOK = 1.0  # seconds between two looks at who is there
_BRIEFLY = 0.02  # seconds between two while the run waits for it
_TELLING = 1.0  # seconds to tell the workers something
# What is raised when nobody is there any more.
_GONE = (OSError, RuntimeError, CancelledError, distributed.client.ClosedClientError)


class _Worker:
    """What is known of a worker: `kind` once it has said so, `beat` as the scheduler heard it last."""

    def __init__(self) -> None:
        self.kind: object = None
        self.beat: object = None
        self.heard = 0.0


class DaskEngine:
    """The workers of a scheduler."""

    hears = True

    def __init__(self, address: str) -> None:
        """Reach nobody yet."""
        self._address = address
        self._known: dict[str, _Worker] = {}
        self._workers: frozenset[str] = frozenset()  # those of our kind that were heard of lately
        self._futures: dict[Handle, tuple[Any, str]] = {}
        self._back: deque[tuple[Handle, ChunkResult | LostChunk]] = deque()
        self._client: Any = None
        self._seen = 0.0  # when the scheduler answered last
        self._over = threading.Event()
        self._telling: threading.Thread | None = None

    def start(self) -> None:
        """Connect, and look at the workers."""
        logging.disable()  # stderr is ours, and so is what is said there
        warnings.simplefilter("ignore")
        failures: list[Exception] = []
        thread = threading.Thread(target=self._connect, args=(failures,), daemon=True)
        thread.start()
        thread.join(_PATIENCE)  # what listens there and says nothing would hold us up for ever
        for error in failures:
            if not isinstance(error, OSError):
                why = " ".join(str(error).split())
                raise UsageError(f"--address {self._address}: {why}", fix="--address tcp://HOST:8786") from error
        if self._client is None:
            raise NetworkError(f"no Dask scheduler answers at {self._address} within {_PATIENCE:.0f} s")
        with suppress(TimeoutError):
            self._client.wait_for_workers(1, timeout=_FIRST)
        self._meet()
        threading.Thread(target=self._watch, daemon=True).start()

    def _connect(self, failures: list[Exception]) -> None:
        try:
            self._client = distributed.Client(self._address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError, TypeError, ImportError) as error:  # TypeError: a certificate is wanted
            failures.append(error)

    def _meet(self) -> None:
        """Have those that are there say what they are; one that says nothing is left alone."""
        began = time.monotonic()
        self._look()
        if not self._known:
            raise NetworkError(f"the Dask scheduler at {self._address} has no workers")
        while (waited := time.monotonic() - began) < _PATIENCE and not all(self._kinds()):
            if any(self._kinds()) and waited > _FIRST:
                break
            time.sleep(_BRIEFLY)
        for address, worker in self._known.items():
            if worker.kind:
                require_same_kind(address, worker.kind)
        self._look()
        if not self._workers:
            raise NetworkError(f"no worker of the Dask scheduler at {self._address} answers within {_PATIENCE:.0f} s")

    def _kinds(self) -> list[object]:
        return [worker.kind for worker in self._known.values()]

    def _look(self) -> None:
        """Who is there, and was heard of lately; those that are new are asked what they are."""
        there = self._client.scheduler_info(n_workers=-1).get("workers")
        if there is None:
            return  # the client has none of it any more
        now = self._seen = time.monotonic()
        known = {address: self._known.get(address) or self._ask(address) for address in there}
        for address, worker in known.items():
            if worker.beat != there[address]["last_seen"]:
                worker.beat, worker.heard = there[address]["last_seen"], now
        self._known = known
        self._workers = frozenset(
            address for address, each in known.items() if now - each.heard < _SILENCE and is_same_kind(each.kind)
        )

    def _ask(self, address: str) -> _Worker:
        """Aside: one that is silent must not hold us up. Not as a task, for that would end a worker that has no glm."""
        worker = _Worker()
        threading.Thread(target=self._listen, args=(address, worker), daemon=True).start()
        return worker

    def _listen(self, address: str, worker: _Worker) -> None:
        with suppress(*_GONE):
            said = self._client.run(work.kind, workers=[address], on_error="return") or {}
            worker.kind = said.get(address)

    def _watch(self) -> None:
        while not self._over.wait(_LOOK):
            with suppress(*_GONE):  # a look that came to nothing
                self._look()

    def workers(self) -> int:
        """Those of our kind."""
        return len(self._workers)

    def submit(self, chunk: Chunk, share: Share) -> Handle:
        """Give it to the worker that has least to do."""
        handle = f"glm-{uuid4().hex}"
        busy = Counter(address for _, address in self._futures.values())
        address = min(self._workers, key=lambda each: (busy[each], each), default="")
        try:
            future = self._client.submit(_carry, chunk, share, key=handle, workers=[address], pure=False, retries=0)
        except _GONE as error:
            raise self._lost() from error
        self._futures[handle] = future, address
        future.add_done_callback(self._landed)
        return handle

    def _landed(self, future: Any) -> None:  # noqa: ANN401 - distributed has no types
        """In a thread of the client, which may wait for what the worker still holds."""
        try:
            result: ChunkResult | LostChunk = future.result()
        except Exception as error:  # noqa: BLE001 - whatever it was, the chunk is lost
            result = LostChunk(f"{type(error).__name__}: {error}")
        self._back.append((future.key, result))

    def done(self) -> Iterator[tuple[Handle, ChunkResult | LostChunk]]:
        """What has come back, and what was with workers that have gone."""
        if self._client.status != "running" or time.monotonic() - self._seen > _SILENCE:
            raise self._lost()
        while self._back:
            handle, result = self._back.popleft()
            if self._futures.pop(handle, None):
                yield handle, result
        for handle, (future, address) in list(self._futures.items()):
            if address not in self._workers:
                del self._futures[handle]
                future.cancel()
                silent = f"was not heard of for {_SILENCE:.0f} s"
                yield handle, LostChunk(f"{address} {silent if address in self._known else 'has gone'}")

    def _lost(self) -> NetworkError:
        return NetworkError(f"the connection to the Dask scheduler at {self._address} is lost")

    def hush(self, run: str, seconds: float) -> None:
        """Tell all workers, aside: one that is gone must not hold us up."""
        self._telling = threading.Thread(target=self._tell, args=(run, seconds, list(self._workers)), daemon=True)
        self._telling.start()

    def _tell(self, run: str, seconds: float, workers: list[str]) -> None:
        with suppress(*_GONE):
            self._client.run(work.hush, run, seconds, workers=workers, on_error="ignore")

    def stop(self) -> None:
        """Hang up; the scheduler forgets what was ours."""
        self._over.set()
        if self._telling:
            self._telling.join(_TELLING)
        if self._client:
            with suppress(*_GONE):
                self._client.close(timeout=1)


def _carry(chunk: Chunk, share: Share) -> ChunkResult:
    """On the worker: beside its own threads, for a worker of one thread carries two chunks as well."""
    distributed.secede()
    return work.work(chunk, share)
