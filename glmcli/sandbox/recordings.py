"""Recorded replies of real providers, byte for byte: the model `recorded-NAME` replays `recordings/NAME.*`.

`recordings/index.json` holds `{"NAME": {"provider", "status", "content_type", "file", "source", "date", "note"}}`;
`"completed": true` marks one whose source was shortened and whose missing parts we filled in, in the same shape.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcli.sandbox.http_messages import ServerResponse, stream_response

if TYPE_CHECKING:
    from glmcli.sandbox.providers.row import SandboxProvider

FOLDER = Path(__file__).with_name("recordings")
_PREFIX = "recorded-"


@cache
def index() -> dict[str, dict[str, Any]]:
    """All recordings, by name."""
    entries: dict[str, dict[str, Any]] = json.loads((FOLDER / "index.json").read_text("utf-8"))
    return entries


def recorded_response(provider: SandboxProvider, model: str) -> ServerResponse | None:
    """The recording that a model's id names, if this provider replays it; a stream is sent line by line."""
    entry = index().get(model.removeprefix(_PREFIX)) if model.startswith(_PREFIX) else None
    if entry is None or entry["provider"] not in (provider.name, *provider.replays):
        return None
    body = (FOLDER / entry["file"]).read_bytes()
    if not entry["file"].endswith(".sse"):
        return ServerResponse(entry["status"], entry["content_type"], (body,))
    *lines, last = body.split(b"\n")  # the last line may have no end
    frames = [line + b"\n" for line in lines]
    return replace(stream_response([*frames, last] if last else frames, entry["content_type"]), status=entry["status"])
