"""What a row of `glm batch run` costs while many answers are streamed: CPU, as Markdown tables.

python benchmarks/batch_streams.py [--peers] [--uvloop] [--rows 500] [--rounds 3] [--cpus 0,1]

A server of our own on another CPU streams 200 deltas to each of 500 rows, 50 a second, all in flight at once; and then
2,000 deltas to each of 64 rows, as fast as they are taken. The program that is measured is the one beside this Python;
--peers installs aiohttp and openai for this run, --uvloop measures the program and the aiohttp script with uvloop too.
Exit 1 where a row of `glm` costs more than its limit, in times the aiohttp script, or an answer is not what was sent.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import platform
import sys
import sysconfig
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import arguments
import frames
import places
from process_cost import LONG, environment, spent
from server_process import ServerProcess, pin
from streams import Seen, Streams

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent
_GLM = str(Path(sysconfig.get_path("scripts")) / "glm")
_REFERENCE = "aiohttp script"
_BEHIND = 1.5  # times the server's seconds: who takes longer reads several deltas at once, and each is cheaper
_LIMIT, _UVLOOP_LIMIT = 1.15, 0.7  # CPU of a row, in times the aiohttp script on the event loop of asyncio


class Program(NamedTuple):
    """A process that asks for all rows: `command`, then the address, the rows, where to write, and how many at once."""

    name: str
    command: list[str]
    libraries: str = ""  # PYTHONPATH
    limit: float | None = None


class Load(NamedTuple):
    """How many rows there are, all in flight, and what each is sent: deltas, and seconds between two of them."""

    rows: int
    deltas: int
    interval: float = 0.0  # 0: as fast as the client reads

    @property
    def seconds(self) -> float:
        """How long the server takes for a reply."""
        return self.deltas * self.interval


class Run(NamedTuple):
    """What one process cost, without its start, and how long it took; the server's CPU beside it. Seconds."""

    cpu: float
    whole: float
    server: float


_SATURATED, _START = Load(64, 2000), Load(1, 2)


def main() -> int:
    """The exit code."""
    parser = arguments.parser(__doc__)
    parser.add_argument("--uvloop", action="store_true", help="and on uvloop; installs it for this run")
    parser.add_argument("--rows", type=arguments.positive, default=500, help="with 50 deltas a second each")
    given = parser.parse_args()
    if given.uvloop and importlib.util.find_spec("uvloop"):
        parser.error("uvloop is installed beside this Python: run it in an environment without, to compare")
    theirs, ours = given.cpus
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        peers = places.venv(home / "peers", "aiohttp", "openai") if given.peers else None
        uvloop = str(places.library(home / "uvloop", "uvloop")) if given.uvloop else ""
        programs = [*_glm(uvloop), *_peers(peers, uvloop)]
        pin(ours)
        load = Load(given.rows, 200, 0.02)
        paced = _runs(programs, load, home, theirs, given.rounds)
        print(f"{dt.datetime.now(tz=dt.UTC).date()}, Python {platform.python_version()}, {platform.machine()}\n")
        exceeded = _print_paced(programs, load, paced)
        _print_saturated(programs, _runs(programs, _SATURATED, home, theirs, given.rounds))
    return 1 if exceeded else 0


def _glm(uvloop: str) -> Iterator[Program]:
    yield Program("**`glm batch run`**", [_GLM], limit=_LIMIT)
    if uvloop:
        yield Program("**`glm batch run`**, uvloop installed", [_GLM], uvloop, _UVLOOP_LIMIT)


def _peers(peers: Path | None, uvloop: str) -> Iterator[Program]:
    for library in ("aiohttp", "openai"):
        python = places.python_with(library, peers)
        if python is None:
            print(f"{library} is not installed: --peers installs it for this run", file=sys.stderr)
            continue
        script = [python, str(_HERE / "batch_stream_peers.py"), library]
        yield Program(f"{library} script", script)
        if uvloop and library == "aiohttp":
            yield Program(f"{library} script on uvloop", script, uvloop)


