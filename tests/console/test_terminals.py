"""What a person sees: everything is run on a real pseudo-terminal, and beside it in a pipe."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys

import pytest
from processes import error_of, running, stalled
from program import CANARY, environment
from pseudo_terminal import on_terminal, read_rest
from scripted_server import Server, answer, delta, reply, stream

ZAI = ("-P", "zai", "--base-url")
KEY = {"ZAI_API_KEY": CANARY, "TERM": "xterm-256color"}
# Clear the screen, set the title, write to the clipboard, a link, DCS, RIS, a bell, a backspace, a bare CR, DEL, C1,
# bidirectional controls, tag characters.
EVIL = (
    "a\x1b[2Jb\x1b]0;title\x07c\x1b]52;c;aGk=\x1b\\d\x1b]8;;http://evil\x1b\\e\x1bPq\x1b\\f\x1bcg\bh\rI\x7fj\x9bKk"
    "\u202el\u2066m\u200fn\U000e0041o\x00p"
)
VISIBLE = (
    "a␛[2Jb␛]0;title␇c␛]52;c;aGk=␛\\d␛]8;;http://evil␛\\e␛Pq␛\\f␛cg␈h␍I␡j�Kk<U+202E>l<U+2066>m<U+200F>n<U+E0041>o␀p"
)
SAFE = "x\ty 中文😀 é"
_ESCAPE = re.compile(rb"\x1b\[[0-9;]*m")


@pytest.fixture
def console(home, cwd):
    def run(*arguments, **more):
        return on_terminal(home, cwd, *arguments, **more)

    return run


def test_control_characters_of_the_answer_are_made_visible(console) -> None:
    with Server(answer(EVIL + SAFE)) as server:
        code, seen, _ = console("ask", *ZAI, server.url, "hi")
    assert (code, seen.decode()) == (0, f"{VISIBLE}{SAFE}\n")


@pytest.mark.parametrize("size", [1, 3])
def test_a_sequence_cut_into_pieces_is_made_visible(console, size) -> None:
    pieces = [EVIL[start : start + size] for start in range(0, len(EVIL), size)]
    script = stream(*(delta(content=piece) for piece in pieces), delta(content="", finish_reason="stop"))
    with Server(script) as server:
        code, seen, _ = console("stream", *ZAI, server.url, "--plain", "hi")
    assert (code, seen.decode()) == (0, f"{VISIBLE}\n")


def test_control_characters_of_the_reasoning_are_made_visible(console) -> None:
    with Server(answer("Hi", EVIL)) as server:
        code, seen, piped = console("ask", *ZAI, server.url, "--plain", "hi", piped_stream="stdout")
    assert (code, seen.decode(), piped) == (0, f"{VISIBLE}\n", b"Hi\n")


def test_rendered_markdown_cannot_be_abused_either(console) -> None:
    with Server(answer(f"**bold** `code` {EVIL} [text](http://evil.example) [/foo] array[0] :smile:\n")) as server:
        code, seen, _ = console("stream", *ZAI, server.url, "hi")
    assert code == 0
    left = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", seen)
    assert b"\x1b" not in left
    assert b"\x07" not in left
    assert b"\x1b[2J\x1b[H" not in seen
    text = left.decode()
    for part in ("[/foo]", "array[0]", ":smile:", "http://evil.example", "bold", "␛[2J", "<U+202E>"):
        assert part in re.sub(r"\s+", " ", text)


SCRIPTS = {
    "an error body": reply(400, {"error": {"code": "x\x1b[2J", "message": EVIL}, "request_id": "r\x1b[2J"}),
    "html": reply(500, f"<html>{EVIL}", content_type="text/html"),
    "a redirect": reply(307, "", "Location: http://x.invalid/\x1b[2J"),
    "a finish reason": stream(delta(content="x"), delta(content="", finish_reason="z\x1b[2J\nglm: error: false")),
    "a request id": reply(400, {"error": {"message": "no"}}, "X-Request-Id: a\x1b[2Jb"),
    "a tool": stream(
        delta(tool_calls=[{"index": 0, "id": "i", "function": {"name": "f\x1b[2J", "arguments": ""}}]),
        delta(content="", finish_reason="tool_calls"),
    ),
}


@pytest.mark.parametrize("case", SCRIPTS)
def test_foreign_text_in_errors_is_made_visible(console, case) -> None:
    with Server(SCRIPTS[case]) as server:
        code, seen, _ = console("ask", *ZAI, server.url, "--retries", "0", "hi")
    assert code != 0
    assert b"\x1b" not in _ESCAPE.sub(b"", seen)
    assert "␛[2J" in seen.decode()
    assert seen.count(b"\n" + b"glm: error") == 0


def test_a_finish_reason_adds_no_line(glm) -> None:
    with Server(SCRIPTS["a finish reason"]) as server:
        done = glm("ask", *ZAI, server.url, "hi", env=KEY)
    assert error_of(done.err) == "zai: unknown finish_reason: z\x1b[2J glm: error: false"


def test_file_names_are_foreign_text(console) -> None:
    code, seen, _ = console("ask", "-a", "x\x1b[2Jy", "hi")
    assert code == 2
    assert "x␛[2Jy" in seen.decode()


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_a_pipe_gets_every_byte_as_it_came(glm, command) -> None:
    with Server(answer(EVIL, EVIL)) as server:
        done = glm(command, *ZAI, server.url, "hi", env=KEY)
    assert (done.text, done.err) == (f"{EVIL}\n", f"{EVIL}\n")


def test_each_stream_is_judged_by_itself(console) -> None:
    with Server(answer(EVIL, EVIL)) as server:
        _, seen, piped = console("stream", *ZAI, server.url, "--plain", "hi", piped_stream="stdout")
        assert (seen.decode(), piped.decode()) == (f"{VISIBLE}\n", f"{EVIL}\n")
        _, seen, piped = console("stream", *ZAI, server.url, "--plain", "hi", piped_stream="stderr")
        assert (seen.decode(), piped.decode()) == (f"{VISIBLE}\n", f"{EVIL}\n")


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_raw_lets_them_through(console, command) -> None:
    with Server(answer(EVIL, "x\x1b[2Jy")) as server:
        _, seen, _ = console(command, *ZAI, server.url, "--raw", "--plain", "hi")
    assert seen.decode() == f"x\x1b[2Jy\n{EVIL}\n"


def test_reasoning_and_errors_have_colours(console) -> None:
    with Server(answer("Hi", "Hm"), reply(400, {"error": {"message": "no"}})) as server:
        assert console("ask", *ZAI, server.url, "hi")[1] == b"\x1b[2mHm\x1b[0m\nHi\n"
        assert console("ask", *ZAI, server.url, "hi")[1].startswith(b"\x1b[1;31mglm: error: \x1b[0mzai: ")


@pytest.mark.parametrize(
    ("flags", "env"),
    [
        (("--plain",), {}),
        ((), {"NO_COLOR": "1"}),
        ((), {"TERM": "dumb"}),
    ],
)
@pytest.mark.parametrize("command", ["ask", "stream"])
def test_no_escape_at_all(console, command, flags, env) -> None:
    with Server(answer("**Hi**", "Hm"), reply(400, {"error": {"message": "no"}})) as server:
        code, seen, _ = console(command, *ZAI, server.url, *flags, "hi", **env)
        assert (code, seen) == (0, b"Hm\n**Hi**\n")
        code, seen, _ = console(command, *ZAI, server.url, *flags, "hi", **env)
        assert code == 2
        assert seen.startswith(b"glm: error: zai: ")
        assert b"\x1b" not in seen


@pytest.mark.parametrize("flags", [(), ("--help",), ("ask", "--help"), ("--version",), ("aks",), ("ask", "-q")])
def test_plain_on_a_terminal_without_colours(console, flags) -> None:
    _, seen, _ = console(*flags, NO_COLOR="1")
    assert seen
    assert b"\x1b" not in seen


def test_plain_counts_for_errors_in_the_request_file(console) -> None:
    code, seen, _ = console("ask", "--plain", "-f", "none.yaml")
    said = b"glm: error: --request: cannot read none.yaml: No such file or directory\n"
    assert (code, seen) == (2, said + b"  fix: check the path, and the directory that it begins in\n")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("env", [{}, {"FORCE_COLOR": "1"}, {"CLICOLOR_FORCE": "1"}])
def test_no_escape_where_there_is_no_terminal(glm, command, env) -> None:
    with Server(answer("**Hi**", "Hm"), reply(400, {"error": {"message": "no"}})) as server:
        done = glm(command, *ZAI, server.url, "hi", env=KEY | env)
        assert (done.out, done.err) == (b"**Hi**\n", "Hm\n")
        assert "\x1b" not in glm(command, *ZAI, server.url, "hi", env=KEY | env).err
    assert "\x1b" not in glm("ask", "--help", env=env).text


def test_rendering_is_for_a_terminal_only(console) -> None:
    with Server(answer("# Head\n\n**Hi**\n", "Hm")) as server:
        _, seen, piped = console("stream", *ZAI, server.url, "hi", piped_stream="stdout")
        assert (seen, piped) == (b"\x1b[2mHm\x1b[0m\n", b"# Head\n\n**Hi**\n")
        _, rendered, _ = console("stream", *ZAI, server.url, "hi", piped_stream="stderr")
        assert b"\x1b[1m" in rendered
        assert b"**" not in rendered


def test_a_terminal_for_stdin_is_not_waited_for(console) -> None:
    with Server(answer("Hi")) as server:
        assert console("ask", *ZAI, server.url, "hi")[:2] == (0, b"Hi\n")
        code, seen, _ = console("ask", *ZAI, server.url, "--plain")
    assert (code, seen.split(b"\n")[0]) == (2, b"glm: error: no prompt")
    assert len(server.requests) == 1


def test_ctrl_c_on_a_terminal_ends_the_line(home, cwd) -> None:
    master, slave = pty.openpty()
    with Server(stalled(delta(content="Hel"))) as server:
        more = {"stdin": slave, "stdout": slave, "start_new_session": True}
        with running(home, cwd, "stream", *ZAI, server.url, "--plain", "hi", env=KEY, **more) as process:
            os.close(slave)
            seen = b""
            while seen != b"Hel":
                seen += os.read(master, 100)
                assert b"Hel".startswith(seen)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == -signal.SIGINT
            assert read_rest(master) == b"\r\n"
    os.close(master)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["ask", "stream"])
def test_a_signal_ends_the_paler_text_and_its_line(home, cwd, command, number) -> None:
    master, slave = pty.openpty()
    with Server(stalled(delta(reasoning_content="thinking"))) as server:
        more = {"stdin": slave, "stdout": slave, "stderr": slave, "start_new_session": True}
        with running(home, cwd, command, *ZAI, server.url, "hi", env=KEY, **more) as process:
            os.close(slave)
            seen = os.read(master, 100)
            while not seen.endswith(b"thinking"):
                seen += os.read(master, 100)
            process.send_signal(number)
            assert process.wait(30) == -number
            assert (seen, read_rest(master)) == (b"\x1b[2mthinking", b"\x1b[0m\r\n")
    os.close(master)


# GitHub Actions

COMMANDS = (
    ("::error::x", ": :error::x"),
    ("  ::set-output name=a::b", "  : :set-output name=a::b"),
    ("a\n::error::x", "a\n: :error::x"),
    ("a\r::error::x", "a\r: :error::x"),
    ("a ##[error]x", "a ## [error]x"),
    ("##[group]\n##[x]", "## [group]\n## [x]"),
    ("a::b ##x [y] :x :", "a::b ##x [y] :x :"),
)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("said", "printed"), COMMANDS)
@pytest.mark.parametrize("size", [1, 100])
def test_no_workflow_command_is_started_by_the_model(glm, said, printed, size) -> None:
    pieces = [said[start : start + size] for start in range(0, len(said), size)]
    script = stream(
        *(delta(reasoning_content=piece) for piece in pieces),
        delta(content=said),
        delta(content="", finish_reason="stop"),
    )
    with Server(script) as server:
        done = glm("stream", *ZAI, server.url, "hi", env=KEY | {"GITHUB_ACTIONS": "true"})
        usual = glm("stream", *ZAI, server.url, "hi", env=KEY)
    assert (done.text, done.err) == (f"{said}\n", f"{printed}\n")
    assert usual.err == f"{said}\n"


def test_no_workflow_command_is_started_by_an_error(glm) -> None:
    body = {"error": {"message": "x\n::error::y ##[error]z"}, "request_id": "::a"}
    with Server(reply(400, body)) as server:
        done = glm("ask", *ZAI, server.url, "hi", env=KEY | {"GITHUB_ACTIONS": "true"})
    assert not re.search(r"^\s*::", done.err, re.MULTILINE)
    assert "##[" not in done.err


def test_a_line_that_was_begun_is_ended_when_the_terminal_is_given_back(home) -> None:
    master, slave = pty.openpty()
    code = "from glmcli.console.terminal import Terminal; t = Terminal({}); t.stderr.write('half'); t.restore()"
    streams = {"stdin": slave, "stdout": slave, "stderr": slave}
    subprocess.run([sys.executable, "-c", code], env=environment(home), check=True, **streams)
    os.close(slave)
    assert read_rest(master) == b"half\r\n"
    os.close(master)
