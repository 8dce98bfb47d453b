"""A JSON Schema of others, made ready for judging: closed where it can be, and without what leads elsewhere. Pure.

Closed means: what a schema of an object does not name is not allowed, unless it says otherwise. Where another schema
judges the same value too, closing it could refuse what the author allows; such parts stay open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from glmcli.documents.patterns import to_the_end
from glmcli.documents.subschemas import IN_PLACE, REFERENCES, SHELVES, Draft, Path, Places, below, in_place, pointer

# A keyword of our own, for drafts that cannot tell what the parts of a composed schema have allowed.
CLOSED = "glm:closed"
_OPEN = ("additionalProperties", "unevaluatedProperties", "patternProperties")
_COMPOSED = (*REFERENCES, *IN_PLACE)
_PARTS = ("properties", "items", "prefixItems")
_DROPPED = ("$id", "id", "$schema", "$anchor", "$dynamicAnchor", "$recursiveAnchor", CLOSED)


def ready(root: Mapping[str, Any], draft: Draft) -> Any:  # noqa: ANN401 - any JSON
    """The schema to judge by, made of one without faults."""
    places = Places(root, draft)
    return _Writer(places, _Closing(places).marks()).schema(())


class _Closing:
    """What to add to which schema."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._parts: list[Path] = [()]
        self._wild: set[Path] = set()

    def marks(self) -> dict[Path, dict[str, Any]]:
        seen = set(self._parts)
        for path in self._parts:  # it grows meanwhile
            for each in self._whole(path):
                if each not in seen:
                    seen.add(each)
                    self._parts.append(each)
        self._spread()
        return {path: self._mark(path) for path in self._parts if path == () or path not in self._wild}

    def _whole(self, path: Path) -> Iterator[Path]:
        """The schemas that alone judge a part of the value, or the value; all others that are applied are wild."""
        here = self._places.at[path]
        if not isinstance(here, Mapping):
            return
        alias = self._alias(here)
        if alias is not None:
            yield alias
            return
        composed = self._is_composed(here)
        self._wild.update(in_place(self._places, path))
        for step, _ in below(here, self._places.draft):
            if step[0] in _PARTS and not composed:
                yield (*path, *step)
            elif step[0] not in SHELVES:
                self._wild.add((*path, *step))

    def _spread(self) -> None:
        waiting = list(self._wild)
        while waiting:
            path = waiting.pop()
            here = self._places.at[path]
            under = below(here, self._places.draft) if isinstance(here, Mapping) else ()
            inner = [(*path, *step) for step, _ in under if step[0] not in SHELVES]
            fresh = {*inner, *in_place(self._places, path)} - self._wild
            self._wild |= fresh
            waiting += fresh

    def _is_composed(self, here: Mapping[str, Any]) -> bool:
        return any(word in here and word in self._places.draft.words for word in _COMPOSED)

    def _alias(self, here: Mapping[str, Any]) -> Path | None:
        """Where a schema leads that is nothing but a reference."""
        beside = {word for word in here if word in self._places.draft.words} - {"$ref", *SHELVES, *_DROPPED, "type"}
        if "$ref" not in here or (beside and not self._places.draft.alone):
            return None
        return self._places.target("$ref", here["$ref"])

    def _mark(self, path: Path) -> dict[str, Any]:
        here = self._places.at[path]
        if not isinstance(here, Mapping) or self._allows_more(here):
            return {}
        alias = self._alias(here)
        if not self._is_composed(here):
            return {"additionalProperties": False} if "properties" in here or path == () else {}
        if alias is not None and alias not in self._wild and alias != ():
            return self._behind(alias) if path == () else {}
        names, patterns, free = self._declared(path)
        if path != () and (free or not names):
            return {}
        if "unevaluatedProperties" in self._places.draft.words:
            return {"unevaluatedProperties": False}
        return {} if free else {CLOSED: {"properties": names, "patternProperties": patterns}}

    def _behind(self, alias: Path) -> dict[str, Any]:
        """What to add to a root that is only a reference: its target is closed on its own if it names anything."""
        names, patterns, free = self._declared(alias)
        return {} if names or patterns or free else {CLOSED: {"properties": {}, "patternProperties": {}}}

    def _allows_more(self, here: Mapping[str, Any]) -> bool:
        alone = self._places.draft.alone and "$ref" in here
        return not alone and any(word in here and word in self._places.draft.words for word in _OPEN)

    def _is_any_object(self, here: Mapping[str, Any]) -> bool:
        """An alternative that is an object and names nothing means any object."""
        kinds = here.get("type")
        return ("object" in kinds if isinstance(kinds, list) else kinds == "object") and not (
            self._is_composed(here) or "properties" in here
        )

    def _declared(self, path: Path) -> tuple[dict[str, bool], dict[str, bool], bool]:
        """The names and patterns in all that judges the same value, and whether something there allows more."""
        names: dict[str, bool] = {}
        patterns: dict[str, bool] = {}
        free, waiting, seen = False, [path], {path}
        while waiting:
            here = self._places.at[now := waiting.pop()]
            own = here if isinstance(here, Mapping) else {}
            names |= dict.fromkeys(own.get("properties", ()), True)
            patterns |= {to_the_end(pattern): True for pattern in own.get("patternProperties", ())}
            free = free or any(own.get(word, False) is not False for word in _OPEN[:2])
            free = free or (now != path and self._is_any_object(own))
            fresh = [each for each in in_place(self._places, now) if each not in seen and each[-1:] != ("not",)]
            seen.update(fresh)
            waiting += fresh
        return names, patterns, free


class _Writer:
    """Writes a schema anew, with its marks, with references that every library reads alike, and without names."""

    def __init__(self, places: Places, marks: Mapping[Path, Mapping[str, Any]]) -> None:
        self._places = places
        self._marks = marks

    def schema(self, path: Path) -> Any:  # noqa: ANN401 - any JSON
        """The schema at this path, and all below it."""
        here = self._places.at[path]
        if not isinstance(here, Mapping):
            return here
        made = {word: value for word, value in here.items() if word not in _DROPPED}
        made |= {str(step[0]): _empty(here[str(step[0])]) for step, _ in below(here, self._places.draft)}
        for step, _ in below(here, self._places.draft):
            _put(made, step, self.schema((*path, *step)))
        for word, target in self._places.references(here):
            made[word] = pointer(self._renamed(target or ()))
        return {**made, **self._marks.get(path, {})}

    def _renamed(self, path: Path) -> Path:
        """The same path in what is written: the keys of patternProperties differ."""
        made: Path = ()
        number = 0
        while number < len(path):
            here = self._places.at[path[:number]]
            step = next(step for step, _ in below(here, self._places.draft) if path[number:][: len(step)] == step)
            made += step if len(step) == 1 else (step[0], step[1] if isinstance(step[1], int) else _key(step))
            number += len(step)
        return made


def _empty(holder: Any) -> Any:  # noqa: ANN401 - any JSON
    """What schemas are put into anew; the lists of names in `dependencies` are no schemas, and stay."""
    if isinstance(holder, Mapping):
        return {name: item for name, item in holder.items() if isinstance(item, list)}
    return []


def _put(made: dict[str, Any], step: Path, value: object) -> None:
    word = str(step[0])
    if len(step) == 1:
        made[word] = value
    elif isinstance(step[1], int):
        made[word].append(value)
    else:
        made[word][_key(step)] = value


def _key(step: Path) -> str:
    return to_the_end(str(step[1])) if step[0] == "patternProperties" else str(step[1])
