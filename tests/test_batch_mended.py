"""What a review of `glm batch run` has broken, a test a finding: each was seen to fail before it was mended."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from hashlib import sha256

import batch_sizes as sizes
import pytest
from batches import KEY, Batch, by_id, entries, error, flags, lines, rows, statuses
from conftest import CANARY
from fleet import Fleet, Said, answered, prompt_of, refused
from fronts import Front, Tunnels, at, tls
from processes import names, running, wait_for

DOWN = Said(500, {"error": {"code": "1234", "message": "down"}})
SENSITIVE = refused({"error": {"code": "1301", "message": "sensitive"}}, status=400)
NO_MONEY = refused({"error": {"code": "1113", "message": "no balance"}})
CHANGED = "a finished row answers another request than would be sent now"


@pytest.fixture
def fleet():
    with Fleet() as server:
        yield server


@pytest.fixture
def batch(glm, cwd, fleet):
    return Batch(glm, cwd, fleet)


def unless(prompts, said):
    """A server that answers all prompts but these."""
    return lambda body: said if prompt_of(body) in prompts else None


# What is read, or is somebody else's, is not written over


@pytest.mark.parametrize(
    ("file", "text", "more", "message"),
    [
        ("in.txt", "one\ntwo", (), "INPUT and --output name the same file: in.txt"),
        ("ask.yaml", "prompt: Hello", ("-f", "ask.yaml"), "--request and --output name the same file: ask.yaml"),
        ("key", CANARY, ("--key-file", "key"), "--key-file and --output name the same file: key"),
        ("notes", "remember the milk", (), "notes:1: not a line that glm batch has written"),
        ("json", '{"id": "a", "no": "ledger"}\n{"id": "b"', (), "json:1: not a line that glm batch has written"),
    ],
)
def test_a_file_that_is_no_output_stays_as_it_is(batch, cwd, file, text, more, message) -> None:
    (cwd / "in.txt").write_text("one\ntwo")
    (cwd / file).write_text(text)
    before = names(cwd)
    done = batch.glm(
        "batch", "run", "in.txt", "-O", file, *flags(batch.fleet), *more, env=KEY, may_hold_key=(cwd / "key",)
    )
    assert (done.code, error(done)) == (2, message)
    assert (cwd / file).read_text() == text
    assert names(cwd) == before
    assert batch.fleet.asked == []


def test_a_run_that_cannot_begin_leaves_no_empty_output(batch, cwd) -> None:
    batch.write([{"id": "a", "prompt": "1"}, {"id": "a", "prompt": "2"}])
    assert batch.run().code == 2
    assert names(cwd) == {"in.jsonl"}


@pytest.mark.parametrize(
    ("place", "flag"), [("out.jsonl", "--output"), ("in.jsonl", "INPUT"), ("ask.yaml", "--request")]
)
def test_a_table_is_not_written_over_what_is_read(batch, cwd, place, flag) -> None:
    batch.write([{"id": "a", "vars": {"x": "1"}}])
    (cwd / "ask.yaml").write_text("prompt: Is {{x}} even?\n")
    assert batch.run("-f", "ask.yaml").code == 0
    before = {path.name: path.read_bytes() for path in cwd.iterdir()}
    done = batch.run("-f", "ask.yaml", "--csv", place)
    assert (done.code, error(done)) == (2, f"{flag} and --csv name the same file: {place}")
    assert {path.name: path.read_bytes() for path in cwd.iterdir()} == before
    assert len(batch.fleet.asked) == 1


def test_the_output_removed_during_a_run_is_told(batch, cwd, home) -> None:
    gone_while_running(batch, home, cwd, lambda: (cwd / "to" / "out.jsonl").unlink())


def test_the_folder_removed_during_a_run_is_told(batch, cwd, home) -> None:
    gone_while_running(batch, home, cwd, lambda: shutil.rmtree(cwd / "to"))


def test_the_output_moved_during_a_run_is_told(batch, cwd, home) -> None:
    gone_while_running(batch, home, cwd, lambda: (cwd / "to" / "out.jsonl").rename(cwd / "elsewhere.jsonl"))
    assert set(by_id(cwd / "elsewhere.jsonl")) == {"r0", "r1", "r2"}


def test_the_new_output_of_a_second_run_is_not_replaced(batch, cwd, home) -> None:
    """The first run has a failed line to leave out when it ends, and would put its file where the second's is."""
    batch.fleet.says = unless({"question 0"}, DOWN)

    def move() -> None:
        (cwd / "to" / "out.jsonl").rename(cwd / "elsewhere.jsonl")
        batch.write(rows(1))
        batch.fleet.says = lambda _body: answered("of the second run")
        assert batch.run("-O", "to/out.jsonl").code == 0

    gone_while_running(batch, home, cwd, move, "--ordered")
    assert by_id(cwd / "to" / "out.jsonl")["r0"]["answer"] == "of the second run"
    assert names(cwd / "to") == {"out.jsonl"}


