"""Runs of the program that a test watches while they run, and the form that every error has."""

from __future__ import annotations

import re
import select
import subprocess
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from program import GLM, environment
from scripted_server import Script, Stall, chunk, event, head

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from pathlib import Path

TIMEOUT = 30.0  # seconds; far longer than anything here takes
_EXTRA = re.compile("  (why|fix|request id): .+")


@contextmanager
def running(
    home: Path,
    cwd: Path,
    *arguments: str,
    env: dict[str, str] | None = None,
    program: tuple[str, ...] = (GLM,),
    **more: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """The program while it runs; it is killed at the end of the `with` block."""
    given: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "cwd": cwd,
        "env": environment(home, **(env or {})),
        "bufsize": 0,
    }
    with subprocess.Popen([*program, *arguments], **(given | more)) as process:
        try:
            yield process
        finally:
            process.kill()


def shell(script: str, home: Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a bash script in which $GLM is the program; stdin is /dev/null."""
    given = environment(home, GLM=GLM, **env)
    return subprocess.run(
        ["bash", "-c", script],
        cwd=cwd,
        env=given,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )


def read_until(pipe: IO[bytes], wanted: bytes) -> bytes:
    """What the pipe delivered until `wanted` was part of it. Fails if the pipe ends or falls silent first."""
    data = b""
    until = time.monotonic() + TIMEOUT
    while wanted not in data:
        ready, _, _ = select.select([pipe], [], [], max(until - time.monotonic(), 0))
        assert ready, f"the pipe is silent after {data!r}"
        piece = pipe.read(1 << 16)
        assert piece, f"the pipe ended after {data!r}"
        data += piece
    return data


def wait_for(happened: Callable[[], object]) -> None:
    """Poll until `happened` is true."""
    until = time.monotonic() + TIMEOUT
    while not happened():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.005)


def error_of(err: str) -> str:
    """The message of the one error that stderr holds; only why, fix and request id may follow it."""
    first, *rest = err.removesuffix("\n").split("\n")
    assert first.startswith("glm: error: "), err
    assert all(_EXTRA.fullmatch(line) for line in rest), err
    return first.removeprefix("glm: error: ")


def stalled(*events: dict[str, Any] | str) -> Script:
    """A stream of these events that then falls silent, until the client closes the connection."""
    return [head(), *(chunk(event(item)) for item in events), Stall()]


def file_names(folder: os.PathLike[str]) -> set[str]:
    """The names of all files of a folder, hidden ones too."""
    from pathlib import Path

    return {path.name for path in Path(folder).iterdir()}
