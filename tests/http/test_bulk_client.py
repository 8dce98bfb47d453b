"""The transport of a batch: one connection, many requests, and the errors that `ask` gives."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import subprocess
import sys
import threading
import time
from base64 import b64encode
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from processes import TIMEOUT, error_of, shell
from program import CANARY
from proxies import ConnectHandshake, Relay, SocksHandshake, tls, url_of
from scripted_server import END, Pause, Reset, Server, Stall, answer, chunk, delta, event, head, reply

from glmcli.chat.messages import Media
from glmcli.console.redaction import Key
from glmcli.errors import GlmError, IncompleteError, NetworkError, ProtocolError, Retry, UsageError
from glmcli.http import event_loop
from glmcli.http.bulk import ConnectionPool
from glmcli.http.call import HttpCall, RequestSent, ResponseEnd, ResponseHead
from glmcli.http.proxies import choose_proxy
from glmcli.http.timeouts import LINGER, Limits, ResponseTimer
from glmcli.http.tls import Tls

HEADERS = (("Content-Type", "application/json"), ("User-Agent", "glm/x"))
BODY = {"model": "glm-5"}
LIMITS = Limits(retries=3, retry_max_time=180.0, connect=10.0, first=300.0, idle=300.0, deadline=None)
FOREVER = float("inf")
HERE = "DNS:localhost,IP:127.0.0.1"
GATE = "http://gate.invalid/v1"


LANES = []


def run(main):
    """What it returns; no connection is left open."""

    async def closing():
        try:
            async with asyncio.timeout(TIMEOUT):
                return await main
        finally:
            while LANES:
                await LANES.pop().close()

    return event_loop.run(closing())


class Ear:
    """Listens as a batch does, and keeps what it heard."""

    def __init__(self, raises: Exception | None = None, limits: Limits = LIMITS, deadline: float = FOREVER) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.is_done = False
        self.error: GlmError | None = None
        self._finished = False
        self._raises = raises
        self._timer = ResponseTimer(limits, deadline)

    @property
    def timeout_at(self) -> float:
        return FOREVER if self.is_done else self._timer.timeout_at

    def timed_out(self) -> None:
        self.handle(self._timer.error())

    def handle(self, happened) -> None:
        match happened:
            case bytes():
                self._hear(happened)
            case RequestSent():
                self._timer.request_sent()
            case ResponseHead():
                self.status, self.headers = happened.status, happened.headers
                if happened.status != 200:
                    self._finish()
            case ResponseEnd():
                self.is_done = True
            case error:
                self.is_done = True
                self.error = None if self._finished else error

    def _finish(self) -> None:
        if self._finished:
            self._timer.linger_on()
        else:
            self._finished = True
            self._timer.linger(LINGER)

    def _hear(self, chunk: bytes) -> None:
        self.body += chunk
        if self._raises:
            raise self._raises
        if b"[DONE]" in self.body:
            self.is_done = True
        elif b'"finish_reason": "stop"' in chunk:
            self._finish()
        elif not chunk.startswith((b":", b"\n")) and not self._finished:
            self._timer.data_received()


def call(url: str, key: str | None = None) -> HttpCall:
    return HttpCall(f"{url}/chat/completions", HEADERS, BODY, Key(key, "test") if key else None)


def lane_to(url: str, environment: dict[str, str] | None = None):
    parts, environment = urlsplit(url), environment or {}
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    proxy = choose_proxy(parts.scheme, parts.hostname, port, environment)
    secure = Tls(environment) if parts.scheme == "https" or (proxy and proxy.scheme == "https") else None
    LANES.append(ConnectionPool(proxy, secure))
    return LANES[-1]


async def asked(lane, url: str, limits: Limits = LIMITS, deadline: float = FOREVER, **more) -> Ear:
    return await sent(lane, call(url), Ear(limits=limits, deadline=deadline, **more))


async def sent(lane, request, ear: Ear | None = None) -> Ear:
    ear = ear or Ear()
    await lane.send(request, ear)
    if ear.error:
        raise ear.error
    return ear


def ask(url: str, times: int = 1, environment: dict[str, str] | None = None, **limits: float) -> list[Ear]:
    """What one lane heard, one request after the other."""

    async def main():
        lane = lane_to(url, environment)
        return [await asked(lane, url, LIMITS.replace(**limits)) for _ in range(times)]

    return run(main())


def fails(url: str, environment: dict[str, str] | None = None, **limits: float) -> GlmError:
    with pytest.raises(GlmError) as caught:
        ask(url, environment=environment, **limits)
    return caught.value


async def until(true) -> None:
    """Wait for what happens in another thread."""
    while not true():  # noqa: ASYNC110 - which sets no event of ours
        await asyncio.sleep(0.01)


def sides(error: GlmError) -> tuple:
    return (type(error), error.message, error.retry, error.sent, error.broken)


def joined(script) -> bytes:
    return b"".join(step for step in script if isinstance(step, bytes))


def through(server: Server) -> Relay:
    """Counts the connections."""
    return Relay(lambda connection: connection, server.port)


# What comes


def test_a_whole_reply() -> None:
    with Server(reply(200, {"a": "é"}, "X-Request-ID: 7")) as server:
        (ear,) = ask(server.url)
    assert (ear.status, ear.headers["x-request-id"], ear.body) == (200, "7", '{"a": "é"}'.encode())


def test_the_request_is_that_of_ask() -> None:
    with Server(reply(200, "{}")) as server:

        async def main():
            await sent(lane_to(server.url), call(server.url, CANARY))

        run(main())
        (request,) = server.requests
    assert (request.method, request.path, request.json) == ("POST", "/v1/chat/completions", BODY)
    assert request.headers == (
        ("Host", f"127.0.0.1:{server.port}"),
        ("Authorization", f"Bearer {CANARY}"),
        *HEADERS,
        ("Content-Length", "17"),
    )


def test_a_request_without_a_body() -> None:
    with Server(reply(200, "{}")) as server:

        async def main():
            get = HttpCall(f"{server.url}/models?page=2", (("Accept", "*/*"),), None, method="GET")
            await sent(lane_to(server.url), get)

        run(main())
        (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/v1/models?page=2")
    assert request.headers == (("Host", f"127.0.0.1:{server.port}"), ("Accept", "*/*"))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_a_stream_in_any_cut(size) -> None:
    whole = joined(answer("Hällo"))
    with Server([whole[url_of : url_of + size] for url_of in range(0, len(whole), size)]) as server:
        (ear,) = ask(server.url)
    # What comes behind the end may be read with it, or not at all.
    before = event(delta(content="Hällo")) + event(delta(content="", finish_reason="stop")) + b"data: [DONE]"
    assert ear.body.removeprefix(before) in {b"", b"\n", b"\n\n"}
    assert ear.body.startswith(before)


def test_one_connection_carries_many_requests() -> None:
    scripts = (answer("a"), reply(200, {"b": 1}), reply(429, "c"), reply(204, ""), answer("e"))
    with Server(*scripts) as server, through(server) as front:
        ears = ask(url_of(front), times=5)
    assert [ear.status for ear in ears] == [200, 200, 429, 204, 200]
    assert (front.connections, len(server.requests)) == (1, 5)


def test_the_end_of_a_stream_may_come_late() -> None:
    late = [*answer("a")[:-1], Pause(0.05), END]
    with Server(late) as server, through(server) as front:
        assert len(ask(url_of(front), times=3)) == 3
    assert (front.connections, len(server.requests)) == (1, 3)


@pytest.mark.parametrize("more", [Stall(), chunk("data: more\n\n")])
def test_a_stream_that_goes_on_after_its_end_costs_the_connection(more) -> None:
    began = time.monotonic()
    with Server([*answer("a")[:-1], more, Stall()], reply(200, "{}")) as server, through(server) as front:
        first, second = ask(url_of(front), times=2)
        assert server.hung_up.wait(TIMEOUT)
    assert (b"[DONE]\n\n" in first.body, second.body, front.connections) == (True, b"{}", 2)
    assert time.monotonic() - began < 25


@pytest.mark.parametrize(
    "framing", ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"]
)
def test_a_body_that_ends_with_its_connection(framing) -> None:
    with Server([framing.encode(), b"abc", Pause(0.02), b"def"]) as server, through(server) as front:
        assert [ear.body for ear in ask(url_of(front), times=2)] == [b"abcdef"] * 2
    assert front.connections == 2


def test_a_connection_that_was_closed_while_idle() -> None:
    with Server([*reply(200, "{}"), b""]) as server, through(server) as front:  # the empty step ends the connection

        async def main():
            lane = lane_to(url_of(front))
            for _ in range(3):
                await asked(lane, url_of(front))
                await asyncio.sleep(0.05)

        run(main())
    assert (front.connections, len(server.requests)) == (3, 3)


def read_request(connection: socket.socket) -> bool:
    data = b""
    while not data.endswith(b'{"model":"glm-5"}'):
        more = connection.recv(1 << 16)
        if not more:
            return False
        data += more
    return True


class Closer:
    """Answers so many requests a connection, and hangs up on the next when it has read it."""

    def __init__(self, *answers: int, reset: bool = False) -> None:
        self.heard: list[int] = []  # requests by connection
        self._answers = answers
        self._reset = reset

    def __call__(self, connection: socket.socket) -> None:
        number = len(self.heard)
        self.heard.append(0)
        while read_request(connection):
            self.heard[number] += 1
            if self.heard[number] > self._answers[min(number, len(self._answers) - 1)]:
                break
            connection.sendall(joined(reply(200, "{}")))
        if self._reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("reset", [False, True])
def test_a_stale_connection_is_replaced_without_a_word(reset) -> None:
    closer = Closer(1, 2, reset=reset)
    with Relay(closer) as front:
        assert [ear.body for ear in ask(url_of(front), times=3)] == [b"{}"] * 3
    assert closer.heard == [2, 2]  # the second request was sent twice


def test_a_request_goes_out_twice_at_most() -> None:
    closer = Closer(1, 0)
    with Relay(closer) as front, pytest.raises(NetworkError, match="closed the connection without an answer"):
        ask(url_of(front), times=2)
    assert closer.heard == [2, 1]


def test_a_fresh_connection_is_never_replaced() -> None:
    closer = Closer(0)
    with Relay(closer) as front:
        error = fails(url_of(front))
        said = f"127.0.0.1:{front.port} closed the connection without an answer"
    assert sides(error) == (NetworkError, said, Retry.NETWORK, True, False)
    assert closer.heard == [1]


def test_a_server_that_dies_over_a_request_was_not_stale() -> None:
    with (
        Server(reply(200, "{}"), [Pause(1.5)], reply(200, "no")) as server,
        pytest.raises(NetworkError, match="closed the connection without an answer"),
    ):
        ask(server.url, times=2)
    assert len(server.requests) == 2


def test_bytes_that_nobody_asked_for_answer_nothing() -> None:
    # What stands behind a reply would be taken for the reply to the next request.
    twice = joined(reply(200, {"a": 1})) + joined(reply(200, {"smuggled": 1}))
    with Server([twice, Stall()], reply(200, {"b": 1})) as server:
        assert [ear.body for ear in ask(server.url, times=2)] == [b'{"a": 1}', b'{"b": 1}']


def test_bytes_that_come_while_idle_cost_the_connection() -> None:
    timeout = joined(reply(408, {"error": "idle"}))
    with Server([*reply(200, {"a": 1}), Pause(0.05), timeout, Stall()], reply(200, {"b": 1})) as server:

        async def main():
            lane = lane_to(server.url)
            bodies = [(await asked(lane, server.url)).body]
            await asyncio.sleep(0.2)  # until they have come
            bodies.append((await asked(lane, server.url)).body)
            assert await asyncio.to_thread(server.hung_up.wait, TIMEOUT)
            return bodies

        assert run(main()) == [b'{"a": 1}', b'{"b": 1}']


@pytest.mark.parametrize(
    "first", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 2000]
)
def test_informational_responses(first) -> None:
    with Server([first, *reply(200, "{}")]) as server:
        assert [ear.body for ear in ask(server.url, times=2)] == [b"{}"] * 2


def test_compressed_bodies() -> None:
    members = b"".join(gzip.compress(part) for part in (b"data: 1\n\n", b"data: 2\n\n"))
    for cut in (1, 9, len(members)):
        parts = [chunk(members[url_of : url_of + cut]) for url_of in range(0, len(members), cut)]
        with Server([head("Content-Encoding: gzip"), *parts, END]) as server:
            (ear,) = ask(server.url)
        assert ear.body == b"data: 1\n\ndata: 2\n\n"


def test_a_refusal_is_read_to_its_end() -> None:
    page = "<html>" + "x" * 100_000
    with Server(reply(502, page, content_type="text/html")) as server:
        (ear,) = ask(server.url)
    assert (ear.status, ear.headers["content-type"], ear.body.decode()) == (502, "text/html", page)


def test_a_refusal_stands_however_it_ends() -> None:
    endings = ([head(status=500), chunk("why"), Reset()], [head(status=500), chunk("why"), Stall()])
    for ending in (*endings, [head("Content-Encoding: br", status=500), chunk("why")]):
        with Server(ending) as server:
            (ear,) = ask(server.url, idle=0.5)
        assert ear.status == 500
        assert ear.body == (b"" if "content-encoding" in ear.headers else b"why")


# Errors: each with what `ask` says


BIG = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"x" * 1000) for n in range(200)) + b"\r\n"
TWO = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"
BOTH = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
HALF = event(delta(content="Hal"))
BROKE = "the connection to {} broke: Connection reset by peer"
ENDED = "the connection ended before the reply was whole"
NO_HTTP = "{} does not speak HTTP: "
# Script, class, the message or its beginning, retry, broken.
FAULTS = {
    "nothing": ([], NetworkError, "{} closed the connection without an answer", Retry.NETWORK, False),
    "half a head": (
        [b"HTTP/1.1 200"],
        NetworkError,
        "{} closed the connection without an answer",
        Retry.NETWORK,
        False,
    ),
    "a reset": ([Reset()], NetworkError, BROKE, Retry.NETWORK, False),
    "a reset in the middle": ([head(), chunk(HALF), Pause(0.2), Reset()], NetworkError, BROKE, Retry.NETWORK, True),
    "an end between chunks": ([head(), chunk(HALF)], IncompleteError, ENDED, Retry.NETWORK, True),
    "an end in a chunk": ([head(), b"40\r\nda"], IncompleteError, ENDED, Retry.NETWORK, True),
    "an end by length": (
        [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"],
        IncompleteError,
        ENDED,
        Retry.NETWORK,
        True,
    ),
    "another protocol": ([b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Stall()], ProtocolError, NO_HTTP, None, False),
    "bytes": ([b"\x00\x01\x02\r\n\r\n", Stall()], ProtocolError, NO_HTTP, None, False),
    "headers without end": ([BIG, Stall()], ProtocolError, NO_HTTP, None, False),
    "two lengths": ([TWO, Stall()], ProtocolError, NO_HTTP, None, False),
    "two encodings": ([BOTH, Stall()], ProtocolError, NO_HTTP, None, False),
    "an upgrade": ([b"HTTP/1.1 101 No\r\n\r\n", Stall()], ProtocolError, NO_HTTP, None, False),
    "brotli": (
        [head("Content-Encoding: br"), Stall()],
        ProtocolError,
        "the reply is encoded as br, which was not asked for",
        None,
        False,
    ),
    "no gzip": (
        [head("Content-Encoding: gzip"), chunk("{}"), Stall()],
        ProtocolError,
        "the reply's compression is broken: ",
        None,
        False,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_means_what_it_means_to_ask(name, glm) -> None:
    script, kind, said, retry, broken = FAULTS[name]
    with Server(script) as server:
        said = said.format(f"127.0.0.1:{server.port}")
        error = fails(server.url)
        done = glm("ask", "-m", "vllm/x", "--base-url", server.url, "--retries", "0", "-R", "hi")
    assert (type(error), error.retry, error.sent, error.broken) == (kind, retry, True, broken)
    # What follows are the words of the library.
    assert error.message.startswith(said)
    assert error_of(done.err).startswith(f"vllm: {said}")
    assert done.code == kind.exit_code


def test_chunks_that_are_none() -> None:
    # The libraries tell a broken chunk as they tell a broken head; the head had come, so the reply is cut.
    with Server([head(), Pause(0.1), b"zz\r\n", Stall()]) as server:
        assert sides(fails(server.url)) == (IncompleteError, ENDED, Retry.NETWORK, True, True)


def test_nobody_there(glm) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            said = f"cannot connect to {host}:{port}: Connection refused"
            url = f"http://{host}:{port}/v1"
            assert sides(fails(url)) == (NetworkError, said, Retry.NETWORK, False, False)
            done = glm("ask", "-m", "vllm/x", "--base-url", url, "--retries", "0", "hi")
            assert error_of(done.err) == f"vllm: {said}"


def test_a_name_that_nobody_knows() -> None:
    error = fails(GATE)
    assert (type(error), error.retry, error.sent) == (NetworkError, Retry.NETWORK, False)
    assert error.message.startswith("cannot resolve gate.invalid: ")


def test_an_error_of_the_reader_comes_out_and_hangs_up() -> None:
    for raised in (UsageError("refused"), KeyError("a bug")):
        with Server([head(), chunk(HALF), Stall()], reply(200, "{}")) as server:

            async def main(url=server.url, raised=raised):
                lane = lane_to(url)
                with pytest.raises(type(raised)) as caught:
                    await asked(lane, url, raises=raised)
                assert caught.value is raised
                return await asked(lane, url)

            assert run(main()).body == b"{}"
            assert server.hung_up.wait(TIMEOUT)


# Time


def pings():
    return [step for _ in range(300) for step in (chunk(": ping\n\n"), Pause(0.05))]


LATE = {
    "no head": ([Stall()], {"first": 0.4}, "no response within 0.4 s", False),
    "a head that drips": (
        [step for byte in head() * 3 for step in (bytes([byte]), Pause(0.05))],
        {"first": 0.4},
        "no response within 0.4 s",
        False,
    ),
    "pings alone": ([head(), *pings()], {"first": 0.4}, "no response within 0.4 s", False),
    "pings after data": ([head(), chunk(HALF), *pings()], {"idle": 0.4}, "no data for 0.4 s", True),
    "silence": ([head(), chunk(HALF), Stall()], {"idle": 0.4}, "no data for 0.4 s", True),
}


@pytest.mark.parametrize("name", LATE)
def test_time_limits(name) -> None:
    script, limits, said, broken = LATE[name]
    with Server(script) as server:
        began = time.monotonic()
        error = fails(server.url, **limits)
        assert time.monotonic() - began >= 0.4
        assert server.hung_up.wait(TIMEOUT)
    assert sides(error) == (NetworkError, said, Retry.NETWORK, True, broken)


def test_data_buys_time() -> None:
    slowly = [step for _ in range(8) for step in (chunk(HALF), Pause(0.15))]
    with Server([head(), *slowly, END]) as server:
        (ear,) = ask(server.url, idle=0.6)
    assert ear.body == HALF * 8


def test_the_deadline() -> None:
    async def main(url, seconds):
        with pytest.raises(NetworkError) as caught:
            await asked(lane_to(url), url, LIMITS.replace(deadline=1.0), time.monotonic() + seconds)
        return sides(caught.value)

    said = "the deadline of 1 s has passed"
    with Server([head(), chunk(HALF), *pings()]) as server:
        assert run(main(server.url, 0.4)) == (NetworkError, said, None, True, True)
        assert server.hung_up.wait(TIMEOUT)
    with Server(reply(200, "{}")) as server:
        assert run(main(server.url, -1)) == (NetworkError, said, None, False, False)
        assert server.requests == []

        async def again(url):
            lane = lane_to(url)
            await asked(lane, url)
            await asked(lane, url, deadline=time.monotonic())

        with pytest.raises(NetworkError, match="deadline"):
            run(again(server.url))
        assert len(server.requests) == 1


def test_a_request_that_cannot_be_written() -> None:
    with Server(reply(200, "{}")) as server:

        async def main(request):
            with pytest.raises(GlmError) as caught:
                await sent(lane_to(server.url), request)
            return caught.value

        bad = HttpCall(f"{server.url}/x", (("X", "a\nb"),), {})
        error = run(main(bad))
        assert (type(error), error.sent) == (GlmError, False)
        assert error.message == "the header X would contain a line break"
        large = Large(server.url)
        large.length = 10
        error = run(main(large))
        assert (error.message, error.sent) == (
            "the body is not as long as announced: a file changed while it was sent",
            True,
        )


def test_a_finished_reply_lingers_a_little_and_cannot_fail_any_more() -> None:
    stop = chunk(event(delta(content="", finish_reason="stop")))
    usage = chunk(event({"usage": {}}))
    endless = ([more, Pause(0.05)] * 1000 for more in (usage, stop, chunk(": ping\n\n")))
    for rest in ([Stall()], [usage, Reset()], [usage, b"zz\r\n"], [], *endless):
        began = time.monotonic()
        with Server([head(), chunk(HALF), stop, Pause(0.05), *rest]) as server:
            (ear,) = ask(server.url, idle=0.4)
        assert time.monotonic() - began < 25
        assert ear.body.startswith(HALF)
        assert (b"usage" in ear.body) == (usage in rest)


@pytest.fixture
def deaf():
    """A port whose queue is full, so that the system answers no SYN."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_a_connection_that_never_stands(deaf) -> None:
    began = time.monotonic()
    error = fails(f"http://127.0.0.1:{deaf}", connect=0.4)
    assert time.monotonic() - began < 8
    assert sides(error) == (NetworkError, "cannot connect within 0.4 s", Retry.NETWORK, False, False)


