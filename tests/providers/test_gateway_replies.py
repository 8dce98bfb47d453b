"""Replies of gateways, proxies and half-conforming servers: what is a complete answer, and what is never one."""

from __future__ import annotations

import json
import time

import pytest
from broken_replies import HELLO, STOP, error, raw
from scripted_server import Pause, Reset, Server, Stall, chunk, delta, event, head, reply, stream
from tool_runs import FINAL, call_stream, whole_call
from turns import COMMANDS, by_turns

from glmcli.http.timeouts import Limits, ResponseTimer

USAGE = {"prompt_tokens": 13, "completion_tokens": 17, "total_tokens": 30}
ZEROS = dict.fromkeys(USAGE, 0)
OPEN = {"done": False, "end": False}  # a stream that goes on


def choice(**fields):
    return {"id": "c-1", "choices": [{"index": 0, "delta": {}} | fields]}


def text(content, **fields):
    """A chunk of text whose choice has these fields too."""
    return choice(delta={"content": content}, **fields)


def message(content, **fields):
    return choice(message={"role": "assistant", "content": content}, **fields)


NO_DONE = {"done": False}
CUT = "zai: the stream ended before the model finished"
JUNK = "after the finish came what is no part of the reply"

# name: (script, exit code, what `stream` prints, words on stderr). `ask` prints the same where the code is 0.
EARLY = {
    "on every chunk": (stream(text("Hel", finish_reason="stop"), text("lo", finish_reason="stop")), 0, "Hello\n", ""),
    "on the first chunk, then DONE": (stream(STOP, delta(content="Hel"), delta(content="lo")), 0, "Hello\n", ""),
    "on the first chunk, then another": (stream(STOP, HELLO, STOP, **NO_DONE), 0, "Hello\n", ""),
    "taken back, then the end": (
        stream(text("Hel", finish_reason="stop"), delta(content="lo"), **NO_DONE),
        7,
        "Hello\n",
        CUT,
    ),
    "taken back by thinking": (stream(HELLO, STOP, delta(reasoning_content="hm"), **NO_DONE), 7, "Hello\n", CUT),
    "taken back by a call": (
        stream(HELLO, STOP, delta(tool_calls=[whole_call("weather")]), **NO_DONE),
        7,
        "Hello\n",
        CUT,
    ),
    "taken back, then reset": (
        [*stream(STOP, delta(content="Hel"), **OPEN), Reset()],
        6,
        "Hel\n",
        "broke: Connection reset by peer",
    ),
    "length, taken back": (
        stream(text("Hel", finish_reason="length"), text("lo", finish_reason="stop")),
        0,
        "Hello\n",
        "",
    ),
    "not taken back by empty deltas": (
        stream(HELLO, STOP, delta(content=""), delta(role="assistant"), delta(reasoning_content=""), **NO_DONE),
        0,
        "Hello\n",
        "",
    ),
    "not taken back by usage": (stream(HELLO, STOP, {"choices": [], "usage": USAGE}, **NO_DONE), 0, "Hello\n", ""),
    "not taken back by comments": (raw(event(HELLO), event(STOP), ": ping\n\n"), 0, "Hello\n", ""),
    "not taken back by itself": (stream(HELLO, STOP, STOP, STOP, **NO_DONE), 0, "Hello\n", ""),
    "not taken back by a call without a name": (
        stream(HELLO, STOP, delta(tool_calls=[{"index": 0, "id": "c1", "function": {}}]), **NO_DONE),
        0,
        "Hello\n",
        "",
    ),
    "many frames alike after it": (
        stream(STOP, *[delta(content=letter) for letter in "abcdefghij"], **NO_DONE),
        7,
        "abcdefghij\n",
        CUT,
    ),
}

INDEXES = {
    "counts up": (
        stream(text("Hel", index=0), text("lo", index=1), choice(index=2, finish_reason="stop")),
        0,
        "Hello\n",
        "",
    ),
    "from one": (stream(text("Hello", index=1), choice(index=1, finish_reason="stop")), 0, "Hello\n", ""),
    "as text": (stream(text("Hello", index="0"), choice(index="0", finish_reason="stop")), 0, "Hello\n", ""),
    "as a word": (stream(text("Hello", index="first"), choice(index="first", finish_reason="stop")), 0, "Hello\n", ""),
    "as a fraction": (stream(text("Hello", index=0.0), choice(index=None, finish_reason="stop")), 0, "Hello\n", ""),
    "in one piece": (reply(200, message("Hello", index=3, finish_reason="stop")), 0, "Hello\n", ""),
}

