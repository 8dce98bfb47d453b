"""Our schemas, and what a document has against them. What others wrote is in foreign."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry

from glmcli.documents.fault import Fault, suggestion
from glmcli.documents.patterns import compiled
from glmcli.documents.valid import is_integer, load_schema
from glmcli.documents.words import explain
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema.protocols import Validator

    from glmcli.documents.document import Document

# More than a person reads; beyond it, looking for similar words would take minutes in a hostile file.
_GUESSES = 100
_MOST = 1000  # errors of one document that are looked at


def validator(schema: Mapping[str, Any]) -> Validator:
    """Who judges by this schema; `valid` says the same, but not why."""
    # A registry of nothing: without it jsonschema fetches any `$ref`, from the net and from the disk.
    made: Validator = _Validator(schema, registry=Registry())
    return made


def check(document: Document, schema: str) -> None:
    """Return if the document satisfies the schema.

    Raises:
        UsageError: the first fault, and how many more there are.
    """
    found = _faults(document, schema)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise UsageError(message=_line(document, found[0], guess=True) + more)


def faults(document: Document, schema: str) -> list[str]:
    """Every fault as a line, in the order of the file."""
    found = _faults(document, schema)
    return [_line(document, fault, guess=number < _GUESSES) for number, fault in enumerate(found)]


def _faults(document: Document, schema: str) -> list[Fault]:
    errors = itertools.islice(validator(load_schema(schema)).iter_errors(document.value), _MOST)
    found = dict.fromkeys(fault for error in errors for fault in explain(error, schema))
    return sorted(found, key=lambda fault: document.index(fault.path, key=fault.key))


def _line(document: Document, fault: Fault, *, guess: bool) -> str:
    meant = suggestion(fault.word, fault.known) if guess else ""
    return f"{document.place(fault.path, key=fault.key)}: {fault.text}{meant}"


def our_pattern(_validator: Validator, pattern: str, value: object, _schema: object) -> Iterator[ValidationError]:
    """Like the keyword, but `$` is the end of the text, not a place before a last newline, as in ECMA 262."""
    if isinstance(value, str) and not compiled(pattern).search(value):
        yield ValidationError(f"does not match {pattern}")


def _extra(value: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    patterns = [compiled(pattern) for pattern in schema.get("patternProperties", ())]
    rest = [name for name in value if name not in schema.get("properties", ())]
    return [name for name in rest if not any(pattern.search(name) for pattern in patterns)]


def our_additional(validator: Any, rule: object, value: object, schema: Mapping[str, Any]) -> Iterator[ValidationError]:  # noqa: ANN401 - has more than its type says
    """Like the keyword, which joins all patterns to one, so that they disturb each other."""
    extra = _extra(value, schema) if isinstance(value, Mapping) else []
    if rule is False and extra:
        yield ValidationError("unknown keys")
    elif isinstance(value, Mapping) and isinstance(rule, Mapping):
        for name in extra:
            yield from validator.descend(value[name], rule, path=name)


def all_closed(
    _validator: object, rule: Mapping[str, Any], value: object, _schema: object
) -> Iterator[ValidationError]:
    """What all parts of a composed schema together name."""
    if isinstance(value, Mapping) and _extra(value, rule):
        yield ValidationError("unknown keys", validator="additionalProperties", schema=rule)


OUR_TYPES = {"integer": lambda _checker, value: is_integer(value)}

_Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    validators={"pattern": our_pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", OUR_TYPES["integer"]),
)
