"""Media in a request body: content parts, and bytes that become base64 only while they are sent. Pure."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from glmcli.providers.json_text import encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmcli.chat import Media, Message

# Half a character: no text that can be sent holds it, so it marks the place of data without fail.
_MARK = "\ud800"
_STEP = 3 << 16  # bytes that are encoded at a time; a multiple of three needs no padding


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


class Body:
    """A JSON body with data URLs in it: its length is known, and it can be sent more than once."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        """Cut the JSON where data stands."""
        found: list[Media] = []

        def mark(media: Media) -> str:
            found.append(media)
            return _MARK

        texts = encode(body, mark).split(_MARK)
        self._first = texts[0].encode()
        self._rest = [(media, text.encode()) for media, text in zip(found, texts[1:], strict=True)]

    def __len__(self) -> int:
        """Bytes on the wire."""
        return sum(len(piece) if isinstance(piece, bytes) else 4 * -(-len(piece.data) // 3) for piece in self.pieces())

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, a little at a time."""
        for piece in self.pieces():
            if isinstance(piece, bytes):
                yield piece
                continue
            data = memoryview(piece.data)
            for at in range(0, len(data), _STEP):
                yield b64encode(data[at : at + _STEP])

    def pieces(self) -> Iterator[bytes | Media]:
        """Text as it is sent, and the media whose base64 stands between."""
        yield self._first
        for media, text in self._rest:
            yield f"data:{media.type};base64,".encode()
            yield media
            yield text
