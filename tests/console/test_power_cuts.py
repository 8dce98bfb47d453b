"""Power cuts at every moment of a run: what was acknowledged is on the disk, and nothing is half there."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from batch_runs import KEY, by_id, flags, lines, rows
from counting_server import CountingServer, Response, prompt_of
from power_cuts import Disk, moments, put, recorded
from processes import running, wait_for
from scripted_server import Server, answer, reply

RECORDER = Path(__file__).parents[1] / "programs" / "recorder"
# The program is run on what is left at every so many moments; each is looked at.
EVERY = pytest.mark.parametrize("every", [29, pytest.param(1, marks=pytest.mark.slow)])


@pytest.fixture
def record(glm, cwd, tmp_path):
    """Run the program, and say in which states a power cut may leave the folder, at each moment."""

    def run(*arguments, code=0, **env):
        disk, log = Disk(cwd), tmp_path / "log"
        watching = {"PYTHONPATH": str(RECORDER), "RECORD_FOLDER": str(cwd), "RECORD_FILE": str(log)}
        done = glm(*arguments, env=KEY | watching | env)
        assert done.code == code, done.err
        found = list(moments(disk, recorded(log)))
        log.unlink()
        assert len(found) > 10, "the recorder sees nothing"
        return found

    return run


def readable(state, name="out.jsonl"):
    """The ids of the lines that can be read."""
    found = set()
    for line in state.get(name, b"").replace(b"\0", b"\n").split(b"\n"):
        try:
            found.add(json.loads(line)["id"])
        except ValueError:
            continue
    return found


def goes_on(batch, states, expected, *more):
    """The same command ends with every row once, and asks for no row that was acknowledged."""
    for moment in states:
        put(moment.state, batch.output.parent)
        asked = len(batch.server.prompts)
        done = batch.run(*more)
        assert done.code == 0, f"{moment.how}\n{done.err}"
        assert set(by_id(batch.output)) == set(expected), moment.how
        assert len(batch.server.prompts) - asked == len(expected) - len(readable(moment.state)), moment.how


@EVERY
def test_a_synced_row_is_never_lost(record, batch, every) -> None:
    """With one row in flight, that the next is asked shows that the one before counts."""
    batch.write(rows(3))
    found = record(*batch.arguments("--sync", "-j", "1"))
    for moment in found:
        counted = 3 if moment.is_end else max(len(moment.sent) - 1, 0)
        assert readable(moment.state) >= {f"r{number}" for number in range(counted)}, moment.how
    goes_on(batch, found[::every], ["r0", "r1", "r2"])


def test_a_run_that_has_ended_lost_nothing(record, batch) -> None:
    batch.write(rows(3))
    for moment in record(*batch.arguments("--jobs", "3")):
        assert not moment.is_end or readable(moment.state) == {"r0", "r1", "r2"}, moment.how


def test_a_row_is_on_the_disk_after_a_second(batch, home, cwd, tmp_path) -> None:
    batch.write(rows(2))
    log = tmp_path / "log"
    watching = {"PYTHONPATH": str(RECORDER), "RECORD_FOLDER": str(cwd), "RECORD_FILE": str(log)}
    with CountingServer(lambda body: Response(hangs=True) if prompt_of(body) == "question 1" else None) as server:
        arguments = ["batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(server)]
        with running(home, cwd, *arguments, env=KEY | watching):

            def is_synced():
                events = recorded(log)
                written = [number for number, event in enumerate(events) if event[0] == "write"]
                return written and ["sync", events[written[-1]][1]] in events[written[-1] :]

            wait_for(is_synced)


@EVERY
@pytest.mark.parametrize("order", [("--ordered",), ("--ordered", "--sync")])
def test_ordering_loses_no_row(record, batch, order, every) -> None:
    batch.write(rows(3))
    assert batch.run().code == 0
    data = batch.output.read_bytes().splitlines(keepends=True)
    batch.output.write_bytes(b"".join(reversed(data)))
    found = record(*batch.arguments(*order))
    for moment in found:
        assert readable(moment.state) == {"r0", "r1", "r2"}, moment.how
        if moment.is_end:
            assert [json.loads(line)["id"] for line in moment.state["out.jsonl"].splitlines()] == ["r0", "r1", "r2"]
    goes_on(batch, found[::every], ["r0", "r1", "r2"])


@pytest.mark.parametrize("damage", [b"\0" * 50, b"\0" * 50 + b"\n", b"torn\xff\n"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_repair_loses_nothing(record, batch, damage, place) -> None:
    batch.write(rows(2))
    assert batch.run().code == 0
    before = batch.output.read_bytes().splitlines(keepends=True)
    batch.output.write_bytes(b"".join([*before[:place], damage, *before[place:]]))
    found = record(*batch.arguments())
    for moment in found:
        assert readable(moment.state) == {"r0", "r1"}, moment.how
        kept = moment.state["out.jsonl"] + moment.state.get("out.jsonl.torn", b"")
        assert damage.strip() in kept or not damage.strip(b"\0\n"), moment.how


@pytest.mark.parametrize("old", [None, b"old\n"])
@pytest.mark.parametrize("command", [("ask",), ("stream",), ("ask", "--json")])
def test_an_answer_is_there_whole_or_not_at_all(record, cwd, old, command) -> None:
    if old:
        (cwd / "out").write_bytes(old)
    with Server(answer("The whole answer.")) as server:
        found = record(*command, "-P", "zai", "--base-url", server.url, "-O", "out", "hi")
    whole = found[-1].state["out"]
    assert b"The whole answer." in whole
    assert {moment.state.get("out") for moment in found if not moment.is_end} <= {old, whole}
    assert {moment.state.get("out") for moment in found if moment.is_end} == {whole}


def test_what_is_submitted_is_known_before_it_is(record, cwd) -> None:
    """When a batch is asked for, the disk knows that it may come into being, and which row each line is."""
    (cwd / "in.jsonl").write_text(lines(rows(2)))
    file = {"id": "file_1", "object": "file", "bytes": 1, "fileName": "part-1.jsonl", "filename": None}
    made = {"id": "batch_1", "object": "batch", "status": "validating", "input_file_id": "file_1"}
    with Server(reply(200, file), reply(200, made)) as server:
        place = ("-m", "bigmodel/glm-4-flash", "--base-url", server.url)
        found = record("batch", "submit", "in.jsonl", "-O", "out.jsonl", *place, BIGMODEL_API_KEY=KEY["ZAI_API_KEY"])
    jobs = 0
    for moment in found:
        data = moment.state.get("out.jsonl.job.json")
        if data is not None:
            job = json.loads(data)  # it is whole, always
            assert len(moment.state["out.jsonl.job.rows.jsonl"]) >= job["rows_bytes"], moment.how
            (part,) = job["parts"]
            if part["state"] in ("prepared", "uploading"):  # the same command uploads it then
                request = moment.state["out.jsonl.job.part-1.jsonl"]
                assert sha256(request).hexdigest() == part["sha256"], moment.how
        if any("/batches" in sent for sent in moment.sent):
            jobs += 1
            known = part["batch"] == "batch_1" or (part["state"] == "creating" and not moment.is_end)
            assert known, moment.how
            assert part["file"] == "file_1", moment.how
            assert readable(moment.state, "out.jsonl.job.rows.jsonl") == {"r0", "r1"}, moment.how
    assert jobs


MACOS = """
import fcntl, os
real, fcntl.F_FULLFSYNC = fcntl.fcntl, 51
def call(fd, what, *more):
    if what != 51:
        return real(fd, what, *more)
    with open(os.environ["SEEN"], "a") as seen:
        seen.write(os.readlink(f"/proc/self/fd/{fd}") + "\\n")
    if os.environ["REFUSED"]:
        raise OSError(25, "Inappropriate ioctl for device")
    return 0
fcntl.fcntl = call
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only /proc names the file of a descriptor")
@pytest.mark.parametrize("refused", ["", "1"])
def test_macos_is_asked_to_empty_the_drives_cache(glm, cwd, tmp_path, refused) -> None:
    """fsync(2) of macOS does not; file systems that do not know F_FULLFSYNC get an fsync."""
    (tmp_path / "sitecustomize.py").write_text(MACOS)
    seen = tmp_path / "seen"
    env = {"PYTHONPATH": str(tmp_path), "SEEN": str(seen), "REFUSED": refused}
    done = glm("ask", "-m", "sandbox/glm-5", "-R", "-O", "out", "hi", env=env)
    assert (done.code, done.err) == (0, "")
    file, folder = seen.read_text().splitlines()
    assert file.startswith(f"{cwd}/.glm-")
    assert folder == str(cwd)
