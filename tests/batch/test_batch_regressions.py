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
from functools import partial
from pathlib import Path

import batch_sizes as sizes
import pytest
from batch_runs import KEY, by_id, entries, error, flags, lines, rows, statuses
from counting_server import CountingServer, Response, answer_with, prompt_of, refuse_with
from processes import file_names, running, wait_for
from program import CANARY, environment
from proxies import ConnectHandshake, Relay, tls, url_of

DOWN = Response(500, {"error": {"code": "1234", "message": "down"}})
SENSITIVE = refuse_with({"error": {"code": "1301", "message": "sensitive"}}, status=400)
NO_MONEY = refuse_with({"error": {"code": "1113", "message": "no balance"}})
CHANGED = "a finished row answers another request than would be sent now"


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
        ("notes", "remember the milk", (), "notes:1: not a line of a ledger: it is not JSON"),
        ("rows", '{"id": "a", "prompt": "hello"}', (), "rows:1: not a line of a ledger: it has no 'status'"),
        ("json", '{"id": "a", "no": "ledger"}\n{"id": "b"', (), "json:1: not a line of a ledger: it has no 'status'"),
    ],
)
def test_a_file_that_is_no_output_stays_as_it_is(batch, cwd, *, file, text, more, message) -> None:
    (cwd / "in.txt").write_text("one\ntwo")
    (cwd / file).write_text(text)
    before = file_names(cwd)
    done = batch.glm(
        "batch", "run", "in.txt", "-O", file, *flags(batch.server), *more, env=KEY, may_hold_key=(cwd / "key",)
    )
    assert (done.code, error(done)) == (2, message)
    assert (cwd / file).read_text() == text
    assert file_names(cwd) == before
    assert batch.server.prompts == []


def test_a_run_that_cannot_begin_leaves_no_empty_output(batch, cwd) -> None:
    batch.write([{"id": "a", "prompt": "1"}, {"id": "a", "prompt": "2"}])
    assert batch.run().code == 2
    assert file_names(cwd) == {"in.jsonl"}


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
    assert len(batch.server.prompts) == 1


def test_the_output_removed_during_a_run_is_told(batch, cwd, home) -> None:
    gone_while_running(batch, home, cwd, (cwd / "to" / "out.jsonl").unlink)


def test_the_folder_removed_during_a_run_is_told(batch, cwd, home) -> None:
    gone_while_running(batch, home, cwd, partial(shutil.rmtree, cwd / "to"))


def test_the_output_moved_during_a_run_is_told(batch, cwd, home) -> None:
    gone_while_running(batch, home, cwd, lambda: (cwd / "to" / "out.jsonl").rename(cwd / "elsewhere.jsonl"))
    assert set(by_id(cwd / "elsewhere.jsonl")) == {"r0", "r1", "r2"}


def test_the_new_output_of_a_second_run_is_not_replaced(batch, cwd, home) -> None:
    """The first run has a failed line to leave out when it ends, and would put its file where the second's is."""
    batch.server.respond = unless({"question 0"}, DOWN)

    def move() -> None:
        (cwd / "to" / "out.jsonl").rename(cwd / "elsewhere.jsonl")
        batch.write(rows(1))
        batch.server.respond = lambda _body: answer_with("of the second run")
        assert batch.run("-O", "to/out.jsonl").code == 0

    gone_while_running(batch, home, cwd, move, "--ordered")
    assert by_id(cwd / "to" / "out.jsonl")["r0"]["answer"] == "of the second run"
    assert file_names(cwd / "to") == {"out.jsonl"}


def test_a_run_without_a_line_does_not_remove_the_file_of_another(batch, cwd, home) -> None:
    batch.write(rows(1))
    with CountingServer(lambda _body: Response(hangs=True)) as slow:
        given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(slow))
        with running(home, cwd, *given, env=KEY, stderr=subprocess.DEVNULL) as process:
            slow.wait_for(1)
            batch.output.rename(cwd / "elsewhere.jsonl")
            assert batch.run().code == 0
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)  # two signals that are pending at once are one
            process.send_signal(signal.SIGINT)
            process.wait(15)
    assert statuses(batch.output) == {"r0": "ok"}