NO_TEXT = "of the reply is not text"
UNREADABLE = {
    "a number": (stream(HELLO, delta(content=42), STOP), 13, "Hello\n", f"the content {NO_TEXT}"),
    "zero": (stream(HELLO, delta(content=0), STOP), 13, "Hello\n", f"the content {NO_TEXT}"),
    "true": (stream(HELLO, delta(content=True), STOP), 13, "Hello\n", f"the content {NO_TEXT}"),
    "an object": (stream(HELLO, delta(content={"text": "x"}), STOP), 13, "Hello\n", f"the content {NO_TEXT}"),
    "a number in a part": (
        stream(HELLO, delta(content=[{"type": "text", "text": 5}]), STOP),
        13,
        "Hello\n",
        f"the text {NO_TEXT}",
    ),
    "a number for a part": (stream(HELLO, delta(content=[5]), STOP), 13, "Hello\n", f"the content {NO_TEXT}"),
    "thinking": (stream(delta(reasoning_content=5), HELLO, STOP), 13, "", f"the reasoning_content {NO_TEXT}"),
    "after a finish": (stream(STOP, delta(content=42)), 13, "", f"the content {NO_TEXT}"),
    "in one piece": (reply(200, message({"a": 1}, finish_reason="stop")), 13, "", f"the content {NO_TEXT}"),
    "a delta": (stream(HELLO, choice(delta="lo"), STOP), 13, "Hello\n", "the delta of the reply is not an object"),
    "the name of a tool": (
        stream(HELLO, delta(tool_calls=[{"index": 0, "function": {"name": 5}}]), STOP),
        13,
        "Hello\n",
        f"the tool name {NO_TEXT}",
    ),
    "calls that are no list": (
        stream(HELLO, delta(tool_calls={"index": 0, "function": {"name": "f"}}), STOP),
        13,
        "Hello\n",
        "the tool calls of the reply are not a list",
    ),
}

REPEATED = {
    "an empty delta beside all": (
        stream(delta(content="Hel"), delta(content="lo"), choice(message={"content": "Hello"}, finish_reason="stop")),
        0,
        "Hello\n",
        "",
    ),
    "a delta and all so far": (
        stream(
            choice(delta={"content": "Hel"}, message={"content": "Hel"}),
            choice(delta={"content": "lo"}, message={"content": "Hello"}, finish_reason="stop"),
        ),
        0,
        "Hello\n",
        "",
    ),
    "a delta and the same": (
        stream(
            choice(delta={"content": "Hel"}, message={"content": "Hel"}),
            choice(delta={"content": "lo"}, message={"content": "lo"}, finish_reason="stop"),
        ),
        0,
        "Hello\n",
        "",
    ),
    "what is missing": (
        stream(delta(content="Hel"), message("Hello, world", finish_reason="stop")),
        0,
        "Hello, world\n",
        "",
    ),
    "all, without its blanks": (
        stream(delta(content="\nHello "), message("Hello", finish_reason="stop")),
        0,
        "Hello \n",
        "",
    ),
    "something else": (
        stream(delta(content="Hello"), message("Good bye", finish_reason="stop")),
        13,
        "Hello\n",
        "the whole message differs from its deltas",
    ),
    "after the finish": (stream(HELLO, STOP, message("Hello"), **NO_DONE), 0, "Hello\n", ""),
    "after many frames alike": (
        stream(*[delta(content=letter) for letter in "abcdefghij"], message("abcdefghij", finish_reason="stop")),
        0,
        "abcdefghij\n",
        "",
    ),
}

