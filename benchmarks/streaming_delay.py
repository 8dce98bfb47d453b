"""How much later a delta of a slow stream arrives at the reader of a program's stdout, as a Markdown table."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
import sys
import time
from bisect import bisect_left
from functools import partial
from itertools import accumulate
from statistics import median, quantiles
from typing import TYPE_CHECKING

import frames
import places
from process_cost import KEY, environment
from server_process import ServerProcess, pin
from streaming_peers import HTTPX_FLUSHED, REFERENCE
from streams import Streams

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_DELTAS, _INTERVAL, _ROUNDS = 1000, 0.005, 2


def main(glm: str, peers: Path | None, home: Path, cpus: tuple[int, int]) -> int:
    """The exit code, which is 0: delays are reported, without a limit."""
    delays: dict[str, list[float]] = {}
    with ServerProcess(cpus[0], partial(Streams, "marked", _DELTAS, _INTERVAL)) as server:
        for number in range(_ROUNDS):
            for name, command in _commands(glm, server.url, peers):
                print(f"round {number + 1}: {name}", file=sys.stderr)
                server.seen()
                arrivals = _arrivals(command, environment(home), cpus)
                sent = server.seen().ticks[: len(arrivals)]
                took = [arrived - left for arrived, left in zip(arrivals, sent, strict=True)]
                delays.setdefault(name, []).extend(took)
    print(f"{dt.datetime.now(tz=dt.UTC).date()}, Python {platform.python_version()}, {platform.machine()}, ", end="")
    print(f"{_DELTAS:,} deltas, one in {_INTERVAL * 1000:.0f} ms\n\n| process | median ms | p95 ms |\n|---|---:|---:|")
    for name, took in sorted(delays.items(), key=lambda item: median(item[1])):
        print(f"| {name} | {median(took) * 1000:.2f} | {quantiles(took, n=20)[-1] * 1000:.2f} |")
    return 0


def _commands(glm: str, url: str, peers: Path | None) -> Iterator[tuple[str, list[str]]]:
    asked = ["-m", "zai/glm-5", "--base-url", url, "hi"]
    yield "**`glm stream`**", [glm, "stream", *asked]
    yield "**`glm stream --jsonl`**", [glm, "stream", "--jsonl", *asked]
    if python := places.python_with("httpx", peers):
        yield f"{REFERENCE}, flushed", [python, "-c", HTTPX_FLUSHED, url, KEY]


def _arrivals(command: Sequence[str], env: Mapping[str, str], cpus: tuple[int, int]) -> list[float]:
    """When the last byte of each mark was read. We read on the server's CPU, so that reading delays no program."""
    pin(cpus[1])
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        pin(cpus[0])
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        reads = list(_reads(process.stdout.fileno()))
    if process.returncode:
        sys.exit(f"{command[0]}: exit {process.returncode}")
    ends = list(accumulate(len(data) for _, data in reads))
    return [reads[bisect_left(ends, end)][0] for end in _marks(b"".join(data for _, data in reads))]


def _reads(stdout: int) -> Iterator[tuple[float, bytes]]:
    while data := os.read(stdout, 1 << 16):
        yield time.monotonic(), data


def _marks(out: bytes) -> Iterator[int]:
    """Where each mark ends, in order; a missing one ends the program."""
    for number in range(_DELTAS - 1):  # the last delta is a newline
        mark = frames.mark(number).strip().encode()
        if (at := out.find(mark)) < 0:
            sys.exit(f"{mark.decode()} did not come out whole")
        yield at + len(mark)