def gone_while_running(batch, home, cwd, change, *more) -> None:
    batch.write(rows(3))
    (cwd / "to").mkdir()
    with CountingServer(delay=0.2) as slow:
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
    with CountingServer(delay=0.02) as slow:
        given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(slow), "-j", "1")
        with running(home, cwd, *given, env=KEY, stderr=subprocess.DEVNULL) as process:
            slow.wait_for(2)
            batch.output.unlink()
            assert process.wait(15) == 14
        assert len(slow.prompts) < 500


# Answers are never taken back


def test_a_typo_in_the_template_costs_no_answer(batch, cwd) -> None:
    batch.write([{"id": f"r{number}", "vars": {"x": str(number)}} for number in range(3)])
    (cwd / "ask.yaml").write_text("prompt: Is {{x}} even?\n")
    assert batch.run("-f", "ask.yaml").code == 0
    before = batch.output.read_bytes()
    (cwd / "ask.yaml").write_text("prompt: Is {{y}} even?\n")
    done = batch.run("-f", "ask.yaml")
    assert (done.code, error(done)) == (2, "in.jsonl: no row has y, which the request file wants")
    assert batch.output.read_bytes() == before
    (cwd / "ask.yaml").write_text("prompt: Is {{x}} even?\n")
    assert batch.run("-f", "ask.yaml").code == 0
    assert batch.output.read_bytes() == before
    assert len(batch.server.prompts) == 3


def test_a_file_that_was_emptied_costs_no_answer(batch, cwd) -> None:
    for name in ("a.txt", "b.txt"):
        (cwd / name).write_text(f"text of {name}")
    (cwd / "list").write_bytes(b"a.txt\0b.txt\0")
    given = ("batch", "run", "--files0", "list", "-O", "out.jsonl", *flags(batch.server))
    assert batch.glm(*given, env=KEY).code == 0
    before = batch.output.read_bytes()
    (cwd / "a.txt").write_text("")
    done = batch.glm(*given, env=KEY)
    assert (done.code, error(done)) == (2, CHANGED)
    assert batch.output.read_bytes() == before
    (cwd / "a.txt").write_text("text of a.txt")
    assert batch.glm(*given, env=KEY).code == 0
    assert sorted(batch.server.prompts) == ["text of a.txt", "text of b.txt"]


def test_a_broken_row_does_not_take_the_name_of_another(batch) -> None:
    batch.input.write_text(lines([{"id": "line-3", "prompt": "1"}, {"id": "b", "prompt": "2"}]) + "{broken\n")
    for _ in range(2):
        assert batch.run("--ordered").code == 15
        assert statuses(batch.output) == {"line-3": "ok", "b": "ok", "line-3#bad": "invalid"}
        assert by_id(batch.output)["line-3"]["answer"] == "Re: 1"
    assert sorted(batch.server.prompts) == ["1", "2"]


def test_a_bad_row_of_the_same_id_is_refused(batch) -> None:
    batch.write([{"id": "a", "prompt": "1"}])
    assert batch.run().code == 0
    batch.write([{"id": "a", "prompt": "1"}, {"id": "a"}])
    for _ in range(2):
        done = batch.run()
        assert (done.code, error(done)) == (2, "in.jsonl:2: the id 'a' is also on line 1")
        assert by_id(batch.output)["a"]["answer"] == "Re: 1"
    assert batch.server.prompts == ["1"]


def test_a_bad_row_of_the_same_id_on_a_pipe(batch, glm, server) -> None:
    data = lines([{"id": "a", "prompt": "1"}, {"id": "a"}]).encode()
    for _ in range(2):
        done = glm("batch", "run", "-", "-O", "out.jsonl", *flags(server), env=KEY, stdin=data)
        assert done.code == 15
        assert statuses(batch.output) == {"a": "ok", "line-2": "invalid"}
        assert by_id(batch.output)["a"]["answer"] == "Re: 1"
    assert server.prompts == ["1"]


