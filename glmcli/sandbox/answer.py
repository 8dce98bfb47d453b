"""The sandbox's answer: an echo of the question, or tool calls with made-up arguments.

Tokens are counted as words: one for each run of characters between white space.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from glmcli.sandbox.chat_request import media_of, object_or_empty, text_of
from glmcli.sandbox.schema_examples import example

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glmcli.sandbox.chat_request import ChatRequest
    from glmcli.sandbox.http_messages import Json

_REASONING = "The sandbox does not think. It repeats the last message."
_REASONING_BEFORE_TOOLS = "The sandbox does not think. It makes up the arguments of the tool from its schema."
_INTRODUCTION = "This is the glm sandbox, not a model."

# A field of the request that limits the output, and the words that it counts.
TokenLimit = tuple[str, Literal["all", "answer", "reasoning"]]


@dataclass(frozen=True)
class SandboxToolCall:
    """One tool call; `arguments` is JSON text, which is streamed in pieces of this size (see `pieces`)."""

    id: str
    name: str
    arguments: str
    piece_size: int = 0

    def whole(self, index: int) -> Json:
        """The complete call in the order of Model Studio, DashScope and most servers."""
        return {"index": index, "id": self.id, "type": "function", "function": self.function(self.arguments)}

    def function(self, arguments: str) -> Json:
        """The `function` member of the call, with these arguments."""
        return {"name": self.name, "arguments": arguments}


@dataclass(frozen=True)
class FoundPage:
    """A page that a search of the web found; empty for what is not said of it."""

    ref: str
    title: str = ""
    link: str = ""
    site: str = ""
    date: str = ""
    text: str = ""


@dataclass(frozen=True)
class SandboxAnswer:
    """A whole reply before it is encoded for a provider.

    Attributes:
        prompt_tokens: the words of all messages, and of earlier reasoning that is read.
        counted: tokens by name that were given, in the place of words that are counted.
        piece_size: characters of a piece of a stream, see `pieces`.
        is_scripted: the text was given, and is sent without anything of ours around it.
        pages: what a search of the web found; None: none was made.
    """

    reasoning: str
    text: str
    calls: tuple[SandboxToolCall, ...]
    finish: str
    prompt_tokens: int
    counted: Mapping[str, int] = field(default_factory=dict)
    piece_size: int = 0
    is_scripted: bool = False
    pages: tuple[FoundPage, ...] | None = None

    @property
    def reasoning_tokens(self) -> int:
        """Words of reasoning."""
        return self.counted.get("reasoning_tokens", len(self.reasoning.split()))

    @property
    def cached_tokens(self) -> int:
        """Tokens of the prompt that a cache had: none of ours."""
        return self.counted.get("cached_tokens", 0)

    @property
    def output_tokens(self) -> int:
        """Words of reasoning, answer, and names and arguments of calls."""
        called = (f"{call.name} {call.arguments}" for call in self.calls)
        words = self.reasoning_tokens + len(self.text.split()) + sum(len(each.split()) for each in called)
        return self.counted.get("output_tokens", words)

    @property
    def whole_calls(self) -> list[Json]:
        """All calls, complete."""
        return [call.whole(index) for index, call in enumerate(self.calls)]


def own_answer(request: ChatRequest, limits: Iterable[TokenLimit], *, parallel_calls: bool) -> SandboxAnswer:
    """The sandbox's own reply to a request that no rule refuses.

    `parallel_calls`: whether several tools are called where the request does not say `parallel_tool_calls`.
    """
    calls = _calls(request, parallel=request.fields.get("parallel_tool_calls", parallel_calls))
    reasoning = _REASONING_BEFORE_TOOLS if calls else _REASONING
    whole = SandboxAnswer(
        reasoning=reasoning if request.thinks else "",
        text="" if calls else _text(request),
        calls=calls,
        finish="tool_calls" if calls else "stop",
        prompt_tokens=prompt_tokens(request),
    )
    for name, counted in limits:
        limit = request.fields.get(name)
        if isinstance(limit, int):
            whole = _limited(whole, limit, counted)
    return whole


def prompt_tokens(request: ChatRequest) -> int:
    """The words of all messages, with the reasoning of earlier turns where it is read."""
    texts = [text_of(message.get("content")) for message in request.messages]
    if request.keeps_thinking:
        texts += [text_of(message.get("reasoning_content")) for message in request.messages]
    return sum(len(text.split()) for text in texts)


def _limited(whole: SandboxAnswer, limit: int, counted: str) -> SandboxAnswer:
    """The reply as a limit leaves it; calls are never cut."""
    if counted == "reasoning":  # when this budget is used up the answer begins: nothing else is cut
        return replace(whole, reasoning=first_words(whole.reasoning, limit))
    rest = limit - whole.reasoning_tokens if counted == "all" else limit
    if whole.calls or rest >= len(whole.text.split()):
        return whole
    reasoning = first_words(whole.reasoning, limit) if counted == "all" else whole.reasoning
    return replace(whole, reasoning=reasoning, text=first_words(whole.text, rest), finish="length")


def pieces(text: str, size: int = 0) -> list[str]:
    """The deltas of a text, of so many characters; 0: short, uneven, across words, and about 500 of them at most."""
    if size:
        return [text[start : start + size] for start in range(0, len(text), size)]
    found: list[str] = []
    start, scale = 0, 1 + len(text) // 2000
    while start < len(text):
        size = (5, 3, 7, 2)[len(found) % 4] * scale
        found.append(text[start : start + size])
        start += size
    return found


def first_words(text: str, limit: int) -> str:
    """The first `limit` words, their white space kept."""
    return "".join(re.findall(r"\s*\S+", text)[: max(limit, 0)])


def _text(request: ChatRequest) -> str:
    """The echo. JSON mode gets an object, a schema gets an example of it, a tool's result is repeated."""
    form = object_or_empty(request.fields.get("response_format"))
    results = _results(request.messages)
    content = _question(request.messages).get("content")
    if form.get("type") == "json_object" and not results:
        return _json({"sandbox": True, "model": request.model, "asked": text_of(content)})
    if form.get("type") == "json_schema" and isinstance(outer := form.get("json_schema"), dict):
        return _json(example(outer.get("schema", {})))
    if results:
        return f"{_INTRODUCTION} The tool answered: " + ", ".join(f'"{each}"' for each in results)
    media = ", ".join(media_of(content))
    echo = f'{_INTRODUCTION} You asked {request.model}: "{text_of(content)}"'
    return f"{echo} With it came: {media}" if media else echo


