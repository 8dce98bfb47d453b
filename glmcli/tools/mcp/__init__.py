"""MCP servers as a source of tools: what they offer becomes tools like those of a file, or is left out and said so.

The package `mcp` and all that it brings is imported only where a file names a server that is to be started or reached.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from glmcli.chat.messages import Function
from glmcli.documents.quoting import path_text, quoted
from glmcli.errors import UsageError
from glmcli.record import EMPTY
from glmcli.tools.mcp.task import RemoteTool, kept
from glmcli.tools.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from contextlib import ExitStack

    from glmcli.console.redaction import Redactor
    from glmcli.console.terminal import Terminal
    from glmcli.tools.mcp.link import Link, Offered
    from glmcli.tools.mcp.links import Links
    from glmcli.tools.tool_file import Server

_PATIENCE = 10.0  # seconds until a server has told its tools
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what providers take, and our own files
_DESCRIPTION = 16 * 1024  # bytes
_JUDGING = 2.0  # seconds of our own time for the tools of a server
_AT_LEAST = 1.0  # seconds for them after a late answer


def connect(servers: Sequence[Server], stack: ExitStack, terminal: Terminal) -> list[Tool]:
    """The tools of all these servers, which are started or reached now and end with the stack.

    Raises:
        UsageError: the package `mcp` is missing, or the token of a server.
        ToolError: a server cannot be used.
    """
    for server in servers:
        if server.token_env and not server.token:
            what = f"{server.token_env}, which holds the token of {server.name}, is not set"
            raise UsageError(message=f"{server.place}: {what}")
    links = _links(servers[0], terminal)
    stack.callback(links.close)
    begun = [links.begin(server) for server in servers]  # beside each other: most of it is their own start
    due = time.monotonic() + _PATIENCE
    return [tool for link in begun for tool in _tools(link, link.offered(due, _PATIENCE), due, terminal)]


def _links(first: Server, terminal: Terminal) -> Links:
    try:
        from glmcli.tools.mcp.links import Links
    except ImportError as error:
        raise UsageError(
            message=f"{first.place}: the MCP server {first.name!r} needs the package mcp, which is not installed",
            why=str(error),
            fix="pip install 'glmcli[mcp]'",
        ) from error
    return Links(terminal)


def _tools(link: Link, offered: Sequence[Offered], due: float, terminal: Terminal) -> Iterator[Tool]:
    """What can be offered to a model; each that cannot is named in a line on stderr."""
    server, seen = link.server, set[str]()
    for each in _in_time(offered, due, f"tools of the MCP server {server.name}", terminal):
        clear, problem = _judged(each, seen, terminal.redactor)
        seen.add(each.name)
        if problem:
            terminal.note(f"left out: the tool {quoted(clear.name)} of the MCP server {server.name}: {problem}")
        else:
            yield _tool(link, clear)
    for name in sorted(server.own.keys() - {each.name for each in offered}):
        terminal.note(f"{server.place}: the MCP server {server.name} has no tool {quoted(name)}")


def _in_time(offered: Sequence[Offered], due: float, what: str, terminal: Terminal) -> Iterator[Offered]:
    """As many as can be judged until `due`, in a moment after a late answer, and with so much of our own time."""
    until, due = time.process_time() + _JUDGING, max(due, time.monotonic() + _AT_LEAST)
    for done, each in enumerate(offered):
        if time.process_time() > until or time.monotonic() > due:
            terminal.note(f"left out: the last {len(offered) - done} {what}: to judge the others took too long")
            return
        yield each


def _judged(offered: Offered, seen: Container[str], redactor: Redactor) -> tuple[Offered, str]:
    """A tool without the keys that its server may have put into it, and why it cannot be offered, or nothing."""
    from glmcli.tools.mcp.link import Offered

    try:
        clear = Offered(*_redacted([offered.name, offered.description, offered.schema], redactor))
    except RecursionError:
        return Offered(redactor.text(offered.name), "", {}), "its parameters are nested too deep"
    if clear.name != offered.name:
        return clear, "its name holds a key"
    return clear, "another of its tools has that name" if clear.name in seen else _problem(clear)


def _redacted(value: Any, redactor: Redactor) -> Any:  # noqa: ANN401 - any JSON
    match value:
        case str():
            return redactor.text(value)
        case dict():
            return {redactor.text(name): _redacted(each, redactor) for name, each in value.items()}
        case list():
            return [_redacted(each, redactor) for each in value]
        case _:
            return value


def _problem(offered: Offered) -> str:
    """Why a tool cannot be offered to a model; nothing if it can."""
    from glmcli.documents import untrusted_schemas

    if not _NAME.fullmatch(offered.name):
        return "its name is not 1 to 64 letters, digits, _ and -"
    found = untrusted_schemas.faults(offered.schema)
    where = f" at {path_text(found[0].path)}" if found and found[0].path else ""
    return f"its parameters{where}: {found[0].text}" if found else ""


def _tool(link: Link, offered: Offered) -> Tool:
    server = link.server
    own: Any = server.own.get(offered.name, EMPTY)
    return Tool(
        function=Function(offered.name, kept(offered.description, _DESCRIPTION, link.redactor), offered.schema),
        runner=RemoteTool(link, offered.name, own.get("timeout", server.timeout)),
        approve=own.get("approve", server.approve),
        trusted=server.trusted,
        parallel=own.get("parallel", server.parallel),
        place=f"{server.place} (server {server.name})",
    )
