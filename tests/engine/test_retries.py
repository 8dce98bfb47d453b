"""When a question is asked again, of whom, how long it may take, and what is said of it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from email.utils import formatdate

import pytest
from program import CANARY, GLM, environment
from scripted_server import END, Pause, Reset, Server, Stall, answer, chunk, delta, event, head, reply, stream

NOW = "Retry-After: 0"
BUSY = reply(429, {"error": {"code": "1302", "message": "said"}}, NOW)
BROKE = stream(delta(reasoning_content="Hm"), delta(content="Hal"), done=False)
SOON = "; retrying in 0.0 s"
BILLED = "(the first request may be billed)"


def refusal(code, *headers, status=429):
    return reply(status, {"error": {"code": code, "message": "said"}}, *headers)


def ask(glm, keys, server, *flags, command="ask", row="zai"):
    return glm(command, "-P", row, "-m", "glm-5", "--base-url", server.url, *flags, "hi", env=keys)


# --- how often ---


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_each_retry_is_one_line(glm, keys, command) -> None:
    with Server(BUSY, BUSY, BUSY, answer("Hello", "Hm")) as server:
        done = ask(glm, keys, server, command=command)
    assert (done.code, done.out) == (0, b"Hello\n")
    assert len(server.requests) == 4
    again = f"glm: zai: too many requests in flight (HTTP 429, code 1302){SOON}\n"
    assert done.err == 3 * again + "Hm\n"
    assert all(request == server.requests[0] for request in server.requests)


@pytest.mark.parametrize(("flags", "requests"), [((), 4), (("--retries", "0"), 1), (("--retries", "2"), 3)])
def test_the_last_refusal_counts(glm, keys, flags, requests) -> None:
    with Server(BUSY) as server:
        done = ask(glm, keys, server, *flags, "--json")
    value = json.loads(done.out)
    assert (done.code, len(server.requests), value["attempts"]) == (5, requests, requests)
    assert done.err.count(SOON) == requests - 1
    assert done.err.endswith("glm: error: zai: too many requests in flight (HTTP 429, code 1302)\n  why: said\n")


def test_quiet_hides_the_retries(glm, keys) -> None:
    with Server(BUSY, answer()) as server:
        done = ask(glm, keys, server, "-q")
    assert (done.code, done.out, done.err) == (0, b"Hello\n", "")


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (401, "1000", 3),
        (429, "1113", 4),
        (429, "1308", 4),
        (429, "1309", 4),
        (400, "1210", 2),
        (400, "1261", 7),
        (400, "1301", 8),
        (501, "", 5),
        (505, "", 5),
    ],
)
def test_what_waiting_cannot_cure_is_asked_once(glm, keys, status, code, exit_code) -> None:
    with Server(refusal(code, NOW, status=status)) as server:
        done = ask(glm, keys, server)
    assert (done.code, len(server.requests)) == (exit_code, 1)
    assert "retrying in" not in done.err


@pytest.mark.sampled(3)
@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_waiting_may_cure_is_asked_again(glm, keys, status) -> None:
    with Server(reply(status, "", NOW), answer()) as server:
        done = ask(glm, keys, server)
    assert (done.code, done.out, len(server.requests)) == (0, b"Hello\n", 2)


@pytest.mark.parametrize("reason", ["length", "sensitive", "bored", "tool_calls"])
def test_an_answer_is_not_asked_again_for_its_end(glm, keys, reason) -> None:
    with Server(stream(delta(content="Hi"), delta(finish_reason=reason))) as server:
        done = ask(glm, keys, server)
    assert done.code in (7, 8, 13)
    assert len(server.requests) == 1


def test_an_empty_answer_is_not_asked_again(glm, keys) -> None:
    with Server(stream(delta(finish_reason="stop"))) as server:
        assert ask(glm, keys, server).code == 7
    assert len(server.requests) == 1


# --- how long ---


def announced(keys, home, script, count=1):
    """The waits that the program announces; it is ended before it has waited for the last."""
    with Server(script) as server:
        arguments = [GLM, "ask", "-P", "zai", "--base-url", server.url, "hi"]
        with subprocess.Popen(
            arguments, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment(home, **keys), text=True
        ) as process:
            lines = [process.stderr.readline() for _ in range(count)]
            process.kill()
    return [float(re.search(r"; retrying in (\d+\.\d) s", line)[1]) for line in lines]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("script", "least"),
    [
        (refusal("1302"), 1),
        (refusal("1303"), 1),
        (refusal("1305"), 15),
        (refusal("1312"), 15),
        (refusal("", status=529), 15),
        (refusal("500", status=500), 1),
        (reply(200, {"error": {"code": "1305", "message": "said"}}), 15),
        ([Reset()], 1),
        ([head(), Reset()], 1),
        # What is no number of seconds is as good as nothing.
        (refusal("1302", "Retry-After: soon"), 1),
        (refusal("1302", "Retry-After: -5"), 1),
        (refusal("1302", "Retry-After: nan"), 1),
        (refusal("1302", "Retry-After: inf"), 1),
        (refusal("1302", "Retry-After: 12, 34"), 1),
    ],
)
def test_the_wait_depends_on_the_cause(keys, home, script, least) -> None:
    (wait,) = announced(keys, home, script)
    assert least <= wait <= least * 1.25 + 0.05


@pytest.mark.parametrize(("value", "wait"), [("7", 7.0), ("0.5", 0.5), ("60", 60.0), ("1e1", 10.0)])
def test_retry_after_is_obeyed(keys, home, value, wait) -> None:
    assert announced(keys, home, refusal("1302", f"Retry-After: {value}")) == [wait]


def test_retry_after_as_a_date(keys, home) -> None:
    (wait,) = announced(keys, home, refusal("1302", f"Retry-After: {formatdate(time.time() + 30, usegmt=True)}"))
    assert 25 <= wait <= 30
    past = announced(keys, home, refusal("1302", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"))
    assert past == [0.0]


def test_the_one_minute_limit_is_waited_out(keys, home) -> None:
    body = {"code": "Throttling.AllocationQuota", "message": "Allocated quota exceeded"}
    with Server(reply(429, body)) as server:
        arguments = [GLM, "ask", "-P", "dashscope", "--base-url", server.url, "hi"]
        with subprocess.Popen(
            arguments, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment(home, **keys), text=True
        ) as process:
            line = process.stderr.readline()
            process.kill()
    assert "the one-minute token limit is reached" in line
    assert 60 <= float(re.search(r"in (\d+\.\d) s", line)[1]) <= 75


def test_the_ladder_climbs(keys, home) -> None:
    first, second = announced(keys, home, refusal("1302"), count=2)
    assert 1 <= first <= 1.3
    assert 2 <= second <= 2.6


@pytest.mark.sampled(4)
@pytest.mark.parametrize("flags", [(), ("--retries", "0"), ("--retry-max-time", "1000")])
@pytest.mark.parametrize("seconds", ["61", "70", "3600", "1e9"])
def test_a_long_retry_after_ends_the_question(glm, keys, seconds, flags) -> None:
    with Server(refusal("1302", f"Retry-After: {seconds}")) as server:
        done = ask(glm, keys, server, *flags)
    assert (done.code, len(server.requests)) == (5, 1)
    assert f"the server asks to wait {float(seconds):.0f} s" in done.err


def test_a_long_retry_after_as_a_date(glm, keys) -> None:
    date = formatdate(time.time() + 7200, usegmt=True)
    with Server(refusal("1302", f"Retry-After: {date}")) as server:
        done = ask(glm, keys, server)
    assert (done.code, len(server.requests)) == (5, 1)
    assert re.search(r"the server asks to wait 7(200|19\d) s", done.err)


@pytest.mark.parametrize(("code", "most"), [("1302", "0.9"), ("1305", "14")])
def test_retries_end_with_their_time(glm, keys, code, most) -> None:
    with Server(refusal(code)) as server:
        done = ask(glm, keys, server, "--retry-max-time", most)
    assert (done.code, len(server.requests)) == (5, 1)


def test_the_time_counts_from_the_first_request(glm, keys) -> None:
    # 1 s fits, 1 s and 2 s do not.
    with Server(refusal("1302")) as server:
        done = ask(glm, keys, server, "--retry-max-time", "2.5")
    assert (done.code, len(server.requests)) == (5, 2)


def test_no_wait_goes_beyond_the_deadline(glm, keys) -> None:
    with Server(refusal("1302", "Retry-After: 50")) as server:
        began = time.monotonic()
        done = ask(glm, keys, server, "--deadline", "40")
    assert time.monotonic() - began < 20
    assert (done.code, len(server.requests)) == (5, 1)


# --- what may have been billed ---

UNKNOWN = {
    "cut": (BROKE, 7),
    "cut in the body": (stream(delta(content="Hal"), done=False, end=False), 7),
    "reset": ([*stream(delta(content="Hal"), done=False, end=False), Reset()], 6),
    "closed the connection without an answer": ([], 6),
    "reset without an answer": ([Reset()], 6),
    "silence": ([Stall()], 6),
    "error after text": (stream(delta(content="Hal"), {"error": {"code": "1302", "message": "m"}}), 5),
    "network_error": (stream(delta(content="Hal"), delta(finish_reason="network_error")), 5),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", UNKNOWN)
def test_ask_sends_again_once_and_says_so(glm, keys, name) -> None:
    script, code = UNKNOWN[name]
    with Server(script) as server:
        done = ask(glm, keys, server, "--first-timeout", "0.4")
    assert (done.code, done.out, len(server.requests)) == (code, b"", 2)
    assert done.err.count(BILLED) == 1
    assert done.err.count("retrying in") == 1


def test_the_second_answer_stands_alone(glm, keys, cwd) -> None:
    with Server(BROKE, answer("Hello", "Aha")) as server:
        done = ask(glm, keys, server, "--reasoning", "thoughts", "--meta", "meta")
    assert (done.code, done.out, len(server.requests)) == (0, b"Hello\n", 2)
    assert (cwd / "thoughts").read_text() == "Aha\n"
    assert json.loads((cwd / "meta").read_text())["attempts"] == 2
    assert BILLED in done.err


def test_reasoning_on_stderr_ends_its_line_before_the_retry(glm, keys) -> None:
    with Server(BROKE, answer("Hello", "Aha")) as server:
        done = ask(glm, keys, server)
    assert (done.code, done.out) == (0, b"Hello\n")
    first, again, second = done.err.splitlines()
    assert (first, second) == ("Hm", "Aha")
    assert again.startswith("glm: zai: the stream ended before the model finished; retrying in 1.")


def test_a_refusal_after_a_broken_reply_is_still_waited_for(glm, keys) -> None:
    with Server(BROKE, BUSY, BUSY, answer()) as server:
        done = ask(glm, keys, server)
    assert (done.code, done.out, len(server.requests)) == (0, b"Hello\n", 4)


def test_retry_in_json_lines_voids_what_came(glm, keys) -> None:
    with Server(BROKE, answer()) as server:
        done = ask(glm, keys, server, "--jsonl")
    events = [json.loads(line) for line in done.text.splitlines()]
    kinds = [each["type"] for each in events]
    assert kinds == ["start", "reasoning", "answer", "retry", "start", "answer", "end"]
    assert events[3]["attempt"] == 2
    assert events[3]["error"]["type"] == "incomplete"
    assert events[-1] == {"type": "end", "finish_reason": "stop", "complete": True}


@pytest.mark.parametrize(
    "script",
    [
        BROKE,
        stream(delta(reasoning_content="Hm"), done=False),
        stream(delta(content="Hal"), {"error": {"code": "1302", "message": "m"}}),
        [*stream(delta(content="Hal"), done=False, end=False), Reset()],
        stream(delta(content="Hal"), delta(finish_reason="network_error")),
        stream(delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f"}}]), done=False),
    ],
)
def test_stream_never_sends_again_after_an_event(glm, keys, script) -> None:
    with Server(script) as server:
        done = ask(glm, keys, server, command="stream")
    assert done.code in (5, 6, 7)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "script", [stream({"error": {"code": "1302", "message": "m"}}), [head(), chunk(": ping\n\n"), END]]
)
def test_stream_sends_again_before_the_first_event(glm, keys, script) -> None:
    with Server(script, answer()) as server:
        done = ask(glm, keys, server, command="stream")
    assert (done.code, done.out, len(server.requests)) == (0, b"Hello\n", 2)


def test_nobody_listens(glm, keys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    flags = ("--base-url", f"http://127.0.0.1:{port}/v1", "--retries", "1", "--json")
    done = glm("ask", "-P", "zai", *flags, "hi", env=keys)
    value = json.loads(done.out)
    assert (done.code, value["attempts"]) == (6, 2)
    assert value["error"]["message"] == f"zai: cannot connect to 127.0.0.1:{port}: Connection refused"
    assert BILLED not in done.err


# --- fallback ---


def config(cwd, *servers):
    """Rows `one`, `two` … for these servers, spoken to as to vLLM, without keys."""
    rows = [
        f"  {name}: {{like: vllm, base_url: {server.url}}}\n"
        for name, server in zip(("one", "two", "three"), servers, strict=False)
    ]
    (cwd / "config.yaml").write_text("providers:\n" + "".join(rows))
    return {"GLM_CONFIG": str(cwd / "config.yaml")}


FALLS = {
    "balance": (refusal("1113"), "the balance is used up"),
    "rate": (BUSY, "too many requests in flight"),
    "server error": (reply(501, ""), "the provider failed"),
    "hang-up": ([], "closed the connection without an answer"),
    "HTML": (reply(200, "<html>", content_type="text/html"), "got HTML"),
    "redirect": (reply(302, "", "Location: http://127.0.0.1:1/"), "refusing the redirect"),
    "unknown finish": (stream(delta(finish_reason="bored")), "unknown finish_reason"),
    "no such model": (refusal("1211", status=400), "the model does not exist here"),
    "broken stream": (BROKE, "the stream ended before the model finished"),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", FALLS)
def test_fallback(glm, keys, cwd, name) -> None:
    script, why = FALLS[name]
    with Server(script) as first, Server(answer()) as second:
        settings = config(cwd, second)
        flags = ("--retries", "0", "--fallback", "one/glm-x", "--json")
        done = ask(glm, keys | settings, first, *flags)
    value = json.loads(done.out)
    assert (done.code, value["provider"], value["model"], value["answer"]) == (0, "one", "glm-x", "Hello")
    assert (len(first.requests), len(second.requests), value["attempts"]) == (1, 1, 2)
    assert re.search(rf"^glm: zai: .*{re.escape(why)}.*; asking one/glm-x", done.err, re.MULTILINE)
    assert second.requests[0].json["model"] == "glm-x"


STAYS = {
    "malformed": (refusal("1210", status=400), 2),
    "key": (refusal("1000", status=401), 3),
    "filter": (refusal("1301", status=400), 8),
    "filtered answer": (stream(delta(content="x"), delta(finish_reason="sensitive")), 8),
    "length": (stream(delta(content="x"), delta(finish_reason="length")), 7),
    "context": (refusal("1261", status=400), 7),
    "empty": (stream(delta(finish_reason="stop")), 7),
    "tools": (
        stream(delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f"}}]), delta(finish_reason="stop")),
        10,
    ),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", STAYS)
def test_no_fallback(glm, keys, cwd, name) -> None:
    script, code = STAYS[name]
    with Server(script) as first, Server(answer()) as second:
        done = ask(glm, keys | config(cwd, second), first, "--fallback", "one/glm-x")
    assert (done.code, len(first.requests), len(second.requests)) == (code, 1, 0)


def test_retries_come_before_the_fallback(glm, keys, cwd) -> None:
    with Server(BUSY) as first, Server(BUSY, answer()) as second:
        flags = ("--retries", "2", "--fallback", "one/glm-x", "--json")
        done = ask(glm, keys | config(cwd, second), first, *flags)
    assert (done.code, len(first.requests), len(second.requests)) == (0, 3, 2)
    assert json.loads(done.out)["attempts"] == 5


def test_the_last_candidate_has_the_last_word(glm, keys, cwd) -> None:
    with Server(refusal("1113")) as first, Server(BUSY) as second, Server(reply(401, {"error": "no"})) as third:
        flags = ("--retries", "0", "--fallback", "one/a", "--fallback", "two/b", "--json")
        done = ask(glm, keys | config(cwd, second, third), first, *flags)
    value = json.loads(done.out)
    assert (done.code, value["provider"], value["model"]) == (3, "two", "b")
    assert [len(server.requests) for server in (first, second, third)] == [1, 1, 1]


def test_fallback_to_another_model_of_the_same_provider(glm, cwd) -> None:
    missing = reply(404, {"error": {"message": "no", "type": "NotFoundError", "code": 404}})
    with Server(missing, answer()) as server:
        done = glm("ask", "-m", "one/a/b", "--fallback", "c/d", "--json", "hi", env=config(cwd, server))
    value = json.loads(done.out)
    assert (done.code, value["provider"], value["model"]) == (0, "one", "c/d")
    assert [request.json["model"] for request in server.requests] == ["a/b", "c/d"]


@pytest.mark.parametrize("script", [BROKE, stream(delta(content="x"), {"error": {"code": "1113", "message": "m"}})])
def test_no_fallback_after_printed_bytes(glm, keys, cwd, script) -> None:
    with Server(script) as first, Server(answer()) as second:
        flags = ("--fallback", "one/glm-x", "--retries", "0")
        done = ask(glm, keys | config(cwd, second), first, *flags, command="stream")
        assert (done.code in (4, 7), len(second.requests)) == (True, 0)
        done = ask(glm, keys | config(cwd, second), first, *flags)
    assert (done.code, done.out, len(second.requests)) == (0, b"Hello\n", 1)


def test_stream_falls_back_before_the_first_event(glm, keys, cwd) -> None:
    with Server(refusal("1113")) as first, Server(answer()) as second:
        done = ask(glm, keys | config(cwd, second), first, "--fallback", "one/glm-x", command="stream")
    assert (done.code, done.out) == (0, b"Hello\n")


def test_all_keys_are_there_before_the_first_request(glm, keys) -> None:
    del keys["TOKENHUB_API_KEY"]
    with Server(answer()) as server:
        done = ask(glm, keys, server, "--fallback", "tokenhub/glm-5")
    assert (done.code, done.out, server.requests) == (3, b"", [])
    assert "no key for tokenhub" in done.err


def test_all_limits_are_checked_before_the_first_request(glm, keys, cwd) -> None:
    with Server(answer()) as first, Server(answer()) as second:
        flags = ("--temperature", "1.5", "--fallback", "zai/glm-5")
        done = glm("ask", "-m", "one/x", *flags, "hi", env=keys | config(cwd, first))
    assert (done.code, first.requests, second.requests) == (2, [], [])
    assert "--temperature 1.5 is out of the range [0, 1] of zai" in done.err


def test_an_unknown_fallback_provider_is_a_model_of_the_first(glm, cwd) -> None:
    with Server(BUSY, answer()) as server:
        flags = ("--retries", "0", "--fallback", "nobody/x")
        done = glm("ask", "-m", "one/y", *flags, "hi", env=config(cwd, server))
    assert done.code == 0
    assert [request.json["model"] for request in server.requests] == ["y", "nobody/x"]


def test_address_and_key_file_are_the_firsts_alone(glm, keys, cwd) -> None:
    secret = cwd / "secret"
    secret.write_text("another-key-1234567890")
    secret.chmod(0o600)
    with Server(BUSY) as first, Server(answer()) as second:
        rows = f"{{like: openai, base_url: {second.url}, key_env: [MY_KEY]}}"
        (cwd / "config.yaml").write_text(f"providers: {{one: {rows}}}")
        env = keys | {"GLM_CONFIG": "config.yaml", "MY_KEY": CANARY}
        done = ask(glm, env, first, "--key-file", "secret", "--retries", "0", "--fallback", "one/x")
    assert done.code == 0, done.err
    assert first.requests[0].header("Authorization") == "Bearer another-key-1234567890"
    assert second.requests[0].header("Authorization") == f"Bearer {CANARY}"
    assert "another-key" not in done.err


# --- time limits ---


def within(seconds, began):
    assert time.monotonic() - began < seconds


@pytest.fixture
def deaf():
    """A listener whose queue is full, so that the system answers no SYN, and what fills it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        yield listener, fillers
        for filler in fillers:
            filler.close()


