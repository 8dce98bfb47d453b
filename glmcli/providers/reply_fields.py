"""The fields of a reply that have the same form in every dialect: choices, text, finish reasons, tool calls. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.chat.events import Answer, Reasoning, Refusal, Source, Sources, ToolCallPart, coalesce
from glmcli.errors import ProtocolError
from glmcli.http.bodies import compact_json
from glmcli.providers.json_values import JsonObject, as_int, as_list, as_object, as_objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmcli.chat.events import Event


class Choices:
    """Picks the choices of a reply that belong to the answer.

    Where one answer was asked for, a lone choice is that answer whatever its index: gateways number the choice from 1,
    count it up with each frame, or write it as text. Source: github.com/microsoft/foundry-local/issues/263
    (2025-09-26), github.com/huggingface/text-generation-inference/pull/1648 (2024-03-15).
    """

    def __init__(self, *, several: bool) -> None:
        """`several`: more than one answer was asked for, and the first is ours."""
        self._several = several
        self.had_several = False  # one frame had several choices

    def ours(self, choices: list[JsonObject]) -> list[JsonObject]:
        """The choices of one frame that belong to the answer."""
        if len(choices) > 1:
            self._several = self.had_several = True
        if not self._several:
            return choices
        # Where no index tells them apart, the first is ours.
        return [
            choice
            for at, choice in enumerate(choices)
            if index_of(choice) == 0 or (index_of(choice) is None and not at)
        ]


def index_of(item: JsonObject) -> int | None:
    """The `index` of a choice or a tool call, which some gateways write as text; None where there is none."""
    index = item.get("index")
    if isinstance(index, str) and index.strip().isdecimal():
        return int(index)
    if isinstance(index, float) and index.is_integer():
        return int(index)
    return as_int(index)


def object_of(value: object, name: str) -> JsonObject:
    """An object of the reply; empty where there is none.

    Raises:
        ProtocolError: it holds something else, which may be part of the answer.
    """
    if value and not isinstance(value, dict):
        raise ProtocolError(f"the {name} of the reply is not an object", why=compact_json(value), sent=True)
    return as_object(value)


def content_events(content: object) -> list[Event]:
    """The events of a `content` field: text, or a list of parts, of which thinking is reasoning.

    Sources of the parts: github.com/agentjido/req_llm/issues/742 (2026-06-02),
    github.com/databricks/appkit/pull/559 (2026-09-01). Parts that hold other things than text,
    such as pictures and references, are left out.

    Raises:
        ProtocolError: it holds something else where text belongs.
    """
    if isinstance(content, str):
        return [Answer(content)] if content else []
    if not content and content is not False and content != 0:
        return []
    if not isinstance(content, list):
        raise _no_text("content", content)
    return coalesce([event for part in content for event in _part(part)])


def _part(part: object) -> Iterator[Event]:
    if isinstance(part, str):
        yield from content_events(part)
        return
    if not isinstance(part, dict | None):
        raise _no_text("content", part)
    fields = as_object(part)
    kind = fields.get("type")
    if kind in ("thinking", "reasoning"):
        if text := text_of(fields.get(kind) or fields.get("text") or fields.get("summary"), kind):
            yield Reasoning(text)
    elif kind == "refusal":
        yield from refusal(fields)
    elif text := text_of(fields.get("text"), "text"):
        yield Answer(text)


def refusal(fields: JsonObject) -> Iterator[Refusal]:
    """The model's words why it does not answer, in the `refusal` of a message or of a part of its content.

    Source: github.com/langchain4j/langchain4j/pull/6376 (2026-09-11).
    """
    if fields.get("refusal") and (text := text_of(fields["refusal"], "refusal")):
        yield Refusal(text)


def text_of(value: object, name: str) -> str:
    """The text of a field: a string, or the text parts of a list; empty where there is none.

    Raises:
        ProtocolError: it holds something else.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(text_of(part.get("text") if isinstance(part, dict) else part, name) for part in value)
    if value is None or value == {}:
        return ""
    raise _no_text(name, value)


def _no_text(name: str, value: object) -> ProtocolError:
    return ProtocolError(f"the {name} of the reply is not text", why=compact_json(value), sent=True)


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

    Raises:
        ProtocolError: the field is no list, or a name or an id is not text.
    """
    if value and not isinstance(value, list):
        raise ProtocolError("the tool calls of the reply are not a list", why=compact_json(value), sent=True)
    calls = [object_of(call, "tool call") for call in as_list(value)]
    parts = [_tool_call(call) for call in calls if call.get("type") in (None, "", "function")]
    # Named calls of one list are as many calls, though neither index nor id tells them apart:
    # github.com/router-for-me/CLIProxyAPI/issues/5058 (2026-08-18).
    are_separate = sum(part.index is None and part.name != "" for part in parts) > 1
    for part in parts:
        yield part.replace(starts=True) if are_separate and part.index is None and part.name else part


def _tool_call(call: JsonObject) -> ToolCallPart:
    function = object_of(call.get("function"), "function of a tool call")
    identity = call.get("id")
    return ToolCallPart(
        index=index_of(call),
        id=str(identity) if as_int(identity) is not None else text_of(identity, "tool call id"),
        name=text_of(function.get("name"), "tool name"),
        arguments=_arguments(function.get("arguments")),
    )


def _arguments(value: object) -> str:
    """The arguments, or a piece of them, as text.

    An empty object in the first fragment says nothing yet; the text follows: github.com/ogx-ai/ogx/pull/5462
    (2026-04-07).
    """
    if isinstance(value, str):
        return value
    return "" if value is None or value == {} else compact_json(value)


def sources(value: object, names: Mapping[str, str]) -> Sources | None:
    """The pages in a list that tells what a search found; None where it tells of no page and is not empty.

    `names` has the provider's name for each field of a Source. Sources are no part of the answer, so what has another
    form is left out.
    """
    found = [Source(**{ours: _word(page.get(theirs)) for ours, theirs in names.items()}) for page in as_objects(value)]
    known = tuple(source for source in found if source.link or source.title or source.text)
    return Sources(known) if known or value == [] else None


def _word(value: object) -> str | None:
    """The text of a field of a source, or a number as text; BigModel writes an empty text for what it does not know.

    JSON can hold half of a surrogate pair, which cannot be written to a file.
    """
    text = str(value) if as_int(value) is not None else value
    if not isinstance(text, str) or not text.strip():
        return None
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
