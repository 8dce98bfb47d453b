"""From text as a provider sends it to the text of the model. Pure, and the same however the text is cut.

It undoes cumulative frames, surrogate pairs cut in halves, `<think>` tags in the answer, and marks around the answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from glmcli.chat.events import Answer, Event, Finish, Reasoning, Resumed, ToolCallPart
from glmcli.chat.reply import check_size, size_of
from glmcli.console.string_search import overlap
from glmcli.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from glmcli.providers.row import Api

_SURROGATE = re.compile("[\ud800-\udfff]")
OPEN_TAG, CLOSE_TAG = "<think>", "</think>"
_BOX, _BOXED = "<|begin_of_box|>", "<|end_of_box|>"
_MAX_BLANKS = 4096  # characters; more blanks than this before an opening tag are an answer of blanks


class TextFilter:
    """Filters the events of one reply as the provider's row says.

    Attributes:
        is_finished: a finish reason came, and nothing new after it.
    """

    def __init__(self, api: Api) -> None:
        """Prepare for one reply of this API."""
        self.is_finished = False
        cumulative = api.text_frames == "cumulative"
        self._reasoning = TextJoiner(cumulative=cumulative)
        self._answer = TextJoiner(cumulative=cumulative)
        self._tags = None if api.think_tags == "none" else ThinkTags(api.think_tags)
        self._boxes: dict[type[Answer | Reasoning], BoxTags] | None = None
        if api.box_tags:
            self._boxes = {Answer: BoxTags(), Reasoning: BoxTags()}

    @property
    def passes_text(self) -> bool:
        """Whether text passes unchanged, wherever it is cut, with nothing held back."""
        has_no_tags = self._boxes is None and (self._tags is None or self._tags.are_past)
        return not self.is_finished and has_no_tags and self._reasoning.passes_text and self._answer.passes_text

    def push(self, event: Event) -> Iterator[Event]:
        """The events that this one becomes; text may be held back."""
        match event:
            case Reasoning(text):
                yield from self._split(self._answer.flush())
                text = self._reasoning.push(text)
                yield from self._resume(self._reasoning, text)
                if text:
                    yield from self._unboxed([Reasoning(text)])
            case Answer(text):
                yield from self._rest_of_reasoning()
                text = self._answer.push(text)
                yield from self._resume(self._answer, text)
                yield from self._split(text)
            case ToolCallPart():
                yield from self._resume(self._answer, event.name or event.arguments)
                yield event
            case Finish():
                self.is_finished = True
                yield event
            case _:
                yield event

    def _resume(self, joiner: TextJoiner, text: str) -> Iterator[Event]:
        """Where something new came, if only half a character, a finish before it is void."""
        if self.is_finished and (text or joiner.holds_half):
            self.is_finished = False
            yield Resumed()

    def close(self) -> Iterator[Event]:
        """What was held back."""
        yield from self._rest_of_reasoning()
        yield from self._split(self._answer.flush())
        if self._tags:
            yield from self._unboxed(self._tags.flush())
        if self._boxes and (text := self._boxes[Answer].flush()):
            yield Answer(text)

    def _rest_of_reasoning(self) -> Iterator[Event]:
        if text := self._reasoning.flush():
            yield from self._unboxed([Reasoning(text)])
        if self._boxes and (text := self._boxes[Reasoning].flush()):
            yield Reasoning(text)

    def _split(self, text: str) -> Iterator[Event]:
        if text:
            yield from self._unboxed(self._tags.push(text) if self._tags else [Answer(text)])

    def _unboxed(self, events: Iterable[Event]) -> Iterator[Event]:
        """The events without the marks of boxes."""
        for event in events:
            if self._boxes and isinstance(event, Answer | Reasoning):
                if text := self._boxes[type(event)].push(event.text):
                    yield type(event)(text)
            else:
                yield event


class TextJoiner:
    r"""Makes the text of one field, as it arrives, into new text of whole characters.

    A provider that splits its text by UTF-16 units sends `"\ud83d"` in one delta and `"\ude00"` in the next. Python
    keeps them as lone surrogates, which no encoder accepts (github.com/Aider-AI/aider/issues/3693).
    """

    def __init__(self, *, cumulative: bool = False) -> None:
        """Start before the first character; `cumulative`: each frame repeats all text so far."""
        self._so_far = "" if cumulative else None
        self._held = ""

    @property
    def holds_half(self) -> bool:
        """Whether half a character was held back."""
        return bool(self._held)

    @property
    def passes_text(self) -> bool:
        """Whether text passes unchanged, as long as no character is cut in two."""
        return self._so_far is None and not self._held

    def push(self, text: str) -> str:
        """The new text with surrogate pairs joined; a high surrogate at its end is held back.

        Raises:
            ProtocolError: cumulative text does not continue what was sent before.
        """
        if self._so_far is not None:
            if not text.startswith(self._so_far):
                raise ProtocolError(message="the provider took back text that it had sent", sent=True)
            text, self._so_far = text[len(self._so_far) :], text
        text, self._held = self._held + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        if _SURROGATE.search(text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text

    def flush(self) -> str:
        """U+FFFD if half a character was held back."""
        held, self._held = self._held, ""
        return "\ufffd" if held else ""


class ThinkTags:
    """Separates thinking from the answer, for servers that run without a reasoning parser.

    `open`: thinking stands between `<think>` and `</think>` at the very start (templates of GLM-4.5 and 4.6).
    `bare`: the opening tag was part of the prompt, so all text up to `</think>` is thinking (GLM-4.7 and later, seen on
    vLLM 0.32 and transformers 5.19 on 2026-11-21). Text is held back until the tag comes; without one it is the answer.
    """

    def __init__(self, form: Literal["open", "bare"]) -> None:
        """Start before the first character."""
        self._held = ""
        self._before: list[str] = []  # the text before a bare closing tag, so far
        self._size = 0
        self._state: Callable[[str], Iterator[Event]] = self._start if form == "open" else self._until_close

    @property
    def are_past(self) -> bool:
        """Whether all that follows is the answer."""
        return self._state == self._answer and not self._held

    def push(self, text: str) -> Iterator[Event]:
        """The events of this text as far as they are certain."""
        if not text:
            return
        held, self._held = self._held, ""
        yield from self._state(held + text)

    def flush(self) -> Iterator[Event]:
        """What was held back, as the end of the reply decides it."""
        held, self._held = self._held or "".join(self._before), ""
        self._before.clear()
        if held:
            yield Reasoning(held) if self._state == self._thinking else Answer(held)

    def _start(self, text: str) -> Iterator[Event]:
        start = text.lstrip()
        if len(text) - len(start) > _MAX_BLANKS:
            yield from self._answer(text)
        elif start.startswith(OPEN_TAG):
            self._state = self._thinking
            yield from self._thinking(start.removeprefix(OPEN_TAG))
        elif OPEN_TAG.startswith(start):
            self._held = text
        else:
            yield from self._answer(text)

    def _thinking(self, text: str) -> Iterator[Event]:
        thinking, tag, rest = text.partition(CLOSE_TAG)
        if not tag:
            keep = overlap(text, CLOSE_TAG)
            thinking, self._held = text[: len(text) - keep], text[len(text) - keep :]
        if thinking:
            yield Reasoning(thinking)
        if tag:
            yield from self._answer(rest)

    def _until_close(self, text: str) -> Iterator[Event]:
        # Only the end of what is held is searched again, or long thinking would take quadratic time.
        window = "".join(self._before[-len(CLOSE_TAG) :])[-len(CLOSE_TAG) :] + text
        self._before.append(text)
        self._size += size_of(text)
        check_size(self._size)
        if CLOSE_TAG not in window:
            return
        thinking, _, rest = "".join(self._before).partition(CLOSE_TAG)
        self._before.clear()
        if thinking := thinking.lstrip().removeprefix(OPEN_TAG):
            yield Reasoning(thinking)
        yield from self._answer(rest)

    def _answer(self, text: str) -> Iterator[Event]:
        self._state = self._answer
        if text:
            yield Answer(text)


class BoxTags:
    """Removes the marks that GLM's vision models put around their final answer, and sometimes into their thinking.

    Source: the chat completion OpenAPI of docs.z.ai (2026-09); github.com/raullenchai/Rapid-MLX/pull/374 (2026-05-13);
    for thinking: github.com/zai-org/GLM-V/issues/206 (2025-10-22).
    """

    def __init__(self) -> None:
        """Start before the first character."""
        self._held = ""

    def push(self, text: str) -> str:
        """The text without marks; what may be the beginning of one is held back."""
        # No end of one mark begins the other, so that both can be treated as one.
        *done, last = (self._held + text).replace(_BOXED, _BOX).split(_BOX)
        keep = max(overlap(last, _BOX), overlap(last, _BOXED))
        self._held = last[len(last) - keep :]
        return "".join([*done, last[: len(last) - keep]])

    def flush(self) -> str:
        """What was held back, as it was no mark."""
        held, self._held = self._held, ""
        return held
