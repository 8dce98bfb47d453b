"""How the program ends when a signal comes, when nobody reads, and when a descriptor is closed or full."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest
from processes import error_of, file_names, read_until, running, shell, stalled, wait_for
from program import CANARY, GLM
from scripted_server import Pause, Server, Stall, answer, delta, head, reply, stream

ZAI = ("-P", "zai", "--base-url")
KEY = {"ZAI_API_KEY": CANARY}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FULL = 65536  # bytes in a pipe of Linux
SOON = 25.0  # seconds; the aim is far less, and only who hangs takes more, however busy the machine


def end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send the signal, and see the program die of it, soon."""
    process.send_signal(number)
    began = time.monotonic()
    assert process.wait(30) == -number
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("command", ["ask", "stream"])
def test_in_the_middle_of_an_answer(home, cwd, command, number) -> None:
    script = stalled(delta(content="Hel"), delta(reasoning_content="Hm"))
    flags = ("--reasoning", "stderr", "hi")
    with Server(script) as server, running(home, cwd, command, *ZAI, server.url, *flags, env=KEY) as process:
        assert read_until(process.stderr, b"Hm") == b"Hm"
        end(process, number)
        assert process.stdout.read() == (b"Hel" if command == "stream" else b"")
        assert process.stderr.read() == b""
        wait_for(server.hung_up.is_set)
    assert len(server.requests) == 1


@pytest.mark.parametrize("flags", [("--json",), ("--keep-partial",)])
def test_nothing_is_printed_by_an_interrupted_ask(home, cwd, flags) -> None:
    script = stalled(delta(content="Hel"), delta(reasoning_content="Hm"))
    more = (*flags, "--reasoning", "stderr", "-O", "out", "--session", "s", "hi")
    with Server(script) as server, running(home, cwd, "ask", *ZAI, server.url, *more, env=KEY) as process:
        read_until(process.stderr, b"Hm")
        end(process, signal.SIGINT)
        assert process.stdout.read() == b""
    assert file_names(cwd) == {"s"}
    assert (cwd / "s").read_bytes() == b""


@pytest.mark.parametrize("number", SIGNALS)
def test_before_the_first_byte(home, cwd, number) -> None:
    with Server([Stall()]) as server, running(home, cwd, "ask", *ZAI, server.url, "hi", env=KEY) as process:
        wait_for(lambda: server.requests)
        end(process, number)
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("number", SIGNALS)
def test_while_waiting_for_stdin(home, cwd, number) -> None:
    with running(home, cwd, "ask", "-m", "sandbox/glm-5", stdin=subprocess.PIPE) as process:
        read_until(process.stderr, b"waiting for the prompt")
        end(process, number)
        assert process.stdout.read() == b""


@pytest.mark.parametrize("number", SIGNALS)
def test_while_waiting_for_a_retry(home, cwd, number) -> None:
    busy = reply(429, {"error": {"code": "1302", "message": "slow"}}, "Retry-After: 50")
    with Server(busy) as server, running(home, cwd, "ask", *ZAI, server.url, "hi", env=KEY) as process:
        read_until(process.stderr, b"retrying in 50.0 s")
        end(process, number)
        assert process.stdout.read() == b""
    assert len(server.requests) == 1


def test_while_a_key_command_runs(home, cwd) -> None:
    row = "{like: zai, base_url: 'https://x.invalid', key_command: [sh, -c, 'touch up; sleep 60']}"
    (home / "config.yaml").write_text(f"providers: {{mine: {row}}}")
    env = {"GLM_CONFIG": str(home / "config.yaml")}
    with running(home, cwd, "ask", "-P", "mine", "hi", env=env) as process:
        wait_for((cwd / "up").exists)
        end(process, signal.SIGINT)


