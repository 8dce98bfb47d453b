"""The rows of `glm batch run INPUT`: every form, every horror, and never more memory than a row."""

# ruff: noqa: N802 - a test of a row of the catalogue is named by its id

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import math
import os
import re
import subprocess
import sys
import threading
import time
import tracemalloc
from hashlib import sha256

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from glmcli import documents
from glmcli.batch.rows.formats import FORMATS
from glmcli.batch.rows.formats.lines import InputContext, Line, LongLine, lines
from glmcli.batch.rows.formats.table_layout import read_delimiter
from glmcli.batch.rows.placeholders import Placeholders
from glmcli.batch.rows.row import MalformedRow, Row
from glmcli.batch.rows.source import open_rows
from glmcli.batch.rows.validation import faults
from glmcli.console.stdin import Stdin
from glmcli.errors import InternalError, UsageError

settings.register_profile("glm", deadline=None, database=None, max_examples=150, derandomize=True)
settings.load_profile("glm")
MIB = 1024 * 1024
NAMED = "; --encoding NAME reads another"
ASKS_NOTHING = "asks nothing: it needs 'prompt', 'messages' or 'vars', or the request file a question of its own"


def no_stdin() -> Stdin:
    return Stdin(is_closed=True, deadline=math.inf, say=lambda _: None)


def opened(place, form=None, **more):
    return open_rows(str(place), form, no_stdin(), InputContext(**more))


def written(tmp_path, name, data):
    """A file of this name, opened."""
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return opened(tmp_path / name)


def parsed(form, data, **more):
    """The rows of a text under the name `in`."""
    return list(
        FORMATS[form].rows(iter([data if isinstance(data, bytes) else data.encode()]), InputContext("in", **more))
    )


def bad(line, why, data, name=None):
    """A MalformedRow of these bytes; `why` follows the name and the line."""
    data = data if isinstance(data, bytes) else data.encode()
    return MalformedRow(line, f"in:{line}{why}", sha256(data).hexdigest(), name)


def refused(form, data, **more):
    """The message of the one error."""
    with pytest.raises(UsageError) as caught:
        parsed(form, data, **more)
    return caught.value.message


# B12: one file that holds all


def nested(depth):
    return b'{"prompt":"x","deep":' + b"[" * depth + b"]" * depth + b"}"


HUGE = b'{"prompt":"' + b"x" * (16 * MIB) + b'"}'

# Line number -> its bytes, and the row, or why there is none. Blank lines have neither.
HORRORS = [
    (b'\xef\xbb\xbf{"id":"bom","prompt":"first"}\r\n', Row(1, id="bom", prompt="first")),
    (b"\n", None),
    (b" \t \r\n", None),
    (b'{"id":"nul","prompt":"a\0b"}\n', ": a NUL byte at offset 23; is this UTF-16? --encoding utf-16 reads it"),
    (b'{"id":"latin","prompt":"caf\xe9"}\n', ": not UTF-8: byte 0xe9 at offset 27; --encoding NAME reads another"),
    (b"[1, 2]\n", ": a row must be a mapping, not a list"),
    (b'"words"\n', ": a row must be a mapping, not a string"),
    (b"null\n", ": a row must be a mapping, not null"),
    (b'{"id":9,"prompt":"cut o\n', ":18: not valid JSON: unterminated string starting at"),
    (b'{"id":1,"id":2,"prompt":"x"}\n', ": key 'id' is set twice"),
    (b'{"prompt":"x","more":[{"a":1,"a":1}]}\n', ": key 'a' is set twice"),
    (b'{"prompt":"x","score":NaN}\n', ": JSON has no number NaN; quote it if it is text"),
    (b'{"prompt":"x","score":-Infinity}\n', ": JSON has no number -Infinity; quote it if it is text"),
    (b'{"prompt":"x","score":1e999}\n', ": a number is too large; quote it if it is text"),
    (b'{"prompt":"x","n":' + b"9" * 5000 + b"}\n", ": a number of 5000 characters; quote it if it is text"),
    (b'{"prompt":"half \\ud83d"}\n', r": a \u escape of half a character, without its other half"),
    (b'{"prompt":"x","\\udc00":1}\n', r": a \u escape of half a character, without its other half"),
    (b'{"prompt":"whole \\ud83d\\ude00"}\n', Row(18, prompt="whole 😀")),
    (nested(65) + b"\n", ": nested deeper than 64"),
    (nested(100_000) + b"\n", ": nested deeper than 64"),
    (nested(63) + b"\r\n", Row(21, prompt="x", columns={"deep": json.loads("[" * 63 + "]" * 63)})),
    ('{"prompt":"a\u2028b\u2029c\x85d\x0ce"}\n'.replace("\x0c", "").encode(), Row(22, prompt="a\u2028b\u2029c\x85de")),
    (b'{"id":"cr",\r"prompt":"x"}\n', Row(23, id="cr", prompt="x")),
    (b'{"prompt":"a\rb"}\n', ":13: not valid JSON: invalid control character at"),
    (HUGE + b"\r\n", f": longer than 16 MiB ({len(HUGE)} bytes)"),
    (b'{"prompt":"x"} {"prompt":"y"}\n', ":16: not valid JSON: extra data"),
    (b"{'prompt': 'x'}\n", ":2: not valid JSON: expecting property name enclosed in double quotes"),
    (b"{}\n", f": {ASKS_NOTHING}"),
    (b"prompt: x\n", ":1: not valid JSON: expecting value"),
    (b'{"id":"last","prompt":"no newline"}', Row(30, id="last", prompt="no newline")),
]


def test_B12_one_file_that_holds_all(tmp_path) -> None:
    expected = []
    for number, (data, row) in enumerate(HORRORS, 1):
        if isinstance(row, str):
            line = data.removesuffix(b"\n").removesuffix(b"\r")
            expected.append(MalformedRow(number, f"{tmp_path}/all.jsonl:{number}{row}", sha256(line).hexdigest()))
        elif row is not None:
            expected.append(row)
    source = written(tmp_path, "all.jsonl", b"".join(data for data, _ in HORRORS))
    assert list(source.rows()) == expected
    assert list(source.rows()) == expected  # it may be read again


def test_a_bad_row_keeps_its_id() -> None:
    assert parsed("jsonl", '{"id":"a","prompt":3}') == [
        bad(1, ": prompt must be a string, not a number (3); quote it", '{"id":"a","prompt":3}', "a")
    ]
    assert parsed("jsonl", '{"id":7}') == [bad(1, f": {ASKS_NOTHING}", '{"id":7}', "7")]


# JSON lines


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ('{"prompt":"x"}', Row(1, prompt="x")),
        ('{"id":"a","prompt":" x\\n"}', Row(1, id="a", prompt=" x\n")),
        ('{"id":12,"prompt":"x"}', Row(1, id="12", prompt="x")),
        ('{"id":-0,"prompt":"x"}', Row(1, id="0", prompt="x")),
        ('{"prompt":"x","label":null,"n":[1,{}]}', Row(1, prompt="x", columns={"label": None, "n": [1, {}]})),
        (
            '{"vars":{"a":"x","b":1.50,"c":true,"d":10000000000000000000000}}',
            Row(
                1,
                vars={"a": "x", "b": "1.5", "c": "true", "d": "10000000000000000000000"},
                columns={"vars": {"a": "x", "b": 1.5, "c": True, "d": 10**22}},
            ),
        ),
        ('{"prompt":"x","vars":{}}', Row(1, prompt="x", columns={"vars": {}})),
        (
            '{"messages":[{"role":"user","content":[{"type":"text","text":"x"}]}],"prompt":"y"}',
            Row(1, prompt="y", messages=({"role": "user", "content": "x"},)),
        ),
        (
            '{"custom_id":"c","method":"POST","url":"/v1/chat/completions","body":{"messages":[],"x":1},"tag":"t"}',
            Row(1, id="c", body={"messages": [], "x": 1}, columns={"tag": "t"}),
        ),
        (
            '{"custom_id":3,"method":"POST","url":"/v4/chat/completions","body":{"messages":[]}}',
            Row(1, id="3", body={"messages": []}),
        ),
        ('{"prompt":"x","method":"GET","body":"y"}', Row(1, prompt="x", columns={"method": "GET", "body": "y"})),
    ],
)
def test_a_json_line(line, row) -> None:
    assert parsed("jsonl", line) == [row]


