"""stdout, stderr and files: what is printed where, and when."""

from __future__ import annotations

import json
import os
import signal
import stat
import threading

import pytest
from processes import error_of, file_names, read_until, running, shell, stalled
from program import CANARY
from scripted_server import Pause, Reset, Server, answer, chunk, delta, event, head, reply, stream

ZAI = ("-P", "zai", "--base-url")
KEY = {"ZAI_API_KEY": CANARY}
USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 20,
    "total_tokens": 27,
    "completion_tokens_details": {"reasoning_tokens": 11},
    "prompt_tokens_details": {"cached_tokens": 3},
}

# What came before the end is "Hel" and the reasoning "Hm".
CUT = {
    "end of the stream": (stream(delta(reasoning_content="Hm"), delta(content="Hel"), done=False), 7),
    "end of the chunks": (stream(delta(reasoning_content="Hm"), delta(content="Hel"), done=False, end=False), 7),
    "token limit": (
        stream(delta(reasoning_content="Hm"), delta(content="Hel"), delta(content="", finish_reason="length")),
        7,
    ),
    "filter": (
        stream(delta(reasoning_content="Hm"), delta(content="Hel"), delta(content="", finish_reason="sensitive")),
        8,
    ),
    "error object": (
        stream(delta(reasoning_content="Hm"), delta(content="Hel"), {"error": {"code": "1234", "message": "network"}}),
        5,
    ),
    "reset": (
        [head(), chunk(event(delta(reasoning_content="Hm"))), chunk(event(delta(content="Hel"))), Pause(0.2), Reset()],
        6,
    ),
    "unknown finish": (
        stream(delta(reasoning_content="Hm"), delta(content="Hel"), delta(content="", finish_reason="zzz")),
        13,
    ),
}


@pytest.mark.parametrize("cut", CUT)
def test_ask_prints_nothing_that_is_not_complete(glm, cut) -> None:
    script, code = CUT[cut]
    with Server(script) as server:
        done = glm("ask", *ZAI, server.url, "--retries", "0", "hi", env=KEY)
    assert (done.code, done.out) == (code, b"")
    assert done.err.startswith("Hm\nglm: error: zai: ")


@pytest.mark.parametrize("cut", CUT)
def test_keep_partial_prints_what_came_and_the_code_stays(glm, cut) -> None:
    script, code = CUT[cut]
    with Server(script) as server:
        done = glm("ask", *ZAI, server.url, "--retries", "0", "--keep-partial", "-R", "hi", env=KEY)
    assert (done.code, done.out) == (code, b"Hel\n")
    error_of(done.err)


@pytest.mark.parametrize("cut", CUT)
def test_stream_has_printed_what_came(glm, cut) -> None:
    script, code = CUT[cut]
    with Server(script) as server:
        done = glm("stream", *ZAI, server.url, "hi", env=KEY)
    assert (done.code, done.out) == (code, b"Hel\n")
    assert done.err.startswith("Hm\nglm: error: zai: ")
    assert len(server.requests) == 1


def test_stream_flushes_at_every_event(home, cwd) -> None:
    script = [
        head(),
        chunk(event(delta(reasoning_content="Hm"))),
        Pause(0.3),
        chunk(event(delta(content="A"))),
        Pause(0.3),
        *stalled(delta(content="B"))[1:],
    ]
    with Server(script) as server, running(home, cwd, "stream", *ZAI, server.url, "hi", env=KEY) as process:
        assert read_until(process.stderr, b"Hm") == b"Hm"
        assert read_until(process.stdout, b"A") == b"A"
        assert read_until(process.stdout, b"B") == b"B"


def test_reasoning_of_ask_is_live(home, cwd) -> None:
    with (
        Server(stalled(delta(reasoning_content="Hm"))) as server,
        running(home, cwd, "ask", *ZAI, server.url, "hi", env=KEY) as process,
    ):
        assert read_until(process.stderr, b"Hm") == b"Hm"


