"""The bytes of a successful response to events, stream or not; the same events however the bytes are cut. Pure.

A stream has a fast path. Most of its frames differ from one another in one JSON string only: a frame that was decoded
to one piece of text becomes a template, and frames that fit it are not parsed as JSON again. That is safe because JSON
treats a string as a unit: if the frame with another string in its place decodes to that string and nothing else, so it
does with any string. Tests hold both paths equal over all recordings and random frames
(tests/providers/test_frame_template.py).
"""

from __future__ import annotations

import json
import re
from itertools import chain
from typing import TYPE_CHECKING, Literal

from glmcli.chat.events import Answer, Done, Event, Reasoning, RequestId
from glmcli.errors import ProtocolError
from glmcli.providers.decoder import DAMAGED
from glmcli.providers.json_values import decode
from glmcli.providers.refusals import html_page, one_line
from glmcli.providers.sse import MAX_EVENT, Frame, SseParser
from glmcli.providers.table import dialect_of
from glmcli.providers.text_remarks import CumulativeText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from glmcli.providers.row import Provider

_OK = 200
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_WHOLE = (b"{", b"[", b"<")  # how a whole reply begins, or a page in its place
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b"error:", b":")  # how a stream begins
_MAX_BLANKS = 16 * 1024  # bytes; a body that begins with more of them is read as a stream, which skips them
_EXCERPT = 512  # bytes that are kept of a body that turns out to be no API response
_FRAME_END = re.compile(rb"\n\r?\n[\r\n]*")

_PROBE = "6fZ"  # a string that no frame contains by chance
# The content of a JSON string up to its closing quote. Frames with characters by number (\u) are decoded fully: these
# may be halves of surrogate pairs.
_STRING = re.compile(rb'[^"\\\x00-\x1f]*(?:\\["\\/bfnrt][^"\\\x00-\x1f]*)*')
_SEPARATOR = b"\x00"  # never occurs in the content of a JSON string
_USEFUL = 4  # if a template has read so many frames, the next one is looked for at once
_MAX_INTERVAL = 256  # frames that are decoded before another template is looked for


class FrameTemplate:
    """Frames that begin and end like one that was decoded."""

    def __init__(self, before: bytes, after: bytes, kind: type[Reasoning | Answer]) -> None:
        """Frames are `before`, the content of a JSON string, and `after`; they decode to a text of this kind."""
        self._before = before
        self._after = after
        self.kind = kind

    def fits(self, data: bytes) -> bool:
        """Whether this is one such frame and nothing else. That it is UTF-8 is not checked: `read` does."""
        before, after = self._before, self._after
        if not (data.startswith(before) and data.endswith(after)):
            return False
        found = _STRING.match(data, len(before))
        return found is not None and found.end() == len(data) - len(after)

    def read(self, data: bytes, start: int) -> tuple[list[str], int]:
        """The texts of the frames that follow one another from `start`, and where they end."""
        before, after, string = self._before, self._after, _STRING.match
        strings: list[bytes] = []
        end = start
        while data.startswith(before, end) and (found := string(data, end + len(before))):
            if not found[0] or not data.startswith(after, found.end()):
                break
            strings.append(found[0])
            end = found.end() + len(after)
        try:
            return _unescaped(strings), end
        except UnicodeDecodeError:
            return [], start


def _unescaped(strings: Sequence[bytes]) -> list[str]:
    """The texts of these JSON strings; they are decoded from UTF-8 together, which is faster."""
    if not strings:
        return []
    texts = _SEPARATOR.join(strings).decode()
    found = texts.split(_SEPARATOR.decode()) if len(strings) > 1 else [texts]
    if "\\" in texts:
        return [json.loads(f'"{text}"') if "\\" in text else text for text in found]
    return found