def test_an_id_alone_is_a_row_where_the_request_file_asks() -> None:
    assert parsed("jsonl", '{"id":"a"}\n{}', complete=True) == [Row(1, id="a"), Row(2)]
    assert [type(row) for row in parsed("jsonl", '{"id":"a"}\n{}')] == [MalformedRow, MalformedRow]


def test_what_is_no_text_of_ours_is_not_in_the_message() -> None:
    (row,) = parsed("jsonl", '{"messages":"a secret"}')
    assert row.why == "in:1: messages must be a list, not a string"


@pytest.mark.parametrize("text", ['[\n  {"prompt":"x"}\n]\n', '\n {\n "prompt":"x"\n}\n'])
def test_one_json_text_over_many_lines(text) -> None:
    assert refused("jsonl", text) == "in is one JSON text over many lines, not one object a line"


def test_a_bracket_on_a_later_line_is_one_bad_row() -> None:
    assert [type(row) for row in parsed("jsonl", '{"prompt":"x"}\n[\n')] == [Row, MalformedRow]


# The schema, and the quick checks that say the same


def turns(*parts):
    return {"messages": [{"role": "user", "content": list(parts)}]}


def turn(**fields):
    return {"messages": [fields]}


def openai(**changes):
    return {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": []}} | changes


CHATS = (
    "/chat/completions",
    "/v1/chat/ds-test",
    "/api/paas/v4/chat/completions",
    "https://x.example/openai/deployments/a/chat/completions?api-version=2024-10-21",
)
NO_CHAT = "url must be that of a chat completion, as /v1/chat/completions: nothing else is asked here"

# A row -> the first fault that is found, or None.
JUDGED = [
    ({}, None),
    ({"id": "a", "prompt": "x", "anything": {"at": ["all"]}}, None),
    ({"id": 0, "vars": {"a": "", "_B2": 1.5, "c": False}}, None),
    ({"id": "x" * 512}, None),
    ({"id": "x" * 513}, "id must be 1 to 512 characters, none of them a control character"),
    ({"id": ""}, "id must be 1 to 512 characters, none of them a control character"),
    ({"id": "a\n"}, "id must be 1 to 512 characters, none of them a control character"),
    ({"id": "a\x85"}, "id must be 1 to 512 characters, none of them a control character"),
    ({"id": None}, "id must be a string or an integer, not null"),
    ({"id": True}, "id must be a string or an integer, not a boolean (true); quote it"),
    ({"id": 1.0}, "id must be a string or an integer, not a number (1.0); quote it"),
    ({"id": ["a"]}, "id must be a string or an integer, not a list"),
    ({"prompt": ""}, "prompt must be text, not only blanks"),
    ({"prompt": " \n\u3000"}, "prompt must be text, not only blanks"),
    ({"prompt": {}}, "prompt must be a string, not a mapping"),
    ({"vars": "a=b"}, 'vars must be a mapping, not a string ("a=b")'),
    ({"vars": {"a": None}}, "vars.a must be a string, a number or true or false, not null"),
    ({"vars": {"a": []}}, "vars.a must be a string, a number or true or false, not a list"),
    ({"messages": {}}, "messages must be a list, not a mapping"),
    ({"messages": []}, "messages must not be empty"),
    ({"messages": ["x"]}, 'messages[0] must be a mapping, not a string ("x")'),
    (turn(), "messages[0]: needs 'role' and 'content'"),
    (turn(role="user"), "messages[0]: needs 'content'"),
    (turn(content="x"), "messages[0]: needs 'role'"),
    (
        turn(role="usr", content=""),
        "messages[0].role must be one of system, user, assistant, not \"usr\", did you mean 'user'?",
    ),
    (turn(role=3, content="x"), "messages[0].role must be a string, not a number (3); quote it"),
    (turn(role="user", content="x", contents=1), "messages[0]: unknown key 'contents', did you mean 'content'?"),
    (turn(role="user", content=None), "messages[0].content must be a string or a list, not null"),
    (turn(role="user", content=[]), "messages[0].content must not be empty"),
    (turn(role="assistant", content="", reasoning="so"), None),
    (
        turn(role="assistant", content="x", reasoning=3),
        "messages[0].reasoning must be a string, not a number (3); quote it",
    ),
    (turn(role="assistant", content="x", partial=True), None),
    (turn(role="assistant", content="x", partial=1), "messages[0].partial must be true or false, not a number (1)"),
    (turn(role="user", content="x", partial=True), "messages[0].partial belongs to turns of the assistant only"),
    (turn(role="user", content="x", reasoning="so"), "messages[0].reasoning belongs to turns of the assistant only"),
    (turn(role="system", content="x", reasoning="so"), "messages[0].reasoning belongs to turns of the assistant only"),
    (turns({"type": "text", "text": ""}, {"type": "video", "url": "u"}, {"type": "file", "url": "u"}), None),
    (turns({"type": "image", "path": "p", "media_type": "image/png", "detail": "low"}), None),
    (turns({"type": "image", "url": "u"}), None),
    (turns(3), "messages[0].content[0] must be a mapping, not a number (3)"),
    (turns({}), "messages[0].content[0]: needs 'type'"),
    (turns({"text": "x"}), "messages[0].content[0]: needs 'type'"),
    (
        turns({"type": "imag"}),
        "messages[0].content[0].type must be one of text, image, video, file, not \"imag\", did you mean 'image'?",
    ),
    (turns({"type": []}), "messages[0].content[0].type must be one of text, image, video, file, not []"),
    (turns({"type": "text"}), "messages[0].content[0]: needs 'text'"),
    (turns({"type": "text", "text": 3}), "messages[0].content[0].text must be a string, not a number (3); quote it"),
    (turns({"type": "text", "text": "x", "url": "u"}), "messages[0].content[0]: unknown key 'url'"),
    (turns({"type": "image"}), "messages[0].content[0]: needs 'path' or 'url'"),
    (turns({"type": "image", "url": ""}), "messages[0].content[0].url must not be empty"),
    (
        turns({"type": "image", "url": "u", "path": "p"}),
        "messages[0].content[0].url and path are two places of one picture: leave one of them out",
    ),
    (turns({"type": "video", "path": "p"}), "messages[0].content[0]: needs 'url'"),
    ({"custom_id": "a"}, "needs 'body'"),
    ({"custom_id": "a", "body": {"messages": []}}, None),
    (
        {"custom_id": "a", "params": {"messages": []}},
        "params is how Anthropic's batches say what is asked: here it is body, in the form of a chat completion",
    ),
    (openai(params={}), None),
    ({key: value for key, value in openai().items() if key != "custom_id"}, "needs 'custom_id'"),
    (openai(url="/v4/chat/completions", id=None), None),
    (openai(custom_id=""), "custom_id must be 1 to 512 characters, none of them a control character"),
    (openai(method="GET"), 'method must be "POST", not "GET"'),
    *((openai(url=url), None) for url in CHATS),
    *(
        (openai(url=url), NO_CHAT)
        for url in ("/v1/embeddings", "/v1/responses", "/v1/completions", "", "/chat/x", "chat")
    ),
    (openai(url=None), "url must be a string, not null"),
    (openai(body=3), "body must be a mapping, not a number (3)"),
    (openai(body={}), "body: needs 'messages'"),
    (openai(body={"messages": "x"}), 'body.messages must be a list, not a string ("x")'),
]


def without_strings(fault):
    """What we say of it: nothing of what others wrote."""
    return re.sub(r'(not a string) \(".*"\)', r"\1", fault)


def judge(row):
    """What the schema has against a row, without the places."""
    document = documents.parse(json.dumps(row).encode(), "in")
    return {fault.split(": ", 1)[1] for fault in documents.faults(document, "batch-row")}


@pytest.mark.parametrize(("row", "fault"), JUDGED)
def test_what_is_wrong_with_a_row(row, fault) -> None:
    assert next(faults(row), None) == (without_strings(fault) if fault else None)
    assert judge(row) == set() if fault is None else fault in judge(row)


def test_the_schema_asks_for_the_wrong_thing_where_a_detail_is_wrong() -> None:
    """Ours are better here: the judge takes a constant that is wrong for the one that tells the alternatives apart."""
    row = turns({"type": "image", "url": "u", "detail": "big"})
    assert list(faults(row)) == ['messages[0].content[0].detail must be one of auto, low, high, not "big"']
    assert judge(row)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.sampled_from(["", " ", "x", "a\nb", "user"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "1", "type"]), inner, max_size=2),
    max_leaves=4,
)


