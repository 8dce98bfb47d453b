"""What is sent: prompt, stdin, attachments, system message; and what is refused before a byte leaves."""

from __future__ import annotations

import fcntl
import socket
import struct
import subprocess
import sys
import termios
import time

import pytest
from processes import error_of, read_until, running, shell, wait_for
from program import CANARY
from scripted_server import Server, answer

ZAI = ("-P", "zai", "--base-url")
KEY = {"ZAI_API_KEY": CANARY}
MIB = 1024 * 1024


@pytest.fixture
def server():
    with Server(answer("Hi")) as running_server:
        yield running_server


@pytest.fixture
def ask(glm, server):
    """glm ask against the server: what it answered, and the messages that were sent."""

    def run(*arguments, **more):
        more["env"] = KEY | more.pop("env", {})
        return glm("ask", *ZAI, server.url, *arguments, **more)

    return run


def sent(server: Server) -> list[tuple[str, str]]:
    """Roles and texts of the one request."""
    (request,) = server.requests
    return [(message["role"], message["content"]) for message in request.json["messages"]]


@pytest.fixture
def refused(ask, server):
    """The message of an error of input: one line, exit 2, nothing sent."""

    def run(*arguments, code=2, **more):
        done = ask(*arguments, **more)
        assert (done.code, done.out) == (code, b"")
        assert server.requests == []
        return error_of(done.err)

    return run


# stdin and the prompt


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (("Who are you",), None, "Who are you"),
        (("Summarise",), b"text\n", "Summarise\n\ntext\n"),
        (("Summarise",), b"no newline", "Summarise\n\nno newline"),
        (("Summarise",), b"\n\n  a\r\nb\x00\xe2\x80\xa8c\t\n\n", "Summarise\n\n\n\n  a\r\nb\x00\u2028c\t\n\n"),
        (("Summarise\n",), b"text", "Summarise\n\n\ntext"),
        (("",), b"text\n", "text\n"),
        ((), b"text\n", "text\n"),
        (("-",), b"text\n", "text\n"),
        ((), b"\xef\xbb\xbftext", "text"),
        (("x",), b"\xef\xbb\xbftext\xef\xbb\xbf", "x\n\ntext\ufeff"),
        ((), "中文😀".encode(), "中文😀"),
        (("--", "-x"), None, "-x"),
        (("{{name}} @file $HOME",), None, "{{name}} @file $HOME"),
    ],
)
def test_the_message(ask, server, arguments, stdin, message) -> None:
    done = ask(*arguments, stdin=stdin)
    assert (done.code, done.out, done.err) == (0, b"Hi\n", "")
    assert sent(server) == [("user", message)]


def test_stdin_from_a_file(home, cwd, server) -> None:
    (cwd / "report").write_bytes(b"text\n")
    with (
        (cwd / "report").open("rb") as file,
        running(home, cwd, "ask", *ZAI, server.url, "Summarise", env=KEY, stdin=file) as process,
    ):
        assert process.wait(30) == 0
    assert sent(server) == [("user", "Summarise\n\ntext\n")]


READ_BEFORE = (
    "glm: stdin is a file of which {} bytes were read before, and the rest goes with the prompt: in a loop over its "
    "lines, --no-stdin or </dev/null leaves them to the loop\n"
)


@pytest.mark.parametrize(
    "command",
    [
        "ask",
        "ask -q",
        "stream",
        "vision --image https://x.example/a.png -m glm-5.3-flashx",
        "tools run --tools tools.json",
    ],
)
def test_a_loop_over_the_lines_of_a_file(home, cwd, server, command) -> None:
    remark = "" if "-q" in command else READ_BEFORE.format(2)
    (cwd / "list").write_text("a\nb\nc\n")
    (cwd / "tools.json").write_text('{"tools": [{"name": "a", "description": "a", "run": ["true"]}]}')
    asks = f'"$GLM" {command} {" ".join(ZAI)} {server.url} "Q $x"'
    eaten = shell(f"while read x; do {asks}; done <list", home, cwd, **KEY)
    assert (eaten.returncode, eaten.stdout, eaten.stderr.decode()) == (0, b"Hi\n", remark)
    for kept in ("--no-stdin", "</dev/null"):
        done = shell(f"while read x; do {asks} {kept}; done <list", home, cwd, **KEY)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"Hi\n" * 3, b"")
    asked = [request.json["messages"][0]["content"] for request in server.requests]
    texts = [each if isinstance(each, str) else each[-1]["text"] for each in asked]
    assert texts == ["Q a\n\nb\nc\n", *(("Q a", "Q b", "Q c") * 2)]


