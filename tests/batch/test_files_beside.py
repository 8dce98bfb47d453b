"""Files that are made beside others: no link of a stranger is followed, and none is left over."""

from __future__ import annotations

import os
import signal

import pytest
from batch_runs import KEY, error, rows, statuses
from processes import file_names, read_until, running, stalled
from program import CANARY
from scripted_server import Server, answer, delta, reply

TEXT = "somebody's own text\n"


@pytest.fixture
def victim(tmp_path):
    """A file that a stranger would have us write over."""
    place = tmp_path / "victim"
    place.write_text(TEXT)
    return place


def plant(place, victim, kind) -> None:
    if kind == "link":
        place.symlink_to(victim)
    elif kind == "hard link":
        os.link(victim, place)
    elif kind == "folder":
        place.mkdir()
    else:
        os.mkfifo(place)


@pytest.mark.parametrize("kind", ["link", "hard link", "fifo", "folder"])
def test_torn_lines_go_into_no_file_of_another(batch, victim, kind) -> None:
    batch.write(rows(2))
    assert batch.run("--ordered").code == 0
    before = batch.output.read_bytes()[:-9]
    batch.output.write_bytes(before)
    plant(batch.output.with_name("out.jsonl.torn"), victim, kind)
    done = batch.run()
    assert done.code == 14
    assert error(done).startswith("cannot write out.jsonl.torn, where what cannot be read is set aside: ")
    assert "\n  fix: move it away, or give out.jsonl a shorter name; then the same command again\n" in done.err
    assert (victim.read_text(), batch.output.read_bytes()) == (TEXT, before)
    assert len(batch.server.prompts) == 2


@pytest.mark.parametrize("kind", ["link", "hard link", "fifo"])
def test_texts_go_into_no_file_of_another(batch, victim, cwd, kind) -> None:
    batch.write(rows(1))
    (cwd / "texts").mkdir()
    plant(cwd / "texts" / "r0.txt", victim, kind)
    assert batch.run("--text", "texts").code == 0
    assert victim.read_text() == TEXT
    assert (cwd / "texts" / "r0.txt").read_text() == "Re: question 0\n"
    assert not (cwd / "texts" / "r0.txt").is_symlink()


def test_a_folder_where_a_text_or_a_table_would_be_is_named(batch, cwd) -> None:
    batch.write(rows(1))
    (cwd / "table.csv").mkdir()
    done = batch.run("--csv", "table.csv")
    assert (done.code, error(done), batch.server.prompts) == (14, "cannot write table.csv: it is a directory", [])
    (cwd / "texts" / "r0.txt").mkdir(parents=True)
    done = batch.run("--text", "texts")
    assert (done.code, error(done)) == (14, "--text: cannot write texts/r0.txt: Is a directory")
    assert file_names(cwd / "texts") == {"r0.txt"}


def test_nor_does_their_ledger(glm, batch, victim, cwd) -> None:
    batch.write(rows(1))
    (cwd / "texts").mkdir()
    (cwd / "texts" / "rows.jsonl").symlink_to(victim)
    arguments = [word for word in batch.arguments("--text", "texts") if word not in ("-O", "out.jsonl")]
    done = glm(*arguments, env=KEY)
    assert (done.code, error(done).startswith("cannot write texts/rows.jsonl: ")) == (14, True)
    assert (victim.read_text(), batch.server.prompts) == (TEXT, [])


def test_no_command_waits_for_a_fifo_at_the_name_of_the_job_file(batch) -> None:
    batch.write(rows(1))
    os.mkfifo(batch.output.with_name("out.jsonl.job.json"))
    done = batch.run()
    assert (done.code, error(done)) == (
        2,
        "cannot read out.jsonl.job.json: it is not what glm batch submit writes",
    )
    assert (
        "\n  fix: put back a copy of it; without one, glm batch list -P PROVIDER shows what is under way\n" in done.err
    )
    assert batch.server.prompts == []


@pytest.mark.parametrize("name", ["job.json.new", "job.part-1.jsonl", "job.rows.jsonl"])
@pytest.mark.parametrize("kind", ["link", "hard link"])
def test_job_files_are_no_files_of_another(batch, victim, name, kind) -> None:
    batch.write(rows(1))
    cwd = batch.input.parent
    plant(cwd / f"out.jsonl.{name}", victim, kind)
    file = {"id": "file_1", "object": "file", "bytes": 1, "fileName": "part-1.jsonl", "filename": None}
    made = {"id": "batch_1", "object": "batch", "status": "validating", "input_file_id": "file_1"}
    with Server(reply(200, file), reply(200, made)) as server:
        place = ("-m", "bigmodel/glm-4-flash", "--base-url", server.url)
        done = batch.glm("batch", "submit", "in.jsonl", "-O", "out.jsonl", *place, env={"BIGMODEL_API_KEY": CANARY})
    assert victim.read_text() == TEXT
    assert done.code == (14 if "rows" in name else 0)


def test_a_link_that_the_user_names_is_followed(batch, victim, cwd) -> None:
    batch.write(rows(1))
    victim.write_text("")
    (cwd / "link.jsonl").symlink_to(victim)
    assert batch.run("-O", "link.jsonl", "--ordered").code == 0
    assert statuses(victim) == {"r0": "ok"}
    assert (cwd / "link.jsonl").is_symlink()


def temporary(cwd) -> set[str]:
    return {name for name in file_names(cwd) if name.startswith(".glm-")}


def test_what_a_killed_run_left_is_swept_up_by_the_next(glm, home, cwd) -> None:
    flags = ("-P", "zai", "--base-url")
    (cwd / ".glm-notes").write_text("of somebody else")
    with Server(stalled(delta(reasoning_content="Hm")), answer("whole"), answer("whole")) as server:
        arguments = ("ask", *flags, server.url, "-O", "out", "hi")
        with running(home, cwd, *arguments, env=KEY) as process:
            read_until(process.stderr, b"Hm")
            (left,) = temporary(cwd) - {".glm-notes"}
            # While that run lives, another one of the same file leaves its temporary file alone.
            assert glm(*arguments, env=KEY).code == 0
            assert left in temporary(cwd)
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert left in temporary(cwd)
        assert glm(*arguments, env=KEY).code == 0
    assert file_names(cwd) == {"out", ".glm-notes"}


@pytest.mark.parametrize("kind", ["link", "hard link", "fifo"])
def test_a_planted_temporary_file_is_not_used(glm, home, cwd, victim, kind) -> None:
    """Its name can be foretold, so somebody may have been there first."""
    flags = ("-P", "zai", "--base-url")
    with Server(stalled(delta(reasoning_content="Hm")), answer("whole")) as server:
        arguments = ("ask", *flags, server.url, "-O", "out", "hi")
        with running(home, cwd, *arguments, env=KEY) as process:
            read_until(process.stderr, b"Hm")
        (name,) = temporary(cwd)
        (cwd / name).unlink()
        plant(cwd / name, victim, kind)
        assert glm(*arguments, env=KEY).code == 0
    assert (victim.read_text(), (cwd / "out").read_text()) == (TEXT, "whole\n")
