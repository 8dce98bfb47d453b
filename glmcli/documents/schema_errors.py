"""What is wrong with a document: errors of jsonschema as faults, in words for the author of the document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from glmcli.console.suggestions import did_you_mean
from glmcli.documents.quoting import choice_names, listed, path_text, quoted, wrong_choice, wrong_type
from glmcli.documents.schema_patterns import compiled
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jsonschema import ValidationError

    from glmcli.documents.document import Document


class Fault(Record):
    """Something wrong at a path: with the key there, or with the value.

    `word` is what was written where one of `known` was expected, for "did you mean".
    """

    path: tuple[str | int, ...]
    text: str
    key: bool = False
    word: str = ""
    known: tuple[str, ...] = ()


def in_order(document: Document, found: Iterable[Fault]) -> list[Fault]:
    """The faults in the order of the file, equal ones once."""
    return sorted(dict.fromkeys(found), key=lambda fault: document.index(fault.path, key=fault.key))


def as_line(document: Document, fault: Fault, *, suggest: bool = False) -> str:
    """A fault as "file:line:col: text", with a suggestion if one is wanted and found."""
    meant = did_you_mean(fault.word, fault.known) if suggest else ""
    return f"{document.place(fault.path, key=fault.key)}: {fault.text}{meant}"


_TYPES = {
    "string": "a string",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
_NO_KEY = "a configuration file may not hold a key; use key_env, key_file or key_command"
_NO_ADDRESS = "a request file may not hold an address or a key; use --base-url / --key-file or the configuration file"
_NO_APPROVAL = "a request file may not approve the calls of tools; use --approve or --yes"
# Schema -> keys that are refused with a special reason; keys are compared without case, dashes and underscores.
_FORBIDDEN = {
    "request": {
        **dict.fromkeys(("baseurl", "apibase", "keyfile", "keyenv", "keycommand", "apikey", "key"), _NO_ADDRESS),
        "authorization": _NO_ADDRESS,
        **dict.fromkeys(("approve", "yes"), _NO_APPROVAL),
    },
    "config": dict.fromkeys(("apikey", "key", "authorization", "token"), _NO_KEY),
}


def explain(error: ValidationError, schema: str) -> Iterator[Fault]:
    """The faults behind one error of jsonschema, decided by its keyword and fields, never by its text."""
    match error.validator:
        case "additionalProperties":
            yield from _unknown_keys(error, schema)
        case "anyOf" | "oneOf":
            yield from _alternatives(error, schema)
        case "required":
            yield _required(error)
        case "type":
            yield _type(error, _types(error))
        case "enum" | "const":
            yield _choice(error, _choices(error))
        case "pattern":
            yield _pattern(error)
        case _:
            yield Fault(_path(error), f"{path_text(_path(error))} {_rule(error)}")


def _unknown_keys(error: ValidationError, schema: str) -> Iterator[Fault]:
    rules = _rules(error)
    known = tuple(rules.get("properties", {}))
    patterns = [regex for pattern in rules.get("patternProperties", {}) if (regex := compiled(pattern))]
    parent = _path(error)
    forbidden = _FORBIDDEN.get(schema, {})
    given: Any = error.instance
    for key in given:
        if key in known or any(pattern.search(key) for pattern in patterns):
            continue
        path = (*parent, key)
        if reason := forbidden.get(re.sub("[^a-z]", "", key.casefold())):
            yield Fault(path, reason, key=True)
        else:
            yield Fault(path, f"{_within(parent)}unknown key {quoted(key)}", key=True, word=key, known=known)


def _required(error: ValidationError) -> Fault:
    """All missing keys in one fault. jsonschema reports an error for each; the equal faults are merged later."""
    missing = [quoted(key) for key in _missing(error)]
    return Fault(_path(error), f"{_within(_path(error))}needs {listed(missing, 'and')}")


def _type(error: ValidationError, wanted: list[str]) -> Fault:
    path, value = _path(error), error.instance
    names = [_TYPES[name] for name in wanted if name != "null"] or [_TYPES["null"]]
    if not path and value is None:
        return Fault(path, f"the document is empty; it must be {listed(names, 'or')}")
    return Fault(path, wrong_type(path_text(path), value, names, secret=bool(_rules(error).get("writeOnly"))))


def _choices(error: ValidationError) -> list[object]:
    rule: Any = error.validator_value
    return list(rule) if error.validator == "enum" else [rule]


def _choice(error: ValidationError, choices: list[object]) -> Fault:
    path, value = _path(error), error.instance
    text = wrong_choice(path_text(path), value, choices)
    return Fault(path, text, word=value if isinstance(value, str) else "", known=choice_names(choices))


def _pattern(error: ValidationError) -> Fault:
    """The title of a schema describes its pattern in words; a pattern under `propertyNames` is about a key."""
    path, key = _path(error), str(error.instance)
    wanted = _rules(error).get("title") or f"text that matches {error.validator_value}"
    if "propertyNames" in list(error.absolute_schema_path)[-2:]:
        text = f"{_within(path)}{quoted(key)} must be {wanted}"
        return Fault((*path, key), text, key=True)
    return Fault(path, f"{path_text(path)} must be {wanted}")


def _rule(error: ValidationError) -> str:
    limit = error.validator_value
    rules: Mapping[str, Callable[[], str]] = {
        "minimum": lambda: f"must be at least {limit}",
        "maximum": lambda: f"must be at most {limit}",
        "exclusiveMinimum": lambda: f"must be greater than {limit}",
        "exclusiveMaximum": lambda: f"must be less than {limit}",
        "minLength": lambda: "must not be empty" if limit == 1 else f"must have at least {limit} characters",
        "maxLength": lambda: f"must have at most {limit} characters",
        "minProperties": lambda: "must not be empty" if limit == 1 else f"must have at least {limit} keys",
        "maxProperties": lambda: f"must have at most {limit} keys",
        "uniqueItems": lambda: "must not hold the same item twice",
        "multipleOf": lambda: f"must be a multiple of {limit}",
        "unevaluatedProperties": lambda: "has a key that the schema does not know",
        "minItems": lambda: "must not be empty" if limit == 1 else f"must have at least {limit} items",
        "maxItems": lambda: f"must have at most {limit} items",
        "not": lambda: str(_rules(error).get("title") or "is not allowed here"),
    }
    known = rules.get(str(error.validator))
    return known() if known else f"does not satisfy {error.validator} of the schema"


def _alternatives(error: ValidationError, schema: str) -> Iterator[Fault]:
    """The faults of the alternative that was meant, if the type of the value or a constant in it identifies it."""
    path = _path(error)
    branches: dict[object, list[ValidationError]] = {}
    for part in error.context or []:
        branches.setdefault(part.relative_schema_path[0], []).append(part)
    of_type = [parts for parts in branches.values() if not any(_is_here(part, "type") for part in parts)]
    meant = of_type if len(of_type) == 1 else [parts for parts in of_type if not any(map(_is_constant, parts))]
    absent = [{key for part in parts if _is_here(part, "required") for key in _missing(part)} for parts in meant]
    shared = set.intersection(*absent) if absent else set()
    if len(meant) == 1:
        for part in meant[0]:
            yield from explain(part, schema)
    elif branches and not of_type:
        wrong = [part for parts in branches.values() for part in parts if _is_here(part, "type")]
        yield _type(wrong[0], list(dict.fromkeys(name for part in wrong for name in _types(part))))
    elif of_type and not meant:
        yield _one_of([part for parts in of_type for part in parts if _is_constant(part)])
    elif shared or (absent and all(_is_here(part, "required") for parts in meant for part in parts)):
        ways = [listed([quoted(key) for key in sorted(way)], "and") for way in ([shared] if shared else absent)]
        yield Fault(path, f"{_within(path)}needs {listed(ways, 'or')}")
    else:
        yield Fault(path, f"{path_text(path)} has none of the allowed forms, or more than one")


def _is_constant(part: ValidationError) -> bool:
    """Whether the error is that the value, or a key of it, is not the constant that identifies the alternative."""
    return part.validator in {"const", "enum"} and len(part.relative_path) <= 1


def _is_here(part: ValidationError, keyword: str) -> bool:
    """Whether this keyword failed for the value itself: paths in alternatives are relative to the value."""
    return part.validator == keyword and not part.relative_path


def _one_of(wrong: list[ValidationError]) -> Fault:
    choices = [_choices(part) for part in wrong if part.path == wrong[0].path]
    return _choice(wrong[0], [choice for group in choices for choice in group])


def _within(path: tuple[str | int, ...]) -> str:
    return f"{path_text(path)}: " if path else ""


def _path(error: ValidationError) -> tuple[str | int, ...]:
    return tuple(error.absolute_path)


def _rules(error: ValidationError) -> Mapping[str, Any]:
    return error.schema if isinstance(error.schema, Mapping) else {}


def _types(error: ValidationError) -> list[str]:
    wanted: Any = error.validator_value
    return [wanted] if isinstance(wanted, str) else wanted


def _missing(error: ValidationError) -> list[str]:
    wanted: Any = error.validator_value
    there: Any = error.instance
    return [key for key in wanted if key not in there]
