"""Faults of processes and terminals: section 3 of the catalogue, one test a row, named by its id.

Three lanes: pipes, a pseudo-terminal, descriptors that are closed or full. The installed program runs in a process of
its own, with output buffered as users have it.
"""

# ruff: noqa: N802 - a test is named by the id of its row

from __future__ import annotations

import fcntl
import html
import os
import re
import signal
import stat
import subprocess
import termios
import time
from collections import Counter

import pytest
from processes import TIMEOUT, error_of, file_names, read_until, running, shell, stalled, wait_for
from program import CANARY, GLM, leaks
from pseudo_terminal import Console
from scripted_server import END, GatedScript, Reset, Server, Stall, answer, chunk, delta, event, head, reply, stream
from terminal_screen import Screen

UNTESTABLE = {"P18": "needs Windows: its code pages and consoles exist nowhere else, and glm supports POSIX only"}

ZAI = ("-P", "zai", "--base-url")
KEY = {"ZAI_API_KEY": CANARY}
SOON = 25.0  # seconds; the aim is far less, and only who hangs takes more, however busy the machine
FINISH = delta(content="", finish_reason="stop")
MODES = {"ask": ("ask",), "live": ("stream",), "plain": ("stream", "--plain")}


@pytest.fixture
def console(home, cwd):
    """A whole run on a terminal: exit code and what it got."""

    def run(*arguments, **more):
        with Console(home, cwd, *arguments, **more) as started:
            return started.finish()

    return run


def died_of(process, number) -> None:
    """The process ends by the signal, soon."""
    began = time.monotonic()
    assert process.wait(TIMEOUT) == -number
    assert time.monotonic() - began < SOON


def handles(process, number) -> bool:
    """Whether the process has a handler of its own for the signal."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:  # noqa: PTH123
        caught = next(line for line in file if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def deltas(*pieces: str) -> list:
    return stream(*(delta(content=piece) for piece in pieces), FINISH)


def ask_at(server: Server, *flags: str) -> str:
    """A shell's words for a question, without the command."""
    return " ".join([*ZAI, server.url, *flags, "hi"])


# Readers that go away


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["ask", "stream"])
def test_P01_head_takes_one_line(home, cwd, command, unbuffered) -> None:
    lines = [delta(content=f"line {number}\n") for number in range(3)]
    script = stalled(*lines) if command == "stream" else deltas(*(f"line {number}\n" * 5000 for number in range(9)))
    with Server(script) as server:
        line = f'"$GLM" {command} {ask_at(server)} 2>err | head -1; echo "${{PIPESTATUS[0]}}"'
        done = shell(line, home, cwd, PYTHONUNBUFFERED=unbuffered, **KEY)
        assert done.stdout == b"line 0\n141\n"
        assert (cwd / "err").read_bytes() == b""
        if command == "stream":
            wait_for(server.hung_up.is_set)


@pytest.mark.parametrize("arguments", ["--help", "stream -m sandbox/glm-5 -q hi"])
@pytest.mark.parametrize("more", [{}, {"PYTHONDEVMODE": "1"}])
def test_P02_nothing_is_said_at_the_last_flush(home, cwd, arguments, more) -> None:
    with running(home, cwd, *arguments.split(), env=more, stdout=subprocess.PIPE, process_group=0) as process:
        process.stdout.close()
        assert process.wait(TIMEOUT) == -signal.SIGPIPE
        assert process.stderr.read() == b""


# Signals


@pytest.mark.parametrize("delay", [0, 0.01, 0.05, 0.2])
def test_P03_sigint_at_the_start(home, cwd, delay) -> None:
    with running(home, cwd, "ask", "-m", "sandbox/glm-5", stdin=subprocess.PIPE) as process:
        wait_for(lambda: handles(process, signal.SIGHUP))  # the last one that is set; before, Python itself answers
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        died_of(process, signal.SIGINT)
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_P03_sigint_in_an_answer(home, cwd, command) -> None:
    script = stalled(delta(content="Hel"), delta(reasoning_content="Hm"))
    with Server(script) as server, running(home, cwd, command, *ZAI, server.url, "hi", env=KEY) as process:
        read_until(process.stderr, b"Hm")
        process.send_signal(signal.SIGINT)
        died_of(process, signal.SIGINT)
        assert process.stdout.read() == (b"Hel" if command == "stream" else b"")
        assert process.stderr.read() == b""
        wait_for(server.hung_up.is_set)


def test_P03_sigint_in_the_wait_for_a_retry(home, cwd) -> None:
    busy = reply(429, {"error": {"code": "1302", "message": "slow"}}, "Retry-After: 50")
    with Server(busy) as server, running(home, cwd, "stream", *ZAI, server.url, "hi", env=KEY) as process:
        read_until(process.stderr, b"retrying in 50.0 s")
        process.send_signal(signal.SIGINT)
        died_of(process, signal.SIGINT)
        assert process.stdout.read() == b""


