"""Tools and parts of results as servers list them that follow a newer MCP, an older one, or none."""

from __future__ import annotations

from typing import Any

PLAIN = {"type": "object", "properties": {"text": {"type": "string"}}}


def _tool(name: str, schema: object = PLAIN, **more: object) -> dict[str, Any]:
    return {"name": name, "description": "Does it.", "inputSchema": schema, **more}


TOOLS: list[Any] = [
    _tool("good"),
    None,
    "a name",
    {"description": "Has none.", "inputSchema": PLAIN},
    _tool("no_type", {"properties": {"a": {}}}),
    _tool("any_of", {"anyOf": [PLAIN, {"type": "object"}]}),
    _tool("null_type", {"type": None}),
    _tool("no_schema", None),
    {"name": "without_schema"},
    _tool("wrong", {"type": "object", "required": None}),
    _tool("hints", annotations={"title": 5, "readOnlyHint": "maybe", "costHint": "high", "audience": ["x"]}),
    _tool("icons", icons=[{"source": "x", "sizes": 48}, None], title=["t"]),
    _tool("execution", execution={"taskSupport": "sometimes"}, outputSchema={"type": "array"}, _meta=3),
    _tool("bad_output", outputSchema={"type": "object", "required": "a"}),
    {"name": "undescribed", "description": None, "inputSchema": {"type": "object", "anyOf": [{"required": ["a"]}, {}]}},
    _tool("last", {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?<=a+)b"}}}),
]
CONTENT: list[Any] = [
    {"type": "text", "text": "before", "annotations": {"priority": "high"}},
    {"type": "hologram", "data": "x"},
    {"type": "text"},
    {"type": "image", "data": "AAEC"},
    {"type": "image", "data": "AAEC", "mimeType": "image/png", "annotations": 3},
    {"type": "resource", "resource": {"uri": 5, "text": "its text"}},
    {"type": "resource", "resource": None},
    {"text": "of no type"},
    None,
    {"type": "text", "text": "after"},
]
