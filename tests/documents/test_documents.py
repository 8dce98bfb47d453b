"""Text -> value: what is read, what is refused, and where the message points."""

from __future__ import annotations

import contextlib
import json
import string
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcli import documents
from glmcli.documents import yaml_reader
from glmcli.documents.document import SourceText, decode
from glmcli.documents.yaml_parser import PlainParser
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

BOMB_OF_MERGES = "a: &a {k: v}\n" + "".join(
    f"{name}: &{name} {{<<: [*{before}, *{before}, *{before}, *{before}]}}\n"
    for before, name in zip(string.ascii_lowercase, string.ascii_lowercase[1:13], strict=False)
)
BILLION_LAUGHS = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}]\n"
    for before, name in zip(string.ascii_lowercase, string.ascii_lowercase[1:9], strict=False)
)


def read(text: str | bytes, name: str = "request.yaml") -> documents.Document:
    return documents.parse(text if isinstance(text, bytes) else text.encode(), name)


def refusal(text: str | bytes, name: str = "request.yaml") -> str:
    with pytest.raises(UsageError) as caught:
        read(text, name)
    return caught.value.message


SCALARS = [
    ("true", True),
    ("True", True),
    ("TRUE", True),
    ("false", False),
    ("FALSE", False),
    ("tRue", "tRue"),
    ("yes", "yes"),
    ("NO", "NO"),
    ("on", "on"),
    ("y", "y"),
    ("null", None),
    ("Null", None),
    ("~", None),
    ("", None),
    ("nULL", "nULL"),
    ("none", "none"),
    ("7", 7),
    ("-7", -7),
    ("+7", 7),
    ("010", 10),
    ("08", 8),
    ("0o10", 8),
    ("0o8", "0o8"),
    ("0x1F", 31),
    ("-0x1F", "-0x1F"),
    ("0b1", "0b1"),
    ("1_000", "1_000"),
    ("1,000", "1,000"),
    ("1.5", 1.5),
    ("1.20", 1.2),
    (".5", 0.5),
    ("5.", 5.0),
    ("1e3", 1000.0),
    ("-1E-2", -0.01),
    ("1.2.3", "1.2.3"),
    (".", "."),
    ("1:30", "1:30"),
    ("2026-01-31", "2026-01-31"),
    ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
    ("=", "="),
    ("<<", "<<"),
    ("18446744073709551615", 18446744073709551615),
    ("-9223372036854775808", -9223372036854775808),
    ("'7'", "7"),
    ('"true"', "true"),
    ('"\\u00e9\\t"', "é\t"),
    ("١٢", "١٢"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_plain_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    got = read(f"a: {text}\n").value["a"]
    assert got == value
    assert type(got) is type(value)
    assert documents.parse_value(text, "-o a") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".inf", "JSON has no number .inf; quote it if it is text"),
        ("-.INF", "JSON has no number -.INF; quote it if it is text"),
        (".NaN", "JSON has no number .NaN; quote it if it is text"),
        ("1e999", "1e999 is too large for a number; quote it if it is text"),
        ("18446744073709551616", "18446744073709551616 does not fit 64 bits; quote it if it is text"),
        ("9" * 5000, "a number of 5000 characters; quote it if it is text"),
    ],
)
def test_numbers_that_json_readers_cannot_hold(text: str, message: str) -> None:
    assert refusal(f"- {text}") == f"request.yaml:1:3: {message}"
    with pytest.raises(UsageError) as caught:
        documents.parse_value(text, "-o top_k")
    assert caught.value.message == f"-o top_k: {message}"


