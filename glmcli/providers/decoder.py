"""The decoder of a reply, for all dialects: JSON, errors, and the text filter of the provider. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from glmcli.chat.events import Answer, Done, Event, Finish, Reasoning, Remark, RequestId, ToolCallPart
from glmcli.errors import GlmError, ProtocolError
from glmcli.http.bodies import compact_json
from glmcli.providers.codes import NOT_AN_ANSWER
from glmcli.providers.error_payload import ErrorPayload, find_complaint, find_error
from glmcli.providers.json_values import JsonObject, decode, decode_all, is_empty
from glmcli.providers.refusals import html_page, is_html, one_line, refusal
from glmcli.providers.sse import ERROR_FIELD, is_done
from glmcli.providers.text_filter import TextFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from glmcli.providers.row import Provider
    from glmcli.providers.sse import Frame

_OK = 200
_CLIENT_ERROR = 400
_MAX_EXCERPT = 200  # characters of what cannot be read that a remark shows
DAMAGED = Remark("the reply holds bytes that are not UTF-8; U+FFFD stands in their place")

# Fields that conforming frames without a choice have; they say nothing about what the frame is for.
_ENVELOPE = (
    *("id", "object", "created", "model", "choices", "usage", "request_id", "system_fingerprint", "service_tier"),
    *("provider", "prompt_filter_results", "timings"),
)
_OBJECTS = ("chat.completion", "chat.completion.chunk")
# Gateways send their keep-alives as data: github.com/mnfst/llm-gateway/issues/2053 (2026-05-28).
_PINGS = ("ping", "keep-alive", "keepalive", "heartbeat")
_MAX_KEEP_ALIVE = 32  # characters
_KEEP_ALIVES = frozenset(("", "{}", '""', "null", "[ping]", *_PINGS))


class ChunkReader(Protocol):
    """The part of a decoder that a dialect provides, for one reply."""

    @property
    def frames_stand_alone(self) -> bool:
        """Whether what the text of a frame means has depended on that frame only, so far."""
        ...

    def events(self, chunk: JsonObject) -> Iterator[Event]:
        """The events of one JSON object.

        Raises:
            ProtocolError: a field that holds text cannot be read.
        """
        ...

    def errors(self, chunk: JsonObject) -> Iterator[object]:
        """The `error` fields that an object holds deeper inside, which count like one at the top."""
        ...

    def has_choice(self, chunk: JsonObject) -> bool:
        """Whether the object is a part of a reply."""
        ...

    def passed(self, kind: type[Answer | Reasoning], texts: Sequence[str]) -> None:
        """Take note of text that was read without this reader."""
        ...


class ReplyDecoder:
    """Decodes one reply to events. An error that the reply contains is raised as the GlmError that it means.

    Attributes:
        frames: frames of the stream so far that carried something, with or without text.
    """

    def __init__(self, provider: Provider, new_reader: Callable[[], ChunkReader]) -> None:
        """Prepare for one reply of this provider."""
        self._provider = provider
        self._new_reader = new_reader
        self._reader = new_reader()
        self._filter = TextFilter(provider.api)
        self._request_id: RequestId | None = None
        self.frames = self._count = 0  # without and with keep-alives
        self._had_choice = self._had_junk = False
        self._unread: JsonObject | None = None  # the first object that said something, and was no part of a reply

    def frame(self, frame: Frame) -> Iterator[Event]:
        """The events of one frame.

        Raises:
            GlmError: the frame holds an error, or no JSON.
        """
        self._count += 1
        carries_something = not is_keep_alive(frame)
        self.frames += carries_something
        if frame.damaged:
            yield DAMAGED
        if is_done(_payload(frame.data)):
            # What could not be read may have been the end of the answer, or an error.
            yield Done(is_finish=not self._had_junk)
        elif not carries_something:
            return
        elif frame.event == "error":
            raise refusal(_error_frame(frame.data), self._provider, frame.status)
        elif frame.event == ERROR_FIELD:
            raise refusal(_error_frame(frame.data), self._provider, frame.status, unknown=NOT_AN_ANSWER)
        else:
            yield from self._values(frame)

    def _values(self, frame: Frame) -> Iterator[Event]:
        values = decode_all(_payload(frame.data))
        while True:
            try:
                value = next(values)
            except StopIteration:
                return
            except ProtocolError as error:
                error.message = f"{self._provider.name}: malformed event {self._count} at byte {frame.offset}"
                yield from self._junk(error)
                return
            yield from self._value(value, frame)

    def _value(self, value: object, frame: Frame | None) -> Iterator[Event]:
        status = frame.status if frame else None
        if error := find_error(value, is_error=status is not None and status >= _CLIENT_ERROR):
            raise refusal(error, self._provider, status)
        if value is None or (frame and value in ("", {})):
            return
        if not isinstance(value, dict):
            what = f"malformed event {self._count} at byte {frame.offset}" if frame else "the reply is not JSON"
            why = compact_json(value)
            yield from self._junk(ProtocolError(f"{self._provider.name}: {what}", why=why, sent=True))
            return
        for inner in self._reader.errors(value):
            if inner and (error := find_error({"error": inner})):
                raise refusal(error, self._provider, status)
        yield from self._object(value, status, in_frame=frame is not None)

    def _object(self, value: JsonObject, status: int | None, *, in_frame: bool) -> Iterator[Event]:
        if self._reader.has_choice(value):
            self._had_choice = True
        elif complaint := find_complaint(value):
            yield from self._junk(refusal(complaint, self._provider, status, unknown=NOT_AN_ANSWER))
        elif self._unread is None and _says_something(value):
            self._unread = value
        beside_text = False
        for event in self._reader.events(value):
            if isinstance(event, RequestId):
                if event != self._request_id:  # most providers repeat it in each frame
                    self._request_id = event
                    yield event
            elif isinstance(event, Finish):
                yield from self._filter.push(Finish(event.reason, beside_text))
            else:
                beside_text = beside_text or (in_frame and isinstance(event, Answer | Reasoning | ToolCallPart))
                yield from self._filter.push(event)

    def _junk(self, error: GlmError) -> Iterator[Event]:
        """Raise what is wrong with a frame; after a finish it is only a remark, the first of its kind."""
        if not self._filter.is_finished:
            raise error
        if not self._had_junk:
            self._had_junk = True
            words = one_line(error.why or error.message)[:_MAX_EXCERPT]
            yield Remark(f"{self._provider.name}: after the finish came what is no part of the reply: {words}")

    @property
    def passes_text(self) -> bool:
        """Whether text passes unchanged, wherever it is cut, with nothing held back."""
        return self._filter.passes_text

    @property
    def frames_stand_alone(self) -> bool:
        """Whether a frame like one before it means the same, but for its text."""
        return self._reader.frames_stand_alone

    def passed(self, kind: type[Answer | Reasoning], texts: Sequence[str]) -> None:
        """Count frames whose texts were read without this decoder, see `glmcli.providers.reader`."""
        self._count += len(texts)
        self.frames += len(texts)
        self._reader.passed(kind, texts)

    def frame_alone(self, frame: Frame) -> list[Event] | None:
        """The events of a frame as if it were the first of the reply, without the request id that is known already.

        None: the frame is an error.
        """
        try:
            events = list(ReplyDecoder(self._provider, self._new_reader).frame(frame))
        except GlmError:
            return None
        return [event for event in events if event != self._request_id]

    def whole(self, body: str) -> Iterator[Event]:
        """The events of a reply that is no stream: they fold to the same reply as a stream.

        Raises:
            GlmError: the body holds an error, or is no JSON.
        """
        try:
            value = decode(body)
        except ProtocolError as error:
            if is_html("", body):
                raise html_page(body, self._provider, _OK) from error
            error.message = f"{self._provider.name}: the reply is not JSON"
            raise
        yield from self._value(value, None)

    def close(self) -> Iterator[Event]:
        """What was held back until the end; called once, when the reply is over.

        Raises:
            ProtocolError: nothing that came was a part of a reply, and something was said.
        """
        yield from self._filter.close()
        if not self._had_choice and self._unread is not None:
            payload = find_error(self._unread, is_error=True)
            message = f"{self._provider.name}: the reply is not a chat completion"
            why = payload.message if payload else compact_json(self._unread)
            raise ProtocolError(message, why=why, fix="check the base URL and the key", sent=True)


def is_keep_alive(frame: Frame) -> bool:
    """Whether a frame carries nothing: it only says that the connection lives."""
    if frame.event in ("error", ERROR_FIELD):
        return False
    if frame.event and frame.event.lower() in _PINGS:
        return True
    data = _payload(frame.data)
    return len(data) < _MAX_KEEP_ALIVE and data.strip().lower() in _KEEP_ALIVES


def _payload(data: str) -> str:
    """The data without what a gateway put before it: comments that it passed on as data, and a second `data:`.

    Source of the latter: github.com/paiml/aprender/pull/2015 (2026-06-14). No JSON begins with either.
    """
    start = 0
    while data.startswith((":", "data:"), start):
        if data[start] == ":":
            start = data.find("\n", start) + 1 or len(data)
        else:
            start += len("data:")
            start += data.startswith(" ", start)
    return data[start:]


def _says_something(value: JsonObject) -> bool:
    """Whether an object that is no part of a reply holds more than empty values and what frames have anyway."""
    if value.get("type") in _PINGS:
        return False
    if value.get("object") and value["object"] not in _OBJECTS:
        return True
    return any(name not in _ENVELOPE and not is_empty(inner) for name, inner in value.items())


def _error_frame(data: str) -> ErrorPayload:
    """The error in a frame with the event name `error`, JSON or not."""
    try:
        return find_error(decode(data), is_error=True) or ErrorPayload(message=data)
    except ProtocolError:
        return ErrorPayload(message=data)
