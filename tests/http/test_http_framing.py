"""One table of framings through both HTTP libraries: what `ask` makes of each, and what a batch makes of it.

Where they differ, aiohttp is the stricter one, or has lost what came in one packet with a fault; the reasons stand in
docs/decisions/0001-http.md.
"""

from __future__ import annotations

import json

import pytest
from scripted_server import END, Pause, Reset, Server, Stall, chunk, delta, event

WHOLE = event(delta(content="Hi")) + event(delta(content="", finish_reason="stop")) + event("[DONE]")
CHUNKED = chunk(WHOLE)
LENGTH = f"Content-Length: {len(WHOLE)}"
HALF = chunk(event(delta(content="Hi")))


def opened(*lines: str) -> bytes:
    """The head of a response."""
    return "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: text/event-stream", *lines, "", ""]).encode()


# The script, and the exit codes that `ask` and a row of a batch end with.
FRAMINGS = {
    "long line 9000": ([opened("Transfer-Encoding: chunked", "X: " + "y" * 9000) + CHUNKED + END], 0, 0),
    "long line 90000": ([opened("Transfer-Encoding: chunked", "X: " + "y" * 90000) + CHUNKED + END], 0, 0),
    "head 120 KiB": (
        [opened("Transfer-Encoding: chunked", *[f"X{i}: " + "y" * 1000 for i in range(120)]) + CHUNKED + END],
        0,
        13,
    ),
    "200 headers": ([opened("Transfer-Encoding: chunked", *[f"X{i}: y" for i in range(200)]) + CHUNKED + END], 0, 0),
    "1500 headers": (
        [opened("Transfer-Encoding: chunked", *[f"X{i}: y" for i in range(1500)]) + CHUNKED + END],
        0,
        13,
    ),
    "same length twice": (
        [opened(LENGTH, LENGTH) + WHOLE],
        0,
        13,
    ),
    "two lengths": ([opened(LENGTH, "Content-Length: 5") + WHOLE, Stall()], 13, 13),
    "length list": ([opened(f"{LENGTH}, {len(WHOLE)}") + WHOLE], 0, 13),
    "length and chunked": ([opened("Content-Length: 5", "Transfer-Encoding: chunked") + CHUNKED + END], 0, 13),
    "negative length": ([opened("Content-Length: -1") + WHOLE], 13, 13),
    "length +5": ([opened("Content-Length: +5") + WHOLE], 13, 13),
    "chunk extension": ([opened("Transfer-Encoding: chunked") + b"%x;a=b\r\n%b\r\n" % (len(WHOLE), WHOLE) + END], 0, 0),
    "chunk size upper, zeros": (
        [opened("Transfer-Encoding: chunked") + b"000%X\r\n%b\r\n" % (len(WHOLE), WHOLE) + END],
        0,
        0,
    ),
    "chunk size spaces": ([opened("Transfer-Encoding: chunked") + b"%x \r\n%b\r\n" % (len(WHOLE), WHOLE) + END], 0, 0),
    "trailers": ([opened("Transfer-Encoding: chunked") + CHUNKED + b"0\r\nX-T: 1\r\n\r\n"], 0, 0),
    "bad chunk, first packet": ([opened("Transfer-Encoding: chunked") + b"zz\r\n", Stall()], 7, 13),
    "bad chunk after data, first packet": ([opened("Transfer-Encoding: chunked") + HALF + b"zz\r\n", Stall()], 7, 13),
    "bad chunk later": ([opened("Transfer-Encoding: chunked") + HALF, Pause(0.2), b"zz\r\n", Stall()], 7, 7),
    "bad chunk after DONE": ([opened("Transfer-Encoding: chunked") + CHUNKED, Pause(0.2), b"zz\r\n", Stall()], 0, 0),
    "bad chunk after DONE, one packet": ([opened("Transfer-Encoding: chunked") + CHUNKED + b"zz\r\n", Stall()], 0, 13),
    "LF only": ([opened("Transfer-Encoding: chunked").replace(b"\r\n", b"\n") + CHUNKED + END], 0, 0),
    "LF chunks": ([opened("Transfer-Encoding: chunked") + b"%x\n%b\n0\n\n" % (len(WHOLE), WHOLE)], 7, 13),
    "folded header": ([opened("Transfer-Encoding: chunked", "X: a", "  b") + CHUNKED + END], 0, 0),
    "space before colon": ([opened("Transfer-Encoding: chunked", "X : a") + CHUNKED + END], 13, 13),
    "no reason": ([opened("Transfer-Encoding: chunked").replace(b" OK", b"") + CHUNKED + END], 0, 0),
    "no reason, no space": ([opened("Transfer-Encoding: chunked").replace(b" 200 OK", b" 200") + CHUNKED + END], 0, 0),
    "HTTP/1.0 until close": ([opened().replace(b"1.1", b"1.0") + WHOLE], 0, 0),
    "HTTP/2.0": ([opened("Transfer-Encoding: chunked").replace(b"1.1", b"2.0") + CHUNKED + END, Stall()], 0, 0),
    "status 99": ([opened().replace(b"200", b"99"), Stall()], 13, 13),
    "status 1000": ([opened().replace(b"200", b"1000"), Stall()], 13, 13),
    "status 600": ([opened("Content-Length: 2").replace(b"200", b"600") + b"{}"], 5, 5),
    "header no colon": ([opened("Transfer-Encoding: chunked", "Xa") + CHUNKED + END, Stall()], 13, 13),
    "header latin-1": ([opened("Transfer-Encoding: chunked")[:-2] + b"X: \xe9\r\n\r\n" + CHUNKED + END], 0, 0),
    "header NUL": ([opened("Transfer-Encoding: chunked")[:-2] + b"X: a\0b\r\n\r\n" + CHUNKED + END, Stall()], 13, 13),
    "header CR": ([opened("Transfer-Encoding: chunked")[:-2] + b"X: a\rb\r\n\r\n" + CHUNKED + END, Stall()], 13, 13),
    "blank lines first": ([b"\r\n\r\n" + opened("Transfer-Encoding: chunked") + CHUNKED + END], 13, 0),
    "garbage first": ([b"garbage\r\n" + opened("Transfer-Encoding: chunked") + CHUNKED + END, Stall()], 13, 13),
    "TE gzip, chunked": ([opened("Transfer-Encoding: gzip, chunked") + CHUNKED + END, Stall()], 13, 13),
    "TE identity": ([opened("Transfer-Encoding: identity") + WHOLE], 13, 13),
    "TE Chunked upper": ([opened("Transfer-Encoding: Chunked") + CHUNKED + END], 0, 0),
    "TE twice chunked": ([opened("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + CHUNKED + END], 13, 0),
    "204": ([b"HTTP/1.1 204 No\r\n\r\n", Stall()], 7, 7),
    "304": ([b"HTTP/1.1 304 No\r\n\r\n", Stall()], 13, 13),
    "RST after DONE": ([opened("Transfer-Encoding: chunked") + CHUNKED, Reset()], 0, 0),
    "RST after finish": ([opened() + event(delta(content="Hi", finish_reason="stop")), Reset()], 0, 0),
    "until close, RST in the middle": ([opened() + event(delta(content="Hi")), Pause(0.2), Reset()], 6, 6),
    "until close, end in the middle": ([opened() + event(delta(content="Hi"))], 7, 7),
    "by length, RST after the end": ([opened(LENGTH) + WHOLE, Reset()], 0, 0),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", FRAMINGS)
def test_what_each_library_makes_of_it(name, glm, cwd) -> None:
    script, asked, row = FRAMINGS[name]
    (cwd / "rows.txt").write_text("hi\n")
    with Server(script) as server:
        flags = (
            "-m",
            "vllm/x",
            "--base-url",
            server.url,
            "--retries",
            "0",
            "--first-timeout",
            "5",
            "--idle-timeout",
            "5",
        )
        ask, batch = glm("ask", *flags, "--json", "hi"), glm("batch", "run", "rows.txt", *flags, "-q")
    found = [json.loads(done.out) for done in (ask, batch)]
    codes = [each["error"]["exit_code"] if each["error"] else 0 for each in found]
    assert codes == [asked, row]
    assert [each["answer"] for each in found] == ["Hi" if code == 0 else None for code in codes]


def test_where_they_differ() -> None:
    """So that a new difference is looked at, and written into the record."""
    assert {name for name, (_, asked, row) in FRAMINGS.items() if asked != row} == {
        "head 120 KiB",
        "1500 headers",
        "same length twice",
        "length list",
        "length and chunked",
        "bad chunk, first packet",
        "bad chunk after data, first packet",
        "bad chunk after DONE, one packet",
        "LF chunks",
        "blank lines first",
        "TE twice chunked",
    }
