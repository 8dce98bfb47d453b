"""A parser for server-sent events: bytes to frames. Pure; the same frames however the bytes are cut.

The rules are those of the WHATWG "server-sent events" section (https://html.spec.whatwg.org/multipage/server-sent-events.html,
read 2026-11), with five additions that providers need:

- a comment `:HTTP_STATUS/429` is kept: DashScope-native puts the status of a streamed error there, under HTTP 200
  (github.com/cnblogs/dashscope-sdk, recorded bodies of 2024-02 to 2026-06);
- with `line_framed`, a `data:` line that is complete JSON is a frame at once: the same captures have frames without a
  blank line between them;
- a line that begins with `{` is a frame of its own: BigModel ends a broken stream with a bare JSON error;
- a field `error` is an error at once: llama.cpp sends `error: {…}` and then `data: [DONE]`
  (github.com/ggml-org/llama.cpp, before 2025-09);
- at the end of the bytes, complete data (JSON or `[DONE]`) is a frame even without its blank line.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from glmcli.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_EVENT = 64 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\r|\n")
_STATUS = re.compile(r":\s*HTTP_STATUS/(\d{3})")
_MAX_TRIES = 16  # attempts to parse one payload of several lines, so that a hostile one takes linear time
_BARE_JSON = "{"
_MAX_DONE = 32  # characters; looking at more would cost each frame of text
ERROR_FIELD = "error:"  # the name of the event that a field `error` becomes


class Frame(NamedTuple):
    """One event: its data (lines joined by newline), its name, and the HTTP status in a comment before it."""

    data: str
    event: str = ""
    status: int | None = None
    damaged: bool = False  # it held bytes that are not UTF-8, now U+FFFD
    offset: int = 0  # bytes from the start of the stream to its first line


class SseParser:
    """Splits the bytes of a stream into frames."""

    def __init__(self, *, line_framed: bool = False) -> None:
        """Parse by the standard; with `line_framed`, each `data:` line of complete JSON is a frame."""
        self._line_framed = line_framed
        self._rest = bytearray()
        self._size = 0
        self._at_start = True
        self._skip_newline = False
        self._line_start = 0  # offset in the stream
        self._reset()

    def _reset(self) -> None:
        self._data: list[str] = []
        self._size = 0
        self._tries = 0
        self._event = ""
        self._status: int | None = None
        self._damaged = False
        self._offset: int | None = None

    @property
    def is_between_frames(self) -> bool:
        """Whether the next byte begins a frame."""
        held = self._rest or self._data or self._event or self._damaged
        return not (held or self._at_start or self._skip_newline or self._status)

    def skip(self, size: int) -> None:
        """Count bytes of whole frames that were read without this parser."""
        self._line_start += size

    def whole_frame(self, data: bytes) -> Frame | None:
        """The frame of these bytes if they are one `data:` line and a blank line; else None: `feed` must parse them.

        It may be called between frames only, and returns what `feed` would.
        """
        is_one = data.startswith(b"data:") and data.endswith(b"\n\n") and data.find(b"\n") == len(data) - 2
        if not is_one or b"\r" in data or len(data) > MAX_EVENT:
            return None
        try:
            text = data[len("data:") : -2].decode().removeprefix(" ")
        except UnicodeDecodeError:
            return None
        if not text:
            return None
        frame = Frame(text, offset=self._line_start)
        self._line_start += len(data)
        return frame

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete.

        Raises:
            ProtocolError: one event is larger than `MAX_EVENT` bytes.
        """
        if not chunk:
            return
        if self._skip_newline and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._line_start += 1
        if self._at_start:
            chunk = self._drop_bom(chunk)
        start = 0
        for end in _LINE_END.finditer(chunk):
            line = chunk[start : end.start()]
            start = end.end()
            if self._rest:
                line = bytes(self._rest) + line
                self._rest.clear()
            yield from self._line(line)
            self._line_start += len(line) + len(end[0])
        # A CR ends its line at once; if the next chunk begins with LF, that belongs to the CR.
        self._skip_newline = chunk.endswith(b"\r")
        self._rest += chunk[start:]
        self._check_size(len(self._rest))

    def close(self) -> Iterator[Frame]:
        """The frame that the end of the stream completes, if any."""
        if self._rest:
            line = bytes(self._rest)
            self._rest.clear()
            if not line.lstrip().startswith(_BARE_JSON.encode()):
                yield from self._line(line)
            else:
                # Only errors come without `data:`; one that is cut off is an error all the same.
                yield Frame(line.decode(errors="replace"), offset=self._line_start)
        if self._event == "error" or (self._data and _is_complete_data("\n".join(self._data))):
            yield from self._dispatch()

    def _drop_bom(self, chunk: bytes) -> bytes:
        chunk = bytes(self._rest) + chunk
        self._rest.clear()
        if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
            self._rest += chunk
            return b""
        self._at_start = False
        if chunk.startswith(_BOM):
            self._line_start = len(_BOM)
        return chunk.removeprefix(_BOM)

    def _check_size(self, more: int) -> None:
        if self._size + more > MAX_EVENT:
            raise ProtocolError(message=f"one event is larger than {MAX_EVENT >> 20} MiB", sent=True, broken=True)

    def _line(self, raw: bytes) -> Iterator[Frame]:
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            line = raw.decode(errors="replace")
            self._damaged = True
        if not line:
            yield from self._dispatch()
        elif line.startswith(":"):
            if match := _STATUS.match(line):
                yield from self._end_previous()
                self._status = int(match[1])
        elif line.lstrip().startswith(_BARE_JSON):
            yield from self._dispatch()
            yield Frame(line, damaged=self._damaged, offset=self._line_start)
            self._damaged = False
        else:
            yield from self._field(line)

    def _field(self, line: str) -> Iterator[Frame]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._check_size(len(line))
            self._size += len(line)
            if self._offset is None:
                self._offset = self._line_start
            self._data.append(value)
            if self._line_framed and self._is_complete():
                yield from self._dispatch()
        elif name.strip().lower() == "error" and value.strip() not in ("", "null", "{}"):
            yield from self._dispatch()
            damaged, self._damaged = self._damaged, False
            yield Frame(value, ERROR_FIELD, damaged=damaged, offset=self._line_start)
        elif name == "event":
            yield from self._end_previous()
            self._event = value
        elif name == "id":
            yield from self._end_previous()

    def _is_complete(self) -> bool:
        if not self._data[-1].endswith("}") or self._tries >= _MAX_TRIES:
            return False
        self._tries += 1
        return _is_complete_data("\n".join(self._data))

    def _end_previous(self) -> Iterator[Frame]:
        """With `line_framed`, a field that begins the next frame ends the one before."""
        if self._line_framed and self._data:
            yield from self._dispatch()

    def _dispatch(self) -> Iterator[Frame]:
        data, event = "\n".join(self._data), self._event
        frame = Frame(data, event, self._status, self._damaged, self._offset or 0)
        self._reset()
        # The standard drops an event without data; one with the name `error` reports a failure all the same.
        if data or event == "error":
            yield frame


def is_done(data: str) -> bool:
    """Whether this says that nothing follows; gateways write it in small letters or in quotes too."""
    return len(data) < _MAX_DONE and data.strip().strip('"').upper() == "[DONE]"


def _is_complete_data(text: str) -> bool:
    if is_done(text):
        return True
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True
