"""Replies whose form is odd and whose meaning is certain, as gateways were reported to send them."""

from __future__ import annotations

import json

import pytest
from broken_replies import HELLO, STOP, raw
from scripted_server import Server, chunk, delta, event, head, reply, stream
from tool_runs import FINAL
from turns import COMMANDS, by_turns

USAGE = {"prompt_tokens": 13, "completion_tokens": 17, "total_tokens": 30}
CALLED = "the model called tools that nobody runs: "


def choice(**fields):
    return {"id": "c-1", "choices": [{"index": 0} | fields]}


def said(content, **fields):
    return choice(message={"role": "assistant", "content": content}, **fields)


def lines(*values, end="\n", content_type="application/x-ndjson"):
    return [head(content_type=content_type), *(chunk(json.dumps(value) + end) for value in values), b"0\r\n\r\n"]


def whole(message, reason="stop"):
    return reply(200, choice(message=message, finish_reason=reason))


def so_far(text, *sizes):
    return [choice(message={"content": text[:size]}) for size in sizes]


BODY = b"".join(map(event, (HELLO, STOP, "[DONE]")))
WHOLE = json.dumps(said("Hello", finish_reason="stop"))
OVERLOADED = [{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}]
REFUSED = "the model refused to answer\n  why: I cannot help."
ENCODED_TWICE = [b"data: " + event(value) for value in (HELLO, STOP, "[DONE]")]

HALF = b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}\n\n'
NO_OBJECT = "of the reply is not an object"

