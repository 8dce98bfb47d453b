"""`glm tools list`: what a tool file offers."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from glmcli.commands.flags import Flag, argument
from glmcli.commands.tree import build_command
from glmcli.config.options import Options
from glmcli.console import signals

if TYPE_CHECKING:
    from glmcli.config.app import App
    from glmcli.tools.tool import Tool

_LIST = "List"
_FLAGS = (
    Flag("connect", "--connect", "switch", _LIST, "Start or reach the MCP servers too, and ask for their tools."),
    Flag("json", "--json", "switch", _LIST, "Print the whole definitions as JSON."),
)
_FILE = argument("file", "A tool file, YAML or JSON.", "FILE")


def _list(app: App, given: dict[str, Any]) -> None:
    """Print a line for each tool: its name, a tab, its approval, a tab, and what it does. Starts nothing by itself."""
    from glmcli.commands.tools.tool_files import ToolFiles

    signals.install_handlers()
    options = Options(tools=(given["file"],))
    files = ToolFiles(options, app, trusted=True, connect=given.get("connect", False))
    with ExitStack() as stack:
        tools = files.open(stack).tools
        if given.get("json"):
            text = json.dumps([_object(tool) for tool in tools], ensure_ascii=False, indent=2) + "\n"
        else:
            text = "".join(f"{tool.name}\t{tool.approve}\t{_first_line(tool)}\n" for tool in tools)
        app.terminal.stdout.write(text)


def _object(tool: Tool) -> dict[str, Any]:
    return {**tool.function.fields(), "approve": tool.approve, "parallel": tool.parallel, "place": tool.place}


def _first_line(tool: Tool) -> str:
    return " ".join(tool.function.description.strip().split("\n")[0].split())


command = build_command("list", _list, _FLAGS, _FILE)
