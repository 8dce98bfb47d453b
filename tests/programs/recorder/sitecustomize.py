"""Records, in order, what a run does to the files of one folder, and when it sends something: a line of JSON each.

Python imports this module by itself when its folder is on PYTHONPATH. RECORD_FOLDER is watched, RECORD_FILE is written.
All that our program writes goes through the functions of `os` that are wrapped here: a file that `open` opens for
writing ends the run, for it could not be seen.
"""

from __future__ import annotations

import builtins
import io
import json
import os
import socket
import sys
import threading

sys.modules["uvloop"] = None  # type: ignore[assignment] - it sends without Python, unseen
_FOLDER = os.environ["RECORD_FOLDER"] + "/"
_LOG = os.open(os.environ["RECORD_FILE"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
_lock = threading.RLock()
_write, _fstat, _lseek, _open = os.write, os.fstat, os.lseek, os.open
_watched: set[int] = set()  # inodes


def _log(*event: object) -> None:
    _write(_LOG, json.dumps(event).encode() + b"\n")


def _inside(path: object) -> str | None:
    name = os.path.abspath(os.fsdecode(path))  # type: ignore[type-var]  # noqa: PTH100 - no link is followed
    return name.removeprefix(_FOLDER) if name.startswith(_FOLDER) else "." if name + "/" == _FOLDER else None


def _opened(path, flags, *more, **options):
    with _lock:
        name = _inside(path)
        is_new = name is not None and not os.path.lexists(path)
        fd = _open(path, flags, *more, **options)
        if name is not None:
            node = _fstat(fd).st_ino
            _watched.add(node)
            if is_new:
                _log("link", name, node)
            if flags & os.O_TRUNC:
                _log("truncate", node, 0)
        return fd


def _node(fd: int) -> int | None:
    node = _fstat(fd).st_ino
    return node if node in _watched else None


def _after(name: str, event):
    """Wrap os.NAME: what `event` makes of its result and arguments is logged when it has returned."""
    real = getattr(os, name)

    def call(*arguments, **options):
        with _lock:
            result = real(*arguments, **options)
            if told := event(result, *arguments):
                _log(*told)
            return result

    setattr(os, name, call)


def _written(count, fd, data):
    if (node := _node(fd)) is None:
        return None
    return "write", node, _lseek(fd, 0, os.SEEK_CUR) - count, bytes(data[:count]).decode("latin-1")


def _put(count, fd, data, at):
    return (node := _node(fd)) and ("write", node, at, bytes(data[:count]).decode("latin-1"))


_after("write", _written)
_after("pwrite", _put)
_after("fsync", lambda _, fd: (node := _node(fd)) and ("sync", node))
_after("ftruncate", lambda _, fd, size: (node := _node(fd)) and ("truncate", node, size))
_after("replace", lambda _, old, new: (name := _inside(old)) and ("rename", name, _inside(new)))
_after("unlink", lambda _, path: (name := _inside(path)) and ("unlink", name))
os.open = _opened  # type: ignore[assignment]

_real_send = socket.socket.send


def _send(self, data, *flags):
    if bytes(data[:4]) in (b"POST", b"GET "):
        _log("send", bytes(data).partition(b"\r\n")[0].decode())
    return _real_send(self, data, *flags)


socket.socket.send = _send  # type: ignore[method-assign]


def _only_reads(real):
    def call(file, mode="r", *more, **options):
        if not isinstance(file, int) and _inside(file) and set(mode) & set("wax+"):
            _write(2, f"{file} is written out of sight".encode())
            os._exit(99)
        return real(file, mode, *more, **options)

    return call


builtins.open = io.open = _only_reads(builtins.open)
