"""What the README's "What you can rely on" says, measured again: a Markdown table.

python benchmarks/promises.py [--peers]

Installs the working tree, as a wheel, into a fresh virtual environment; with --peers also llm into another. The broken
replies are those of tests/support/broken_replies.py. Ends with 1 when a broken reply is called a success.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import places

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

import broken_replies
import scripted_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_KEY = "not-a-real-key"
_LLM_MODEL = "- model_id: bench\n  model_name: glm-5\n  api_base: {url}\n"
_MEBIBYTE = 1 << 20
_ROUNDS = 3  # of which the best counts: seconds depend on what else the machine does


class Program(NamedTuple):
    """A program that asks a model, and how it is told where."""

    name: str
    command: Callable[[str, str], list[str]]  # of the provider's row and the address


def main() -> int:
    """The exit code: 1 if glm calls a broken reply a success."""
    parser = argparse.ArgumentParser(description="Measure what the README promises.")
    parser.add_argument("--peers", action="store_true", help="try llm too (installs it for this run)")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        glm = partial(_glm, places.venv(home / "ours", places.wheel(home)))
        programs = [Program("glm ask", partial(glm, "ask"))]
        if wanted.peers:
            programs.append(Program("llm", partial(_llm, places.venv(home / "peers", "llm"), home)))
        codes = {program.name: list(_codes(program, home)) for program in programs}
        _print_codes(codes)
        _print_sizes(Program("glm stream", partial(glm, "stream")), home)
        _print_interrupts([Program(name, partial(glm, name)) for name in ("ask", "stream")], home)
    return 1 if 0 in codes["glm ask"] else 0


def _glm(programs: Path, command: str, row: str, url: str) -> list[str]:
    return [str(programs / "glm"), command, "-m", f"{row}/glm-5", "--base-url", url, "--retries", "0", "hi"]


def _llm(programs: Path, home: Path, _row: str, url: str) -> list[str]:
    (home / "extra-openai-models.yaml").write_text(_LLM_MODEL.format(url=url))
    return [str(programs / "llm"), "--no-log", "-m", "bench", "hi"]


def _options(home: Path) -> dict[str, Any]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", "LLM_USER_PATH": str(home)}
    environment |= dict.fromkeys(("ZAI_API_KEY", "DASHSCOPE_API_KEY", "OPENAI_API_KEY"), _KEY)
    return {"env": environment, "stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def _codes(program: Program, home: Path) -> Iterator[int]:
    for name, (row, script, _, _) in broken_replies.BROKEN.items():
        print(f"playing {name} to {program.name}", file=sys.stderr)
        with scripted_server.Server(script) as server:
            command = program.command(row, server.url)
            yield subprocess.run(command, stdout=subprocess.DEVNULL, check=False, **_options(home)).returncode


def _print_codes(codes: dict[str, list[int]]) -> None:
    print(f"| broken reply | {' | '.join(codes)} |\n|---|{'---:|' * len(codes)}")
    for number, name in enumerate(broken_replies.BROKEN):
        print(f"| {name} | {' | '.join(str(ends[number]) for ends in codes.values())} |")
    print(f"| **exit 0** | {' | '.join(f'**{ends.count(0)}**' for ends in codes.values())} |\n")


def _print_sizes(program: Program, home: Path) -> None:
    print("| one streamed answer | seconds |\n|---|---:|")
    for size in (10, 20, 50):
        script = scripted_server.answer("x" * (size * _MEBIBYTE))
        print(f"| {size} MiB in one event | {_seconds(program, script, home):.2f} |")
    for count in (50_000, 100_000, 200_000):
        piece = scripted_server.event(scripted_server.delta(content="x"))
        script = scripted_server.stream(piece * count, broken_replies.STOP)
        print(f"| {count:,} events of one character | {_seconds(program, script, home):.2f} |")
    print()


def _seconds(program: Program, script: scripted_server.Script, home: Path) -> float:
    took = []
    for _ in range(_ROUNDS):
        with scripted_server.Server(script) as server:
            began = time.monotonic()
            command = program.command("zai", server.url)
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True, **_options(home))
            took.append(time.monotonic() - began)
    return min(took)


def _print_interrupts(programs: list[Program], home: Path) -> None:
    print("| Ctrl-C while the answer comes | ends after | by |\n|---|---:|---|")
    for program in programs:
        took, code = _interrupted(program, home)
        print(f"| {program.name} | {took * 1000:.0f} ms | {signal.Signals(-code).name if code < 0 else code} |")


def _interrupted(program: Program, home: Path) -> tuple[float, int]:
    """Seconds from the signal to the end, and how it ended. Reasoning on stderr shows that the answer has begun."""
    delta = scripted_server.delta(reasoning_content="so", content="far")
    held: scripted_server.Script = [
        scripted_server.head(),
        scripted_server.chunk(scripted_server.event(delta)),
        scripted_server.Stall(),
    ]
    with scripted_server.Server(held) as server:
        command = program.command("zai", server.url)
        options = _options(home) | {"stderr": subprocess.PIPE}
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, **options) as process:
            assert process.stderr is not None  # noqa: S101 - a pipe was asked for
            os.read(process.stderr.fileno(), 1)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            code = process.wait()
            return time.monotonic() - began, code


if __name__ == "__main__":
    sys.exit(main())
