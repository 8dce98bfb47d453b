"""Large requests whose answer comes before they are out, to `ask` and to a batch, with and without TLS."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager

import pytest
from processes import TIMEOUT, error_of
from proxies import Relay, tls
from scripted_server import END, Server, answer, chunk, head, reply

HERE = "DNS:localhost,IP:127.0.0.1"
SIZE = 24 << 20  # bytes; far more than all buffers on the way hold
REFUSAL = reply(413, {"error": {"message": "too large"}})[0]
SAID = "vllm: the request was refused as malformed (HTTP 413)"


@pytest.fixture(params=["ask", "batch"])
def put(request, glm, cwd, authority):
    """Sends a large request; the exit code, and the error that it ended with or None."""
    (cwd / "big.txt").write_text("x" * SIZE)
    (cwd / "rows.txt").write_text("hi\n")
    env = {"SSL_CERT_FILE": str(authority.file)}

    def run(url: str) -> tuple[int, str | None]:
        flags = ("-m", "vllm/x", "--base-url", url, "-a", "big.txt", "--retries", "0", "--first-timeout", "20")
        if request.param == "ask":
            done = glm("ask", *flags, "-R", "hi", env=env)
            return done.code, error_of(done.err) if done.code else None
        done = glm("batch", "run", "rows.txt", *flags, "-q", env=env)
        error = json.loads(done.out)["error"]
        return (error["exit_code"], error["message"]) if error else (0, None)

    return run


@pytest.fixture(params=["http", "https"])
def front(request, authority):
    """Takes connections, with TLS or without, and does this with each; gives its base URL."""
    secure = tls(authority.issue("upload", HERE))

    @contextmanager
    def make(greet, port=0):
        def both(connection):
            client = secure(connection) if request.param == "https" else connection
            try:
                passed_on = greet(client)
            except OSError:
                passed_on = None
            if passed_on is None:
                client.close()
            return passed_on

        with Relay(both, port) as opened:
            yield f"{request.param}://localhost:{opened.port}/v1"

    return make


@pytest.mark.sampled(3)
@pytest.mark.parametrize("reads", [False, True], ids=["reads no more", "reads on"])
def test_a_refusal_ends_the_upload(put, front, reads) -> None:
    over, came = threading.Event(), []

    def refuse(connection):
        came.append(len(connection.recv(1000)))
        connection.sendall(REFUSAL)
        while reads and (data := connection.recv(1 << 20)):
            came.append(len(data))
        over.wait(0 if reads else TIMEOUT)

    with front(refuse) as url:
        assert put(url) == (2, SAID)
        over.set()
    assert sum(came) < SIZE


def test_a_refusal_that_comes_in_pieces(put, front) -> None:
    go = threading.Event()

    def refuse(connection):
        connection.recv(1000)
        connection.sendall(head(status=413, content_type="application/json") + chunk('{"error": {"message"'))
        go.wait(0.3)
        connection.sendall(chunk(': "too large"}}') + END)
        go.wait(1)

    with front(refuse) as url:
        assert put(url) == (2, SAID)


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    "first", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"]
)
def test_what_is_no_answer_ends_nothing(put, front, first) -> None:
    """Nor do the tickets that TLS sends on its own."""

    def greet(connection):
        connection.sendall(first)
        return connection

    with Server(answer("Hi")) as server, front(greet, server.port) as url:
        assert put(url) == (0, None)
    assert len(server.requests[0].body) > SIZE


def test_a_connection_that_breaks_under_the_upload(put, front) -> None:
    def hang_up(connection):
        connection.recv(1000)

    with front(hang_up) as url:
        code, message = put(url)
    assert code == 6
    assert message is not None
    assert message.startswith("vllm: ")
