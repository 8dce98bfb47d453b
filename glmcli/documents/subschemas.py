"""The schemas inside a JSON Schema: where they stand, what refers to what, and what judging by them costs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from glmcli.documents.fault import Fault

Path = tuple[str | int, ...]
Place = tuple[Path, Mapping[str, Any]]

_ONE = (
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_LISTS = ("allOf", "anyOf", "items", "oneOf", "prefixItems")
_MAPPINGS = ("$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties")
# These judge the same value as the schema around them; the others judge a part of it, and values are finite.
_IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"})
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_DEEPEST = 32
_MOST = 10_000  # schemas that judge one value


def below(schema: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """What stands directly under a schema where a schema should stand, with its path."""
    for word in _ONE:
        if isinstance(schema.get(word), Mapping):
            yield (word,), schema[word]
    for word in _LISTS:
        if isinstance(schema.get(word), list):
            yield from (((word, number), item) for number, item in enumerate(schema[word]))
    for word in _MAPPINGS:
        if isinstance(schema.get(word), Mapping):
            yield from (((word, name), item) for name, item in schema[word].items() if not isinstance(item, list))


def walk(schema: Mapping[str, Any]) -> Iterator[Place]:
    """Every schema, the outermost first, without recursion of our own."""
    waiting: list[Place] = [((), schema)]
    while waiting:
        path, here = waiting.pop()
        yield path, here
        more = [((*path, *step), item) for step, item in below(here) if isinstance(item, Mapping)]
        waiting += reversed(more)


def faults(root: Mapping[str, Any]) -> Iterator[Fault]:
    """References that lead out of the schema or nowhere, and what can never be judged or only at great cost."""
    anchors = {f"#{here[word]}": here for _, here in walk(root) for word in _ANCHORS if isinstance(here.get(word), str)}
    costs = _Costs(root, anchors)
    for path, here in walk(root):
        if len(path) > 2 * _DEEPEST:
            yield Fault(path, f"nested deeper than {_DEEPEST} schemas")
            return
        if path and "$id" in here:
            yield Fault((*path, "$id"), "an $id inside a schema is not supported: leave it out", key=True)
            return
        for word in _REFERENCES:
            if word in here and costs.target(here[word]) is None:
                yield Fault((*path, word), _lost(here[word]))
                return
    yield from costs.faults()


_ANCHORS = ("$anchor", "$dynamicAnchor")


def _lost(reference: object) -> str:
    if isinstance(reference, str) and not reference.startswith("#"):
        return "a $ref out of the schema is never fetched: put what it means under $defs, and begin it with #"
    return "this $ref leads nowhere in the schema"


class _Costs:
    """How many schemas judge one value, references followed."""

    def __init__(self, root: Mapping[str, Any], anchors: Mapping[str, Mapping[str, Any]]) -> None:
        self._root = root
        self._anchors = anchors
        self._known: dict[int, int | None] = {}  # None while it is being counted

    def target(self, reference: object) -> Mapping[str, Any] | None:
        """The schema that is referred to, or None."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        if reference in self._anchors:
            return self._anchors[reference]
        here: Any = self._root
        for step in reference[1:].split("/")[1:] if reference != "#" else ():
            here = _step(here, step)
        if reference != "#" and not reference.startswith("#/"):
            return None
        return {} if isinstance(here, bool) else here if isinstance(here, Mapping) else None

    def faults(self) -> Iterator[Fault]:
        for path, here in walk(self._root):
            try:
                cost = self._cost(here, 0)
            except _CycleError:
                yield Fault(path, "this schema refers to itself, and would judge the same value for ever")
                return
            if cost > _MOST:
                yield Fault(path, f"judging by this schema takes more than {_MOST} steps for each value")
                return

    def _cost(self, schema: Mapping[str, Any], depth: int) -> int:
        known = self._known.get(id(schema), 0)
        if known is None or depth > _DEEPEST * 4:
            raise _CycleError
        if known:
            return known
        self._known[id(schema)] = None
        inner = [item for step, item in below(schema) if step[0] in _IN_PLACE and isinstance(item, Mapping)]
        inner += [each for word in _REFERENCES if (each := self.target(schema.get(word))) is not None]
        cost = min(1 + sum(self._cost(each, depth + 1) for each in inner), _MOST + 1)
        self._known[id(schema)] = cost
        return cost


class _CycleError(Exception):
    """A schema is part of itself."""


def _step(here: Any, step: str) -> Any:  # noqa: ANN401 - any JSON
    from urllib.parse import unquote

    name = unquote(step).replace("~1", "/").replace("~0", "~")
    if isinstance(here, Mapping):
        return here.get(name)
    if isinstance(here, list) and name.isdecimal() and int(name) < len(here):
        return here[int(name)]
    return None
