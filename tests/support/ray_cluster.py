"""A Ray cluster on loopback: a head node that runs no tasks, and two worker nodes with the key in their environment."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import psutil
from batch_runs import KEY
from program import environment

_RAY = str(Path(sys.executable).parent / "ray")
_START_TIMEOUT = 60.0  # seconds for a node to start


class RayCluster:
    """Starts and ends with its `with` block. The path of `folder` must be short: Ray creates sockets there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[subprocess.Popen[bytes]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            self.address = f"127.0.0.1:{port}"
            self._start("head", "--head", "--port", str(port), "--num-cpus", "0", "--temp-dir", str(self.folder / "t"))
            # One after the other: two nodes that start at once may want the same socket.
            self.nodes = [self._start(f"n{each}", "--address", self.address, "--num-cpus", "1") for each in range(2)]
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        log = self.folder / f"{name}.log"
        file = self._stack.enter_context(log.open("wb"))
        process = subprocess.Popen(
            [_RAY, "start", *words, "--block", "--node-ip-address", "127.0.0.1", "--disable-usage-stats"],
            cwd=self.folder,
            env=environment(self.folder, RAY_enable_open_telemetry="0", **KEY),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
        self._stack.callback(end, process)
        until = time.monotonic() + _START_TIMEOUT
        while b"Ray runtime started" not in log.read_bytes():
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        return process

    @property
    def flags(self) -> list[str]:
        return ["--engine", "ray", "--address", self.address]


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a node with all that it has started."""
    if process.poll() is None:
        for each in (*psutil.Process(process.pid).children(recursive=True), process):
            each.kill()
        process.wait()


MISSING = None if Path(_RAY).exists() else "ray is not installed here: pip install 'glmcli[ray]'"
