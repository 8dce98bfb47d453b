"""JSON request bodies: compact text, and media that become base64 only while they are sent. Pure."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.chat.messages import Media

# Half a character: no text that can be sent holds it, so it marks the place of data without fail.
_MARK = "\ud800"
_STEP = 3 << 16  # bytes that are encoded at a time; a multiple of three needs no padding
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def compact_json(value: Any, other: Callable[[Any], str] | None = None) -> str:  # noqa: ANN401 - any JSON value
    """Compact JSON; characters stand as they are. `other` gives the text for what is no JSON value."""
    if other is None:
        return _ENCODER.encode(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=other)


class JsonBody:
    """A JSON body with data URLs in it: its length is known, and it can be sent more than once."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        """Cut the JSON where data stands."""
        found: list[Media] = []

        def mark(media: Media) -> str:
            found.append(media)
            return _MARK

        texts = compact_json(body, mark).split(_MARK)
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


# A form with a file in it, read from the disk while it is sent: RFC 7578.

_PIECE = 1 << 16  # bytes


class MultipartBody:
    """Fields of text, then a file named `file`; its length is known, and it can be sent more than once."""

    def __init__(self, path: str, name: str, fields: Mapping[str, str], mark: str) -> None:
        """`name` is what the file is called there; `mark` stands in none of its lines."""
        self._path = Path(path)
        self.content_type = f"multipart/form-data; boundary={mark}"
        parts = [
            f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{text}\r\n'
            for key, text in fields.items()
        ]
        disposition = f'Content-Disposition: form-data; name="file"; filename="{name}"'
        parts.append(f"--{mark}\r\n{disposition}\r\nContent-Type: application/jsonl\r\n\r\n")
        self._head = "".join(parts).encode()
        self._tail = f"\r\n--{mark}--\r\n".encode()
        self._size = self._path.stat().st_size

    def __len__(self) -> int:
        """Bytes on the wire."""
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, a little at a time."""
        yield self._head
        with self._path.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                yield piece
        yield self._tail
