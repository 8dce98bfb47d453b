"""Request bodies: compact JSON, JSON with media that become base64 only while they are sent, and forms with a file."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.chat.messages import Media

# Half of a surrogate pair: no text that can be sent contains it, so it marks the place of data unmistakably.
_PLACEHOLDER = "\ud800"
_BASE64_STEP = 3 << 16  # bytes that are encoded at a time; a multiple of three needs no padding
_FILE_STEP = 1 << 16  # bytes that are read from a file at a time
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def compact_json(value: Any, default: Callable[[Any], str] | None = None) -> str:  # noqa: ANN401 - any JSON value
    """JSON without blanks and escapes; `default` returns a string for what is not a JSON value."""
    if default is None:
        return _ENCODER.encode(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=default)


class JsonBody:
    """JSON that contains data URLs: its length is known, and it can be sent more than once."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        """Cut the JSON at each data URL."""
        found: list[Media] = []

        def placeholder(media: Media) -> str:
            found.append(media)
            return _PLACEHOLDER

        texts = compact_json(body, placeholder).split(_PLACEHOLDER)
        self._first = texts[0].encode()
        self._rest = [(media, text.encode()) for media, text in zip(found, texts[1:], strict=True)]

    def __len__(self) -> int:
        """Bytes on the wire."""
        return sum(len(piece) if isinstance(piece, bytes) else 4 * -(-len(piece.data) // 3) for piece in self.pieces())

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, piece by piece."""
        for piece in self.pieces():
            if isinstance(piece, bytes):
                yield piece
                continue
            data = memoryview(piece.data)
            for at in range(0, len(data), _BASE64_STEP):
                yield b64encode(data[at : at + _BASE64_STEP])

    def pieces(self) -> Iterator[bytes | Media]:
        """JSON as it is sent, and between its pieces the media whose base64 belongs there."""
        yield self._first
        for media, text in self._rest:
            yield f"data:{media.type};base64,".encode()
            yield media
            yield text


class MultipartBody:
    """A form (RFC 7578) of text fields and a file, which is read from the disk while it is sent."""

    def __init__(self, path: str, name: str, fields: Mapping[str, str], boundary: str) -> None:
        """`name` is the file name in the form; no line of the file contains `boundary`."""
        self._path = Path(path)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{text}\r\n'
            for key, text in fields.items()
        ]
        disposition = f'Content-Disposition: form-data; name="file"; filename="{name}"'
        parts.append(f"--{boundary}\r\n{disposition}\r\nContent-Type: application/jsonl\r\n\r\n")
        self._head = "".join(parts).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._size = self._path.stat().st_size

    def __len__(self) -> int:
        """Bytes on the wire."""
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, piece by piece."""
        yield self._head
        with self._path.open("rb", buffering=0) as file:
            while piece := file.read(_FILE_STEP):
                yield piece
        yield self._tail
