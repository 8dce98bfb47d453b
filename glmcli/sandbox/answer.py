"""What the sandbox answers: an echo that says it is one, or tool calls with made-up arguments.

Tokens are counted as words: one for each run of characters between white space.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from glmcli.sandbox.question import Question, media_of, text_of
from glmcli.sandbox.tool_filling import fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REASONING = "The sandbox does not think. It repeats the last message."
REASONING_BEFORE_TOOLS = "The sandbox does not think. It makes up the arguments of the tool from its schema."
_INTRODUCTION = "This is the glm sandbox, not a model."


@dataclass(frozen=True)
class Call:
    """One tool call; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Answer:
    """A whole reply before any provider's grammar. `prompt` counts the words of all messages."""

    reasoning: str
    text: str
    calls: tuple[Call, ...]
    finish: str
    prompt: int

    @property
    def thought(self) -> int:
        """Words of reasoning."""
        return len(self.reasoning.split())

    @property
    def output(self) -> int:
        """Words of reasoning, answer, and names and arguments of calls."""
        called = (f"{call.name} {call.arguments}" for call in self.calls)
        return self.thought + len(self.text.split()) + sum(len(each.split()) for each in called)


def answer(question: Question) -> Answer:
    """The reply to a question that no rule refuses."""
    calls = _calls(question)
    reasoning = REASONING_BEFORE_TOOLS if calls else REASONING
    whole = Answer(
        reasoning=reasoning if question.thinks else "",
        text="" if calls else _text(question),
        calls=calls,
        finish="tool_calls" if calls else "stop",
        prompt=sum(len(text_of(message.get("content")).split()) for message in question.messages),
    )
    return _within_limits(whole, question)


def pieces(text: str) -> list[str]:
    """The deltas of a text: short, uneven, across words; a long text comes in about 500 of them at most."""
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


def _text(question: Question) -> str:
    """The echo. JSON mode gets an object, a schema gets what fills it, a tool's result is repeated."""
    form = question.fields.get("response_format")
    wanted = form if isinstance(form, dict) else {}
    results = _results(question.messages)
    content = _asked(question.messages).get("content")
    if wanted.get("type") == "json_object" and not results:
        return _json({"sandbox": True, "model": question.model, "asked": text_of(content)})
    if wanted.get("type") == "json_schema" and isinstance(outer := wanted.get("json_schema"), dict):
        return _json(fill(outer.get("schema", {})))
    if results:
        return f"{_INTRODUCTION} The tool answered: " + ", ".join(f'"{each}"' for each in results)
    media = ", ".join(media_of(content))
    return f'{_INTRODUCTION} You asked {question.model}: "{text_of(content)}"' + (
        f" With it came: {media}" if media else ""
    )


def _asked(messages: tuple[Mapping[str, Any], ...]) -> Mapping[str, Any]:
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


def _calls(question: Question) -> tuple[Call, ...]:
    """Calls of the function that `tool_choice` names, else of all that the prompt names, else of the first."""
    choice = question.fields.get("tool_choice")
    offered = _functions(question.fields.get("tools"))
    if not offered or choice == "none" or _results(question.messages):
        return ()
    forced = _forced(choice)
    prompt = text_of(_asked(question.messages).get("content"))
    named = [name for name in offered if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", prompt)]
    wanted = [forced] if forced in offered else named or list(offered)
    # Model Studio makes one call unless told otherwise; the others decide for themselves.
    several = question.fields.get("parallel_tool_calls", question.provider not in {"modelstudio", "dashscope"})
    if not named or not several or forced in offered:
        wanted = wanted[:1]
    return tuple(_call(question, index, name, offered[name]) for index, name in enumerate(wanted))


def _call(question: Question, index: int, name: str, parameters: object) -> Call:
    return Call(question.ids.call(index), name, _json(fill(parameters)))


def _functions(tools: object) -> dict[str, Any]:
    """Name to parameters of the tools that are functions; a provider's own tools (web search) are none."""
    listed: Iterable[Any] = tools if isinstance(tools, list) else ()
    functions = [tool.get("function") for tool in listed if isinstance(tool, dict)]
    return {
        function["name"]: function.get("parameters", {})
        for function in functions
        if isinstance(function, dict) and isinstance(function.get("name"), str)
    }


def _forced(choice: object) -> str:
    """The name in `{"type":"function","function":{"name":…}}`."""
    function = choice.get("function") if isinstance(choice, dict) else None
    return str(function.get("name")) if isinstance(function, dict) else ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _within_limits(whole: Answer, question: Question) -> Answer:
    """The reply as `max_tokens` and the like leave it, counted in words; calls are never cut."""
    if question.provider in {"modelstudio", "dashscope"} and isinstance(question.fields.get("thinking_budget"), int):
        # When the budget is used up the answer begins: no cut, only less thought.
        whole = replace(whole, reasoning=first_words(whole.reasoning, question.fields["thinking_budget"]))
    for field, with_reasoning in LIMITS[question.provider]:
        limit = question.fields.get(field)
        if isinstance(limit, int) and not whole.calls:
            whole = _cut(whole, limit, with_reasoning=with_reasoning)
    return whole


def _cut(whole: Answer, limit: int, *, with_reasoning: bool) -> Answer:
    rest = limit - whole.thought if with_reasoning else limit
    if rest >= len(whole.text.split()):
        return whole
    reasoning = first_words(whole.reasoning, limit) if with_reasoning else whole.reasoning
    return replace(whole, reasoning=reasoning, text=first_words(whole.text, rest), finish="length")


_BOTH = (("max_tokens", True), ("max_completion_tokens", True))
_CHAIN_FREE = (("max_tokens", False), ("max_completion_tokens", True))

# Which fields end the output, and whether thoughts count. `max_tokens` of Model Studio spares the chain of thought:
# docs.qwencloud.com/api-reference/chat (mid-2026). BigModel and TokenHub know no `max_completion_tokens`; Ollama drops
# it (github.com/ollama/ollama@fb30760, openai/openai.go).
LIMITS: Mapping[str, tuple[tuple[str, bool], ...]] = {
    "bigmodel": _BOTH[:1],
    "zai": _BOTH[:1],
    "sandbox": _BOTH[:1],
    "tokenhub": _BOTH[:1],
    "ollama": _BOTH[:1],
    "modelstudio": _CHAIN_FREE,
    "dashscope": _CHAIN_FREE,
    "vllm": _BOTH,
    "sglang": _BOTH,
    "llamacpp": _BOTH,
    "openai": _BOTH,
}
