"""Whose processes are ended with a tool, and whose are not."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from processes import running, wait_for
from program import GLM, environment
from scripted_server import Server
from tool_runs import FINAL, KEY, ZAI, alive, assert_all_ended, call_stream, pids, tool

from glmcli.tools.child_process import ChildProcess

PLAIN = Path(__file__).parents[1] / "programs" / "mcp_servers" / "plain.py"
SPY = PLAIN.with_name("spy.py")
LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="orphans are adopted on Linux only")


def program(cwd, name, script) -> None:
    (cwd / name).write_text(f"#!/bin/sh\n{script}\n")
    (cwd / name).chmod(0o755)


def test_looking_at_how_a_program_ended_does_not_reap_it() -> None:
    process = ChildProcess(["sh", "-c", "exit 7"], os.environ)
    wait_for(lambda: process.exit_code() is not None)
    assert process.exit_code() == 7
    assert os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    process.reap()
    process.close_pipes()
    assert process.exit_code() == 7
    with pytest.raises(ChildProcessError):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)


def test_a_signal_that_ended_a_program_is_told() -> None:
    process = ChildProcess(["sleep", "300"], os.environ)
    assert process.exit_code() is None
    process.kill()
    wait_for(lambda: process.exit_code() is not None)
    assert process.exit_code() == -signal.SIGKILL
    process.reap()
    process.close_pipes()
    assert process.exit_code() == -signal.SIGKILL


def test_what_has_ended_is_never_signalled_again(monkeypatch) -> None:
    process = ChildProcess(["true"], os.environ)
    process.reap()
    process.close_pipes()
    sent = []
    monkeypatch.setattr(os, "killpg", lambda *given: sent.append(given))
    monkeypatch.setattr(os, "kill", lambda *given: sent.append(given))
    process.terminate()
    process.reap()
    assert sent == []


def state(pid) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.slow
@LINUX
def test_the_number_of_a_dead_server_is_given_to_nobody(home, cwd, tmp_path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    program(cwd, "nap", "touch begun; sleep 1; echo done")
    server = {"command": [sys.executable, str(PLAIN), str(traces), "dies"]}
    (cwd / "t.json").write_text(json.dumps({"tools": [tool("nap")], "mcp": {"mine": server}}))
    with Server(call_stream(("good", "{}")), call_stream(("nap", "{}"), ids="d"), FINAL) as provider:
        flags = ("tools", "run", *ZAI, provider.url, "--tools", "t.json", "--yes", "hi")
        with running(home, cwd, *flags, env=KEY) as process:
            wait_for((cwd / "begun").exists)
            (pid,) = pids(traces / "pids", 1)
            assert state(pid) == "Z"
            assert process.wait(30) == 0


@LINUX
def test_the_number_of_a_dead_tool_is_given_to_nobody_while_its_output_is_read(home, cwd) -> None:
    program(cwd, "mark", "(setsid sleep 301 &)\necho $$ >pids")
    (cwd / "t.json").write_text(json.dumps({"tools": [tool()]}))
    with running(home, cwd, "tools", "call", "mark", "--tools", "t.json") as process:
        (pid,) = pids(cwd / "pids", 1)
        wait_for(lambda: state(pid) == "Z")
        time.sleep(0.3)
        assert state(pid) == "Z"
        assert process.wait(30) == 0


@LINUX
def test_a_servers_daemon_outlives_a_tool_and_not_the_conversation(glm, cwd, tmp_path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    program(cwd, "mark", f"kill -0 $(cat {traces}/pids) && echo both alive")
    server = {"command": [sys.executable, str(PLAIN), str(traces), "daemon"]}
    (cwd / "t.json").write_text(json.dumps({"tools": [tool()], "mcp": {"mine": server}}))
    with Server(call_stream(("mark", "{}")), call_stream(("mark", "{}"), ids="d"), FINAL) as provider:
        done = glm("tools", "run", *ZAI, provider.url, "--tools", "t.json", "--yes", "hi", env=KEY)
        told = [each["content"] for each in provider.requests[-1].json["messages"] if each["role"] == "tool"]
    assert (done.code, told) == (0, ["both alive\n", "both alive\n"])
    assert_all_ended(pids(traces / "pids", 2))


ESCAPE = "(setsid sh -c 'echo $$ >>pids; exec sleep 301' </dev/null >/dev/null 2>&1 &)\nsleep 0.5; echo done"


@pytest.mark.slow
@LINUX
def test_a_tool_cannot_leave_anything_beside_a_server(glm, cwd, tmp_path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    program(cwd, "mark", ESCAPE)
    server = {"command": [sys.executable, str(PLAIN), str(traces), ""]}
    (cwd / "t.json").write_text(json.dumps({"tools": [tool()], "mcp": {"mine": server}}))
    done = glm("tools", "call", "mark", "--tools", "t.json")
    assert (done.code, done.text, done.err) == (0, "done\n", "")
    assert_all_ended(pids(cwd / "pids", 1))


@LINUX
def test_children_from_before_our_exec_are_left_alone(home, cwd) -> None:
    program(cwd, "mark", ESCAPE)
    (cwd / "t.json").write_text(json.dumps({"tools": [tool()]}))
    script = f"""(sleep 0.3; setsid sleep 302 >/dev/null 2>&1 & echo $! >theirs; sleep 0.35) &
        exec {GLM} tools call mark --tools t.json"""
    done = subprocess.run(
        ["sh", "-c", script], cwd=cwd, env=environment(home), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    (theirs,) = pids(cwd / "theirs", 1)
    try:
        assert (done.returncode, done.stdout) == (0, b"done\n")
        assert alive(theirs)
        assert_all_ended(pids(cwd / "pids", 1))
    finally:
        with suppress(ProcessLookupError):
            os.kill(theirs, signal.SIGKILL)


MANY = """trap '' TERM HUP INT
for i in 1 2 3; do
    setsid sh -c 'trap "" TERM HUP INT; echo $$ >>pids; sleep 303; :' </dev/null >/dev/null 2>&1 &