@pytest.mark.parametrize("is_first", [True, False])
def test_an_id_that_is_the_name_of_a_row_without_one(batch, is_first) -> None:
    unnamed, named = {"prompt": "p"}, {"id": sizes.row_hash("p"), "prompt": "q"}
    batch.write([unnamed, named] if is_first else [named, unnamed])
    assert batch.run().code == 15
    found = by_id(batch.output)
    assert found[sizes.row_hash("p")]["answer"] == "Re: q"
    bad = found["line-1" if is_first else "line-2"]
    assert bad["status"] == "invalid"
    assert bad["error"]["message"].endswith("the name that it would have is the id of another row")
    assert batch.run().code == (2 if is_first else 15)  # the id is also on line 1
    assert by_id(batch.output) == found
    assert batch.server.prompts == ["q"]


def test_a_line_break_of_another_program_costs_no_row(batch, home, cwd) -> None:
    batch.server.respond = unless({"question 0"}, DOWN)
    batch.write(rows(1))
    assert batch.run("--retries", "0").code == 11
    batch.write(rows(21))
    with CountingServer(delay=0.02) as slow:
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
    assert len(batch.server.prompts) == 2


def test_a_changed_row_that_fails_keeps_its_old_answer(batch) -> None:
    batch.write(rows(1))
    assert batch.run().code == 0
    batch.write([{"id": "r0", "prompt": "another"}])
    batch.server.respond = lambda _body: DOWN
    done = batch.run("--redo-changed", "--retries", "0")
    assert done.code == 11
    assert by_id(batch.output)["r0"]["answer"] == "Re: question 0"
    batch.server.respond = lambda _body: None
    assert batch.run().code == 2
    assert batch.run("--redo-changed").code == 0
    assert by_id(batch.output)["r0"]["answer"] == "Re: another"


def test_a_pipe_that_ends_early_deletes_no_answers(batch, glm, server) -> None:
    given = ("batch", "run", "-", "-O", "out.jsonl", *flags(server))
    whole = lines([{"prompt": "a"}, {"prompt": "b"}, {"prompt": "c"}]).encode()
    assert glm(*given, env=KEY, stdin=whole).code == 0
    assert glm(*given, "--redo-changed", env=KEY, stdin=lines([{"prompt": "a"}]).encode()).code == 0
    assert sorted(entry["answer"] for entry in entries(batch.output)) == ["Re: a", "Re: b", "Re: c"]
    assert len(server.prompts) == 3


# What a run may cost, and what becomes of rows that are mended


PRICE = 5 * 1 / 1e6 + 2 * 3.2 / 1e6  # of a row, by the list of zai/glm-5


@pytest.fixture
def paid(glm, server, authority):
    """Run at the address whose prices are known, with this ceiling."""
    certificate = authority.issue("api.z.ai", "DNS:api.z.ai")
    with Relay(tls(certificate), server.port) as inner, Relay(ConnectHandshake(), inner.port) as proxy:
        env = KEY | {"https_proxy": url_of(proxy), "SSL_CERT_FILE": str(authority.file)}
        given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", "-m", "zai/glm-5", "--no-stream")
        yield lambda ceiling, *more: glm(*given, "--max-cost", f"{ceiling:.9f}", *more, env=env)


def test_the_ceiling_counts_what_earlier_runs_spent(batch, paid) -> None:
    batch.write(rows(40))
    assert paid(PRICE * 5.5).code == 12
    assert len(batch.server.prompts) == 5
    done = paid(PRICE * 5.5)
    assert done.code == 12
    assert len(batch.server.prompts) <= 6  # what a row costs is known after the first
    assert paid(PRICE * 12.5).code == 12
    assert len(batch.server.prompts) == len(by_id(batch.output)) == 12


def test_what_earlier_runs_spent_must_be_numbers(batch, paid) -> None:
    batch.write(rows(1))
    assert paid(1).code == 0
    line = entries(batch.output)[0]
    batch.output.write_text(lines([without(line, "cost")]))
    assert paid(1).code == 0
    batch.output.write_text(lines([line | {"cost": line["cost"] | {"amount": 10**400}}]))
    done = paid(1)
    assert (done.code, error(done)) == (
        2,
        "out.jsonl:1: not a line of a ledger: its 'amount' is not a number from 0 to 1,000,000,000,000",
    )


