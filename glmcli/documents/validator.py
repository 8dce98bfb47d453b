"""All faults of a document by a schema of ours, found with jsonschema; `fast_validator` only says yes or no."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry

from glmcli.documents.fast_validator import is_integer, load_schema
from glmcli.documents.schema_errors import as_line, explain, in_order
from glmcli.documents.schema_patterns import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema.protocols import Validator

    from glmcli.documents.document import Document

# More than a person reads; beyond it, looking for similar words would take minutes in a hostile file.
_MAX_SUGGESTIONS = 100
_MAX_ERRORS = 1000  # of one document, the others are ignored


def faults(document: Document, schema: str, rules: Mapping[str, Any] | None = None) -> list[str]:
    """Every fault as a line, in the order of the file, by our schema of that name, or `rules` of it."""
    errors = itertools.islice(validator(rules or load_schema(schema)).iter_errors(document.value), _MAX_ERRORS)
    found = in_order(document, (fault for error in errors for fault in explain(error, schema)))
    return [as_line(document, fault, suggest=number < _MAX_SUGGESTIONS) for number, fault in enumerate(found)]


def validator(schema: Mapping[str, Any], draft: type[Validator] = Draft202012Validator) -> Validator:
    """Jsonschema's validator of this draft, with the keywords below and without access to the net and the disk."""
    # An empty registry: without it jsonschema fetches any `$ref`.
    made: Validator = _with_our_keywords(draft)(schema, registry=Registry())
    return made


@cache
def _with_our_keywords(draft: type[Validator]) -> type[Validator]:
    integers = draft.TYPE_CHECKER.redefine("integer", lambda _checker, value: is_integer(value))
    later = {
        word: _unevaluated(draft.VALIDATORS[word]) for word in ("unevaluatedProperties",) if word in draft.VALIDATORS
    }
    ours: type[Validator] = extend(draft, validators=_KEYWORDS | later, type_checker=integers)  # type: ignore[no-untyped-call]
    return ours


# Keywords whose regular expressions mean what ECMA 262 says, and are searched one by one: jsonschema lets `$` match
# before a last newline, and for `additionalProperties` it joins all patterns to one, so that they disturb each other.
# A pattern that nothing here can read judges nothing.


def _pattern(_validator: Validator, pattern: str, value: object, _schema: object) -> Iterator[ValidationError]:
    if isinstance(value, str) and (regex := compiled(pattern)) and not regex.search(value):
        yield ValidationError(f"does not match {pattern}")


def _pattern_properties(
    validator: Any,  # noqa: ANN401 - has more than its type says
    rules: Mapping[str, Any],
    value: object,
    _schema: object,
) -> Iterator[ValidationError]:
    for pattern, rule in rules.items() if isinstance(value, Mapping) else ():
        for name, item in value.items():  # type: ignore[attr-defined]
            if (regex := compiled(pattern)) and regex.search(name):
                yield from validator.descend(item, rule, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any,  # noqa: ANN401 - as above
    rule: object,
    value: object,
    schema: Mapping[str, Any],
) -> Iterator[ValidationError]:
    if not isinstance(value, Mapping):
        return
    patterns = [compiled(pattern) for pattern in schema.get("patternProperties", ())]
    named = schema.get("properties", ())
    # A pattern that nothing here can read might be that of any key.
    extra = [
        name for name in value if name not in named and not any(not each or each.search(name) for each in patterns)
    ]
    if rule is False and extra:
        yield ValidationError("unknown keys")
    elif isinstance(rule, Mapping):
        for name in extra:
            yield from validator.descend(value[name], rule, path=name)


def _unevaluated(keyword: Callable[..., Any]) -> Callable[..., Any]:
    """Jsonschema's `unevaluatedProperties`, which searches by all patterns itself, as Python reads them."""

    def judge(*given: object) -> Iterator[ValidationError]:
        with suppress(re.error):
            yield from keyword(*given)

    return judge


_KEYWORDS = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
}
