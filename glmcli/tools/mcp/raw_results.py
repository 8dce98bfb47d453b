"""What a server lists and answers, as it said it: the SDK would judge a page of tools, and a result, as a whole.

One tool without a type, one icon of a new kind or one part of an unknown type would cost all the others. So the lists
are taken out of the answers before the SDK sees them, and travel in `_meta`, which it leaves alone. What a server says
of itself (version, icons, instructions, capabilities) is used by nothing here, and costs nothing either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp import types

from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp.shared.message import SessionMessage

_KEY = "glmcli/raw"
# Method -> the keys of its result that are taken out, and one of which must be there; the first is a list.
_TAKEN = {"tools/list": ("tools",), "tools/call": ("content", "structuredContent")}
_GREETINGS = {"initialize", "server/discover"}
# What stands in the answers to these in the place of what a server says of itself.
_NOBODY = {"capabilities": {}, "serverInfo": {"name": "", "version": ""}, "instructions": None}


class RawResults:
    """Follows the requests of one session, and takes the lists out of their results."""

    def __init__(self) -> None:
        """Begin without requests."""
        self._methods: dict[str, str] = {}  # by the id as text: some servers give back "2" for 2, as the SDK allows

    def sent(self, item: SessionMessage) -> None:
        """Remember a request whose result is not left to the SDK alone."""
        if isinstance(item.message, types.JSONRPCRequest) and item.message.method in {*_TAKEN, *_GREETINGS}:
            self._methods[str(item.message.id)] = item.message.method

    def received(self, item: SessionMessage | Exception) -> None:
        """Take the list out of the result, if this is one; what has another form is left to the SDK to refuse."""
        message = getattr(item, "message", None)
        if isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
            method = self._methods.pop(str(message.id), "")
            if isinstance(message, types.JSONRPCError):
                return
            if method in _GREETINGS:
                message.result = message.result | _NOBODY
            elif method:
                message.result = _without_lists(message.result, _TAKEN[method])


def _without_lists(result: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    first = keys[0]
    if not any(key in result for key in keys) or not isinstance(result.get(first, []), list):
        return result
    kept = {key: value for key, value in result.items() if key not in keys}
    return {**kept, first: [], "_meta": {_KEY: {key: result[key] for key in keys if key in result}}}


def raw(result: types.Result) -> Mapping[str, Any]:
    """What was taken out of a result, by the names of MCP."""
    found: Mapping[str, Any] = (result.meta or {}).get(_KEY, EMPTY)
    return found


class OfferedTool(Record):
    """A tool as its server describes it; not trusted.

    Attributes:
        number: its place in the server's list, counted from 1.
        problem: why it cannot be offered; empty if its form is right.
    """

    number: int
    name: str = ""
    description: str = ""
    schema: Mapping[str, Any] = EMPTY
    problem: str = ""


def offered_tool(value: object, number: int) -> OfferedTool:
    """A tool of a list. What is only shown (title, annotations, icons, output schema …) is not looked at."""
    if not isinstance(value, dict):
        return OfferedTool(number, problem="it is null" if value is None else "it is no object")
    name, description, schema = value.get("name"), value.get("description"), value.get("inputSchema")
    tool = OfferedTool(number, name if isinstance(name, str) else "")
    if not isinstance(name, str):
        return tool.replace(problem="it has no name")
    if not isinstance(schema, dict):
        return tool.replace(problem="it has no inputSchema")
    if schema.get("type") != "object":
        given = "no type" if "type" not in schema else "another type"
        return tool.replace(problem=f"its inputSchema has {given}, and must have the type object")
    return tool.replace(description=description if isinstance(description, str) else "", schema=schema)
