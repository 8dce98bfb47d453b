"""Schemas of arguments that others wrote: what is refused of them, what they refuse, and what judging may cost."""

from __future__ import annotations

import json
import re
import time
import warnings
from contextlib import suppress
from typing import Any

import pytest
from tool_runs import tool

from glmcli import documents
from glmcli.documents import untrusted_schemas, validator
from glmcli.documents.input_limits import TooSlowError, cpu_limit
from glmcli.documents.schema_patterns import read
from glmcli.documents.untrusted_schemas import UntrustedSchema
from glmcli.tools import arguments

PART: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "integer"}}}
NOWHERE = "this $ref leads nowhere in the schema"
DRAFTS = {
    "2020": "https://json-schema.org/draft/2020-12/schema",
    "2019": "https://json-schema.org/draft/2019-09/schema",
    "7": "http://json-schema.org/draft-07/schema#",
    "6": "http://json-schema.org/draft-06/schema#",
    "4": "http://json-schema.org/draft-04/schema#",
}
OLD = ("7", "6", "4")


def texts(schema: dict[str, Any]) -> list[str]:
    return [fault.text for fault in untrusted_schemas.faults(schema)]


def takes(schema: dict[str, Any], value: object) -> bool:
    assert texts(schema) == []
    return not UntrustedSchema(schema).faults(value)


@pytest.fixture
def check(glm, cwd):
    """`glm tools check` of tools: its code and lines, after at most some seconds and without a traceback."""

    def run(*tools: dict[str, Any]) -> tuple[int, list[str]]:
        (cwd / "t.json").write_text(json.dumps({"tools": tools}))
        began = time.monotonic()
        done = glm("tools", "check", "t.json")
        assert time.monotonic() - began < 60.0
        return done.code, done.text.splitlines()

    return run


# References


@pytest.mark.parametrize(
    "inner", [{"type": "string"}, {"$ref": "http://127.0.0.1:1/x"}, {"type": "strin"}, {"enum": 5}]
)
@pytest.mark.parametrize("word", ["examples", "enum", "default", "x-mine"])
def test_a_reference_leads_to_a_schema_only(word, inner) -> None:
    schema = {"type": "object", word: [inner], "properties": {"a": {"$ref": f"#/{word}/0"}}}
    if word == "default":
        schema |= {"default": {"0": inner}}
    assert texts(schema) == [NOWHERE]


@pytest.mark.parametrize("draft", OLD)
def test_defs_of_old_drafts_are_judged_too(draft) -> None:
    schema = {"$schema": DRAFTS[draft], "$defs": {"p": {"type": "strin"}}, "properties": {"a": {"$ref": "#/$defs/p"}}}
    [fault] = untrusted_schemas.faults(schema)
    assert fault.path == ("$defs", "p", "type")
    assert takes(schema | {"$defs": {"p": {"type": "string"}}}, {"a": "x"})
    assert not takes(schema | {"$defs": {"p": {"type": "string"}}}, {"a": 1})


@pytest.mark.parametrize(
    ("pointer", "holder"),
    [
        ("#/$defs/%25", {"%": 1}),
        ("#/$defs/~", {"~": 1}),
        ("#/$defs/a~1b", {"a/b": 1}),
        ("#/$defs/~01", {"~1": 1}),
        ("#/$defs/%61", {"a": 1}),
        ("#/$defs/%C3%A4", {"ä": 1}),
        ("#/$defs/ä", {"ä": 1}),
    ],
)
def test_pointers_are_decoded(pointer, holder) -> None:
    [name] = holder
    schema = {"properties": {"a": {"$ref": pointer}}, "$defs": {name: {"type": "string"}}}
    assert takes(schema, {"a": "x"})
    assert not takes(schema, {"a": 1})


@pytest.mark.parametrize("pointer", ["#/allOf/-1", "#/allOf/\u0660", "#/allOf/²", "#/allOf/00", "#/allOf", "#/title"])
def test_pointers_to_no_schema(pointer) -> None:
    assert texts({"title": "t", "allOf": [{}], "properties": {"a": {"$ref": pointer}}}) == [NOWHERE]


def test_a_reference_to_a_boolean_and_to_a_pattern() -> None:
    assert not takes({"$defs": {"no": False}, "properties": {"a": {"$ref": "#/$defs/no"}}}, {"a": 1})
    schema = {
        "patternProperties": {"^a$": {"type": "string"}},
        "properties": {"b": {"$ref": "#/patternProperties/%5Ea$"}},
    }
    assert takes(schema, {"b": "x"})
    assert not takes(schema, {"b": 1})


# Drafts


@pytest.mark.parametrize("draft", DRAFTS)
def test_anchors_belong_to_the_later_drafts(draft) -> None:
    shelf = "definitions" if draft in OLD else "$defs"
    schema = {
        "$schema": DRAFTS[draft],
        shelf: {"p": {"$anchor": "foo", "type": "string"}},
        "properties": {"a": {"$ref": "#foo"}},
    }
    assert texts(schema) == ([NOWHERE] if draft in OLD else [])
    if draft not in OLD:
        assert not takes(schema, {"a": 1})


