"""A short way for frames that differ from one another in one string only: their JSON is not decoded again. Pure.

A stream of text is such frames almost throughout. Of one of them the long way has made one piece of text; where the
same frame with another string in its place makes that string and nothing else, so does any other, for JSON reads a
string as a whole. tests/providers/test_frame_template.py holds both ways equal, over all recordings and random frames.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal

from glmcli.chat.events import Answer, Damaged, Done, Event, Reasoning, RequestId
from glmcli.errors import ProtocolError
from glmcli.providers.refusals import html_page, one_line
from glmcli.providers.sse import MAX_EVENT, Frame, SseParser
from glmcli.providers.table import dialect_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from glmcli.providers.row import Provider

_PROBE = "6fZ"  # a string that no frame holds by chance, or the frame has no template
# What a JSON string holds up to its closing quote; characters by number (\u) take the long way, for they may be halves.
_STRING = re.compile(rb'[^"\\\x00-\x1f]*(?:\\["\\/bfnrt][^"\\\x00-\x1f]*)*')
_BETWEEN = b"\x00"  # stands in no string of a frame


class FrameTemplate:
    """Frames that begin and end as one that was read."""

    def __init__(self, before: bytes, after: bytes, kind: type[Reasoning | Answer]) -> None:
        """Frames are `before`, what a JSON string holds, `after`; that is text of this kind."""
        self._before = before
        self._after = after
        self.kind = kind

    def is_like(self, data: bytes) -> bool:
        """Whether this is one of them, whole, and nothing else; only `read` knows whether it is UTF-8."""
        before, after = self._before, self._after
        if not (data.startswith(before) and data.endswith(after)):
            return False
        found = _STRING.match(data, len(before))
        return found is not None and found.end() == len(data) - len(after)

    def read(self, data: bytes, start: int) -> tuple[list[str], int]:
        """The texts of the frames that follow one another from here, and where they end."""
        before, after, string = self._before, self._after, _STRING.match
        strings: list[bytes] = []
        end = start
        while data.startswith(before, end) and (found := string(data, end + len(before))):
            if not found[0] or not data.startswith(after, found.end()):
                break
            strings.append(found[0])
            end = found.end() + len(after)
        try:
            return _decoded(strings), end
        except UnicodeDecodeError:
            return [], start


def _decoded(strings: Sequence[bytes]) -> list[str]:
    if not strings:
        return []
    texts = _BETWEEN.join(strings).decode()
    found = texts.split(_BETWEEN.decode()) if len(strings) > 1 else [texts]
    if "\\" in texts:
        return [json.loads(f'"{text}"') if "\\" in text else text for text in found]
    return found


def template_of(
    frame: bytes, events: Sequence[Event], decode: Callable[[bytes], Sequence[Event]]
) -> FrameTemplate | None:
    """The template of a frame of which the long way made these events, or None where there is none.

    `decode` is the long way, from a frame to its events, without a memory.
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


# Bytes of a successful response to events, whether it comes as a stream or in one piece. Pure.

_OK = 200
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_KEPT = 512  # bytes of a body that turns out to be no API answer
_FRAME_END = re.compile(rb"\n\r?\n[\r\n]*")
_SERVES = 4  # frames read by a template that was worth its making
_RARELY = 256  # frames between two looks for one
_MOST_BLANKS = 16 * 1024  # bytes; a body that begins with more of them is read as a stream, which skips them