# name: (script, exit code, what `stream` prints, words on stderr)
REPLIES = {
    "a stream as HTML": (reply(200, BODY, content_type="text/html; charset=utf-8"), 0, "Hello\n", ""),
    "a whole reply as HTML": (reply(200, WHOLE, content_type="text/html"), 0, "Hello\n", ""),
    "text as HTML": (reply(200, "Hello", content_type="text/html"), 13, "", "got HTML"),
    "a page as HTML": (reply(200, "\n<p>Hello", content_type="text/html"), 13, "", "got HTML"),
    "lines of JSON": (lines(delta(content="Hel"), delta(content="lo"), STOP), 0, "Hello\n", ""),
    "lines of JSON as a stream": (lines(HELLO, STOP, end="\n\n", content_type="text/event-stream"), 0, "Hello\n", ""),
    "lines of JSON, cut": (
        lines(delta(content="Hel"), delta(content="lo")),
        7,
        "Hello\n",
        "the stream ended before the model finished",
    ),
    "lines of JSON, broken": (lines(HELLO, HELLO, end='\n{"cho\n'), 13, "Hello\n", "malformed event 2"),
    "an error on the first line": (lines(OVERLOADED[0], {"x": 1}), 5, "", "why: The model is overloaded."),
    "a whole reply and DONE": (
        reply(200, f"{WHOLE}\n\ndata: [DONE]\n\n", content_type="text/event-stream"),
        0,
        "Hello\n",
        "",
    ),
    "a whole reply over several lines": (
        reply(200, json.dumps(json.loads(WHOLE), indent=1), content_type="text/event-stream"),
        0,
        "Hello\n",
        "",
    ),
    "data of data": (raw(*ENCODED_TWICE), 0, "Hello\n", ""),
    "an error in a list": (stream(HELLO, json.dumps(OVERLOADED)), 5, "Hello\n", "(HTTP 503, code 503)"),
    "an error in a whole list": (reply(200, json.dumps(OVERLOADED)), 5, "", "why: The model is overloaded."),
    "the reason eos_token": (stream(HELLO, delta(finish_reason="eos_token")), 0, "Hello\n", ""),
    "the reason end": (stream(HELLO, delta(finish_reason="end")), 0, "Hello\n", ""),
    "the reason model_length": (
        stream(HELLO, delta(finish_reason="model_length")),
        7,
        "Hello\n",
        "cut at the token limit",
    ),
    "a refusal": (stream(delta(refusal="I cannot"), delta(refusal=" help."), STOP), 8, "", REFUSED),
    "a refusal without a finish": (stream(delta(refusal="I cannot help.")), 8, "", REFUSED),
    "a refusal, cut": (stream(delta(refusal="I cannot"), done=False), 7, "", "the stream ended before"),
    "a refusal after text": (stream(HELLO, delta(refusal="I cannot help."), STOP), 8, "Hello\n", REFUSED),
    "a refusal in one piece": (whole({"content": "", "refusal": "I cannot help."}), 8, "", REFUSED),
    "a refusal as a part": (whole({"content": [{"type": "refusal", "refusal": "I cannot help."}]}), 8, "", REFUSED),
    "no refusal": (stream(delta(content="Hello", refusal=None), delta(refusal=""), STOP), 0, "Hello\n", ""),
    "two choices without an index": (
        reply(200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"} for text in ("Hello", "No")]}),
        0,
        "Hello\n",
        "",
    ),
    "the whole message again after the finish": (
        stream(said("Hello", finish_reason="stop"), said("Hello", finish_reason="stop"), done=False),
        0,
        "Hello\n",
        "",
    ),
    "messages that are pieces": (stream(*map(said, ("Hel", "lo")), choice(finish_reason="stop")), 0, "Hello\n", ""),
    "half a character after the finish": (
        raw(event(HELLO), event(STOP), HALF),
        7,
        "Hello\ufffd\n",
        "the stream ended before the model finished",
    ),
    "a delta that is text": (stream(HELLO, choice(delta="lo"), STOP), 13, "Hello\n", f"the delta {NO_OBJECT}"),
    "a delta in a list": (stream(choice(delta=[{"content": "Hel"}]), STOP), 13, "", f"the delta {NO_OBJECT}"),
    "a message that is text": (reply(200, choice(message="Hello")), 13, "", f"the message {NO_OBJECT}"),
    "a call that is text": (stream(HELLO, delta(tool_calls=["t"]), STOP), 13, "Hello\n", f"the tool call {NO_OBJECT}"),
    "a function that is text": (
        stream(HELLO, delta(tool_calls=[{"index": 0, "function": "t"}]), STOP),
        13,
        "Hello\n",
        f"the function of a tool call {NO_OBJECT}",
    ),
    "empty values where objects belong": (
        stream(
            HELLO, choice(delta=None, message=""), {"choices": [None]}, {"choices": ""}, delta(tool_calls=[None]), STOP
        ),
        0,
        "Hello\n",
        "",
    ),
    # Frames that are alike and that depend on what was before them.
    "messages so far, after thinking": (
        stream(delta(reasoning_content="hm"), *so_far("Hello you", 3, 5, 7, 9, 9), STOP),
        0,
        "Hello you\n",
        "",
    ),
    "lone choices, then two": (
        stream(
            *[choice(index=1, delta={"content": letter}) for letter in "Hell"],
            {
                "id": "c-1",
                "choices": [{"index": 0, "delta": {"content": "o"}}, {"index": 1, "delta": {"content": "No"}}],
            },
            *[choice(index=1, delta={"content": letter}) for letter in "xyz"],
            STOP,
        ),
        0,
        "Hello\n",
        "",
    ),
}


@pytest.mark.parametrize(("name", "command"), list(by_turns(REPLIES, COMMANDS)))
def test_reply(plays, name, command) -> None:
    plays(command, *REPLIES[name])


@pytest.mark.parametrize("name", ["lines of JSON", "a stream as HTML", "a whole reply and DONE", "data of data"])
def test_events_say_that_it_is_complete(glm, keys, name) -> None:
    with Server(REPLIES[name][0]) as server:
        done = glm("stream", "--jsonl", "-P", "zai", "-m", "glm-5", "--base-url", server.url, "hi", env=keys)
    events = [json.loads(line) for line in done.text.splitlines()]
    assert (done.code, events[-1]["finish_reason"], events[-1]["complete"]) == (0, "stop", True)
    assert "".join(event["text"] for event in events if event["type"] == "answer") == "Hello"


@pytest.mark.parametrize(
    "last",
    [
        choice(delta={}, finish_reason="stop", usage=USAGE),
        STOP | {"usage": {"input_tokens": 13, "output_tokens": 17, "total_tokens": 30, "prompt_tps": 21.5}},
        STOP | {"usage": USAGE | {"input_tokens": 0, "output_tokens": 0}},
    ],
    ids=["inside the choice", "by other names", "by both names"],
)
def test_usage(as_json, last) -> None:
    usage = as_json(stream(HELLO, last), 0)["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (13, 17, 30)


@pytest.mark.parametrize(
    "thinking",
    [
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}, {"type": "reasoning.encrypted", "data": "x"}]},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning": "", "reasoning_details": [{"text": "hm"}]},
        {"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}]},
    ],
)
def test_thinking_in_lists(as_json, thinking) -> None:
    value = as_json(stream(delta(**thinking), delta(reasoning_details=None), HELLO, STOP), 0)
    assert (value["reasoning"], value["answer"]) == ("hm", "Hello")