def test_dynamic_anchors_belong_to_the_latest_draft() -> None:
    schema = {"$defs": {"p": {"$dynamicAnchor": "foo", "type": "string"}}, "properties": {"a": {"$ref": "#foo"}}}
    assert not takes(schema, {"a": 1})
    assert texts({"$schema": DRAFTS["2019"], **schema}) == [NOWHERE]
    twice = {"$defs": {"p": {"$anchor": "foo"}, "q": {"$anchor": "foo"}}}
    assert texts(twice) == ["another schema has this anchor already"]


@pytest.mark.parametrize("draft", DRAFTS)
def test_no_schema_inside_has_a_name_of_its_own(draft) -> None:
    word = "id" if draft == "4" else "$id"
    schema = {"$schema": DRAFTS[draft], "properties": {"a": {word: "http://e/", "type": "string"}}}
    assert texts(schema) == [f"an {word} inside a schema is not supported: leave it out"]
    assert takes({"$schema": DRAFTS[draft], "properties": {"id": {"type": "string"}}}, {"id": "x"})


def test_other_drafts() -> None:
    assert texts({"$schema": "http://json-schema.org/draft-03/schema#"}) == [
        "draft 3 is not supported: write the schema for draft 2020-12"
    ]
    inside = {"properties": {"a": {"$schema": DRAFTS["4"], "type": "string"}}}
    assert texts(inside) == ["a $schema inside a schema is not supported: leave it out"]
    odd = {"$id": "http://[", "$defs": {"x": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/x"}}}
    assert texts(odd) or not takes(odd, {"a": 1})


# Closed: a plain object takes what it names, unless it says otherwise; one that is composed stays as it was written


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (PART, {"x": 1}, {"e": 1}),
        ({"type": "object"}, {}, {"e": 1}),
        ({"properties": {"a": PART}}, {"a": {"x": 1}}, {"a": {"e": 1}}),
        ({"properties": {"a": {"items": PART}}}, {"a": [{"x": 1}]}, {"a": [{"e": 1}]}),
        ({"properties": {"a": {"items": {"$ref": "#"}}}}, {"a": [{"a": []}]}, {"a": [{"e": 1}]}),
        ({"properties": {"a": PART, "b": {"$ref": "#/properties/a"}}}, {"b": {"x": 1}}, {"b": {"e": 1}}),
        ({"properties": {"a": {"anyOf": [PART]}}}, {"a": {"e": 1}}, {"e": 1}),
    ],
)
def test_what_a_plain_object_does_not_name_is_refused(draft, schema, good, bad) -> None:
    whole = {"$schema": DRAFTS[draft], **schema}
    assert takes(whole, good)
    assert not takes(whole, bad)


def test_items_are_closed() -> None:
    schema = {"properties": {"a": {"prefixItems": [PART], "items": PART}}}
    assert takes(schema, {"a": [{"x": 1}, {"x": 1}]})
    assert not takes(schema, {"a": [{"e": 1}]})
    assert not takes(schema, {"a": [{}, {"e": 1}]})


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"additionalProperties": True}, {"e": 1}),
        ({"patternProperties": {"^p_": {}}}, {"e": 1}),
        ({"$ref": "#/definitions/p"}, {"e": 1}),
        ({"$ref": "#/definitions/free"}, {"e": 1}),
        ({"allOf": [PART]}, {"e": 1}),
        ({"properties": {"a": {}}, "not": {"required": ["b"]}}, {"e": 1}),
        ({"properties": {"a": {"$ref": "#/definitions/p"}}}, {"a": {"e": 1}}),
        ({"properties": {"a": {"allOf": [PART, {"properties": {"y": {}}}]}}}, {"a": {"x": 1, "y": 1}}),
        ({"properties": {"a": {"anyOf": [PART, {"type": "object"}]}}}, {"a": {"e": 1}}),
        ({"properties": {"a": {"type": "object"}}}, {"a": {"e": 1}}),
        ({"properties": {"a": PART, "b": {"allOf": [{"$ref": "#/properties/a"}]}}}, {"b": {"e": 1}}),
    ],
)
def test_good_calls_are_not_refused(draft, schema, value) -> None:
    free = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert takes({"$schema": DRAFTS[draft], "definitions": {"p": PART, "free": free}, **schema}, value)


def test_a_schema_beside_a_reference_keeps_what_is_referred_to_open() -> None:
    schema = {"properties": {"a": PART, "b": {"$ref": "#/properties/a", "properties": {"y": {}}}}}
    assert takes(schema, {"b": {"x": 1, "y": 1}})


# Patterns


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^cost\$", "cost$", "cost"),
        (r"^cost\\$", "cost\\", "cost\\\n"),
        ("^a$|^b$", "b", "a\n"),
        ("(^a$)", "a", "a\n"),
        ("^(?:a$)", "a", "a\n"),
        ("^[$]$", "$", "$\n"),
        (r"^[\]$]$", "$", "$\n"),
    ],
)
def test_a_dollar_is_the_end(pattern, good, bad) -> None:
    schema = {"properties": {"a": {"pattern": pattern}}}
    assert (takes(schema, {"a": good}), takes(schema, {"a": bad})) == (True, False)
    named = {"patternProperties": {pattern: {}}, "additionalProperties": False}
    assert (takes(named, {good: 1}), takes(named, {bad: 1})) == (True, False)


