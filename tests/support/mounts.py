"""Folders in which files cannot be replaced: made with mounts of our own, or by giving up the powers of root."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest
from program import GLM, Completed, environment

if TYPE_CHECKING:
    from pathlib import Path


@cache
def _mounts() -> bool:
    if not (shutil.which("unshare") and shutil.which("mount")):
        return False
    words = ["unshare", "-m", "mount", "--bind", "/tmp", "/tmp"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def run_mounted(mount: str, home: Path, cwd: Path, *arguments: str, **env: str) -> Completed:
    """Run the program behind a line of shell that mounts something, which nobody else sees."""
    if not _mounts():
        pytest.skip("nothing can be mounted here: unshare -m needs root")
    script = f'{mount} && exec "$0" "$@"'
    words = ["unshare", "-m", "sh", "-c", script, GLM, *arguments]
    return _run(words, home, cwd, env)


def run_without_root(home: Path, cwd: Path, *arguments: str, **env: str) -> Completed:
    """Run the program as a user who is stopped by the modes of files, as root is not."""
    powers: list[str] = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("there is no setpriv here, and no mode of a file stops root")
        powers = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    return _run([*powers, GLM, *arguments], home, cwd, env)


def _run(words: list[str], home: Path, cwd: Path, env: dict[str, str]) -> Completed:
    given = environment(home, **env)
    done = subprocess.run(
        words, cwd=cwd, env=given, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    return Completed(done.returncode, done.stdout, done.stderr.decode())