RESOLVER = """
import asyncio, socket, time
from glmcli.engine.response import Response
from glmcli.http.bulk import ConnectionPool
from glmcli.http.call import HttpCall
from glmcli.http.event_loop import run
from glmcli.http.timeouts import Limits

asked = 0

def getaddrinfo(*_, **__):
    global asked
    asked += 1
    time.sleep(60)

socket.getaddrinfo = getaddrinfo
URL = "http://gate.invalid/"
LIMITS = Limits(retries=0, retry_max_time=1, connect=0.4, first=9, idle=9, deadline=None)

async def one(pool):
    response = Response(None, None, LIMITS, 1e9)
    await pool.send(HttpCall(URL, (), {}), response)
    return response.error.message

async def main():
    pool = ConnectionPool(None, None)
    said = set(await asyncio.gather(*(one(pool) for _ in range(100))))
    await pool.close()
    return said

print(run(main()), asked)
"""


def test_a_resolver_that_hangs_holds_nothing_up() -> None:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", RESOLVER], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("{'cannot connect within 0.4 s'} 1\n", "")
    assert time.monotonic() - began < 25


ADDRESSES = """
import socket
_real = socket.getaddrinfo
def getaddrinfo(host, port, *more, **options):
    if host != "gate.invalid":
        return _real(host, port, *more, **options)
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]
socket.getaddrinfo = getaddrinfo
"""


