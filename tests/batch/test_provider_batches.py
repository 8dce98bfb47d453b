"""Batches that a provider runs: the installed program against the sandbox, and servers that say what we want."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from batch_runs import by_id, entries, error, lines, rows, statuses
from processes import error_of, read_until, running, wait_for
from program import CANARY, GLM, environment
from scripted_server import Server, Stall, reply

from glmcli.batch.jobs.results import ResultReader
from glmcli.chat.events import Source, Usage
from glmcli.console.redaction import Redactor
from glmcli.providers import pricing
from glmcli.providers.table import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = {
    "BIGMODEL_API_KEY": CANARY,
    "DASHSCOPE_API_KEY": CANARY,
    "OPENAI_API_KEY": CANARY,
    "TOKENHUB_API_KEY": CANARY,
    "ZAI_API_KEY": CANARY,
}
BIGMODEL = ("-m", "bigmodel/glm-4-flash")
# What is said of the models that TokenHub's Batch API is known to serve.
MAY_BE_GONE = (
    "glm: glm-5 at tokenhub may be gone since 2026-10-09 and be refused: announced for Tencent's plans and CloudBase; "
    "for pay-as-you-go no notice was found, and its list of 2026-09-30 does not have it; the provider names glm-5.3 "
    "instead\n"
)


@contextmanager
def sandbox(home: Path, cwd: Path, *flags: str) -> Iterator[dict[str, str]]:
    """The base URLs of a sandbox that outlives the commands."""
    with running(home, cwd, "sandbox", *flags) as process:
        text = read_until(process.stdout, b"/sandbox/api/paas/v4\n")
        yield dict(line.split("\t") for line in text.decode().splitlines())


class Job:
    """A folder with rows, submitted to one provider."""

    def __init__(self, glm, cwd: Path, *asked: str) -> None:
        self._glm = glm
        self.input = cwd / "in.jsonl"
        self.output = cwd / "out.jsonl"
        self.file = cwd / "out.jsonl.job.json"
        self._asked = asked
        at = asked.index("--base-url") if "--base-url" in asked else len(asked)
        self._place = asked[at : at + 2]

    def write(self, values) -> None:
        self.input.write_text(lines(values), encoding="utf-8")

    def submit(self, *more: str, **options):
        return self._glm("batch", "submit", "in.jsonl", "-O", "out.jsonl", *self._asked, *more, env=KEYS, **options)

    def files(self, *names: str):
        """Submit files, each of which is a row."""
        listed = "\0".join(names).encode()
        return self._glm("batch", "submit", "--files0", "-", "-O", "out.jsonl", *self._asked, env=KEYS, stdin=listed)

    def submit_arguments(self) -> list[str]:
        return ["batch", "submit", "in.jsonl", "-O", "out.jsonl", *self._asked]

    def ask(self, command: str, *more: str, name: str = "out.jsonl"):
        return self._glm("batch", command, name, *self._place, *more, env=KEYS)

    def finish(self, *more: str):
        """Wait until all have ended, and fetch."""
        self.ask("status", "--wait", "--poll", "0.01")
        return self.ask("fetch", *more)

    @property
    def parts(self) -> list[dict[str, Any]]:
        return json.loads(self.file.read_bytes())["parts"]


@pytest.fixture
def job(glm, cwd):
    return lambda *asked: Job(glm, cwd, *asked)


@pytest.fixture
def places(home, cwd):
    with sandbox(home, cwd) as urls:
        yield urls


# What a server says


def uploaded(identity: str = "file_1"):
    return reply(200, {"id": identity, "object": "file", "bytes": 1, "fileName": "part-1.jsonl", "filename": None})


def batch(state: str = "validating", identity: str = "batch_1", **more: Any) -> dict[str, Any]:
    return {"id": identity, "object": "batch", "status": state, "input_file_id": "file_1"} | more


def looked(state: str = "validating", identity: str = "batch_1", **more: Any):
    return reply(200, batch(state, identity, **more))


def answered(name: str, body: Any = None, status: int = 200, **more: Any) -> dict[str, Any]:
    text = {"id": f"c-{name}", "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": f"to {name}"}}]}
    return {"custom_id": name, "response": {"status_code": status, "body": text if body is None else body}, **more}


def content(*values: Any):
    return reply(200, lines(values), content_type="application/octet-stream")


def paths(server: Server) -> list[str]:
    return [f"{request.method} {request.path.removeprefix('/v1')}" for request in server.requests]


@contextmanager
def served(job, *scripts, asked=BIGMODEL, count: int = 2) -> Iterator[tuple[Server, Job]]:
    """A job of a few rows, and a server that plays these scripts."""
    with Server(*scripts) as server:
        own = job(*asked, "--base-url", server.url)
        own.write(rows(count))
        yield server, own


# There and back


def test_answers_are_lines_as_a_run_writes_them(job, glm, cwd, places) -> None:
    own = job(*BIGMODEL, "--base-url", places["bigmodel"], "-s", "Be brief.")
    own.write([*rows(3), {"prompt": "no id", "columns": {"label": 7}}])
    done = own.submit()
    assert done.code == 0
    assert re.fullmatch(r"part 1 of 1\tbatch_\w+\tin_progress\t.+ old\n", done.text)
    assert own.finish().code == 0
    place = ["--base-url", places["bigmodel"], "-s", "Be brief."]
    assert glm("batch", "run", "in.jsonl", "-O", "run.jsonl", *BIGMODEL, *place, env=KEYS).code == 0
    theirs, ours = by_id(cwd / "run.jsonl"), by_id(own.output)
    assert theirs.keys() == ours.keys()
    same = (
        "line",
        "hash",
        "status",
        "answer",
        "usage",
        "columns",
        "final",
        "calls",
        "provider",
        "model",
        "finish_reason",
    )
    for identity, entry in ours.items():
        assert {name: entry[name] for name in same} == {name: theirs[identity][name] for name in same}
    assert entries(own.output)[0]["id"] != "r0", "the sandbox answers in another order"
    # Both go on with what the other has done.
    assert "nothing is left to submit" in own.submit().err
    assert glm("batch", "run", "in.jsonl", "-O", "out.jsonl", *BIGMODEL, *place, env=KEYS).code == 0
    assert len(entries(own.output)) == 4


def test_rows_that_the_input_no_longer_has_become_no_batch(job) -> None:
    """They were brought as far as a file, and are paid for only when there is a batch."""
    broke = reply(429, {"error": {"code": "1113", "message": "Insufficient balance"}})
    with served(job, uploaded(), broke, uploaded("file_2"), looked(), looked(), count=0) as (server, own):
        own.write([{"prompt": "one"}, {"prompt": "tow"}])
        assert own.submit().code == 4
        own.write([{"prompt": "one"}, {"prompt": "two"}])
        done = own.submit()
        assert done.code == 2
        assert error_of(done.err) == "part 1 is no batch yet, and 1 row of it is not asked any more"
        assert len(server.requests) == 2
        own.file.unlink()
        assert own.submit().code == 0
    assert server.requests[2].body.count(b'"custom_id"') == 2
    assert b"tow" not in server.requests[2].body


def test_the_same_command_submits_nothing_twice(job, glm, places) -> None:
    own = job(*BIGMODEL, "--base-url", places["bigmodel"])
    own.write(rows(3))
    assert own.submit().code == 0
    again = own.submit()
    assert again.code == 0
    assert "3 rows are under way already" in again.err
    listed = glm("batch", "list", "-P", "bigmodel", "--base-url", places["bigmodel"], env=KEYS)
    assert listed.text.count("batch_") == 1
    # A row that is new in the input is no second job for the others.
    own.write(rows(4))
    assert own.submit().code == 0
    assert [part["lines"] for part in own.parts] == [3, 1]


def test_rows_that_are_answered_already_stay_at_home(job, glm, places) -> None:
    own = job(*BIGMODEL, "--base-url", places["bigmodel"])
    own.write(rows(2))
    run = glm("batch", "run", "in.jsonl", "-O", "out.jsonl", *BIGMODEL, "--base-url", places["bigmodel"], env=KEYS)
    assert run.code == 0
    own.write(rows(5))
    assert own.submit().code == 0
    assert own.parts[0]["lines"] == 3
    assert own.finish().code == 0
    assert len(by_id(own.output)) == 5


def test_what_goes_out_to_bigmodel(job) -> None:
    with served(job, uploaded(), looked(), looked()) as (server, own):
        assert own.submit("--no-think", "--max-tokens", "9").code == 0
    upload, create, _ = server.requests
    assert paths(server) == ["POST /files", "POST /batches", "GET /batches/batch_1"]
    assert upload.header("authorization") == f"Bearer {CANARY}"
    assert upload.header("content-type").startswith("multipart/form-data; boundary=")
    assert int(upload.header("content-length")) == len(upload.body)
    assert b'name="purpose"\r\n\r\nbatch\r\n' in upload.body
    assert b'name="file"; filename="part-1.jsonl"' in upload.body
    sent = [json.loads(line) for line in upload.body.split(b"\r\n\r\n")[-1].split(b"\r\n--")[0].splitlines()]
    assert sent[0] == {
        "custom_id": "r0",
        "method": "POST",
        "url": "/v4/chat/completions",
        "body": {
            "model": "glm-4-flash",
            "messages": [{"role": "user", "content": "question 0"}],
            "thinking": {"type": "disabled"},
            "max_tokens": 9,
        },
    }
    assert create.json == {
        "input_file_id": "file_1",
        "endpoint": "/v4/chat/completions",
        "completion_window": "24h",
        "auto_delete_input_file": True,
    }


def test_a_server_of_ones_own_is_asked_in_the_form_of_openai(job, places) -> None:
    own = job("-m", "vllm/glm-5", "--base-url", places["openai"], "--key-file", "key")
    own.input.parent.joinpath("key").write_text("another-key")
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    own.write([{"custom_id": "x", "method": "POST", "url": "/v4/chat/completions", "body": body}])
    dry = own.submit("-n")
    assert json.loads(dry.out) == {
        "custom_id": "x",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "glm-5", "messages": [{"role": "user", "content": "hi"}]},
    }
    assert not own.file.exists()
    assert own.submit().code == 0
    assert own.ask("status", "--key-file", "key", "--wait", "--poll", "0.01").code == 0
    assert own.ask("fetch", "--key-file", "key").code == 0
    assert statuses(own.output) == {"x": "ok"}


def test_lines_by_the_names_of_the_row(job) -> None:
    with served(job, uploaded(), looked(), looked(), asked=("-m", "llamacpp/glm")) as (server, own):
        body = {"messages": [{"role": "user", "content": "hi"}], "repeat_penalty": 1.2}
        own.write([{"custom_id": "x", "method": "POST", "url": "/v1/chat/completions", "body": body}])
        assert own.submit("--think-budget", "9").code == 0
    (line,) = server.requests[0].body.split(b"\r\n\r\n")[-1].split(b"\r\n--")[0].splitlines()
    assert json.loads(line)["body"] == {
        "model": "glm",
        "messages": [{"role": "user", "content": "hi"}],
        "repeat_penalty": 1.2,
        "thinking_budget_tokens": 9,
    }


def test_the_free_model_of_model_studio_and_its_limits(job, glm, places) -> None:
    place = ("--base-url", places["modelstudio"])
    empty = glm("batch", "list", "-P", "modelstudio", *place, env=KEYS)
    assert (empty.code, empty.out) == (0, b"")  # `data: null`
    own = job("-m", "modelstudio/batch-test-model", *place)
    own.write([*rows(101), {"id": "long", "prompt": "x" * 1_000_001}])
    done = own.submit()
    assert done.code == 0
    assert [(part["lines"], part["number"]) for part in own.parts] == [(100, 1), (1, 2)]  # 100 lines a file
    assert "1 row cannot be submitted" in done.err
    fetched = own.finish()
    assert fetched.code == 15
    again = own.submit()  # says it once
    assert again.code == 0
    found = by_id(own.output)
    assert len(found) == 102
    assert found["r7"]["answer"] == "This is a test result."  # a message without a role
    assert found["long"]["status"] == "invalid"
    assert "takes 1000000" in found["long"]["error"]["message"]


def test_files_are_cut_at_their_bytes(job, places) -> None:
    own = job("-m", "modelstudio/batch-test-model", "--base-url", places["modelstudio"])
    own.write([{"id": f"r{number}", "prompt": "x" * 400_000} for number in range(5)])
    assert own.submit().code == 0
    assert [part["lines"] for part in own.parts] == [2, 2, 1]
    assert all(part["bytes"] <= 1_000_000 for part in own.parts)


def test_a_file_has_one_model(job, places) -> None:
    own = job("-P", "bigmodel", "--base-url", places["bigmodel"])
    turns = [{"role": "user", "content": "hi"}]
    bodies = [{"model": f"glm-4-{'plus' if n % 2 else 'long'}", "messages": turns} for n in range(4)]
    form = {"method": "POST", "url": "/v1/chat/completions"}
    own.write([{"custom_id": f"c{n}", **form, "body": body} for n, body in enumerate(bodies)])
    assert own.submit().code == 0
    assert [(part["model"], part["lines"]) for part in own.parts] == [("glm-4-long", 2), ("glm-4-plus", 2)]
    assert own.finish().code == 0
    assert {entry["model"] for entry in by_id(own.output).values()} == {"glm-4-long", "glm-4-plus"}


@pytest.mark.slow
def test_fifty_thousand_and_one_rows_are_two_files(job, places) -> None:
    own = job("-m", "openai/glm-5", "--base-url", places["openai"])
    own.write(rows(50_001))
    assert own.submit().code == 0
    assert [part["lines"] for part in own.parts] == [50_000, 1]
    assert own.finish().code == 0
    assert len(by_id(own.output)) == 50_001


def test_ids_that_a_provider_may_not_take_come_back(job, places, cwd) -> None:
    own = job(*BIGMODEL, "--base-url", places["bigmodel"])
    made = f"row-{sha256(b'with a blank').hexdigest()[:40]}"
    ids = ["plain", "with a blank", "x" * 65, "报告/一", "a#2", made]
    own.write([{"id": identity, "prompt": identity} for identity in ids])
    assert own.submit().code == 0
    sent = [json.loads(line)["custom_id"] for line in (cwd / "out.jsonl.job.rows.jsonl").read_text().splitlines()]
    assert sent[0] == "plain"
    assert all(re.fullmatch("row-[0-9a-f]{40}", name) for name in sent[1:])
    assert len(set(sent)) == len(ids)
    assert own.finish().code == 0
    assert by_id(own.output).keys() == set(ids)


def test_other_inputs_and_a_request_file(job, cwd, places) -> None:
    own = job(*BIGMODEL, "--base-url", places["bigmodel"])
    (cwd / "a b.txt").write_text("one")
    (cwd / "ask.yaml").write_text("prompt: 'Translate {{what}}.'\nsystem: Be brief.\n")
    own.input.write_text("id\twhat\nx\ta cat\n")
    shown = own.submit("--format", "tsv", "-f", "ask.yaml", "-n")
    turns = json.loads(shown.out)["body"]["messages"]
    assert [turn["content"] for turn in turns] == ["Be brief.", "Translate a cat."]
    files = job(*BIGMODEL, "--base-url", places["bigmodel"])
    done = files.files("a b.txt")
    assert done.code == 0
    assert files.finish().code == 0
    assert list(by_id(own.output)) == ["a b.txt"]


def test_answers_to_another_request(job, places) -> None:
    own = job(*BIGMODEL, "--base-url", places["bigmodel"])
    own.write(rows(2))
    own.submit()
    assert own.finish().code == 0
    done = own.submit("--temperature", "0.5")
    assert done.code == 2
    assert "2 finished rows answer another request" in done.err
    assert "nothing is left to submit" in own.submit("--temperature", "0.5", "--keep-changed").err
    assert own.submit("--temperature", "0.5", "--redo-changed").code == 0
    assert own.finish().code == 0
    assert sorted(entry["calls"] for entry in by_id(own.output).values()) == [2, 2]


# What exists, whatever happens


@pytest.mark.parametrize("is_there", [False, True])
def test_killed_between_upload_and_batch(home, cwd, job, is_there) -> None:
    """Nothing is uploaded twice, and a batch that came into being is found, not made again."""
    listed = reply(200, {"object": "list", "data": [batch()] if is_there else None, "has_more": False})
    with served(job, uploaded(), [Stall()], listed, looked(), looked()) as (server, own):
        with running(home, cwd, *own.submit_arguments(), env=KEYS) as process:
            wait_for(lambda: len(server.requests) == 2)
            assert own.parts[0]["state"] == "creating"
            assert own.parts[0]["file"] == "file_1"
            process.kill()
            process.wait()
        done = own.submit()
        assert done.code == 0, done.err
    expected = ["POST /files", "POST /batches", "GET /batches?limit=100", "POST /batches", "GET /batches/batch_1"]
    if is_there:
        del expected[3]
        assert "its batch batch_1 is there already" in done.err
    assert paths(server) == expected
    assert own.parts[0]["batch"] == "batch_1"


def test_killed_while_uploading(home, cwd, job) -> None:
    with served(job, [Stall()], uploaded(), looked(), looked()) as (server, own):
        with running(home, cwd, *own.submit_arguments(), env=KEYS) as process:
            wait_for(lambda: len(server.requests) == 1)
            process.kill()
            process.wait()
        assert own.parts[0]["state"] == "uploading"
        assert own.submit().code == 0
    assert paths(server) == ["POST /files", "POST /files", "POST /batches", "GET /batches/batch_1"]
    assert server.requests[0].body == server.requests[1].body


def test_another_batch_of_the_same_address(home, cwd, job) -> None:
    """An address may have served before: an older batch of it is none of ours."""
    url = "https://cos.example/lines.jsonl"
    older = {"data": [batch(identity="older", input_file_id=url, created_at=1_000)], "has_more": False}
    scripts = ([Stall()], reply(200, older), looked(), looked())
    with served(job, *scripts, asked=("-m", "tokenhub/glm-5")) as (server, own):
        with running(home, cwd, *own.submit_arguments(), "--input-url", url, env=KEYS) as process:
            wait_for(lambda: server.requests)
            process.kill()
            process.wait()
        assert own.submit("--input-url", url).code == 0
    assert paths(server)[:3] == ["POST /batches", "GET /batches?limit=100", "POST /batches"]
    assert own.parts[0]["batch"] == "batch_1"


def test_a_batch_that_may_have_come_into_being_is_not_asked_for_again(job) -> None:
    failed = reply(502, "<html>bad gateway</html>", content_type="text/html")
    with served(job, uploaded(), failed, reply(200, {"data": [batch()]}), looked("in_progress")) as (server, own):
        done = own.submit()
        assert done.code == 13
        assert "the same command again looks whether the batch is there" in done.err
        assert own.submit().code == 0
    assert paths(server)[1:] == ["POST /batches", "GET /batches?limit=100", "GET /batches/batch_1"]


@pytest.mark.parametrize(
    "said",
    [
        reply(200, {}),
        reply(200, {"id": "batch_1"}),
        reply(200, {"id": 1, "status": "validating"}),
        reply(200, "[]"),
        reply(200, "<html>log in</html>", content_type="text/html"),
        reply(303, "", "Location: /v1/batches/batch_1"),
        reply(408, {"error": {"message": "too slow"}}),
        reply(409, {"error": {"message": "there is one already"}}),
        reply(499, ""),
    ],
    ids=["empty", "no-state", "number", "list", "html", "elsewhere", "408", "409", "499"],
)
def test_what_is_no_clear_no_may_have_made_a_batch(job, said) -> None:
    """A batch is asked for once; whether it is there is looked up before it is asked for again."""
    with served(job, uploaded(), said, reply(200, {"data": [batch()]}), looked("in_progress")) as (server, own):
        done = own.submit()
        assert done.code in (2, 5, 13)
        assert "the same command again looks whether the batch is there" in done.err
        assert own.parts[0]["state"] == "creating"
        assert own.submit().code == 0
    assert paths(server)[1:] == ["POST /batches", "GET /batches?limit=100", "GET /batches/batch_1"]


def test_a_list_that_does_not_say_whether_it_goes_on(home, cwd, job) -> None:
    others = {"data": [batch(identity=f"other_{n}", input_file_id="another") for n in range(20)]}
    scripts = (uploaded(), [Stall()], reply(200, others), reply(200, {"data": [batch()]}), looked())
    with served(job, *scripts) as (server, own):
        with running(home, cwd, *own.submit_arguments(), env=KEYS) as process:
            wait_for(lambda: len(server.requests) == 2)
            process.kill()
            process.wait()
        assert own.submit().code == 0
    assert paths(server)[2:] == [
        "GET /batches?limit=100",
        "GET /batches?limit=100&after=other_19",
        "GET /batches/batch_1",
    ]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (reply(200, {"data": [batch(input_file_id="https://cos.example/x")], "has_more": False}), 13),
        (reply(404, {"error": {"message": "no lists here"}}), 2),
    ],
    ids=["no-age", "no-list"],
)
def test_where_nobody_knows_whether_there_is_a_batch(home, cwd, job, said, code) -> None:
    """It is not asked for again; a person has to look."""
    url = "https://cos.example/x"
    with served(job, [Stall()], said, asked=("-m", "tokenhub/glm-5")) as (server, own):
        with running(home, cwd, *own.submit_arguments(), "--input-url", url, env=KEYS) as process:
            wait_for(lambda: server.requests)
            process.kill()
            process.wait()
        done = own.submit("--input-url", url)
        assert done.code == code
        assert (
            f"see at the provider whether there is a batch of {url}; if none is, remove out.jsonl.job.json" in done.err
        )
        stopped = own.ask("cancel")
        assert stopped.code == 11
        assert error_of(stopped.err) == "nobody knows yet whether there is a batch of part 1: it was asked for"
    assert paths(server) == ["POST /batches", "GET /batches?limit=100"]


@pytest.mark.parametrize("status", [429, 200])
def test_no_money_and_then_some(job, status) -> None:
    broke = reply(status, {"error": {"code": "1113", "message": "Insufficient balance"}})
    with served(job, uploaded(), broke, looked(), looked()) as (server, own):
        assert own.submit().code == 4
        assert (own.parts[0]["state"], own.parts[0]["created"]) == ("uploaded", None)
        assert own.submit().code == 0
    assert paths(server) == ["POST /files", "POST /batches", "POST /batches", "GET /batches/batch_1"]


def test_a_bad_key(job, places) -> None:
    own = job(*BIGMODEL, "--base-url", places["bigmodel"], "--key-file", "key")
    own.write(rows(1))
    own.input.parent.joinpath("key").write_text("bad-key")
    assert own.submit().code == 3


def test_fetch_is_killed_and_goes_on(home, cwd, job) -> None:
    """The first file is in the output when the second hangs; a row is never there twice."""
    ended = looked("completed", output_file_id="out_1", error_file_id="err_1")
    first = content(answered("r0"), answered("r1", {"error": {"code": "1214", "message": "bad"}}, 400))
    second = content({"custom_id": "r2", "response": None, "error": {"code": "500", "message": "broken"}})
    scripts = (uploaded(), looked(), looked(), ended, first, [Stall()], ended, first, second)
    with served(job, *scripts, count=3) as (server, own):
        assert own.submit().code == 0
        with running(home, cwd, "batch", "fetch", "out.jsonl", "--base-url", server.url, env=KEYS) as process:
            wait_for(lambda: len(server.requests) == 6)
            process.kill()
            process.wait()
        assert len(entries(own.output)) == 2
        assert own.parts[0]["fetched"] is False
        assert own.ask("fetch").code == 11
        assert statuses(own.output) == {"r0": "ok", "r1": "failed", "r2": "failed"}
        assert len(entries(own.output)) == 3
        # What was fetched is not asked for again.
        assert own.ask("fetch").code == 11
    assert len(server.requests) == 9
    assert {path.name for path in cwd.iterdir()} == {
        "in.jsonl",
        "out.jsonl",
        "out.jsonl.job.json",
        "out.jsonl.job.rows.jsonl",
    }


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (reply(200, {"error": {"code": "1302", "message": "slow down"}}), "part-1.output:1 is no line of answers"),
        (reply(200, {"code": 500, "msg": "404 NOT_FOUND", "success": False}), "part-1.output:1 is no line of answers"),
        (reply(200, json.dumps([answered("r0"), answered("r1")])), "part-1.output:1 is no line of answers"),
        (reply(200, lines([answered("r0"), answered("r1")])[:-90]), "part-1.output:2 is no line of answers"),
        (reply(200, b"\x1f\x8b\x08\x00\x00"), "part-1.output:1 is no line of answers"),
        (reply(200, "\n"), "it is completed, and its files are empty"),
    ],
    ids=["refusal", "flat", "array", "torn", "packed", "empty"],
)
def test_what_is_no_file_of_answers_is_fetched_again(job, said, why) -> None:
    ended = looked("completed", output_file_id="out_1")
    whole = content(answered("r0"), answered("r1"))
    with served(job, uploaded(), looked(), looked(), ended, said, ended, whole) as (_, own):
        own.submit()
        done = own.ask("fetch")
        assert done.code == 13
        assert error(done).endswith(why)
        assert own.parts[0]["fetched"] is False
        assert own.ask("fetch").code == 0
    assert statuses(own.output) == {"r0": "ok", "r1": "ok"}


def test_a_line_that_nobody_can_read_stays_on_the_disk(job, cwd) -> None:
    """It is paid for: the others are written, and the file is left to those who can."""
    broken = lines([answered("r0"), answered("r1")]).encode().replace(b"to r0", b"to \xff")
    ended = looked("completed", output_file_id="out_1")
    with served(job, uploaded(), looked(), looked(), ended, reply(200, broken)) as (_, own):
        own.submit()
        done = own.ask("fetch")
    assert done.code == 11
    assert "part 1: out.jsonl.job.part-1.output stays: line 1 is no line of answers" in done.err
    assert (cwd / "out.jsonl.job.part-1.output").read_bytes() == broken
    assert statuses(own.output) == {"r1": "ok"}


def test_ids_that_became_numbers(job) -> None:
    ended = looked("completed", output_file_id="out_1")
    numbers = [answered("r0") | {"custom_id": number} for number in (7, 8)]
    with served(job, uploaded(), looked(), looked(), ended, content(*numbers)) as (_, own):
        own.write([{"id": "7", "prompt": "a"}, {"id": "8", "prompt": "b"}])
        own.submit()
        assert own.ask("fetch").code == 0
    assert statuses(own.output) == {"7": "ok", "8": "ok"}


def two_models() -> list[dict[str, Any]]:
    """Rows that make two parts: a1 in the first, b1 in the second."""
    form = {"method": "POST", "url": "/v1/chat/completions"}
    turns = [{"role": "user", "content": "hi"}]
    models = {"a1": "glm-4-flash", "b1": "glm-4-plus"}
    return [{"custom_id": name, **form, "body": {"model": model, "messages": turns}} for name, model in models.items()]


GONE = reply(404, {"error": {"message": "no such thing"}})
BOTH = (
    uploaded(),
    looked(),
    uploaded("file_2"),
    looked(identity="batch_2", input_file_id="file_2"),
    looked(),
    looked(identity="batch_2"),
)


@pytest.mark.parametrize(
    "scripts",
    [
        (GONE, looked("completed", "batch_2", output_file_id="out_2"), content(answered("b1"))),
        (
            looked("completed", output_file_id="out_1"),
            looked("completed", "batch_2", output_file_id="out_2"),
            GONE,
            content(answered("b1")),
        ),
    ],
    ids=["batch", "file"],
)
def test_one_part_that_is_gone_keeps_no_other_from_the_output(job, scripts) -> None:
    with served(job, *BOTH, *scripts, asked=("-P", "bigmodel")) as (_, own):
        own.write(two_models())
        assert own.submit().code == 0
        done = own.ask("fetch")
    assert done.code == 2
    assert error(done).startswith("part 1: bigmodel: ")
    assert "is the key that of the account which submitted it?" in done.err
    assert statuses(own.output) == {"b1": "ok"}
    assert [part["fetched"] for part in own.parts] == [False, True]


def test_an_output_that_is_lost_again_while_it_is_brought_back(home, cwd, job) -> None:
    ended = looked("completed", output_file_id="out_1"), looked("completed", "batch_2", output_file_id="out_2")
    files = content(answered("a1")), content(answered("b1"))
    scripts = (*BOTH, *ended, *files, *ended, files[0], [Stall()], ended[1], files[1])
    with served(job, *scripts, asked=("-P", "bigmodel")) as (server, own):
        own.write(two_models())
        own.submit()
        assert own.ask("fetch").code == 0
        own.output.unlink()
        with running(home, cwd, "batch", "fetch", "out.jsonl", "--base-url", server.url, env=KEYS) as process:
            wait_for(lambda: len(server.requests) == 14)
            process.kill()
            process.wait()
        assert statuses(own.output) == {"a1": "ok"}
        assert own.ask("fetch").code == 0
    assert statuses(own.output) == {"a1": "ok", "b1": "ok"}


def test_an_output_that_was_lost_is_fetched_again(job, places) -> None:
    own = job(*BIGMODEL, "--base-url", places["bigmodel"])
    own.write(rows(2))
    own.submit()
    assert own.finish().code == 0
    own.output.unlink()
    assert own.ask("fetch").code == 0
    assert len(by_id(own.output)) == 2


def test_a_run_does_not_pay_for_rows_that_are_under_way(job, glm, places) -> None:
    place = ("--base-url", places["bigmodel"])
    own = job(*BIGMODEL, *place)
    own.write(rows(2))
    own.submit()
    for command in ("run", "sample"):
        done = glm("batch", command, "in.jsonl", "-O", "out.jsonl", *BIGMODEL, *place, env=KEYS)
        assert done.code == 2
        assert error_of(done.err) == "2 rows of out.jsonl are in a job for bigmodel, and would be paid twice"
        assert "fix: glm batch fetch out.jsonl first" in done.err
    assert own.finish().code == 0
    own.write(rows(3))
    assert glm("batch", "run", "in.jsonl", "-O", "out.jsonl", *BIGMODEL, *place, env=KEYS).code == 0
    assert len(by_id(own.output)) == 3


def test_a_name_that_is_too_long_for_a_job_is_none_for_a_run(job, glm, places) -> None:
    place, name = ("--base-url", places["bigmodel"]), "n" * 248 + ".jsonl"
    job(*BIGMODEL).write(rows(1))
    assert glm("batch", "run", "in.jsonl", "-O", name, *BIGMODEL, *place, env=KEYS).code == 0
    done = glm("batch", "submit", "in.jsonl", "-O", name, *BIGMODEL, *place, env=KEYS)
    assert done.code == 2
    assert error(done).endswith(".job.json: File name too long")


def test_one_output_has_one_job_by_whatever_name(job, cwd, glm, places) -> None:
    (cwd / "link.jsonl").symlink_to("out.jsonl")
    own = job(*BIGMODEL, "--base-url", places["bigmodel"])
    own.write(rows(2))
    assert own.submit().code == 0
    arguments = (*BIGMODEL, "--base-url", places["bigmodel"])
    again = glm("batch", "submit", "in.jsonl", "-O", "link.jsonl", *arguments, env=KEYS)
    assert again.code == 0
    assert "2 rows are under way already" in again.err
    assert (cwd / "link.jsonl").is_symlink()
    assert own.ask("status", name="link.jsonl").text.count("batch_") == 1
    other = glm("batch", "submit", "in.jsonl", "-O", "x.job.json", *arguments, env=KEYS)
    assert other.code == 2
    assert error_of(other.err) == "--output: x.job.json is the name of a job file"


def test_two_commands_do_not_write_one_output(home, cwd, job) -> None:
    with served(job, [Stall()]) as (server, own), running(home, cwd, *own.submit_arguments(), env=KEYS):
        wait_for(lambda: server.requests)
        done = own.submit()
        assert done.code == 2
        assert "in use by another glm" in done.err


def test_a_job_file_does_not_say_where_a_key_goes(job, places) -> None:
    with Server(looked()) as server:
        own = job(*BIGMODEL, "--base-url", places["bigmodel"])
        own.write(rows(1))
        assert own.submit().code == 0
        job_file = json.loads(own.file.read_bytes())
        own.file.write_text(json.dumps({**job_file, "base_url": server.url}))
        for command in ("status", "fetch", "cancel"):
            done = own.ask(command)
            assert done.code == 2
            assert "was submitted at http://127.0.0.1" in error_of(done.err)
    assert server.requests == []


def test_a_row_that_asks_another_thing_meanwhile(job, places) -> None:
    own = job(*BIGMODEL, "--base-url", places["bigmodel"])
    own.write(rows(2))
    assert own.submit().code == 0
    done = own.submit("--temperature", "0.5")
    assert done.code == 2
    assert "'r0' asks another thing" in done.err
    assert len(own.parts) == 1


def test_a_job_of_which_there_is_no_batch_holds_nobody_up(job, glm) -> None:
    """The place or the model was wrong: what to do is said, and nothing is lost by it."""
    refused = reply(404, {"error": {"code": "1211", "message": "not in the Batch API"}})
    scripts = (uploaded(), refused, uploaded("file_2"), looked(), looked())
    fix = "nothing of it is under way: remove out.jsonl.job.json to start anew with the rows as they are now"
    with served(job, *scripts) as (server, own):
        assert "fix: another model, or glm batch run, which asks for every row itself" in own.submit().err
        assert "the same glm batch submit again brings the rest" in own.ask("fetch").err
        assert fix in own.submit("-m", "bigmodel/glm-4-plus").err
        elsewhere = own.submit("--base-url", "http://127.0.0.1:9/v1")
        assert elsewhere.code == 2
        assert fix in elsewhere.err
        # Answers of a run would not keep the batch from coming into being.
        run = glm("batch", "run", "in.jsonl", "-O", "out.jsonl", *BIGMODEL, "--base-url", server.url, env=KEYS)
        assert run.code == 2
        assert f"fix: glm batch submit again brings them there; {fix}" in run.err
        assert len(server.requests) == 2
        own.file.unlink()
        assert own.submit("-m", "bigmodel/glm-4-plus").code == 0
    assert [part["model"] for part in own.parts] == ["glm-4-plus"]


@pytest.mark.parametrize(
    "change",
    [
        {"provider": 5},
        {"rows_bytes": None},
        {"rows_bytes": "9"},
        {"parts": {}},
        {"batch": None},
        {"batch": 5},
        {"batch": "\ud800"},
        {"number": "1"},
        {"number": 2},
        {"model": []},
        {"created": "yesterday"},
        {"fetched": 0},
    ],
    ids=lambda change: json.dumps(change)[1:-1],
)
def test_a_job_file_that_somebody_changed(job, change) -> None:
    with served(job, uploaded(), looked(), looked()) as (server, own):
        own.submit()
        value = json.loads(own.file.read_bytes())
        place = value if change.keys() <= value.keys() else value["parts"][0]
        place |= change
        own.file.write_text(json.dumps(value))
        for done in (own.ask("status"), own.ask("fetch"), own.submit()):
            assert done.code == 2
            assert error_of(done.err) == "cannot read out.jsonl.job.json: it is not what glm batch submit writes"
        assert len(server.requests) == 3


def test_nothing_is_left_of_a_job_that_was_not_made(job, cwd) -> None:
    own = job(*BIGMODEL)
    own.write([])
    assert own.submit().code == 0
    own.write([*rows(2), {"id": "r0", "prompt": "again"}])
    assert own.submit().code == 2
    own.write(rows(1))
    assert own.submit("-m", "modelstudio/glm-5").code == 2
    assert [path.name for path in cwd.iterdir()] == ["in.jsonl"]


def test_a_key_in_columns_or_in_an_address_is_not_remembered(job, cwd) -> None:
    with served(job, uploaded(), looked(), looked(), count=0) as (_, own):
        own.write([{"id": "r0", "prompt": "hi", "note": f"mine: {CANARY}"}])
        assert own.submit(may_hold_key=(own.input,)).code == 0
        kept = json.loads((cwd / "out.jsonl.job.rows.jsonl").read_bytes())
        assert kept["columns"] == {"note": "mine: ***"}
        own.input.unlink()
    tokenhub = job("-m", "tokenhub/glm-5")
    tokenhub.write(rows(1))
    done = tokenhub.submit("--input-url", f"https://cos.example/x?k={CANARY}", "-O", "b.jsonl")
    assert done.code == 2
    assert error_of(done.err.removeprefix(MAY_BE_GONE)) == "--input-url: it holds a key, and would be remembered"


def test_duplicates_are_refused_before_anything_is_sent(job) -> None:
    with served(job, uploaded()) as (server, own):
        own.write([*rows(2), *rows(1)])
        assert own.submit().code == 2
        assert not own.file.exists()
    assert server.requests == []


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "junk", "null"])
def test_the_rows_are_as_they_were(job, cwd, places, damage) -> None:
    own = job(*BIGMODEL, "--base-url", places["bigmodel"])
    own.write(rows(3))
    assert own.submit().code == 0
    file = cwd / "out.jsonl.job.rows.jsonl"
    data = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        junk = {"cut": data[:-20], "changed": data.replace(b"r1", b"r9"), "junk": b"\xff\n", "null": b"null\n"}
        file.write_bytes(junk[damage])
    done = own.ask("fetch")
    assert done.code == 2
    assert "is not as glm batch submit left it" in done.err
    assert file.exists() == (damage != "gone")
    # What a crash wrote behind it does not count.
    file.write_bytes(data + b'{"part": 2, "cus')
    assert own.finish().code == 0
    assert file.read_bytes() == data


# Who has a Batch API, and for which models


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("zai/glm-5", "zai has no Batch API"),
        ("dashscope/glm-5", "dashscope has no Batch API"),
        ("sandbox/glm-5", "the sandbox inside glm ends with this command"),
        ("modelstudio/glm-5", "the Batch API of modelstudio does not serve glm-5"),
        ("tokenhub/glm-5", "tokenhub reads the lines at an address"),
    ],
)
def test_refused_before_anything_is_sent(job, model, said) -> None:
    own = job("-m", model)
    own.write(rows(1))
    done = own.submit()
    assert done.code == 2
    assert error_of(done.err.removeprefix(MAY_BE_GONE)).startswith(said)
    assert not own.file.exists()


def test_a_dry_run_refuses_and_says_of_the_model_what_a_submission_would(job) -> None:
    own = job("-m", "modelstudio/glm-5")
    own.write(rows(1))
    done = own.submit("-n")
    assert (done.code, done.out) == (2, b"")
    assert error_of(done.err) == "the Batch API of modelstudio does not serve glm-5"
    assert json.loads(own.submit("-n", "--force").out)["body"]["model"] == "glm-5"
    done = own.submit("-n", "-m", "bigmodel/glm-5")
    assert done.code == 0
    assert done.err == "glm: no source says whether the Batch API of bigmodel serves glm-5: not checked\n"


@pytest.mark.parametrize("name", ["zai", "dashscope", "sandbox"])
def test_no_list_where_there_are_no_batches(glm, name) -> None:
    assert glm("batch", "list", "-P", name).code == 2


def test_a_model_that_the_provider_does_not_serve_after_all(job, places) -> None:
    own = job("-m", "modelstudio/glm-5", "--force", "--base-url", places["modelstudio"])
    own.write(rows(1))
    done = own.submit()
    assert done.code == 2
    assert "why: The provided model glm-5 is not supported by the Batch API." in done.err
    unknown = job("-m", "modelstudio/glm-4.7", "--base-url", places["modelstudio"])
    assert "another -O FILE" not in unknown.submit("-O", "b.jsonl").err
    assert "no source says whether the Batch API of modelstudio serves glm-4.7" in unknown.submit("-O", "c.jsonl").err


def test_lines_are_written_without_a_key(glm, cwd) -> None:
    (cwd / "in.jsonl").write_text(lines(rows(2)))
    done = glm("batch", "submit", "in.jsonl", "-m", "tokenhub/glm-5", "-O", "out.jsonl", "--lines", "lines.jsonl")
    assert (done.code, done.err) == (0, MAY_BE_GONE)  # once, not for every row
    assert [json.loads(line)["custom_id"] for line in (cwd / "lines.jsonl").read_text().splitlines()] == ["r0", "r1"]
    assert {path.name for path in cwd.iterdir()} == {"in.jsonl", "lines.jsonl"}


def test_where_all_that_a_batch_api_serves_may_be_gone_it_says_so(glm, cwd) -> None:
    (cwd / "in.jsonl").write_text(lines(rows(1)))
    done = glm("batch", "submit", "in.jsonl", "-m", "tokenhub/glm-5.2", "-O", "out.jsonl", "--lines", "lines.jsonl")
    said = (
        "glm: no source says whether the Batch API of tokenhub serves glm-5.2: not checked; those that it is known to "
        "serve may be gone: glm-5.1, glm-5\n"
    )
    assert (done.code, done.err) == (0, said)


def test_tokenhub_reads_the_lines_at_an_address(job, cwd) -> None:
    model = ("-m", "tokenhub/glm-5")
    with served(job, looked(), looked("completed", output_file_id="cos-1"), asked=model) as (server, own):
        written = own.submit("--lines", "lines.jsonl")
        assert written.code == 0
        assert server.requests == []
        first = json.loads((cwd / "lines.jsonl").read_text().splitlines()[0])
        assert (first["custom_id"], first["url"]) == ("r0", "/v1/chat/completions")
        assert own.submit("--input-url", "https://cos.example/lines.jsonl").code == 0
        done = own.ask("fetch")
        assert done.code == 13
        assert "the answers are not where glm can fetch them: cos-1" in done.err
        own.write(rows(3))  # a row that is new, at another address
        assert own.submit("--input-url", "https://cos.example/more.jsonl").code == 0
    assert paths(server)[:2] == ["POST /batches", "GET /batches/batch_1"]
    sent = [request.json["input_file_id"] for request in server.requests if request.method == "POST"]
    assert sent == ["https://cos.example/lines.jsonl", "https://cos.example/more.jsonl"]
    bigmodel = job(*BIGMODEL)
    assert bigmodel.submit("--input-url", "https://cos.example/x", "-O", "b.jsonl").code == 2


def test_lines_are_those_that_would_be_submitted(job, glm, places, cwd) -> None:
    """What the output has answers to, and what is under way, is not paid again by way of a file."""
    place = ("--base-url", places["tokenhub"])
    own = job("-m", "tokenhub/glm-5", *place)
    own.write(rows(1))
    assert glm("batch", "run", "in.jsonl", "-O", "out.jsonl", "-m", "tokenhub/glm-5", *place, env=KEYS).code == 0
    own.write(rows(3))
    assert own.submit("--lines", "lines.jsonl").code == 0
    assert [line["custom_id"] for line in entries(cwd / "lines.jsonl")] == ["r1", "r2"]
    for taken in ("in.jsonl", "out.jsonl"):
        before = (cwd / taken).read_bytes()
        done = own.submit("--lines", taken)
        assert done.code == 2
        assert "name the same file" in error_of(done.err.removeprefix(MAY_BE_GONE))
        assert (cwd / taken).read_bytes() == before


def test_a_batch_that_cannot_be_looked_at_yet_is_there(job) -> None:
    with served(job, uploaded(), looked(), reply(404, {"error": {"message": "not yet"}})) as (_, own):
        done = own.submit()
    assert done.code == 0
    assert done.text == "part 1 of 1\tbatch_1\tvalidating\tno counts yet\n"
    assert own.parts[0]["batch"] == "batch_1"


# How lines end


def test_every_way_in_which_a_line_says_no(job) -> None:
    ended = looked("completed", output_file_id="out_1", error_file_id="err_1", created_at=1795312800000)
    cut = {"choices": [{"index": 0, "finish_reason": "length", "message": {"content": "half"}}]}
    filtered = {"choices": [{"index": 0, "finish_reason": "sensitive", "message": {"content": ""}}]}
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    called = {
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"content": None, "tool_calls": calls}}]
    }
    output = content(
        answered("r1", cut),
        answered("r0", error=None),
        answered("r2", {"error": {"code": "1301", "message": "unsafe"}}, 400),
        answered("r3", {"error": {"code": "1234", "message": "net"}}, 500),
        answered("r4", {"error": {"code": "1302", "message": "slow down"}}),
        answered("r5", filtered),
        answered("r6", called),
        answered("nobody"),
        answered("r0", cut),
        {"custom_id": "r7", "response": {"status_code": 200, "body": None}, "error": None},
    )
    errors = content(
        {"custom_id": "r8", "response": None, "error": {"code": "1211", "message": "no such model"}},
        {
            "custom_id": "r9",
            "response": {"status_code": 503, "body": None},
            "error_code": "x",
            "error_message": "later",
        },
        {"custom_id": "r10", "error": {"error_code": "1113", "error_message": "no money"}},
        {"custom_id": "r11", "error": "just words"},
        {"custom_id": "r12", "response": {"status_code": 503, "request_id": "q-1", "body": None}, "error": None},
    )
    with served(job, uploaded(), looked(), looked(), ended, output, errors, count=14) as (_, own):
        assert own.submit().code == 0
        done = own.ask("fetch", "--keep-partial")
    assert done.code == 11
    found = by_id(own.output)
    assert {identity: (entry["status"], (entry["error"] or {}).get("type")) for identity, entry in found.items()} == {
        "r0": ("ok", None),
        "r1": ("incomplete", "incomplete"),
        "r2": ("filtered", "filtered"),
        "r3": ("failed", "busy"),
        "r4": ("failed", "busy"),
        "r5": ("filtered", "filtered"),
        "r6": ("failed", "tool"),
        "r7": ("failed", "protocol"),
        "r8": ("failed", "usage"),
        "r9": ("failed", "busy"),
        "r10": ("failed", "quota"),
        "r11": ("failed", "busy"),
        "r12": ("failed", "busy"),
    }
    assert (found["r1"]["partial"], found["r1"]["final"], found["r3"]["final"]) == ("half", True, False)
    assert found["r0"]["answer"] == "to r0"
    assert found["r9"]["error"]["why"] == "later"
    assert found["r12"]["request_id"] == "q-1"
    assert "left out a line of answers that belongs to no row" in done.err
    assert "1 row is missing" in done.err


def test_a_refused_file_says_which_line(job) -> None:
    fault = {
        "code": "url_not_found",
        "message": "The provided url '/v1/x' is not supported.",
        "param": "url",
        "line": 2,
    }
    ended = looked("failed", errors={"object": "list", "data": [fault]}, output_file_id="", error_file_id="")
    with served(job, uploaded(), looked(), looked(), ended) as (_, own):
        own.submit()
        done = own.ask("fetch")
    assert done.code == 11
    assert "part 1: line 2: The provided url '/v1/x' is not supported. (url_not_found)" in done.err
    assert "part 1 is failed: 0 new lines of 2, 2 rows are missing" in done.err
    assert entries(own.output) == []


def test_an_expired_batch_and_its_second_one(home, cwd, job) -> None:
    with sandbox(home, cwd, "--fault", "hang:0.5") as urls:
        own = job(*BIGMODEL, "--base-url", urls["bigmodel"])
        own.write(rows(4))
        assert own.submit().code == 0
        done = own.finish()
        assert done.code == 11
        assert "part 1 is expired: 2 new lines of 4, 2 rows are missing" in done.err
        left = own.submit()
        assert "2 rows failed or went missing; --again submits what may succeed anew, and it is paid again" in left.err
        assert len(own.parts) == 1
        assert own.submit("--again").code == 0
        assert [part["lines"] for part in own.parts] == [4, 2]
        own.finish()
    assert [part["fetched"] for part in own.parts] == [True, True]
    assert len(by_id(own.output)) == 3
    assert sorted(entry["calls"] for entry in by_id(own.output).values()) == [1, 1, 2]


@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        ("429", ("failed", 11)),
        ("500", ("failed", 11)),
        ("length", ("incomplete", 15)),
        ("cut", (None, 11)),
        ("1301", ("filtered", 15)),
    ],
)
def test_faults_of_the_sandbox_hit_lines(home, cwd, job, fault, ending) -> None:
    status, code = ending
    with sandbox(home, cwd, "--fault", f"{fault}:0.5") as urls:
        own = job(*BIGMODEL, "--base-url", urls["bigmodel"])
        own.write(rows(4))
        own.submit()
        done = own.finish()
    assert done.code == code
    found = list(statuses(own.output).values())
    assert sorted(found) == sorted(["ok"] * 2 + [status] * 2 * bool(status))


# Looking, stopping, listing


def test_status_waits_and_tells_programs(job, places) -> None:
    own = job(*BIGMODEL, "--base-url", places["bigmodel"])
    own.write(rows(2))
    own.submit()
    done = own.ask("status")
    assert done.code == 11
    assert "--wait returns when it is" in done.err
    done = own.ask("status", "--wait", "--poll", "0.01", "--json", name="out.jsonl.job.json")
    assert done.code == 0
    said = json.loads(done.out)
    assert (said["provider"], said["output"]) == ("bigmodel", "out.jsonl")
    (part,) = said["parts"]
    assert (part["state"], part["total"], part["completed"], part["failed"]) == ("completed", 2, 2, 0)
    assert part["created"] == 1795312800  # it says milliseconds
    assert part["error_file_id"] is None  # it says ""
    by_name = own.ask("status", "-P", "bigmodel", name=part["batch_id"])
    assert by_name.code == 0
    assert by_name.text.startswith(f"{part['batch_id']}\tcompleted\t2 of 2 done\t")


def test_status_goes_on_waiting_when_the_network_does_not(job) -> None:
    scripts = (uploaded(), looked(), looked(), looked(), reply(503, "{}"), looked("completed"))
    with served(job, *scripts) as (_, own):
        own.submit()
        done = own.ask("status", "--wait", "--poll", "0.01", "--retries", "0")
    assert done.code == 0
    assert "looking again in" in done.err


def test_cancel(job, places) -> None:
    own = job(*BIGMODEL, "--base-url", places["bigmodel"])
    own.write(rows(4))
    own.submit()
    done = own.ask("cancel")
    assert done.code == 0
    assert "\tcancelling\t" in done.text
    assert own.finish().code == 11
    assert len(by_id(own.output)) == 2, "what was done by then"


@pytest.mark.parametrize(("now", "code"), [("completed", 0), ("in_progress", 2)])
def test_a_part_that_cannot_be_cancelled_stops_no_other(job, now, code) -> None:
    going = looked("in_progress"), looked("in_progress", "batch_2")
    refused = reply(400, {"error": {"message": "it cannot be cancelled"}})
    scripts = (*BOTH, *going, refused, looked(now), looked("cancelling", "batch_2"))
    with served(job, *scripts, asked=("-P", "bigmodel")) as (server, own):
        own.write(two_models())
        own.submit()
        done = own.ask("cancel")
    assert done.code == code
    assert f"part 1 of 2\tbatch_1\t{now}\t" in done.text
    assert "part 2 of 2\tbatch_2\tcancelling\t" in done.text
    assert paths(server)[-1] == "POST /batches/batch_2/cancel"


def test_status_shows_what_is_there_beside_what_is_not(job) -> None:
    with served(job, *BOTH, GONE, looked("a\tb\nc", "batch_2"), asked=("-P", "bigmodel")) as (_, own):
        own.write(two_models())
        own.submit()
        done = own.ask("status")
    assert done.code == 2
    assert error_of(done.err).startswith("part 1: bigmodel: ")
    assert done.text.splitlines() == [
        "part 1 of 2\tbatch_1\tvalidating\tnot found",
        "part 2 of 2\tbatch_2\ta b c\tno counts yet\tglm does not know this state, and takes it for under way",
    ]


def test_a_state_that_the_api_does_not_have(job) -> None:
    with served(job, uploaded(), looked(), looked(), looked("Succeeded", output_file_id="out_1")) as (_, own):
        own.submit()
        done = own.ask("fetch")
    assert done.code == 11
    assert "part 1 is succeeded: glm does not know this state, and takes it for under way" in done.err
    assert own.parts[0]["fetched"] is False


def test_status_of_what_is_not_a_batch_yet(job) -> None:
    broke = reply(429, {"error": {"code": "1113", "message": "Insufficient balance"}})
    with served(job, uploaded(), broke) as (_, own):
        own.submit()
        done = own.ask("status", "--json")
    (part,) = json.loads(done.text)["parts"]
    assert part == {
        "part": 1,
        "model": "glm-4-flash",
        "lines": 2,
        "fetched": False,
        "batch_id": None,
        "state": "uploaded",
        "ended": False,
        "total": None,
        "completed": None,
        "failed": None,
        "created": None,
        "age": None,
        "input_file_id": "file_1",
        "output_file_id": None,
        "error_file_id": None,
        "errors": [],
    }


def test_waiting_has_a_deadline_and_poll_belongs_to_it(job) -> None:
    with served(job, uploaded(), looked(), looked(), looked("in_progress")) as (server, own):
        own.submit()
        done = own.ask("status", "--wait", "--deadline", "1")  # the second look is due after ten
        assert done.code == 6
        assert error(done) == "bigmodel: the deadline of 1 s has passed"
        asked = len(server.requests)
        alone = own.ask("status", "--poll", "5")
        assert alone.code == 2
        assert error_of(alone.err) == "--poll says how often --wait looks"
        assert own.ask("status", "-P", "bigmodel", name="").code == 2
        assert len(server.requests) == asked


def test_lists_have_pages(glm) -> None:
    pages = [
        reply(200, {"object": "list", "data": [batch(identity="b1"), batch("Completed", "b2")], "has_more": True}),
        reply(200, {"object": "list", "data": [batch(identity="b3")], "has_more": True}),
        reply(200, {"object": "list", "data": None, "has_more": True}),
    ]
    with Server(*pages) as server:
        done = glm("batch", "list", "-P", "bigmodel", "--base-url", server.url, "--json", env=KEYS)
    assert [(each["batch_id"], each["state"]) for each in map(json.loads, done.text.splitlines())] == [
        ("b1", "validating"),
        ("b2", "completed"),
        ("b3", "validating"),
    ]
    assert [request.path for request in server.requests] == [
        "/v1/batches?limit=100",
        "/v1/batches?limit=100&after=b2",
        "/v1/batches?limit=100&after=b3",
    ]


@pytest.mark.parametrize("body", [{}, {"data": [{"id": "x"}]}, {"data": [{"status": "x"}]}])
def test_what_is_no_list(glm, body) -> None:
    with Server(reply(200, body)) as server:
        assert glm("batch", "list", "-P", "bigmodel", "--base-url", server.url, env=KEYS).code == 13


def test_a_job_that_is_not_there(glm, cwd) -> None:
    for command in ("status", "fetch", "cancel"):
        done = glm("batch", command, "none.jsonl", env=KEYS)
        assert done.code == 2
        assert error_of(done.err) == "there is no none.jsonl.job.json"
    assert list(cwd.iterdir()) == []
    (cwd / "x.job.json").write_text('{"version": 2}')
    assert "it is not what glm batch submit writes" in glm("batch", "status", "x", env=KEYS).err
    assert glm("batch", "list").code == 2


# What it costs


def test_a_batch_costs_half() -> None:
    row, usage = PROVIDERS["bigmodel"], Usage(input_tokens=1_000_000, output_tokens=1_000_000, total_tokens=2_000_000)
    paid = pricing.batch_cost(row, "glm-4v-plus-0111", usage)
    assert paid
    assert (paid.amount, paid.currency) == (4.0, "CNY")  # 4 and 4, and half of it
    assert pricing.batch_cost(row, "glm-4v-plus-0111", usage.replace(cached_tokens=7)) is None
    studio = PROVIDERS["modelstudio"]
    known = Usage(input_tokens=100_000, output_tokens=1_000, cached_tokens=50_000, total_tokens=101_000)
    full = pricing.batch_cost(studio, "glm-5", known)
    assert full
    assert full.amount == round((0.1 * 6 + 0.001 * 22) / 2, 9)  # no discount for cached input
    assert pricing.batch_cost(PROVIDERS["tokenhub"], "glm-5", usage) is None
    assert pricing.batch_cost(PROVIDERS["vllm"], "glm-5", usage) is None


def test_what_a_search_costs_in_a_batch_is_not_known() -> None:
    """Half of a search's price is on no page."""
    reader = ResultReader(PROVIDERS["bigmodel"], Redactor())
    body = {
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "Hi"}}],
        "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000, "total_tokens": 2_000_000},
    }
    pages = {"web_search": [{"refer": "ref_1", "title": "T", "link": "https://a.example/"}]}
    plain, searched = (
        reader.outcome({"custom_id": "a", "response": {"status_code": 200, "body": each}}, "glm-4v-plus-0111", 1)
        for each in (body, body | pages)
    )
    assert (plain.cost and plain.cost.amount, plain.reply.sources) == (4.0, None)
    assert searched.error is None
    assert searched.cost is None
    assert searched.reply.sources == (Source(ref="ref_1", title="T", link="https://a.example/"),)


# What a test holds in its own memory would count for a process that it starts itself.
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_fifty_megabytes_need_little_memory(home, cwd, job, places) -> None:
    own = job("-m", "openai/glm-5", "--base-url", places["openai"])
    own.write([{"id": f"r{number}", "prompt": f"{number} " + "word " * 20_000} for number in range(520)])
    assert own.input.stat().st_size > 50_000_000
    measure = [sys.executable, "-c", PEAK, GLM, *own.submit_arguments()]
    done = subprocess.run(measure, cwd=cwd, env=environment(home, **KEYS), capture_output=True, check=True)
    assert own.parts[0]["bytes"] > 50_000_000
    assert int(done.stdout.splitlines()[-1]) < 64_000, "KiB"


def test_interrupted_while_waiting(home, cwd, job) -> None:
    with served(job, uploaded(), looked(), looked(), looked("in_progress")) as (server, own):
        own.submit()
        arguments = ("batch", "status", "out.jsonl", "--base-url", server.url, "--wait")
        with running(home, cwd, *arguments, env=KEYS) as process:
            wait_for(lambda: len(server.requests) > 3)
            process.send_signal(signal.SIGINT)
            assert process.wait() == -signal.SIGINT