REFUSED = [
    ("model: a\nseed: 1\nmodel: b\n", "3:1: key 'model' is already set on line 1"),
    ("a:\n  1\na: 2\n", "3:1: key 'a' is already set on line 1"),
    ('{"model": "a",\n "model": "b"}', "2:2: key 'model' is already set on line 1"),
    ("a: {b: 1, b: 2}", "1:11: key 'b' is already set on line 1"),
    ("1: x", '1:1: a key must be a string; quote it: "1"'),
    ("true: x", '1:1: a key must be a string; quote it: "true"'),
    ("? \n: x", "1:2: a key must be a string, and is missing"),
    ("? [a]\n: x", "1:3: a key must be a string"),
    ("prompt: {{NAME}}\n", '1:9: quote a template: "{{NAME}}"'),
    ("a: &x 1", "1:4: anchors are not allowed; quote text that begins with &"),
    ("a: *x", "1:4: aliases are not allowed; write the value out, or quote text that begins with *"),
    ("<<: {a: 1}", "1:1: merge keys are not allowed; write the keys out"),
    ("a: !!python/object/apply:os.system [id]", "1:4: tags are not allowed; quote text that begins with !"),
    ("a: !x 1", "1:4: tags are not allowed; quote text that begins with !"),
    ("a: !!str 1", "1:4: tags are not allowed; quote text that begins with !"),
    ("a: ! 1", "1:4: tags are not allowed; quote text that begins with !"),
    ("a: 1\n---\nb: 2\n", "2:1: a second document; one file holds one"),
    ("%TAG ! tag:x,2026:\n---\na: 1\n", "1:1: directives are not allowed, but %YAML 1.2"),
    ("%YAML 1.1\n---\na: 1\n", "1:1: directives are not allowed, but %YAML 1.2"),
    (b"a: \xe9\n", "1:4: not UTF-8: byte 0xe9 at offset 3"),
    (b"\xef\xbb\xbfa: \xff", "1:4: not UTF-8: byte 0xff at offset 6"),
    (b"\xef\xbb\xbfa: b\nc: \xff", "2:4: not UTF-8: byte 0xff at offset 11"),
    ("a: b".encode("utf-16"), "1:1: not UTF-8: byte 0xff at offset 0; this looks like UTF-16, save it as UTF-8"),
    ("a: b".encode("utf-16-le"), "1:2: control character U+0000; is this UTF-16? Save it as UTF-8"),
    ("a: b\nc: '\x1b[0m'", "2:5: control character U+001B"),
    ("a: \x7f", "1:4: control character U+007F"),
    ("[" * 65, "1:65: nested deeper than 64"),
    ("- " * 65, "1:129: nested deeper than 64"),
    ("[" * 500_000, "1:65: nested deeper than 64"),
    ('{"a":' * 65, "1:321: nested deeper than 64"),
    ('a: "x \\ud800"', "1:7: a \\u escape of half a character; write the character itself"),
    ('a: "\\ud83d\\ude00"', "1:5: a \\u escape of half a character; write the character itself"),
    ('{"a": "x \\ud83d"}', "1:10: a \\u escape of half a character, without its other half"),
    ('{"a": "\\ud83d\\ude00 \\ude00"}', "1:21: a \\u escape of half a character, without its other half"),
    (
        "a:\n\t- b\n",
        "2:1: not valid YAML: found character that cannot start any token (a tab cannot indent, use spaces)",
    ),
    (
        "prompt: Note: this\n",
        "1:13: not valid YAML: mapping values are not allowed in this context (quote a value that holds ': ')",
    ),
    (
        "a: x\x85b: 2\n",
        "1:7: not valid YAML: mapping values are not allowed in this context (quote a value that holds ': ')",
    ),
    (
        "a: x\u2028b: 2\n",
        "1:7: not valid YAML: mapping values are not allowed in this context (quote a value that holds ': ')",
    ),
    (
        "system: @rules.txt\n",
        "1:9: not valid YAML: found character that cannot start any token (quote a value that begins with @)",
    ),
    (
        "a: **Bold**\n",
        "1:5: not valid YAML: did not find expected alphabetic or numeric character (quote a value that begins with *)",
    ),
    (
        'a: 1\nb: "x\n',
        "3:1: not valid YAML: found unexpected end of stream, after what begins at line 2",
    ),
    ('a: "\\U00110000"', "1:7: not valid YAML: found invalid Unicode character escape code"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_refused_is_one_line_with_its_place(text: str | bytes, message: str) -> None:
    assert refusal(text) == f"request.yaml:{message}"


@pytest.mark.parametrize(("text", "message"), [row for row in REFUSED if isinstance(row[0], str) and row[0][0] != "{"])
def test_without_libyaml_the_same_is_refused_at_the_same_place(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        yaml_reader.read(decode(text.encode(), "request.yaml"), PlainParser)
    # The words of PyYAML's own parser differ; ours do not.
    theirs = message.partition("not valid YAML: ")
    assert caught.value.message.startswith(f"request.yaml:{theirs[0]}{theirs[1]}")


def test_a_broken_json_file_is_called_json() -> None:
    message = "x.json:2:5: not valid JSON: did not find expected ',' or '}'"
    assert refusal('{"a": 1\n "b": 2}', "x.json") == message


def test_more_than_a_mebibyte_is_refused() -> None:
    assert read(b"#" * 1_048_576).value is None
    assert refusal(b"#" * 1_048_577) == "request.yaml:1:1: larger than 1 MiB (1048577 bytes)"


@pytest.mark.parametrize("bomb", [BOMB_OF_MERGES, BILLION_LAUGHS])
def test_bombs_answer_at_once(bomb: str) -> None:
    begin = time.process_time()
    assert refusal(bomb) == "request.yaml:1:4: anchors are not allowed; quote text that begins with &"
    assert time.process_time() - begin < 0.5


@pytest.mark.parametrize(
    "part",
    ["[", "- ", "? ", '"', "'", "&a ", "{a", "[0,", "a: b\n ", "|\n ", "\x85", "{{a}}", "- |\n  a\n", "\\", "k:"],
)
def test_a_hostile_mebibyte_is_judged_in_seconds(part: str) -> None:
    text = (part * 1_048_576).encode()[:1_040_000]
    begin = time.process_time()
    with contextlib.suppress(UsageError):
        documents.parse(text, "x")
    assert time.process_time() - begin < 5


def test_odd_line_breaks_are_characters() -> None:
    text = 'plain: a\u2028b\nquoted: "a\x85b"\nblock: |\n  a\u2029b\n  c\ufeffd\n# x\x85no: 1\n'
    text += 'escaped: "\\N\\L\\ue000\\ue001"\nlast: 1\n'
    document = read(text)
    assert document.value == {
        "plain": "a\u2028b",
        "quoted": "a\x85b",
        "block": "a\u2029b\nc\ufeffd\n",
        "escaped": "\x85\u2028\ue000\ue001",
        "last": 1,
    }
    assert document.place(["last"]) == "request.yaml:8:7"
    assert read('{"a": "x\u2028\x85y"}').value == {"a": "x\u2028\x85y"}


def test_every_candidate_for_a_stand_in_may_be_taken() -> None:
    text = "a: 'x\x85" + "".join(map(chr, range(0xE000, 0xF900))) + '\'\nb: "\\U00010000\x85"\n'
    assert read(text).value == {"a": text[4 : text.index("'\n")], "b": "\U00010000\x85"}


def test_places_of_keys_and_values() -> None:
    document = read(
        "\ufeff# first\nmessages:\n- role: user\n  content: |\n    hi\n- {role: user, content: é😀, x: [1, 2]}\nlast:\n"
    )
    assert [
        document.place([]),
        document.place(["messages"]),
        document.place(["messages"], key=True),
        document.place(["messages", 0]),
        document.place(["messages", 0, "content"]),
        document.place(["messages", 0, "content"], key=True),
        document.place(["messages", 1, "x"], key=True),
        document.place(["messages", 1, "x", 1]),
        document.place(["last"]),
        document.place(["messages", 0, "nothing", 3]),
        document.place(["messages", 7]),
        document.place(["messages", "role"]),
    ] == [
        f"request.yaml:{place}"
        for place in ["2:1", "3:1", "2:1", "3:3", "4:12", "4:3", "6:29", "6:36", "7:6", "3:3", "3:1", "3:1"]
    ]


def test_json_with_tabs_keeps_its_places() -> None:
    text = '{\r\n\t"a":\t[1,\t-2.5e1, true, null, {}],\r\n\t"b\\u00e9\\/":\t"\\ud83d\\ude00"\r\n}\r\n'
    document = read(text, "<stdin>")
    assert document.value == {"a": [1, -25.0, True, None, {}], "bé/": "😀"}
    assert document.place(["a", 1]) == "<stdin>:2:11"
    assert document.place(["bé/"], key=True) == "<stdin>:3:2"
    assert document.place(["bé/"]) == "<stdin>:3:15"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: 1, b}", {"a": 1, "b": None}),
        ('{"a": 1, # why\n}', {"a": 1}),
        ('"a": 1', {"a": 1}),
        ('{"a": "x\n  y"}', {"a": "x y"}),
        ("[1, 2,]", [1, 2]),
        ("[]", []),
        ("{}", {}),
        ('"x"', "x"),
        ("---\na: 1\n...\n", {"a": 1}),
        ("%YAML 1.2\n---\na: 1\n", {"a": 1}),
        ('"<<": 1\nyes: 2\n"1": 3\n', {"<<": 1, "yes": 2, "1": 3}),
        ("a:\t1\n", {"a": 1}),
        ("a: x\ty\n", {"a": "x\ty"}),
    ],
)
def test_yaml_that_looks_like_json_is_yaml_with_either_parser(text: str, value: object) -> None:
    assert read(text).value == value
    assert yaml_reader.read(SourceText("x", text), PlainParser).value == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.5", 0.5), ("[1, a]", [1, "a"]), ("{a: {b: 1}}", {"a": {"b": 1}}), ("no", "no"), ("a: b", {"a": "b"})],
)
def test_value_of_an_option(text: str, value: object) -> None:
    assert documents.parse_value(text, "-o x") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@x", "not valid YAML: found character that cannot start any token (quote a value that begins with @)"),
        ("x\udce9", "not UTF-8"),
        ("\x1b", "control character U+001B"),
        ("a" * 1_048_577, "larger than 1 MiB"),
    ],
)
def test_value_of_an_option_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        documents.parse_value(text, "-o x")
    assert caught.value.message == f"-o x: {message}"


