"""One session with an MCP server: the tools that it offers, its answers, and what broke the connection."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import httpx2
from mcp import types
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError

from glmcli import __version__
from glmcli.errors import ToolError
from glmcli.tools.capture import strip_controls
from glmcli.tools.mcp.raw_results import OfferedTool, RawResults, offered_tool, raw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType
    from typing import Self

    # The only types that name what a session takes stand in a private module; nothing of it is run.
    from mcp.client._transport import ReadStream, TransportStreams, WriteStream
    from mcp.shared.message import SessionMessage

    from glmcli.console.redaction import Redactor
    from glmcli.tools.tool_file import McpServer

_MAX_TOOLS = 1000  # as in a file
_MAX_PAGES = 64
_MAX_PENDING = 64  # requests of a server that wait for our answer
_MAX_WORDS = 500  # characters of a server's own words in an error

_Inner = TypeVar("_Inner", bound="ReadStream[SessionMessage | Exception] | WriteStream[SessionMessage]")


class Transport(Protocol):
    """What a session runs over: the pipes of a program, or HTTP. Its texts follow the name of the server."""

    def streams(self) -> AbstractAsyncContextManager[TransportStreams, bool | None]:
        """What a session reads from and writes to."""
        ...

    def refusal(self) -> str:
        """How the server refused at the level of HTTP; empty if it did not."""
        ...

    def ending(self) -> str:
        """How the connection ended."""
        ...

    def stderr(self) -> str:
        """The end of what the server wrote on stderr, if it has one."""
        ...


class ServerSession:
    """One server: what it offers, and its answers. The session lives in an event loop of another thread."""

    def __init__(
        self,
        server: McpServer,
        loop: asyncio.AbstractEventLoop,
        connect: Callable[[], Transport],
        redactor: Redactor,
    ) -> None:
        """Begin to connect; `connect` is called in the loop's thread."""
        self.server = server
        self.redactor = redactor
        self._loop = loop
        self._transport: Transport | None = None
        self._offered: Future[list[OfferedTool]] = Future()
        self._session: ClientSession | None = None
        self._over = asyncio.Event()
        self._limit = _RequestLimit()
        self._results = RawResults()
        self.done = asyncio.run_coroutine_threadsafe(self._live(connect), loop)

    async def _live(self, connect: Callable[[], Transport]) -> None:
        # One task must begin and end the session: the library's cancel scopes require it.
        self._transport = connect()
        us = types.Implementation(name="glm", version=__version__)
        async with (
            self._transport.streams() as (read, write),
            ClientSession(
                _IncomingStream(read, self._limit, self._results),
                _OutgoingStream(write, self._limit, self._results),
                client_info=us,
            ) as session,
        ):
            await _initialize(session)
            self._session = session
            self._offered.set_result(await _list_tools(session))
            await self._over.wait()

    def close(self) -> None:
        """End the session; called in the loop's thread."""
        self._over.set()
        if not self._offered.done():
            self.done.cancel()

    def offered(self, due: float, timeout: float) -> list[OfferedTool]:
        """Its tools; waits until `due`, which is `timeout` seconds after the start.

        Raises:
            ToolError: it cannot be used.
        """
        either: set[Future[Any]] = {self.done, self._offered}
        wait(either, timeout=max(due - time.monotonic(), 0), return_when=FIRST_COMPLETED)
        if self._offered.done():
            return self._offered.result()
        problem = self.problem(self.done) or f"did not answer within {timeout:g} s"
        stderr = self._transport.stderr() if self._transport else ""
        raise ToolError(f"the MCP server {self.server.name} ({self.server.place}) {problem}", why=stderr or None)

    def call(self, name: str, arguments: Mapping[str, Any]) -> Future[types.CallToolResult]:
        """Send a call of a tool."""
        if self._session is None:
            raise ToolError(message=f"the MCP server {self.server.name} is not connected")
        # Not `call_tool`: that validates results by schemas of the server's own, whose patterns could take for ever.
        params = types.CallToolRequestParams(name=name, arguments=dict(arguments))
        request = types.CallToolRequest(params=params)
        return asyncio.run_coroutine_threadsafe(self._session.send_request(request, types.CallToolResult), self._loop)

    def problem(self, future: Future[Any]) -> str | None:
        """Why something failed, in words that follow the server's name; None if it did not, or is not done."""
        if not future.done():
            return None
        error = None if future.cancelled() else future.exception()
        if error is None and not future.cancelled():
            return None
        if self._limit.problem:
            return self._limit.problem
        if error is None or self._transport is None:
            return _start_problem(error)
        return _problem(_cause(error), self._transport, self.redactor)


