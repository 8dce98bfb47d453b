"""MCP servers as a source of tools: what they offer becomes tools like those of a file, or is left out with a note.

The package `mcp` and its dependencies are imported only if a server is to be started or reached.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from glmcli.chat.messages import Function
from glmcli.documents.quoting import path_text, quoted
from glmcli.errors import UsageError
from glmcli.record import EMPTY
from glmcli.tools.arguments import redacted
from glmcli.tools.mcp.remote_tool import RemoteTool, shortened
from glmcli.tools.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from contextlib import ExitStack

    from glmcli.console.redaction import Redactor
    from glmcli.console.terminal import Terminal
    from glmcli.tools.mcp.client import McpClient
    from glmcli.tools.mcp.raw_results import OfferedTool
    from glmcli.tools.mcp.session import ServerSession
    from glmcli.tools.tool_file import McpServer

_TIMEOUT = 10.0  # seconds until a server has listed its tools
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what providers take, and our own files
_MAX_DESCRIPTION = 16 * 1024  # bytes
_MIN_CHECK, _CHECK, _MAX_CHECK = (
    2.0,
    0.03,
    15.0,
)  # seconds for checking the tools of a server: at least, for each, at most


def connect(servers: Sequence[McpServer], stack: ExitStack, terminal: Terminal) -> list[Tool]:
    """The tools of all these servers, which are started or reached now and end with the stack.

    Raises:
        UsageError: the package `mcp` or the token of a server is missing.
        ToolError: a server cannot be used.
    """
    for server in servers:
        if server.token_env and not server.token:
            what = f"{server.token_env}, which holds the token of {server.name}, is not set"
            raise UsageError(message=f"{server.place}: {what}")
    client = _client(servers[0], terminal)
    stack.callback(client.close)
    sessions = [client.begin(server) for server in servers]  # they start in parallel
    due = time.monotonic() + _TIMEOUT
    return [tool for session in sessions for tool in _tools(session, session.offered(due, _TIMEOUT), due, terminal)]


def _client(first: McpServer, terminal: Terminal) -> McpClient:
    try:
        from glmcli.tools.mcp.client import McpClient
    except ImportError as error:
        raise UsageError(
            message=f"{first.place}: the MCP server {first.name!r} needs the package mcp, which is not installed",
            why=str(error),
            fix="pip install 'glmcli[mcp]'",
        ) from error
    return McpClient(terminal)


def _tools(session: ServerSession, offered: Sequence[OfferedTool], due: float, terminal: Terminal) -> Iterator[Tool]:
    """The tools that can be offered to a model; a line on stderr names each that cannot."""
    server, seen = session.server, set[str]()
    for each in _in_time(offered, due, f"tools of the MCP server {server.name}", terminal):
        tool, problem = _checked(each, seen, terminal.redactor)
        seen.add(each.name)
        if problem:
            which = f"the tool {quoted(tool.name)}" if tool.name else f"tool number {tool.number}"
            terminal.note(f"left out: {which} of the MCP server {server.name}: {problem}")
        else:
            for words in _unjudged(tool):
                terminal.note(f"the tool {quoted(tool.name)} of the MCP server {server.name}: {words}")
            yield _tool(session, tool)
    for name in sorted(server.overrides.keys() - {each.name for each in offered}):
        terminal.note(f"{server.place}: the MCP server {server.name} has no tool {quoted(name)}")


def _in_time(offered: Sequence[OfferedTool], due: float, what: str, terminal: Terminal) -> Iterator[OfferedTool]:
    """As many as can be checked until `due`, or a while after a late answer, and within a limit of processor time."""
    allowed = min(_MIN_CHECK + _CHECK * len(offered), _MAX_CHECK)
    until, due = time.process_time() + allowed, max(due, time.monotonic() + allowed)
    for done, each in enumerate(offered):
        if time.process_time() > until or time.monotonic() > due:
            terminal.note(f"left out: the last {len(offered) - done} {what}: validating the others took too long")
            return
        yield each


def _checked(offered: OfferedTool, seen: Container[str], redactor: Redactor) -> tuple[OfferedTool, str]:
    """The tool with keys masked, and why it cannot be offered; empty if it can."""
    try:
        name, description, schema = redacted([offered.name, offered.description, offered.schema], redactor.text)
    except RecursionError:
        return offered.replace(name=redactor.text(offered.name)), "its parameters are nested too deep"
    tool = offered.replace(name=name, description=description, schema=schema)
    if tool.name != offered.name:
        return tool, "its name holds a key"
    is_taken = tool.name in seen and not tool.problem
    return tool, "another of its tools has that name" if is_taken else _problem(tool)


def _problem(offered: OfferedTool) -> str:
    """Why a tool cannot be offered to a model; empty if it can."""
    from glmcli.documents import untrusted_schemas

    if offered.problem:
        return offered.problem
    if not _NAME.fullmatch(offered.name):
        return "its name is not 1 to 64 letters, digits, _ and -"
    found = untrusted_schemas.faults(offered.schema)
    where = f" at {path_text(found[0].path)}" if found and found[0].path else ""
    return f"its parameters{where}: {found[0].text}" if found else ""


def _unjudged(offered: OfferedTool) -> Iterator[str]:
    """In one line, the patterns of its parameters that nothing here can read."""
    from glmcli.documents import untrusted_schemas

    found = untrusted_schemas.unjudged(offered.schema)
    if found:
        fault, more = found[0].fault, f" (and {len(found) - 1} more patterns)" if len(found) > 1 else ""
        yield f"its parameters at {path_text(fault.path)}: {fault.text}, so nothing here judges by it{more}"


def _tool(session: ServerSession, offered: OfferedTool) -> Tool:
    server = session.server
    overrides: Any = server.overrides.get(offered.name, EMPTY)
    description = shortened(offered.description, _MAX_DESCRIPTION, session.redactor)
    return Tool(
        function=Function(offered.name, description, offered.schema),
        runner=RemoteTool(session, offered.name, overrides.get("timeout", server.timeout)),
        approve=overrides.get("approve", server.approve),
        trusted=server.trusted,
        parallel=overrides.get("parallel", server.parallel),
        place=f"{server.place} (server {server.name})",
    )
