"""Faults of the network and retries: section 2 of the catalogue, a test a row (`test_N09_…` is row N9)."""

# ruff: noqa: N802 - a test is named by the id of its row

from __future__ import annotations

import json
import re
import socket
import threading
import time
from contextlib import ExitStack
from email.utils import formatdate
from typing import Self

import pytest
from processes import TIMEOUT, error_of, read_until, running, shell
from program import CANARY
from proxies import ConnectHandshake, Relay, SocksHandshake, tls, url_of
from scripted_server import Pause, Reset, Server, Stall, answer, chunk, delta, event, head, reply, stream

# Rows that cannot be tested here, and why.
UNTESTABLE: dict[str, str] = {}

KEY = {"ZAI_API_KEY": CANARY}
HELLO = delta(content="Hello")
HALF = delta(content="Hal")
STOP = delta(content="", finish_reason="stop")
AGAIN = "; retrying in "
BILLED = "(the first request may be billed)"
SOON = "Retry-After: 0"
# Plain HTTP and no key, to a host that only a proxy can know.
GATE = ("-m", "vllm/x", "--base-url", "http://gate.invalid/v1", "--retries", "0", "-R", "hi")


def refusal(code, *headers, status=429, message="said"):
    return reply(status, {"error": {"code": code, "message": message}}, *headers)


def pings(text=": ping\n\n"):
    """Three keep-alives a second and more, for longer than any test waits."""
    return [step for _ in range(300) for step in (chunk(text), Pause(0.05))]


@pytest.fixture(params=["ask", "stream"])
def command(request):
    return request.param


@pytest.fixture
def put(glm, keys):
    """Puts a question to a server."""

    def run(command, server, *flags, row="zai", **env):
        url = server if isinstance(server, str) else server.url
        return glm(command, "-P", row, "-m", "glm-5", "--base-url", url, *flags, "hi", env=keys | env)

    return run


@pytest.fixture
def once(put):
    """Puts a question that may be asked once only; the error, and what was printed."""

    def run(command, script, *flags, row="zai"):
        with Server(script) as server:
            done = put(command, server, *flags, row=row)
        assert len(server.requests) == 1
        return done.code, done.text, error_of(done.err)

    return run


@pytest.fixture
def waits(home, cwd, keys):
    """The waits that are announced, without waiting for the last."""

    def run(script, count=1, row="zai"):
        with Server(script) as server:
            flags = ("-P", row, "-m", "glm-5", "--base-url", server.url, "hi")
            with running(home, cwd, "ask", *flags, env=keys) as process:
                said = b""
                while said.count(b"\n") < count:
                    said += read_until(process.stderr, b"\n")
        return [float(wait) for wait in re.findall(r"; retrying in (\d+\.\d) s", said.decode())][:count]

    return run


# Nobody there


@pytest.fixture
def closed():
    """A port that is taken, but where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_N01_a_refused_connection(put, command, closed) -> None:
    done = put(command, f"http://127.0.0.1:{closed}/v1", "--retries", "1")
    said = f"zai: cannot connect to 127.0.0.1:{closed}: Connection refused"
    again, *last = done.err.splitlines()
    assert (done.code, done.out, last) == (6, b"", [f"glm: error: {said}"])
    assert again.startswith(f"glm: {said}{AGAIN}1.")
    assert BILLED not in done.err


def test_N02_a_name_that_nobody_knows(glm) -> None:
    done = glm("ask", *GATE)
    assert (done.code, done.out) == (6, b"")
    assert error_of(done.err).startswith("vllm: cannot resolve gate.invalid: ")


# What the system's resolver says of gate.invalid, in the process of the program.
RESOLVER = """
import socket, time
_real = socket.getaddrinfo
def getaddrinfo(host, port, *more, **options):
    if host not in ("gate.invalid", b"gate.invalid"):
        return _real(host, port, *more, **options)
    time.sleep({seconds})
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{{n}}", {port})) for n in (1, 2, 3, 4)]
socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture
def resolver(tmp_path):
    """The environment in which gate.invalid is known, after a while, at four addresses."""

    def make(seconds=0, port=9):
        folder = tmp_path / "resolver"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(RESOLVER.format(seconds=seconds, port=port))
        return {"PYTHONPATH": str(folder)}

    return make


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("flag", "said"),
    [("--connect-timeout", "cannot connect within 4 s"), ("--deadline", "the deadline of 4 s has passed")],
)
def test_N03_a_slow_resolver(glm, resolver, command, flag, said) -> None:
    began = time.monotonic()
    done = glm(command, *GATE, flag, "4", env=resolver(seconds=60))
    assert time.monotonic() - began < 30
    assert (done.code, done.out, error_of(done.err)) == (6, b"", f"vllm: {said}")


