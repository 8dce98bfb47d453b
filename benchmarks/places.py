"""Fresh virtual environments with the program, or its peers, as their users install them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from callgrind import run

_SOURCE = Path(__file__).parent.parent
_LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")


def installing() -> dict[str, str]:
    """The environment for installing: bytecode is written."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def venv(place: Path, *packages: str) -> Path:
    """The folder of the programs of a new virtual environment that holds these packages, compiled."""
    run([sys.executable, "-m", "venv", str(place)], installing())
    python = str(place / "bin" / "python")
    run([python, "-m", "pip", "install", "--quiet", *packages], installing())
    run([python, "-m", "compileall", "-q", str(place / "lib")], installing())
    return place / "bin"


def wheel(folder: Path) -> str:
    """A wheel of the working tree, built from a copy: nothing of an earlier build gets into it."""
    shutil.copytree(_SOURCE, folder / "source", ignore=_LEFT_OUT)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    run([*pip, str(folder / "source")], installing())
    return str(next(folder.glob("*.whl")))


def version(programs: Path, package: str) -> str:
    """The installed version of a package."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return run([str(programs / "python"), "-c", code], installing()).strip()


def has(python: str, module: str) -> bool:
    """Whether this Python can import the module."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def python_with(module: str, programs: Path | None) -> str | None:
    """A Python that can import the module: this one, or that among these programs."""
    pythons = [sys.executable, *([str(programs / "python")] if programs else [])]
    return next((python for python in pythons if has(python, module)), None)


def library(place: Path, *packages: str) -> Path:
    """A folder with these packages and no others, for PYTHONPATH."""
    run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place), *packages],
        installing(),
    )
    return place