def gone_while_running(batch, home, cwd, change, *more) -> None:
    batch.write(rows(3))
    (cwd / "to").mkdir()
    with Fleet(delay=0.2) as slow:
        given = ("batch", "run", "in.jsonl", "-O", "to/out.jsonl", *flags(slow), "-j", "1", *more)
        with running(home, cwd, *given, env=KEY) as process:
            slow.wait_for(2)
            change()
            _, err = process.communicate(timeout=30)
    message = "cannot write to/out.jsonl: it was moved, removed or replaced while this run wrote it"
    assert f"glm: error: {message}\n" in err.decode()
    assert process.returncode == 14


def test_a_long_run_ends_soon_when_its_output_is_gone(batch, home, cwd) -> None:
    batch.write(rows(1000))
    with Fleet(delay=0.02) as slow:
        given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(slow), "-j", "1")
        with running(home, cwd, *given, env=KEY, stderr=subprocess.DEVNULL) as process:
            slow.wait_for(2)
            batch.output.unlink()
            assert process.wait(15) == 14
        assert len(slow.asked) < 500


# Answers are never taken back


def test_a_typo_in_the_template_costs_no_answer(batch, cwd) -> None:
    batch.write([{"id": f"r{number}", "vars": {"x": str(number)}} for number in range(3)])
    (cwd / "ask.yaml").write_text("prompt: Is {{x}} even?\n")
    assert batch.run("-f", "ask.yaml").code == 0
    before = batch.output.read_bytes()
    (cwd / "ask.yaml").write_text("prompt: Is {{y}} even?\n")
    done = batch.run("-f", "ask.yaml")
    assert (done.code, error(done)) == (2, "3 finished rows answer another request than would be sent now")
    assert batch.output.read_bytes() == before
    (cwd / "ask.yaml").write_text("prompt: Is {{x}} even?\n")
    assert batch.run("-f", "ask.yaml").code == 0
    assert batch.output.read_bytes() == before
    assert len(batch.fleet.asked) == 3


def test_a_file_that_was_emptied_costs_no_answer(batch, cwd) -> None:
    for name in ("a.txt", "b.txt"):
        (cwd / name).write_text(f"text of {name}")
    (cwd / "list").write_bytes(b"a.txt\0b.txt\0")
    given = ("batch", "run", "--files0", "list", "-O", "out.jsonl", *flags(batch.fleet))
    assert batch.glm(*given, env=KEY).code == 0
    before = batch.output.read_bytes()
    (cwd / "a.txt").write_text("")
    done = batch.glm(*given, env=KEY)
    assert (done.code, error(done)) == (2, CHANGED)
    assert batch.output.read_bytes() == before
    (cwd / "a.txt").write_text("text of a.txt")
    assert batch.glm(*given, env=KEY).code == 0
    assert sorted(batch.fleet.asked) == ["text of a.txt", "text of b.txt"]


def test_a_broken_row_does_not_take_the_name_of_another(batch) -> None:
    batch.input.write_text(lines([{"id": "line-3", "prompt": "1"}, {"id": "b", "prompt": "2"}]) + "{broken\n")
    for _ in range(2):
        assert batch.run("--ordered").code == 15
        assert statuses(batch.output) == {"line-3": "ok", "b": "ok", "line-3#bad": "invalid"}
        assert by_id(batch.output)["line-3"]["answer"] == "Re: 1"
    assert sorted(batch.fleet.asked) == ["1", "2"]