@pytest.mark.parametrize("mode", ["live", "plain"])
def test_P03_sigint_on_a_terminal_keeps_the_text_and_ends_the_line(home, cwd, mode) -> None:
    with Server(stalled(delta(content="Hel"))) as server:
        with Console(home, cwd, *MODES[mode], *ZAI, server.url, "hi", start_new_session=True) as console:
            console.read_until(b"Hel")
            console.process.send_signal(signal.SIGINT)
            code, seen = console.finish()
        assert code == -signal.SIGINT
        assert seen.rstrip(b" \n").endswith(b"Hel")
        assert seen.endswith(b"\n")
        assert b"\x1b[?25l" not in seen  # the cursor was never hidden: nothing that ends us can leave it so


def test_P04_a_second_ctrl_c(home, cwd) -> None:
    (cwd / "out").write_text("old")
    script = stalled(delta(content="Hel"), delta(reasoning_content="Hm"))
    for command in ("ask", "stream"):
        flags = ("-O", "out", "--reasoning", "stderr", "hi")
        with Server(script) as server, running(home, cwd, command, *ZAI, server.url, *flags, env=KEY) as process:
            read_until(process.stderr, b"Hm")
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)
            died_of(process, signal.SIGINT)
            assert (process.stdout.read(), process.stderr.read()) == (b"", b"")
    assert (cwd / "out").read_text() == "old"


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_P05_sigterm_loses_nothing_that_came(home, cwd, command) -> None:
    text = "0123456789 " * 40
    script = stalled(delta(content=text), delta(reasoning_content="Hm"))
    with Server(script) as server, running(home, cwd, command, *ZAI, server.url, "hi", env=KEY) as process:
        read_until(process.stderr, b"Hm")
        process.send_signal(signal.SIGTERM)
        died_of(process, signal.SIGTERM)
        assert process.stdout.read() == (text.encode() if command == "stream" else b"")
        assert process.stderr.read() == b""


def test_P05_a_shell_sees_143(home, cwd) -> None:
    line = '"$GLM" ask -m sandbox/glm-5 <fifo & exec 9>fifo; read -r _ <up; kill $!; wait $!; echo $?'
    os.mkfifo(cwd / "fifo")
    os.mkfifo(cwd / "up")
    with running(home, cwd, "-c", line, program=("bash",), env={"GLM": GLM}) as process:
        read_until(process.stderr, b"waiting for the prompt")
        (cwd / "up").write_text("\n")
        assert read_until(process.stdout, b"\n") == b"143\n"


@pytest.mark.sampled(4)
@pytest.mark.parametrize("mode", ["ask", "live", "plain"])
@pytest.mark.parametrize("apart", ["stdout", "stderr", None])
def test_P06_the_terminal_is_closed(home, cwd, mode, apart) -> None:
    script = stalled(delta(reasoning_content="Hm"), delta(content="Hel"))
    more = {"start_new_session": True, "preexec_fn": lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)}
    with (
        Server(script) as server,
        Console(home, cwd, *MODES[mode], *ZAI, server.url, "hi", piped_stream=apart, **more) as console,
    ):
        if apart == "stderr":
            read_until(console.process.stderr, b"Hm")
        elif apart == "stdout" and mode != "ask":
            read_until(console.process.stdout, b"Hel")
        else:
            console.read_until(b"Hm" if mode == "ask" else b"Hel")
        console.hang_up()
        died_of(console.process, signal.SIGHUP)
        if apart == "stdout":
            assert console.process.stdout.read() == b""  # "Hel" is read already
        if apart == "stderr":
            assert b"Traceback" not in console.process.stderr.read()
        wait_for(server.hung_up.is_set)


