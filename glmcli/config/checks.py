"""What a provider or model is known not to accept, found before anything is sent. Pure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from glmcli.console.suggestions import closest
from glmcli.errors import UsageError
from glmcli.providers import abilities, request_fields
from glmcli.providers.abilities import Objection
from glmcli.providers.request_fields import SAMPLING
from glmcli.providers.row import Provider, Range
from glmcli.providers.table import PROVIDERS, dialect_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmcli.catalogue import Model
    from glmcli.chat.messages import Request


def contradictions(request: Request, provider: Provider) -> Iterator[UsageError]:
    """What no provider could do: --force does not send it."""
    if _says_how_to_think(request):
        from glmcli.providers import thinking_rules

        yield from thinking_rules.contradictions(request, provider)
    if provider.api.thinking is None and (request.think is not None or request.effort is not None):
        word = request.effort or ("none" if request.think is False else "high")
        yield UsageError(
            message=f"{provider.name} has no thinking switch that is known",
            fix=f"set the field that your server takes with --option, as in -o reasoning_effort={word}",
        )
    if any(message.partial for message in request.messages):
        from glmcli.providers import card_rules

        yield from card_rules.contradictions(request)
    if _has_media(request):
        from glmcli.providers import media_rules

        yield from media_rules.contradictions(request, provider)
    reserved = dialect_of(provider).reserved(provider, request.model)
    for name in request.extra:
        if name in reserved:
            yield UsageError(
                message=f"--option {name}: this field has a flag of its own", fix=_flag(name, provider, request.model)
            )


def _flag(name: str, provider: Provider, model: str) -> str:
    """The flag that sets this field of the request body."""
    flags = {
        "reasoning_effort": "--effort",
        "clear_thinking": "--keep-thinking",
        "messages": "the prompt, --system, or messages in a request file",
        "tools": "server_tools in a request file, or glm tools run --tools",
        "tool_choice": "--tool-choice of glm tools run",
        "tool_stream": "--tool-stream of glm tools run",
        "stream": "--no-stream",
        "stream_options": "glm asks for the usage by itself",
        "result_format": "glm sets it by itself",
        "incremental_output": "glm sets it by itself",
    }
    switch = provider.api.thinking
    if switch and name not in flags and (name in switch.on or name in switch.off):
        return "--think, --no-think or --keep-thinking" if provider.api.keeps_thinking else "--think or --no-think"
    ours = {theirs: own for own, theirs in request_fields.field_names(provider, model).items()}
    return flags.get(name, f"--{ours.get(name, name).replace('_', '-')}")


def objections(request: Request, provider: Provider) -> Iterator[Objection]:
    """What the provider is known to refuse or ignore; --force sends it anyway."""
    model = provider.model(request.model)
    if _says_how_to_think(request):
        from glmcli.providers import thinking_rules

        yield from thinking_rules.objections(request, provider, model)
    if _needs_card(request, provider):
        from glmcli.providers import card_rules

        yield from card_rules.objections(request, provider, model)
    yield from _parameters(request, provider, model)
    yield from abilities.objections(request, provider, model)
    if _has_media(request):
        from glmcli.providers import media_rules

        yield from media_rules.objections(request, provider)
    if not any(message.role == "user" for message in request.messages):
        yield Objection("the conversation has no user message", "give a prompt")
    if model and model.stream_only and not request.stream:
        yield Objection(f"{request.model} at {provider.name} answers only as a stream", "leave out --no-stream")


def _parameters(request: Request, provider: Provider, model: Model | None) -> Iterator[Objection]:
    known = provider.api.parameters
    for name, value in _values(request).items():
        flag = f"--{name.replace('_', '-')}" if name in SAMPLING else f"--option {name}"
        if (name in known and known[name] is None) or (model and name in model.refuses):
            yield Objection(f"{request.model} at {provider.name} does not take {name}", f"leave out {flag}")
        elif isinstance(limits := known.get(name), Range) and _is_number(value) and not limits.holds(value):
            yield Objection(f"{flag} {value:g} is out of the range {limits} of {provider.name}", "choose a value in it")
    if request.max_tokens is not None:
        from glmcli.providers import token_caps

        yield from token_caps.objections(request, provider, model)
    most = provider.api.max_stops
    if most is not None and len(request.stop) > most:
        yield Objection(f"{provider.name} takes at most {most} stop strings", "leave some out")


def _values(request: Request) -> Mapping[str, Any]:
    set_fields = {name: getattr(request, name) for name in SAMPLING if getattr(request, name) is not None}
    return set_fields | dict(request.extra)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def today() -> str:
    """The day in UTC, as the catalogue writes days."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def remarks(request: Request, provider: Provider, today: str) -> Iterator[str]:
    """What the user should know, but is no reason to refuse; `today` is YYYY-MM-DD."""
    # A blank at an end, as a file with CR LF leaves one, is not seen without quotes.
    is_plain = request.model.isprintable() and request.model == request.model.strip()
    name = f"{request.model if is_plain else repr(request.model)} at {provider.name}"
    model = provider.model(request.model)
    if model and (why := _gone(model, today)):
        yield f"{name} {why}"
    if provider.catalogue and model is None:
        yield f"{name} is not in the catalogue: its limits are not checked{_guess(request, provider)}"
    if _says_how_to_think(request) or not request.stream:
        from glmcli.providers import thinking_rules

        yield from thinking_rules.remarks(request, provider, model, name)
    if provider.api.few_stops and len(request.stop) > 1:
        yield f"{provider.name} documents one stop string; its handling of {len(request.stop)} is not known"
    if "clear_thinking" in request.extra and not provider.api.keeps_thinking:
        yield f"{provider.name} is sent no reasoning of earlier turns: clear_thinking has no effect"
    for parameter in provider.api.doubtful:
        if parameter in _values(request):
            yield f"{provider.name} does not document {parameter}; it may have no effect"
    yield from abilities.remarks(request, provider, model)
    if _needs_card(request, provider):
        from glmcli.providers import card_rules

        yield from card_rules.remarks(request, provider, model, name)
    if _has_media(request):
        from glmcli.providers import media_rules

        yield from media_rules.remarks(request, provider)


