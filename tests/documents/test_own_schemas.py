"""The quick yes or no about our own schemas, beside jsonschema: they agree about every document, of every schema."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcli import documents
from glmcli.documents import validator
from glmcli.documents.fast_validator import is_valid, load_lazily
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOP = Path(__file__).parents[2]
NAMES = sorted(path.name.removesuffix(".schema.json") for path in (TOP / "schemas").glob("*.json"))

load = cache(documents.load_schema)


@cache
def jsonschema(name: str) -> Any:
    return validator.validator(load(name))


def test_all_schemas_are_here() -> None:
    assert {"request", "config", "tools", "batch-row", "reply", "event"} <= set(NAMES)


# What each keyword means


@pytest.mark.parametrize(
    ("schema", "value", "verdict"),
    [
        ({"type": "integer"}, 1, True),
        ({"type": "integer"}, 1.0, False),  # as everywhere in the house, though not in JSON Schema
        ({"type": "integer"}, True, False),
        ({"type": "integer"}, 2**64, True),
        ({"type": "number"}, 1.5, True),
        ({"type": "number"}, False, False),
        ({"type": "boolean"}, 1, False),
        ({"type": "null"}, None, True),
        ({"type": ["string", "null"]}, None, True),
        ({"type": ["string", "null"]}, 0, False),
        ({"type": []}, None, False),
        ({"const": 1}, True, False),
        ({"const": 1}, 1.0, True),
        ({"const": True}, 1, False),
        ({"const": [1, {"a": 0}]}, [1.0, {"a": False}], False),
        ({"const": [1, {"a": 0}]}, [1.0, {"a": 0.0}], True),
        ({"const": [1]}, [1, 1], False),
        ({"const": {"a": 1}}, {"a": 1, "b": 2}, False),
        ({"const": {"a": 1}}, {"b": 1}, False),
        ({"const": None}, None, True),
        ({"enum": [0, "", None]}, False, False),
        ({"enum": [0, "", None]}, [], False),
        ({"enum": ["a", 1]}, 1.0, True),
        ({"enum": []}, None, False),
        ({"minimum": 1}, 1, True),
        ({"minimum": 1}, 0.9999999999999999, False),
        ({"minimum": 1}, False, True),
        ({"maximum": 2**53}, 2**53 + 1, False),
        ({"maximum": 0}, "1", True),
        ({"exclusiveMinimum": 0}, 0, False),
        ({"exclusiveMinimum": 0}, -0.0, False),
        ({"exclusiveMinimum": 0}, 5e-324, True),
        ({"minLength": 2}, "😀", False),
        ({"minLength": 2}, "e\u0301", True),
        ({"minLength": 2}, ["a"], True),
        ({"pattern": "b"}, "abc", True),
        ({"pattern": "^a$"}, "a\n", False),
        ({"pattern": "^[$]$"}, "$", True),
        ({"pattern": "^a"}, 7, True),
        ({"minItems": 1}, [], False),
        ({"minItems": 1}, {}, True),
        ({"maxItems": 1}, ["a", "b"], False),
        ({"uniqueItems": True}, [1, True, "1", None], True),
        ({"uniqueItems": True}, [1, 1.0], False),
        ({"uniqueItems": True}, [{"a": [1]}, {"a": [1]}], False),
        ({"uniqueItems": True}, [{"a": [1]}, {"a": [True]}], True),
        ({"uniqueItems": False}, [1, 1], True),
        ({"minProperties": 1}, {}, False),
        ({"minProperties": 1}, [], True),
        ({"required": ["a"]}, {"a": None}, True),
        ({"required": ["a"]}, {"b": 1}, False),
        ({"required": ["a"]}, ["a"], True),
        ({"properties": {"a": {"type": "null"}}}, {"b": 1}, True),
        ({"properties": {"a": {"type": "null"}}}, {"a": 1}, False),
        ({"properties": {"a": False}}, {"a": 1}, False),
        ({"additionalProperties": False}, {"a": 1}, False),
        ({"additionalProperties": False, "properties": {"a": True}}, {"a": 1}, True),
        ({"additionalProperties": {"type": "string"}, "properties": {"a": True}}, {"a": 1, "b": ""}, True),
        ({"additionalProperties": {"type": "string"}, "properties": {"a": True}}, {"a": 1, "b": 1}, False),
        ({"allOf": [{"properties": {"a": True}}], "additionalProperties": False}, {"a": 1}, False),
        ({"propertyNames": {"pattern": "^a"}}, {"a": 1, "ba": 1}, False),
        ({"propertyNames": {"pattern": "^a"}}, ["b"], True),
        ({"items": {"type": "string"}}, ["a", 1], False),
        ({"items": {"type": "string"}}, [], True),
        ({"items": {"type": "string"}}, {"a": 1}, True),
        ({"items": False}, [1], False),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, 3, False),
        ({"anyOf": [{"minimum": 2}, {"maximum": 1}]}, 1, True),
        ({"anyOf": [{"minimum": 2}, {"maximum": 1}]}, 1.5, False),
        ({"oneOf": [{"minimum": 1}, {"maximum": 2}]}, 1, False),
        ({"oneOf": [{"minimum": 1}, {"maximum": 2}]}, 3, True),
        ({"oneOf": [{"minimum": 2}, {"maximum": 1}]}, 1.5, False),
        ({"not": {}}, None, False),
        ({"not": {"type": "null"}}, 1, True),
        ({"if": {"minimum": 1}, "then": {"maximum": 2}}, 3, False),
        ({"if": {"minimum": 1}, "then": {"maximum": 2}}, 0, True),
        ({"if": {"minimum": 1}, "else": {"const": 0}}, 0.5, False),
        ({"if": {"minimum": 1}, "else": {"const": 0}}, 9, True),
        ({"then": False, "else": False}, 1, True),
        ({"$ref": "#/$defs/a", "maximum": 2, "$defs": {"a": {"minimum": 1}}}, 0, False),
        ({"$ref": "#/$defs/a", "maximum": 2, "$defs": {"a": {"minimum": 1}}}, 3, False),
        ({"$ref": "#/$defs/a", "maximum": 2, "$defs": {"a": {"minimum": 1}}}, 2, True),
        ({"title": "x", "description": "y", "writeOnly": True}, 1, True),
    ],
)
def test_what_a_keyword_means(schema, value, verdict) -> None:
    assert is_valid(value, schema) is verdict
    assert validator.validator(schema).is_valid(value) is verdict


@pytest.mark.parametrize(
    "schema",
    [
        {"patternProperties": {"a": False}},
        {"prefixItems": [False]},
        {"unevaluatedProperties": False},
        {"dependentRequired": {"a": ["b"]}},
        {"dependentSchemas": {"a": False}},
        {"contains": False},
        {"multipleOf": 2},
        {"exclusiveMaximum": 2},
        {"maxLength": 2},
        {"maxProperties": 2},
        {"format": "date"},
        {"$dynamicRef": "#a"},
        {"$ref": "#"},
        {"$ref": "#/properties/a", "properties": {"a": True}, "$defs": {}},
        {"$ref": "other.schema.json#/$defs/a", "$defs": {"a": {}}},
        {"type": "text"},
        {"minimun": 2},
    ],
)
def test_what_is_not_known_is_never_passed_over(schema) -> None:
    with pytest.raises(KeyError):
        is_valid({"a": 1}, schema)
    with pytest.raises(KeyError):
        is_valid({"a": {"a": 1}}, {"properties": {"a": {"not": schema}}, "$defs": schema.get("$defs", {})})


ONE = {"if", "then", "else", "not", "items", "additionalProperties", "propertyNames"}
MANY = {"allOf", "anyOf", "oneOf"}
NAMED = {"$defs", "properties"}
SAMPLES = (None, False, 0, 0.5, "", "x", [], ["x"], {}, {"x": "x"})


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema. What stands in a keyword that is not named here is found by the test below."""
    if isinstance(schema, bool):
        return
    yield schema
    for word, rule in schema.items():
        below = [rule] if word in ONE else rule if word in MANY else rule.values() if word in NAMED else []
        for part in below:
            yield from nodes(part)


