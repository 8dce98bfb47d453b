"""Turns as request files and rows of a batch write them, as Options has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.errors import UsageError
from glmcli.options import Named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def turn_of(turn: Mapping[str, Any], source: Callable[[int, str], str], folder: Path) -> Mapping[str, Any]:
    """A turn with its text in one piece; where it holds more than text, its parts too, in their order.

    `source` names a field of a part in messages, by the part's number; paths begin at `folder`.

    Raises:
        UsageError: a path holds a NUL.
    """
    content = turn["content"]
    if isinstance(content, str):
        return turn
    texts = [part["text"] for part in content if part["type"] == "text"]
    joined = {**turn, "content": "".join(texts)}
    if len(texts) == len(content):
        return joined
    parts = tuple(
        part["text"] if part["type"] == "text" else _part(part, number, source, folder)
        for number, part in enumerate(content)
    )
    return {**joined, "parts": parts}


def _part(part: Mapping[str, Any], number: int, source: Callable[[int, str], str], folder: Path) -> Named:
    """A picture, video or file of a turn, named by its field and where that stands."""
    field = "url" if "url" in part else "path"
    place = source(number, field)
    return Named(
        source=place,
        kind=part["type"],
        path=_path(part["path"], place, folder) if field == "path" else "",
        url=part.get("url", ""),
        type=part.get("media_type"),
        detail=part.get("detail"),
    )


def _path(path: str, source: str, folder: Path) -> str:
    if "\0" in path:
        raise UsageError(message=f"{source} holds a NUL")
    return path if path == "-" else str(folder / path)
