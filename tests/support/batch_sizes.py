"""Inputs and outputs of batches of any size, written as fast as a disk takes them."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ID, _NUMBER, _PROMPT = "<id>", 987654321, "<prompt>"


def prompt(number: int) -> str:
    return f"question {number}"


def row_hash(text: str, model: str = "glm-5") -> str:
    """The hash of a plain prompt as the ledger has it: of the request as JSON with sorted names."""
    request = {"extra": {}, "messages": [{"role": "user", "text": text}], "model": model}
    return sha256(json.dumps(request, separators=(",", ":")).encode()).hexdigest()[:32]


def write_input(path: Path, count: int) -> None:
    _write(path, (f'{{"id": "r{number}", "prompt": "{prompt(number)}"}}\n' for number in range(count)))


def write_output(path: Path, like: bytes, numbers: range) -> None:
    """A finished row for each number, in the form of `like`, a line that the program has written."""
    entry = json.loads(like) | {"id": _ID, "line": _NUMBER, "hash": _PROMPT, "answer": f"Re: {_PROMPT}"}
    before, line, answer, hash_, after = _cut(json.dumps(entry))
    _write(
        path,
        (
            f"{before}r{number}{line}{number + 1}{answer}{prompt(number)}{hash_}{row_hash(prompt(number))}{after}\n"
            for number in numbers
        ),
    )


def _cut(text: str) -> list[str]:
    """The text before, between and after id, line number, answer and hash."""
    before, rest = text.split(_ID)
    line, rest = rest.split(str(_NUMBER))
    answer, hash_, after = rest.split(_PROMPT)
    return [before, line, answer, hash_, after]


def _write(path: Path, lines: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8", buffering=1 << 20) as file:
        file.writelines(lines)
