"""The subschemas of a JSON Schema: their paths, their references, and what validating by them costs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import unquote

from glmcli.documents.schema_errors import Fault

Path = tuple[str | int, ...]

# Keywords whose value is a schema, a list of schemas, or schemas by name.
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
# Schemas in these are applied to the same value as the schema around them ("in-place applicators"); those in the others
# to a part of it, and values are finite.
_IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"})
SHELVES = ("$defs", "definitions")  # schemas there are applied only where something refers to them
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ANCHORS = ("$anchor", "$dynamicAnchor")
# Keywords that allow keys beyond `properties`, or of some form.
_OPEN = ("additionalProperties", "unevaluatedProperties", "patternProperties")
_PARTS = ("properties", "items", "prefixItems")

_MAX_DEPTH = 32  # schemas
_MAX_STEPS = 10_000  # schemas that are applied to one value


class Draft(NamedTuple):
    """What a draft of JSON Schema knows: its keywords, and the one that names a schema.

    With `ref_alone`, keywords beside a `$ref` are ignored.
    """

    words: frozenset[str]
    identity: str
    ref_alone: bool


def below(schema: object, draft: Draft) -> Iterator[tuple[Path, Any]]:
    """The direct subschemas of a schema, valid or not, with their relative paths."""
    if not isinstance(schema, Mapping):
        return
    for word in _ONE:
        if word in draft.words and isinstance(schema.get(word), Mapping | bool):
            yield (word,), schema[word]
    for word in _LISTS:
        if word in draft.words and isinstance(schema.get(word), list):
            yield from (((word, number), item) for number, item in enumerate(schema[word]))
    for word in _MAPPINGS:
        if word in draft.words and isinstance(schema.get(word), Mapping):
            # A list under `dependencies` holds names.
            yield from (((word, name), item) for name, item in schema[word].items() if not isinstance(item, list))


def _everything(schema: object, draft: Draft) -> Iterator[tuple[Path, Any]]:
    """Every schema with its path, the outermost first, found without recursion."""
    waiting: list[tuple[Path, Any]] = [((), schema)]
    while waiting:
        path, here = waiting.pop()
        yield path, here
        waiting += reversed([((*path, *step), item) for step, item in below(here, draft)])


def walk(schema: object, draft: Draft) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every schema that is an object, with its path, the outermost first."""
    return ((path, here) for path, here in _everything(schema, draft) if isinstance(here, Mapping))


