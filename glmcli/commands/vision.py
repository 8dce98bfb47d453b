"""`glm vision`: a question about pictures, videos and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.options import ORDER, VISION_FLAGS, asking
from glmcli.commands.tree import single
from glmcli.config.options import Named
from glmcli.http.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import typer

    from glmcli.chat.messages import MediaKind

_KINDS: Mapping[str, MediaKind | None] = {"image": "image", "at": None, "video": "video", "file": "file"}


def _vision(ctx: typer.Context, given: dict[str, Any]) -> None:
    """Ask about pictures, videos and files, and print the answer when it is complete.

    A picture is a file, a URL, or bytes on stdin; its type is read from its bytes. Videos and files are URLs that the
    provider fetches. What the model is known not to take is refused before anything is sent.
    """
    from glmcli.commands.answering import answer

    given = _in_order(given, ctx.meta[ORDER])
    answer(ctx.obj, given, live=bool(given.get("live")), vision=True)


def _in_order(given: dict[str, Any], order: Iterable[str]) -> dict[str, Any]:
    """The same with all that is sent beside text in one list: the parser has a list for each flag."""
    lists = {field: iter(given[field]) for field in _KINDS if field in given}
    media = tuple(_named(field, next(lists[field])) for field in order if field in lists)
    rest = {field: value for field, value in given.items() if field not in lists}
    return rest | ({"media": media} if media else {})


def _named(field: str, value: Any) -> Named:  # noqa: ANN401 - a place, or a path and its type
    source, kind = f"--{field}", _KINDS[field]
    if kind is None:
        return Named(source, kind, path=value[0], type=value[1])
    if kind == "image" and not is_url(value):
        return Named(source, kind, path=value)
    return Named(source, kind, url=value)


command = single("vision", asking(_vision, VISION_FLAGS))
