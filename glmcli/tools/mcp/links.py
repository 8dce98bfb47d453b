"""All connections to MCP servers, and their end.

They live in one event loop, in a daemon thread of its own: the main thread looks at futures, keeps every time limit,
and obeys every signal at once, whatever a server does. It costs half a second to import this: only `mcp.connect` does.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from functools import partial
from signal import SIGTERM
from typing import TYPE_CHECKING

from glmcli.errors import ToolError
from glmcli.tools import descendants
from glmcli.tools.mcp.http import HttpWire
from glmcli.tools.mcp.link import Link
from glmcli.tools.mcp.process import ServerProcess

if TYPE_CHECKING:
    from glmcli.console.terminal import Terminal
    from glmcli.tools.mcp.wire import Wire
    from glmcli.tools.tool_file import Server

_GRACE = 0.2  # seconds in which a server may end by itself when its stdin is closed
_LAST_GRACE = 0.1  # seconds between SIGTERM and SIGKILL
_TICK = 0.005


class Links:
    """All servers of a conversation, and the thread that speaks to them."""

    def __init__(self, terminal: Terminal) -> None:
        """Start the thread."""
        # Whatever the libraries log or warn of must not reach stderr, where only we speak.
        logging.getLogger().addHandler(logging.NullHandler())
        logging.captureWarnings(capture=True)
        self._terminal = terminal
        self._links: list[Link] = []
        self._processes: list[ServerProcess] = []
        self._lock = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def begin(self, server: Server) -> Link:
        """Start or reach a server.

        Raises:
            UsageError: the proxy or the certificates of the environment cannot be used.
            ToolError: its token cannot be sent.
        """
        if server.command:
            descendants.adopt()
            wire = partial(self._started, server)
        else:
            wire = partial(_same, HttpWire(server, self._terminal))
        link = Link(server, self._loop, wire, self._terminal.redactor)
        self._links.append(link)
        return link

    def _started(self, server: Server) -> Wire:
        """The server's process. Only the main thread is interrupted, so it cannot start without our knowing of it."""
        with self._lock:
            if self._closed:
                raise ToolError(message="the conversation is over")
            process = ServerProcess(server, self._terminal.redactor)
            self._processes.append(process)
            return process

    def close(self) -> None:
        """End all servers: their stdin is closed, and those that still run a moment later are killed."""
        with self._lock:
            self._closed = True
        try:
            descendants.look()  # while servers live, what they started is known
            for link in self._links:
                self._loop.call_soon_threadsafe(link.end)
            self._wait(_GRACE)
            for process in self._processes:
                process.send(SIGTERM)
            self._wait(_LAST_GRACE)
        finally:
            for process in self._processes:
                process.kill()
        self._loop.call_soon_threadsafe(self._loop.stop)
        for process in self._processes:
            if process.complaint():
                self._terminal.detail(f"stderr of the MCP server {process.name}: {process.complaint()}")

    def _wait(self, seconds: float) -> None:
        """Return when all servers are gone, or after so many seconds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not any(process.runs() for process in self._processes) and all(link.life.done() for link in self._links):
                return
            time.sleep(_TICK)


def _same(wire: Wire) -> Wire:
    return wire
