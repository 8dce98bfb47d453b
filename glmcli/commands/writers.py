"""Which writers the options ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.output.destination import Destination, StreamDestination, open_dest
from glmcli.output.json_output import CallPlan, JsonLines, JsonReply, Meta
from glmcli.output.notes import AttemptNotes, ToolTrace, UsageLine
from glmcli.output.text import LiveAnswer, ReasoningText, SourceList, WholeAnswer
from glmcli.output.writer import Writer, WriterGroup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from glmcli.chat.messages import Message
    from glmcli.chat.outcome import Outcome
    from glmcli.config.options import Options
    from glmcli.config.session import Session
    from glmcli.console.redaction import Redactor
    from glmcli.console.terminal import Terminal
    from glmcli.tools.toolbox import Toolbox


class SessionWriter(Writer):
    """Adds a complete answer to its session."""

    def __init__(self, session: Session, new: tuple[Message, ...], redactor: Redactor) -> None:
        """`new` are the messages that led to the answer."""
        self._session = session
        self._new = new
        self._redactor = redactor

    def end(self, outcome: Outcome) -> None:
        """Append question and answer; a question without a complete answer is not kept."""
        if outcome.error is None:
            self._session.append(self._new, outcome, self._redactor)


def writers(
    options: Options, terminal: Terminal, out: Destination, keep: Writer, *, live: bool, toolbox: Toolbox | None
) -> WriterGroup:
    """All writers of this question as one; `keep` is the session's, `toolbox` holds what the model may call.

    Reasoning comes first: its line ends before anything else is printed. JSON is written after the session, so that it
    can report a failure there; a plain answer is written before it, so that a failure there does not lose it.
    """
    answer = _answer(options, out, live=live)
    if options.plan and toolbox:
        answer = CallPlan(out, terminal, toolbox.planned)
    both = [keep, answer] if options.for_script else [answer, keep]
    rest = [
        *_sources(options, terminal, live=live),
        *_meta(options, terminal),
        *([UsageLine(terminal)] if options.usage else []),
    ]
    trace = [ToolTrace(terminal, live=live)] if toolbox and not options.plan else []
    return WriterGroup([*_reasoning(options, terminal, live=live), AttemptNotes(terminal), *trace, *both, *rest])


def _reasoning(options: Options, terminal: Terminal, *, live: bool) -> Iterator[Writer]:
    quiet = options.quiet or options.for_script
    destination = options.reasoning or ("none" if quiet or options.no_reasoning else "stderr")
    stream = open_dest("--reasoning", destination, terminal)
    if stream is not None:
        # A live question is never retried after its first event, so only `ask` needs to hold reasoning back.
        hold = not live and stream is not terminal.stderr
        # Nothing is written to stdout unless the answer is complete, or --keep-partial is given.
        needs_answer = not live and stream is terminal.stdout and not options.keep_partial
        yield ReasoningText(stream, terminal, hold=hold, needs_answer=needs_answer)


def _sources(options: Options, terminal: Terminal, *, live: bool) -> Iterator[Writer]:
    destination = options.sources or ("none" if options.quiet or options.for_script else "stderr")
    stream = open_dest("--sources", destination, terminal)
    if stream is not None:
        yield SourceList(stream, terminal, needs_answer=not live and not options.keep_partial)


def _answer(options: Options, out: Destination, *, live: bool) -> Writer:
    if options.json:
        return JsonReply(out, keep_partial=options.keep_partial)
    if options.jsonl:
        return JsonLines(out)
    if not live:
        return WholeAnswer(out, keep_partial=options.keep_partial, exact=options.exact)
    return LiveAnswer(out, exact=options.exact)


def _meta(options: Options, terminal: Terminal) -> Iterator[Writer]:
    if options.meta:
        stream = open_dest("--meta", options.meta, terminal)
        if stream is not None:
            yield Meta(stream)


def script_writers(options: Options, terminal: Terminal, ended: AbstractSet[type[Writer]]) -> Iterator[Writer]:
    """The writers of JSON that have not ended yet, for an error outside of the exchange with a provider.

    The file of the answer is not touched.
    """
    if options.output in (None, "-"):
        if options.json and JsonReply not in ended:
            yield JsonReply(StreamDestination(terminal.stdout), keep_partial=False)
        elif options.jsonl and JsonLines not in ended:
            yield JsonLines(StreamDestination(terminal.stdout))
    if Meta not in ended:
        yield from _meta(options, terminal)
