"""A fork server: a process that has imported the libraries of the program, and forks once for each run.

Starting the interpreter and importing libraries is more than half of what a short run costs. A fork is otherwise what
a shell would start: a process with arguments, environment, folder, descriptors, process id and exit code of its own.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Beginnings of variables that an interpreter or a library reads only when it starts.
_READ_AT_START = ("PYTHON", "LANG", "LC_", "TZ", "LD_", "OPENSSL_", "TYPER_", "COVERAGE_")
_READ_LATER = {"LANG", "PYTHONDONTWRITEBYTECODE"}


def can_be_forked(variables: Mapping[str, str]) -> bool:
    """Whether a fork behaves in this environment as a process that was started in it."""
    return variables["LANG"] == "C.UTF-8" and not any(
        name.startswith(_READ_AT_START) for name in variables.keys() - _READ_LATER
    )


class ForkServer:
    """Starts runs of the program, one at a time; starts and ends with its `with` block.

    `modules` are imported before the first fork.
    """

    def __init__(self, *modules: str) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), *modules],
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._replies = self._channel.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._replies.close()
        self._channel.close()
        self._process.wait()

    def start(
        self,
        arguments: Sequence[str | bytes],
        cwd: Path,
        variables: Mapping[str, str],
        descriptors: Sequence[int],
        most: int | None = None,
    ) -> int:
        """The process id of a run with these as 0, 1 and 2; `most` limits the size of files, as a full disk does."""
        order = {
            "arguments": [os.fsdecode(each) for each in arguments],
            "cwd": str(cwd),
            "variables": dict(variables),
            "most": most,
        }
        socket.send_fds(self._channel, [b"."], descriptors)
        self._channel.sendall(json.dumps(order).encode() + b"\n")
        return int(self._replies.readline())

    def end(self) -> int:
        """Wait for the run, and return its exit code; only then may its process id be reused."""
        self._channel.sendall(b"\n")
        return int(self._replies.readline())

    def run(
        self,
        arguments: Sequence[str | bytes],
        cwd: Path,
        variables: Mapping[str, str],
        stdin: bytes | None,
        timeout: float,
    ) -> tuple[int, bytes, bytes]:
        """The exit code, stdout and stderr of a run; stdin is /dev/null unless given.

        Raises:
            TimeoutExpired: the run took longer than `timeout` seconds, and was killed.
        """
        (reads, ours), (out, writes), (err, warns) = os.pipe(), os.pipe(), os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        pid = self.start(arguments, cwd, variables, (nothing if stdin is None else reads, writes, warns))
        for each in (nothing, reads, writes, warns):
            os.close(each)
        until = time.monotonic() + timeout
        late = threading.Timer(timeout, os.kill, (pid, signal.SIGKILL))
        late.start()
        readers = _PipeReader(out), _PipeReader(err)
        with suppress(BrokenPipeError), os.fdopen(ours, "wb", buffering=0) as pipe:
            pipe.write(stdin or b"")
        for pipe_end in readers:
            pipe_end.join(max(until - time.monotonic(), 0))  # a child of the program may keep them open
        code = self.end()
        late.cancel()
        printed = readers[0].data, readers[1].data
        if time.monotonic() > until:
            raise subprocess.TimeoutExpired(arguments, timeout, *printed)
        return code, *printed


class _PipeReader(threading.Thread):
    """Reads a pipe to its end, in a thread of its own."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self.data = b""
        self.start()

    def run(self) -> None:
        with os.fdopen(self._descriptor, "rb") as pipe:
            self.data = pipe.read()


# In the process that forks


def main() -> None:
    sys.path.pop(0)  # the folder of this file, which is not on the path of the program
    channel = socket.socket(fileno=int(sys.argv[1]))
    for module in sys.argv[2:]:
        importlib.import_module(module)
    gc.freeze()  # forks share the pages of these objects
    lines = channel.makefile("rb")
    while True:
        begins, descriptors, _, _ = socket.recv_fds(channel, 1, 3)
        if not begins:
            return
        order = json.loads(lines.readline())
        pid = os.fork()
        if pid == 0:
            lines.close()
            channel.close()
            _become(order, descriptors)
            from glmcli.cli import run

            run()
        for each in descriptors:
            os.close(each)
        channel.sendall(b"%d\n" % pid)
        if not lines.readline():  # the tests have ended
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with suppress(BrokenPipeError):
            channel.sendall(b"%d\n" % code)


def _become(order: dict[str, Any], descriptors: list[int]) -> None:
    """Take on the folder, environment, descriptors, limit and arguments of `order`."""
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["variables"])
    sys.dont_write_bytecode = bool(order["variables"].get("PYTHONDONTWRITEBYTECODE"))
    for fd, given in enumerate(descriptors):
        os.dup2(given, fd)
        os.close(given)
    if order["most"] is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["most"], order["most"]))
    sys.argv = ["glm", *order["arguments"]]


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):  # Ctrl-C in the terminal of the tests
        main()
