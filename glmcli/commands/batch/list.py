"""`glm batch list`: the batches of an account."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from glmcli.commands.batch.status import PROVIDER, api_flags
from glmcli.commands.flags import Flag
from glmcli.commands.tree import build_command
from glmcli.config.options import Options
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from glmcli.config.app import App

_FLAGS = (*PROVIDER, Flag("json", "--json", "switch", "List", "Print one JSON object a line."), *api_flags())


def _list(app: App, given: dict[str, Any]) -> None:
    """List the batches of the account at a provider, as it orders them: the id, the state, counts, and the age."""
    from glmcli.batch.jobs.batch_client import BatchClient, state_json, state_line
    from glmcli.console import signals
    from glmcli.output.json_output import json_line

    signals.install_handlers()
    as_json, options = given.pop("json", False), Options(**given)
    if options.provider is None:
        raise UsageError("whose batches?", fix="-P PROVIDER")
    app.apply(options)
    client = BatchClient.connect(app, options)
    now = time.time()
    for state in client.list():
        app.terminal.stdout.write(json_line(state_json(state, now)) if as_json else f"{state_line(state, now)}\n")


command = build_command("list", _list, _FLAGS)