def test_a_cost_of_senseless_counts_does_not_keep_a_run_from_resuming(batch, glm, finished) -> None:
    """A provider that counts 10^15 tokens in one reply: the line that says so was written by a run."""
    first, second = finished
    batch.write(rows(2))
    cost = {"amount": 4_200_000_000.0, "currency": "USD", "as_of": "2026-09-21"}
    batch.output.write_text(lines([first | {"cost": cost}, second]))
    assert batch.run().code == 0
    assert batch.server.prompts == []
    assert glm("batch", "merge", "out.jsonl", "-O", "merged.jsonl").code == 0


def test_a_failed_row_under_a_ceiling_stops_nothing(batch, paid) -> None:
    batch.server.respond = unless({"question 0", "question 3"}, DOWN)
    batch.write(rows(6))
    done = paid(1, "--retries", "0")
    assert done.code == 11
    assert error(done) == "2 of 6 rows have no answer; 2 may still get one"


def grown(batch, home, cwd, more):
    """The exit code of a run during which its input gets these rows too."""
    with CountingServer(delay=0.05) as slow:
        given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(slow), "-j", "1")
        with running(home, cwd, *given, env=KEY) as process:
            slow.wait_for(1)
            with batch.input.open("a") as file:
                file.write(lines(more))
            process.communicate(timeout=30)
        return process.returncode, slow.prompts


def test_rows_that_come_during_the_run_are_left_out(batch, home, cwd) -> None:
    batch.write(rows(4))
    code, asked = grown(batch, home, cwd, [{"id": "late", "prompt": "late"}, {"id": "r0", "prompt": "twice"}])
    assert (code, asked) == (0, [f"question {number}" for number in range(4)])
    assert set(by_id(batch.output)) == {"r0", "r1", "r2", "r3"}
    done = batch.run()
    assert (done.code, error(done)) == (2, "in.jsonl:6: the id 'r0' is also on line 1")


def test_a_failed_row_is_told_although_the_input_grows(batch, home, cwd) -> None:
    batch.write([{"id": "b"}, *rows(3)])
    code, asked = grown(batch, home, cwd, [{"id": "late", "prompt": "late"}])
    assert (code, asked) == (15, ["question 0", "question 1", "question 2"])
    assert batch.run().code == 15
    assert statuses(batch.output) == {"b": "invalid", "r0": "ok", "r1": "ok", "r2": "ok", "late": "ok"}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["in.jsonl", "-"])
def test_an_input_that_is_changed_during_the_run(batch, home, cwd, name) -> None:
    """What was sent is answered, nothing is sent that is half of each, and the same command goes on."""
    values = [{"id": f"r{number}", "prompt": f"question {number} {'x' * 80}"} for number in range(2000)]
    prompts = {row["prompt"] for row in values}
    batch.write(values)
    with CountingServer(delay=0.02) as slow, batch.input.open("rb") as file:
        given = ("batch", "run", name, "-O", "out.jsonl", *flags(slow), "-j", "10")
        with running(home, cwd, *given, env=KEY, stdin=file) as process:
            slow.wait_for(20)
            batch.write([{"id": "new", "prompt": "new"}, *values])
            err = process.communicate(timeout=30)[1].decode()
        shown = "<stdin>" if name == "-" else name
        assert process.returncode == 2
        assert err.rpartition("glm: error: ")[2] == (
            f"{shown} was changed while it was read\n"
            "  fix: let nobody write it meanwhile; the same command again resumes from here\n"
        )
        assert set(slow.prompts) <= prompts
        assert set(statuses(batch.output).values()) == {"ok"}
        assert len(by_id(batch.output)) == len(slow.prompts)
    assert batch.run().code == 0
    assert set(statuses(batch.output)) == {"new", *(row["id"] for row in values)}