FAILED = 'error: {"code":500,"message":"out of slots","type":"server_error"}\n\n'
ERRORS = {
    "a field": (raw(FAILED, event("[DONE]")), 5, "", "why: out of slots"),
    "a field after text": (raw(event(HELLO), FAILED, event("[DONE]")), 5, "Hello\n", "(HTTP 500, code 500)"),
    "a field after the finish": (raw(event(HELLO), event(STOP), FAILED), 5, "Hello\n", "why: out of slots"),
    "a field without a code": (raw(event(HELLO), "error: kaputt\n\n", event("[DONE]")), 13, "Hello\n", "why: kaputt"),
    "a field without a blank line": (raw(event(HELLO), "error: kaputt"), 13, "Hello\n", "why: kaputt"),
    "a field of a mapped code": (raw('error: {"code":"1113","message":"m"}\n\n'), 4, "", "the balance is used up"),
    "an empty field": (raw(event(HELLO), "error: \n\nerror: null\n\nerror: {}\n\n", event(STOP)), 0, "Hello\n", ""),
    "a message": (stream(HELLO, {"message": "no"}), 13, "Hello\n", "why: no"),
    "msg": (stream(HELLO, {"status": "500", "msg": "no"}), 13, "Hello\n", "why: no"),
    "errors": (stream(HELLO, {"errors": [{"message": "no"}]}), 13, "Hello\n", "no"),
    "of the type error": (stream(HELLO, {"type": "error", "message": "no"}), 13, "Hello\n", "why: no"),
    "an error code": (stream(HELLO, {"error_code": 336, "error_msg": "no"}), 13, "Hello\n", "no"),
    "of Tencent's form": (
        stream(HELLO, {"Response": {"Error": {"Code": "Odd", "Message": "no"}, "RequestId": "r"}}),
        13,
        "Hello\n",
        "no",
    ),
    "a message after the finish": (stream(HELLO, STOP, {"message": "no"}), 0, "Hello\n", f"{JUNK}: no"),
    "an error code after the finish": (stream(HELLO, STOP, {"error_code": 336, "error_msg": "no"}), 0, "Hello\n", JUNK),
    "a message of success": (stream({"code": 0, "message": "Success"}, HELLO, STOP), 0, "Hello\n", ""),
    # What could not be read may have been an error, so DONE alone is no finish any more.
    "DONE after junk": (stream(STOP, {"message": "no"}, HELLO), 7, "Hello\n", CUT),
    "a new finish after junk": (stream(STOP, {"message": "no"}, HELLO, STOP), 0, "Hello\n", JUNK),
}

