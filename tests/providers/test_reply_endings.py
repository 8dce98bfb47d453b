"""What is a complete answer: exit code and stdout of `ask` and `stream` for every way in which a reply can end."""

from __future__ import annotations

import gzip
import json
import time
import zlib

import pytest
from broken_replies import HELLO, STOP, error, packed, raw
from processes import error_of, shell
from scripted_server import Reset, Server, Stall, delta, event, reply, stream
from turns import by_turns

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def call(**fields):
    return delta(tool_calls=[fields])


def in_choice(**fields):
    return {"id": "req-1", "choices": [{"index": 0, "delta": {}} | fields]}


REFUSED = error("1113")["error"]
NO_REASON = in_choice(finish_reason=None)
WEATHER = call(index=0, id="call_1", type="function", function={"name": "weather", "arguments": '{"city":"上海"}'})
# ASCII on the wire: the other half of the character never comes.
HALF = '{"choices":[{"delta":{"reasoning_content":"Hm\\ud83d"}}]}'
PLAIN = b"".join(map(event, (HELLO, STOP, "[DONE]")))

# name: (script, exit code, what `stream` prints, words on stderr). `ask` prints the same where the code is 0, else
# nothing.
CASES = {
    # --- finish reasons: BigModel and Z.ai's own, OpenAI's, and those of servers ---
    "stop": (stream(HELLO, STOP), 0, "Hello\n", ""),
    "eos": (stream(HELLO, delta(finish_reason="eos")), 0, "Hello\n", ""),
    "stop_sequence": (stream(HELLO, delta(finish_reason="stop_sequence")), 0, "Hello\n", ""),
    "length": (stream(HELLO, delta(finish_reason="length")), 7, "Hello\n", "token limit (finish_reason: length)"),
    "max_tokens": (stream(HELLO, delta(finish_reason="max_tokens")), 7, "Hello\n", "token limit"),
    "length beside text": (stream(delta(content="Hel", finish_reason="length")), 7, "Hel\n", "token limit"),
    "context": (
        stream(HELLO, delta(finish_reason="model_context_window_exceeded")),
        7,
        "Hello\n",
        "context window is full",
    ),
    "sensitive": (stream(HELLO, delta(finish_reason="sensitive")), 8, "Hello\n", "content filter"),
    "content_filter": (stream(HELLO, delta(finish_reason="content_filter")), 8, "Hello\n", "content filter"),
    "network_error": (stream(HELLO, delta(finish_reason="network_error")), 5, "Hello\n", "network_error"),
    "insufficient_system_resource": (
        stream(HELLO, delta(finish_reason="insufficient_system_resource")),
        5,
        "Hello\n",
        "insufficient_system_resource",
    ),
    "abort": (stream(HELLO, delta(finish_reason="abort")), 5, "Hello\n", "abort"),
    "a success after a failure": (stream(HELLO, delta(finish_reason="length"), STOP), 7, "Hello\n", "token limit"),
    "half a character before the answer": (raw(event(HALF), event(HELLO), event(STOP)), 0, "Hello\n", "Hm\ufffd\n"),
    "half a character of a thought at the end": (
        raw(event(HALF), event(delta(finish_reason="length"))),
        7,
        "",
        "Hm\ufffd\n",
    ),
    "unknown reason": (stream(HELLO, delta(finish_reason="bored")), 13, "Hello\n", "unknown finish_reason: bored"),
    "the reason error": (stream(HELLO, delta(finish_reason="error")), 13, "Hello\n", "unknown finish_reason: error"),
    "a call that the provider has run itself": (
        stream(call(index=0, id="m", type="mcp", mcp={"type": "mcp_call"}), HELLO, STOP),
        0,
        "Hello\n",
        "",
    ),
    "a reason in capitals": (stream(HELLO, delta(finish_reason="STOP")), 0, "Hello\n", ""),
    "a number as the reason": (stream(HELLO, delta(finish_reason=1)), 13, "Hello\n", "unknown finish_reason: 1"),
    "zero as the reason": (stream(HELLO, delta(finish_reason=0)), 13, "Hello\n", "unknown finish_reason: 0"),
    "false as the reason": (stream(HELLO, delta(finish_reason=False)), 13, "Hello\n", "unknown finish_reason: false"),
    "a list as the reason": (
        stream(HELLO, delta(finish_reason=["stop"])),
        13,
        "Hello\n",
        'unknown finish_reason: ["stop"]',
    ),
    "null is no reason": (stream(HELLO, NO_REASON, done=False), 7, "Hello\n", "ended before the model finished"),
    "tool_calls without calls": (stream(HELLO, delta(finish_reason="tool_calls")), 13, "Hello\n", "sent none"),
    "the text null is no reason": (stream(HELLO, delta(finish_reason="null"), done=False), 7, "Hello\n", ""),
    "an empty reason is none": (stream(HELLO, delta(finish_reason=""), done=False), 7, "Hello\n", ""),
    # --- the end of the bytes ---
    "DONE after text": (stream(HELLO), 0, "Hello\n", ""),
    "DONE after nothing": (stream(), 7, "", "without an answer and without a finish reason"),
    "DONE after reasoning": (stream(delta(reasoning_content="Hm")), 7, "", "without an answer"),
    "DONE after a blank answer": (stream(delta(content=" ")), 7, " \n", "no answer text"),
    "finish without DONE": (stream(HELLO, STOP, done=False), 0, "Hello\n", ""),
    "neither": (stream(HELLO, done=False), 7, "Hello\n", "the stream ended before the model finished"),
    "nothing at all": (reply(200, "", content_type="text/event-stream"), 7, "", "the stream ended"),
    "only comments": (raw(": ping\n\n", ": ping\n\n"), 7, "", "the stream ended"),
    "a usage chunk is no finish": (stream(HELLO, {"choices": [], "usage": USAGE}, done=False), 7, "Hello\n", ""),
    "no blank line at the end": (raw(event(HELLO), event(STOP).rstrip()), 0, "Hello\n", ""),
    "DONE without a line end": (raw(event(HELLO), "data: [DONE]"), 0, "Hello\n", ""),
    "half a chunk at the end": (raw(event(HELLO), event(STOP)[:30]), 7, "Hello\n", "the stream ended"),
    "finish, then half a chunk": (raw(event(HELLO), event(STOP), 'data: {"cho'), 0, "Hello\n", ""),
    "cut in the body": (stream(HELLO, done=False, end=False), 7, "Hello\n", "the connection ended before"),
    "finish, then cut": (stream(HELLO, STOP, done=False, end=False), 0, "Hello\n", ""),
    "reset": ([*stream(HELLO, done=False, end=False), Reset()], 6, "Hello\n", "broke"),
    "finish, then reset": ([*stream(HELLO, STOP, done=False, end=False), Reset()], 0, "Hello\n", ""),
    "finish, then silence": ([*stream(HELLO, STOP, done=False, end=False), Stall()], 0, "Hello\n", ""),
    "silence": ([*stream(HELLO, done=False, end=False), Stall()], 6, "Hello\n", "no data for 0.4 s"),
    "text after DONE": (raw(event(HELLO), event("[DONE]"), event(delta(content=" again"))), 0, "Hello\n", ""),
    "an error after DONE": (raw(event(HELLO), event("[DONE]"), event(error("1301"))), 0, "Hello\n", ""),
    "informational responses first": (
        [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", *stream(HELLO, STOP)],
        0,
        "Hello\n",
        "",
    ),
    # --- errors inside a 200 ---
    "error first": (stream(error("1302")), 5, "", "zai: too many requests in flight (code 1302)"),
    "error after text": (stream(HELLO, error("1305")), 5, "Hello\n", "overloaded"),
    "error after finish": (stream(HELLO, STOP, error("1301")), 8, "Hello\n", "code 1301"),
    "error beside finish": (stream(HELLO, STOP | error("1113")), 4, "Hello\n", "the balance is used up"),
    "error in a choice": (stream(HELLO, in_choice(error=REFUSED)), 4, "Hello\n", "why: as it is"),
    "error in a choice beside finish": (
        stream(HELLO, in_choice(error=REFUSED, finish_reason="stop")),
        4,
        "Hello\n",
        "the balance is used up",
    ),
    "error in a delta": (stream(HELLO, in_choice(delta={"error": REFUSED}), STOP), 4, "Hello\n", "code 1113"),
    "error in another choice": (stream(HELLO, in_choice(index=1, error=REFUSED), STOP), 4, "Hello\n", "code 1113"),
    "error of a choice as text": (stream(HELLO, in_choice(error="no memory"), STOP), 5, "Hello\n", "why: no memory"),
    "no error in a choice": (stream(HELLO, in_choice(error=None), in_choice(error={}), STOP), 0, "Hello\n", ""),
    "whole, error in a choice": (
        reply(200, in_choice(message={"content": "Hello"}, finish_reason="stop", error=REFUSED)),
        4,
        "",
        "the balance is used up",
    ),
    "whole, error in a message": (
        reply(200, in_choice(message={"content": "Hello", "error": REFUSED}, finish_reason="stop")),
        4,
        "",
        "the balance is used up",
    ),
    "error as text": (stream(HELLO, {"error": "out of memory"}), 5, "Hello\n", "why: out of memory"),
    "error with a number": (stream(HELLO, error(500)), 5, "Hello\n", "code 500"),
    "flat error": (stream(HELLO, {"object": "error", "message": "m", "code": 400}), 2, "Hello\n", "why: m"),
    "event: error": (raw(b"event: error\n" + event(error("1302"))), 5, "", "code 1302"),
    "event: error after text": (raw(event(HELLO), b"event: error\n" + event(error("1301"))), 8, "Hello\n", "1301"),
    "event: error that is no JSON": (raw("event: error\ndata: kaputt\n\n"), 5, "", "why: kaputt"),
    "event: error without data": (raw(event(HELLO), "event: error\n\n"), 5, "Hello\n", "the provider failed"),
    "a bare line of JSON": (
        raw(event(HELLO), '{"error":{"code":"500","message":"内部错误"}}'),
        5,
        "Hello\n",
        "内部错误",
    ),
    "a bare line, then more": (
        raw(event(HELLO), json.dumps(error("1301")) + "\n\n", event("[DONE]")),
        8,
        "Hello\n",
        "1301",
    ),
    "error body with 200": (reply(200, error("1305")), 5, "", "zai: the platform is overloaded"),
    "error body as a stream": (reply(200, error("1113"), content_type="text/event-stream"), 4, "", "balance"),
    "error body without a type": ([b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(error("1000")).encode()], 3, "", "1000"),
    "a bare error, then DONE": (raw(json.dumps(error("1301")) + "\n\n", event("[DONE]")), 8, "", "1301"),
    "empty error is none": (stream(HELLO | {"error": {}}, STOP | {"error": None}), 0, "Hello\n", ""),
    # --- not an API answer ---
    "HTML": (reply(200, "<html>Login</html>", content_type="text/html"), 13, "", "got HTML, not an API response"),
    "HTML as a stream": (reply(200, "<!DOCTYPE html>", content_type="text/event-stream"), 13, "", "got HTML"),
    "plain text": (reply(200, "It works!", content_type="text/plain"), 13, "", "not an API answer"),
    "broken JSON": (reply(200, '{"choices":'), 13, "", "the reply is not JSON"),
    "a JSON list": (reply(200, "[]"), 13, "", "the reply is not JSON"),
    "fused frame": (
        raw(event(HELLO), 'data: {"id":"2026051004data: {"id":"1","choices":[]}\n\n', event(STOP)),
        13,
        "Hello\n",
        "malformed event 2 at byte 81",
    ),
    "NaN": (raw(event(HELLO), 'data: {"choices":[],"usage":NaN}\n\n'), 13, "Hello\n", "malformed event 2"),
    "infinity": (raw(event(HELLO), 'data: {"error":{"message":1e999}}\n\n'), 13, "Hello\n", "malformed event 2"),
    "deep JSON": (raw(event(HELLO), "data: " + "[" * 100_000 + "\n\n"), 13, "Hello\n", "malformed event 2"),
    "a huge number": (raw(event(HELLO), f'data: {{"id":{"9" * 5000}}}\n\n'), 13, "Hello\n", "malformed event 2"),
    "a number for an event": (raw(event(HELLO), "data: 42\n\n"), 13, "Hello\n", "malformed event 2"),
    # --- nothing said ---
    "an empty answer": (stream(STOP), 7, "", "the model returned no answer text"),
    "only reasoning": (stream(delta(reasoning_content="Hm"), STOP), 7, "", "no answer text, only reasoning"),
    "only newlines": (stream(delta(content="\n\n"), STOP), 7, "", "no answer text"),
    # --- tool calls that nobody runs ---
    "tool calls": (stream(WEATHER, delta(finish_reason="tool_calls")), 10, "", "nobody runs: weather"),
    "tool calls with stop": (stream(WEATHER, STOP), 10, "", "nobody runs: weather"),
    "text and tool calls": (stream(HELLO, WEATHER, delta(finish_reason="tool_calls")), 10, "Hello\n", "weather"),
    "tool calls, then the end": (stream(WEATHER, done=False), 7, "", "the stream ended"),
    "tool calls, then DONE": (stream(WEATHER), 7, "", "the stream ended"),
    "tool calls cut by length": (stream(WEATHER, delta(finish_reason="length")), 7, "", "token limit"),
    # --- holes in the chunks ---
    "choices null": (stream({"choices": None}, HELLO, STOP), 0, "Hello\n", ""),
    "choices empty": (stream({"choices": []}, HELLO, STOP), 0, "Hello\n", ""),
    "choices missing": (stream({"id": "x"}, HELLO, STOP), 0, "Hello\n", ""),
    "choices of nothing": (stream({"choices": [None, 5, "x", []]}, HELLO, STOP), 0, "Hello\n", ""),
    "null for an event": (raw("data: null\n\n", PLAIN), 0, "Hello\n", ""),
    "delta null": (stream({"choices": [{"index": 0, "delta": None}]}, HELLO, STOP), 0, "Hello\n", ""),
    "delta missing": (stream({"choices": [{"index": 0}]}, HELLO, STOP), 0, "Hello\n", ""),
    "content null": (stream(delta(content=None), HELLO, STOP), 0, "Hello\n", ""),
    "content a list": (
        stream(delta(content=[{"type": "text", "text": "Hel"}, {"type": "image"}, {"text": "lo"}]), STOP),
        0,
        "Hello\n",
        "",
    ),
    "content a number": (stream(HELLO, delta(content=5), STOP), 13, "Hello\n", "the content of the reply is not text"),
    "a lone choice is ours": (
        stream({"choices": [{"index": 1, "delta": {"content": "Oh. "}}]}, HELLO, STOP),
        0,
        "Oh. Hello\n",
        "",
    ),
    "a choice beside ours": (
        stream(
            {"choices": [{"index": 1, "delta": {"content": "No"}}, {"index": 0, "delta": {"content": "Hel"}}]},
            {"choices": [{"index": 1, "delta": {"content": "No"}}]},
            delta(content="lo"),
            STOP,
        ),
        0,
        "Hello\n",
        "",
    ),
    "message for delta": (
        stream({"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]}),
        0,
        "Hello\n",
        "",
    ),
    "an index missing": (stream({"choices": [{"delta": {"content": "Hello"}}]}, STOP), 0, "Hello\n", ""),
    # --- framing ---
    "no space after the colon": (raw(PLAIN.replace(b"data: ", b"data:")), 0, "Hello\n", ""),
    "CRLF": (raw(PLAIN.replace(b"\n", b"\r\n")), 0, "Hello\n", ""),
    "CR": (raw(PLAIN.replace(b"\n", b"\r")), 0, "Hello\n", ""),
    "a BOM": (raw(b"\xef\xbb\xbf" + PLAIN), 0, "Hello\n", ""),
    "pings": (raw(": ping\n\n", "id: 7\n\n", "retry: 1000\n\n", "data:\n\n", PLAIN, ": ping\n\n"), 0, "Hello\n", ""),
    "JSON over two lines": (
        raw('data: {"choices":[{"index":0,\ndata: "delta":{"content":"Hello"}}]}\n\n', event(STOP)),
        0,
        "Hello\n",
        "",
    ),
    "another charset is a lie": (
        raw(event(delta(content="中文")), event(STOP), content_type="text/event-stream; charset=iso-8859-1"),
        0,
        "中文\n",
        "",
    ),
    "no content type": ([b"HTTP/1.1 200 OK\r\n\r\n" + PLAIN], 0, "Hello\n", ""),
    "one byte a chunk": (raw(*(PLAIN[i : i + 1] for i in range(len(PLAIN)))), 0, "Hello\n", ""),
    # --- text ---
    "rare line ends": (stream(delta(content="a\u2028b\u2029c\x85d\x0be"), STOP), 0, "a\u2028b\u2029c\x85d\x0be\n", ""),
    "a newline at the end": (stream(delta(content="Hello\n"), STOP), 0, "Hello\n", ""),
    "newlines at the beginning": (
        stream(delta(content="\n"), delta(content="\n\nHello\n\n"), STOP),
        0,
        "Hello\n\n",
        "",
    ),
    "blanks at the beginning": (stream(delta(content="  Hello"), STOP), 0, "  Hello\n", ""),
    "invalid UTF-8": (
        raw(event(HELLO).replace(b"Hello", b"H\xff\xfei"), event(HELLO).replace(b"ello", b"\xc3"), event(STOP)),
        0,
        "H\ufffd\ufffdiH\ufffd\n",
        "the reply holds bytes that are not UTF-8; U+FFFD stands in their place",
    ),
    "a character in two": (
        raw(
            *(f'data: {{"choices":[{{"delta":{{"content":"{h}"}}}}]}}\n\n' for h in (r"a\ud83d", r"\ude00b")),
            event(STOP),
        ),
        0,
        "a😀b\n",
        "",
    ),
    "half a character at the end": (
        raw(r'data: {"choices":[{"delta":{"content":"a\ud83d"}}]}' "\n\n", event(STOP)),
        0,
        "a\ufffd\n",
        "",
    ),
    "the wrong half first": (
        raw(r'data: {"choices":[{"delta":{"content":"\ude00a"}}]}' "\n\n", event(STOP)),
        0,
        "\ufffda\n",
        "",
    ),
    # --- compression that nobody asked for ---
    "gzip": (packed(gzip.compress(PLAIN)), 0, "Hello\n", ""),
    "gzip, a member an event": (
        packed(b"".join(gzip.compress(event(item)) for item in (HELLO, STOP, "[DONE]"))),
        0,
        "Hello\n",
        "",
    ),
    "deflate": (packed(zlib.compress(PLAIN), encoding="deflate"), 0, "Hello\n", ""),
    "half a gzip": (packed(gzip.compress(event(HELLO) + bytes(300) + PLAIN)[:40]), 7, None, ""),
    "broken gzip": (packed(b"this is no gzip"), 13, "", "compression is broken"),
    "brotli": (packed(b"\x0b\x02\x80", encoding="br"), 13, "", "encoded as br, which was not asked for"),
    # --- in one piece, though a stream was asked for ---
    "whole": (reply(200, {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}), 0, "Hello\n", ""),
    "whole without a finish": (reply(200, {"choices": [{"message": {"content": "Hello"}}]}), 7, "Hello\n", ""),
    "whole, cut by length": (
        reply(200, {"choices": [{"message": {"content": "Hel"}, "finish_reason": "length"}]}),
        7,
        "Hel\n",
        "token limit",
    ),
    "whole as a stream": (
        reply(
            200,
            {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]},
            content_type="text/event-stream",
        ),
        0,
        "Hello\n",
        "",
    ),
    "whole, shorter than it says": (
        [b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"choices":[]', Reset()],
        6,
        "",
        "broke",
    ),
    "whole, ended before its length": (
        [b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"choices":['],
        7,
        "",
        "the connection ended before the reply was whole",
    ),
}


@pytest.mark.parametrize(("name", "command"), list(by_turns(CASES, ("ask", "stream"))))
def test_ending(glm, keys, name, command) -> None:
    script, code, printed, said = CASES[name]
    with Server(script) as server:
        flags = ("-P", "zai", "--base-url", server.url, "--retries", "0", "--idle-timeout", "0.4")
        done = glm(command, *flags, "hi", env=keys)
    assert done.code == code, done.err
    if command == "stream" or code == 0:
        assert printed is None or done.text == printed
    else:
        assert done.out == b""
    assert said in done.err
    assert ("glm: error: " in done.err) == (code != 0)
    assert len(server.requests) == 1


HEL = (
    "id:1\nevent:result\n:HTTP_STATUS/200\n"
    'data:{"output":{"choices":[{"message":{"content":"Hel"},"finish_reason":"null"}]},"request_id":"r"}\n'
)
LO = (
    "id:2\nevent:result\n:HTTP_STATUS/200\n"
    'data:{"output":{"choices":[{"message":{"content":"lo"},"finish_reason":"stop"}]},"request_id":"r"}\n'
)
NATIVE = {
    "finish": (
        HEL + LO,
        0,
        "Hello\n",
        "",
    ),
    "no finish": (
        HEL + "\n",
        7,
        "Hel\n",
        "the stream ended before the model finished",
    ),
    "error frame": (
        'id:1\nevent:error\n:HTTP_STATUS/429\ndata:{"code":"Throttling.RateQuota","message":"m","request_id":"r"}\n\n',
        5,
        "",
        "dashscope: rate limited (HTTP 429, code Throttling.RateQuota)",
    ),
    "error frame after text, no blank line": (
        HEL + 'id:2\nevent:error\n:HTTP_STATUS/400\ndata:{"code":"DataInspectionFailed","request_id":"r"}\n',
        8,
        "Hel\n",
        "request id: r",
    ),
    "error without an event line": (
        'data:{"code":"Arrearage","message":"m","request_id":"r"}\n\n',
        4,
        "",
        "the balance is used up",
    ),
    "the text form": ('data:{"output":{"text":"Hello","finish_reason":"stop"}}\n\n', 0, "Hello\n", ""),
    "multimodal parts": (
        LO.replace('"lo"', "[]").replace("stop", "null") + LO.replace('"lo"', '[{"text":"Hello"}]'),
        0,
        "Hello\n",
        "",
    ),
    "JSON over two lines": (
        'data:{"output":{"choices":[{"message":\ndata:{"content":"Hello"},"finish_reason":"stop"}]}}\n\n',
        0,
        "Hello\n",
        "",
    ),
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("name", NATIVE)
def test_ending_on_dashscope(glm, keys, name, command) -> None:
    body, code, printed, said = NATIVE[name]
    with Server(raw(body)) as server:
        done = glm(command, "-P", "dashscope", "--base-url", server.url, "--retries", "0", "hi", env=keys)
    assert done.code == code, done.err
    assert done.text == (printed if command == "stream" or code == 0 else "")
    assert said in done.err


# --- what a script sees of it ---


def as_json(glm, keys, script, *flags, row="zai"):
    with Server(script) as server:
        done = glm("ask", "-P", row, "--base-url", server.url, "--retries", "0", "--json", *flags, "hi", env=keys)
    value = json.loads(done.out)
    assert done.code == (value["error"]["exit_code"] if value["error"] else 0)
    return value


def test_tool_calls_stand_in_json(glm, keys) -> None:
    second = call(index=1, id="call_2", type="function", function={"name": "time", "arguments": "{"})
    rest = call(index=1, function={"arguments": "}"})
    value = as_json(glm, keys, stream(WEATHER, second, rest, delta(finish_reason="tool_calls")))
    assert value["tool_calls"] == [
        {"id": "call_1", "name": "weather", "arguments": '{"city":"上海"}'},
        {"id": "call_2", "name": "time", "arguments": "{}"},
    ]
    assert (value["answer"], value["finish_reason"]) == (None, "tool_calls")
    assert (value["error"]["type"], value["error"]["exit_code"]) == ("tool", 10)


def test_many_calls_are_counted_after_the_fifth(glm, keys) -> None:
    calls = [call(index=number, id=f"c{number}", function={"name": f"f{number}"}) for number in range(7)]
    value = as_json(glm, keys, stream(*calls, delta(finish_reason="tool_calls")))
    assert value["error"]["message"] == "zai: the model called tools that nobody runs: f0, f1, f2, f3, f4 and 2 more"


@pytest.mark.parametrize(
    ("parts", "calls"),
    [
        # Contract, section 4: a new id at an open index is a new call.
        (
            [
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
                {"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}},
            ],
            [("a", "f", "{}"), ("b", "g", "{}")],
        ),
        # Without an index, the last call goes on, or a new id begins one.
        (
            [
                {"id": "a", "function": {"name": "f", "arguments": '{"x":'}},
                {"function": {"arguments": "1}"}},
                {"id": "b", "function": {"name": "g", "arguments": "{}"}},
            ],
            [("a", "f", '{"x":1}'), ("b", "g", "{}")],
        ),
        # Equal ids at different indices are different calls.
        (
            [
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}},
                {"index": 1, "id": "a", "function": {"name": "f", "arguments": "{"}},
                {"index": 0, "function": {"arguments": "}"}},
                {"index": 1, "function": {"arguments": "}"}},
            ],
            [("a", "f", "{}"), ("a", "f", "{}")],
        ),
        # The id may be empty, repeated, or come last; arguments may be null or an object.
        (
            [
                {"index": 0, "id": "", "function": {"name": "f", "arguments": None}},
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": [1]}}},
                {"index": 0, "id": "a", "function": None},
            ],
            [("a", "f", '{"x":[1]}')],
        ),
    ],
)
def test_fragments_are_joined_by_index(glm, keys, parts, calls) -> None:
    value = as_json(glm, keys, stream(*(call(**part) for part in parts), delta(finish_reason="tool_calls")))
    assert [(each["id"], each["name"], each["arguments"]) for each in value["tool_calls"]] == calls


def test_unknown_usage_is_null_and_the_last_one_counts(glm, keys) -> None:
    value = as_json(glm, keys, stream(HELLO, STOP))
    assert value["usage"] is None
    odd = {"prompt_tokens": "3", "completion_tokens": True, "total_tokens": None, "prompt_tokens_details": None}
    value = as_json(glm, keys, stream(HELLO, delta(usage=USAGE), delta(finish_reason="stop", usage=odd)))
    assert value["usage"] == {
        "input_tokens": None,
        "output_tokens": None,
        "reasoning_tokens": None,
        "cached_tokens": None,
        "total_tokens": None,
    }


def test_usage_after_the_finish_counts(glm, keys) -> None:
    details = {
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    value = as_json(glm, keys, stream(HELLO, STOP, {"choices": [], "usage": USAGE | details}))
    assert value["usage"] == {
        "input_tokens": 3,
        "output_tokens": 2,
        "reasoning_tokens": 2,
        "cached_tokens": 1,
        "total_tokens": 5,
    }


def test_a_cut_answer_stands_in_partial_only_on_request(glm, keys) -> None:
    script = stream(delta(reasoning_content="Hm"), HELLO, done=False)
    value = as_json(glm, keys, script)
    assert (value["answer"], value["partial"], value["reasoning"]) == (None, None, "Hm")
    value = as_json(glm, keys, script, "--keep-partial")
    assert (value["answer"], value["partial"]) == (None, "Hello")


@pytest.mark.parametrize("reason", ["length", "sensitive", "bored", "network_error", None])
def test_the_error_names_the_request(glm, keys, reason) -> None:
    last = [delta(finish_reason=reason)] if reason else []
    value = as_json(glm, keys, stream(HELLO, *last, done=False))
    assert (value["request_id"], value["error"]["request_id"]) == ("req-1", "req-1")


def test_the_error_of_a_chunk_names_the_request(glm, keys) -> None:
    value = as_json(glm, keys, stream(HELLO, error("1302")))
    assert value["error"] == {
        "type": "busy",
        "message": "zai: too many requests in flight (code 1302)",
        "why": "as it is",
        "fix": None,
        "http_status": None,
        "provider_code": "1302",
        "request_id": "req-1",
        "retryable": True,
        "exit_code": 5,
    }


# --- flags that change what counts or what is printed ---


FLAGGED = [
    (stream(STOP), ("--allow-empty",), 0, b""),
    (stream(delta(reasoning_content="Hm"), STOP), ("--allow-empty",), 0, b""),
    (stream(done=False), ("--allow-empty",), 7, b""),
    (stream(delta(content="\n\n"), delta(content="Hi"), STOP), ("--exact",), 0, b"\n\nHi"),
    (stream(delta(content="Hi"), STOP), ("--exact",), 0, b"Hi"),
    (stream(delta(content="Hi\n"), STOP), ("--exact",), 0, b"Hi\n"),
]


@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("case", FLAGGED)
def test_flags(glm, keys, command, case) -> None:
    script, flags, code, printed = case
    with Server(script) as server:
        done = glm(command, "-P", "zai", "--base-url", server.url, "--retries", "0", *flags, "hi", env=keys)
    assert (done.code, done.out) == (code, printed), done.err


def test_keep_partial_prints_what_came(glm, keys) -> None:
    with Server(stream(HELLO, done=False)) as server:
        flags = ("-P", "zai", "--base-url", server.url, "--retries", "0", "--keep-partial")
        done = glm("ask", *flags, "hi", env=keys)
    assert (done.code, done.out) == (7, b"Hello\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Hello c", "Hello c"), ("Hello canary+", "Hello canary+"), ("Hello canary+K", "Hello ***")],
)
def test_nothing_is_held_back_when_the_reply_breaks_off(glm, keys, text, shown) -> None:
    # The last characters might have been the beginning of the key, so they wait for what follows; eight of them are
    # more than chance.
    with Server([*stream(delta(content=text), done=False, end=False), Reset()]) as server:
        done = glm("stream", "-P", "zai", "--base-url", server.url, "--retries", "0", "hi", env=keys)
    assert (done.code, done.text) == (6, f"{shown}\n")


def test_text_that_waits_for_its_tag_is_not_lost(glm, cwd) -> None:
    (cwd / "config.yaml").write_text("providers: {mine: {like: vllm, think_tags: bare}}")
    with Server(stream(HELLO, error("x"))) as server:
        flags = ("-P", "mine", "-m", "glm", "--base-url", server.url, "--retries", "0", "--keep-partial")
        done = glm("ask", *flags, "hi", env={"GLM_CONFIG": "config.yaml"})
    assert (done.code, done.out) == (5, b"Hello\n")


@pytest.mark.parametrize("row", ["modelstudio", "tokenhub", "openai"])
def test_leading_newlines_are_kept_where_they_mean_something(glm, keys, row) -> None:
    with Server(stream(delta(content="\n"), delta(content="\nHi"), STOP)) as server:
        done = glm("ask", "-P", row, "-m", "glm-5", "--base-url", server.url, "hi", env=keys)
    assert (done.code, done.out) == (0, b"\n\nHi\n")


def test_damaged_bytes_are_told_once(glm, keys) -> None:
    script = CASES["invalid UTF-8"][0]
    with Server(script) as server:
        done = glm("ask", "-P", "zai", "--base-url", server.url, "hi", env=keys)
    assert done.err.count("not UTF-8") == 1


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_a_server_that_holds_on_after_done_does_not_hold_us(glm, keys, command) -> None:
    with Server([*stream(HELLO, STOP, end=False), Stall()]) as server:
        began = time.monotonic()
        done = glm(command, "-P", "zai", "--base-url", server.url, "hi", env=keys)
        assert time.monotonic() - began < 3
        assert server.hung_up.wait(3)
    assert (done.code, done.out) == (0, b"Hello\n")


def test_deep_json_never_is_a_bug(glm, keys) -> None:
    # Somewhere near the interpreter's limit, text can be read that could not be written again.
    for depth in (100, 900, 960, 970, 975, 980, 985, 990, 995):
        deep = "[" * depth + "]" * depth
        with Server(raw(f'data: {{"error":{{"code":"1302","message":{deep}}}}}\n\n')) as server:
            done = glm("ask", "-P", "zai", "--base-url", server.url, "--retries", "0", "hi", env=keys)
        assert done.code in (5, 13), (depth, done.err)


@pytest.mark.parametrize(("limit", "code"), [(150_000, 13), (2_000_000, 0)])
def test_a_reply_that_needs_more_memory_than_there_is(home, cwd, keys, limit, code) -> None:
    """One event is held as bytes, as text and as JSON at once, beside the program itself."""
    with Server(stream(delta(content="x" * (40 << 20)), STOP)) as server:
        ask = f'"$GLM" ask -P zai --base-url {server.url} --retries 0 --json hi'
        done = shell(f"ulimit -v {limit}; {ask}", home, cwd, **keys)
    error_ = json.loads(done.stdout)["error"]
    assert done.returncode == code, done.stderr
    if code:
        assert error_["message"].removeprefix("zai: ") == "the reply needs more memory than there is"
        assert error_of(done.stderr.decode()) == error_["message"]


def test_a_box_tag_that_is_never_whole_is_text(glm, keys) -> None:
    with Server(stream(delta(content="<|begin_of_box|>Hi <|end_of"), STOP)) as server:
        done = glm("ask", "-P", "zai", "-m", "glm-4.5v", "--base-url", server.url, "hi", env=keys)
    assert (done.code, done.text) == (0, "Hi <|end_of\n")
