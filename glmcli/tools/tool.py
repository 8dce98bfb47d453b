"""What a tool is: the interface of programs and of tools of MCP servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.chat.messages import Function

Approval = Literal["ask", "auto", "deny"]

TIMEOUT = 30.0  # seconds that a call may take


class CallResult(Record):
    """How a call ended: the text for the model, whether it failed, and how, in a few words for a person."""

    text: str
    failed: bool
    how: str

    @classmethod
    def failure(cls, how: str) -> Self:
        """A failed call without output; `how` is all that is known."""
        return cls(f"The tool failed: {how}.", failed=True, how=how)


class RunningCall(Protocol):
    """A running call. No method blocks: a loop that waits for several calls advances each in turn."""

    result: CallResult | None

    def waits_on(self) -> Mapping[int, int]:
        """Descriptors whose readiness lets it continue, each with the events of `select.poll`."""
        ...

    def advance(self) -> None:
        """Do what can be done without blocking; set `result` when the call has ended."""
        ...

    def cancel(self) -> None:
        """End it at once, with all that it started."""
        ...


class Runner(Protocol):
    """Runs one tool's calls, with arguments that its schema allows."""

    def refusal(self, arguments: Mapping[str, Any]) -> str | None:
        """Why these arguments cannot be passed on, or None."""
        ...

    def shown(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What a call would do, as JSON, for --plan and for approval."""
        ...

    def start(self, arguments: Mapping[str, Any]) -> RunningCall:
        """Begin a call."""
        ...


class Tool(Record):
    """A tool that is declared in a file or offered by an MCP server.

    Attributes:
        runner: None if the file only declares it, so that its calls can be planned but not run.
        trusted: its file was named on the command line, so that its own `approve: auto` counts.
        parallel: calls may run at the same time.
        place: where it is declared: "tools.yaml:3:5".
    """

    function: Function
    runner: Runner | None
    approve: Approval = "ask"
    trusted: bool = False
    parallel: bool = False
    place: str = ""

    @property
    def name(self) -> str:
        """The name by which the model calls it."""
        return self.function.name
