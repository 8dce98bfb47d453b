"""JSON Schemas that others wrote: what is wrong with them, and what they say of a value.

A tool's `parameters` come from a file or from an MCP server, and the values from a model. Neither may make us fetch
anything, run for ever, or fall over.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from jsonschema import Draft3Validator, Draft4Validator, Draft202012Validator
from jsonschema.validators import create, validator_for
from referencing import Registry

from glmcli.documents import patterns, subschemas
from glmcli.documents.bounded import TooSlowError, cpu_limit
from glmcli.documents.closing import CLOSED, ready
from glmcli.documents.fault import Fault
from glmcli.documents.judge import OUR_TYPES, all_closed, our_additional, our_pattern
from glmcli.documents.shown import value_text
from glmcli.documents.words import explain
from glmcli.errors import GlmError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_Found = TypeVar("_Found")
_LARGEST = 64 * 1024  # bytes of JSON
_PATIENCE = 0.4  # seconds of our own time, for a schema or for a value
_MOST = 5  # faults of a value that are told
_ERRORS = 1000  # that are looked at
_UNCLEAR = "the arguments cannot be judged"


def faults(schema: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with a schema of arguments; paths begin at the schema."""
    slow = [Fault((), "this schema takes too long to be read")]
    return _guarded(lambda: _read(schema), slow, [Fault((), "this schema cannot be read")])


def _guarded(act: Callable[[], _Found], slow: _Found, broken: _Found) -> _Found:
    """What comes of judging with what others wrote, whatever the libraries raise for it."""
    try:
        with patterns.quiet(), cpu_limit(_PATIENCE):
            return act()
    except TooSlowError:
        return slow
    except GlmError:  # ours: the deadline, which a signal tells
        raise
    except Exception:  # noqa: BLE001 - they promise nothing for hostile schemas, which shall not end the program
        return broken


def _read(schema: Mapping[str, Any]) -> list[Fault]:
    try:
        return list(dict.fromkeys(itertools.islice(_faults(schema), _ERRORS)))
    except RecursionError:
        return [Fault((), "this schema is nested too deep")]


def _faults(schema: Mapping[str, Any]) -> Iterator[Fault]:
    size = len(json.dumps(schema, ensure_ascii=False).encode(errors="replace"))
    if size > _LARGEST:
        yield Fault((), f"a schema of {size} bytes; at most {_LARGEST >> 10} KiB are allowed")
        return
    kind = _class(schema)
    if kind is None:
        yield Fault(("$schema",), f"{value_text(schema['$schema'])} is no draft of JSON Schema that is known")
        return
    if kind is Draft3Validator:
        yield Fault(("$schema",), "draft 3 is not supported: write the schema for draft 2020-12")
        return
    draft = _draft(kind)
    found = list(_metaschema(schema, kind, draft))
    yield from found
    if not found:
        yield from subschemas.faults(schema, draft)
        yield from _of_arguments(schema)
        yield from _patterns(schema, draft)


def _class(schema: Mapping[str, Any]) -> type[Validator] | None:
    """The validator of the draft that the schema names; 2020-12 if it names none."""
    if "$schema" not in schema:
        return Draft202012Validator
    if not isinstance(schema["$schema"], str):
        return None
    found: type[Validator] | None = validator_for(schema, default=None)  # type: ignore[arg-type]
    return found


def _metaschema(schema: Mapping[str, Any], kind: type[Validator], draft: subschemas.Draft) -> Iterator[Fault]:
    yield from _form((), schema, kind)
    if not draft.alone:
        return
    # The older drafts know nothing of `$defs`, and many write it all the same.
    for path, here in subschemas.walk(schema, draft):
        shelf = here.get("$defs", {})
        for name, part in shelf.items() if isinstance(shelf, Mapping) else ():
            yield from _form((*path, "$defs", name), part, kind)


