"""What `ask`, `stream`, `vision` and `tools run` share: from the flags to the end of the question."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from glmcli.chat.outcome import Outcome
from glmcli.config import prompt, resolve
from glmcli.config.app import check_caller
from glmcli.config.options import Options, merged
from glmcli.config.provider_choice import layers
from glmcli.config.session import Session
from glmcli.console import signals
from glmcli.errors import GlmError, NetworkError, ReaderGoneError, UsageError, no_memory
from glmcli.output.destination import (
    Destination,
    abandoned_on_error,
    check_destinations,
    dest_file,
    is_stdout,
    is_stdout_file,
    open_output,
    require_distinct_files,
)
from glmcli.output.writer import Writer
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet
    from types import FrameType

    from glmcli.chat.messages import Message
    from glmcli.commands.tools.tool_files import ToolFiles
    from glmcli.config.app import App
    from glmcli.config.plan import Candidate, Plan
    from glmcli.tools.toolbox import Toolbox

_LONGEST_ALARM = 1e8  # seconds; the system refuses much longer ones
_SOON = 0.01  # seconds
_GRACE = 0.5  # seconds after the deadline, in which limits with a more precise message can end the run first


class Mode(Record):
    """How the commands that ask a model differ.

    Attributes:
        live: the answer is printed as it arrives.
        runs_tools: the model may call the tools of --tools before it answers.
        vision: the request must have media, and the default model takes pictures.
    """

    live: bool = False
    runs_tools: bool = False
    vision: bool = False


def answer(app: App, flags: Mapping[str, Any], mode: Mode) -> None:
    """Ask, print, and raise the error if there is no complete answer.

    Raises:
        GlmError: there is no complete answer; its class decides the exit code.
    """
    signals.install_handlers()
    options = Options(**flags)
    question: _Question | None = None
    with ExitStack() as stack:
        stack.callback(signal.setitimer, signal.ITIMER_REAL, 0)
        try:
            _set_alarm(app, options)
            _refuse_contradictions(options, mode)
            app.apply(options)
            file = _request_file(app, options)
            # From here on the options are complete, and do not change.
            options = merged(file, flags)
            _set_alarm(app, options)
            _refuse_contradictions(options, mode)
            app.apply(options)
            if shared := _shared_file(options):
                options = options.replace(meta=None)  # the error must not be written over that file either
                raise shared
            question = _Question(app, options, mode, stack)
            resolver = resolve.ProviderResolver(app, options, layers(app, flags, file))
            outcome = question.ask(resolver, trusts_tools="tools" in flags)
        except GlmError as error:
            _set_alarm(app, options)  # again: reporting must not hang at a FIFO that nobody reads
            _report(app, options, error, question.ended if question else frozenset())
            raise
        if outcome and outcome.error:
            raise outcome.error  # the writers have reported it as JSON already


def _request_file(app: App, options: Options) -> Mapping[str, Any]:
    """What the request file sets, by the field of Options."""
    if options.request is None:
        return {}
    from glmcli.config import request_file

    return request_file.load(options.request, options.var, app.stdin, app.terminal.note)


# What is refused before anything is read or written

_CHOOSE = "leave one of them out"


def _refuse_contradictions(options: Options, mode: Mode) -> None:
    """Refuse options that contradict each other, or the command."""
    is_stream = not (mode.runs_tools or mode.vision)
    for_files = "send --reasoning, --sources and --meta to stderr, a FILE or fd:N"
    script_reads_stdout = options.for_script and is_stdout_file(options.output)
    others = (options.reasoning, options.sources, options.meta)
    shares_stdout = script_reads_stdout and any(map(is_stdout, others))
    pairs = (
        (
            options.tools and not mode.runs_tools,
            "the request file names tools, which this command does not run",
            "glm tools run",
        ),
        (options.plan and options.for_script, "--plan is JSON by itself", _CHOOSE),
        (options.plan and options.live, "--plan is one list at the end, and --stream prints as it arrives", _CHOOSE),
        (options.json and options.jsonl, "--json and --jsonl are two forms of the same output", _CHOOSE),
        (
            mode.live and options.json,
            "--json is one object at the end, and stream prints as it arrives",
            "--jsonl, or glm ask" if is_stream else "--jsonl, or leave out --stream",
        ),
        (mode.live and options.no_stream, "stream needs a stream", "glm ask --no-stream" if is_stream else _CHOOSE),
        (options.no_reasoning and options.reasoning, "--no-reasoning hides what --reasoning would write", _CHOOSE),
        (options.no_stdin and options.need_stdin, "--no-stdin and --need-stdin contradict each other", _CHOOSE),
        (options.dry_run and options.curl, "--dry-run and --curl are two forms of the same output", _CHOOSE),
        (shares_stdout, "stdout holds the --json object or the --jsonl lines, and nothing else", for_files),
        (options.var and not options.request, "--var fills a request file, and there is none", "add --request FILE"),
    )
    for contradicts, message, fix in pairs:
        if contradicts:
            raise UsageError(message=message, fix=fix)


def _shared_file(options: Options) -> UsageError | None:
    """The error, if two outputs are one file."""
    try:
        require_distinct_files(
            {
                "--session": options.session,
                "--output": options.output,
                "--reasoning": dest_file(options.reasoning),
                "--sources": dest_file(options.sources),
                "--meta": dest_file(options.meta),
            }
        )
    except UsageError as error:
        return error
    return None


# The deadline


def _set_alarm(app: App, options: Options) -> None:
    """Let SIGALRM enforce the deadline where no other limit does, as in opening a FIFO that has no other end."""
    if options.deadline:
        signal.signal(signal.SIGALRM, _too_late)
        left = app.started + options.deadline + _GRACE - time.monotonic()
        # Repeated: writing the error may block too, at a pipe that nobody reads.
        signal.setitimer(signal.ITIMER_REAL, min(max(left, _GRACE), _LONGEST_ALARM), _GRACE)


def _too_late(_number: int, _frame: FrameType | None) -> None:
    if signals.is_deferred():
        signal.setitimer(signal.ITIMER_REAL, _SOON, _GRACE)
        return
    raise NetworkError(message="the deadline has passed")


# The question


class _Question:
    """One question, from complete options to the last byte of output.

    Attributes:
        ended: the writers whose `end` was called.
    """

    def __init__(self, app: App, options: Options, mode: Mode, stack: ExitStack) -> None:
        self._app = app
        self._terminal = app.terminal
        self._options = options
        self._mode = mode
        self._stack = stack
        self.ended: AbstractSet[type[Writer]] = frozenset()

    def ask(self, resolver: resolve.ProviderResolver, *, trusts_tools: bool) -> Outcome | None:
        """Ask and print; None if the request was only shown.

        `trusts_tools`: the tool files were named on the command line.
        """
        app, options = self._app, self._options
        if options.key_file == "-":
            app.stdin.reserve("--key-file -")
        tool_files = self._tool_files(trusts_tools=trusts_tools)
        session = Session(options.session) if options.session else None
        new, messages = self._messages(session)
        toolbox = tool_files.open(self._stack) if tool_files else None
        tools = toolbox.functions() if toolbox else ()
        mode = self._mode
        candidates = resolver.candidates(messages, tools, vision=mode.vision)
        plan = resolve.make_plan(app, options, candidates, live=mode.live, runs_tools=mode.runs_tools)
        if options.is_dry:
            self._show(candidates[0])
            return None
        from glmcli.commands.writers import SessionWriter

        # The calls that --plan prints are not part of the conversation.
        redactor = app.terminal.redactor
        keep = SessionWriter(session, new, redactor) if session and not options.plan else Writer()
        return self._run(plan, keep, toolbox)

    def _tool_files(self, *, trusts_tools: bool) -> ToolFiles | None:
        """The files of --tools, whose MCP servers are not started yet."""
        if not self._mode.runs_tools:
            return None
        from glmcli.commands.tools.tool_files import ToolFiles

        return ToolFiles(self._options, self._app, trusted=trusts_tools, connect=not self._options.is_dry)

    def _messages(self, session: Session | None) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
        """The messages that are new, and all that are sent."""
        options, stdin = self._options, self._app.stdin
        system = prompt.system_message(options, stdin)
        earlier = session.messages() if session else ()
        new = prompt.new_messages(options, stdin, self._terminal)
        if session:
            prompt.refuse_data(new)
        kept = (system, *new) if system and system not in earlier else new
        messages = prompt.conversation(system, earlier, new)
        if self._mode.vision and not any(message.media for message in messages):
            raise UsageError(message="there is nothing to look at", fix="--image PATH|URL|-, --video URL or --file URL")
        return kept, messages

    def _show(self, candidate: Candidate) -> None:
        from glmcli.output.dry_run import as_curl, as_json

        options = self._options
        shown = as_curl(candidate) if options.curl else as_json(candidate)
        others = {"--reasoning": options.reasoning, "--sources": options.sources, "--meta": options.meta}
        check_destinations(options.output, others, self._terminal)
        self._terminal.stdout.write(shown)

    def _destination(self) -> Destination:
        """Where the answer goes; a stream that a person watches is rendered."""
        options, terminal = self._options, self._terminal
        as_text = options.raw or options.exact or options.for_script or terminal.plain
        as_text = as_text or self._mode.runs_tools  # lines about tool calls are printed in between
        if self._mode.live and options.output is None and terminal.stdout.is_terminal and not as_text:
            from glmcli.output.markdown.stream import MarkdownStream

            rendered = MarkdownStream(terminal.stdout)
            terminal.erase_drawing = rendered.make_room
            return rendered
        return open_output(options.output, terminal, is_paid=True)

    def _run(self, plan: Plan, keep: Writer, toolbox: Toolbox | None) -> Outcome:
        app, options = self._app, self._options
        tls = app.tls(candidate.call for candidate in plan.candidates)
        # Imported while the certificates load, and before the output file exists: a signal would leave it behind.
        from glmcli.commands.writers import writers
        from glmcli.engine.ask import RequestSender

        out = self._destination()
        with abandoned_on_error(out):
            writer = writers(options, app.terminal, out, keep, live=plan.live, toolbox=toolbox)
            self.ended = writer.ended
            tick = partial(check_caller, out)
            sender = RequestSender(plan, writer, app.terminal.redactor, tls, tick)
            if toolbox is None or options.plan:
                return _outcome(sender.ask)
            from glmcli.engine.tool_loop import ToolLoop
            from glmcli.tools.approval import Approvals

            approvals = Approvals(app.terminal, everything=options.yes, named=options.approve)
            loop = ToolLoop(sender, toolbox, approvals)
            return _outcome(partial(loop.run, options.max_steps))


def _outcome(ask: Callable[[], Outcome]) -> Outcome:
    # Raised when the data that was read is freed: reporting the error needs memory too.
    with suppress(MemoryError):
        return ask()
    raise no_memory()


def _report(app: App, options: Options, error: GlmError, ended: AbstractSet[type[Writer]]) -> None:
    """Report an error that no writer has reported as JSON, where a script asked for that.

    `ended` are the writers whose `end` was called already.
    """
    from glmcli.commands.writers import script_writers

    try:
        for writer in script_writers(options, app.terminal, ended):
            writer.end(Outcome(error=error))
    except (GlmError, ReaderGoneError):
        return  # the error itself is what must be reported