@pytest.fixture
def deaf():
    """A port where four loopback addresses have full queues, so that the system answers no SYN."""
    with ExitStack() as stack:
        port = 0
        for number in (1, 2, 3, 4):
            listener = stack.enter_context(socket.socket())
            listener.bind((f"127.0.0.{number}", port))
            listener.listen(0)
            port = listener.getsockname()[1]
            for _ in range(4):
                filler = stack.enter_context(socket.socket())
                filler.settimeout(0)
                filler.connect_ex((f"127.0.0.{number}", port))
        yield port


@pytest.mark.parametrize(
    ("flag", "said"),
    [("--connect-timeout", "cannot connect within 4 s"), ("--deadline", "the deadline of 4 s has passed")],
)
def test_N04_several_dead_addresses(glm, resolver, deaf, flag, said) -> None:
    began = time.monotonic()
    done = glm("ask", *GATE, flag, "4", env=resolver(port=deaf))
    assert time.monotonic() - began < 30
    assert (done.code, done.out, error_of(done.err)) == (6, b"", f"vllm: {said}")


# Certificates


HERE = "DNS:localhost,IP:127.0.0.1"
CERTIFICATES = {
    "a good one": (lambda ca: ca.issue("good", HERE), None),
    "another name": (lambda ca: ca.issue("elsewhere", "DNS:gate.example"), "mismatch"),
    "expired": (lambda ca: ca.issue("expired", HERE, days=-1), "expired"),
    "signed by itself": (lambda ca: ca.self_signed("alone", HERE), "self-signed certificate"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_N05_certificates(put, authority, command, name) -> None:
    make, why = CERTIFICATES[name]
    with Server(answer()) as server, Relay(tls(make(authority)), server.port) as front:
        done = put(command, f"https://localhost:{front.port}/v1", SSL_CERT_FILE=str(authority.file))
    if why is None:
        assert (done.code, done.out, done.err) == (0, b"Hello\n", "")
        return
    # Not asked again, and nothing sent.
    assert (done.code, done.out, server.requests, front.connections) == (6, b"", [], 1)
    message = error_of(done.err)
    assert message.startswith(f"zai: cannot trust the certificate of localhost:{front.port}: ")
    assert why in message
    assert "  fix: name the file of your own certificate authority in SSL_CERT_FILE\n" in done.err


def test_N05_an_authority_that_is_not_ours(put, authority) -> None:
    # The company's proxy signs with its own authority, which nobody named.
    with Server(answer()) as server, Relay(tls(authority.issue("mitm", HERE)), server.port) as front:
        done = put("ask", f"https://localhost:{front.port}/v1")
    assert (done.code, server.requests, front.connections) == (6, [], 1)
    assert "cannot trust the certificate" in error_of(done.err)
    assert "SSL_CERT_FILE" in done.err


@pytest.mark.parametrize(
    "said", [b"\x15\x03\x01\x00\x02\x02\x46", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["version", "no TLS"]
)
def test_N05_a_server_that_speaks_another_tls(put, said) -> None:
    def greet(connection):
        connection.recv(1 << 16)
        connection.sendall(said)

    with Relay(greet) as front:
        done = put("ask", f"https://127.0.0.1:{front.port}/v1")
    assert (done.code, done.out, front.connections) == (6, b"", 1)
    assert error_of(done.err).startswith(f"zai: cannot finish TLS with 127.0.0.1:{front.port}: ")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_N06_certificates_that_are_not_there(put, command, variable) -> None:
    done = put(command, "https://gate.invalid/v1", **{variable: "/none/ca.pem"})
    assert (done.code, done.out) == (2, b"")
    assert done.err == (
        f"glm: error: {variable} names /none/ca.pem, which does not exist\n  fix: correct or unset {variable}\n"
    )


# Silence


def test_N07_no_first_byte(put, command) -> None:
    with Server([Stall()]) as server:
        done = put(command, server, "--first-timeout", "0.6")
        assert server.hung_up.wait(TIMEOUT)
    assert (done.code, done.out, len(server.requests)) == (6, b"", 2)
    again, last = done.err.splitlines()
    assert again.startswith(f"glm: zai: no response within 0.6 s{AGAIN}")
    assert BILLED in again
    assert last == "glm: error: zai: no response within 0.6 s"


def test_N07_no_first_byte_and_no_retry(once, command) -> None:
    said = "zai: no response within 0.6 s"
    assert once(command, [Stall()], "--first-timeout", "0.6", "--retries", "0") == (6, "", said)


def test_N08_a_header_that_drips(once, command) -> None:
    drip = [step for byte in head() + head() + head() for step in (bytes([byte]), Pause(0.05))]
    began = time.monotonic()
    said = "zai: no response within 0.8 s"
    assert once(command, drip, "--first-timeout", "0.8", "--retries", "0") == (6, "", said)
    assert time.monotonic() - began < 12


@pytest.mark.sampled(3)
@pytest.mark.parametrize("text", [": ping\n\n", "\n", "id: 5\n\n", "data:\n\n"])
def test_N09_pings_and_no_data(once, command, text) -> None:
    script = [head(), chunk(event(HALF)), *pings(text)]
    printed = "Hal\n" if command == "stream" else ""
    said = "zai: no data for 0.8 s"
    assert once(command, script, "--idle-timeout", "0.8", "--retries", "0") == (6, printed, said)


def test_N09_pings_before_the_first_data(once, command) -> None:
    flags = ("--first-timeout", "0.8", "--retries", "0")
    assert once(command, [head(), *pings()], *flags) == (6, "", "zai: no response within 0.8 s")


@pytest.mark.parametrize("text", [":\n", ": ping\n\n", "data:\n\n"])
def test_N09_more_pings_than_can_be_read(once, command, text) -> None:
    """However fast they come, so that there is no moment at which none waits to be read."""
    flood = chunk(text * (60_000 // len(text)))
    script = [head(), chunk(event(HALF)), *[flood] * 5000]
    printed = "Hal\n" if command == "stream" else ""
    said = "zai: no data for 0.8 s"
    assert once(command, script, "--idle-timeout", "0.8", "--retries", "0") == (6, printed, said)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("last", [event(HALF), event(HALF) + b'data: {"choices":[{"del', event(HALF) + b"\xe4"])
def test_N10_silence_in_the_middle(once, command, last) -> None:
    printed = "Hal\n" if command == "stream" else ""
    said = "zai: no data for 0.8 s"
    flags = ("--idle-timeout", "0.8", "--retries", "0")
    assert once(command, [head(), chunk(last), Stall()], *flags) == (6, printed, said)


# Broken connections


def test_N11_a_reset_in_the_middle(put) -> None:
    script = [*stream(HALF, done=False, end=False), Reset()]
    with Server(script) as server:
        done = put("stream", server)
    assert (done.code, done.out, len(server.requests)) == (6, b"Hal\n", 1)
    assert error_of(done.err) == f"zai: the connection to 127.0.0.1:{server.port} broke: Connection reset by peer"
    with Server(script, answer()) as server:
        done = put("ask", server)
    assert (done.code, done.out, len(server.requests)) == (0, b"Hello\n", 2)
    assert BILLED in done.err


@pytest.mark.parametrize(
    "script",
    [
        stream(HALF, done=False, end=False),
        [*stream(HALF, done=False, end=False), b"40\r\nda"],
        [
            reply(200, event(HALF), content_type="text/event-stream")[0].replace(
                b"Content-Length: 7", b"content-length: 97"
            )
        ],
    ],
    ids=["between chunks", "in a chunk", "by length"],
)
def test_N12_a_connection_that_ends_early(once, command, script) -> None:
    printed = "Hal\n" if command == "stream" else ""
    said = "zai: the connection ended before the reply was whole"
    assert once(command, script, "--retries", "0") == (7, printed, said)


BREAKS = {
    "end": (lambda events: stream(*events, done=False), 7),
    "cut": (lambda events: stream(*events, done=False, end=False), 7),
    "reset": (lambda events: [*stream(*events, done=False, end=False), Reset()], 6),
    "error": (lambda events: stream(*events, {"error": {"code": "1302", "message": "m"}}), 5),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("name", BREAKS)
def test_N14_what_was_printed_is_never_asked_for_again(put, name, count) -> None:
    make, code = BREAKS[name]
    with Server(make([delta(content="Ha")] * count), answer()) as server:
        done = put("stream", server)
    assert (done.code, done.out, len(server.requests)) == (code, b"Ha" * count + b"\n", 1)
    assert AGAIN not in done.err


@pytest.mark.parametrize("name", ["cut", "error"])
def test_N14_thoughts_count_as_printed(put, name) -> None:
    make, code = BREAKS[name]
    with Server(make([delta(reasoning_content="Hm")]), answer()) as server:
        done = put("stream", server)
    assert (done.code, done.out, len(server.requests)) == (code, b"", 1)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", BREAKS)
def test_N14_ask_drops_what_came_before(put, name) -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"code":"pri'}}
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    first = [delta(reasoning_content="Hm"), delta(content="Hal\ud83d"), delta(tool_calls=[call], usage=usage)]
    script = BREAKS[name][0]([json.dumps(each) for each in first])
    with Server(script, answer()) as server:
        done = put("ask", server, "--json")
    value = json.loads(done.out)
    assert (done.code, value["answer"], value["reasoning"]) == (0, "Hello", None)
    assert (value["tool_calls"], value["usage"], value["attempts"]) == ([], None, 2)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", BREAKS)
def test_N15_a_failure_before_the_first_delta(put, command, name) -> None:
    # The head came, and chunks without text: nothing is printed yet, so even `stream` may ask again.
    nothing = [{"id": "a", "choices": []}, delta(role="assistant"), delta(content="", usage={"prompt_tokens": 9})]
    with Server(BREAKS[name][0](nothing), answer()) as server:
        done = put(command, server)
    assert (done.code, done.out, len(server.requests)) == (0, b"Hello\n", 2)
    assert done.err.count(AGAIN) == 1


# script, requests with the default number of retries, whether the first may be billed
SENT = {
    "429": (refusal("1302", SOON), 4, False),
    "503 with a body": (refusal("", SOON, status=503), 4, False),
    "no answer": ([], 2, True),
    "reset": ([Reset()], 2, True),
    "cut": (stream(HALF, done=False), 2, True),
    "bad request": (refusal("1210", SOON, status=400), 1, False),
    "HTML": (reply(200, "<html>", SOON, content_type="text/html"), 1, False),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", SENT)
def test_N16_what_may_be_billed_is_sent_twice_at_most(put, name) -> None:
    script, requests, billed = SENT[name]
    with Server(script) as server:
        done = put("ask", server)
    assert done.code != 0
    assert len(server.requests) == requests
    assert (BILLED in done.err) == billed
    with Server(script) as server:
        put("ask", server, "--retries", "0")
    assert len(server.requests) == 1


# When it is asked again


def test_N17_rate_limits_without_a_word_of_when(put, waits) -> None:
    first, second = waits(refusal("1302"), count=2)
    assert 1 <= first <= 1.3
    assert 2 <= second <= 2.6
    with Server(refusal("1302")) as server:
        done = put("ask", server, "--retry-max-time", "0.5")
    assert (done.code, len(server.requests)) == (5, 1)
    assert error_of(done.err) == "zai: too many requests in flight (HTTP 429, code 1302)"


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("7", 7, 7),
        ("2.5", 2.5, 2.5),
        ("0", 0, 0),
        ("60", 60, 60),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        # What cannot be obeyed is as good as nothing: our own wait.
        ("-1", 1, 1.3),
        ("nan", 1, 1.3),
        ("inf", 1, 1.3),
        ("12, 34", 1, 1.3),
        ("soon", 1, 1.3),
        ("Wed, 99 Nov 2026 99:99:99 GMT", 1, 1.3),
    ],
)
def test_N18_retry_after(waits, value, least, most) -> None:
    (wait,) = waits(refusal("1302", f"Retry-After: {value}"))
    assert least <= wait <= most


def test_N18_retry_after_as_a_date(waits) -> None:
    (wait,) = waits(refusal("1302", f"Retry-After: {formatdate(time.time() + 50, usegmt=True)}"))
    assert 1.3 < wait <= 50


@pytest.mark.parametrize(("value", "seconds"), [("61", "61"), ("86400", "86400"), ("1e9", "1000000000")])
def test_N18_a_retry_after_that_is_too_long(once, command, value, seconds) -> None:
    said = f"zai: too many requests in flight (HTTP 429, code 1302); the server asks to wait {seconds} s"
    assert once(command, refusal("1302", f"Retry-After: {value}")) == (5, "", said)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_N20_statuses_that_are_asked_again(put, command, status) -> None:
    with Server(reply(status, "", SOON), answer()) as server:
        done = put(command, server)
    assert (done.code, done.out, len(server.requests)) == (0, b"Hello\n", 2)


@pytest.mark.parametrize("status", [501, 505])
def test_N20_statuses_that_waiting_cannot_cure(once, status) -> None:
    assert once("ask", reply(status, "", SOON)) == (5, "", f"zai: the provider failed (HTTP {status})")


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (400, 2, "zai: the request was refused as malformed (HTTP 400)"),
        (401, 3, "zai: the key was refused (HTTP 401)"),
        (403, 3, "zai: the key has no permission for this (HTTP 403)"),
        (404, 2, "zai: nothing is served at this address: URL/chat/completions (HTTP 404)"),
        (413, 2, "zai: the request was refused as malformed (HTTP 413)"),
        (422, 2, "zai: the request was refused as malformed (HTTP 422)"),
    ],
)
def test_N21_statuses_that_are_never_asked_again(put, status, code, said) -> None:
    with Server(reply(status, {"detail": "the provider's words"}, SOON)) as server:
        done = put("ask", server)
    assert (done.code, len(server.requests)) == (code, 1)
    assert error_of(done.err).replace(server.url, "URL") == said
    assert "\n  why: the provider's words\n" in done.err


def test_N21_a_prompt_that_is_too_long_is_no_malformed_request(once) -> None:
    said = "tokens in request more than max tokens allowed"
    code, _, message = once("ask", refusal("1210", SOON, status=400, message=said))
    assert (code, message) == (7, "zai: the prompt does not fit the model's context window (HTTP 400, code 1210)")


PLANS = ("1113", "1308", "1309", "1310", "1311", "1316", "1317", "1318", "1319", "1320", "1321")


@pytest.mark.parametrize("code", PLANS)
def test_N22_a_429_that_is_no_rate(once, code) -> None:
    exit_code, _, message = once("ask", refusal(code, SOON))
    assert (exit_code, message.endswith(f"(HTTP 429, code {code})")) == (4, True)


@pytest.mark.parametrize(
    "message",
    [
        "Usage limit reached for 5 hour. Your limit will reset at 2026-05-09 04:56:07",
        "您的限额将在 2026-05-09 04:56:07 重置",
    ],
)
def test_N22_the_time_of_the_reset(once, command, message) -> None:
    code, _, said = once(command, refusal("1308", SOON, message=message))
    assert code == 4
    assert said.startswith(
        "zai: the five-hour quota is used up until 2026-05-09 04:56:07 (the provider's clock, UTC+8)"
    )


@pytest.mark.parametrize(
    ("row", "body"),
    [
        ("modelstudio", {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}),
        ("dashscope", {"code": "Throttling.AllocationQuota", "message": "Allocated quota exceeded"}),
    ],
)
def test_N23_a_token_limit_of_a_minute_is_waited_out(waits, row, body) -> None:
    (wait,) = waits(reply(429, body), row=row)
    assert 60 <= wait <= 75


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"code": "Arrearage", "message": "m"}),
        (403, {"code": "AllocationQuota.FreeTierOnly", "message": "m"}),
        (429, {"code": "Throttling.AllocationQuota", "message": "Free allocated quota exceeded."}),
    ],
)
def test_N23_billing_is_not_waited_out(once, status, body) -> None:
    code, _, _ = once("ask", reply(status, body, SOON), row="dashscope")
    assert code == 4


