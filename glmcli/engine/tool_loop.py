"""A question that takes several requests: ask, run the tools that the model calls, ask again, until it answers."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import TYPE_CHECKING

from glmcli.chat.events import Source, Usage
from glmcli.chat.messages import Message, ToolCall, ToolResult
from glmcli.chat.outcome import Cost, Outcome
from glmcli.errors import GlmError, ToolError
from glmcli.http.timeouts import deadline_error
from glmcli.providers.pricing import total
from glmcli.providers.table import dialect_of
from glmcli.tools import arguments
from glmcli.tools.arguments import BadArgumentsError, redacted
from glmcli.tools.toolbox import run_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from glmcli.chat.reply import Reply
    from glmcli.config.plan import Candidate
    from glmcli.engine.ask import RequestSender
    from glmcli.tools.approval import Approvals
    from glmcli.tools.tool import CallResult
    from glmcli.tools.toolbox import CheckedCall, Toolbox

_MAX_SAME = 3  # a model that makes the same call a third time ignores the results
_MAX_FAILURES = 5  # calls in a row that fail
_MAX_CALLS = 128  # in one turn: as many as the functions that BigModel takes
_NOT_IN_NAMES = re.compile("[^A-Za-z0-9_-]")
_MAX_NAME = 64  # characters
# What a server without a tool parser passes on as text: github.com/anomalyco/opencode/issues/8428.
_UNPARSED_CALL = re.compile(r'<tool_call>\s*(?:\{\s*"name"\s*:\s*")?([\w-]+)')


class ToolLoop:
    """One question, its tools, and the limits within which the model may call them."""

    def __init__(self, sender: RequestSender, toolbox: Toolbox, approvals: Approvals) -> None:
        """Send nothing before `run`."""
        self._sender = sender
        self._writer = sender.writer
        self._redact = sender.redactor.text
        self._toolbox = toolbox
        self._approvals = approvals
        self._candidates = sender.plan.candidates
        self._turns: list[Message] = []
        self._calls: list[ToolCall] = []
        self._usages: list[Usage | None] = []
        self._sources: list[tuple[Source, ...]] = []  # of each turn that tells of a search
        self._costs: list[Cost | None] = []
        self._made: Counter[tuple[str, str]] = Counter()
        self._failures = 0

    def run(self, max_steps: int) -> Outcome:
        """The outcome: the first answer without calls, or why there is none."""
        outcome = self._last_outcome(max_steps)
        reply = outcome.reply.replace(tool_calls=tuple(self._calls), usage=_sum(self._usages))
        reply = reply.replace(sources=_of_all_turns(self._sources) if self._sources else None)
        outcome = outcome.replace(reply=reply, cost=total(self._costs), turns=tuple(self._turns))
        self._writer.end(outcome)
        return outcome

    def _last_outcome(self, max_steps: int) -> Outcome:
        """The outcome of the last request."""
        for step in range(1, max_steps + 1):
            outcome = self._sender.send(self._candidates)
            self._usages.append(outcome.reply.usage)
            self._costs.append(outcome.cost)
            if outcome.reply.sources is not None:
                self._sources.append(outcome.reply.sources)
            if len(outcome.reply.tool_calls) > _MAX_CALLS and not outcome.error:
                what = f"stopped: the model made {len(outcome.reply.tool_calls)} calls in one turn"
                return outcome.replace(error=ToolError(what))
            calls = self._with_unique_ids(outcome.reply.tool_calls, step)
            self._calls += calls
            for call in calls:
                self._writer.tool_call(call)
            if outcome.error or not calls:
                return outcome if outcome.error else outcome.replace(error=self._unparsed_call(outcome.reply))
            try:
                if step == max_steps:
                    raise ToolError(f"stopped after {step} steps, and the model still calls tools", fix="--max-steps")
                results = self._run_tools(calls)
            except GlmError as error:
                return outcome.replace(error=error)
            self._add_turn(outcome, calls, results)
        return Outcome()  # max_steps is at least 1

    def _unparsed_call(self, reply: Reply) -> GlmError | None:
        """The error for an answer that contains a call as text, or None."""
        found = _UNPARSED_CALL.search(reply.answer)
        if found is None or found[1] not in self._toolbox.names:
            return None
        return ToolError(
            message=f"the answer contains a call of {found[1]} as text: the server does not parse tool calls",
            fix="start it with its parser, such as vLLM's --enable-auto-tool-choice --tool-call-parser glm47",
        )

    def _with_unique_ids(self, calls: Iterable[ToolCall], step: int) -> list[ToolCall]:
        """The calls, each with an id that is unique in the conversation: some providers repeat or omit ids.

        A key that a model repeats is redacted here, before it reaches a tool or another provider.
        """
        earlier = (call for message in self._candidates[0].request.messages for call in message.tool_calls)
        taken = {call.id for call in (*earlier, *self._calls)}
        renamed = []
        for number, original in enumerate(calls, 1):
            call = ToolCall(*(self._redact(text) for text in original.fields().values()))
            id_ = call.id if call.id and call.id not in taken else _unused_id(f"call_{step}_{number}", taken)
            taken.add(id_)
            renamed.append(call.replace(id=id_))
        return renamed

    def _run_tools(self, calls: Iterable[ToolCall]) -> list[ToolResult]:
        """The results of the calls, in order. No call is run before all of them are approved.

        Raises:
            GlmError: the loop must stop: a limit is reached, a call is denied, or nobody runs it.
        """
        checked = [self._toolbox.check(call) for call in calls]
        self._check_repeated(checked)
        valid = [each for each in checked if each.objection is None]
        for each in valid:
            if each.tool and each.tool.runner is None:
                raise ToolError(f"nobody runs {each.call.name} ({each.tool.place})", fix="--json contains the calls")
        self._approvals.require(valid)
        call_results = run_calls(valid, self._tick)
        results = [self._result(each, call_results) for each in checked]
        self._check_failures(results)
        return results

    def _check_repeated(self, checked: Iterable[CheckedCall]) -> None:
        for each in checked:
            self._made[each.identity] += 1
            if self._made[each.identity] == _MAX_SAME:
                raise ToolError(f"stopped: the model made the same call of {each.call.name} {_MAX_SAME} times")

    def _result(self, checked: CheckedCall, results: Iterator[CallResult]) -> ToolResult:
        """The result of one call, reported to the writer; `results` yields those of the calls that run."""
        if checked.objection is not None:
            result = ToolResult(checked.call, checked.objection, failed=True, how=checked.objection.removesuffix("."))
        else:
            ran = next(results)
            result = ToolResult(checked.call, self._redact(ran.text), ran.failed, ran.how)
        self._writer.tool_result(result)
        return result

    def _check_failures(self, results: Iterable[ToolResult]) -> None:
        for result in results:
            self._failures = self._failures + 1 if result.failed else 0
        if self._failures >= _MAX_FAILURES:
            raise ToolError(f"stopped: the last {self._failures} calls of tools have failed")

    def _tick(self) -> None:
        self._sender.tick()
        if time.monotonic() >= self._sender.plan.deadline:
            raise deadline_error(self._sender.plan.limits)

    def _add_turn(self, outcome: Outcome, calls: Iterable[ToolCall], results: Iterable[ToolResult]) -> None:
        """Extend the conversation by this turn; next comes the candidate that answered, or a later one."""
        reply = outcome.reply
        in_history = tuple(_in_history(call, self._redact) for call in calls)
        turn = Message("assistant", reply.answer, reply.reasoning, in_history)
        self._turns += [turn, *(Message("tool", each.text, tool_call_id=each.call.id) for each in results)]
        names = [(each.provider.name, each.model) for each in self._candidates]
        answered = names.index((outcome.provider or "", outcome.model or ""))
        self._candidates = tuple(self._encoded(each) for each in self._candidates[answered:])

    def _encoded(self, candidate: Candidate) -> Candidate:
        first = candidate.request
        request = first.replace(messages=(*first.messages, *self._turns), tool_choice=None)
        call = dialect_of(candidate.provider).encode(request, candidate.provider)
        return candidate.replace(call=call.replace(key=candidate.call.key))


def _unused_id(preferred: str, taken: AbstractSet[str]) -> str:
    """An id that is not taken: the preferred one, or that with a number appended."""
    id_, number = preferred, 1
    while id_ in taken:
        id_, number = f"{preferred}_{number}", number + 1
    return id_


def _in_history(call: ToolCall, redact: Callable[[str], str]) -> ToolCall:
    """The call as it is sent back: providers validate names, and that arguments are JSON.

    Source: `The "function.arguments" parameter … must be in JSON format`, docs.qwencloud.com error messages (2026).
    """
    name = _NOT_IN_NAMES.sub("_", call.name)[:_MAX_NAME] or "_"
    try:
        value = arguments.read(call.arguments)
    except BadArgumentsError:
        return ToolCall(call.id, name, "{}")
    masked = redacted(value, redact)
    same = masked == value and call.arguments
    return ToolCall(call.id, name, call.arguments if same else arguments.normalized(masked))


def _of_all_turns(turns: Sequence[tuple[Source, ...]]) -> tuple[Source, ...]:
    """The pages of all turns, each once.

    Each turn counts its pages from `ref_1`, and the answer is the last one's: where it has another page of that name,
    the earlier page has none.
    """
    pages: list[Source] = []
    known: set[str | None] = set()
    for turn in reversed(turns):
        refs = {page.ref for page in pages}
        new = [page for page in turn if page.page not in known]
        pages = [page.replace(ref=None) if page.ref in refs else page for page in new] + pages
        known |= {page.page for page in new}
    return tuple(pages)


def _sum(usages: list[Usage | None]) -> Usage | None:
    """The tokens of all requests; a number that one of them lacks is unknown for all."""
    counted = [usage.fields() for usage in usages if usage]
    if len(counted) < len(usages) or not counted:
        return None
    totals = {name: [counts[name] for counts in counted] for name in counted[0]}
    return Usage(**{name: None if None in counts else sum(counts) for name, counts in totals.items()})
