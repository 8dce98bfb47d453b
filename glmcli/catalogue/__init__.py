"""The catalogue of models: what each can do, at which price, read from `models.json` when it is first needed.

That file holds the known facts about every provider's models, each group with its source; its schema is
schemas/models.schema.json. A key that is left out is not known. A model that is not listed may be used all the same:
new models and private deployments work, they are only not checked.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from glmcli.errors import InternalError
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.abc import ResourceLoader

_FILE = __file__.removesuffix("__init__.py") + "models.json"
NO_THINKING = "none"  # the effort that is no thinking


class Model(Record):
    """What one provider's model can do, as far as it is checked before a request is sent.

    Units: `context`, `max_reasoning` and `max_output` in tokens. None where no source says it.

    Attributes:
        thinks: the model has a thinking mode; None: not known.
        stops_thinking: thinking can be switched off, or may be.
        asked_to_stop: what becomes of a request to stop, where it cannot: `refused`, or `ignored` without a word;
            `unclear`: only one source says that it cannot.
        efforts: the values of --effort that are taken; `none` is no thinking; None: not known.
        effort_counts_as: the values that the provider reads as another one.
        stream_only: a request without a stream is refused.
        refuses: request parameters that this model does not take.
        max_completion_tokens: it takes this parameter, which caps thinking and answer together.
        json_object: `response_format` takes json_object.
        json_schema: the same for json_schema.
        json_without_thinking: it takes these two only while it does not think.
        tools: the model calls functions.
        tool_stream: the provider lists it among the models whose tool calls can come in pieces.
        web_search: the provider searches the web for it.
        prefix_completion: it goes on with an answer that was begun.
        delisted: the provider no longer serves it, or will stop on the day `since`.
        scope: for whom this was announced, where it was for others than the users of this row.
        reported: users say that it is gone, while a page of the provider still has it.
        unlisted: no page of the provider had it when they were read on the day `since`.
        since: that day, as YYYY-MM-DD; None: no source names it.
        successor: the model that the provider names instead.
        batch: the provider's Batch API serves it; None: not known.
    """

    context: int | None = None
    max_reasoning: int | None = None
    max_output: int | None = None
    thinks: bool | None = None
    stops_thinking: bool = True
    asked_to_stop: str | None = None
    efforts: tuple[str, ...] | None = None
    effort_counts_as: Mapping[str, str] = EMPTY
    stream_only: bool = False
    refuses: tuple[str, ...] = ()
    max_completion_tokens: bool = False
    json_object: bool | None = None
    json_schema: bool | None = None
    json_without_thinking: bool | None = None
    tools: bool | None = None
    tool_stream: bool | None = None
    web_search: bool | None = None
    prefix_completion: bool | None = None
    delisted: bool = False
    scope: str | None = None
    reported: bool = False
    unlisted: bool = False
    since: str | None = None
    successor: str | None = None
    batch: bool | None = None

    @property
    def always_thinks(self) -> bool:
        """It has no other mode, whatever it is asked: no fix may ask it to stop."""
        return not self.stops_thinking and self.asked_to_stop != "unclear"


def counted_effort(word: str, model: Model | None) -> str:
    """The effort that counts where this word is sent to the model.

    Source: for glm-5.2 the chat references of docs.bigmodel.cn and docs.z.ai (2026-10-03). That `none` is no thinking
    was measured at Model Studio (2026-08-21) and vLLM 0.32 (2026-11-21); SGLang and Ollama have it in their sources.
    """
    return model.effort_counts_as.get(word, word) if model else word


def is_no_thinking(effort: str | None, model: Model | None) -> bool:
    """Whether this effort, if one is set, asks the model not to think."""
    return effort is not None and counted_effort(effort, model) == NO_THINKING


@cache
def find(catalogue: str, model: str) -> Model | None:
    """What is known of this model at this provider, or None."""
    known = facts(catalogue, model)
    return None if known is None else model_of(known)


def model_of(known: Mapping[str, Any]) -> Model:
    """Those of a model's facts that are checked before a request is sent."""
    thinking, json_ = known.get("thinking", EMPTY), known.get("structured_output", EMPTY)
    efforts = thinking.get("efforts")
    return Model(
        context=known.get("context"),
        max_reasoning=known.get("max_reasoning"),
        max_output=known.get("max_output"),
        thinks=thinking.get("has"),
        stops_thinking=thinking.get("can_stop") is not False,
        asked_to_stop=thinking.get("asked_to_stop"),
        efforts=None if efforts is None else tuple(efforts),
        effort_counts_as=thinking.get("effort_counts_as", EMPTY),
        stream_only=known.get("stream_only") is True,
        refuses=tuple(known.get("refuses", ())),
        max_completion_tokens=known.get("max_completion_tokens") is True,
        json_object=json_.get("json_object"),
        json_schema=json_.get("json_schema"),
        json_without_thinking=json_.get("only_without_thinking"),
        tools=known.get("tools"),
        tool_stream=known.get("tool_stream"),
        web_search=known.get("web_search"),
        prefix_completion=known.get("prefix_completion"),
        batch=known.get("batch"),
        **known.get("status", EMPTY),
    )


