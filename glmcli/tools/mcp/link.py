"""One connection to an MCP server: what it offers, its answers, and what broke it."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, Any

import httpx2
from mcp import types
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError

from glmcli import __version__
from glmcli.errors import ToolError
from glmcli.record import Record
from glmcli.tools.capture import clean
from glmcli.tools.mcp.patience import Patience, Reading, Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmcli.console.redaction import Redactor
    from glmcli.tools.mcp.wire import Wire
    from glmcli.tools.tool_file import Server

_MOST_TOOLS = 256
_MOST_PAGES = 64
_WORDS = 500  # characters of a server's own words in an error


class Offered(Record):
    """A tool as its server describes it: nothing in it can be trusted."""

    name: str
    description: str
    schema: Mapping[str, Any]


class Link:
    """One server: what it offers, and its answers."""

    def __init__(
        self, server: Server, loop: asyncio.AbstractEventLoop, wire: Callable[[], Wire], redactor: Redactor
    ) -> None:
        """Begin to connect; `wire` is called in the loop's thread."""
        self.server = server
        self.redactor = redactor
        self._loop = loop
        self._wire: Wire | None = None
        self._offered: Future[list[Offered]] = Future()
        self._session: ClientSession | None = None
        self._over = asyncio.Event()
        self._patience = Patience()
        self.life = asyncio.run_coroutine_threadsafe(self._live(wire), loop)

    async def _live(self, wire: Callable[[], Wire]) -> None:
        # A session begins and ends in one task, or its library's scopes break.
        self._wire = wire()
        us = types.Implementation(name="glm", version=__version__)
        async with (
            self._wire.streams() as (read, write),
            ClientSession(Reading(read, self._patience), Writing(write, self._patience), client_info=us) as session,
        ):
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
        either: set[Future[Any]] = {self.life, self._offered}
        wait(either, timeout=max(due - time.monotonic(), 0), return_when=FIRST_COMPLETED)
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
        if error is None and not future.cancelled():
            return None
        if self._patience.fault:
            return self._patience.fault
        return _told(_cause(error), self._wire, self.redactor) if error and self._wire else _unstarted(error)


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


def _cause(error: BaseException) -> BaseException:
    """What broke a connection, of all that the tasks at work on it met."""
    while isinstance(error, BaseExceptionGroup):
        error = min(error.exceptions, key=lambda each: isinstance(each, MCPError))
    return error


def _unstarted(error: BaseException | None) -> str:
    match error:
        case OSError():
            return f"cannot be started: {error.strerror}"
        case _:
            return str(error) if error else "hung up"


def _told(error: BaseException, wire: Wire, redactor: Redactor) -> str:
    """An error of the other thread, in words that follow the server's name."""
    match error:
        case ToolError():
            return error.message
        case MCPError(code=types.CONNECTION_CLOSED):
            return wire.ending()
        case MCPError():
            return f"{wire.refused() or 'says'}: {_words(error.message, redactor)}"
        case httpx2.TransportError():
            return f"cannot be reached: {_words(str(error) or type(error).__name__, redactor)}"
        case ValueError():  # pydantic's is one
            return f"does not speak MCP: in its answer, {_words(_first(error), redactor)}"
        case _:
            return f"does not speak MCP: {_words(str(error) or type(error).__name__, redactor)}"


def _words(text: str, redactor: Redactor) -> str:
    """Redacted before it is cut: no redactor knows the first half of a key."""
    return redactor.text(" ".join(clean(text.encode(errors="replace")).split()))[:_WORDS]


def _first(error: Any) -> str:  # noqa: ANN401 - pydantic's error or Python's own
    """The first thing wrong with an answer, and where."""
    if not hasattr(error, "errors"):
        return str(error)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}"