def fill(document: documents.Document, variables: dict[str, str]) -> documents.Document:
    return documents.template_of(document, (), variables).sample


TEMPLATE = r"""
vars: {LANG: German, UNUSED: x, RAW: '\{{WHO}}'}
system: "Answer in {{LANG}}."
messages:
- role: user
  content: |
    Hello {{ WHO }}, {{WHO}}: { {{RAW}} } \{{WHO}} ${ github.ref } { {} } }} {a b} {{a b
"{{key}}": 1
"""


def test_templates_are_filled_once_and_keep_their_places() -> None:
    document = fill(read(TEMPLATE), {"WHO": "{{LANG}} \\{{"})
    assert document.value == {
        "vars": {"LANG": "German", "UNUSED": "x", "RAW": "\\{{WHO}}"},
        "system": "Answer in German.",
        "messages": [
            {
                "role": "user",
                "content": (
                    "Hello {{LANG}} \\{{, {{LANG}} \\{{: { {{WHO}} } {{WHO}} ${ github.ref } { {} } }} {a b} {{a b\n"
                ),
            }
        ],
        "{{key}}": 1,
    }
    assert document.place(["messages", 0, "content"]) == "request.yaml:6:12"


def test_a_flag_beats_a_default() -> None:
    assert fill(read("vars: {A: x}\nprompt: '{{A}}'"), {"A": "y"}).value["prompt"] == "y"