class Subschemas:
    """All subschemas by path, and the targets of references.

    Attributes:
        repeated: the paths of anchors that occur before.
    """

    def __init__(self, root: Mapping[str, Any], draft: Draft) -> None:
        """Collect them."""
        self._root = root
        self.draft = draft
        self.at: dict[Path, Any] = dict(_everything(root, draft))
        self.repeated: list[Path] = []
        self._by_pointer = {tuple(map(str, path)): path for path in self.at}
        self._by_anchor: dict[str, Path] = {}
        for path, here in self.at.items():
            for word in _ANCHORS if isinstance(here, Mapping) else ():
                if word in draft.words and isinstance(here.get(word), str):
                    self._add_anchor(f"#{here[word]}", (*path, word))

    def _add_anchor(self, name: str, path: Path) -> None:
        if name in self._by_anchor:
            self.repeated.append(path)
        self._by_anchor[name] = path[:-1]

    def _target(self, word: str, reference: object) -> Path | None:
        """The path of the target of a reference; None if it is not inside this schema."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        if reference == "#" or word == "$recursiveRef":
            return () if reference == "#" else None
        if not reference.startswith("#/"):
            return self._by_anchor.get(reference)
        steps = unquote(reference[2:]).split("/")
        return self._by_pointer.get(tuple(step.replace("~1", "/").replace("~0", "~") for step in steps))

    def references(self, here: object) -> Iterator[tuple[str, Path | None]]:
        """The references of one schema, each with the path of its target."""
        for word in _REFERENCES if isinstance(here, Mapping) else ():
            if word in self.draft.words and isinstance(here, Mapping) and word in here:
                yield word, self._target(word, here[word])

    def in_place(self, path: Path) -> Iterator[Path]:
        """The schemas that the one at this path applies to the same value, directly."""
        here = self.at[path]
        yield from ((*path, *step) for step, _ in below(here, self.draft) if step[0] in _IN_PLACE)
        yield from (target for _, target in self.references(here) if target is not None)

    def closed(self) -> dict[str, Any]:
        """The schema with its plain objects closed: unknown keys are refused, unless the schema allows them.

        Plain are the root and what is reached from it through `properties`, `items` and `prefixItems`, as long as no
        schema on the way is composed (`$ref`, `allOf`, `anyOf`, `not`, `if` …) and no composed schema refers to it.
        Several schemas are then applied to one value, and closing one could refuse what another allows.

        The root loses its `$id`, by which jsonschema would resolve references, and its `$schema`, for which jsonschema
        would exchange our validator for its own.
        """
        return {word: item for word, item in self._closed(()).items() if word not in ("$schema", self.draft.identity)}

    def _closed(self, path: Path) -> Any:  # noqa: ANN401 - any JSON
        here = self.at[path]
        if path not in self._plain or path in self._shared or self._is_composed(path):
            return here
        made = dict(here)
        for word in _PARTS:
            match here.get(word) if word in self.draft.words else None:
                case list() as items:
                    made[word] = [self._closed((*path, word, number)) for number in range(len(items))]
                case Mapping() as named if word == "properties":
                    made[word] = {name: self._closed((*path, word, name)) for name in named}
                case Mapping():
                    made[word] = self._closed((*path, word))
        if ("properties" in here or not path) and self.draft.words.isdisjoint(here.keys() & set(_OPEN)):
            made["additionalProperties"] = False
        return made

    def _is_composed(self, path: Path) -> bool:
        return next(self.in_place(path), None) is not None

    @cached_property
    def _plain(self) -> set[Path]:
        """The schemas reached from the root through plain schemas; a composed one is included, not those below it."""
        found: set[Path] = set()
        waiting: list[Path] = [()]
        while waiting:
            path = waiting.pop()
            if isinstance(self.at[path], Mapping):
                found.add(path)
                if not self._is_composed(path):
                    waiting += [(*path, *step) for step, _ in below(self.at[path], self.draft) if step[0] in _PARTS]
        return found

    @cached_property
    def _shared(self) -> set[Path]:
        """The targets of references, except of those that are all of a plain schema: `items: {$ref: "#"}` in a tree."""
        places = ((path, target) for path, here in self.at.items() for _, target in self.references(here))
        return {target for path, target in places if target is not None and not self._is_alias(path)}

    def _is_alias(self, path: Path) -> bool:
        beside = self.draft.words.intersection(self.at[path]) - {"$ref", "type", *SHELVES}
        return path in self._plain and "$ref" in self.at[path] and (self.draft.ref_alone or not beside)


def faults(root: Mapping[str, Any], draft: Draft) -> Iterator[Fault]:
    """References without a target in the schema, and schemas whose validation would not end or cost too much."""
    found = Subschemas(root, draft)
    for path in found.repeated:
        yield Fault(path, "another schema has this anchor already", key=True)
    for path, here in walk(root, draft):
        if len(path) > 2 * _MAX_DEPTH:
            yield Fault(path, f"nested deeper than {_MAX_DEPTH} schemas")
            return
        fault = next(_own_faults(path, here, found), None)
        if fault:
            yield fault
            return
    yield from _Costs(found).faults()


def _own_faults(path: Path, here: Mapping[str, Any], found: Subschemas) -> Iterator[Fault]:
    for word in (found.draft.identity, "$schema") if path else ():
        if word in here:
            text = f"an {word}" if word.endswith("id") else f"a {word}"
            yield Fault((*path, word), f"{text} inside a schema is not supported: leave it out", key=True)
    for word, target in found.references(here):
        if target is None:
            yield Fault((*path, word), _dangling(here[word]))


def _dangling(reference: object) -> str:
    if isinstance(reference, str) and not reference.startswith("#"):
        return "a $ref out of the schema is never fetched: put what it means under $defs, and begin it with #"
    return "this $ref leads nowhere in the schema"


class _CycleError(Exception):
    """A schema applies itself to the same value."""


class _Costs:
    """How many schemas are applied to one value, references followed."""

    def __init__(self, found: Subschemas) -> None:
        self._found = found
        self._known: dict[Path, int | None] = {}  # None while it is being counted

    def faults(self) -> Iterator[Fault]:
        for path in self._found.at:
            try:
                cost = self._cost(path, 0)
            except _CycleError:
                yield Fault(path, "this schema refers to itself without end")
                return
            if cost > _MAX_STEPS:
                yield Fault(path, f"validating a value by this schema takes more than {_MAX_STEPS} steps")
                return

    def _cost(self, path: Path, depth: int) -> int:
        known = self._known.get(path, 0)
        if known is None or depth > _MAX_DEPTH * 4:
            raise _CycleError
        if known:
            return known
        self._known[path] = None
        cost = min(1 + sum(self._cost(each, depth + 1) for each in self._found.in_place(path)), _MAX_STEPS + 1)
        self._known[path] = cost
        return cost
