"""`glm batch status`: where the batches of a job stand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from glmcli.commands.flags import FLAGS, Flag, argument
from glmcli.commands.tree import build_command
from glmcli.errors import GlmError, PartialError, UsageError

if TYPE_CHECKING:
    from glmcli.commands.batch.looking import Looking
    from glmcli.config.app import App

_STATUS = "Status"
_FIRST, _LONGEST, _GROWTH = 10.0, 60.0, 1.5  # seconds between two looks, and how they grow
PROVIDER = tuple(flag for flag in FLAGS if flag.field == "provider")
_FLAGS = (
    *PROVIDER,
    Flag("json", ("--json",), "switch", _STATUS, "Print one JSON object."),
    Flag("wait", ("--wait",), "switch", _STATUS, "Return when all have ended."),
    Flag("poll", ("--poll",), "seconds", _STATUS, "Look so often (10, growing to 60).", "S"),
)
FILE_OR_ID = argument("file", "The output or its job file; with -P the provider's id of a batch.", "FILE|ID")


def _status(app: App, given: dict[str, Any]) -> None:
    """Print where each part of a job stands: its state, its counts, its age.

    Exit 0: all are completed, and no request failed; 11: some are under way, or ended otherwise. A batch may stand
    still for half an hour (measured by Qwen Code, 2026); --wait looks every 10 seconds at first, then every 60.
    """
    from glmcli.commands.batch.looking import Looking
    from glmcli.console import signals

    signals.install_handlers()
    if given.get("poll") and not given.get("wait"):
        raise UsageError("--poll says how often --wait looks", fix="add --wait")
    looking = Looking(app, given, ("file", "json", "wait", "poll"))
    looking.look()
    if given.get("wait"):
        _wait(app, looking, given.get("poll"))
    looking.show(as_json=given.get("json", False))
    if looking.failure:
        raise looking.failure
    if not looking.is_complete:
        raise PartialError("not all of it is completed", fix=looking.advice)


def _wait(app: App, looking: Looking, poll: float | None) -> None:
    """Look until all have ended; what waiting may cure ends nothing."""
    pause, said = poll or _FIRST, ""
    while not looking.has_ended:
        news = looking.text(time.time())
        without_age = [text.rpartition("\t")[0] for text in news]
        if said != (said := "\n".join(without_age)):
            for text in news:
                app.terminal.note(text.replace("\t", "  "))
        looking.sleep(pause)
        pause = pause if poll else min(pause * _GROWTH, _LONGEST)
        try:
            looking.look()
        except GlmError as error:
            if error.retry is None:
                raise
            app.terminal.note(f"{error.message}; looking again in {pause:.0f} s")


def flags() -> tuple[Flag, ...]:
    """Those of the command, and those by which a provider is reached."""
    from glmcli.commands.batch.reach import flags as reaching

    return (*_FLAGS, *reaching())


command = build_command("status", _status, flags(), FILE_OR_ID)
