"""The processes that a tool or a server leaves behind, found and ended.

Each is started in a session of its own, and all of that session ends with it. A process that leaves the session with
setsid is still found: on Linux we adopt orphans (PR_SET_CHILD_SUBREAPER), so what a tool started stays below us. Where
others could have left orphans there too (servers, children from before our exec), only those are a tool's that were
seen below it; it then adopts its own while it lives. On other systems only the session's first process group is known.

A pid is reaped after everything of it was killed, and forgotten before: its number may soon be somebody else's.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from glmcli.console import signals

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

_PROC = "/proc"
_ADOPT = 36  # PR_SET_CHILD_SUBREAPER, linux/prctl.h
_SWEEPS = 20  # a process may start another while we look
_PAUSE, _SHARE = 0.02, 20  # between looks: seconds, and how many times as long as one takes


class _Process(NamedTuple):
    parent: int
    session: int
    start: int  # with the pid, it names a process for ever


_Mark = tuple[int, int]  # pid, start


_tools: dict[int, set[_Mark]] = {}  # those under way, and what was seen below them
_servers: dict[int, set[_Mark]] = {}  # the same of servers, which outlive the tools beside them
_states: dict[str, bool] = {}  # `adopts`, `shared`: orphans below us may be those of others
_due = [0.0]  # when to look again


def adopt() -> None:
    """Become the parent of orphans below us, once."""
    if _states:
        return
    _states["adopts"] = os.path.isdir(_PROC)  # noqa: PTH112 - a string is all that is needed
    signals.on_forced_exit(_kill_all)
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # a parent's whim, by which the system reaps our children
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if _states["adopts"]:
        _prctl()(_ADOPT, 1, 0, 0, 0)
        mine = os.getpid()
        others = _grown({mine}, {pid: each._replace(session=0) for pid, each in _processes().items()}) - {mine}
        _states["shared"] = bool(others) or signals.is_first_process()


def _prctl() -> Callable[..., int]:
    import ctypes

    return ctypes.CDLL(None).prctl


def adopting() -> Callable[[], object] | None:
    """What a tool's process does before its program runs: adopt its own orphans, if they could be taken for others'."""
    return partial(_prctl(), _ADOPT, 1, 0, 0, 0) if _states.get("adopts") and _is_shared() else None


def _is_shared() -> bool:
    return bool(_servers) or _states.get("shared", False)


def started(pid: int) -> None:
    """A tool runs under this pid."""
    _tools[pid] = set()


def keep(pid: int) -> None:
    """A server runs under this pid, in a session of its own: no tool's end touches it or what it started."""
    _servers[pid] = set()


def code(process: subprocess.Popen[bytes]) -> int | None:
    """How it ended, as `returncode` says it, or None while it runs. It is not reaped: nobody else gets its number."""
    if process.returncode is not None or not hasattr(os, "waitid"):
        return process.poll()
    found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def look() -> None:
    """Remember what runs below each tool and server, where that is needed to know whose orphans they will be."""
    began = time.monotonic()
    if not _is_shared() or began < _due[0]:
        return
    _look(_processes())
    now = time.monotonic()
    _due[0] = now + max(_PAUSE, (now - began) * _SHARE)


def _look(processes: Mapping[int, _Process]) -> None:
    for marks in (_tools, _servers):
        for pid, seen in list(marks.items()):  # another thread starts servers
            below = _grown({pid} | _alive(seen, processes), processes)
            seen.update((each, processes[each].start) for each in below if each in processes)


def _alive(seen: set[_Mark], processes: Mapping[int, _Process]) -> set[int]:
    return {pid for pid, start in seen if pid in processes and processes[pid].start == start}


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill all that a tool or a server started, and itself; then its number is free, and a second call does nothing."""
    pid = process.pid
    if pid in _tools or pid in _servers:
        kill(pid)
        _tools.pop(pid, None)
        _servers.pop(pid, None)
    process.wait()


def kill(pid: int) -> None:
    """Kill all that a tool or a server started, and itself; it is still to be ended."""
    for _ in range(_SWEEPS):
        victims = _below(pid)
        _signal(os.killpg, pid)
        for victim in victims:
            _signal(os.kill, victim)
        _reap(victims)
        if not victims:
            break


def _kill_all() -> None:
    """All tools and servers, without any grace."""
    known = [*_tools, *_servers]
    for pid in known:
        _signal(os.killpg, pid)
    for pid in known:
        kill(pid)


def _signal(send: Callable[[int, int], None], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        send(number, signal.SIGKILL)


def _below(pid: int) -> set[int]:
    """All processes of a tool or a server but itself; orphans too, as far as they are its own."""
    processes = _processes()
    seen = _tools.get(pid) or _servers.get(pid) or set()
    found, known = {pid} | _alive(seen, processes), {*_tools, *_servers}
    if _owns_orphans(pid):
        mine = os.getpid()
        theirs = {*known, os.getsid(0)} - {pid}
        found |= {each for each, (parent, session, _) in processes.items() if parent == mine and session not in theirs}
    return _grown(found, processes) - known - {os.getpid()}


def _owns_orphans(pid: int) -> bool:
    """Whether nobody else can have left any: a server's may be those of another one, for servers end together."""
    if _states.get("shared"):
        return False
    return not _tools if pid in _servers else not _servers and _tools.keys() <= {pid}


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
                fields = file.read().rpartition(b")")[2].split()
                if fields[0] != b"Z" or int(fields[1]) == os.getpid():
                    found[int(name)] = _Process(int(fields[1]), int(fields[3]), int(fields[19]))
    return found
