"""What --json and --jsonl print, parsed strictly and validated by the published schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).parents[2] / "schemas"
REPLY = Draft202012Validator(json.loads((SCHEMAS / "reply.schema.json").read_text()))
EVENT = Draft202012Validator(json.loads((SCHEMAS / "event.schema.json").read_text()))
KEYS = {
    "provider",
    "model",
    "request_id",
    "reasoning",
    "answer",
    "partial",
    "tool_calls",
    "finish_reason",
    "sources",
    "usage",
    "cost",
    "attempts",
    "timing",
    "error",
}


def reply_object(out: bytes) -> dict[str, Any]:
    """The object that --json printed; stdout must be nothing but its one line."""
    assert out.count(b"\n") == 1
    assert out.endswith(b"\n")
    value: dict[str, Any] = json.loads(out)
    REPLY.validate(value)
    assert set(value) == KEYS
    return value


def reply_events(out: bytes) -> list[dict[str, Any]]:
    """The events that --jsonl printed, of which the last and no other is `end`."""
    assert out.endswith(b"\n")
    events = [json.loads(line) for line in out.removesuffix(b"\n").split(b"\n")]
    for each in events:
        EVENT.validate(each)
    assert [each["type"] for each in events].count("end") == 1
    assert events[-1]["type"] == "end"
    return events
