"""glm batch run, as its users know it: each form of rows, what is asked, what is written, and how a run goes on."""

from __future__ import annotations

import base64
import csv
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from batch_runs import KEY, by_id, entries, error, flags, lines, rows, statuses
from counting_server import CountingServer, Response, answer_with, prompt_of, refuse_with
from jsonschema import Draft202012Validator
from processes import running, shell
from program import CANARY, GLM, Completed, environment
from proxies import ConnectHandshake, Relay, tls, url_of
from samples import png

TOP = Path(__file__).parents[2]
LINE = Draft202012Validator(json.loads((TOP / "schemas" / "batch-reply.schema.json").read_text()))


@pytest.fixture
def asks(glm, cwd, server):
    """Run a batch of what is written into these files; the first is the input."""

    def run(files, *more, stdin=None, name=None):
        for path, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            (cwd / path).write_bytes(data)
        first = [name or next(iter(files))] if "--files0" not in more else []
        return glm("batch", "run", *first, "-O", "out.jsonl", *flags(server), *more, env=KEY, stdin=stdin)

    return run


def turns(body):
    return [(turn["role"], turn["content"]) for turn in body["messages"]]


# What rows may look like


FORM = "system: You know {{topic}}.\nprompt: '{{question}}?'\n"


def test_jsonl_fills_a_request_file(asks, server, cwd) -> None:
    row = {"id": "a", "vars": {"topic": "tea", "question": "Which", "n": 3, "yes": True}, "label": [1, None]}
    done = asks({"in.jsonl": lines([row]), "ask.yaml": FORM + "temperature: 0.5\n"}, "-f", "ask.yaml")
    assert done.code == 0, done.err
    assert turns(server.bodies[0]) == [("system", "You know tea."), ("user", "Which?")]
    assert server.bodies[0]["temperature"] == 0.5
    entry = by_id(cwd / "out.jsonl")["a"]
    assert entry["answer"] == "Re: Which?"
    assert entry["columns"] == {"label": [1, None], "vars": row["vars"]}


def test_a_row_without_a_variable_is_that_rows_fault(asks, cwd) -> None:
    values = [{"id": "a", "vars": {"topic": "x"}}, {"id": "b", "vars": {"topic": "x", "question": "y"}}]
    done = asks({"in.jsonl": lines(values), "ask.yaml": FORM}, "-f", "ask.yaml")
    assert done.code == 15
    found = by_id(cwd / "out.jsonl")
    assert found["a"]["error"]["message"] == "in.jsonl:1: the row has no question, which the request file wants"
    assert found["b"]["status"] == "ok"


DEFAULTS = "vars: {lang: French}\nsystem: Write {{lang}}.\nprompt: '{{lang}}: {{text}}'\n"


@pytest.mark.parametrize(("more", "lang"), [((), "German"), (("--var", "lang=Dutch"), "Dutch")])
def test_a_value_is_the_same_wherever_it_stands(asks, server, more, lang) -> None:
    """A row's counts before a default of the request file, and --var before both, as flags do."""
    values = [{"vars": {"text": "a", "lang": "German"}}, {"vars": {"text": "b"}}]
    assert asks({"in.jsonl": lines(values), "ask.yaml": DEFAULTS}, "-f", "ask.yaml", "-j", "1", *more).code == 0
    rest = "Dutch" if more else "French"
    assert [turns(body) for body in server.bodies] == [
        [("system", f"Write {lang}."), ("user", f"{lang}: a")],
        [("system", f"Write {rest}."), ("user", f"{rest}: b")],
    ]


def test_what_a_row_says_is_not_expanded_again(asks, server) -> None:
    asks(
        {"in.jsonl": lines([{"vars": {"topic": "{{question}}", "question": "{{topic}}"}}]), "f.yaml": FORM},
        "-f",
        "f.yaml",
    )
    assert turns(server.bodies[0]) == [("system", "You know {{question}}."), ("user", "{{topic}}?")]


def test_turns_of_a_row(asks, server) -> None:
    talk = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "1"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "3"},
    ]
    assert asks({"in.jsonl": lines([{"messages": talk}])}).code == 0
    assert turns(server.bodies[0]) == [("system", "s"), ("user", "1"), ("assistant", "2"), ("user", "3")]


WEATHER = {"type": "function", "function": {"name": "weather", "description": "", "parameters": {"type": "object"}}}


def user(text):
    return {"role": "user", "content": text}


def openai(identity, **body):
    return {"custom_id": identity, "method": "POST", "url": "/v1/chat/completions", "body": body}


def test_openai_lines(glm, server, cwd) -> None:
    """The body says what is asked; what it does not say is as the flags say."""
    hi = [{"role": "user", "content": "hi"}]
    values = [
        openai("plain", messages=hi, temperature=0.1, seed=4, user="u1"),
        openai("model", model="glm-4.7", messages=hi),
        openai("tools", messages=hi, tools=[WEATHER], tool_choice="auto"),
    ]
    (cwd / "in.jsonl").write_text(lines(values))
    given = ("-P", "zai", "--base-url", server.url, "--no-stream", "-j", "1", "--ordered", "--max-tokens", "9")
    done = glm("batch", "run", "in.jsonl", "-O", "out.jsonl", *given, env=KEY)
    assert done.code == 0, done.err
    plain, model, tools = server.bodies
    assert (plain["model"], plain["temperature"], plain["seed"], plain["user"]) == ("glm-5", 0.1, 4, "u1")
    assert (model["model"], model["max_tokens"]) == ("glm-4.7", 9)
    assert tools["tools"] == [WEATHER]
    assert [entry["model"] for entry in entries(cwd / "out.jsonl")] == ["glm-5", "glm-4.7", "glm-5"]


def test_batch_lines_of_other_providers(asks, server, cwd) -> None:
    """The url says nothing that is used, so any of a chat will do, and none too."""
    hi = {"messages": [user("hi")]}
    values = [
        {"custom_id": "azure", "method": "POST", "url": "/chat/completions", "body": hi},
        {"custom_id": "test model", "method": "POST", "url": "/v1/chat/ds-test", "body": hi},
        {"custom_id": "mistral", "body": hi},
        {"custom_id": "anthropic", "params": hi},
        {"custom_id": "vectors", "method": "POST", "url": "/v1/embeddings", "body": {"input": "hi"}},
    ]
    assert asks({"in.jsonl": lines(values)}).code == 15
    assert [turns(body) for body in server.bodies] == [[("user", "hi")]] * 3
    form = "Anthropic's batches say what is asked: here it is body, in the form of a chat completion"
    url = "that of a chat completion, as /v1/chat/completions: nothing else is asked here"
    found = by_id(cwd / "out.jsonl")
    assert {name: entry["error"]["message"] for name, entry in found.items() if entry["status"] != "ok"} == {
        "anthropic": f"in.jsonl:4: params is how {form}",
        "vectors": f"in.jsonl:5: url must be {url}",
    }


@pytest.mark.parametrize(
    ("row", "body", "sent"),
    [
        ("llamacpp", {"repeat_penalty": 1.1, "thinking_budget_tokens": 9}, None),
        ("llamacpp", {"repetition_penalty": 1.1}, {"repeat_penalty": 1.1}),
        ("vllm", {"thinking_token_budget": 9}, None),
        ("vllm", {"thinking_budget": 9}, {"thinking_token_budget": 9}),
        ("openai", {"repeat_penalty": 1.1}, None),  # not known there, so it is passed on
    ],
)
def test_bodies_by_the_names_of_the_row(glm, server, cwd, row, body, sent) -> None:  # noqa: PLR0917 - a table
    (cwd / "in.jsonl").write_text(lines([openai("a", messages=[user("hi")], **body)]))
    given = ("-P", row, "-m", "glm", "--base-url", server.url, "--no-stream")
    done = glm("batch", "run", "in.jsonl", "-O", "out.jsonl", *given, env={"OPENAI_API_KEY": CANARY})
    assert done.code == 0, done.err
    assert server.bodies == [{"model": "glm", "messages": [user("hi")], **(sent or body)}]


@pytest.mark.parametrize(
    ("row", "body", "said"),
    [
        ("ollama", {"top_k": 5}, "glm at ollama does not take top_k"),
        ("vllm", {"top_p": 0}, "--top-p 0 is out of the range (0, 1] of vllm"),
        ("sglang", {"top_k": 0}, "--top-k 0 is out of the range [1, ) or -1 of sglang"),
        ("sglang", {"thinking_budget": 9}, "sglang has no thinking budget"),
    ],
)
def test_bodies_with_what_the_row_drops_or_refuses(glm, server, cwd, row, body, said) -> None:  # noqa: PLR0917 - a table
    (cwd / "in.jsonl").write_text(lines([openai("a", messages=[user("hi")], **body)]))
    given = ("-O", "out.jsonl", "-P", row, "-m", "glm", "--base-url", server.url)
    done = glm("batch", "run", "in.jsonl", *given)
    assert done.code == 15
    assert said in done.err
    assert server.bodies == []
    assert glm("batch", "run", "in.jsonl", *given, "--force", "--no-stream", "--retry-failed").code == 0


