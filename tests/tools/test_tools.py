"""`glm tools` as the contract and --help promise it: the installed program, real child processes, a scripted model."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import time
from base64 import b64encode
from contextlib import suppress

import pytest
from json_output import reply_events, reply_object
from processes import error_of, read_until, running, shell, wait_for
from program import CANARY, GLM
from pseudo_terminal import Console
from scripted_server import Server, Stall, answer, delta, head, reply, stream
from tool_runs import (
    CONTROLLED,
    FINAL,
    KEY,
    ZAI,
    ToolRuns,
    alive,
    assert_all_ended,
    call_body,
    call_stream,
    pids,
    tool,
    whole_call,
)

TEXT = {"type": "string"}
X = {"x": TEXT}
SOON = 25.0  # seconds; the aim is far less, and only who hangs takes more, however busy the machine


@pytest.fixture
def scene(glm, cwd):
    return ToolRuns(glm, cwd)


def mark(x: str | int) -> tuple[str, str]:
    return "mark", json.dumps({"x": str(x)})


def echoing(scene: ToolRuns, **more) -> None:
    """A tool that prints its argument."""
    scene.program("mark", 'echo "got $1"')
    scene.file(tool("mark", "./mark", "{x}", properties=X, **more))


# From arguments to argv and stdin


@pytest.fixture
def argv(scene, cwd):
    """The argv of a program that is called with these arguments."""

    def run(words, arguments, properties=None, **more):
        scene.program("mark", "for word; do printf '%s\\0' \"$word\"; done >argv; cat >stdin")
        kinds = properties or {name: {} for name in arguments}
        scene.file(tool("mark", "./mark", *words, properties=kinds, **more))
        done = scene.run(call_stream(("mark", json.dumps(arguments))))
        assert (done.code, scene.ran != []) == (0, True), scene.results
        return (cwd / "argv").read_text().split("\0")[:-1]

    return run


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("words", "arguments", "given"),
    [
        (["{a}", "-n", "{b}", "{a}"], {"a": "x y", "b": 5}, ["x y", "-n", "5", "x y"]),
        (["{a}", "{b}", "{c}", "{d}"], {"a": True, "b": False, "c": 1.5, "d": 0}, ["true", "false", "1.5", "0"]),
        (["{a}"], {"a": 10**20}, ["100000000000000000000"]),
        (["{a}", "{b}"], {"a": [1, "ü"], "b": {"k": None}}, ['[1, "ü"]', '{"k": null}']),
        (["{a}", "{ a }", "{}", "x{a b}", "{{b}}"], {"a": ""}, ["", "{ a }", "{}", "x{a b}", "{{b}}"]),
        (["--", "{a-b}", "{a_1}"], {"a-b": "{a_1}", "a_1": "y"}, ["--", "{a_1}", "y"]),
    ],
)
def test_whole_items_are_replaced(argv, cwd, words, arguments, given) -> None:
    assert argv(words, arguments) == given
    assert (cwd / "stdin").read_bytes() == b""  # with placeholders, stdin is empty


def test_an_absent_argument_drops_its_item(argv) -> None:
    kinds = {name: {"type": ["string", "null"]} for name in "abc"}
    assert argv(["-x", "{a}", "-y", "{b}", "{c}"], {"b": "B", "c": None}, kinds) == ["-x", "-y", "B"]


def test_without_placeholders_the_arguments_are_an_object_on_stdin(argv, cwd) -> None:
    arguments = {"a": "中文\n😀", "b": [1.5, None, True], "c": {"d": "-x"}}
    assert argv(["fixed", "$HOME"], arguments) == ["fixed", "$HOME"]
    data = (cwd / "stdin").read_bytes()
    assert json.loads(data) == arguments
    assert data.count(b"\n") == 1
    assert data.endswith(b"\n")


def test_no_arguments_are_an_empty_object(argv, cwd) -> None:
    assert argv([], {}) == []
    assert (cwd / "stdin").read_bytes() == b"{}\n"


def test_a_megabyte_is_passed_whole_to_a_program_that_does_not_want_it(scene) -> None:
    scene.program("mark", "exit 0")
    scene.program("count", "sleep 0.2; wc -c | tr -d ' '")
    scene.file(tool(properties=X), tool("count", properties=X))
    text = json.dumps({"x": "y" * 200_000})
    assert scene.run(call_stream(("mark", text), ("count", text))).code == 0
    assert scene.results == ["(no output)", f"{len(text) + 1}\n"]


def test_more_than_a_pipe_holds_goes_in_and_comes_out(scene) -> None:
    scene.program("mark", "cat")
    scene.file(tool(properties=X))
    text = json.dumps({"x": "y" * 200_000})
    assert scene.run(call_stream(("mark", text))).code == 0
    assert scene.results == [text + "\n"]


def test_a_nul_in_argv_is_refused(scene) -> None:
    echoing(scene)
    assert scene.run(call_stream(("mark", '{"x": "a\\u0000b"}'))).code == 0
    assert (scene.ran, "NUL" in scene.results[0]) == ([], True)


def test_more_than_argv_holds_is_a_failure_of_the_call(scene) -> None:
    echoing(scene)
    assert scene.run(call_stream(("mark", json.dumps({"x": "y" * 250_000})))).code == 0
    assert (scene.ran, scene.results) == ([], ["The tool cannot be started: Argument list too long."])


def test_its_working_directory_is_the_users(scene, cwd) -> None:
    (cwd / "deep").mkdir()
    (cwd / "deep" / "here").write_text("yes")
    scene.program("mark", "pwd; cat here")
    scene.file()
    with Server(call_stream(("mark", "{}")), FINAL) as server:
        line = f'cd deep && "$GLM" tools run -P zai --base-url {server.url} --tools ../t.json --yes -q hi'
        done = shell(line, cwd.parent / "home", cwd, **KEY)
    assert done.returncode == 0
    assert server.requests[1].json["messages"][-1]["content"] == f"{cwd / 'deep'}\nyes"


def test_a_tool_file_from_stdin(glm, scene) -> None:
    with Server(call_stream(("mark", "{}")), FINAL) as server:
        flags = (*ZAI, server.url, "--tools", "-", "--yes", "-q")
        data = json.dumps({"tools": [tool()]}).encode()
        done = glm("tools", "run", *flags, "hi", env=KEY, stdin=data)
        assert (done.code, scene.ran) == (0, ["mark"])
        none = glm("tools", "run", *flags, "-a", "-", "hi", env=KEY, stdin=data)
        assert (none.code, scene.ran) == (2, ["mark"])
    assert server.requests[0].json["messages"] == [{"role": "user", "content": "hi"}]


def test_environment_variables_by_name(scene) -> None:
    scene.program("mark", 'echo "$ONE|$TWO|$HOME"')
    scene.file(tool(env=["ONE"]))
    assert scene.run(call_stream(("mark", "{}")), env={"ONE": "1", "TWO": "2"}).code == 0
    assert scene.results == [f"1||{scene.cwd.parent / 'home'}\n"]


@pytest.mark.parametrize("timeout", [0, -1, "5", 86401])
def test_a_time_limit_is_a_number_of_seconds(glm, scene, timeout) -> None:
    scene.file(tool(timeout=timeout))
    done = glm("tools", "check", "t.json")
    assert (done.code, done.text.count("\n")) == (2, 1)


# Order


BEGIN_END = 'echo "begin $1" >>log; sleep "$2"; echo "end $1" >>log; echo "$1"'


def test_only_neighbours_that_are_parallel_run_beside_each_other(scene, cwd) -> None:
    properties = {"n": TEXT, "s": {"type": "number"}}
    for name in ("mark", "alone"):
        scene.program(name, BEGIN_END)
    scene.file(
        tool("mark", "./mark", "{n}", "{s}", properties=properties, parallel=True),
        tool("alone", "./alone", "{n}", "{s}", properties=properties),
    )
    order = [("mark", "1", 0.4), ("mark", "2", 0.1), ("alone", "3", 0.1), ("mark", "4", 0.1)]
    began = time.monotonic()
    done = scene.run(call_stream(*((name, json.dumps({"n": n, "s": s})) for name, n, s in order)))
    assert (done.code, scene.results) == (0, ["1\n", "2\n", "3\n", "4\n"])
    assert time.monotonic() - began < SOON
    log = (cwd / "log").read_text().split()
    pairs = list(zip(log[::2], log[1::2], strict=True))
    assert set(pairs[:2]) == {("begin", "1"), ("begin", "2")}
    assert pairs[2:] == [
        ("end", "2"), ("end", "1"), ("begin", "3"), ("end", "3"), ("begin", "4"), ("end", "4"),
    ]  # fmt: skip


def test_a_failure_does_not_stop_the_calls_after_it(scene) -> None:
    scene.program("mark", '[ "$1" != 1 ]')
    scene.file(tool("mark", "./mark", "{x}", properties=X))
    assert scene.run(call_stream(mark(1), mark(2))).code == 0
    assert scene.ran == ["mark 1", "mark 2"]
    assert scene.results == ["The tool failed: exit status 1.", "(no output)"]


def test_a_wrong_call_does_not_keep_the_others_of_its_turn_from_running(scene) -> None:
    """README, "Nothing runs unasked"."""
    scene.file(tool(properties={"n": {"type": "integer"}}))
    for number, bad in enumerate((("mark", "{"), ("mark", '{"n": "x"}'), ("absent", "{}")), 1):
        done = scene.run(call_stream(("mark", '{"n": 1}'), bad))
        assert (done.code, len(scene.ran), len(scene.results)) == (0, number, 2)


def test_more_calls_in_a_turn_than_anybody_needs(scene) -> None:
    scene.file(tool(properties={"n": {"type": "integer"}}))
    done = scene.run(call_stream(*(("mark", f'{{"n": {n}}}') for n in range(129))), "-q")
    assert (done.code, scene.ran, len(scene.server.requests)) == (10, [], 1)


# Approvals


@pytest.mark.parametrize("more", [{}, {"approve": "ask"}])
def test_without_a_terminal_ask_means_denied(scene, more) -> None:
    scene.file(tool(**more), tool("fine", "./mark", approve="auto"))
    done = scene.run(call_stream(("fine", "{}"), ("mark", "{}")), "-q", yes=False)
    assert (done.code, done.out, scene.ran, len(scene.server.requests)) == (10, b"", [], 1)
    assert error_of(done.err) == "mark needs approval, and there is no terminal to ask at"


@pytest.mark.parametrize(
    ("approve", "flags", "code"),
    [
        ("ask", ("--yes",), 0),
        ("ask", ("--approve", "mark"), 0),
        ("ask", ("--approve", "other", "--approve", "mark"), 0),
        ("ask", ("--approve", "other"), 10),
        ("auto", (), 0),
        ("deny", (), 10),
        ("deny", ("--yes",), 10),
        ("deny", ("--approve", "mark"), 10),
        ("deny", ("--approve", "mark", "--yes"), 10),
    ],
)
def test_who_approves(scene, approve, flags, code) -> None:
    scene.file(tool(approve=approve), tool("other", "./mark"))
    done = scene.run(call_stream(("mark", "{}")), "-q", *flags, yes=False)
    assert (done.code, scene.ran) == (code, ["mark"] if code == 0 else [])


def test_one_denied_call_stops_its_whole_turn(scene) -> None:
    scene.file(tool(), tool("never", "./mark", approve="deny"))
    done = scene.run(call_stream(("mark", "{}"), ("never", "{}")), "-q")
    assert (done.code, scene.ran) == (10, [])
    assert error_of(done.err).startswith("never was called, and is denied (t.json:1:")


def test_a_call_that_is_refused_anyway_needs_no_approval(scene) -> None:
    scene.file(tool(properties=X), tool("never", "./mark", approve="deny", properties=X))
    done = scene.run(call_stream(("mark", "[]"), ("never", "[]")), yes=False)
    assert (done.code, scene.ran, len(scene.results)) == (0, [], 2)


def test_approving_what_there_is_not(scene) -> None:
    scene.file()
    done = scene.run(call_stream(("mark", "{}")), "--approve", "Mark", "-q", yes=False)
    assert (done.code, scene.server.requests) == (2, [])
    assert error_of(done.err) == "--approve Mark: there is no tool of that name"


@pytest.mark.parametrize(("key", "code"), [("request", 10), ("approved", 0), ("flag", 0), ("both", 0)])
def test_auto_counts_only_for_files_of_the_command_line(glm, scene, cwd, key, code) -> None:
    scene.file(tool("mark", "./mark", approve="auto"), name="files/t.json")
    scene.program("files/mark")
    (cwd / "files" / "r.json").write_text(
        json.dumps({"prompt": "hi", **({"tools": ["t.json"]} if key != "flag" else {})})
    )
    flags = {"request": (), "approved": ("--approve", "mark")}.get(key, ("--tools", "files/t.json"))
    with Server(call_stream(("mark", "{}")), FINAL) as server:
        run = ("tools", "run", *ZAI, server.url, "-f", "files/r.json", "-q", *flags)
        done = glm(*run, env=KEY)
        assert (done.code, scene.ran) == (code, [] if code else ["mark"]), done.err
        if code:
            assert error_of(done.err).startswith("mark needs approval")
    assert server.requests[0].json["tools"][0]["function"]["name"] == "mark"


def test_a_request_file_with_tools_is_for_tools_run(glm, scene, cwd) -> None:
    scene.file()
    (cwd / "r.json").write_text(json.dumps({"prompt": "hi", "tools": ["t.json"]}))
    with Server(FINAL) as server:
        for command in ("ask", "stream"):
            done = glm(command, *ZAI, server.url, "-f", "r.json", env=KEY)
            assert done.code == 2
    assert server.requests == []


class Asked:
    """A run on a terminal of its own, with somebody there."""

    def __init__(self, home, cwd, scripts, *flags, **more) -> None:
        self.scene = ToolRuns(None, cwd)
        self.scene.program("mark", 'echo "got $1"')
        self.scene.file(tool("mark", "./mark", "{x}", properties=X), tool("never", "./mark", approve="deny"))
        self.server = Server(*scripts, FINAL)
        arguments = (*ZAI, self.server.url, "--tools", "t.json", *flags, "hi")
        self.console = Console(
            home, cwd, "tools", "run", *arguments, **({"env": {"NO_COLOR": "1"}} | CONTROLLED | more)
        )

    def __enter__(self):
        self.server.__enter__()
        self.console.__enter__()
        return self

    def __exit__(self, *_) -> None:
        self.console.__exit__()
        self.server.__exit__()

    def type(self, keys: bytes) -> None:
        os.write(self.console.master, keys)

    def reply(self, keys: bytes) -> None:
        """Wait for the next question, and type these keys."""
        self.console.read_until(b"[N]o: ")
        self.console.seen = self.console.seen.replace(b"[N]o: ", b"[N]o; ")
        self.type(keys)

    def finish(self) -> tuple[int, str]:
        code, seen = self.console.finish()
        return code, seen.decode(errors="replace")


@pytest.mark.parametrize("keys", [b"y\n", b"Y\n", b"yes\n", b" y \n", b"YES\r"])
def test_a_person_says_yes_to_one_call(home, cwd, keys) -> None:
    with Asked(home, cwd, [call_stream(mark(1), mark(2)), call_stream(mark(3), ids="d")]) as asked:
        asked.reply(keys)
        asked.reply(keys)
        assert asked.scene.ran == []  # nothing of a turn runs before all of it may
        asked.reply(keys)
        code, seen = asked.finish()
    assert (code, asked.scene.ran) == (0, ["mark 1", "mark 2", "mark 3"])
    assert seen.count("glm: the model wants to run mark (t.json:1:") == 3
    assert 'argv: ["./mark", "1"]' in seen


@pytest.mark.parametrize("keys", [b"a\n", b"always\n"])
def test_a_person_says_always(home, cwd, keys) -> None:
    with Asked(home, cwd, [call_stream(mark(1), mark(2)), call_stream(mark(3), ids="d")]) as asked:
        asked.reply(keys)
        code, seen = asked.finish()
    assert (code, asked.scene.ran) == (0, ["mark 1", "mark 2", "mark 3"])
    assert seen.count("[N]o") == 1


@pytest.mark.parametrize(
    "keys", [b"n\n", b"no\n", b"\n", b"\x04", b"yeah\n", b"ay\n", b"1\n", b"\xff\n", b"y" * 200 + b"\n"]
)
def test_everything_else_is_no(home, cwd, keys) -> None:
    with Asked(home, cwd, [call_stream(mark(1))]) as asked:
        asked.reply(keys)
        code, seen = asked.finish()
    assert (code, asked.scene.ran, len(asked.server.requests)) == (10, [], 1)
    assert "glm: error: mark was not allowed to run\n" in seen


def test_one_no_stops_the_whole_turn(home, cwd) -> None:
    with Asked(home, cwd, [call_stream(mark(1), mark(2))]) as asked:
        asked.reply(b"y\n")
        asked.reply(b"n\n")
        code, _ = asked.finish()
    assert (code, asked.scene.ran) == (10, [])


def test_nobody_is_asked_about_a_turn_that_is_denied(home, cwd) -> None:
    with Asked(home, cwd, [call_stream(mark(1), ("never", "{}"))]) as asked:
        code, seen = asked.finish()
    assert (code, asked.scene.ran) == (10, [])
    assert "[N]o" not in seen


def test_what_was_typed_before_the_question_does_not_count(home, cwd) -> None:
    with Asked(home, cwd, [call_stream(mark(1), reasoning_content="Hm")]) as asked:
        asked.type(b"y\ny\n")
        asked.reply(b"n\n")
        code, _ = asked.finish()
    assert (code, asked.scene.ran) == (10, [])


def test_nor_what_was_typed_while_the_tool_ran(home, cwd) -> None:
    with Asked(home, cwd, [call_stream(mark(1)), call_stream(mark(2), ids="d")]) as asked:
        asked.reply(b"y\ny\ny\n")
        asked.reply(b"n\n")
        code, _ = asked.finish()
    assert (code, asked.scene.ran) == (10, ["mark 1"])


@pytest.mark.parametrize("quiet", [(), ("-q",), ("--json",), ("--stream",)])
def test_the_question_is_asked_whatever_is_printed(home, cwd, quiet) -> None:
    with Asked(home, cwd, [call_stream(mark(1), content="Let me see.")], *quiet) as asked:
        asked.reply(b"y\n")
        code, _ = asked.finish()
    assert (code, asked.scene.ran) == (0, ["mark 1"])


def test_the_question_does_not_disturb_a_rendered_stream(home, cwd) -> None:
    script = call_stream(mark(1), content="Let **me** see.", reasoning_content="Hm.")
    with Asked(home, cwd, [script], "--stream", env={"TERM": "xterm-256color"}) as asked:
        asked.console.read_until(b"[N]o: ")
        seen = asked.console.seen
        assert seen.count(b"\x1b[?25l") == seen.count(b"\x1b[?25h")  # the cursor is there to type at
        before, _, question = seen.replace(b"\r", b"").partition(b"glm: the model wants to run mark")
        assert re.search(rb"Let .*me.* see\.", before)
        assert before.endswith(b"\n")
        assert b"\x1b" not in question
        asked.reply(b"y\n")
        code, seen = asked.finish()
    assert (code, asked.scene.ran) == (0, ["mark 1"])
    assert seen.rstrip().endswith("The end.")
    assert seen.count("The end.") == 1


def test_the_terminal_is_asked_where_stdin_and_stdout_are_none(home, cwd) -> None:
    (cwd / "in").write_text("from a file")
    with (cwd / "in").open("rb") as stdin, (cwd / "out").open("wb") as stdout:
        session = {"start_new_session": True, "preexec_fn": _control_by_stderr}
        with Asked(home, cwd, [call_stream(mark(1))], stdin=stdin, stdout=stdout, **session) as asked:
            asked.reply(b"y\n")
            code, _ = asked.finish()
    assert (code, asked.scene.ran) == (0, ["mark 1"])
    assert (cwd / "out").read_text() == "The end.\n"
    assert asked.server.requests[0].json["messages"][0]["content"] == "hi\n\nfrom a file"


def _control_by_stderr() -> None:
    import fcntl
    import termios

    fcntl.ioctl(2, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize("more", [{"piped_stream": "stderr"}, {"preexec_fn": None}])
def test_who_is_not_there_is_not_asked(home, cwd, more) -> None:
    """No question if stderr is no terminal, and none if the terminal is not the one that controls us."""
    with Asked(home, cwd, [call_stream(mark(1))], **more) as asked:
        code, seen = asked.finish()
    assert (code, asked.scene.ran) == (10, [])
    assert "[N]o" not in seen


def test_ctrl_c_typed_while_a_tool_runs(home, cwd) -> None:
    with Asked(home, cwd, [call_stream(mark(1))]) as asked:
        asked.scene.program("mark", "echo $$ >>pids; sleep 301 & echo $! >>pids; wait")
        asked.reply(b"y\n")
        found = pids(cwd / "pids", 2)
        asked.type(b"\x03")
        code, _ = asked.finish()
    assert_all_ended(found)
    assert (code, len(asked.server.requests)) == (-signal.SIGINT, 1)


def test_ctrl_c_at_the_question(home, cwd) -> None:
    with Asked(home, cwd, [call_stream(mark(1))]) as asked:
        asked.reply(b"\x03")
        code, _ = asked.finish()
    assert (code, asked.scene.ran) == (-signal.SIGINT, [])


def test_the_terminal_goes_away_at_the_question(home, cwd) -> None:
    with Asked(home, cwd, [call_stream(mark(1))]) as asked:
        asked.console.read_until(b"[N]o: ")
        asked.console.hang_up()
        assert asked.console.process.wait(SOON) == -signal.SIGHUP
    assert asked.scene.ran == []


def test_the_deadline_ends_a_question_that_nobody_answers(home, cwd) -> None:
    with Asked(home, cwd, [call_stream(mark(1))], "--deadline", "4") as asked:
        asked.console.read_until(b"[N]o: ")
        code, _ = asked.finish()
    assert (code, asked.scene.ran) == (6, [])


# --plan


def test_plan_prints_the_calls_and_runs_none(scene) -> None:
    scene.file(
        tool("mark", "./mark", "{x}", properties=X),
        tool("other", "./mark", approve="deny", properties={"y": {"type": "integer"}}),
    )
    script = call_stream(
        mark(1), ("other", '{"y": 2}'), ("mark", '{"x": "-f"}'), ("absent", "{"), content="Let me see."
    )
    done = scene.run(script, "--plan", "-q")
    assert (done.code, scene.ran, len(scene.server.requests), done.err) == (0, [], 1, "")
    plan = json.loads(done.out)
    program = plan[0]["argv"][0]
    assert program.endswith("/mark")
    dashed, absent = plan[2]["objection"], plan[3]["objection"]
    good = {"approve": "ask", "objection": None, "argv": [program, "1"]}
    denied = {"approve": "deny", "objection": None, "argv": [program], "stdin": {"y": 2}}
    assert plan == [
        {"id": "c1", "name": "mark", "arguments": '{"x": "1"}', **good},
        {"id": "c2", "name": "other", "arguments": '{"y": 2}', **denied},
        {"id": "c3", "name": "mark", "arguments": '{"x": "-f"}', "approve": "ask", "objection": dashed},
        {"id": "c4", "name": "absent", "arguments": "{", "approve": None, "objection": absent},
    ]
    assert "begins with '-'" in dashed
    assert "no tool of that name" in absent


def test_plan_without_calls_is_an_empty_list(scene) -> None:
    scene.file()
    done = scene.run(FINAL, "--plan")
    assert (done.code, json.loads(done.out)) == (0, [])
    assert "The end." in done.err


OPENAI = [
    {
        "type": "function",
        "function": {"name": "mark", "description": "d", "parameters": {"type": "object"}, "strict": True},
    }
]


def test_definitions_of_the_openai_api_can_be_planned_and_not_run(scene) -> None:
    (scene.cwd / "t.json").write_text(json.dumps(OPENAI))
    done = scene.run(call_stream(("mark", "{}")), "--plan", "-q")
    assert done.code == 0
    (planned,) = json.loads(done.out)
    assert (planned["name"], "argv" in planned) == ("mark", False)
    assert scene.server.requests[0].json["tools"] == [
        {"type": "function", "function": {"name": "mark", "description": "d", "parameters": {"type": "object"}}}
    ]
    done = scene.run(call_stream(("mark", "{}")), "--json", "-q")
    value = reply_object(done.out)
    assert (done.code, value["tool_calls"]) == (10, [{"id": "c1", "name": "mark", "arguments": "{}"}])
    assert (len(scene.server.requests), scene.ran) == (1, [])
    assert value["error"]["message"].startswith("nobody runs mark")


@pytest.mark.parametrize(
    "flags",
    [
        ("--plan", "--json"),
        ("--plan", "--jsonl"),
        ("--plan", "--stream"),
        ("--stream", "--json"),
        ("--stream", "--no-stream"),
        ("--max-steps", "0"),
        ("--max-steps", "x"),
        ("--tool-choice", "nobody"),
        ("--tools", "absent.json"),
        ("--tools", "t.json"),  # the same names a second time
    ],
)
def test_flags_that_cannot_be_followed(scene, flags) -> None:
    scene.file()
    done = scene.run(call_stream(("mark", "{}")), *flags)
    assert (done.code, scene.server.requests, scene.ran) == (2, [], [])


def test_a_tool_choice_that_the_provider_does_not_take(scene) -> None:
    scene.file()
    for flags, code in ((("--tool-choice", "required"), 2), (("--tool-choice", "required", "--force"), 0)):
        assert scene.run(FINAL, "-q", *flags).code == code
    assert scene.server.requests[0].json["tool_choice"] == "required"


def test_max_steps_of_a_request_file(glm, scene, cwd) -> None:
    echoing(scene)
    (cwd / "r.json").write_text(json.dumps({"prompt": "hi", "tools": ["t.json"], "max_steps": 1}))
    with Server(call_stream(mark(1)), FINAL) as server:
        run = ("tools", "run", *ZAI, server.url, "-f", "r.json", "--yes", "-q")
        assert (glm(*run, env=KEY).code, scene.ran) == (10, [])
    with Server(call_stream(mark(1)), FINAL) as server:
        run = ("tools", "run", *ZAI, server.url, "-f", "r.json", "--yes", "-q", "--max-steps", "2")
        assert (glm(*run, env=KEY).code, scene.ran) == (0, ["mark 1"])


def test_without_tools(glm) -> None:
    with Server(FINAL) as server:
        done = glm("tools", "run", *ZAI, server.url, "hi", env=KEY)
    assert (done.code, server.requests) == (2, [])
    assert error_of(done.err) == "there are no tools"


# Limits


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_max_steps(scene, steps) -> None:
    echoing(scene)
    done = scene.run([call_stream(mark(n), ids=f"c{n}-") for n in range(5)], "--max-steps", str(steps), "-q")
    assert (done.code, len(scene.server.requests), len(scene.ran)) == (10, steps, steps - 1)
    assert error_of(done.err).startswith(f"stopped after {steps} step")


def test_max_steps_that_suffice(scene) -> None:
    echoing(scene)
    assert scene.run([call_stream(mark(1)), call_stream(mark(2), ids="d")], "--max-steps", "3").code == 0


def test_the_same_call_three_times_in_one_turn(scene) -> None:
    echoing(scene)
    done = scene.run(call_stream(mark(1), mark(1), mark(1)), "-q")
    assert (done.code, scene.ran) == (10, [])


def test_calls_that_differ_are_not_the_same(scene) -> None:
    scene.program("other", 'echo "got $1"')
    echoing(scene)
    scene.file(*(tool(name, f"./{name}", "{x}", properties=X) for name in ("mark", "other")))
    done = scene.run(call_stream(mark(1), mark(2), mark(3), ("other", '{"x": "1"}'), ("other", '{"x": "2"}'), mark(1)))
    assert (done.code, len(scene.ran)) == (0, 6)


def test_five_failures_in_a_row(scene) -> None:
    scene.program("mark", "exit 1")
    scene.file(tool("mark", "./mark", "{x}", properties=X))
    done = scene.run([call_stream(mark(n), ids=f"c{n}-") for n in range(9)], "-q")
    assert (done.code, len(scene.ran), len(scene.server.requests)) == (10, 5, 5)
    assert error_of(done.err) == "stopped: the last 5 calls of tools have failed"


def test_a_success_between_them_begins_anew(scene) -> None:
    scene.program("mark", '[ "$1" = 4 ]')
    scene.file(tool("mark", "./mark", "{x}", properties=X))
    assert scene.run([call_stream(mark(n), ids=f"c{n}-") for n in range(8)]).code == 0
    assert len(scene.ran) == 8


@pytest.mark.parametrize("parallel", [False, True])
def test_the_deadline_while_a_tool_runs(scene, cwd, parallel) -> None:
    scene.program("mark", "sleep 301 & echo $$ >>pids; echo $! >>pids; wait")
    scene.file(tool(parallel=parallel, timeout=60))
    began = time.monotonic()
    done = scene.run(call_stream(("mark", "{}")), "--deadline", "4", "-q")
    assert time.monotonic() - began < SOON
    assert (done.code, done.out, len(scene.server.requests)) == (6, b"", 1)
    assert error_of(done.err) == "the deadline of 4 s has passed"
    assert_all_ended(pids(cwd / "pids", 2))


def test_the_reader_goes_away_while_a_tool_runs(home, cwd) -> None:
    scene = ToolRuns(None, cwd)
    scene.program("mark", "echo $$ >>pids; exec sleep 301")
    scene.file()
    with Server(call_stream(("mark", "{}")), FINAL) as server:
        flags = (*ZAI, server.url, "--tools", "t.json", "--yes", "-q", "hi")
        with running(home, cwd, "tools", "run", *flags, env=KEY) as process:
            found = pids(cwd / "pids", 1)
            process.stdout.close()
            assert process.wait(SOON) == -signal.SIGPIPE
            assert process.stderr.read() == b""
    assert_all_ended(found)
    assert len(server.requests) == 1


ALIEN = """
sleep 301 </dev/null >/dev/null 2>&1 & echo $! >alien
sh -c 'sleep 302 & echo $! >>alien; while [ ! -e pids ]; do sleep 0.02; done' </dev/null >/dev/null 2>&1 &
while [ "$(wc -l <alien)" -lt 2 ]; do sleep 0.02; done
exec "$GLM" tools call mark --tools t.json
"""


def test_what_no_tool_started_lives_on(home, cwd) -> None:
    """A shell that becomes glm leaves it its children; one that loses its own parent while a tool runs comes to us."""
    scene = ToolRuns(None, cwd)
    scene.program("mark", "echo $$ >>pids; sleep 0.5; echo done")
    scene.file()
    with running(home, cwd, "-c", ALIEN, program=("bash",), env={"GLM": GLM}) as process:
        assert read_until(process.stdout, b"done\n") == b"done\n"
        found = pids(cwd / "alien", 2)
        living = [alive(pid) for pid in found]
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert living == [True, True]


def test_killed_a_second_time(home, cwd) -> None:
    scene = ToolRuns(None, cwd)
    scene.program("mark", "trap '' INT TERM; echo $$ >>pids; while :; do sleep 1; done")
    scene.file()
    with Server(call_stream(("mark", "{}")), FINAL) as server:
        flags = (*ZAI, server.url, "--tools", "t.json", "--yes", "-q", "-O", "out", "hi")
        with running(home, cwd, "tools", "run", *flags, env=KEY) as process:
            found = pids(cwd / "pids", 1)
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)
            assert process.wait(SOON) == -signal.SIGINT
    assert_all_ended(found)
    assert not (cwd / "out").exists()


# What is printed

USAGE = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
MORE_USAGE = {"prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35}
FIRST = stream(
    delta(reasoning_content="Thought 1."),
    delta(content="Let me see."),
    delta(tool_calls=[whole_call("mark", '{"x": "1"}')]),
    delta(content="", finish_reason="tool_calls", usage=USAGE),
)
LAST = stream(
    delta(reasoning_content="Thought 2."),
    delta(content="The "),
    delta(content="answer."),
    delta(content="", finish_reason="stop", usage=MORE_USAGE),
)
TOTAL = {
    "input_tokens": 40,
    "output_tokens": 9,
    "reasoning_tokens": None,
    "cached_tokens": None,
    "total_tokens": 49,
}


@pytest.fixture
def two(scene):
    """A conversation of two steps."""

    def run(*flags, first=FIRST, last=LAST, **more):
        echoing(scene)
        return scene.run([first, last], *flags, **more)

    return run


def test_stdout_is_the_answer_and_nothing_else(two) -> None:
    done = two()
    assert (done.code, done.text) == (0, "The answer.\n")
    lines = done.err.splitlines()
    assert lines == [
        "Thought 1.",
        "glm: the model: Let me see.",
        'glm: tool mark {"x": "1"}',
        "glm: tool mark: 6 bytes",
        "Thought 2.",
    ]


def test_quiet(two) -> None:
    done = two("-q")
    assert (done.code, done.text, done.err) == (0, "The answer.\n", "")


def test_no_reasoning(two) -> None:
    done = two("-R")
    assert (done.code, done.text) == (0, "The answer.\n")
    assert "Thought" not in done.err
    assert "glm: tool mark: 6 bytes" in done.err


def test_reasoning_in_a_file(two, cwd) -> None:
    done = two("--reasoning", "r")
    assert (done.code, done.text) == (0, "The answer.\n")
    assert "Thought" not in done.err
    assert (cwd / "r").read_text().split() == ["Thought", "1.", "Thought", "2."]


def test_stream_prints_also_what_precedes_a_call(two) -> None:
    done = two("--stream", "-q")
    assert (done.code, done.text, done.err) == (0, "Let me see.\nThe answer.\n", "")


def test_exact(two) -> None:
    assert two("--exact", "-q").text == "The answer."


def test_stream_prints_as_it_comes(home, cwd) -> None:
    scene = ToolRuns(None, cwd)
    scene.program("mark", "while [ ! -e go ]; do sleep 0.02; done")
    scene.file(tool(timeout=30))
    with Server(call_stream(("mark", "{}"), content="Let me see."), [*answer("The answer.")[:-2], Stall()]) as server:
        flags = (*ZAI, server.url, "--tools", "t.json", "--yes", "--stream", "-q", "hi")
        with running(home, cwd, "tools", "run", *flags, env=KEY) as process:
            assert read_until(process.stdout, b"see.\n") == b"Let me see.\n"
            (cwd / "go").touch()
            read_until(process.stdout, b"The answer.")


@pytest.mark.parametrize("whole_", [False, True])
def test_json_is_one_object_of_the_whole_conversation(two, whole_) -> None:
    first = call_body(mark(1), content="Let me see.") if whole_ else FIRST
    done = two("--json", *(("--no-stream",) if whole_ else ()), first=first)
    value = reply_object(done.out)
    assert (done.code, value["answer"], value["error"], value["finish_reason"]) == (0, "The answer.", None, "stop")
    assert value["tool_calls"] == [{"id": "c1", "name": "mark", "arguments": '{"x": "1"}'}]
    assert (value["attempts"], value["provider"], value["model"]) == (2, "zai", "glm-5")
    assert value["usage"] == (None if whole_ else TOTAL)  # what one step did not say is not known of both
    assert "Thought" not in done.err


def test_jsonl(two) -> None:
    done = two("--jsonl", "-q")
    assert (done.code, done.err) == (0, "")
    start = {"type": "start", "provider": "zai", "model": "glm-5"}
    assert reply_events(done.out) == [
        start,
        {"type": "reasoning", "text": "Thought 1."},
        {"type": "answer", "text": "Let me see."},
        {"type": "tool_call", "id": "c1", "name": "mark", "arguments": '{"x": "1"}'},
        {"type": "tool_result", "id": "c1", "name": "mark", "text": "got 1\n", "failed": False},
        start,
        {"type": "reasoning", "text": "Thought 2."},
        {"type": "answer", "text": "The "},
        {"type": "answer", "text": "answer."},
        {"type": "usage", **TOTAL},
        {"type": "end", "finish_reason": "stop", "complete": True},
    ]


def test_jsonl_is_live(home, cwd) -> None:
    scene = ToolRuns(None, cwd)
    scene.program("mark", "while [ ! -e go ]; do sleep 0.02; done; echo done")
    scene.file(tool(timeout=30))
    with Server(call_stream(("mark", "{}")), [head(), Stall()]) as server:
        flags = (*ZAI, server.url, "--tools", "t.json", "--yes", "--jsonl", "-q", "hi")
        with running(home, cwd, "tools", "run", *flags, env=KEY) as process:
            read_until(process.stdout, b'"tool_call"')
            (cwd / "go").touch()
            read_until(process.stdout, b'"tool_result"')


def test_jsonl_tells_what_was_refused_and_what_failed(scene) -> None:
    scene.program("mark", "exit 3")
    scene.file(tool("mark", "./mark", "{x}", properties=X))
    done = scene.run([call_stream(("mark", "[]")), call_stream(mark(1), ids="d")], "--jsonl", "-q")
    told = [event for event in reply_events(done.out) if event["type"] == "tool_result"]
    assert [(each["id"], each["failed"], each["text"]) for each in told] == [
        ("c1", True, scene.results[0]),
        ("d1", True, "The tool failed: exit status 3."),
    ]


@pytest.mark.parametrize("kind", ["--json", "--jsonl"])
def test_a_script_learns_why_it_ended(scene, kind) -> None:
    scene.file(tool(approve="deny"))
    done = scene.run(call_stream(("mark", "{}"), content="Let me see."), kind, "-q")
    assert done.code == 10
    if kind == "--json":
        value = reply_object(done.out)
        error = value["error"]
        assert (value["answer"], len(value["tool_calls"])) == (None, 1)
    else:
        events = reply_events(done.out)
        error = next(each["error"] for each in events if each["type"] == "error")
        assert events[-1] == {"type": "end", "finish_reason": "tool_calls", "complete": False}
    assert (error["type"], error["exit_code"], error["retryable"]) == ("tool", 10, False)


def test_meta(two, cwd) -> None:
    done = two("--meta", "m", "-q")
    assert (done.code, done.text) == (0, "The answer.\n")
    meta = json.loads((cwd / "m").read_text())
    assert not {"answer", "reasoning", "partial"} & set(meta)
    assert (meta["usage"], meta["attempts"], len(meta["tool_calls"])) == (TOTAL, 2, 1)


def test_usage(two) -> None:
    assert two("-u", "-R").err.splitlines()[-1] == (
        "glm: usage: input 40 (cached unknown), output 9 (reasoning unknown), total 49, cost unknown"
    )


@pytest.mark.parametrize("flags", [(), ("--stream",)])
def test_output_file(two, cwd, flags) -> None:
    (cwd / "out").write_text("old")
    done = two("-O", "out", "-q", *flags)
    assert (done.code, done.out) == (0, b"")
    assert (cwd / "out").read_text() == ("Let me see.\n" if flags else "") + "The answer.\n"


@pytest.mark.parametrize("flags", [(), ("--stream",), ("--json",)])
@pytest.mark.parametrize("last", [call_stream(mark(2), finish="length"), stream(delta(content="The"), done=False)])
def test_output_file_of_a_conversation_that_failed(two, cwd, flags, last) -> None:
    (cwd / "out").write_text("old")
    done = two("-O", "out", "-q", *flags, last=last)
    assert (done.code, done.out) == (7, b"")
    assert (cwd / "out").read_text() == "old"


@pytest.mark.parametrize("flags", [(), ("--keep-partial",)])
def test_an_answer_that_is_cut_in_the_last_step(two, flags) -> None:
    done = two("-q", *flags, last=stream(delta(content="The"), done=False))
    assert (done.code, done.text) == (7, "The\n" if flags else "")


def test_an_empty_answer_after_tools(two) -> None:
    empty = stream(delta(content="", finish_reason="stop"))
    assert two("-q", last=empty).code == 7
    assert two("-q", "--allow-empty", last=empty).code == 0


def test_a_dry_run_starts_and_sends_nothing(scene) -> None:
    scene.file(tool("mark", "./mark", "{x}", properties=X))
    for flag in ("-n", "--curl"):
        done = scene.run(FINAL, flag, "--tool-choice", "auto")
        assert (done.code, scene.server.requests, scene.ran) == (0, [], [])
        assert '"tool_choice"' in done.text
        if flag == "-n":
            (offered,) = json.loads(done.out)["body"]["tools"]
            assert offered["function"] == {
                "name": "mark",
                "description": "The tool mark.",
                "parameters": {"type": "object", "properties": X},
            }


def test_foreign_text_is_harmless_on_a_terminal(home, cwd) -> None:
    esc = "\x1b[2J\u202e\x07"
    with Asked(home, cwd, [call_stream((f"na{esc}me", f'{{"x": "{esc}'), content=f"say {esc}")]) as asked:
        code, seen = asked.finish()
    assert code == 0
    assert not any(c in seen for c in "\x1b\u202e\x07")


@pytest.mark.parametrize("where", ["name", "arguments", "content", "result"])
def test_foreign_text_starts_no_workflow_command(scene, where) -> None:
    bad = "a\n::error::pwned\r\n::set-env name=x::y\n##[group]x\n"
    scene.program("mark", f"printf '%s' '{bad}' | tee /dev/stderr; exit 1")
    scene.file(tool(properties=X))
    name, arguments = bad if where == "name" else "mark", f'{{"x": "{bad}"}}' if where == "arguments" else '{"x": "1"}'
    said = {"content": bad} if where == "content" else {}
    done = scene.run(call_stream((name, arguments), **said), env={"GITHUB_ACTIONS": "true"})
    assert done.code == 0
    assert not any(line.lstrip().startswith(("::", "##[")) for line in done.err.splitlines()), done.err


# Sessions


def test_a_session_keeps_the_tool_turns(glm, scene, cwd) -> None:
    echoing(scene)
    flags = ("--tools", "t.json", "--yes", "-q", "--session", "talk.jsonl")
    with Server(FIRST, LAST, call_stream(mark(2), ids="d"), answer("Fine.")) as server:
        assert glm("tools", "run", *ZAI, server.url, *flags, "Q1", env=KEY).code == 0
        assert glm("tools", "run", *ZAI, server.url, *flags, "Q2", env=KEY).code == 0
    who = {"provider": "zai", "model": "glm-5"}
    made = {"id": "c1", "name": "mark", "arguments": '{"x": "1"}'}
    lines = [json.loads(line) for line in (cwd / "talk.jsonl").read_text().splitlines()]
    assert lines[:4] == [
        {"role": "user", "content": "Q1"},
        {"role": "assistant", "content": "Let me see.", "reasoning": "Thought 1.", "tool_calls": [made], **who},
        {"role": "tool", "tool_call_id": "c1", "content": "got 1\n"},
        {"role": "assistant", "content": "The answer.", "reasoning": "Thought 2.", **who},
    ]
    assert [line["role"] for line in lines[4:]] == ["user", "assistant", "tool", "assistant"]
    sent = server.requests[3].json["messages"]
    # The reasoning of an earlier question is not sent back, that of this turn is.
    assert sent[:5] == [
        {"role": "user", "content": "Q1"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "mark", "arguments": '{"x": "1"}'}}],
        },
        {"role": "tool", "content": "got 1\n", "tool_call_id": "c1"},
        {"role": "assistant", "content": "The answer."},
        {"role": "user", "content": "Q2"},
    ]
    assert [message["role"] for message in sent[5:]] == ["assistant", "tool"]
    assert stat.S_IMODE((cwd / "talk.jsonl").stat().st_mode) == 0o600


def test_ids_of_an_earlier_question_do_not_collide(glm, scene) -> None:
    """Some providers number the calls of every question from the start."""
    echoing(scene)
    flags = ("--tools", "t.json", "--yes", "-q", "--session", "talk.jsonl")
    with Server(FIRST, LAST, FIRST, LAST) as server:
        for question in ("Q1", "Q2"):
            assert glm("tools", "run", *ZAI, server.url, *flags, question, env=KEY).code == 0
    sent = server.requests[3].json["messages"]
    made = [call["id"] for message in sent for call in message.get("tool_calls", ())]
    answered = [message["tool_call_id"] for message in sent if message["role"] == "tool"]
    assert made == answered
    assert len(set(made)) == 2


def test_a_session_with_tools_goes_on_with_ask(glm, scene) -> None:
    echoing(scene)
    with Server(FIRST, LAST, answer("Fine.")) as server:
        flags = ("--session", "talk.jsonl", "-q")
        assert glm("tools", "run", *ZAI, server.url, *flags, "--tools", "t.json", "--yes", "Q1", env=KEY).code == 0
        assert glm("ask", *ZAI, server.url, *flags, "Q2", env=KEY).code == 0
    roles = [message["role"] for message in server.requests[2].json["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


def test_a_session_is_not_touched_by_a_failure(glm, scene, cwd) -> None:
    echoing(scene)
    with Server(FIRST, stream(delta(content="The"), done=False)) as server:
        flags = ("--session", "talk.jsonl", "--retries", "0", "--tools", "t.json", "--yes", "-q")
        assert glm("tools", "run", *ZAI, server.url, *flags, "Q1", env=KEY).code == 7
    assert (cwd / "talk.jsonl").read_bytes() == b""


def test_no_key_gets_into_a_session(glm, scene, cwd) -> None:
    secret = cwd.parent / "secret"
    secret.write_text(CANARY)
    scene.program("mark", f"cat {secret}")
    scene.file()
    with Server(call_stream(("mark", "{}")), FINAL) as server:
        flags = ("--session", "talk.jsonl", "--tools", "t.json", "--yes")
        assert glm("tools", "run", *ZAI, server.url, *flags, "Q1", env=KEY).code == 0
    assert CANARY.encode() not in server.requests[1].body


LEAKING = call_stream(
    ("mark", json.dumps({"x": CANARY})), (CANARY, CANARY), content=f"say {CANARY}", reasoning_content=CANARY
)


@pytest.mark.parametrize("flags", [(), ("--jsonl",), ("--json",), ("--plan",), ("--stream", "--session", "s")])
def test_a_key_that_the_model_says_is_not_printed(scene, flags) -> None:
    """The fixture looks for it in all that is printed and written, but by the tool itself."""
    scene.file(tool("mark", "true", properties=X))
    assert scene.run(LEAKING, *flags).code == 0


# Retries and fallbacks

BUSY = reply(429, {"error": {"code": "1302", "message": "slow"}}, "Retry-After: 0")
BROKEN = stream(delta(content="The"), done=False)


@pytest.mark.parametrize("trouble", [[BUSY], [BUSY, BUSY], [BROKEN]])
def test_a_retry_in_the_second_step_runs_no_tool_again(glm, scene, trouble) -> None:
    echoing(scene)
    with Server(FIRST, *trouble, LAST) as server:
        flags = ("--tools", "t.json", "--yes", "--json", "-q")
        done = glm("tools", "run", *ZAI, server.url, *flags, "hi", env=KEY)
    value = reply_object(done.out)
    assert (done.code, value["answer"], scene.ran) == (0, "The answer.", ["mark 1"])
    assert value["attempts"] == len(server.requests) == 2 + len(trouble)
    assert len({request.body for request in server.requests[1:]}) == 1


def test_a_stream_is_not_asked_again_in_the_second_step_once_it_printed(glm, scene) -> None:
    echoing(scene)
    with Server(FIRST, BROKEN, LAST) as server:
        flags = ("--tools", "t.json", "--yes", "--stream", "-q")
        done = glm("tools", "run", *ZAI, server.url, *flags, "hi", env=KEY)
    assert (done.code, done.text, len(server.requests)) == (7, "Let me see.\nThe\n", 2)


def test_a_retry_voids_a_call_of_the_first_attempt(glm, scene) -> None:
    echoing(scene)
    cut = call_stream(mark(9), finish=None)
    with Server(cut, FIRST, LAST) as server:
        done = glm("tools", "run", *ZAI, server.url, "--tools", "t.json", "--yes", "-q", "hi", env=KEY)
    assert (done.code, scene.ran, len(server.requests)) == (0, ["mark 1"], 3)


@pytest.fixture
def second(home):
    """A configured row `second`, at this address, that is like another one."""

    def configure(url, like="vllm"):
        folder = home / ".config" / "glm"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(json.dumps({"providers": {"second": {"like": like, "base_url": url}}}))

    return configure


@pytest.mark.parametrize(("like", "back"), [("vllm", True), ("ollama", False)])
def test_a_fallback_in_the_second_step(glm, scene, second, like, back) -> None:
    echoing(scene)
    down = reply(500, {"error": {"code": "500", "message": "down"}})
    with Server(FIRST, down) as one, Server(call_stream(mark(2), ids="d"), LAST) as two:
        second(two.url, like)
        flags = ("--fallback", "second/other", "--retries", "0", "--tools", "t.json", "--yes", "--json", "-q")
        done = glm("tools", "run", *ZAI, one.url, *flags, "hi", env=KEY)
    value = reply_object(done.out)
    assert (done.code, value["answer"], value["provider"], value["model"]) == (0, "The answer.", "second", "other"), (
        done.err
    )
    assert scene.ran == ["mark 1", "mark 2"]
    assert (len(one.requests), len(two.requests)) == (2, 2)  # who failed is not asked again in this conversation
    sent = two.requests[0].json
    assert sent["model"] == "other"
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "tool"]
    assert sent["messages"][1].get("reasoning_content") == ("Thought 1." if back else None)
    assert two.requests[0].header("Authorization") is None
    assert "tool_stream" not in sent


def test_a_fallback_does_not_learn_the_key_of_another(glm, scene, second) -> None:
    """What one provider said is sent to the next: if its key is in there, by whatever mistake, it must not go on."""
    scene.file(tool("mark", "true", properties=X))
    down = reply(500, {"error": {"code": "500", "message": "down"}})
    with Server(LEAKING, down) as one, Server(LAST) as two:
        second(two.url)
        flags = ("--fallback", "second/other", "--retries", "0", "--tools", "t.json", "--yes", "-q")
        done = glm("tools", "run", *ZAI, one.url, *flags, "hi", env=KEY)
    assert (done.code, len(two.requests)) == (0, 1)
    assert CANARY.encode() not in two.requests[0].body


def test_a_fallback_that_answered_first_is_asked_again(glm, scene, second) -> None:
    echoing(scene)
    down = reply(500, {"error": {"code": "500", "message": "down"}})
    with Server(down) as one, Server(FIRST, LAST) as two:
        second(two.url)
        flags = ("--fallback", "second/other", "--retries", "0", "--tools", "t.json", "--yes", "-q")
        done = glm("tools", "run", *ZAI, one.url, *flags, "hi", env=KEY)
    assert (done.code, done.text, scene.ran) == (0, "The answer.\n", ["mark 1"])
    assert (len(one.requests), len(two.requests)) == (1, 2)


def test_a_failure_of_the_second_step_is_told_as_it_is(two) -> None:
    for last, code in (
        (reply(401, {"error": {"code": "1000", "message": "bad key"}}), 3),
        (reply(429, {"error": {"code": "1113", "message": "no money"}}), 4),
        (reply(500, {"error": {"code": "500", "message": "down"}}), 5),
        (stream(delta(content="", finish_reason="sensitive")), 8),
        (reply(200, "<html>", content_type="text/html"), 13),
    ):
        done = two("-q", last=last)
        assert (done.code, done.out) == (code, b"")
        error_of(done.err)


# Calls that are none


@pytest.mark.parametrize("reply_", [call_stream, call_body])
def test_the_calls_count_and_not_the_word_that_ends_the_turn(scene, reply_) -> None:
    echoing(scene)
    flags = ("--no-stream",) if reply_ is call_body else ()
    assert scene.run(reply_(mark(1), finish="stop"), *flags).code == 0
    assert scene.ran == ["mark 1"]


def test_a_turn_that_announces_calls_and_has_none(scene) -> None:
    echoing(scene)
    assert scene.run(call_stream(finish="tool_calls"), "-q").code == 13


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<tool_call>mark\n<arg_key>x</arg_key>\n<arg_value>1</arg_value>\n</tool_call>", 10),
        ("I will look.\n<tool_call>mark", 10),
        ('<tool_call>\n{"name": "mark", "arguments": {"x": "1"}}\n</tool_call>', 10),
        ("<tool_call>other</tool_call>", 0),
        ("mark is a tool; a <tool_call> names it", 0),
    ],
)
@pytest.mark.parametrize("flags", [(), ("--stream",), ("--no-stream",)])
def test_a_call_that_comes_as_text_is_no_answer(scene, text, code, flags) -> None:
    echoing(scene)
    message = {"role": "assistant", "content": text}
    script = (
        reply(200, {"choices": [{"message": message, "finish_reason": "stop"}]})
        if "--no-stream" in flags
        else answer(text)
    )
    done = scene.run(script, "-q", *flags)
    assert (done.code, scene.ran, len(scene.server.requests)) == (code, [], 1)
    if code and not flags:
        assert done.out == b""
        assert error_of(done.err).startswith("the answer contains a call of mark as text")


@pytest.mark.parametrize("kind", ["mcp", "web_search", "retrieval"])
def test_what_the_provider_runs_is_not_ours(scene, kind) -> None:
    scene.file()
    own = {
        "index": 0,
        "id": "s1",
        "type": kind,
        kind: {"name": "mark"},
        "function": {"name": "mark", "arguments": "{}"},
    }
    done = scene.run(stream(delta(tool_calls=[own]), delta(content="Found."), delta(content="", finish_reason="stop")))
    assert (done.code, done.text, scene.ran, len(scene.server.requests)) == (0, "Found.\n", [], 1)
    both = stream(
        delta(tool_calls=[own]),
        delta(tool_calls=[whole_call("mark", "{}", "c1", 1)]),
        delta(content="", finish_reason="tool_calls"),
    )
    assert scene.run(both).code == 0
    assert (scene.ran, [call["id"] for call in scene.sent[1][1]["tool_calls"]]) == (["mark"], ["c1"])


def test_tools_beside_those_of_the_provider(glm, scene, cwd) -> None:
    scene.file()
    search = {"type": "web_search", "web_search": {"enable": True}}
    (cwd / "r.json").write_text(json.dumps({"prompt": "hi", "server_tools": [search]}))
    with Server(FINAL) as server:
        assert glm("tools", "run", *ZAI, server.url, "-f", "r.json", "--tools", "t.json", env=KEY).code == 0
    assert [each["type"] for each in server.requests[0].json["tools"]] == ["function", "web_search"]


def test_several_files(scene) -> None:
    scene.program("other")
    scene.file()
    scene.file(tool("other"), name="u.json")
    done = scene.run(call_stream(("mark", "{}"), ("other", "{}")), "--tools", "u.json")
    assert (done.code, scene.ran) == (0, ["mark", "other"])
    assert [each["function"]["name"] for each in scene.server.requests[0].json["tools"]] == ["mark", "other"]
    scene.file(tool("mark"), name="u.json")
    done = scene.run(call_stream(("mark", "{}")), "--tools", "u.json", "-q")
    assert (done.code, scene.server.requests) == (2, [])
    assert error_of(done.err).startswith("u.json:1:")


# glm tools call


@pytest.fixture
def call(glm):
    """`glm tools call` with the tools of t.json."""

    def run(name, arguments=None, **more):
        given = () if arguments is None else ("--args", arguments)
        return glm("tools", "call", name, "--tools", "t.json", *given, **more)

    return run


@pytest.mark.parametrize("approve", ["ask", "auto"])
def test_call_is_itself_the_approval(call, scene, approve) -> None:
    echoing(scene, approve=approve)
    done = call("mark", '{"x": "a b"}')
    assert (done.code, done.text, done.err, scene.ran) == (0, "got a b\n", "", ["mark a b"])


def test_call_prints_what_a_model_would_be_told(call, scene) -> None:
    scene.program("mark", "printf '\\033[31mred\\000 no newline'")
    scene.file()
    assert call("mark").out == b"red no newline\n"
    scene.program("mark")
    assert call("mark").out == b"(no output)\n"


def test_call_takes_arguments_from_stdin(call, scene) -> None:
    echoing(scene)
    assert call("mark", "-", stdin=b'{"x": "from stdin"}').out == b"got from stdin\n"
    assert call("mark", "-", stdin=b"\xff").code == 2


@pytest.mark.parametrize(
    ("script", "printed", "how"),
    [
        ("echo out; exit 3", "The tool failed: exit status 3.\nstdout:\nout\n", "exit status 3"),
        ("kill $$", "The tool failed: ended by SIGTERM.\n", "ended by SIGTERM"),
        ("sleep 300", "The tool failed: stopped after 0.5 s.\n", "stopped after 0.5 s"),
    ],
)
def test_call_of_a_tool_that_fails(call, scene, script, printed, how) -> None:
    scene.program("mark", script)
    scene.file(tool(timeout=0.5))
    done = call("mark")
    assert (done.code, done.text, error_of(done.err)) == (10, printed, f"mark failed: {how}")


def test_call_of_what_may_not_or_cannot_run(call, scene, cwd) -> None:
    scene.file(tool(approve="deny"))
    done = call("mark")
    assert (done.code, done.out, scene.ran) == (10, b"", [])
    (cwd / "t.json").write_text(json.dumps(OPENAI))
    done = call("mark")
    assert (done.code, done.out) == (10, b"")
    assert error_of(done.err).startswith("nobody runs mark")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Mark", "{}"),
        ("absent", "{}"),
        ("mark", "{"),
        ("mark", "[]"),
        ("mark", "{}"),
        ("mark", '{"x": 1}'),
        ("mark", '{"x": "-f"}'),
        ("mark", '{"x": "1", "y": 2}'),
        ("mark", '{"x": "1", "x": "2"}'),
    ],
)
def test_call_with_what_the_schema_refuses(call, scene, name, arguments) -> None:
    scene.file(tool("mark", "./mark", "{x}", parameters={"type": "object", "required": ["x"], "properties": X}))
    done = call(name, arguments)
    assert (done.code, done.out, scene.ran) == (2, b"", [])
    error_of(done.err)


def test_stdin_has_one_claimant(glm) -> None:
    assert glm("tools", "call", "mark", "--tools", "-", "--args", "-", stdin=json.dumps(OPENAI).encode()).code == 2


def test_call_without_a_file(glm) -> None:
    assert glm("tools", "call", "mark").code == 2
    assert glm("tools", "call", "mark", "--tools", "absent.json").code == 2


def test_call_needs_no_key_and_shows_none(call, scene) -> None:
    scene.program("mark", "env | grep -c API_KEY")
    scene.file()
    assert call("mark", env=KEY).text.startswith("The tool failed: exit status 1.\nstdout:\n0\n")


def test_ctrl_c_in_a_call(home, cwd) -> None:
    scene = ToolRuns(None, cwd)
    scene.program("mark", "echo $$ >>pids; sleep 301 & echo $! >>pids; wait")
    scene.file()
    with running(home, cwd, "tools", "call", "mark", "--tools", "t.json") as process:
        found = pids(cwd / "pids", 2)
        process.send_signal(signal.SIGINT)
        assert process.wait(SOON) == -signal.SIGINT
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")
    assert_all_ended(found)


# glm tools list


def test_list(glm, scene) -> None:
    scene.file(
        tool("mark", approve="auto", description="First line.\nSecond line."),
        tool("other", "true", parallel=True, description="Tab\there  and  there"),
        tool("never", "true", approve="deny", properties=X, description=""),
    )
    done = glm("tools", "list", "t.json")
    assert (done.code, done.err) == (0, "")
    assert done.text == "mark\tauto\tFirst line.\nother\task\tTab here and there\nnever\tdeny\t\n"
    found = json.loads(glm("tools", "list", "t.json", "--json").out)
    assert [(each["name"], each["approve"], each["parallel"]) for each in found] == [
        ("mark", "auto", False),
        ("other", "ask", True),
        ("never", "deny", False),
    ]
    assert found[0]["description"] == "First line.\nSecond line."
    assert found[2]["parameters"] == {"type": "object", "properties": X}
    assert found[0]["place"].startswith("t.json:1:")
    assert scene.ran == []


def test_list_of_definitions_and_of_a_bad_file(glm, cwd) -> None:
    (cwd / "t.json").write_text(json.dumps(OPENAI))
    assert glm("tools", "list", "t.json").text == "mark\task\td\n"
    (cwd / "t.json").write_text("[]")
    done = glm("tools", "list", "t.json")
    assert (done.code, done.out) == (2, b"")
    assert error_of(done.err).startswith("t.json:1:1: ")
    assert glm("tools", "list", "-", stdin=json.dumps(OPENAI).encode()).text == "mark\task\td\n"


# glm tools check


BAD = """\
tools:
  - name: mark
    description: d
    run: [./mark, "--city={city}", "{town}", "{city}"]
    env: [ZAI_API_KEY]
    parameters:
      type: object
      properties:
        city: {type: strin}
  - name: mark
    description: d
    run: [./absent]
  - name: bad name
    run: []
    colour: red
