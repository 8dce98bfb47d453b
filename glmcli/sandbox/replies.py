"""Replies that were written beforehand, in the place of the sandbox's own answers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from glmcli.sandbox.answer import FoundPage, SandboxAnswer, SandboxToolCall, own_answer, prompt_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from glmcli.sandbox.answer import TokenLimit
    from glmcli.sandbox.chat_request import ChatRequest


@dataclass(frozen=True)
class ScriptedReply:
    """A reply as `schemas/replies.schema.json` describes it; without any content it is the sandbox's own answer.

    Attributes:
        text: the answer; None if the reply says nothing about it.
        calls: an id that is empty is made up, as for all calls.
        finish: the finish reason; empty for the usual one.
        usage: tokens by name; those that are missing are counted.
        fault: the kind of fault that hits it.
        latency: seconds before its first byte, beside those of all responses.
        pace: seconds between its pieces; None for those of all.
        piece_size: characters of a piece of a stream; 0 for uneven ones.
        pages: what a search of the web found, which BigModel and Z.ai tell whether one was asked for or not; None: the
            reply says nothing about it.
    """

    reasoning: str = ""
    text: str | None = None
    calls: tuple[SandboxToolCall, ...] = ()
    finish: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)
    fault: str | None = None
    latency: float = 0.0
    pace: float | None = None
    piece_size: int = 0
    pages: tuple[FoundPage, ...] | None = None

    def answer(self, request: ChatRequest, limits: Iterable[TokenLimit], *, parallel_calls: bool) -> SandboxAnswer:
        """The reply to a request that no rule refuses; limits and parallel calls are those of `own_answer`."""
        if self.text is None and not self.calls and not self.reasoning:
            whole = own_answer(request, limits, parallel_calls=parallel_calls)
            calls = whole.calls
        else:
            named = enumerate(self.calls)
            calls = tuple(replace(call, id=call.id or request.ids.call(index)) for index, call in named)
            finish = "tool_calls" if calls else "stop"
            whole = SandboxAnswer(
                self.reasoning, self.text or "", calls, finish, prompt_tokens(request), is_scripted=True
            )
        return replace(
            whole,
            calls=tuple(replace(call, piece_size=self.piece_size) for call in calls),
            finish=self.finish or whole.finish,
            prompt_tokens=self.usage.get("input_tokens", whole.prompt_tokens),
            counted=self.usage,
            piece_size=self.piece_size,
            pages=self.pages,
        )


OWN_ANSWER = ScriptedReply()


class ReplyScript:
    """Which reply the next request gets: each in turn, then the last one again; safe between threads."""

    def __init__(self, replies: Sequence[ScriptedReply]) -> None:
        """Without replies all requests get the sandbox's own answers."""
        self._rest = list(replies) or [OWN_ANSWER]
        self._lock = threading.Lock()

    def next(self) -> ScriptedReply:
        """The reply to the next request, or batch line, that is not refused."""
        with self._lock:
            return self._rest.pop(0) if len(self._rest) > 1 else self._rest[0]