TEXTS = (
    (["x"], "x\n"),
    (["x\n"], "x\n"),
    (["x\n\n"], "x\n\n"),
    (["x", "\n"], "x\n"),
    (["  x  "], "  x  \n"),
    (["a\r\nb\r"], "a\r\nb\r\n"),
    (["a\u2028b\u0085c\x0cd\x1b[2Je"], "a\u2028b\u0085c\x0cd\x1b[2Je\n"),
    (["中文😀"], "中文😀\n"),
)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize(("pieces", "printed"), TEXTS)
def test_one_newline_is_added_where_there_is_none(glm, command, pieces, printed) -> None:
    script = stream(*(delta(content=piece) for piece in pieces), delta(content="", finish_reason="stop"))
    with Server(script) as server:
        done = glm(command, *ZAI, server.url, "hi", env=KEY)
        exact = glm(command, *ZAI, server.url, "--exact", "hi", env=KEY)
    assert (done.code, done.text) == (0, printed)
    assert (exact.code, exact.text) == (0, "".join(pieces))


LEADING = stream(
    delta(content="\n"), delta(content="\n"), delta(content="\nx\n\ny"), delta(content="", finish_reason="stop")
)


@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize(
    ("row", "printed"),
    [
        ("bigmodel", b"x\n\ny\n"),
        ("zai", b"x\n\ny\n"),
        ("modelstudio", b"\n\n\nx\n\ny\n"),
        ("tokenhub", b"\n\n\nx\n\ny\n"),
        ("openai", b"\n\n\nx\n\ny\n"),
    ],
)
def test_leading_newlines_go_only_where_the_row_says_so(glm, keys, command, row, printed) -> None:
    with Server(LEADING) as server:
        done = glm(command, "-P", row, "-m", "glm-5", "--base-url", server.url, "hi", env=keys)
    assert (done.code, done.out) == (0, printed)


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_exact_keeps_leading_newlines(glm, command) -> None:
    with Server(LEADING) as server:
        done = glm(command, *ZAI, server.url, "--exact", "hi", env=KEY)
    assert done.out == b"\n\n\nx\n\ny"


@pytest.mark.parametrize(
    "changes",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "gbk:replace"},
    ],
)
def test_the_locale_does_not_change_a_byte(glm, changes) -> None:
    with Server(answer("中文✨", "思")) as server:
        done = glm("ask", *ZAI, server.url, "问", env=KEY | changes)
    assert (done.code, done.text, done.err) == (0, "中文✨\n", "思\n")
    assert server.requests[0].json["messages"] == [{"role": "user", "content": "问"}]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize(
    ("flags", "out", "err"),
    [
        ((), b"Hi\n", "Hm\n"),
        (("-R",), b"Hi\n", ""),
        (("--no-reasoning",), b"Hi\n", ""),
        (("-q",), b"Hi\n", ""),
        (("--quiet",), b"Hi\n", ""),
        (("--reasoning", "stderr"), b"Hi\n", "Hm\n"),
        (("-q", "--reasoning", "stderr"), b"Hi\n", "Hm\n"),
        (("--reasoning", "none"), b"Hi\n", ""),
        (("--reasoning", "stdout"), b"Hm\nHi\n", ""),
        (("--reasoning", "fd:1"), b"Hm\nHi\n", ""),
        (("--reasoning", "fd:2"), b"Hi\n", "Hm\n"),
        (("--reasoning", "/dev/stderr"), b"Hi\n", "Hm\n"),
    ],
)
def test_where_reasoning_goes(glm, command, flags, out, err) -> None:
    with Server(answer("Hi", "Hm")) as server:
        done = glm(command, *ZAI, server.url, *flags, "hi", env=KEY)
    assert (done.code, done.out, done.err) == (0, out, err)


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_reasoning_into_a_file_and_a_descriptor(glm, cwd, command) -> None:
    with Server(answer("Hi", "Hm")) as server:
        done = glm(command, *ZAI, server.url, "--reasoning", "thoughts", "hi", env=KEY)
        assert (done.code, done.out, done.err) == (0, b"Hi\n", "")
        assert (cwd / "thoughts").read_bytes() == b"Hm\n"
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as pipe:
            done = glm(command, *ZAI, server.url, "--reasoning", f"fd:{writer}", "hi", env=KEY, pass_fds=(writer,))
            os.close(writer)
            assert pipe.read() == b"Hm\n"
    assert (done.code, done.out, done.err) == (0, b"Hi\n", "")


