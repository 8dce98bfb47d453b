"""An MCP server that is a program: started, spoken to over its stdin and stdout, and ended with all that it started.

The SDK's own transport for this adds variables of ours to the server's environment and hides its pid; so the pipes are
tied to the session's streams here.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import asynccontextmanager, suppress
from typing import IO, TYPE_CHECKING

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from glmcli.documents.quoting import visible
from glmcli.tools import descendants
from glmcli.tools.capture import clean

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from signal import Signals

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from glmcli.console.redaction import Redactor
    from glmcli.tools.mcp.wire import Streams
    from glmcli.tools.tool_file import Server

    Incoming = MemoryObjectSendStream[SessionMessage | Exception]
    Outgoing = MemoryObjectReceiveStream[SessionMessage]

_LARGEST = 2 * 1024 * 1024  # bytes of a message: what is made of it may take fifty times as much
_TAIL = 4096  # bytes of stderr
_COMPLAINT = 500  # characters of it that are told
_CHUNK = 1 << 16
_TICK = 0.01  # seconds
_LAST_WORDS = 20  # ticks between the end of stdout and that of the program


class ServerProcess:
    """The program of a server."""

    def __init__(self, server: Server, redactor: Redactor) -> None:
        """Start it in a session of its own, without our terminal.

        Raises:
            OSError: it cannot be started.
        """
        self.name = server.name
        self._redactor = redactor
        self._fault = ""
        self._tail = b""
        self._silent = False  # stderr is at its end
        self._process = subprocess.Popen(  # noqa: S603 - what a tool file names, and never a shell
            server.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(server.environment),
            start_new_session=True,
            bufsize=0,
        )
        descendants.keep(self._process.pid)

    def runs(self) -> bool:
        """Whether the program has not ended."""
        return descendants.code(self._process) is None

    def send(self, number: Signals) -> None:
        """Send a signal to all of its group, unless it has ended."""
        if self.runs():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """Leave nothing of it."""
        descendants.end(self._process)

    def complaint(self) -> str:
        """The end of what it wrote on stderr."""
        return self._redactor.text(" ".join(clean(self._tail).split()))[-_COMPLAINT:]

    def refused(self) -> str:
        """Nothing: a pipe refuses nobody."""
        return ""

    def ending(self) -> str:
        """How the connection came to its end, in words that follow the server's name."""
        if self._fault:
            return self._fault
        code = descendants.code(self._process)
        if code is None:
            return "closed its stdout"
        return f"ended with exit status {code}" if code >= 0 else f"was ended by signal {-code}"

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[Streams]:
        """What a session reads from and writes to; closes the program's stdin at the end."""
        output, errors, stdin = await self._pipes()
        incoming, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as group, incoming, read, write, outgoing:
            group.start_soon(self._overhear, errors)
            group.start_soon(self._receive, output, incoming)
            group.start_soon(self._send, outgoing, stdin, incoming)
            try:
                yield read, write
            finally:
                # Its stdout stays open: a program that says farewell must not fail for it.
                stdin.close()
                group.cancel_scope.cancel()

    async def _pipes(self) -> tuple[asyncio.StreamReader, asyncio.StreamReader, asyncio.StreamWriter]:
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        if stdin is None or stdout is None or stderr is None:
            raise OSError("no pipes")
        return await _reader(stdout), await _reader(stderr), await _writer(stdin)

    async def _overhear(self, errors: asyncio.StreamReader) -> None:
        while data := await errors.read(_CHUNK):
            self._tail = (self._tail + data)[-_TAIL:]
        self._silent = True

    async def _receive(self, output: asyncio.StreamReader, incoming: Incoming) -> None:
        async with incoming:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # the session is over
                while message := await self._message(output):
                    await incoming.send(message)
            await self._last_words()

    async def _message(self, output: asyncio.StreamReader) -> SessionMessage | None:
        """The next message; None if none will come. A line that is no message ends it: it may have been an answer."""
        line = b""
        try:
            while not line.strip():
                line = await output.readuntil(b"\n")
            return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError:
            self._fault = f"sent a message of more than {_LARGEST >> 20} MiB"
        except ValueError:
            shown = visible(self._redactor.text(line.decode(errors="replace").strip()), 60)
            self._fault = f'does not speak MCP: "{shown}" on its stdout is no message'
        return None

    async def _send(self, outgoing: Outgoing, stdin: asyncio.StreamWriter, incoming: Incoming) -> None:
        try:
            async for each in outgoing:
                text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                stdin.write(text.encode() + b"\n")
                await stdin.drain()
        except OSError:
            await self._last_words()
            await incoming.aclose()  # or who waits for an answer would wait for ever

    async def _last_words(self) -> None:
        """Wait a moment for the program's end, and for the end of what it complains of."""
        for _ in range(_LAST_WORDS):
            if self._silent and not self.runs():
                break
            await asyncio.sleep(_TICK)


async def _reader(pipe: IO[bytes]) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=_LARGEST)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


async def _writer(pipe: IO[bytes]) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), pipe
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)