def perhaps(**fields):
    """A mapping with some of these fields, and now and then a value that does not belong there."""
    return st.fixed_dictionaries({}, optional={name: rule | JSON_VALUES for name, rule in fields.items()})


IDS = st.text(max_size=3) | st.integers(-(2**63), 2**64 - 1) | st.sampled_from(["x" * 512, "x" * 513, "\x7f"])
PARTS = perhaps(
    type=st.sampled_from(["text", "image", "video", "file", "audio"]),
    text=st.just("x"),
    url=st.just("u"),
    path=st.just("p"),
    detail=st.sampled_from(["low", "big"]),
    media_type=st.just("image/png"),
)
TURNS = perhaps(
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=st.text(max_size=3) | st.lists(PARTS | JSON_VALUES, max_size=3),
    reasoning=st.just("so"),
    partial=st.booleans(),
    name=st.just("x"),
)
ROWS = perhaps(
    id=IDS,
    prompt=st.text(max_size=3),
    messages=st.lists(TURNS | JSON_VALUES, max_size=3),
    vars=st.dictionaries(st.sampled_from(["a", "_1", "1", "é", ""]), JSON_VALUES, max_size=2),
    label=JSON_VALUES,
    method=st.sampled_from(["POST", "GET"]),
) | perhaps(
    custom_id=IDS,
    method=st.sampled_from(["POST", "GET"]),
    url=st.sampled_from([*CHATS, "/v1/embeddings", "/v1/chat/completions\n"]),
    params=JSON_VALUES,
    body=perhaps(messages=st.lists(JSON_VALUES, max_size=1), model=st.just("glm-5")),
    id=IDS,
)


@settings(max_examples=400)
@given(ROWS)
@example(turns({"type": "image", "url": "u", "path": "p"}))
def test_the_quick_checks_and_the_schema_agree(row) -> None:
    said = {without_strings(fault) for fault in judge(row)}
    ours = list(faults(row))
    assert bool(ours) == bool(said)
    if not any(".detail must be" in fault for fault in ours):
        assert set(ours) <= said


def test_the_schema_is_sound_and_explained() -> None:
    schema = documents.load_schema("batch-row")
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == "https://glmcli.invalid/schemas/batch-row.schema.json"
    for shape in schema["$defs"].values():
        assert shape["description"].endswith(".")
        assert all(rule["description"].endswith(".") for rule in shape["properties"].values())


def test_turns_are_those_of_a_request_file() -> None:
    ours = documents.load_schema("batch-row")["$defs"]["row"]["properties"]
    theirs = documents.load_schema("request")["properties"]
    assert ours["messages"]["items"] == theirs["messages"]["items"]


# Text


def test_a_prompt_a_line() -> None:
    data = "\ufeffWho?\r\n\n \t\n  two  \n\u3000\na\rb\x0bc\u2028d\x85e\n{x}\n"
    assert parsed("text", data.encode().removeprefix(b"\xef\xbb\xbf")) == [
        Row(1, text="Who?"),
        Row(4, text="  two  "),
        Row(6, text="a\rb\x0bc\u2028d\x85e"),
        Row(7, text="{x}"),
    ]


def test_a_line_that_is_no_text() -> None:
    assert parsed("text", b"one\n\xff\xfe\r\nt\0wo\nthree") == [
        Row(1, text="one"),
        bad(2, ": not UTF-8: byte 0xff at offset 0; --encoding NAME reads another", b"\xff\xfe"),
        bad(3, ": a NUL byte at offset 1; is this UTF-16? --encoding utf-16 reads it", b"t\0wo"),
        Row(4, text="three"),
    ]


# Tables


def test_csv_with_quoted_newlines(tmp_path) -> None:
    data = (
        'id,question,"a ""b"""\r\na,"one\r\n\r\ntwo, ""2""",x\r\n\r\n  \r\nb,plain,\r\n"c",\u2028,"'
        + "y" * 200_000
        + '"'
    )
    source = written(tmp_path, "in.csv", "\ufeff" + data)
    assert list(source.rows()) == [
        Row(
            2,
            id="a",
            columns={"id": "a", "question": 'one\n\ntwo, "2"', 'a "b"': "x"},
        ),
        Row(7, id="b", columns={"id": "b", "question": "plain", 'a "b"': ""}),
        Row(
            8,
            id="c",
            columns={"id": "c", "question": "\u2028", 'a "b"': "y" * 200_000},
        ),
    ]


def test_records_that_are_wrong_and_those_between() -> None:
    data = [
        b"id,q",
        b"1,x",
        b"2",
        b"3,x,y",
        b",x",
        b'5,"x"y',
        b"6,caf\xe9",
        b"7,a\0b",
        b"8,a\rb",
        b'9,"line',
        b'two"x',
        b'"\xff',
        b'",x',
        b"10,x",
        b'11,"never',
        b"closed",
    ]
    assert parsed("csv", b"\n".join(data)) == [
        Row(2, id="1", columns={"id": "1", "q": "x"}),
        bad(3, ": 1 field, but the header has 2", b"2"),
        bad(4, ": 3 fields, but the header has 2; a field that has the separator in it stands in quotes", b"3,x,y"),
        bad(5, ": id must be 1 to 512 characters, none of them a control character", b",x"),
        bad(6, ': text behind a closing quote; inside quotes a quote is written twice ("")', b'5,"x"y'),
        bad(7, ": not UTF-8: byte 0xe9 at offset 5; --encoding NAME reads another", b"6,caf\xe9"),
        bad(8, ": a NUL byte at offset 3; is this UTF-16? --encoding utf-16 reads it", b"7,a\0b"),
        bad(9, ": a carriage return outside quotes", b"8,a\rb"),
        bad(
            10,
            ': text behind a closing quote; inside quotes a quote is written twice ("") (it ends on line 11)',
            b'9,"line\ntwo"x',
        ),
        bad(
            12, ": not UTF-8: byte 0xff at offset 1; --encoding NAME reads another (it ends on line 13)", b'"\xff\n",x'
        ),
        Row(14, id="10", columns={"id": "10", "q": "x"}),
        bad(15, ": a quote is never closed (it ends on line 16)", b'11,"never\nclosed'),
    ]


def test_a_column_of_prompts() -> None:
    data = "prompt,id\nWho?,a\n ,b"
    both = {"prompt": "Who?", "id": "a"}
    assert parsed("csv", data) == [
        Row(2, id="a", prompt="Who?", columns=both),
        bad(3, ": prompt must be text, not only blanks", " ,b", "b"),
    ]
    blank = {"prompt": " ", "id": "b"}
    wanted = Placeholders(names={"system": frozenset({"prompt"})})
    assert parsed("csv", data, placeholders=wanted) == [
        Row(2, id="a", prompt="Who?", columns=both),
        Row(3, id="b", prompt=" ", columns=blank),
    ]