def test_in_the_sandbox(home, cwd) -> None:
    with running(home, cwd, "sandbox") as process:
        read_until(process.stdout, b"sglang\t")
        end(process, signal.SIGINT)
        said = b"glm: this is the sandbox: it imitates providers on this machine, and no model answers\n"
        assert process.stderr.read() == said


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.13])
def test_at_any_moment_of_the_start(home, cwd, delay) -> None:
    """SIGTERM only: until our first line runs, Python itself answers SIGINT, with a traceback of its own."""
    with running(home, cwd, "ask", "-m", "sandbox/glm-5", stdin=subprocess.PIPE) as process:
        time.sleep(delay)
        end(process, signal.SIGTERM)
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


# What runs before our program, in its process: it watches for an import, and there a signal comes.
HOOK = """
import builtins, os, signal
real = builtins.__import__
def watched(name, *rest, **more):
    if name == {name!r}:
        builtins.__import__ = real
        {then}
    return real(name, *rest, **more)
builtins.__import__ = watched
def come():
    os.kill(os.getpid(), signal.{number})
    signal.pause()
class Callback:
    def __del__(self):
        come()
class Library:
    def wait(self):
        try:
            come()
        except BaseException:
            raise RuntimeError("release unlocked lock")
    def ignore(self):
        try:
            come()
        except BaseException:
            pass
"""


def hooked(home, cwd, name, then, number, *arguments):
    """The program with a signal at that import; whoever waits is woken by the signal alone."""
    folder = cwd / "hook"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(HOOK.format(name=name, then=then, number=number))
    with Server(stalled()) as server:
        flags = arguments or ("ask", *ZAI, server.url, "hi")
        with running(home, cwd, *flags, env=KEY | {"PYTHONPATH": str(folder)}) as process:
            code = process.wait(30)
            return code, process.stdout.read(), process.stderr.read(), server.requests


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ["glmcli.errors", "typer", "typer.core", "glmcli.commands.flags"])
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_while_the_program_is_imported(home, cwd, name, number) -> None:
    for then in ("come()", "Callback()", "Library().wait()"):
        assert hooked(home, cwd, name, then, number) == (-getattr(signal, number), b"", b"", [])


@pytest.mark.sampled(4)
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("then", ["come()", "Callback()", "Library().wait()", "Library().ignore()"])
def test_whatever_becomes_of_the_exception(home, cwd, then, number) -> None:
    """It is dropped in a callback, or a library makes another one of it: the signal ends the program all the same."""
    code, *rest = hooked(home, cwd, "httpx", then, number)
    assert (code, *rest[:2]) == (-getattr(signal, number), b"", b"")


@pytest.mark.parametrize("then", ["Callback()", "Library().ignore()"])
def test_a_signal_that_was_dropped_in_a_run_that_ends_well(home, cwd, then) -> None:
    code, _, err, _ = hooked(
        home, cwd, "glmcli.output.dry_run", then, "SIGINT", "ask", "-m", "sandbox/glm-5", "-n", "hi"
    )
    assert (code, err) == (-signal.SIGINT, b"")


def test_what_others_drop_in_a_callback_is_told_as_ever(home, cwd) -> None:
    then = "type('Other', (), {'__del__': lambda self: 1 / 0})()"
    arguments = ("ask", "-m", "sandbox/glm-5", "-n", "hi")
    code, _, err, _ = hooked(home, cwd, "glmcli.output.dry_run", then, "SIGINT", *arguments)
    assert code == 0
    assert err.startswith(b"Exception ignored in: ")
    assert b"ZeroDivisionError" in err


def test_what_comes_while_it_is_stopped_is_heard(home, cwd) -> None:
    """By Ctrl-Z, say: no time limit passes over what stands in the connection, though it takes a moment to read."""
    script = [Pause(0.3), head(*["X-Long: head"] * 2000), *answer("Hello")[1:]]
    flags = ("--first-timeout", "1", "--retries", "0", "hi")
    with Server(script) as server, running(home, cwd, "ask", *ZAI, server.url, *flags, env=KEY) as process:
        wait_for(lambda: server.requests)
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)  # longer than the limit
        process.send_signal(signal.SIGCONT)
        assert (process.stdout.read(), process.wait(30), process.stderr.read()) == (b"Hello\n", 0, b"")