@pytest.mark.parametrize("mode", ["live", "plain"])
def test_P08_stopped_resized_and_continued(home, cwd, mode) -> None:
    first = [head(), chunk(event(delta(content="First words. ")))]
    script = GatedScript(
        first, [chunk(event(delta(content="Last words."))), chunk(event(FINISH)), chunk("data: [DONE]\n\n"), END]
    )
    # A group of its own in our session: a group that nobody could continue would not be stopped.
    with (
        Server(script) as server,
        Console(home, cwd, *MODES[mode], *ZAI, server.url, "hi", process_group=0) as console,
    ):
        console.read_until(b"First words.")
        console.process.send_signal(signal.SIGTSTP)
        _, status = os.waitpid(console.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        console.resize(10, 20)
        console.process.send_signal(signal.SIGWINCH)
        script.gate.set()
        console.process.send_signal(signal.SIGCONT)
        code, seen = console.finish()
    assert code == 0
    assert len(server.requests) == 1
    assert b"First words. Last words." in re.sub(rb"\s+", b" ", seen)


# Descriptors that are full or closed


@pytest.mark.parametrize(("command", "text"), [("ask", "x" * 100_000), ("stream", "x")])
def test_P09_a_full_device(home, cwd, command, text) -> None:
    with Server(answer(text)) as server:
        done = shell(f'"$GLM" {command} {ask_at(server)} >/dev/full', home, cwd, **KEY)
        assert done.returncode == 14
        assert error_of(done.stderr.decode()) == "cannot write to stdout: No space left on device"
        assert server.requests == []


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_P09_a_disk_that_fills_up_under_stdout(home, cwd, command) -> None:
    with Server(answer("x" * 100_000)) as server:
        done = shell(f'ulimit -f 1; "$GLM" {command} {ask_at(server)} >out', home, cwd, **KEY)
    assert done.returncode == 14
    assert error_of(done.stderr.decode()) == "cannot write to stdout: File too large"
    assert set((cwd / "out").read_bytes()) == {ord("x")}


CLOSED = ["<&-", "2>&-", "<&- 2>&-", ">&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("where", CLOSED)
def test_P10_closed_descriptors(home, cwd, command, where) -> None:
    with Server(answer("Hi", "Hm")) as server:
        done = shell(f'"$GLM" {command} {ask_at(server)} {where}; echo $? >code', home, cwd, **KEY)
    code = (cwd / "code").read_text()
    if ">&-" in where.replace("2>&-", ""):
        assert (code, done.stdout, server.requests) == ("14\n", b"", [])
        said = "" if "2>&-" in where else "glm: error: cannot write to stdout: it is closed\n"
    else:
        assert (code, done.stdout, len(server.requests)) == ("0\n", b"Hi\n", 1)
        said = "" if "2>&-" in where else "Hm\n"
    assert done.stderr.decode() == said


@pytest.mark.parametrize("where", ["<&-", "<&- 2>&-"])
def test_P10_nothing_opened_takes_their_place(home, cwd, where) -> None:
    with Server(answer("Hi", "Hm")) as server:
        flags = ("--session", "s", "--meta", "m", "--reasoning", "r", "-O", "o")
        done = shell(f'"$GLM" ask {ask_at(server, *flags)} >&- {where}; echo $? >code', home, cwd, **KEY)
    assert ((cwd / "code").read_text(), done.stdout, done.stderr) == ("0\n", b"", b"")
    assert [(cwd / name).read_text() for name in "ro"] == ["Hm\n", "Hi\n"]
    assert (cwd / "s").read_text().count("\n") == 2
    assert (cwd / "m").read_text().count("\n") == 1
    assert server.requests[0].json["messages"] == [{"role": "user", "content": "hi"}]


def test_P11_stdin_is_closed(home, cwd) -> None:
    with Server(answer("Hi")) as server:
        done = shell(f'"$GLM" ask {ask_at(server)} <&-', home, cwd, **KEY)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"Hi\n", b"")
        none = shell(f'"$GLM" ask {" ".join(ZAI)} {server.url} <&-', home, cwd, **KEY)
        assert (none.returncode, none.stdout) == (2, b"")
        assert error_of(none.stderr.decode()) == "the prompt is empty"
    assert len(server.requests) == 1


@pytest.mark.sampled(3)
@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-", "2> >(exec true)"])
def test_P12_stderr_never_masks_the_code(home, cwd, where) -> None:
    scripts = {
        0: answer("Hi", "Hm"),
        3: reply(401, {"error": {"code": "1000", "message": "bad key"}}),
        4: reply(429, {"error": {"code": "1113", "message": "no money"}}),
        7: stream(delta(reasoning_content="Hm"), delta(content="Hel"), done=False),
        8: stream(delta(content="Hel"), delta(content="", finish_reason="sensitive")),
        13: reply(200, "<html>", content_type="text/html"),
    }
    for code, script in scripts.items():
        with Server(script) as server:
            done = shell(f'"$GLM" ask {ask_at(server, "--retries", "0", "-v", "-u")} {where}', home, cwd, **KEY)
        assert (done.returncode, done.stdout) == (code, b"Hi\n" if code == 0 else b"")


# stdin


def test_P13_no_prompt(home, cwd, console) -> None:
    code, seen = console("ask", *ZAI, "http://127.0.0.1:9/v1", env={"NO_COLOR": "1"})
    assert (code, seen.split(b"\n")[0]) == (2, b"glm: error: no prompt")
    done = shell('"$GLM" ask -P zai </dev/null', home, cwd, **KEY)
    assert (done.returncode, error_of(done.stderr.decode())) == (2, "the prompt is empty")
    with running(home, cwd, "ask", "-m", "sandbox/glm-5", stdin=subprocess.PIPE) as process:
        line = b"glm: waiting for the prompt on stdin for 2 s (Ctrl-D ends it, --no-stdin ignores it)\n"
        assert read_until(process.stderr, b"\n") == line
        process.stdin.close()
        assert process.wait(TIMEOUT) == 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff", "stdin is not UTF-8 (byte 0xFF at 0)"),
        (b"abc\x80def", "stdin is not UTF-8 (byte 0x80 at 3)"),
        ("hi".encode("utf-16-le"), None),
        ("\ufeffhi".encode("utf-16-le"), "stdin is not UTF-8 (byte 0xFF at 0)"),
        ("\ufeffhi".encode("utf-16-be"), "stdin is not UTF-8 (byte 0xFE at 0)"),
        (b"cut \xe4\xb8", "stdin is not UTF-8 (byte 0xE4 at 4)"),
        (b"\xed\xa0\xbd", "stdin is not UTF-8 (byte 0xED at 0)"),
        (b"a\x00b", None),
        (b"\xef\xbb\xbfhi", None),
    ],
)
def test_P14_stdin_that_is_not_utf8(glm, data, said) -> None:
    with Server(answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, stdin=data, env=KEY)
    if said:
        assert (done.code, done.out, error_of(done.err), server.requests) == (2, b"", said, [])
    else:
        assert (done.code, done.out, done.err) == (0, b"Hi\n", "")
        assert server.requests[0].json["messages"][0]["content"].encode() == data.removeprefix(b"\xef\xbb\xbf")


