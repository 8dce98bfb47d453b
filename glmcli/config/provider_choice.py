"""Which model at which provider: flags over request file over environment over configuration over the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.config.keys import GENERAL, has_key
from glmcli.errors import CredentialsError, UsageError
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from glmcli.config.app import App
    from glmcli.providers.abilities import Objection
    from glmcli.providers.row import Provider


class Layer(Record):
    """Provider and model as one source names them; `verbatim`: with a provider, the model is not split at its slash."""

    source: str
    provider: str | None
    model: str | None
    verbatim: bool = False


class Choice(Record):
    """A provider, a model, and why they were chosen, for --verbose.

    Attributes:
        named: the user named the provider, by a prefix or by --provider.
    """

    provider: Provider
    model: str
    why: str
    named: bool


def layers(app: App, flags: Mapping[str, Any], file: Mapping[str, Any] = EMPTY) -> tuple[Layer, ...]:
    """Provider and model by flags, request file, environment and configuration, in order of precedence.

    `flags` and `file` hold the options that each of them sets, by field of Options.

    Raises:
        UsageError: GLM_MODEL is not UTF-8, or the configuration is wrong.
    """
    environment, config = app.environment, app.config
    flag = "--provider" if flags.get("provider") else "--model"
    variables = " and ".join(name for name in ("GLM_PROVIDER", "GLM_MODEL") if environment.get(name))
    return (
        Layer(flag, flags.get("provider"), flags.get("model"), verbatim=True),
        Layer("the request file", file.get("provider"), file.get("model")),
        Layer(variables, environment.get("GLM_PROVIDER"), _text("GLM_MODEL", environment)),
        Layer(config.source or "the configuration", config.provider, config.model),
    )


def _text(variable: str, environment: Mapping[str, str]) -> str | None:
    """The variable's value, which will be sent and so must be UTF-8."""
    value = environment.get(variable)
    if value and any("\ud800" <= character <= "\udfff" for character in value):
        raise UsageError(message=f"{variable} is not UTF-8")
    return value


def known(name: str, source: str, providers: Mapping[str, Provider]) -> Provider:
    """The row of that name.

    Raises:
        UsageError: there is none.
    """
    if name in providers:
        return providers[name]
    from glmcli.console.suggestions import did_you_mean

    message = f"{source}: unknown provider {name!r}{did_you_mean(name, providers)}"
    raise UsageError(message=message, fix=f"one of {', '.join(providers)}")


def split(text: str, providers: Mapping[str, Provider]) -> tuple[Provider | None, str]:
    """`PROVIDER/MODEL` in two; the part before the first slash is a provider only if it names one."""
    name, slash, model = text.partition("/")
    if slash and name in providers:
        return providers[name], model
    return None, text


def choose(
    app: App, layers: Sequence[Layer], objected: Callable[[Objection], None], *, dry: bool, vision: bool = False
) -> Choice:
    """The first provider and its model. `dry`: nothing is sent, so a provider without a key may be chosen.

    With `vision` the default is a model that takes pictures, at a provider that has one. `objected` is told why a model
    without a provider is none of the provider's that it would go to, and raises if it is not to be sent.

    Raises:
        UsageError: a provider is unknown, or needs --model, or a model is empty.
        CredentialsError: no provider was named, and none has a key.
    """
    providers = app.config.providers
    provider: Provider | None = None
    model: str | None = None
    is_named = any(layer.provider for layer in layers if layer.verbatim)
    source = ""
    reasons: list[str] = []
    for layer in layers:
        named = known(layer.provider, layer.source, providers) if layer.provider and provider is None else None
        own, rest = _model_of(layer, named, providers)
        if model is None and rest is not None and (provider is None or own in (None, provider)):
            # A model of a provider other than the one already chosen is ignored.
            if not rest:
                raise without_model(layer.source, layer.model or "")
            is_named = is_named or own is not None
            provider = provider or own or named
            model, source = rest, layer.source
            reasons.append(f"model from {layer.source}")
        if provider is None and named:
            provider = named
        if provider is not None and provider is named:
            reasons.append(f"provider from {layer.source}")
    if provider is None:
        provider, why = _default(providers, app.environment, dry=dry, vision=vision)
        reasons.append(why)
    if model and not is_named:
        _check_unprefixed(model, source, provider, providers, objected)
    if provider is None:
        raise _no_key(providers, app.environment, vision=vision)
    if not model:
        model, why = _default_model(provider, providers, vision=vision)
        reasons.append(f"the default model: {why}")
    return Choice(provider, model, ", ".join(reasons), is_named)


