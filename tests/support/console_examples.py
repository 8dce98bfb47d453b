"""Commands as documents show them, run as a reader would run them: in a shell, without a key or a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from program import GLM, environment

TOP = Path(__file__).parents[2]
_EXIT = re.compile(r"\s*# exit (\d+)$")
_NOWHERE = "http://127.0.0.1:9"  # an example that asks a real provider fails here

# Stands in for git, since the folder is not a repository: prints a diff whatever the arguments.
_GIT = """#!/bin/sh
printf '%s\\n' '--- a/sum.py' '+++ b/sum.py' '@@ -1 +1 @@' '-    return a + b' '+    return a - b'
"""


class Step(NamedTuple):
    """A command, the exit code it must have, and what it must print (None: not shown)."""

    command: str
    code: int = 0
    shown: str | None = None


def steps(text: str) -> list[Step]:
    """The steps of a console block: `$ command`, continued after a backslash or with `> `, then what it prints.

    `# exit N` at the end of a command is its exit code. In the output, `…` matches any text within a line, and a line
    that is only `…` matches any lines.
    """
    found: list[list[str]] = []
    shown: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append([line[2:]])
            shown.append([])
        elif found and not shown[-1] and (line.startswith("> ") or found[-1][-1].endswith("\\")):
            found[-1].append(line.removeprefix("> "))
        elif found:
            shown[-1].append(line)
    return [_step("\n".join(lines), "\n".join(print_)) for lines, print_ in zip(found, shown, strict=True)]


def _step(command: str, shown: str) -> Step:
    code = _EXIT.search(command)
    return Step(_EXIT.sub("", command), int(code[1]) if code else 0, shown.strip("\n") or None)


def matches(shown: str, printed: str) -> bool:
    """Whether `printed` is what a document shows, in which `…` matches any text."""
    lines = [re.escape(line).replace("…", ".*") for line in shown.splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line == ".*" else line + r"\n" for line in lines)
    return re.fullmatch(pattern, printed.rstrip("\n") + "\n") is not None


def workplace(folder: Path) -> Path:
    """Copy the files that the documents mention into `folder`, with a `git` that prints a diff."""
    for name in ("examples", "schemas"):
        shutil.copytree(TOP / name, folder / name)
    (folder / "bin").mkdir()
    (folder / "bin" / "git").write_text(_GIT)
    (folder / "bin" / "git").chmod(0o755)
    return folder


def run(command: str, cwd: Path, bin_: Path, **variables: str) -> tuple[int, str]:
    """The exit code, and what a terminal would show."""
    home = bin_.parent / "home"
    home.mkdir(exist_ok=True)
    path = f"{bin_}:{Path(GLM).parent}:{os.environ['PATH']}"
    proxies = {"https_proxy": _NOWHERE, "HTTPS_PROXY": _NOWHERE, "http_proxy": _NOWHERE}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=cwd,
        env=environment(home, PATH=path, GLM_MODEL="sandbox/glm-5") | proxies | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode()