def test_a_file_that_is_read_from_its_middle_alone(home, cwd, server) -> None:
    """Without a prompt nothing else was meant; and at its end there is nothing to read."""
    (cwd / "list").write_text("a\nb\n")
    ask = f'"$GLM" ask {" ".join(ZAI)} {server.url}'
    done = shell(f"{{ read x; {ask}; {ask} hi; }} <list", home, cwd, **KEY)
    assert (done.returncode, done.stderr) == (0, b"glm: stdin is empty; only the prompt is sent\n")
    assert [request.json["messages"][0]["content"] for request in server.requests] == ["b\n", "hi"]


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"])
def test_every_name_of_stdin_reads_it_once(home, cwd, server, name) -> None:
    (cwd / "list").write_text("a\n")
    if name == "/proc/self/fd/0" and sys.platform != "linux":
        pytest.skip("there is no /proc")
    ask = f'"$GLM" ask {" ".join(ZAI)} {server.url} hi -a {name}'
    for given in (f"{ask} <list", f"cat list | {ask}"):
        done = shell(given, home, cwd, **KEY)
        assert (done.returncode, done.stderr) == (0, b"")
    asked = [request.json["messages"][0]["content"] for request in server.requests]
    assert asked == ["hi\n\nstdin:\n\na\n"] * 2


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ask", "-", "--key-file"), "by --key-file - and by the prompt"),
        (("ask", "hi", "-a", "-", "--key-file"), "by --key-file - and by --attach"),
        (("batch", "run", "-", "-a"), "by --attach and by INPUT"),
        (("batch", "run", "/dev/fd/0", "-a"), "by --attach and by INPUT"),
    ],
)
def test_two_claimants_by_any_name(glm, server, arguments, message, name) -> None:
    base = (*ZAI, server.url)
    done = glm(*arguments, name, *base, stdin=b"some-key-of-mine\n", env=KEY)
    assert (done.code, error_of(done.err), server.requests) == (2, f"stdin is used twice: {message}", [])


def test_a_key_by_the_name_of_stdin_is_no_text(glm, server) -> None:
    """It was read a second time, and sent as a part of the prompt."""
    done = glm("ask", *ZAI, server.url, "--key-file", "/dev/stdin", "hi", stdin=b"some-key-of-mine\n")
    assert (done.code, done.err) == (0, "")
    assert sent(server) == [("user", "hi")]
    assert server.requests[0].header("Authorization") == "Bearer some-key-of-mine"


def test_stdin_from_a_socket(home, cwd, server) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"text")
        ours.shutdown(socket.SHUT_WR)
        with running(home, cwd, "ask", *ZAI, server.url, "Summarise", env=KEY, stdin=theirs) as process:
            assert process.wait(30) == 0
    assert sent(server) == [("user", "Summarise\n\ntext")]


def test_a_device_is_not_read_unasked(ask, server) -> None:
    assert ask("x").code == 0  # /dev/null
    assert sent(server) == [("user", "x")]


def test_no_stdin(ask, server) -> None:
    assert ask("x", "--no-stdin", stdin=b"text").code == 0
    assert sent(server) == [("user", "x")]


def test_need_stdin(ask, server) -> None:
    assert ask("x", "--need-stdin", stdin=b"text").code == 0
    assert sent(server) == [("user", "x\n\ntext")]


