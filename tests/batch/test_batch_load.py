"""Batches before providers that allow only so much: nothing is lost, little is refused, and little time is wasted.

The real program asks a server; rates are compared with those of the same machine in the same minute. And batches of
more rows than memory and the temporary folder hold.
"""

from __future__ import annotations

import json
import resource
import subprocess
import time
from contextlib import ExitStack

import batch_sizes as sizes
import pytest
from batch_runs import KEY, Batch, by_id, flags, lines, rows
from counting_server import CountingServer
from limited_server import CAP, DELAY, PROVIDERS, running_provider
from program import GLM, environment

pytestmark = pytest.mark.slow


def run_limited(glm, cwd, name, *more):
    """Every row is answered, once; seconds in which rows were asked, and refusals of 100 rows."""
    case = PROVIDERS[name]
    with running_provider(case) as server:
        batch = Batch(glm, cwd, server)
        batch.write(rows(case.rows))
        began = time.monotonic()
        done = batch.run(*case.flags, *more, timeout=300)
        took = time.monotonic() - began
        assert done.code == 0, done.err
        assert_all_answered(batch.output, case.rows)
        assert max(server.answer_counts.values()) == 1
        return took, server.refusal_count / case.rows * 100


def assert_all_answered(output, count) -> None:
    found = by_id(output)
    assert {identity: entry["answer"] for identity, entry in found.items()} == {
        f"r{number}": f"Re: question {number}" for number in range(count)
    }


def test_a_cap_that_moves(glm, cwd) -> None:
    _, refused = run_limited(glm, cwd, "moving")
    assert refused < PROVIDERS["moving"].refusals


def test_a_steady_cap_is_used_nearly_as_well_as_if_it_were_told(glm, cwd) -> None:
    """85 of 100 rows that the same machine manages with -j 40: rows a second, whole processes."""
    told, _ = run_limited(glm, cwd, "steady", "-j", str(CAP))
    (cwd / "out.jsonl").unlink()
    found, refused = run_limited(glm, cwd, "steady")
    assert refused < PROVIDERS["steady"].refusals
    assert told / found >= 0.85


def test_a_minute_that_is_told(glm, cwd) -> None:
    took, refused = run_limited(glm, cwd, "minute")
    assert refused < PROVIDERS["minute"].refusals
    assert took < 120


def test_two_in_flight(glm, cwd) -> None:
    _, refused = run_limited(glm, cwd, "two")
    assert refused < PROVIDERS["two"].refusals


def test_slow_answers_are_not_waited_for(glm, cwd) -> None:
    """All rows are in flight before the first is answered: two at first, and more as long as none is refused."""
    with CountingServer(delay=8) as server:
        batch = Batch(glm, cwd, server)
        batch.write(rows(8))
        done = batch.run("-j", "8", timeout=60)
        assert done.code == 0, done.err
        assert_all_answered(batch.output, 8)
        assert server.most_in_flight == 8


def test_two_shards_on_one_cap(home, cwd) -> None:
    count = 5000
    (cwd / "in.jsonl").write_text(lines(rows(count)))
    with CountingServer(delay=DELAY, cap=CAP) as server, ExitStack() as stack:
        runs = []
        for which in (1, 2):
            arguments = ["batch", "run", "in.jsonl", "-O", f"out{which}.jsonl", "-j", "256", "--shard", f"{which}/2"]
            command = [GLM, *arguments, *flags(server)]
            env = environment(home, **KEY)
            runs.append(stack.enter_context(subprocess.Popen(command, cwd=cwd, env=env, stderr=subprocess.DEVNULL)))
        assert [run.wait(300) for run in runs] == [0, 0]
        assert max(server.answer_counts.values()) == 1
        # The runs try for more each second, so a slow machine sees more refusals: 87 were seen, mostly fewer than 50.
        assert server.refusal_count < count / 20
    (cwd / "all.jsonl").write_bytes(b"".join((cwd / f"out{which}.jsonl").read_bytes() for which in (1, 2)))
    assert_all_answered(cwd / "all.jsonl", count)


MANY = 300_000
LIKE = {"id": "", "line": 0, "status": "ok", "answer": "", "calls": 1, "hash": "", "final": True}
LIKE |= {"provider": "vllm", "model": "glm-5", "finished_at": "2026-11-22T07:40:00.123Z"}


@pytest.mark.parametrize("command", [("merge", "-O", "/dev/null"), ("report",)])
def test_a_temporary_folder_that_is_full(glm, cwd, command) -> None:
    sizes.write_output(cwd / "out.jsonl", json.dumps(LIKE).encode(), range(MANY))
    name, *more = command
    done = glm(
        *("batch", name, "out.jsonl", *more),
        env=KEY,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)),
        timeout=120,
    )
    assert (done.code, done.out) == (14, b"")
    assert done.err.startswith("glm: error: cannot keep the rows in a temporary file: ")
    assert "TMPDIR" in done.err