NOT_A_COMPLETION = "the reply is not a chat completion"
ANTHROPIC = {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hello"}]}
RESPONSES = {"id": "resp_1", "object": "response", "status": "completed", "output": [{"type": "message"}]}
NO_REPLIES = {
    "a status and words": (
        reply(200, {"status": "434", "msg": "Invalid apiKey", "body": None}),
        13,
        "",
        "why: Invalid apiKey",
    ),
    "a message": (reply(200, {"message": "Unauthorized"}), 13, "", "why: Unauthorized"),
    "of MiniMax": (reply(200, {"base_resp": {"status_code": 1004, "status_msg": "login fail"}}), 13, "", "login fail"),
    "of Anthropic": (reply(200, ANTHROPIC), 13, "", NOT_A_COMPLETION),
    "of Anthropic, streamed": (
        raw(
            'event: message_start\ndata: {"type":"message_start","message":{"id":"m"}}\n\n',
            'event: ping\ndata: {"type": "ping"}\n\n',
            'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"Hello"}}\n\n',
            'event: message_stop\ndata: {"type":"message_stop"}\n\n',
        ),
        13,
        "",
        NOT_A_COMPLETION,
    ),
    "of the Responses API": (reply(200, RESPONSES), 13, "", NOT_A_COMPLETION),
    "of the Responses API, streamed": (
        raw('event: response.created\ndata: {"type":"response.created","response":{"id":"r"}}\n\n'),
        13,
        "",
        NOT_A_COMPLETION,
    ),
    "only empty values": (
        stream({"id": "", "object": "", "created": 0, "choices": None, "usage": None}),
        7,
        "",
        "zai: ",
    ),
    "only usage": (stream({"id": "c", "model": "m", "choices": [], "usage": USAGE}), 7, "", "without an answer"),
    "null": (reply(200, "null"), 7, "", CUT),
    "only pings": (raw('data: {"type": "ping"}\n\n'), 7, "", CUT),
}

PLAIN = (event(HELLO), event(STOP))
KEEP_ALIVES = [
    ": ping",
    "ping",
    "[PING]",
    "keep-alive",
    "{}",
    '""',
    "null",
    "data: :OPENROUTER PROCESSING",
    ": a\ndata: {}",
]
DONES = ["[done]", '"[DONE]"', "[Done]", " [DONE] ", '"[done]"']
SETS = {
    "early finish": EARLY,
    "index": INDEXES,
    "unreadable": UNREADABLE,
    "repeated message": REPEATED,
    "error": ERRORS,
    "no reply": NO_REPLIES,
}
CASES = {f"{group}: {name}": case for group, cases in SETS.items() for name, case in cases.items()}
# A batch stops for a quota, which ends no row.
PLAYED = [each for each in by_turns(CASES, COMMANDS) if each.values != ("error: a field of a mapped code", "batch")]


@pytest.mark.parametrize(("name", "command"), PLAYED)
def test_reply(plays, name, command) -> None:
    plays(command, *CASES[name])


@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("name", ["a status and words", "a message", "of Anthropic", "of the Responses API, streamed"])
def test_what_is_no_reply_is_asked_once(glm, keys, command, name) -> None:
    with Server(NO_REPLIES[name][0]) as server:
        done = glm(command, "-P", "openai", "-m", "glm-5", "--base-url", server.url, "--retries", "2", "hi", env=keys)
    assert (done.code, len(server.requests)) == (13, 1)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("keep_alive", KEEP_ALIVES)
def test_a_keep_alive_as_data_carries_nothing(ends, keep_alive) -> None:
    frame = f"data: {keep_alive}\n\n".replace("data: data:", "data:")
    done = ends(raw(frame, PLAIN[0], frame, PLAIN[1], frame), 0, "Hello\n")
    assert done.err == ""


def test_a_keep_alive_and_text_in_one_event(ends) -> None:
    ends(raw(b"data: {}\n" + PLAIN[0], PLAIN[1]), 0, "Hello\n")


def test_an_event_named_ping_carries_nothing(ends) -> None:
    ends(raw("event: ping\ndata: 17:04\n\n", *PLAIN), 0, "Hello\n")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("done", DONES)
def test_done_in_other_forms(ends, done) -> None:
    ends(raw(PLAIN[0], f"data: {done}\n\n", event(error("1301"))), 0, "Hello\n")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("junk", ["data: kaputt\n\n", 'data: {"cho\n\n', "data: 42\n\n", "data: [1]\n\n"])
def test_junk_after_a_finish_is_a_remark(ends, junk) -> None:
    done = ends(raw(*PLAIN, junk, junk), 0, "Hello\n")
    assert done.err.count(f"glm: zai: {JUNK}: ") == 1
    ends(raw(PLAIN[0], junk, PLAIN[1]), 13, "Hello\n", "zai: malformed event 2 at byte 81")


def test_a_connection_that_breaks_after_a_finish_is_a_remark(ends) -> None:
    done = ends([head(), *map(chunk, PLAIN), Pause(0.1), Reset()], 0, "Hello\n")
    assert done.err.startswith("glm: zai: after the finish: the connection to ")


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/html; charset=UTF-8", "", "application/json; charset=utf-8", "text/plain"],
)
def test_a_stream_of_another_type(ends, content_type) -> None:
    body = b"".join([*PLAIN, event("[DONE]")])
    for start in (b"", b"\xef\xbb\xbf", b"\r\n", b": hi\n\n", b"event: message\n", b"id: 7\n"):
        ends(reply(200, start + body, content_type=content_type), 0, "Hello\n")
    for size in (1, 3):  # the first bytes come one by one
        parts = [chunk(body[at : at + size]) for at in range(0, 12, size)]
        script = [head(content_type=content_type), *parts, chunk(body[12:]), b"0\r\n\r\n"]
        ends(script, 0, "Hello\n")


def test_a_reply_in_one_piece_of_the_type_html(ends) -> None:
    ends(reply(200, message("Hello", finish_reason="stop"), content_type="text/html"), 0, "Hello\n")
    ends(reply(200, error("1113"), content_type="text/html"), 4, "", "the balance is used up")
    ends(reply(200, "Login", content_type="text/html"), 13, "", "got HTML, not an API response")


