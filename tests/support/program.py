"""How tests run the installed program: a clean environment, a key that must never leak, and the result of a run."""

from __future__ import annotations

import base64
import os
import subprocess
import sysconfig
import urllib.parse
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GLM = str(Path(sysconfig.get_path("scripts")) / "glm")

# The key of every test. It has characters that URLs and JSON escape, so that its encodings differ from it.
CANARY = "canary+KEY/1234567890=&"
KEY_ENCODINGS = tuple(
    form.encode()
    for form in (CANARY, base64.b64encode(CANARY.encode()).decode().rstrip("="), urllib.parse.quote(CANARY, safe=""))
)  # No piece of nine characters is shown either; digits alone may be a number of another kind.
KEY_PIECES = tuple(
    piece.encode() for piece in (CANARY[begin : begin + 9] for begin in range(len(CANARY) - 8)) if not piece.isdigit()
)

# Libraries that runs of the program import and that read no environment variables on import: see `forked_runs`.
LIBRARIES = (
    "aiohttp",
    "certifi",
    "difflib",
    "httpx",
    "jsonschema",
    "sqlite3",
    "typer.main",
    "uuid",
    "yaml",
    "encodings.idna",
)


@dataclass(frozen=True)
class Completed:
    """The result of a run of the program. `code` is negative for a signal, as in subprocess."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()


def environment(home: Path, **changes: str) -> dict[str, str]:
    """A clean environment: no keys, no configuration, no proxies, buffered output as users have it."""
    kept = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    if "COVERAGE_PROCESS_CONFIG" in os.environ:
        kept["COVERAGE_PROCESS_CONFIG"] = os.environ["COVERAGE_PROCESS_CONFIG"]
    return kept | changes


def run_program(  # noqa: PLR0917 - the parameters of a run
    program: str,
    arguments: Sequence[str | bytes],
    cwd: Path,
    variables: dict[str, str],
    stdin: bytes | None,
    timeout: float,
    **options: object,
) -> tuple[int, bytes, bytes]:
    """The exit code, stdout and stderr of a program; stdin is /dev/null unless given."""
    given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    done = subprocess.run(
        [program, *arguments],
        capture_output=True,
        cwd=cwd,
        env=variables,
        timeout=timeout,
        check=False,
        **(given | options),  # type: ignore[call-overload]
    )
    return done.returncode, done.stdout, done.stderr


installed = partial(run_program, GLM)  # the console script


def leaks(data: bytes) -> bool:
    """Whether the key occurs in `data`, plain or encoded, or a piece of it that tells more than which one it is."""
    return any(form in data for form in (*KEY_ENCODINGS, *KEY_PIECES))