def _check_unprefixed(
    model: str,
    source: str,
    provider: Provider | None,
    providers: Mapping[str, Provider],
    objected: Callable[[Objection], None],
) -> None:
    from glmcli.config.model_names import objection_to

    if objection := objection_to(model, source, provider, providers):
        objected(objection)


def _model_of(
    layer: Layer, named: Provider | None, providers: Mapping[str, Provider]
) -> tuple[Provider | None, str | None]:
    """The provider before the slash of this layer's model, and the rest of it; None without a model."""
    if not layer.model:
        return None, None
    own, rest = (None, layer.model) if layer.verbatim and layer.provider else split(layer.model, providers)
    if named and own and own != named:
        raise UsageError(
            message=f"{layer.source}: the model {layer.model} does not belong to the provider {named.name}",
            fix="leave one of them out",
        )
    return own, rest


def without_model(source: str, text: str) -> UsageError:
    """The error for `PROVIDER/`: its default model may not be the one that was left out."""
    return UsageError(message=f"{source}: no model follows {text}", fix=f"write {text}MODEL")


def _default_model(provider: Provider, providers: Mapping[str, Provider], *, vision: bool) -> tuple[str, str]:
    """The model where none was named, and why it is that one."""
    if known := provider.default("vision" if vision else "ask"):
        return known["model"], known["reason"]
    own = "its own name of the model: -m NAME"
    if not vision or provider.default_model is None:
        raise UsageError(message=f"{provider.name} needs --model", fix=own)
    from glmcli.providers.abilities import model_flags

    able = (f"{row.name}/{row.vision_model}" for row in providers.values() if row.hosted and row.vision_model)
    why = f"{provider.name} needs --model: it has no model for pictures that is known"
    raise UsageError(message=why, fix=f"a model of another provider: {model_flags(tuple(able))}; or {own}")


def _default(
    providers: Mapping[str, Provider], environment: Mapping[str, str], *, dry: bool, vision: bool
) -> tuple[Provider | None, str]:
    """The first hosted provider with a key, and why; None: there is none."""
    hosted = _hosted(providers, vision=vision)
    for row in hosted:
        if has_key(row, environment):
            able = " and a model for pictures" if vision else ""
            return row, f"{row.name} is the first provider with a key{able}"
    able = " with a model for pictures, none of them" if vision else ", none"
    return (hosted[0] if dry else None), f"{hosted[0].name} is the first provider{able} has a key"


def _hosted(providers: Mapping[str, Provider], *, vision: bool) -> list[Provider]:
    return [row for row in providers.values() if row.hosted and (not vision or row.vision_model)]


def _no_key(providers: Mapping[str, Provider], environment: Mapping[str, str], *, vision: bool) -> CredentialsError:
    variables = dict.fromkeys(name for row in _hosted(providers, vision=vision) for name in row.key_variables)
    general = f" ({GENERAL} counts only with GLM_PROVIDER)" if environment.get(GENERAL) else ""
    return CredentialsError(
        message=f"no provider{' with a model for pictures' if vision else ''} has a key{general}",
        fix=f"set one of {', '.join(variables)}; or try without a key: -{'P sandbox' if vision else 'm sandbox/glm-5'}",
    )