def test_a_signal_that_the_parent_ignores_stays_ignored(home, cwd) -> None:
    script = stalled(delta(content="Hel"))
    with Server(script) as server:
        ask = f'trap "" HUP; exec "$GLM" stream {" ".join(ZAI)} {server.url} hi'
        with running(home, cwd, "-c", ask, env=KEY | {"GLM": GLM}, program=("bash",)) as process:
            read_until(process.stdout, b"Hel")
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == -signal.SIGINT


def test_ctrl_c_ends_the_loop_around_it(home, cwd) -> None:
    with Server(stalled(delta(content="Hel"))) as server:
        loop = f'for i in 1 2 3; do "$GLM" stream {" ".join(ZAI)} {server.url} "$i"; done; echo done'
        more = {"env": KEY | {"GLM": GLM}, "program": ("bash",), "start_new_session": True}
        with running(home, cwd, "-c", loop, **more) as process:
            read_until(process.stdout, b"Hel")
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(30) == -signal.SIGINT
            assert process.stdout.read() == b""
    assert len(server.requests) == 1


# A reader that goes away


def test_a_reader_that_leaves_ends_the_stream_in_silence(home, cwd) -> None:
    lines = [delta(content=f"line {number}\n") for number in range(3)]
    with Server([*stalled(*lines)]) as server:
        ask = f'"$GLM" stream {" ".join(ZAI)} {server.url} hi 2>err'
        done = shell(f'{ask} | head -1; echo "${{PIPESTATUS[0]}}"', home, cwd, **KEY)
        assert done.stdout == b"line 0\n141\n"
        assert (cwd / "err").read_bytes() == b""
        wait_for(server.hung_up.is_set)


def test_a_reader_that_leaves_is_noticed_while_nothing_comes(home, cwd) -> None:
    with Server(stalled(delta(content="Hel"))) as server:
        for command in ("ask", "stream"):
            with running(home, cwd, command, *ZAI, server.url, "-R", "hi", env=KEY) as process:
                wait_for(lambda: server.requests)
                process.stdout.close()
                assert process.wait(30) == -signal.SIGPIPE
                assert process.stderr.read() == b""
            wait_for(server.hung_up.is_set)
            server.requests.clear()
            server.hung_up.clear()


@pytest.mark.parametrize("arguments", ["--help", "ask -m sandbox/glm-5 hi -n", "ask -m sandbox/glm-5 hi -q"])
def test_a_reader_that_is_gone_from_the_start(home, cwd, arguments) -> None:
    done = shell(f'(sleep 0.3; exec "$GLM" {arguments} 2>err) | true; echo "${{PIPESTATUS[0]}}"', home, cwd)
    assert done.stdout == b"141\n"
    assert (cwd / "err").read_bytes() == b""


# Descriptors that are closed or full


@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("where", [">&-", ">/dev/full"])
def test_a_stdout_that_cannot_be_written_is_found_before_sending(home, cwd, command, where) -> None:
    reason = "it is closed" if where == ">&-" else "No space left on device"
    with Server(answer("Hi")) as server:
        for form in ("", "--json", "--jsonl"):
            flags = "" if command == "stream" and form == "--json" else form
            ask = f'"$GLM" {command} {" ".join(ZAI)} {server.url} {flags} hi {where}'
            done = shell(ask, home, cwd, **KEY)
            assert done.returncode == 14
            assert error_of(done.stderr.decode()) == f"cannot write to stdout: {reason}"
        assert server.requests == []


@pytest.mark.parametrize("arguments", ["--version", "--help", "ask -m sandbox/glm-5 hi -n", "sandbox"])
@pytest.mark.parametrize("where", [">&-", ">/dev/full"])
def test_other_output_that_cannot_be_written(home, cwd, arguments, where) -> None:
    done = shell(f'"$GLM" {arguments} {where}', home, cwd)
    assert done.returncode == 14
    assert error_of(done.stderr.decode()).startswith("cannot write to stdout: ")