def test_reasoning_ends_with_a_newline_before_anything_else(glm) -> None:
    with Server(answer("Hi", "Hm\n\n"), answer("Hi", "Hm"), reply(401, {"error": {"message": "no"}})) as server:
        assert glm("ask", *ZAI, server.url, "hi", env=KEY).err == "Hm\n\n"
        done = glm("ask", *ZAI, server.url, "-u", "hi", env=KEY)
    assert done.err.startswith("Hm\nglm: usage: ")


@pytest.mark.parametrize("destination", ["fd:9", "fd:x", "fd:-1", "fd:99999999999999999999", "fd:"])
@pytest.mark.parametrize("flag", ["--reasoning", "--meta"])
def test_a_descriptor_that_is_not_open_is_found_before_sending(glm, flag, destination) -> None:
    with Server(answer()) as server:
        done = glm("ask", *ZAI, server.url, flag, destination, "hi", env=KEY)
    assert (done.code, done.out) == (2, b"")
    assert error_of(done.err) == f"{flag}: {destination} is not an open descriptor"
    assert server.requests == []


@pytest.mark.parametrize("number", range(3, 9))
def test_our_own_descriptors_are_not_the_users(glm, cwd, number) -> None:
    with Server(answer("Hi", "Hm")) as server:
        flags = ("--session", "s", "-O", "out", "--reasoning", f"fd:{number}")
        done = glm("ask", *ZAI, server.url, *flags, "hi", env=KEY)
    assert (done.code, server.requests) == (2, [])
    assert (cwd / "s").read_bytes() == b""


@pytest.mark.parametrize("flag", ["--reasoning", "--meta", "-O"])
@pytest.mark.parametrize("place", ["/dev/full", "missing/file", "."])
def test_a_place_that_cannot_be_written_is_found_before_sending(glm, flag, place) -> None:
    with Server(answer()) as server:
        done = glm("ask", *ZAI, server.url, flag, place, "hi", env=KEY)
    assert (done.code, done.out) == (14, b"")
    assert error_of(done.err).startswith("cannot write ")
    assert server.requests == []


def test_reasoning_on_stdout_is_printed_with_a_complete_answer_only(glm) -> None:
    script, code = CUT["token limit"]
    with Server(script) as server:
        done = glm("ask", *ZAI, server.url, "--reasoning", "stdout", "hi", env=KEY)
        kept = glm("ask", *ZAI, server.url, "--reasoning", "stdout", "--keep-partial", "hi", env=KEY)
    assert (done.code, done.out) == (code, b"")
    assert (kept.code, kept.out) == (code, b"Hm\nHel\n")


@pytest.mark.parametrize("destination", ["thoughts", "stdout"])
def test_reasoning_of_one_attempt_only(glm, cwd, destination) -> None:
    cut = stream(delta(reasoning_content="first"), delta(content="x"), done=False)
    with Server(cut, answer("Hi", "second")) as server:
        done = glm("ask", *ZAI, server.url, "--reasoning", destination, "hi", env=KEY)
    assert len(server.requests) == 2
    printed = b"second\nHi\n" if destination == "stdout" else b"Hi\n"
    assert (done.code, done.out) == (0, printed)
    if destination == "thoughts":
        assert (cwd / "thoughts").read_bytes() == b"second\n"
    assert "the first request may be billed" in done.err


