"""Media as parts of a turn's content; how their bytes are sent is for glmcli.http.json_body. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glmcli.chat import Media, Message


def parts(message: Message, *, text_first: bool) -> list[dict[str, Any]]:
    """The content of a turn with media. Bytes stand as their Media.

    The order is the user's: no provider has a rule against one, and a model reads the words beside a picture as
    words about it. Where the user gave none, it is that of the provider's own examples.
    """
    given: tuple[str | Media, ...] = message.parts
    if not message.is_ordered:
        given = (message.text, *given) if text_first else (*given, message.text)
    return [_part(part) for part in given if part]


def _part(part: str | Media) -> dict[str, Any]:
    return {"type": "text", "text": part} if isinstance(part, str) else _medium(part)


def _medium(media: Media) -> dict[str, Any]:
    place: dict[str, Any] = {"url": media if media.data else media.url}
    if media.detail:
        place["detail"] = media.detail
    name = f"{media.kind}_url"
    return {"type": name, name: place}
