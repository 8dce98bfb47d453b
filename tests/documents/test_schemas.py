"""Our schemas: themselves sound, and what they say about good and bad files."""

from __future__ import annotations

import copy
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import provider_rows
import pytest
from jsonschema import Draft202012Validator

from glmcli import documents, errors
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ["request", "config", "reply", "replies", "event", "models", "batch-report", "batch-reply", "batch-sample"]


def faults(schema: str, text: str) -> list[str]:
    document = documents.parse(text.encode(), f"{schema}.yaml")
    return [line.removeprefix(f"{schema}.yaml:") for line in documents.faults(document, schema)]


def nodes(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from nodes(part)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_sound_closed_and_explained(name: str) -> None:
    schema = documents.load_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"https://glmcli.invalid/schemas/{name}.schema.json"
    assert schema["title"]
    for node in nodes(schema):
        assert node.get("$ref", "#").startswith("#")
        if "properties" in node and "description" in node and node.get("additionalProperties") is not False:
            is_foreign = node["description"].startswith("Of another form: ")
            assert is_foreign or node["description"] == "One tool, as the provider documents it."
        for rule in node.get("properties", {}).values() if "description" in node else ():
            assert rule["description"].endswith(".")


def test_a_reply_an_event_and_a_sample_tell_the_same_error() -> None:
    reply, event = documents.load_schema("reply"), documents.load_schema("event")
    assert reply["$defs"]["error"] == event["$defs"]["error"]
    assert reply["$defs"]["error"] == documents.load_schema("batch-sample")["$defs"]["error"]
    usage = next(one for one in event["oneOf"] if one["properties"]["type"]["const"] == "usage")
    assert reply["properties"]["usage"]["properties"].items() <= usage["properties"].items()
    sources = next(one for one in event["oneOf"] if one["properties"]["type"]["const"] == "sources")
    assert reply["properties"]["sources"]["items"] == sources["properties"]["sources"]["items"]


def test_a_line_of_a_batch_is_a_reply_and_more() -> None:
    reply, line = documents.load_schema("reply"), documents.load_schema("batch-reply")
    assert reply["$defs"] == line["$defs"]
    assert reply["properties"].items() <= line["properties"].items()


def test_a_configuration_states_facts_in_the_form_of_the_catalogue() -> None:
    """GLM_UPDATE=1 copies the form of a model, after a change of schemas/models.schema.json."""
    config, form = documents.load_schema("config"), documents.load_schema("models")["$defs"]
    if os.environ.get("GLM_UPDATE") == "1":
        path = Path(__file__).parents[2] / "schemas" / "config.schema.json"
        path.write_text(json.dumps({**config, "$defs": form}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        config = documents.load_schema("config")
    assert config["$defs"] == form, "not up to date; run: GLM_UPDATE=1 pytest tests/documents/test_schemas.py"


def test_error_types_are_those_of_the_error_tree() -> None:
    known = set(documents.load_schema("reply")["$defs"]["error"]["properties"]["type"]["enum"])
    assert {kind.type for kind in errors.GlmError.__subclasses__()} <= known


REQUEST = """\
# yaml-language-server: $schema=../schemas/request.schema.json
model: tokenhub/glm-5.2
provider: tokenhub
fallback: [glm-5, zai/glm-5]
system: "@rules.txt"
prompt: Say {{WORD}}
messages:
- {role: system, content: Be brief}
- role: user
  content:
  - {type: text, text: hi}
  - {type: image, path: cat.png, media_type: image/png, detail: auto}
  - {type: image, url: "https://x.example/a.png"}
  - {type: video, url: "https://x.example/a.mp4"}
  - {type: file, url: "https://x.example/a.pdf"}
- {role: assistant, content: Hello, reasoning: A greeting}
attach: [notes.md]
images: [cat.png, "https://x.example/a.png"]
videos: ["https://x.example/a.mp4"]
files: ["https://x.example/a.pdf"]
detail: low
resize: true
session: talk.jsonl
vars: {WORD: hi}
think: true
effort: high
think_budget: 1
keep_thinking: true
temperature: 0
top_p: .9
top_k: 0
repetition_penalty: 1.1
max_tokens: 1
seed: -1
stop: [a, b]
options: {response_format: {type: json_object}, n: 1}
force: false
server_tools: [{type: web_search, web_search: {enable: true}}]
tools: [tools.yaml]
max_steps: 3
tool_choice: required
tool_stream: true
stream: false
no_reasoning: false
reasoning: fd:3
sources: sources.txt
json: false
jsonl: false
usage: true
meta: meta.json
output: answer.txt
keep_partial: true
allow_empty: true
exact: true
plain: true
raw: true
quiet: true
verbose: true
retries: 100
retry_max_time: 180
connect_timeout: 10
first_timeout: 0.5
idle_timeout: 300
deadline: 1e3
no_stdin: true
need_stdin: true
"""


def test_a_request_with_every_key() -> None:
    assert faults("request", REQUEST) == []
    keys = documents.parse(REQUEST.encode(), "x").value
    assert list(keys) == list(documents.load_schema("request")["properties"])


ADDRESS = "a request file may not hold an address or a key; use --base-url / --key-file or the configuration file"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["1:1: the document is empty; it must be a mapping"]),
        ("- a\n", ["1:1: the document must be a mapping, not a list"]),
        ("hello", ['1:1: the document must be a mapping, not a string ("hello")']),
        ("temprature: 1", ["1:1: unknown key 'temprature', did you mean 'temperature'?"]),
        ("max-tokens: 1", ["1:1: unknown key 'max-tokens', did you mean 'max_tokens'?"]),
        ("think: 1\nzebra: 1\nseed: x\n", [
            "1:8: think must be true or false, not a number (1)",
            "2:1: unknown key 'zebra'",
            '3:7: seed must be an integer, not a string ("x")',
        ]),
        ("MAX-TOKENS: 1", ["1:1: unknown key 'MAX-TOKENS', did you mean 'max_tokens'?"]),
        ("Model: x", ["1:1: unknown key 'Model', did you mean 'model'?"]),
        ("zebra: 1", ["1:1: unknown key 'zebra'"]),
        ("imgs: 1", ["1:1: unknown key 'imgs', did you mean 'images'?"]),
        ("mod: 1", ["1:1: unknown key 'mod', did you mean 'model'?"]),
        ("stm: 1", ["1:1: unknown key 'stm'"]),  # system or stream
        ("mtok: 1", ["1:1: unknown key 'mtok'"]),  # too little is left of max_tokens
        (f"{'m' * 50}: 1", [f"1:1: unknown key '{'m' * 40}…'"]),
        ('"a\\nb\\e": 1', ["1:1: unknown key 'a\\u000ab\\u001b'"]),
        ("a: 1\nmodel: x\ntemperature: hot\n", [
            "1:1: unknown key 'a'", '3:14: temperature must be a number, not a string ("hot")',
        ]),
        ("system: 42", ["1:9: system must be a string, not a number (42); quote it"]),
        ("system: true", ["1:9: system must be a string, not a boolean (true); quote it"]),
        ("system:", ["1:8: system must be a string, not null"]),
        ("model: ''", ["1:8: model must not be empty"]),
        ("think: yes", ['1:8: think must be true or false, not a string ("yes")']),
        ("seed: true", ["1:7: seed must be an integer, not a boolean (true)"]),
        ("temperature: false", ["1:14: temperature must be a number, not a boolean (false)"]),
        ("max_tokens: 1.0", ["1:13: max_tokens must be an integer, not a number (1.0)"]),
        ("max_tokens: 0", ["1:13: max_tokens must be at least 1"]),
        ("top_k: -1", ["1:8: top_k must be at least 0"]),
        ("retries: 101", ["1:10: retries must be at most 100"]),
        ("deadline: 0", ["1:11: deadline must be greater than 0"]),
        ("fallback: glm-5", ['1:11: fallback must be a list, not a string ("glm-5")']),
        ("stop: 1", ["1:7: stop must be a string or a list, not a number (1); quote it"]),
        ("stop: [a, 1]", ["1:11: stop[1] must be a string, not a number (1); quote it"]),
        ("vars: {1a: x, a b: x, B: 1}", ["1:26: vars.B must be a string, not a number (1); quote it"]),
        ("messages: []", ["1:11: messages must not be empty"]),
        ("messages:\n- content: hi\n", ["2:3: messages[0]: needs 'role'"]),
        ("messages: [{}]", ["1:12: messages[0]: needs 'role' and 'content'"]),
        ("messages:\n- {role: usr, content: x}\n", [
            "2:10: messages[0].role must be one of system, user, assistant, not \"usr\", did you mean 'user'?"
        ]),
        ("messages:\n- {role: user, content: x, contnt: y}\n", [
            "2:28: messages[0]: unknown key 'contnt', did you mean 'content'?"
        ]),
        ("messages:\n- {role: user, content: x, reasoning: y}\n", [
            "2:39: messages[0].reasoning belongs to turns of the assistant only"
        ]),
        ("messages:\n- {role: user, content: [{type: image, text: x}]}\n", [
            "2:26: messages[0].content[0]: needs 'path' or 'url'",
            "2:40: messages[0].content[0]: unknown key 'text'",
        ]),
        ("messages:\n- {role: user, content: [{type: image, path: a, url: b}]}\n", [
            "2:54: messages[0].content[0].url and path are two places of one picture: leave one of them out",
        ]),
        ("messages:\n- {role: user, content: [{type: imag, url: x}]}\n", [
            ("2:33: messages[0].content[0].type must be one of text, image, video, file, "
             """not "imag", did you mean 'image'?"""),
        ]),
        ("messages:\n- {role: user, content: [{type: img, url: x}]}\n", [
            ("2:33: messages[0].content[0].type must be one of text, image, video, file, "
             """not "img", did you mean 'image'?"""),
        ]),
        ("messages:\n- {role: user, content: [{type: file, path: x}]}\n", [
            "2:26: messages[0].content[0]: needs 'url'", "2:39: messages[0].content[0]: unknown key 'path'",
        ]),
        ("images: []", ["1:9: images must not be empty"]),
        ("detail: most", ['1:9: detail must be one of auto, low, high, not "most"']),
        ("server_tools: [{typ: x}]", ["1:16: server_tools[0]: needs 'type'"]),
        ("base_url: x", [f"1:1: {ADDRESS}"]),
        ("model: x\nAPI-Key: sk-canary\n", [f"2:1: {ADDRESS}"]),
        ('{"keyFile": "x", "KEY": "sk-canary", "Authorization": "Bearer sk-canary"}', [
            f"1:2: {ADDRESS}", f"1:18: {ADDRESS}", f"1:38: {ADDRESS}",
        ]),
    ],
)  # fmt: skip
def test_faults_of_a_request(text: str, found: list[str]) -> None:
    assert faults("request", text) == found