def test_an_empty_pipe_beside_a_prompt_is_noted(ask, server) -> None:
    done = ask("x", stdin=b"")
    assert (done.code, done.err) == (0, "glm: stdin is empty; only the prompt is sent\n")
    assert sent(server) == [("user", "x")]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (("x", "--need-stdin"), b"", "stdin is empty"),
        (("--need-stdin",), b"", "stdin is empty"),
        (("x", "--need-stdin"), None, "stdin is no pipe and no file"),
        (("x", "--need-stdin", "--no-stdin"), b"text", "--no-stdin and --need-stdin contradict each other"),
        ((), b"", "the prompt is empty"),
        ((), None, "the prompt is empty"),
        (("",), None, "the prompt is empty"),
        (("  \n\t",), None, "the prompt is empty"),
        (("",), b" \n\n", "the prompt is empty"),
        (("-",), b"", "the prompt is empty"),
        (("--no-stdin",), b"text", "the prompt is empty"),
        (("-", "--no-stdin"), b"text", "the prompt is empty"),
        ((), b"ab\xff\xfe", "stdin is not UTF-8 (byte 0xFF at 2)"),
        ((), b"\xef\xbb\xbfab\xff", "stdin is not UTF-8 (byte 0xFF at 5)"),
        ((), "hi".encode("utf-16"), "stdin is not UTF-8 (byte 0xFF at 0)"),
        ((), b"caf\xe9", "stdin is not UTF-8 (byte 0xE9 at 3)"),
        (("x",), b"\xed\xa0\x80", "stdin is not UTF-8 (byte 0xED at 0)"),
        (("-", "-a", "-"), b"x", "stdin is used twice: by --attach and by the prompt"),
        (("x", "-a", "-", "-a", "-"), b"x", "stdin is used twice: by --attach and by --attach"),
        (("x", "-s", "@-", "-a", "-"), b"x", "stdin is used twice: by --system and by --attach"),
        (("-f", "-", "-"), b"prompt: x", "stdin is used twice: by --request and by the prompt"),
        (("-f", "-", "-a", "-"), b"prompt: x", "stdin is used twice: by --request and by --attach"),
        (("-", "--key-file", "-"), b"x", "stdin is used twice: by --key-file - and by the prompt"),
        (("x", "-a", "-", "--key-file", "-"), b"x", "stdin is used twice: by --key-file - and by --attach"),
    ],
)
def test_refused(refused, arguments, stdin, message) -> None:
    assert refused(*arguments, stdin=stdin) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "the prompt is empty"),
        ("-", "the prompt reads stdin, but stdin is closed"),
        ("x -a -", "--attach reads stdin, but stdin is closed"),
        ("x --need-stdin", "stdin is no pipe and no file"),
    ],
)
def test_a_closed_stdin(home, cwd, server, arguments, message) -> None:
    done = shell(f'"$GLM" ask {" ".join(ZAI)} {server.url} {arguments} <&-', home, cwd, **KEY)
    assert (done.returncode, done.stdout, server.requests) == (2, b"", [])
    assert error_of(done.stderr.decode()) == message


def test_a_closed_stdin_beside_a_prompt(home, cwd, server) -> None:
    done = shell(f'"$GLM" ask {" ".join(ZAI)} {server.url} x <&-', home, cwd, **KEY)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Hi\n", b"")


def test_more_than_any_model_reads(home, cwd, server) -> None:
    ask = f'"$GLM" ask {" ".join(ZAI)} {server.url}'
    piped = shell(f"head -c {33 * MIB} /dev/zero | {ask}", home, cwd, **KEY)
    assert (piped.returncode, server.requests) == (2, [])
    assert error_of(piped.stderr.decode()) == (
        "stdin is larger than 32 MiB (33554432 bytes), more than any model reads"
    )
    filed = shell(f"truncate -s {33 * MIB} big; {ask} x -a big", home, cwd, **KEY)
    assert (filed.returncode, server.requests) == (2, [])
    assert (
        error_of(filed.stderr.decode())
        == "--attach: big is larger than 32 MiB (33554432 bytes), more than any model reads"
    )


