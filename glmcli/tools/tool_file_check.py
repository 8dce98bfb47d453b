"""What is wrong with a tool file: by its schema, and by rules that the schema cannot express."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli import documents
from glmcli.documents.input_limits import TooSlowError, cpu_limit
from glmcli.documents.schema_errors import Fault, as_line, in_order
from glmcli.errors import UsageError
from glmcli.http.urls import normal_url, origin
from glmcli.tools import client_servers
from glmcli.tools.program import find_program, mentioned, placeholder
from glmcli.tools.tool_file import NO_PARAMETERS, ToolFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmcli.documents.document import Path

_MAX_TIME = 1.0  # seconds of processor time, for a whole file
_MAX_ENTRIES = 1000  # tools of a file, and servers


def require_valid(file: ToolFile) -> None:
    """Refuse a file with faults.

    Raises:
        UsageError: the first fault, and the number of the others.
    """
    found = faults(file)
    if found:
        more = f" (and {len(found) - 1} more: glm tools check {file.document.name})" if len(found) > 1 else ""
        raise UsageError(message=found[0] + more)


def faults(file: ToolFile) -> list[str]:
    """All faults, each "file:line:col: text", in the order of the file."""
    try:
        with cpu_limit(_MAX_TIME):
            if file.form.refusal:
                return [file.form.refusal]
            kind = file.form.kind
            return _too_many(file) or documents.faults(file.document, "tools", kind) or _beyond_the_schema(file)
    except TooSlowError:
        return [f"{file.document.place(())}: this file takes too long to validate"]


def _too_many(file: ToolFile) -> list[str]:
    """A fault if there are too many tools or servers: checked first, since each of them takes time."""
    value = file.document.value
    word = "mcp" if file.form.kind == "client_servers" else "tools"
    holders: dict[str, Any] = value if file.form.kind == "own" and isinstance(value, dict) else {word: value}
    for word, what in (("tools", "tools"), ("mcp", "servers")):
        held = holders.get(word)
        if isinstance(held, dict | list) and len(held) > _MAX_ENTRIES:
            path = (word,) if value is holders else ()
            return [f"{file.document.place(path)}: {len(held)} {what}; at most {_MAX_ENTRIES} are allowed"]
    return []


def _beyond_the_schema(file: ToolFile) -> list[str]:
    return list(dict.fromkeys(as_line(file.document, fault) for fault in in_order(file.document, _faults(file))))


def _faults(file: ToolFile) -> Iterator[Fault]:
    if not file.document.value:
        yield Fault((), "a tool file holds tools, mcp, or both")
    yield from _repeated_names(file)
    for each in file.definitions():
        path, tool = each.path, each.value
        yield from _parameter_faults((*path, each.schema_key), each.parameters, is_ours="run" in tool)
        if "run" in tool:
            yield from _program_faults(file, (*path, "run", 0), tool["run"][0])
            yield from _placeholder_faults((*path, "run"), tool)
            yield from _environment_faults(file, path, tool)
    for path, server in file.server_definitions():
        if "command" in server:
            yield from _program_server_faults(file, path, server)
        else:
            yield from _url_server_faults(file, path, server)
    for name, server in file.client_servers():
        if not client_servers.is_disabled(server):
            yield from _client_server_faults(file, name, server)


def _client_server_faults(file: ToolFile, name: str, server: Mapping[str, Any]) -> Iterator[Fault]:
    found = list(client_servers.faults((name,), server, file.keys))
    url, key = client_servers.address(server)
    yield from found
    if not found and "command" in server:
        yield from _program_faults(file, (name, "command"), server["command"])
    elif not found:
        yield from _url_faults((name, key), url)


def _repeated_names(file: ToolFile) -> Iterator[Fault]:
    first: dict[str, Path] = {}
    for each in file.definitions():
        name, where = each.value["name"], (*each.path, "name")
        if name in first:
            line = file.document.source.line(file.document.index(first[name]))
            yield Fault(where, f"the name {name!r} is taken on line {line}")
        first.setdefault(name, where)


def _parameter_faults(path: Path, schema: Mapping[str, Any], *, is_ours: bool) -> Iterator[Fault]:
    """What is wrong with the schema of a tool. Of one that `is_ours` to run, no pattern may be broken."""
    from glmcli.documents import untrusted_schemas

    found = untrusted_schemas.faults(schema)
    if is_ours and not found:
        found = [each.fault for each in untrusted_schemas.unjudged(schema) if each.broken]
    for fault in found:
        yield fault.replace(path=(*path, *fault.path))


def remarks(file: ToolFile) -> Iterator[str]:
    """What the user should know about a file without faults: each tool whose arguments are not all judged."""
    from glmcli.documents import untrusted_schemas

    yield from file.form.remarks
    for each in file.definitions():
        found = untrusted_schemas.unjudged(each.parameters)
        if found:
            fault = found[0].fault.replace(path=(*each.path, each.schema_key, *found[0].fault.path))
            more = f" (and {len(found) - 1} more patterns of this tool)" if len(found) > 1 else ""
            yield f"{as_line(file.document, fault)}, so nothing here judges {each.value['name']} by it{more}"
    for name, server in file.client_servers():
        yield from client_servers.remarks(file.document, name, server)


def _program_faults(file: ToolFile, path: tuple[str | int, ...], name: str) -> Iterator[Fault]:
    if placeholder(name):
        yield Fault(path, "the program itself cannot be an argument")
    elif problem := find_program(name, file.folder, file.environment)[1]:
        yield Fault(path, problem)


def _placeholder_faults(path: Path, tool: Mapping[str, Any]) -> Iterator[Fault]:
    known = tool.get("parameters", NO_PARAMETERS).get("properties", {})
    if not isinstance(known, dict):
        return  # reported by the schema
    for number, item in list(enumerate(tool["run"]))[1:]:
        name, where = placeholder(item), (*path, number)
        if name and name not in known:
            yield Fault(where, f"there is no parameter {name!r}; to mean {item} as it is, write {{ {name} }}")
        for inner in mentioned(item):
            if inner in known:
                yield Fault(where, f"{{{inner}}} is not replaced here: only a whole item is")


def _environment_faults(file: ToolFile, path: Path, holder: Mapping[str, Any]) -> Iterator[Fault]:
    for number, name in enumerate(holder.get("env", ())):
        if name in file.keys:
            yield Fault((*path, "env", number), _key_text(name))


def _program_server_faults(file: ToolFile, path: Path, server: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _program_faults(file, (*path, "command", 0), server["command"][0])
    yield from _environment_faults(file, path, server)
    if "token_env" in server:
        yield Fault((*path, "token_env"), "token_env is for a server at a url; here, use env", key=True)


def _url_server_faults(file: ToolFile, path: Path, server: Mapping[str, Any]) -> Iterator[Fault]:
    if "env" in server:
        yield Fault((*path, "env"), "env is for a server with a command; here, use token_env", key=True)
    if server.get("token_env") in file.keys:
        yield Fault((*path, "token_env"), _key_text(server["token_env"]))
    yield from _url_faults((*path, "url"), server["url"])


def _url_faults(path: Path, url: str) -> Iterator[Fault]:
    try:
        where = origin(normal_url(url, "url"))
    except UsageError as error:
        yield Fault(tuple(path), error.message)
        return
    if not where.is_secure:
        yield Fault(tuple(path), "an MCP server is reached over https://, or over http:// on loopback only")


def _key_text(name: str) -> str:
    return f"{name} holds a provider's key, which no tool may see"