def test_P15_more_than_fits(home, cwd) -> None:
    with Server(answer("Hi")) as server:
        ask = f'ulimit -v 600000; head -c 300M /dev/zero | "$GLM" ask {" ".join(ZAI)} {server.url}'
        done = shell(ask, home, cwd, **KEY)
    assert (done.returncode, done.stdout, server.requests) == (2, b"", [])
    assert error_of(done.stderr.decode()) == "stdin is larger than 32 MiB (33554432 bytes), more than any model reads"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((b"a\xff",), "argument 4 is not UTF-8 (byte 0xFF at 1)"),
        (("-s", b"\xc3", "x"), "argument 5 is not UTF-8 (byte 0xC3 at 0)"),
        (("-O", b"\xe9.txt", "x"), "argument 5 is not UTF-8 (byte 0xE9 at 0)"),
        ((b"--\xff", "x"), "argument 4 is not UTF-8 (byte 0xFF at 2)"),
        (("--option", b"user=\x80", "x"), "argument 5 is not UTF-8 (byte 0x80 at 5)"),
    ],
)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_P16_arguments_that_are_not_utf8(glm, arguments, said, locale) -> None:
    env = KEY | {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = glm("ask", "-P", "zai", *arguments, env=env)
    assert (done.code, done.out, error_of(done.err)) == (2, b"", said)


LOCALES = [
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "gbk"},
    {"PYTHONIOENCODING": "utf-16"},
    {"PYTHONIOENCODING": "no-such-encoding"},
    {"LANG": "", "LC_CTYPE": "zh_CN.GBK"},
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("changes", [*LOCALES[:5], LOCALES[6]])
def test_P17_the_locale_changes_no_byte(glm, console, changes) -> None:
    with Server(answer("中文✨ é", "思✨")) as server:
        for command in ("ask", "stream"):
            done = glm(command, *ZAI, server.url, "问", env=KEY | changes)
            assert (done.code, done.text, done.err) == (0, "中文✨ é\n", "思✨\n")
        code, seen = console("stream", "--plain", *ZAI, server.url, "问", env=changes)
        assert (code, seen.decode()) == (0, "思✨\n中文✨ é\n")
    assert {request.json["messages"][0]["content"] for request in server.requests} == {"问"}


# What a terminal may be made to do

ATTACKS = {
    "clear": "\x1b[2J\x1b[H",
    "title": "\x1b]0;title\x07",
    "clipboard": "\x1b]52;c;aGk=\x1b\\",
    "link": "\x1b]8;;http://evil.example\x1b\\shown\x1b]8;;\x1b\\",
    "device control": "\x1bP$q\x1b\\",
    "reset": "\x1bc",
    "colour": "\x1b[31m",
    "C1": "\x9b2J\x9d0;title\x9c\x90q\x9c\x85",
    "bell": "\x07",
    "backspace": "safe\b\b\b\bevil",
    "carriage return": "safe\revil",
    "delete": "\x7f\x7f",
    "other C0": "\x00\x01\x05\x0b\x0c\x0e\x0f\x1a",
    "bidi": "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
    "tags": "\U000e0001\U000e0041\U000e007f",
    # What a Markdown renderer makes of an innocent text.
    "percent": "<http://evil.example/%1b]0;title%07%9b%0d%7f>",
    "references": "&#27;[2J &#x1b;c &#155; &#7; &#8; &#13; &#x202E; &rlm; &lrm; &#x2066; &#xE0041; &#127; &#x85;",
    "target": "[http://hidden.example](http://evil.example/&#x202E;%1b)",
    "image": '![http://good.example/\x1b[2J](http://evil.example "&#x202E;")',
    "fence": "```\x1b[2J &#x202E;\ncode \x1b[2J\n```",
    "table": "| a \x1b[2J | &#x202E; |\n|---|---|\n| \x1bc | <http://a.example/%1bc> |",
    "html": "<a href='\x1b[2J'>&#x202E;</a>",
}
# All that may not reach a terminal from a model: C0 but newline and tab, DEL, C1, bidirectional controls, tags.
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
# What our own drawing uses: colours, the cursor moved up and right, what is behind it erased. No text can form them.
OURS = re.compile(r"\x1b\[[0-9;]*m|\x1b\[[1-9]\d*[AC]|\x1b\[[JK]|\r")


def foreign(seen: bytes) -> str:
    """What the terminal got, without our own drawing."""
    return OURS.sub("", seen.decode())


def every_cut() -> tuple[list[str], str]:
    """Every attack cut in two at every place, as pieces; and the whole text."""
    pieces = []
    for attack in ATTACKS.values():
        for place in range(1, len(attack)):
            pieces += [attack[:place], f"{attack[place:]}\n\n"]
    return pieces, "".join(pieces)


ALL = "\n\n".join(ATTACKS.values())


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("mode", "attack"), [("ask", ALL), ("plain", ALL), *(("live", text) for text in ATTACKS.values())]
)
def test_P20_a_model_cannot_steer_the_terminal(console, mode, attack) -> None:
    text = f"before {attack} after"
    with Server(answer(text, text)) as server:
        code, seen = console(*MODES[mode], *ZAI, server.url, "hi")
    assert code == 0
    shown = foreign(seen)
    assert FORBIDDEN.search(shown) is None
    assert b"\x1b[2J" not in seen
    assert b"\x1b[H" not in seen
    assert b"\x1b[31m" not in seen
    assert shown.count("before") >= 2
    assert shown.count("after") >= 2
    if mode != "live":
        assert "\r" not in seen.decode()
    if "hidden" in attack:
        assert shown.count("evil.example") >= 2