def _runs(programs: list[Program], load: Load, home: Path, cpu: int, rounds: int) -> dict[str, list[Run]]:
    """The runs of each program, interleaved, so that what else the machine does meets all alike."""
    runs: dict[str, list[Run]] = {program.name: [] for program in programs}
    with _server(cpu, load) as server, _server(cpu, _START) as starting:
        for number in range(rounds):
            for program in programs:
                if runs[program.name] and runs[program.name][0].cpu > LONG:
                    continue
                print(f"round {number + 1}, {load.rows} rows: {program.name}", file=sys.stderr)
                start = _run(program, _START, starting, home)
                run = _run(program, load, server, home)
                runs[program.name].append(run._replace(cpu=run.cpu - start.cpu))
    return runs


def _server(cpu: int, load: Load) -> ServerProcess[Seen]:
    return ServerProcess(cpu, partial(Streams, "plain", load.deltas, load.interval or None))


def _run(program: Program, load: Load, server: ServerProcess[Seen], home: Path) -> Run:
    rows, out = home / f"{load.rows}.jsonl", home / "out.jsonl"
    asked = ({"id": f"r{each}", "prompt": f"question {each}"} for each in range(load.rows))
    rows.write_text("".join(json.dumps(row) + "\n" for row in asked))
    out.unlink(missing_ok=True)
    command, given = program.command, [server.url, str(rows), str(out), str(load.rows)]
    if command == [_GLM]:
        given = ["batch", "run", str(rows), "-O", str(out), "-q", "-j", str(load.rows)]
        given += ["-m", "vllm/glm-5", "--base-url", server.url]
    server.seen()
    took = spent([*command, *given], environment(home, PYTHONPATH=program.libraries), home / "stdout")
    _check(program, out, load)
    return Run(took.cpu, took.whole, server.seen().cpu)


def _check(program: Program, out: Path, load: Load) -> None:
    """Ends the program where an answer is missing, or is not what was sent."""
    answers = {row["id"]: row["answer"] for row in map(json.loads, out.read_text().splitlines())}
    text = frames.reply("plain", load.deltas).text
    if answers != {f"r{each}": text for each in range(load.rows)}:
        sys.exit(f"{program.name}: the answers are not those that were sent")


def _print_paced(programs: list[Program], load: Load, runs: dict[str, list[Run]]) -> bool:
    """Whether a limit is exceeded."""
    cpu = {program.name: median(run.cpu for run in runs[program.name]) for program in programs}
    whole = {program.name: median(run.whole for run in runs[program.name]) for program in programs}
    reference = cpu.get(_REFERENCE)
    server = median(run.server for each in runs.values() for run in each)
    print(f"{load.rows} rows in flight, {load.deltas} deltas each, 50 a second; the server itself: {server:.1f} s\n")
    print(f"| process | seconds | CPU ms a row | times the {_REFERENCE} | limit |\n|---|---:|---:|---:|---:|")
    exceeded = False
    for program in sorted(programs, key=lambda program: cpu[program.name]):
        times = cpu[program.name] / reference if reference else None
        is_too_much = times is not None and program.limit is not None and times > program.limit
        exceeded |= is_too_much
        shown = "" if times is None else f"{times:.2f}"
        limit = "" if program.limit is None else f"{program.limit}{' **exceeded**' * is_too_much}"
        per_row = cpu[program.name] / load.rows * 1000
        late = ", behind" * (whole[program.name] > _BEHIND * load.seconds)
        print(f"| {program.name} | {whole[program.name]:.1f}{late} | {per_row:.2f} | {shown} | {limit} |")
    if reference is None:
        print(f"nothing is judged without the {_REFERENCE}", file=sys.stderr)
    sys.stdout.flush()  # the rest takes another minute
    return exceeded


def _print_saturated(programs: list[Program], runs: dict[str, list[Run]]) -> None:
    deltas = _SATURATED.rows * _SATURATED.deltas
    rates = {program.name: deltas / median(run.cpu for run in runs[program.name]) for program in programs}
    server = median(run.server for each in runs.values() for run in each)
    print(f"\n{_SATURATED.rows} rows in flight, {_SATURATED.deltas:,} deltas each, as fast as they are taken; ", end="")
    print(f"the server itself: {server:.2f} s\n\n| process | deltas a CPU second |\n|---|---:|")
    for name, rate in sorted(rates.items(), key=lambda item: -item[1]):
        print(f"| {name} | {rate:,.0f} |")


if __name__ == "__main__":
    sys.exit(main())
