"""An MCP server that is a program, spoken to over its stdin and stdout.

The SDK's own transport adds variables to the server's environment and hides its pid; so this module connects the pipes
to the streams of the session.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import IO, TYPE_CHECKING

import anyio
from mcp import types
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from glmcli.documents.quoting import visible
from glmcli.tools.capture import strip_controls
from glmcli.tools.child_process import ChildProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.client._transport import TransportStreams

    from glmcli.console.redaction import Redactor
    from glmcli.tools.tool_file import McpServer

    Incoming = MemoryObjectSendStream[SessionMessage | Exception]
    Outgoing = MemoryObjectReceiveStream[SessionMessage]

_MAX_MESSAGE = 2 * 1024 * 1024  # bytes; parsed, a message may take fifty times as much
_TAIL = 4096  # bytes of stderr
_MAX_SHOWN = 500  # characters of it that are shown
_CHUNK = 1 << 16
_TICK = 0.01  # seconds
_EXIT_TICKS = 20  # between the end of stdout and that of the program


class StdioTransport:
    """The program of a server, and its pipes."""

    def __init__(self, server: McpServer, redactor: Redactor) -> None:
        """Start it.

        Raises:
            OSError: it cannot be started.
        """
        self.name = server.name
        self._redactor = redactor
        self._problem = ""
        self._tail = b""
        self._stderr_closed = False
        self.process = ChildProcess(server.command, server.environment, is_server=True)

    def stderr(self) -> str:
        """The end of what it wrote on stderr."""
        return self._redactor.text(" ".join(strip_controls(self._tail).split()))[-_MAX_SHOWN:]

    def refusal(self) -> str:
        """Empty: a pipe does not refuse."""
        return ""

    def ending(self) -> str:
        """How the connection ended, in words that follow the server's name."""
        if self._problem:
            return self._problem
        code = self.process.exit_code()
        if code is None:
            return "closed its stdout"
        return f"ended with exit status {code}" if code >= 0 else f"was ended by signal {-code}"

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[TransportStreams]:
        """What a session reads from and writes to; closes the program's stdin at the end."""
        output, errors, stdin = await self._pipes()
        incoming, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as group, incoming, read, write, outgoing:
            group.start_soon(self._keep_stderr, errors)
            group.start_soon(self._receive, output, incoming)
            group.start_soon(self._send, outgoing, stdin, incoming)
            try:
                yield read, write
            finally:
                # Its stdout stays open, so that a program that writes at its end does not fail.
                stdin.close()
                group.cancel_scope.cancel()

    async def _pipes(self) -> tuple[asyncio.StreamReader, asyncio.StreamReader, asyncio.StreamWriter]:
        stdin, stdout, stderr = self.process.pipes
        if stdin is None:
            raise OSError("no stdin")
        return await _reader(stdout), await _reader(stderr), await _writer(stdin)

    async def _keep_stderr(self, errors: asyncio.StreamReader) -> None:
        while data := await errors.read(_CHUNK):
            self._tail = (self._tail + data)[-_TAIL:]
        self._stderr_closed = True

    async def _receive(self, output: asyncio.StreamReader, incoming: Incoming) -> None:
        async with incoming:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # the session is over
                while message := await self._message(output):
                    await incoming.send(message)
            await self._wait_for_exit()

    async def _message(self, output: asyncio.StreamReader) -> SessionMessage | None:
        """The next message; None at the end, and after an invalid line, which may have been an answer."""
        line = b""
        try:
            while not line.strip():
                line = await output.readuntil(b"\n")
            return _parsed(line)
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError:
            self._problem = f"sent a message of more than {_MAX_MESSAGE >> 20} MiB"
        except ValueError:
            shown = visible(self._redactor.text(line.decode(errors="replace").strip()), 60)
            self._problem = f'does not speak MCP: "{shown}" on its stdout is no message'
        return None

    async def _send(self, outgoing: Outgoing, stdin: asyncio.StreamWriter, incoming: Incoming) -> None:
        try:
            async for each in outgoing:
                text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                stdin.write(text.encode() + b"\n")
                await stdin.drain()
        except OSError:
            await self._wait_for_exit()
            await incoming.aclose()  # so that nothing waits for an answer

    async def _wait_for_exit(self) -> None:
        """Wait a moment for the program's exit and the end of its stderr, so that both can be shown."""
        for _ in range(_EXIT_TICKS):
            if self._stderr_closed and self.process.exit_code() is not None:
                break
            await asyncio.sleep(_TICK)


def _parsed(line: bytes) -> SessionMessage:
    """The message on a line.

    It is read too if the SDK refuses it for half a character (an escape of one surrogate), or for the code of an error
    that is no number: there may be a thousand descriptions beside it, and the next answer is as good as any.

    Raises:
        ValueError: it is none.
    """
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        try:
            value = json.loads(json.dumps(json.loads(line), ensure_ascii=False).encode(errors="replace"))
        except RecursionError as error:
            raise ValueError("it is nested too deep") from error
    fault = value.get("error") if isinstance(value, dict) else None
    if isinstance(fault, dict) and not isinstance(fault.get("code"), int):
        words = " ".join(str(each) for each in fault.values() if each is not None)
        value["error"] = {"code": types.INTERNAL_ERROR, "message": words}
    return SessionMessage(jsonrpc_message_adapter.validate_python(value, by_name=False))


async def _reader(pipe: IO[bytes]) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=_MAX_MESSAGE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


async def _writer(pipe: IO[bytes]) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), pipe
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)