HI = {"role": "user", "content": "hi"}
CALL = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
BAD_BODIES = [
    ({"max_tokens": "9"}, "body.max_tokens must be an integer, not a string"),
    ({"max_tokens": 1.5}, "body.max_tokens must be an integer, not a number (1.5)"),
    ({"seed": True}, "body.seed must be an integer, not a boolean (true)"),
    ({"temperature": "0"}, "body.temperature must be a number, not a string"),
    ({"model": 5}, "body.model must be a string, not a number (5); quote it"),
    ({"model": ""}, "body.model must not be empty"),
    ({"enable_thinking": "yes"}, "body.enable_thinking must be true or false, not a string"),
    ({"thinking": True}, "body.thinking is not what a chat completion has there"),
    ({"thinking": {}}, "body.thinking is not what a chat completion has there"),
    ({"thinking": {"type": [], "clear_thinking": True}}, "body.thinking is not what a chat completion has there"),
    ({"thinking": {"clear_thinking": True, "budget": 5}}, "body.thinking: 'budget' cannot be sent"),
    ({"thinking": {"type": "enabled", "budget": 5}}, "body.thinking: 'budget' cannot be sent"),
    ({"tool_choice": 5}, "body.tool_choice is not what a chat completion has there"),
    ({"stop": 5}, "body.stop is not what a chat completion has there"),
    ({"stop": ["a", 5]}, "body.stop[1] must be a string, not a number (5); quote it"),
    ({"tools": {}}, "body.tools is not what a chat completion has there"),
    ({"tools": [5]}, "body.tools[0] is neither a function nor another kind of tool"),
    ({"tools": [WEATHER, None]}, "body.tools[1] is neither a function nor another kind of tool"),
    ({"tools": [{"type": "function"}]}, "body.tools[0] is neither a function nor another kind of tool"),
    ({"tools": [{"type": "function", "function": {"name": ""}}]}, "body.tools[0].function.name must not be empty"),
    (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": 5}}]},
        "body.tools[0].function.parameters must be a mapping, not a number (5)",
    ),
    (
        {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]},
        "body.tools[0].function: 'strict' cannot be sent",
    ),
    ({"messages": [HI | {"name": "Ann"}]}, "body.messages[0]: 'name' cannot be sent"),
    ({"messages": [{"role": ["user"]}]}, "body.messages[0] has no role of system, user, assistant, tool"),
    (
        {"messages": [HI, {"role": "assistant", "tool_calls": 5}]},
        "body.messages[1].tool_calls must be a list, not a number (5)",
    ),
    (
        {"messages": [HI, {"role": "assistant", "content": "x", "reasoning_content": 5}]},
        "body.messages[1].reasoning_content must be a string, not a number (5); quote it",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "body.messages[0].content: image_url has no url",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": ["x"]}]}]},
        "body.messages[0].content has a part that is no text, image_url, video_url, file_url",
    ),
]


def test_openai_lines_that_are_wrong(asks, server, cwd) -> None:
    """Each is a fault of its own row, whatever stands where."""
    values = [openai(f"r{url_of}", **{"messages": [HI], **body}) for url_of, (body, _) in enumerate(BAD_BODIES)]
    done = asks({"in.jsonl": lines([*values, openai("good", messages=[HI])])})
    assert done.code == 15, done.err
    found = by_id(cwd / "out.jsonl")
    assert found.pop("good")["status"] == "ok"
    said = [found[f"r{url_of}"]["error"]["message"] for url_of in range(len(BAD_BODIES))]
    assert said == [f"in.jsonl:{line}: {why}" for line, (_, why) in enumerate(BAD_BODIES, 1)]
    assert server.prompts == ["hi"]


def test_what_is_empty_in_an_openai_line_says_nothing(asks, server) -> None:
    """As libraries write it who fill in what nobody set."""
    turn = {"role": "assistant", "content": None, "refusal": None, "annotations": [], "tool_calls": [CALL]}
    result = {"role": "tool", "name": "f", "tool_call_id": "c", "content": "sunny"}
    strict = {"type": "function", "function": WEATHER["function"] | {"strict": False}}
    values = [openai("a", messages=[HI | {"name": None}, turn, result], max_tokens=None, stop=[], tools=[strict])]
    assert asks({"in.jsonl": lines(values)}).code == 0
    (body,) = server.bodies
    assert body["tools"] == [WEATHER]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "tool"]


def test_a_flag_overrides_the_body(asks, server) -> None:
    body = openai("a", messages=[{"role": "user", "content": "hi"}], temperature=0.9, model="glm-4.7")
    assert asks({"in.jsonl": lines([body])}, "--temperature", "0.2").code == 0
    assert (server.bodies[0]["temperature"], server.bodies[0]["model"]) == (0.2, "glm-5")


def test_openai_lines_with_pictures(asks, server, cwd) -> None:
    data = base64.b64encode(png()).decode()
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
    ]
    bad = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,!!"}}]
    values = [
        openai("a", model="glm-4.6v", messages=[{"role": "user", "content": parts}]),
        openai("b", model="glm-4.6v", messages=[{"role": "user", "content": bad}]),
    ]
    asks({"in.jsonl": lines(values)}, "-m", "zai/glm-4.6v")
    found = by_id(cwd / "out.jsonl")
    assert found["a"]["status"] == "ok"
    assert found["b"]["status"] == "invalid"
    assert "the data URL holds no base64" in found["b"]["error"]["message"]
    urls = [part["image_url"]["url"] for part in server.bodies[0]["messages"][0]["content"] if "image_url" in part]
    assert urls[1] == "https://example.org/cat.png"
    assert urls[0].endswith(data)
    assert data not in (cwd / "out.jsonl").read_text()


def test_csv_fills_a_request_file(asks, server, cwd) -> None:
    table = 'id,question,topic,my note\na,"Which, ""if"" any",tea,"two\nlines"\nb,Why,中文,\n'
    done = asks({"in.csv": table, "ask.yaml": FORM}, "-f", "ask.yaml", "-j", "1", "--ordered")
    assert done.code == 0, done.err
    assert [turns(body) for body in server.bodies] == [
        [("system", "You know tea."), ("user", 'Which, "if" any?')],
        [("system", "You know 中文."), ("user", "Why?")],
    ]
    assert by_id(cwd / "out.jsonl")["a"]["columns"]["my note"] == "two\nlines"


TABLE = "id,topic\na,tea\nb,milk\n"
COLUMNS = "the columns are 'id', 'topic'; --var question=… gives all rows the same"
A_FIELD = 'a row has it as a field, as in {"question": "…"}; --var question=… gives all rows the same'
A_KEY = "a document has it as a key, as in question: …; --var question=… gives all rows the same"
NO_ROW_HAS_IT = {
    "a table": ("in.csv", TABLE, "in.csv:1", COLUMNS),
    "a table of bad rows": ("in.csv", "id,topic\na,tea,2\n", "in.csv:1", COLUMNS),
    "many columns": (
        "in.tsv",
        "topic\t" + "\t".join(f"c{number}" for number in range(5000)) + "\n",
        "in.tsv:1",
        COLUMNS.replace("'id', 'topic'", "'topic', 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7' and 4992 more"),
    ),
    "JSON lines": ("in.jsonl", lines([{"vars": {"topic": "tea"}}, {"vars": {"topic": "milk"}}]), "in.jsonl", A_FIELD),
    "a bad row among them": ("in.jsonl", '{"vars": {"topic": "tea"}}\n{\n', "in.jsonl", A_FIELD),
    "YAML": ("in.yaml", "vars: {topic: tea}\n---\nquestions: misspelt\nvars: {topic: tea}\n", "in.yaml", A_KEY),
}


@pytest.mark.parametrize(("name", "text", "place", "fix"), NO_ROW_HAS_IT.values(), ids=NO_ROW_HAS_IT)
def test_a_value_that_no_row_has(asks, server, cwd, *, name, text, place, fix) -> None:
    """A typo in the template is no fault of every row."""
    for more in ((), ("--keep-changed",), ("--redo-changed",)):
        done = asks({name: text, "ask.yaml": FORM}, "-f", "ask.yaml", *more)
        assert done.code == 2
        assert done.err == (f"glm: error: {place}: no row has question, which the request file wants\n  fix: {fix}\n")
    assert server.prompts == []
    assert not (cwd / "out.jsonl").exists()
    assert asks({name: text, "ask.yaml": FORM}, "-f", "ask.yaml", "--var", "question=Which").code in {0, 15}