@pytest.mark.parametrize("body", ["", "d", "date", "It works!"])
def test_a_body_of_json_that_is_neither(ends, body) -> None:
    ends(reply(200, body), 13, "", "zai: the reply is not JSON")


TWO = {"choices": [{"index": 1, "delta": {"content": "No"}}]}


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_only_the_first_of_several_answers_is_printed(glm, keys, cwd, command) -> None:
    (cwd / "q.yaml").write_text("options: {n: 2}\n")
    with Server(stream(TWO, HELLO, TWO, STOP, choice(index=1, finish_reason="length"))) as server:
        for flags in (("-o", "n=2"), ("-f", "q.yaml")):
            done = glm(command, "-P", "openai", "-m", "glm-5", "--base-url", server.url, *flags, "hi", env=keys)
            assert (done.code, done.text) == (0, "Hello\n"), done.err
        assert [request.json["n"] for request in server.requests] == [2, 2]


def test_only_the_first_of_several_answers_is_a_row_s(as_row) -> None:
    script = stream(TWO, HELLO, TWO, STOP)
    body = {"model": "glm-5", "messages": [{"role": "user", "content": "hi"}], "n": 2}
    line = {"custom_id": "r", "method": "POST", "url": "/v1/chat/completions", "body": body}
    assert as_row(script, 0, row="openai", line=line)["answer"] == "Hello"
    assert as_row(script, 0, "-o", "n=2", row="openai", line={"prompt": "hi"})["answer"] == "Hello"


# Time: a finish that may be early is waited for longer than others

LIMITS = Limits(retries=0, retry_max_time=180.0, connect=10.0, first=300.0, idle=300.0, deadline=None)


def left(timer: ResponseTimer) -> float:
    return timer.timeout_at - time.monotonic()


def test_data_after_a_finish_renews_the_wait_but_not_for_ever() -> None:
    timer = ResponseTimer(LIMITS, time.monotonic() + 3600)
    timer.linger(5)
    assert 0 < left(timer) <= 5
    first = timer.timeout_at
    timer.linger_on()
    assert first <= timer.timeout_at <= first + 10
    timer.data_received()
    assert 200 < left(timer) <= 300
    timer.linger(15)
    assert 5 < left(timer) <= 15


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [
        [*stream(text("Hel", finish_reason="stop"), **OPEN), Pause(7), *stream(text("lo", finish_reason="stop"))[1:]],
        [*stream(STOP, **OPEN), Pause(7), *stream(HELLO)[1:]],
        [*stream(STOP, text("Hel"), STOP, **OPEN), Pause(7), *stream(text("lo"), STOP)[1:]],
        [*stream(HELLO, STOP, **OPEN), *[chunk(": ping\n\n"), Pause(1)] * 20, Stall()],
        [*stream(HELLO, STOP, **OPEN), *[chunk(event(delta(content=""))), Pause(1)] * 40, Stall()],
    ],
    ids=["beside text", "before text", "after one that was void", "heartbeats", "empty deltas for ever"],
)
def test_the_wait_after_a_finish(ends, script) -> None:
    began = time.monotonic()
    ends(script, 0, "Hello\n")
    assert time.monotonic() - began < 25


def test_the_idle_limit_counts_again_after_a_finish_that_was_void(ends) -> None:
    script = [*stream(STOP, HELLO, **OPEN), Stall()]
    ends(script, 6, "Hello\n", "no data for 0.4 s", flags=("--retries", "0", "--idle-timeout", "0.4"))


# Tool calls


def arguments(*fragments, finish="tool_calls"):
    return stream(*(delta(tool_calls=[each]) for each in fragments), delta(finish_reason=finish))


def function(index, name=None, text=None, identity=None):
    fields = {key: value for key, value in (("name", name), ("arguments", text)) if value is not None}
    return {"index": index, "function": fields} | ({"id": identity} if identity else {})


