"""The HTTP/1.1 server: sockets and threads, nothing about providers."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Self

from glmcli.errors import UsageError
from glmcli.sandbox.batches import Batches
from glmcli.sandbox.chat_request import RequestIds
from glmcli.sandbox.faults import FaultPlan
from glmcli.sandbox.http_messages import Ending, ServerRequest, ServerResponse
from glmcli.sandbox.providers.table import PREFIXES
from glmcli.sandbox.router import respond

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_BACKLOG = 1024
_DRIP_SECONDS = 0.05  # between two bytes of a head
# SO_LINGER with zero seconds: closing sends RST instead of FIN.
_ABORT = struct.pack("ii", 1, 0)


class Sandbox:
    """The embedded providers on loopback, served by daemon threads while the `with` block lasts.

    **Units**: `latency` is seconds before the first byte of each response, `pace` seconds between frames.

    Raises:
        UsageError: a fault that does not exist, or an address on which we cannot listen. It is no network error: only
            another address helps.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Sequence[str] = (),
        latency: float = 0.0,
        pace: float = 0.0,
    ) -> None:
        self._faults = FaultPlan(faults)
        self._batches = Batches(self._faults)
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
                while not self._closed.is_set() and (request := _receive(connection, source)):
                    response = respond(request, RequestIds(next(self._serials)), self._faults, self._batches)
                    if not self._send(connection, response) or _wants_close(request):
                        return
        finally:
            self._open.discard(connection)

    def _send(self, connection: socket.socket, response: ServerResponse) -> bool:
        """Send a response; False when the connection ends with it."""
        self._pause(self._latency)
        if response.ending is not Ending.HANG:
            size = 1 if response.drip else len(response.head)
            for at in range(0, len(response.head), size):
                connection.sendall(response.head[at : at + size])
                self._pause(_DRIP_SECONDS if response.drip else 0)
            for number, frame in enumerate(response.frames):
                self._pause(self._pace if number else 0)
                connection.sendall(b"%x\r\n%b\r\n" % (len(frame), frame) if response.chunked else frame)
        match response.ending:
            case Ending.COMPLETE:
                connection.sendall(b"0\r\n\r\n" if response.chunked else b"")
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


def _receive(connection: socket.socket, source: BinaryIO) -> ServerRequest | None:
    """The next request of a connection; None at its end."""
    line = source.readline(65536).decode("latin-1").split()
    if len(line) != 3:  # noqa: PLR2004 - method, target, version
        return None
    headers: dict[str, str] = {}
    while raw := source.readline(65536).strip():
        name, _, value = raw.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    return ServerRequest(line[0], line[1], headers, _body(source, headers))


def _body(source: BinaryIO, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return source.read(int(headers.get("content-length", "0")))
    chunks = []
    while size := int(source.readline(65536).partition(b";")[0], 16):
        chunks.append(source.read(size))
        source.readline(65536)
    while source.readline(65536).strip():  # trailers
        pass
    return b"".join(chunks)


def _wants_close(request: ServerRequest) -> bool:
    return request.headers.get("connection", "").lower() == "close"