@pytest.mark.parametrize("name", NAMES)
def test_every_keyword_of_our_schemas_is_known(name) -> None:
    root = load(name)
    for node in nodes(root):
        for word in node:
            alone = {"$defs": root.get("$defs", {}), word: node[word]}
            assert {is_valid(sample, alone) for sample in SAMPLES} <= {True, False}


def test_definitions_that_stand_last_are_parsed_when_they_are_needed() -> None:
    config = load_lazily("config")
    assert config.keys() == load("config").keys()
    assert len(config["$defs"]) == 0
    assert is_valid({"model": "glm-5"}, config)
    assert len(config["$defs"]) == 0
    assert not is_valid({"models": {"zai/glm-5": {"contxt": 1}}}, config)
    assert is_valid({"models": {"zai/glm-5": {"context": 1}}}, config)
    assert config == load("config")
    with pytest.raises(KeyError):
        is_valid(None, {"$ref": "#/$defs/none", "$defs": load_lazily("config")["$defs"]})


# Documents that people wrote


def texts() -> Iterator[str]:
    """All examples, what README shows, and every text in the tests and in the recordings."""
    for path in [
        *TOP.glob("examples/**/*.yaml"),
        TOP / "glmcli/catalogue/models.json",
        *TOP.glob("glmcli/sandbox/**/*.json"),
    ]:
        yield path.read_text()
    yield from re.findall(r"^```\w*\n(.*?)^```", (TOP / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    for path in TOP.glob("tests/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def literals() -> Iterator[Any]:
    """Every mapping or list that the tests spell out."""
    for path in TOP.glob("tests/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict | ast.List):
                try:
                    yield json.loads(json.dumps(ast.literal_eval(node)))
                except (ValueError, TypeError, RecursionError):
                    continue


@cache
def written() -> list[Any]:
    found = [*literals()]
    for text in {*texts()}:
        try:
            found.append(documents.parse(text.encode(), "x").value)
        except (UsageError, UnicodeEncodeError):
            continue
    return list({json.dumps(value): value for value in found if isinstance(value, dict | list)}.values())


@pytest.mark.slow
def test_the_repository_has_many_documents() -> None:
    accepted = {name: sum(is_valid(value, load(name)) for value in written()) for name in NAMES}
    assert len(written()) > 2000
    assert accepted["request"] > 100
    assert accepted["config"] > 20
    assert accepted["tools"] > 10


# Documents that nobody wrote

WORDS = (
    "a",
    "a/b",
    "x1",
    "_A",
    "é",
    "1",
    "",
    " ",
    "a\n",
    "a-b",
    "text",
    "type",
    "😀",
    "a" * 33,
    "a" * 65,
    "\x00",
    "x" * 513,
)
PLACES = (
    "https://x.example",
    "http://x",
    "HTTP://x",
    "ftp://x",
    "https://x y",
    "0" * 32,
    "0" * 31,
    "/v1/chat/completions",
    "/chat",
)
TIMES = ("2026-01-31", "2026-01-31\n", "2026-1-31", "2026-01", "2026-13", "2026", "2026-01-31T10:00:00.000Z")
STRINGS = (*WORDS, *PLACES, *TIMES)
ODD = (None, True, False, 0, 1, -1, 1.0, 0.0, 0.5, 1e300, 2**63, 2**64 - 1, -(2**63), [], {}, [None], [[]], *STRINGS)


class Author:
    """Writes documents that a schema mostly allows; alike for the same number."""

    def __init__(self, root: dict[str, Any], number: int) -> None:
        self.root = root
        self.random = Random(number)
        self.one_of = self.random.choice

    def document(self) -> Any:
        value = self.within(self.root)
        for _ in range(self.one_of((0, 0, 1, 1, 2))):
            value = self.spoiled(value)
        return value

    def within(self, schema: Any) -> Any:
        """References and one alternative are followed; of conditions only what leads elsewhere."""
        if isinstance(schema, bool):
            return self.one_of(ODD)
        if "$ref" in schema:
            schema = {**schema, **self.root["$defs"][schema["$ref"].removeprefix("#/$defs/")]}
        ways = [way for way in schema.get("oneOf", schema.get("anyOf", ())) if way.keys() != {"required"}]
        ways += [schema[word] for word in ("then", "else") if "$ref" in schema.get(word, ())]
        if ways:
            return self.within(self.one_of(ways))
        if "const" in schema or "enum" in schema:
            return self.one_of(schema.get("enum", [schema.get("const")]))
        kinds = schema.get("type", "object" if "properties" in schema else "any")
        return self.of_kind(kinds if isinstance(kinds, str) else self.one_of(kinds), schema)

    def of_kind(self, kind: str, schema: dict[str, Any]) -> Any:
        made: dict[str, Callable[[], Any]] = {
            "null": lambda: None,
            "boolean": lambda: self.one_of((True, False)),
            "integer": lambda: int(self.number(schema)),
            "number": lambda: self.number(schema),
            "string": lambda: self.one_of([text for text in STRINGS if re.search(schema.get("pattern", ""), text)]),
            "array": lambda: self.items(schema),
            "object": lambda: self.fields(schema),
            "any": lambda: self.one_of(ODD),
        }
        return made[kind]()

    def items(self, schema: dict[str, Any]) -> list[Any]:
        least = schema.get("minItems", 0)
        return [self.within(schema.get("items", True)) for _ in range(self.random.randint(least, least + 2))]

    def number(self, schema: dict[str, Any]) -> float:
        end = self.one_of([schema[word] for word in ("minimum", "maximum") if word in schema] or [0])
        away = self.one_of((0, 0, 0.5, 1, 2**40))
        return end - away if end == schema.get("maximum") else end + away

    def fields(self, schema: dict[str, Any]) -> dict[str, Any]:
        known = schema.get("properties", {})
        more = [name for name in known if self.random.random() < 0.2]
        made = {name: self.within(known.get(name, True)) for name in [*schema.get("required", ()), *more]}
        rule = schema.get("additionalProperties")
        if isinstance(rule, dict):
            wanted = schema.get("propertyNames", {}).get("pattern", "")
            names = [word for word in WORDS if re.search(wanted, word)]
            made |= {self.one_of(names): self.within(rule) for _ in range(self.random.randint(0, 2))}
        return made

    def spoiled(self, value: Any) -> Any:
        """The value with one thing changed, somewhere in it."""
        if isinstance(value, dict | list) and value and self.random.random() < 0.8:
            at = self.one_of([*value] if isinstance(value, dict) else range(len(value)))
            made = value.copy()
            made[at] = self.spoiled(value[at])
            return made
        return self.one_of([self.one_of(ODD), [value], {"a": value}, *self.near(value)])

    def near(self, value: Any) -> list[Any]:
        match value:
            case dict():
                without = self.one_of([*value, "a"])
                rest = {name: item for name, item in value.items() if name != without}
                return [rest, rest, {**value, self.one_of(WORDS): self.one_of(ODD)}]
            case list():
                return [[*value, *value], [*value, self.one_of(ODD)], value[1:]]
            case str():
                return [value + "\n", value[1:], value.upper(), f" {value}"]
            case int() | float():
                return [value + 1, value - 1, -value, value * 1.0, str(value), bool(value)]
        return []


@pytest.mark.parametrize("examples", [100, pytest.param(3_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMES)
def test_they_agree_about_any_document(name, examples) -> None:
    schema, judged = load_lazily(name), jsonschema(name)
    seen = Counter[bool]()

    @settings(deadline=None, max_examples=examples, database=None, derandomize=True)
    @given(st.integers(0, 2**64))
    def agree(number: int) -> None:
        value = Author(load(name), number).document()
        verdict = judged.is_valid(value)
        assert is_valid(value, schema) is verdict, value
        seen[verdict] += 1

    agree()
    assert min(seen[True], seen[False]) >= examples // 20, "documents of one kind alone show little"


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", NAMES)
def test_they_agree_about_every_document_in_the_repository(name) -> None:
    schema, judged = load(name), jsonschema(name)
    wrong = [value for value in written() if is_valid(value, schema) is not judged.is_valid(value)]
    assert wrong == []


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", NAMES)
def test_they_agree_about_documents_that_are_nearly_right(name) -> None:
    schema, judged = load(name), jsonschema(name)
    for number, value in enumerate([value for value in written() if is_valid(value, schema)][:500]):
        changed = Author(schema, number).spoiled(value)
        assert is_valid(changed, schema) is judged.is_valid(changed), changed
