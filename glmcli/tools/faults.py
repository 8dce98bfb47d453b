"""What is wrong with a tool file, beyond what its schema says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from glmcli import documents
from glmcli.errors import UsageError
from glmcli.http.urls import normal_base_url, origin
from glmcli.tools.command import mentioned, placeholder, program
from glmcli.tools.source import NO_PARAMETERS, ToolSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmcli.documents.document import Path

_PATIENCE = 1.0  # seconds of our own time, for a whole file
_MOST = 1000  # tools of a file, and servers


class Fault(NamedTuple):
    """Something wrong, at a character of the file."""

    at: int
    text: str


def faults(source: ToolSource) -> list[str]:
    """All that is wrong, each "file:line:col: text", in the order of the file."""
    from glmcli.documents.input_limits import TooSlowError, cpu_limit

    try:
        with cpu_limit(_PATIENCE):
            return _too_many(source) or documents.faults(source.document, "tools") or _own(source)
    except TooSlowError:
        return [f"{source.document.place(())}: this file takes too long to be judged"]


def _own(source: ToolSource) -> list[str]:
    own = sorted(_Judge(source).faults(), key=lambda fault: fault.at)
    return list(dict.fromkeys(f"{source.document.source.place(fault.at)}: {fault.text}" for fault in own))


def _too_many(source: ToolSource) -> list[str]:
    """Looked at before anything that takes time for each."""
    value = source.document.value
    holders: dict[str, Any] = value if isinstance(value, dict) else {"tools": value}
    for word, what in (("tools", "tools"), ("mcp", "servers")):
        held = holders.get(word)
        if isinstance(held, dict | list) and len(held) > _MOST:
            place = source.document.place((word,))
            return [f"{place}: {len(held)} {what}; at most {_MOST} are allowed"]
    return []


class _Judge:
    """Looks at one file that satisfies the schema."""

    def __init__(self, source: ToolSource) -> None:
        self._source = source
        self._at = source.document.index

    def faults(self) -> Iterator[Fault]:
        if not self._source.document.value:
            yield Fault(self._at(()), "a tool file holds tools, mcp, or both")
        yield from self._names()
        for path, tool in self._source.definitions():
            yield from self._parameters((*path, "parameters"), tool.get("parameters", NO_PARAMETERS))
            if "run" in tool:
                yield from self._missing((*path, "run"), tool["run"][0])
                yield from self._words((*path, "run"), tool)
                yield from self._environment(path, tool)
        for path, server in self._source.servers():
            yield from self._started(path, server) if "command" in server else self._reached(path, server)

    def _names(self) -> Iterator[Fault]:
        first: dict[str, int] = {}
        for path, tool in self._source.definitions():
            at = self._at((*path, "name"))
            if tool["name"] in first:
                line = self._source.document.source.line(first[tool["name"]])
                yield Fault(at, f"the name {tool['name']!r} is taken on line {line}")
            first.setdefault(tool["name"], at)

    def _parameters(self, path: Path, schema: Mapping[str, Any]) -> Iterator[Fault]:
        from glmcli.documents import untrusted_schemas

        for fault in untrusted_schemas.faults(schema):
            yield Fault(self._at((*path, *fault.path), key=fault.key), fault.text)

    def _missing(self, path: Path, name: str) -> Iterator[Fault]:
        if placeholder(name):
            yield Fault(self._at((*path, 0)), "the program itself cannot be an argument")
        elif problem := program(name, self._source.folder, self._source.environment)[1]:
            yield Fault(self._at((*path, 0)), problem)

    def _words(self, path: Path, tool: Mapping[str, Any]) -> Iterator[Fault]:
        known = tool.get("parameters", NO_PARAMETERS).get("properties", {})
        if not isinstance(known, dict):
            return  # what is wrong with it has been said
        for number, item in list(enumerate(tool["run"]))[1:]:
            name, at = placeholder(item), self._at((*path, number))
            if name and name not in known:
                yield Fault(at, f"there is no parameter {name!r}; to mean {item} as it is, write {{ {name} }}")
            for inner in mentioned(item):
                if inner in known:
                    yield Fault(at, f"{{{inner}}} is not replaced here: only a whole item is")

    def _environment(self, path: Path, holder: Mapping[str, Any]) -> Iterator[Fault]:
        for number, name in enumerate(holder.get("env", ())):
            if name in self._source.keys:
                yield Fault(self._at((*path, "env", number)), _a_key(name))

    def _started(self, path: Path, server: Mapping[str, Any]) -> Iterator[Fault]:
        yield from self._missing((*path, "command"), server["command"][0])
        yield from self._environment(path, server)
        if "token_env" in server:
            yield Fault(self._at((*path, "token_env"), key=True), "token_env is for a server at a url; here, use env")

    def _reached(self, path: Path, server: Mapping[str, Any]) -> Iterator[Fault]:
        at = self._at((*path, "url"))
        if "env" in server:
            yield Fault(self._at((*path, "env"), key=True), "env is for a server with a command; here, use token_env")
        if server.get("token_env") in self._source.keys:
            yield Fault(self._at((*path, "token_env")), _a_key(server["token_env"]))
        try:
            where = origin(normal_base_url(server["url"], "url"))
        except UsageError as error:
            yield Fault(at, error.message)
            return
        if not where.is_secure:
            yield Fault(at, "what a tool says is nobody else's business: https://, or http:// to loopback")


def _a_key(name: str) -> str:
    return f"{name} holds a provider's key, which no tool may see"
