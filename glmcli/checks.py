"""What a provider or model is known not to accept, found before anything is sent. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from glmcli.catalogue import Model, find, names
from glmcli.errors import UsageError
from glmcli.providers import dialect_of
from glmcli.providers.fields import CHOICES, SAMPLING
from glmcli.providers.row import Provider, Range, Thinking

if TYPE_CHECKING:
    from glmcli.chat import Request


class Objection(NamedTuple):
    """Why the provider would refuse, and what to do instead."""

    message: str
    fix: str


def contradictions(request: Request, provider: Provider) -> Iterator[UsageError]:
    """What no provider could carry out, not even with --force."""
    if request.effort is not None and request.think is False:
        yield UsageError(message="--effort asks for thinking, --no-think for none", fix="leave one of them out")
    if request.think_budget is not None and request.think is False:
        yield UsageError(message="--think-budget asks for thinking, --no-think for none", fix="leave one of them out")
    if provider.wire.thinking is Thinking.NONE and (request.think is not None or request.effort is not None):
        yield UsageError(
            message=f"{provider.name} has no thinking switch that is known",
            fix="set the field that your server takes with --option, as in -o reasoning_effort=high",
        )
    if _has_media(request):
        from glmcli.providers import media_check

        yield from media_check.contradictions(provider)
    reserved = dialect_of(provider).reserved(provider)
    for name in request.extra:
        if name in reserved:
            yield UsageError(message=f"--option {name}: this field has a flag of its own", fix=_flag(name))


def _flag(name: str) -> str:
    flags = {
        "thinking": "--think or --no-think",
        "enable_thinking": "--think or --no-think",
        "reasoning_effort": "--effort",
        "thinking_budget": "--think-budget",
        "messages": "the prompt, --system, or messages in a request file",
        "tools": "server_tools in a request file, or glm tools run --tools",
        "tool_choice": "--tool-choice of glm tools run",
        "tool_stream": "--tool-stream of glm tools run",
        "stream": "--no-stream",
        "stream_options": "glm asks for the usage by itself",
        "result_format": "glm sets it by itself",
        "incremental_output": "glm sets it by itself",
    }
    return flags.get(name, f"--{name.replace('_', '-')}")


def objections(request: Request, provider: Provider) -> Iterator[Objection]:
    """What the provider is known to refuse or to ignore; --force sends it anyway."""
    model = find(provider.catalogue, request.model)
    yield from _thinking(request, provider, model)
    yield from _parameters(request, provider, model)
    yield from _structured(request, provider)
    yield from _tools(request, provider)
    if _has_media(request):
        from glmcli.providers import media_check

        yield from (Objection(*each) for each in media_check.objections(request, provider))
    if not any(message.role == "user" for message in request.messages):
        yield Objection("the conversation has no user message", "give a prompt")
    if model and model.stream_only and not request.stream:
        yield Objection(f"{request.model} at {provider.name} answers only as a stream", "leave out --no-stream")


def _thinking(request: Request, provider: Provider, model: Model | None) -> Iterator[Objection]:
    name = f"{request.model} at {provider.name}"
    if model and request.think and model.thinks is False:
        yield Objection(f"{name} has no thinking mode", "leave out --think and --effort")
    if model and request.think is False and not model.stops_thinking:
        least = f"--effort {model.efforts[0]}" if model.efforts else "leave out --no-think"
        yield Objection(f"{name} always thinks, it cannot be switched off", least)
    if request.think_budget is not None and not provider.wire.thinking_budget:
        yield Objection(f"{provider.name} has no thinking budget", "use --effort or --max-tokens")
    words = model.efforts if model and model.efforts is not None else provider.wire.effort_words
    if request.effort is not None and words is not None and request.effort not in words:
        known = f"one of {', '.join(words)}" if words else "leave out --effort"
        what = f"does not know the effort {request.effort!r}" if words else "takes no effort"
        yield Objection(f"{name} {what}", known)


def _parameters(request: Request, provider: Provider, model: Model | None) -> Iterator[Objection]:
    known = provider.wire.parameters
    for name, value in _values(request).items():
        flag = f"--{name.replace('_', '-')}" if name in SAMPLING else f"--option {name}"
        if (name in known and known[name] is None) or (model and name in model.refuses):
            yield Objection(f"{request.model} at {provider.name} does not take {name}", f"leave out {flag}")
        elif isinstance(limits := known.get(name), Range) and _is_number(value) and not limits.holds(value):
            yield Objection(f"{flag} {value:g} is out of the range {limits} of {provider.name}", "choose a value in it")
    if model and model.max_output and (request.max_tokens or 0) > model.max_output:
        yield Objection(
            f"--max-tokens {request.max_tokens} is more than {request.model} at {provider.name} writes",
            f"at most {model.max_output}",
        )
    most = provider.wire.most_stops
    if most is not None and len(request.stop) > most:
        yield Objection(f"{provider.name} takes at most {most} stop strings", "leave some out")


def _values(request: Request) -> Mapping[str, Any]:
    set_fields = {name: getattr(request, name) for name in SAMPLING if getattr(request, name) is not None}
    return set_fields | dict(request.extra)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _structured(request: Request, provider: Provider) -> Iterator[Objection]:
    wanted = request.extra.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if kind in (None, "text"):
        return
    if provider.wire.json_without_thinking and request.think is not False:
        yield Objection(f"{provider.name} writes JSON only without thinking", "--no-think")
    said = " ".join(message.text for message in request.messages).lower()
    if provider.wire.json_must_be_named and "json" not in said:
        yield Objection(f"{provider.name} wants the word JSON in the conversation", "ask for JSON in the prompt")
    if kind == "json_schema" and not provider.wire.json_schema:
        yield Objection(f"{provider.name} does not take a json_schema", "use {type: json_object} and name the fields")


def _tools(request: Request, provider: Provider) -> Iterator[Objection]:
    wire = provider.wire
    if wire.most_tools is not None and len(request.tools) > wire.most_tools:
        yield Objection(f"{provider.name} takes at most {wire.most_tools} tools", f"these are {len(request.tools)}")
    for function in request.tools:
        if function.name in wire.forbidden_tools:
            yield Objection(f"{provider.name} refuses a tool named {function.name!r}", "give it another name")
    if request.tools and request.tool_stream and not wire.tool_stream:
        yield Objection(f"{provider.name} has no tool_stream", "leave out --tool-stream")
    choice = request.tool_choice
    if choice is not None and request.tools:
        yield from _tool_choice(choice, request, provider)


def _tool_choice(choice: str, request: Request, provider: Provider) -> Iterator[Objection]:
    known = provider.wire.tool_choices
    kind = choice if choice in CHOICES else "NAME"
    if known is not None and kind not in known:
        yield Objection(f"{provider.name} does not take the tool choice {choice!r}", f"one of {', '.join(known)}")
    elif kind in ("required", "NAME") and not provider.wire.forces_thinking and request.think is not False:
        yield Objection(f"{provider.name} cannot demand a call while the model thinks", "--no-think")


def remarks(request: Request, provider: Provider, today: str) -> Iterator[str]:
    """What should be known on this day (YYYY-MM-DD) though it is no reason to refuse."""
    name = f"{request.model} at {provider.name}"
    model = find(provider.catalogue, request.model)
    if model and model.delisted:
        yield from _delisted(name, model, today)
    if provider.catalogue and model is None:
        yield f"{name} is not in the catalogue: its limits are not checked{_guess(request, provider)}"
    if provider.wire.thinking is Thinking.ENABLE and not request.stream and request.think is not False:
        yield f"{name}: thinking without a stream is refused for some models, and ends after 300 s; add --no-think"
    if provider.wire.few_stops and len(request.stop) > 1:
        yield f"{provider.name} documents one stop string; its handling of {len(request.stop)} is not known"
    yield from _about_tools(request, provider)
    if _has_media(request):
        from glmcli.providers import media_check

        yield from media_check.remarks(request, provider)


def _delisted(name: str, model: Model, today: str) -> Iterator[str]:
    """That the model is gone, from its day on: ISO dates compare as text."""
    if model.since is None or model.since <= today:
        since = f" since {model.since}" if model.since else ""
        instead = f"; the provider names {model.successor} instead" if model.successor else ""
        yield f"{name} is delisted{since} and may be refused{instead}"


def _about_tools(request: Request, provider: Provider) -> Iterator[str]:
    model = find(provider.catalogue, request.model)
    if request.tools and request.tool_stream and not request.stream:
        yield "--tool-stream has no effect without a stream"
    elif request.tools and request.tool_stream and provider.wire.tool_stream and not (model and model.tool_stream):
        yield f"{request.model} at {provider.name} is not listed among the models that have tool_stream"


def _guess(request: Request, provider: Provider) -> str:
    from difflib import get_close_matches

    close = get_close_matches(request.model, names(provider.catalogue), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def details(request: Request, provider: Provider) -> Iterator[str]:
    """What --verbose adds."""
    if request.max_tokens is not None and not provider.wire.caps_thinking:
        yield f"--max-tokens caps the answer only; thinking is not capped at {provider.name} (--think-budget)"
    if _has_media(request):
        from glmcli.providers import media_check

        yield from media_check.details(request)


def _has_media(request: Request) -> bool:
    return any(message.media for message in request.messages)
