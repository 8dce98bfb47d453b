"""The answer as text, whole or as it comes, and the reasoning beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.chat.events import Answer as AnswerText
from glmcli.chat.events import Damaged, Event, Reasoning, ToolCallPart
from glmcli.chat.outcome import no_timing
from glmcli.errors import OutputError, ReaderGoneError
from glmcli.output.writer import Silent

if TYPE_CHECKING:
    from glmcli.chat.messages import ToolCall
    from glmcli.chat.outcome import Again, Outcome
    from glmcli.console.terminal import Stream, Terminal
    from glmcli.output.destination import Destination


class WholeAnswer(Silent):
    """The answer when it is complete, or nothing; `keep_partial` writes what came."""

    def __init__(self, out: Destination, *, keep_partial: bool, exact: bool) -> None:
        """`exact`: no newline is added."""
        self._out = out
        self._keep_partial = keep_partial
        self._exact = exact

    def end(self, outcome: Outcome) -> None:
        """Write the answer."""
        answer = outcome.reply.answer
        if outcome.error and not self._keep_partial:
            self._out.abandon()
            return
        newline = "" if self._exact or not answer or answer.endswith("\n") else "\n"
        self._out.write(answer + newline)
        if outcome.error:
            self._out.abandon()
        else:
            self._out.commit()


class LiveAnswer(Silent):
    """The answer as it comes."""

    def __init__(self, out: Destination, *, exact: bool) -> None:
        """`exact`: no newline is added."""
        self._out = out
        self._exact = exact
        self._last = ""

    def event(self, event: Event) -> None:
        """Write the piece at once."""
        if isinstance(event, AnswerText):
            self._out.write(event.text)
            self._last = event.text

    def tool_call(self, call: ToolCall) -> None:  # noqa: ARG002 - the contract's names
        """What the model said before its calls ends a line."""
        self._end_line()

    def _end_line(self) -> None:
        if self._last and not self._exact and not self._last.endswith("\n"):
            self._out.write("\n")
        self._last = ""

    def end(self, outcome: Outcome) -> None:
        """End the line; a file is put into its place if the answer is complete."""
        self._end_line()
        if outcome.error:
            self._out.abandon()
        else:
            self._out.commit()


class ReasoningText(Silent):
    """The reasoning as it comes, ended by a newline before anything else is said.

    `hold`: keep it back until the attempt is over, so that a file never holds two attempts. `needs_answer`: forget it
    where there is no complete answer.
    """

    def __init__(self, stream: Stream, terminal: Terminal, *, hold: bool, needs_answer: bool = False) -> None:
        """Write to this stream; on stderr of a terminal it is paler than the rest."""
        self._stream = stream
        self._terminal = terminal
        self._hold = hold
        self._needs_answer = needs_answer
        self._is_stderr = stream is terminal.stderr
        self._held: list[str] = []
        self._kept: list[str] = []  # of turns that are over
        self._begun = False
        self._open = False

    def event(self, event: Event) -> None:
        """Write a piece of reasoning, or end its line before something else may be printed."""
        if isinstance(event, Reasoning):
            if self._hold:
                self._held.append(event.text)
            else:
                self._write(event.text)
        elif isinstance(event, AnswerText | Damaged | ToolCallPart):
            self._close()

    def tool_call(self, call: ToolCall) -> None:  # noqa: ARG002 - the contract's names
        """The turn is over: another one's retry does not void its thoughts."""
        if self._held:
            self._kept += ["".join(self._held).strip("\n"), "\n"]
            self._held.clear()
        self._close()
        self._begun = False

    def retry(self, again: Again) -> None:  # noqa: ARG002 - the contract's names
        """The attempt is void: what was held is forgotten."""
        self._held.clear()
        self._close()
        self._begun = False

    def end(self, outcome: Outcome) -> None:
        """Write what was held."""
        if (self._kept or self._held) and not (outcome.error and self._needs_answer):
            held = "".join(self._held)
            self._write("".join([*self._kept, held.lstrip("\n") if self._kept else held]))
        self._close()

    def _write(self, text: str) -> None:
        # Providers begin with newlines that mean nothing; on a line of its own, they would only tear a gap.
        text = text if self._begun else text.lstrip("\n")
        if not text:
            return
        try:
            if self._is_stderr and not self._open:
                self._terminal.dim(on=True)
            self._begun = self._open = True
            self._stream.write(text)
        except (OutputError, ReaderGoneError):
            if not self._is_stderr:
                raise

    def _close(self) -> None:
        if not self._open:
            return
        self._open = False
        try:
            if self._is_stderr:
                self._terminal.dim(on=False)
            self._stream.end_line()
        except (OutputError, ReaderGoneError):
            if not self._is_stderr:
                raise


class Remarks(Silent):
    """What a person should know besides: retries, damaged bytes."""

    def __init__(self, terminal: Terminal) -> None:
        """Speak through this terminal."""
        self._terminal = terminal
        self._warned = False

    def event(self, event: Event) -> None:
        """Warn once of bytes that were not UTF-8."""
        if isinstance(event, Damaged) and not self._warned:
            self._warned = True
            self._terminal.note("the reply holds bytes that are not UTF-8; U+FFFD stands in their place")

    def retry(self, again: Again) -> None:
        """One line for each retry."""
        billed = " (the first request may be billed)" if again.error.sent else ""
        what = f"asking {again.elsewhere}" if again.elsewhere else f"asking again in {again.wait:.1f} s"
        self._terminal.note(f"{again.error.message}; {what}{billed}")

    def end(self, outcome: Outcome) -> None:
        """What --verbose adds: who answered, how it ended, how long it took."""
        reply, timing = outcome.reply, outcome.timing or no_timing()
        self._terminal.detail(
            f"{outcome.provider}/{outcome.model}: finish {reply.finish_reason or 'none'}, "
            f"request id {reply.request_id or 'unknown'}, requests {outcome.attempts}, "
            f"first data {_seconds(timing['first_event'])}, total {_seconds(timing['total'])}"
        )


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f} s"