"""


def test_check_tells_every_fault_with_its_place(glm, scene, cwd) -> None:
    (cwd / "t.yaml").write_text(BAD)
    done = glm("tools", "check", "t.yaml")
    lines = done.text.splitlines()
    assert done.code == 2
    # What breaks the form comes first; what it means is looked at when the form is right.
    assert [line.rsplit(": ", 1)[0].split(": ")[0] for line in lines] == [
        f"t.yaml:{place}" for place in ("13:5", "13:11", "14:10", "15:5")
    ], lines
    (cwd / "t.yaml").write_text(BAD[: BAD.index("  - name: bad")])
    lines = glm("tools", "check", "t.yaml").text.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        f"t.yaml:{place}" for place in ("4:19", "4:36", "5:11", "9:22", "10:11", "12:11")
    ], lines
    assert scene.ran == []


def test_check_of_good_files_says_nothing(glm, scene, cwd) -> None:
    scene.file(tool("mark", approve="auto", timeout=0.5, env=["A_B"], parallel=True, leading_dash=True, properties=X))
    (cwd / "o.json").write_text(json.dumps(OPENAI))
    (cwd / "m.yaml").write_text("mcp:\n  files:\n    url: http://127.0.0.1:1/mcp\n    token_env: MY_TOKEN\n")
    done = glm("tools", "check", "t.json", "o.json", "m.yaml")
    assert (done.code, done.out, done.err, scene.ran) == (0, b"", "", [])


def test_check_of_several_files(glm, scene, cwd) -> None:
    scene.file()
    (cwd / "one.yaml").write_text("tools: 5\n")
    (cwd / "two.yaml").write_text("a: [\n")
    done = glm("tools", "check", "one.yaml", "t.json", "two.yaml", "absent.yaml")
    lines = done.text.splitlines()
    assert (done.code, len(lines)) == (2, 3)
    assert lines[0].startswith("one.yaml:1:8: ")
    assert lines[1].startswith("two.yaml:2:1: ")
    assert "absent.yaml" in lines[2]
    assert error_of(done.err) == "3 faults in one.yaml, two.yaml, absent.yaml"


def test_check_of_a_file_that_is_not_there_does_not_speak_of_flags(glm) -> None:
    done = glm("tools", "check", "absent.yaml")
    assert (done.code, error_of(done.err)) == (2, "1 fault in absent.yaml")
    assert "--tools" not in done.text
    assert done.text.startswith("absent.yaml: ")


def test_check_reads_stdin(glm) -> None:
    assert glm("tools", "check", "-", stdin=json.dumps(OPENAI).encode()).code == 0
    done = glm("tools", "check", "-", stdin=b"tools: 5")
    assert (done.code, done.text.startswith("<stdin>:1:8: ")) == (2, True)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("content", "place"),
    [
        ([{"type": "function", "function": {"name": "a b"}}], "t.json:1:"),
        ([{"type": "function"}], "t.json:1:2"),
        ([{"type": "mcp", "function": {"name": "a"}}], "t.json:1:"),
        ([{"name": "a", "description": "d"}], "t.json:1:"),
        ([{"type": "function", "function": {"name": "a", "parameters": {"type": "array"}}}], "t.json:1:"),
        ({"tools": [{"name": "x" * 65, "description": "d", "run": ["true"]}]}, "t.json:1:"),
        ({"tools": [tool("a", "true", approve="yes")]}, "t.json:1:"),
        ({"tools": [tool("a", "true", approve=True)]}, "t.json:1:"),
        ({"tools": [tool("a", "true", env=["A-B"])]}, "t.json:1:"),
        ({"tools": []}, "t.json:1:11"),
        ({"tools": [tool("a", "true", "{{a}}", properties=X | {"a": TEXT})]}, "t.json:1:"),
        ({"tools": [tool("a", "true", "-f{a}", properties=X | {"a": TEXT})]}, "t.json:1:"),
        ({"mcp": {"s": {"command": ["true"], "url": "http://127.0.0.1"}}}, "t.json:1:"),
        ({"mcp": {"s": {"command": ["./absent"]}}}, "t.json:1:"),
        ({"mcp": {"s": {"url": "http://example.com/mcp"}}}, "t.json:1:"),
        ({"mcp": {"s": {"command": ["true"], "env": ["GLM_API_KEY"]}}}, "t.json:1:"),
        ({"mcp": {"s": {"url": "https://example.com", "token_env": "ZAI_API_KEY"}}}, "t.json:1:"),
    ],
)
def test_check_finds(glm, cwd, content, place) -> None:
    (cwd / "t.json").write_text(json.dumps(content))
    done = glm("tools", "check", "t.json")
    assert done.code == 2
    assert done.out
    assert all(line.startswith(place) for line in done.text.splitlines()), done.text
    assert done.err.startswith(f"glm: error: {len(done.text.splitlines())} fault")


def test_check_by_the_rules_of_a_provider(glm, scene) -> None:
    scene.file(tool("search", "true"))
    done = glm("tools", "check", "t.json")
    assert (done.code, done.out) == (0, b"")
    assert "modelstudio, dashscope refuses a tool named 'search'" in done.err
    done = glm("tools", "check", "t.json", "-P", "dashscope")
    assert (done.code, done.text.count("\n")) == (2, 1)
    assert done.text.startswith("t.json:1:")
    assert glm("tools", "check", "t.json", "-P", "zai").code == 0
    scene.file(*(tool(f"t{n}", "true") for n in range(129)))
    assert glm("tools", "check", "t.json").code == 0
    assert glm("tools", "check", "t.json", "-P", "zai").code == 2
    assert glm("tools", "check", "t.json", "-P", "nobody").code == 2


def test_what_check_refuses_is_refused_before_anything_is_sent(scene, cwd) -> None:
    (cwd / "t.json").write_text(json.dumps({"tools": [tool("mark", "./absent"), tool("mark", "./absent")]}))
    done = scene.run(call_stream(("mark", "{}")), "-q")
    assert (done.code, scene.server.requests) == (2, [])
    assert error_of(done.err).startswith("t.json:1:")
    assert error_of(done.err).endswith("(and 2 more: glm tools check t.json)")


# Help


@pytest.mark.parametrize("name", ["run", "check", "list", "call"])
def test_help_needs_nothing(home, cwd, name) -> None:
    done = subprocess.run([GLM, "tools", name, "-h"], cwd=cwd, env={"HOME": str(home)}, capture_output=True, check=True)
    assert f"Usage: glm tools {name}".encode() in done.stdout
    assert done.stderr == b""


def test_two_runs_do_not_touch_each_others_tools(home, cwd) -> None:
    """What a run leaves to its end is what it started itself."""
    scene = ToolRuns(None, cwd)
    scene.program("mark", "echo $$ >>pids; exec sleep 301")
    scene.file(tool(timeout=60))
    with running(home, cwd, "tools", "call", "mark", "--tools", "t.json") as one:
        (first,) = pids(cwd / "pids", 1)
        with running(home, cwd, "tools", "call", "mark", "--tools", "t.json") as two:
            _, other = pids(cwd / "pids", 2)
            two.send_signal(signal.SIGINT)
            assert two.wait(SOON) == -signal.SIGINT
        assert one.poll() is None
        wait_for(lambda: not os.path.exists(f"/proc/{other}"))  # noqa: PTH110
        assert os.path.exists(f"/proc/{first}")  # noqa: PTH110
        one.send_signal(signal.SIGINT)
        assert one.wait(SOON) == -signal.SIGINT
    assert_all_ended([first, other])


@pytest.mark.parametrize(
    "lines",
    [
        ['{"role":"assistant","content":"","tool_calls":[{"id":1,"name":"mark","arguments":"{}"}]}'],
        ['{"role":"assistant","content":"","tool_calls":[{"id":"c","name":"mark","arguments":"no"}]}'],
        ['{"role":"assistant","content":"","tool_calls":[{"id":"c","name":"mark","arguments":"{}"}]}'],
        ['{"role":"tool","content":"x","tool_call_id":"c"}'],
    ],
)
def test_a_session_whose_calls_and_results_do_not_fit(glm, cwd, lines) -> None:
    (cwd / "talk.jsonl").write_text("".join(f"{line}\n" for line in ['{"role":"user","content":"a"}', *lines]))
    with Server(LAST) as server:
        done = glm("ask", *ZAI, server.url, "--session", "talk.jsonl", "b", env=KEY)
    assert (done.code, server.requests) == (2, [])
    assert error_of(done.err) == "talk.jsonl:2:1: not a turn of a conversation"


def test_an_id_of_ours_is_not_given_twice(scene) -> None:
    scene.file(tool(properties={"n": {"type": "integer"}}))
    made = [whole_call("mark", '{"n": 1}', "call_1_2", 0), whole_call("mark", '{"n": 2}', "", 1)]
    script = stream(*(delta(tool_calls=[each]) for each in made), delta(finish_reason="tool_calls"))
    assert scene.run(script).code == 0
    sent = [call["id"] for call in scene.server.requests[1].json["messages"][1]["tool_calls"]]
    assert sent == ["call_1_2", "call_1_2_1"]


def test_a_key_that_json_hides_does_not_reach_a_tool(glm, scene) -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in b64encode(CANARY.encode()).decode())
    scene.program("mark", "cat >seen")
    scene.file(tool("mark", "./mark", properties={"x": {"type": "string"}}))
    with Server(call_stream(("mark", f'{{"x": "{escaped}"}}')), LAST) as server:
        flags = ("--tools", "t.json", "--yes", "-q")
        assert glm("tools", "run", *ZAI, server.url, *flags, "hi", env=KEY).code == 0
        assert escaped.encode() not in server.requests[1].body
    assert (scene.cwd / "seen").read_text() == '{"x": "***="}\n'


def test_a_key_is_masked_before_a_result_is_cut(glm, scene) -> None:
    """The first 128 KiB of what is printed are kept: the key stands across their end."""
    (scene.cwd / "much").write_text("x" * (131_072 - 20) + CANARY + "y" * 200_000)
    scene.file({"name": "mark", "description": "d", "run": ["cat", "much"]})
    done = glm("tools", "call", "mark", "--tools", "t.json", env=KEY, may_hold_key=(scene.cwd / "much",))
    assert done.code == 0
    head, left_out, tail = done.text.split("\n")[:3]
    assert (head, tail) == ("x" * (131_072 - 20) + "***" + "y" * 17, "y" * 131_072)
    assert left_out == "[68931 bytes left out]"