done
sleep 304; :"""


@LINUX
@pytest.mark.parametrize("gap", [0.0, 0.002, 0.02])
def test_a_second_signal_leaves_nothing_of_a_tool(home, cwd, gap) -> None:
    program(cwd, "mark", MANY)
    (cwd / "t.json").write_text(json.dumps({"tools": [tool()]}))
    with running(home, cwd, "tools", "call", "mark", "--tools", "t.json") as process:
        found = pids(cwd / "pids", 3)
        for number in (signal.SIGHUP, signal.SIGTERM):
            process.send_signal(number)
            time.sleep(gap)
        assert process.wait(30) in {-signal.SIGHUP, -signal.SIGTERM}
    assert_all_ended(found)


_PR_CAPBSET_DROP, _CAPABILITIES = 24, 41  # linux/prctl.h, linux/capability.h


def without_capabilities() -> None:
    """Give up what root may do beyond its user; it counts from exec on. Others have nothing to give up."""
    for number in range(_CAPABILITIES):
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)


UNSEEN = """environ: EACCES
mem: EACCES
maps: EACCES
fd/0: EACCES
process_vm_readv: EPERM
pidfd_getfd: EPERM
ptrace: EPERM
own environ: read
"""


@LINUX
@pytest.mark.parametrize("where", ["a program", "a server"])
def test_no_tool_looks_into_its_parent(glm, cwd, tmp_path, where) -> None:
    local = tool("good", sys.executable, str(SPY))
    server = {"command": [sys.executable, str(PLAIN), str(tmp_path), "spies"]}
    content = {"tools": [local]} if where == "a program" else {"mcp": {"mine": server}}
    (cwd / "t.json").write_text(json.dumps(content))
    flags = ("tools", "call", "good", "--tools", "t.json")
    done = glm(*flags, env=KEY, preexec_fn=without_capabilities)
    assert (done.code, done.err, done.text) == (0, "", UNSEEN)


@LINUX
def test_a_program_that_no_tool_can_read_writes_to_its_descriptors(glm, cwd) -> None:
    """/dev/fd leads through /proc/self, which belongs to root once nobody may look into a process."""
    (cwd / "t.json").write_text(json.dumps({"tools": [tool()]}))
    program(cwd, "mark", "echo marked")
    with Server(call_stream(("mark", "{}")), FINAL) as provider:
        flags = ("tools", "run", *ZAI, provider.url, "--tools", "t.json", "--yes", "-q", "-O", "/dev/fd/1", "hi")
        done = glm(*flags, env=KEY, preexec_fn=without_capabilities)
    assert (done.code, done.text) == (0, "The end.\n"), done.err