def test_P20_raw_lets_it_through(console) -> None:
    text = ATTACKS["clear"] + ATTACKS["title"] + ATTACKS["C1"] + ATTACKS["bidi"]
    with Server(answer(text, "")) as server:
        for mode in MODES.values():
            code, seen = console(*mode, "--raw", *ZAI, server.url, "hi")
            assert (code, seen.decode()) == (0, f"{text}\n")


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_P20_a_pipe_gets_every_byte(glm, command) -> None:
    text = "".join(ATTACKS.values())
    with Server(answer(text, text)) as server:
        done = glm(command, *ZAI, server.url, "hi", env=KEY)
    assert (done.code, done.out, done.err) == (0, f"{text}\n".encode(), f"{text}\n")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("field", ["content", "reasoning_content"])
def test_P21_cut_at_every_place(console, mode, field) -> None:
    pieces, text = every_cut()
    script = stream(*(delta(**{field: piece}) for piece in pieces), delta(content="end"), FINISH)
    with Server(script) as server:
        code, seen = console(*MODES[mode], *ZAI, server.url, "hi")
    assert code == 0
    assert FORBIDDEN.search(foreign(seen)) is None
    assert b"\x1b[2J" not in seen
    assert b"\x1b[31m" not in seen
    if mode != "live" or field == "reasoning_content":
        visible = FORBIDDEN.sub("", text).replace(" ", "")
        assert Counter(visible) - Counter(foreign(seen)) == Counter()


@pytest.mark.parametrize("mode", MODES)
def test_P23_text_that_looks_like_another(console, mode) -> None:
    with Server(answer("if\u202e admin\u2066 {\u2069 x\U000e0041\U000e0042", "a\u202bb")) as server:
        code, seen = console(*MODES[mode], *ZAI, server.url, "hi")
    assert code == 0
    assert "if<U+202E> admin<U+2066> {<U+2069> x<U+E0041><U+E0042>" in foreign(seen)
    assert "a<U+202B>b" in foreign(seen)


