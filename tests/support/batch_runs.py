"""Runs of `glm batch run` against a server, and what must hold of every output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from program import CANARY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from counting_server import CountingServer
    from program import Completed

# Where the size of files is limited, Python must not leave half a compiled module behind for all other runs.
KEY = {"ZAI_API_KEY": CANARY, "PYTHONDONTWRITEBYTECODE": "1"}


def rows(count: int) -> list[dict[str, Any]]:
    """`{"id": "r0", "prompt": "question 0"}` and so on."""
    return [{"id": f"r{number}", "prompt": f"question {number}"} for number in range(count)]


def lines(values: Iterable[Any]) -> str:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


def flags(server: CountingServer) -> list[str]:
    """The model and the address of the server; zai is a provider that limits the requests in flight."""
    return ["-m", "zai/glm-5", "--base-url", server.url, "--no-stream"]


def entries(path: Path) -> list[dict[str, Any]]:
    """The lines of an output file, each of which must be complete."""
    data = path.read_bytes() if path.exists() else b""
    assert data.endswith(b"\n") or not data
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def by_id(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of an output file by id; no id may occur twice."""
    found = entries(path)
    ids = [entry["id"] for entry in found]
    assert len(ids) == len(set(ids)), "a row occurs twice"
    return dict(zip(ids, found, strict=True))


def statuses(path: Path) -> dict[str, str]:
    return {identity: entry["status"] for identity, entry in by_id(path).items()}


class Batch:
    """A folder with an input file and an output file, and runs of `glm batch run` in it."""

    def __init__(self, glm: Callable[..., Completed], cwd: Path, server: CountingServer) -> None:
        self.glm = glm
        self.server = server
        self.input = cwd / "in.jsonl"
        self.output = cwd / "out.jsonl"

    def write(self, values: Iterable[Any]) -> None:
        self.input.write_text(lines(values), encoding="utf-8")

    def arguments(self, *more: str) -> list[str]:
        return ["batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(self.server), *more]

    def run(self, *more: str, **options: Any) -> Completed:
        return self.glm(*self.arguments(*more), env=KEY, **options)


def error(done: Completed) -> str:
    """The message of the error that stderr ends with."""
    return done.err.rpartition("glm: error: ")[2].split("\n")[0]
