"""JSON as providers send it, read strictly: every way in which it can be wrong is one error. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn

from glmcli.chat.events import Damaged, Done, Event, RequestId, ToolCallPart
from glmcli.errors import GlmError, ProtocolError
from glmcli.http.bodies import encode
from glmcli.providers.refusals import Fault, fault_in, find_fault, html_page, is_html, refusal
from glmcli.providers.text_filter import TextFilter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmcli.providers.row import Provider
    from glmcli.providers.sse import Frame


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    # 1e999 is JSON, but becomes an infinity that cannot be written as JSON again.
    number = float(digits)
    return number if isfinite(number) else _refuse(digits)


_DEEPEST = 256  # no provider comes near; text near the interpreter's limit could be read, and not be written again
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def decode(text: str) -> Any:  # noqa: ANN401 - any JSON may come
    """The value of a JSON text.

    Raises:
        ProtocolError: it is not JSON, nests too deeply, or holds NaN or a number that is too large.
    """
    try:
        value = _DECODER.decode(text)
        _refuse_deep(value, text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(message="broken JSON", why=text, sent=True) from error
    return value


def decode_all(text: str) -> Iterator[Any]:
    """The values of one or more JSON texts that follow one another.

    Frames that stand without a blank line between them arrive joined by newlines.

    Raises:
        ProtocolError: as `decode`.
    """
    start = _past_blanks(text, 0)
    while start < len(text):
        try:
            value, end = _DECODER.raw_decode(text, start)
            _refuse_deep(value, text)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(message="broken JSON", why=text[start:], sent=True) from error
        yield value
        start = _past_blanks(text, end)


def _refuse_deep(value: object, text: str) -> None:
    if text.count("[") + text.count("{") > _DEEPEST and is_deeper(value, _DEEPEST):
        raise ValueError(f"nested deeper than {_DEEPEST}")


def is_deeper(value: object, most: int) -> bool:
    """Whether lists and objects stand in one another more than `most` deep."""
    level = [value]
    for _ in range(most + 1):
        level = [below for above in level for below in _below(above) if isinstance(below, dict | list)]
        if not level:
            return False
    return True


def _below(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _past_blanks(text: str, start: int) -> int:
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    return start


# What reading a reply has in common in every dialect: JSON, faults, and the filters of the row. Pure.

_DONE = "[DONE]"
_OK = 200
_CLIENT_ERROR = 400

Chunk = Mapping[str, Any]


class JsonDecoder:
    """Turns frames into events; `events` is the dialect's reading of one JSON object.

    `errors` finds the `error` fields that a dialect's object holds deeper inside: they count like one at the top.
    """

    def __init__(
        self,
        provider: Provider,
        events: Callable[[Chunk], Iterator[Event]],
        errors: Callable[[Chunk], Iterator[object]] = lambda _: iter(()),
    ) -> None:
        """A fresh reader for one reply."""
        self._provider = provider
        self._events = events
        self._errors = errors
        self._filter = TextFilter(provider.wire)
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
            raise refusal(self._named_fault(frame.data), self._provider, frame.status)
        else:
            yield from self._values(frame)

    def _named_fault(self, data: str) -> Fault:
        try:
            return find_fault(decode(data), named_error=True) or Fault(message=data)
        except ProtocolError:
            return Fault(message=data)

    def _values(self, frame: Frame) -> Iterator[Event]:
        try:
            for value in decode_all(frame.data):
                yield from self._value(value, frame.status)
        except ProtocolError as error:
            if error.message == "broken JSON":
                error.message = f"{self._provider.name}: malformed event {self._count} at byte {frame.offset}"
            raise

    def _value(self, value: object, status: int | None) -> Iterator[Event]:
        fault = find_fault(value, named_error=status is not None and status >= _CLIENT_ERROR)
        if fault:
            raise refusal(fault, self._provider, status)
        if value is None:
            return
        if not isinstance(value, dict):
            raise ProtocolError(message="broken JSON", why=encode(value), sent=True)
        for error in self._errors(value):
            if error and (fault := find_fault({"error": error})):
                raise refusal(fault, self._provider, status)
        for event in self._events(value):
            if not isinstance(event, RequestId):
                yield from self._filter.push(event)
            elif event != self._request_id:  # most providers say it in each frame
                self._request_id = event
                yield event

    # The short way: glmcli.providers.reader

    @property
    def keeps_text(self) -> bool:
        """Whether text passes as it is, however it is cut, with nothing held back."""
        return self._filter.keeps_text

    def skip(self, count: int) -> None:
        """So many frames were read in the short way."""
        self._count += count

    def without_memory(self, frame: Frame) -> list[Event]:
        """The events of a frame, if it had been the first; a refusal is an event that nobody expects."""
        try:
            fresh = JsonDecoder(self._provider, self._events, self._errors)
            events = list(fresh.frame(frame))
        except GlmError:
            return [Damaged()]
        return [event for event in events if event != self._request_id]

    def whole(self, body: str) -> Iterator[Event]:
        """The events of a reply in one piece.

        Raises:
            GlmError: the body holds an error, or is no JSON.
        """
        try:
            yield from self._value(decode(body), None)
        except ProtocolError as error:
            if is_html("", body):
                raise html_page(body, self._provider, _OK) from error
            if fault := fault_in(body):
                raise refusal(fault, self._provider) from error
            error.message = f"{self._provider.name}: the reply is not JSON"
            raise

    def close(self) -> Iterator[Event]:
        """What was held back until the end."""
        yield from self._filter.close()


def mapping(value: object) -> Chunk:
    """The object, or an empty one where something else stands."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """The list, or an empty one where something else stands."""
    return value if isinstance(value, list) else []


def text_of(content: object) -> str:
    """The text of a `content` field: a string, or the text parts of a list, or nothing."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in items(content) if isinstance(mapping(part).get("text"), str))


def count(value: object) -> int | None:
    """A number of tokens, or None where none was said."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def finish(value: object) -> str | None:
    """A finish reason; DashScope writes the text "null" for none (recorded bodies, 2024 to 2026).

    What is no text is a reason too, one that nobody knows: it is not for us to say that the model did not stop.
    """
    if value in (None, "", "null"):
        return None
    text = value if isinstance(value, str) else encode(value)
    # Half a character, which JSON can say and no file can hold.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def tool_calls(value: object) -> Iterator[ToolCallPart]:
    """The fragments of a `tool_calls` field. Arguments may be text, an object (Z.ai OpenAPI) or null.

    Calls of other types (`mcp`, `web_search`, `retrieval`) are the provider's own: it has run them already.
    Source: docs.bigmodel.cn chat completion reference (2025-12).
    """
    for call in map(mapping, items(value)):
        if call.get("type") not in (None, "", "function"):
            continue
        function = mapping(call.get("function"))
        arguments = function.get("arguments")
        text = encode(arguments) if isinstance(arguments, dict | list) else arguments
        yield ToolCallPart(
            index=count(call.get("index")),
            id=call["id"] if isinstance(call.get("id"), str) else "",
            name=function["name"] if isinstance(function.get("name"), str) else "",
            arguments=text if isinstance(text, str) else "",
        )
