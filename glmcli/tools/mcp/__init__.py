"""MCP servers as a source of tools: what they offer becomes tools like those of a file, or is left out and said so.

The package `mcp` and all that it brings is imported only where a file names a server that is to be started or reached.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from glmcli.chat import Function
from glmcli.documents.shown import path_text, quoted
from glmcli.errors import UsageError
from glmcli.record import EMPTY
from glmcli.tools.capture import Capture
from glmcli.tools.mcp.task import RemoteTool
from glmcli.tools.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import ExitStack

    from glmcli.terminal import Terminal
    from glmcli.tools.mcp.link import Link, Offered
    from glmcli.tools.mcp.links import Links
    from glmcli.tools.tool_file import Server

_PATIENCE = 10.0  # seconds until a server has told its tools
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what providers take, and our own files
_DESCRIPTION = 16 * 1024  # bytes


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
    return [tool for link in begun for tool in _tools(link, link.offered(due, _PATIENCE), terminal)]


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


def _tools(link: Link, offered: Iterable[Offered], terminal: Terminal) -> Iterator[Tool]:
    """What can be offered to a model; each that cannot is named in a line on stderr."""
    server, seen = link.server, set[str]()
    for each in offered:
        problem = "another of its tools has that name" if each.name in seen else _problem(each)
        seen.add(each.name)
        if problem:
            terminal.note(f"left out: the tool {quoted(each.name)} of the MCP server {server.name}: {problem}")
        else:
            yield _tool(link, each)
    for name in server.own:
        if name not in seen:
            terminal.note(f"{server.place}: the MCP server {server.name} has no tool {quoted(name)}")


def _problem(offered: Offered) -> str:
    """Why a tool cannot be offered to a model; nothing if it can."""
    from glmcli.documents import foreign

    if not _NAME.fullmatch(offered.name):
        return "its name is not 1 to 64 letters, digits, _ and -"
    found = foreign.faults(offered.schema)
    where = f" at {path_text(found[0].path)}" if found and found[0].path else ""
    return f"its parameters{where}: {found[0].text}" if found else ""


def _tool(link: Link, offered: Offered) -> Tool:
    server = link.server
    own: Any = server.own.get(offered.name, EMPTY)
    return Tool(
        function=Function(offered.name, _described(offered.description), offered.schema),
        runner=RemoteTool(link, offered.name, own.get("timeout", server.timeout)),
        approve=own.get("approve", server.approve),
        trusted=server.trusted,
        parallel=own.get("parallel", server.parallel),
        place=f"{server.place} (server {server.name})",
    )


def _described(text: str) -> str:
    """A description without what a terminal would obey, and of a bearable length."""
    kept = Capture(_DESCRIPTION)
    kept.add(text.encode(errors="replace"))
    return kept.text()
