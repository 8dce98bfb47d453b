"""One local program under way as a tool's call."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from glmcli.tools import descendants
from glmcli.tools.capture import Capture
from glmcli.tools.tool import Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_OUTPUT = 256 * 1024  # bytes of stdout that the model may see
_COMPLAINT = 8 * 1024  # bytes of stderr that it sees after a failure
_CHUNK = 1 << 16
_CHUNKS = 16  # at a time: others wait, and the clock runs
_GRACE = 2.0  # seconds between SIGTERM and SIGKILL
_DRAIN = 1.0  # seconds in which output may still come after the program has ended


class ProcessTask:
    """A call that is a process: its stdin, its output, its time."""

    def __init__(
        self,
        argv: Sequence[str],
        stdin: bytes | None,
        environment: Mapping[str, str],
        timeout: float,
        redact: Callable[[str], str],
    ) -> None:
        """Start the program in a session of its own, without our terminal; `stdin` None is an empty one."""
        self.ended: Ended | None = None
        self._timeout = timeout
        self._out, self._err = Capture(_OUTPUT, redact), Capture(_COMPLAINT, redact)
        self._input = memoryview(stdin or b"")
        self._due = time.monotonic() + timeout
        self._late = False
        self._gone_since: float | None = None
        descendants.adopt()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - what a tool file names, approved, and never a shell
                argv,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                start_new_session=True,
                preexec_fn=descendants.adopting(),  # noqa: PLW1509 - a single system call, which takes no lock
                bufsize=0,
            )
        except OSError as error:
            what = f"cannot be started: {error.strerror}"
            self.ended = Ended(f"The tool {what}.", failed=True, how=what)
            return
        descendants.started(self._process.pid)
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._stdin, self._stdout, self._stderr = (pipe.fileno() if pipe else None for pipe in pipes)
        for pipe in pipes:
            if pipe:
                os.set_blocking(pipe.fileno(), False)

    def waits_on(self) -> Mapping[int, int]:
        """Its pipes."""
        if self.ended:
            return {}
        pairs = ((self._stdin, select.POLLOUT), (self._stdout, select.POLLIN), (self._stderr, select.POLLIN))
        return {fd: events for fd, events in pairs if fd is not None}

    def advance(self) -> None:
        """Feed, read, and look at the clock."""
        if self.ended:
            return
        descendants.look()
        self._feed()
        self._stdout = self._read(self._stdout, self._out)
        self._stderr = self._read(self._stderr, self._err)
        now = time.monotonic()
        code = descendants.code(self._process)
        if code is not None:
            self._gone_since = self._gone_since or now
            silent = self._stdout is None and self._stderr is None
            if silent or now - self._gone_since > _DRAIN:
                self._finish(code)
        elif now > self._due:
            self._press(now)

    def _press(self, now: float) -> None:
        """Ask the program to end, and after a while do not ask."""
        first, self._late = not self._late, True
        self._due = now + _GRACE
        if first:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGTERM)
        else:
            descendants.kill(self._process.pid)

    def _feed(self) -> None:
        if self._stdin is None or not self._process.stdin:
            return
        try:
            self._input = self._input[os.write(self._stdin, self._input[:_CHUNK]) :] if self._input else self._input
        except BlockingIOError:
            return
        except OSError:  # it does not want its arguments, which is its own affair
            self._input = self._input[:0]
        if not self._input:
            self._process.stdin.close()
            self._stdin = None

    @staticmethod
    def _read(fd: int | None, capture: Capture) -> int | None:
        """The descriptor, or None when its end was reached."""
        if fd is None:
            return None
        for _ in range(_CHUNKS):
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
        if self._late:
            how = f"stopped after {self._timeout:g} s"
        elif code < 0:
            how = f"ended by {_signal_name(-code)}"
        else:
            how = f"exit status {code}" if code else f"{self._out.size} bytes"
        failed = self._late or code != 0
        text = self._complaint(how) if failed else self._out.text() or "(no output)"
        self.ended = Ended(text, failed=failed, how=how)

    def _complaint(self, how: str) -> str:
        printed = (("stderr", self._err.text()), ("stdout", self._out.text()))
        return "\n".join([f"The tool failed: {how}.", *(f"{name}:\n{text}" for name, text in printed if text)])

    def cancel(self) -> None:
        """Kill it with all that it started."""
        if self.ended:
            return
        descendants.end(self._process)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()
        self._stdin = self._stdout = self._stderr = None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