def test_a_bad_row_of_the_same_id_is_refused(batch) -> None:
    batch.write([{"id": "a", "prompt": "1"}])
    assert batch.run().code == 0
    batch.write([{"id": "a", "prompt": "1"}, {"id": "a"}])
    for _ in range(2):
        done = batch.run()
        assert (done.code, error(done)) == (2, "in.jsonl:2: the id 'a' stands on line 1 too")
        assert by_id(batch.output)["a"]["answer"] == "Re: 1"
    assert batch.fleet.asked == ["1"]


def test_a_bad_row_of_the_same_id_on_a_pipe(batch, glm, fleet) -> None:
    data = lines([{"id": "a", "prompt": "1"}, {"id": "a"}]).encode()
    for _ in range(2):
        done = glm("batch", "run", "-", "-O", "out.jsonl", *flags(fleet), env=KEY, stdin=data)
        assert done.code == 15
        assert statuses(batch.output) == {"a": "ok", "line-2": "invalid"}
        assert by_id(batch.output)["a"]["answer"] == "Re: 1"
    assert fleet.asked == ["1"]


@pytest.mark.parametrize("is_first", [True, False])
def test_an_id_that_is_the_name_of_a_row_without_one(batch, is_first) -> None:
    unnamed, named = {"prompt": "p"}, {"id": sizes.asked("p"), "prompt": "q"}
    batch.write([unnamed, named] if is_first else [named, unnamed])
    for _ in range(2):
        done = batch.run()
        assert done.code == 15
        found = by_id(batch.output)
        assert found[sizes.asked("p")]["answer"] == "Re: q"
        bad = found["line-1" if is_first else "line-2"]
        assert bad["status"] == "invalid"
        assert bad["error"]["message"].endswith("the name that it would have is the id of another row")
    assert batch.fleet.asked == ["q"]


def test_a_line_break_of_another_program_costs_no_row(batch, home, cwd) -> None:
    batch.fleet.says = unless({"question 0"}, DOWN)
    batch.write(rows(1))
    assert batch.run("--retries", "0").code == 11
    batch.write(rows(21))
    with Fleet(delay=0.02) as slow:
        given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(slow), "-j", "1")
        with running(home, cwd, *given, env=KEY, stderr=subprocess.DEVNULL) as process:
            slow.wait_for(6)
            with batch.output.open("ab") as file:
                file.write(b"\n")
            assert process.wait(30) == 0
    assert statuses(batch.output) == {f"r{number}": "ok" for number in range(21)}


def test_a_failed_line_after_an_answer_does_not_count(batch) -> None:
    batch.write(rows(2))
    assert batch.run("--ordered").code == 0
    before = batch.output.read_bytes()
    first = entries(batch.output)[0]
    failed = first | {"status": "failed", "answer": None, "final": False}
    batch.output.write_bytes(before + lines([failed]).encode())
    assert batch.run().code == 0
    assert batch.output.read_bytes() == before
    assert len(batch.fleet.asked) == 2


def test_a_changed_row_that_fails_keeps_its_old_answer(batch) -> None:
    batch.write(rows(1))
    assert batch.run().code == 0
    batch.write([{"id": "r0", "prompt": "another"}])
    batch.fleet.says = lambda _body: DOWN
    done = batch.run("--redo-changed", "--retries", "0")
    assert done.code == 11
    assert by_id(batch.output)["r0"]["answer"] == "Re: question 0"
    batch.fleet.says = lambda _body: None
    assert batch.run().code == 2
    assert batch.run("--redo-changed").code == 0
    assert by_id(batch.output)["r0"]["answer"] == "Re: another"


def test_a_pipe_that_ends_early_deletes_no_answers(batch, glm, fleet) -> None:
    given = ("batch", "run", "-", "-O", "out.jsonl", *flags(fleet))
    whole = lines([{"prompt": "a"}, {"prompt": "b"}, {"prompt": "c"}]).encode()
    assert glm(*given, env=KEY, stdin=whole).code == 0
    assert glm(*given, "--redo-changed", env=KEY, stdin=lines([{"prompt": "a"}]).encode()).code == 0
    assert sorted(entry["answer"] for entry in entries(batch.output)) == ["Re: a", "Re: b", "Re: c"]
    assert len(fleet.asked) == 3