def test_patterns_of_keys_do_not_disturb_each_other() -> None:
    schema = {"patternProperties": {"(z)": {}, "^(x)\\1$": {}, "(?i)^q$": {}}, "additionalProperties": False}
    assert takes(schema, {"xx": 1, "Q": 1, "z": 1})
    assert not takes(schema, {"xz_": 1, "y": 1})


def test_an_odd_pattern_prints_nothing() -> None:
    read.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert takes({"properties": {"a": {"pattern": "[[a]"}}, "patternProperties": {"[[b]": {}}}, {"a": "["})


# Nothing ends the program


class Odd(dict[str, Any]):
    """A value for which a library falls over."""

    def __iter__(self) -> Any:
        raise AttributeError


def test_whatever_the_libraries_raise() -> None:
    assert UntrustedSchema({"properties": {"a": {}}}).faults(Odd(a=1)) == ["the arguments cannot be validated"]
    assert UntrustedSchema({"$ref": "#/nowhere"}).faults({}) != []
    assert UntrustedSchema({"properties": 3}).faults({}) == ["the arguments cannot be validated"]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("properties", [None, 3, [], "x"])
@pytest.mark.parametrize("word", ["{a}", "x{a}"])
def test_properties_that_are_none(check, properties, word) -> None:
    code, lines = check(tool("mark", "true", word, parameters={"type": "object", "properties": properties}))
    assert (code, len(lines)) == (2, 1)
    assert "properties must be a mapping" in lines[0]


@pytest.mark.parametrize("run", [["true", "a\0b"], ["tr\0ue"], ["./\0"]])
def test_a_nul_is_no_argument(check, run) -> None:
    code, lines = check(tool("mark", *run))
    assert code == 2
    assert [line.partition(" ")[2] for line in lines] == [f"tools[0].run[{len(run) - 1}] must be text without a NUL"]


@pytest.mark.parametrize("depth", [63, 64, 500, 960, 970, 5000])
def test_deep_arguments(depth) -> None:
    text = '{"a":' + "[" * depth + "]" * depth + "}"
    if depth < 64:
        assert arguments.normalized(arguments.read(text)).replace(" ", "") == text
    else:
        with pytest.raises(arguments.BadArgumentsError, match=r"nested (too deep|deeper than 64)"):
            arguments.read(text)


def test_a_key_that_stands_twice_is_found_fast() -> None:
    text = "{" + "".join(f'"{number:x}":0,' for number in range(24_000)) + '"zz":1,"zz":2}'
    began = time.process_time()
    with pytest.raises(arguments.BadArgumentsError, match="'zz' is there twice"):
        arguments.read(text)
    assert time.process_time() - began < 2.0


# What it may cost


def bomb(number: int) -> dict[str, Any]:
    return tool(f"t{number}", "true", parameters={"properties": {"a": {"pattern": f"^(a+)+{number}$"}}})


def test_one_limit_for_a_whole_file(check) -> None:
    assert check(*map(bomb, range(100))) == (2, ["t.json:1:1: this file takes too long to validate"])


def test_the_deadline_ends_the_judging_of_schemas(glm, cwd) -> None:
    (cwd / "t.json").write_text(json.dumps({"tools": [bomb(number) for number in range(100)]}))
    done = glm("tools", "run", "--tools", "t.json", "--deadline", "0.05", "-m", "sandbox/glm-5", "hi")
    assert (done.code, done.err) == (6, "glm: error: the deadline has passed\n")


def swallowing() -> None:
    """Work that takes every limit for its own."""
    for _ in range(100):
        with suppress(TooSlowError), cpu_limit(0.1):
            re.search("(a+)+$", "a" * 40 + "!")


def limited(seconds: float) -> None:
    with cpu_limit(seconds):
        swallowing()


def test_a_limit_inside_a_limit_does_not_hide_it() -> None:
    began = time.process_time()
    with pytest.raises(TooSlowError):
        limited(0.25)
    assert time.process_time() - began < 1.0


def test_at_most_1000_tools_and_servers(check, glm, cwd) -> None:
    assert check(*({} for _ in range(1001))) == (2, ["t.json:1:11: 1001 tools; at most 1000 are allowed"])
    (cwd / "m.json").write_text(json.dumps({"mcp": {f"s{number}": {} for number in range(1001)}}))
    assert glm("tools", "check", "m.json").text == "m.json:1:9: 1001 servers; at most 1000 are allowed\n"


def test_at_most_100_lines_a_file(check) -> None:
    code, lines = check(*(tool(f"t{number}", "no-such-program") for number in range(150)))
    assert (code, len(lines), lines[-1]) == (2, 101, "… and 50 more")


def test_the_errors_of_a_document_are_bounded() -> None:
    items = ",".join(["{}"] * 3000)
    found = validator.faults(documents.parse(f'{{"tools": [{items}]}}'.encode(), "t"), "tools")
    assert 0 < len(found) <= 3000