ASKS_NOTHING = {
    "a table": ("in.csv", "id,Prompt,=x\na,Who?,1\n", "in.csv:1", "the columns are 'id', 'Prompt', '=x'; "),
    "JSON lines": ("in.jsonl", '{"vars":{"question":"Who?"}}\n{\n', "in.jsonl", ""),
}


@pytest.mark.parametrize(("name", "text", "place", "there"), ASKS_NOTHING.values(), ids=ASKS_NOTHING)
@pytest.mark.parametrize("form", ["system: Be brief.", "temperature: 0.5"])
def test_rows_none_of_which_asks_anything(asks, server, *, form, name, text, place, there) -> None:
    done = asks({name: text, "ask.yaml": form}, "-f", "ask.yaml")
    assert done.err == (
        f"glm: error: {place}: no row asks anything\n"
        f"  fix: {there}call the question prompt, or ask with -f FILE, as in prompt: '{{{{NAME}}}}?'\n"
    )
    assert (done.code, server.prompts) == (2, [])


def test_a_table_beside_what_is_attached(asks, server) -> None:
    files = {"in.csv": "id,topic\na,tea\n", "note": "Who?", "ask.yaml": "system: '{{topic}}'\nattach: [note]\n"}
    assert asks(files, "-f", "ask.yaml").code == 0
    assert turns(server.bodies[0]) == [("system", "tea"), ("user", "note:\n\nWho?")]


def test_a_value_that_no_row_of_a_pipe_has(asks, server) -> None:
    files = {"ask.yaml": FORM}
    done = asks(files, "-f", "ask.yaml", "--format", "csv", stdin=TABLE.encode(), name="-")
    assert (done.code, error(done)) == (2, "<stdin>:1: no row has question, which the request file wants")
    done = asks(files, "-f", "ask.yaml", stdin=b"one\n", name="-")
    assert (done.code, error(done)) == (2, "<stdin>: no row has question, topic, which the request file wants")
    assert (
        "fix: a line of text has no names; --format csv, tsv, jsonl or yaml says that rows are written so" in done.err
    )
    done = asks(files, "--files0", "-", "-f", "ask.yaml", stdin=b"ask.yaml\0")
    assert (done.code, error(done)) == (2, "<stdin>: no row has question, topic, which the request file wants")
    assert "fix: a file has its {{path}} alone; --var question=" in done.err
    assert server.prompts == []


def test_a_row_that_says_itself_what_others_lack(asks, server, cwd) -> None:
    """What a row says takes the place of a template, which then wants nothing of it."""
    values = [{"id": "b", "vars": {}}, {"id": "a", "prompt": "own"}, openai("c", messages=[user("body")])]
    done = asks({"in.jsonl": lines(values), "ask.yaml": "prompt: '{{question}}'"}, "-f", "ask.yaml")
    assert done.code == 15
    assert statuses(cwd / "out.jsonl") == {"a": "ok", "b": "invalid", "c": "ok"}
    assert sorted(server.prompts) == ["body", "own"]


NO_ROWS = {
    "nothing": ("in.jsonl", "", ()),
    "blank lines": ("in.jsonl", "\n \n", ()),
    "no text": ("in.txt", "\n", ()),
    "a table of nothing": ("in.csv", "", ()),
    "a header": ("in.csv", "id,prompt\n", ()),
    "a header with tabs": ("in.tsv", "id\tprompt\r\n", ()),
    "no document": ("in.yaml", "# nothing\n---\n...\n", ()),
    "an empty pipe": ("-", "", ()),
    "a header in a pipe": ("-", "prompt\n", ("--format", "csv")),
    "a list of no files": ("-", "", ("--files0", "-")),
    "a part of nothing": ("in.jsonl", "", ("--shard", "1/2")),
}


@pytest.mark.parametrize("form", NO_ROWS)
def test_no_rows_are_said_and_the_output_is_made(asks, server, cwd, form) -> None:
    """The next step of a script finds its file; what should have written the rows may have failed, which is said."""
    name, text, more = NO_ROWS[form]
    files, stdin = ({}, text.encode()) if name == "-" else ({name: text}, None)
    shown = "<stdin>" if name == "-" else name
    done = asks(files, *more, "--csv", "all.csv", stdin=stdin, name=name)
    assert (done.code, done.out) == (0, b"")
    assert done.err.splitlines()[-1] == f"glm: no rows in {shown}"
    assert (cwd / "out.jsonl").read_bytes() == b""
    assert (cwd / "all.csv").read_text() == "id,line,status,answer,error\n"
    done = asks(files, *more, "--need-rows", stdin=stdin, name=name)
    assert (done.code, error(done)) == (2, f"no rows in {shown}")
    assert server.bodies == []


SENT = [[("user", "Was ist, bitte, ein Rohr?")], [("user", "你是谁")]]
TWO = "1;Was ist, bitte, ein Rohr?\r\n2;你是谁\r\n"
SEMICOLONS = "glm: in.csv: a semicolon separates its columns (--delimiter says otherwise)\n"


@pytest.mark.parametrize(
    ("data", "more", "said"),
    [
        (f"id;prompt\r\n{TWO}".encode(), (), SEMICOLONS),
        (f"sep=;\r\nid;prompt\r\n{TWO}".encode(), (), ""),
        (f"id;prompt\r\n{TWO}".encode(), ("--delimiter", ";"), ""),
        (f"id;prompt\r\n{TWO}".replace(";", "~").encode(), ("--delimiter", "~"), ""),
        (f"id;prompt\r\n{TWO}".encode("gb18030"), ("--encoding", "gb18030"), SEMICOLONS),
        (f"id;prompt\r\n{TWO}".encode("utf-16"), ("--encoding", "utf-16"), SEMICOLONS),
        (
            f"id;prompt\r\n{TWO}".replace("\n", "").encode(),
            (),
            f"glm: in.csv: lines end with a carriage return alone\n{SEMICOLONS}",
        ),
    ],
)
@pytest.mark.parametrize("command", ["run", "sample", "submit"])
def test_tables_as_spreadsheets_write_them(asks, glm, server, cwd, *, data, more, said, command) -> None:
    if command == "run":
        done = asks({"in.csv": data}, "-j", "1", *more)
        assert (done.code, [turns(body) for body in server.bodies]) == (0, SENT)
        assert list(by_id(cwd / "out.jsonl")) == ["1", "2"]
        assert done.err.startswith(said)
        assert ("in.csv:" in done.err) is bool(said)
        return
    (cwd / "in.csv").write_bytes(data)
    given = ("-m", "sandbox/glm-4-flash", *more)
    if command == "sample":
        done = glm("batch", "sample", "in.csv", "--dry-run", *given)
    else:
        done = glm("batch", "submit", "in.csv", "--lines", "lines", *given)
    text = done.text if command == "sample" else (cwd / "lines").read_text()
    assert (done.code, "Was ist, bitte, ein Rohr?" in text) == (0, True)


@pytest.mark.parametrize(
    ("files", "more", "message", "fix"),
    [
        ({"in.jsonl": '{"prompt":"你是谁"}'.encode("gbk")}, (), "in.jsonl:1: not UTF-8 (byte 0xc4)", "--encoding NAME"),
        ({"in.jsonl": '[{"prompt":"a"},{"prompt":"b"}]'}, (), "in.jsonl is one JSON list", "jq -c '.[]' FILE"),
        ({"in.csv": "a;b,c\n1;2,3\n"}, (), "in.csv: a comma and a semicolon in the header", "--delimiter ',' or --d"),
        ({"in.csv": "id,prompt\n"}, ("--delimiter", "::"), "--delimiter ::: not one character", "as in ';'"),
        ({"in.csv": "id,prompt\n"}, ("--encoding", "utf9"), "--encoding utf9: Python knows no such", "as in gb18030"),
        ({"in.jsonl": "{}"}, ("--delimiter", ";"), "--delimiter separates the columns of a table", "--format csv"),
    ],
)
def test_what_cannot_be_read_as_a_whole(asks, server, cwd, *, files, more, message, fix) -> None:
    done = asks(files, *more)
    assert (done.code, server.bodies) == (2, [])
    assert error(done).startswith(message)
    assert f"  fix: {fix}" in done.err
    assert not (cwd / "out.jsonl").exists()


