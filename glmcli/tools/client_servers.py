"""MCP servers in the files of other programs (`mcpServers`, VS Code's `servers`): what is read of them, and what not.

What they say about approval counts for nothing here. What would limit a server, or is filled in by the other program,
is refused, since it cannot be kept.

Sources: https://code.visualstudio.com/docs/agents/reference/mcp-configuration, https://code.claude.com/docs/en/mcp,
https://cursor.com/docs/mcp, https://docs.cline.bot/mcp/configuring-mcp-servers (2026-11-30).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from glmcli.documents.quoting import listed, quoted, visible
from glmcli.documents.schema_errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmcli.documents.document import Document

_Path = tuple[str | int, ...]

_URLS = ("url", "serverUrl", "httpUrl")
_READ = {"command", "args", "env", "headers", "type", "transport", "disabled", "enabled", *_URLS}
_SILENT = {"name", "description", "icon", "gallery", "version"}
_APPROVAL = ("autoApprove", "alwaysAllow", "trust")
_LIMITS = (
    "cwd", "envFile", "tools", "allowedTools", "includeTools", "excludeTools", "enabledTools", "disabledTools",
    "sandbox", "sandboxEnabled",
)  # fmt: skip
_ALL = ["*"]  # of the tools
_FILLED_IN = re.compile(r"\$\{[^}]*\}")
_VARIABLE = re.compile(r"[^=\0]+")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]+")
_PIPES = {"stdio", "local"}  # the latter is that of GitHub's agents
_STREAMABLE = {"http", "streamable-http", "streamableHttp", "streamable_http"}


def is_disabled(server: Mapping[str, Any]) -> bool:
    """Whether the file says that it is not to be started."""
    return server.get("disabled") is True or server.get("enabled") is False


def address(server: Mapping[str, Any]) -> tuple[str, str]:
    """Its URL and the key that holds it; both empty if it is a program."""
    return next(((server[key], key) for key in _URLS if key in server), ("", ""))


def variables(server: Mapping[str, Any]) -> dict[str, str]:
    """The variables that it is to get, with their values."""
    return {name: _text(value) for name, value in server.get("env", {}).items() if value is not None}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def faults(path: _Path, server: Mapping[str, Any], keys: frozenset[str]) -> Iterator[Fault]:
    """What is wrong with a server, but for its program and its URL; `keys` are variables with keys of providers."""
    url, _ = address(server)
    if bool(url) == ("command" in server):
        yield Fault(path, f"the server {quoted(str(path[-1]))} needs either a command or a url", key=True)
    for key in ("type", "transport"):
        kind = server.get(key)
        if isinstance(kind, str) and kind not in (_STREAMABLE if url else _PIPES):
            yield Fault(
                (*path, key), f"the transport {visible(kind)} is not spoken here, only stdio and streamable HTTP"
            )
    for key in _LIMITS:
        if server.get(key) and server[key] != _ALL:
            yield Fault(
                (*path, key), f"{key} cannot be kept here; leave it out if the server may run without it", key=True
            )
    for where, text in _texts(path, server):
        if found := _FILLED_IN.search(text):
            yield Fault(where, f"{visible(found[0])} is filled in by another program, not by glm: {_way_out(found[0])}")
    yield from _variable_faults((*path, "env"), server.get("env", {}), keys)
    for name, value in server.get("headers", {}).items():
        if not _HEADER.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            yield Fault((*path, "headers", name), f"no header can be {quoted(name)} with this value", key=True)


def _way_out(found: str) -> str:
    if found.startswith("${input:"):
        return "nobody is asked here; write the server under mcp: in a file of glm's form, with env: [VARIABLE]"
    return "write the value, or the server under mcp: in a file of glm's form, with env: [VARIABLE] or token_env"


def _variable_faults(path: _Path, given: Mapping[str, Any], keys: frozenset[str]) -> Iterator[Fault]:
    for name, value in given.items():
        if name in keys:
            yield Fault((*path, name), f"{name} holds a provider's key, which no tool may see", key=True)
        elif not _VARIABLE.fullmatch(name) or "\0" in _text(value):
            yield Fault((*path, name), f"no variable can be {quoted(name)} with this value", key=True)


def _texts(path: _Path, server: Mapping[str, Any]) -> Iterator[tuple[_Path, str]]:
    """Every text of a server that another program may fill in, with its path."""
    for key in ("command", *_URLS):
        yield (*path, key), server.get(key, "")
    yield from (((*path, "args", number), text) for number, text in enumerate(server.get("args", ())))
    for key in ("env", "headers"):
        yield from (((*path, key, name), _text(value)) for name, value in server.get(key, {}).items())


def remarks(document: Document, name: str, server: Mapping[str, Any]) -> Iterator[str]:
    """What is not read of a server without faults."""
    place = document.place((name,), key=True)
    if is_disabled(server):
        yield f"{place}: the server {quoted(name)} is disabled in this file, and left out"
        return
    approval = [key for key in _APPROVAL if server.get(key)]
    if approval:
        words = listed(approval, "and")
        yield f"{place}: {words} of the server {quoted(name)} approve nothing here; --approve NAME or --yes does"
    others = [visible(key) for key in server if key not in _READ | _SILENT | {*_APPROVAL, *_LIMITS}]
    if others:
        yield f"{place}: not read of the server {quoted(name)}: {listed(others, 'and')}"