def test_tsv(tmp_path) -> None:
    source = written(tmp_path, "in.TSV", 'a\tb\n1,2\t5" pipe\n"x\ty"\t\n')
    assert [row.columns for row in source.rows()] == [{"a": "1,2", "b": '5" pipe'}, {"a": "x\ty", "b": ""}]


@pytest.mark.parametrize("form", ["csv", "tsv"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("\na\n", None),
        ('"a\n', "in:1: a quote is never closed (in the header)"),
        (b"a\xff\n", "in:1: not UTF-8: byte 0xff at offset 1; --encoding NAME reads another (in the header)"),
    ],
)
def test_a_header(form, data, message) -> None:
    if message is None:
        assert parsed(form, data) == []
    else:
        assert refused(form, data) == message


def test_two_columns_of_one_name() -> None:
    assert refused("csv", "\na,b,a\n1,2,3\n") == "in:2: two columns are called 'a'"
    assert refused("csv", "caf\u00e9,cafe\u0301\n") == "in:1: two columns are called 'café'"


def test_columns_without_names_before_others() -> None:
    """As pandas writes an index of several levels."""
    rows = parsed("csv", ",,q\na,1,x\n,,q\nb,2,y\n")
    assert [row.columns for row in rows] == [
        {"column 1": "a", "column 2": "1", "q": "x"},
        {"column 1": "b", "column 2": "2", "q": "y"},
    ]
    assert parsed("csv", ",q\n0,x\n")[0].columns == {"": "0", "q": "x"}


def test_an_open_quote_does_not_swallow_the_file() -> None:
    data = 'a,b\n1,x\n2,"open\n' + ("3," + "y" * 1021 + "\n") * 17 * 1024
    rows = FORMATS["csv"].rows(iter([data.encode()]), InputContext("in"))
    assert next(rows) == Row(2, columns={"a": "1", "b": "x"})
    with pytest.raises(UsageError, match=r"^in:3: a record longer than 16 MiB begins here$"):
        next(rows)


# YAML


YAML = """\
# a comment
%YAML 1.2
---
id: a
prompt: |
  two
  lines

--- # the next
{id: 2, vars: {n: 010, b: true}, label: [x]}
---
---
# nothing but a comment
...

---
id: a: b
--- {id: 3, id: 4}
---
null
---\tprompt: tab
---text
---
- x
--- >
 text
---
messages:
- role: usr
  content: x
...
prompt: "last\\u2028\u2028"
"""


def test_a_document_a_row(tmp_path) -> None:
    source = written(tmp_path, "in.yml", YAML)
    name = source.name
    rows = list(source.rows())
    assert [row if isinstance(row, Row) else (row.line, row.why.removeprefix(name)) for row in rows] == [
        Row(1, id="a", prompt="two\nlines\n"),
        Row(9, id="2", vars={"n": "10", "b": "true"}, columns={"vars": {"n": 10, "b": True}, "label": ["x"]}),
        (16, ":17:6: not valid YAML: mapping values are not allowed in this context (quote a value that holds ': ')"),
        (18, ":18:13: key 'id' is already set on line 18"),
        (19, ":19: a row must be a mapping, not null"),
        (21, ":21:11: not valid YAML: mapping values are not allowed in this context (quote a value that holds ': ')"),
        (23, ":23: a row must be a mapping, not a list"),
        (25, ":25: a row must be a mapping, not a string"),
        (27, ":27: messages[0].role must be one of system, user, assistant, not \"usr\", did you mean 'user'?"),
        Row(32, prompt="last\u2028\u2028"),
    ]
    assert rows[3].digest == sha256(b"--- {id: 3, id: 4}\n").hexdigest()


def test_documents_that_are_too_large() -> None:
    large = "prompt: " + "x" * MIB + "\n"
    huge = b"prompt: " + b"x" * 17 * MIB
    rows = parsed("yaml", f"---\n{large}---\nprompt: a\n---\n".encode() + huge + b"\nid: b\n---\nprompt: c\n")
    assert rows == [
        bad(1, f": larger than 1 MiB ({len(large) + 4} bytes)", f"---\n{large}"),
        Row(3, prompt="a"),
        bad(6, f": longer than 16 MiB ({len(huge)} bytes)", huge),
        Row(8, prompt="c"),
    ]


# Files


def test_files_as_rows(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    (tmp_path / "folder").mkdir()
    files = {
        "a.txt": b"\xef\xbb\xbfone\r\n\0",
        "-": b"two",
        " b ": "drei\u2028".encode(),
        "é": b"4",
        "latin": b"caf\xe9",
    }
    files |= {"empty": b" \n", "large": b"x" * (32 * MIB + 1), "most": b"y" * 32 * MIB, "secret": b"x"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    paths = [b"./a.txt", b"-", b"", b" b ", "é".encode(), b"latin", b"empty", b"large", b"most", b"none", b"folder"]
    paths += [b"fifo", b"/dev/null", b"a\nb", b"\xff", b"x" * 512]

    def row(line, path, text):
        return Row(line, id=path, text=text, vars={"path": path}, columns={"path": path})

    expected = [
        row(1, "./a.txt", "one\r\n\0"),
        row(2, "-", "two"),
        row(4, " b ", "drei\u2028"),
        row(5, "é", "4"),
        bad(6, ": latin is not UTF-8 (byte 0xE9 at 3)", "latin", "latin"),
        bad(7, ": empty is empty", "empty", "empty"),
        bad(8, ": large is larger than 32 MiB", "large", "large"),
        row(9, "most", "y" * 32 * MIB),
        bad(10, ": cannot read none: No such file or directory", "none", "none"),
        bad(11, ": cannot read folder: Is a directory", "folder", "folder"),
        bad(12, ": fifo is no regular file", "fifo", "fifo"),
        bad(13, ": /dev/null is no regular file", "/dev/null", "/dev/null"),
        bad(14, ": the path must be 1 to 512 characters, none of them a control character", "a\nb"),
        bad(15, ": the path is not UTF-8 (byte 0xFF at 0)", b"\xff"),
        bad(16, ": cannot read " + "x" * 512 + ": File name too long", "x" * 512, "x" * 512),
    ]
    rows = parsed("files", b"\0".join(paths))
    assert [part.line for part in rows] == [part.line for part in expected]
    for found, wanted in zip(rows, expected, strict=True):
        assert found == wanted
    assert parsed("files", b"\0".join(paths) + b"\0") == rows


def test_a_file_is_read_when_its_row_is_reached(tmp_path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    paths[0].write_text("one")
    rows = FORMATS["files"].rows(iter([b"".join(bytes(path) + b"\0" for path in paths)]), InputContext("in"))
    assert next(rows).text == "one"
    paths[1].write_text("two")
    assert next(rows).text == "two"


@pytest.mark.parametrize("data", ["a\nb\n", "a\n", "x" * 17 * MIB])
def test_a_list_without_nul(data) -> None:
    assert refused("files", data) == "in: no NUL between the paths, only newlines, which a path may hold itself"


def test_one_path_without_nul(tmp_path) -> None:
    (tmp_path / "a").write_text("one")
    assert parsed("files", str(tmp_path / "a"))[0].text == "one"


# Encodings, marks, separators


CR_ALONE = ": lines end with a carriage return alone"
UTF_16 = "reads it; or iconv -f UTF-16 -t UTF-8 FILE"
ORDER = "its bytes are in the other order"
TEXTS = "jq -c '.[] | {prompt: .}' FILE makes a row of each text"
LISTS = "jq -c '.[]' FILE makes lines of a list, and jq -c . FILE of objects"


CHINESE = '{"prompt":"你是谁"}\n{"prompt":"联通"}\n'
OTHER = "--encoding NAME reads it, as gb18030 (Chinese) or cp1252 (Western Europe); or iconv -f NAME -t UTF-8 FILE"


def opened_as(tmp_path, name, data, **more):
    (tmp_path / name).write_bytes(data)
    return opened(tmp_path / name, **more)


@pytest.mark.parametrize("encoding", ["gbk", "GB18030", "utf-16", "utf_16_le", "UTF-16BE", "utf-32", "utf-7", "utf-8"])
@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("a.jsonl", CHINESE, [Row(1, prompt="你是谁"), Row(2, prompt="联通")]),
        ("a.txt", "你\r\n\n谁", [Row(1, text="你"), Row(3, text="谁")]),
        ("a", CHINESE, [Row(1, prompt="你是谁"), Row(2, prompt="联通")]),
        ("a.csv", 'q;n\n"a\n你";1', [Row(2, columns={"q": "a\n你", "n": "1"})]),
        ("a.yaml", "prompt: 你\n---\nprompt: 谁\n", [Row(1, prompt="你"), Row(2, prompt="谁")]),
    ],
)
def test_encodings(tmp_path, encoding, name, text, rows) -> None:
    source = opened_as(tmp_path, name, text.encode(encoding), encoding=encoding)
    assert list(source.rows()) == rows
    assert list(source.rows()) == rows


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "gb18030"])
def test_encodings_however_they_are_cut(encoding) -> None:
    data = f"\ufeff{CHINESE}".encode(encoding)
    for size in (1, 2, 3, 7):
        pieces = Pieces([data[at : at + size] for at in range(0, len(data), size)])
        rows = open_rows("-", None, pieces, InputContext(encoding=encoding)).rows()
        assert [row.prompt for row in rows] == ["你是谁", "联通"]


