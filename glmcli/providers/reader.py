"""Bytes of a successful response to events, whether it comes as a stream or in one piece. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from glmcli.errors import ProtocolError
from glmcli.events import Damaged, Done, Event
from glmcli.providers import dialect_of
from glmcli.providers.refusals import excerpt, html_page
from glmcli.sse import MAX_EVENT, Frame, Parser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.providers.row import Provider

_OK = 200
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_KEPT = 512  # bytes of a body that turns out to be no API answer
_MOST_BLANKS = 16 * 1024  # bytes; a body that begins with more of them is read as a stream, which skips them


class ReplyReader:
    """Reads one reply. The same events however the bytes are cut."""

    def __init__(self, provider: Provider, content_type: str) -> None:
        """Decide by the content type; where it says nothing certain, the first byte decides."""
        dialect = dialect_of(provider)
        self._provider = provider
        self._decoder = dialect.decoder(provider)
        self._parser = Parser(line_framed=dialect.line_framed)
        self._content_type = content_type.lower()
        self._form: Literal["unknown", "stream", "whole"] = "whole" if self._is_whole_type() else "unknown"
        self._bytes = bytearray()
        self.frames = 0  # events of the stream so far, with or without text
        self.done = False

    def _is_whole_type(self) -> bool:
        kind = self._content_type.partition(";")[0].strip()
        return kind.endswith(("/json", "+json")) or "html" in kind

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that these bytes complete.

        Raises:
            GlmError: the reply holds an error, or is no API answer.
        """
        if self._form == "unknown":
            chunk = self._sniff(chunk)
        if self._form == "stream":
            self._keep(chunk)
            yield from self._frames_of(self._parser.feed(chunk))
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

    def _frames_of(self, frames: Iterator[Frame]) -> Iterator[Event]:
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
                    why=excerpt(self._bytes.decode(errors="replace")),
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
