"""-O onto a file that no other can take the place of, and onto a full disk: what was paid for is never lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from batch_runs import KEY, error, flags, lines, rows, statuses
from counting_server import CountingServer
from mounts import run_mounted, run_without_root
from processes import error_of, file_names
from scripted_server import Server, answer, delta, reply, stream

ZAI = ("-P", "zai", "--base-url")
ON_ITSELF = "mount --bind {0} {0}"


@pytest.fixture
def out(cwd):
    place = cwd / "out"
    place.write_text("old, and longer than what comes in its place\n")
    place.chmod(0o640)
    return place


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_a_file_that_is_mounted_by_itself(home, cwd, out, command) -> None:
    with Server(answer("whole")) as server:
        done = run_mounted(ON_ITSELF.format("out"), home, cwd, command, *ZAI, server.url, "-O", "out", "hi", **KEY)
    assert (done.code, done.out, done.err) == (0, b"", "")
    assert out.read_text() == "whole\n"
    assert out.stat().st_mode & 0o777 == 0o640
    assert file_names(cwd) == {"out"}


def test_it_stays_as_it_is_without_an_answer(home, cwd, out) -> None:
    before = out.read_text()
    with Server(stream(delta(content="ha"), done=False)) as server:
        arguments = ("ask", *ZAI, server.url, "--retries", "0", "-O", "out", "hi")
        assert run_mounted(ON_ITSELF.format("out"), home, cwd, *arguments, **KEY).code == 7
    assert out.read_text() == before
    assert file_names(cwd) == {"out"}


def test_a_folder_that_may_not_be_written(home, cwd, out) -> None:
    cwd.chmod(0o555)
    try:
        with Server(answer("whole")) as server:
            done = run_without_root(home, cwd, "ask", *ZAI, server.url, "-O", "out", "hi", **KEY)
            assert (done.code, done.err, out.read_text()) == (0, "", "whole\n")
            new = run_without_root(home, cwd, "ask", *ZAI, server.url, "-O", "new", "hi", **KEY)
            assert (new.code, error_of(new.err)) == (14, "cannot write new: Permission denied")
            out.chmod(0o444)
            fixed = run_without_root(home, cwd, "ask", *ZAI, server.url, "-O", "out", "hi", **KEY)
            assert (fixed.code, error_of(fixed.err)) == (14, "cannot write out: Permission denied")
            assert len(server.requests) == 1
    finally:
        cwd.chmod(0o755)


@pytest.mark.parametrize("place", ["folder/out", "out"], ids=["beside it", "in its place"])
def test_a_disk_that_is_full_at_the_end(home, cwd, out, place) -> None:
    """The answer is kept in the folder for temporary files, and the old file as it was."""
    (cwd / "folder").mkdir()
    (cwd / "temporary").mkdir()
    small = "mount -t tmpfs -o size=16k none folder && echo old >folder/out"
    mount = small if place == "folder/out" else f"{small} && mount --bind folder/out out"
    text = "x" * 100_000
    with Server(answer(text)) as server:
        arguments = ("ask", *ZAI, server.url, "-O", place, "hi")
        script = f'{mount} && "$0" "$@"; code=$?; cat {place} >seen; exit $code; true'
        done = run_mounted(script, home, cwd, *arguments, TMPDIR=str(cwd / "temporary"), **KEY)
    assert (done.code, done.out) == (14, b"")
    assert re.search(f"cannot write (to )?{place}: No space left on device", error_of(done.err))
    (kept,) = (cwd / "temporary").iterdir()
    assert f"  fix: the answer is whole in {kept}: move it where it belongs\n" in done.err
    assert kept.read_text() == f"{text}\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (cwd / "seen").read_text() == "old\n"
    assert out.read_text().startswith("old")


# Batches


@pytest.fixture
def batch_arguments(cwd):
    (cwd / "in.jsonl").write_text(lines(rows(3)))
    (cwd / "out.jsonl").touch()
    with CountingServer() as server:
        yield server, ("batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(server))


def test_a_batch_appends_to_a_file_that_is_mounted(home, cwd, batch_arguments) -> None:
    server, arguments = batch_arguments
    mount = ON_ITSELF.format("out.jsonl")
    assert run_mounted(mount, home, cwd, *arguments, **KEY).code == 0
    assert statuses(cwd / "out.jsonl") == {"r0": "ok", "r1": "ok", "r2": "ok"}
    first, second, third = (cwd / "out.jsonl").read_bytes().splitlines(keepends=True)
    (cwd / "out.jsonl").write_bytes(first + bytes(len(second)) + third)
    done = run_mounted(mount, home, cwd, *arguments, **KEY)
    assert done.code == 0
    assert "glm: out.jsonl: 1 line cannot be read (line 2: it is not JSON): what they hold stays" in done.err
    assert len(server.prompts) == 4
    again = run_mounted(mount, home, cwd, *arguments, **KEY)
    assert (again.code, len(server.prompts)) == (0, 4)
    assert "glm: rows       3: 3 ok" in again.err


def test_where_there_is_no_room_to_order_rows_room_is_advised(home, cwd, batch_arguments) -> None:
    _, arguments = batch_arguments
    (cwd / "small").mkdir()
    small = "mount -t tmpfs -o size=4k tmpfs small"
    done = run_mounted(small, home, cwd, *arguments, "-O", "small/out.jsonl", "--ordered", **KEY)
    assert done.code == 14
    assert error(done) == "small/out.jsonl stays in the order in which rows ended: No space left on device"
    assert "\n  fix: make room, then the same command again\n" in done.err


def test_ordering_a_mounted_file_is_refused_before_anything_is_sent(home, cwd, batch_arguments) -> None:
    server, arguments = batch_arguments
    done = run_mounted(ON_ITSELF.format("out.jsonl"), home, cwd, *arguments, "--ordered", **KEY)
    assert done.code == 14
    assert error(done) == (
        "--ordered puts a new file in place of out.jsonl, and none can be put there: it is a mount point"
    )
    assert server.prompts == []


def test_ordering_in_a_folder_that_may_not_be_written(home, cwd, batch_arguments) -> None:
    server, arguments = batch_arguments
    cwd.chmod(0o555)
    try:
        done = run_without_root(home, cwd, *arguments, "--ordered", **KEY)
        assert (done.code, error(done).endswith("its folder cannot be written"), server.prompts) == (14, True, [])
        assert run_without_root(home, cwd, *arguments, **KEY).code == 0
    finally:
        cwd.chmod(0o755)
    assert statuses(cwd / "out.jsonl") == {"r0": "ok", "r1": "ok", "r2": "ok"}


def test_lines_that_cannot_be_dropped_are_remarked(home, cwd, batch_arguments) -> None:
    server, arguments = batch_arguments
    mount = ON_ITSELF.format("out.jsonl")
    with Server(reply(500, {"error": {"code": "500", "message": "down"}})) as down:
        failing = [down.url if word == server.url else word for word in arguments]
        assert run_mounted(mount, home, cwd, *failing, "--retries", "0", "-j", "1", "--max-failures", "1", **KEY).code
    done = run_mounted(mount, home, cwd, *arguments, **KEY)
    assert done.code == 0
    assert "glm: out.jsonl keeps lines that later ones took the place of: " in done.err


# HOME


@pytest.mark.parametrize("what", ["a file", "a locked folder", "relative", "nothing"])
def test_a_home_without_a_configuration_is_no_error(home, cwd, what) -> None:
    locked = home / "locked"
    (locked / ".config" / "glm").mkdir(parents=True)
    (locked / ".config" / "glm" / "config.yaml").write_text("no configuration\n")
    (cwd / ".config").symlink_to(locked / ".config")
    locked.chmod(0o000 if what == "a locked folder" else 0o755)
    (home / "file").touch()
    place = {"a file": str(home / "file"), "a locked folder": str(locked), "relative": ".", "nothing": ""}[what]
    try:
        done = run_without_root(Path(place), cwd, "ask", "-m", "sandbox/glm-5", "-q", "hi", HOME=place)
    finally:
        locked.chmod(0o755)
    assert (done.code, done.err) == (0, "")


def test_a_configuration_that_cannot_be_read_is_named(home, cwd) -> None:
    place = home / ".config" / "glm" / "config.yaml"
    place.parent.mkdir(parents=True)
    place.touch(mode=0o000)
    done = run_without_root(home, cwd, "ask", "-m", "sandbox/glm-5", "hi")
    assert (done.code, error_of(done.err)) == (2, f"cannot read {place}: Permission denied")