def test_connect_timeout(glm, keys, deaf) -> None:
    began = time.monotonic()
    url = f"http://127.0.0.1:{deaf[0].getsockname()[1]}/v1"
    flags = ("--base-url", url, "--connect-timeout", "0.4", "--retries", "0", "--json")
    done = glm("ask", "-P", "zai", *flags, "hi", env=keys)
    within(20, began)
    error = json.loads(done.out)["error"]
    assert (done.code, error["message"], error["retryable"]) == (6, "zai: cannot connect within 0.4 s", True)


def test_a_connection_that_comes_too_late_sends_nothing(keys, home, deaf) -> None:
    url = f"http://127.0.0.1:{deaf[0].getsockname()[1]}/v1"
    arguments = [GLM, "ask", "-P", "zai", "--base-url", url, "--connect-timeout", "0.3", "--retries", "1", "hi"]
    listener, fillers = deaf
    sent = []
    with subprocess.Popen(
        arguments, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment(home, **keys), text=True
    ) as process:
        assert "cannot connect within 0.3 s; retrying in 1." in process.stderr.readline()
        # Now there is room: the connection that was given up will stand when its SYN is sent again, a second later.
        for filler in fillers:
            filler.close()
        listener.settimeout(0.1)
        while process.poll() is None:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(1)
                sent.append(connection.recv(4))
                if sent[-1]:
                    connection.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
    assert sent.count(b"POST") == 1
    assert process.returncode == 3


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "script",
    [
        [Stall()],
        [step for byte in head() for step in (bytes([byte]), Pause(0.05))],
        [head(), Stall()],
        [head(), *[chunk(": ping\n\n"), Pause(0.05)] * 1000],
        [head(), chunk(event(delta(content="Hal"))[:-9]), Stall()],
        [reply(200, '{"choices":')[0].replace(b"Length: 11", b"Length: 99"), Stall()],
    ],
    ids=["silence", "header drip", "no data", "pings", "half an event", "whole"],
)
@pytest.mark.parametrize("command", ["ask", "stream"])
def test_first_timeout(glm, keys, script, command) -> None:
    with Server(script) as server:
        began = time.monotonic()
        done = ask(glm, keys, server, "--first-timeout", "0.6", "--retries", "0", command=command)
        within(20, began)
        assert server.hung_up.wait(30)
    assert (done.code, done.out) == (6, b"")
    assert "zai: no response within 0.6 s" in done.err


