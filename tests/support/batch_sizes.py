"""Inputs and outputs of batches of any size, written as fast as a disk takes them."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ID, _NUMBER, _ASKED = "<id>", 987654321, "<asked>"


def prompt(number: int) -> str:
    return f"question {number}"


def asked(text: str, model: str = "glm-5") -> str:
    """The hash of a plain question, as the ledger has it: what is asked, in JSON with sorted names."""
    said = {"extra": {}, "messages": [{"role": "user", "text": text}], "model": model}
    return sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()[:32]


def write_input(path: Path, count: int) -> None:
    _write(path, (f'{{"id": "r{number}", "prompt": "{prompt(number)}"}}\n' for number in range(count)))


def write_output(path: Path, like: bytes, numbers: range) -> None:
    """Lines that say that these rows are finished, in the form of a line that the program has written."""
    entry = json.loads(like) | {"id": _ID, "line": _NUMBER, "hash": _ASKED, "answer": f"Re: {_ASKED}"}
    before, line, answer, asked_, behind = _cut(json.dumps(entry))
    _write(
        path,
        (
            f"{before}r{number}{line}{number + 1}{answer}{prompt(number)}{asked_}{asked(prompt(number))}{behind}\n"
            for number in numbers
        ),
    )


def _cut(text: str) -> list[str]:
    """What stands between id, line number, answer and hash."""
    before, rest = text.split(_ID)
    line, rest = rest.split(str(_NUMBER))
    answer, asked_, behind = rest.split(_ASKED)
    return [before, line, answer, asked_, behind]


def _write(path: Path, lines: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8", buffering=1 << 20) as file:
        file.writelines(lines)
