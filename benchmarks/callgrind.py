"""How many instructions a process executes."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COLLECTED = re.compile(r"Collected : (\d+)")


def run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a command prints on stdout; the program ends with its words when it fails."""
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def instructions(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Instructions of the process and of all its children.

    The command runs once without valgrind first, so that nothing is counted that only a first run does.
    """
    run(command, environment)
    with tempfile.TemporaryDirectory() as folder:
        valgrind = ["valgrind", "--tool=callgrind", "--trace-children=yes"]
        files = ["--callgrind-out-file=/dev/null", f"--log-file={folder}/%p"]
        run([*valgrind, *files, *command], environment)
        logs = [path.read_text() for path in Path(folder).iterdir()]
    return sum(int(count) for log in logs for count in _COLLECTED.findall(log))