def test_a_merge_reads_the_same_input(asks, glm, cwd) -> None:
    data = f"id;prompt\n{TWO}3;x\n".encode("gb18030")
    first = data.rpartition(b"3")[0]
    asks({"in.csv": first}, "--encoding", "gb18030")
    (cwd / "in.csv").write_bytes(data.replace(b";", b"~"))
    done = glm("batch", "merge", "out.jsonl", "--input", "in.csv", "--encoding", "gb18030", "--delimiter", "~")
    assert (done.code, "glm: in.csv: 1 row missing: 3\n" in done.err) == (11, True)


def test_no_rows_without_an_output(glm) -> None:
    done = glm("batch", "run", "-", "-m", "sandbox/glm-5", stdin=b"")
    assert (done.code, done.out, done.err) == (0, b"", "glm: no rows in <stdin>\n")
    done = glm("batch", "run", "-", "-m", "sandbox/glm-5", "-q", stdin=b"")
    assert (done.code, done.out, done.err) == (0, b"", "")


def test_nothing_to_resume_where_nothing_was_answered(glm) -> None:
    done = glm("batch", "run", "-", "-m", "sandbox/glm-5", stdin=b"caf\xe9\n\xe9\n")
    assert (done.code, done.out) == (2, b"")
    assert "  fix: --encoding NAME reads it" in done.err
    assert "resume" not in done.err


def test_an_output_outlives_an_input_without_rows(asks, cwd) -> None:
    """A step before that failed leaves an empty file, and no row of an earlier run goes with it."""
    values = [{"id": "a", "prompt": "x"}, {"id": "b", "prompt": 1}]
    assert asks({"in.jsonl": lines(values)}, "--text", "texts").code == 15
    before = (cwd / "out.jsonl").read_bytes()
    done = asks({"in.jsonl": ""}, "--redo-changed", "--text", "texts")
    assert (done.code, (cwd / "out.jsonl").read_bytes()) == (0, before)
    assert "glm: no rows in in.jsonl\n" in done.err


def test_rows_of_other_parts_are_rows(asks, cwd) -> None:
    done = asks({"in.jsonl": lines([{"id": "a", "prompt": "x"}])}, "--shard", "1/2", "--need-rows")
    other = asks({"in.jsonl": lines([{"id": "a", "prompt": "x"}])}, "--shard", "2/2", "--need-rows")
    assert (done.code, other.code) == (0, 0)
    assert "no rows" not in done.err + other.err
    assert list(by_id(cwd / "out.jsonl")) == ["a"]


def test_csv_with_a_record_that_is_too_short(asks, cwd) -> None:
    assert asks({"in.csv": "id,prompt\na,one\nb\nc,three\n"}).code == 15
    assert statuses(cwd / "out.jsonl") == {"a": "ok", "line-3": "invalid", "c": "ok"}


def test_tsv(asks, server) -> None:
    assert asks({"in.tsv": 'id\tprompt\na\tone, two\nb\t"tab\there"\n'}, "-j", "1").code == 0
    assert server.prompts == ["one, two", "tab\there"]


def test_yaml_documents(asks, server, cwd) -> None:
    text = "id: a\nprompt: |\n  two\n  lines\n---\n# nothing\n---\nid: b\nprompt: yes\n"
    assert asks({"in.yaml": text}, "-j", "1").code == 0
    assert server.prompts == ["two\nlines\n", "yes"]
    assert set(by_id(cwd / "out.jsonl")) == {"a", "b"}


def test_text_on_stdin(asks, server, cwd) -> None:
    done = asks({}, stdin=b"one\n\n  two \r\nthree", name="-")
    assert done.code == 0, done.err
    assert sorted(server.prompts) == ["  two ", "one", "three"]
    assert sorted(entry["line"] for entry in entries(cwd / "out.jsonl")) == [1, 3, 4]


@pytest.fixture
def redirected(home, cwd, server):
    """A script of bash in which `run` is a batch of what stands on stdin."""

    def run(script, **env):
        given = f'run() {{ "$GLM" batch run - -O out.jsonl {" ".join(flags(server))} "$@"; }}\n'
        done = shell(given + script, home, cwd, **KEY, **env)
        return Completed(done.returncode, done.stdout, done.stderr.decode())

    return run


@pytest.mark.sampled(2)
@pytest.mark.parametrize("count", [3, 5000])
def test_a_file_on_stdin_is_read_from_where_it_stands(redirected, cwd, count) -> None:
    (cwd / "in").write_text("a header\n" + lines(rows(count)))
    done = redirected("{ read header; run --ordered; cat; } <in")
    assert (done.code, done.out) == (0, b""), done.err
    assert [entry["line"] for entry in entries(cwd / "out.jsonl")] == [*range(1, count + 1)]


def test_a_file_on_stdin_is_judged_before_anything_is_sent(redirected, server, cwd) -> None:
    (cwd / "in").write_text(lines([{"id": "a", "prompt": "1"}, {"id": "b", "prompt": "2"}, {"id": "a", "prompt": "3"}]))
    done = redirected("{ run; echo $?; cat; } <in")
    assert error(done) == "<stdin>:3: the id 'a' is also on line 1"
    assert done.text == "2\n" + (cwd / "in").read_text()  # nothing was taken either
    assert server.prompts == []
    assert not (cwd / "out.jsonl").exists()


def test_a_file_on_stdin_is_not_written_over(redirected, server, cwd) -> None:
    (cwd / "in.csv").write_text("id,prompt\na,one\n")
    done = redirected("run --format csv --csv in.csv <in.csv")
    assert (done.code, error(done)) == (2, "INPUT and --csv name the same file: in.csv")
    assert redirected("run --format csv <in.csv").code == 0
    done = redirected("run <out.jsonl")
    assert (done.code, error(done)) == (2, "INPUT and --output name the same file: out.jsonl")
    (cwd / "list").write_bytes(b"in.csv\0")
    done = redirected('"$GLM" batch run --files0 - -O list <list')
    assert (done.code, error(done)) == (2, "--files0 and --output name the same file: list")
    assert (cwd / "in.csv").read_text() == "id,prompt\na,one\n"
    assert server.prompts == ["one"]


OVERWRITTEN = {
    "a table": (
        "batch run /dev/stdin --format csv -m zai/glm-5 -O out --csv in.csv <in.csv",
        "INPUT and --csv",
        "in.csv",
    ),
    "missing rows": ("batch merge 1.jsonl --input - --format csv -O in.csv <in.csv", "--input and --output", "in.csv"),
    "a report": ("batch report - --html 1.jsonl <1.jsonl", "FILE and --html", "1.jsonl"),
    "lines": ("batch submit in.csv --lines in.csv -m sandbox/glm-4-flash", "INPUT and --lines", "in.csv"),
    "lines of stdin": ("batch submit - --lines in.csv -m sandbox/glm-4-flash <in.csv", "INPUT and --lines", "in.csv"),
    "a form": (
        "batch submit in.csv -f ask.yaml --lines ./ask.yaml -m sandbox/glm-4-flash",
        "--request and --lines",
        "./ask.yaml",
    ),
}


@pytest.mark.parametrize(("command", "flags", "name"), OVERWRITTEN.values(), ids=OVERWRITTEN)
def test_what_is_read_is_not_written_over(asks, home, cwd, *, command, flags, name) -> None:
    asks({"in.csv": "id,prompt\na,one\n", "ask.yaml": "temperature: 0.5\n"}, "-O", "1.jsonl")
    before = {path.name: path.read_bytes() for path in cwd.iterdir()}
    done = shell(f'"$GLM" {command}', home, cwd, **KEY)
    assert done.stderr.decode() == f"glm: error: {flags} name the same file: {name}\n  fix: use two files\n"
    assert done.returncode == 2
    assert {path.name: path.read_bytes() for path in cwd.iterdir()} == before


def test_a_stdin_that_cannot_be_read(redirected) -> None:
    done = redirected("run 0>in")
    assert (done.code, error(done)) == (2, "cannot read <stdin>: Bad file descriptor")


def test_jsonl_and_csv_on_stdin(asks, server) -> None:
    assert asks({}, stdin=b'{"prompt": "j"}\n', name="-").code == 0
    assert asks({}, "--format", "csv", stdin=b"prompt\nc\n", name="-").code == 0
    assert server.prompts == ["j", "c"]


NAMES = {
    "a.py": "a.py.txt",
    "sub/b c.py": "sub%2Fb c.py.txt",
    ".hidden": "%2Ehidden.txt",
    "..\nline": "%2E.%0Aline.txt",
    "中.py": "%E4%B8%AD.py.txt",
    "-rf": "-rf.txt",
    "100%": "100%25.txt",
}


