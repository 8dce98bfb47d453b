"""Who called a command: what they feed it, and whether they still want what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.console import signals
from glmcli.console.stdin import Stdin
from glmcli.console.terminal import STDIN

if TYPE_CHECKING:
    from glmcli.console.app import App
    from glmcli.console.terminal import Stream
    from glmcli.output.destination import Destination


def stdin(app: App, deadline: float | None = None) -> Stdin:
    """Standard input, which is waited for until so many seconds after the program began; None is for ever."""
    until = app.started + deadline if deadline else float("inf")
    return Stdin(lost=STDIN in app.lost, deadline=until, say=app.terminal.insist)


def check(out: Destination | Stream) -> None:
    """Nothing, if they still wait for what goes to `out`. For every wait of ours, again and again.

    Raises:
        Interrupted: a signal came.
        ReaderGoneError: nobody reads it any more.
    """
    signals.check()
    out.check_reader()
