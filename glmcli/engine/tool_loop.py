"""A question that takes several requests: ask, run the tools that the model calls, ask again, until it answers."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import TYPE_CHECKING

from glmcli.chat.events import Usage
from glmcli.chat.messages import Message, ToolCall, ToolResult
from glmcli.chat.outcome import Cost, Outcome
from glmcli.errors import GlmError, ToolError
from glmcli.http.timeouts import deadline_error
from glmcli.providers.pricing import total
from glmcli.providers.table import dialect_of
from glmcli.tools import arguments, running
from glmcli.tools.arguments import BadArgumentsError
from glmcli.tools.masking import mapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from glmcli.chat.reply import Reply
    from glmcli.config.plan import Candidate, Plan
    from glmcli.console.redaction import Redactor
    from glmcli.engine.ask import RequestSender
    from glmcli.output.writer import Writer
    from glmcli.tools.approval import Approvals
    from glmcli.tools.tool import Ended
    from glmcli.tools.toolbox import Judged, Toolbox

_SAME = 3  # a model that asks for the same a third time has not listened
_FAILURES = 5  # failed calls without one between them that succeeds
_MOST = 128  # calls in one turn: as many as the functions that BigModel takes
_FOREIGN = re.compile("[^A-Za-z0-9_-]")
_LONGEST_NAME = 64
# What a server without a tool parser hands on as text: github.com/anomalyco/opencode/issues/8428.
_LEAKED = re.compile(r'<tool_call>\s*(?:\{\s*"name"\s*:\s*")?([\w-]+)')


class ToolLoop:
    """One question, its tools, and the limits within which the model may call them."""

    def __init__(  # noqa: PLR0913 - each is a side of the loop
        self,
        engine: RequestSender,
        plan: Plan,
        writer: Writer,
        toolbox: Toolbox,
        approvals: Approvals,
        *,
        redactor: Redactor,
        tick: Callable[[], None],
    ) -> None:
        """`tick` is called several times a second while tools run; it may raise to end everything."""
        self._engine = engine
        self._plan = plan
        self._writer = writer
        self._toolbox = toolbox
        self._approvals = approvals
        self._redactor = redactor
        self._tick_outside = tick
        self._candidates = plan.candidates
        self._turns: list[Message] = []
        self._calls: list[ToolCall] = []
        self._usages: list[Usage | None] = []
        self._costs: list[Cost | None] = []
        self._seen: Counter[tuple[str, str]] = Counter()
        self._failures = 0

    def run(self, max_steps: int) -> Outcome:
        """The end: the first answer without calls, or why there is none."""
        outcome = self._last(max_steps)
        reply = outcome.reply.replace(tool_calls=tuple(self._calls), usage=_sum(self._usages))
        outcome = outcome.replace(reply=reply, cost=total(self._costs), turns=tuple(self._turns))
        self._writer.end(outcome)
        return outcome

    def _last(self, max_steps: int) -> Outcome:
        """The outcome of the last request."""
        for step in range(1, max_steps + 1):
            outcome = self._engine.step(self._candidates)
            self._usages.append(outcome.reply.usage)
            self._costs.append(outcome.cost)
            if len(outcome.reply.tool_calls) > _MOST and not outcome.error:
                what = f"stopped: the model made {len(outcome.reply.tool_calls)} calls in one turn"
                return outcome.replace(error=ToolError(what))
            calls = self._named(outcome.reply.tool_calls, step)
            self._calls += calls
            for call in calls:
                self._writer.tool_call(call)
            if outcome.error or not calls:
                return outcome if outcome.error else outcome.replace(error=self._leak(outcome.reply))
            try:
                if step == max_steps:
                    raise ToolError(f"stopped after {step} steps, and the model still calls tools", fix="--max-steps")
                results = self._results(calls)
            except GlmError as error:
                return outcome.replace(error=error)
            self._go_on(outcome, calls, results)
        return Outcome()  # max_steps is at least 1

    def _leak(self, reply: Reply) -> GlmError | None:
        """A call that came as text is no answer."""
        found = _LEAKED.search(reply.answer)
        if found is None or found[1] not in self._toolbox.names:
            return None
        return ToolError(
            message=f"the answer holds a call of {found[1]} as text: the server does not read the model's tool calls",
            fix="start it with its parser, such as vLLM's --enable-auto-tool-choice --tool-call-parser glm47",
        )

    def _named(self, calls: Iterable[ToolCall], step: int) -> list[ToolCall]:
        """The calls, each with an id that no other of the conversation has: some providers repeat or omit them.

        A key that a model repeats goes no further: not to a tool, and not to the provider that is asked next.
        """
        earlier = (call for message in self._candidates[0].request.messages for call in message.tool_calls)
        taken = {call.id for call in (*earlier, *self._calls)}
        named = []
        for number, said in enumerate(calls, 1):
            call = ToolCall(*(self._redactor.text(text) for text in said.fields().values()))
            identity = call.id if call.id and call.id not in taken else _fresh(f"call_{step}_{number}", taken)
            taken.add(identity)
            named.append(call.replace(id=identity))
        return named

    def _results(self, calls: Iterable[ToolCall]) -> list[ToolResult]:
        """What the calls gave back, in their order. Nothing is run before all that would run is approved.

        Raises:
            GlmError: the conversation ends here.
        """
        judged = [self._toolbox.judge(call) for call in calls]
        self._count(judged)
        sound = [each for each in judged if each.objection is None]
        for each in sound:
            if each.tool and each.tool.runner is None:
                raise ToolError(f"nobody runs {each.call.name} ({each.tool.place})", fix="the calls stand in --json")
        self._approvals.require(sound)
        ended = running.run(sound, self._tick)
        results = [self._told(each, ended) for each in judged]
        self._limit(results)
        return results

    def _count(self, judged: Iterable[Judged]) -> None:
        for each in judged:
            self._seen[each.same] += 1
            if self._seen[each.same] == _SAME:
                raise ToolError(f"stopped: the model made the same call of {each.call.name} {_SAME} times")

    def _told(self, judged: Judged, ended: Iterator[Ended]) -> ToolResult:
        """The result of one call, told to the writers; `ended` has the ends of those that run."""
        if judged.objection is not None:
            result = ToolResult(judged.call, judged.objection, failed=True, how=judged.objection.removesuffix("."))
        else:
            end = next(ended)
            result = ToolResult(judged.call, self._redactor.text(end.text), end.failed, end.how)
        self._writer.tool_result(result)
        return result

    def _limit(self, results: Iterable[ToolResult]) -> None:
        for result in results:
            self._failures = self._failures + 1 if result.failed else 0
        if self._failures >= _FAILURES:
            raise ToolError(f"stopped: the last {self._failures} calls of tools have failed")

    def _tick(self) -> None:
        self._tick_outside()
        if time.monotonic() >= self._plan.deadline:
            raise deadline_error(self._plan.limits)

    def _go_on(self, outcome: Outcome, calls: Iterable[ToolCall], results: Iterable[ToolResult]) -> None:
        """Make the next request: the same conversation with this turn, at the provider that answered, or after it."""
        reply = outcome.reply
        said = Message("assistant", reply.answer, reply.reasoning, tuple(self._kept(call) for call in calls))
        self._turns += [said, *(Message("tool", each.text, tool_call_id=each.call.id) for each in results)]
        names = [(each.provider.name, each.model) for each in self._candidates]
        answered = names.index((outcome.provider or "", outcome.model or ""))
        self._candidates = tuple(self._encoded(each) for each in self._candidates[answered:])

    def _kept(self, call: ToolCall) -> ToolCall:
        return _in_history(call, self._redactor.text)

    def _encoded(self, candidate: Candidate) -> Candidate:
        first = candidate.request
        request = first.replace(messages=(*first.messages, *self._turns), tool_choice=None)
        call = dialect_of(candidate.provider).encode(request, candidate.provider)
        return candidate.replace(call=call.replace(key=candidate.call.key))


def _fresh(wanted: str, taken: AbstractSet[str]) -> str:
    """An id that is not taken: the wanted one, or that with a number behind it."""
    identity, again = wanted, 1
    while identity in taken:
        identity, again = f"{wanted}_{again}", again + 1
    return identity


def _in_history(call: ToolCall, redact: Callable[[str], str]) -> ToolCall:
    """The call as providers accept it back: they check names, and that arguments are JSON.

    Source: `The "function.arguments" parameter … must be in JSON format`, docs.qwencloud.com error messages (2026).
    """
    name = _FOREIGN.sub("_", call.name)[:_LONGEST_NAME] or "_"
    try:
        value = arguments.read(call.arguments)
    except BadArgumentsError:
        return ToolCall(call.id, name, "{}")
    masked = mapped(value, redact)
    same = masked == value and call.arguments
    return ToolCall(call.id, name, call.arguments if same else arguments.normal(masked))


def _sum(usages: list[Usage | None]) -> Usage | None:
    """The tokens of all requests; what one of them did not say is not known of all."""
    counted = [usage.fields() for usage in usages if usage]
    if len(counted) < len(usages) or not counted:
        return None
    totals = {name: [counts[name] for counts in counted] for name in counted[0]}
    return Usage(**{name: None if None in counts else sum(counts) for name, counts in totals.items()})