def test_an_address_that_is_dead_is_not_the_last(glm, cwd, tmp_path) -> None:
    (tmp_path / "sitecustomize.py").write_text(ADDRESSES)
    (cwd / "rows.txt").write_text("hi\n")
    with Server(answer("a")) as server, ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.2", server.port))  # its queue is full, so that the system answers no SYN
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        flags = ("-m", "vllm/x", "--base-url", f"http://gate.invalid:{server.port}/v1", "-q")
        done = glm("batch", "run", "rows.txt", *flags, env={"PYTHONPATH": str(tmp_path)})
    assert done.code == 0, done.err


# Large requests


class Large:
    """A call whose body is counted as it goes. Shape: as an HttpCall."""

    method, headers, key, body = "POST", HEADERS, None, BODY
    step, steps = 1 << 18, 200  # 50 MiB

    def __init__(self, url: str) -> None:
        self.url = f"{url}/chat/completions"
        self.taken = 0
        self.length = self.step * self.steps

    def content(self):
        return self

    def __len__(self) -> int:
        return self.length

    def __iter__(self):
        for _ in range(self.steps):
            self.taken += 1
            yield bytes(self.step)


def test_media_are_sent_as_they_are_read() -> None:
    data = bytes(range(256)) * 40_000
    with Server(reply(200, "{}")) as server:

        async def main():
            image = {"url": Media("image", data=data, type="image/png")}
            request = HttpCall(f"{server.url}/x", HEADERS, image, has_data=True)
            lane = lane_to(server.url)
            for _ in range(2):
                await sent(lane, request)

        run(main())
    assert [request.json["url"] for request in server.requests] == [
        f"data:image/png;base64,{b64encode(data).decode()}"
    ] * 2


