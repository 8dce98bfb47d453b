"""Faults of streams and payloads: section 1 of the catalogue, a test a row (`test_S09_…` is row S9)."""

# ruff: noqa: N802 - a test is named by the id of its row

from __future__ import annotations

import gzip
import json
import os
import subprocess
import time
import zlib
from itertools import combinations

import pytest
from broken_replies import BROKEN, FUSED, HELLO, STOP, error, native_error, packed, raw
from processes import TIMEOUT, error_of, read_until, running
from program import GLM, environment, leaks
from scripted_server import END, Pause, Server, Stall, answer, chunk, delta, event, head, reply, stream

from glmcli.chat.events import Answer, RequestId
from glmcli.chat.reply import Fold
from glmcli.errors import ProtocolError
from glmcli.providers.reader import ReplyReader
from glmcli.providers.table import PROVIDERS
from glmcli.providers.text_filter import TextFilter

# Rows that cannot be tested here, and why.
UNTESTABLE: dict[str, str] = {}

MEBIBYTE = 1 << 20
PLAIN = b"".join(map(event, (HELLO, STOP, "[DONE]")))
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
ENDED = "zai: the stream ended before the model finished"


# Framing

CUT = (
    b'data: {"choices":[{"delta":{"content":"a\\n\\u4e2d \xe6\x96\x87\xf0\x9f\x98\x80"}}]}\r\n\r\n'
    b': ping\r\nid: 7\r\n\r\ndata: {"choices":[{"delta":{},"finish_reason":"stop"}]}\r\n\r\ndata: [DONE]\r\n\r\n'
)
CUT_ANSWER = "a\n中 文😀"
BOM = b"\xef\xbb\xbf"


def read(pieces):
    """The reply that these pieces of a body fold to, without a process around it."""
    reader, fold = ReplyReader(PROVIDERS["zai"], "text/event-stream"), Fold()
    for piece in pieces:
        for each in reader.feed(piece):
            fold.add(each)
    for each in reader.close():
        fold.add(each)
    return fold.reply()


@pytest.mark.parametrize("bom", [b"", BOM])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_S01_any_cut_gives_the_same(bom, line_end) -> None:
    body = bom + CUT.replace(b"\r\n", line_end)
    whole = read([body])
    assert (whole.answer, whole.finish_reason, whole.done) == (CUT_ANSWER, "stop", True)
    places = range(1, len(body))
    assert all(read([body[:at], body[at:]]) == whole for at in places)


@pytest.mark.slow
def test_S01_any_two_cuts_give_the_same() -> None:
    body = BOM + CUT
    whole = read([body])
    assert all(read([body[:a], body[a:b], body[b:]]) == whole for a, b in combinations(range(1, len(body)), 2))


@pytest.mark.sampled(5)
@pytest.mark.parametrize("bom", [b"", BOM])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_S01_one_byte_at_a_time(ends, bom, line_end) -> None:
    body = bom + CUT.replace(b"\r\n", line_end)
    ends(raw(*(body[at : at + 1] for at in range(len(body)))), 0, "a\n中 文😀\n")


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "before", [b"ta: {", b"n\\u4e2d", b"u4e2d", b"e2d", b"\n\r\n: ping", b"\r\n: ping", b"NE]", b"\n\r\ndata: [DONE]"]
)
def test_S01_cut_where_it_hurts(ends, before) -> None:
    at = CUT.index(before)
    ends([head(), chunk(CUT[:at]), Pause(0.02), chunk(CUT[at:]), END], 0, "a\n中 文😀\n")


def test_S02_a_character_in_two_packets(ends) -> None:
    body = event(delta(content="中文😀")) + event(STOP)
    begin = body.index("中".encode())
    packets = [step for at in range(begin, begin + 11) for step in (body[at : at + 1], Pause(0.01))]
    plain = [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + body[:begin], *packets, body[begin + 11 :]]
    done = ends(plain, 0, "中文😀\n")
    assert done.err == ""


RARE = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei"


def test_S03_rare_line_ends_are_text(ends) -> None:
    # Raw, as a provider sends them; JSON demands an escape only below U+0020.
    content = "a\u2028b\u2029c\x85d\\u000be\\u000cf\\u001cg\\u001dh\\u001ei"
    ends(raw(f'data: {{"choices":[{{"delta":{{"content":"{content}"}}}}]}}\n\n', event(STOP)), 0, f"{RARE}\n")


def test_S04_rare_line_ends_in_json_lines_and_yaml(glm, keys, cwd) -> None:
    turns = [{"role": "user", "content": RARE}, {"role": "assistant", "content": RARE}]
    talk = cwd / "talk.jsonl"
    talk.write_bytes("".join(json.dumps(turn, ensure_ascii=False) + "\n" for turn in turns).encode())
    (cwd / "r.yaml").write_bytes('prompt: "x\u2028y\u2029z"\n'.encode())
    with Server(answer(RARE)) as server:
        flags = ("-P", "zai", "--base-url", server.url, "--session", "talk.jsonl", "-f", "r.yaml", "--jsonl")
        done = glm("ask", *flags, env=keys)
    assert done.code == 0, done.err
    (request,) = server.requests
    assert request.json["messages"] == [*turns, {"role": "user", "content": "x\u2028y\u2029z"}]
    lines = done.out.split(b"\n")
    assert [json.loads(line)["type"] for line in lines[:-1]] == ["start", "answer", "end"]
    assert json.loads(lines[1])["text"] == RARE
    said = [json.loads(line)["content"] for line in talk.read_bytes().split(b"\n")[:-1]]
    assert said == [RARE, RARE, "x\u2028y\u2029z", RARE]