@pytest.mark.parametrize("code", ["1305", "1312"])
def test_N24_an_overload_is_given_time(put, waits, code) -> None:
    (wait,) = waits(refusal(code))
    assert 15 <= wait <= 18.8
    with Server(refusal(code)) as server:
        done = put("ask", server, "--retries", "0")
    assert (done.code, len(server.requests)) == (5, 1)
    assert "  fix: use another model: --fallback\n" in done.err


class TwoAtOnce:
    """A gateway in front of a server that lets two in. The first two stay until the others have been refused."""

    def __init__(self, others: int) -> None:
        self._others = others
        self._inside = 0
        self._refused = 0
        self._lock = threading.Condition()

    def __call__(self, connection: socket.socket) -> Gate | None:
        with self._lock:
            if self._inside == 2:
                self._refused += 1
                self._lock.notify_all()
                connection.recv(1 << 16)
                connection.sendall(b"".join(step for step in refusal("1302") if isinstance(step, bytes)))
                return None
            self._inside += 1
            self._lock.wait_for(lambda: self._refused >= self._others, timeout=20)
        return Gate(connection, self)

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1


class Gate:
    """A connection that counts as inside until it is closed."""

    def __init__(self, connection: socket.socket, gateway: TwoAtOnce) -> None:
        self._connection = connection
        self._gateway = gateway

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._gateway.leave()

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


