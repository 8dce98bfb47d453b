"""How JSON becomes bytes of an event stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from glmcli.sandbox.answer import Call, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
DONE = b"data: [DONE]\n\n"


def compact(value: object) -> bytes:
    """JSON without spaces and with its text as UTF-8, as all providers write it; a lone surrogate becomes `?`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def data(value: object) -> bytes:
    """One event of the usual form."""
    return b"data: " + compact(value) + b"\n\n"


def fragments(call: Call) -> Iterator[str]:
    """The pieces in which a call's arguments are streamed; at least one."""
    yield from pieces(call.arguments)


def function(name: str, arguments: str) -> Json:
    """The `function` member of a call."""
    return {"name": name, "arguments": arguments}


def whole_call(index: int, call: Call) -> Json:
    """A complete call in the order of Model Studio, DashScope and most servers."""
    return {"index": index, "id": call.id, "type": "function", "function": function(call.name, call.arguments)}