def test_S04_next_line_is_no_line_end_in_yaml(glm, keys, cwd) -> None:
    # YAML 1.1 would read two keys here.
    (cwd / "r.yaml").write_bytes("system: x\x85prompt: y\n".encode())
    with Server(answer()) as server:
        done = glm("ask", "-P", "zai", "--base-url", server.url, "-f", "r.yaml", "hi", env=keys)
    assert (done.code, done.out, server.requests) == (2, b"", [])
    assert error_of(done.err).startswith("r.yaml:1:")


LINE_ENDS = {
    "LF": PLAIN,
    "CRLF": PLAIN.replace(b"\n", b"\r\n"),
    "CR": PLAIN.replace(b"\n", b"\r"),
    "mixed": event(HELLO).replace(b"\n\n", b"\r\n\n") + event(STOP).replace(b"\n\n", b"\r\r") + b"data: [DONE]\n\r\n",
    "mixed in one event": b"data: " + json.dumps(HELLO).encode().replace(b", ", b",\rdata: ", 1) + b"\r\n\r" + PLAIN,
}


@pytest.mark.parametrize("name", LINE_ENDS)
def test_S05_line_ends(ends, name) -> None:
    ends(raw(LINE_ENDS[name]), 0, "HelloHello\n" if name == "mixed in one event" else "Hello\n")


@pytest.mark.parametrize("line_end", ["\r", "\r\n", "\n"])
def test_S06_no_event_waits_for_the_next(home, cwd, keys, line_end) -> None:
    # Nothing follows: who waited for a line feed after the carriage return would wait for ever.
    body = event(HELLO).replace(b"\n", line_end.encode())
    with Server([head(), chunk(body), Stall()]) as server:
        flags = ("-P", "zai", "--base-url", server.url, "hi")
        with running(home, cwd, "stream", *flags, env=keys) as process:
            assert read_until(process.stdout, b"Hello") == b"Hello"


def test_S06_a_line_feed_after_the_carriage_return_is_no_line(ends) -> None:
    # Taken for a blank line, it would end the event after its first half.
    first, second = b'data: {"choices":[{"index":0,\r', b'\ndata: "delta":{"content":"Hello"}}]}\r'
    ends(raw(first, second, b"\n\r", b"\n", event(STOP)), 0, "Hello\n")


def test_S07_no_space_after_the_colon(ends) -> None:
    ends(raw(PLAIN.replace(b"data: ", b"data:")), 0, "Hello\n")


def test_S07_only_one_space_is_framing(ends) -> None:
    # The other blanks belong to the JSON text, where they mean nothing.
    ends(raw(PLAIN.replace(b"data: {", b"data: \t  {")), 0, "Hello\n")
    ends(raw("data:   \n\n", PLAIN), 0, "Hello\n")


@pytest.mark.parametrize("comment", [": ping\n\n", ":\n", ":HTTP_STATUS/200\n", ": " + "x" * 70_000 + "\n"])
def test_S08_comments_are_no_data(ends, comment) -> None:
    ends(raw(comment, event(HELLO), comment, event(STOP), comment, event("[DONE]")), 0, "Hello\n")


@pytest.mark.parametrize(
    "frame", ["id: 1\n\n: keepalive\n\n", "retry: 1000\n\n", "data:\n\n", "data\n\n", "event: x\n\n"]
)
def test_S09_a_frame_without_data_is_none(ends, frame) -> None:
    ends(raw(frame, event(HELLO), frame, event(STOP), frame, event("[DONE]")), 0, "Hello\n")


def test_S09_an_id_lasts_over_keepalives(ends) -> None:
    ends(raw(b"id: 1\n" + event(HELLO), ": keepalive\n\n", ": keepalive\n\n", event(STOP)), 0, "Hello\n")


@pytest.mark.parametrize("parts", [(BOM + PLAIN,), (BOM, PLAIN), (BOM[:1], BOM[1:2], BOM[2:], PLAIN)])
def test_S10_a_byte_order_mark(ends, parts) -> None:
    ends(raw(*parts), 0, "Hello\n")


def test_S10_a_second_mark_is_no_mark(ends) -> None:
    # The field is then named U+FEFF "data", which the standard ignores; what is left has no text.
    ends(raw(BOM + BOM + event(HELLO), event(STOP)), 7, "", "no answer text")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_S11_data_over_several_lines(ends, line_end) -> None:
    lines = ['data: {"choices":[', 'data: {"index":0,"delta":', 'data:{"content":"Hello"}}', "data", "data: ]}", "", ""]
    ends(raw(line_end.join(lines), event(STOP)), 0, "Hello\n")