ESC = "x\x1b[2J\x1b]0;t\x07\x9b\u202ey"
FIELDS = {
    "message": reply(400, {"error": {"code": "1", "message": ESC}}),
    "code": reply(400, {"error": {"code": ESC, "message": "no"}}),
    "type": reply(400, {"error": {"type": ESC, "message": "no"}}),
    "bare error": reply(400, {"error": ESC}),
    "request id": reply(400, {"error": {"message": "no"}, "request_id": ESC}),
    "request id header": reply(400, {"error": {"message": "no"}}, f"X-Request-Id: {ESC[:12]}"),
    "html": reply(502, f"<html><title>{ESC}</title>", content_type="text/html"),
    "html 200": reply(200, f"<html>{ESC}", content_type="text/html"),
    "content type": reply(200, "{}", content_type=f"text/{ESC[:12]}"),
    "encoding": reply(200, "{}", f"Content-Encoding: {ESC[:12]}"),
    "retry after": reply(429, {"error": {"message": ESC}}, f"Retry-After: {ESC[:12]}"),
    "location": reply(302, "", f"Location: http://{ESC[:12]}"),
    "broken event": stream(f"not json {ESC}"),
    "error event": stream(delta(content="x"), {"error": {"code": ESC, "message": ESC}}),
    "named error": stream(b"event: error\ndata: {}\n\n".replace(b"{}", ESC.encode())),
    "finish reason": stream(delta(content="x"), delta(content="", finish_reason=ESC)),
    "tool": stream(
        delta(tool_calls=[{"index": 0, "id": ESC, "function": {"name": ESC, "arguments": ESC}}]),
        delta(content="", finish_reason="tool_calls"),
    ),
    "status line": [f"HTTP/1.1 500 {ESC[:8]}\r\nContent-Length: 0\r\n\r\n".encode()],
    "no http": [f"{ESC}\r\n\r\n".encode(), Reset()],
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("field", FIELDS)
def test_P24_the_same_through_every_other_field(console, field) -> None:
    with Server(FIELDS[field]) as server:
        code, seen = console("stream" if len(field) % 2 else "ask", "-v", "--retries", "0", *ZAI, server.url, "hi")
    assert code in (2, 4, 5, 6, 7, 8, 10, 13)
    assert FORBIDDEN.search(foreign(seen)) is None
    assert b"\x1b[2J" not in seen
    assert b"glm: error: " in seen


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "arguments",
    [
        ("ask", "-v", "-m", f"zai/{ESC}", "--retries", "0", "--base-url", "http://127.0.0.1:9/v1", "hi"),
        ("ask", "-P", ESC, "hi"),
        ("ask", "-a", ESC, "hi"),
        ("ask", "-f", ESC, "hi"),
        ("ask", "-s", f"@{ESC}", "hi"),
        ("ask", "-P", "zai", "--key-file", ESC, "hi"),
        ("ask", "--session", f"{ESC}/x", "hi"),
        ("ask", "-P", "zai", "-O", f"{ESC}/x", "--base-url", "http://127.0.0.1:9/v1", "hi"),
        ("ask", "-P", "zai", "--base-url", f"http://{ESC}", "hi"),
        ("ask", "-o", f"{ESC}=1", "-P", "zai", "-n", "hi"),
        ("ask", "-n", "-P", "zai", ESC),
        ("ask", "--curl", "-P", "zai", ESC),
        ("ask", f"--{ESC}"),
        (ESC,),
    ],
)
def test_P24_the_same_through_names(console, arguments) -> None:
    _, seen = console(*arguments)
    assert seen
    assert FORBIDDEN.search(foreign(seen)) is None
    assert b"\x1b[2J" not in seen


MARKUP = "[/foo] array[0] [bold]x[/bold] :smile: [red] [link=http://a]b[/link] {0} %s"


def test_P25_brackets_are_text(glm, console) -> None:
    with Server(answer(MARKUP, MARKUP), reply(400, {"error": {"message": MARKUP}})) as server:
        for mode in MODES.values():
            server.requests.clear()
            _, seen = console(*mode, *ZAI, server.url, "hi", size=(24, 200))
            assert foreign(seen).count(MARKUP) >= 2
            _, seen = console(*mode, *ZAI, server.url, "hi", size=(24, 200))
            assert f"why: {MARKUP}" in foreign(seen)
        server.requests.clear()
        assert glm("ask", *ZAI, server.url, "hi", env=KEY).text == f"{MARKUP}\n"


# Rendering


def rendering_time(console, text: str, pieces: int) -> float:
    """Seconds for a live answer in that many deltas."""
    size = len(text) // pieces
    script = deltas(*(text[start : start + size] for start in range(0, len(text), size)))
    with Server([script[0], b"".join(script[1:])]) as server:
        began = time.monotonic()
        code, seen = console("stream", *ZAI, server.url, "hi")
    assert code == 0
    assert not words_of(text) - words_of(foreign(seen))
    return time.monotonic() - began


def test_P26_an_answer_in_many_deltas(console) -> None:
    words = "".join(f"word{number:04d} " for number in range(347))[:3120]
    assert rendering_time(console, words, 780) < 3


@pytest.mark.slow
def test_P26_four_times_the_deltas(console) -> None:
    fenced = "".join(f"x = {number:06d}\n" for number in range(2000))
    small = rendering_time(console, f"```\n{fenced}\n```\n", 5_000)
    large = rendering_time(console, f"```\n{fenced * 4}\n```\n", 20_000)
    assert large < 9 * small  # four times the text; quadratic would be sixteen


COLOURLESS = [(("--plain",), {}), ((), {"NO_COLOR": "1"}), ((), {"TERM": "dumb"})]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("flags", "env"), COLOURLESS)
@pytest.mark.parametrize("command", ["ask", "stream"])
def test_P28_no_escape_on_a_terminal_that_wants_none(console, command, flags, env) -> None:
    text = "# Head\n\n**bold** `code`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nprint(1)\n```"
    with Server(answer(text, "*Hm*"), reply(400, {"error": {"message": "no"}})) as server:
        code, seen = console(command, *flags, *ZAI, server.url, "hi", env=env | {"FORCE_COLOR": "1"})
        assert (code, seen.decode()) == (0, f"*Hm*\n{text}\n")
        code, seen = console(command, *flags, *ZAI, server.url, "hi", env=env)
        assert (code, b"\x1b" in seen) == (2, False)
    assert b"\x1b" not in console("nothing", env={"NO_COLOR": "1"})[1]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "env", [{}, {"CI": "1"}, {"FORCE_COLOR": "1"}, {"CLICOLOR_FORCE": "1"}, {"TTY_COMPATIBLE": "1"}]
)
@pytest.mark.parametrize("command", ["ask", "stream"])
def test_P28_no_escape_in_a_pipe(glm, command, env) -> None:
    with Server(answer("**Hi**", "Hm"), reply(400, {"error": {"message": "no"}})) as server:
        done = glm(command, *ZAI, server.url, "hi", env=KEY | env)
        assert (done.out, done.err) == (b"**Hi**\n", "Hm\n")
        assert "\x1b" not in glm(command, *ZAI, server.url, "hi", env=KEY | env).err
    assert "\x1b" not in glm("ask", "--help", env=env).text


