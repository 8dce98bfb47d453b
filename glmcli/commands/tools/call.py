"""`glm tools call`: one tool, run as the loop would run it, without a model."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from glmcli.commands.flags import TOOL_FILES, Flag, argument
from glmcli.commands.tree import build_command
from glmcli.config.options import Options
from glmcli.console import signals
from glmcli.errors import ToolError, UsageError

if TYPE_CHECKING:
    from glmcli.config.app import App

_FLAGS = (
    TOOL_FILES,
    Flag("args", "--args", "text", "Tools", "The arguments, one JSON object; `-` is stdin.", "JSON|-"),
)
_NAME = argument("name", "The tool.", "NAME")


def _call(app: App, given: dict[str, Any]) -> None:
    """Run one tool and print the result that a model would get. The command itself is the approval.

    Exits with 2 if the tool's schema refuses the arguments, and with 10 if the tool fails: its result is printed, too.
    """
    from glmcli.chat.messages import ToolCall
    from glmcli.commands.tools.tool_files import ToolFiles
    from glmcli.config.app import check_caller
    from glmcli.console.stdin import decode
    from glmcli.tools.approval import Approvals
    from glmcli.tools.toolbox import run_calls

    signals.install_handlers()
    app.terminal.stdout.check()
    options = Options(tools=given.get("tools", ()))
    files = ToolFiles(options, app, trusted=True, connect=True)
    arguments = given.get("args", "{}")
    text = decode(app.stdin.read("--args"), "stdin") if arguments == "-" else arguments
    with ExitStack() as stack:
        toolbox = files.open(stack)
        checked = toolbox.check(ToolCall("call_1_1", given["name"], text))
        if checked.tool is None or checked.objection is not None:
            raise UsageError(message=checked.objection or "", fix="glm tools list FILE shows what there is")
        Approvals.refuse_denied(checked.tool)
        if checked.tool.runner is None:
            raise ToolError(message=f"nobody runs {checked.call.name} ({checked.tool.place})", fix="give it a `run`")
        (result,) = run_calls([checked], partial(check_caller, app.terminal.stdout))
        app.terminal.stdout.write(result.text if result.text.endswith("\n") else result.text + "\n")
        if result.failed:
            raise ToolError(message=f"{checked.call.name} failed: {result.how}")


command = build_command("call", _call, _FLAGS, _NAME)
