"""Write the scripts, or with --check say which are not as they would be written."""

from __future__ import annotations

import sys
from pathlib import Path

from . import bash, fish, zsh
from .tree import places

_FOLDER = Path(__file__).parent.parent
_COMMAND = "python -m completions.generator"


def main(arguments: list[str]) -> int:
    """0 when all is well; 1 when --check finds a difference; 2 for other arguments."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write(f"usage: {_COMMAND} [--check]\n")
        return 2
    tree = places()
    scripts = {"glm.bash": bash.script(tree), "_glm": zsh.script(tree), "glm.fish": fish.script(tree)}
    stale = [name for name, text in scripts.items() if not _holds(_FOLDER / name, text)]
    if arguments:
        sys.stderr.write("".join(f"completions/{name} is not up to date; run: {_COMMAND}\n" for name in stale))
        return 1 if stale else 0
    for name in stale:
        (_FOLDER / name).write_text(scripts[name], encoding="utf-8")
    return 0


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
