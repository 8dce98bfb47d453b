"""A whole reply: how its events fold into one value, and whether that is a complete answer. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from glmcli.chat.events import (
    Answer,
    Done,
    Event,
    Finish,
    Reasoning,
    Refusal,
    RequestId,
    Resumed,
    Source,
    Sources,
    ToolCallPart,
    Usage,
)
from glmcli.chat.messages import ToolCall
from glmcli.errors import BusyError, FilteredError, GlmError, IncompleteError, ProtocolError, Retry, ToolError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

# Bytes, in UTF-8, of answer, reasoning, tool calls and sources together. The largest model writes 131,072 tokens; the
# limit ends a server that repeats one chunk for ever.
MAX_TEXT = 64 * 1024 * 1024
_MAX_NAMES = 5  # tool calls that a message names
_MAX_TRIES = 16  # looks at whether a call is whole, so that a hostile one takes linear time

Ending = Literal["complete", "tools", "length", "context", "filter", "server"]

# The provider's word, in lower case -> what it means. Gateways write STOP and MAX_TOKENS too:
# github.com/QwenLM/qwen-code/pull/9884 (2026-08-24).
# BigModel: docs.bigmodel.cn chat completion reference (2025-12) and z.ai OpenAPI
# (2026-09); `insufficient_system_resource`: github.com/promptfoo/promptfoo/pull/9905; `abort`: SGLang 0.5.23 source;
# `eos_token`: github.com/huggingface/text-generation-inference/pull/2344 (2024-07-31); `end`:
# github.com/earendil-works/pi/issues/2107 (2026-03-13); `model_length`: Mistral,
# github.com/open-telemetry/semantic-conventions-genai/pull/363 (2026-07-31); `tool_call`:
# github.com/ml-explore/mlx-lm/pull/782 (2026-01-20).
ENDINGS: Mapping[str, Ending] = {
    "stop": "complete",
    "eos": "complete",
    "eos_token": "complete",
    "end": "complete",
    "stop_sequence": "complete",
    "tool_calls": "tools",
    "tool_call": "tools",
    "function_call": "tools",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "context",
    "sensitive": "filter",
    "content_filter": "filter",
    "network_error": "server",
    "insufficient_system_resource": "server",
    "abort": "server",
}


def ending_of(reason: str) -> Ending | None:
    """What a finish reason means, or None where nobody knows; upper and lower case do not count."""
    return ENDINGS.get(reason.lower())


class Reply(Record):
    """A reply, or as much of it as was received.

    Attributes:
        refusal: why the model did not answer, in its own words, where these stand apart from the answer.
        sources: the pages that the provider found on the web, each once; None: it says nothing of a search.
        finish_reason: the provider's own word; None: the model did not say that it stopped.
        done: the provider said that nothing follows (`[DONE]`), and that may stand for a finish reason.
    """

    reasoning: str = ""
    answer: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    sources: tuple[Source, ...] | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    request_id: str | None = None
    done: bool = False


def size_of(text: str) -> int:
    """Bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def check_size(size: int) -> None:
    """Check the size of a reply, in bytes.

    Raises:
        IncompleteError: it is larger than `MAX_TEXT`.
    """
    if size > MAX_TEXT:
        raise IncompleteError(
            message=f"the model wrote more than {MAX_TEXT >> 20} MiB without an end",
            fix="set a limit: --max-tokens or --deadline",
            sent=True,
        )


class _OpenCall:
    """A tool call of which more fragments may come."""

    def __init__(self, identity: str) -> None:
        self.id = identity
        self.name: list[str] = []
        self.arguments: list[str] = []
        self._name_size = 0
        self._tries = 0

    def is_followed_by(self, part: ToolCallPart) -> bool:
        """Whether a fragment without an id begins another call, although its place is that of this one.

        Gateways give each call the index 0 and no id: github.com/huggingface/smolagents/pull/1958 (2026-01-28).
        """
        has_end = bool(self.arguments) and self.arguments[-1].endswith("}")
        if part.id or not part.name or not part.arguments or not has_end or self._tries >= _MAX_TRIES:
            return False
        self._tries += 1
        name, arguments = "".join(self.name), "".join(self.arguments)
        repeats = part.name == name and arguments in (part.arguments, "{}")
        return not repeats and _is_object(arguments)

    def whole(self, *, is_finished: bool) -> ToolCall:
        """The call as far as it was received; of a finished reply, no arguments at all are an empty object."""
        arguments = _once(self.arguments)
        # Bedrock begins with an empty object: github.com/openai/openai-agents-js/pull/712 (2025-12-01).
        if arguments.startswith("{}{"):
            arguments = arguments.removeprefix("{}")
        name = "".join(self.name)
        return ToolCall(self.id, name, arguments or ("{}" if is_finished and name else ""))

    def add_name(self, piece: str) -> None:
        # The last fragment may repeat the whole name (github.com/agentscope-ai/agentscope-java/issues/1223).
        if len(piece) != self._name_size or piece != "".join(self.name):
            self.name.append(piece)
            self._name_size += len(piece)


