"""Connections to MCP servers. All of them live in one event loop, in a daemon thread of its own: the main thread looks
at futures, keeps every time limit, and obeys every signal at once, whatever a server does.

This module costs half a second to import: only `mcp.connect` does it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractAsyncContextManager
from signal import SIGTERM
from typing import TYPE_CHECKING, Any

from mcp import types
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError

from glmcli import __version__
from glmcli.errors import ToolError
from glmcli.record import Record
from glmcli.tools import descendants
from glmcli.tools.capture import clean
from glmcli.tools.mcp_http import HttpWire
from glmcli.tools.mcp_process import Pair, ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmcli.terminal import Terminal
    from glmcli.tools.tool_file import Server

_MOST_TOOLS = 256
_MOST_PAGES = 64
_GRACE = 0.2  # seconds in which a server may end by itself when its stdin is closed
_LAST_GRACE = 0.1  # seconds between SIGTERM and SIGKILL
_TICK = 0.005
_WORDS = 500  # characters of a server's own words in an error


class Offered(Record):
    """A tool as its server describes it: nothing in it can be trusted."""

    name: str
    description: str
    schema: Mapping[str, Any]


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
        wire: Callable[[], Wire]
        if server.command:
            descendants.adopt()
            wire = lambda: self._started(server)  # noqa: E731 - it runs in the other thread
        else:
            http = HttpWire(server, self._terminal)
            wire = lambda: http  # noqa: E731
        link = Link(server, self._loop, wire)
        self._links.append(link)
        return link

    def _started(self, server: Server) -> ServerProcess:
        """The server's process. No signal comes between its start and our knowing of it: this is not the main thread."""
        with self._lock:
            if self._closed:
                raise ToolError(message="the conversation is over")
            process = ServerProcess(server)
            self._processes.append(process)
            return process

    def close(self) -> None:
        """End all servers: their stdin is closed, and those that still run a moment later are killed."""
        with self._lock:
            self._closed = True
        try:
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


Wire = ServerProcess | HttpWire


class Link:
    """One server: what it offers, and its answers."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop, wire: Callable[[], Wire]) -> None:
        """Begin to connect; `wire` is called in the loop's thread."""
        self.server = server
        self._loop = loop
        self._wire: Wire | None = None
        self._offered: Future[list[Offered]] = Future()
        self._session: ClientSession | None = None
        self._over = asyncio.Event()
        self.life = asyncio.run_coroutine_threadsafe(self._live(wire), loop)

    async def _live(self, wire: Callable[[], Wire]) -> None:
        # A session begins and ends in one task, or its library's scopes break.
        self._wire = wire()
        streams: AbstractAsyncContextManager[Pair] = self._wire.streams()
        us = types.Implementation(name="glm", version=__version__)
        async with streams as (read, write), ClientSession(read, write, client_info=us) as session:
            await _greet(session)
            self._session = session
            self._offered.set_result(await _listed(session))
            await self._over.wait()

    def end(self) -> None:
        """Hang up; called in the loop's thread."""
        self._over.set()
        if not self._offered.done():
            self.life.cancel()

    def offered(self, due: float, patience: float) -> list[Offered]:
        """Its tools; waits until `due`, which is `patience` seconds after the beginning.

        Raises:
            ToolError: it cannot be used.
        """
        wait({self.life, self._offered}, timeout=max(due - time.monotonic(), 0), return_when=FIRST_COMPLETED)
        if self._offered.done():
            return self._offered.result()
        problem = self.problem(self.life) or f"did not answer within {patience:g} s"
        complaint = self._wire.complaint() if self._wire else ""
        raise ToolError(f"the MCP server {self.server.name} ({self.server.place}) {problem}", why=complaint or None)

    def call(self, name: str, arguments: Mapping[str, Any]) -> Future[types.CallToolResult]:
        """Send a call of a tool."""
        if self._session is None:
            raise ToolError(message=f"the MCP server {self.server.name} is not connected")
        # Not `call_tool`: that judges results by schemas of the server's own, whose patterns could stop everything.
        params = types.CallToolRequestParams(name=name, arguments=dict(arguments))
        request = types.CallToolRequest(params=params)
        return asyncio.run_coroutine_threadsafe(self._session.send_request(request, types.CallToolResult), self._loop)

    def problem(self, future: Future[Any]) -> str | None:
        """Why something came to nothing, in words that follow the server's name; None if it did not, or not yet."""
        if not future.done():
            return None
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or isinstance(error, MCPError) and error.code == types.CONNECTION_CLOSED:
            return self._ending()
        return _told(error, self._wire) if error else None

    def _ending(self) -> str:
        return self._wire.ending() if self._wire else "hung up"


async def _greet(session: ClientSession) -> None:
    """Agree on a version: every server knows `initialize`, but those of 2026 may have left it behind."""
    try:
        await session.initialize()
    except MCPError as error:
        if error.code not in (types.METHOD_NOT_FOUND, types.UNSUPPORTED_PROTOCOL_VERSION):
            raise
        await session.discover()


async def _listed(session: ClientSession) -> list[Offered]:
    """What it offers, on all pages."""
    found: list[Offered] = []
    cursor = None
    for _ in range(_MOST_PAGES):
        page = await session.list_tools(params=types.PaginatedRequestParams(cursor=cursor) if cursor else None)
        found += [Offered(tool.name, tool.description or "", tool.input_schema) for tool in page.tools]
        cursor = page.next_cursor
        if not cursor:
            break
    if cursor or len(found) > _MOST_TOOLS:
        raise ToolError(message=f"offers more than {_MOST_TOOLS} tools")
    return found


def _told(error: BaseException, wire: Wire | None) -> str:
    """An error of the other thread, in words that follow the server's name."""
    while isinstance(error, BaseExceptionGroup):
        # A connection that breaks is met by several tasks: what broke it says most.
        error = min(error.exceptions, key=lambda each: isinstance(each, MCPError))
    refused = wire.refused() if wire else ""
    match error:
        case ToolError():
            return error.message
        case _ if refused:
            return refused
        case MCPError():
            return f"says: {_words(error.message)}"
        case OSError():
            return f"cannot be started: {error.strerror}"
        case ValueError():  # pydantic's is one
            return "does not speak MCP: its answer is not what the protocol says"
    return f"does not speak MCP: {_words(str(error) or type(error).__name__)}"


def _words(text: str) -> str:
    return " ".join(clean(text[:_WORDS].encode(errors="replace")).split())
