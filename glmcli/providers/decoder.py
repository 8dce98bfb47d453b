"""The decoder of a reply, for all dialects: JSON, errors, and the text filter of the provider. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.chat.events import Damaged, Done, Event, RequestId, ToolCallPart
from glmcli.errors import GlmError, ProtocolError
from glmcli.http.bodies import compact_json
from glmcli.providers.json_values import JsonObject, as_int, as_list, as_object, decode, decode_all
from glmcli.providers.refusals import ErrorPayload, find_error, find_error_in_text, html_page, is_html, refusal
from glmcli.providers.text_filter import TextFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmcli.providers.row import Provider
    from glmcli.providers.sse import Frame

_DONE = "[DONE]"
_OK = 200
_CLIENT_ERROR = 400


class ReplyDecoder:
    """Decodes one reply to events. An error that the reply contains is raised as the GlmError that it means."""

    def __init__(
        self,
        provider: Provider,
        events: Callable[[JsonObject], Iterator[Event]],
        errors: Callable[[JsonObject], Iterator[object]] = lambda _: iter(()),
    ) -> None:
        """Prepare for one reply.

        Args:
            provider: whose reply it is.
            events: the events of one JSON object, in the dialect.
            errors: the `error` fields that an object holds deeper inside, which count like one at the top.
        """
        self._provider = provider
        self._events = events
        self._errors = errors
        self._filter = TextFilter(provider.api)
        self._request_id: RequestId | None = None
        self._count = 0

    def frame(self, frame: Frame) -> Iterator[Event]:
        """The events of one frame.

        Raises:
            GlmError: the frame holds an error, or no JSON.
        """
        self._count += 1
        if frame.damaged:
            yield Damaged()
        if frame.data.strip() == _DONE:
            yield Done()
        elif frame.event == "error":
            raise refusal(_error_frame(frame.data), self._provider, frame.status)
        else:
            yield from self._values(frame)

    def _values(self, frame: Frame) -> Iterator[Event]:
        try:
            for value in decode_all(frame.data):
                yield from self._value(value, frame.status)
        except ProtocolError as error:
            if error.message == "broken JSON":
                error.message = f"{self._provider.name}: malformed event {self._count} at byte {frame.offset}"
            raise

    def _value(self, value: object, status: int | None) -> Iterator[Event]:
        if error := find_error(value, is_error=status is not None and status >= _CLIENT_ERROR):
            raise refusal(error, self._provider, status)
        if value is None:
            return
        if not isinstance(value, dict):
            raise ProtocolError(message="broken JSON", why=compact_json(value), sent=True)
        for inner in self._errors(value):
            if inner and (error := find_error({"error": inner})):
                raise refusal(error, self._provider, status)
        for event in self._events(value):
            if not isinstance(event, RequestId):
                yield from self._filter.push(event)
            elif event != self._request_id:  # most providers repeat it in each frame
                self._request_id = event
                yield event

    @property
    def passes_text(self) -> bool:
        """Whether text passes unchanged, wherever it is cut, with nothing held back."""
        return self._filter.passes_text

    def skip(self, count: int) -> None:
        """Count frames that were read without this decoder, see `glmcli.providers.reader`."""
        self._count += count

    def frame_alone(self, frame: Frame) -> list[Event]:
        """The events of a frame as if it were the first of the reply, without the request id that is known already.

        A frame that is an error gives one `Damaged`, which is equal to no piece of text.
        """
        try:
            events = list(ReplyDecoder(self._provider, self._events, self._errors).frame(frame))
        except GlmError:
            return [Damaged()]
        return [event for event in events if event != self._request_id]

    def whole(self, body: str) -> Iterator[Event]:
        """The events of a reply that is no stream: they fold to the same reply as a stream.

        Raises:
            GlmError: the body holds an error, or is no JSON.
        """
        try:
            yield from self._value(decode(body), None)
        except ProtocolError as error:
            if is_html("", body):
                raise html_page(body, self._provider, _OK) from error
            if payload := find_error_in_text(body):
                raise refusal(payload, self._provider) from error
            error.message = f"{self._provider.name}: the reply is not JSON"
            raise

    def close(self) -> Iterator[Event]:
        """What was held back until the end; called once, when the reply is over."""
        yield from self._filter.close()


def _error_frame(data: str) -> ErrorPayload:
    """The error in a frame with the event name `error`, JSON or not."""
    try:
        return find_error(decode(data), is_error=True) or ErrorPayload(message=data)
    except ProtocolError:
        return ErrorPayload(message=data)


# Fields that have the same form in every dialect


def as_text(content: object) -> str:
    """The text of a `content` field: a string, or the text parts of a list, or nothing."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in as_list(content) if isinstance(as_object(part).get("text"), str))


def finish_reason(value: object) -> str | None:
    """A finish reason; DashScope writes the text "null" for none (recorded bodies, 2024 to 2026).

    A value that is no text is an unknown reason, not a missing one: the model did stop.
    """
    if value in (None, "", "null"):
        return None
    text = value if isinstance(value, str) else compact_json(value)
    # JSON can hold half of a surrogate pair, which cannot be written to a file.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def tool_calls(value: object) -> Iterator[ToolCallPart]:
    """The fragments of a `tool_calls` field. Arguments may be text, an object (Z.ai OpenAPI) or null.

    Calls of other types (`mcp`, `web_search`, `retrieval`) are left out: the provider has run these tools itself.
    Source: docs.bigmodel.cn chat completion reference (2025-12).
    """
    for call in map(as_object, as_list(value)):
        if call.get("type") not in (None, "", "function"):
            continue
        function = as_object(call.get("function"))
        arguments = function.get("arguments")
        text = compact_json(arguments) if isinstance(arguments, dict | list) else arguments
        yield ToolCallPart(
            index=as_int(call.get("index")),
            id=call["id"] if isinstance(call.get("id"), str) else "",
            name=function["name"] if isinstance(function.get("name"), str) else "",
            arguments=text if isinstance(text, str) else "",
        )
