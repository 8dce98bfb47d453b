"""The HTTP/1.1 server: sockets and threads, nothing about providers."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from glmcli.errors import UsageError
from glmcli.sandbox.async_tasks import AsyncTasks
from glmcli.sandbox.batches import Batches
from glmcli.sandbox.chat_request import RequestIds
from glmcli.sandbox.faults import FaultPlan
from glmcli.sandbox.http_messages import Ending, ServerResponse
from glmcli.sandbox.http_reader import MalformedRequestError, read_request
from glmcli.sandbox.providers.table import PREFIXES
from glmcli.sandbox.replies import ReplyScript
from glmcli.sandbox.router import SandboxState, respond

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import BufferedReader
    from types import TracebackType

    from glmcli.sandbox.providers.table import MoreCodes
    from glmcli.sandbox.replies import ScriptedReply

_BACKLOG = 1024
_DRIP_SECONDS = 0.05  # between two bytes of a head
_DRAIN_SECONDS, _MAX_DRAINED = 1.0, 1024  # how long, and how many reads, after a request that is refused
# SO_LINGER with zero seconds: closing sends RST instead of FIN.
_ABORT = struct.pack("ii", 1, 0)


class Sandbox:
    """The embedded providers on loopback, served by daemon threads while the `with` block lasts.

    **Units**: `latency` is seconds before the first byte of each response, `pace` seconds between frames. `replies` are
    given in turn, and the last one again; `codes` are faults beside those of the table of providers.

    Raises:
        UsageError: a fault that does not exist, or an address on which we cannot listen. It is no network error: only
            another address helps.
    """

    def __init__(  # noqa: PLR0913 - they are the flags of a command
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Sequence[str] = (),
        *,
        replies: Sequence[ScriptedReply] = (),
        latency: float = 0.0,
        pace: float = 0.0,
        codes: MoreCodes = {},  # noqa: B006 - never changed
    ) -> None:
        plan, script = FaultPlan(faults, codes), ReplyScript(replies)
        self._state = SandboxState(plan, script, Batches(plan, script), AsyncTasks())
        self._latency, self._pace = latency, pace
        self._serials = itertools.count(1)
        self._closed = threading.Event()
        self._open: set[socket.socket] = set()
        self._host = host
        self._listener = _listen(host, port)
        self.port: int = self._listener.getsockname()[1]

    def base_url(self, provider: str) -> str:
        """The base URL of a provider of `PREFIXES`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}{PREFIXES[provider]}"

    def wait(self) -> None:
        """Block until closed; a signal handler that raises ends it."""
        self._closed.wait()

    def close(self) -> None:
        """Stop listening and cut every open connection."""
        self._closed.set()
        _disconnect(self._listener)
        for connection in list(self._open):
            _disconnect(connection)

    def __enter__(self) -> Self:
        """Start to serve."""
        threading.Thread(target=self._accept, name="glm-sandbox", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """Answer the requests of one connection; a client that goes away ends it."""
        try:
            with suppress(OSError, ValueError), connection, connection.makefile("rb") as source:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while not self._closed.is_set() and self._exchange(connection, source):
                    pass
        finally:
            self._open.discard(connection)

    def _exchange(self, connection: socket.socket, source: BufferedReader) -> bool:
        """Answer one request; False when the connection ends with it."""
        try:
            request = read_request(source, connection.sendall)
        except MalformedRequestError as error:
            connection.sendall(error.response.head + b"".join(error.response.frames))
            _drain(connection)
            return False
        if request is None:
            return False
        response = respond(request, RequestIds(next(self._serials)), self._state)
        if request.version == "HTTP/1.0":  # it knows no chunks
            response = replace(response, chunked=False)
        return self._send(connection, response, with_body=request.method != "HEAD") and not request.closes

    def _send(self, connection: socket.socket, response: ServerResponse, *, with_body: bool) -> bool:
        """Send a response; False when the connection ends with it."""
        self._pause(self._latency + response.latency)
        pace = self._pace if response.pace is None else response.pace
        if response.ending is not Ending.HANG:
            size = 1 if response.drip else len(response.head)
            for at in range(0, len(response.head), size):
                connection.sendall(response.head[at : at + size])
                self._pause(_DRIP_SECONDS if response.drip else 0)
            for number, frame in enumerate(response.frames if with_body else ()):
                self._pause(pace if number else 0)
                connection.sendall(b"%x\r\n%b\r\n" % (len(frame), frame) if response.chunked else frame)
        match response.ending:
            case Ending.COMPLETE:
                connection.sendall(b"0\r\n\r\n" if response.chunked and with_body else b"")
                return True
            case Ending.CLOSE:
                pass
            case Ending.RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            case Ending.STALL | Ending.HANG:
                while connection.recv(65536):
                    pass
        return False

    def _pause(self, seconds: float) -> None:
        """Sleep, unless the sandbox closes."""
        if seconds > 0:
            self._closed.wait(seconds)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        # create_server adds to the text of the system's errors; the resolver's have numbers of their own, below zero.
        number = error.errno or 0
        why = os.strerror(number) if number > 0 else str(error.strerror or error)
        raise UsageError(
            message=f"the sandbox cannot listen on {host}:{port}: {why}", fix="choose another port"
        ) from error


def _disconnect(connection: socket.socket) -> None:
    """Wake whoever is blocked on a socket, then close it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _drain(connection: socket.socket) -> None:
    """End our side, and read what the client still sends: to close before would reset what it has not read yet."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(_DRAIN_SECONDS)
    for _ in range(_MAX_DRAINED):
        if not connection.recv(65536):
            return