def test_files_and_a_text_for_each(glm, server, cwd) -> None:
    odd = {name: wanted for name, wanted in NAMES.items() if "\n" not in name}
    (cwd / "sub").mkdir()
    for name in odd:
        (cwd / name).write_text(f"text of {name}")
    (cwd / "ask.yaml").write_text("prompt: 'Review {{path}}:'\n")
    paths = b"".join(name.encode() + b"\0" for name in [*odd, "gone.py"])
    given = ("--files0", "-", "-f", "ask.yaml", "--text", "out/")
    done = glm("batch", "run", *given, *flags(server), env=KEY, stdin=paths)
    assert done.code == 15
    assert sorted(server.prompts) == sorted(f"Review {name}:\n\ntext of {name}" for name in odd)
    found = {path.name for path in (cwd / "out").iterdir()}
    assert found == {*odd.values(), "rows.jsonl"}
    assert (cwd / "out" / "sub%2Fb c.py.txt").read_text() == "Re: Review sub/b c.py:\n\ntext of sub/b c.py\n"
    gone = by_id(cwd / "out" / "rows.jsonl")["gone.py"]
    assert gone["status"] == "invalid"
    assert gone["error"]["message"] == "<stdin>:7: cannot read gone.py: No such file or directory"
    asked = len(server.prompts)
    assert glm("batch", "run", *given, *flags(server), env=KEY, stdin=paths).code == 15
    assert len(server.prompts) == asked


@pytest.mark.parametrize(("name", "wanted"), NAMES.items(), ids=map(repr, NAMES))
def test_the_name_of_a_text(name, wanted) -> None:
    from glmcli.batch.ledger.export import file_name

    assert file_name(name) == wanted


def test_the_name_of_a_long_id() -> None:
    from glmcli.batch.ledger.export import file_name

    long = [file_name("中" * 300 + end) for end in "ab"]
    assert len(set(long)) == 2
    assert all(len(name.encode()) <= 240 for name in long)


# What a request file may say


def test_a_system_message_and_an_attachment_from_files(asks, server) -> None:
    files = {
        "in.jsonl": lines([{"prompt": "one"}, {"prompt": "two"}]),
        "rules.txt": "The rules.",
        "notes.md": "The notes.",
        "ask.yaml": "system: '@rules.txt'\nattach: [notes.md]\n",
    }
    assert asks(files, "-f", "ask.yaml", "-j", "1", "--ordered").code == 0
    assert [turns(body) for body in server.bodies] == [
        [("system", "The rules."), ("user", f"{word}\n\nnotes.md:\n\nThe notes.")] for word in ("one", "two")
    ]


def test_the_shared_beginning_is_the_same_for_all_rows(asks, server) -> None:
    """Byte for byte, up to the row's own words: a provider's cache asks for no less."""
    form = "system: '@rules.txt'\nmessages:\n- {role: user, content: 'Label this: {{text}}'}\ntemperature: 0\n"
    values = [{"id": f"r{number}", "vars": {"text": f"row {number}"}} for number in range(20)]
    assert asks({"in.jsonl": lines(values), "rules.txt": "Rules. " * 200, "f.yaml": form}, "-f", "f.yaml").code == 0
    texts = [json.dumps(body) for body in server.bodies]
    assert len({text[: text.index("row ")] for text in texts}) == 1
    assert len(texts[0][: texts[0].index("row ")]) > 1400
    assert len({text[text.index("row ") + 7 :] for text in texts}) <= 2


def test_pictures_that_rows_name(asks, server, cwd) -> None:
    (cwd / "a.png").write_bytes(png())
    (cwd / "b.png").write_bytes(png(20, 10))
    values = [{"id": name, "vars": {"file": name}} for name in ("a.png", "b.png", "none.png")]
    files = {"in.jsonl": lines(values), "see.yaml": "prompt: What is it?\nimages: ['{{file}}']\n"}
    done = asks(files, "-f", "see.yaml", "-m", "zai/glm-4.6v", "-j", "1", "--ordered")
    assert done.code == 15
    assert statuses(cwd / "out.jsonl") == {"a.png": "ok", "b.png": "ok", "none.png": "invalid"}
    sent = [body["messages"][-1]["content"] for body in server.bodies]
    pictures = [part["image_url"]["url"] for parts in sent for part in parts if part["type"] == "image_url"]
    assert [base64.b64decode(url.rpartition(",")[2]) for url in pictures] == [png(), png(20, 10)]


def test_turns_of_several_parts(asks, server, cwd) -> None:
    """In their order; texts alone are one; paths begin at the file that holds the rows."""
    (cwd / "rows").mkdir()
    (cwd / "rows" / "a.png").write_bytes(png())
    a, b = ({"type": "text", "text": text} for text in "ab")
    pictures = [{"type": "image", "path": path} for path in ("a.png", "none.png", "a\0.png")]
    turns = {"see": [pictures[0], a], "say": [a, b], "gone": [pictures[1]], "nul": [a, pictures[2]]}
    values = [{"id": name, "messages": [{"role": "user", "content": parts}]} for name, parts in turns.items()]
    done = asks({"rows/in.jsonl": lines(values)}, "-m", "zai/glm-4.6v", "-j", "1", "--ordered")
    assert done.code == 15
    see, say = (body["messages"][-1]["content"] for body in server.bodies)
    assert [part["type"] for part in see] == ["image_url", "text"]
    assert base64.b64decode(see[0]["image_url"]["url"].rpartition(",")[2]) == png()
    assert (see[1], say) == (a, "ab")
    found = by_id(cwd / "out.jsonl")
    assert {name: entry["status"] for name, entry in found.items()} == {
        "see": "ok",
        "say": "ok",
        "gone": "invalid",
        "nul": "invalid",
    }
    assert found["gone"]["error"]["message"] == (
        "rows/in.jsonl:3: messages[0].content[0].path: cannot read rows/none.png: No such file or directory"
    )
    assert found["nul"]["error"]["message"] == "rows/in.jsonl:4: messages[0].content[1].path holds a NUL"
    (cwd / "rows" / "a.png").unlink()
    done = asks({"rows/in.jsonl": lines(values)}, "-m", "zai/glm-4.6v")
    assert (done.code, error(done)) == (2, "a finished row answers another request than would be sent now")
    assert "why: rows/in.jsonl:1: messages[0].content[0].path: cannot read rows/a.png: No such file" in done.err


def test_pictures_that_are_made_to_fit(asks, server, cwd) -> None:
    """The provider takes 6000 pixels a side."""
    (cwd / "wide.png").write_bytes(png(8000, 80))
    values = lines([{"id": "a", "vars": {"file": "wide.png"}}])
    form = "prompt: What is it?\nimages: ['{{file}}']\n"
    given = ("-f", "see.yaml", "-m", "zai/glm-4.6v")
    assert asks({"in.jsonl": values, "see.yaml": form}, *given).code == 15
    assert asks({"in.jsonl": values, "see.yaml": f"{form}resize: true\n"}, *given).code == 0
    content = server.bodies[0]["messages"][-1]["content"]
    url = next(part["image_url"]["url"] for part in content if part["type"] == "image_url")
    assert base64.b64decode(url.rpartition(",")[2])[16:24] == (6000).to_bytes(4, "big") + (60).to_bytes(4, "big")


def test_a_picture_that_has_changed_is_another_request(asks, server, cwd) -> None:
    (cwd / "a.png").write_bytes(png())
    files = {"in.jsonl": lines([{"id": "a"}]), "see.yaml": "prompt: What is it?\nimages: [a.png]\n"}
    given = ("-f", "see.yaml", "-m", "zai/glm-4.6v")
    assert asks(files, *given).code == 0
    assert asks(files, *given).code == 0
    assert len(server.prompts) == 1
    (cwd / "a.png").write_bytes(png(20, 10))
    assert asks(files, *given).code == 2


def test_tools_of_the_provider(asks, server) -> None:
    search = {"type": "web_search", "web_search": {"enable": True}}
    form = f"server_tools: [{json.dumps(search)}]\n"
    assert asks({"in.jsonl": lines(rows(2)), "ask.yaml": form}, "-f", "ask.yaml").code == 0
    assert all(body["tools"] == [search] for body in server.bodies)


@pytest.mark.parametrize("field", ["session: talk.jsonl", "json: true", "meta: stderr"])
def test_what_a_batch_has_no_use_for(asks, server, field) -> None:
    done = asks({"in.jsonl": lines(rows(1)), "ask.yaml": field}, "-f", "ask.yaml")
    assert done.code == 2
    assert "which a batch has no use for" in error(done)
    assert server.prompts == []


# Who answers


