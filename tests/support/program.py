"""The installed program as tests run it: a clean environment, the key that must never come out, and how a run ended."""

from __future__ import annotations

import base64
import os
import subprocess
import sysconfig
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GLM = str(Path(sysconfig.get_path("scripts")) / "glm")

# The key of every test. Characters that base64, URLs and JSON would change make its other forms differ from it.
CANARY = "canary+KEY/1234567890=&"
FORMS = tuple(
    form.encode()
    for form in (CANARY, base64.b64encode(CANARY.encode()).decode().rstrip("="), urllib.parse.quote(CANARY, safe=""))
)

# What runs of the program import that is not ours, as far as it reads nothing of the environment: see `forked_runs`.
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

KEY_VARIABLES = ("BIGMODEL_API_KEY", "ZAI_API_KEY", "DASHSCOPE_API_KEY", "TOKENHUB_API_KEY", "OPENAI_API_KEY")


@dataclass(frozen=True)
class Done:
    """How a run of the program ended. `code` is negative for a signal, as subprocess says it."""

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


def installed(
    arguments: Sequence[str | bytes],
    cwd: Path,
    variables: dict[str, str],
    stdin: bytes | None,
    timeout: float,
    **options: object,
) -> tuple[int, bytes, bytes]:
    """The exit code, stdout and stderr of the installed console script; stdin is /dev/null unless given."""
    given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    done = subprocess.run(
        [GLM, *arguments],
        capture_output=True,
        cwd=cwd,
        env=variables,
        timeout=timeout,
        check=False,
        **(given | options),  # type: ignore[call-overload]
    )
    return done.returncode, done.stdout, done.stderr


def leaks(data: bytes) -> bool:
    return any(form in data for form in FORMS)
