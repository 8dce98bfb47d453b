"""Chunks as tasks of a Dask cluster (distributed.dask.org, 2026): each on a worker of our choice, never tried again."""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import distributed

from glmcli.batch.engines import work
from glmcli.batch.engines.engine import Lost
from glmcli.batch.engines.kinds import same_kind
from glmcli.errors import NetworkError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.batch.engines.chunk import Chunk, Result, Share
    from glmcli.batch.engines.engine import Handle

_PATIENCE = 10.0  # seconds for the scheduler,
_FIRST = 3.0  # for a first worker,
_SILENCE = 20.0  # and for the scheduler while the run goes on
_LOOK = 1.0  # seconds between two looks at who is there
_GONE = (OSError, RuntimeError, distributed.client.ClosedClientError)  # what is raised when nobody is there any more


class DaskEngine:
    """The workers of a scheduler."""

    def __init__(self, address: str) -> None:
        """Reach nobody yet."""
        self._address = address
        self._workers: frozenset[str] = frozenset()
        self._futures: dict[Handle, tuple[Any, str]] = {}
        self._back: deque[tuple[Handle, Result | Lost]] = deque()
        self._client: Any = None
        self._seen = 0.0  # when the scheduler answered last

    def start(self) -> None:
        """Connect, and look at the workers."""
        logging.disable()  # stderr is ours, and so is what is said there
        warnings.simplefilter("ignore")
        failures: list[Exception] = []
        thread = threading.Thread(target=self._connect, args=(failures,), daemon=True)
        thread.start()
        thread.join(_PATIENCE)  # what listens there and says nothing would hold us up for ever
        for error in failures:
            if isinstance(error, ValueError):
                raise UsageError(f"--address {self._address}: {error}", fix="--address tcp://HOST:8786") from error
        if self._client is None:
            raise NetworkError(f"no Dask scheduler answers at {self._address} within {_PATIENCE:.0f} s")
        with suppress(TimeoutError):
            self._client.wait_for_workers(1, timeout=_FIRST)
        self._look()
        if not self._workers:
            raise NetworkError(f"the Dask scheduler at {self._address} has no workers")
        threading.Thread(target=self._watch, daemon=True).start()

    def _connect(self, failures: list[Exception]) -> None:
        try:
            self._client = distributed.Client(self._address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            failures.append(error)

    def _look(self, *, strict: bool = True) -> None:
        """Who is there; a worker of another kind is an error, or left alone."""
        there = frozenset(self._client.scheduler_info(n_workers=-1)["workers"])
        new = sorted(there - self._workers)
        kinds = self._client.run(work.kind, workers=new, on_error="return") if new else {}
        fit = {address for address, kind in kinds.items() if same_kind(address, kind, strict=strict)}
        self._workers = there & self._workers | fit
        self._seen = time.monotonic()

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK)
            with suppress(*_GONE):  # a look that came to nothing
                self._look(strict=False)

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
            result: Result | Lost = future.result()
        except Exception as error:  # noqa: BLE001 - whatever it was, the chunk is lost
            result = Lost(f"{type(error).__name__}: {error}")
        self._back.append((future.key, result))

    def done(self) -> Iterator[tuple[Handle, Result | Lost]]:
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
                yield handle, Lost(f"{address} has gone")

    def _lost(self) -> NetworkError:
        return NetworkError(f"the connection to the Dask scheduler at {self._address} is lost")

    def hush(self, run: str) -> None:
        """Tell all workers, aside: one that is gone must not hold us up."""
        threading.Thread(target=self._tell, args=(run,), daemon=True).start()

    def _tell(self, run: str) -> None:
        with suppress(*_GONE):
            self._client.run(work.hush, run, on_error="ignore")

    def stop(self) -> None:
        """Hang up; the scheduler forgets what was ours."""
        if self._client:
            with suppress(*_GONE):
                self._client.close(timeout=1)


def _carry(chunk: Chunk, share: Share) -> Result:
    """On the worker: beside its own threads, for a worker of one thread carries two chunks as well."""
    distributed.secede()
    return work.work(chunk, share)
