"""Runs of `glm batch run` against a fleet, and what must hold of every output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from program import CANARY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from counting_server import Fleet
    from program import Done

# A run that may write only little must not write half a compiled module either, which all others would find.
KEY = {"ZAI_API_KEY": CANARY, "PYTHONDONTWRITEBYTECODE": "1"}


def rows(count: int) -> list[dict[str, Any]]:
    """`{"id": "r0", "prompt": "question 0"}` and so on."""
    return [{"id": f"r{number}", "prompt": f"question {number}"} for number in range(count)]


def lines(values: Iterable[Any]) -> str:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


def flags(fleet: Fleet) -> list[str]:
    """A provider that counts requests in flight, at the address of the fleet."""
    return ["-m", "zai/glm-5", "--base-url", fleet.url, "--no-stream"]


def entries(path: Path) -> list[dict[str, Any]]:
    """The lines of an output, each of which must be whole."""
    data = path.read_bytes() if path.exists() else b""
    assert data.endswith(b"\n") or not data
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def by_id(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of an output, each of which must stand there once."""
    found = entries(path)
    ids = [entry["id"] for entry in found]
    assert len(ids) == len(set(ids)), "a row stands there twice"
    return dict(zip(ids, found, strict=True))


def statuses(path: Path) -> dict[str, str]:
    return {identity: entry["status"] for identity, entry in by_id(path).items()}


class Batch:
    """A folder with an input and an output."""

    def __init__(self, glm: Callable[..., Done], cwd: Path, fleet: Fleet) -> None:
        self.glm = glm
        self.fleet = fleet
        self.input = cwd / "in.jsonl"
        self.output = cwd / "out.jsonl"

    def write(self, values: Iterable[Any]) -> None:
        self.input.write_text(lines(values), encoding="utf-8")

    def arguments(self, *more: str) -> list[str]:
        return ["batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(self.fleet), *more]

    def run(self, *more: str, **options: Any) -> Done:
        return self.glm(*self.arguments(*more), env=KEY, **options)


def error(done: Done) -> str:
    """The message of the error that stderr ends with."""
    return done.err.rpartition("glm: error: ")[2].split("\n")[0]
