"""Plays a script of a server to the commands that read a reply, and holds them to one ending."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from scripted_server import Script, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from program import Completed

QUESTION = {"id": "r", "prompt": "hi"}


@pytest.fixture
def reads(glm: Callable[..., Completed], keys: dict[str, str]) -> Callable[..., Completed]:
    """Plays a script to `ask` or `stream`; on a failure `ask` prints nothing, and `stream` what came."""

    def run(
        command: str,
        script: Script,
        code: int,
        printed: str,
        *said: str,
        row: str = "zai",
        flags: tuple[str, ...] = ("--retries", "0"),
    ) -> Completed:
        with Server(script) as server:
            done = glm(command, "-P", row, "-m", "glm-5", "--base-url", server.url, *flags, "hi", env=keys)
        assert done.code == code, done.err
        assert done.text == (printed if command == "stream" or code == 0 else "")
        for words in said:
            assert words in done.err
        assert ("glm: error: " in done.err) == (code != 0)
        assert len(server.requests) == 1
        return done

    return run


@pytest.fixture(params=["ask", "stream"])
def ends(request: pytest.FixtureRequest, reads: Callable[..., Completed]) -> Callable[..., Completed]:
    """Plays a script to `ask` and to `stream`."""
    return partial(reads, request.param)


@pytest.fixture
def plays(reads: Callable[..., Completed], as_row: Callable[..., dict[str, Any]]) -> Callable[..., None]:
    """Plays a script to a command, or to a batch, whose row must end as the command does."""

    def run(command: str, script: Script, code: int, printed: str, said: str) -> None:
        if command != "batch":
            reads(command, script, code, printed, said)
            return
        entry = as_row(script, code, "--retries", "0")
        assert entry["answer"] == (printed.removesuffix("\n") if code == 0 else None)

    return run


@pytest.fixture
def as_json(glm: Callable[..., Completed], keys: dict[str, str]) -> Callable[..., dict[str, Any]]:
    """Plays a script to `ask --json`; the object that it prints."""

    def run(script: Script, code: int, *flags: str, row: str = "zai") -> dict[str, Any]:
        with Server(script) as server:
            arguments = ("-P", row, "-m", "glm-5", "--base-url", server.url, "--retries", "0", "--json", *flags)
            done = glm("ask", *arguments, "hi", env=keys)
        value: dict[str, Any] = json.loads(done.out)
        assert (done.code, value["error"]["exit_code"] if value["error"] else 0) == (code, code)
        return value

    return run


@pytest.fixture
def as_row(glm: Callable[..., Completed], keys: dict[str, str], cwd: Path) -> Callable[..., dict[str, Any]]:
    """Plays a script to a batch of one row, which may be asked once only; the line of its output."""

    def run(
        script: Script, code: int, *flags: str, row: str = "zai", line: Mapping[str, Any] = QUESTION
    ) -> dict[str, Any]:
        (cwd / "in.jsonl").write_text(json.dumps(line) + "\n")
        (cwd / "out.jsonl").unlink(missing_ok=True)
        with Server(script) as server:
            arguments = ("-P", row, "-m", "glm-5", "--base-url", server.url, "-q", "-O", "out.jsonl", *flags)
            glm("batch", "run", "in.jsonl", *arguments, env=keys)
        (written,) = (cwd / "out.jsonl").read_text().splitlines()
        entry: dict[str, Any] = json.loads(written)
        assert (entry["error"]["exit_code"] if entry["error"] else 0) == code, entry
        assert len(server.requests) == 1
        return entry

    return run