def test_N25_nobody_is_lost_at_a_gate_for_two(home, cwd) -> None:
    with Server(answer()) as server, Relay(TwoAtOnce(4), server.port) as front, ExitStack() as stack:
        flags = ("-P", "zai", "--base-url", f"{url_of(front)}/v1", "-R", "hi")
        runs = [stack.enter_context(running(home, cwd, "ask", *flags, env=KEY)) for _ in range(6)]
        done = [(run.communicate(timeout=60), run.returncode) for run in runs]
    assert [(out, code) for (out, _), code in done] == [(b"Hello\n", 0)] * 6
    assert sum(err.count(b"too many requests in flight") for (_, err), _ in done) >= 4
    assert len(server.requests) == 6


# Other places


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_N26_a_redirect_is_not_followed(put, status) -> None:
    with Server(answer()) as other:
        target = f"http://localhost:{other.port}/v1/chat/completions"
        with Server(reply(status, "", f"Location: {target}")) as server:
            done = put("ask", server)
    assert (done.code, done.out, len(server.requests), other.requests) == (13, b"", 1, [])
    assert error_of(done.err) == f"zai: refusing the redirect to {target} (HTTP {status})"
    assert "  fix: set the base URL to where the API really is; a key and a prompt are never sent on\n" in done.err


