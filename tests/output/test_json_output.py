"""--json, --jsonl and --meta: what a script reads, judged by the published schemas."""

from __future__ import annotations

import json

import pytest
from json_output import KEYS, reply_events, reply_object
from processes import error_of, read_until, running, shell, stalled
from program import CANARY
from scripted_server import Pause, Reset, Server, answer, chunk, delta, event, head, reply, stream

ZAI = ("-P", "zai", "--base-url")
KEY = {"ZAI_API_KEY": CANARY}
TEXTS = {"reasoning", "answer", "partial"}
FULL = {
    "prompt_tokens": 7,
    "completion_tokens": 20,
    "total_tokens": 27,
    "completion_tokens_details": {"reasoning_tokens": 11},
    "prompt_tokens_details": {"cached_tokens": 3},
}
UNKNOWN = {
    "input_tokens": None,
    "output_tokens": None,
    "reasoning_tokens": None,
    "cached_tokens": None,
    "total_tokens": None,
}


def test_a_complete_answer(glm) -> None:
    script = stream(
        delta(reasoning_content="Hm"), delta(content="Hi\u2028!"), delta(content="", finish_reason="stop", usage=FULL)
    )
    with Server(script) as server:
        done = glm("ask", *ZAI, server.url, "--json", "hi", env=KEY)
    value = reply_object(done.out)
    timing = value.pop("timing")
    assert value == {
        "provider": "zai",
        "model": "glm-5",
        "request_id": "req-1",
        "reasoning": "Hm",
        "answer": "Hi\u2028!",
        "partial": None,
        "tool_calls": [],
        "finish_reason": "stop",
        "sources": None,
        "usage": {
            "input_tokens": 7,
            "output_tokens": 20,
            "reasoning_tokens": 11,
            "cached_tokens": 3,
            "total_tokens": 27,
        },
        "cost": None,
        "attempts": 1,
        "error": None,
    }
    assert 0 < timing["first_event"] <= timing["first_answer"] <= timing["total"] < 30
    assert (done.code, done.err) == (0, "")


def test_unknown_is_null_and_zero_is_zero(glm) -> None:
    with Server(
        answer("Hi"),
        stream(delta(content="Hi"), delta(content="", finish_reason="stop", usage={"prompt_tokens": 0})),
        stream(delta(content="Hi"), delta(content="", finish_reason="stop", usage={"prompt_tokens": "7"})),
        reply(200, {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}),
    ) as server:
        none, zero, text, bare = (
            reply_object(glm("ask", *ZAI, server.url, "--json", "hi", env=KEY).out) for _ in range(4)
        )
    assert none["usage"] is None
    assert none["reasoning"] is None
    assert zero["usage"] == UNKNOWN | {"input_tokens": 0}
    assert text["usage"] in (None, UNKNOWN)
    assert bare["request_id"] is None
    assert bare["cost"] is None
    assert bare["answer"] == "Hi"


def test_reasoning_is_on_stderr_only_if_asked_for(glm, cwd) -> None:
    with Server(answer("Hi", "Hm")) as server:
        for form in ("--json", "--jsonl"):
            assert glm("ask", *ZAI, server.url, form, "hi", env=KEY).err == ""
            assert glm("ask", *ZAI, server.url, form, "--reasoning", "stderr", "hi", env=KEY).err == "Hm\n"
            glm("ask", *ZAI, server.url, form, "--reasoning", "thoughts", "hi", env=KEY)
            assert (cwd / "thoughts").read_text() == "Hm\n"


