"""Approval of calls: by the command line, by the tool's file, or by a person at the terminal; never by default."""

from __future__ import annotations

import json
import os
import termios
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING

from glmcli.console.terminal import Stream
from glmcli.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmcli.console.terminal import Terminal
    from glmcli.tools.tool import Tool
    from glmcli.tools.toolbox import CheckedCall

_TERMINAL = "/dev/tty"
_MAX_WIDTH = 76  # columns in a line of what is shown
_MIN_WIDTH = 8
_MAX_LINES = 60
_MAX_ANSWER = 1024  # bytes of an answer


class Approvals:
    """The approvals of one conversation: by --yes and --approve, and by a person who answered "always"."""

    def __init__(self, terminal: Terminal, *, everything: bool, named: Iterable[str]) -> None:
        """`everything` is --yes, `named` the tools of --approve; neither overrides approve: deny."""
        self._terminal = terminal
        self._everything = everything
        self._named = set(named)

    def require(self, calls: Iterable[CheckedCall]) -> None:
        """Approve these calls, asking at the terminal about each that needs it.

        Raises:
            ToolError: one is not approved.
        """
        pairs = [(each, each.tool) for each in calls if each.tool]
        for _, tool in pairs:
            self.refuse_denied(tool)
        for each, tool in pairs:
            if not self._is_allowed(tool):
                self._ask(each, tool)

    @staticmethod
    def refuse_denied(tool: Tool) -> None:
        """Refuse a tool whose file says `approve: deny`.

        Raises:
            ToolError: it says so.
        """
        if tool.approve == "deny":
            raise ToolError(
                message=f"{tool.name} was called, and is denied ({tool.place})",
                fix="nothing overrides approve: deny but the tool's own file",
            )

    def _is_allowed(self, tool: Tool) -> bool:
        return self._everything or tool.name in self._named or (tool.approve == "auto" and tool.trusted)

    def _ask(self, checked: CheckedCall, tool: Tool) -> None:
        fd = self._open()
        if fd is None:
            raise ToolError(
                message=f"{tool.name} needs approval, and there is no terminal to ask at",
                fix=f"--approve {tool.name} or --yes, if you know what it does; or approve: auto in a file of --tools",
            )
        try:
            answer = self._answer(fd, checked, tool)
        finally:
            os.close(fd)
        if answer in ("a", "always"):
            self._named.add(tool.name)
        elif answer not in ("y", "yes"):
            raise ToolError(message=f"{tool.name} was not allowed to run")

    def _open(self) -> int | None:
        """The controlling terminal; None without one, or if stderr is not a terminal."""
        if not self._terminal.stderr.is_terminal:
            return None
        try:
            return os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            return None

    def _answer(self, fd: int, checked: CheckedCall, tool: Tool) -> str:
        screen = Stream(fd, "the terminal", self._terminal.redactor, is_closed=False)
        self._terminal.stderr.end_line()
        screen.write(f"glm: the model wants to run {tool.name} ({tool.place}):\n")
        screen.write("".join(f"  {line}\n" for line in _shown(checked, tool, _width(fd))))
        with suppress(OSError, termios.error):
            # Discard what was typed before the question was shown, even on a slow line.
            termios.tcdrain(fd)
            termios.tcflush(fd, termios.TCIFLUSH)
        screen.write("run it? [y]es, [a]lways in this conversation, [N]o: ")
        return _line(fd).strip().lower()


def _line(fd: int) -> str:
    """The line that was typed; empty if it does not end, or the terminal is closed."""
    data = b""
    while not data.endswith(b"\n"):
        try:
            piece = os.read(fd, _MAX_ANSWER)
        except OSError:
            return ""
        data += piece
        if not piece or len(data) > _MAX_ANSWER:
            return ""
    return data.decode(errors="replace")


def _width(fd: int) -> int:
    """The maximum width of the lines that show a call, without their indentation."""
    try:
        columns = os.get_terminal_size(fd).columns
    except OSError:
        columns = 0
    return max(min(columns - 3, _MAX_WIDTH), _MIN_WIDTH) if columns else _MAX_WIDTH


def _shown(checked: CheckedCall, tool: Tool, width: int) -> list[str]:
    """What would be run, as JSON folded at `width`, so that no argument can imitate a line of the program."""
    shown = tool.runner.shown(checked.arguments) if tool.runner else {}
    lines = [line for name, value in shown.items() for line in _folded(f"{name}: {_readable(value)}", width)]
    if len(lines) > _MAX_LINES:
        lines = [*lines[:_MAX_LINES], f"… and {len(lines) - _MAX_LINES} more lines: think twice"]
    return lines


def _readable(value: object) -> str:
    """JSON without characters that move the cursor or change the direction of text."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _folded(text: str, max_width: int) -> Iterator[str]:
    """The text in lines of at most `max_width` columns."""
    line, width = "", 0
    for character in text:
        wide = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if width + wide > max_width:
            yield line
            line, width = "", 0
        line, width = line + character, width + wide
    yield line