def _once(pieces: list[str]) -> str:
    """The arguments of a call, without their repetition: a last fragment may repeat them all, as it may the name.

    What one fragment says twice is the model's own mistake, and stays.
    """
    arguments = "".join(pieces)
    *first, last = [piece for piece in pieces if piece] or [""]
    is_repeated = 2 * len(last) == len(arguments) and "".join(first) == last and _is_object(last)
    return last if is_repeated else arguments


def _is_object(text: str) -> bool:
    """Whether a text is a whole JSON object."""
    try:
        return text.startswith("{") and isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


class Fold:
    """Collects events into a Reply.

    Attributes:
        done: the provider said that nothing follows.
        finishes: how many finish reasons came, without repetitions; all but the last were void.
        finish_is_early: an early finish, which gateways send before the model has stopped: before any answer, beside
            text, or after another one that was void.
    """

    def __init__(self) -> None:
        """Start with an empty reply."""
        self._texts: dict[type[Event], list[str]] = {Reasoning: [], Answer: [], Refusal: []}
        self._calls: list[_OpenCall] = []
        self._at_index: dict[int, _OpenCall] = {}
        self._size = 0
        self._usage: Usage | None = None
        self._sources: dict[tuple[str | None, ...], Source] | None = None
        self._finish: str | None = None
        self._request_id: str | None = None
        self.finishes = 0
        self.done = self.finish_is_early = False

    @property
    def finished(self) -> bool:
        """Whether a finish reason was received."""
        return self._finish is not None

    def add(self, event: Event) -> None:
        """Add one event.

        Raises:
            IncompleteError: the text is larger than `MAX_TEXT` bytes.
        """
        match event:
            case Reasoning(text) | Answer(text) | Refusal(text):
                self._grow(text)
                self._texts[type(event)].append(text)
            case ToolCallPart():
                self._grow(event.id + event.name + event.arguments)
                self._join(event)
            case Usage():
                self._add_usage(event)
            case Sources(found):
                self._add_sources(found)
            case Finish():
                self._add_finish(event)
            case Resumed():
                self._finish = None
                self.finish_is_early = True
            case RequestId(value):
                self._request_id = value
            case Done(is_finish):
                self.done = is_finish
            case _:
                pass  # a remark, which the writers print

    def _add_usage(self, usage: Usage) -> None:
        counts = [count for count in usage.fields().values() if count is not None]
        is_zero = bool(counts) and not any(counts)
        # Gateways add a last usage of zeros: github.com/QuantumNous/new-api/issues/4370.
        if self._usage is None or not is_zero:
            self._usage = usage

    def _add_sources(self, found: tuple[Source, ...]) -> None:
        """Add those that are new: no provider is known to repeat them, but a gateway may, in each frame."""
        pages = self._sources = self._sources or {}
        for source in found:
            if source.identity not in pages:
                self._grow("".join(text for text in source.fields().values() if text))
                pages[source.identity] = source

    def _add_finish(self, finish: Finish) -> None:
        if self._finish is None:
            self.finishes += 1
            self.finish_is_early |= finish.beside_text or not (self._texts[Answer] or self._calls)
        # A success after a failure does not replace it.
        if self._finish is None or ending_of(self._finish) in {"complete", "tools"}:
            self._finish = finish.reason

    def _grow(self, text: str) -> None:
        self._size += size_of(text)
        check_size(self._size)

    def _join(self, part: ToolCallPart) -> None:
        call = self._open_call(part)
        has_other_id = call is not None and part.id and call.id and part.id != call.id
        if call is None or part.starts or has_other_id or call.is_followed_by(part):
            call = _OpenCall(part.id)
            self._calls.append(call)
            if part.index is not None:
                self._at_index[part.index] = call
        call.id = call.id or part.id
        call.add_name(part.name)
        call.arguments.append(part.arguments)

    def _open_call(self, part: ToolCallPart) -> _OpenCall | None:
        if part.index is None:
            return self._calls[-1] if self._calls else None
        return self._at_index.get(part.index)

    def _whole_calls(self) -> list[ToolCall]:
        return [call.whole(is_finished=self.finished or self.done) for call in self._calls]

    def reply(self) -> Reply:
        """The reply as far as it was received."""
        return Reply(
            reasoning="".join(self._texts[Reasoning]),
            answer="".join(self._texts[Answer]),
            refusal="".join(self._texts[Refusal]),
            # A fragment without name and arguments is noise from a gateway, not a call.
            tool_calls=tuple(call for call in self._whole_calls() if call.name or call.arguments),
            sources=None if self._sources is None else tuple(self._sources.values()),
            usage=self._usage,
            finish_reason=self._finish,
            request_id=self._request_id,
            done=self.done,
        )


