"""Whether a value satisfies a schema of ours: yes or no, without importing jsonschema.

Most files are valid, and need no more. For the others `validator` finds the faults with jsonschema. Only the keywords
that our schemas use are known here, and any other is a KeyError: tests check that there is none, and that the two
validators agree.
"""

from __future__ import annotations

import json
from importlib import import_module
from itertools import combinations
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from importlib.abc import ResourceLoader

    Allows = Callable[[Any, Any], bool]
    Schema = Mapping[str, Any]

_REFERENCE = "#/$defs/"


def load_schema(name: str) -> dict[str, Any]:
    """One of our schemas, as the wheel ships it."""
    schema: dict[str, Any] = json.loads(_text(name))
    return schema


def load_lazily(name: str) -> dict[str, Any]:
    """The same for `is_valid`: definitions that stand last are parsed when the first of them is needed.

    Of a configuration they are eleven twelfths, which a file without facts about models does not need.
    """
    head, mark, rest = _text(name).partition(b',\n  "$defs": ')
    if not mark or b'\n  "' in rest:  # none, or another key at the top of the schema follows
        return load_schema(name)
    schema: dict[str, Any] = json.loads(head + b"}")
    schema["$defs"] = _Definitions(rest.rstrip().removesuffix(b"}"))
    return schema


class _Definitions(dict[str, Any]):
    """Definitions, by name, that are parsed when one is asked for."""

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self._text = text

    def __missing__(self, name: str) -> Any:  # noqa: ANN401 - a schema, or true or false
        self.update(json.loads(self._text))
        return dict(self)[name]


def _text(name: str) -> bytes:
    """The text of a schema, read as Python reads the code beside it, also from a zip."""
    package = import_module("glmcli.schemas")
    loader = cast("ResourceLoader", vars(package)["__spec__"].loader)
    return loader.get_data(f"{package.__path__[0]}/{name}.schema.json")


def is_valid(value: object, root: Schema) -> bool:
    """Whether a value satisfies this schema.

    Raises:
        KeyError: the schema uses an unknown keyword, type or reference.
    """

    def allows(schema: Schema | bool, here: object) -> bool:
        if isinstance(schema, bool):
            return schema
        return all(_holds(allows, root, schema, word, here) for word in schema if word not in _ANNOTATIONS)

    return allows(root, value)


def _holds(allows: Allows, root: Schema, schema: Schema, word: str, value: object) -> bool:
    """Whether the value satisfies one keyword of the schema. Most keywords apply to one type only."""
    rule = schema[word]
    if word == "$ref":
        return allows(root["$defs"][rule.removeprefix(_REFERENCE)], value)
    if word in _PARTS:
        kind, holds = _PARTS[word]
        return not _TYPES[kind](value) or holds(allows, rule, value, schema)
    kind, test = _TESTS[word]
    return not _TYPES[kind](value) or test(rule, value)


def is_integer(value: object) -> bool:
    """Whether a value is an integer; neither 1.0 nor true is one."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_of(types: str | list[str], value: object) -> bool:
    return any(_TYPES[name](value) for name in ([types] if isinstance(types, str) else types))


def _is_same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether both are equal in JSON: 1.0 equals 1, but true does not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    return bool(one == other)


def _are_unique(wanted: bool, items: list[object]) -> bool:
    return not wanted or not any(_is_same(*two) for two in combinations(items, 2))


def _matches(pattern: str, text: str) -> bool:
    import re

    # Our patterns have nothing else that Python reads otherwise; `schema_patterns` is for those of others.
    return re.search(with_strict_end(pattern), text) is not None


def with_strict_end(pattern: str) -> str:
    """The pattern with `$` as it is in ECMA-262: the end, and not also the place before a last newline."""
    import re

    pieces = r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+\]?|\$"
    return re.sub(pieces, lambda piece: r"\Z" if piece[0] == "$" else piece[0], pattern, flags=re.DOTALL)


_ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description", "writeOnly", "then", "else"}
_ANY = "any"
_TYPES: dict[str, Callable[[object], bool]] = {
    _ANY: lambda _: True,
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": is_integer,
    "number": _is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
# Keywords that contain no schemas: the type of value that they apply to, and the test.
_TESTS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "type": (_ANY, _is_of),
    "const": (_ANY, _is_same),
    "enum": (_ANY, lambda choices, value: any(_is_same(choice, value) for choice in choices)),
    "minimum": ("number", lambda least, value: value >= least),
    "maximum": ("number", lambda most, value: value <= most),
    "exclusiveMinimum": ("number", lambda below, value: value > below),
    "minLength": ("string", lambda least, text: len(text) >= least),
    "pattern": ("string", _matches),
    "minItems": ("array", lambda least, items: len(items) >= least),
    "maxItems": ("array", lambda most, items: len(items) <= most),
    "uniqueItems": ("array", _are_unique),
    "minProperties": ("object", lambda least, fields: len(fields) >= least),
    "required": ("object", lambda names, fields: all(name in fields for name in names)),
}
# Keywords that contain schemas.
_PARTS: dict[str, tuple[str, Callable[[Allows, Any, Any, Schema], bool]]] = {
    "allOf": (_ANY, lambda allows, parts, value, _: all(allows(part, value) for part in parts)),
    "anyOf": (_ANY, lambda allows, parts, value, _: any(allows(part, value) for part in parts)),
    "oneOf": (_ANY, lambda allows, parts, value, _: sum(allows(part, value) for part in parts) == 1),
    "not": (_ANY, lambda allows, part, value, _: not allows(part, value)),
    "if": (_ANY, lambda allows, part, value, schema: allows(_branch(schema, allows(part, value)), value)),
    "items": ("array", lambda allows, part, items, _: all(allows(part, item) for item in items)),
    "properties": ("object", lambda allows, parts, fields, _: all(
        allows(part, fields[name]) for name, part in parts.items() if name in fields
    )),
    "propertyNames": ("object", lambda allows, part, fields, _: all(allows(part, name) for name in fields)),
    "additionalProperties": ("object", lambda allows, part, fields, schema: all(
        allows(part, fields[name]) for name in fields if name not in schema.get("properties", ())
    )),
}  # fmt: skip


def _branch(schema: Schema, is_true: bool) -> Any:  # noqa: ANN401 - any schema
    return schema.get("then" if is_true else "else", True)