def test_a_fallback(glm, cwd, server) -> None:
    """A provider that cannot answer a row hands it to the next; the line says who answered."""
    config = f"providers:\n  other: {{like: vllm, base_url: '{server.url}'}}\n"
    (cwd / "config.yaml").write_text(config)
    no_money = refuse_with({"error": {"code": "1113", "message": "no balance"}})
    with CountingServer(lambda body: no_money if prompt_of(body) == "question 1" else None) as first:
        (cwd / "in.jsonl").write_text(lines(rows(2)))
        more = ("--fallback", "other/glm-5-fp8")
        done = glm(
            "batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(first), *more, env=KEY | {"GLM_CONFIG": "config.yaml"}
        )
    assert done.code == 0, done.err
    found = by_id(cwd / "out.jsonl")
    assert {identity: (entry["provider"], entry["model"]) for identity, entry in found.items()} == {
        "r0": ("zai", "glm-5"),
        "r1": ("other", "glm-5-fp8"),
    }
    assert server.prompts == ["question 1"]
    assert found["r1"]["calls"] == 2


DOWN = {
    "an hour": (refuse_with({"error": {"code": "1302"}}, "Retry-After: 3600"), "the server asks to wait 3600 s"),
    "down": (Response(503, {"error": {"message": "down"}}), "every request failed for 10 s"),
}


@pytest.mark.parametrize("how", ["an hour", pytest.param("down", marks=pytest.mark.slow)])
def test_a_provider_that_is_no_use_hands_over(glm, cwd, server, how) -> None:
    """Rows go to the next one, also those that wait, and were never sent."""
    said, why = DOWN[how]
    (cwd / "config.yaml").write_text(f"providers:\n  other: {{like: vllm, base_url: '{server.url}'}}\n")
    (cwd / "in.jsonl").write_text(lines(rows(40)))
    with CountingServer(lambda _body: said) as first:
        given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(first), "--fallback", "other/m", "-j", "8")
        done = glm(*given, env=KEY | {"GLM_CONFIG": "config.yaml"}, timeout=90)
    assert done.code == 0, done.err
    assert f"{why}: rows go to other/m from now on\n" in done.err
    assert {entry["provider"] for entry in by_id(cwd / "out.jsonl").values()} == {"other"}
    assert len(server.prompts) == 40


@pytest.mark.slow
def test_a_provider_that_is_not_there_hands_over(glm, cwd, server) -> None:
    (cwd / "config.yaml").write_text(f"providers:\n  other: {{like: vllm, base_url: '{server.url}'}}\n")
    (cwd / "in.jsonl").write_text(lines(rows(40)))
    nobody = ("-m", "zai/glm-5", "--base-url", "http://127.0.0.1:9")
    given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", *nobody, "--fallback", "other/m")
    done = glm(*given, env=KEY | {"GLM_CONFIG": "config.yaml"}, timeout=90)
    assert done.code == 0, done.err
    assert "every request failed for 10 s: rows go to other/m from now on\n" in done.err
    assert len(server.prompts) == 40


def test_no_key(glm, cwd) -> None:
    (cwd / "in.jsonl").write_text(lines(rows(1)))
    done = glm("batch", "run", "in.jsonl", "-O", "out.jsonl", "-m", "zai/glm-5")
    assert done.code == 3
    assert "ZAI_API_KEY" in done.err
    assert not (cwd / "out.jsonl").exists()


def test_a_key_that_comes_back_is_hidden(batch) -> None:
    """The fixture searches the output for it, too."""
    batch.server.respond = lambda _body: answer_with(f"your key is {CANARY}")
    batch.write(rows(1))
    done = batch.run("--text", "texts", "--csv", "all.csv")
    assert done.code == 0
    assert "your key is " in by_id(batch.output)["r0"]["answer"]


# What is written


def test_lines_are_what_the_schema_says(batch) -> None:
    responses = {
        "question 0": refuse_with({"error": {"code": "1301", "message": "sensitive"}}, status=400),
        "question 1": answer_with("cut", "length"),
        "question 2": Response(500, {"error": {"code": "1234", "message": "down"}}),
        "question 3": answer_with(""),
    }
    batch.server.respond = lambda body: responses.get(prompt_of(body))
    batch.write([*rows(6), {"prompt": "no id"}, ["no row"], {"id": "n", "prompt": 1}])
    assert batch.run("--retries", "0", "--keep-partial").code == 11
    found = entries(batch.output)
    assert Counter(entry["status"] for entry in found) == {
        "ok": 3,
        "incomplete": 2,
        "filtered": 1,
        "failed": 1,
        "invalid": 2,
    }
    for entry in found:
        assert [fault.message for fault in LINE.iter_errors(entry)] == []


def test_a_table_of_all_rows(batch, cwd) -> None:
    batch.server.respond = lambda body: answer_with("cut", "length") if prompt_of(body) == "b" else None
    batch.write([{"id": "1", "prompt": 'a,"\n', "tag": "x"}, {"id": "2", "prompt": "b", "n": {"deep": 1}}])
    assert batch.run("--csv", "all.csv", "--ordered").code == 15
    with (cwd / "all.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first == {
        "id": "1",
        "line": "1",
        "status": "ok",
        "answer": 'Re: a,"\n',
        "error": "",
        "tag": "x",
        "n": "",
    }
    assert (second["status"], second["answer"], second["n"]) == ("incomplete", "", '{"deep": 1}')
    assert "token limit" in second["error"]


@pytest.mark.parametrize("safe", [False, True])
def test_cells_of_a_table_that_a_spreadsheet_would_run(batch, cwd, safe) -> None:
    """RFC 4180 wants quotes around a carriage return; a formula is text behind an apostrophe, a number is none."""
    cells = ["=1+1", "@SUM(A1)", "\t=1", "\rx", "- item", "+49 170", "-5", "+1.5e3", "-0,5", "-", "a=b", "one\rtwo", -5]
    batch.write({"id": f"r{at}", "prompt": "Who?", "=cell": cell} for at, cell in enumerate(cells))
    done = batch.run("--csv", "all.csv", "--ordered", *(["--csv-safe"] * safe))
    assert done.code == 0
    with (cwd / "all.csv").open(newline="") as file:
        header, *found = csv.reader(file)
    assert len(found) == len(cells)
    mark = "'" if safe else ""
    assert header[-1] == f"{mark}=cell"
    assert [row[-1] for row in found] == [*(mark + cell for cell in cells[:6]), *map(str, cells[6:])]
    text = (
        "glm: all.csv: 7 cells begin as formulas do (= + - @), which a spreadsheet runs; --csv-safe writes them as text"
    )
    assert done.err.count(text) == (not safe)


def test_a_bare_carriage_return_is_quoted(batch, cwd) -> None:
    batch.write([{"id": "a\u00a0", "prompt": "x\ry", "n": "b\rc"}])
    assert batch.run("--csv", "all.csv").code == 0
    assert (cwd / "all.csv").read_bytes() == (b'id,line,status,answer,error,n\na\xc2\xa0,1,ok,"Re: x\ry",,"b\rc"\n')


def test_a_table_needs_an_output(batch) -> None:
    batch.write(rows(1))
    done = batch.glm("batch", "run", "in.jsonl", *flags(batch.server), "--csv", "all.csv", env=KEY)
    assert (done.code, error(done)) == (2, "--csv is made of the output, and there is none")
    done = batch.glm("batch", "run", "in.jsonl", *flags(batch.server), "--sync", env=KEY)
    assert (done.code, error(done)) == (2, "--sync is about the output, and there is none")
    done = batch.run("--csv-safe")
    assert (done.code, error(done)) == (2, "--csv-safe is about the table of --csv, and there is none")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--csv", "in.jsonl"), "INPUT and --csv name the same file: in.jsonl"),
        (("--csv", "out.jsonl"), "--output and --csv name the same file: out.jsonl"),
        (("--csv", "./ask.yaml"), "--request and --csv name the same file: ./ask.yaml"),
        (("-O", "ask.yaml"), "--request and --output name the same file: ask.yaml"),
        (("-O", "notes.txt"), "notes.txt:1: not a line of a ledger: it is not JSON"),
    ],
)
def test_no_other_file_is_written_over(batch, cwd, more, message) -> None:
    """Nor is the last line of one taken for torn."""
    batch.write(rows(2))
    batch.output.touch()
    texts = {"ask.yaml": "temperature: 0", "notes.txt": "a note"}
    for name, text in texts.items():
        (cwd / name).write_text(text)
    done = batch.run("-f", "ask.yaml", *more)
    assert (done.code, error(done)) == (2, message)
    assert batch.server.prompts == []
    assert {name: (cwd / name).read_text() for name in texts} == texts
    assert {path.name for path in cwd.iterdir()} == {*texts, "in.jsonl", "out.jsonl"}


def test_a_folder_that_is_a_file(batch) -> None:
    batch.write(rows(2))
    done = batch.glm("batch", "run", "in.jsonl", *flags(batch.server), "--text", "in.jsonl", env=KEY)
    assert (done.code, error(done)) == (14, "--text: cannot make the folder in.jsonl: File exists")


