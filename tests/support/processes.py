"""Runs of the program that a test watches while they go on, and what every error looks like."""

from __future__ import annotations

import re
import select
import subprocess
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from program import GLM, environment
from scripted_server import Hold, Script, chunk, event, head

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 30.0  # seconds; far more than anything here takes
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
    """The program, started; killed if the test leaves it behind."""
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
    """A script of bash, in which $GLM is the program. Nothing leaves its pipes unread, and no stdin is open."""
    given = environment(home, GLM=GLM, **env)
    return subprocess.run(
        ["bash", "-c", script],
        cwd=cwd,
        env=given,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )


def read_until(pipe: IO[bytes], wanted: bytes) -> bytes:
    """What came until `wanted` was among it. Fails if the pipe ends or falls silent first."""
    data = b""
    until = time.monotonic() + PATIENCE
    while wanted not in data:
        ready, _, _ = select.select([pipe], [], [], max(until - time.monotonic(), 0))
        assert ready, f"only {data!r} came"
        piece = pipe.read(1 << 16)
        assert piece, f"the pipe ended after {data!r}"
        data += piece
    return data


def wait_for(happened: Callable[[], object]) -> None:
    """Return as soon as something has happened that nobody reports."""
    until = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.005)


def error_of(err: str) -> str:
    """The message of the one error that makes up stderr, with nothing but why, fix and request id after it."""
    first, *rest = err.removesuffix("\n").split("\n")
    assert first.startswith("glm: error: "), err
    assert all(_EXTRA.fullmatch(line) for line in rest), err
    return first.removeprefix("glm: error: ")


def held(*events: dict[str, Any] | str) -> Script:
    """A stream that begins with these events and then falls silent, until the client hangs up."""
    return [head(), *(chunk(event(item)) for item in events), Hold()]


def names(folder: os.PathLike[str]) -> set[str]:
    """What is in a folder, hidden files too."""
    from pathlib import Path

    return {path.name for path in Path(folder).iterdir()}
