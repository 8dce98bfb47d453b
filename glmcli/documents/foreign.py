"""JSON Schemas that others wrote: what is wrong with them, and what they say of a value.

A tool's `parameters` come from a file or from an MCP server, and the values from a model. Neither may make us fetch
anything, run for ever, or fall over.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.validators import extend, validator_for
from referencing import Registry

from glmcli.documents import subschemas
from glmcli.documents.bounded import TooSlowError, cpu_limit
from glmcli.documents.fault import Fault
from glmcli.documents.judge import OUR_TYPES, our_pattern
from glmcli.documents.shown import value_text
from glmcli.documents.words import explain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema.protocols import Validator

_LARGEST = 64 * 1024  # bytes of JSON
_PATIENCE = 0.4  # seconds of our own time, for a schema or for a value
_PROBE = 40  # characters: an exponential pattern needs years for them
_PROBES = 24  # texts a pattern is tried on
_MOST = 5  # faults of a value that are told
_OPEN = ("additionalProperties", "unevaluatedProperties", "patternProperties")
_COMPOSED = ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "not", "dependentSchemas")


def faults(schema: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with a schema of arguments; paths begin at the schema."""
    try:
        with cpu_limit(_PATIENCE):
            return list(dict.fromkeys(_faults(schema)))
    except TooSlowError:
        return [Fault((), "this schema takes too long to be read")]
    except RecursionError:
        return [Fault((), "this schema is nested too deep")]


def _faults(schema: Mapping[str, Any]) -> Iterator[Fault]:
    size = len(json.dumps(schema, ensure_ascii=False).encode(errors="replace"))
    if size > _LARGEST:
        yield Fault((), f"a schema of {size} bytes; at most {_LARGEST >> 10} KiB are allowed")
        return
    named = schema.get("$schema")
    if named is not None and _class(schema) is None:
        yield Fault(("$schema",), f"{value_text(named)} is no draft of JSON Schema that is known")
        return
    found = list(_metaschema(schema))
    yield from found
    if not found:
        yield from subschemas.faults(schema)
        yield from _of_arguments(schema)
        yield from _patterns(schema)


def _class(schema: Mapping[str, Any]) -> type[Validator] | None:
    """The validator of the draft that the schema names; 2020-12 if it names none."""
    if "$schema" not in schema:
        return Draft202012Validator
    if not isinstance(schema["$schema"], str):
        return None
    found: type[Validator] | None = validator_for(schema, default=None)  # type: ignore[arg-type]
    return found


def _metaschema(schema: Mapping[str, Any]) -> Iterator[Fault]:
    kind = _class(schema) or Draft202012Validator
    # All that a metaschema refers to is part of jsonschema; what the schema itself refers to is not looked at here.
    errors = kind(kind.META_SCHEMA).iter_errors(schema)
    yield from (fault for error in errors for fault in explain(error, "parameters"))


def _of_arguments(schema: Mapping[str, Any]) -> Iterator[Fault]:
    kind = schema.get("type", "object")
    if kind != "object":
        yield Fault(("type",), f"arguments are an object, so the type must be object, not {value_text(kind)}")


def _patterns(schema: Mapping[str, Any]) -> Iterator[Fault]:
    for path, here in subschemas.walk(schema):
        own = [("pattern",)] if isinstance(here.get("pattern"), str) else []
        named = [("patternProperties", name) for name in here.get("patternProperties", ())]
        for step in (*own, *named):
            text = str(here["pattern"] if len(step) == 1 else step[1])
            problem = _problem(text)
            if problem:
                yield Fault((*path, *step), f"the pattern {value_text(text)} {problem}", key=len(step) > 1)


def _problem(pattern: str) -> str:
    """What is wrong with a regular expression, found by trying it on texts that hostile ones choke on."""
    try:
        compiled = re.compile(pattern)
        with cpu_limit(_PATIENCE / 4):
            for probe in _probes(pattern):
                compiled.search(probe)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression of Python: {error}"
    except TooSlowError:
        return "takes exponential time on some texts: write it without a repetition inside a repetition"
    return ""


def _probes(pattern: str) -> Iterator[str]:
    letters = list(dict.fromkeys([*(c for c in pattern if c.isalnum()), *"a0A _-.,/:@", *pattern]))[:_PROBES]
    for letter in letters:
        yield letter * _PROBE + "\x01"
    yield from (f"{one}{two}" * (_PROBE // 2) + "\x01" for one, two in itertools.pairwise(letters))


class Judge:
    """What a schema says of values; made of a schema without faults."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Close the schema: what it does not name is not allowed, unless it says otherwise."""
        kind = _class(schema) or Draft202012Validator
        self._validator = _ours(kind)(_closed(schema, kind), registry=Registry())

    def faults(self, value: Any) -> list[str]:  # noqa: ANN401 - any JSON
        """What the value has against the schema, the first few, in words; nothing if it satisfies it."""
        try:
            with cpu_limit(_PATIENCE):
                errors = self._validator.iter_errors(value)
                told = (fault for error in errors for fault in explain(error, "arguments"))
                found = dict.fromkeys(fault.text if fault.path else _about_all(fault.text) for fault in told)
        except TooSlowError:
            return ["the arguments take too long to be judged"]
        except (RecursionError, ValueError, OverflowError, ArithmeticError):
            return ["the arguments cannot be judged"]
        return list(found)[:_MOST]


def _about_all(text: str) -> str:
    return text.replace("the document", "the object of arguments", 1)


def _closed(schema: Mapping[str, Any], kind: type[Validator]) -> Mapping[str, Any]:
    if any(word in schema for word in _COMPOSED):
        # Only these drafts can tell what the parts of a composed schema have allowed.
        knows = "unevaluatedProperties" in kind.VALIDATORS and not any(word in schema for word in _OPEN)
        return {**schema, "unevaluatedProperties": False} if knows else schema
    closed = {} if any(word in schema for word in _OPEN) else {"additionalProperties": False}
    return {**_with_closed_parts(schema), **closed}


def _with_closed_parts(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same for objects inside it that name their properties; parts that are composed or referred to are left."""
    parts = schema.get("properties")
    if not isinstance(parts, Mapping):
        return schema
    return {**schema, "properties": {name: _closed_part(part) for name, part in parts.items()}}


def _closed_part(part: Any) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(part, Mapping) or any(word in part for word in _COMPOSED):
        return part
    if isinstance(part.get("items"), Mapping):
        part = {**part, "items": _closed_part(part["items"])}
    closes = "properties" in part and not any(word in part for word in _OPEN)
    return {**_with_closed_parts(part), **({"additionalProperties": False} if closes else {})}


@cache
def _ours(kind: type[Validator]) -> type[Validator]:
    """The draft with our integers, and with patterns whose `$` is the end of the text."""
    types = kind.TYPE_CHECKER.redefine("integer", OUR_TYPES["integer"])
    made: type[Validator] = extend(kind, validators={"pattern": our_pattern}, type_checker=types)  # type: ignore[no-untyped-call]
    return made