def test_usage_is_one_line(glm) -> None:
    with Server(
        stream(delta(content="Hi"), delta(content="", finish_reason="stop", usage=USAGE)),
        answer("Hi"),
        stream(delta(content="Hi"), delta(content="", finish_reason="stop", usage={"prompt_tokens": 0})),
    ) as server:
        full = glm("ask", *ZAI, server.url, "-u", "hi", env=KEY)
        none = glm("stream", *ZAI, server.url, "--usage", "hi", env=KEY)
        part = glm("ask", *ZAI, server.url, "-u", "hi", env=KEY)
    assert full.err == "glm: usage: input 7 (cached 3), output 20 (reasoning 11), total 27, cost unknown\n"
    unknown = "output unknown (reasoning unknown), total unknown, cost unknown\n"
    assert none.err == f"glm: usage: input unknown (cached unknown), {unknown}"
    assert part.err == f"glm: usage: input 0 (cached unknown), {unknown}"
    assert {full.out, none.out, part.out} == {b"Hi\n"}


def test_verbose_says_who_is_asked_and_why(glm) -> None:
    with Server(answer("Hi")) as server:
        done = glm("ask", "--verbose", "--base-url", server.url, "hi", env=KEY)
        quiet = glm("ask", "--verbose", "-q", "--base-url", server.url, "hi", env=KEY)
    assert "zai/glm-5" in done.err
    assert "zai is the first provider with a key" in done.err
    assert all(line.startswith("glm: ") for line in done.err.splitlines())
    assert quiet.err == ""


META = {
    "provider",
    "model",
    "request_id",
    "tool_calls",
    "finish_reason",
    "sources",
    "usage",
    "cost",
    "attempts",
    "timing",
    "error",
}


def test_meta_is_the_object_without_texts(glm, cwd) -> None:
    with Server(answer("Hi", "Hm")) as server:
        done = glm("ask", *ZAI, server.url, "--meta", "meta.json", "hi", env=KEY)
        assert (done.code, done.out, done.err) == (0, b"Hi\n", "Hm\n")
        meta = json.loads((cwd / "meta.json").read_text())
        assert set(meta) == META
        assert (meta["provider"], meta["model"], meta["finish_reason"]) == ("zai", "glm-5", "stop")
        beside = glm("stream", *ZAI, server.url, "-R", "--meta", "stderr", "hi", env=KEY)
        assert beside.out == b"Hi\n"
        assert set(json.loads(beside.err)) == META
        both = glm("ask", *ZAI, server.url, "-R", "--meta", "stdout", "hi", env=KEY)
        text, line = both.out.split(b"\n", 1)
        assert (text, set(json.loads(line))) == (b"Hi", META)
        none = glm("ask", *ZAI, server.url, "-R", "--meta", "none", "hi", env=KEY)
        assert (none.out, none.err) == (b"Hi\n", "")


# --output


def test_output_into_a_new_file(glm, cwd) -> None:
    with Server(answer("Hi", "Hm")) as server:
        done = glm("ask", *ZAI, server.url, "-O", "out.txt", "hi", env=KEY, umask=0o027)
    assert (done.code, done.out, done.err) == (0, b"", "Hm\n")
    assert (cwd / "out.txt").read_bytes() == b"Hi\n"
    assert stat.S_IMODE((cwd / "out.txt").stat().st_mode) == 0o640
    assert file_names(cwd) == {"out.txt"}


def test_output_keeps_the_mode_of_an_old_file(glm, cwd) -> None:
    old = cwd / "out.txt"
    old.write_text("old text that is longer than the new one")
    old.chmod(0o604)
    with Server(answer("Hi")) as server:
        done = glm("stream", *ZAI, server.url, "--output", "out.txt", "--exact", "hi", env=KEY)
    assert (done.code, done.out, old.read_bytes()) == (0, b"", b"Hi")
    assert stat.S_IMODE(old.stat().st_mode) == 0o604
    assert file_names(cwd) == {"out.txt"}


@pytest.mark.parametrize("exists", [True, False])
def test_output_follows_a_symbolic_link(glm, cwd, tmp_path, exists) -> None:
    target = tmp_path / "target"
    if exists:
        target.write_text("old")
    (cwd / "link").symlink_to(target)
    with Server(answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, "-O", "link", "hi", env=KEY)
    assert (done.code, done.out) == (0, b"")
    assert (cwd / "link").is_symlink()
    assert target.read_bytes() == b"Hi\n"