@pytest.mark.parametrize(
    ("text", "variables", "message"),
    [
        (TEMPLATE, {}, "request.yaml:7:11: {{WHO}} has no value; give one with --var WHO=…"),
        ("- 'x {{A}}\n   y {{ B }}'", {"A": "1"}, "request.yaml:2:6: {{B}} has no value; give one with --var B=…"),
        ('"\\x7b{A}}"', {}, "request.yaml:1:1: {{A}} has no value; give one with --var A=…"),
        ("prompt: hi", {"A": "1"}, "--var A is used nowhere in request.yaml"),
        ("prompt: '\\{{A}}'", {"A": "1"}, "--var A is used nowhere in request.yaml"),
        ("vars: {B: 'x {{A}}'}", {}, "request.yaml:1:14: {{A}} in vars, whose values are not filled themselves"),
        ("'{{A}}': 1", {"A": "1"}, "--var A is used nowhere in request.yaml"),
        ("'{{A}}'", {"A": "\udcff"}, "--var A: not UTF-8"),
        ("- '{{\"a b\"}}'", {}, "request.yaml:1:4: {{\"a b\"}} has no value; give one with --var 'a b'=…"),
    ],
)
def test_templates_that_cannot_be_filled(text: str, variables: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        fill(read(text), variables)
    assert caught.value.message == message


def test_a_small_file_cannot_fill_the_memory() -> None:
    document = read("vars: {A: " + "x" * 500_000 + "}\nprompt: '" + "{{A}}" * 100_000 + "'")
    with pytest.raises(UsageError) as caught:
        fill(document, {})
    assert caught.value.message == "request.yaml:2:9: filled in, the strings are larger than 64 MiB"


def test_importing_documents_loads_neither_yaml_nor_jsonschema(tmp_path: Path) -> None:
    code = (
        "import sys; from glmcli import documents;"
        "document = documents.parse(b'{\"a\": \"{{B}}\"}', 'x'); documents.template_of(document, (), {'B': '1'});"
        "print({'yaml', 'jsonschema', 'difflib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# fmt: off
FRAGMENTS = st.sampled_from([
    "a", "b: ", "- ", "\n", "\n  ", "{", "}", "[", "]", ",", ":", "? ", "\t", "'", '"', " #", "|\n", ">-\n", "---", "~",
    "\\n", "\\ud83d", "\\U00110000", "%", "1", "\x85", "\u2028", "\ufeff", "é", "😀", "@", "!", "&x ", "*x", "\r",
    "<<: ", "{{A}}", " ", "null", "1e999", '"k": ', "\x00", "\ud800",
])
# fmt: on
TEXTS = st.lists(FRAGMENTS, max_size=30).map("".join)


def use(data: bytes) -> str:
    """What is said about these bytes; nothing if they are a good document."""
    try:
        document = documents.parse(data, "x")
        json.dumps(document.value, allow_nan=False).encode()
        documents.faults(document, "request")
        fill(document, {"A": "1"})
    except UsageError as error:
        return error.message
    return ""


@given(st.binary(max_size=200) | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(deadline=None, max_examples=500)
def test_any_bytes_give_json_or_a_usage_error(data: bytes) -> None:
    message = use(data)
    assert message.isprintable()
    assert not message or message.startswith(("x:", "--var A "))


@given(TEXTS)
@settings(deadline=None, max_examples=500)
def test_both_parsers_give_the_same_values_and_places(text: str) -> None:
    source = SourceText("x", text.replace("\x00", "").replace("\ud800", "").replace("\\U00110000", ""))
    try:
        slow = yaml_reader.read(source, PlainParser)
    except UsageError:
        return  # it refuses a few oddities around tabs that libyaml reads
    quick = yaml_reader.read(source)
    assert (quick.value, quick.root) == (slow.value, slow.root)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cn"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(string.printable[:95]), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
@settings(deadline=None, max_examples=200)
def test_json_comes_back(value: object, ascii_only: bool, indent: int | str | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    got = documents.parse_value(text, "x")
    assert got == value
    assert json.dumps(got) == json.dumps(value)
