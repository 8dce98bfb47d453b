"""From a tool file to tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.chat.messages import Function
from glmcli.errors import UsageError
from glmcli.record import EMPTY, Record
from glmcli.tools.command import ALWAYS, Command, program
from glmcli.tools.faults import faults
from glmcli.tools.source import NO_PARAMETERS, ToolSource
from glmcli.tools.tool import TIMEOUT, Approval, Tool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from glmcli.documents.document import Path


class Server(Record):
    """An MCP server of a tool file.

    Attributes:
        command: argv of a server that we start; empty for one at `url`.
        environment: what the server's program sees.
        token: bearer token of a server at `url`; `token_env` is the variable that should hold it.
        timeout: seconds that a call may take.
        own: what differs for single tools: `approve`, `timeout`, `parallel`.
        place: where it is declared.
    """

    name: str
    place: str
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = EMPTY
    url: str = ""
    token: str | None = None
    token_env: str = ""
    timeout: float = TIMEOUT
    approve: Approval = "ask"
    parallel: bool = False
    own: Mapping[str, Mapping[str, Any]] = EMPTY
    trusted: bool = False
    _hidden = ("environment", "token")


class ToolFile(Record):
    """What one file declares."""

    name: str
    tools: tuple[Tool, ...]
    servers: tuple[Server, ...]


def load(source: ToolSource, *, trusted: bool) -> ToolFile:
    """The tools and servers of a file; `trusted` lets its own `approve: auto` count.

    Raises:
        UsageError: something in it is wrong; the first fault, and how many more there are.
    """
    name, found = source.document.name, faults(source)
    if found:
        more = f" (and {len(found) - 1} more: glm tools check {name})" if len(found) > 1 else ""
        raise UsageError(message=found[0] + more)
    tools = [_tool(source, path, value, trusted=trusted) for path, value in source.definitions()]
    servers = [_server(source, path, value, trusted=trusted) for path, value in source.servers()]
    return ToolFile(name, tuple(tools), tuple(servers))


def _tool(source: ToolSource, path: Path, value: Mapping[str, Any], *, trusted: bool) -> Tool:
    return Tool(
        function=Function(value["name"], value.get("description", ""), value.get("parameters", NO_PARAMETERS)),
        runner=_command(source, value) if "run" in value else None,
        approve=value.get("approve", "ask"),
        trusted=trusted,
        parallel=value.get("parallel", False),
        place=source.document.place((*path, "name")),
    )


def _command(source: ToolSource, value: Mapping[str, Any]) -> Command:
    return Command(
        words=_found(source, value["run"]),
        environment=_visible(source, value),
        timeout=value.get("timeout", TIMEOUT),
        redact=source.redact,
        leading_dash=value.get("leading_dash", False),
    )


def _found(source: ToolSource, run: Sequence[str]) -> tuple[str, ...]:
    return (program(run[0], source.folder, source.environment)[0], *run[1:])


def _visible(source: ToolSource, value: Mapping[str, Any]) -> dict[str, str]:
    """What a program sees of our environment."""
    names = (*ALWAYS, *value.get("env", ()))
    return {name: source.environment[name] for name in names if name in source.environment}


def _server(source: ToolSource, path: Path, value: Mapping[str, Any], *, trusted: bool) -> Server:
    return Server(
        name=str(path[-1]),
        place=source.document.place(path, key=True),
        command=_found(source, value["command"]) if "command" in value else (),
        environment=_visible(source, value),
        url=value.get("url", ""),
        token=source.environment.get(value.get("token_env", "")),
        token_env=value.get("token_env", ""),
        timeout=value.get("timeout", TIMEOUT),
        approve=value.get("approve", "ask"),
        parallel=value.get("parallel", False),
        own=value.get("tools", EMPTY),
        trusted=trusted,
    )