@pytest.mark.parametrize("last", [event(STOP), event(STOP)[:-1], event(STOP)[:-2], b"data: [DONE]", b"data: [DONE]\n"])
def test_S12_no_blank_line_after_the_last_event(ends, last) -> None:
    ends(raw(event(HELLO), last), 0, "Hello\n")


def test_S12_half_an_event_at_the_end(ends) -> None:
    ends(raw(event(HELLO), event(STOP)[:-5]), 7, "Hello\n", ENDED)


def test_S12_the_usage_of_a_last_event_without_its_blank_line(as_json) -> None:
    value = as_json(raw(event(HELLO), event(delta(finish_reason="stop", usage=USAGE))[:-2]), 0)
    assert (value["usage"]["input_tokens"], value["usage"]["output_tokens"]) == (3, 2)


def test_S14_a_fused_frame(ends) -> None:
    # Without --retries 0: what is no API answer is not asked for again.
    said = 'glm: error: zai: malformed event 2 at byte 81\n  why: {"id":"2026051004data: {"id":"1","choices":[]}\n'
    ends(raw(event(HELLO), FUSED, event(STOP)), 13, "Hello\n", said, flags=())


def test_S14_a_fused_frame_at_first(ends) -> None:
    ends(raw(FUSED, event(HELLO), event(STOP), event("[DONE]")), 13, "", "zai: malformed event 1 at byte 0", flags=())


# Sizes


def in_one_event(size):
    body = event(delta(content="x" * size))
    pieces = [chunk(body[at : at + 65536]) for at in range(0, len(body), 65536)]
    return [head(), *pieces, chunk(event(STOP)), chunk(event("[DONE]")), END]