def test_a_row_that_is_broken_in_its_encoding(tmp_path) -> None:
    data = '{"prompt":"你"}\n{"prompt":"'.encode("gbk") + b'\xff"}\n' + '{"prompt":"谁"}\n'.encode("gbk")
    first, second, third = opened_as(tmp_path, "a.jsonl", data, encoding="gbk").rows()
    assert (first.prompt, second.why, third.prompt) == (
        "你",
        f"{tmp_path}/a.jsonl:2: not gbk after 11 characters",
        "谁",
    )


def test_files_in_another_encoding(tmp_path) -> None:
    for name, data in {"a": "你".encode("gbk"), "b": b"\xff"}.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "list").write_text(f"{tmp_path}/a\0{tmp_path}/b\0")
    good, bad_row = opened(tmp_path / "list", "files", encoding="gbk").rows()
    assert good.text == "你"
    assert bad_row.why.endswith("/b is not gbk (byte 0xFF at 0)")


@pytest.mark.parametrize("name", ["hex", "rot13", "idna", "undefined", "klingon", "a\u00e9", "unicode_escape"])
def test_what_is_no_encoding(tmp_path, name) -> None:
    with pytest.raises(UsageError, match=rf"^--encoding {name}: Python knows no such encoding$"):
        opened_as(tmp_path, "a.txt", b"x", encoding=name)


@pytest.mark.parametrize(
    ("data", "encoding", "message", "fix"),
    [
        (CHINESE.encode("gbk"), "", ":1: not UTF-8 (byte 0xc4)", OTHER),
        ("café\n".encode("cp1252") * 2, "", ":1: not UTF-8 (byte 0xe9)", OTHER),
        ("one\ncafé\nthree\nthé".encode("cp1252"), "", ":2: not UTF-8 (byte 0xe9)", OTHER),
        (b"\xff\n\xff\n", "gbk", ":1: not gbk", OTHER),
        (
            "\ufeffWho?".encode("utf-16-le"),
            "",
            " is UTF-16",
            "--encoding utf-16 reads it; or iconv -f UTF-16 -t UTF-8 FILE",
        ),
        (
            "Who?".encode("utf-16-be"),
            "",
            " is UTF-16",
            "--encoding utf-16-be reads it; or iconv -f UTF-16 -t UTF-8 FILE",
        ),
        (
            "\ufeffWho?".encode("utf-16-be"),
            "utf-16-le",
            " is not utf-16-le: its bytes are in the other order",
            "--encoding utf-16",
        ),
        ("\ufeffWho?".encode("utf-16-be"), "gbk", " is UTF-16, and --encoding says gbk", None),
        ("\ufeffWho?".encode(), "gbk", " is UTF-8, and --encoding says gbk", "leave it out"),
    ],
)
def test_a_file_that_is_in_another_encoding_as_a_whole(data, encoding, message, fix) -> None:
    for size in (1, 2, 5, 1000):
        pieces = Pieces([data[at : at + size] for at in range(0, len(data), size)])
        with pytest.raises(UsageError) as caught:
            list(open_rows("-", "text", pieces, InputContext(encoding=encoding)).rows())
        assert caught.value.message == f"<stdin>{message}"
        assert fix is None or caught.value.fix == fix


def test_single_lines_that_are_broken(tmp_path) -> None:
    """One among good ones is that line's fault, and so are many where another shows that the file is UTF-8."""
    good, broken = "thé\n".encode(), b"caf\xe9\n"
    for lines_of, wanted in {
        (b"one\n", broken, b"three\n"): [Row, MalformedRow, Row],
        (good, broken, broken): [Row, MalformedRow, MalformedRow],
        (broken, good, good): [MalformedRow, Row, Row],
    }.items():
        kinds = [type(row) for row in opened_as(tmp_path, "a.txt", b"".join(lines_of)).rows()]
        assert kinds == wanted


def test_marks_of_joined_files() -> None:
    said = []
    data = '\ufeff{"prompt":"a"}\r\n\ufeff{"prompt":"b\ufeff"}\n\ufeff\ufeff{"prompt":"c"}'.encode()
    for size in (1, 2, 3, 4, 5, 1000):
        pieces = Pieces([data[at : at + size] for at in range(0, len(data), size)])
        source = open_rows("-", "jsonl", pieces, InputContext(note=said.append))
        assert [(row.line, row.prompt) for row in source.rows()] == [(1, "a"), (2, "b\ufeff"), (3, "c")]
    assert said == ["<stdin>: byte order marks at the beginning of lines are skipped; were files joined?"] * 6


def table(tmp_path, data, **more):
    """The columns of each row of a table, and what is remarked of it."""
    said: list[str] = []
    source = opened_as(tmp_path, "t.csv", data.encode(), note=said.append, **more)
    name = f"{tmp_path}/t.csv"
    rows = [row.columns if isinstance(row, Row) else row.why.removeprefix(name) for row in source.rows()]
    assert len(list(source.rows())) == len(rows)
    return rows, [text.removeprefix(name) for text in said]


ONE = [{"id": "1", "prompt": "a, b"}]
BAD_FIELDS = ":2: 2 fields, but the header has 3"
SEMICOLON = [": a semicolon separates its columns (--delimiter says otherwise)"]


