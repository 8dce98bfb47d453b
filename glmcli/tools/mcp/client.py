"""All sessions with MCP servers, and their end.

The sessions run in one event loop in a daemon thread. The main thread polls futures, so that it keeps time limits and
obeys signals at once, whatever a server does. Importing this takes half a second: only `mcp.connect` does.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from glmcli.errors import ToolError
from glmcli.tools.child_process import prepare, remember_descendants
from glmcli.tools.mcp.http import HttpTransport
from glmcli.tools.mcp.session import ServerSession
from glmcli.tools.mcp.stdio import StdioTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.console.terminal import Terminal
    from glmcli.tools.mcp.session import Transport
    from glmcli.tools.tool_file import McpServer

_GRACE = 0.2  # seconds in which a server may end by itself when its stdin is closed
_TERM_GRACE = 0.1  # seconds between SIGTERM and SIGKILL
_TICK = 0.005


class McpClient:
    """The sessions of a conversation, and the thread that serves them."""

    def __init__(self, terminal: Terminal) -> None:
        """Start the thread."""
        # Keep logs and warnings of the libraries off stderr.
        logging.getLogger().addHandler(logging.NullHandler())
        logging.captureWarnings(capture=True)
        self._terminal = terminal
        self._sessions: list[ServerSession] = []
        self._programs: list[StdioTransport] = []
        self._lock = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def begin(self, server: McpServer) -> ServerSession:
        """Start or reach a server.

        Raises:
            UsageError: the proxy or the certificates of the environment cannot be used.
            ToolError: its token cannot be sent.
        """
        connect: Callable[[], Transport]
        if server.command:
            prepare()
            connect = partial(self._start_program, server)
        else:
            transport = HttpTransport(server, self._terminal)

            def connect() -> Transport:
                return transport

        session = ServerSession(server, self._loop, connect, self._terminal.redactor)
        self._sessions.append(session)
        return session

    def _start_program(self, server: McpServer) -> Transport:
        """Start the server's program, in the thread of the loop, which no signal interrupts before it is registered."""
        with self._lock:
            if self._closed:
                raise ToolError(message="the conversation is over")
            program = StdioTransport(server, self._terminal.redactor)
            self._programs.append(program)
            return program

    def close(self) -> None:
        """End all servers: their stdin is closed, and those that still run a moment later are killed."""
        with self._lock:
            self._closed = True
        try:
            remember_descendants()  # while their parents live
            for session in self._sessions:
                self._loop.call_soon_threadsafe(session.close)
            self._wait(_GRACE)
            for program in self._programs:
                program.process.terminate()
            self._wait(_TERM_GRACE)
        finally:
            for program in self._programs:
                program.process.reap()
        self._loop.call_soon_threadsafe(self._loop.stop)
        for program in self._programs:
            if program.stderr():
                self._terminal.detail(f"stderr of the MCP server {program.name}: {program.stderr()}")

    def _wait(self, seconds: float) -> None:
        """Return when all servers are gone, or after so many seconds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            running = any(program.process.exit_code() is None for program in self._programs)
            if not running and all(session.done.done() for session in self._sessions):
                return
            time.sleep(_TICK)