LAYOUT = """\
# Heading 标题

Hello 中文字 wide words, Donaudampfschifffahrtsgesellschaft and 😀 emoji.

- item 中文项目
  - nested deep
1. numbered

> quoted 引用

| name | value |
|---|---|
| abcdefghijklmnopqrstuvwxyz0123456789 | 中文字符很多很多很多很多很多很多 |
| x | y | extra |

```python title="listing"
value = "中文 in a very long line that no narrow terminal can hold in one piece"
```

Use <b>bold</b>, <br> and <think>thoughts</think>.

<div>block words</div>

<!-- comment words -->

![alt words](http://img.example/p.png) [text](http://a.example "title words") [](http://empty.example)

[ref]: http://ref.example 'definition words'

The end 完.
"""


def left(seen: bytes, columns: int) -> str:
    """What stays on a terminal, without what was drawn and taken back."""
    screen = Screen(24, columns or 80)
    screen.feed(seen.replace(b"\n", b"\r\n"))
    return screen.text


def words_of(text: str) -> Counter:
    return Counter(character for character in text if character.isalnum() or character > "\x7f")


@pytest.mark.parametrize(("columns", "named"), [(0, True), (1, False), (2, True), (5, False), (20, False), (80, True)])
def test_P29_no_word_vanishes_at_any_width(console, columns, named) -> None:
    env = {"COLUMNS": str(columns)} if named else {}
    with Server(deltas(*(LAYOUT[start : start + 7] for start in range(0, len(LAYOUT), 7)))) as server:
        code, seen = console("stream", *ZAI, server.url, "hi", size=(24, columns), env=env)
    assert code == 0
    wanted = words_of(LAYOUT.replace("1. numbered", "numbered"))
    assert not wanted - words_of(left(seen, columns))
    assert "完" in left(seen, columns)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("columns", [1, 20])
@pytest.mark.parametrize("block", LAYOUT.split("\n\n"))
def test_P29_no_block_vanishes(console, columns, block) -> None:
    with Server(answer(block)) as server:
        code, seen = console("stream", *ZAI, server.url, "hi", size=(24, columns), env={"COLUMNS": str(columns)})
    assert code == 0
    printed = words_of(left(seen, columns))
    assert not words_of(html.unescape(block).replace("1. ", "").replace("```python", "")) - printed


@pytest.mark.parametrize("columns", [0, 20])
def test_P29_nothing_is_wrapped_or_padded(console, columns) -> None:
    for mode in ("ask", "plain"):
        with Server(answer(LAYOUT)) as server:
            code, seen = console(
                *MODES[mode], *ZAI, server.url, "hi", size=(24, columns), env={"COLUMNS": str(columns)}
            )
        assert (code, seen.decode()) == (0, LAYOUT)


# Bytes, newlines, files


def test_P30_each_event_is_flushed(home, cwd) -> None:
    script = stalled(delta(reasoning_content="Hm"), delta(content="A"))
    with Server(script) as server:
        with running(home, cwd, "stream", *ZAI, server.url, "hi", env=KEY) as process:
            assert read_until(process.stderr, b"Hm").startswith(b"Hm")
            assert read_until(process.stdout, b"A") == b"A"  # and the server says nothing more
        with running(home, cwd, "ask", "--jsonl", *ZAI, server.url, "hi", env=KEY) as process:
            read_until(process.stdout, b'{"type": "answer", "text": "A"}\n')


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("text", "printed"), [("x", "x\n"), ("x\n", "x\n"), ("x\n\n", "x\n\n"), ("x\r", "x\r\n")])
@pytest.mark.parametrize("command", ["ask", "stream"])
def test_P31_the_last_newline(glm, console, cwd, command, text, printed) -> None:  # noqa: PLR0917
    with Server(answer(text)) as server:
        assert glm(command, *ZAI, server.url, "hi", env=KEY).text == printed
        assert glm(command, *ZAI, server.url, "--exact", "hi", env=KEY).text == text
        assert glm(command, *ZAI, server.url, "-O", "out", "--exact", "hi", env=KEY).out == b""
        assert (cwd / "out").read_bytes() == text.encode()
        if "\r" not in text:
            assert console(command, "--plain", *ZAI, server.url, "hi")[1].decode() == printed


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (".", "cannot write .: it is a directory"),
        ("missing/out", "cannot write missing/out: No such file or directory"),
        ("file/out", "cannot write file/out: Not a directory"),
        ("/proc/glm-test", None),
        ("/dev/full", "cannot write to /dev/full: No space left on device"),
        ("n" * 256, f"cannot write {'n' * 256}: File name too long"),
    ],
)
def test_P32_a_place_that_cannot_be_written(glm, cwd, place, said) -> None:
    (cwd / "file").write_text("x")
    with Server(answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, "-O", place, "hi", env=KEY)
    assert (done.code, done.out, server.requests) == (14, b"", [])
    assert said is None or error_of(done.err) == said
    assert file_names(cwd) == {"file"}


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_P32_a_place_that_exists_or_is_the_input(glm, cwd, command) -> None:
    for script, code, left in ((answer("Hi"), 0, "Hi\n"), (stream(delta(content="Hel"), done=False), 7, "old")):
        (cwd / "notes").write_text("old")
        (cwd / "notes").chmod(0o640)
        with Server(script) as server:
            flags = ("-O", "notes", "-a", "notes", "--retries", "0")
            done = glm(command, *ZAI, server.url, *flags, "hi", env=KEY)
        assert (done.code, done.out, (cwd / "notes").read_text()) == (code, b"", left)
        assert stat.S_IMODE((cwd / "notes").stat().st_mode) == 0o640
        assert server.requests[0].json["messages"][0]["content"] == "hi\n\nnotes:\n\nold"
        assert file_names(cwd) == {"notes"}