def verdict(reply: Reply, *, allow_empty: bool = False, runs_tools: bool = False) -> GlmError | None:
    """Why this reply is no complete answer, or None if it is one.

    `runs_tools`: the caller runs tools, so that a reply with tool calls is complete too.
    """
    if reply.finish_reason is None and not (reply.done and (reply.answer or reply.refusal)):
        return _unfinished(reply)
    ending = ending_of(reply.finish_reason or "stop")
    if ending in {"complete", "tools"}:
        if error := _check_form(reply):
            return error
        return None if runs_tools and reply.tool_calls else _check_content(reply, allow_empty=allow_empty)
    return _bad_ending(reply.finish_reason or "", ending)


def _unfinished(reply: Reply) -> GlmError:
    what = "the stream ended before the model finished"
    if reply.done:
        what = "the stream ended without an answer and without a finish reason"
    return IncompleteError(message=what, sent=True, broken=True, retry=Retry.NETWORK, request_id=reply.request_id)


def _check_form(reply: Reply) -> GlmError | None:
    if reply.refusal:
        message = "the model refused to answer"
        return FilteredError(message=message, why=reply.refusal, request_id=reply.request_id)
    # Where the id changes inside a call, its arguments stand apart from its name, which must not run without them:
    # github.com/poolsideai/pool/issues/9 (2026-05-08).
    named = [bool(call.name) for call in reply.tool_calls]
    if any(named) and not all(named):
        return ProtocolError(message="a tool call of the reply has no name", request_id=reply.request_id)
    return None


def _check_content(reply: Reply, *, allow_empty: bool) -> GlmError | None:
    # Some providers finish with `stop` although they sent tool calls (recorded DashScope bodies, 2025).
    if reply.tool_calls:
        names = ", ".join(call.name for call in reply.tool_calls[:_MAX_NAMES])
        if len(reply.tool_calls) > _MAX_NAMES:
            names += f" and {len(reply.tool_calls) - _MAX_NAMES} more"
        return ToolError(
            message=f"the model called tools that nobody runs: {names}",
            fix="--json contains the calls",
            request_id=reply.request_id,
        )
    if ending_of(reply.finish_reason or "stop") == "tools":
        return ProtocolError(message="the model finished with tool calls, but sent none", request_id=reply.request_id)
    if not reply.answer.strip() and not allow_empty:
        return IncompleteError(
            message="the model returned no answer text" + (", only reasoning" if reply.reasoning.strip() else ""),
            fix="--allow-empty accepts an empty answer",
            request_id=reply.request_id,
        )
    return None


def _bad_ending(reason: str, ending: Ending | None) -> GlmError:
    match ending:
        case "length":
            return IncompleteError(
                message=f"the answer was cut at the token limit (finish_reason: {reason})",
                fix="raise --max-tokens; where thinking counts too: --effort, or --no-think if the model can stop",
            )
        case "context":
            return IncompleteError(
                message=f"the model's context window is full (finish_reason: {reason})",
                fix="send less text, or use a model with a larger window",
            )
        case "filter":
            return FilteredError(message=f"the provider's content filter cut the answer (finish_reason: {reason})")
        case "server":
            return BusyError(
                message=f"the provider failed while answering (finish_reason: {reason})",
                sent=True,
                broken=True,
                retry=Retry.NETWORK,
            )
        case _:
            one_line = " ".join(reason.split())
            return ProtocolError(message=f"unknown finish_reason: {one_line}", fix="look at the answer: --keep-partial")