class ReplyReader:
    """Reads one reply. The same events however the bytes are cut."""

    def __init__(self, provider: Provider, content_type: str) -> None:
        """Decide by the content type; where it says nothing certain, the first byte decides."""
        dialect = dialect_of(provider)
        self._provider = provider
        self._decoder = dialect.decoder(provider)
        self._line_framed = dialect.line_framed
        self._parser = SseParser(line_framed=dialect.line_framed)
        self._template: FrameTemplate | None = None
        self._uses = self._until = 0  # frames that took the short way by it; and those before the next is looked for
        self._interval = 1
        self._is_short = False  # the last frame was read by it, whole
        self._content_type = content_type.lower()
        self._form: Literal["unknown", "stream", "whole"] = "whole" if self._is_whole_type() else "unknown"
        self._bytes = bytearray()
        self.frames = 0  # events of the stream so far, with or without text
        self.short_frames = 0  # of them, those that took the short way
        self.done = False

    def _is_whole_type(self) -> bool:
        kind = self._content_type.partition(";")[0].strip()
        return kind.endswith(("/json", "+json")) or "html" in kind

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that these bytes complete.

        Raises:
            GlmError: the reply holds an error, or is no API answer.
        """
        if not chunk:
            return
        if self._form == "unknown":
            chunk = self._sniff(chunk)
        if self._form == "stream":
            self._keep(chunk)
            yield from self._stream(chunk)
        elif self._form == "whole":
            self._bytes += chunk
            if len(self._bytes) > MAX_EVENT:
                raise ProtocolError(message=f"the reply is larger than {MAX_EVENT >> 20} MiB", sent=True)

    def _sniff(self, chunk: bytes) -> bytes:
        """Wait for the first byte that is not blank; then give back all bytes so far."""
        self._bytes += chunk
        text = bytes(self._bytes).removeprefix(_BOM).lstrip(_BLANK)
        blank = len(self._bytes) - len(text)
        if blank <= _MOST_BLANKS and (not text or _BOM.startswith(bytes(self._bytes))):
            return b""
        self._form = "whole" if blank <= _MOST_BLANKS and text[:1] in (b"{", b"[", b"<") else "stream"
        chunk = bytes(self._bytes)
        self._bytes.clear()
        return chunk

    def _keep(self, chunk: bytes) -> None:
        """Remember how a body begins that may turn out to be no API answer."""
        if not self.frames and "event-stream" not in self._content_type:
            self._bytes += chunk[: _KEPT - len(self._bytes)]

    def _stream(self, chunk: bytes) -> Iterator[Event]:
        """The events of a piece of a stream: the short way as far as it goes, then a frame the long way, and so on."""
        at = 0
        while at < len(chunk) and not self.done:
            # Between frames of the short way there is nothing that could be held back.
            begins = self._is_short or (self._parser.is_between_frames and self._decoder.passes_text)
            if begins and self._template:
                texts, end = self._template.read(chunk, at)
                yield from map(self._template.kind, texts)
                self._note_short(len(texts), end - at)
                at = end
                self._is_short = True
                if at == len(chunk):
                    return
            self._is_short = False
            found = _FRAME_END.search(chunk, at)
            frame = chunk[at : found.end()] if found else chunk[at:]
            at += len(frame)
            yield from self._frame(frame, may_learn=begins and found is not None)

    def may_wait(self, chunk: bytes) -> bool:
        """Whether nothing but text can be in it, so that it may be fed later, together with what follows."""
        return self._is_short and self._template is not None and self._template.is_like(chunk)

    def _note_short(self, count: int, size: int) -> None:
        self.frames += count
        self.short_frames += count
        self._uses += count
        self._parser.skip(size)
        self._decoder.skip(count)

    def _frame(self, data: bytes, *, may_learn: bool) -> Iterator[Event]:
        """The long way, for a frame or what came of it; those like it may take the short one from now on."""
        count, events = self.frames, []
        whole = self._parser.whole_frame(data) if may_learn else None
        for event in self._frames_of([whole] if whole else self._parser.feed(data)):
            events.append(event)
            yield event
            if isinstance(event, RequestId):
                self._template = None  # its frames say another id
        if may_learn and self.frames == count + 1 and self._parser.is_between_frames and self._is_worth_it():
            events = [event for event in events if not isinstance(event, RequestId)]
            self._template = template_of(data, events, self._probed)

    def _is_worth_it(self) -> bool:
        """Whether to look for a template: less and less often, where those that were found did not serve."""
        if self._until:
            self._until -= 1
            return False
        self._interval = 1 if self._uses >= _SERVES else min(2 * self._interval, _RARELY)
        self._until, self._uses = self._interval - 1, 0
        return True

    def _probed(self, data: bytes) -> list[Event]:
        """The long way, without a memory."""
        frames = list(SseParser(line_framed=self._line_framed).feed(data))
        return self._decoder.frame_alone(frames[0]) if len(frames) == 1 else []

    def _frames_of(self, frames: Iterable[Frame]) -> Iterator[Event]:
        for frame in frames:
            self.frames += 1
            for event in self._decoder.frame(frame):
                yield event
                if isinstance(event, Done):
                    self.done = True
                    return

    def close(self) -> Iterator[Event]:
        """The events that the end of the bytes completes.

        Raises:
            GlmError: the reply holds an error, or is no API answer.
        """
        if self._form == "whole":
            yield from self._whole()
        elif self._form == "stream" and not self.done:
            yield from self._frames_of(self._parser.close())
            if not self.frames and self._bytes:
                raise ProtocolError(
                    message=f"{self._provider.name}: not an API answer",
                    why=one_line(self._bytes.decode(errors="replace")),
                    fix="check the base URL",
                )
        yield from self._decoder.close()

    def salvage(self) -> Iterator[Event]:
        """What was held back of a reply that broke off."""
        yield from self._decoder.close()

    def _whole(self) -> Iterator[Event]:
        body = bytes(self._bytes).removeprefix(_BOM)
        text = body.decode(errors="replace")
        if "html" in self._content_type:
            raise html_page(text, self._provider, _OK)
        if "\ufffd" in text and text.encode() != body:
            yield Damaged()
        yield from self._decoder.whole(text)
        self.done = True
