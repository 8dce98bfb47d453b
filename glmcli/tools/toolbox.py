"""The tools that are offered in one conversation: a model's calls of them, validated before approval, and then run."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

from glmcli.console import signals
from glmcli.errors import UsageError
from glmcli.record import EMPTY, Record
from glmcli.tools import arguments
from glmcli.tools.arguments import BadArgumentsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from glmcli.chat.messages import Function, ToolCall
    from glmcli.documents.untrusted_schemas import UntrustedSchema
    from glmcli.tools.tool import CallResult, RunningCall, Tool

_MAX_PARALLEL = 8  # calls at a time
_TICK = 0.02  # seconds between checks of the time limits, and of calls that have no descriptor


class CheckedCall(Record):
    """A call that was validated.

    Attributes:
        tool: None if no tool has that name.
        arguments: the parsed object; empty if it cannot be parsed.
        objection: why it will not be run, in words for the model; None if it may be.
        identity: equal for calls of one tool with equal arguments.
    """

    call: ToolCall
    tool: Tool | None
    arguments: Mapping[str, Any] = EMPTY
    objection: str | None = None
    identity: tuple[str, str] = ("", "")


class Toolbox:
    """Tools by name."""

    def __init__(self, tools: Iterable[Tool], redact: Callable[[str], str]) -> None:
        """Take the tools of all files and servers; `redact` masks keys in the arguments of a model.

        Raises:
            UsageError: two have the same name.
        """
        self._tools: dict[str, Tool] = {}
        self._schemas: dict[str, UntrustedSchema] = {}
        self._redact = redact
        for tool in tools:
            if tool.name in self._tools:
                first = self._tools[tool.name].place
                raise UsageError(message=f"{tool.place}: the tool {tool.name!r} is also declared at {first}")
            self._tools[tool.name] = tool

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the files."""
        return tuple(self._tools)

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools, in the order of the files."""
        return tuple(self._tools.values())

    def functions(self) -> tuple[Function, ...]:
        """Their declarations for the model, in the order of the files."""
        return tuple(tool.function for tool in self._tools.values())

    def check(self, call: ToolCall) -> CheckedCall:
        """Validate a call. Names must match exactly."""
        tool = self._tools.get(call.name)
        if tool is None:
            unknown = f"There is no tool of that name. The tools are: {', '.join(self._tools)}."
            return CheckedCall(call, None, objection=unknown, identity=(call.name, call.arguments))
        try:
            value = arguments.redacted(arguments.read(call.arguments), self._redact)
        except BadArgumentsError as error:
            return CheckedCall(call, tool, objection=_refusal(call, str(error)), identity=(call.name, call.arguments))
        faults = self._schema(tool).faults(value)
        problem = "; ".join(faults) or (tool.runner.refusal(value) if tool.runner else None)
        objection = _refusal(call, problem) if problem else None
        return CheckedCall(call, tool, value, objection, (call.name, arguments.normalized(value)))

    def planned(self, call: ToolCall) -> dict[str, Any]:
        """What --plan prints for a call: what would be run, or why it would not be."""
        checked = self.check(call)
        tool = checked.tool
        runs = tool.runner.shown(checked.arguments) if tool and tool.runner and checked.objection is None else {}
        return {
            **call.fields(),
            "approve": tool.approve if tool else None,
            "objection": checked.objection,
            **runs,
        }

    def _schema(self, tool: Tool) -> UntrustedSchema:
        if tool.name not in self._schemas:
            from glmcli.documents.untrusted_schemas import UntrustedSchema

            self._schemas[tool.name] = UntrustedSchema(tool.function.parameters)
        return self._schemas[tool.name]


def _refusal(call: ToolCall, why: str) -> str:
    return f"The call of {call.name} was refused: {why}."


def run_calls(calls: Sequence[CheckedCall], tick: Callable[[], None]) -> Iterator[CallResult]:
    """The result of each call, in order; `tick` may raise to end them all. Each must have a tool with a runner."""
    for group in _groups(calls):
        running: list[RunningCall] = []
        try:
            # One at a time: if one cannot be started, those before it are cancelled.
            for runner, given in ((each.tool.runner, each.arguments) for each in group if each.tool):
                with signals.deferred():  # a started process must be in the list before a signal can raise
                    running += [runner.start(given)] if runner else []
            _wait(running, tick)
        finally:
            for each in running:
                each.cancel()
        yield from (each.result for each in running if each.result)


def _groups(calls: Iterable[CheckedCall]) -> Iterator[list[CheckedCall]]:
    """Groups of consecutive calls of parallel tools, at most `_MAX_PARALLEL`; every other call alone."""
    group: list[CheckedCall] = []
    for each in calls:
        parallel = each.tool and each.tool.parallel and group and group[-1].tool and group[-1].tool.parallel
        if group and (not parallel or len(group) == _MAX_PARALLEL):
            yield group
            group = []
        group.append(each)
    if group:
        yield group


def _wait(running: Sequence[RunningCall], tick: Callable[[], None]) -> None:
    while waiting := [each for each in running if each.result is None]:
        tick()
        poll = select.poll()
        for each in waiting:
            for fd, events in each.waits_on().items():
                poll.register(fd, events)
        poll.poll(_TICK * 1000)
        for each in waiting:
            each.advance()
