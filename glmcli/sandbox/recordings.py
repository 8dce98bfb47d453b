"""Replies as they were recorded, byte for byte: the model `recorded-NAME` replays `recordings/NAME.*`.

`recordings/index.json` holds `{"NAME": {"provider", "status", "content_type", "file", "source", "date", "note"}}`;
`"completed": true` marks one whose source was shortened and whose missing parts we filled in, in the same shape.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from glmcli.sandbox.response import Response

_FOLDER = Path(__file__).with_name("recordings")
_MARK = "recorded-"
# Providers of one grammar: the sandbox's own may replay what its elder ones said.
_SAME = {"sandbox": ("sandbox", "bigmodel", "zai")}


@cache
def index() -> dict[str, dict[str, Any]]:
    """All recordings, by name."""
    entries: dict[str, dict[str, Any]] = json.loads((_FOLDER / "index.json").read_text("utf-8"))
    return entries


def recorded(provider: str, model: str) -> Response | None:
    """The recording that a model's id names, if it is of this provider. A stream is sent line by line."""
    entry = index().get(model.removeprefix(_MARK)) if model.startswith(_MARK) else None
    if entry is None or entry["provider"] not in _SAME.get(provider, (provider,)):
        return None
    body = (_FOLDER / entry["file"]).read_bytes()
    streamed = entry["file"].endswith(".sse")
    frames = tuple(line + b"\n" for line in body.split(b"\n")) if streamed else (body,)
    if streamed:  # the last line may have no end
        frames = (*frames[:-1], frames[-1][:-1]) if frames[-1] != b"\n" else frames[:-1]
    return Response(entry["status"], entry["content_type"], frames, chunked=streamed)
