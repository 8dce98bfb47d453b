"""JSON Schemas from untrusted sources: their faults, and validation by them.

A tool's `parameters` come from a file or from an MCP server, and the values from a model. Neither may make us fetch
anything, run for ever, or crash.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from jsonschema import Draft3Validator, Draft4Validator, Draft202012Validator
from jsonschema.validators import validator_for

from glmcli.documents import subschemas
from glmcli.documents.input_limits import TooSlowError, cpu_limit, without_warnings
from glmcli.documents.quoting import value_text
from glmcli.documents.schema_errors import Fault, explain
from glmcli.documents.schema_patterns import is_exponential, read
from glmcli.documents.subschemas import SHELVES, Draft, Subschemas
from glmcli.documents.validator import validator
from glmcli.errors import GlmError
from glmcli.record import Record

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

    from glmcli.documents.subschemas import Path

_Result = TypeVar("_Result")
_MAX_SCHEMA = 64 * 1024  # bytes of JSON
_MAX_TIME = 0.4  # seconds of processor time, for a schema or for a value
_MAX_FAULTS = 5  # of a value, that are reported
_MAX_ERRORS = 1000  # that are looked at
_CANNOT_VALIDATE = "the arguments cannot be validated"


def faults(schema: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with a schema of arguments; paths begin at the schema."""
    slow = [Fault((), "this schema takes too long to validate")]
    return _guarded(lambda: _read(schema), slow, [Fault((), "this schema cannot be read")])


def _guarded(act: Callable[[], _Result], slow: _Result, broken: _Result) -> _Result:
    """The result of `act`, or `slow` or `broken` if it takes too long or raises."""
    try:
        with without_warnings(), cpu_limit(_MAX_TIME):
            return act()
    except TooSlowError:
        return slow
    except GlmError:  # the deadline, raised by a signal
        raise
    except Exception:  # noqa: BLE001 - hostile schemas may raise anything, and must not end the program
        return broken


def _read(schema: Mapping[str, Any]) -> list[Fault]:
    try:
        return list(dict.fromkeys(itertools.islice(_faults(schema), _MAX_ERRORS)))
    except RecursionError:
        return [Fault((), "this schema is nested too deep")]


def _faults(schema: Mapping[str, Any]) -> Iterator[Fault]:
    size = len(json.dumps(schema, ensure_ascii=False).encode(errors="replace"))
    if size > _MAX_SCHEMA:
        yield Fault((), f"a schema of {size} bytes; at most {_MAX_SCHEMA >> 10} KiB are allowed")
        return
    kind = _draft_class(schema)
    if kind is None:
        yield Fault(("$schema",), f"{value_text(schema['$schema'])} is no known draft of JSON Schema")
        return
    if kind is Draft3Validator:
        yield Fault(("$schema",), "draft 3 is not supported: write the schema for draft 2020-12")
        return
    draft = _draft(kind)
    found = list(_metaschema_faults(schema, kind, draft))
    yield from found
    if not found:
        yield from subschemas.faults(schema, draft)
        if (type_ := schema.get("type", "object")) != "object":
            yield Fault(("type",), f"arguments are an object, so the type must be object, not {value_text(type_)}")
        yield from _pattern_faults(schema, draft)


def _draft_class(schema: Mapping[str, Any]) -> type[Validator] | None:
    """The validator of the draft that the schema names; 2020-12 if it names none."""
    if "$schema" not in schema:
        return Draft202012Validator
    if not isinstance(schema["$schema"], str):
        return None
    found: type[Validator] | None = validator_for(schema, default=None)  # type: ignore[arg-type]
    return found


@cache
def _draft(kind: type[Validator]) -> Draft:
    """The keywords of a draft, also those that jsonschema does not list."""
    words = {*kind.VALIDATORS, *SHELVES}
    words |= {"then", "else"} if "if" in words else set()
    words |= {"contentSchema", "$anchor"} if "unevaluatedItems" in words else set()
    words |= {"$dynamicAnchor"} if "$dynamicRef" in words else set()
    identity = "id" if kind is Draft4Validator else "$id"
    return Draft(frozenset(words), identity, ref_alone="unevaluatedItems" not in words)