def _question(messages: tuple[Mapping[str, Any], ...]) -> Mapping[str, Any]:
    """The last user message; without one, the last message."""
    users = [message for message in messages if message.get("role") == "user"]
    return (users or list(messages) or [{}])[-1]


def _results(messages: tuple[Mapping[str, Any], ...]) -> list[str]:
    """The texts of the tool messages that end the conversation."""
    found: list[str] = []
    for message in reversed(messages):
        if message.get("role") != "tool":
            break
        found.insert(0, text_of(message.get("content")))
    return found


def _calls(request: ChatRequest, *, parallel: object) -> tuple[SandboxToolCall, ...]:
    """Calls of the function that `tool_choice` names, else of all that the prompt names, else of the first."""
    choice = request.fields.get("tool_choice")
    offered = _functions(request.fields.get("tools"))
    if not offered or choice == "none" or _results(request.messages):
        return ()
    forced = str(object_or_empty(object_or_empty(choice).get("function")).get("name"))
    prompt = text_of(_question(request.messages).get("content"))
    named = [name for name in offered if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", prompt)]
    names = [forced] if forced in offered else named if named and parallel else (named or list(offered))[:1]
    return tuple(
        SandboxToolCall(request.ids.call(index), name, _json(example(offered[name])))
        for index, name in enumerate(names)
    )


def _functions(tools: object) -> dict[str, Any]:
    """Name to parameters of the tools that are functions; a provider's own tools (web search) are none."""
    listed: Iterable[Any] = tools if isinstance(tools, list) else ()
    functions = [object_or_empty(object_or_empty(tool).get("function")) for tool in listed]
    return {
        function["name"]: function.get("parameters", {})
        for function in functions
        if isinstance(function.get("name"), str)
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
