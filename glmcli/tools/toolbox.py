"""The tools that are offered in one conversation, and what is to be said of a call before anybody is asked about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.errors import UsageError
from glmcli.record import EMPTY, Record
from glmcli.tools import arguments
from glmcli.tools.arguments import BadArgumentsError
from glmcli.tools.masking import mapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from glmcli.chat.messages import Function, ToolCall
    from glmcli.documents.untrusted_schemas import SchemaJudge
    from glmcli.tools.tool import Tool


class Judged(Record):
    """A call that was looked at.

    Attributes:
        tool: None where there is none of that name.
        arguments: the object; empty where it could not be read.
        objection: why it will not be run, in words for the model; None if it may be.
        same: equal for calls that ask for the same.
    """

    call: ToolCall
    tool: Tool | None
    arguments: Mapping[str, Any] = EMPTY
    objection: str | None = None
    same: tuple[str, str] = ("", "")


class Toolbox:
    """Tools by name."""

    def __init__(self, tools: Iterable[Tool], redact: Callable[[str], str]) -> None:
        """Take the tools of all files and servers; `redact` masks keys in what a model says.

        Raises:
            UsageError: two have the same name.
        """
        self._tools: dict[str, Tool] = {}
        self._judges: dict[str, SchemaJudge] = {}
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
        """What the model is told of them."""
        return tuple(tool.function for tool in self._tools.values())

    def judge(self, call: ToolCall) -> Judged:
        """What is to be said of a call. Names are compared exactly: a near miss is no match."""
        tool = self._tools.get(call.name)
        if tool is None:
            unknown = f"There is no tool of that name. The tools are: {', '.join(self._tools)}."
            return Judged(call, None, objection=unknown, same=(call.name, call.arguments))
        try:
            # Only now that nothing is encoded as JSON can every key be seen.
            value = mapped(arguments.read(call.arguments), self._redact)
        except BadArgumentsError as error:
            return Judged(call, tool, objection=_refused(call, str(error)), same=(call.name, call.arguments))
        faults = self._judge(tool).faults(value)
        refusal = tool.runner.refusal(value) if tool.runner and not faults else None
        said = refusal or "; ".join(faults)
        objection = _refused(call, said) if said else None
        return Judged(call, tool, value, objection, (call.name, arguments.normal(value)))

    def planned(self, call: ToolCall) -> dict[str, Any]:
        """What --plan says of a call: what would be run, or why it would not."""
        judged = self.judge(call)
        tool = judged.tool
        runs = tool.runner.shown(judged.arguments) if tool and tool.runner and judged.objection is None else {}
        return {
            **call.fields(),
            "approve": tool.approve if tool else None,
            "objection": judged.objection,
            **runs,
        }

    def _judge(self, tool: Tool) -> SchemaJudge:
        if tool.name not in self._judges:
            from glmcli.documents.untrusted_schemas import SchemaJudge

            self._judges[tool.name] = SchemaJudge(tool.function.parameters)
        return self._judges[tool.name]


def _refused(call: ToolCall, why: str) -> str:
    return f"The call of {call.name} was refused: {why}."