def test_N26_a_redirect_inside_stream_is_not_followed_either(once) -> None:
    code, printed, said = once("stream", reply(307, "", "Location: /v2/chat/completions"))
    assert (code, printed, said) == (13, "", "zai: refusing the redirect to /v2/chat/completions (HTTP 307)")


@pytest.mark.parametrize("host", ["gate.invalid", "192.0.2.7", "[2001:db8::7]", "localhost.gate.invalid"])
@pytest.mark.parametrize("flags", [(), ("--force",)])
def test_N28_no_key_goes_over_plain_http(put, command, host, flags) -> None:
    with Server(answer()) as proxy:
        done = put(command, f"http://{host}:8080/v1", *flags, http_proxy=url_of(proxy))
    assert (done.code, done.out, proxy.requests) == (2, b"", [])
    assert error_of(done.err) == f"refusing to send a key over plain http:// to {host.strip('[]')}"


def test_N28_a_row_may_allow_the_host(glm, cwd) -> None:
    row = "{like: zai, base_url: 'http://gate.invalid/v1', key_env: [ZAI_API_KEY], allow_http: true}"
    (cwd / "config.yaml").write_text(f"providers: {{gate: {row}}}\n")
    with Server(answer()) as proxy:
        env = KEY | {"GLM_CONFIG": "config.yaml", "http_proxy": url_of(proxy)}
        done = glm("ask", "-m", "gate/glm-5", "hi", env=env)
    assert (done.code, done.out) == (0, b"Hello\n")
    assert proxy.requests[0].header("Authorization") == f"Bearer {CANARY}"


