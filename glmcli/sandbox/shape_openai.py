"""The grammar that TokenHub, the self-hosted servers and OpenAI itself share, and a row for each way they differ.

**Shape** of a stream: an opening chunk with the role, deltas, a chunk with `finish_reason`, a chunk without choices
that holds the usage if it was asked for, `[DONE]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmcli.sandbox.answer import Answer, Call, pieces
from glmcli.sandbox.frames import DONE, Json, data

if TYPE_CHECKING:
    from glmcli.sandbox.question import Question

Deltas = Iterator[Json]


@dataclass(frozen=True)
class Grammar:
    """What one server writes its own way.

    Attributes:
        opening: the first delta.
        thought, said: the delta of a piece of reasoning, of answer.
        called: the deltas of a tool call.
        closing: the delta beside the finish reason.
        chunk: a choice's delta and finish reason (None in flight) as a chunk.
        counted: the chunk with the usage.
        whole: the body of a reply that is not streamed.
        finish: the finish reason that it gives.
        last: what it adds to the last chunk before `[DONE]`.
    """

    opening: Callable[[Question], Json]
    thought: Callable[[str], Json]
    said: Callable[[str], Json]
    called: Callable[[int, Call], Deltas]
    closing: Json
    chunk: Callable[[Question, Json, str | None], Json]
    counted: Callable[[Question, Answer], Json]
    whole: Callable[[Question, Answer], Json]
    finish: Callable[[Question, Answer], str] = lambda _, answer: answer.finish
    last: Callable[[Answer], Json] = lambda _: {}


def streamer(grammar: Grammar) -> Callable[[Question, Answer], list[bytes]]:
    """The function that streams a reply by this grammar."""

    def stream(question: Question, answer: Answer) -> list[bytes]:
        chunks = [grammar.chunk(question, delta, None) for delta in _deltas(grammar, question, answer)]
        chunks.append(grammar.chunk(question, grammar.closing, grammar.finish(question, answer)))
        if question.include_usage:
            chunks.append(grammar.counted(question, answer))
        chunks[-1] = {**chunks[-1], **grammar.last(answer)}
        return [*(data(chunk) for chunk in chunks), DONE]

    return stream


def counts(answer: Answer) -> Json:
    """The three counts that all of them have; output includes reasoning."""
    return {
        "prompt_tokens": answer.prompt,
        "completion_tokens": answer.output,
        "total_tokens": answer.prompt + answer.output,
    }


def _deltas(grammar: Grammar, question: Question, answer: Answer) -> Deltas:
    yield grammar.opening(question)
    for piece in pieces(answer.reasoning):
        yield grammar.thought(piece)
    for piece in pieces(answer.text):
        yield grammar.said(piece)
    for index, call in enumerate(answer.calls):
        yield from grammar.called(index, call)