@pytest.mark.parametrize("more", [(), ("--engine", "local")])
def test_what_is_under_way_ends_when_the_input_breaks_off(batch, home, cwd, more) -> None:
    with CountingServer(delay=0.5) as slow:
        given = ("batch", "run", "-", "--format", "csv", "-O", "out.jsonl", *flags(slow), *more)
        with running(home, cwd, *given, env=KEY, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            process.stdin.write(b"id,prompt\na,one\n")
            slow.wait_for(1)
            err = process.communicate(b'b,"' + b"x" * (17 << 20), timeout=30)[1].decode()
    assert process.returncode == 2
    assert "glm: error: <stdin>:3: a record longer than 16 MiB begins here\n" in err
    assert statuses(batch.output) == {"a": "ok"}


def test_a_mended_row_is_asked_again(batch) -> None:
    batch.server.respond = unless({"bad"}, SENSITIVE)
    batch.write([{"id": "a", "prompt": "bad"}, {"id": "b", "prompt": "2"}])
    assert batch.run().code == 15
    batch.write([{"id": "a", "prompt": "good"}, {"id": "b", "prompt": "2"}])
    assert batch.run().code == 0
    assert by_id(batch.output)["a"]["answer"] == "Re: good"
    assert sorted(batch.server.prompts) == ["2", "bad", "good"]


def test_a_row_that_was_cut_is_asked_again_with_more_tokens(batch) -> None:
    batch.server.respond = lambda body: answer_with("cut", "length") if body["max_tokens"] == 10 else None
    batch.write(rows(1))
    assert batch.run("--max-tokens", "10").code == 15
    assert batch.run("--max-tokens", "10").code == 15
    assert len(batch.server.prompts) == 1
    assert batch.run("--max-tokens", "1000").code == 0
    assert statuses(batch.output) == {"r0": "ok"}


def test_a_mended_row_without_an_id_leaves_no_failed_line(batch) -> None:
    batch.server.respond = unless({"bad"}, SENSITIVE)
    batch.write([{"prompt": "bad"}, {"prompt": "2"}])
    assert batch.run().code == 15
    batch.write([{"prompt": "good"}, {"prompt": "2"}])
    assert batch.run().code == 0
    assert sorted(entry["answer"] for entry in entries(batch.output)) == ["Re: 2", "Re: good"]


def test_what_is_said_of_changed_rows_without_ids(batch) -> None:
    batch.write([{"prompt": "a"}])
    assert batch.run().code == 0
    batch.write([{"prompt": "b"}])
    done = batch.run()
    assert (done.code, error(done)) == (2, CHANGED)
    assert "; rows without an id are asked anew either way, for they are known by what they ask\n" in done.err


def test_the_order_is_that_of_the_input_after_a_resume(batch) -> None:
    batch.server.respond = unless({"question 1", "question 4"}, DOWN)
    batch.write(rows(6))
    assert batch.run("--ordered", "--retries", "0").code == 11
    batch.server.respond = lambda _body: None
    assert batch.run("--ordered").code == 0
    assert [entry["id"] for entry in entries(batch.output)] == ["r0", "r1", "r2", "r3", "r4", "r5"]


def test_the_order_is_that_of_an_input_that_was_ordered_anew(batch) -> None:
    batch.write(rows(6)[3:])
    assert batch.run().code == 0
    batch.write(rows(6))
    assert batch.run("--ordered").code == 0
    assert [entry["id"] for entry in entries(batch.output)] == ["r0", "r1", "r2", "r3", "r4", "r5"]
    batch.write(reversed(rows(6)))
    assert batch.run("--ordered").code == 0
    assert [entry["id"] for entry in entries(batch.output)] == ["r5", "r4", "r3", "r2", "r1", "r0"]


# What stops a run, and what does not


def test_an_address_where_nothing_is_stops_the_run(batch) -> None:
    batch.server.respond = lambda _body: Response(404, {})
    batch.write(rows(50))
    done = batch.run("-j", "4")
    assert done.code == 2
    assert "the same command again resumes from here" in done.err
    assert len(batch.server.prompts) <= 4
    assert entries(batch.output) == []


def openai(name, model):
    body = {"model": model, "messages": [{"role": "user", "content": f"question of {name}"}]}
    return {"custom_id": name, "method": "POST", "url": "/v4/chat/completions", "body": body}


def test_a_line_whose_model_does_not_exist_fails_alone(batch) -> None:
    missing = refuse_with({"error": {"code": "1211", "message": "no such model"}}, status=400)
    batch.server.respond = lambda body: missing if body["model"] == "glm-none" else None
    values = [openai("a", "glm-5"), openai("b", "glm-none"), openai("c", "glm-5"), openai("d", "glm-5")]
    batch.write(values)
    done = batch.glm(
        "batch", "run", "in.jsonl", "-O", "out.jsonl", "-P", "zai", "--base-url", batch.server.url, "-j", "1", env=KEY
    )
    assert done.code == 15, done.err
    assert statuses(batch.output) == {"a": "ok", "b": "failed", "c": "ok", "d": "ok"}


def nobody() -> str:
    """An address where no connection is taken."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/v1"


def unreached(batch, count, *more, **options):
    batch.write(rows(count))
    given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", "-m", "zai/glm-5", "--no-stream", "--base-url", nobody())
    began = time.monotonic()
    return batch.glm(*given, *more, env=KEY, **options), time.monotonic() - began


def test_a_server_that_is_not_there_is_told_once(batch) -> None:
    done, _ = unreached(batch, 100, "--deadline", "2.5")
    assert done.code == 6
    assert done.err.count("Connection refused; trying again\n") == 1
    assert not any(entry["final"] for entry in entries(batch.output))  # what could not be tried again in time
    assert batch.run().code == 0
    assert len(by_id(batch.output)) == 100


@pytest.mark.slow
@pytest.mark.parametrize("retries", ["0", "1000"])
def test_a_server_that_is_not_there_ends_the_run(batch, retries) -> None:
    done, seconds = unreached(batch, 100, "--retries", retries, timeout=150)
    assert done.code == 6
    assert done.err.count("Connection refused; trying again\n") == 1
    assert "Connection refused; no connection could be made for 60 s" in error(done)
    assert 55 < seconds < 130
    assert set(statuses(batch.output).values()) <= {"failed"}
    assert not any(entry["final"] for entry in entries(batch.output))
    assert len(entries(batch.output)) < (60 if retries == "0" else 1)


@pytest.mark.parametrize("said", [429, 503])
def test_a_server_that_asks_to_wait_an_hour_stops_the_run(batch, said) -> None:
    body = {"error": {"code": "1302", "message": "busy"}} if said == 429 else {}
    batch.server.respond = lambda _body: refuse_with(body, "Retry-After: 3600", status=said)
    batch.write(rows(50))
    done = batch.run("-j", "4")
    assert done.code == 5
    assert "the server asks to wait 3600 s" in error(done)
    assert len(batch.server.prompts) <= 4
    assert set(statuses(batch.output).values()) <= {"failed"}


def test_a_provider_without_money_is_asked_no_more(glm, cwd, server) -> None:
    (cwd / "config.yaml").write_text(f"providers:\n  other: {{like: vllm, base_url: '{server.url}'}}\n")
    with CountingServer(lambda _body: NO_MONEY) as first:
        (cwd / "in.jsonl").write_text(lines(rows(60)))
        more = ("-j", "4", "--fallback", "other/glm-5-fp8")
        given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(first), *more)
        assert glm(*given, env=KEY | {"GLM_CONFIG": "config.yaml"}).code == 0
        assert len(first.prompts) <= 4
    assert len(server.prompts) == 60
    assert {entry["provider"] for entry in by_id(cwd / "out.jsonl").values()} == {"other"}


def test_rows_that_cannot_be_asked_are_failures(batch) -> None:
    batch.input.write_text("{broken\n" * 10 + lines(rows(50)))
    done = batch.run("--max-failures", "3", "-j", "1")
    assert (done.code, error(done)) == (11, "stopped after 3 failed rows (--max-failures)")
    assert len(by_id(batch.output)) == 3
    assert batch.server.prompts == []


def test_a_pipe_that_goes_on_after_the_run(batch, home, cwd) -> None:
    """A thread still reads it when the loop is closed already."""
    batch.server.respond = lambda _body: Response(401, {"error": {"code": "1002", "message": "bad token"}}, delay=0.05)
    given = ("batch", "run", "-", "-O", "out.jsonl", *flags(batch.server), "-j", "1")
    with running(home, cwd, *given, env=KEY, stdin=subprocess.PIPE) as process:
        process.stdin.write(b'{"prompt": "p"}\n')
        batch.server.wait_for(1)

        def trickle() -> None:
            with suppress(OSError):
                while True:
                    process.stdin.write(b'{"prompt": "p"}\n')
                    time.sleep(0.001)

        writer = threading.Thread(target=trickle, daemon=True)
        writer.start()
        err = process.stderr.read()
        assert process.wait(10) == 3
        writer.join(5)
    assert b"Traceback" not in err


# A signal while the output is brought into its last form


def test_ctrl_c_while_the_table_waits_for_a_reader(batch, home, cwd) -> None:
    os.mkfifo(cwd / "table")
    batch.write(rows(3))
    with running(home, cwd, *batch.arguments("--csv", "table"), env=KEY) as process:
        wait_for(lambda: len(batch.server.answer_counts) == 3 and batch.output.read_bytes().count(b"\n") == 3)
        time.sleep(0.2)  # it is over, and nobody reads the table
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT
    assert set(by_id(batch.output)) == {"r0", "r1", "r2"}


def test_ctrl_c_during_compaction(batch, home, cwd) -> None:
    count = 10_000
    batch.write([{"id": f"r{count - 1}", "prompt": sizes.prompt(count - 1)}])
    assert batch.run("-q").code == 0
    like = batch.output.read_bytes()
    sizes.write_input(batch.input, count)
    sizes.write_output(batch.output, like, range(count))
    with batch.output.open("ab") as file:
        file.write(like)
    with running(home, cwd, *batch.arguments(), env=KEY) as process:
        until = time.monotonic() + 30
        while not any(cwd.glob(".glm-*")) and time.monotonic() < until:
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT
    assert len(entries(batch.output)) in {count, count + 1}
    assert file_names(cwd) == {"in.jsonl", "out.jsonl"}


# What is found before anything is sent


def test_texts_need_a_folder(batch, cwd) -> None:
    batch.write(rows(1))
    (cwd / "texts").write_text("a file")
    done = batch.run("--text", "texts")
    assert (done.code, error(done)) == (14, "--text: cannot make the folder texts: File exists")
    assert batch.server.prompts == []
    assert (cwd / "texts").read_text() == "a file"


def test_a_table_needs_a_folder(batch, cwd) -> None:
    batch.write(rows(1))
    done = batch.run("--csv", "missing/table.csv")
    assert (done.code, error(done)) == (14, "cannot write missing/table.csv: there is no such folder")
    assert batch.server.prompts == []
    assert file_names(cwd) == {"in.jsonl"}


EDITED = {
    "calls": {"calls": 10**30},
    "calls that are none": {"calls": True},
    "line": {"line": "one"},
    "hash": {"hash": "\ud800"},
    "hash that is a number": {"hash": 7},
    "answer": {"answer": None},
    "columns": {"columns": [1]},
    "id": {"id": 7},
    "half an id": {"id": "\ud800"},
    "cost": {"cost": 7},
    "no number": {"cost": {"amount": float("nan"), "currency": "USD", "as_of": "2026-11-22"}},
    "an amount": {"cost": {"amount": "much", "currency": "USD", "as_of": "2026-11-22"}},
    "status": {"status": []},
}
LACKING = ("id", "status", "hash", "calls")


@pytest.fixture(scope="module")
def finished(fork_server, tmp_path_factory):
    """The lines of a run that two rows were answered in."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "in.jsonl").write_text(lines(rows(2)))
    with CountingServer() as server:
        given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", "--ordered", *flags(server))
        fork_server.run(given, folder, environment(folder, **KEY), stdin=None, timeout=60)
    return entries(folder / "out.jsonl")


@pytest.mark.parametrize("change", EDITED.values(), ids=EDITED)
def test_an_edited_line_is_set_aside(batch, finished, change) -> None:
    first, second = finished
    sets_aside(batch, first, second | change)


@pytest.mark.parametrize("name", LACKING)
def test_a_line_that_lacks_a_field_is_set_aside(batch, finished, name) -> None:
    first, second = finished
    sets_aside(batch, first, without(second, name))


@pytest.mark.parametrize("name", ["answer", "columns", "cost", "line", "error", "timing"])
def test_an_output_can_be_gone_on_from_without_a_field(batch, finished, name) -> None:
    """What nothing depends on may lack; the other forms of the output are made all the same."""
    first, second = finished
    batch.write(rows(2))
    batch.output.write_text(lines([first, without(second, name)]))
    assert batch.run("--csv", "table.csv", "--text", "texts").code == 0
    assert batch.server.prompts == []


def without(line, name):
    return {key: value for key, value in line.items() if key != name}


def sets_aside(batch, first, edited) -> None:
    text = json.dumps(edited) + "\n"
    batch.write(rows(2))
    batch.output.write_text(json.dumps(first) + "\n" + text)
    done = batch.run("--csv", "table.csv", "--text", "texts")
    assert done.code == 0
    assert "glm: out.jsonl: 1 line cannot be read (line 2: " in done.err
    assert batch.output.with_name("out.jsonl.torn").read_text() == text
    assert statuses(batch.output) == {"r0": "ok", "r1": "ok"}
    assert batch.server.prompts == ["question 1"]


def test_a_blank_line_of_an_output_is_passed_over(batch) -> None:
    batch.write(rows(2))
    assert batch.run("--ordered").code == 0
    first, second = batch.output.read_bytes().splitlines(keepends=True)
    batch.output.write_bytes(first + b"\n" + second)
    assert batch.run("--csv", "table.csv").code == 0
    assert [line for line in batch.output.read_bytes().splitlines(keepends=True) if line.strip()] == [first, second]
    assert len(batch.server.prompts) == 2


def test_few_open_files_mean_fewer_requests_at_once(batch) -> None:
    batch.write(rows(100))
    done = batch.run("-j", "500", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    assert done.code == 0
    assert "only 64 files may be open here: at most 32 requests in flight, not 500" in done.err
    assert len(by_id(batch.output)) == 100


def test_an_id_that_holds_the_key(batch) -> None:
    batch.write([{"id": f"x {CANARY}", "prompt": "1"}, {"id": "b", "prompt": "2"}])
    for _ in range(2):
        done = batch.run(may_hold_key=(batch.input,))
        assert done.code == 15
        assert statuses(batch.output) == {"line-1": "invalid", "b": "ok"}
        assert by_id(batch.output)["line-1"]["error"]["message"] == "in.jsonl:1: its id holds a key"
    assert batch.server.prompts == ["2"]


def test_memory_does_not_grow_with_a_pipe_of_long_rows(batch, home, cwd) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("only /proc tells how much memory a process uses")
    with CountingServer(lambda _body: answer_with("short", delay=0.03)) as slow:
        given = ("batch", "run", "-", "-O", "out.jsonl", *flags(slow), "-j", "2")
        with running(home, cwd, *given, env=KEY, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:

            def feed() -> None:
                for number in range(90):
                    row = json.dumps({"id": f"r{number}", "prompt": f"{number} " + "x" * 1_000_000}) + "\n"
                    process.stdin.write(row.encode())
                process.stdin.close()

            threading.Thread(target=feed, daemon=True).start()
            peak = 0
            while process.poll() is None:
                peak = memory_of(process.pid) or peak
                time.sleep(0.02)
    assert process.returncode == 0
    assert len(by_id(batch.output)) == 90
    assert peak / 1024 < 100


def memory_of(pid) -> int:
    """KiB at the most, so far; 0 of a process that has ended."""
    with suppress(OSError), Path(f"/proc/{pid}/status").open(encoding="ascii") as status:
        return next((int(line.split()[1]) for line in status if line.startswith("VmHWM:")), 0)
    return 0
