"""The programs of tools and of MCP servers, each ended together with every process that it started.

Each is started in a session of its own, and all of that session ends with it. A process that leaves the session with
setsid is still found: on Linux orphans below us become our children (PR_SET_CHILD_SUBREAPER), so they do not vanish
among those of init. Where several programs could have left an orphan (a server runs too, or we had children before our
exec), it belongs to the program below which it was seen while its parent lived; so /proc is scanned now and then, and
a tool's process becomes the parent of its own orphans while it lives. On other systems only the session's first process
group is known.

A program is reaped after all that it started was killed: from then on its pid may be reused.

On Linux no program can look into us, where keys are: before the first one is started we stop being "dumpable".
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from functools import partial
from typing import IO, TYPE_CHECKING, NamedTuple

from glmcli.console import signals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PROC = "/proc"
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36  # linux/prctl.h
_MAX_SWEEPS = 20  # a process may start another while we kill
_MIN_PAUSE, _PAUSE_FACTOR = 0.02, 20  # between scans of /proc: seconds, and how many times as long as one takes


class _ProcessInfo(NamedTuple):
    parent: int
    session: int
    start: int  # time of its start; the pid alone may be given to another process later


_children: dict[int, ChildProcess] = {}  # by pid; those not reaped yet
_states: dict[str, bool] = {}  # `adopts`: orphans become our children; `shared`: some may not come from our programs
_next_scan = [0.0]


class ChildProcess:
    """A program in a session of its own, without a controlling terminal.

    Attributes:
        pid: its process id, also the id of its process group and of its session.
        is_server: it keeps running when a call ends.
    """

    def __init__(
        self, argv: Sequence[str], environment: Mapping[str, str], *, has_stdin: bool = True, is_server: bool = False
    ) -> None:
        """Start it; in the main thread, unless `prepare` was called there before.

        Raises:
            OSError: it cannot be started.
        """
        prepare()
        self.is_server = is_server
        self._seen: set[tuple[int, int]] = set()  # pid and start time of its descendants
        self._process = subprocess.Popen(  # noqa: S603 - what a tool file names, and never a shell
            argv,
            stdin=subprocess.PIPE if has_stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=None if is_server else _adopting(),  # noqa: PLW1509 - a single system call, which takes no lock
            bufsize=0,
        )
        self.pid = self._process.pid
        _children[self.pid] = self

    @property
    def pipes(self) -> tuple[IO[bytes] | None, IO[bytes], IO[bytes]]:
        """Its stdin (None: /dev/null), stdout and stderr."""
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        if stdout is None or stderr is None:
            raise OSError("no pipes")
        return stdin, stdout, stderr

    def close_pipes(self) -> None:
        """Close our ends of its pipes."""
        for pipe in self.pipes:
            if pipe:
                pipe.close()

    def exit_code(self) -> int | None:
        """The exit code as in `Popen.returncode`, None while it runs. It is not reaped, so its pid is not reused."""
        if self._process.returncode is not None or not hasattr(os, "waitid"):
            return self._process.poll()
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def terminate(self) -> None:
        """Ask all of its process group to end, unless the program itself has ended."""
        if self.exit_code() is None:
            _send(os.killpg, self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill all that it started, and itself, without reaping it."""
        for _ in range(_MAX_SWEEPS):
            victims = self._descendants()
            _send(os.killpg, self.pid, signal.SIGKILL)
            for victim in victims:
                _send(os.kill, victim, signal.SIGKILL)
            for victim in victims:
                with suppress(ChildProcessError):
                    os.waitpid(victim, os.WNOHANG)
            if not victims:
                break

    def reap(self) -> None:
        """Kill all that it started, and itself, and free its pid; a second call does nothing."""
        if self.pid in _children:
            self.kill()
            del _children[self.pid]
        self._process.wait()

    def _descendants(self) -> set[int]:
        """The pids of all that it started, orphans too, as far as they are known to be its own."""
        processes = _processes()
        found = self._known(processes)
        if self._owns_orphans():
            mine = os.getpid()
            theirs = {*_children, os.getsid(0)} - {self.pid}
            found |= {pid for pid, each in processes.items() if each.parent == mine and each.session not in theirs}
        return _with_children(found, processes) - set(_children) - {os.getpid()}

    def _known(self, processes: Mapping[int, _ProcessInfo]) -> set[int]:
        return {self.pid} | {pid for pid, start in self._seen if pid in processes and processes[pid].start == start}

    def _owns_orphans(self) -> bool:
        """Whether all orphans come from this program (or, as servers end together, from another server)."""
        others = [each for each in _running() if each is not self]
        return not _states.get("shared") and all(self.is_server and each.is_server for each in others)

    def remember(self, processes: Mapping[int, _ProcessInfo]) -> None:
        """Record its present descendants."""
        below = _with_children(self._known(processes), processes)
        self._seen.update((pid, processes[pid].start) for pid in below if pid in processes)