def test_a_large_request_goes_no_faster_than_it_is_read() -> None:
    go = threading.Event()

    def slow(connection):
        connection.recv(1000)
        go.wait(TIMEOUT)
        while connection.recv(1 << 20):
            pass

    with Relay(slow) as front:

        async def main():
            large = Large(url_of(front))
            task = asyncio.create_task(sent(lane_to(url_of(front)), large))
            taken = -1
            while large.taken != taken:  # until it stands still
                taken = large.taken
                await asyncio.sleep(0.1)
            go.set()
            await until(lambda: large.taken == large.steps)
            task.cancel()
            return taken

        assert run(main()) < 60


@pytest.mark.parametrize("hangs_up", [True, False])
def test_a_refusal_before_the_request_is_whole(hangs_up) -> None:
    refusal = joined(reply(413, {"error": {"message": "too large"}}))
    held = threading.Event()

    def refuse(connection):
        connection.recv(1000)
        connection.sendall(refusal)
        if not hangs_up:
            held.wait(TIMEOUT)

    with Relay(refuse) as front:

        async def main():
            large, ear = Large(url_of(front)), Ear()
            await sent(lane_to(url_of(front)), large, ear)
            return ear, large.taken

        ear, taken = run(main())
        held.set()
    assert (ear.status, ear.body) == (413, b'{"error": {"message": "too large"}}')
    assert taken < Large.steps