def names(catalogue: str) -> tuple[str, ...]:
    """The models known at this provider."""
    return tuple(_of(catalogue).get("models", EMPTY))


def facts(catalogue: str, model: str) -> Mapping[str, Any] | None:
    """All facts about this model at this provider, or None."""
    known: Mapping[str, Any] | None = _of(catalogue).get("models", EMPTY).get(model)
    return known


def is_gone(facts: Mapping[str, Any]) -> bool:
    """Whether a model with these facts is delisted, will be, or is on no page of its provider any more."""
    status = facts.get("status", EMPTY)
    return bool(status.get("delisted") or status.get("unlisted"))


def default_model(catalogue: str, use: str) -> Mapping[str, str] | None:
    """The `model` of this provider where none is named, the `reason`, and its `source`; None: one must be named.

    `use` is `ask`, or `vision` for a question with pictures.
    """
    known: Mapping[str, str] | None = _part("default_models", catalogue).get(use) if catalogue else None
    return known


def prices_at(catalogue: str) -> tuple[str, ...]:
    """The base URLs at which the prices of this provider hold."""
    return tuple(_of(catalogue).get("prices_at", ()))


def batch_price(catalogue: str) -> Mapping[str, Any] | None:
    """What a request costs in a batch: `price` is the fraction of the list price; None: not known."""
    known: Mapping[str, Any] | None = _of(catalogue).get("batch")
    return known


def web_search(catalogue: str) -> Mapping[str, Any] | None:
    """What a search of the web by this provider costs: `price`, or by engine; None: not known."""
    known: Mapping[str, Any] | None = _of(catalogue).get("web_search")
    return known


def media(form: str) -> Mapping[str, Any]:
    """How servers of this form take pictures, videos and files, independent of the model."""
    takes: Mapping[str, Any] = _part("media", form)["takes"]
    return takes


@cache
def boxed(model: str) -> Mapping[str, Any] | None:
    """The form of the answers of a model that marks them as boxes, wherever it is served; None: it does not.

    Servers and gateways name a model in their own way: `zai-org/GLM-4.6V-FP8`, `z-ai/glm-4.6v:free`,
    `hf.co/unsloth/GLM-4.6V-Flash-GGUF:Q4_K_M`, `zai-org_GLM-4.6V-Q4_K_M.gguf`. So its family is looked up by the last
    part of its id, without case, and whatever follows the name of the family is no part of that name.
    """
    last = f"_{model.rstrip('/').rpartition('/')[2].lower()}"
    for family, form in _section("box_tags").items():
        _, name, rest = last.partition(f"_{family}")
        if name and not rest[:1].isalnum():
            return cast("Mapping[str, Any]", form)
    return None


def source(name: str) -> dict[str, str]:
    """The source of a fact by its name in the file: an address and a day."""
    return dict(_part("sources", name))


def _of(catalogue: str) -> Mapping[str, Any]:
    """The part of a provider; for rows without a catalogue it is empty, and the file is not read."""
    return _part("providers", catalogue) if catalogue else EMPTY


@cache
def _part(section: str, name: str) -> Mapping[str, Any]:
    """The value of a name in a section, found by its text: parsing one provider costs a third of parsing them all.

    This relies on an indentation of two spaces, on the section of the providers standing last, and on each of them
    having its default models; a test checks all three.
    """
    return _value(f'\n    "{name}": ', _text().find(f'\n  "{section}": '))


@cache
def _section(name: str) -> Mapping[str, Any]:
    return _value(f'\n  "{name}": ')


def _value(begins: str, start: int = 0) -> Mapping[str, Any]:
    """The JSON value after this text, or nothing."""
    at = _text().find(begins, start)
    value: Mapping[str, Any] = json.JSONDecoder().raw_decode(_text(), at + len(begins))[0] if at >= 0 else EMPTY
    return value


@cache
def _text() -> str:
    """The text of the file, read by the loader of this module, so that it is found in a zip file too.

    Raises:
        InternalError: it is not there.
    """
    spec = globals()["__spec__"]
    try:
        return cast("ResourceLoader", spec.loader).get_data(_FILE).decode()
    except OSError as error:
        raise InternalError(message=f"cannot read the catalogue of models: {error}", fix="install glm again") from error