def in_tiny_events(count):
    return [head(), *[chunk(event(delta(content="x")) * 100)] * (count // 100), chunk(event(STOP)), END]


@pytest.fixture
def cpu(home, cwd):
    """Processor seconds of a run that reads a script whole; a self-hosted row, so no key is near."""

    def run(command, script, size):
        with Server(script) as server, (cwd / "out").open("wb") as out:
            flags = ("-m", "vllm/x", "--base-url", server.url, "--retries", "0", "hi")
            process = subprocess.Popen(
                [GLM, command, *flags],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.PIPE,
                env=environment(home),
            )
            with process.stderr:
                err = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert (process.returncode, err) == (0, b"")
        assert (cwd / "out").read_bytes() == b"x" * size + b"\n"
        return usage.ru_utime + usage.ru_stime

    return run


def doubled(cpu, command, make, size):
    """How much longer twice the data takes. One measurement may be off; what is quadratic takes four times as long."""
    ratios = []
    while len(ratios) < 3 and min(ratios, default=9) >= 3:
        once = cpu(command, make(size), size)
        ratios.append(cpu(command, make(2 * size), 2 * size) / once)
    return min(ratios)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("mebibytes", [10, 25])
def test_S15_one_large_event_takes_linear_time(cpu, command, mebibytes) -> None:
    assert doubled(cpu, command, in_one_event, mebibytes * MEBIBYTE) < 3


@pytest.mark.slow
@pytest.mark.parametrize(("command", "count"), [("ask", 100_000), ("stream", 25_000)])
def test_S15_two_hundred_thousand_tiny_events_take_linear_time(cpu, command, count) -> None:
    assert doubled(cpu, command, in_tiny_events, count) < 3


def call(**fields):
    return event(delta(tool_calls=[fields]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        lambda number: call(index=number, id=f"c{number}", function={"name": "f", "arguments": "{}"}),
        lambda number: call(index=0, function={"name": f"n{number}"}),
        lambda number: call(index=0, id="c", function={"arguments": str(number)}),
    ],
    ids=["many calls", "a long name", "many arguments"],
)
def test_S15_many_tool_calls_take_linear_time(piece) -> None:
    def seconds(count):
        pieces = [b"".join(map(piece, range(at, at + 100))) for at in range(0, count, 100)]
        runs = []
        for _ in range(2):
            began = time.process_time()
            reply_ = read(pieces)
            runs.append(time.process_time() - began)
        assert reply_.tool_calls
        return min(runs)

    ratios = []
    while len(ratios) < 3 and min(ratios, default=16) >= 8:
        ratios.append(seconds(20_000) / seconds(5_000))
    assert min(ratios) < 8, ratios  # 4 is linear, 16 quadratic


X = b"x" * 65536
LARGE = {
    "one line": [chunk(b"data: "), *[chunk(X)] * 1025],
    "many lines": [chunk(b"data: " + X + b"\n")] * 1025,
    "a comment": [chunk(b": "), *[chunk(X)] * 1025],
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", LARGE)
def test_S15_the_cap_of_an_event(ends, name) -> None:
    # The rest never comes: who waited for it would wait for ever.
    script = [head(), chunk(event(HELLO)), *LARGE[name], Stall()]
    done = ends(script, 13, "Hello\n", flags=("--retries", "0"))
    assert error_of(done.err) == "zai: one event is larger than 64 MiB"


# Ends


def test_S17_a_finish_without_done(ends) -> None:
    ends(stream(HELLO, STOP, done=False), 0, "Hello\n")


S18 = {
    "chunked": stream(HELLO, done=False),
    "by length": reply(200, event(HELLO), content_type="text/event-stream"),
    "by hanging up": [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + event(HELLO)],
    "a usage chunk is no finish": stream(HELLO, {"choices": [], "usage": USAGE}, done=False),
}


@pytest.mark.parametrize("name", S18)
def test_S18_an_end_without_a_finish(ends, name) -> None:
    ends(S18[name], 7, "Hello\n", f"glm: error: {ENDED}\n")


@pytest.mark.parametrize("script", [[head(), END], stream(delta(reasoning_content="Hm"), done=False)])
def test_S18_an_end_before_the_answer(ends, script) -> None:
    ends(script, 7, "", ENDED)


def test_S20_what_follows_done_is_not_read(ends) -> None:
    ends(raw(event(HELLO), event("[DONE]"), event(delta(content=" again")), event(error("1301"))), 0, "Hello\n")


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_S20_a_server_that_stays_after_done(glm, keys, command) -> None:
    with Server([*stream(HELLO, STOP, end=False), Stall()]) as server:
        began = time.monotonic()
        done = glm(command, "-P", "zai", "--base-url", server.url, "hi", env=keys)
        assert time.monotonic() - began < 4
        assert server.hung_up.wait(TIMEOUT)
    assert (done.code, done.out, done.err) == (0, b"Hello\n", "")


THOUGHTS = [delta(reasoning_content="Hm ")] * 1000
EMPTY = {
    "nothing": (stream(STOP), "zai: the model returned no answer text\n"),
    "only thoughts": (stream(*THOUGHTS, STOP), "zai: the model returned no answer text, only reasoning\n"),
    "blanks": (stream(delta(content="\n \n"), STOP), "zai: the model returned no answer text\n"),
    "no tokens": (
        stream(*THOUGHTS, delta(finish_reason="stop", usage=USAGE | {"completion_tokens": 0})),
        "zai: the model returned no answer text, only reasoning\n",
    ),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", EMPTY)
def test_S21_an_empty_answer(ends, name) -> None:
    script, said = EMPTY[name]
    ends(script, 7, " \n" if name == "blanks" else "", said, "--allow-empty")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", ["nothing", "only thoughts", "no tokens"])
def test_S21_an_empty_answer_that_is_allowed(ends, name) -> None:
    ends(EMPTY[name][0], 0, "", flags=("--retries", "0", "--allow-empty"))


# Holes


@pytest.mark.sampled(3)
@pytest.mark.parametrize("hole", [{"choices": []}, {"choices": None}, {}, {"choices": [None]}, {"choices": 5}])
def test_S22_no_choices(ends, as_json, hole) -> None:
    ends(stream(hole, HELLO, hole, STOP, hole), 0, "Hello\n")
    value = as_json(stream(HELLO, hole | {"usage": USAGE}, STOP), 0)
    assert value["usage"]["total_tokens"] == 5
    ends(stream(HELLO, hole | error("1301"), STOP), 8, "Hello\n", "code 1301")


TEXTS = [{"type": "text", "text": "Hel"}, {"type": "image_url"}, None, {"text": None}, {"text": "l"}, "o"]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "choice",
    [{"delta": None}, {"delta": {"content": None}}, {}, {"delta": []}, {"delta": {"content": {}}}],
)
def test_S23_no_text_in_the_delta(ends, choice) -> None:
    ends(stream({"choices": [{"index": 0} | choice]}, HELLO, STOP), 0, "Hello\n")


def test_S23_text_in_parts(ends) -> None:
    ends(stream(delta(content=TEXTS), STOP), 0, "Hello\n")


UNKNOWN = dict.fromkeys(("input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens", "total_tokens"))


@pytest.mark.parametrize(
    ("chunks", "usage"),
    [
        ([HELLO, STOP], None),
        ([HELLO, STOP | {"usage": None}], None),
        ([HELLO | {"usage": USAGE}, STOP | {"usage": USAGE | {"completion_tokens": 9}}], (3, 9, 5)),
        (
            [HELLO, STOP | {"usage": {"prompt_tokens": "3", "completion_tokens": 2.5, "total_tokens": True}}],
            (None,) * 3,
        ),
        ([HELLO, STOP | {"usage": "much"}], None),
        ([HELLO, STOP | {"usage": {"completion_tokens": 0}}], (None, 0, None)),
    ],
)
def test_S24_unknown_usage_is_null_and_the_last_counts(as_json, chunks, usage) -> None:
    names = ("input_tokens", "output_tokens", "total_tokens")
    value = as_json(stream(*chunks), 0)
    assert value["usage"] == (usage and UNKNOWN | dict(zip(names, usage, strict=True)))


# Errors inside a 200

CODES = {"1302": 5, "1301": 8, "1113": 4, "1000": 3, "1210": 2, "1261": 7}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("code", CODES)
def test_S25_an_error_in_the_stream(ends, code) -> None:
    ends(stream(error(code)), CODES[code], "", f"(code {code})", "  why: as it is\n")
    ends(stream(HELLO, error(code), STOP), CODES[code], "Hello\n", f"(code {code})", "  why: as it is\n")


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        ('data: {"error":{"code":"1302","message":"m"}}\n', 5, "code 1302"),
        ('data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n', 5, "why: Overloaded"),
        ('data: {"message":"Model unloaded."}\n', 5, "why: Model unloaded."),
        ('data: "no memory"\n', 5, "why: no memory"),
        ("data: kaputt\n", 5, "why: kaputt"),
        ("data: {\n", 5, "why: {"),
        ("data: null\n", 5, "the provider failed"),
        ("", 5, "the provider failed"),
    ],
)
def test_S26_an_event_named_error(ends, data, code, said) -> None:
    ends(raw(f"event: error\n{data}\n"), code, "", said)
    ends(raw(event(HELLO), f"event: error\n{data}\n", event(STOP)), code, "Hello\n", said)


NATIVE_TEXT = (
    "id:1\nevent:result\n:HTTP_STATUS/200\n"
    'data:{"output":{"choices":[{"message":{"content":"Hello"},"finish_reason":"null"}]},"request_id":"r-7"}\n\n'
)
NATIVE_STOP = (
    "id:2\nevent:result\n:HTTP_STATUS/200\n"
    'data:{"output":{"choices":[{"message":{"content":""},"finish_reason":"stop"}]},"request_id":"r-7"}\n\n'
)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (429, "Throttling.RateQuota", 5),
        (400, "DataInspectionFailed", 8),
        (400, "Arrearage", 4),
        (401, "InvalidApiKey", 3),
        (400, "InvalidParameter", 2),
        (500, "Unheard", 5),
        (403, "Unheard", 3),
    ],
)
def test_S27_an_error_frame_of_dashscope(ends, status, code, exit_code) -> None:
    said = (f"(HTTP {status}, code {code})", "  why: m\n", "  request id: r-7\n")
    ends(raw(native_error(status, code)), exit_code, "", *said, row="dashscope")
    ends(raw(NATIVE_TEXT + native_error(status, code)), exit_code, "Hello\n", *said, row="dashscope")


