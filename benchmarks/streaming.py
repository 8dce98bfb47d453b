"""What a streamed answer costs: CPU of whole processes, beside others that print the same stream, as a Markdown table.

python benchmarks/streaming.py [--peers] [--frames plain|varied|escaped] [--deltas 100000] [--rounds 3] [--cpus 0,1]
python benchmarks/streaming.py --delay [--peers]

A server of our own on another CPU sends each delta as an event in an HTTP chunk of its own. Measured is the program
that is installed beside this Python; --peers installs httpx, openai and llm for this run.
Exit 1 where `glm` costs more than its limit, in times the bare httpx loop, or where the text is not what was sent.
"""

from __future__ import annotations

import datetime as dt
import json
import platform
import sys
import sysconfig
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import arguments
import frames
import places
import streaming_delay
from process_cost import KEY, LONG, Spent, environment, spent
from server_process import ServerProcess, pin
from streaming_peers import REFERENCE, Case, cases, plain
from streams import Seen, Streams

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

_GLM = str(Path(sysconfig.get_path("scripts")) / "glm")
_TEXT_LIMIT, _EVENTS_LIMIT = 1.2, 2.0  # times the bare httpx loop; --jsonl prints a line of JSON for each delta


def main() -> int:
    """The exit code."""
    parser = arguments.parser(__doc__)
    parser.add_argument("--delay", action="store_true", help="of each delta of a slow stream, instead")
    parser.add_argument("--frames", choices=("plain", "varied", "escaped"), default="plain")
    parser.add_argument("--deltas", type=arguments.positive, default=100_000)
    given = parser.parse_args()
    theirs, ours = given.cpus
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        peers = places.venv(home / "peers", "httpx", "openai", "llm") if given.peers else None
        if given.delay:
            return streaming_delay.main(_GLM, peers, home, (theirs, ours))
        with ServerProcess(theirs, partial(Streams, given.frames, given.deltas, None)) as server:
            pin(ours)
            measured = [*_ours(server.url), *cases(server.url, KEY, home, peers)]
            runs, server_cpu = _measured(measured, server, home, given)
    return _print(measured, runs, server_cpu, given)


def _ours(url: str) -> Iterator[Case]:
    asked = ["-m", "zai/glm-5", "--base-url", url, "hi"]
    yield Case("**`glm stream`**", [_GLM, "stream", *asked], plain, _TEXT_LIMIT)
    yield Case("**`glm ask`**", [_GLM, "ask", *asked], plain, _TEXT_LIMIT)
    yield Case("**`glm ask --json`**", [_GLM, "ask", "--json", *asked], _answer, _TEXT_LIMIT)
    yield Case("**`glm stream --jsonl`**", [_GLM, "stream", "--jsonl", *asked], _answers, _EVENTS_LIMIT)


def _answer(out: bytes) -> str:
    answer: str = json.loads(out)["answer"]
    return answer


def _answers(out: bytes) -> str:
    events = [json.loads(line) for line in out.splitlines()]
    return "".join(event["text"] for event in events if event["type"] == "answer")


def _measured(
    measured: Sequence[Case], server: ServerProcess[Seen], home: Path, given: argparse.Namespace
) -> tuple[dict[str, list[Spent]], float]:
    """The runs of each case, interleaved, so that what else the machine does meets all alike; and the server's CPU."""
    text = frames.reply(given.frames, given.deltas).text
    runs: dict[str, list[Spent]] = {case.name: [] for case in measured}
    server_cpu = []
    for number in range(given.rounds):
        for case in measured:
            if runs[case.name] and runs[case.name][0].cpu > LONG:
                continue
            print(f"round {number + 1}: {case.name}", file=sys.stderr)
            server.seen()
            runs[case.name].append(spent(case.command, environment(home), home / "out"))
            server_cpu.append(server.seen().cpu)
            if case.text((home / "out").read_bytes()) != text:
                sys.exit(f"{case.name}: the text that came out is not the text that was sent")
    return runs, median(server_cpu)


def _print(measured: Sequence[Case], runs: dict[str, list[Spent]], server_cpu: float, given: argparse.Namespace) -> int:
    cpu = {case.name: median(run.cpu for run in runs[case.name]) for case in measured}
    reference = cpu.get(REFERENCE)
    print(f"{dt.datetime.now(tz=dt.UTC).date()}, Python {platform.python_version()}, {platform.machine()}, ", end="")
    print(f"{given.deltas:,} deltas, frames {given.frames}; the server itself: {server_cpu:.2f} s\n")
    print(f"| process | CPU s | µs a delta | times the {REFERENCE} | limit |\n|---|---:|---:|---:|---:|")
    exceeded = 0
    for case in sorted(measured, key=lambda case: cpu[case.name]):
        times = cpu[case.name] / reference if reference else 0.0
        is_too_much = case.limit is not None and times > case.limit
        exceeded += is_too_much
        limit = "" if case.limit is None else f"{case.limit:g}{' **exceeded**' * is_too_much}"
        per_delta = cpu[case.name] / given.deltas * 1_000_000
        print(
            f"| {case.name} | {cpu[case.name]:.2f} | {per_delta:.1f} | {f'{times:.2f}' * bool(reference)} | {limit} |"
        )
    if reference is None:
        print(f"nothing is judged without the {REFERENCE}", file=sys.stderr)
    return min(exceeded, 1)


if __name__ == "__main__":
    sys.exit(main())
