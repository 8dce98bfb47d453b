"""The program on a pseudo-terminal: run to its end, or watched while it runs."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from processes import TIMEOUT, running
from program import CANARY, GLM, environment, leaks

if TYPE_CHECKING:
    from pathlib import Path

KEY = {"ZAI_API_KEY": CANARY, "TERM": "xterm-256color"}
END_MARK = b"<the program has ended>"


def on_terminal(home: Path, cwd: Path, *arguments: str, piped_stream: str = "", **env: str) -> tuple[int, bytes, bytes]:
    """Exit code, output of the terminal, and of a pipe that replaces `piped_stream` ("stdout", "stderr")."""
    master, slave = pty.openpty()
    streams: dict[str, Any] = {"stdin": slave, "stdout": slave, "stderr": slave} | (
        {piped_stream: subprocess.PIPE} if piped_stream else {}
    )
    seen, piped = b"", b""
    try:
        with subprocess.Popen(
            [GLM, *arguments], cwd=cwd, env=environment(home, **KEY | env), start_new_session=True, **streams
        ) as process:
            os.close(slave)
            pipe = process.stdout or process.stderr
            sources = [master, *([pipe.fileno()] if pipe else [])]
            until = time.monotonic() + TIMEOUT
            while sources:
                ready, _, _ = select.select(sources, [], [], max(until - time.monotonic(), 0))
                assert ready, "the program hangs"
                for source in ready:
                    try:
                        data = os.read(source, 1 << 16)
                    except OSError:  # EIO on Linux: nothing has the terminal open any more
                        data = b""
                    if not data:
                        sources.remove(source)
                    elif source == master:
                        seen += data
                    else:
                        piped += data
            code = process.wait(TIMEOUT)
    finally:
        os.close(master)
    return code, seen.replace(b"\r\n", b"\n"), piped


def read_rest(master: int) -> bytes:
    """What is still to be read from a terminal that no process has open any more.

    One read may return less than was written, even after its writer has ended.
    """
    seen = b""
    while True:
        try:
            data = os.read(master, 1 << 16)
        except OSError:  # EIO on Linux: the end
            data = b""
        if not data:
            return seen
        seen += data


class Console:
    """The program on a terminal of its own, to which `piped_stream`, if any, is not connected."""

    def __init__(
        self,
        home: Path,
        cwd: Path,
        *arguments: str,
        size: tuple[int, int] = (24, 80),
        piped_stream: str | None = None,
        env: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(*size)
        given: dict[str, Any] = {"stdin": self.slave, "stdout": self.slave, "stderr": self.slave} | (
            {piped_stream: subprocess.PIPE} if piped_stream else {}
        )
        shown = KEY | (env or {})
        self._run = running(home, cwd, *arguments, env=shown, **(given | more))
        self.process = self._run.__enter__()
        self.seen = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._run.__exit__(None, None, None)
        self.hang_up()
        os.close(self.slave)

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def hang_up(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def read_until(self, wanted: bytes) -> None:
        while wanted not in self.seen:
            ready, _, _ = select.select([self.master], [], [], TIMEOUT)
            assert ready, f"the terminal is silent after {self.seen!r}"
            self.seen += os.read(self.master, 1 << 16)

    def finish(self) -> tuple[int, bytes]:
        """The exit code, and all that the terminal received, with the line endings of the program."""
        threading.Thread(target=self._mark_end, daemon=True).start()
        self.read_until(END_MARK)
        seen = self.seen.removesuffix(END_MARK)
        assert not leaks(seen)
        assert b"Traceback" not in seen
        return self.process.wait(TIMEOUT), seen.replace(b"\r\n", b"\n")

    def _mark_end(self) -> None:
        self.process.wait()
        os.write(self.slave, END_MARK)
