"""The answer as plain text, whole or while it arrives, the reasoning beside it, and the sources behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.chat.events import Answer, Event, Reasoning, Remark, ToolCallPart
from glmcli.errors import OutputError, ReaderGoneError
from glmcli.output.destination import commit_or_abandon
from glmcli.output.writer import Writer

if TYPE_CHECKING:
    from glmcli.chat.events import Source
    from glmcli.chat.messages import ToolCall
    from glmcli.chat.outcome import NextAttempt, Outcome
    from glmcli.console.terminal import Stream, Terminal
    from glmcli.output.destination import Destination

_MAX_TITLE = 200  # characters of a page's title that are listed


class WholeAnswer(Writer):
    """The answer when it is complete, or nothing; with `keep_partial` an incomplete one is written too."""

    def __init__(self, out: Destination, *, keep_partial: bool, exact: bool) -> None:
        """`exact`: no newline is added."""
        self._out = out
        self._keep_partial = keep_partial
        self._exact = exact

    def end(self, outcome: Outcome) -> None:
        """Write the answer."""
        if self._keep_partial or not outcome.error:
            answer = outcome.reply.answer
            self._out.write(answer if self._exact or not answer or answer.endswith("\n") else f"{answer}\n")
        commit_or_abandon(self._out, outcome.error)


class LiveAnswer(Writer):
    """The answer while it arrives."""

    def __init__(self, out: Destination, *, exact: bool) -> None:
        """`exact`: no newline is added."""
        self._out = out
        self._exact = exact
        self._last = ""

    def event(self, event: Event) -> None:
        """Write a piece of the answer at once."""
        if isinstance(event, Answer):
            self._out.write(event.text)
            self._last = event.text

    def tool_call(self, call: ToolCall) -> None:  # noqa: ARG002 - the names of the interface
        """End the line of the text before the call."""
        self._end_line()

    def end(self, outcome: Outcome) -> None:
        """End the line; a file is renamed into place only if the answer is complete."""
        self._end_line()
        commit_or_abandon(self._out, outcome.error)

    def _end_line(self) -> None:
        if self._last and not self._exact and not self._last.endswith("\n"):
            self._out.write("\n")
        self._last = ""


class ReasoningText(Writer):
    """The reasoning while it arrives, ended by a newline before anything else is printed.

    With `hold` it is written only when the attempt is over, so that a file never contains two attempts. With
    `needs_answer` it is dropped where there is no complete answer.
    """

    def __init__(self, stream: Stream, terminal: Terminal, *, hold: bool, needs_answer: bool = False) -> None:
        """Write to this stream; if that is stderr and a terminal, in a dim colour."""
        self._stream = stream
        self._terminal = terminal
        self._hold = hold
        self._needs_answer = needs_answer
        self._is_stderr = stream is terminal.stderr
        self._attempt: list[str] = []  # held back: of the current attempt
        self._turns: list[str] = []  # held back: of earlier turns, which no retry voids
        self._has_text = False  # something of this attempt was written
        self._line_is_open = False

    def event(self, event: Event) -> None:
        """Write a piece of reasoning, or end its line before something else may be printed."""
        if isinstance(event, Reasoning):
            if self._hold:
                self._attempt.append(event.text)
            else:
                self._write(event.text)
        elif isinstance(event, Answer | Remark | ToolCallPart):
            self._end_line()

    def tool_call(self, call: ToolCall) -> None:  # noqa: ARG002 - the names of the interface
        """The turn is complete: a retry of the next one does not void its reasoning."""
        if self._attempt:
            self._turns += ["".join(self._attempt).strip("\n"), "\n"]
            self._attempt.clear()
        self._end_line()
        self._has_text = False

    def retry(self, following: NextAttempt) -> None:  # noqa: ARG002 - the names of the interface
        """The attempt is void: drop what was held back of it."""
        self._attempt.clear()
        self._end_line()
        self._has_text = False

    def end(self, outcome: Outcome) -> None:
        """Write what was held back."""
        if (self._turns or self._attempt) and not (outcome.error and self._needs_answer):
            last = "".join(self._attempt)
            self._write("".join([*self._turns, last.lstrip("\n") if self._turns else last]))
        self._end_line()

    def _write(self, text: str) -> None:
        # Drop leading newlines, which some providers send.
        text = text if self._has_text else text.lstrip("\n")
        if not text:
            return
        try:
            if self._is_stderr and not self._line_is_open:
                self._terminal.dim(on=True)
            self._has_text = self._line_is_open = True
            self._stream.write(text)
        except (OutputError, ReaderGoneError):
            # A stderr that is closed or full must not hide the exit code.
            if not self._is_stderr:
                raise

    def _end_line(self) -> None:
        if not self._line_is_open:
            return
        self._line_is_open = False
        try:
            if self._is_stderr:
                self._terminal.dim(on=False)
            self._stream.end_line()
        except (OutputError, ReaderGoneError):
            if not self._is_stderr:
                raise


class SourceList(Writer):
    """The pages that the provider found on the web, a line each, behind the answer that refers to them."""

    def __init__(self, stream: Stream, terminal: Terminal, *, needs_answer: bool) -> None:
        """Write to this stream; `needs_answer`: only behind a complete answer, because no other is printed."""
        self._stream = stream
        self._terminal = terminal
        self._needs_answer = needs_answer

    def end(self, outcome: Outcome) -> None:
        """Write the list; nothing if nothing was found."""
        found = outcome.reply.sources
        if not found or (outcome.error and self._needs_answer):
            return
        is_stderr = self._stream is self._terminal.stderr
        lines = [_source_line(number, source) for number, source in enumerate(found, 1)]
        try:
            if is_stderr:
                self._terminal.erase_drawing()
                self._terminal.dim(on=False)
            self._stream.end_line()
            self._stream.write("".join(lines))
        except (OutputError, ReaderGoneError):
            # A stderr that is closed or full must not hide the exit code.
            if not is_stderr:
                raise


def _source_line(number: int, source: Source) -> str:
    """As in `[ref_1] A title — https://example.com/ (2026-11-30)`; without a reference, its number stands there."""
    title = source.title or source.site or ""
    shown = title if len(title) <= _MAX_TITLE else title[:_MAX_TITLE] + "…"
    page = " — ".join(text for text in (shown, source.link) if text)
    date = f" ({source.date})" if source.date else ""
    return " ".join(f"[{source.ref or number}] {page}{date}".split()) + "\n"