def test_output_with_the_longest_name(glm, cwd) -> None:
    name = "n" * 255
    with Server(answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, "-O", name, "hi", env=KEY)
    assert (done.code, (cwd / name).read_bytes()) == (0, b"Hi\n")


@pytest.mark.sampled(5)
@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("flags", [(), ("--keep-partial",), ("--jsonl",)])
@pytest.mark.parametrize("exists", [True, False])
def test_output_stays_as_it_was_unless_the_answer_is_complete(glm, cwd, command, flags, exists) -> None:
    if exists:
        (cwd / "out").write_text("old")
    script, code = CUT["token limit"]
    with Server(script) as server:
        done = glm(command, *ZAI, server.url, "-O", "out", *flags, "hi", env=KEY)
    assert (done.code, done.out) == (code, b"")
    assert file_names(cwd) == ({"out"} if exists else set())
    assert not exists or (cwd / "out").read_text() == "old"


def test_output_is_replaced_at_the_end_only(home, cwd) -> None:
    (cwd / "out").write_text("old")
    flags = ("-O", "out", "--reasoning", "stderr", "hi")
    script = stalled(delta(content="new"), delta(reasoning_content="Hm"))
    with Server(script) as server, running(home, cwd, "stream", *ZAI, server.url, *flags, env=KEY) as process:
        read_until(process.stderr, b"Hm")
        assert (cwd / "out").read_text() == "old"
        process.send_signal(signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM
    assert (cwd / "out").read_text() == "old"
    assert file_names(cwd) == {"out"}


def test_output_into_a_folder_that_cannot_be_written(glm, cwd) -> None:
    with Server(answer()) as server:
        done = glm("ask", *ZAI, server.url, "-O", "/proc/glm-test", "hi", env=KEY)
        assert (done.code, server.requests) == (14, [])
        assert error_of(done.err).startswith("cannot write /proc/glm-test: ")
        if os.geteuid():
            cwd.chmod(0o555)
            done = glm("ask", *ZAI, server.url, "-O", "out", "hi", env=KEY)
            cwd.chmod(0o755)
            assert (done.code, server.requests) == (14, [])


def test_output_from_a_working_directory_that_is_gone(home, cwd) -> None:
    with Server(answer("Hi")) as server:
        script = f'mkdir gone; cd gone; rmdir ../gone; "$GLM" ask {" ".join(ZAI)} {server.url} hi '
        lost = shell(script + "-O out", home, cwd, **KEY)
        fine = shell(script, home, cwd, **KEY)
    assert (lost.returncode, fine.returncode, fine.stdout) == (14, 0, b"Hi\n")
    assert error_of(lost.stderr.decode()) == "cannot write out: No such file or directory"


def test_output_into_a_fifo(glm, cwd) -> None:
    os.mkfifo(cwd / "fifo")
    came: list[bytes] = []
    reader = threading.Thread(target=lambda: came.append((cwd / "fifo").read_bytes()), daemon=True)
    reader.start()
    with Server(answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, "-O", "fifo", "hi", env=KEY)
    reader.join(10)
    assert (done.code, done.out, came) == (0, b"", [b"Hi\n"])
    assert stat.S_ISFIFO((cwd / "fifo").stat().st_mode)


@pytest.mark.parametrize("flags", [(), ("--jsonl",), ("--meta", "fd:1")])
def test_a_pipe_that_nobody_reads_ends_at_the_deadline(home, cwd, flags) -> None:
    """Nor is the end of the answer waited for, which goes to the same pipe."""
    script = stream(*[delta(content="x" * 10_000)] * 100)
    more = ("--deadline", "2", *flags, "hi")
    with Server(script) as server, running(home, cwd, "stream", *ZAI, server.url, *more, env=KEY) as process:
        assert process.wait(30) == 6
        assert error_of(process.stderr.read().decode()).endswith("has passed")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("flag", ["-O", "--reasoning", "--meta"])
def test_a_fifo_that_nobody_reads_ends_at_the_deadline(glm, cwd, flag) -> None:
    os.mkfifo(cwd / "fifo")
    with Server(answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, flag, "fifo", "--deadline", "0.3", "hi", env=KEY, timeout=20)
    assert (done.code, done.out, server.requests) == (6, b"", [])
    assert error_of(done.err) == "the deadline has passed"


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("-m", "nowhere/x", "-P", "nowhere"), 2, "--provider: unknown provider 'nowhere'"),
        (("-P", "tokenhub"), 3, "no key for tokenhub"),
        (("-m", "sandbox/glm-5", "-O", "/none/out"), 14, "cannot write /none/out: No such file or directory"),
    ],
)
def test_an_error_is_not_lost_in_a_fifo_that_nobody_reads(glm, cwd, flags, code, said) -> None:
    os.mkfifo(cwd / "fifo")
    done = glm("ask", *flags, "--meta", "fifo", "--deadline", "0.3", "hi", timeout=20)
    assert (done.code, done.out) == (code, b"")
    assert error_of(done.err) == said


