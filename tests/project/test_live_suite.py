"""The live suite, run against a server on loopback: that it sees what is wrong, stops, and shows no key."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from live_run import CHECKS, LiveRun, Reply, live_rows
from program import CANARY, leaks
from scripted_server import Server, answer, delta, reply, stream

TOP = Path(__file__).parents[2]
LIST = reply(200, {"object": "list", "data": [{"id": "glm-5", "object": "model"}]})
WHOLE = reply(200, {"id": "whole-1", "choices": [{"message": {"content": "I am ready"}, "finish_reason": "stop"}]})
MADE = [{"index": 0, "id": "c1", "type": "function", "function": {"name": "secret_word", "arguments": "{}"}}]
CALL = stream(delta(tool_calls=MADE), delta(content="", finish_reason="tool_calls"))
REFUSED = reply(400, {"error": {"code": "1211", "message": "Unknown Model"}})
# In the order of the checks: the question with a tool takes two.
GOOD = (LIST, answer("It is 395.", "17 * 23 = 391"), answer("I am ready"), WHOLE, CALL, answer("It is kumquat."))
GOOD += (answer("Red."), REFUSED)
CUT = stream(delta(content="It is 395."), done=False)
EMPTY = reply(200, {"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]})
BAD = (reply(200, {"data": []}), CUT, answer("I am ready", "Hm"), EMPTY, answer("It is kumquat."), answer("Blue."))
BAD += (answer("I am any model"),)


@pytest.fixture
def suite(tmp_path):
    """`pytest` of tests/live with these arguments and variables: its exit code and what it printed."""

    def run(*arguments, **variables):
        kept = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, "tests/live"],
            cwd=TOP,
            env=kept | variables,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert not leaks(done.stdout + done.stderr)
        return done.returncode, (done.stdout + done.stderr).decode()

    return run


def lines(printed: str) -> list[list[str]]:
    """The cells of the table, without its head, and without the seconds."""
    return [row[2:].split(" | ")[:7] for row in printed.splitlines() if row.startswith("| zai ")]


def test_a_good_row(suite) -> None:
    with Server(*GOOD) as server:
        code, printed = suite("-m", "live", ZAI_API_KEY=CANARY, GLM_LIVE_ZAI_URL=server.url, GLM_LIVE_MAX_COST="9")
    assert code == 0, printed
    assert lines(printed) == [
        ["zai", "", "list of models", "ok", "0", "", ""],
        ["zai", "glm-5", "streamed, thinking", "ok", "0", "req-1", "unknown"],
        ["zai", "glm-5", "streamed, not thinking", "ok", "0", "req-1", "unknown"],
        ["zai", "glm-5", "whole", "ok", "0", "whole-1", "unknown"],
        ["zai", "glm-5", "tool call", "ok", "0", "req-1", "unknown"],
        ["zai", lines(printed)[5][1], "picture", "ok", "0", "req-1", "unknown"],
        ["zai", "no-such-model", "wrong model", "ok", "2", "", ""],
    ]
    head = r"^glm \d+\.\d+\.\d+, 20\d\d-\d\d-\d\d: 7 ok, 0 failed, 0 not asked; it cost 1\.2000 of unknown price"
    assert re.search(head + r" \(at most 9 of each\)$", printed, re.MULTILINE)
    assert "not asked: bigmodel (set BIGMODEL_API_KEY or ZHIPUAI_API_KEY or ZHIPU_API_KEY)\n" in printed
    assert "not asked: ollama (set GLM_LIVE_OLLAMA=MODEL)\n" in printed
    bodies = [request.json for request in server.requests[1:]]
    assert [body.get("stream", False) for body in bodies[:3]] == [True, True, False]
    assert [body["thinking"]["type"] for body in bodies[:3]] == ["enabled", "disabled", "disabled"]
    assert [body["model"] for body in bodies[:3]] == ["glm-5"] * 3
    assert bodies[5]["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert {body["max_tokens"] for body in bodies[:-1]} == {2000}
    assert bodies[-1]["model"] == "no-such-model"
    assert {request.header("Authorization") for request in server.requests} == {f"Bearer {CANARY}"}


def test_each_fault_is_seen(suite) -> None:
    with Server(*BAD) as server:
        code, printed = suite("-m", "live", ZAI_API_KEY=CANARY, GLM_LIVE_ZAI_URL=server.url, GLM_LIVE_MAX_COST="9")
    assert code == 1, printed
    assert [row[3:5] for row in lines(printed)] == [
        ["failed: the list is empty", "0"],
        ["failed: exit 0 was expected (incomplete)", "7"],
        ["failed: thinking came, though it is off", "0"],
        ["failed: exit 0 was expected (incomplete)", "7"],
        ["failed: the tool was not called", "0"],
        ["failed: it is not called red", "0"],
        ["failed: exit 2 was expected (it was answered)", "0"],
    ]
    assert ": 0 ok, 7 failed, 0 not asked;" in printed


@pytest.mark.sampled(3)
@pytest.mark.parametrize("expression", ["", "not slow", "live or slow"])
def test_no_other_expression_asks_anybody(suite, expression) -> None:
    with Server(*GOOD) as server:
        code, printed = suite("-m", expression, "-rs", ZAI_API_KEY=CANARY, GLM_LIVE_ZAI_URL=server.url)
    assert (code, server.requests) == (0, []), printed
    assert "asks real providers, which costs money: pytest -m live" in printed


@pytest.mark.slow
def test_the_quick_suite_does_not_select_it(suite) -> None:
    with Server(*GOOD) as server:
        code, printed = suite(ZAI_API_KEY=CANARY, GLM_LIVE_ZAI_URL=server.url)
    assert (code, server.requests) == (5, []), printed  # 5: nothing was selected
    assert "7 deselected" in printed


def test_without_a_key_it_is_skipped_with_a_word(suite) -> None:
    code, printed = suite("-m", "live", "-rs")
    assert code == 0
    assert "7 skipped" in printed
    assert "nobody to ask: set BIGMODEL_API_KEY or ZHIPUAI_API_KEY or ZHIPU_API_KEY; DASHSCOPE_API_KEY;" in printed


@pytest.mark.slow
def test_not_in_several_processes(suite) -> None:
    with Server(*GOOD) as server:
        code, printed = suite("-m", "live", "-n", "1", ZAI_API_KEY=CANARY, GLM_LIVE_ZAI_URL=server.url)
    assert (code, server.requests) == (1, [])
    assert "-m live adds up its cost in one process: leave out -n" in printed


@pytest.mark.parametrize("amount", ["1CNY", "-1", "nan", "inf"])
def test_a_ceiling_that_is_no_amount_is_said_without_a_traceback(suite, amount) -> None:
    code, printed = suite("-m", "live", "-l", ZAI_API_KEY=CANARY, GLM_LIVE_MAX_COST=amount)
    assert code == 4
    assert f"GLM_LIVE_MAX_COST={amount!r} is no amount: give a number such as 1" in printed
    assert "Traceback" not in printed


def test_a_program_that_cannot_be_started_shows_no_key(suite) -> None:
    code, printed = suite("-m", "live", "-l", "--full-trace", ZAI_API_KEY=CANARY, GLM_LIVE_PROGRAM="/no/program")
    assert code == 1
    assert {row[3] for row in lines(printed)} == {"failed: /no/program cannot be started (No such file or directory)"}


def test_a_table_of_what_a_hostile_server_says(suite) -> None:
    named = stream({"id": "x\n| a | [b](http://c) <img>\x1b[2J", "choices": [{"index": 0, "delta": {"content": "Hm"}}]})
    asked = (named, named, named, named, answer("It is 1395, not bored or rendered."), answer("I am any model"))
    with Server(LIST, *asked) as server:
        code, printed = suite("-m", "live", ZAI_API_KEY=CANARY, GLM_LIVE_ZAI_URL=server.url, GLM_LIVE_MAX_COST="9")
    assert code == 1
    assert len(lines(printed)) == 7
    assert {len(row.split(" | ")) for row in printed.splitlines() if row.startswith("| zai ")} == {8}
    assert "\x1b" not in printed
    assert "](" not in printed


# The run itself, with a program of our own


def test_a_word_within_a_word_is_no_answer() -> None:
    said = {check.name: check for check in CHECKS}
    for wrong in ("Bored.", "It could not be rendered"):
        assert said["picture"].failure(Reply(0, wrong, "", "", {})) == "it is not called red"
    assert said["picture"].failure(Reply(0, "**Red**", "", "", {})) == ""
    assert said["streamed, thinking"].failure(Reply(0, "It is 3950", "Hm", "", {})) == "the answer is wrong"
    assert said["streamed, thinking"].failure(Reply(0, "$395$", "Hm", "", {})) == ""


@pytest.fixture
def run(tmp_path):
    """A LiveRun whose program is this script of the shell."""

    def make(script, **variables):
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return LiveRun({"ZAI_API_KEY": CANARY, "GLM_LIVE_PROGRAM": str(program), **variables})

    return make


def asked(live, folder, **variables):
    """All checks of zai."""
    (row,), _ = live_rows({"ZAI_API_KEY": CANARY, **variables})
    return [live.ask(row, check, _folder(folder, number)) for number, check in enumerate(CHECKS)]


def _folder(parent, number):
    place = parent / f"check{number}"
    place.mkdir()
    return place


@pytest.mark.parametrize(
    "script", ['echo "$ZAI_API_KEY"', 'echo "$ZAI_API_KEY" >&2', 'echo "$ZAI_API_KEY" >left-behind', 'env >"meta.json"']
)
def test_a_key_that_is_shown_is_seen_and_not_repeated(run, tmp_path, script) -> None:
    live = run(script, GLM_LIVE_MAX_COST="9")
    assert {result.failure for result in asked(live, tmp_path)} == {"A KEY WAS SHOWN"}
    assert not leaks(live.table("0.0.0", "2026-01-01").encode())
    assert not leaks(repr(live_rows({"ZAI_API_KEY": CANARY})).encode())


META = (
    """{"request_id": "KEY", "usage": {"total_tokens": 9}, "cost": {"amount": 0.4, "currency": "USD"}, "error": null}"""
)


def test_it_stops_before_the_ceiling_is_crossed(run, tmp_path) -> None:
    results = asked(run(f"echo '{META}' >meta.json; echo 395; echo Hm >reasoning.txt"), tmp_path)
    assert [result.cost for result in results] == ["", *["0.400000 USD"] * 3, "", "", "0.400000 USD"]
    stopped = [result.failure for result in results if result.failure.startswith("not asked")]
    assert [why.partition(",")[0] for why in stopped] == ["not asked: 1.2000 USD spent"] * 2
    assert all("more would cross GLM_LIVE_MAX_COST=1" in why for why in stopped)
    live = run("exit 2", GLM_LIVE_MAX_COST="0.000001")
    (tmp_path / "again").mkdir()
    results = asked(live, tmp_path / "again")
    assert [result.exit_code for result in results] == [2, None, None, None, None, None, 2]
    assert "it cost nothing (at most 1e-06 of each)" in live.table("0.0.0", "2026-01-01")


def test_what_has_no_price_is_counted_at_the_dearest(run, tmp_path) -> None:
    live = run("""echo '{"usage": {"total_tokens": 10000}, "error": null}' >meta.json""", GLM_LIVE_MAX_COST="2")
    asked(live, tmp_path)
    assert live.table("1.2.3", "2026-01-01").startswith("glm 1.2.3, 2026-01-01: ")
    assert round(live.spent["of unknown price"], 6) == 3.6  # six questions of 10,000 tokens at 60 a million
    # A server of one's own is asked whatever was spent, and adds nothing.
    (tmp_path / "own").mkdir()
    (row,), _ = live_rows({"GLM_LIVE_VLLM": "qwen3"})
    assert live.ask(row, CHECKS[3], tmp_path / "own").exit_code == 0
    assert dict(live.spent) == {"of unknown price": live.spent["of unknown price"]}


LOST = "glm: zai: the stream ended before the model finished; retrying (the first request may be billed)"


def test_what_was_lost_on_the_way_is_counted(run, tmp_path) -> None:
    """A whole answer of zai/glm-5 costs at most 2,000 tokens of input at 1 and 3,000 of output at 3.2 USD a million."""
    (row,), _ = live_rows({"ZAI_API_KEY": CANARY})
    live = run(f"echo '{META}' >meta.json; echo '{LOST}' >&2; echo ready", GLM_LIVE_MAX_COST="9")
    live.ask(row, CHECKS[3], tmp_path)
    assert dict(live.spent) == {"USD": pytest.approx(0.4 + 0.0116)}


@pytest.mark.parametrize(("most", "once"), [("0.02", True), ("0.03", False)])
def test_a_lost_reply_is_asked_for_again_where_there_is_room(run, tmp_path, most, once) -> None:
    (row,), _ = live_rows({"ZAI_API_KEY": CANARY})
    live = run('echo "$@" >arguments', GLM_LIVE_MAX_COST=most)
    live.ask(row, CHECKS[3], tmp_path)
    assert ("--retries 0" in (tmp_path / "arguments").read_text()) is once


def test_a_wrong_model_that_is_answered_costs(run, tmp_path) -> None:
    (row,), _ = live_rows({"ZAI_API_KEY": CANARY})
    live = run(f"echo '{META}' >meta.json; echo ready", GLM_LIVE_MAX_COST="9")
    assert live.ask(row, CHECKS[6], tmp_path).cost == "0.400000 USD"


@pytest.mark.parametrize(("status", "cost"), [(200, "unknown"), (400, "")])
def test_an_error_within_a_reply_may_be_paid_for(run, tmp_path, status, cost) -> None:
    (row,), _ = live_rows({"ZAI_API_KEY": CANARY})
    meta = f"""{{"error": {{"type": "protocol", "http_status": {status}}}}}"""
    live = run(f"echo '{meta}' >meta.json; exit 13", GLM_LIVE_MAX_COST="9")
    result = live.ask(row, CHECKS[3], tmp_path)
    assert (result.failure, result.cost) == ("exit 0 was expected (protocol)", cost)