@pytest.mark.parametrize(
    ("data", "rows", "said"),
    [
        ("id;prompt\r\n1;a, b\r\n", ONE, SEMICOLON),
        ("id;prompt", [], SEMICOLON),
        ("\r\n\nid;prompt\n1;a, b\n", ONE, SEMICOLON),
        ('"id";"prompt"\n"1";"a, b"\n', ONE, SEMICOLON),
        ("id\tprompt\n1\ta, b\n", ONE, [": a tab separates its columns (--delimiter says otherwise)"]),
        ("id|prompt\n1|a, b\n", ONE, [": | separates its columns (--delimiter says otherwise)"]),
        ("sep=;\r\nid;prompt\r\n1;a, b\r\n", ONE, []),
        ('"sep=|"\nid|prompt\n1|a, b\n', ONE, []),
        ("SEP=\t\nid\tprompt\n1\ta, b\n", ONE, []),
        ('id,prompt\n1,"a, b"\n', ONE, []),
        ('id,prompt,"x;y|z"\n1,"a, b",2\n', [{**ONE[0], "x;y|z": "2"}], []),
        ('id;prompt;"x,y"\n1;a, b;2\n', [{**ONE[0], "x,y": "2"}], SEMICOLON),
        ("id;prompt;x,y\n1;a, b;2\n", [{**ONE[0], "x,y": "2"}], SEMICOLON),
        ('id,prompt,x;y\n1,"a, b",2\n', [{**ONE[0], "x;y": "2"}], []),
        ("question\na; b\n", [{"question": "a; b"}], []),
        ('5" pipe,prompt\n1,"a"\n', [{'5" pipe': "1", "prompt": "a"}], []),
        ('"id\nx";prompt\n1;"a\nb"\n', [{"id\nx": "1", "prompt": "a\nb"}], SEMICOLON),
        ("id;prompt;;\n1;a, b;;\n;;;\n\n", ONE, SEMICOLON),
        ("id;prompt;\n1;a, b\n1;a, b;x\n", [BAD_FIELDS, {**ONE[0], "": "x"}], SEMICOLON),
        ("id,prompt\r1,x\r2,y\r", [{"id": "1", "prompt": "x"}, {"id": "2", "prompt": "y"}], [CR_ALONE]),
        ('\rid;prompt\r1;"a\rb"\r', [{"id": "1", "prompt": "a\nb"}], [CR_ALONE, *SEMICOLON]),
        (
            "\ufeffid,prompt\n1,a\n\ufeffid,prompt\n2,b\n",
            [{"id": "1", "prompt": "a"}, {"id": "2", "prompt": "b"}],
            [
                ": byte order marks at the beginning of lines are skipped; were files joined?",
                ":3: the header again is no row",
            ],
        ),
    ],
)
def test_how_a_table_is_written_is_seen_by_its_header(tmp_path, data, rows, said) -> None:
    assert table(tmp_path, data) == (rows, said)


@pytest.mark.parametrize(
    ("data", "delimiter", "rows"),
    [
        ("id;prompt\n1;a, b\n", ";", ONE),
        ("id\tprompt\n1\ta, b\n", "tab", ONE),
        ("id\tprompt\n1\ta, b\n", r"\t", ONE),
        ("id~prompt\n1~a, b\n", "~", ONE),
        ("id\u3000prompt\n1\u3000a, b\n", "\u3000", ONE),
        ("prompt;x\na\n", ",", [{"prompt;x": "a"}]),
        ("sep=;\nid;prompt\n1;a, b\n", ";", ONE),
    ],
)
def test_the_delimiter_that_is_said_counts(tmp_path, data, delimiter, rows) -> None:
    assert table(tmp_path, data, delimiter=delimiter, complete=True) == (rows, [])


def test_a_delimiter_makes_a_table(tmp_path) -> None:
    """Of what has no name, or one of a text; not of what is said to be something else."""
    (row,) = open_rows("-", None, Pieces([b"id~prompt\n1~x\n"]), InputContext(delimiter="~")).rows()
    assert row.prompt == "x"
    (row,) = opened_as(tmp_path, "a.txt", b"prompt~q\nx~y\n", delimiter="~").rows()
    assert row.prompt == "x"
    for name, form in (("a.jsonl", None), ("a.csv", "text")):
        (tmp_path / name).write_text("x")
        with pytest.raises(UsageError, match=r"--delimiter separates the columns of a table, and .* is (jsonl|text)$"):
            opened(tmp_path / name, form, delimiter=";")


def test_a_table_that_is_not_what_its_name_says(tmp_path) -> None:
    for text, columns in (("id;q\n1;a\tb\n", {"id": "1", "q": "a\tb"}), ("q\ta;b,c\n1\t2\n", {"q": "1", "a;b,c": "2"})):
        (row,) = opened_as(tmp_path, "t.tsv", text.encode()).rows()
        assert row.columns == columns
    (row,) = opened_as(tmp_path, "t.tsv", b"q\na, b\n").rows()
    assert row.columns == {"q": "a, b"}


def test_a_text_of_one_line_with_carriage_returns() -> None:
    assert refused("text", "one\rtwo") == "in has no newlines, only carriage returns"
    assert parsed("text", "one\r") == [Row(1, text="one\r")]
    assert parsed("text", "one\rtwo\n") == [Row(1, text="one\rtwo")]


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\r", "\n"])
def test_what_cannot_separate_columns(delimiter) -> None:
    with pytest.raises(UsageError, match=r"(?s)^--delimiter .*: not one character$"):
        read_delimiter(delimiter)


def test_a_header_with_two_separators_and_no_name_that_is_wanted() -> None:
    assert refused("csv", "a;b,c\n1;2,3\n") == "in: a comma and a semicolon in the header may each separate its columns"
    wanted = Placeholders({"prompt": frozenset(["c"])})
    assert parsed("csv", "a;b,c\n1;2,3\n", complete=True, placeholders=wanted)[0].columns == {"a;b": "1;2", "c": "3"}


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ('[{"prompt":"x"},{"prompt":"y"}]\n', "in is one JSON list, not one object a line", LISTS),
        ('\n [{"prompt":"x"}]', "in is one JSON list, not one object a line", LISTS),
        (
            '["x","y"]',
            "in is one JSON list, not one object a line",
            "jq -c '.[] | {prompt: .}' FILE makes a row of each text",
        ),
        ("[]\n", "in is one JSON list, not one object a line", LISTS),
        ('[{"prompt":"x"},\n{"prompt":"y"}]\n', "in is one JSON text over many lines, not one object a line", LISTS),
        (f'[{{"prompt":"{"x" * 17 * MIB}"}}]', "in is one JSON list, not one object a line", LISTS),
    ],
)
def test_one_json_list(text, message, fix) -> None:
    with pytest.raises(UsageError) as caught:
        parsed("jsonl", text)
    assert (caught.value.message, caught.value.fix) == (message, fix)


# The bytes, however they are cut


SAMPLES = {
    "jsonl": b'\xef\xbb\xbf{"id":1,"prompt":"\xc3\xa9"}\r\n\n[\r\n{"prompt":"\xff"}\n{"a":1\r\r\n{"vars":{"a":1}}',
    "text": b"\xef\xbb\xbfone\r\n\r\n\r\r\ntwo\xe2\x80\xa8\n \nthr\xffee\n\0\nlast\r",
    "csv": b'\xef\xbb\xbfid,q\r\n1,"a\r\n\r\nb"\r\n\r\n2,"x"y\r\n3\r\n4,\xff\r\n,x\r\n5,""""\r\n6,"open\r\n',
    "csv of Europe": b'\xef\xbb\xbfsep=;\r\nid;"q"\r\n1;a, b\r\nid;q\r\n\xef\xbb\xbf2;"x\r\n\xc3\xa9"\r\n3;x;y',
    "csv of a Mac": b'\rid|"q|\r"|x\r1|a|"\r\r"\r2|b\xc3\xa9|c\r\n3|b|',
    "tsv": b'id\tq\n1\t"a\n\nb"\n2\tx\ty\n3\t\r\n4\t"o\np',
    "yaml": b"\xef\xbb\xbf# x\r\n---\r\nprompt: |\r\n a\r\n\r\n b\r\n--- {id: 1, id: 2}\n...\n\n---\n- x\n---\na: \xff",
    "files": b"/nowhere\0\0/a\nb\0\xff\0/dev/null",
}