CALLS = {
    "an empty object, then text": (
        arguments(function(0, "f", {}, "a"), function(0, text='{"x":'), function(0, text="1}")),
        [("a", "f", '{"x":1}')],
    ),
    "an object": (arguments(function(0, "f", {"x": 1}, "a")), [("a", "f", '{"x":1}')]),
    "none": (arguments(function(0, "f", identity="a")), [("a", "f", "{}")]),
    "null": (arguments({"index": 0, "id": "a", "function": {"name": "f", "arguments": None}}), [("a", "f", "{}")]),
    "the index as text": (
        arguments(
            function("0", "f", '{"x":', "a"),
            function("1", "g", '{"y":', "b"),
            function("0", text="1}"),
            function("1", text="2}"),
        ),
        [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')],
    ),
    "the index as a fraction": (
        arguments(
            function(0.0, "f", "{", "a"), function(1.0, "g", "{", "b"), function(0.0, text="}"), function(1.0, text="}")
        ),
        [("a", "f", "{}"), ("b", "g", "{}")],
    ),
    "the whole call again": (
        arguments(function(0, "f", '{"x":', "a"), function(0, text='"1"}'), function(0, "f", '{"x":"1"}', "a")),
        [("a", "f", '{"x":"1"}')],
    ),
    "an empty call again": (arguments(function(0, "f", "{}", "a"), function(0, "f", "{}", "a")), [("a", "f", "{}")]),
    "twice in one fragment": (arguments(function(0, "f", '{"x":1}{"x":1}', "a")), [("a", "f", '{"x":1}{"x":1}')]),
    "halves that are equal by chance": (arguments(function(0, "f", "[1][1]", "a")), [("a", "f", "[1][1]")]),
    "all at the index 0, without ids": (
        arguments(function(0, "f", '{"x":1}'), function(0, "g", "{}"), function(0, "f", '{"x":2}')),
        [("", "f", '{"x":1}'), ("", "g", "{}"), ("", "f", '{"x":2}')],
    ),
    "a name in each fragment": (
        arguments(function(0, "f", '{"x":{"y":1}'), function(0, "f", ',"z":{}'), function(0, "f", "}")),
        [("", "f", '{"x":{"y":1},"z":{}}')],
    ),
    "an empty object and the name again": (
        arguments(function(0, "f", "{}"), function(0, "f", '{"x":'), function(0, "f", "1}")),
        [("", "f", '{"x":1}')],
    ),
    "a number": (arguments(function(0, "f", 5, "a")), [("a", "f", "5")]),
    "an id that is a number": (arguments(function(0, "f", "{}", 7)), [("7", "f", "{}")]),
    "all again in a message": (
        stream(
            delta(tool_calls=[function(0, "f", '{"x":1}', "a")]),
            delta(tool_calls=[function(1, "g", "{}", "b")]),
            choice(
                message={"tool_calls": [function(None, "f", '{"x":1}', "a"), function(None, "g", "{}", "b")]},
                finish_reason="tool_calls",
            ),
        ),
        [("a", "f", '{"x":1}'), ("b", "g", "{}")],
    ),
    "more in a message": (
        stream(
            delta(tool_calls=[function(0, "f", "{}", "a")]),
            choice(
                message={"tool_calls": [function(None, "f", "{}", "a"), function(None, "g", "{}", "b")]},
                finish_reason="tool_calls",
            ),
        ),
        [("a", "f", "{}"), ("b", "g", "{}")],
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_arguments_of_a_call(as_json, name) -> None:
    script, calls = CALLS[name]
    value = as_json(script, 10)
    assert [(call["id"], call["name"], call["arguments"]) for call in value["tool_calls"]] == calls


def test_no_tool_runs_before_the_turn_is_over(glm, keys, cwd) -> None:
    (cwd / "tools.yaml").write_text("tools:\n- name: t\n  description: d\n  run: [sh, -c, echo ran >> ran.txt]\n")
    early = [delta(tool_calls=[whole_call("t")], finish_reason="tool_calls")]
    cut = stream(choice(delta=early[0]["choices"][0]["delta"], finish_reason="tool_calls"), HELLO, **NO_DONE)
    with Server(cut) as server:
        flags = ("-P", "zai", "--base-url", server.url, "--tools", "tools.yaml", "--yes", "--retries", "0")
        done = glm("tools", "run", *flags, "hi", env=keys)
    assert done.code == 7, done.err
    assert not (cwd / "ran.txt").exists()
    with Server(call_stream(("t", "{}")), FINAL) as server:
        flags = ("-P", "zai", "--base-url", server.url, "--tools", "tools.yaml", "--yes")
        assert glm("tools", "run", *flags, "hi", env=keys).code == 0
    assert (cwd / "ran.txt").read_text() == "ran\n"


# Text, usage, remarks


def test_thinking_in_parts_is_reasoning(as_json) -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Okay, "}]}, {"type": "text", "text": "Hel"}]
    more = [
        {"type": "thinking", "thinking": ""},
        {"type": "thinking", "thinking": "hm."},
        {"type": "reference", "reference_ids": [1]},
        {"text": "lo"},
    ]
    value = as_json(stream(delta(content=parts), delta(content=more), STOP), 0)
    assert (value["reasoning"], value["answer"]) == ("Okay, hm.", "Hello")


@pytest.mark.parametrize(
    ("chunks", "usage"),
    [
        ([HELLO, STOP | {"usage": USAGE}, {"choices": [], "usage": ZEROS}], (13, 17, 30)),
        ([HELLO | {"usage": ZEROS}, STOP, {"choices": [], "usage": USAGE}], (13, 17, 30)),
        ([HELLO | {"usage": USAGE}, STOP, {"choices": [], "usage": USAGE | {"completion_tokens": 18}}], (13, 18, 30)),
    ],
)
def test_zeros_do_not_replace_a_usage(as_json, chunks, usage) -> None:
    value = as_json(stream(*chunks), 0)["usage"]
    assert (value["input_tokens"], value["output_tokens"], value["total_tokens"]) == usage


TAGS = "<think>hm</think>Hello"
BARE = "hm</think>Hello"


@pytest.mark.parametrize(
    ("row", "said", "form"),
    [("openai", TAGS, "open"), ("openai", BARE, "bare"), ("vllm", BARE, "bare"), ("modelstudio", TAGS, "open")],
)
def test_thinking_in_the_answer_is_remarked(ends, row, said, form) -> None:
    done = ends(stream(delta(content=said), STOP), 0, f"{said}\n", f"think_tags: {form}", row=row)
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(("row", "said"), [("vllm", TAGS), ("openai", "<think> is a tag"), ("openai", "a </b> Hello")])
def test_other_tags_are_not_remarked(ends, row, said) -> None:
    printed = "Hello\n" if row == "vllm" else f"{said}\n"
    assert "think_tags" not in ends(stream(delta(content=said), STOP), 0, printed, row=row).err


def test_text_that_repeats_itself_is_remarked(ends) -> None:
    so_far = ["Wh", "Whisper", "Whisper is", "Whisper is a", "Whisper is a model."]
    frames = [delta(content=each) for each in so_far]
    done = ends(stream(*frames, STOP), 0, "".join(so_far) + "\n", "text_frames: cumulative")
    assert done.err.count("\n") == 1
    usual = [delta(content=each) for each in ("a", "ab", "abc", "abcd", "e")]
    assert ends(stream(*usual, STOP), 0, "aababcabcde\n").err == ""


def test_a_batch_remarks_on_replies_once(glm, keys, cwd) -> None:
    so_far = ["Wh", "Whisper", "Whisper is", "Whisper is a", "Whisper is a model."]
    (cwd / "in.jsonl").write_text("".join(f'{{"id": "r{number}", "prompt": "hi"}}\n' for number in range(3)))
    with Server(stream(*[delta(content=each) for each in so_far], STOP)) as server:
        flags = ("-P", "zai", "--base-url", server.url, "-O", "out.jsonl", "-j", "1")
        done = glm("batch", "run", "in.jsonl", *flags, env=keys)
    assert done.code == 0
    assert done.err.count("text_frames: cumulative") == 1
    assert "glm: r0: each frame repeats all text so far" in done.err


def test_a_row_of_the_configuration_undoes_repeated_text(glm, keys, home) -> None:
    frames = [delta(content=each) for each in ("Wh", "Whisper", "Whisper is")]
    with Server(stream(*frames, STOP)) as server:
        rows = {"gate": {"like": "vllm", "base_url": server.url, "text_frames": "cumulative"}}
        config = home / "config.yaml"
        config.write_text(json.dumps({"providers": rows}))
        done = glm("ask", "-m", "gate/glm-5", "hi", env=keys | {"GLM_CONFIG": str(config)})
    assert (done.code, done.text, done.err) == (0, "Whisper is\n", "")