def can_keep_thinking(model: str, provider: Provider) -> bool:
    """Whether this model can be asked to read the reasoning of earlier turns."""
    known = provider.model(model)
    return provider.api.keeps_thinking and not (known and known.thinks is False)


def reasoning_remark(request: Request, provider: Provider) -> str | None:
    """That reasoning of earlier turns is not sent, and what sends it; None where all of it is."""
    if not request_fields.leaves_out_reasoning(request, provider):
        return None
    is_open = request.keep_thinking is None and can_keep_thinking(request.model, provider)
    sends = "; --keep-thinking sends it" if is_open else ""
    return f"{request.model} at {provider.name}: the reasoning of earlier turns is not sent{sends}"


def _gone(model: Model, today: str) -> str | None:
    """That the model is gone, or may be, if the day has come: ISO dates compare as text."""
    if model.since is not None and model.since > today:
        return None
    if model.reported:
        return "is reported to be gone, though a page of the provider has it, and may be refused"
    if model.unlisted:
        known = f"was on no page of the provider on {model.since}" if model.since else "is on no page of the provider"
        return f"{known} and may be refused"
    if not model.delisted:
        return None
    since = f" since {model.since}" if model.since else ""
    instead = f"; the provider names {model.successor} instead" if model.successor else ""
    if model.scope:
        return f"may be gone{since} and be refused: {model.scope}{instead}"
    return f"is delisted{since} and may be refused{instead}"


def _guess(request: Request, provider: Provider) -> str:
    """A suggestion: a known model of a similar name that accepts the media of the request.

    A model as fixes write it, PROVIDER/MODEL, is another name altogether behind -P.
    """
    named = PROVIDERS.get(request.model.partition("/")[0])
    if named and named.hosted:
        return f" (behind -P the whole of it is the model's name: leave -P out to ask {named.name})"
    able = provider.model_names
    if _has_media(request):
        from glmcli.providers import media_rules

        able = media_rules.models_for(request, provider)
    close = closest(request.model, able)
    return f" (did you mean {provider.name}/{close}?)" if close else ""


def details(request: Request, provider: Provider) -> Iterator[str]:
    """What the user should know with --verbose only."""
    yield from details_of_settings(request, provider)
    if _has_media(request):
        from glmcli.providers import media_rules

        yield from media_rules.details(request)


def details_of_settings(request: Request, provider: Provider) -> Iterator[str]:
    """Those of them that do not depend on the pictures, videos and files: few, whatever is asked."""
    if _says_how_to_think(request):
        from glmcli.providers import thinking_rules

        yield from thinking_rules.details(request, provider, provider.model(request.model))
    if request.max_tokens is not None:
        from glmcli.providers import token_caps

        yield from token_caps.details(request, provider)
    if request.tools and request.tool_stream is None and request_fields.streams_calls(request, provider):
        without = "--no-tool-stream, or tool_stream: false in a request file, leaves it out"
        yield f"tool_stream is sent unasked: the arguments of calls come in pieces ({without})"


def _says_how_to_think(request: Request) -> bool:
    settings = (request.think, request.effort, request.think_budget, request.keep_thinking)
    return any(setting is not None for setting in settings)


def _needs_card(request: Request, provider: Provider) -> bool:
    """Whether it asks for a web search, or to go on with an answer."""
    asks_to_search = bool(request.server_tools) or provider.api.search_parameter in request.extra
    return asks_to_search or any(message.partial for message in request.messages)


def _has_media(request: Request) -> bool:
    return any(message.media for message in request.messages)
