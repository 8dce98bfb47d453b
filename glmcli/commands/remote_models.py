"""`glm models --remote`: a provider's own list beside the catalogue."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from glmcli import compare as compared
from glmcli import settings
from glmcli.commands import caller
from glmcli.commands.models import OF_REMOTE, print_json
from glmcli.engine.api_calls import Calls, Remote
from glmcli.keys import KeyRing
from glmcli.options import Options
from glmcli.plan import Plan
from glmcli.providers import dialect_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.app import App
    from glmcli.config import Config
    from glmcli.providers.dialect import Listed
    from glmcli.providers.row import Provider


def compare(app: App, given: Mapping[str, Any], config: Config) -> None:
    """Print how the provider's list differs from the catalogue.

    Raises:
        GlmError: the provider does not say.
    """
    with ExitStack() as stack:
        provider, listed = _asked(app, given, config, stack)
    found = compared.models(provider, listed)
    shown = compared.of_interest(provider, found)
    left_out = len(found) - len(shown)
    if given.get("json"):
        print_json(app, [each.fields() for each in shown])
    else:
        app.terminal.stdout.write("".join(compared.line(each) for each in shown if each.state != "same"))
    others = f", {left_out} of them no GLM models and left out" if left_out else ""
    app.terminal.note(
        f"{provider.name} lists {len(listed)} models{others}; what it does not list may work all the same"
    )


def _asked(app: App, given: Mapping[str, Any], config: Config, stack: ExitStack) -> tuple[Provider, tuple[Listed, ...]]:
    """The provider, and what it lists."""
    flags = {name: given[name] for name in ("provider", *OF_REMOTE) if name in given}
    options = Options(**flags)
    stdin = caller.stdin(app, options.deadline)
    if options.key_file == "-":
        stdin.reserve("--key-file -")
    keys = KeyRing(app.environment, stdin, app.terminal.note)

    def embedded(row: Provider) -> str:
        from glmcli.sandbox import Sandbox

        return stack.enter_context(Sandbox()).base_url(row.name)

    layers = settings.Layers(options, {}, app.environment, config)
    resolver = settings.Resolver(options, layers, app.terminal, keys, embedded)
    reached = resolver.alone(lambda row: dialect_of(row).ask_models(row, 1), "models")
    tls = None
    if reached.call.url.startswith("https:"):
        from glmcli.http.tls import Tls

        tls = Tls(app.environment)
    plan = Plan(candidates=(), limits=settings.limits(options), started=app.started)
    calls = Calls(reached, plan, app.terminal, tls, app.terminal.stdout.check_reader)
    return reached.provider, Remote(calls).models()