@pytest.mark.parametrize("path", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_output_into_a_descriptor(glm, path) -> None:
    reader, writer = os.pipe()
    with Server(answer("Hi")) as server, os.fdopen(reader, "rb") as pipe:
        done = glm("ask", *ZAI, server.url, "-O", path.format(writer), "hi", env=KEY, pass_fds=(writer,))
        os.close(writer)
        assert pipe.read() == b"Hi\n"
    assert (done.code, done.out) == (0, b"")


@pytest.mark.parametrize("flags", [("-O", "/dev/stdout"), ("-O", "/dev/fd/1"), ("-O", "-"), ()])
def test_output_into_stdout(glm, flags) -> None:
    with Server(answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, *flags, "hi", env=KEY)
    assert (done.code, done.out) == (0, b"Hi\n")


@pytest.mark.parametrize(
    ("flags", "log"),
    [
        ("-R -O /dev/stdout", "old\nHi\n"),
        ("-R --meta /dev/stdout", "old\nHi\n{"),
        ("--reasoning /dev/stdout", "old\nHm\nHi\n"),
    ],
)
def test_a_named_stdout_is_appended_to_as_the_shell_opened_it(home, cwd, flags, log) -> None:
    (cwd / "log").write_text("old\n")
    with Server(answer("Hi", "Hm")) as server:
        done = shell(f'"$GLM" ask {" ".join(ZAI)} {server.url} hi {flags} >> log', home, cwd, **KEY)
    assert done.returncode == 0
    assert (cwd / "log").read_text().startswith(log)


def test_output_into_a_full_device(glm) -> None:
    with Server(answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, "-O", "/dev/full", "hi", env=KEY)
    assert (done.code, server.requests) == (14, [])


def test_a_disk_that_fills_up_leaves_the_old_file(home, cwd) -> None:
    (cwd / "out").write_text("old")
    with Server(answer("x" * 5000)) as server:
        done = shell(f'ulimit -f 1; "$GLM" ask {" ".join(ZAI)} {server.url} hi -O out', home, cwd, **KEY)
    assert (done.returncode, done.stdout) == (14, b"")
    kept, _, said = done.stderr.decode().partition("\n")
    assert kept == "x" * 5000  # it was paid for, and no file takes it
    assert error_of(said) == "cannot write to out: File too large"
    assert said.endswith("  fix: the answer stands above, on stderr: no file can be written\n")
    assert (cwd / "out").read_text() == "old"
    assert file_names(cwd) == {"out"}


def test_in_a_real_pipeline(home, cwd) -> None:
    (cwd / "report.txt").write_text("Sales rose.\nCosts fell.\n")
    with Server(answer("Up.\nDown.", "Hm")) as server:
        ask = f'"$GLM" ask {" ".join(ZAI)} {server.url} Summarise'
        done = shell(f"set -o pipefail; cat report.txt | {ask} | cat | head -1", home, cwd, **KEY)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Up.\n", b"Hm\n")
    assert server.requests[0].json["messages"] == [
        {"role": "user", "content": "Summarise\n\nSales rose.\nCosts fell.\n"}
    ]
