"""Fails one fallible call of a run: the TORTURE_FAIL-th, counted over all that our program makes.

Python imports this module by itself when its folder is on PYTHONPATH. With TORTURE_FAIL=0 nothing fails, and the number
of calls is written to the file TORTURE_COUNT.
"""

from __future__ import annotations

import atexit
import builtins
import errno
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

_FAIL = int(os.environ["TORTURE_FAIL"])
_REAL_EXIT = os._exit
_lock = threading.Lock()
_calls: list[str] = []


def _ours() -> bool:
    """Whether our program, or a library on its behalf, makes the call; imports read files too, and are not counted."""
    frame = sys._getframe(2)  # noqa: SLF001 - the caller of whoever calls, which is what this is for
    ours = False
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.startswith("importlib"):
            return False
        ours = ours or name.startswith("glmcli")
        frame = frame.f_back
    return ours


def _fallible(holder: object, name: str, code: int) -> None:
    real = getattr(holder, name)

    def call(*arguments, **options):
        if _ours():
            with _lock:
                _calls.append(name)
                failing = len(_calls) == _FAIL
            if failing:
                raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    setattr(holder, name, call)


for _holder, _name, _code in (
    (builtins, "open", errno.EMFILE),
    (os, "open", errno.EMFILE),
    (os, "read", errno.EIO),
    (os, "write", errno.ENOSPC),
    (os, "fsync", errno.EIO),
    (os, "ftruncate", errno.EIO),
    (os, "fstat", errno.EIO),
    (os, "replace", errno.EACCES),
    (os, "unlink", errno.EACCES),
    (socket.socket, "connect", errno.ENETUNREACH),
    (socket.socket, "send", errno.ECONNRESET),
    (socket.socket, "recv", errno.ECONNRESET),
    (socket.socket, "setsockopt", errno.EINVAL),
    (socket.socket, "shutdown", errno.ENOTCONN),
    (subprocess, "Popen", errno.EAGAIN),
):
    _fallible(_holder, _name, _code)


def _report() -> None:
    if _FAIL == 0:
        Path(os.environ["TORTURE_COUNT"]).write_text("\n".join(_calls))


def _exit(code: int) -> None:
    _report()
    _REAL_EXIT(code)


os._exit = _exit
atexit.register(_report)
