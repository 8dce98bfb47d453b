"""Whatever comes to the sandbox: it is answered or dropped, without a word on stderr, and the next one is served."""

from __future__ import annotations

import http.client
import json
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from processes import TIMEOUT, read_until, running

from glmcli.sandbox import PREFIXES, Sandbox
from glmcli.sandbox.schema_examples import example

if TYPE_CHECKING:
    from collections.abc import Iterator

CHAT = f"{PREFIXES['sandbox']}/chat/completions"
BODY = b'{"model":"glm-5","messages":[{"role":"user","content":"hi"}]}'
POST = f"POST {CHAT} HTTP/1.1\r\n".encode()
WHOLE = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
DEEP = 100_000


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@contextmanager
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as made:
        yield made


def answer(port: int, sent: bytes) -> bytes:
    """All that comes back for these bytes, after which nothing more is sent."""
    with connection(port) as made:
        made.sendall(sent)
        made.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: made.recv(65536), b""))


def status(answered: bytes) -> int:
    """The status of the only response; 0 for none."""
    assert answered.count(b"HTTP/1.1 ") <= 1
    return int(answered.split()[1]) if answered else 0


REFUSED = {
    "no request line": (b"nonsense\r\n\r\n", 400),
    "http 0.9": (b"GET /\r\n\r\n", 400),
    "http 2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), 400),
    "binary": (bytes(range(14, 22)) + b"\r\n\r\n", 400),
    "a method that is none": (b"G@T / HTTP/1.1\r\n\r\n", 400),
    "a long target": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
    "a long header": (POST + b"X: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    "many headers": (POST + b"X: y\r\n" * 300 + b"\r\n", 431),
    "a header without a colon": (POST + b"X\r\n\r\n", 400),
    "a header over two lines": (POST + b"X: y\r\n  z: a\r\n\r\n", 400),
    "a length that is none": (POST + b"Content-Length: x\r\n\r\n", 400),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n", 400),
    "a length with an underscore": (POST + b"Content-Length: 1_0\r\n\r\n0123456789", 400),
    "two lengths": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "a length of an exabyte": (POST + b"Content-Length: 1" + b"0" * 18 + b"\r\n\r\n", 400),
    "a length of a terabyte": (POST + b"Content-Length: 1" + b"0" * 12 + b"\r\n\r\n", 413),
    "length and chunks": (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "another coding": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "a chunk without a size": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "a negative chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", 400),
    "a chunk that is too long": (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", 400),
    "a huge chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffff\r\n", 413),
    "another expectation": (POST + b"Expect: the best\r\n\r\n", 417),
}


@pytest.mark.parametrize(("sent", "refused"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_request_is_refused_and_ends_the_connection(box: Sandbox, sent: bytes, refused: int) -> None:
    answered = answer(box.port, sent)
    assert status(answered) == refused
    assert b"\r\nConnection: close\r\n" in answered
    assert b"\r\n\r\nThe glm sandbox: " in answered


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        POST,
        POST + b"X: y",
        POST + b"Content-Length: 100\r\n\r\nabc",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5",
    ],
)
def test_half_a_request_is_dropped(box: Sandbox, sent: bytes) -> None:
    assert answer(box.port, sent) == b""


NO_OBJECT = {
    "nothing": b"",
    "broken": b"{",
    "a list": b"[]",
    "null": b"null",
    "text": b'"hi"',
    "not utf-8": b'{"model":"\xff"}',
    "utf-16": '{"model":"glm-5"}'.encode("utf-16"),
    "not a number": b'{"model":"glm-5","temperature":NaN}',
    "infinity": b'{"model":"glm-5","temperature":-Infinity}',
    "many digits": b'{"max_tokens":' + b"9" * 5000 + b"}",
    "deep lists": b"[" * DEEP,
    "deep objects": b'{"a":' * DEEP,
    "deep and whole": b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "two objects": BODY * 2,
}


@pytest.mark.parametrize("body", NO_OBJECT.values(), ids=NO_OBJECT)
@pytest.mark.parametrize("place", ["chat/completions", "async/chat/completions", "batches"])
def test_a_body_that_is_no_object_is_refused_in_the_providers_words(box: Sandbox, place: str, body: bytes) -> None:
    made = http.client.HTTPConnection("127.0.0.1", box.port, timeout=TIMEOUT)
    made.request("POST", f"{PREFIXES['sandbox']}/{place}", body)
    response = made.getresponse()
    assert (response.status, json.loads(response.read())["error"]["code"]) == (400, "1210")
    made.close()


@pytest.mark.parametrize(
    ("method", "place", "answered"),
    [
        ("GET", "vllm", 405),
        ("OPTIONS", "vllm", 405),
        ("BREW", "vllm", 405),
        ("PUT", "sandbox", 404),
        ("HEAD", "vllm", 405),
        ("CONNECT", "sandbox", 404),
    ],
)
def test_methods_that_are_not_served_leave_the_connection_open(
    box: Sandbox, method: str, place: str, answered: int
) -> None:
    made = http.client.HTTPConnection("127.0.0.1", box.port, timeout=TIMEOUT)
    made.request(method, f"{PREFIXES[place]}/chat/completions")
    response = made.getresponse()
    assert (response.status, bool(response.read())) == (answered, method != "HEAD")
    made.request("POST", CHAT, BODY)
    assert made.getresponse().status == 200
    made.close()


def test_requests_that_are_sent_together_are_answered_in_turn(box: Sandbox) -> None:
    answered = answer(box.port, b"\r\n" + WHOLE * 3 + b"nonsense\r\n\r\n")
    assert answered.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert answered.count(b"HTTP/1.1 400 Bad Request\r\n") == 1


def test_a_whole_url_is_a_target(box: Sandbox) -> None:
    assert status(answer(box.port, WHOLE.replace(CHAT.encode(), b"http://example.com" + CHAT.encode()))) == 200


def test_http_1_0_gets_no_chunks_and_an_end(box: Sandbox) -> None:
    streamed = BODY[:-1] + b',"stream":true}'
    with connection(box.port) as made:
        made.sendall(f"POST {CHAT} HTTP/1.0\r\nContent-Length: {len(streamed)}\r\n\r\n".encode() + streamed)
        answered = b"".join(iter(lambda: made.recv(65536), b""))
    head, _, body = answered.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("wish", [b"close", b"keep-alive, Close"])
def test_a_wish_to_close_is_granted(box: Sandbox, wish: bytes) -> None:
    with connection(box.port) as made:
        made.sendall(WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: " + wish + b"\r\n\r\n"))
        assert status(b"".join(iter(lambda: made.recv(65536), b""))) == 200


@pytest.mark.parametrize(
    ("schema", "size"),
    [
        ({"type": "array", "minItems": 10**12}, 1000),
        ({"type": "array", "minItems": 1e300}, 1),
        ({"type": "string", "minLength": 10**12}, 10_003),
        ({"type": "string", "maxLength": -1}, 0),
    ],
)
def test_a_schema_that_wants_too_much_gets_less(schema: dict[str, object], size: int) -> None:
    assert len(example(schema)) == size


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "multipleOf": 1e-320, "minimum": 3},
        {"type": "integer", "minimum": 1e308},
        {"type": "integer", "multipleOf": -3, "exclusiveMinimum": 1e308},
        {"type": "object", "required": list("abcdef"), "properties": {name: {"$ref": "#"} for name in "abcdef"}},
    ],
)
def test_a_hostile_schema_has_an_example_in_no_time(schema: dict[str, object]) -> None:
    assert example(schema) is not None


def test_the_program_says_what_it_is_and_nothing_about_its_clients(home, cwd) -> None:
    deep = b"[" * 970 + b"]" * 970  # may be read, but not written again from a greater depth
    hostile = [
        *(sent for sent, _ in REFUSED.values()),
        *(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in NO_OBJECT.values()),
        POST + b"Content-Length: 100\r\n\r\nabc",
        WHOLE.replace(b'"hi"', deep).replace(b"Length: %d" % len(BODY), b"Length: %d" % (len(BODY) - 4 + len(deep))),
    ]
    with running(home, cwd, "sandbox") as process:
        port = int(read_until(process.stdout, b"\nsandbox\t").split(b"127.0.0.1:")[1].partition(b"/")[0])
        for sent in hostile:
            answer(port, sent)
            with connection(port) as gone:  # and a client that resets the connection
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                gone.sendall(sent)
        assert status(answer(port, WHOLE)) == 200
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert said == b"glm: this is the sandbox: it imitates providers on this machine, and no model answers\n"
