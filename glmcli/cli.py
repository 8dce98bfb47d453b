"""The command tree, and the one place where an error becomes an exit code."""

from __future__ import annotations

import os
import sys
import time
from signal import SIGPIPE
from typing import TYPE_CHECKING, NoReturn

from glmcli.console import signals
from glmcli.errors import GlmError, Interrupted, ReaderGoneError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmcli.config.app import App
    from glmcli.console.terminal import Terminal


def run() -> NoReturn:
    """Run the program and exit; after a signal, die of the same signal, so that a shell's loop around it stops too."""
    if signals.is_first_process():
        signals.install_handlers()
    try:
        code = main(sys.argv[1:])
    except Interrupted as interrupted:
        signals.exit_by_signal(interrupted.signal_number)
    except ReaderGoneError:
        signals.exit_by_signal(SIGPIPE)
    # Nothing waits in a buffer, and tearing the interpreter down would cost a tenth of a short run.
    os._exit(code)


def main(argv: Sequence[str]) -> int:
    """The exit code of the program with these arguments.

    Raises:
        Interrupted: a signal arrived.
        ReaderGoneError: nobody reads stdout.
    """
    from glmcli.config.app import App
    from glmcli.console.redaction import VARIABLES
    from glmcli.console.terminal import Terminal

    started = time.monotonic()
    closed = _open_standard_descriptors()
    terminal = Terminal(os.environ, closed)
    # Before the arguments are parsed: a key may be among them, and be quoted in an error.
    terminal.redactor.add_variables(VARIABLES, os.environ)
    try:
        return _code(argv, App(terminal, os.environ, closed, started))
    except Interrupted:
        terminal.restore()
        raise


def _code(argv: Sequence[str], app: App) -> int:
    """The exit code. Every error ends here; a signal takes precedence over the error that it led to."""
    terminal = app.terminal
    try:
        app.arguments = tuple(_decoded(argv))
        code = _run_command(app)
    except GlmError as error:
        signals.raise_pending()
        terminal.error(error)
        _debug(error, terminal)
        code = error.exit_code
    except ReaderGoneError:
        signals.raise_pending()
        raise
    except Exception as error:  # noqa: BLE001 - the border: a bug must not print a traceback, or a key in one
        signals.raise_pending()
        code = _bug(error, terminal)
    signals.raise_pending()
    return code


def _open_standard_descriptors() -> frozenset[int]:
    """Which of descriptors 0, 1 and 2 were closed. Opens them, or the next file or socket would get their number."""
    closed = set()
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            closed.add(fd)
            os.open(os.devnull, os.O_RDWR)
    return frozenset(closed)


def _decoded(argv: Sequence[str]) -> list[str]:
    """The arguments as UTF-8, whatever the locale made of their bytes.

    Raises:
        UsageError: one is not UTF-8.
    """
    decoded = []
    for number, argument in enumerate(argv, 1):
        data = os.fsencode(argument)
        try:
            decoded.append(data.decode())
        except UnicodeDecodeError as error:
            message = f"argument {number} is not UTF-8 (byte 0x{data[error.start]:02X} at {error.start})"
            raise UsageError(message) from error
    return decoded


def _run_command(app: App) -> int:
    import io
    from contextlib import redirect_stdout

    from glmcli.commands.tree import CommandLineError, root

    printed = io.StringIO()  # by Typer, which prints help and version: they are redacted and checked like all output
    try:
        with app, redirect_stdout(printed):
            code = root()(list(app.arguments), prog_name="glm", standalone_mode=False, obj=app)
    except CommandLineError as error:
        raise UsageError(message=error.format_message().rstrip("."), fix=_help_of(error)) from error
    app.terminal.stdout.write(printed.getvalue())
    return code or 0


def _help_of(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'glm'} --help"


def _bug(error: Exception, terminal: Terminal) -> int:
    bug = GlmError(
        message=f"a bug in glm: {type(error).__name__}: {error}",
        fix="run it again with GLM_DEBUG=1, and report what it prints",
    )
    terminal.error(bug)
    _debug(error, terminal)
    return bug.exit_code


def _debug(error: Exception, terminal: Terminal) -> None:
    """Print the traceback, with keys redacted, if GLM_DEBUG asks for it."""
    if os.environ.get("GLM_DEBUG") == "1":
        import traceback

        terminal.traceback("".join(traceback.format_exception(error)))
