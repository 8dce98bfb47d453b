"""Tool files: how they are read, and the tools and MCP servers that they declare."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from glmcli import documents
from glmcli.chat.messages import Function
from glmcli.console.redaction import VARIABLES
from glmcli.documents.document import MAX_SIZE
from glmcli.errors import UsageError
from glmcli.record import EMPTY, Record
from glmcli.tools.program import INHERITED, ProgramTool, find_program
from glmcli.tools.tool import TIMEOUT, Approval, Tool

if TYPE_CHECKING:
    from glmcli.console.stdin import Stdin
    from glmcli.documents.document import Document, Path

NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}


class McpServer(Record):
    """An MCP server of a tool file.

    Attributes:
        command: argv of a server that we start; empty for one at `url`.
        environment: the variables of the server's program.
        token: bearer token of a server at `url`; `token_env` is the variable that should hold it.
        timeout: seconds that a call may take.
        overrides: `approve`, `timeout` and `parallel` of single tools, by name.
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
    overrides: Mapping[str, Mapping[str, Any]] = EMPTY
    trusted: bool = False
    _hidden = ("environment", "token")


class ToolFile(Record):
    """A parsed tool file, not validated yet.

    Attributes:
        folder: the directory to which paths of its programs are relative.
        environment: our environment, whose PATH finds its programs.
        keys: the variables that hold keys of providers, which no tool may get.
        redact: masks their values.
    """

    document: Document
    folder: str
    environment: Mapping[str, str]
    keys: frozenset[str]
    redact: Callable[[str], str]

    def definitions(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """Every definition of a function with its path; for a file that satisfies the schema."""
        value = self.document.value
        if isinstance(value, list):
            yield from (((number, "function"), each["function"]) for number, each in enumerate(value))
        else:
            yield from ((("tools", number), each) for number, each in enumerate(value.get("tools", ())))

    def server_definitions(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """Every definition of an MCP server with its path; for a file that satisfies the schema."""
        value = self.document.value
        if isinstance(value, Mapping):
            yield from ((("mcp", name), each) for name, each in value.get("mcp", {}).items())

    def tools(self, *, trusted: bool) -> Iterator[Tool]:
        """The tools of a valid file; `trusted` lets its own `approve: auto` count."""
        for path, value in self.definitions():
            yield Tool(
                function=Function(value["name"], value.get("description", ""), value.get("parameters", NO_PARAMETERS)),
                runner=self._program(value) if "run" in value else None,
                approve=value.get("approve", "ask"),
                trusted=trusted,
                parallel=value.get("parallel", False),
                place=self.document.place((*path, "name")),
            )

    def _program(self, value: Mapping[str, Any]) -> ProgramTool:
        return ProgramTool(
            words=self._argv(value["run"]),
            environment=self._program_environment(value),
            timeout=value.get("timeout", TIMEOUT),
            redact=self.redact,
            leading_dash=value.get("leading_dash", False),
        )

    def servers(self, *, trusted: bool) -> Iterator[McpServer]:
        """The MCP servers of a valid file; `trusted` lets its own `approve: auto` count."""
        for path, value in self.server_definitions():
            yield McpServer(
                name=str(path[-1]),
                place=self.document.place(path, key=True),
                command=self._argv(value["command"]) if "command" in value else (),
                environment=self._program_environment(value),
                url=value.get("url", ""),
                token=self.environment.get(value.get("token_env", "")),
                token_env=value.get("token_env", ""),
                timeout=value.get("timeout", TIMEOUT),
                approve=value.get("approve", "ask"),
                parallel=value.get("parallel", False),
                overrides=value.get("tools", EMPTY),
                trusted=trusted,
            )

    def _argv(self, words: list[str]) -> tuple[str, ...]:
        return (find_program(words[0], self.folder, self.environment)[0], *words[1:])

    def _program_environment(self, value: Mapping[str, Any]) -> dict[str, str]:
        """The variables that a program gets."""
        names = (*INHERITED, *value.get("env", ()))
        return {name: self.environment[name] for name in names if name in self.environment}


def read(
    path: str,
    stdin: Stdin,
    environment: Mapping[str, str],
    more_keys: frozenset[str],
    redact: Callable[[str], str],
) -> ToolFile:
    """Parse a tool file; `more_keys` are key variables of the user's own rows, `redact` masks their values.

    Raises:
        UsageError: it cannot be read, or is neither YAML nor JSON.
    """
    document = documents.parse(_bytes(path, stdin), "<stdin>" if path == "-" else path)
    # A program with a slash is never looked up on the PATH, not even if the file is in the working directory.
    folder = "." if path == "-" else os.path.dirname(path) or "."  # noqa: PTH120 - a string is all that is needed
    return ToolFile(document, folder, environment, frozenset(VARIABLES) | more_keys, redact)


def _bytes(path: str, stdin: Stdin) -> bytes:
    if path == "-":
        return stdin.read("the tools")
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs a million instructions here for nothing
            return file.read(MAX_SIZE + 1)  # one byte more than allowed, so that the parser reports the error
    except OSError as error:
        raise UsageError(message=f"{path}: cannot be read: {error.strerror}") from error
