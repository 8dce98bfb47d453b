"""Facts about models that decide what is sent and what is refused, read from `models.json` when they are first needed.

That file holds every fact that we know of every provider's models, each group with its source; its form is
schemas/models.schema.json. A key that is left out is not known. A model that is not listed is allowed: tomorrow's
models and private deployments are not our business to forbid.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from glmcli.errors import InternalError
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from importlib.abc import ResourceLoader

_FILE = __file__.removesuffix("__init__.py") + "models.json"


class Model(Record):
    """What one provider's model can do, as far as the checks before sending ask.

    Units: `context`, `max_reasoning` and `max_output` in tokens. None where no source says it.

    Attributes:
        thinks: the model has a thinking mode; None: not known.
        stops_thinking: thinking can be switched off, or nothing is known against it.
        efforts: the words of --effort that it honours; None: not known.
        stream_only: a whole answer is refused.
        refuses: request parameters that this model does not take.
        json_object: `response_format` takes json_object.
        json_schema: the same for json_schema.
        json_without_thinking: it takes them only while it does not think.
        tools: the model calls functions.
        tool_stream: the model is listed among those whose calls can come in pieces.
        box_tags: answers may hold `<|begin_of_box|>` and `<|end_of_box|>`, and begin with think tags.
        delisted: the provider serves it no longer, or will not from `since` on.
        reported: users say so, and no page of the provider.
        since: the day, as YYYY-MM-DD; None: no source names it.
        successor: the model that the provider names instead.
        batch: the provider's Batch API serves it; None: not known.
    """

    context: int | None = None
    max_reasoning: int | None = None
    max_output: int | None = None
    thinks: bool | None = None
    stops_thinking: bool = True
    efforts: tuple[str, ...] | None = None
    stream_only: bool = False
    refuses: tuple[str, ...] = ()
    json_object: bool | None = None
    json_schema: bool | None = None
    json_without_thinking: bool | None = None
    tools: bool | None = None
    tool_stream: bool | None = None
    box_tags: bool = False
    delisted: bool = False
    reported: bool = False
    since: str | None = None
    successor: str | None = None
    batch: bool | None = None


@cache
def find(catalogue: str, model: str) -> Model | None:
    """What is known of this model at this provider, or None."""
    known = facts(catalogue, model)
    if known is None:
        return None
    thinking, json_ = known.get("thinking", EMPTY), known.get("structured_output", EMPTY)
    efforts = thinking.get("efforts")
    return Model(
        context=known.get("context"),
        max_reasoning=known.get("max_reasoning"),
        max_output=known.get("max_output"),
        thinks=thinking.get("has"),
        stops_thinking=thinking.get("can_stop") is not False,
        efforts=None if efforts is None else tuple(efforts),
        stream_only=known.get("stream_only") is True,
        refuses=tuple(known.get("refuses", ())),
        json_object=json_.get("json_object"),
        json_schema=json_.get("json_schema"),
        json_without_thinking=json_.get("only_without_thinking"),
        tools=known.get("tools"),
        tool_stream=known.get("tool_stream"),
        box_tags=known.get("vision", EMPTY).get("box_tags") is True,
        batch=known.get("batch"),
        **known.get("status", EMPTY),
    )


def names(catalogue: str) -> tuple[str, ...]:
    """The models known at this provider."""
    return tuple(_of(catalogue).get("models", EMPTY))


def facts(catalogue: str, model: str) -> Mapping[str, Any] | None:
    """All that the file says of this model at this provider, or None."""
    known: Mapping[str, Any] | None = _of(catalogue).get("models", EMPTY).get(model)
    return known


def able(catalogue: str, does: Callable[[Mapping[str, Any]], bool]) -> tuple[str, ...]:
    """The models whose facts say so, the newest first, without those that are gone or going."""
    listed: Mapping[str, Mapping[str, Any]] = _of(catalogue).get("models", EMPTY)
    return tuple(
        name for name, facts in listed.items() if not facts.get("status", EMPTY).get("delisted") and does(facts)
    )


def prices_at(catalogue: str) -> tuple[str, ...]:
    """The base URLs at which the prices of this catalogue are paid."""
    return tuple(_of(catalogue).get("prices_at", ()))


def batch_price(catalogue: str) -> Mapping[str, Any] | None:
    """What a request costs in a batch: `price` is the share of the list price that is paid; None: no source says it."""
    known: Mapping[str, Any] | None = _of(catalogue).get("batch")
    return known


def media(form: str) -> Mapping[str, Any]:
    """How servers of this form take pictures, videos and files, whatever the model."""
    takes: Mapping[str, Any] = _part("media", form)["takes"]
    return takes


def source(name: str) -> dict[str, str]:
    """Where a fact comes from: an address and a day."""
    return dict(_part("sources", name))


def _of(catalogue: str) -> Mapping[str, Any]:
    """What the file says of a provider; rows without a catalogue do not load it."""
    return _part("providers", catalogue) if catalogue else EMPTY


@cache
def _part(section: str, name: str) -> Mapping[str, Any]:
    """What stands under this name: reading one provider costs a third of reading them all.

    The file is indented by two blanks a level, as every formatter does it, and the providers stand last; a test holds
    it to that.
    """
    text, begins = _text(), f'\n    "{name}": '
    at = text.find(begins, text.find(f'\n  "{section}": '))
    value: Mapping[str, Any] = json.JSONDecoder().raw_decode(text, at + len(begins))[0] if at >= 0 else EMPTY
    return value


@cache
def _text() -> str:
    """The file, read as Python reads the code beside it: also from a zip.

    Raises:
        InternalError: it is not there.
    """
    spec = globals()["__spec__"]
    try:
        return cast("ResourceLoader", spec.loader).get_data(_FILE).decode()
    except OSError as error:
        raise InternalError(message=f"cannot read the catalogue of models: {error}", fix="install glm again") from error