def template_of(
    frame: bytes, events: Sequence[Event], decode: Callable[[bytes], Sequence[Event] | None]
) -> FrameTemplate | None:
    """The template of a frame that was decoded to these events, or None where there is none.

    `decode` decodes another frame as if it were the first of the reply; None: it is an error.
    """
    if len(events) != 1 or not isinstance(events[0], Answer | Reasoning):
        return None
    text = events[0].text
    for literal in {json.dumps(text, ensure_ascii=False).encode(errors="replace"), json.dumps(text).encode()}:
        if frame.count(literal) == 1:
            before, after = frame.split(literal)
            kind = type(events[0])
            if decode(before + json.dumps(_PROBE).encode() + after) == [kind(_PROBE)]:
                return FrameTemplate(before + b'"', b'"' + after, kind)
    return None


class ReplyReader:
    """Reads one reply.

    Attributes:
        frames: frames of the stream so far, with or without text.
        fast_frames: how many of them were read by a template.
        done: nothing can follow.
    """

    def __init__(self, provider: Provider, content_type: str, *, several: bool = False) -> None:
        """Whatever the content type says, the first bytes decide between a stream and a whole reply.

        `several`: more than one answer was asked for, and the first counts.
        """
        dialect = dialect_of(provider)
        self._provider = provider
        self._decoder = dialect.decoder(provider, several=several)
        self._line_framed = dialect.line_framed
        self._parser = SseParser(line_framed=dialect.line_framed)
        self._template: FrameTemplate | None = None
        self._uses = 0  # frames that this template has read
        self._pause = 0  # frames that are decoded before another template is looked for
        self._interval = 1
        self._cumulative = CumulativeText() if provider.api.text_frames == "deltas" else None
        self._in_fast_path = False  # the last frame was read by the template, and is complete
        self._content_type = content_type.lower()
        kind = self._content_type.partition(";")[0].strip()
        # What PHP does not name is text/html.
        self._says_whole = kind.endswith(("/json", "+json")) or "html" in kind
        self._form: Literal["unknown", "stream", "whole"] = "unknown"
        self._bytes = bytearray()
        self.fast_frames = 0
        self.done = False

    @property
    def frames(self) -> int:
        """Frames of the stream so far that carried something, with or without text."""
        return self._decoder.frames

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that these bytes complete.

        Raises:
            GlmError: the reply holds an error, or is no API response.
        """
        if not chunk:
            return
        if self._form == "unknown":
            chunk = self._sniff(chunk)
        if self._form == "stream":
            if not self.frames and "event-stream" not in self._content_type:
                self._bytes += chunk[: _EXCERPT - len(self._bytes)]
            yield from self._stream(chunk)
        elif self._form == "whole":
            self._bytes += chunk
            if len(self._bytes) > MAX_EVENT:
                raise ProtocolError(message=f"the reply is larger than {MAX_EVENT >> 20} MiB", sent=True)

    def _sniff(self, chunk: bytes) -> bytes:
        """Hold the bytes until one is not blank and decides the form; then return all of them."""
        self._bytes += chunk
        text = bytes(self._bytes).removeprefix(_BOM).lstrip(_BLANK)
        blank = len(self._bytes) - len(text)
        is_open = not text or _BOM.startswith(bytes(self._bytes))
        if self._says_whole:
            is_open = is_open or any(field.startswith(text) and field != text for field in _FIELDS)
        if blank <= _MAX_BLANKS and is_open:
            return b""
        # Gateways send a stream as application/json, or with no type at all.
        is_whole = text.startswith(_WHOLE) or (self._says_whole and not text.startswith(_FIELDS))
        self._form = "whole" if is_whole and blank <= _MAX_BLANKS else "stream"
        chunk = bytes(self._bytes)
        self._bytes.clear()
        return chunk

    def _stream(self, chunk: bytes) -> Iterator[Event]:
        """The events of a piece of a stream: frames by the template as long as it fits, then one by the decoder."""
        at = 0
        while at < len(chunk) and not self.done:
            # Between frames of the fast path nothing is held back.
            at_start = self._in_fast_path or (self._parser.is_between_frames and self._decoder.passes_text)
            if at_start and self._template:
                texts, end = self._template.read(chunk, at)
                yield from map(self._template.kind, texts)
                if texts:
                    self._count_fast(self._template.kind, texts, end - at)
                at = end
                self._in_fast_path = True
                if at == len(chunk):
                    return
            self._in_fast_path = False
            found = _FRAME_END.search(chunk, at)
            frame = chunk[at : found.end()] if found else chunk[at:]
            at += len(frame)
            yield from self._decode(frame, is_whole=at_start and found is not None)

    def can_defer(self, chunk: bytes) -> bool:
        """Whether these bytes are one frame of text, which may be fed later together with what follows."""
        return self._in_fast_path and self._template is not None and self._template.fits(chunk)

    def _count_fast(self, kind: type[Answer | Reasoning], texts: list[str], size: int) -> None:
        self.fast_frames += len(texts)
        self._uses += len(texts)
        self._parser.skip(size)
        self._decoder.passed(kind, texts)
        if self._cumulative and kind is Answer:
            self._cumulative.push(texts)

    def _decode(self, data: bytes, *, is_whole: bool) -> Iterator[Event]:
        """The events of a frame or of a piece of one; a whole frame may become the next template."""
        count, events = self.frames, []
        frame = self._parser.whole_frame(data) if is_whole else None
        for event in self._frames([frame] if frame else self._parser.feed(data)):
            events.append(event)
            yield event
            if isinstance(event, RequestId):
                self._template = None  # its frames contain another id
        if not self._decoder.frames_stand_alone:
            self._template = None
        elif is_whole and self.frames == count + 1 and self._parser.is_between_frames and self._wants_template():
            events = [event for event in events if not isinstance(event, RequestId)]
            self._template = template_of(data, events, self._decode_alone)

    def _wants_template(self) -> bool:
        """Whether to look for a template now: less and less often as long as those that were found read few frames."""
        if self._pause:
            self._pause -= 1
            return False
        self._interval = 1 if self._uses >= _USEFUL else min(2 * self._interval, _MAX_INTERVAL)
        self._pause, self._uses = self._interval - 1, 0
        return True

    def _decode_alone(self, data: bytes) -> list[Event] | None:
        frames = list(SseParser(line_framed=self._line_framed).feed(data))
        return self._decoder.frame_alone(frames[0]) if len(frames) == 1 else None

    def _frames(self, frames: Iterable[Frame]) -> Iterator[Event]:
        for frame in frames:
            for event in self._decoder.frame(frame):
                yield event
                if self._cumulative and isinstance(event, Answer):
                    self._cumulative.push([event.text])
                if isinstance(event, Done):
                    self.done = True
                    return

    def close(self) -> Iterator[Event]:
        """The events that the end of the bytes completes.

        Raises:
            GlmError: the reply holds an error, or is no API response.
        """
        if self._form == "whole" or (self._form == "unknown" and self._says_whole):
            yield from self._whole()
        elif self._form == "stream" and not self.done:
            yield from self._frames(self._parser.close())
            if not self.frames and self._bytes:
                raise ProtocolError(
                    message=f"{self._provider.name}: not an API answer",
                    why=one_line(self._bytes.decode(errors="replace")),
                    fix="check the base URL",
                )
        yield from self._decoder.close()
        if self._cumulative:
            yield from self._cumulative.remarks()

    def salvage(self) -> Iterator[Event]:
        """What was held back of a reply that broke off."""
        yield from self._decoder.close()

    def _whole(self) -> Iterator[Event]:
        body = bytes(self._bytes).removeprefix(_BOM)
        text = body.decode(errors="replace")
        if "html" in self._content_type and not text.lstrip().startswith(("{", "[")):
            raise html_page(text, self._provider, _OK)
        if _is_several_lines(text):
            yield from self._frames(chain(self._parser.feed(body), self._parser.close()))
        else:
            if "\ufffd" in text and text.encode() != body:
                yield DAMAGED
            yield from self._decoder.whole(text)
        self.done = True


def _is_several_lines(text: str) -> bool:
    """Whether JSON fills the first line and more follows: frames without `data:`, or `[DONE]` after a whole reply.

    Source: github.com/hackclub/ai/issues/17 (2025-07-05), github.com/decolua/9router/issues/3492 (2026-08-23).
    """
    first, _, rest = text.strip().partition("\n")
    if not rest:
        return False
    try:
        decode(first)
    except ProtocolError:
        return False
    return True