# Failures before anything is sent: the flags, the code, the type, words of the message.
BEFORE = {
    "no key": (("ask", "hi"), {}, 3, "credentials", "no provider has a key"),
    "no key of this provider": (("ask", "-P", "tokenhub", "hi"), KEY, 3, "credentials", "no key for tokenhub"),
    "a key that is none": (("ask", "hi"), {"ZAI_API_KEY": "a\nbcdefgh"}, 3, "credentials", "invalid character"),
    "unknown provider": (("ask", "-P", "zia", "hi"), KEY, 2, "usage", "unknown provider 'zia'"),
    "missing request file": (("ask", "-f", "none.yaml"), KEY, 2, "usage", "cannot read none.yaml"),
    "bad request file": (("ask", "-f", "bad.yaml"), KEY, 2, "usage", "bad.yaml:1:1: unknown key 'temprature'"),
    "missing system file": (("ask", "-s", "@none", "hi"), KEY, 2, "usage", "cannot read none"),
    "missing attachment": (("ask", "-a", "none", "hi"), KEY, 2, "usage", "cannot read none"),
    "no prompt": (("ask",), KEY, 2, "usage", "the prompt is empty"),
    "a value out of range": (("ask", "--temperature", "7", "hi"), KEY, 2, "usage", "--temperature 7 is out of"),
    "a wrong address": (("ask", "--base-url", "ftp://x", "hi"), KEY, 2, "usage", "--base-url: "),
    "a bad session": (("ask", "--session", "bad.yaml", "hi"), KEY, 2, "usage", "bad.yaml:1:1: "),
    "a bad configuration": (("ask", "hi"), KEY | {"GLM_CONFIG": "bad.yaml"}, 2, "usage", "unknown key 'temprature'"),
    "a bad proxy": (("ask", "hi"), KEY | {"https_proxy": "ftp://x"}, 2, "usage", "https_proxy"),
    "no certificates": (("ask", "hi"), KEY | {"SSL_CERT_FILE": "/none"}, 2, "usage", "SSL_CERT_FILE names /none"),
    "a full disk for --meta": (("ask", "--meta", "/dev/full", "hi"), KEY, 14, "output", "/dev/full"),
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("case", BEFORE)
def test_one_object_for_every_failure_before_sending(glm, cwd, case) -> None:
    arguments, env, code, kind, words = BEFORE[case]
    (cwd / "bad.yaml").write_text("temprature: 1\n")
    done = glm(*arguments, "--json", env=env)
    value = reply_object(done.out)
    assert done.code == code
    assert (value["error"]["type"], value["error"]["exit_code"]) == (kind, code)
    assert words in value["error"]["message"]
    assert error_of(done.err) == value["error"]["message"]
    assert (value["answer"], value["attempts"], value["error"]["http_status"]) == (None, 0, None)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("case", BEFORE)
def test_error_and_end_for_every_failure_before_sending(glm, cwd, command, case) -> None:
    (_, *arguments), env, code, kind, words = BEFORE[case]
    (cwd / "bad.yaml").write_text("temprature: 1\n")
    done = glm(command, *arguments, "--jsonl", env=env)
    error, end = reply_events(done.out)
    assert done.code == code
    assert (error["type"], error["error"]["type"], error["error"]["exit_code"]) == ("error", kind, code)
    assert words in error["error"]["message"]
    assert end == {"type": "end", "finish_reason": None, "complete": False}


def test_the_form_may_stand_in_the_request_file(glm, cwd) -> None:
    (cwd / "a.yaml").write_text("prompt: hi\njson: true\n")
    (cwd / "b.yaml").write_text("prompt: hi\njsonl: true\n")
    (cwd / "c.yaml").write_text("prompt: hi\nmeta: stdout\n")
    assert reply_object(glm("ask", "-f", "a.yaml").out)["error"]["type"] == "credentials"
    assert reply_events(glm("stream", "-f", "b.yaml").out)[0]["error"]["type"] == "credentials"
    assert json.loads(glm("ask", "-f", "c.yaml").out)["error"]["type"] == "credentials"


PARTS = (delta(reasoning_content="Hm"), delta(content="Hel"))
ERROR_500 = {"error": {"code": "1234", "message": "it broke"}}
# Failures of the exchange: script, code, type, HTTP status, provider's code, retryable, finish reason.
DURING = {
    "bad key": (reply(401, {"error": {"code": "1000", "message": "no"}}), 3, "credentials", 401, "1000", False, None),
    "no money": (reply(429, {"error": {"code": "1113", "message": "pay"}}), 4, "quota", 429, "1113", False, None),
    "busy": (reply(429, {"error": {"code": "1302", "message": "slow"}}), 5, "busy", 429, "1302", True, None),
    "reset": ([head(), Reset()], 6, "network", None, None, True, None),
    "no finish": (stream(*PARTS, done=False), 7, "incomplete", None, None, True, None),
    "cut": (stream(*PARTS, delta(content="", finish_reason="length")), 7, "incomplete", None, None, False, "length"),
    "filter": (
        stream(*PARTS, delta(content="", finish_reason="sensitive")),
        8,
        "filtered",
        None,
        None,
        False,
        "sensitive",
    ),
    "an error in the stream": (stream(*PARTS, ERROR_500), 5, "busy", None, "1234", True, None),
    "html": (reply(200, "<html>", content_type="text/html"), 13, "protocol", 200, None, False, None),
    "unknown finish": (stream(*PARTS, delta(content="", finish_reason="zz")), 13, "protocol", None, None, False, "zz"),
    "redirect": (reply(307, "", "Location: http://x.invalid/"), 13, "protocol", 307, None, False, None),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", DURING)
def test_one_object_for_every_failure_of_the_exchange(glm, cwd, case) -> None:
    script, code, kind, status, provider_code, retryable, finish = DURING[case]
    came = "Hel" if any(b"Hel" in step for step in script if isinstance(step, bytes)) else None
    flags = ("--retries", "0", "--json", "--meta", "meta")
    with Server(script) as server:
        done = glm("ask", *ZAI, server.url, *flags, "hi", env=KEY)
        meta = json.loads((cwd / "meta").read_text())
        kept = glm("ask", *ZAI, server.url, *flags, "--keep-partial", "hi", env=KEY)
    value = reply_object(done.out)
    error = value["error"]
    assert (done.code, error["type"], error["exit_code"]) == (code, kind, code)
    assert (error["http_status"], error["provider_code"], error["retryable"]) == (status, provider_code, retryable)
    assert (value["answer"], value["partial"], value["finish_reason"]) == (None, None, finish)
    assert (value["provider"], value["model"], value["attempts"]) == ("zai", "glm-5", 1)
    assert error_of(done.err) == error["message"]
    assert (reply_object(kept.out)["answer"], reply_object(kept.out)["partial"]) == (None, came)
    assert set(meta) == KEYS - TEXTS
    assert meta["error"] == error


@pytest.mark.sampled(5)
@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("case", DURING)
def test_error_and_end_for_every_failure_of_the_exchange(glm, command, case) -> None:
    script, code, kind, _, _, _, finish = DURING[case]
    with Server(script) as server:
        done = glm(command, *ZAI, server.url, "--retries", "0", "--jsonl", "hi", env=KEY)
    start, *middle, error, end = reply_events(done.out)
    assert done.code == code
    assert start == {"type": "start", "provider": "zai", "model": "glm-5"}
    assert middle in ([], [{"type": "reasoning", "text": "Hm"}, {"type": "answer", "text": "Hel"}])
    assert error["error"]["type"] == kind
    assert end == {"type": "end", "finish_reason": finish, "complete": False}


CALLS = [
    {"index": 0, "id": "c1", "function": {"name": "weather", "arguments": '{"city": "'}},
    {"index": 0, "function": {"arguments": 'Köln"}'}},
    {"index": 1, "id": "c2", "function": {"name": "time", "arguments": ""}},
]


def test_tool_calls_are_told(glm) -> None:
    script = stream(*(delta(tool_calls=[call]) for call in CALLS), delta(content="", finish_reason="tool_calls"))
    calls = [
        {"id": "c1", "name": "weather", "arguments": '{"city": "Köln"}'},
        {"id": "c2", "name": "time", "arguments": "{}"},
    ]
    with Server(script) as server:
        done = glm("ask", *ZAI, server.url, "--json", "hi", env=KEY)
        lines = glm("stream", *ZAI, server.url, "--jsonl", "hi", env=KEY)
        plain = glm("ask", *ZAI, server.url, "hi", env=KEY)
    value = reply_object(done.out)
    assert (done.code, value["error"]["type"], value["tool_calls"]) == (10, "tool", calls)
    assert (plain.code, plain.out) == (10, b"")
    assert lines.code == 10
    told = [event for event in reply_events(lines.out) if event["type"] == "tool_call"]
    assert told == [{"type": "tool_call", **call} for call in calls]


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_lines_of_a_complete_answer(glm, command) -> None:
    script = stream(
        delta(reasoning_content="H"),
        delta(reasoning_content="m"),
        delta(content="Hi"),
        delta(content="\u2028!", finish_reason="stop", usage=FULL),
    )
    with Server(script) as server:
        done = glm(command, *ZAI, server.url, "--jsonl", "hi", env=KEY)
    assert reply_events(done.out) == [
        {"type": "start", "provider": "zai", "model": "glm-5"},
        {"type": "reasoning", "text": "H"},
        {"type": "reasoning", "text": "m"},
        {"type": "answer", "text": "Hi"},
        {"type": "answer", "text": "\u2028!"},
        {
            "type": "usage",
            "input_tokens": 7,
            "output_tokens": 20,
            "reasoning_tokens": 11,
            "cached_tokens": 3,
            "total_tokens": 27,
        },
        {"type": "end", "finish_reason": "stop", "complete": True},
    ]
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_lines_are_live(home, cwd, command) -> None:
    script = [head(), chunk(event(delta(content="A"))), Pause(0.3), *stalled(delta(content="B"))[1:]]
    with Server(script) as server, running(home, cwd, command, *ZAI, server.url, "--jsonl", "hi", env=KEY) as process:
        came = read_until(process.stdout, b'"A"}\n')
        assert [json.loads(line)["type"] for line in came.removesuffix(b"\n").split(b"\n")] == ["start", "answer"]
        assert json.loads(read_until(process.stdout, b"\n")) == {"type": "answer", "text": "B"}


def test_retry_voids_what_came(glm) -> None:
    cut = stream(delta(reasoning_content="Hm"), delta(content="Hel"), done=False)
    with Server(cut, answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, "--jsonl", "hi", env=KEY)
        value = reply_object(glm("ask", *ZAI, server.url, "--json", "hi", env=KEY).out)
    events = reply_events(done.out)
    assert [each["type"] for each in events] == [
        "start",
        "reasoning",
        "answer",
        "retry",
        "start",
        "answer",
        "end",
    ]
    assert events[3]["attempt"] == 2
    assert events[3]["error"]["type"] == "incomplete"
    assert 1 <= events[3]["wait"] <= 1.25
    assert events[5:] == [
        {"type": "answer", "text": "Hi"},
        {"type": "end", "finish_reason": "stop", "complete": True},
    ]
    assert done.code == 0
    assert value["attempts"] == 1


def test_attempts_are_counted(glm) -> None:
    with Server(reply(429, {"error": {"code": "1302", "message": "slow"}}, "Retry-After: 0"), answer("Hi")) as server:
        value = reply_object(glm("ask", *ZAI, server.url, "--json", "hi", env=KEY).out)
    assert (value["attempts"], value["answer"]) == (2, "Hi")


def test_the_fallback_is_named(glm, keys) -> None:
    with Server(reply(404, {"error": {"code": "1211", "message": "no such model"}}), answer("Hi")) as server:
        env = keys | {"OPENAI_BASE_URL": server.url}
        done = glm("ask", *ZAI, server.url, "--fallback", "openai/glm-4.7", "--json", "hi", env=env)
    value = reply_object(done.out)
    assert (value["provider"], value["model"], value["answer"], value["attempts"]) == ("openai", "glm-4.7", "Hi", 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ("stream", "--json", "hi"),
        ("stream", "--no-stream", "hi"),
        ("ask", "--json", "--jsonl", "hi"),
        ("stream", "--json", "--jsonl", "hi"),
    ],
)
def test_forms_that_contradict_each_other(glm, arguments) -> None:
    with Server(answer()) as server:
        done = glm(*arguments, *ZAI, server.url, env=KEY)
    assert (done.code, server.requests) == (2, [])
    error_of(done.err)


def test_one_object_even_if_the_session_cannot_be_written(home, cwd) -> None:
    with Server(answer("Hi")) as server:
        ask = f'ulimit -f 0; "$GLM" ask {" ".join(ZAI)} {server.url} hi --session s.jsonl'
        whole = shell(f"{ask} --json", home, cwd, **KEY)
        lines = shell(f"{ask} --jsonl", home, cwd, **KEY)
    assert (whole.returncode, reply_object(whole.stdout)["error"]["exit_code"]) == (14, 14)
    assert (lines.returncode, reply_events(lines.stdout)[-1]["complete"]) == (14, False)


def test_into_a_file(glm, cwd) -> None:
    with Server(answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, "--json", "-O", "reply.json", "hi", env=KEY)
    assert (done.code, done.out) == (0, b"")
    assert reply_object((cwd / "reply.json").read_bytes())["answer"] == "Hi"