def test_N28_a_redirect_to_plain_http_is_refused(put, authority) -> None:
    with Server(answer()) as plain:
        moved = reply(308, "", f"Location: {plain.url}/chat/completions")
        with Server(moved) as server, Relay(tls(authority.issue("down", HERE)), server.port) as front:
            done = put("ask", f"https://localhost:{front.port}/v1", SSL_CERT_FILE=str(authority.file))
    assert (done.code, len(server.requests), plain.requests) == (13, 1, [])


# Proxies


@pytest.mark.sampled(4)
@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "http_proxy"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_N29_socks(glm, command, variable, scheme) -> None:
    socks = SocksHandshake()
    with Server(answer()) as server, Relay(socks, server.port) as front:
        done = glm(command, *GATE, env={variable: url_of(front, scheme)})
    assert (done.code, done.out, done.err) == (0, b"Hello\n", "")
    assert socks.targets == [("gate.invalid", 80)]


@pytest.mark.parametrize("value", ["socks://127.0.0.1:1", "socks4a://127.0.0.1:1", "quic://127.0.0.1:1"])
def test_N29_a_scheme_that_is_no_proxys(glm, command, value) -> None:
    done = glm(command, *GATE, env={"ALL_PROXY": value})
    assert (done.code, done.out) == (2, b"")
    scheme = value.partition(":")[0]
    assert error_of(done.err) == f"ALL_PROXY names a proxy that cannot be used ({scheme} scheme)"
    assert "socks5" in done.err.splitlines()[1]


STRANGE = [
    "::1",
    "[::1]",
    "fd00::/8",
    "[fd00::]/8",
    "::1,localhost,127.0.0.1",
    "[::1]:80",
    "http://[",
    "%",
    "1:2:3",
    "é",
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("no_proxy", STRANGE)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_N30_strange_exceptions_never_matter(glm, variable, no_proxy) -> None:
    with Server(answer()) as proxy:
        done = glm("ask", *GATE, env={"http_proxy": url_of(proxy), variable: no_proxy})
    assert (done.code, done.out, done.err, len(proxy.requests)) == (0, b"Hello\n", "", 1)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("host", "no_proxy", "proxied"),
    [
        ("gate.invalid", "", True),
        ("gate.invalid", "*", False),
        ("gate.invalid", "*.invalid", False),
        ("gate.invalid", ".invalid", False),
        ("gate.invalid", "gate.invalid", False),
        ("gate.invalid", "te.invalid", True),
        ("gate.invalid", "gate.invalid:80", False),
        ("gate.invalid", "gate.invalid:8080", True),
        ("192.0.2.7", "192.0.2.0/24", False),
        ("192.0.2.7", "192.0.2.7", False),
        ("192.0.2.7", "10.0.0.0/8", True),
        ("127.0.0.1", "", False),
        ("localhost", "", False),
    ],
)
def test_N31_who_takes_the_proxy(glm, closed, host, no_proxy, proxied) -> None:
    with Server(answer()) as proxy:
        port = f":{closed}" if host in ("127.0.0.1", "localhost") else ""
        flags = ("-m", "vllm/x", "--base-url", f"http://{host}{port}/v1", "--retries", "0", "--connect-timeout", "1")
        done = glm("ask", *flags, "hi", env={"http_proxy": url_of(proxy), "NO_PROXY": no_proxy})
    assert (done.code, len(proxy.requests)) == ((0, 1) if proxied else (6, 0))