def _form(path: subschemas.Path, schema: Any, kind: type[Validator]) -> Iterator[Fault]:  # noqa: ANN401 - any JSON
    # All that a metaschema refers to is part of jsonschema; what the schema itself refers to is not looked at here.
    for error in _meta(kind).iter_errors(schema):
        yield from (replace(fault, path=(*path, *fault.path)) for fault in explain(error, "parameters"))


@cache
def _meta(kind: type[Validator]) -> Validator:
    return kind(kind.META_SCHEMA)


def _of_arguments(schema: Mapping[str, Any]) -> Iterator[Fault]:
    kind = schema.get("type", "object")
    if kind != "object":
        yield Fault(("type",), f"arguments are an object, so the type must be object, not {value_text(kind)}")


def _patterns(schema: Mapping[str, Any], draft: subschemas.Draft) -> Iterator[Fault]:
    for path, here in subschemas.walk(schema, draft):
        own = [("pattern",)] if isinstance(here.get("pattern"), str) else []
        named = [("patternProperties", name) for name in here.get("patternProperties", ())]
        for step in (*own, *named):
            text = str(here["pattern"] if len(step) == 1 else step[1])
            wrong = patterns.problem(text)
            if wrong:
                yield Fault((*path, *step), f"the pattern {value_text(text)} {wrong}", key=len(step) > 1)


class Judge:
    """What a schema says of values; made of a schema without faults."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Close the schema: what it does not name is not allowed, unless it says otherwise."""
        kind = _class(schema) or Draft202012Validator
        self._validator = _guarded(lambda: _prepared(schema, kind), None, None)

    def faults(self, value: Any) -> list[str]:  # noqa: ANN401 - any JSON
        """What the value has against the schema, the first few, in words; nothing if it satisfies it."""
        validator = self._validator
        if validator is None:
            return [_UNCLEAR]
        slow = ["the arguments take too long to be judged"]
        return _guarded(lambda: list(_told(validator, value)), slow, [_UNCLEAR])[:_MOST]


def _prepared(schema: Mapping[str, Any], kind: type[Validator]) -> Validator | None:
    return _ours(kind)(ready(schema, _draft(kind)), registry=Registry())


def _told(validator: Validator, value: Any) -> dict[str, None]:  # noqa: ANN401 - any JSON
    errors = itertools.islice(validator.iter_errors(value), _ERRORS)
    told = (fault for error in errors for fault in explain(error, "arguments"))
    return dict.fromkeys(fault.text if fault.path else _about_all(fault.text) for fault in told)


def _about_all(text: str) -> str:
    return text.replace("the document", "the object of arguments", 1)


@cache
def _draft(kind: type[Validator]) -> subschemas.Draft:
    """What the walk through a schema has to know of its draft."""
    words = {*kind.VALIDATORS, *subschemas.SHELVES}
    words |= {"then", "else"} if "if" in words else set()
    words |= {"contentSchema", "$anchor"} if "unevaluatedItems" in words else set()
    words |= {"$dynamicAnchor"} if "$dynamicRef" in words else set()
    identity = "id" if kind is Draft4Validator else "$id"
    return subschemas.Draft(frozenset(words), identity, alone="unevaluatedItems" not in words)


@cache
def _ours(kind: type[Validator]) -> type[Validator]:
    """The draft with our integers, with patterns whose `$` is the end of the text, and closed as we mean it."""
    own: dict[str, Any] = {"pattern": our_pattern, "additionalProperties": our_additional, CLOSED: all_closed}
    like: Any = kind
    counting: Any = _alone if _draft(kind).alone else dict.items
    made: type[Validator] = create(
        like.META_SCHEMA,
        validators={**like.VALIDATORS, **own},
        type_checker=like.TYPE_CHECKER.redefine("integer", OUR_TYPES["integer"]),
        id_of=like.ID_OF,
        applicable_validators=counting,
    )
    return made


def _alone(schema: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """What counts in a draft where nothing beside a `$ref` is looked at."""
    if schema.get("$ref") is None:
        return schema.items()
    return [(word, schema[word]) for word in ("$ref", CLOSED) if word in schema]
