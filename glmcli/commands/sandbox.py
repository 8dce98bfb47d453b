"""`glm sandbox`: the embedded providers, served for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.flags import Flag
from glmcli.commands.tree import build_command
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.config.app import App

_SERVE = "Server"
_MAX_PORT = 65535
_FLAGS = (
    Flag("port", "--port", "integer", _SERVE, "The port on 127.0.0.1; 0, the default, takes a free one.", "N", 0),
    Flag(
        "reply",
        "--reply",
        "list",
        _SERVE,
        "Answer this (repeatable): a text, or a YAML or JSON file of replies (@FILE, -, or the name of a file that "
        "exists or ends in .yaml or .json). Requests get them in turn, and the last one again and again.",
        "TEXT|FILE",
    ),
    Flag(
        "fault",
        "--fault",
        "list",
        _SERVE,
        "Fail on demand (repeatable): a status such as 429, a provider's code such as 1302, or one of "
        "cut reset hang stall drip error html garbage length sensitive empty nodone redirect; SHARE of the requests. "
        "`--fault list` prints all of them and starts nothing.",
        "KIND[:SHARE]",
    ),
    Flag("latency", "--latency", "seconds", _SERVE, "Wait before the first byte.", "S", 0),
    Flag("pace", "--pace", "seconds", _SERVE, "Wait between the pieces of a stream.", "S", 0),
)


def _sandbox(app: App, given: dict[str, Any]) -> None:
    """Imitate every provider on loopback until Ctrl-C: replies echo the prompt in recorded formats, without a model.

    Prints a line for each provider: its name, a tab, and its base URL for --base-url.

    With --reply the answers are yours: thinking, text, JSON, tool calls, usage, faults, as schemas/replies.schema.json
    says. A request that is refused, or fails by --fault, takes no reply from the list.

    BigModel, Model Studio and OpenAI's form also run batches, whose state advances with each status request. In a batch
    a fault applies to a line: 429 refuses it, 500 makes it an error, cut loses it, and hang lets the batch expire.
    """
    from glmcli.commands.fault_codes import fault_list, mapped_codes
    from glmcli.console import signals

    faults, codes, port = given.get("fault", ()), mapped_codes(), given.get("port", 0)
    if "list" in faults:
        app.terminal.stdout.write(fault_list(codes))
        return
    if port > _MAX_PORT:
        raise UsageError(message=f"--port: {port} is more than {_MAX_PORT}", fix="choose a port from 1 to 65535, or 0")
    signals.install_handlers()
    _serve(app, given, faults, codes)


def _serve(app: App, given: Mapping[str, Any], faults: tuple[str, ...], codes: Mapping[str, Mapping[str, int]]) -> None:
    from glmcli.commands.reply_script import read_replies
    from glmcli.sandbox import PREFIXES, Sandbox

    server = Sandbox(
        port=given.get("port", 0),
        faults=faults,
        latency=given.get("latency", 0.0),
        pace=given.get("pace", 0.0),
        replies=read_replies(given.get("reply", ()), codes, app) if given.get("reply") else (),
        codes=codes,
    )
    app.terminal.stdout.check()
    with server as sandbox:
        app.terminal.warn("this is the sandbox: it imitates providers on this machine, and no model answers")
        app.terminal.stdout.write("".join(f"{name}\t{sandbox.base_url(name)}\n" for name in PREFIXES))
        sandbox.wait()


command = build_command("sandbox", _sandbox, _FLAGS)