def test_check_says_the_first_fault_and_how_many_more() -> None:
    document = documents.parse(b"zebra: 1\nthink: 1\nseed: x\n", "request.yaml")
    with pytest.raises(UsageError) as caught:
        documents.check(document, "request")
    assert caught.value.message == "request.yaml:1:1: unknown key 'zebra' (and 2 more)"
    documents.check(documents.parse(b"seed: 1", "x"), "request")


def test_a_file_of_nothing_but_faults_is_judged_in_seconds() -> None:
    text = "".join(f"temperatur{number}: 1\n" for number in range(40_000))
    found = faults("request", text)
    assert len(found) == 40_000
    assert found[0] == "1:1: unknown key 'temperatur0', did you mean 'temperature'?"
    assert found[-1] == "40000:1: unknown key 'temperatur39999'"


CONFIG = """\
model: glm-5
provider: office
providers:
  office:
    like: vllm
    base_url: http://10.0.0.7:8000/v1
    key_env: [OFFICE_KEY, OTHER]
    key_file: ~/.office
    key_command: [pass, show, office]
    think_tags: none
    box_tags: false
    allow_http: true
  0-a_b: {like: zai}
"""
ROWS = ", ".join(provider_rows.ROWS)
NAME = "must be a name: a-z, 0-9, _ and -, at most 32 characters, no _ or - first"
NO_KEY = "a configuration file may not hold a key; use key_env, key_file or key_command"


