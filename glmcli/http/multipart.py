"""A form with a file in it, read from the disk while it is sent: RFC 7578."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PIECE = 1 << 16  # bytes


class Multipart:
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