def test_a_closed_stdout_does_not_matter_to_a_file(home, cwd) -> None:
    with Server(answer("Hi", "Hm")) as server:
        done = shell(f'"$GLM" ask {" ".join(ZAI)} {server.url} hi -O out >&-', home, cwd, **KEY)
    assert (done.returncode, done.stderr) == (0, b"Hm\n")
    assert (cwd / "out").read_bytes() == b"Hi\n"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", "2> >(exec true)"])
def test_stderr_never_hides_the_exit_code(home, cwd, where) -> None:
    cut = stream(delta(reasoning_content="Hm"), delta(content="Hel"), delta(content="", finish_reason="length"))
    with Server(answer("Hi", "Hm"), answer("Hi", "Hm"), cut, cut) as server:
        ask = f'"$GLM" {{}} {" ".join(ZAI)} {server.url} hi -v -u {where}'
        good = [shell(ask.format(command), home, cwd, **KEY) for command in ("ask", "stream")]
        bad = [shell(ask.format(command), home, cwd, **KEY) for command in ("ask", "stream")]
    assert [(done.returncode, done.stdout) for done in good] == [(0, b"Hi\n")] * 2
    assert [(done.returncode, done.stdout) for done in bad] == [(7, b""), (7, b"Hel\n")]
    assert shell(f'"$GLM" ask hi {where}', home, cwd).returncode == 3
    assert shell(f'"$GLM" nothing {where}', home, cwd).returncode == 2


def test_all_three_closed(home, cwd) -> None:
    with Server(answer("Hi", "Hm")) as server:
        ask = f'"$GLM" ask {" ".join(ZAI)} {server.url} hi -O out <&- >&- 2>&-; echo $? >code'
        shell(ask, home, cwd, **KEY)
    assert (cwd / "code").read_text() == "0\n"
    assert (cwd / "out").read_bytes() == b"Hi\n"
    assert server.requests[0].json["messages"] == [{"role": "user", "content": "hi"}]


def test_a_pipe_that_does_not_block(home, cwd) -> None:
    """A program in the same pipeline may have made it so; a full pipe is no error then."""
    text = "0123456789" * 30_000
    with Server(answer(text)) as server:
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETFL, os.O_NONBLOCK)
        with (
            os.fdopen(reader, "rb") as pipe,
            running(home, cwd, "ask", *ZAI, server.url, "hi", env=KEY, stdout=writer) as process,
        ):
            os.close(writer)
            wait_for(lambda: struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0] >= _FULL)
            assert pipe.read() == text.encode() + b"\n"
            assert process.wait(30) == 0


def test_a_stdout_that_is_open_for_reading_only(home, cwd) -> None:
    with Server(answer()) as server:
        done = shell(f'"$GLM" ask {" ".join(ZAI)} {server.url} hi 1</dev/null', home, cwd, **KEY)
    assert (done.returncode, error_of(done.stderr.decode())) == (
        14,
        "cannot write to stdout: it is open for reading only",
    )
    assert server.requests == []


@pytest.fixture
def first_process() -> tuple[str, ...]:
    """What runs a program as process 1, as a container does."""
    command = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
    done = subprocess.run([*command, "true"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine allows no process namespaces: {done.stderr.decode().strip()}")
    return (*command, GLM)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_as_process_1_it_exits_with_the_number(home, cwd, first_process, number, code) -> None:
    script = stalled(delta(content="Hel"), delta(reasoning_content="Hm"))
    with (
        Server(script) as server,
        running(home, cwd, "stream", *ZAI, server.url, "hi", env=KEY, program=first_process) as outer,
    ):
        read_until(outer.stderr, b"Hm")
        (inner,) = map(int, Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split())
        os.kill(inner, number)
        assert outer.wait(30) == code
        assert (outer.stdout.read(), outer.stderr.read()) == (b"Hel", b"")


def test_as_process_1_it_ends_silently_with_its_reader(home, cwd, first_process) -> None:
    with running(home, cwd, "ask", "-m", "sandbox/glm-5", "-R", "hi", program=first_process) as outer:
        outer.stdout.close()
        assert outer.wait(30) == 141
        assert outer.stderr.read() == b""
