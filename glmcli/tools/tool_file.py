"""Tool files: how they are read, and the tools and MCP servers that they declare."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from glmcli import documents
from glmcli.chat.messages import Function
from glmcli.console.redaction import VARIABLES
from glmcli.documents.document import MAX_SIZE
from glmcli.errors import UsageError
from glmcli.record import EMPTY, Record
from glmcli.tools import client_servers
from glmcli.tools.program import INHERITED, ProgramTool, find_program
from glmcli.tools.tool import TIMEOUT, Approval, Tool
from glmcli.tools.tool_forms import LINES, form_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.console.stdin import Stdin
    from glmcli.documents.document import Document, Path
    from glmcli.tools.tool_forms import Form

# A comment, or a string, which may hold what looks like one; neither is ever tried twice, however long it is.
_COMMENT = re.compile(rb'("(?:[^"\\]|\\.)*+"?)|//[^\n]*|/\*(?:[^*]|\*(?!/))*+(?:\*/)?', re.DOTALL)
NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}


class McpServer(Record):
    """An MCP server of a tool file.

    Attributes:
        command: argv of a server that we start; empty for one at `url`.
        environment: the variables of the server's program.
        headers: what is sent to a server at `url` beside the token.
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
    headers: Mapping[str, str] = EMPTY
    token: str | None = None
    token_env: str = ""
    timeout: float = TIMEOUT
    approve: Approval = "ask"
    parallel: bool = False
    overrides: Mapping[str, Mapping[str, Any]] = EMPTY
    trusted: bool = False
    _hidden = ("environment", "headers", "token")


class Definition(Record):
    """A function that a file declares, valid or not.

    Attributes:
        path: where it stands in the document of the form.
        value: as it stands there.
        schema_key: the key of its parameters.
    """

    path: Path
    value: Mapping[str, Any]
    schema_key: str = "parameters"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The schema of its arguments."""
        found: Mapping[str, Any] | None = self.value.get(self.schema_key)
        return NO_PARAMETERS if found is None else found


class ToolFile(Record):
    """A parsed tool file, not validated yet.

    Attributes:
        form: how it is to be read; paths are those in the document of the form.
        folder: the directory to which paths of its programs are relative.
        environment: our environment, whose PATH finds its programs.
        keys: the variables that hold keys of providers, which no tool may get.
        redact: masks their values.
    """

    form: Form
    folder: str
    environment: Mapping[str, str]
    keys: frozenset[str]
    redact: Callable[[str], str]

    @property
    def document(self) -> Document:
        """What the form says is to be read."""
        return self.form.document

    def definitions(self) -> Iterator[Definition]:
        """Every definition of a function; for a file that satisfies the schema."""
        value = self.document.value
        match self.form.kind:
            case "own":
                yield from (Definition(("tools", at), each) for at, each in enumerate(value.get("tools", ())))
            case "functions":
                yield from (Definition((at, "function"), each["function"]) for at, each in enumerate(value))
            case "mcp_tools":
                yield from (Definition((at,), each, "inputSchema") for at, each in enumerate(value))

    def server_definitions(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """Every definition of an MCP server with its path; for a file that satisfies the schema."""
        if self.form.kind == "own":
            yield from ((("mcp", name), each) for name, each in self.document.value.get("mcp", {}).items())

    def client_servers(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every MCP server of another program's file, by name; for a file that satisfies the schema."""
        if self.form.kind == "client_servers":
            yield from self.document.value.items()

    def tools(self, *, trusted: bool) -> Iterator[Tool]:
        """The tools of a valid file; `trusted` lets its own `approve: auto` count."""
        for each in self.definitions():
            value = each.value
            yield Tool(
                function=Function(value["name"], value.get("description") or "", each.parameters),
                runner=self._program(value) if "run" in value else None,
                approve=value.get("approve", "ask"),
                trusted=trusted,
                parallel=value.get("parallel", False),
                place=self.document.place((*each.path, "name")),
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
        for name, value in self.client_servers():
            if not client_servers.is_disabled(value):
                yield McpServer(
                    name=name,
                    place=self.document.place((name,), key=True),
                    command=self._argv([value["command"], *value.get("args", ())]) if "command" in value else (),
                    environment=self._program_environment({}) | client_servers.variables(value),
                    url=client_servers.address(value)[0],
                    headers=value.get("headers", EMPTY),
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
    document = _parsed(_bytes(path, stdin), "<stdin>" if path == "-" else path)
    # A program with a slash is never looked up on the PATH, not even if the file is in the working directory.
    folder = "." if path == "-" else os.path.dirname(path) or "."  # noqa: PTH120 - a string is all that is needed
    return ToolFile(form_of(document), folder, environment, frozenset(VARIABLES) | more_keys, redact)


def _parsed(data: bytes, name: str) -> Document:
    """The document; of JSON with comments, as editors write it, too."""
    if name.endswith(LINES):
        return documents.parse_lines(data, name)
    try:
        return documents.parse(data, name)
    except UsageError:
        if name.endswith(".toml"):
            way = "name the servers in YAML or JSON, mcpServers: {NAME: {command: PROGRAM, args: [...]}}"
            raise UsageError(message=f"{name}: TOML is not read here", fix=way) from None
        if not data.lstrip().startswith((b"{", b"[", b"/")):
            raise
        plain = _COMMENT.sub(lambda found: found[1] or re.sub(rb"[^\n]", b" ", found[0]), data)
        if plain == data:
            raise
        return documents.parse(plain, name)


def _bytes(path: str, stdin: Stdin) -> bytes:
    if path == "-":
        return stdin.read("the tools")
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs a million instructions here for nothing
            data = file.read(MAX_SIZE + 1)
            size = os.fstat(file.fileno()).st_size  # 0 of a pipe
    except OSError as error:
        raise UsageError(message=f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_SIZE:
        many = f"{size} bytes" if size >= len(data) else f"more than {MAX_SIZE} bytes"
        problem = f"{path}: a tool file of {many}; at most {MAX_SIZE} (1 MiB) are read"
        raise UsageError(message=problem, fix="put the tools into several files: --tools FILE --tools FILE")
    return data