# Tool calls


def function(name=None, text=None, index=None, identity=None):
    fields = {key: value for key, value in (("name", name), ("arguments", text)) if value is not None}
    places = {key: value for key, value in (("index", index), ("id", identity)) if value is not None}
    return {"type": "function", "function": fields} | places


def calls(*deltas, finish="tool_calls"):
    return stream(*(delta(tool_calls=each) for each in deltas), delta(finish_reason=finish))


ROME, CET = '{"city":"Rome"}', '{"tz":"CET"}'
CALLS = {
    "two in one list, without index and id": (
        calls([function("weather", ROME), function("clock", CET)]),
        [("weather", ROME), ("clock", CET)],
    ),
    "two of one name": (
        whole({"tool_calls": [function("weather", ROME), function("weather", ROME)]}, "tool_calls"),
        [("weather", ROME), ("weather", ROME)],
    ),
    "one list after another": (
        calls([function("a", "{}"), function("b", "{}")], [function("c", "{}"), function("d", "{}")]),
        [("a", "{}"), ("b", "{}"), ("c", "{}"), ("d", "{}")],
    ),
    "continued without index": (
        calls([function("a", "{}"), function("weather", "")], [function(text='{"city":')], [function(text='"Rome"}')]),
        [("a", "{}"), ("weather", ROME)],
    ),
    "with another finish": (calls([function("weather", ROME, 0)], finish="tool_call"), [("weather", ROME)]),
    "of the older form": (
        stream(
            delta(function_call={"name": "weather", "arguments": ""}),
            delta(function_call={"arguments": '{"city":'}),
            delta(function_call={"arguments": '"Rome"}'}),
            delta(finish_reason="function_call"),
        ),
        [("weather", ROME)],
    ),
    "of both forms": (
        stream(delta(tool_calls=[function("weather", ROME, 0)], function_call={"name": "weather"}), STOP),
        [("weather", ROME)],
    ),
    "an empty object as text, then text": (
        calls(
            [function("weather", "{}", 0, "a")],
            [function(text='{"city":', index=0)],
            [function(text='"Rome"}', index=0)],
        ),
        [("weather", ROME)],
    ),
    "the name in each fragment": (
        calls(
            [function("weather", "", 0, "a")],
            [function("weather", '{"city":', 0, "a")],
            [function("weather", '"Rome"}', 0)],
        ),
        [("weather", ROME)],
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(as_json, name) -> None:
    script, found = CALLS[name]
    value = as_json(script, 10)
    assert [(call["name"], call["arguments"]) for call in value["tool_calls"]] == found


def test_text_before_a_call_of_the_older_form_is_no_answer(ends) -> None:
    script = stream(HELLO, delta(function_call={"name": "weather", "arguments": ROME}), STOP)
    ends(script, 10, "Hello\n", f"{CALLED}weather")


NAMELESS = {
    "another id inside the call": calls([function("t", "", 0, "a")], [function(text='{"x":1}', index=0, identity="b")]),
    "an index inside the call only": calls([function("t", "", None, "a")], [function(text='{"x":1}', index=0)]),
}


@pytest.mark.parametrize("name", NAMELESS)
def test_a_call_without_a_name_lets_no_other_run(glm, keys, cwd, name) -> None:
    (cwd / "tools.yaml").write_text("tools:\n- name: t\n  description: d\n  run: [touch, ran]\n")
    with Server(NAMELESS[name], FINAL) as server:
        flags = ("-P", "zai", "--base-url", server.url, "--tools", "tools.yaml", "--yes", "--retries", "1")
        done = glm("tools", "run", *flags, "hi", env=keys)
        assert len(server.requests) == 1
    assert (done.code, done.out) == (13, b"")
    assert "glm: error: zai: a tool call of the reply has no name" in done.err
    assert not (cwd / "ran").exists()


def test_an_older_call_runs(glm, keys, cwd) -> None:
    (cwd / "tools.yaml").write_text("tools:\n- name: t\n  description: d\n  run: [touch, ran]\n")
    script = stream(delta(function_call={"name": "t", "arguments": "{}"}), delta(finish_reason="function_call"))
    with Server(script, FINAL) as server:
        flags = ("-P", "zai", "--base-url", server.url, "--tools", "tools.yaml", "--yes")
        done = glm("tools", "run", *flags, "hi", env=keys)
        sent = server.requests[1].json["messages"]
    assert done.code == 0, done.err
    assert (cwd / "ran").exists()
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"]