def test_the_order_of_the_input_on_stdout(glm, cwd) -> None:
    with CountingServer(lambda body: answer_with("x", delay=0.05 if prompt_of(body) == "question 0" else 0)) as server:
        (cwd / "in.jsonl").write_text(lines(rows(20)))
        done = glm("batch", "run", "in.jsonl", *flags(server), "--ordered", env=KEY)
    assert [json.loads(line)["id"] for line in done.text.splitlines()] == [f"r{number}" for number in range(20)]


def test_a_closed_stdout(batch, home, cwd) -> None:
    batch.write(rows(3))
    words = " ".join(flags(batch.server))
    done = shell(f'"$GLM" batch run in.jsonl {words} >&-', home, cwd, **KEY)
    assert done.returncode == 14
    assert b"cannot write to stdout: it is closed" in done.stderr
    assert batch.server.prompts == []


def test_a_reader_that_goes_away(batch, home, cwd) -> None:
    batch.write(rows(300))
    words = " ".join(flags(batch.server))
    done = shell(f'"$GLM" batch run in.jsonl -q {words} -j 2 | head -n 1; echo "${{PIPESTATUS[0]}}"', home, cwd, **KEY)
    assert done.stdout.split()[-1] == b"141"
    assert done.stderr == b"", done.stderr.decode()
    assert len(batch.server.prompts) < 300


# What is shown instead of sent


def test_dry_run_opens_nothing(glm, cwd) -> None:
    (cwd / "in.jsonl").write_text("5\n" + lines(rows(2)))
    done = glm("batch", "run", "in.jsonl", "-O", "out.jsonl", "--dry-run", "-m", "zai/glm-5", "-s", "Be brief")
    assert done.code == 0, done.err
    shown = json.loads(done.text)
    assert shown["url"] == "https://api.z.ai/api/paas/v4/chat/completions"
    assert shown["headers"]["Authorization"] == "Bearer $ZAI_API_KEY"
    assert turns(shown["body"]) == [("system", "Be brief"), ("user", "question 0")]
    assert "in.jsonl:1: a row must be a mapping, not a number (5): left out" in done.err
    assert {path.name for path in cwd.iterdir()} == {"in.jsonl"}


def test_a_dry_run_names_the_first_rows_that_cannot_be_asked(glm, cwd) -> None:
    (cwd / "in.jsonl").write_text("5\n" * 1000)
    done = glm("batch", "run", "in.jsonl", "--dry-run", "-m", "zai/glm-5")
    assert (done.code, error(done)) == (2, "in.jsonl has no row that can be sent")
    assert done.err.count("a row must be a mapping, not a number (5): left out\n") == 3
    assert "glm: 1000 rows cannot be sent\n" in done.err


# When a run ends early


PRICE = 5 * 1 / 1e6 + 2 * 3.2 / 1e6  # of a row, by the list of zai/glm-5


def test_max_cost(glm, cwd, server, authority) -> None:
    """Nothing is started that might cost more than is left; the same command with more money goes on."""
    (cwd / "in.jsonl").write_text(lines(rows(40)))
    certificate = authority.issue("api.z.ai", "DNS:api.z.ai")
    with Relay(tls(certificate), server.port) as inner, Relay(ConnectHandshake(), inner.port) as proxy:
        env = KEY | {"https_proxy": url_of(proxy), "SSL_CERT_FILE": str(authority.file)}
        given = ("batch", "run", "in.jsonl", "-O", "out.jsonl", "-m", "zai/glm-5", "--no-stream", "--max-cost")
        done = glm(*given, f"{PRICE * 10.5:.9f}", env=env)
        assert done.code == 12, done.err
        assert "the next row might cost more than is left" in error(done)
        assert len(server.prompts) == len(by_id(cwd / "out.jsonl")) == 10
        assert glm(*given, "1", env=env).code == 0
    assert len(server.prompts) == len(by_id(cwd / "out.jsonl")) == 40


def test_max_cost_where_no_price_is_known(batch) -> None:
    batch.write(rows(40))
    done = batch.run("--max-cost", "1")
    assert done.code == 12
    assert error(done) == "--max-cost: the price of zai/glm-5 is not known here"
    assert batch.server.prompts == []


def test_max_failures(batch) -> None:
    batch.server.respond = lambda _body: refuse_with({"error": {"code": "1301", "message": "sensitive"}}, status=400)
    batch.write(rows(100))
    done = batch.run("--max-failures", "3", "-j", "1")
    assert done.code == 11
    assert error(done) == "stopped after 3 failed rows (--max-failures)"
    assert len(batch.server.prompts) == 3
    assert "the same command again resumes from here" in done.err