def test_what_fits_is_sent_whole(home, cwd, server) -> None:
    done = shell(
        f'head -c {3 * MIB} /dev/zero | tr "\\0" x | "$GLM" ask {" ".join(ZAI)} {server.url}', home, cwd, **KEY
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Hi\n", b"")
    assert sent(server) == [("user", "x" * 3 * MIB)]


# A pipe that stays silent


@pytest.mark.sampled(2)
@pytest.mark.parametrize("flags", [(), ("-q",)])
def test_a_silent_pipe_is_explained(home, cwd, server, flags) -> None:
    with running(home, cwd, "ask", *ZAI, server.url, *flags, "Summarise", env=KEY, stdin=subprocess.PIPE) as process:
        began = time.monotonic()
        line = read_until(process.stderr, b"\n")
        assert time.monotonic() - began > 1.5
        assert line == b"glm: waiting for the prompt on stdin for 2 s (Ctrl-D ends it, --no-stdin ignores it)\n"
        out, err = process.communicate(b"late", timeout=30)
    assert (process.returncode, out, err) == (0, b"Hi\n", b"")
    assert sent(server) == [("user", "Summarise\n\nlate")]


@pytest.mark.parametrize(
    ("arguments", "owner"),
    [
        (("tools", "check", "-"), "the tools"),
        (("batch", "run", "-", *ZAI, "http://127.0.0.1:9"), "INPUT"),
        (("batch", "run", "in.jsonl", "-f", "-", *ZAI, "http://127.0.0.1:9"), "--request"),
        (("ask", "-f", "-", *ZAI, "http://127.0.0.1:9"), "--request"),
    ],
)
def test_a_silent_pipe_that_no_flag_ignores(home, cwd, arguments, owner) -> None:
    """--no-stdin is about the prompt, and not every command has it."""
    with running(home, cwd, *arguments, env=KEY, stdin=subprocess.PIPE) as process:
        line = read_until(process.stderr, b"\n")
    assert line == f"glm: waiting for {owner} on stdin for 2 s (Ctrl-D ends it)\n".encode()


def test_the_deadline_counts_the_wait_for_stdin(home, cwd, server) -> None:
    flags = ("--deadline", "0.5", "hi")
    with running(home, cwd, "ask", *ZAI, server.url, *flags, env=KEY, stdin=subprocess.PIPE) as process:
        assert process.wait(30) == 6
        assert error_of(process.stderr.read().decode()) == "the deadline passed while waiting for stdin"
    assert server.requests == []


def test_the_deadline_counts_a_pipe_that_never_ends(home, cwd, server) -> None:
    flags = ("--deadline", "0.6", "hi")
    with running(home, cwd, "ask", *ZAI, server.url, *flags, env=KEY, stdin=subprocess.PIPE) as process:
        process.stdin.write(b"some text")
        assert process.wait(30) == 6
    assert server.requests == []


def _left_in(pipe) -> int:
    """Bytes that were written and not yet read."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"    "))[0]


def test_a_very_long_deadline(home, cwd, server) -> None:
    flags = ("--deadline", "1e11")
    with running(home, cwd, "ask", *ZAI, server.url, *flags, env=KEY, stdin=subprocess.PIPE) as process:
        process.stdin.write(b"some text")
        wait_for(lambda: _left_in(process.stdin) == 0)
        out, err = process.communicate(b"", timeout=30)
    assert (process.returncode, out, err) == (0, b"Hi\n", b"")


# Arguments


def test_an_argument_that_is_not_text(refused) -> None:
    assert refused(b"caf\xe9").startswith("argument ")
    assert refused("-s", b"\xff", "x").endswith("is not UTF-8 (byte 0xFF at 0)")


def test_the_command_line_is_read_as_utf8_in_any_locale(ask, server) -> None:
    done = ask("é", env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert done.code == 0
    assert sent(server) == [("user", "é")]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x", "y"), "unexpected extra argument"),
        (("x", "--modle", "y"), "--modle"),
        (("x", "--temperature", "warm"), "--temperature: 'warm' is not a number"),
        (("x", "--temperature", "1_0"), "--temperature: '1_0' is not a number"),
        (("x", "--temperature", "\uff11"), "--temperature: '\uff11' is not a number"),
        (("x", "--max-tokens", "1_000"), "--max-tokens: '1_000' is not a whole number"),
        (("x", "--seed", "\u0661"), "--seed: '\u0661' is not a whole number"),
        (("x", "--temperature", "nan"), "--temperature: 'nan' is not a number"),
        (("x", "--max-tokens", "1.5"), "--max-tokens: '1.5' is not a whole number"),
        (("x", "--max-tokens", "0"), "--max-tokens: 0 is less than 1"),
        (("x", "--deadline", "0"), "--deadline: 0 is not more than 0"),
        (("x", "--deadline", "inf"), "--deadline: 'inf' is not a number of seconds"),
        (("x", "--retries", "-1"), "--retries: -1 is less than 0"),
        (("x", "-o", "novalue"), "--option novalue: not KEY=VALUE"),
        (("x", "-o", "temperature=1"), "--option temperature: this field has a flag of its own"),
        (("x", "--var", "a=b"), "--var fills a request file"),
        (("x", "--model"), "--model"),
    ],
)
def test_a_wrong_flag(refused, arguments, message) -> None:
    assert message in refused(*arguments)


# Attachments and the system message


def test_attachments(ask, server, cwd) -> None:
    (cwd / "deep").mkdir()
    (cwd / "deep" / "a.txt").write_bytes(b"first\r\n")
    (cwd / "b.md").write_bytes(b"\xef\xbb\xbfsecond")
    done = ask("Compare", "-a", "deep/a.txt", "--attach", "b.md", stdin=b"piped\n")
    assert (done.code, done.err) == (0, "")
    assert sent(server) == [("user", "Compare\n\na.txt:\n\nfirst\r\n\n\nb.md:\n\nsecond\n\npiped\n")]


def test_an_attachment_from_stdin(ask, server) -> None:
    assert ask("Compare", "-a", "-", stdin=b"piped\n").code == 0
    assert sent(server) == [("user", "Compare\n\nstdin:\n\npiped\n")]


def test_an_attachment_alone_is_a_message(ask, server, cwd) -> None:
    (cwd / "a.txt").write_text("text")
    assert ask("-a", "a.txt").code == 0
    assert sent(server) == [("user", "a.txt:\n\ntext")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x", "-a", "none"), "--attach: cannot read none: No such file or directory"),
        (("x", "-a", "."), "--attach: cannot read .: Is a directory"),
        (("x", "-a", "binary"), "--attach binary: is not UTF-8 (byte 0x80 at 1)"),
        (("x", "-s", "@none"), "--system: cannot read none: No such file or directory"),
        (("x", "-s", "@binary"), "--system binary is not UTF-8 (byte 0x80 at 1)"),
        (("x", "-f", "none"), "--request: cannot read none: No such file or directory"),
    ],
)
def test_a_file_that_is_no_text(refused, cwd, arguments, message) -> None:
    (cwd / "binary").write_bytes(b"a\x80")
    assert refused(*arguments) == message


def test_the_system_message(ask, server, cwd) -> None:
    (cwd / "rules").write_bytes(b"\xef\xbb\xbfBe brief.\n")
    assert ask("x", "-s", "Be kind.").code == 0
    assert ask("x", "--system", "@rules").code == 0
    assert ask("x", "-s", "@-", stdin=b"From a pipe.").code == 0
    assert [request.json["messages"] for request in server.requests] == [
        [{"role": "system", "content": text}, {"role": "user", "content": "x"}]
        for text in ("Be kind.", "Be brief.\n", "From a pipe.")
    ]


def test_an_error_never_has_a_second_line(refused, cwd) -> None:
    (cwd / "a\nglm: error: b").write_bytes(b"\x80")
    message = refused("x", "-a", "a\nglm: error: b")
    assert "is not UTF-8" in message


def test_what_a_model_does_not_take_is_refused_unless_forced(refused, ask, server) -> None:
    assert refused("x", "--temperature", "1.5") == "--temperature 1.5 is out of the range [0, 1] of zai"
    assert refused("x", "--top-k", "5") == "glm-5 at zai does not take top_k"
    assert refused("x", "--effort", "max", "--no-think").startswith("--effort asks for thinking")
    assert refused("x", "--effort", "max", "--no-think", "--force").startswith("--effort asks for thinking")
    done = ask("x", "--temperature", "1.5", "--force")
    assert done.code == 0
    assert done.err == "glm: --temperature 1.5 is out of the range [0, 1] of zai: sent all the same\n"
    assert server.requests[0].json["temperature"] == 1.5


def test_an_unknown_model_is_allowed_with_a_note(ask, server) -> None:
    done = ask("x", "-m", "glm-5.22")
    assert done.code == 0
    assert done.err == (
        "glm: glm-5.22 at zai is not in the catalogue: its limits are not checked (did you mean zai/glm-5.2?)\n"
    )
    assert server.requests[0].json["model"] == "glm-5.22"


def test_every_flag_of_sampling_reaches_the_wire(glm, server) -> None:
    flags = ("--temperature", "0.5", "--top-p", "0.25", "--top-k", "3", "--repetition-penalty", "1.5")
    flags += ("--max-tokens", "9", "--seed", "4", "--stop", "a", "--stop", "b", "-o", 'logit_bias={"5": 1}')
    flags += ("--option", "n=010", "-o", "user=NO", "-o", "flag=true", "-o", "none=null")
    done = glm("ask", "-m", "vllm/glm-5", "--base-url", server.url, *flags, "x")
    assert done.code == 0
    assert server.requests[0].json == {
        "model": "glm-5",
        "messages": [{"role": "user", "content": "x"}],
        "temperature": 0.5,
        "top_p": 0.25,
        "top_k": 3,
        "repetition_penalty": 1.5,
        "max_tokens": 9,
        "seed": 4,
        "stop": ["a", "b"],
        "logit_bias": {"5": 1},
        "n": 10,
        "user": "NO",
        "flag": True,
        "none": None,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        (("--think",), {"enable_thinking": True}),
        (("--no-think",), {"enable_thinking": False}),
        (("--think-budget", "64"), {"thinking_budget": 64}),
        (("--think", "--think-budget", "64"), {"enable_thinking": True, "thinking_budget": 64}),
        (("--effort", "high", "--force"), {"enable_thinking": True, "reasoning_effort": "high"}),
    ],
)
def test_thinking(glm, server, keys, flags, fields) -> None:
    done = glm("ask", "-m", "modelstudio/glm-5", "--base-url", server.url, *flags, "x", env=keys)
    assert done.code == 0
    plain = {"model": "glm-5", "messages": [{"role": "user", "content": "x"}], "stream": True}
    assert server.requests[0].json == plain | {"stream_options": {"include_usage": True}} | fields