async def _initialize(session: ClientSession) -> None:
    """Agree on a version: most servers know `initialize`, but those of 2026 may know only `discover`."""
    try:
        await session.initialize()
    except MCPError as error:
        if error.code not in (types.METHOD_NOT_FOUND, types.UNSUPPORTED_PROTOCOL_VERSION):
            raise
        await session.discover()


async def _list_tools(session: ClientSession) -> list[OfferedTool]:
    """What it offers, on all pages."""
    found: list[object] = []
    cursor = None
    for _ in range(_MAX_PAGES):
        page = await session.list_tools(params=types.PaginatedRequestParams(cursor=cursor) if cursor else None)
        found += raw(page).get("tools", ())
        cursor = page.next_cursor
        if not cursor:
            break
    if cursor or len(found) > _MAX_TOOLS:
        raise ToolError(message=f"offers more than {_MAX_TOOLS} tools, or lists them on more than {_MAX_PAGES} pages")
    return [offered_tool(value, number) for number, value in enumerate(found, 1)]


def _start_problem(error: BaseException | None) -> str:
    if isinstance(error, OSError):
        return f"cannot be started: {error.strerror}"
    return str(error) if error else "hung up"


def _cause(error: BaseException) -> BaseException:
    """The error that broke a connection, of all that its tasks raised."""
    while isinstance(error, BaseExceptionGroup):
        error = min(error.exceptions, key=lambda each: isinstance(each, MCPError))
    return error


def _problem(error: BaseException, transport: Transport, redactor: Redactor) -> str:
    """An error of the other thread, in words that follow the server's name."""
    match error:
        case ToolError():
            return error.message
        case MCPError(code=types.CONNECTION_CLOSED):
            return transport.ending()
        case MCPError():
            return f"{transport.refusal() or 'says'}: {_words(error.message, redactor)}"
        case httpx2.TransportError():
            return f"cannot be reached: {_words(str(error) or type(error).__name__, redactor)}"
        case ValueError():  # pydantic's is one
            return f"does not speak MCP: in its answer, {_words(_first(error), redactor)}"
        case _:
            return f"does not speak MCP: {_words(str(error) or type(error).__name__, redactor)}"


def _words(text: str, redactor: Redactor) -> str:
    """The text on one line, redacted before it is cut: a redactor does not find half a key."""
    return redactor.text(" ".join(strip_controls(text.encode(errors="replace")).split()))[:_MAX_WORDS]


def _first(error: Any) -> str:  # noqa: ANN401 - pydantic's error or Python's own
    """The first thing wrong with an answer, and where."""
    if not hasattr(error, "errors"):
        return str(error)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}"


# A limit on the requests of a server that wait for our answer: each takes memory until the answer is sent.


class _RequestLimit:
    """Counts the requests of a server that are not answered yet; too many of them end the connection."""

    def __init__(self) -> None:
        self.problem = ""
        self._pending = 0

    def received(self, item: SessionMessage | Exception) -> bool:
        """Count what was received; return whether the limit is still kept."""
        if isinstance(getattr(item, "message", None), types.JSONRPCRequest):
            self._pending += 1
        if self._pending > _MAX_PENDING:
            self.problem = f"sent more than {_MAX_PENDING} requests without waiting for an answer"
        return not self.problem

    def sent(self, item: SessionMessage) -> None:
        """Count what was sent, if it is an answer."""
        if isinstance(item.message, types.JSONRPCResponse | types.JSONRPCError):
            self._pending -= 1


class _SessionStream(Generic[_Inner]):
    """One direction of a session, around the stream of its transport."""

    def __init__(self, inner: _Inner, limit: _RequestLimit, results: RawResults) -> None:
        self._inner = inner
        self._limit = limit
        self._results = results

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        await self.aclose()
        return None


class _IncomingStream(_SessionStream["ReadStream[SessionMessage | Exception]"]):
    """What the server sends; it ends when the limit is exceeded."""

    async def receive(self) -> SessionMessage | Exception:
        item = await self._inner.receive()
        self._results.received(item)
        return item

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        item = await anext(aiter(self._inner))
        if not self._limit.received(item):
            raise StopAsyncIteration
        self._results.received(item)
        return item


class _OutgoingStream(_SessionStream["WriteStream[SessionMessage]"]):
    """What is sent to the server."""

    async def send(self, item: SessionMessage, /) -> None:
        self._results.sent(item)
        await self._inner.send(item)
        self._limit.sent(item)