def test_a_refusal_ends_a_request_that_is_still_read() -> None:
    came = []

    def refuse(connection):
        connection.recv(1000)
        connection.sendall(head(status=413) + chunk("too "))
        connection.settimeout(0.5)
        try:
            while data := connection.recv(1 << 20):
                came.append(len(data))
        except TimeoutError:
            connection.sendall(chunk("large") + END)

    with Relay(refuse) as front:

        async def main():
            return await sent(lane_to(url_of(front)), Large(url_of(front)))

        assert run(main()).body == b"too large"
    assert sum(came) < Large.step * Large.steps / 2


def test_a_large_request_that_nobody_reads() -> None:
    def hold(connection):
        connection.recv(1000)
        time.sleep(1.5)

    with Relay(hold) as front:

        async def main():
            with pytest.raises(NetworkError) as caught:
                await sent(lane_to(url_of(front)), Large(url_of(front)), Ear(limits=LIMITS.replace(first=0.4)))
            return sides(caught.value)

        assert run(main()) == (NetworkError, "no response within 0.4 s", Retry.NETWORK, True, False)


# Proxies


@pytest.mark.parametrize("user", ["", "me:p%40ssword@"])
def test_plain_http_through_a_proxy(user) -> None:
    with Server(reply(200, "{}")) as proxy:
        ask(GATE, times=2, environment={"http_proxy": f"http://{user}127.0.0.1:{proxy.port}"})
    assert [request.path for request in proxy.requests] == ["http://gate.invalid/v1/chat/completions"] * 2
    assert proxy.requests[0].header("Host") == "gate.invalid"
    wanted = "Basic " + b64encode(b"me:p@ssword").decode() if user else None
    assert proxy.requests[0].header("Proxy-Authorization") == wanted


