"""Faults of batches: section 6 of the catalogue, a test a row (`test_B02_…` is row B2).

The installed program asks a server on loopback that counts; what is looked at is the output file, and what the server
has seen.
"""

# ruff: noqa: N802 - a test is named by the id of its row

from __future__ import annotations

import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path

import batch_sizes as sizes
import pytest
from batch_runs import KEY, Batch, by_id, entries, error, flags, lines, rows, statuses
from counting_server import RATE, CountingServer, Response, answer_with, prompt_of, refuse_with
from processes import running, shell, wait_for
from program import GLM, environment
from proxies import Relay, tls

# Rows that cannot be tested here, and why.
UNTESTABLE: dict[str, str] = {}

MILLISECOND = 0.001


def kill_and_resume(home, cwd, server, *, after, moment=0.0, count=120):
    """Kill a run `moment` seconds after the server has seen `after` requests, and run it to its end; how many calls."""
    (cwd / "in.jsonl").write_text(lines(rows(count)))
    arguments = ["batch", "run", "in.jsonl", "-O", "out.jsonl", "-j", "8", *flags(server)]
    with running(home, cwd, *arguments, env=KEY) as process:
        server.wait_for(after)
        time.sleep(moment)  # any moment is good
        process.kill()
        process.wait()
    answered_before = sum(server.answer_counts.values())
    left = (cwd / "out.jsonl").read_bytes()
    acknowledged = [json.loads(line)["id"] for line in left.split(b"\n")[:-1]]
    assert len(acknowledged) == len(set(acknowledged))
    assert answered_before - len(acknowledged) <= 8  # at most what was in flight is asked again
    done = subprocess.run([GLM, *arguments], cwd=cwd, env=environment(home, **KEY), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    found = by_id(cwd / "out.jsonl")
    assert set(found) == {f"r{number}" for number in range(count)}
    assert all(entry["answer"] == f"Re: question {identity[1:]}" for identity, entry in found.items())
    assert set(acknowledged) <= set(found)
    assert (cwd / "out.jsonl").read_bytes().startswith(left[: left.rfind(b"\n") + 1])
    assert len(server.prompts) <= count + 8


@pytest.mark.parametrize("after", [1, 40, 110])
def test_B01_kill_9(home, cwd, after) -> None:
    with CountingServer(delay=5 * MILLISECOND) as server:
        kill_and_resume(home, cwd, server, after=after)


KILLS = int(os.environ.get("GLM_KILLS", "50"))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
def test_B01_kill_9_at_any_moment(home, cwd, number) -> None:
    chance = random.Random(number)
    with CountingServer(delay=2 * MILLISECOND) as server:
        kill_and_resume(home, cwd, server, after=chance.randint(1, 300), moment=chance.uniform(0, 0.02), count=400)


def test_B02_a_torn_last_line(batch, server) -> None:
    """Cut at every byte of the last two lines: what is whole stays, what is torn is set aside and asked again."""
    from glmcli.batch.ledger.file import Ledger
    from glmcli.batch.ledger.index import Index, load_ledger

    batch.write(rows(3))
    assert batch.run("--ordered").code == 0
    whole = batch.output.read_bytes()
    first, second, third = (line + b"\n" for line in whole.split(b"\n")[:-1])
    torn = batch.output.with_name("out.jsonl.torn")
    for cut in range(len(first), len(whole) + 1):
        batch.output.write_bytes(whole[:cut])
        torn.unlink(missing_ok=True)
        with Ledger(str(batch.output)) as ledger, closing(Index()) as index:
            load_ledger(ledger, index, lambda _note: None)
            known = len(index)
        kept = [
            line for line in (first, second, third) if whole[:cut].count(line) or _lacks_only_newline(whole, cut, line)
        ]
        assert batch.output.read_bytes() == b"".join(kept)
        assert known == len(kept)
        assert (torn.read_bytes() if torn.exists() else b"\n") == whole[len(b"".join(kept)) : cut] + b"\n"
    batch.output.write_bytes(whole[:-20])
    done = batch.run()
    assert done.code == 0
    assert statuses(batch.output) == {"r0": "ok", "r1": "ok", "r2": "ok"}
    assert server.prompts.count("question 2") == 2
    assert "glm: out.jsonl: 1 line cannot be read (line 3: it is not JSON): " in done.err
    assert "bytes moved to out.jsonl.torn, and the rest goes on\n" in done.err


def _lacks_only_newline(whole: bytes, cut: int, line: bytes) -> bool:
    return cut == whole.index(line) + len(line) - 1


def test_B04_a_full_disk(batch, server) -> None:
    batch.write(rows(50))
    limit = 5000

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = batch.run("-j", "4", preexec_fn=small)
    assert done.code == 14
    assert error(done) == "cannot write out.jsonl: File too large"
    assert "what is in the file stays, and is not asked again" in done.err
    assert 1 <= len(entries(batch.output)) < 50
    assert len(server.prompts) < 50
    assert batch.run().code == 0
    assert len(by_id(batch.output)) == 50


def test_B04_a_device_that_is_always_full(batch) -> None:
    batch.write(rows(3))
    done = batch.run("-O", "/dev/full")
    assert done.code == 2
    assert error(done) == "--output: /dev/full is no regular file"
    assert batch.server.prompts == []


def test_B05_a_short_write(batch) -> None:
    """The last line that fits in part is taken back whole, at every limit."""
    batch.write(rows(2))
    in_turn = ("--ordered", "-j", "1")  # the line that is written first has the command too, and is the longest
    assert batch.run(*in_turn).code == 0
    first = len(batch.output.read_bytes().split(b"\n")[0]) + 1
    for limit in (first - 60, first + 60, first + 200):  # a line's length differs by the digits of its timing
        batch.output.unlink(missing_ok=True)
        done = batch.run(
            *in_turn, preexec_fn=lambda most=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        )
        assert done.code == 14
        assert len(entries(batch.output)) == (1 if limit > first else 0)


def test_B06_killed_between_the_answer_and_the_line(home, cwd) -> None:
    """Every answer has left the server, and the program is stopped before it can write one: each is paid twice."""
    with CountingServer(delay=50 * MILLISECOND) as server:
        (cwd / "in.jsonl").write_text(lines(rows(4)))
        arguments = ["batch", "run", "in.jsonl", "-O", "out.jsonl", "-j", "4", *flags(server)]
        with running(home, cwd, *arguments, env=KEY) as process:
            server.wait_for(1)
            process.send_signal(signal.SIGSTOP)
            wait_for(lambda: server.in_flight == 0)
            process.kill()
        paid = sum(server.answer_counts.values())
        assert paid >= 1
        assert entries(cwd / "out.jsonl") == []
        done = subprocess.run(
            [GLM, *arguments], cwd=cwd, env=environment(home, **KEY), check=False, capture_output=True
        )
        assert done.returncode == 0
        assert len(by_id(cwd / "out.jsonl")) == 4
        assert sum(server.answer_counts.values()) == 4 + paid


@pytest.mark.skipif(not shutil.which("strace"), reason="there is no strace here to see what reaches the disk")
def test_B07_what_reaches_the_disk(batch, cwd, home) -> None:
    """The file, and the folder that names it, are synchronised when it is made; the file again at the end."""
    batch.write(rows(3))
    trace = cwd / "trace"
    words = ["strace", "-f", "-y", "-e", "trace=fsync,write", "-o", str(trace), GLM, *batch.arguments()]
    done = subprocess.run(words, cwd=cwd, env=environment(home, **KEY), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    calls = re.findall(r"(fsync|write)\(\d+<([^>]*)>", trace.read_text(errors="replace"))
    out = [(call, path) for call, path in calls if path in (str(batch.output), str(cwd))]
    assert out[0] == ("fsync", str(cwd))
    last = max(number for number, call in enumerate(out) if call == ("write", str(batch.output)))
    assert ("fsync", str(batch.output)) in out[last:]


def test_B08_rows_are_known_by_their_ids(glm, cwd) -> None:
    """Rows that end in any order, and an input in another order: what is finished is not asked again."""
    chance = random.Random(8)
    with CountingServer(lambda body: answer_with(f"Re: {prompt_of(body)}", delay=chance.uniform(0, 0.02))) as server:
        batch = Batch(glm, cwd, server)
        batch.write(rows(40)[:20])
        assert batch.run("-j", "20").code == 0
        mixed = rows(40)
        chance.shuffle(mixed)
        batch.write(mixed)
        assert batch.run("-j", "20").code == 0
        assert sorted(server.prompts) == sorted(f"question {number}" for number in range(40))
        assert {identity: entry["answer"] for identity, entry in by_id(batch.output).items()} == {
            f"r{number}": f"Re: question {number}" for number in range(40)
        }


def test_B08_rows_without_ids_are_known_by_what_they_ask(batch, server) -> None:
    batch.write([{"prompt": "a"}, {"prompt": "b"}, {"prompt": "a"}])
    assert batch.run().code == 0
    batch.write([{"prompt": "c"}, {"prompt": "a"}, {"prompt": "a"}, {"prompt": "a"}, {"prompt": "b"}])
    assert batch.run().code == 0
    assert sorted(server.prompts) == ["a", "a", "a", "b", "c"]
    assert sorted(entry["answer"] for entry in entries(batch.output)) == ["Re: a", "Re: a", "Re: a", "Re: b", "Re: c"]
    assert len(by_id(batch.output)) == 5


def test_B10_duplicate_ids(batch, server) -> None:
    batch.write([{"id": "a", "prompt": "1"}, {"id": "b", "prompt": "2"}, {"id": "a", "prompt": "3"}])
    done = batch.run()
    assert done.code == 2
    assert error(done) == "in.jsonl:3: the id 'a' is also on line 1"
    assert server.prompts == []


def test_B10_duplicate_ids_on_a_pipe(batch, glm, server) -> None:
    data = lines([{"id": "a", "prompt": "1"}, {"id": "a", "prompt": "2"}]).encode()
    done = glm("batch", "run", "-", "-O", "out.jsonl", *flags(server), env=KEY, stdin=data)
    assert done.code == 15
    assert server.prompts == ["1"]
    assert statuses(batch.output) == {"a": "ok", "line-2": "invalid"}
    assert by_id(batch.output)["line-2"]["error"]["message"] == "<stdin>:2: the id 'a' is also on line 1"


def test_B12_all_that_can_be_wrong_with_a_row(batch, server) -> None:
    bad = {
        2: b"{not json",
        4: b'{"id": "n\\u0000", "prompt": "x"}',
        5: b'{"id": "u", "prompt": "\xff"}',
        6: b'["no object"]',
        7: b'{"id": "only"}',
        9: b'{"prompt": "' + b"x" * (17 << 20) + b'"}',
    }
    good = {1: b'\xef\xbb\xbf{"id": "first", "prompt": "1"}\r', 3: b"", 8: '{"id": "\u2028", "prompt": "8"}'.encode()}
    good[10] = b'{"id": "last", "prompt": "10"}'
    all_of_them = bad | good
    batch.input.write_bytes(b"\n".join(all_of_them[number] for number in range(1, 11)))
    done = batch.run()
    assert done.code == 15
    found = by_id(batch.output)
    ok = {entry["line"]: entry["answer"] for entry in found.values() if entry["status"] == "ok"}
    assert ok == {1: "Re: 1", 10: "Re: 10"} | ({8: "Re: 8"} if 8 in ok else {})
    wrong = {entry["line"]: entry for entry in found.values() if entry["status"] == "invalid"}
    assert set(wrong) - {8} == set(bad)
    assert wrong[2]["hash"] == sha256(bad[2]).hexdigest()[:32]
    assert wrong[5]["error"]["message"].startswith("in.jsonl:5")
    assert len(server.prompts) == len(ok)


def test_B13_failed_rows_on_resume(batch, server) -> None:
    """Rows that may succeed are asked again, those that would only fail again are not; the last line counts."""
    down = threading.Event()

    def respond(body):
        match prompt_of(body):
            case "question 1" if not down.is_set():
                return Response(500, {"error": {"code": "1234", "message": "down"}})
            case "question 2":
                return refuse_with({"error": {"code": "1301", "message": "sensitive"}}, status=400)
        return None

    server.respond = respond
    batch.write(rows(4))
    done = batch.run("--retries", "0", "-q")
    assert done.code == 11
    assert error(done) == "2 of 4 rows have no answer; 1 may still get one"
    assert statuses(batch.output) == {"r0": "ok", "r1": "failed", "r2": "filtered", "r3": "ok"}
    down.set()
    done = batch.run("--no-retry-failed")
    assert (done.code, len(server.prompts)) == (11, 4)
    done = batch.run("-q")
    assert done.code == 15
    assert error(done) == "1 of 4 rows have no answer, and would only fail again"
    assert server.prompts.count("question 1") == 2
    assert server.prompts.count("question 2") == 1
    found = by_id(batch.output)
    assert found["r1"]["answer"] == "Re: question 1"
    assert found["r1"]["calls"] == 2
    assert batch.run("--retry-failed").code == 15
    assert server.prompts.count("question 2") == 2
    assert batch.run().code == 15
    assert len(server.prompts) == 6


def test_B13_a_finished_row_that_cannot_be_asked_any_more_keeps_its_answer(batch, server) -> None:
    batch.write(rows(3))
    assert batch.run().code == 0
    before = batch.output.read_bytes()
    spoilt = rows(3)
    spoilt[1]["prompt"] = " "
    batch.write(spoilt)
    done = batch.run()
    assert done.code == 2
    assert error(done) == "a finished row answers another request than would be sent now"
    assert batch.output.read_bytes() == before
    piped = batch.glm(
        *[{"in.jsonl": "-"}.get(word, word) for word in batch.arguments()], env=KEY, stdin=lines(spoilt).encode()
    )
    assert (piped.code, batch.output.read_bytes()) == (2, before)
    assert batch.run("--keep-changed").code == 0
    assert batch.output.read_bytes() == before
    assert batch.run("--redo-changed").code == 15
    assert batch.output.read_bytes() == before  # there is no other answer to put in its place
    assert len(server.prompts) == 3


def test_B15_two_runs_on_one_output(batch, home, cwd) -> None:
    with CountingServer(lambda _body: Response(hangs=True)) as hanging:
        batch.write(rows(2))
        arguments = ["batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(hanging)]
        with running(home, cwd, *arguments, env=KEY) as process:
            hanging.wait_for(1)
            done = batch.run()
            assert done.code == 2
            assert error(done) == f"--output: out.jsonl is in use by another glm (process {process.pid})"
            assert batch.server.prompts == []
            process.kill()
            process.wait()
    assert batch.run().code == 0


def test_B16_the_output_is_the_input(batch, cwd) -> None:
    batch.write(rows(2))
    before = batch.input.read_bytes()
    (cwd / "link.jsonl").symlink_to("in.jsonl")
    os.link(batch.input, cwd / "hard.jsonl")
    for name in ("in.jsonl", "link.jsonl", "hard.jsonl"):
        done = batch.run("-O", name)
        assert done.code == 2
        assert error(done) == f"INPUT and --output name the same file: {name}"
    assert batch.input.read_bytes() == before
    assert batch.server.prompts == []


def test_B16_the_output_is_stdout_or_a_pipe(batch, cwd, home) -> None:
    batch.write(rows(3))
    done = batch.glm("batch", "run", "in.jsonl", *flags(batch.server), env=KEY)
    assert done.code == 0
    assert sorted(json.loads(line)["answer"] for line in done.text.split("\n")[:-1]) == [
        f"Re: question {number}" for number in range(3)
    ]
    words = " ".join(flags(batch.server))
    piped = shell(f'"$GLM" batch run in.jsonl {words} | wc -l', home, cwd, **KEY)
    assert piped.stdout.split() == [b"3"]


def test_B17_ctrl_c(batch, home, cwd) -> None:
    """What is in flight may end, nothing more is sent; a second signal ends that too."""
    batch.write(rows(60))
    with CountingServer(delay=0.3) as server:
        arguments = ["batch", "run", "in.jsonl", "-O", "out.jsonl", "-j", "2", *flags(server)]
        with running(home, cwd, *arguments, env=KEY) as process:
            server.wait_for(2)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == -signal.SIGINT
        asked = len(server.prompts)
        assert asked <= 3
        assert len(by_id(batch.output)) == sum(server.answer_counts.values()) == asked
    assert batch.run().code == 0
    assert len(by_id(batch.output)) == 60
    assert len(batch.server.prompts) == 60 - asked


def test_B17_a_second_ctrl_c(batch, home, cwd) -> None:
    batch.write(rows(10))
    with CountingServer(lambda body: Response(hangs=True) if prompt_of(body) != "question 0" else None) as server:
        arguments = ["batch", "run", "in.jsonl", "-O", "out.jsonl", "-j", "4", *flags(server)]
        with running(home, cwd, *arguments, env=KEY) as process:
            wait_for(lambda: batch.output.exists() and batch.output.stat().st_size and server.in_flight)
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)  # two signals that are pending at once are one
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(5) == -signal.SIGINT
        assert set(by_id(batch.output)) == {"r0"}


tells_memory = pytest.mark.skipif(not Path("/proc/self").exists(), reason="only /proc tells how much memory was used")


def peak_of_a_resume(batch, home, cwd, count, left=200, *more):
    """MB at the most, of a run that finds all rows but `left` in its output."""
    batch.output.unlink(missing_ok=True)
    batch.write(rows(1))
    assert batch.run("-q").code == 0
    like = batch.output.read_bytes()
    sizes.write_input(batch.input, count)
    sizes.write_output(batch.output, like, range(left, count))
    asked = len(batch.server.prompts)
    with running(home, cwd, *batch.arguments(*more), env=KEY, stderr=subprocess.DEVNULL) as process:
        peak = 0
        while process.poll() is None:
            peak = memory_of(process.pid) or peak  # what the system says afterwards includes the process of this test
            time.sleep(0.02)
    assert process.returncode == 0
    assert len(batch.server.prompts) - asked == left
    return peak / 1024


def memory_of(pid) -> int:
    """KiB at the most, so far; 0 of a process that has ended."""
    with suppress(OSError):
        found = Path(f"/proc/{pid}/status").read_text(encoding="ascii").partition("VmHWM:")[2].split()
        return int(found[0]) if found else 0
    return 0


@tells_memory
def test_B18_memory_does_not_grow_with_rows(batch, home, cwd) -> None:
    few = peak_of_a_resume(batch, home, cwd, 201)
    many = peak_of_a_resume(batch, home, cwd, 6000)
    assert len(by_id(batch.output)) == 6000
    assert many - few < 12


@tells_memory
@pytest.mark.slow
def test_B18_a_million_rows(batch, home, cwd) -> None:
    count = 1_000_000
    assert peak_of_a_resume(batch, home, cwd, count, 1000) < 120
    with batch.output.open("rb") as file:
        ids = {line[8 : line.index(b'"', 8)] for line in file}
    assert len(ids) == count
    assert batch.output.stat().st_size > 500 * count


def test_B19_a_gateway_that_allows_two_in_flight(glm, cwd) -> None:
    with CountingServer(delay=0.02, cap=2) as server:
        batch = Batch(glm, cwd, server)
        batch.write(rows(150))
        assert batch.run("-j", "16").code == 0
        assert len(by_id(batch.output)) == 150
        assert server.refusal_count <= 22  # 15 of 100
        assert all(entry["status"] == "ok" for entry in entries(batch.output))


def test_B20_a_rate_and_a_concurrency_are_told_apart(glm, cwd) -> None:
    """1302 takes slots; 1303 lowers the rate, and no slot is lost for it."""
    seen: list[float] = []

    def respond(_body):
        now = time.monotonic()
        seen[:] = [moment for moment in seen if now - moment < 1.0]
        if len(seen) >= 30:
            return refuse_with(RATE)
        seen.append(now)
        return None

    with CountingServer(respond) as server:
        batch = Batch(glm, cwd, server)
        batch.write(rows(90))
        assert batch.run("-j", "8").code == 0
        assert len(by_id(batch.output)) == 90
        assert len(server.prompts) - 90 <= 20


def test_B21_a_limit_on_how_fast_the_rate_grows(glm, cwd) -> None:
    """A run begins with two requests, and has four after a second in which nothing was refused: not all at once."""
    first = threading.Event()

    def respond(_body):
        return None if first.is_set() else Response(hangs=True)

    with CountingServer(respond) as server:
        batch = Batch(glm, cwd, server)
        batch.write(rows(40))
        batch.run("-j", "40", "--deadline", "2")
        assert server.most_in_flight <= 4


@pytest.mark.parametrize(
    ("code", "status", "exit_code"), [("1113", 429, 4), ("1308", 429, 4), ("1310", 429, 4), ("1000", 401, 3)]
)
def test_B22_a_quota_that_ends(glm, cwd, code, status, exit_code) -> None:
    """The run stops at once; what has no answer stays to be asked, and is no failure."""
    spent = refuse_with({"error": {"code": code, "message": "will reset at 2026-11-23 08:00:00"}}, status=status)
    with CountingServer(lambda body: None if int(prompt_of(body).split()[1]) < 20 else spent) as server:
        batch = Batch(glm, cwd, server)
        batch.write(rows(200))
        done = batch.run("-j", "8")
        assert done.code == exit_code
        assert "the same command again resumes from here" in done.err
        assert len(server.prompts) <= 20 + 8
        assert set(statuses(batch.output).values()) == {"ok"}
        assert len(by_id(batch.output)) == 20
        server.respond = lambda _body: None
        assert batch.run().code == 0
        assert len(by_id(batch.output)) == 200


def test_B23_a_key_that_is_refused(batch) -> None:
    batch.server.respond = lambda _body: Response(401, {"error": {"code": "1002", "message": "bad token"}})
    batch.write(rows(50))
    done = batch.run("-j", "8")
    assert done.code == 3
    assert len(batch.server.prompts) <= 8
    assert entries(batch.output) == []


CERTIFICATES = {
    "an empty file": ("SSL_CERT_FILE", "empty", "cannot read certificates from empty: "),
    "a file of something else": ("SSL_CERT_FILE", "in.jsonl", "cannot read certificates from in.jsonl: "),
    "a broken file": ("SSL_CERT_FILE", "broken", "cannot read certificates from broken: "),
    "no file": ("SSL_CERT_FILE", "none", "SSL_CERT_FILE names none, which does not exist"),
    "an empty folder": ("SSL_CERT_DIR", "folder", "cannot read certificates from folder: it holds no certificate"),
    "no folder": ("SSL_CERT_DIR", "none", "SSL_CERT_DIR names none, which does not exist"),
    "a log that cannot be written": ("SSLKEYLOGFILE", "none/log", "SSLKEYLOGFILE names none/log, which cannot be"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
@pytest.mark.parametrize("engine", [(), ("--engine", "local")])
def test_B23_certificates_that_cannot_be_read(glm, cwd, server, authority, name, engine) -> None:  # noqa: PLR0917
    """No row is written as failed: the same command goes on when the setting is right."""
    variable, value, said = CERTIFICATES[name]
    (cwd / "in.jsonl").write_text(lines(rows(40)))
    (cwd / "empty").write_text("")
    (cwd / "broken").write_text("-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n")
    (cwd / "folder").mkdir()
    with Relay(tls(authority.issue("here", "DNS:localhost")), server.port) as front:
        url = f"https://localhost:{front.port}/v1"
        given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", "-m", "zai/glm-5", "--base-url", url, "--no-stream")
        done = glm(*given, *engine, env=KEY | {variable: value})
        assert (done.code, entries(cwd / "out.jsonl"), server.prompts) == (2, [], [])
        assert said in error(done)
        assert f"  fix: correct or unset {variable}" in done.err
        if engine == () and name == "an empty file":
            assert glm(*given, env=KEY | {"SSL_CERT_FILE": str(authority.file)}).code == 0
            assert len(by_id(cwd / "out.jsonl")) == 40


def test_B24_a_poisonous_row(batch) -> None:
    """One that is always refused, one that is filtered, one that never ends: the others are answered."""

    def respond(body):
        match prompt_of(body):
            case "question 3":
                return Response(400, {"error": {"code": "1214", "message": "messages illegal"}})
            case "question 4":
                return Response(400, {"error": {"code": "1301", "message": "unsafe"}})
            case "question 5":
                return Response(hangs=True)
        return None

    batch.server.respond = respond
    batch.write(rows(30))
    done = batch.run("-j", "4", "--first-timeout", "0.5", "--retries", "0")
    assert done.code == 11
    found = statuses(batch.output)
    assert {identity: found[identity] for identity in ("r3", "r4", "r5")} == {
        "r3": "failed",
        "r4": "filtered",
        "r5": "failed",
    }
    assert sum(status == "ok" for status in found.values()) == 27


def test_B25_the_order_of_rows(glm, cwd) -> None:
    chance = random.Random(25)
    with CountingServer(lambda body: answer_with(f"Re: {prompt_of(body)}", delay=chance.uniform(0, 0.05))) as server:
        batch = Batch(glm, cwd, server)
        batch.write(rows(60))
        assert batch.run("-j", "16", "--ordered").code == 0
        assert [entry["id"] for entry in entries(batch.output)] == [f"r{number}" for number in range(60)]
        batch.output.unlink()
        assert batch.run("-j", "16").code == 0
        assert [entry["id"] for entry in entries(batch.output)] != [f"r{number}" for number in range(60)]
        assert {entry["id"]: entry["line"] for entry in entries(batch.output)} == {
            f"r{number}": number + 1 for number in range(60)
        }


def test_B25_no_answer_waits_for_its_turn(batch, home, cwd) -> None:
    """Of an ordered run that is killed only the row in flight is asked again."""
    batch.server.respond = lambda body: Response(hangs=True) if prompt_of(body) == "question 0" else None
    batch.write(rows(20))
    with running(home, cwd, *batch.arguments("--ordered", "-j", "4"), env=KEY) as process:
        wait_for(lambda: sum(batch.server.answer_counts.values()) == 19 and len(by_id(batch.output)) == 19)
        process.kill()
    batch.server.respond = lambda _body: None
    assert batch.run("--ordered").code == 0
    assert [entry["id"] for entry in entries(batch.output)] == [f"r{number}" for number in range(20)]
    assert Counter(batch.server.prompts) == {"question 0": 2} | {f"question {number}": 1 for number in range(1, 20)}


def test_B26_a_row_that_was_cut(batch) -> None:
    def respond(body):
        finish = {"question 0": "length", "question 1": "sensitive"}.get(prompt_of(body), "stop")
        return answer_with("cut te", finish)

    batch.server.respond = respond
    batch.write(rows(3))
    assert batch.run().code == 15
    found = by_id(batch.output)
    assert statuses(batch.output) == {"r0": "incomplete", "r1": "filtered", "r2": "ok"}
    assert (found["r0"]["answer"], found["r0"]["partial"]) == (None, None)
    assert batch.run("--retry-failed", "--keep-partial").code == 15
    assert by_id(batch.output)["r0"]["partial"] == "cut te"


def test_B28_the_input_is_a_fifo(batch, cwd, glm) -> None:
    fifo = cwd / "fifo"
    os.mkfifo(fifo)

    def feed() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            for row in rows(5):
                pipe.write(lines([row]).encode())
                batch.server.wait_for(int(row["id"][1:]) + 1)  # asked before the next one comes

    writer = threading.Thread(target=feed, daemon=True)
    writer.start()
    done = glm("batch", "run", "fifo", "-O", "out.jsonl", *flags(batch.server), env=KEY)
    assert done.code == 0
    assert set(by_id(batch.output)) == {"r0", "r1", "r2", "r3", "r4"}
    writer.join(5)


def test_B28_an_input_that_grows(batch) -> None:
    """What is appended while the run reads is no part of it, or a part of it: never half a row."""
    batch.write(rows(3))
    with batch.input.open("ab") as file:
        file.write(b'{"id": "half", "prom')
    assert batch.run().code == 15
    assert statuses(batch.output) == {"r0": "ok", "r1": "ok", "r2": "ok", "line-4": "invalid"}
    with batch.input.open("ab") as file:
        file.write(b'pt": "whole now"}\n')
    assert batch.run().code == 0
    assert statuses(batch.output) == {"r0": "ok", "r1": "ok", "r2": "ok", "half": "ok"}


def test_B29_only_the_dates_of_rows_come_from_the_wall_clock() -> None:
    """Sleep and a clock that is set change no timer: all of them are monotonic."""
    import ast

    import glmcli.batch

    for path in Path(glmcli.batch.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "time" and node.attr == "time":
                assert path.name in {"writing.py", "attempt.py"}, path  # when a row ended; what Retry-After counts from


def test_B31_progress_off_a_terminal(batch) -> None:
    batch.write(rows(3))
    done = batch.run()
    assert "\x1b" not in done.err
    assert "\r" not in done.err


def test_B32_descriptors_and_connections(batch, home, cwd) -> None:
    count = 1000
    batch.write(rows(count))
    most = 0
    with running(home, cwd, *batch.arguments("-j", "16"), env=KEY) as process:
        while process.poll() is None:
            with suppress(OSError):
                most = max(most, len(list(Path(f"/proc/{process.pid}/fd").iterdir())))
            time.sleep(0.05)
    assert process.returncode == 0
    assert batch.server.connections <= 17
    assert most <= 16 + 40
