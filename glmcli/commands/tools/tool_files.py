"""The tools of a command: those of its files, and those of the MCP servers that the files name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.errors import UsageError
from glmcli.tools import tool_file
from glmcli.tools.tool_file_check import remarks, require_valid
from glmcli.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from contextlib import ExitStack

    from glmcli.config.app import App
    from glmcli.config.options import Options
    from glmcli.tools.tool import Tool
    from glmcli.tools.tool_file import McpServer, ToolFile


def read(path: str, app: App) -> ToolFile:
    """A tool file that is not validated yet.

    Raises:
        UsageError: it cannot be read, or is neither YAML nor JSON.
    """
    keys = frozenset(name for row in app.config.providers.values() for name in row.key_variables)
    return tool_file.read(path, app.stdin, app.environment, keys, app.terminal.redactor.text)


class ToolFiles:
    """The tools and MCP servers of valid tool files; servers are started by `open`."""

    def __init__(self, options: Options, app: App, *, trusted: bool, connect: bool) -> None:
        """`trusted`: the files were named on the command line; `connect`: `open` starts their servers.

        Raises:
            UsageError: there is no file, or something in one is wrong.
        """
        if not options.tools:
            raise UsageError(message="there are no tools", fix="--tools FILE, as in examples/tools/")
        self._options = options
        self._app = app
        self._connect = connect
        self._tools: list[Tool] = []
        self._servers: list[McpServer] = []
        for path in options.tools:
            file = read(path, app)
            require_valid(file)
            for remark in remarks(file):
                app.terminal.note(remark)
            self._tools += file.tools(trusted=trusted)
            self._servers += file.servers(trusted=trusted)

    def open(self, stack: ExitStack) -> Toolbox:
        """All tools; servers that are started or reached end with the stack.

        Raises:
            UsageError: two tools share a name, or --approve and --tool-choice name none of them.
            ToolError: a server cannot be used.
        """
        tools, servers = list(self._tools), self._servers
        if servers and not self._connect:
            names = ", ".join(server.name for server in servers)
            self._app.terminal.note(f"left out: the tools of the MCP servers {names}, for nothing is started")
        elif servers:
            from glmcli.tools.mcp import connect

            tools += connect(servers, stack, self._app.terminal)
        toolbox = Toolbox(tools, self._app.terminal.redactor.text)
        self._check_names(toolbox, complete=self._connect or not servers)
        return toolbox

    def _check_names(self, toolbox: Toolbox, *, complete: bool) -> None:
        """Refuse names of tools in flags that do not exist; not unless the tools are `complete`."""
        choice = self._options.tool_choice
        named = [("--approve", name) for name in self._options.approve]
        named += [("--tool-choice", choice)] if choice and choice not in ("auto", "none", "required") else []
        for flag, name in named:
            if complete and name not in toolbox.names:
                known = f"the tools are: {', '.join(toolbox.names)}"
                raise UsageError(message=f"{flag} {name}: there is no tool of that name", fix=known)