def test_P32_a_folder_that_disappears(home, cwd) -> None:
    (cwd / "deep").mkdir()
    script = GatedScript([head(), chunk(event(delta(reasoning_content="Hm")))], stream(delta(content="Hi"), FINISH)[1:])
    flags = ("-O", "deep/out", "hi")
    with Server(script) as server, running(home, cwd, "ask", *ZAI, server.url, *flags, env=KEY) as process:
        read_until(process.stderr, b"Hm")
        for file in (cwd / "deep").iterdir():
            file.unlink()
        (cwd / "deep").rmdir()
        script.gate.set()
        assert process.wait(TIMEOUT) == 14
        said = process.stderr.read().decode().removeprefix("\n")
        assert error_of(said) == "cannot write deep/out: No such file or directory"
        assert process.stdout.read() == b""


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--session", "a", "-O", "a"), "--session and --output name the same file: a"),
        (("--session", "a", "--meta", "./a"), "--session and --meta name the same file: ./a"),
        (("-O", "a", "--reasoning", "link"), "--output and --reasoning name the same file: link"),
        (("--reasoning", "new", "--meta", "deep/../new"), "--reasoning and --meta name the same file: deep/../new"),
    ],
)
def test_P32_one_file_for_two_purposes(glm, cwd, flags, said) -> None:
    before = '{"role": "user", "content": "Q"}\n'
    (cwd / "deep").mkdir()
    (cwd / "a").write_text(before)
    (cwd / "link").symlink_to("a")
    with Server(answer("Hi", "Hm")) as server:
        done = glm("ask", *ZAI, server.url, *flags, "hi", env=KEY)
        assert (done.code, done.out, error_of(done.err), server.requests) == (2, b"", said, [])
        assert (cwd / "a").read_text() == before
        shared = glm("ask", *ZAI, server.url, "--reasoning", "/dev/null", "--meta", "/dev/null", "hi", env=KEY)
        assert (shared.code, shared.out) == (0, b"Hi\n")


FAULTS = {
    "refused": None,
    "silence": [Stall()],
    "reset": [Reset()],
    "cut": [head(), chunk(event(delta(content="x"))), Reset()],
    "no http": [b"SSH-2.0-OpenSSH_9\r\n"],
    "broken json": stream("{broken"),
    "deep json": stream("[" * 100_000),
    "wrong shapes": stream({"choices": [{"delta": {"content": 5, "tool_calls": 7}}]}, {"choices": 3}, [1]),
    "broken gzip": reply(200, b"\x1f\x8bnothing", "Content-Encoding: gzip"),
    "empty 500": reply(500, ""),
    "wrong length": [b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n"],
    "wrong chunk": [head(), b"zzz\r\n"],
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("fault", FAULTS)
def test_P33_no_traceback(glm, fault) -> None:
    command = "stream" if len(fault) % 2 else "ask"
    script = FAULTS[fault]
    with Server(script or [Stall()]) as server:
        url = server.url if script else "http://127.0.0.1:1/v1"
        flags = ("--retries", "0", "--first-timeout", "1", "--idle-timeout", "1")
        done = glm(command, *ZAI, url, *flags, "hi", env=KEY)
    assert done.code in (5, 6, 7, 13)
    assert "Traceback" not in done.err
    assert error_of(done.err)


def test_P33_a_traceback_for_who_asks(home, cwd) -> None:
    with Server(reply(401, {"error": {"code": "1000", "message": f"bad {CANARY}"}})) as server:
        done = shell(f'"$GLM" ask {ask_at(server)}', home, cwd, GLM_DEBUG="1", **KEY)
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"Traceback (most recent call last)" in done.stderr
    assert not leaks(done.stderr)
