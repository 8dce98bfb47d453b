"""Local programs as tools: from the arguments of a call to argv and stdin, never through a shell, and to a result."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import time
from typing import TYPE_CHECKING, Any

from glmcli.record import Record
from glmcli.tools.capture import OutputCapture
from glmcli.tools.child_process import ChildProcess, remember_descendants
from glmcli.tools.tool import CallResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
)  # variables that every program gets, in addition to those that its file names
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")
_MAX_OUTPUT = 256 * 1024  # bytes of stdout that the model may see
_MAX_ERRORS = 8 * 1024  # bytes of stderr that it sees after a failure
_CHUNK = 1 << 16
_MAX_CHUNKS = 16  # in a row, so that other calls and the time limit get their turn
_GRACE = 2.0  # seconds between SIGTERM and SIGKILL
_DRAIN = 1.0  # seconds in which output may still come after the program has ended


def placeholder(item: str) -> str | None:
    """The argument that an item of `run` stands for, or None: only a whole item is one."""
    found = _PLACEHOLDER.fullmatch(item)
    return found[1] if found else None


def mentioned(item: str) -> list[str]:
    """The arguments that an item contains without being a placeholder, as in `--city={city}`."""
    return [] if placeholder(item) else _PLACEHOLDER.findall(item)


def find_program(name: str, folder: str, environment: Mapping[str, str]) -> tuple[str, str | None]:
    """The path of a program, and why it cannot be run, or None. A name with a slash is relative to the folder."""
    if "/" not in name:
        found = shutil.which(name, path=environment.get("PATH", os.defpath))
        return found or name, None if found else f"there is no program {name!r} on the PATH"
    path = os.path.join(folder, name.removeprefix("./"))  # noqa: PTH118 - what is executed keeps its own words
    if not os.path.isfile(path):  # noqa: PTH113
        return path, f"there is no file {path!r}"
    return path, None if os.access(path, os.X_OK) else f"{path!r} is not executable"


class ProgramTool(Record):
    """A program and how it takes its arguments.

    Attributes:
        words: argv with the path of the program, and with placeholders for arguments.
        environment: all of its environment variables.
        timeout: seconds.
        redact: masks keys in what it prints.
        leading_dash: arguments may begin with `-`.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str]
    timeout: float
    redact: Callable[[str], str]
    leading_dash: bool = False
    _hidden = ("environment", "redact")

    @property
    def _has_placeholders(self) -> bool:
        return any(placeholder(word) for word in self.words[1:])

    def refusal(self, arguments: Mapping[str, Any]) -> str | None:
        """Why these arguments cannot be passed in argv, or None."""
        for name, text in self._filled(arguments):
            if name and "\0" in text:
                return f"{name} holds a NUL"
            if name and text.startswith("-") and not self.leading_dash:
                return f"{name} begins with '-', and the program could take it for a flag"
        return None

    def _filled(self, arguments: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
        """The words after the program, each with the name of its argument; absent and null arguments are dropped."""
        for word in self.words[1:]:
            name = placeholder(word)
            if name is None:
                yield None, word
            elif arguments.get(name) is not None:
                yield name, _text(arguments[name])

    def argv(self, arguments: Mapping[str, Any]) -> list[str]:
        """The words with arguments in their places."""
        return [self.words[0], *(text for _, text in self._filled(arguments))]

    def shown(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The argv of the call, and its stdin if arguments are passed there."""
        stdin = {} if self._has_placeholders else {"stdin": dict(arguments)}
        return {"argv": self.argv(arguments), **stdin}

    def start(self, arguments: Mapping[str, Any]) -> ProgramCall:
        """Run the program."""
        stdin = None if self._has_placeholders else json.dumps(arguments, ensure_ascii=False).encode() + b"\n"
        return ProgramCall(self, self.argv(arguments), stdin)


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    """A value as one word of argv: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class ProgramCall:
    """A call that is a process: its stdin, its output, its time limit."""

    def __init__(self, tool: ProgramTool, argv: list[str], stdin: bytes | None) -> None:
        """Start the program; `stdin` None is an empty one."""
        self.result: CallResult | None = None
        self._timeout = tool.timeout
        self._output, self._errors = OutputCapture(_MAX_OUTPUT, tool.redact), OutputCapture(_MAX_ERRORS, tool.redact)
        self._input = memoryview(stdin or b"")
        self._due = time.monotonic() + tool.timeout
        self._timed_out = False
        self._exited_at: float | None = None
        try:
            self._process = ChildProcess(argv, tool.environment, has_stdin=stdin is not None)
        except OSError as error:
            how = f"cannot be started: {error.strerror}"
            self.result = CallResult(f"The tool {how}.", failed=True, how=how)
            return
        fds = [pipe.fileno() if pipe else None for pipe in self._process.pipes]
        self._stdin, self._stdout, self._stderr = fds
        for fd in fds:
            if fd is not None:
                os.set_blocking(fd, False)

    def waits_on(self) -> Mapping[int, int]:
        """Its pipes."""
        if self.result:
            return {}
        pairs = ((self._stdin, select.POLLOUT), (self._stdout, select.POLLIN), (self._stderr, select.POLLIN))
        return {fd: events for fd, events in pairs if fd is not None}

    def advance(self) -> None:
        """Write stdin, read stdout and stderr, and keep the time limit."""
        if self.result:
            return
        remember_descendants()
        self._write()
        self._stdout = self._read(self._stdout, self._output)
        self._stderr = self._read(self._stderr, self._errors)
        now = time.monotonic()
        code = self._process.exit_code()
        if code is not None:
            self._exited_at = self._exited_at or now
            silent = self._stdout is None and self._stderr is None
            if silent or now - self._exited_at > _DRAIN:
                self._finish(code)
        elif now > self._due:
            self._stop(now)

    def _stop(self, now: float) -> None:
        """Ask the program to end, and a while later kill it."""
        if self._timed_out:
            self._process.kill()
        else:
            self._process.terminate()
        self._timed_out = True
        self._due = now + _GRACE

    def _write(self) -> None:
        stdin = self._process.pipes[0]
        if self._stdin is None or not stdin:
            return
        try:
            self._input = self._input[os.write(self._stdin, self._input[:_CHUNK]) :] if self._input else self._input
        except BlockingIOError:
            return
        except OSError:  # it closed its stdin, which a program may do
            self._input = self._input[:0]
        if not self._input:
            stdin.close()
            self._stdin = None

    @staticmethod
    def _read(fd: int | None, capture: OutputCapture) -> int | None:
        """The descriptor, or None when its end was reached."""
        if fd is None:
            return None
        for _ in range(_MAX_CHUNKS):
            try:
                data = os.read(fd, _CHUNK)
            except BlockingIOError:
                return fd
            if not data:
                return None
            capture.add(data)
        return fd

    def _finish(self, code: int) -> None:
        self.cancel()
        if self._timed_out:
            how = f"stopped after {self._timeout:g} s"
        elif code < 0:
            how = f"ended by {_signal_name(-code)}"
        else:
            how = f"exit status {code}" if code else f"{self._output.size} bytes"
        failed = self._timed_out or code != 0
        text = self._failure(how) if failed else self._output.text() or "(no output)"
        self.result = CallResult(text, failed=failed, how=how)

    def _failure(self, how: str) -> str:
        printed = (("stderr", self._errors.text()), ("stdout", self._output.text()))
        return "\n".join([f"The tool failed: {how}.", *(f"{name}:\n{text}" for name, text in printed if text)])

    def cancel(self) -> None:
        """Kill it with all that it started."""
        if self.result:
            return
        self._process.reap()
        self._process.close_pipes()
        self._stdin = self._stdout = self._stderr = None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