def test_deadline(batch, glm, cwd) -> None:
    with CountingServer(delay=0.3) as slow:
        (cwd / "in.jsonl").write_text(lines(rows(50)))
        arguments = ("batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(slow), "-j", "1", "--deadline", "4")
        done = glm(*arguments, env=KEY)
    assert done.code == 6
    assert "the deadline of 4 s has passed" in done.err
    assert 1 <= len(by_id(cwd / "out.jsonl")) < 20
    assert set(statuses(cwd / "out.jsonl").values()) == {"ok"}
    assert batch.run().code == 0
    assert len(by_id(cwd / "out.jsonl")) == 50


@pytest.mark.parametrize("pace", [("--rpm", "60"), ("--tpm", "420", "--max-tokens", "7")])
def test_a_limit_a_minute(batch, pace) -> None:
    """A request a second, or seven tokens, which is what a row takes."""
    batch.write(rows(4))
    began = time.monotonic()
    assert batch.run(*pace).code == 0
    assert time.monotonic() - began > 2.5


# Shards


def shards(batch, *given, env=None):
    """The ids that each of these shards has asked."""
    found = []
    for number, shard in enumerate(given):
        output = f"out-{number}.jsonl"
        done = batch.glm(
            "batch", "run", "in.jsonl", *flags(batch.server), "-O", output, "--shard", shard, env=KEY | (env or {})
        )
        assert done.code == 0, done.err
        found.append(set(by_id(batch.output.with_name(output))))
    return found


def test_shards_share_the_rows(batch) -> None:
    batch.write([*rows(60), {"prompt": "no id"}, {"prompt": "no id"}])
    parts = shards(batch, "1/3", "2/3", "3/3")
    assert len(set.union(*parts)) == sum(map(len, parts)) == len(batch.server.prompts) == 62
    assert all(len(part) > 8 for part in parts)


def test_a_shard_is_the_same_in_another_order(batch) -> None:
    batch.write(rows(30))
    (before,) = shards(batch, "2/3")
    batch.write(rows(40)[::-1])
    batch.output.with_name("out-0.jsonl").unlink()
    (after,) = shards(batch, "2/3")
    assert before == {identity for identity in after if int(identity[1:]) < 30}


def slurm(task, first, last, count):
    names = ("ID", "MIN", "MAX", "COUNT")
    return {f"SLURM_ARRAY_TASK_{name}": value for name, value in zip(names, (task, first, last, count), strict=True)}


@pytest.mark.parametrize(
    ("given", "env", "same"),
    [
        ("auto", slurm("2", "1", "3", "3"), "2/3"),
        ("auto", slurm("2", "0", "2", "3"), "3/3"),
        ("auto/3", slurm("3", "1", "3", "3"), "3/3"),
        ("auto/3", {"JOB_COMPLETION_INDEX": "0"}, "1/3"),
    ],
)
def test_the_shard_of_a_scheduler(batch, given, env, same) -> None:
    batch.write(rows(30))
    (found,) = shards(batch, given, env=env)
    batch.output.with_name("out-0.jsonl").unlink()
    (wanted,) = shards(batch, same)
    assert found == wanted


def test_a_scheduler_is_named_the_part(batch) -> None:
    batch.write(rows(3))
    done = batch.glm(*batch.arguments("--shard", "auto"), env=KEY | slurm("1", "1", "1", "1"))
    assert done.err.startswith("glm: --shard auto: part 1 of 1\n")


@pytest.mark.parametrize(
    ("given", "env", "message"),
    [
        ("4/3", {}, "--shard 4/3: part 4 of 3 does not exist"),
        ("0/3", {}, "--shard 0/3: part 0 of 3 does not exist"),
        ("x", {}, "--shard x: not I/N"),
        ("1", {}, "--shard 1: not I/N"),
        ("auto", {}, "--shard auto: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set"),
        (
            "auto",
            {"JOB_COMPLETION_INDEX": "0"},
            "--shard auto: an indexed job does not know the number of parts",
        ),
        ("auto/3", {"JOB_COMPLETION_INDEX": "3"}, "--shard auto/3: part 4 of 3 does not exist"),
        ("auto/3", {"JOB_COMPLETION_INDEX": ""}, "--shard auto: JOB_COMPLETION_INDEX is not set"),
        ("auto", slurm("x", "1", "3", "3"), "--shard auto: SLURM_ARRAY_TASK_ID is not a number"),
        ("auto", {"SLURM_ARRAY_TASK_ID": "1"}, "--shard auto: SLURM_ARRAY_TASK_MIN is not set"),
    ],
)
def test_a_shard_that_does_not_exist(batch, given, env, message) -> None:
    batch.write(rows(3))
    done = batch.glm("batch", "run", "in.jsonl", *flags(batch.server), "-O", "o", "--shard", given, env=KEY | env)
    assert (done.code, error(done)) == (2, message)
    assert not batch.output.with_name("o").exists()


@pytest.mark.parametrize(
    ("given", "env", "tasks"),
    [
        ("auto", slurm("3", "3", "3", "1"), "1 task from 3 to 3"),  # sbatch --array=3
        ("auto/4", slurm("3", "3", "3", "1"), "1 task from 3 to 3"),
        ("auto/4", slurm("1", "1", "2", "2"), "2 tasks from 1 to 2"),
        ("auto", slurm("3", "1", "7", "4"), "4 tasks from 1 to 7"),  # --array=1-7:2
        ("auto", slurm("2", "2", "4", "3"), "3 tasks from 2 to 4"),
    ],
)
def test_an_array_that_is_not_whole(batch, given, env, tasks) -> None:
    """Its tasks would ask parts that are others', once more."""
    batch.write(rows(3))
    done = batch.glm(*batch.arguments("--shard", given), env=KEY | env)
    why = f"--shard auto needs a whole array, from 0 or 1 and without gaps: this has {tasks}"
    assert (done.code, error(done)) == (2, why)
    assert batch.server.prompts == []


# The same command again, with a difference


CHANGES = {
    "model": ("-m", "zai/glm-4.7"),
    "system prompt": ("-s", "Be brief"),
    "temperature": ("--temperature", "0.1"),
    "template": ("-f", "other.yaml"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_request(asks, server, cwd, change) -> None:
    values = [{"id": f"r{number}", "vars": {"x": str(number)}} for number in range(3)]
    files = {"in.jsonl": lines(values), "ask.yaml": "prompt: Is {{x}} even?\n", "other.yaml": "prompt: Is {{x}} odd?\n"}
    first = ("-f", "ask.yaml")
    assert asks(files, *first).code == 0
    before = (cwd / "out.jsonl").read_bytes()
    now = change if "-f" in change else (*first, *change)
    done = asks(files, *now)
    assert (done.code, error(done)) == (2, "3 finished rows answer another request than would be sent now")
    assert "--redo-changed" in done.err
    assert "--keep-changed" in done.err
    assert len(server.prompts) == 3
    assert asks(files, *now, "--keep-changed").code == 0
    assert (len(server.prompts), (cwd / "out.jsonl").read_bytes()) == (3, before)
    assert asks(files, *now, "--redo-changed").code == 0
    assert len(server.prompts) == 6
    assert len(by_id(cwd / "out.jsonl")) == 3
    assert asks(files, *now).code == 0
    assert len(server.prompts) == 6


def test_changed_rows_without_ids(batch) -> None:
    """They are other rows: those that the input no longer has are counted, and go with --redo-changed only."""
    batch.write([{"prompt": "a"}, {"prompt": "b"}])
    assert batch.run().code == 0
    batch.write([{"prompt": "a"}, {"prompt": "c"}])
    done = batch.run()
    assert (done.code, error(done)) == (2, "a finished row answers another request than would be sent now")
    assert batch.run("--redo-changed").code == 0
    assert sorted(entry["answer"] for entry in entries(batch.output)) == ["Re: a", "Re: c"]


def test_both_answers_to_a_change(batch) -> None:
    batch.write(rows(1))
    done = batch.run("--redo-changed", "--keep-changed")
    assert (done.code, error(done)) == (2, "--redo-changed and --keep-changed contradict each other")


def test_another_provider_asks_nothing_again(batch, glm) -> None:
    """Who was asked, where, and whether the answer was streamed, is not what was asked."""
    batch.write(rows(3))
    assert batch.run().code == 0
    elsewhere = ["-m", "bigmodel/glm-5", "--base-url", batch.server.url]
    done = glm("batch", "run", "in.jsonl", "-O", "out.jsonl", *elsewhere, env={"BIGMODEL_API_KEY": CANARY})
    assert done.code == 0, done.err
    assert len(batch.server.prompts) == 3


# Who watches


def on_terminal(home, cwd, *arguments, until=None):
    """Exit code and what the terminal got; with `until`, Ctrl-C is typed when that has come."""
    master, slave = pty.openpty()
    seen = b""
    env = environment(home, **KEY, TERM="xterm-256color")
    try:
        with subprocess.Popen(
            [GLM, *arguments],
            cwd=cwd,
            env=env,
            start_new_session=True,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - the child does nothing else
        ) as process:
            os.close(slave)
            while True:
                ready, _, _ = select.select([master], [], [], 30)
                assert ready, "the program hangs"
                try:
                    seen += os.read(master, 1 << 16)
                except OSError:
                    break
                if until and until in seen:
                    until = None
                    os.write(master, b"\x03")
            code = process.wait(30)
    finally:
        os.close(master)
    return code, seen.decode()


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_progress_on_a_terminal(batch, home, cwd) -> None:
    with CountingServer(delay=0.1) as slow:
        batch.write(rows(20))
        given = ["batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(slow), "-j", "2"]
        code, seen = on_terminal(home, cwd, *given)
    assert code == 0
    assert re.search(r"\d+/20 rows", seen)
    assert "in flight" in seen
    assert seen.rindex("rows       20: 20 ok") > seen.rindex("in flight")
    assert seen.count("\x1b[?25h") >= seen.count("\x1b[?25l")


def test_ctrl_c_on_a_terminal(batch, home, cwd) -> None:
    with CountingServer(delay=0.2) as slow:
        batch.write(rows(200))
        given = ["batch", "run", "in.jsonl", "-O", "out.jsonl", *flags(slow), "-j", "2"]
        code, seen = on_terminal(home, cwd, *given, until=b"/200 rows")
        asked = len(slow.prompts)
    assert code == -signal.SIGINT
    assert asked < 20
    assert len(by_id(batch.output)) == asked
    assert seen.count("stopping: requests in flight have 10 s to end (Ctrl-C again ends them now)") == 1
    assert f"{200 - asked} rows still to be sent: the same command again resumes from here" in seen
    assert "Traceback" not in seen
    assert seen.count("\x1b[?25h") >= seen.count("\x1b[?25l")
    assert batch.run().code == 0
    assert len(by_id(batch.output)) == 200


def test_quiet_says_nothing(batch) -> None:
    batch.write(rows(3))
    done = batch.run("-q")
    assert (done.code, done.out, done.err) == (0, b"", "")


# What help says


def test_help_is_by_subject_and_true(glm) -> None:
    text = glm("batch", "run", "--help").text
    for subject in ("Rows:", "Pace:", "Resume:", "Model:", "Input:", "Output:"):
        assert f"\n{subject}\n" in text
    assert "if it is complete" not in text  # of -O, where it names the ledger
    for command in ("run", "sample", "merge", "report"):
        assert re.search(rf"^  {command}  +[A-Z]", glm("batch", "--help").text, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the rows come from INPUT or from --files0"),
        (("in.jsonl", "--files0", "-"), "the rows come from INPUT or from --files0"),
        (("none.jsonl",), "cannot read none.jsonl: No such file or directory"),
        (("in.jsonl", "--format", "xml"), "'xml' is not a format of rows: jsonl, text, csv, tsv, yaml, files"),
        (("in.jsonl", "-j", "0"), "--jobs: 0 is less than 1"),
        (("in.jsonl", "--var", "a=b"), "--var fills a request file, and there is none"),
    ],
)
def test_what_is_wrong_with_a_command(batch, arguments, message) -> None:
    batch.write(rows(1))
    done = batch.glm("batch", "run", *arguments, *flags(batch.server), env=KEY)
    assert (done.code, error(done)) == (2, message)
    assert batch.server.prompts == []


def test_a_run_that_is_watched_is_not_slowed_by_who_reads_nothing(batch, home, cwd) -> None:
    """A stderr that is full or gone ends no batch."""
    batch.write(rows(5))
    with running(home, cwd, *batch.arguments(), env=KEY, stderr=subprocess.DEVNULL) as process:
        assert process.wait(30) == 0
    assert shell(f'"$GLM" {" ".join(batch.arguments())} 2>/dev/full', home, cwd, **KEY).returncode == 0
