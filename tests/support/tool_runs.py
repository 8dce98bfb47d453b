"""Runs of `glm tools run`: replies in which the model calls tools, programs that log their runs, and what was sent."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import termios
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes import wait_for
from program import CANARY
from scripted_server import Script, Server, answer, delta, reply, stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from program import Completed

ZAI = ("-P", "zai", "--base-url")
KEY = {"ZAI_API_KEY": CANARY}
FINAL = answer("The end.")
# Makes stdin, a terminal, the controlling terminal of the program, so that it can ask for approval.
CONTROLLED: dict[str, Any] = {
    "start_new_session": True,
    "preexec_fn": lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
}


def whole_call(name: str, arguments: str = "{}", identity: str = "c1", index: int = 0) -> dict[str, Any]:
    """A complete call, as providers write it."""
    return {
        "index": index,
        "id": identity,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _fragments(calls: tuple[tuple[str, str], ...], ids: str) -> list[dict[str, Any]]:
    return [whole_call(name, text, f"{ids}{at + 1}", at) for at, (name, text) in enumerate(calls)]


def call_stream(*calls: tuple[str, str], ids: str = "c", finish: str | None = "tool_calls", **texts: str) -> Script:
    """A stream in which the model calls these tools, after texts by field (content, reasoning_content)."""
    before = [delta(**{name: text}) for name, text in texts.items()]
    made = [delta(tool_calls=[each]) for each in _fragments(calls, ids)]
    ends = [delta(content="", finish_reason=finish)] if finish else []
    return stream(*before, *made, *ends, done=finish is not None)


def call_body(*calls: tuple[str, str], ids: str = "c", finish: str | None = "tool_calls", content: str = "") -> Script:
    """The same calls in one JSON body."""
    message = {"role": "assistant", "content": content, "tool_calls": _fragments(calls, ids)}
    return reply(200, {"id": "r", "choices": [{"index": 0, "message": message, "finish_reason": finish}]})


def tool(name: str = "mark", *run: str, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A tool as a file declares it; its program is `./NAME` unless `run` says otherwise."""
    value: dict[str, Any] = {"name": name, "description": f"The tool {name}.", "run": list(run or (f"./{name}",))}
    if properties is not None:
        value["parameters"] = {"type": "object", "properties": properties}
    return value | more


def fragment(
    index: int | None = None, identity: str | None = None, name: str | None = None, arguments: str | None = None
) -> dict[str, Any]:
    """A fragment of a call, without what is None."""
    function = {key: text for key, text in (("name", name), ("arguments", arguments)) if text is not None}
    pairs = (("index", index), ("id", identity), ("function", function or None))
    return {key: value for key, value in pairs if value is not None}


# Fragments, and the calls that they are joined to: id, name, arguments.
JOINED_FRAGMENTS: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str, str]]]] = {
    "by index, interleaved": (
        [
            fragment(0, "a", "mark", '{"x":'),
            fragment(1, "b", "mark", '{"x":'),
            fragment(0, None, None, ' "1'),
            fragment(1, None, None, ' "中😀"}'),
            fragment(0, None, None, '"}'),
        ],
        [("a", "mark", '{"x": "1"}'), ("b", "mark", '{"x": "中😀"}')],
    ),
    "a new id at an open index": (
        [fragment(0, "a", "mark", '{"x": "1"}'), fragment(0, "b", "mark", '{"x": "2'), fragment(0, None, None, '"}')],
        [("a", "mark", '{"x": "1"}'), ("b", "mark", '{"x": "2"}')],
    ),
    "the same id and an empty one go on": (
        [fragment(0, "a", "mark", '{"x"'), fragment(0, "a", "", ': "1'), fragment(0, "", None, '"}')],
        [("a", "mark", '{"x": "1"}')],
    ),
    "no index, no id: the last goes on": (
        [fragment(None, "a", "mark", '{"x"'), fragment(None, None, None, ": "), fragment(None, "", None, '"1"}')],
        [("a", "mark", '{"x": "1"}')],
    ),
    "no index, a new id": (
        [
            fragment(None, "a", "mark", '{"x": '),
            fragment(None, "a", None, '"1"}'),
            fragment(None, "b", "mark", '{"x": "2"}'),
        ],
        [("a", "mark", '{"x": "1"}'), ("b", "mark", '{"x": "2"}')],
    ),
    "equal ids at different indices": (
        [
            fragment(0, "a", "mark", '{"x": '),
            fragment(1, "a", "mark", '{"x": '),
            fragment(1, None, None, '"2"}'),
            fragment(0, None, None, '"1"}'),
        ],
        [("a", "mark", '{"x": "1"}'), ("a", "mark", '{"x": "2"}')],
    ),
}


class ToolRuns:
    """A working directory with programs and a tool file, and runs of `glm tools run` in it."""

    def __init__(self, glm: Callable[..., Completed], cwd: Path) -> None:
        self._glm = glm
        self.cwd = cwd
        self.server: Server
        self.program("mark")

    def program(self, name: str, script: str = "") -> Path:
        """A program that appends its name and arguments to the file `ran` in the folder, then does `script`."""
        path = self.cwd / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$(basename "$0")${{*:+ $*}}" >>ran\n{script}\n')
        path.chmod(0o755)
        return path

    def file(self, *tools: dict[str, Any], name: str = "t.json") -> Path:
        """Write a tool file with these tools."""
        path = self.cwd / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"tools": list(tools or (tool(),))}))
        return path

    def run(self, scripts: list[Script] | Script, *flags: str, yes: bool = True, **more: Any) -> Completed:
        """Run `glm tools run` against a server that sends these scripts, then an answer."""
        played = [scripts] if not scripts or not isinstance(scripts[0], list) else scripts
        given = ("--yes",) if yes else ()
        with Server(*played, FINAL) as self.server:
            arguments = ("tools", "run", *ZAI, self.server.url, "--tools", "t.json", "--retries", "0", *given, *flags)
            return self._glm(*arguments, "hi", env=KEY | more.pop("env", {}), **more)

    @property
    def ran(self) -> list[str]:
        """The programs that ran, in order: name and arguments."""
        path = self.cwd / "ran"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def sent(self) -> list[list[dict[str, Any]]]:
        """The messages of each request."""
        return [request.json["messages"] for request in self.server.requests]

    @property
    def results(self) -> list[str]:
        """The results of calls in the last request."""
        return [message["content"] for message in self.sent[-1] if message["role"] == "tool"]


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids(path: Path, count: int) -> list[int]:
    """The pids that programs wrote into a file, once there are `count` of them."""
    wait_for(lambda: path.exists() and path.read_text().count("\n") >= count)
    return [int(line) for line in path.read_text().split()]


def assert_all_ended(found: list[int]) -> None:
    """Fail if one of these processes still runs; kill those that do."""
    try:
        wait_for_gone(found)
    finally:
        for pid in found:
            with suppress(ProcessLookupError):
                if alive(pid):
                    os.kill(pid, signal.SIGKILL)


def wait_for_gone(found: list[int]) -> None:
    """Fail unless these processes end within 2 seconds: SIGKILL is not instantaneous on a busy machine."""
    import time

    until = time.monotonic() + 2
    while any(map(alive, found)):
        assert time.monotonic() < until, f"left behind: {[pid for pid in found if alive(pid)]}"
        time.sleep(0.01)
