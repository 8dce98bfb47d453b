"""Captures output of a program or server: limited in size, without keys and terminal escape sequences."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MARGIN = 4096  # bytes; longer than any encoded key that the redactor finds

# Escape sequences of terminals (ECMA-48): CSI; the strings OSC, DCS, SOS, PM and APC, up to their end or that of the
# line; and single ones.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[PX\]^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class OutputCapture:
    """Keeps the first and the last bytes of a stream; those between are counted and dropped.

    Attributes:
        size: bytes that were read.
    """

    def __init__(self, limit: int, redact: Callable[[str], str] = str) -> None:
        """Keep at most `limit` bytes, half of them from the beginning; `redact` masks keys before anything is cut."""
        self._half = limit // 2
        self._redact = redact
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self.size = 0

    def add(self, data: bytes) -> None:
        """Keep what was read, as far as it belongs to the beginning or the end."""
        self.size += len(data)
        room = self._half + _MARGIN - len(self._head)
        self._head += data[:room]
        if rest := data[max(room, 0) :]:
            self._tail.append(rest)
            self._tail_size += len(rest)
        while self._tail and self._tail_size - len(self._tail[0]) >= self._half + _MARGIN:
            self._tail_size -= len(self._tail.popleft())

    def text(self) -> str:
        """All that was kept, with a line that says how much was left out."""
        tail, redact = b"".join(self._tail), self._redact
        if self.size <= 2 * self._half:
            return redact(strip_controls(bytes(self._head) + tail))
        # Cut with a margin first, so that a key at the cut is still whole when it is looked for.
        rest = tail if self.size > len(self._head) + len(tail) else bytes(self._head[self._half :]) + tail
        before = redact(strip_controls(bytes(self._head)))[: self._half]
        after = redact(strip_controls(rest[-self._half - _MARGIN :]))[-self._half :]
        dropped = max(self.size - len(before.encode()) - len(after.encode()), 0)
        return f"{before}\n[{dropped} bytes left out]\n{after}"


def strip_controls(data: bytes) -> str:
    """The text without escape sequences and control characters of terminals; bytes that are not UTF-8 are U+FFFD."""
    text = _ESCAPES.sub("", data.decode(errors="replace").replace("\r\n", "\n"))
    return _CONTROLS.sub("", text)
