"""How fast `glm batch run` is, and what a row costs: whole processes, beside others.

python benchmarks/batch.py [--peers] [--rows 2000] [--rounds 3] [--cpus 0,1]
python benchmarks/batch.py --limits
python benchmarks/batch.py --ramp

A server of our own on another CPU answers each request after 50 ms. Exit 1 where the rate of `glm` is too low, beside
that of aiohttp in the same run, or else beside what the server allows. --limits plays providers that allow less, --ramp
one that takes its time.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import answering
import arguments
import batch_limits
import batch_peers
import batch_ramp
import places
import process_cost
from server_process import ServerProcess, pin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HERE = Path(__file__).parent
_GLM = str(Path(sysconfig.get_path("scripts")) / "glm")
_CURL_MOST = 300  # it has no more in flight
_LOOK = 0.02  # seconds between two looks at the memory of a process
_REFERENCE = "aiohttp"
_LIBRARIES = [name for name in batch_peers.LIBRARIES if name != "raw"]  # which is asyncio alone
# In flight: how much of aiohttp's steady rate `glm` must reach before a server of one's own; and rows a second, where
# aiohttp is not measured.
_LEAST_RATIO = {64: 0.95, 256: 0.8}
_LEAST = {64: 0.85 * 64 / answering.LATENCY, 256: 2000.0}


class Program(NamedTuple):
    """A process that asks for all rows; `command` takes the address, the rows, where to write, and how many at once."""

    name: str
    command: Callable[[str, Path, Path, int], list[str]]
    judged: bool = False
    is_reference: bool = False


class Run(NamedTuple):
    """What one process did; seconds, and MB."""

    whole: float
    steady: float
    cpu: float
    memory: float


class Result(NamedTuple):
    """A program with so much in flight, in medians."""

    program: Program
    in_flight: int
    whole: float  # rows a second
    steady: float
    cpu: float  # milliseconds a row
    memory: float


def main() -> int:
    """The exit code."""
    parser = arguments.parser(__doc__)
    parser.add_argument("--limits", action="store_true", help="servers that refuse, instead")
    parser.add_argument("--ramp", action="store_true", help="a server that streams for seconds, instead")
    parser.add_argument("--rows", type=arguments.positive, default=2000)
    given = parser.parse_args()
    if given.limits:
        return batch_limits.main(_GLM)
    if given.ramp:
        return batch_ramp.main(_GLM)
    theirs, ours = given.cpus
    with tempfile.TemporaryDirectory() as name, ServerProcess(theirs, answering.Answering) as server:
        folder = Path(name)
        peers = _peers(places.venv(folder / "peers", *_LIBRARIES)) if given.peers else ()
        programs = [*_glm(), *peers]
        pin(ours)
        results = list(_results(programs, server, folder, given.rows, given.rounds))
    return 1 if _print(results) else 0


def _glm() -> Iterator[Program]:
    def command(provider: str, *more: str) -> Callable[[str, Path, Path, int], list[str]]:
        return lambda url, rows, out, most: [
            *(_GLM, "batch", "run", str(rows), "-O", str(out), "-j", str(most), "-q"),
            *("-m", f"{provider}/glm-5", "--base-url", url, *more),
        ]

    yield Program("**`glm batch run --no-stream`**, own server", command("vllm", "--no-stream"), judged=True)
    yield Program("`glm batch run`, own server, streamed", command("vllm"))
    yield Program("`glm batch run --no-stream`, hosted", command("zai", "--no-stream"))


def _peers(installed: Path) -> Iterator[Program]:
    yield _peer("asyncio, HTTP by hand", sys.executable, "raw")
    for name in _LIBRARIES:
        python = places.python_with(name, installed) or sys.executable
        yield _peer(f"{name} {places.version(Path(python).parent, name)}", python, name)
    if curl := shutil.which("curl"):
        yield Program("`curl --parallel`", lambda url, rows, out, most: _curl(curl, url, rows, out, most))
    else:
        print("curl is not installed", file=sys.stderr)


def _peer(title: str, python: str, library: str) -> Program:
    script = [python, str(_HERE / "batch_peers.py"), library]

    def command(url: str, rows: Path, out: Path, most: int) -> list[str]:
        return [*script, url, str(rows), str(out), str(most)]

    return Program(title, command, is_reference=library == _REFERENCE)


def _curl(curl: str, url: str, rows: Path, out: Path, most: int) -> list[str]:
    """One URL after another in a file of its own; all answers go to one output."""
    config = out.with_suffix(".curl")
    parts = []
    for line in rows.read_text().splitlines():
        message = {"role": "user", "content": json.loads(line)["prompt"]}
        body = json.dumps({"model": "glm-5", "messages": [message]})
        quoted = json.dumps(body)
        parts.append(f'url = "{url}/chat/completions"\nheader = "Content-Type: application/json"\ndata = {quoted}\n')
    config.write_text("next\n".join(parts))
    return [curl, "-sS", "--parallel", "--parallel-max", str(min(most, _CURL_MOST)), "-K", str(config)]


def _results(
    programs: list[Program], server: ServerProcess[answering.Seen], folder: Path, rows: int, rounds: int
) -> Iterator[Result]:
    """Interleaved, so that what else the machine does meets all alike."""
    for in_flight in _LEAST:
        runs: dict[str, list[Run]] = {program.name: [] for program in programs}
        starts = {program.name: _measured(program, server, folder, 1, in_flight).cpu for program in programs}
        for number in range(rounds):
            for program in programs:
                if runs[program.name] and runs[program.name][0].cpu > process_cost.LONG:
                    continue
                print(f"round {number + 1}, {in_flight} in flight: {program.name}", file=sys.stderr)
                runs[program.name].append(_measured(program, server, folder, rows, in_flight))
        for program in programs:
            whole, steady, cpu, memory = (median(each) for each in zip(*runs[program.name], strict=True))
            spent = (cpu - starts[program.name]) / (rows - 1) * 1000
            yield Result(program, in_flight, rows / whole, rows / steady, spent, memory)


def _measured(program: Program, server: ServerProcess[answering.Seen], folder: Path, count: int, in_flight: int) -> Run:
    rows, out = folder / f"{count}.jsonl", folder / "out.jsonl"
    if not rows.exists():
        asked = ({"id": f"r{each}", "prompt": f"{each} {'x' * 150}"} for each in range(count))
        rows.write_text("".join(json.dumps(row) + "\n" for row in asked))
    out.unlink(missing_ok=True)
    command = [str(word) for word in program.command(server.url, rows, out, in_flight)]
    server.seen()
    began = time.monotonic()
    process = subprocess.Popen(
        command, env=process_cost.environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    memory, usage = _wait(process)
    whole = time.monotonic() - began
    seen = server.seen()
    if process.returncode or seen.requests != count:
        sys.exit(f"{program.name}: exit {process.returncode}, {seen.requests} of {count} rows were asked")
    return Run(whole, seen.seconds, usage, memory)


def _wait(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """The peak memory in MB and the CPU seconds of a process, when it has ended.

    The peak is read while it lives: what the system says of it afterwards includes that of the process that started it.
    """
    peak = 0.0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return peak, usage.ru_utime + usage.ru_stime
        peak = max(peak, _peak(process.pid))
        time.sleep(_LOOK)


def _peak(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    found = status.partition("VmHWM:")[2].split()
    return int(found[0]) / 1024 if found else 0.0


def _print(results: list[Result]) -> bool:
    """Whether a rate is too low."""
    print(f"{dt.datetime.now(tz=dt.UTC).date()}, Python {platform.python_version()}, {platform.machine()}\n")
    print("| process | in flight | rows/s | steady | ideal | times aiohttp | limit | CPU ms a row | peak MB |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    reference = {result.in_flight: result.steady for result in results if result.program.is_reference}
    missed = False
    for result in sorted(results, key=lambda result: (result.in_flight, -result.steady)):
        beside, limit, misses = _judged(result, reference.get(result.in_flight))
        missed |= misses
        rates = f"{result.whole:,.0f} | {result.steady:,.0f} | {result.in_flight / answering.LATENCY:,.0f}"
        judged = f"{beside} | {limit}{' **missed**' * misses}"
        print(f"| {result.program.name} | {result.in_flight} | {rates} | {judged} ", end="")
        print(f"| {result.cpu:.2f} | {result.memory:.0f} |")
    return missed


def _judged(result: Result, reference: float | None) -> tuple[str, str, bool]:
    """The steady rate beside aiohttp's, the limit, and whether it is missed."""
    beside = f"{result.steady / reference:.2f}" if reference else ""
    if not result.program.judged:
        return beside, "", False
    if reference:
        ratio = _LEAST_RATIO[result.in_flight]
        return beside, f"{ratio:g} x", result.steady < ratio * reference
    least = _LEAST[result.in_flight]
    return "", f"{least:,.0f}/s", result.steady < least


if __name__ == "__main__":
    sys.exit(main())