def test_a_good_configuration() -> None:
    assert faults("config", CONFIG) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("modle: x", ["1:1: unknown key 'modle', did you mean 'model'?"]),
        ("providers: {a: {}}", ["1:16: providers.a: needs 'like'"]),
        ("providers: {a: {like: ollma}}", [
            f"1:23: providers.a.like must be one of {ROWS}, not \"ollma\", did you mean 'ollama'?"
        ]),
        ("providers: {Ab: {like: zai}}", [f"1:13: providers: 'Ab' {NAME}"]),
        ('providers: {"a\\n": {like: zai}}', [f"1:13: providers: 'a\\u000a' {NAME}"]),
        (f"providers: {{{'a' * 33}: {{like: zai}}}}", [f"1:13: providers: '{'a' * 33}' {NAME}"]),
        ("providers: {a: {like: zai, base_url: example.org}}", [
            "1:38: providers.a.base_url must be an address that begins with http:// or https://"
        ]),
        ("providers: {a: {like: zai, key: sk-canary}}", [f"1:28: {NO_KEY}"]),
        ("api_key: sk-canary", [f"1:1: {NO_KEY}"]),
        ("providers: {a: {like: zai, key_env: sk-canary}}", [
            "1:37: providers.a.key_env must be a list, not a string"
        ]),
        ("providers: {a: {like: zai, key_env: [sk-canary, 123]}}", [
            "1:38: providers.a.key_env[0] must be the name of a variable",
            "1:49: providers.a.key_env[1] must be a string, not a number; quote it",
        ]),
        ("providers: {a: {like: zai, think_tags: off}}", [
            '1:40: providers.a.think_tags must be one of none, open, bare, not "off"'
        ]),
    ],
)  # fmt: skip
def test_faults_of_a_configuration(text: str, found: list[str]) -> None:
    assert faults("config", text) == found


