"""Torture, as curl does it: count the fallible calls of a normal run, then fail each one in turn.

Every run must end in a documented exit code, without a traceback, a key or a torn file; and 0 still means a complete
answer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scripted_server import Server, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from program import Completed

HERE = Path(__file__).parents[1] / "programs" / "torture"
# What a script may see; -13 is SIGPIPE. 70, a bug, is not among them.
DOCUMENTED = {0, 2, 3, 5, 6, 7, 13, 14, -13}

Scenario = list[str]
SCENARIOS: dict[str, Scenario] = {
    "ask": ["ask", "hello"],
    "stream": ["stream", "hello"],
    "json": ["ask", "--json", "hello"],
    "files": ["ask", "-O", "out.txt", "--meta", "meta.json", "--reasoning", "thoughts.txt", "-a", "notes.txt", "hello"],
    "session": ["ask", "--session", "talk.jsonl", "hello"],
    "request": ["ask", "-f", "request.yaml"],
}
OLD_TALK = '{"role": "user", "content": "a"}\n{"role": "assistant", "content": "b"}\n'


@pytest.fixture
def torture(
    glm: Callable[..., Completed], cwd: Path, tmp_path: Path, keys: dict[str, str]
) -> Callable[[str, int], Completed]:
    def run(scenario: str, fail: int) -> Completed:
        (cwd / "out.txt").write_text("old answer\n")
        (cwd / "notes.txt").write_text("notes\n")
        (cwd / "talk.jsonl").write_text(OLD_TALK)
        (cwd / "request.yaml").write_text("prompt: hello\n")
        settings = {"PYTHONPATH": str(HERE), "TORTURE_FAIL": str(fail), "TORTURE_COUNT": str(tmp_path / "count")}
        with Server(answer("The whole answer.", "Thinking.")) as server:
            # After a failed send the library still waits for an answer: a server may refuse a body before it is whole.
            place = ["-P", "zai", "--base-url", server.url, "--retries", "0", "--first-timeout", "1"]
            return glm(*SCENARIOS[scenario], *place, env=keys | settings)

    return run


def calls(torture: Callable[[str, int], Completed], scenario: str, count: Path) -> int:
    done = torture(scenario, 0)
    assert done.code == 0, done.err
    number = len(count.read_text().splitlines())
    assert number > 5, "the harness counts nothing"
    return number


@pytest.mark.sampled(3)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_fallible_call_may_fail(torture, scenario: str, cwd: Path, tmp_path: Path) -> None:
    for fail in range(1, calls(torture, scenario, tmp_path / "count") + 1):
        done = torture(scenario, fail)
        told = f"{scenario}, call {fail}: exit {done.code}\n{done.err}"
        assert done.code in DOCUMENTED, told
        check_answer(scenario, done, cwd, told)
        check_files(scenario, done, cwd, told)
        assert not list(cwd.glob(".*.txt.*")), f"a temporary file is left: {told}"


def check_answer(scenario: str, done: Completed, cwd: Path, told: str) -> None:
    if done.code == 0 and scenario == "files":
        assert (cwd / "out.txt").read_text() == "The whole answer.\n", told
    elif done.code == 0:
        assert b"The whole answer." in done.out, told
    elif scenario == "ask":
        assert done.out in (b"", b"The whole answer.\n"), told


def check_files(scenario: str, done: Completed, cwd: Path, told: str) -> None:
    assert (cwd / "out.txt").read_text() in ("old answer\n", "The whole answer.\n"), told
    lines = (cwd / "talk.jsonl").read_text().splitlines()
    assert [json.loads(line)["content"] for line in lines[:2]] == ["a", "b"], told
    assert len(lines) == (4 if scenario == "session" and done.code == 0 else 2) or done.code == 14, told
    assert all(json.loads(line)["role"] in ("user", "assistant") for line in lines), told
