"""Conversations that are kept in a file."""

from __future__ import annotations

import json
import stat

import pytest
from processes import error_of, read_until, running, stalled
from program import CANARY
from scripted_server import Server, answer, delta, stream

ZAI = ("-P", "zai", "--base-url")
KEY = {"ZAI_API_KEY": CANARY}


@pytest.fixture
def lines(cwd):
    def run(name="talk.jsonl"):
        return [json.loads(line) for line in (cwd / name).read_text().removesuffix("\n").split("\n")]

    return run


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict:
    return {"role": "assistant", "content": text}


def test_three_turns(glm, cwd, lines) -> None:
    with Server(answer("A\u20281", "Hm 1"), answer("A2\n", "Hm 2"), answer("A3")) as server:
        for number, printed in enumerate(("A\u20281\n", "A2\n", "A3\n"), 1):
            command = "stream" if number == 2 else "ask"
            done = glm(command, *ZAI, server.url, "--session", "talk.jsonl", f"Q{number}", env=KEY)
            assert (done.code, done.text) == (0, printed)
    # What the model thought is stored, and not sent back.
    assert [request.json["messages"] for request in server.requests] == [
        [user("Q1")],
        [user("Q1"), assistant("A\u20281"), user("Q2")],
        [user("Q1"), assistant("A\u20281"), user("Q2"), assistant("A2\n"), user("Q3")],
    ]
    said = {"provider": "zai", "model": "glm-5"}
    assert lines() == [
        user("Q1"),
        assistant("A\u20281") | {"reasoning": "Hm 1"} | said,
        user("Q2"),
        assistant("A2\n") | {"reasoning": "Hm 2"} | said,
        user("Q3"),
        assistant("A3") | {"reasoning": ""} | said,
    ]
    assert stat.S_IMODE((cwd / "talk.jsonl").stat().st_mode) == 0o600


def test_a_new_file_is_its_owners_alone(glm, cwd) -> None:
    with Server(answer("A")) as server:
        glm("ask", *ZAI, server.url, "--session", "talk.jsonl", "Q", env=KEY, umask=0)
    assert stat.S_IMODE((cwd / "talk.jsonl").stat().st_mode) == 0o600


def test_the_whole_message_is_stored(glm, lines, cwd) -> None:
    (cwd / "a.txt").write_text("attached")
    with Server(answer("A")) as server:
        glm("ask", *ZAI, server.url, "--session", "talk.jsonl", "Q", "-a", "a.txt", env=KEY, stdin=b"piped")
    assert lines()[0] == user("Q\n\na.txt:\n\nattached\n\npiped")


def test_one_conversation_over_several_providers(glm, keys, lines) -> None:
    with Server(answer("A")) as server:
        for row in ("zai", "tokenhub", "openai"):
            flags = ("-P", row, "-m", "glm-5", "--base-url", server.url, "--session", "talk.jsonl")
            assert glm("ask", *flags, "Q", env=keys).code == 0
    assert len(server.requests[2].json["messages"]) == 5
    assert [line["provider"] for line in lines() if "provider" in line] == ["zai", "tokenhub", "openai"]


def test_the_system_message(glm, lines) -> None:
    with Server(answer("A")) as server:
        ask = ("ask", *ZAI, server.url, "--session", "talk.jsonl")
        glm(*ask, "-s", "Be brief.", "Q1", env=KEY)
        glm(*ask, "Q2", env=KEY)
        glm(*ask, "-s", "Be brief.", "Q3", env=KEY)
        glm(*ask, "-s", "Be kind.", "Q4", env=KEY)
        glm(*ask, "Q5", env=KEY)
    sent = [request.json["messages"] for request in server.requests]
    assert [messages[0]["content"] for messages in sent] == [
        "Be brief.",
        "Be brief.",
        "Be brief.",
        "Be kind.",
        "Be kind.",
    ]
    assert [[message["role"] for message in messages].count("system") for messages in sent] == [1] * 5
    assert [line["content"] for line in lines() if line["role"] == "system"] == ["Be brief.", "Be kind."]


