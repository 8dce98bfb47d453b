"""A raw-socket server on loopback that sends exactly the bytes a test wants, and keeps the requests."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True)
class Pause:
    """Send nothing for some seconds, during which the client may close the connection."""

    seconds: float


@dataclass(frozen=True)
class Reset:
    """Close the connection with RST."""


@dataclass(frozen=True)
class Stall:
    """Send nothing until the client closes the connection."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]  # in order, names in the case in which they were sent
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


Step = bytes | Pause | Reset | Stall
Script = list[Step]


def reply(
    status: int, body: bytes | str | dict[str, Any], *headers: str, content_type: str = "application/json"
) -> Script:
    """A complete response with Content-Length."""
    text = json.dumps(body, ensure_ascii=False) if isinstance(body, dict) else body
    data = text.encode() if isinstance(text, str) else text
    head = [f"HTTP/1.1 {status} X", f"Content-Type: {content_type}", f"Content-Length: {len(data)}", *headers]
    return ["\r\n".join([*head, "", ""]).encode() + data]


def head(*headers: str, status: int = 200, content_type: str = "text/event-stream") -> bytes:
    """The head of a chunked response."""
    lines = [f"HTTP/1.1 {status} OK", f"Content-Type: {content_type}", "Transfer-Encoding: chunked", *headers, "", ""]
    return "\r\n".join(lines).encode()


def chunk(data: bytes | str) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return b"%x\r\n%b\r\n" % (len(data), data)


END = b"0\r\n\r\n"


def event(value: dict[str, Any] | str) -> bytes:
    """One SSE event as BigModel frames it."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


def delta(**fields: Any) -> dict[str, Any]:
    """An OpenAI-style chunk; `finish_reason` and `usage` are put where they belong."""
    finish = fields.pop("finish_reason", None)
    usage = fields.pop("usage", None)
    choice: dict[str, Any] = {"index": 0, "delta": fields}
    if finish is not None:
        choice["finish_reason"] = finish
    return {"id": "req-1", "choices": [choice]} | ({"usage": usage} if usage else {})


def stream(*events: dict[str, Any] | str | bytes, done: bool = True, end: bool = True) -> Script:
    """A 200 stream of these events; `end` closes the chunked body properly."""
    frames = [item if isinstance(item, bytes) else event(item) for item in events]
    frames += [event("[DONE]")] if done else []
    return [head(), *(chunk(frame) for frame in frames), *([END] if end else [])]


def answer(text: str = "Hello", reasoning: str = "") -> Script:
    """A complete streamed answer."""
    first = [delta(reasoning_content=reasoning)] if reasoning else []
    return stream(*first, delta(content=text), delta(content="", finish_reason="stop"))


class GatedScript(list[Step]):
    """A script whose second part is sent once `gate` is set."""

    def __init__(self, first: Script, second: Script) -> None:
        super().__init__([*first, *second])
        self._parts = (first, second)
        self.gate = threading.Event()

    def __iter__(self) -> Iterator[Step]:
        yield from self._parts[0]
        self.gate.wait(60)  # longer than a test waits for the first part, so a test never passes because this ended
        yield from self._parts[1]


class Server:
    """Sends one script per request, in order; the last one repeats."""

    def __init__(self, *scripts: Script, port: int = 0) -> None:
        self._scripts = list(scripts)
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.requests: list[Request] = []
        self.hung_up = threading.Event()  # a client closed the connection before the script ended
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        # A thread that waits on a socket keeps its descriptor: shutting it down wakes the thread, closing does not.
        for waited_on in (self._listener, *self._open):
            with suppress(OSError):
                waited_on.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as source:
                while request := _read(source):
                    with self._lock:
                        self.requests.append(request)
                        script = self._scripts[min(len(self.requests), len(self._scripts)) - 1]
                    if not self._play(script, connection) or not _has_end(script):
                        return
        except OSError:
            self.hung_up.set()
        finally:
            self._open.discard(connection)

    def _play(self, script: Iterable[Step], connection: socket.socket) -> bool:
        for step in script:
            match step:
                case bytes():
                    connection.sendall(step)
                case Pause(seconds):
                    self._wait(seconds, connection)
                case Stall():
                    self._wait(3600, connection)
                case Reset():
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return False
        return True

    def _wait(self, seconds: float, connection: socket.socket) -> None:
        until = time.monotonic() + seconds
        connection.settimeout(0.02)
        while time.monotonic() < until and not self._closing.is_set():
            try:
                if not connection.recv(1):
                    raise ConnectionResetError
            except TimeoutError:
                continue
        connection.settimeout(None)


def _has_end(script: Script) -> bool:
    """Whether the connection may serve another request: the response says where it ends."""
    return bool(script) and isinstance(script[-1], bytes) and (script[-1] == END or b"Content-Length" in script[-1])


def _read(source: Any) -> Request | None:
    line = source.readline().decode("latin-1").split()
    if len(line) < 2:
        return None
    headers = []
    while (text := source.readline().decode("latin-1").rstrip("\r\n")) != "":
        name, _, value = text.partition(":")
        headers.append((name, value.strip()))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return Request(line[0], line[1], tuple(headers), source.read(length))
