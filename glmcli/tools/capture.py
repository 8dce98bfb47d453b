"""What a program prints, kept within bounds and made fit for a model and for a screen."""

from __future__ import annotations

import re
from collections import deque

# Escape sequences of terminals (ECMA-48): CSI; the strings OSC, DCS, SOS, PM and APC, up to their end or that of the
# line; and single ones.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[PX\]^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Capture:
    """The first and the last bytes of a stream; what lies between is counted and dropped."""

    def __init__(self, limit: int) -> None:
        """Keep at most `limit` bytes, half of them from the beginning."""
        self._half = limit // 2
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self.size = 0

    def add(self, data: bytes) -> None:
        """Take in what came."""
        self.size += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        if rest := data[max(room, 0) :]:
            self._tail.append(rest)
            self._tail_size += len(rest)
        while self._tail and self._tail_size - len(self._tail[0]) >= self._half:
            self._tail_size -= len(self._tail.popleft())

    def text(self) -> str:
        """All that was kept, with a line that says how much was left out."""
        tail = b"".join(self._tail)[-self._half :]
        dropped = self.size - len(self._head) - len(tail)
        if not dropped:
            return clean(bytes(self._head) + tail)
        return f"{clean(bytes(self._head))}\n[{dropped} bytes left out]\n{clean(tail)}"


def clean(data: bytes) -> str:
    """The text without what a terminal would obey, bytes that are not UTF-8 as U+FFFD."""
    text = _ESCAPES.sub("", data.decode(errors="replace").replace("\r\n", "\n"))
    return _CONTROLS.sub("", text)