@pytest.mark.parametrize("secure", [True, False])
def test_N32_a_proxy_that_wants_a_password(put, glm, secure) -> None:
    if secure:
        tunnels = ConnectHandshake(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        with Relay(tunnels) as front:
            done = put("ask", "https://gate.invalid/v1", https_proxy=f"http://me:hunter%402@127.0.0.1:{front.port}")
        assert len(tunnels.heads) == 1
    else:
        with Server(reply(407, "no")) as front:
            done = glm("ask", *GATE, env={"http_proxy": f"http://me:hunter%402@127.0.0.1:{front.port}"})
        assert len(front.requests) == 1
    assert (done.code, done.out) == (6, b"")
    name = "zai" if secure else "vllm"
    assert error_of(done.err).startswith(f"{name}: the proxy http://127.0.0.1:{front.port} refused: ")
    assert "hunter" not in done.err


# Too much

X = b"x" * 65536
ENDLESS = {
    "an event": ([head(), chunk(b"data: "), *[chunk(X)] * 1025, Stall()], 13, "one event is larger than 64 MiB"),
    "an answer": ([head(), *[chunk(event(delta(content="中" * 65536)))] * 400, Stall()], 7, "more than 64 MiB"),
    "thoughts": ([head(), *[chunk(event(delta(reasoning="😀" * 65536)))] * 300, Stall()], 7, "more than 64 MiB"),
    "a body": ([head(content_type="application/json"), *[chunk(X)] * 1025, Stall()], 13, "larger than 64 MiB"),
    "an error": ([head(status=500), *[chunk(X)] * 2000, Stall()], 5, "only the first 1 MiB of the body was read"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_N33_a_server_that_never_ends(home, cwd, name) -> None:
    script, code, said = ENDLESS[name]
    with Server(script) as server:
        flags = f"-m vllm/x --base-url {server.url} --retries 0 -R hi"
        done = shell(f"ulimit -v 524288; exec $GLM ask {flags}", home, cwd)
        assert (done.returncode, done.stdout) == (code, b""), done.stderr
        assert said.encode() in done.stderr


def test_N34_headers_that_are_too_large(once, command) -> None:
    large = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"x" * 1000) for n in range(200)) + b"\r\n"
    code, printed, said = once(command, [large, *answer()[1:]], "--retries", "0")
    assert (code, printed) == (13, "")
    assert "does not speak HTTP" in said


def test_N34_two_thousand_informational_responses(put, command) -> None:
    first = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 2000
    with Server([first, *answer()]) as server:
        done = put(command, server)
    assert (done.code, done.out) == (0, b"Hello\n")


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"\x00\x01\x02\r\n\r\n", b"ICY 200 OK\r\n\r\n"])
def test_N34_what_is_no_http(once, said) -> None:
    code, printed, message = once("ask", [said, Stall()], "--first-timeout", "5")
    assert (code, printed) == (13, "")
    assert "does not speak HTTP" in message


def test_N36_no_request_takes_a_connection_that_was_used(put, command) -> None:
    # The server says nothing of closing, and closes: whoever sent on the same connection would not be heard. One
    # request a connection is the stronger promise of `ask` and `stream`; the rows of a batch are another matter.
    heard = []
    script = b"".join(step for step in refusal("1302", SOON) if isinstance(step, bytes))

    def greet(connection):
        heard.append(connection.recv(1 << 16).count(b"POST "))
        if len(heard) < 3:
            connection.sendall(script)
            return
        connection.sendall(b"".join(step for step in answer() if isinstance(step, bytes)))

    with Relay(greet) as front:
        done = put(command, f"{url_of(front)}/v1")
    assert (done.code, done.out, heard) == (0, b"Hello\n", [1, 1, 1])


# Addresses


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("", "/chat/completions"),
        ("/", "/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/a/b%20c//", "/a/b%20c/chat/completions"),
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST"])
def test_N37_a_base_url_in_any_form(put, host, path, sent) -> None:
    with Server(answer()) as server:
        done = put("ask", f"http://{host}:{server.port}{path}")
    assert (done.code, done.out) == (0, b"Hello\n")
    (request,) = server.requests
    assert (request.path, request.header("Host")) == (sent, f"{host.lower()}:{server.port}")


