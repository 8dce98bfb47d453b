"""`glm batch list`: the batches of an account."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from glmcli.commands.batch.reach import flags
from glmcli.commands.batch.status import PROVIDER
from glmcli.commands.flags import Flag
from glmcli.commands.tree import build_command
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from glmcli.config.app import App

_FLAGS = (*PROVIDER, Flag("json", ("--json",), "switch", "List", "Print one JSON object a line."), *flags())


def _list(app: App, given: dict[str, Any]) -> None:
    """List the batches of the account at a provider, as it orders them: the id, the state, counts, and the age."""
    from glmcli.batch.jobs.states import line, plain
    from glmcli.commands.batch import reach
    from glmcli.console import signals
    from glmcli.output.json_output import json_line

    signals.install_handlers()
    if "provider" not in given:
        raise UsageError("whose batches?", fix="-P PROVIDER")
    options = reach.options_of(given, ("json",))
    app.apply(options)
    service = reach.service(app, options)
    now = time.time()
    for state in service.all():
        app.terminal.stdout.write(json_line(plain(state, now)) if given.get("json") else line(state, now))


command = build_command("list", _list, _FLAGS)