def cut(data, cuts):
    """The same data in pieces."""
    places = sorted({min(place, len(data)) for place in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@pytest.mark.parametrize("form", [*SAMPLES, None])
def test_every_cut_gives_the_same_rows(form) -> None:
    data = SAMPLES[form or "jsonl"]
    form = form and form.split()[0]
    whole = outcome(form, [data])
    assert len(whole) > 2
    assert outcome(form, [data[at : at + 1] for at in range(len(data))]) == whole
    for at in range(len(data)):
        assert outcome(form, cut(data, [at])) == whole

    @given(st.lists(st.integers(0, len(data)), max_size=12))
    def same(cuts):
        assert outcome(form, cut(data, cuts)) == whole

    same()


def outcome(form, pieces):
    """The rows of stdin, which comes in these pieces."""
    source = open_rows("-", form, Pieces(pieces), InputContext())
    return list(source.rows())


class Pieces:
    """A stdin that gives just these."""

    def __init__(self, pieces) -> None:
        self._pieces = pieces

    def file_offset(self, _owner) -> None:
        """It is no file."""

    def chunks(self, _owner):
        return iter(self._pieces)


def reference(data, limit, end):
    """What `lines` does, said in another way."""
    found = []
    parts = data.split(end)
    for number, part in enumerate(parts, 1):
        ended = number < len(parts)
        if not (part or ended):
            continue
        line = part.removesuffix(b"\r") if ended and end == b"\n" else part
        if len(line) <= limit:
            found.append(Line(number, line, ended))
        else:
            found.append(LongLine(number, len(line), sha256(line).hexdigest(), ended))
    return found


@settings(max_examples=1000)
@given(
    st.lists(st.sampled_from([b"\n", b"\r", b"\0", b"a", b"\r\n", b"bcd", b"\xff"]), max_size=30).map(b"".join),
    st.lists(st.integers(0, 60), max_size=12),
    st.integers(1, 8),
    st.sampled_from([b"\n", b"\0"]),
)
def test_lines(data, cuts, limit, end) -> None:
    assert list(lines(cut(data, cuts), limit, end)) == reference(data, limit, end)


@pytest.mark.parametrize("more", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [16 * MIB, 16 * MIB + 1, 16 * MIB + 2])
def test_the_longest_line(size, more) -> None:
    (line,) = lines([b"x" * size, more])
    assert isinstance(line, Line) == (size == 16 * MIB)


# Where it comes from


@pytest.mark.parametrize(
    ("name", "data", "row"),
    [
        ("a.jsonl", '{"prompt":"x"}', Row(1, prompt="x")),
        ("a.ndjson", '{"prompt":"x"}', Row(1, prompt="x")),
        ("a.JSON", '{"prompt":"x"}', Row(1, prompt="x")),
        ("a.txt", '{"prompt":"x"}', Row(1, text='{"prompt":"x"}')),
        ("a.csv", "q\nx", Row(2, columns={"q": "x"})),
        ("a.tsv", "q\nx", Row(2, columns={"q": "x"})),
        ("a.yaml", "prompt: x", Row(1, prompt="x")),
        ("a.yml", "prompt: x", Row(1, prompt="x")),
        ("a", '\n \t{"prompt":"x"}', Row(2, prompt="x")),
        ("a.log", "prompt: x", Row(1, text="prompt: x")),
        ("csv", "[x]", Row(1, text="[x]")),
        ("a", "[", Row(1, text="[")),
        ("a", '["x"]', Row(1, text='["x"]')),
        ("a.gz", "\ufeff\n" + " " * 200_000 + '{"prompt":"x"}', Row(2, prompt="x")),
    ],
)
def test_the_form_follows_the_name_or_the_first_byte(tmp_path, name, data, row) -> None:
    assert list(written(tmp_path, name, data).rows()) == [row]


@pytest.mark.parametrize("cut", [1, 2, 3, 100])
def test_a_list_of_objects_is_not_sent_line_by_line(cut) -> None:
    """As `jq .` prints it, and without a name that says what it is."""
    data = b'[\n  {\n    "prompt": "x"\n  }\n]\n'
    pieces = Pieces([data[at : at + cut] for at in range(0, len(data), cut)])
    with pytest.raises(UsageError, match=r"^<stdin> is one JSON text over many lines, not one object a line$"):
        list(open_rows("-", None, pieces, InputContext()).rows())


def test_every_format_is_offered(glm) -> None:
    offered = "|".join(name for name in FORMATS if name != "files")
    for command in ("run", "merge"):
        assert offered in glm("batch", command, "--help").text


def test_the_form_that_is_said_counts(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("q\nx\n")
    assert list(opened(tmp_path / "a.csv", "text").rows()) == [Row(1, text="q"), Row(2, text="x")]
    with pytest.raises(UsageError, match=r"^'json' is not a format of rows: jsonl, text, csv, tsv, yaml, files$"):
        opened(tmp_path / "a.csv", "json")


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a.yaml", "a.csv", "a.tsv", "a"])
def test_an_empty_file_has_no_rows(tmp_path, name) -> None:
    assert list(written(tmp_path, name, "").rows()) == []
    assert list(written(tmp_path, name, "\ufeff").rows()) == []


def test_utf_16_is_refused_as_a_whole(tmp_path) -> None:
    for codec in ("utf-16-le", "utf-16-be"):
        source = written(tmp_path, "a.jsonl", '\ufeff{"prompt":"x"}\n'.encode(codec))
        with pytest.raises(UsageError, match=r"a\.jsonl is UTF-16$"):
            list(source.rows())


@pytest.mark.parametrize(
    ("data", "message", "fix"),
    [
        (gzip.compress(b"Who?\n", mtime=0), "is compressed", "gzip -dc FILE | glm batch run -"),
        (bz2.compress(b"Who?\n"), "is compressed", "bzip2 -dc FILE | glm batch run -"),
        (lzma.compress(b"Who?\n"), "is compressed", "xz -dc FILE | glm batch run -"),
        (b"\x28\xb5\x2f\xfd\x04\nWho?\n", "is compressed", "zstd -dc FILE | glm batch run -"),
        (b"PK\x03\x04\x14\nxl/workbook.xml\n", "is a ZIP archive, as .xlsx and .ods are", "save the table as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\nx\n", "is an office document, as .xls is", "save the table as CSV"),
        (b"PAR1\nx\nPAR1", "is Parquet", "write it as JSON lines"),
        (b"%PDF-1.7\nx\n", "is a PDF", "write its questions as text, one a line"),
        ("\ufeffWho?".encode("utf-32-le"), "is UTF-32", "--encoding utf-32 reads it; or iconv -f UTF-32 -t UTF-8 FILE"),
    ],
)
@pytest.mark.parametrize("name", ["in.txt", "in.csv", "in.jsonl", "in"])
def test_a_file_of_which_no_line_is_a_row(tmp_path, *, name, data, message, fix) -> None:
    """Some of its lines may be text by chance, and would be sent."""
    with pytest.raises(UsageError) as caught:
        list(written(tmp_path, name, data).rows())
    assert (caught.value.message, caught.value.fix) == (f"{tmp_path / name} {message}", fix)


def test_a_text_that_begins_nearly_so(tmp_path) -> None:
    for text in ("PK\nBZh\n", "%PDF\n", "SQLite format 3 is what?\n", "P"):
        rows = [Row(at, text=line) for at, line in enumerate(text.splitlines(), 1)]
        assert list(written(tmp_path, "in.txt", text).rows()) == rows


def test_what_cannot_be_read(tmp_path) -> None:
    for place, message in [
        (tmp_path, "is a directory"),
        (tmp_path / "none.csv", "No such file or directory"),
        ("", "No such file or directory"),
        ("a\0b", "embedded null"),
    ]:
        with pytest.raises(UsageError, match=message):
            opened(place)


def test_a_file_that_goes_away_or_is_another(tmp_path) -> None:
    source = written(tmp_path, "a.txt", "x\n")
    assert (source.rereadable, source.name) == (True, str(tmp_path / "a.txt"))
    found = (tmp_path / "a.txt").stat()
    assert source.identity == (found.st_dev, found.st_ino)
    (tmp_path / "b.txt").write_text("y")
    (tmp_path / "b.txt").rename(tmp_path / "a.txt")
    with pytest.raises(UsageError, match=r"a\.txt was replaced while it was read$"):
        list(source.rows())
    (tmp_path / "a.txt").unlink()
    with pytest.raises(UsageError, match=r"^cannot read .*a\.txt: No such file or directory$"):
        list(source.rows())


def test_a_file_that_grows_is_read_to_its_new_end(tmp_path) -> None:
    source = written(tmp_path, "a.txt", "x\n" * 100_000)
    rows = source.rows()
    next(rows)
    with (tmp_path / "a.txt").open("a") as file:
        file.write("new\n")
    assert list(rows)[-1] == Row(100_001, text="new")


def test_the_second_reading_gives_what_the_first_gave(tmp_path) -> None:
    text = "".join(f"question {number}\n" for number in range(20_000))
    source = written(tmp_path, "a.txt", text + "cut he")
    first = list(source.rows())
    with (tmp_path / "a.txt").open("a") as file:
        file.write("re\nnew\n")
    assert list(source.rows()) == first
    assert first[-1] == Row(20_001, text="cut he")


@pytest.mark.parametrize("changed", ["", "another\n", "x" * 200_000])
def test_a_file_that_is_another_text_the_second_time(tmp_path, changed) -> None:
    """No row is made of half the old and half the new text."""
    text = "".join(f"question {number}\n" for number in range(20_000))
    source = written(tmp_path, "a.txt", text)
    assert len(list(source.rows())) == 20_000
    rows = source.rows()
    prompts = [next(rows).text]
    (tmp_path / "a.txt").write_text(changed + text.replace("question", "problem!"))
    with pytest.raises(UsageError, match=r"a\.txt was changed while it was read$"):
        prompts += [row.text for row in rows]
    assert prompts == [f"question {number}" for number in range(len(prompts))]


@pytest.mark.parametrize(("first", "row"), [(b"?\n", {"text": "?"}), (b'{"prompt":"Who?"}\n', {"prompt": "Who?"})])
def test_B28_rows_of_a_fifo_come_while_it_is_written(tmp_path, first, row) -> None:
    os.mkfifo(tmp_path / "fifo")
    source = opened(tmp_path / "fifo")
    was_read = threading.Event()

    def write():
        with (tmp_path / "fifo").open("wb", buffering=0) as fifo:
            fifo.write(first)
            assert was_read.wait(30)
            fifo.write(first)

    writer = threading.Thread(target=write)
    writer.start()
    rows = source.rows()
    assert next(rows) == Row(1, **row)
    was_read.set()
    assert list(rows) == [Row(2, **row)]
    writer.join()
    assert not source.rereadable
    with pytest.raises(InternalError):
        next(source.rows())


# stdin, in a process of its own

PROGRAM = """
import json, sys, time
from glmcli.batch.rows.formats.table_layout import read_delimiter
from glmcli.batch.rows.formats.lines import InputContext
from glmcli.batch.rows.source import open_rows
from glmcli.errors import GlmError
from glmcli.console.stdin import Stdin
patience, lost, form = float(sys.argv[1]), sys.argv[2] == "lost", sys.argv[3] or None
say = lambda text: print("said:", text, file=sys.stderr, flush=True)
stdin = Stdin(is_closed=lost, deadline=time.monotonic() + patience, say=say)
try:
    source = open_rows("-", form, stdin, InputContext())
    if "twice" in sys.argv:
        stdin.read("the prompt")
    print(source.name, source.rereadable, *source.identity, flush=True)
    for row in source.rows():
        print(json.dumps({name: value for name, value in row.fields().items() if value}), flush=True)
except GlmError as error:
    print(type(error).__name__, error.message, flush=True)
"""


def reading(*arguments, patience=60, state="there", form="", **more):
    command = [sys.executable, "-c", PROGRAM, str(patience), state, form, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def test_rows_of_stdin_come_while_it_is_written() -> None:
    with reading(stdin=subprocess.PIPE, bufsize=1) as process:
        assert process.stdout.readline().startswith("<stdin> False ")
        for number in (1, 2):
            process.stdin.write('{"prompt":"x"}\n')
            process.stdin.flush()
            assert json.loads(process.stdout.readline()) == {"line": number, "prompt": "x"}
        time.sleep(2.2)  # one who has spoken may think
        out, err = process.communicate("no\n", timeout=30)
    assert json.loads(out)["why"] == "<stdin>:3:1: not valid JSON: expecting value"
    assert err == ""


def test_B16_stdin_that_is_a_file_says_which(tmp_path) -> None:
    (tmp_path / "a").write_text("x\n")
    found = (tmp_path / "a").stat()
    with (tmp_path / "a").open() as file, reading(stdin=file) as process:
        assert process.communicate(timeout=30)[0] == (
            f'<stdin> True {found.st_dev} {found.st_ino}\n{{"line": 1, "text": "x"}}\n'
        )


def test_stdin_is_claimed_at_once() -> None:
    with reading("twice", stdin=subprocess.DEVNULL) as process:
        out, _ = process.communicate(timeout=30)
    assert out == "UsageError stdin is used twice: by INPUT and by the prompt\n"


def test_a_closed_stdin() -> None:
    with reading(state="lost", stdin=subprocess.DEVNULL) as process:
        assert process.communicate(timeout=30)[0] == "UsageError INPUT reads stdin, but stdin is closed\n"


def test_a_silent_stdin_is_spoken_of_and_ends_with_the_deadline() -> None:
    with reading(patience=2.5, stdin=subprocess.PIPE) as process:
        began = time.monotonic()
        out, err = process.stdout.read(), process.stderr.read()
        assert 2.4 <= time.monotonic() - began < 20
    assert err == "said: waiting for INPUT on stdin for 2 s (Ctrl-D ends it)\n"
    assert out.partition("\n")[2] == "NetworkError the deadline passed while waiting for stdin\n"


def test_a_list_of_files_from_stdin(tmp_path) -> None:
    (tmp_path / "a").write_text("one")
    with reading(form="files", stdin=subprocess.PIPE, cwd=tmp_path) as process:
        out, _ = process.communicate("a\0", timeout=30)
    assert json.loads(out.partition("\n")[2]) == {
        "line": 1,
        "id": "a",
        "text": "one",
        "vars": {"path": "a"},
        "columns": {"path": "a"},
    }


# What it costs


@pytest.mark.parametrize(
    ("form", "kind"), [("jsonl", MalformedRow), ("text", MalformedRow), ("yaml", MalformedRow), ("csv", UsageError)]
)
def test_a_line_of_100_megabytes_is_never_held(tmp_path, form, kind) -> None:
    path = tmp_path / "long"
    with path.open("wb") as file:
        file.write(b'{"prompt":"')
        for _ in range(100):
            file.write(b"x" * MIB)
        file.write(b'"}\n')
    tracemalloc.start()
    try:
        (row,) = opened(path, form).rows()
    except UsageError as error:
        row = error
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(row, kind)
    assert peak < 40 * MIB
    if kind is MalformedRow:
        assert row.digest == sha256(path.read_bytes().removesuffix(b"\n")).hexdigest()


def test_a_line_that_comes_byte_by_byte_takes_no_more_memory() -> None:
    tracemalloc.start()
    (line,) = lines(b"%04d" % (number % 10_000) for number in range(50_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(line.data) == 200_000
    assert peak < MIB


def test_a_document_of_many_lines_is_never_held() -> None:
    line = b"- " + b"x" * MIB + b"\n"
    tracemalloc.start()
    (row,) = FORMATS["yaml"].rows((line for _ in range(50)), InputContext("in"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert row == bad(1, f": larger than 1 MiB ({len(line) * 50} bytes)", line * 50)
    assert peak < 10 * MIB


def test_many_rows_are_not_held_either(tmp_path) -> None:
    source = written(tmp_path, "many.jsonl", b'{"prompt":"' + b"x" * 1000 + b'"}\n')
    data = (tmp_path / "many.jsonl").read_bytes()
    with (tmp_path / "many.jsonl").open("ab") as file:
        file.writelines(data for _ in range(20_000))
    tracemalloc.start()
    assert sum(1 for _ in source.rows()) == 20_001
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MIB


@pytest.mark.slow
def test_a_plain_row_takes_less_than_60_microseconds() -> None:
    row = b'{"id":"row","prompt":"' + b"Say which colour the sky has at noon, in one word. " * 4 + b'"}\n'
    took = []
    for _ in range(3):
        began = time.process_time()
        assert len(parsed("jsonl", row * 20_000)) == 20_000
        took.append((time.process_time() - began) / 20_000)
    assert min(took) < 60e-6