@pytest.mark.parametrize("name", ["event:result\n", ""])
def test_S27_a_code_is_an_error_whatever_the_event_is_named(ends, as_json, name) -> None:
    script = raw(NATIVE_TEXT, native_error(429, "Throttling", name), NATIVE_STOP)
    ends(script, 5, "Hello\n", "dashscope: rate limited (HTTP 429, code Throttling)", row="dashscope")
    fault = as_json(script, 5, row="dashscope")["error"]
    assert (fault["http_status"], fault["provider_code"], fault["request_id"]) == (429, "Throttling", "r-7")


@pytest.mark.parametrize("status", [":HTTP_STATUS/200\n", ""])
def test_S27_a_code_is_an_error_whatever_the_status_is(ends, status) -> None:
    script = raw(NATIVE_TEXT, f'id:2\n{status}data:{{"code":"Arrearage","message":"m","request_id":"r-7"}}\n\n')
    ends(script, 4, "Hello\n", "dashscope: the balance is used up (", "  request id: r-7\n", row="dashscope")


def test_S28_code_and_request_id_are_kept(as_json) -> None:
    body = {
        "error": {"code": "invalid_parameter_error", "type": "invalid_request_error", "param": "x", "message": "no"}
    }
    for script in (stream(body | {"request_id": "r-1"}), reply(400, body | {"request_id": "r-1"})):
        fault = as_json(script, 2, row="modelstudio")["error"]
        assert (fault["provider_code"], fault["why"], fault["request_id"]) == ("invalid_parameter_error", "no", "r-1")
    fault = as_json(stream({"error": {"type": "rate_limit_error", "message": "no"}}), 5, row="openai")["error"]
    assert (fault["provider_code"], fault["why"], fault["retryable"]) == ("rate_limit_error", "no", True)


SHAPES = [
    ({"error": {"code": 1302, "message": "m"}}, 5, "1302", "m"),
    ({"error": {"code": "1302", "message": "m"}}, 5, "1302", "m"),
    ({"error": "out of memory"}, 5, None, "out of memory"),
    ({"error": ["a", 1]}, 5, None, '["a",1]'),
    ({"error": 7}, 5, None, "7"),
    ({"error": {"code": ["x"], "message": {"a": 1}}}, 5, '["x"]', '{"a":1}'),
    ({"error": {"code": True, "message": "m"}}, 5, "true", "m"),
    ({"error": {"message": {"message": "m"}}}, 5, None, '{"message":"m"}'),
    ({"error": {"code": 1301.0, "message": "m"}}, 8, "1301.0", "m"),
    ({"code": 1301, "message": "m"}, 8, "1301", "m"),
    ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}, 2, "400", "m"),
    ({"detail": "no"}, 5, None, "no"),
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("case", SHAPES, ids=lambda case: json.dumps(case[0]))
def test_S29_shapes_of_an_error(as_json, case) -> None:
    value, code, provider_code, why = case
    fault = as_json(stream(HELLO, value, STOP), code)["error"]
    assert (fault["provider_code"], fault["why"]) == (provider_code, why)


