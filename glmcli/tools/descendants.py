"""The processes that a tool leaves behind, found and ended.

A tool is started in a session of its own, and all of that session ends with it. A process that leaves the session with
setsid is still found: on Linux we adopt orphans (PR_SET_CHILD_SUBREAPER), so what a tool started stays below us. On
other systems only the session's first process group is known, and such a process survives.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROC = "/proc"
_ADOPT = 36  # PR_SET_CHILD_SUBREAPER, linux/prctl.h
_SWEEPS = 20  # a process may start another while we look


class _Process(NamedTuple):
    parent: int
    session: int


_others: set[int] = set()  # sessions of processes that no tool started: our own, and those that we found below us
_tools: set[int] = set()  # tools under way
_kept: set[int] = set()  # servers, which outlive the tools beside them
_adopts = False


def adopt() -> None:
    """Become the parent of orphans below us, once."""
    global _adopts  # noqa: PLW0603 - a property of this process, which is one
    if _adopts or not os.path.isdir(_PROC):  # noqa: PTH112 - a string is all that is needed
        return
    import ctypes

    _adopts = True
    ctypes.CDLL(None).prctl(_ADOPT, 1, 0, 0, 0)
    processes = _processes()
    below = _grown({os.getpid()}, processes)
    _others.update(processes[pid].session for pid in below if pid in processes)


def started(pid: int) -> None:
    """A tool runs under this pid."""
    _tools.add(pid)


def keep(pid: int) -> None:
    """A server runs under this pid, in a session of its own: no tool's end touches it or that session."""
    _kept.add(pid)


def end(pid: int) -> None:
    """Kill all that a tool or a server started, and itself."""
    _kept.discard(pid)
    for _ in range(_SWEEPS):
        victims = _below(pid)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        for victim in victims:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(victim, signal.SIGKILL)
        _reap(victims)
        if not victims:
            break
    _tools.discard(pid)


def _below(pid: int) -> set[int]:
    """All processes of the tool but itself; orphans too, if no other tool is under way whose they could be."""
    processes = _processes()
    found, mine = _grown({pid}, processes), os.getpid()
    if _tools <= {pid}:
        orphans = {each: process.session for each, process in processes.items() if process.parent == mine}
        # Every tool and server has a session of its own: what shares one with others is theirs.
        found |= {each for each, session in orphans.items() if session not in _others | _kept}
    return found - {pid, mine}


def _grown(found: set[int], processes: Mapping[int, _Process]) -> set[int]:
    """These processes, what they started, and all of the sessions that they began."""
    while True:
        more = {each for each, process in processes.items() if process.parent in found or process.session in found}
        if more <= found:
            return found
        found = found | more


def _reap(victims: set[int]) -> None:
    for victim in victims:
        with suppress(ChildProcessError):
            os.waitpid(victim, os.WNOHANG)


def _processes() -> dict[int, _Process]:
    """Every living process by its pid; nothing where there is no /proc."""
    found = {}
    names = os.listdir(_PROC) if os.path.isdir(_PROC) else ()  # noqa: PTH112, PTH208 - as above
    for name in names:
        if name.isdecimal():
            with suppress(OSError, ValueError, IndexError), open(f"{_PROC}/{name}/stat", "rb") as file:  # noqa: PTH123
                # The name of the program stands in parentheses, and may hold some itself.
                state, parent, _, session = file.read().rpartition(b")")[2].split()[:4]
                if state != b"Z" or int(parent) == os.getpid():
                    found[int(name)] = _Process(int(parent), int(session))
    return found
