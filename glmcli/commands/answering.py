"""What `ask` and `stream` share: from flags to the end of the question."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from glmcli.chat.outcome import Outcome
from glmcli.commands.options import merge
from glmcli.config import prompt as words
from glmcli.config import resolve
from glmcli.config.app import check_caller
from glmcli.config.options import Options
from glmcli.config.plan import Candidate, Plan
from glmcli.config.provider_choice import layers
from glmcli.config.session import Session
from glmcli.console import signals
from glmcli.errors import GlmError, NetworkError, ReaderGoneError, UsageError, no_memory
from glmcli.output.destination import Destination, abandoned_on_error, dest_file, open_output, require_distinct_files
from glmcli.output.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet
    from types import FrameType

    from glmcli.chat.messages import Message
    from glmcli.commands.tools.offer import Offer
    from glmcli.config.app import App
    from glmcli.tools.toolbox import Toolbox


def answer(app: App, flags: Mapping[str, Any], *, live: bool, runs_tools: bool = False, vision: bool = False) -> None:
    """Ask, print, and raise the error if there is no complete answer; `live` prints as it comes.

    With `runs_tools` the model may call the tools of --tools before it answers. With `vision` there is something to
    look at, and the default model is one that can.

    Raises:
        GlmError: as its exit code says.
    """
    signals.install_handlers()
    with ExitStack() as stack:
        question = _Question(app, Options(**flags), flags, stack, live=live, runs_tools=runs_tools, vision=vision)
        try:
            question.ask()
        except _ReportedError as reported:
            raise reported.error from reported.__cause__
        except GlmError as error:
            question.bound()  # anew: a FIFO that nobody reads must not swallow the error
            _report(app, question.options, error, question.told)
            raise


_LONGEST_ALARM = 1e8  # seconds; the system refuses much longer ones
_SOON = 0.01  # seconds
_GRACE = 0.5  # seconds in which the limits that know what they wait for come first


def _too_late(_number: int, _frame: FrameType | None) -> None:
    if signals.is_deferred():
        signal.setitimer(signal.ITIMER_REAL, _SOON, _GRACE)
        return
    raise NetworkError(message="the deadline has passed")


_CHOOSE = "leave one of them out"


class _ReportedError(Exception):
    """The writers have told the script already; what is left is to tell the person."""

    def __init__(self, error: GlmError) -> None:
        super().__init__(error)
        self.error = error


_ELSEWHERE = "send --reasoning and --meta to stderr, a FILE or fd:N"


def _shares_stdout(options: Options) -> bool:
    for_script = (options.json or options.jsonl) and options.output in (None, "-")
    return for_script and "stdout" in (options.reasoning, options.meta)


_INSTEAD = "--jsonl, or leave out --stream"


def _agree(options: Options, *, live: bool, runs_tools: bool, vision: bool) -> None:
    """Refuse flags that contradict each other."""
    for_script = options.json or options.jsonl
    pairs = (
        (
            options.tools and not runs_tools,
            "the request file names tools, which this command does not run",
            "glm tools run",
        ),
        (options.plan and for_script, "--plan is JSON by itself", _CHOOSE),
        (options.plan and options.live, "--plan is one list at the end, and --stream prints as it arrives", _CHOOSE),
        (options.json and options.jsonl, "--json and --jsonl are two forms of the same output", _CHOOSE),
        (
            live and options.json,
            "--json is one object at the end, and stream prints as it arrives",
            _INSTEAD if runs_tools or vision else "--jsonl, or glm ask",
        ),
        (
            live and options.no_stream,
            "stream needs a stream",
            _CHOOSE if runs_tools or vision else "glm ask --no-stream",
        ),
        (options.no_reasoning and options.reasoning, "--no-reasoning hides what --reasoning would write", _CHOOSE),
        (options.no_stdin and options.need_stdin, "--no-stdin and --need-stdin contradict each other", _CHOOSE),
        (options.dry_run and options.curl, "--dry-run and --curl are two forms of the same output", _CHOOSE),
        (_shares_stdout(options), "stdout holds the --json object or the --jsonl lines, and nothing else", _ELSEWHERE),
        (options.var and not options.request, "--var fills a request file, and there is none", "add --request FILE"),
    )
    for contradicts, message, fix in pairs:
        if contradicts:
            raise UsageError(message=message, fix=fix)


class _Question:
    """One question, from the options to the last byte."""

    def __init__(
        self,
        app: App,
        options: Options,
        flags: Mapping[str, Any],
        stack: ExitStack,
        *,
        live: bool,
        runs_tools: bool,
        vision: bool,
    ) -> None:
        self._app = app
        self._vision = vision
        self._runs_tools = runs_tools
        self._terminal = app.terminal
        self._flags = flags
        self.options = options
        self.told: AbstractSet[type[Writer]] = frozenset()  # who has been told how it ended
        self._stack = stack
        self._live = live
        self.bound()

    def ask(self) -> None:
        self._agree()
        self._app.apply(self.options)
        file = self._load_file()
        self._app.apply(self.options)
        if self.options.key_file == "-":
            self._app.stdin.reserve("--key-file -")
        self._refuse_shared_file()
        tools = self._tools()
        session = Session(self.options.session) if self.options.session else None
        new, messages = self._messages(session)
        toolbox = tools.open(self._stack) if tools else None
        candidates = self._candidates(file, messages, toolbox)
        if self.options.dry_run or self.options.curl:
            self._show(candidates[0])
            return
        from glmcli.commands.writers import Kept

        # A plan is no answer, and nothing that was said.
        keep = Kept(session, new, self._terminal.redactor) if session and not self.options.plan else Writer()
        outcome = self._run(candidates, keep, toolbox)
        if outcome.error:
            raise _ReportedError(outcome.error)

    def _agree(self) -> None:
        _agree(self.options, live=self._live, runs_tools=self._runs_tools, vision=self._vision)

    def _tools(self) -> Offer | None:
        """The tools of --tools; nothing is started yet."""
        if not self._runs_tools:
            return None
        from glmcli.commands.tools.offer import Offer

        nothing_sent = self.options.dry_run or self.options.curl
        return Offer(self.options, self._app, trusted="tools" in self._flags, connect=not nothing_sent)

    def _refuse_shared_file(self) -> None:
        options = self.options
        try:
            require_distinct_files(
                {
                    "--session": options.session,
                    "--output": options.output,
                    "--reasoning": dest_file(options.reasoning),
                    "--meta": dest_file(options.meta),
                }
            )
        except UsageError:
            self.options = options.replace(meta=None)  # the error must not be written over that file either
            raise

    def bound(self) -> None:
        """End whatever no other limit ends, such as the opening of a FIFO that nobody else opens."""
        if deadline := self.options.deadline:
            signal.signal(signal.SIGALRM, _too_late)
            left = self._app.started + deadline + _GRACE - time.monotonic()
            # Again and again: what is told of the end may go to a pipe that nobody reads, too.
            signal.setitimer(signal.ITIMER_REAL, min(max(left, _GRACE), _LONGEST_ALARM), _GRACE)
            self._stack.callback(signal.setitimer, signal.ITIMER_REAL, 0)

    def _load_file(self) -> dict[str, Any]:
        if self.options.request is None:
            return {}
        from glmcli.config import request_file

        file = request_file.load(self.options.request, self.options.var, self._app.stdin)
        self.options = merge(file, self._flags)
        self.bound()
        # `stream` in a request file is the wire's; whether text is printed as it comes is said by --stream alone.
        self._agree()
        return file

    def _messages(self, session: Session | None) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
        """The turns that are new, and all that are sent."""
        system = words.system_message(self.options, self._app.stdin)
        earlier = session.messages() if session else ()
        new = words.new_turns(self.options, self._app.stdin, self._terminal)
        if session:
            words.refuse_data(new)
        kept = (system, *new) if system and system not in earlier else new
        messages = words.conversation(system, earlier, new)
        if self._vision and not any(turn.media for turn in messages):
            raise UsageError(message="there is nothing to look at", fix="--image PATH|URL|-, --video URL or --file URL")
        return kept, messages

    def _candidates(
        self, file: Mapping[str, Any], messages: tuple[Message, ...], toolbox: Toolbox | None
    ) -> tuple[Candidate, ...]:
        resolver = resolve.Resolver(self._app, self.options, layers(self._app, self._flags, file))
        tools = toolbox.functions() if toolbox else ()
        return resolver.candidates(messages, tools, stream=not self.options.no_stream, vision=self._vision)

    def _show(self, candidate: Candidate) -> None:
        from glmcli.output.dry_run import as_curl, as_json

        shown = as_curl(candidate) if self.options.curl else as_json(candidate)
        self._terminal.stdout.write(shown)

    def _destination(self) -> Destination:
        """Where the answer goes; a stream that a person watches is rendered."""
        options, terminal = self.options, self._terminal
        as_text = options.plain or options.raw or options.exact or options.json or options.jsonl or terminal.plain
        as_text = as_text or self._runs_tools  # lines about calls come between
        if self._live and options.output is None and terminal.stdout.is_terminal and not as_text:
            from glmcli.output.markdown.stream import MarkdownStream

            rendered = MarkdownStream(terminal.stdout)
            terminal.erase_drawing = rendered.make_room
            return rendered
        return open_output(options.output, terminal)

    def _run(self, candidates: tuple[Candidate, ...], keep: Writer, toolbox: Toolbox | None) -> Outcome:
        tls = self._app.tls(candidate.call for candidate in candidates)
        # The HTTP library is imported while the certificates load, and before a file is begun: a signal would leave it.
        from glmcli.commands.writers import writers
        from glmcli.engine.ask import RequestSender

        out = self._destination()
        with abandoned_on_error(out):
            writer = writers(self.options, self._terminal, out, keep, live=self._live, toolbox=toolbox)
            self.told = writer.ended
            plan = Plan(
                candidates=candidates,
                limits=resolve.limits(self.options),
                live=self._live,
                exact=self.options.exact,
                allow_empty=self.options.allow_empty,
                runs_tools=self._runs_tools,
                started=self._app.started,
            )
            tick = partial(check_caller, out)
            engine = RequestSender(plan, writer, self._terminal.redactor, tls, tick)
            if toolbox is None or self.options.plan:
                return _asked(engine.ask)
            from glmcli.engine.tool_loop import ToolLoop
            from glmcli.tools.approval import Approvals

            approvals = Approvals(self._terminal, everything=self.options.yes, named=self.options.approve)
            redactor = self._terminal.redactor
            talk = ToolLoop(engine, plan, writer, toolbox, approvals, redactor=redactor, tick=tick)
            return _asked(partial(talk.run, self.options.max_steps))


def _asked(ask: Callable[[], Outcome]) -> Outcome:
    # The error is raised when what was read is gone: to report it needs memory too.
    with suppress(MemoryError):
        return ask()
    raise no_memory()


def _report(app: App, options: Options, error: GlmError, told: AbstractSet[type[Writer]]) -> None:
    """Tell a script of an error that came before the question was over, in the form that it wants, once."""
    from glmcli.commands.writers import script_writers

    try:
        for writer in script_writers(options, app.terminal, told):
            writer.end(Outcome(error=error))
    except (GlmError, ReaderGoneError):
        return  # the error itself is what must be told
