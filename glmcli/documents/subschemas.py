"""The schemas inside a JSON Schema: where they stand, what refers to what, and what judging by them costs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

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
IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"})
SHELVES = ("$defs", "definitions")  # what stands there judges nothing until something refers to it
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ANCHORS = ("$anchor", "$dynamicAnchor")
_DEEPEST = 32
_MOST = 10_000  # schemas that judge one value


class Draft(NamedTuple):
    """What a draft of JSON Schema knows: its words, and the one that names a schema.

    `alone` says that a `$ref` stands alone: what stands beside it is not looked at.
    """

    words: frozenset[str]
    identity: str
    alone: bool


def below(schema: Mapping[str, Any], draft: Draft) -> Iterator[tuple[Path, Any]]:
    """What stands directly under a schema where a schema should stand, with its path."""
    for word in _ONE:
        if word in draft.words and isinstance(schema.get(word), Mapping | bool):
            yield (word,), schema[word]
    for word in _LISTS:
        if word in draft.words and isinstance(schema.get(word), list):
            yield from (((word, number), item) for number, item in enumerate(schema[word]))
    for word in _MAPPINGS:
        if word in draft.words and isinstance(schema.get(word), Mapping):
            yield from (((word, name), item) for name, item in schema[word].items() if not isinstance(item, list))


def walk(schema: Mapping[str, Any], draft: Draft) -> Iterator[Place]:
    """Every schema that is an object, the outermost first, without recursion of our own."""
    return ((path, here) for path, here in _everything(schema, draft) if isinstance(here, Mapping))


def _everything(schema: Mapping[str, Any], draft: Draft) -> Iterator[tuple[Path, Any]]:
    waiting: list[tuple[Path, Any]] = [((), schema)]
    while waiting:
        path, here = waiting.pop()
        yield path, here
        more = below(here, draft) if isinstance(here, Mapping) else ()
        waiting += reversed([((*path, *step), item) for step, item in more])


class Places:
    """Every schema of a schema by its path, and what the references lead to."""

    def __init__(self, root: Mapping[str, Any], draft: Draft) -> None:
        self.draft = draft
        self.at: dict[Path, Any] = dict(_everything(root, draft))
        self._pointers = {tuple(map(str, path)): path for path in self.at}
        self._anchors: dict[str, Path] = {}
        self.twice: list[Path] = []
        for path, here in self.at.items():
            for word in _ANCHORS if isinstance(here, Mapping) else ():
                if word in draft.words and isinstance(here.get(word), str):
                    self._anchor(f"#{here[word]}", (*path, word))

    def _anchor(self, name: str, path: Path) -> None:
        if name in self._anchors:
            self.twice.append(path)
        self._anchors[name] = path[:-1]

    def target(self, word: str, reference: object) -> Path | None:
        """Where a reference leads, or None if that is no schema of this schema."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        if reference == "#" or word == "$recursiveRef":
            return () if reference == "#" else None
        if not reference.startswith("#/"):
            return self._anchors.get(reference)
        steps = unquote(reference[2:]).split("/")
        return self._pointers.get(tuple(step.replace("~1", "/").replace("~0", "~") for step in steps))

    def references(self, here: object) -> Iterator[tuple[str, Path | None]]:
        """The references of one schema, each with where it leads."""
        for word in REFERENCES if isinstance(here, Mapping) else ():
            if word in self.draft.words and isinstance(here, Mapping) and word in here:
                yield word, self.target(word, here[word])


def pointer(path: Path) -> str:
    """A reference to a path, as every library reads it."""
    return "#" + "".join("/" + quote(str(step).replace("~", "~0").replace("/", "~1"), safe="") for step in path)


def faults(root: Mapping[str, Any], draft: Draft) -> Iterator[Fault]:
    """References that lead out of the schema or nowhere, and what can never be judged or only at great cost."""
    places = Places(root, draft)
    for path in places.twice:
        yield Fault(path, "another schema has this anchor already", key=True)
    for path, here in walk(root, draft):
        if len(path) > 2 * _DEEPEST:
            yield Fault(path, f"nested deeper than {_DEEPEST} schemas")
            return
        found = next(_own(path, here, places), None)
        if found:
            yield found
            return
    yield from _Costs(places).faults()


def _own(path: Path, here: Mapping[str, Any], places: Places) -> Iterator[Fault]:
    for word in (places.draft.identity, "$schema") if path else ():
        if word in here:
            text = f"an {word}" if word.endswith("id") else f"a {word}"
            yield Fault((*path, word), f"{text} inside a schema is not supported: leave it out", key=True)
    for word, target in places.references(here):
        if target is None:
            yield Fault((*path, word), _lost(here[word]))


def _lost(reference: object) -> str:
    if isinstance(reference, str) and not reference.startswith("#"):
        return "a $ref out of the schema is never fetched: put what it means under $defs, and begin it with #"
    return "this $ref leads nowhere in the schema"


class _Costs:
    """How many schemas judge one value, references followed."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._known: dict[Path, int | None] = {}  # None while it is being counted

    def faults(self) -> Iterator[Fault]:
        for path in self._places.at:
            try:
                cost = self._cost(path, 0)
            except _CycleError:
                yield Fault(path, "this schema refers to itself, and would judge the same value for ever")
                return
            if cost > _MOST:
                yield Fault(path, f"judging by this schema takes more than {_MOST} steps for each value")
                return

    def _cost(self, path: Path, depth: int) -> int:
        known = self._known.get(path, 0)
        if known is None or depth > _DEEPEST * 4:
            raise _CycleError
        if known:
            return known
        self._known[path] = None
        cost = min(1 + sum(self._cost(each, depth + 1) for each in in_place(self._places, path)), _MOST + 1)
        self._known[path] = cost
        return cost


def in_place(places: Places, path: Path) -> Iterator[Path]:
    """The schemas that judge the same value as the one at this path, directly."""
    here = places.at[path]
    if isinstance(here, Mapping):
        yield from ((*path, *step) for step, _ in below(here, places.draft) if step[0] in IN_PLACE)
        yield from (target for _, target in places.references(here) if target is not None)


class _CycleError(Exception):
    """A schema is part of itself."""