@pytest.mark.parametrize(
    ("content_type", "code", "exit_code"),
    [
        ("application/json", "1305", 5),
        ("application/json; charset=utf-8", "1113", 4),
        ("text/plain", "1000", 3),
        ("text/event-stream", "1301", 8),
        ("", "1302", 5),
    ],
)
def test_S30_an_error_body_with_200(ends, content_type, code, exit_code) -> None:
    ends(reply(200, error(code), content_type=content_type), exit_code, "", f"(code {code})")


def test_S30_a_body_without_an_error_or_an_answer(ends) -> None:
    ends(reply(200, {}), 7, "", ENDED)
    ends(reply(200, {"code": 200, "msg": "ok"}), 13, "", "zai: the reply is not a chat completion", "  why: ")


def test_S30_the_cap_of_an_error_body(ends) -> None:
    # Twice a mebibyte, and the rest never comes.
    script = [head(status=500, content_type="application/json"), *[chunk(X)] * 32, Stall()]
    ends(script, 5, "", "zai: the provider failed (HTTP 500)", "(only the first 1 MiB of the body was read)")


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("status", "content_type"),
    [
        *((status, "text/html; charset=utf-8") for status in (200, 403, 405, 502)),
        (200, "text/event-stream"),
        (200, "application/json"),
        (403, "text/plain"),
    ],
)
def test_S32_a_page_for_people(ends, status, content_type) -> None:
    page = "<!DOCTYPE html>\n<html><title>\u4e2d\x1b]0;owned\x07</title>" + "blocked " * 100
    said = f"glm: error: zai: got HTML, not an API response (HTTP {status})\n"
    done = ends(reply(status, page, content_type=content_type), 13, "", said, "a wrong base URL")
    (why,) = [line for line in done.err.splitlines() if line.startswith("  why: ")]
    assert why.startswith("  why: <!DOCTYPE html> <html><title>中")
    assert len(why) == len("  why: ") + 201  # 200 characters and an ellipsis


# Text


@pytest.mark.parametrize("charset", ["iso-8859-1", "gbk", "utf-16", "nonsense", '"'])
def test_S33_a_stream_is_utf_8_whatever_its_header_says(ends, charset) -> None:
    script = raw(event(delta(content="中文")), event(STOP), content_type=f"text/event-stream; charset={charset}")
    ends(script, 0, "中文\n")


def test_S34_bytes_that_are_not_utf_8(ends) -> None:
    body = event(HELLO).replace(b"Hello", b"a\xff\xfeb")
    done = ends(raw(body, body, event(STOP)), 0, "a\ufffd\ufffdba\ufffd\ufffdb\n")
    assert done.err == "glm: the reply holds bytes that are not UTF-8; U+FFFD stands in their place\n"


def halves(*pieces):
    """A stream whose contents are JSON text as it stands."""
    deltas = [f'data: {{"choices":[{{"index":0,"delta":{{{piece}}}}}]}}\n\n' for piece in pieces]
    return raw(*deltas, event(STOP), event("[DONE]"))


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("pieces", "printed"),
    [
        ((r'"content":"a\ud83d"', r'"content":"\ude00b"'), "a😀b\n"),
        ((r'"content":"a\ud83d"', '"content":""', r'"content":"\ude00"'), "a😀\n"),
        ((r'"content":"a\ud83d\ude00b"',), "a😀b\n"),
        ((r'"content":"a\ud83d"',), "a\ufffd\n"),
        ((r'"content":"a\ud83d"', '"content":"b"'), "a\ufffdb\n"),
        ((r'"content":"\ude00a"',), "\ufffda\n"),
        ((r'"content":"a\ud83d"', r'"content":"\ud83d"', r'"content":"\ude00"'), "a\ufffd😀\n"),
        # A half of the thoughts and a half of the answer make no character.
        ((r'"reasoning_content":"\ud83d"', r'"content":"\ude00a"'), "\ufffda\n"),
        ((r'"reasoning_content":"\ud83d","content":"a\ud83d"', r'"content":"\ude01"'), "a😁\n"),
    ],
)
def test_S35_halves_of_characters(ends, pieces, printed) -> None:
    done = ends(halves(*pieces), 0, printed)
    assert done.err in ("", "\ufffd\n")


def test_S35_half_a_character_is_not_lost_with_the_stream(ends) -> None:
    cut = raw(r'data: {"choices":[{"delta":{"content":"a\ud83d"}}]}' "\n\n")
    ends(cut, 7, "a\ufffd\n", ENDED)


