"""`glm batch run` before providers that allow only so much: the time against the ideal, and what was refused.

The providers are those of tests/support/limited_server.py. The ideal is what a client needs that knows the limits
and has no costs of its own; time is that of the whole process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

import limited_server


class Result(NamedTuple):
    """What one run took, and how many requests of it were refused."""

    case: limited_server.Limited
    seconds: float
    refused: float  # of 100 rows

    @property
    def misses(self) -> bool:
        """Whether more was refused than we allow ourselves."""
        return self.refused >= self.case.refusals


def main(glm: str) -> int:
    """The exit code: 1 if too much is refused."""
    results = []
    for case in limited_server.PROVIDERS.values():
        print(f"{case.name}: about {case.ideal:.0f} s", file=sys.stderr)
        results.append(_measured(glm, case))
    print("| limit | rows | seconds | ideal | refused of 100 rows |\n|---|---:|---:|---:|---:|")
    for result in results:
        case, missed = result.case, " **missed**" * result.misses
        numbers = f"{case.rows:,} | {result.seconds:.1f} | {case.ideal:.1f} | {result.refused:.1f}{missed}"
        print(f"| {case.name} | {numbers} |")
    return 1 if any(result.misses for result in results) else 0


def _measured(glm: str, case: limited_server.Limited) -> Result:
    with limited_server.running_provider(case) as server:
        seconds = seconds_of(glm, server.url, case.rows, "--no-stream", *case.flags)
        return Result(case, seconds, server.refusal_count / case.rows * 100)


def seconds_of(glm: str, url: str, count: int, *flags: str) -> float:
    """How long a run of so many rows takes, at a provider that counts requests in flight; it must end well."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = ({"id": f"r{number}", "prompt": f"question {number}"} for number in range(count))
        (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        command = [glm, "batch", "run", "in.jsonl", "-O", "out.jsonl", "-q", *flags]
        command += ["-m", "zai/glm-5", "--base-url", url]
        environment = {"PATH": "/usr/bin:/bin", "HOME": name, "LANG": "C.UTF-8", "ZAI_API_KEY": "not-a-real-key"}
        began = time.monotonic()
        subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, check=True)
        return time.monotonic() - began
