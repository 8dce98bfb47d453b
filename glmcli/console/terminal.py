"""The only code that writes to stdout and stderr.

Bytes go straight to the descriptor: nothing waits in a buffer when a signal arrives, and no encoding of the locale can
change the answer. On a terminal, the control characters of foreign text are made visible.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from glmcli.console.redaction import Redactor
from glmcli.errors import GlmError, OutputError, ReaderGoneError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STDIN, STDOUT, STDERR = 0, 1, 2
_FULL_DEVICE = os.makedev(1, 7)  # Linux: /dev/full, where every write fails
_DIM, _RED, _RESET = "\x1b[2m", "\x1b[1;31m", "\x1b[0m"


def visible_table() -> dict[int, str]:
    """A translation of characters that move the cursor, ring, set titles, reorder or hide text, to visible ones."""
    table = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
    table[0x7F] = "\u2421"
    table |= dict.fromkeys(range(128, 160), "�")
    hidden = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xE0000, 0xE0080)]
    return table | {code: f"<U+{code:04X}>" for code in hidden}


class _WorkflowGuard:
    """Keeps foreign text from starting a GitHub Actions workflow command (`::error::` at a line's start, `##[…]`).

    Source: docs.github.com, "Workflow commands for GitHub Actions" (2026); the older form is found anywhere in a line.
    """

    def __init__(self) -> None:
        self._line_start = ""  # the first two characters of the line that are not blank
        self._last = ""  # the last two characters

    def push(self, text: str) -> str:
        # A command begins with `::` or `##[`. Text without either is only remembered.
        joined = self._last + text
        if "::" not in joined and "##[" not in joined:
            self._remember(text)
            return text
        return self._defused(text)

    def _remember(self, text: str) -> None:
        self._last = (self._last + text[-2:])[-2:]
        # The last line of the text.
        line = text[max(text.rfind("\r"), text.rfind("\n")) + 1 :]
        if len(line) < len(text):
            self._line_start = ""
        if len(self._line_start) < 2:  # noqa: PLR2004 - as many as are kept
            self._line_start = (self._line_start + line if self._line_start else line.lstrip())[:2]

    def _defused(self, text: str) -> str:
        out: list[str] = []
        for character in text:
            if (character == ":" and self._line_start == ":") or (character == "[" and self._last == "##"):
                out.append(" ")
            out.append(character)
            self._last = (self._last + character)[-2:]
            if character in "\r\n":
                self._line_start = ""
            elif self._line_start or not character.isspace():
                self._line_start = (self._line_start + character)[:2]
        return "".join(out)


class Stream:
    """A descriptor to which text is written completely and at once."""

    def __init__(self, fd: int, name: str, redactor: Redactor, *, is_closed: bool = False) -> None:
        """Write to `fd`; `is_closed` means that it was closed before the program began."""
        self.fd = fd
        self.name = name
        self.is_closed = is_closed
        self.is_terminal = not is_closed and os.isatty(fd)
        self.at_line_start = True
        self._redactor = redactor
        self._table = visible_table() if self.is_terminal else None
        self._guard: _WorkflowGuard | None = None

    def show_raw(self) -> None:
        """Let control characters through, even to a terminal."""
        self._table = None

    def guard_workflow_commands(self) -> None:
        """Keep text from starting a GitHub Actions workflow command from now on."""
        self._guard = _WorkflowGuard()

    def write(self, text: str) -> None:
        """Write text that may be foreign.

        Raises:
            OutputError: it cannot be written.
            ReaderGoneError: the reading end of the pipe is closed.
        """
        if not text:
            return
        text = self.visible(self._redactor.text(text))
        if self._guard:
            text = self._guard.push(text)
        self.at_line_start = text.endswith("\n")
        self._write_all(text.encode(errors="replace"))

    def visible(self, text: str) -> str:
        """The text with its control characters made visible, if this is a terminal."""
        # Nothing that the table replaces is printable. ASCII text is translated as fast as it is checked.
        if not self._table or text.isprintable() or (not text.isascii() and text.replace("\n", "").isprintable()):
            return text
        return text.translate(self._table)

    def control(self, sequence: str) -> None:
        """Write escape sequences of our own."""
        self._write_all(self._redactor.text(sequence).encode(errors="replace"))

    def end_line(self) -> None:
        """Begin a new line, unless the last one is complete."""
        if not self.at_line_start:
            self.write("\n")

    def _write_all(self, data: bytes) -> None:
        if self.is_closed:
            raise self._error("it is closed")
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self.fd, left) :]
            except BlockingIOError:
                select.select([], [self.fd], [])  # another program made our descriptor non-blocking
            except OSError as error:
                if error.errno == errno.EPIPE:
                    raise ReaderGoneError from error
                raise self._error(error.strerror) from error

    def _error(self, reason: str | None) -> OutputError:
        return OutputError(message=f"cannot write to {self.name}: {reason}")

    def check(self) -> None:
        """Return if it can be written to, as far as can be known before anything is paid for.

        Raises:
            OutputError: it was closed before we began, is open for reading only, or is the device that is always full.
        """
        if self.is_closed:
            raise self._error("it is closed")
        try:
            status = os.fstat(self.fd)
        except OSError as error:
            raise self._error(error.strerror) from error
        if fcntl.fcntl(self.fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise self._error("it is open for reading only")
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == _FULL_DEVICE:
            raise self._error(os.strerror(errno.ENOSPC))

    def check_reader(self) -> None:
        """Return if somebody still reads.

        Raises:
            ReaderGoneError: the other end of the pipe is closed.
        """
        poll = select.poll()
        poll.register(self.fd, 0)
        if any(happened & select.POLLERR for _, happened in poll.poll(0)):
            raise ReaderGoneError


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")


class Terminal:
    """Our stdout and stderr, and the messages for a person."""

    def __init__(self, environment: Mapping[str, str], closed_fds: frozenset[int] = frozenset()) -> None:
        """`closed_fds` are the descriptors that were closed before the program began."""
        self.redactor = Redactor()
        self.stdout = Stream(STDOUT, "stdout", self.redactor, is_closed=STDOUT in closed_fds)
        self.stderr = Stream(STDERR, "stderr", self.redactor, is_closed=STDERR in closed_fds)
        self.environment = environment
        self.quiet = False
        self.verbose = False
        self.plain = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"
        if environment.get("GITHUB_ACTIONS") == "true":
            self.stderr.guard_workflow_commands()
        self._is_dim = False
        # Called before a line is printed: it erases a progress display that is drawn there.
        self.erase_drawing: Callable[[], None] = lambda: None

    @property
    def colours(self) -> bool:
        """Whether stderr shows colours."""
        return self.stderr.is_terminal and not self.plain

    def error(self, error: GlmError) -> None:
        """Print an error: why there is no complete answer."""
        # Foreign words in it, such as a finish reason, must not begin a line of their own.
        lines = [_one_line(error.message)]
        for label, text in (("why", error.why), ("fix", error.fix), ("request id", error.request_id)):
            if text:
                lines.append(f"  {label}: {' '.join(text.split())}")
        self._print("glm: error: ", "\n".join(lines), _RED)

    def note(self, text: str) -> None:
        """Print a remark, unless --quiet hides it."""
        if not self.quiet:
            self._print("glm: ", _one_line(text))

    def warn(self, text: str) -> None:
        """Print a remark that even --quiet shows."""
        self._print("glm: ", _one_line(text))

    def traceback(self, text: str) -> None:
        """Print a traceback, which has many lines."""
        self._print("glm: ", text)

    def detail(self, text: str) -> None:
        """Print a remark that only --verbose shows."""
        if self.verbose:
            self._print("glm: ", _one_line(text))

    def _print(self, label: str, text: str, colour: str = "") -> None:
        # A stderr that is closed or full must not change the exit code.
        try:
            self.erase_drawing()
            self.dim(on=False)
            self.stderr.end_line()
            if colour and self.colours:
                self.stderr.control(colour)
                self.stderr.write(label)
                self.stderr.control(_RESET)
                self.stderr.write(f"{text}\n")
            else:
                self.stderr.write(f"{label}{text}\n")
        except (OutputError, ReaderGoneError):
            pass

    def dim(self, *, on: bool) -> None:
        """Begin or end the dim text in which reasoning is shown on a terminal."""
        if self.colours and on != self._is_dim:
            self._is_dim = on
            self.stderr.control(_DIM if on else _RESET)

    def restore(self) -> None:
        """Leave a terminal as the next program expects it: in its usual colour, at the beginning of a line."""
        for stream in (self.stderr, self.stdout):
            with suppress(OutputError, ReaderGoneError):  # the terminal itself may be gone
                if stream is self.stderr:
                    self.dim(on=False)
                if stream.is_terminal:
                    stream.end_line()
