"""What a whole process costs: its CPU, and that of the children it waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# As long as a key of Z.ai, and of the same form: what is printed is searched for its beginning.
KEY = "d0c5" * 8 + ".not-a-real-key-1"
LONG = 5.0  # CPU seconds: a process that takes more is measured once, not in every round


class Spent(NamedTuple):
    """Seconds of a process that ended well: user and system CPU, and from start to end."""

    cpu: float
    whole: float


def environment(home: Path, **more: str) -> dict[str, str]:
    """Nothing of ours but the path, and a key for each who wants one."""
    given = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "LLM_USER_PATH": str(home)}
    return given | {"ZAI_API_KEY": KEY, "OPENAI_API_KEY": KEY} | more


def spent(command: Sequence[str], env: Mapping[str, str], out: Path) -> Spent:
    """What the command cost; its stdout goes to the file. The program ends with its words when it fails."""
    errors = out.with_suffix(".stderr")
    began = time.monotonic()
    with out.open("wb") as stdout, errors.open("wb") as stderr:
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]}: exit {process.returncode}\n{errors.read_text(errors='replace')}")
    return Spent(usage.ru_utime + usage.ru_stime, time.monotonic() - began)
