"""A Dask cluster on loopback: a scheduler and workers as processes, with the key in their environment."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from batch_runs import KEY
from program import environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_START_TIMEOUT = 30.0  # seconds for a process to report that it has started
_LOOPBACK = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")


class Cluster:
    """Starts and ends with its `with` block. `env` is added to the environment of the workers."""

    def __init__(self, folder: Path, workers: int = 2, env: dict[str, str] = KEY) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self._count = workers
        self._env = env
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            place = self.folder / "scheduler.json"
            self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", str(place))
            _wait_for(lambda: place.exists() and place.stat().st_size)
            self.address = json.loads(place.read_text())["address"]
            for _ in range(self._count):
                self.add(self._env)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, env: dict[str, str]) -> None:
        """Start another worker; return when it has registered."""
        name = f"w{len(self.workers)}"
        log = self.folder / f"worker-{name}.log"
        words = [self.address, "--no-nanny", "--nthreads", "1", "--local-directory", str(self.folder), "--name", name]
        self.workers.append(self._start("worker", *words, log=log, **env))
        _wait_for(lambda: b"Registered to" in log.read_bytes())

    def _start(self, what: str, *words: str, log: Path | None = None, **env: str) -> subprocess.Popen[bytes]:
        file = self._stack.enter_context((log or self.folder / f"{what}.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{what}", *_LOOPBACK, *words],
            cwd=self.folder,
            env=environment(self.folder, **env),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
        self._stack.callback(_end, process)
        return process

    @property
    def flags(self) -> list[str]:
        return ["--engine", "dask", "--address", self.address]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _wait_for(happened: Callable[[], object]) -> None:
    until = time.monotonic() + _START_TIMEOUT
    while not happened():
        assert time.monotonic() < until, "the cluster did not start"
        time.sleep(0.02)