def test_a_proxy_by_an_address_of_ipv6() -> None:
    with pytest.raises(NetworkError) as caught:
        ask(GATE, environment={"http_proxy": "http://[::1]:1"})
    assert caught.value.message.startswith("cannot connect to gate.invalid (through the proxy http://[::1]:1): ")


@pytest.mark.parametrize("proxy_is_secure", [False, True])
def test_a_tunnel(authority, proxy_is_secure) -> None:
    tunnels = ConnectHandshake()
    gate = tls(authority.issue("gate", "DNS:gate.invalid"))
    door = tls(authority.issue("door", HERE))
    scheme = "https" if proxy_is_secure else "http"
    with Server(reply(200, "{}")) as server, Relay(gate, server.port) as origin, ExitStack() as stack:
        proxy = stack.enter_context(Relay(tunnels, origin.port))
        if proxy_is_secure:
            proxy = stack.enter_context(Relay(door, proxy.port))
        environment = {
            "https_proxy": f"{scheme}://me:p%40ssword@127.0.0.1:{proxy.port}",
            "SSL_CERT_FILE": str(authority.file),
        }
        ask("https://gate.invalid/v1", times=2, environment=environment)
    (connect,) = tunnels.heads
    assert connect.startswith("CONNECT gate.invalid:443 HTTP/1.1\r\nHost: gate.invalid")
    assert "User-Agent: glm/x\r\n" in connect
    assert f"Proxy-Authorization: Basic {b64encode(b'me:p@ssword').decode()}\r\n" in connect
    assert [request.path for request in server.requests] == ["/v1/chat/completions"] * 2
    assert server.requests[0].header("Proxy-Authorization") is None


@pytest.mark.parametrize("password", [False, True])
def test_socks(password) -> None:
    socks = SocksHandshake(password=password)
    with Server(reply(200, "{}")) as server, Relay(socks, server.port) as front:
        user = "me:p%40ssword@" if password else ""
        ask(GATE, times=2, environment={"ALL_PROXY": f"socks5h://{user}127.0.0.1:{front.port}"})
    # No connection through SOCKS is used twice (docs/decisions/0001-http.md).
    assert socks.targets == [("gate.invalid", 80)] * 2
    assert socks.users == ([b"me:p@ssword"] * 2 if password else [])
    assert [request.path for request in server.requests] == ["/v1/chat/completions"] * 2


def test_tls_through_socks(authority) -> None:
    socks, gate = SocksHandshake(), tls(authority.issue("sock", "DNS:gate.invalid"))
    with Server(reply(200, "{}")) as server, Relay(gate, server.port) as front, Relay(socks, front.port) as proxy:
        environment = {"SSL_CERT_FILE": str(authority.file), "ALL_PROXY": url_of(proxy, "socks5")}
        ask("https://gate.invalid/v1", environment=environment)
    assert socks.targets == [("gate.invalid", 443)]


def saying(*words: bytes | None):
    """Answers each word with one of these; None hangs up unasked, and an empty one asked."""

    def greet(connection: socket.socket) -> None:
        for word in words:
            if word is None or not (connection.recv(1 << 16) and word):
                return
            connection.sendall(word)
        connection.recv(1 << 16)

    return greet


REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
UNREACHABLE = b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"
PROXY_FAULTS = {
    "plain, a password": ("http", "http", (REFUSED,), "the proxy {} refused: HTTP 407"),
    "tunnel, a password": ("https", "http", (REFUSED,), "the proxy {} refused: 407 Proxy Authentication Required"),
    "tunnel, no HTTP": (
        "https",
        "http",
        (b"rubbish\r\n\r\n",),
        "gate.invalid (through the proxy {}) does not speak HTTP: ",
    ),
    "tunnel, nothing": (
        "https",
        "http",
        (b"",),
        "gate.invalid (through the proxy {}) closed the connection without an answer",
    ),
    "tunnel, no TLS": (
        "https",
        "http",
        (b"HTTP/1.1 200 OK\r\n\r\n", b"rubbish" * 9),
        "cannot finish TLS with gate.invalid (through the proxy {}): ",
    ),
    "socks, nothing": ("http", "socks5", (), "the proxy {} does not speak SOCKS 5"),
    "socks, HTTP": ("http", "socks5", (b"HTTP/1.1 400 no\r\n\r\n",), "the proxy {} does not speak SOCKS 5"),
    "socks, a password": (
        "http",
        "socks5",
        (b"\x05\xff",),
        "the proxy {} refused: Requested NO AUTHENTICATION REQUIRED from proxy server, but got NO ACCEPTABLE METHODS.",
    ),
    "socks, cut": ("http", "socks5", (b"\x05\x00", b"\x05\x00", None), "the proxy {} does not speak SOCKS 5"),
    "socks, refused": (
        "http",
        "socks5",
        (b"\x05\x00", UNREACHABLE),
        "the proxy {} refused: Proxy Server could not connect: Connection refused.",
    ),
}


@pytest.mark.parametrize("name", PROXY_FAULTS)
def test_a_proxy_that_fails(name, glm) -> None:
    scheme, kind, words, said = PROXY_FAULTS[name]
    with Relay(saying(*words)) as front:
        environment = {"ALL_PROXY": url_of(front, kind)}
        url = f"{scheme}://gate.invalid/v1"
        error = fails(url, environment=environment)
        done = glm("ask", "-m", "vllm/x", "--base-url", url, "--retries", "0", "-R", "hi", env=environment)
    assert error.message.startswith(said.format(url_of(front, kind)))
    assert error_of(done.err).startswith(f"vllm: {said.format(url_of(front, kind))}")
    assert done.code == error.exit_code


# TLS


def test_tls(authority) -> None:
    names, protocols = [], []
    context = authority.issue("good", HERE)
    context.sni_callback = lambda _, name, __: names.append(name)
    context.set_alpn_protocols(["h2", "http/1.1"])

    def greet(connection):
        secured = context.wrap_socket(connection, server_side=True)
        protocols.append(secured.selected_alpn_protocol())
        return secured

    with Server(answer("a")) as server, Relay(greet, server.port) as front:
        ask(f"https://localhost:{front.port}/v1", times=3, environment={"SSL_CERT_FILE": str(authority.file)})
    assert (names, protocols, len(server.requests)) == (["localhost"], ["http/1.1"], 3)