HARD = {
    "deep": "[" * 100_000,
    "deep and closed": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "huge integer": '{"id":' + "9" * 5000 + "}",
    "NaN": '{"choices":[],"usage":NaN}',
    "Infinity": '{"choices":[],"usage":-Infinity}',
    "too large": '{"choices":[],"usage":1e999}',
    "a number": "42",
    "a list": "[]",
    "a text": '"Hello"',
    "single quotes": "{'choices':[]}",
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", HARD)
def test_S37_json_that_is_hard_to_read(ends, name) -> None:
    ends(raw(event(HELLO), f"data: {HARD[name]}\n\n", event(STOP)), 13, "Hello\n", "zai: malformed event 2 at byte 81")


def test_S37_raw_control_characters_are_read(ends) -> None:
    ends(raw('data: {"choices":[{"delta":{"content":"a\tb\x01c"}}]}\n\n', event(STOP)), 0, "a\tb\x01c\n")
    whole = '{"choices":[{"message":{"content":"a\nb\tc"},"finish_reason":"stop"}]}'
    ends(reply(200, whole), 0, "a\nb\tc\n")


@pytest.mark.parametrize("name", ["deep", "huge integer", "NaN", "too large"])
def test_S37_a_whole_body_that_is_hard_to_read(ends, name) -> None:
    ends(reply(200, HARD[name]), 13, "", "zai: the reply is not JSON")


def test_S37_the_last_of_equal_keys_counts(ends) -> None:
    doubled_ = '{"choices":[{"delta":{"content":"No"},"delta":{"content":"Hello"}}]}'
    ends(raw(f"data: {doubled_}\n\n", event(STOP)), 0, "Hello\n")


# Compression


def test_S38_streams_are_asked_for_as_they_are(glm, keys) -> None:
    with Server(answer()) as server:
        for command in ("ask", "stream"):
            assert glm(command, "-P", "zai", "--base-url", server.url, "hi", env=keys).code == 0
    assert [request.header("Accept-Encoding") for request in server.requests] == ["identity", "identity"]


def flushed(window):
    packer = zlib.compressobj(wbits=window)
    parts = [packer.compress(event(item)) + packer.flush(zlib.Z_SYNC_FLUSH) for item in (HELLO, STOP, "[DONE]")]
    return [*parts, packer.flush()]


@pytest.mark.parametrize(("encoding", "window"), [("gzip", 31), ("x-gzip", 31), ("deflate", 15), ("GZIP", 31)])
def test_S38_a_packed_stream_is_read_all_the_same(ends, encoding, window) -> None:
    ends(packed(*flushed(window), encoding=encoding), 0, "Hello\n")


def test_S38_a_packed_stream_is_shown_as_it_comes(home, cwd, keys) -> None:
    with Server([head("Content-Encoding: gzip"), chunk(flushed(31)[0]), Stall()]) as server:
        flags = ("-P", "zai", "--base-url", server.url, "hi")
        with running(home, cwd, "stream", *flags, env=keys) as process:
            assert read_until(process.stdout, b"Hello") == b"Hello"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_S38_a_packing_that_nobody_knows(ends, encoding) -> None:
    script = packed(b"\x0b\x02\x80", encoding=encoding)
    ends(script, 13, "", f"zai: the reply is encoded as {encoding}, which was not asked for")


def test_S39_a_gzip_member_an_event(ends) -> None:
    members = [gzip.compress(event(item)) for item in (HELLO, STOP, "[DONE]")]
    ends(packed(*members), 0, "Hello\n")
    ends(packed(b"".join(members)), 0, "Hello\n")
    ends(packed(*members[:1]), 7, "Hello\n", ENDED)


@pytest.mark.parametrize("cut", [1, 12, 30, -20])
def test_S40_a_cut_gzip_with_a_proper_end(glm, keys, cut) -> None:
    # How much of the text can be unpacked before the cut is the packer's affair.
    body = gzip.compress(event(HELLO) + event(STOP))[:cut]
    for command in ("ask", "stream"):
        with Server(packed(body)) as server:
            done = glm(command, "-P", "zai", "--base-url", server.url, "--retries", "0", "hi", env=keys)
        assert (done.code, "the stream ended" in done.err) == (7, True)
        assert done.text in (("",) if command == "ask" else ("", "Hello\n"))


def test_S40_a_gzip_cut_after_the_finish(ends) -> None:
    ends(packed(gzip.compress(event(HELLO) + event(STOP))[:-8]), 0, "Hello\n")


# Finish reasons

FINISHES = {
    "sensitive": (8, "zai: the provider's content filter cut the answer (finish_reason: sensitive)"),
    "content_filter": (8, "content filter"),
    "network_error": (5, "zai: the provider failed while answering (finish_reason: network_error)"),
    "insufficient_system_resource": (5, "insufficient_system_resource"),
    "model_context_window_exceeded": (7, "zai: the model's context window is full"),
    "length": (7, "zai: the answer was cut at the token limit"),
    "end_turn": (13, "zai: unknown finish_reason: end_turn"),
    "Length": (7, "zai: the answer was cut at the token limit (finish_reason: Length)"),
    "MAX_TOKENS": (7, "token limit (finish_reason: MAX_TOKENS)"),
    "过": (13, "zai: unknown finish_reason: 过"),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("reason", FINISHES)
def test_S42_reasons_beyond_openais(ends, reason) -> None:
    code, said = FINISHES[reason]
    ends(stream(HELLO, delta(content="", finish_reason=reason)), code, "Hello\n", said)


@pytest.mark.parametrize("reason", ["sensitive", "network_error", "model_context_window_exceeded", "end_turn"])
def test_S42_reasons_of_a_reply_in_one_piece(ends, reason) -> None:
    code, said = FINISHES[reason]
    whole = {"choices": [{"message": {"content": "Hello"}, "finish_reason": reason}]}
    ends(reply(200, whole), code, "Hello\n", said)


def test_S43_the_word_null_is_no_reason(ends) -> None:
    ends(raw(NATIVE_TEXT), 7, "Hello\n", "dashscope: the stream ended", row="dashscope")
    ends(raw(NATIVE_TEXT, NATIVE_STOP), 0, "Hello\n", row="dashscope")


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_S44_new_text_only_is_asked_for(glm, keys, command) -> None:
    with Server(raw(NATIVE_TEXT, NATIVE_STOP)) as server:
        done = glm(command, "-P", "dashscope", "--base-url", server.url, "hi", env=keys)
    assert (done.code, done.out) == (0, b"Hello\n")
    assert server.requests[0].json["parameters"]["incremental_output"] is True


def test_S44_whether_text_is_repeated_is_never_guessed(ends) -> None:
    # The second frame begins with the first; a model that writes "HaHaHa" sends the same.
    second = NATIVE_STOP.replace('"content":""', '"content":"Hello you"')
    ends(raw(NATIVE_TEXT, second), 0, "HelloHello you\n", row="dashscope")


def test_S44_a_row_of_repeated_text_gives_it_once() -> None:
    """No row is one today, so the filter that a row would set is tested alone."""
    texts = TextFilter(PROVIDERS["dashscope"].api.replace(text_frames="cumulative"))
    sent = ("Ha", "HaHa", "HaHa", "HaHaHa\ud83d", "HaHaHa\ud83d\ude00")
    said = [each.text for text in sent for each in texts.push(Answer(text))]
    assert said == ["Ha", "Ha", "Ha", "😀"]


def test_S44_repeated_text_that_is_taken_back_is_an_error() -> None:
    row = PROVIDERS["zai"].replace(api=PROVIDERS["zai"].api.replace(text_frames="cumulative"))
    reader = ReplyReader(row, "text/event-stream")
    assert list(reader.feed(event(HELLO))) == [RequestId("req-1"), Answer("Hello")]
    with pytest.raises(ProtocolError, match="the provider took back text that it had sent"):
        list(reader.feed(event(delta(content="Hell"))))


def test_S15_a_whole_reply_has_the_same_bound() -> None:
    reader = ReplyReader(PROVIDERS["zai"], "application/json")
    assert list(reader.feed(b"{" + b" " * (64 * MEBIBYTE - 1))) == []
    with pytest.raises(ProtocolError, match="the reply is larger than 64 MiB"):
        list(reader.feed(b" "))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("field", ["content", "reasoning_content"])
def test_S45_the_same_chunk_for_ever(glm, keys, field) -> None:
    script = [head(), *[chunk(event(delta(**{field: "x" * 65536})))] * 1025, Stall()]
    with Server(script) as server:
        done = glm("ask", "-P", "zai", "--base-url", server.url, "--reasoning", "none", "hi", env=keys)
        assert server.hung_up.wait(TIMEOUT)
    assert (done.code, done.out, len(server.requests)) == (7, b"", 1)
    assert error_of(done.err) == "zai: the model wrote more than 64 MiB without an end"


def test_S45_the_bound_counts_bytes_and_names(glm, keys) -> None:
    texts = [chunk(event(delta(content="😀" * 16384)))] * 1025
    calls = [chunk(call(index=0, function={"name": "n" * 65535 + str(number)})) for number in range(10)] * 103
    for steps in (texts, calls):
        with Server([head(), *steps, Stall()]) as server:
            done = glm("ask", "-P", "zai", "--base-url", server.url, "hi", env=keys)
        assert (done.code, error_of(done.err)) == (7, "zai: the model wrote more than 64 MiB without an end")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("command", ["ask", "stream"])
def test_S45_the_same_chunk_until_the_deadline(glm, keys, command) -> None:
    again = [step for _ in range(1000) for step in (chunk(event(delta(content="ha "))), Pause(0.02))]
    with Server([head(), *again]) as server:
        done = glm(command, "-P", "zai", "--base-url", server.url, "--deadline", "2", "hi", env=keys)
        assert server.hung_up.wait(TIMEOUT)
    assert (done.code, error_of(done.err)) == (6, "zai: the deadline of 2 s has passed")
    assert done.text.startswith("ha ha ") if command == "stream" else done.out == b""
    assert set(done.text.split()) <= {"ha"}


# The table of broken replies


@pytest.mark.parametrize("arguments", [("ask",), ("stream",), ("ask", "--json")], ids=" ".join)
@pytest.mark.parametrize("name", BROKEN)
def test_twelve_broken_replies_never_exit_0(glm, keys, name, arguments) -> None:
    row, script, code, printed = BROKEN[name]
    with Server(script) as server:
        done = glm(*arguments, "-P", row, "--base-url", server.url, "--retries", "0", "hi", env=keys)
    assert done.code == code != 0, done.err
    assert "glm: error: " in done.err
    assert not leaks(done.out)
    if arguments == ("ask", "--json"):
        value = json.loads(done.out)
        assert (value["answer"], value["partial"], value["error"]["exit_code"]) == (None, None, code)
    else:
        assert done.text == (printed if arguments == ("stream",) else "")


def test_the_broken_replies_are_twelve() -> None:
    assert len(BROKEN) == 12