def test_N37_loopback_of_the_other_family(put) -> None:
    """The other tests listen on IPv4 alone; this one on IPv6."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no ::1")

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(b"".join(step for step in answer() if isinstance(step, bytes)))

    with listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        done = put("ask", f"http://[::1]:{port}/v1", "--retries", "0")
        assert (done.code, done.out) == (0, b"Hello\n"), done.err
        thread.join(5)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://me:hunter2@gate.invalid/v1", "--base-url: a base URL may not contain a user or a password"),
        ("https://me@gate.invalid/v1", "--base-url: a base URL may not contain a user or a password"),
        ("https://gate.invalid:port/v1", "--base-url: not a URL"),
        ("https://gate.invalid/v1?key=x", "--base-url: a base URL has no query and no fragment"),
        ("gate.invalid/v1", "--base-url: a base URL begins with https:// or http:// and a host"),
        ("gate.invalid/v1/chat/completions", "--base-url: a base URL begins with https:// or http:// and a host"),
        ("https://me:hunter2@gate.invalid/v1/chat", "--base-url: a base URL may not contain a user or a password"),
        ("https://gate.invalid/v 1/chat", "--base-url: a base URL has no blanks and no control characters"),
    ],
)
def test_N37_a_base_url_that_is_none(put, command, url, said) -> None:
    done = put(command, url)
    assert (done.code, done.out, error_of(done.err)) == (2, b"", said)
    assert "hunter2" not in done.err


NATIVE = "/services/aigc/text-generation/generation"
WITH_ENDPOINT = {
    "/v1/chat/completions": ("/chat/completions", "/v1"),
    "/v1/chat/completions/": ("/chat/completions", "/v1"),
    "/v1/chat/completions?api-version=1": ("/chat/completions", "/v1"),
    "/v1/chat/completions/#top": ("/chat/completions", "/v1"),
    "/V1/Chat/Completions": ("/Chat/Completions", "/V1"),
    "/v1/chat": ("/chat", "/v1"),
    "/v1/completions": ("/completions", "/v1"),
    "/v1/models//": ("/models", "/v1"),
    "/v1/responses": ("/responses", "/v1"),
    "/v1/messages?beta=true": ("/messages", "/v1"),
    "/api/paas/v4/chat/completions/chat/completions": ("/chat/completions/chat/completions", "/api/paas/v4"),
    f"/api/v1{NATIVE}": (NATIVE, "/api/v1"),
    "/models": ("/models", ""),
}


@pytest.mark.parametrize("path", WITH_ENDPOINT)
def test_N37_a_base_url_with_the_endpoint(put, path) -> None:
    endpoint, left = WITH_ENDPOINT[path]
    with Server(answer()) as server:
        origin = server.url.removesuffix("/v1")
        done = put("ask", f"  {origin}{path} ")
    assert (done.code, done.out, server.requests) == (2, b"", [])
    assert error_of(done.err) == f"--base-url: a base URL ends before {endpoint}"
    assert done.err.endswith(f"  fix: leave the endpoint out, which glm adds: {origin}{left}\n")


def test_N37_an_address_of_anthropic_s_grammar(put) -> None:
    done = put("ask", "https://api.z.ai/api/anthropic/v1/messages")
    assert (done.code, error_of(done.err)) == (2, "--base-url: a base URL ends before /messages")
    assert done.err.endswith("; at Zhipu and Z.ai that is https://api.z.ai/api/paas/v4\n")


@pytest.mark.parametrize("source", ["GLM_BASE_URL", "OPENAI_BASE_URL", "c.yaml:1:19"])
def test_N37_wherever_the_address_comes_from(glm, cwd, source) -> None:
    row = "{like: openai, base_url: 'https://gate.invalid/v1/responses', key_env: []}"
    (cwd / "c.yaml").write_text(f"providers: {{mine: {row}}}\n")
    (cwd / "in.jsonl").write_text('{"prompt": "hi"}\n')
    env = (
        {source: "https://gate.invalid/v1/responses"}
        if source.isupper() or "URL" in source
        else {"GLM_CONFIG": "c.yaml"}
    )
    env |= {"OPENAI_API_KEY": CANARY}
    provider = "mine" if "GLM_CONFIG" in env else "openai"
    for command in (("ask", "hi"), ("ask", "-n", "hi"), ("batch", "run", "in.jsonl", "-O", "out.jsonl")):
        done = glm(*command, "-P", provider, "-m", "x", env=env)
        assert (done.code, done.out) == (2, b"")
        assert error_of(done.err).endswith(": a base URL ends before /responses")
        assert error_of(done.err).startswith(source.partition(":")[0])
        assert "  fix: leave the endpoint out, which glm adds: https://gate.invalid/v1\n" in done.err
    assert not (cwd / "out.jsonl").exists()


@pytest.mark.parametrize("path", ["/chat/v1", "/models/v1/", "/messages.v1", "/v1/mychat"])
def test_N37_a_base_url_may_look_like_that(put, path) -> None:
    with Server(answer()) as server:
        assert put("ask", server.url.removesuffix("/v1") + path).code == 0
    assert [request.path for request in server.requests] == [f"{path.rstrip('/')}/chat/completions"]