CERTIFICATES = {
    "another name": (lambda ca: ca.issue("elsewhere", "DNS:gate.example"), True, "mismatch"),
    "expired": (lambda ca: ca.issue("expired", HERE, days=-1), True, "expired"),
    "signed by itself": (lambda ca: ca.self_signed("alone", HERE), True, "self-signed certificate"),
    "an unknown authority": (lambda ca: ca.issue("unknown", HERE), False, "unable to get local issuer"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_that_is_not_trusted(name, authority, glm) -> None:
    make, ours, why = CERTIFICATES[name]
    environment = {"SSL_CERT_FILE": str(authority.file)} if ours else {}
    with Server(reply(200, "{}")) as server, Relay(tls(make(authority)), server.port) as front:
        url = f"https://localhost:{front.port}/v1"
        error = fails(url, environment=environment)
        done = glm("ask", "-m", "vllm/x", "--base-url", url, "--retries", "3", "-R", "hi", env=environment)
    assert (type(error), error.retry, error.sent, server.requests) == (NetworkError, None, False, [])
    assert error.message.startswith(f"cannot trust the certificate of localhost:{front.port}: ")
    assert why in error.message
    assert error_of(done.err) == f"vllm: {error.message}"
    assert error.fix == "name the file of your own certificate authority in SSL_CERT_FILE"


@pytest.mark.parametrize("said", [b"\x15\x03\x01\x00\x02\x02\x46", b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_no_tls(said, glm) -> None:
    with Relay(saying(said)) as front:
        error = fails(url_of(front, "https"))
        done = glm("ask", "-m", "vllm/x", "--base-url", url_of(front, "https"), "--retries", "0", "-R", "hi")
    assert error.message.startswith(f"cannot finish TLS with 127.0.0.1:{front.port}: ")
    assert error_of(done.err) == f"vllm: {error.message}"


def test_certificates_that_cannot_be_read(tmp_path) -> None:
    (tmp_path / "ca.pem").write_text("no certificates here\n")
    with Relay(lambda connection: connection) as front:
        error = fails(url_of(front, "https"), environment={"SSL_CERT_FILE": str(tmp_path / "ca.pem")})
    assert type(error) is UsageError


# Who hangs up


async def held(server: Server):
    """A lane whose request the server has, and the task that waits for the answer."""
    lane = lane_to(server.url)
    task = asyncio.create_task(asked(lane, server.url))
    await until(lambda: server.requests)
    return lane, task


@pytest.mark.parametrize("script", [[Stall()], [head(), chunk(HALF), Stall()]], ids=["before", "in the middle"])
def test_to_be_cancelled_is_to_hang_up(script) -> None:
    with Server(script, reply(200, "{}")) as server:

        async def main():
            lane, task = await held(server)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(server.hung_up.wait, TIMEOUT)
            return await asked(lane, server.url)  # it may be used again

        assert run(main()).body == b"{}"


def test_an_answer_that_comes_while_its_request_is_cancelled() -> None:
    """Who waited has not come round yet when the bytes are read, in the same round of the loop."""
    with Server([Stall()], reply(200, "{}")) as server:

        async def main():
            lane, task = await held(server)
            task.cancel()
            (exchange,) = lane._exchanges  # noqa: SLF001 - no other way
            exchange._protocol.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")  # noqa: SLF001
            with pytest.raises(asyncio.CancelledError):
                await task
            return await asked(lane, server.url)

        assert run(main()).body == b"{}"


def test_to_be_closed_is_to_hang_up() -> None:
    with Server([Stall()]) as server:

        async def main():
            lane, task = await held(server)
            await lane.close()
            assert await asyncio.to_thread(server.hung_up.wait, TIMEOUT)
            with pytest.raises(NetworkError):
                await task

        run(main())


def test_lanes_do_not_wait_for_each_other() -> None:
    scripts = [[Pause(1.5), *reply(200, {"n": 1})]] * 20
    with Server(*scripts) as server, through(server) as front:

        async def main():
            lanes = [lane_to(url_of(front)) for _ in range(20)]
            return await asyncio.gather(*(asked(lane, url_of(front)) for lane in lanes))

        began = time.monotonic()
        assert [ear.body for ear in run(main())] == [b'{"n": 1}'] * 20
        assert time.monotonic() - began < 15
    assert front.connections == 20


# Connections, and who has them


def test_a_connection_that_another_request_has_is_not_idle() -> None:
    # Whoever asks in the moment in which a response comes gets its connection before that response is read. That is one
    # of these two: a loop reads its sockets before it goes on with its tasks, the other one after.
    slowly = [head(), chunk(HALF), Pause(0.6), chunk(event("[DONE]")), END]
    with Server([head(), chunk("{}"), Pause(0.1), END], slowly) as server, through(server) as front:

        async def main():
            lane = lane_to(url_of(front))
            ear = Ear()
            first = asyncio.create_task(sent(lane, call(url_of(front)), ear))
            await until(lambda: ear.body)
            time.sleep(0.2)  # noqa: ASYNC251 - the end of the response is there when the loop looks
            second = asyncio.create_task(asked(lane, url_of(front)))
            await asyncio.sleep(0)
            third = asyncio.create_task(asked(lane, url_of(front)))
            return [ear.body[-8:] for ear in await asyncio.gather(first, second, third)]

        assert run(main()) == [b"{}", b"[DONE]\n\n", b"[DONE]\n\n"]
    assert (front.connections, len(server.requests)) == (2, 3)


def test_what_came_while_the_loop_stalled_is_not_late() -> None:
    # As when nobody reads stdout: the responses wait in the sockets, and one was asked for just before.
    with Server([head(), chunk(HALF), Pause(0.2), chunk(event("[DONE]")), END], reply(200, "{}")) as server:

        async def main():
            lane = lane_to(server.url)
            limits = {"first": 0.5, "idle": 0.5, "connect": 0.5}
            first = asyncio.create_task(asked(lane, server.url, LIMITS.replace(**limits)))
            await until(lambda: server.requests)
            second = asyncio.create_task(asked(lane, server.url, LIMITS.replace(**limits)))
            for _ in range(4):
                await asyncio.sleep(0)
            time.sleep(1.2)  # noqa: ASYNC251 - nobody reads stdout
            return [ear.body[-8:] for ear in await asyncio.gather(first, second)]

        assert run(main()) == [b"[DONE]\n\n", b"{}"]
    assert len(server.requests) == 2


@pytest.mark.parametrize("more", [joined(reply(200, {"smuggled": 1})), b""])
def test_what_waits_in_the_socket_of_an_idle_connection_costs_the_connection(more) -> None:
    # Bytes would be taken for the answer; after the end the request would go out twice.
    with Server([*reply(200, {"a": 1}), Pause(0.1), more, *[Stall()] * bool(more)], reply(200, {"b": 1})) as server:

        async def main():
            lane = lane_to(server.url)
            first = await asked(lane, server.url)
            time.sleep(0.3)  # noqa: ASYNC251 - the loop reads nothing meanwhile
            return [first.body, (await asked(lane, server.url)).body]

        assert run(main()) == [b'{"a": 1}', b'{"b": 1}']
    assert len(server.requests) == 2


def test_there_are_never_more_connections_than_requests_at_a_time(home, cwd) -> None:
    # The end of each stream never comes, and the next request waits for it a little.
    (cwd / "rows.txt").write_text("".join(f"row {n}\n" for n in range(100)))
    with Server([*answer("a")[:-1], Stall()]) as server:
        flags = f"-m vllm/x --base-url {server.url} -j 32 -q -O out.jsonl"
        done = shell(f"ulimit -n 64; $GLM batch run rows.txt {flags}", home, cwd)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert len(server.requests) == 100
