"""`glm sandbox`: the embedded providers, served for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.commands.flags import Flag
from glmcli.commands.tree import build_command

if TYPE_CHECKING:
    from glmcli.config.app import App

_SERVE = "Server"
_FLAGS = (
    Flag("port", "--port", "integer", _SERVE, "The port on 127.0.0.1; 0, the default, takes a free one.", "N", 0),
    Flag(
        "fault",
        "--fault",
        "list",
        _SERVE,
        "Fail on demand (repeatable): a status such as 429, a provider's code such as 1302, or one of "
        "cut reset hang stall drip error html garbage length sensitive empty nodone redirect; SHARE of the requests.",
        "KIND[:SHARE]",
    ),
    Flag("latency", "--latency", "seconds", _SERVE, "Wait before the first byte.", "S", 0),
    Flag("pace", "--pace", "seconds", _SERVE, "Wait between the pieces of a stream.", "S", 0),
)


def _sandbox(app: App, given: dict[str, Any]) -> None:
    """Imitate every provider on loopback until Ctrl-C: replies echo the prompt in recorded formats, without a model.

    Prints a line for each provider: its name, a tab, and its base URL for --base-url.

    BigModel, Model Studio and OpenAI's form also run batches, whose state advances with each status request. In a batch
    a fault applies to a line: 429 refuses it, 500 makes it an error, cut loses it, and hang lets the batch expire.
    """
    from glmcli.console import signals
    from glmcli.sandbox import PREFIXES, Sandbox

    signals.install_handlers()
    server = Sandbox(
        port=given.get("port", 0),
        faults=given.get("fault", ()),
        latency=given.get("latency", 0.0),
        pace=given.get("pace", 0.0),
    )
    with server as sandbox:
        app.terminal.stdout.write("".join(f"{name}\t{sandbox.base_url(name)}\n" for name in PREFIXES))
        sandbox.wait()


command = build_command("sandbox", _sandbox, _FLAGS)
