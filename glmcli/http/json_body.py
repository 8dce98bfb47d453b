"""JSON request bodies: compact text, and media that become base64 only while they are sent. Pure."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.chat import Media

# Half a character: no text that can be sent holds it, so it marks the place of data without fail.
_MARK = "\ud800"
_STEP = 3 << 16  # bytes that are encoded at a time; a multiple of three needs no padding
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def encode(value: Any, other: Callable[[Any], str] | None = None) -> str:  # noqa: ANN401 - any JSON value
    """Compact JSON; characters stand as they are. `other` gives the text for what is no JSON value."""
    if other is None:
        return _ENCODER.encode(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=other)


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