@pytest.mark.parametrize("keep_alive", [": ping\n\n", "\n", "id: 5\n\n", "retry: 1000\n\n"])
def test_idle_timeout_is_not_put_off_by_pings(glm, keys, keep_alive) -> None:
    pings = [chunk(keep_alive), Pause(0.05)] * 1000
    with Server([head(), chunk(event(delta(content="Hal"))), *pings]) as server:
        began = time.monotonic()
        done = ask(glm, keys, server, "--idle-timeout", "0.6", "--retries", "0", command="stream")
        within(20, began)
        assert server.hung_up.wait(30)
    assert (done.code, done.out) == (6, b"Hal\n")
    assert "zai: no data for 0.6 s" in done.err


def test_idle_timeout_counts_between_events(glm, keys) -> None:
    slow = [Pause(0.4), chunk(event(delta(content="a")))] * 8
    rest = [chunk(event(delta(finish_reason="stop"))), END]
    with Server([head(), *slow, *rest]) as server:
        done = ask(glm, keys, server, "--idle-timeout", "2", "--first-timeout", "2", "--retries", "0")
    assert (done.code, done.out) == (0, b"aaaaaaaa\n")


@pytest.mark.parametrize("think_tags", ["bare", "none"])
def test_data_without_visible_text_is_data(glm, cwd, think_tags) -> None:
    # Thoughts wait for their closing tag, and nothing else stands in these chunks: the model is at work all the same.
    said = "a" if think_tags == "bare" else ""
    piece = event({"choices": [{"delta": {"content": said}}]})
    slow = [Pause(0.4), chunk(piece)] * 8
    rest = [chunk(event(delta(content="</think>Hello", finish_reason="stop"))), END]
    with Server([head(), *slow, *rest]) as server:
        row = f"{{like: vllm, base_url: {server.url}, think_tags: {think_tags}}}"
        (cwd / "config.yaml").write_text(f"providers: {{one: {row}}}")
        flags = ("--idle-timeout", "2", "--first-timeout", "2", "--retries", "0")
        done = glm("ask", "-m", "one/x", *flags, "hi", env={"GLM_CONFIG": "config.yaml"})
    assert done.code == 0, done.err
    assert done.out == (b"Hello\n" if think_tags == "bare" else b"</think>Hello\n")


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_deadline(glm, keys, command) -> None:
    endless = [chunk(event(delta(content="a"))), Pause(0.05)] * 1000
    with Server([head(), *endless]) as server:
        began = time.monotonic()
        done = ask(glm, keys, server, "--deadline", "3", "--jsonl", command=command)
        within(20, began)
        assert server.hung_up.wait(30)
    assert (done.code, len(server.requests)) == (6, 1)
    *_, error, end = [json.loads(line) for line in done.text.splitlines()]
    assert (error["error"]["message"], error["error"]["retryable"]) == ("zai: the deadline of 3 s has passed", False)
    assert end == {"type": "end", "finish_reason": None, "complete": False}


def test_the_deadline_ends_the_fallback_too(glm, keys, cwd) -> None:
    with Server([Stall()]) as first, Server(answer()) as second:
        flags = ("--deadline", "3", "--fallback", "one/x")
        done = ask(glm, keys | config(cwd, second), first, *flags)
    assert (done.code, len(first.requests), len(second.requests)) == (6, 1, 0)
    assert done.err == "glm: error: zai: the deadline of 3 s has passed\n"