def test_a_second_glm_is_kept_out(home, cwd, glm) -> None:
    with Server(stalled(delta(reasoning_content="Hm"))) as server:
        ask = ("ask", *ZAI, server.url, "--session", "talk.jsonl")
        with running(home, cwd, *ask, "Q1", env=KEY) as process:
            read_until(process.stderr, b"Hm")
            done = glm(*ask, "Q2", env=KEY)
            assert (done.code, error_of(done.err)) == (2, "--session: talk.jsonl is in use by another glm")
            assert len(server.requests) == 1
            process.kill()
            process.wait()
    with Server(answer("A")) as server:
        assert glm("ask", *ZAI, server.url, "--session", "talk.jsonl", "Q2", env=KEY).code == 0


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "script",
    [
        stream(delta(content="Hel"), done=False),
        stream(delta(content="Hel"), delta(content="", finish_reason="length")),
        stream(delta(content="Hel"), delta(content="", finish_reason="sensitive")),
    ],
)
@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("before", [b"", b'{"role": "user", "content": "Q"}\n'])
def test_nothing_is_appended_to_by_a_failure(glm, cwd, command, script, before) -> None:
    (cwd / "talk.jsonl").write_bytes(before)
    with Server(script) as server:
        done = glm(command, *ZAI, server.url, "--session", "talk.jsonl", "--retries", "0", "Q", env=KEY)
    assert done.code in (7, 8)
    assert (cwd / "talk.jsonl").read_bytes() == before


def test_dry_run_reads_and_does_not_append(glm, cwd) -> None:
    before = b'{"role": "user", "content": "Q1"}\n{"role": "assistant", "content": "A1"}\n'
    (cwd / "talk.jsonl").write_bytes(before)
    done = glm("ask", "-P", "zai", "--session", "talk.jsonl", "Q2", "-n")
    assert json.loads(done.out)["body"]["messages"] == [user("Q1"), assistant("A1"), user("Q2")]
    assert (cwd / "talk.jsonl").read_bytes() == before


GOOD = b'{"role": "user", "content": "Q1"}\n{"role": "assistant", "content": "A1"}\n'


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("content", "line"),
    [
        (GOOD + b'{"role": "user", "con', 3),
        (b"{}\n" + GOOD, 1),
        (b"[]\n", 1),
        (b"null\n", 1),
        (b'{"role": "user"}\n', 1),
        (b'{"role": "tool", "content": "x"}\n', 1),
        (b'{"role": "user", "content": 1}\n', 1),
        (b'{"role": "assistant", "content": "x", "reasoning": 1}\n', 1),
        (b'{"role": ["user"], "content": "x"}\n', 1),
        (GOOD + b"\n\n\xff\n", 5),
        (b'{"role": "user", "content": "\\ud83d"}\n', 1),
        (b"[" * 100_000 + b"\n", 1),
        (b"prompt: hi\n", 1),
    ],
)
def test_a_line_that_is_no_turn(glm, cwd, content, line) -> None:
    (cwd / "talk.jsonl").write_bytes(content)
    with Server(answer("A")) as server:
        done = glm("ask", *ZAI, server.url, "--session", "talk.jsonl", "Q", env=KEY)
    assert (done.code, server.requests) == (2, [])
    assert error_of(done.err) == f"talk.jsonl:{line}:1: not a turn of a conversation"
    assert (cwd / "talk.jsonl").read_bytes() == content


def test_lines_written_by_hand(glm, cwd) -> None:
    (cwd / "talk.jsonl").write_bytes(GOOD.removesuffix(b"\n") + b"\n\n" + GOOD.removesuffix(b"\n"))
    with Server(answer("A2")) as server:
        done = glm("ask", *ZAI, server.url, "--session", "talk.jsonl", "Q2", env=KEY)
    assert done.code == 0
    assert server.requests[0].json["messages"] == [user("Q1"), assistant("A1"), user("Q1"), assistant("A1"), user("Q2")]
    text = (cwd / "talk.jsonl").read_bytes()
    assert text.startswith(GOOD + b"\n" + GOOD + b'{"role": "user", "content": "Q2"}\n')


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (".", "--session: cannot open .: Is a directory"),
        ("none/talk", "--session: cannot open none/talk: No such file or directory"),
        ("/dev/null", "--session: /dev/null is no regular file"),
        ("/dev/full", "--session: /dev/full is no regular file"),
        ("-", "--session: a conversation is kept in a file, not on stdin"),
    ],
)
def test_a_place_for_no_session(glm, place, message) -> None:
    with Server(answer("A")) as server:
        done = glm("ask", *ZAI, server.url, "--session", place, "Q", env=KEY, timeout=20)
    assert (done.code, error_of(done.err), server.requests) == (2, message, [])


def test_the_key_is_not_stored(glm, cwd) -> None:
    with Server(answer(f"the key is {CANARY}", CANARY)) as server:
        glm("ask", *ZAI, server.url, "--session", "talk.jsonl", "Q", env=KEY)
    assert "the key is ***" in (cwd / "talk.jsonl").read_text()
