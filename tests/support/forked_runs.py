"""A process that has imported what a run of the program would import, and forks for each: no start-up, real processes.

More than half of what a short run costs is an interpreter and its libraries. A fork has all the rest of what a shell
would start: its own arguments, environment, folder and descriptors, a process id to kill and an exit code.
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

# What an interpreter or a library reads as it starts, and would not read again.
_READ_AT_START = ("PYTHON", "LANG", "LC_", "TZ", "LD_", "OPENSSL_", "TYPER_", "COVERAGE_")
_HEEDED = {"LANG", "PYTHONDONTWRITEBYTECODE"}


def would_heed(variables: Mapping[str, str]) -> bool:
    """Whether a fork is in this environment what a process that was started in it is."""
    return variables["LANG"] == "C.UTF-8" and not any(
        name.startswith(_READ_AT_START) for name in variables.keys() - _HEEDED
    )


class Zygote:
    """Starts runs of the program, one at a time. Begins with its `with`, and ends with it.

    `modules`: what it imports first.
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
        self._said = self._channel.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._said.close()
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
        """The process id of a run with these as 0, 1 and 2; `most` bounds the size of files, as a full disk does."""
        order = {
            "arguments": [os.fsdecode(each) for each in arguments],
            "cwd": str(cwd),
            "variables": dict(variables),
            "most": most,
        }
        socket.send_fds(self._channel, [b"."], descriptors)
        self._channel.sendall(json.dumps(order).encode() + b"\n")
        return int(self._said.readline())

    def end(self) -> int:
        """Its exit code; until then the process id is its own, whether it has ended or not."""
        self._channel.sendall(b"\n")
        return int(self._said.readline())

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
            TimeoutExpired: it has taken so many seconds, and was killed.
        """
        (reads, ours), (out, writes), (err, warns) = os.pipe(), os.pipe(), os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        pid = self.start(arguments, cwd, variables, (nothing if stdin is None else reads, writes, warns))
        for each in (nothing, reads, writes, warns):
            os.close(each)
        until = time.monotonic() + timeout
        late = threading.Timer(timeout, os.kill, (pid, signal.SIGKILL))
        late.start()
        heard = _Heard(out), _Heard(err)
        with suppress(BrokenPipeError), os.fdopen(ours, "wb", buffering=0) as pipe:
            pipe.write(stdin or b"")
        for pipe_end in heard:
            pipe_end.join(max(until - time.monotonic(), 0))  # a program that it has started may hold them
        code = self.end()
        late.cancel()
        said = heard[0].data, heard[1].data
        if time.monotonic() > until:
            raise subprocess.TimeoutExpired(arguments, timeout, *said)
        return code, *said


class _Heard(threading.Thread):
    """Reads a pipe to its end, whatever else goes on."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self.data = b""
        self.start()

    def run(self) -> None:
        with os.fdopen(self._descriptor, "rb") as pipe:
            self.data = pipe.read()


# The other side


def main() -> None:
    sys.path.pop(0)  # the tests' own folder, which the program does not see
    channel = socket.socket(fileno=int(sys.argv[1]))
    for module in sys.argv[2:]:
        importlib.import_module(module)
    gc.freeze()  # what is shared stays shared
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
        if not lines.readline():  # nobody is there any more
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with suppress(BrokenPipeError):
            channel.sendall(b"%d\n" % code)


def _become(order: dict[str, Any], descriptors: list[int]) -> None:
    """What `order` says, whatever this process was."""
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
    with suppress(KeyboardInterrupt):  # of the terminal that the tests were started in
        main()