def prepare() -> None:
    """Become the parent of orphaned descendants, and unreadable to them; only the first call has an effect.

    A process that is not dumpable gives its memory, its environment and its descriptors to nobody of the same user: not
    through /proc, ptrace, process_vm_readv or pidfd_getfd, nor in a core dump. Our own /proc/self stays open to us, and
    exec makes a program dumpable again, so what we start is as it ever was. Whoever has CAP_SYS_PTRACE (root, mostly)
    may look all the same.

    Source: https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html, ptrace(2) on access modes (2026-11-30).
    """
    if _states:
        return
    _states["adopts"] = os.path.isdir(_PROC)  # noqa: PTH112 - a string is all that is needed
    signals.on_forced_exit(_kill_all)
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # inherited; the system would reap our children
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if _states["adopts"]:
        _prctl()(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        _prctl()(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        mine = os.getpid()
        others = _with_children({mine}, {pid: each._replace(session=0) for pid, each in _processes().items()}) - {mine}
        _states["shared"] = bool(others) or signals.is_first_process()


def _prctl() -> Callable[..., int]:
    import ctypes

    return ctypes.CDLL(None).prctl


def _adopting() -> Callable[[], object] | None:
    """What the process of a tool does before exec: adopt its own orphans, if they could be mistaken for others."""
    if not _states.get("adopts") or not _is_shared():
        return None
    return partial(_prctl(), _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _is_shared() -> bool:
    return _states.get("shared", False) or any(each.is_server for each in _running())


def _running() -> list[ChildProcess]:
    return list(_children.values())  # a copy, since another thread starts servers


def remember_descendants() -> None:
    """Record the descendants of each program, where orphans could come from several programs."""
    if not _is_shared() or time.monotonic() < _next_scan[0]:
        return
    began = time.thread_time()  # CPU time: a busy machine must not make scans rarer
    processes = _processes()
    for each in _running():
        each.remember(processes)
    _next_scan[0] = time.monotonic() + max(_MIN_PAUSE, (time.thread_time() - began) * _PAUSE_FACTOR)


def _kill_all() -> None:
    """Kill all programs at once."""
    known = _running()
    for each in known:
        _send(os.killpg, each.pid, signal.SIGKILL)
    for each in known:
        each.kill()


def _send(send: Callable[[int, int], None], pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        send(pid, number)


def _with_children(found: set[int], processes: Mapping[int, _ProcessInfo]) -> set[int]:
    """These processes, their descendants, and all processes in sessions of theirs."""
    while True:
        more = {pid for pid, each in processes.items() if each.parent in found or each.session in found}
        if more <= found:
            return found
        found = found | more


def _processes() -> dict[int, _ProcessInfo]:
    """All processes by pid, of zombies only our children; empty without /proc."""
    found = {}
    names = os.listdir(_PROC) if os.path.isdir(_PROC) else ()  # noqa: PTH112, PTH208 - as above
    for name in names:
        if name.isdecimal():
            with suppress(OSError, ValueError, IndexError), open(f"{_PROC}/{name}/stat", "rb") as file:  # noqa: PTH123
                # The name of the program is in parentheses, and may contain some.
                fields = file.read().rpartition(b")")[2].split()
                if fields[0] != b"Z" or int(fields[1]) == os.getpid():
                    found[int(name)] = _ProcessInfo(int(fields[1]), int(fields[3]), int(fields[19]))
    return found