def _metaschema_faults(schema: Mapping[str, Any], kind: type[Validator], draft: Draft) -> Iterator[Fault]:
    yield from _form_faults((), schema, kind)
    if not draft.ref_alone:
        return
    # The older drafts do not define `$defs`, but it is often used with them.
    for path, here in subschemas.walk(schema, draft):
        shelf = here.get("$defs", {})
        for name, part in shelf.items() if isinstance(shelf, Mapping) else ():
            yield from _form_faults((*path, "$defs", name), part, kind)


def _form_faults(path: Path, schema: Any, kind: type[Validator]) -> Iterator[Fault]:  # noqa: ANN401 - any JSON
    # All references of a metaschema are part of jsonschema; those of the schema itself are not followed here.
    for error in _metaschema(kind).iter_errors(schema):
        yield from (fault.replace(path=(*path, *fault.path)) for fault in explain(error, "parameters"))


@cache
def _metaschema(kind: type[Validator]) -> Validator:
    return kind(kind.META_SCHEMA)


def _patterns(schema: Mapping[str, Any], draft: Draft) -> Iterator[tuple[Path, str]]:
    """Every pattern with its path, which ends in the pattern itself under `patternProperties`."""
    for path, here in subschemas.walk(schema, draft):
        if isinstance(here.get("pattern"), str):
            yield (*path, "pattern"), here["pattern"]
        for name in here.get("patternProperties", ()):
            yield (*path, "patternProperties", name), str(name)


def _pattern_faults(schema: Mapping[str, Any], draft: Draft) -> Iterator[Fault]:
    for path, text in _patterns(schema, draft):
        if is_exponential(text):
            why = "takes exponential time on some texts: write it without a repetition inside a repetition"
            yield Fault(path, f"the pattern {value_text(text)} {why}", key=path[-1] == text)


class UnjudgedPattern(Record):
    """A pattern of a schema that judges no text here, and why; `broken` if its brackets have no partners, or so."""

    fault: Fault
    broken: bool


def unjudged(schema: Mapping[str, Any]) -> list[UnjudgedPattern]:
    """The patterns of a schema without faults that nothing here can read; paths begin at the schema."""
    return _guarded(lambda: list(_unjudged(schema)), [], [])


def _unjudged(schema: Mapping[str, Any]) -> Iterator[UnjudgedPattern]:
    for path, text in _patterns(schema, _draft(_draft_class(schema) or Draft202012Validator)):
        found = read(text)
        if found.problem:
            words = f"the pattern {value_text(text)} has {found.problem}"
            yield UnjudgedPattern(Fault(path, words, key=path[-1] == text), found.broken)


class UntrustedSchema:
    """A schema without faults, ready to validate values."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Close the plain objects of the schema: see `Subschemas.closed`."""
        kind = _draft_class(schema) or Draft202012Validator
        self._validator = _guarded(lambda: validator(Subschemas(schema, _draft(kind)).closed(), kind), None, None)

    def faults(self, value: Any) -> list[str]:  # noqa: ANN401 - any JSON
        """The first few faults of the value, in words; empty if it satisfies the schema."""
        found = self._validator
        if found is None:
            return [_CANNOT_VALIDATE]
        slow = ["the arguments take too long to validate"]
        return _guarded(lambda: list(_texts(found, value)), slow, [_CANNOT_VALIDATE])[:_MAX_FAULTS]


def _texts(schema: Validator, value: Any) -> dict[str, None]:  # noqa: ANN401 - any JSON
    errors = itertools.islice(schema.iter_errors(value), _MAX_ERRORS)
    found = (fault for error in errors for fault in explain(error, "arguments"))
    whole = "the object of arguments"
    return dict.fromkeys(fault.text if fault.path else fault.text.replace("the document", whole, 1) for fault in found)
