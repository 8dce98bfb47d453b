# ruff: noqa: RUF001 - some of the words are Chinese
"""Files that glm 0.1.0 wrote, read by this one: outputs, job files, sessions, configurations, and what they lead to.

The files were written by the released program against its own sandbox (2026-11-30): a run of six rows whose output was
then cut in its fifth line, a job that was submitted, one whose upload failed, and two sessions.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from program import CANARY

from glmcli.sandbox import Sandbox

RECORDED = Path(__file__).parent / "files_of_0_1_0"
KEY = {"BIGMODEL_API_KEY": CANARY}
PORT = "127.0.0.1:18765"  # where the sandbox listened when the job files were written


@pytest.fixture
def files(cwd):
    """The recorded files in the working directory."""
    for file in RECORDED.iterdir():
        shutil.copy(file, cwd / file.name)
    return cwd


@pytest.fixture
def address(files):
    """A sandbox, and the job files pointed to it."""
    with Sandbox() as box:
        for file in files.glob("*.job.json"):
            file.write_text(file.read_text().replace(PORT, f"127.0.0.1:{box.port}"))
        yield box.base_url("bigmodel")


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().removesuffix("\n").split("\n")]


def test_an_output_is_resumed(glm, files) -> None:
    before = (files / "output.jsonl").read_bytes()
    kept, torn = before.rsplit(b"\n", 1)
    done = glm("batch", "run", "rows.jsonl", "-m", "sandbox/glm-5", "-O", "output.jsonl")
    assert done.code == 15  # the row whose prompt is a number
    assert (files / "output.jsonl").read_bytes().startswith(kept + b"\n")
    assert (files / "output.jsonl.torn").read_bytes() == torn + b"\n"
    asked = {row["line"]: row["answer"] for row in lines(files / "output.jsonl")[4:]}
    assert asked == {
        5: 'This is the glm sandbox, not a model. You asked glm-5: "No id at all"',
        6: 'This is the glm sandbox, not a model. You asked glm-5: "第六个问题是什么？"',
    }


def test_an_output_is_reported_and_merged(glm, files) -> None:
    whole = b"".join((RECORDED / "output.jsonl").read_bytes().splitlines(keepends=True)[:4])
    (files / "output.jsonl").write_bytes(whole)
    report = json.loads(glm("batch", "report", "output.jsonl", "--json").out)
    assert (report["rows"], report["statuses"]["ok"], report["statuses"]["invalid"]) == (4, 3, 1)
    assert report["tokens"]["sums"]["input_tokens"] == 8
    merged = glm("batch", "merge", "output.jsonl", "-O", "merged.jsonl")
    assert merged.code == 15
    assert sorted((files / "merged.jsonl").read_bytes().split(b"\n")) == sorted(whole.split(b"\n"))


def test_a_submitted_job_is_fetched(glm, files, address) -> None:
    again = ("job-rows.jsonl", "-m", "bigmodel/glm-4-plus", "--base-url", address)
    # Ids of the sandbox follow from the number of a request, so this job has those of the recorded one.
    assert glm("batch", "submit", *again, "-O", "other.jsonl", env=KEY).code == 0
    assert glm("batch", "submit", *again, "-O", "submitted.jsonl", env=KEY).code == 0
    done = glm("batch", "status", "submitted.jsonl", "--wait", "--poll", "0.1", "--base-url", address, env=KEY)
    assert done.code == 0
    assert done.text.startswith("part 1 of 1\tbatch_000000000000000000000002\tcompleted\t5 of 5 done")
    assert glm("batch", "fetch", "submitted.jsonl", "--base-url", address, env=KEY).code == 0
    rows = lines(files / "submitted.jsonl")
    assert {row["id"] for row in rows} >= {"one", "two", "three", "sechs"}
    assert {(row["line"], row["status"]) for row in rows} == {(1, "ok"), (2, "ok"), (3, "ok"), (4, "ok"), (5, "ok")}


def test_an_interrupted_submission_goes_on(glm, files, address) -> None:
    again = ("job-rows.jsonl", "-m", "bigmodel/glm-4-plus", "--base-url", address, "-O", "interrupted.jsonl")
    assert glm("batch", "submit", *again, env=KEY).code == 0
    job = json.loads((files / "interrupted.jsonl.job.json").read_text())
    assert job["parts"][0]["batch"] == "batch_000000000000000000000002"
    assert not (files / "interrupted.jsonl.job.part-1.jsonl").exists()


def test_sessions_are_continued(glm, files) -> None:
    before = (files / "session.jsonl").read_text()
    done = glm("ask", "-m", "sandbox/glm-5", "--session", "session.jsonl", "-q", "And mine?")
    assert (done.code, done.text) == (0, 'This is the glm sandbox, not a model. You asked glm-5: "And mine?"\n')
    assert (files / "session.jsonl").read_text().startswith(before)
    shown = json.loads(glm("ask", "-m", "zai/glm-5", "--session", "session-with-tools.jsonl", "-n", "More").out)
    assert shown["body"]["messages"] == [
        {"role": "user", "content": "What time is it?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": "call_000000000000000100000000",
                    "type": "function",
                    "function": {"name": "read_clock", "arguments": '{"place": "sandbox"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_000000000000000100000000", "content": "12:00 at sandbox\n"},
        {
            "role": "assistant",
            "content": 'This is the glm sandbox, not a model. The tool answered: "12:00 at sandbox\n"',
        },
        {"role": "user", "content": "Thanks."},
        {"role": "assistant", "content": 'This is the glm sandbox, not a model. You asked glm-5: "Thanks."'},
        {"role": "user", "content": "More"},
    ]


@pytest.mark.usefixtures("files")
def test_a_configuration_is_read(glm) -> None:
    chosen = {
        "singapore/glm-5": "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/chat/completions",
        "zai-coding/glm-5": "https://api.z.ai/api/coding/paas/v4/chat/completions",
        "lab/glm-4.7": "http://gpu-1.lab.example:8000/v1/chat/completions",
    }
    for model, url in chosen.items():
        done = glm("ask", "-m", model, "-n", "hi", env={"GLM_CONFIG": "config.yaml"})
        assert json.loads(done.out)["url"] == url
    assert (
        json.loads(glm("ask", "-n", "hi", env={"GLM_CONFIG": "config.yaml"}).out)["url"] == chosen["zai-coding/glm-5"]
    )


@pytest.mark.usefixtures("files")
def test_a_tool_file_is_read(glm) -> None:
    done = glm("tools", "run", "-m", "sandbox/glm-5", "--tools", "clock.yaml", "-q", "What time is it?")
    assert done.text == 'This is the glm sandbox, not a model. The tool answered: "12:00 at sandbox\n"\n'