TYPES = (
    "usage, credentials, quota, busy, network, incomplete, filtered, rejected, tool, partial, budget, protocol, output,"
    " failed_rows, internal"
)
KINDS = "start, reasoning, answer, tool_call, tool_result, sources, retry, usage, error, end"
ERROR = {
    "type": "quota",
    "message": "the balance is used up",
    "why": None,
    "fix": None,
    "http_status": 429,
    "provider_code": "1113",
    "request_id": None,
    "retryable": False,
    "exit_code": 4,
}
USAGE = {"input_tokens": 1, "output_tokens": 2, "reasoning_tokens": None, "cached_tokens": None, "total_tokens": 3}
PAGE = {"ref": "ref_1", "title": "T", "link": "https://a.example/", "site": None, "date": None, "text": "x"}
REPLY: dict[str, Any] = {
    "provider": "zai",
    "model": "glm-5",
    "request_id": "x",
    "reasoning": None,
    "answer": "Hi\n",
    "partial": None,
    "tool_calls": [],
    "finish_reason": "stop",
    "sources": [PAGE],
    "usage": USAGE,
    "cost": {"amount": 0.1, "currency": "CNY", "as_of": "2026-01-31"},
    "attempts": 1,
    "timing": {"first_event": 0.1, "first_answer": None, "total": 1},
    "error": None,
}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({"sources": None, "usage": None, "cost": None, "tool_calls": None, "provider": None, "model": None}, []),
        ({"answer": None, "partial": "H", "error": ERROR}, []),
        ({"tool_calls": [{"id": "a", "name": "b", "arguments": "{}"}], "answer": None, "error": ERROR}, []),
        ({"error": ERROR}, ['answer must be null, not a string ("Hi\\u000a")']),
        ({"attempts": None}, ["attempts must be an integer, not null"]),
        ({"more": 1}, ["unknown key 'more'"]),
        ({"sources": [{**PAGE, "link": 1}]}, ["sources[0].link must be a string, not a number (1); quote it"]),
        ({"tool_calls": [{"id": "a", "name": "b", "arguments": {}}]}, [
            "tool_calls[0].arguments must be a string, not a mapping"
        ]),
        ({"answer": None, "error": {**ERROR, "type": "quotas"}}, [
            f"error.type must be one of {TYPES}, not \"quotas\", did you mean 'quota'?"
        ]),
        ({"error": "no"}, ['error must be a mapping, not a string ("no")']),
    ],
)  # fmt: skip
def test_replies(change: dict[str, Any], found: list[str]) -> None:
    lines = faults("reply", json.dumps(REPLY | change))
    assert [re.sub(r"^1:[0-9]+: ", "", line) for line in lines] == found


@pytest.mark.parametrize("key", list(REPLY))
def test_every_key_of_a_reply_is_there(key: str) -> None:
    reply = copy.copy(REPLY)
    del reply[key]
    assert faults("reply", json.dumps(reply)) == [f"1:1: needs '{key}'"]


EVENTS: list[dict[str, Any]] = [
    {"type": "start", "provider": "zai", "model": "glm-5"},
    {"type": "reasoning", "text": "Hm"},
    {"type": "answer", "text": "Hi"},
    {"type": "tool_call", "id": "1", "name": "f", "arguments": "{}"},
    {"type": "tool_result", "id": "1", "name": "f", "text": "x", "failed": False},
    {"type": "sources", "sources": [PAGE]},
    {"type": "retry", "error": ERROR, "wait": 1.5, "attempt": 2},
    {"type": "usage", **USAGE},
    {"type": "error", "error": ERROR},
    {"type": "end", "finish_reason": None, "complete": False},
]


@pytest.mark.parametrize("event", EVENTS)
def test_events(event: dict[str, Any]) -> None:
    assert faults("event", json.dumps(event)) == []
    assert faults("event", json.dumps(event | {"more": 1}))[0].endswith(": unknown key 'more'")
    for key in event:
        rest = {name: value for name, value in event.items() if name != key}
        assert faults("event", json.dumps(rest)) == [f"1:1: needs '{key}'"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"type": "strat"}', [
            f"1:10: type must be one of {KINDS}, not \"strat\", did you mean 'start'?"
        ]),
        ('{"type": "answer", "text": null}', ["1:28: text must be a string, not null"]),
        ('{"type": "end", "finish_reason": "stop", "complete": 1}', [
            "1:54: complete must be true or false, not a number (1)"
        ]),
        ("[]", ["1:1: the document must be a mapping, not a list"]),
    ],
)  # fmt: skip
def test_faults_of_an_event(text: str, found: list[str]) -> None:
    assert faults("event", text) == found


def test_the_wheel_ships_what_stands_in_the_repository() -> None:
    folder = Path(__file__).parents[2] / "schemas"
    for name in NAMES:
        assert json.loads((folder / f"{name}.schema.json").read_text()) == documents.load_schema(name)
