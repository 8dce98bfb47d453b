"""Tools as they are written elsewhere: which files are read, which are named with the way to convert them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from program import CANARY
from scripted_server import Server
from test_mcp import SERVERS, TOKEN, over_http
from tool_runs import FINAL, KEY, ZAI, call_stream

if TYPE_CHECKING:
    from pathlib import Path

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "weather", "description": "What it is like.", "parameters": PARAMETERS}
OPENAI = {"type": "function", "function": FUNCTION}
MCP = {
    "name": "weather",
    "title": "Weather",
    "description": "What it is like.",
    "inputSchema": PARAMETERS,
    "annotations": {"readOnlyHint": True},
    "outputSchema": 3,
}
ANTHROPIC = {"name": "weather", "description": "What it is like.", "input_schema": PARAMETERS}
RESPONSES = {"type": "function", **FUNCTION, "strict": True}
GEMINI_SCHEMA = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
GEMINI = {"name": "weather", "description": "What it is like.", "parameters": GEMINI_SCHEMA}
SEARCH = {"type": "web_search", "web_search": {"enable": True, "search_result": True}}
BODY = {"model": "glm-5", "messages": [{"role": "user", "content": "hi"}], "tools": [OPENAI], "tool_choice": "auto"}
PLAIN = [str(SERVERS / "plain.py")]


def write(cwd: Path, content: object, name: str = "t.json") -> str:
    (cwd / name).write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return name


# What is read

READ: dict[str, tuple[object, str]] = {
    "a list": ([OPENAI], ""),
    "one definition": (OPENAI, ""),
    "under tools": ({"tools": [OPENAI]}, ""),
    "a request": (BODY, "glm: t.json:1:1: of this file only the tools are read, not model, messages and tool_choice\n"),
    "without the type": ([{"type": "function", "function": FUNCTION}], ""),
    "MCP, a list": ([MCP], ""),
    "MCP, one tool": (MCP, ""),
    "MCP, a result": ({"tools": [MCP], "_meta": {}, "nextCursor": None}, ""),
    "MCP, an answer": ({"jsonrpc": "2.0", "id": 2, "result": {"tools": [MCP]}}, ""),
    "MCP, a page": (
        {"result": {"tools": [MCP], "nextCursor": "2"}},
        "glm: t.json:25:3: the server has more tools than this page\n",
    ),
    "JSON lines": (f"{json.dumps(OPENAI)}\n\n{json.dumps(OPENAI | {'function': FUNCTION | {'name': 'other'}})}\n", ""),
    "other keys": ([OPENAI | {"strict": True, "function": FUNCTION | {"strict": False}}], ""),
    "JSON with comments": (
        f'// mine\n{{ /* tools\n of "others" */ "tools": [{json.dumps(OPENAI)},], }} // https://x.example',
        "",
    ),
    "YAML": ("tools:\n- type: function\n  function: {name: weather, description: What it is like.}\n", ""),
}


@pytest.mark.parametrize("case", READ)
def test_a_file_of_others_is_read(glm, cwd, case) -> None:
    content, remark = READ[case]
    file = write(cwd, content, {"JSON lines": "t.jsonl", "YAML": "t.yaml"}.get(case, "t.json"))
    checked = glm("tools", "check", file)
    assert (checked.code, checked.text, checked.err) == (0, "", remark)
    listed = glm("tools", "list", file)
    more = "other\task\tWhat it is like.\n" if case == "JSON lines" else ""
    assert (listed.code, listed.text, listed.err) == (0, f"weather\task\tWhat it is like.\n{more}", remark)


def test_what_is_null_is_not_there(glm, cwd) -> None:
    file = write(cwd, [{"type": "function", "function": {"name": "a", "description": None, "parameters": None}}])
    (listed,) = json.loads(glm("tools", "list", file, "--json").out)
    assert (listed["description"], listed["parameters"]) == ("", {"type": "object", "properties": {}})


@pytest.mark.parametrize("content", [BODY, {"tools": [MCP]}])
def test_what_is_read_is_offered_and_nobody_runs_it(glm, cwd, content) -> None:
    file = write(cwd, content)
    with Server(call_stream(("weather", '{"city": "Rome"}')), FINAL) as server:
        done = glm("tools", "run", *ZAI, server.url, "--tools", file, "--yes", "hi", env=KEY)
        assert server.requests[0].json["tools"] == [OPENAI]
    assert done.code == 10
    assert "glm: error: nobody runs weather (t.json:" in done.err
    called = glm("tools", "call", "weather", "--tools", file, "--args", '{"city": "Rome"}')
    assert called.code == 10
    assert "nobody runs weather" in called.err
    assert glm("tools", "call", "weather", "--tools", file, "--args", '{"town": "Rome"}').code == 2


def test_faults_have_their_places(glm, cwd) -> None:
    bad = {"tools": [MCP, MCP | {"name": "a.b"}, {"name": "c", "inputSchema": {"type": "strin"}}, None]}
    done = glm("tools", "check", write(cwd, bad))
    assert done.code == 2
    assert [line.split(": ", 1)[1] for line in done.text.splitlines()] == [
        "[1].name must be 1 to 64 letters, digits, _ and -",
        "[3] must be a mapping, not null",
    ]
    lines = f"{json.dumps(OPENAI)}\n{{]\n"
    broken = glm("tools", "check", write(cwd, lines, "t.jsonl"))
    assert (broken.code, broken.text) == (2, "t.jsonl:2:2: not valid JSON lines; each line is one value\n")


# What is named

NAMED: dict[str, tuple[object, str, str]] = {
    "Anthropic": ([ANTHROPIC], "2", "in Anthropic's form (input_schema)"),
    "Anthropic, one": (ANTHROPIC, "1", "in Anthropic's form (input_schema)"),
    "Anthropic, a request": (
        {"model": "claude", "tools": [{"type": "web_search_20250305", "name": "web_search"}, ANTHROPIC]},
        "8",
        "in Anthropic's form (input_schema)",
    ),
    "Responses": ([RESPONSES], "2", "in the form of OpenAI's Responses API (no `function` around name and parameters)"),
    "Responses, a request": (
        {"input": "hi", "tools": [{"type": "web_search"}, RESPONSES]},
        "7",
        "in the form of OpenAI's Responses API (no `function` around name and parameters)",
    ),
    "Gemini": ({"functionDeclarations": [GEMINI]}, "1", "in Gemini's form (functionDeclarations)"),
    "Gemini, a request": (
        {"contents": [], "tools": [{"function_declarations": [GEMINI]}]},
        "4",
        "in Gemini's form (functionDeclarations)",
    ),
    "functions": ({"model": "m", "functions": [FUNCTION]}, "4", "in the older form of OpenAI (functions)"),
    "functions without parameters": (
        {"functions": [{"name": "weather", "description": "What it is like."}]},
        "3",
        "in the older form of OpenAI (functions)",
    ),
    "Bedrock": (
        {"tools": [{"toolSpec": ANTHROPIC | {"inputSchema": {"json": PARAMETERS}}}]},
        "3",
        "in the form of Amazon Bedrock (toolSpec)",
    ),
    "Bedrock, a request": (
        {"modelId": "m", "toolConfig": {"tools": [{"toolSpec": ANTHROPIC | {"inputSchema": {"json": PARAMETERS}}}]}},
        "5",
        "in the form of Amazon Bedrock (toolSpec)",
    ),
    "Realtime": (
        {"type": "session.update", "session": {"tools": [RESPONSES]}},
        "5",
        "in the form of OpenAI's Responses API (no `function` around name and parameters)",
    ),
    "Gemini, declarations alone": ([GEMINI], "2", "in Gemini's form (types in capitals)"),
    "LangChain": (
        [{"name": "weather", "description": "What it is like.", "args_schema": PARAMETERS, "return_direct": False}],
        "2",
        "in LangChain's form (args_schema)",
    ),
    "Pydantic": (
        [{"title": "weather", "description": "What it is like.", **PARAMETERS}],
        "2",
        "in the form of bare JSON Schemas (each with a title)",
    ),
    "requests, JSON lines": (
        f"{json.dumps(BODY)}\n{json.dumps({'custom_id': '1', 'body': BODY})}\n",
        "1",
        "in the form of requests, one on each line",
    ),
    "functions, a list": ([FUNCTION], "2", "in the older form of OpenAI (functions)"),
    "functions, JSON lines": (f"{json.dumps(FUNCTION)}\n", "1", "in the older form of OpenAI (functions)"),
}


@pytest.mark.parametrize("case", NAMED)
def test_a_form_that_is_not_read_is_named_in_one_line(glm, cwd, case) -> None:
    content, line, words = NAMED[case]
    file = write(cwd, content, "my tools.jsonl" if case.endswith("lines") else "my tools.json")
    done = glm("tools", "check", file)
    assert done.code == 2
    (said,) = done.text.splitlines()
    before, _, command = said.partition("; convert them: ")
    assert before.partition(": ")[0].rpartition(":")[0] == f"{file}:{line}"
    assert before.partition(": ")[2] == f"tools {words}, which is not read here"
    assert command.endswith(f"'{file}' >glm-tools.json")
    run = glm("tools", "run", "--tools", file, "-m", "sandbox/glm-5", "hi")
    assert (run.code, run.out, run.err) == (2, b"", f"glm: error: {said}\n")
    bare = {"name": "weather", "description": "What it is like."}
    assert converted(cwd, command) == [OPENAI if "city" in json.dumps(content) else OPENAI | {"function": bare}]
    assert glm("tools", "check", "glm-tools.json").code == 0


def converted(cwd: Path, command: str) -> Any:
    """What a command makes that a line named."""
    if not shutil.which("jq"):
        pytest.skip("there is no jq here")
    subprocess.run(["sh", "-c", command], cwd=cwd, check=True)
    return json.loads((cwd / command.rpartition(">")[2]).read_text())


@pytest.mark.parametrize(
    ("content", "at"), [([OPENAI, SEARCH], "[1]"), ({"model": "m", "tools": [SEARCH]}, "tools[0]")]
)
def test_a_tool_of_the_provider_belongs_to_a_request(glm, cwd, content, at) -> None:
    done = glm("tools", "check", write(cwd, content))
    assert done.code == 2
    (said,) = done.text.splitlines()
    assert f": {at} is web_search, which the provider runs: it belongs to server_tools of a request file (-f): " in said
    request, _, rest = said.partition("(-f): ")[2].partition("; the other tools: ")
    assert converted(cwd, request) == {"server_tools": [SEARCH]}
    assert bool(rest) == (at == "[1]")
    if rest:
        assert converted(cwd, rest) == [OPENAI]
    shown = glm("ask", "-P", "bigmodel", "-f", "glm-request.json", "-n", "hi")
    assert json.loads(shown.out)["body"]["tools"] == [SEARCH]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([OPENAI, MCP], "OpenAI's definitions and an MCP server's list"),
        ({"tools": [OPENAI], "mcp": {"a": {"command": ["true"]}}}, "OpenAI's definitions and tools of glm's own form"),
    ],
)
def test_two_forms_in_one_file(glm, cwd, content, words) -> None:
    done = glm("tools", "check", write(cwd, content))
    assert (done.code, done.text.partition(": ")[2]) == (2, f"{words} in one file; give each one of its own\n")


def test_a_program_without_run_is_a_fault_of_our_own_form(glm, cwd) -> None:
    done = glm("tools", "check", write(cwd, {"tools": [FUNCTION]}))
    assert (done.code, done.text) == (2, "t.json:3:3: tools[0]: needs 'run'\n")


COHERE = {"name": "weather", "description": "What it is like.", "parameter_definitions": {"city": {"type": "str"}}}
CUSTOM = {"type": "custom", "name": "weather", "format": {"type": "text"}}


@pytest.mark.parametrize(
    ("content", "line", "keys"),
    [
        ([COHERE], "2:2: this definition", "name, description and parameter_definitions"),
        ([CUSTOM], "2:2: this definition", "type, name and format"),
        ({"openapi": "3.1.0", "info": {}, "paths": {}}, "1:1: this file", "openapi, info and paths"),
        ({"weather": {"parameters": PARAMETERS}}, "1:1: this file", "weather"),
    ],
)
def test_a_form_that_nobody_knows_is_one_line_too(glm, cwd, content, line, keys) -> None:
    done = glm("tools", "check", write(cwd, content))
    read = "read are glm's own, OpenAI's definitions of functions and the lists of MCP servers"
    said = f"t.json:{line} is in no form of tools that is known: it has {keys}; {read}\n"
    assert (done.code, done.text) == (2, said)


def test_a_misspelt_key_of_our_own_form_is_one(glm, cwd) -> None:
    done = glm("tools", "check", write(cwd, {"tool": [OPENAI]}))
    assert (done.code, done.text) == (2, "t.json:2:2: unknown key 'tool', did you mean 'tools'?\n")


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 5_000_000])
def test_a_file_that_is_too_large_says_how_large(glm, cwd, size) -> None:
    file = write(cwd, "[" + " " * (size - 2) + "]")
    for command in (("tools", "check", file), ("tools", "run", "--tools", file, "-m", "sandbox/glm-5", "hi")):
        done = glm(*command)
        assert done.code == 2
        assert f"t.json: a tool file of {size} bytes; at most 1048576 (1 MiB) are read" in done.text + done.err


# MCP servers of other programs


@pytest.fixture
def entry(traces):
    """A server as other programs write it down."""

    def make(mode: str = "", **more: Any) -> dict[str, Any]:
        return {"command": sys.executable, "args": [*PLAIN, str(traces), mode], **more}

    return make


@pytest.mark.parametrize("holder", ["mcpServers", "servers", "context_servers", "settings"])
def test_servers_of_others_are_started_and_called(glm, cwd, traces, entry, holder) -> None:
    mine = {"my server": entry("environment", type="local", tools=["*"], env={"A": "b", "N": 3, "YES": True})}
    file = write(cwd, {"mcp": {"servers": mine}} if holder == "settings" else {holder: mine})
    for command in ("check", "list"):
        assert glm("tools", command, file).code == 0
    assert list(traces.iterdir()) == []
    done = glm("tools", "call", "good", "--tools", file, "--args", "{}", env=KEY)
    assert (done.code, done.err) == (0, "")
    seen = json.loads(done.out)
    assert {name: seen[name] for name in ("A", "N", "YES")} == {"A": "b", "N": "3", "YES": "true"}
    assert "ZAI_API_KEY" not in seen


NOTHING = "approve nothing here; --approve NAME or --yes does"


def test_their_words_about_approval_count_for_nothing(glm, cwd, traces, entry) -> None:
    mine = entry(autoApprove=["good"], alwaysAllow=["good"], trust=True, timeout=5, icon="x")
    file = write(cwd, {"mcpServers": {"mine": mine}, "theme": "dark"})
    remarks = [
        "glm: t.json:1:1: of this file only the servers are read, not theme",
        f"glm: t.json:3:3: autoApprove, alwaysAllow and trust of the server 'mine' {NOTHING}",
        "glm: t.json:3:3: not read of the server 'mine': timeout",
    ]
    assert glm("tools", "check", file).err.splitlines() == remarks
    with Server(call_stream(("good", "{}")), FINAL) as server:
        done = glm("tools", "run", *ZAI, server.url, "--tools", file, "hi", env=KEY)
    assert done.code == 10
    assert "glm: error: good needs approval, and there is no terminal to ask at\n" in done.err
    assert not (traces / "called").exists()


@pytest.mark.parametrize("word", [{"disabled": True}, {"enabled": False}])
def test_a_disabled_server_is_left_out(glm, cwd, entry, word) -> None:
    file = write(cwd, {"mcpServers": {"off": {"command": "no-such-program"} | word, "on": entry(disabled=False)}})
    done = glm("tools", "list", file, "--connect")
    assert (done.code, done.text) == (0, "good\task\tDoes it.\nother\task\tDoes it.\n")
    assert done.err == "glm: t.json:3:3: the server 'off' is disabled in this file, and left out\n"


def test_servers_of_opencode_are_named(glm, cwd, entry) -> None:
    mine = entry()
    local = {"type": "local", "command": [mine["command"], *mine["args"]], "environment": {"A": "b"}, "enabled": True}
    away = {"type": "remote", "url": "https://mcp.example", "enabled": False}
    done = glm("tools", "check", write(cwd, {"$schema": "x", "mcp": {"mine": local, "away": away}}))
    assert done.code == 2
    (said,) = done.text.splitlines()
    words, _, command = said.partition("; convert them: ")
    assert words == "t.json:3:2: MCP servers in opencode's form, which is not read here"
    assert converted(cwd, command) == {
        "mcpServers": {
            "mine": mine | {"env": {"A": "b"}, "enabled": True},
            "away": {"url": "https://mcp.example", "enabled": False},
        }
    }
    assert glm("tools", "check", "glm-tools.json").code == 0


OTHERS: dict[str, tuple[object, str]] = {
    "Continue": (
        {"mcpServers": [{"name": "a", "command": "true"}]},
        (
            "2:2: a list of MCP servers, as Continue has it, which is not read here; name them: "
            "mcpServers: {NAME: {command: …}}"
        ),
    ),
    "Zed, before": (
        {"context_servers": {"a": {"command": {"path": "true", "args": []}}}},
        (
            "2:2: MCP servers in an older form of Zed, which is not read here; write command (its path), args and env "
            "beside one another"
        ),
    ),
    "Claude Code, of a project": (
        {"mcpServers": {}, "projects": {"/b": {}, "/a": {"mcpServers": {"mine": {"command": "true"}}}}},
        (
            "2:2: no server for all projects; those of one: "
            "jq '{mcpServers: .projects[\"/a\"].mcpServers}' t.json >glm-tools.json"
        ),
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_servers_in_another_form_are_named(glm, cwd, case) -> None:
    content, said = OTHERS[case]
    done = glm("tools", "check", write(cwd, content))
    assert (done.code, done.text) == (2, f"t.json:{said}\n")


def test_toml_is_named(glm, cwd) -> None:
    done = glm("tools", "check", write(cwd, '[mcp_servers.a]\ncommand = "true"\n', "config.toml"))
    assert (done.code, done.text) == (2, "config.toml: TOML is not read here\n")


def test_headers_reach_a_server_and_nobody_else(glm, cwd) -> None:
    with over_http(cwd, "--token") as (url, seen):
        mine = {"type": "http", "url": url, "headers": {"Authorization": f"Bearer {TOKEN}"}}
        file = write(cwd, {"servers": {"sums": mine}, "inputs": []})
        done = glm("tools", "call", "add", "--tools", file, "--args", '{"a": 2, "b": 40}')
        assert (done.code, done.text) == (0, "the sum is 42\n")
        assert TOKEN not in done.err
        assert set(seen.read_text().splitlines()) == {f"Bearer {TOKEN}"}


KEY_TEXT = "holds a provider's key, which no tool may see"
OWN = "write the value, or the server under mcp: in a file of glm's form, with env: [VARIABLE] or token_env"
ASKED = "nobody is asked here; write the server under mcp: in a file of glm's form, with env: [VARIABLE]"
FAULTY: dict[str, tuple[dict[str, Any], str]] = {
    "a key": ({"command": "true", "env": {"ZAI_API_KEY": "x"}}, f"5:5: ZAI_API_KEY {KEY_TEXT}"),
    "a choice of tools": (
        {"type": "local", "command": "true", "tools": ["read"]},
        "5:4: tools cannot be kept here; leave it out if the server may run without it",
    ),
    "an input": (
        {"command": "true", "env": {"TOKEN": "${input:token}"}},
        f"5:14: ${{input:token}} is filled in by another program, not by glm: {ASKED}",
    ),
    "a variable": (
        {"command": "true", "args": ["-t", "${env:TOKEN}"]},
        f"6:5: ${{env:TOKEN}} is filled in by another program, not by glm: {OWN}",
    ),
    "in a header": (
        {"url": "https://mcp.example/mcp", "headers": {"Authorization": "Bearer ${TOKEN:-x}"}},
        f"5:22: ${{TOKEN:-x}} is filled in by another program, not by glm: {OWN}",
    ),
    "in a command": (
        {"command": "${workspaceFolder}/server"},
        f"3:15: ${{workspaceFolder}} is filled in by another program, not by glm: {OWN}",
    ),
    "a folder": (
        {"command": "true", "cwd": "/srv"},
        "4:4: cwd cannot be kept here; leave it out if the server may run without it",
    ),
    "tools left out": (
        {"command": "true", "excludeTools": ["delete"]},
        "4:4: excludeTools cannot be kept here; leave it out if the server may run without it",
    ),
    "an old transport": (
        {"type": "sse", "url": "https://mcp.example/sse"},
        "3:12: the transport sse is not spoken here, only stdio and streamable HTTP",
    ),
    "neither": ({"args": ["x"]}, "2:3: the server 'mine' needs either a command or a url"),
    "both": ({"command": "true", "url": "https://x.example"}, "2:3: the server 'mine' needs either a command or a url"),
    "no program": ({"command": "no-such-program"}, "3:15: there is no program 'no-such-program' on the PATH"),
    "a command that is a list": ({"command": ["true"]}, "3:15: mine.command must be a string, not a list"),
    "plain http": (
        {"serverUrl": "http://mcp.example/mcp"},
        "3:17: an MCP server is reached over https://, or over http:// on loopback only",
    ),
    "a line end in a header": (
        {"url": "https://mcp.example", "headers": {"X": "a\nb"}},
        "5:5: no header can be 'X' with this value",
    ),
}


@pytest.mark.parametrize("case", FAULTY)
def test_faults_of_servers_of_others(glm, cwd, case) -> None:
    server, expected = FAULTY[case]
    text = '{"mcpServers":\n {"mine":' + json.dumps(server, indent=1).replace("\n", "\n  ") + "}}"
    done = glm("tools", "check", write(cwd, text), env={"PATH": "/usr/bin:/bin"})
    assert (done.code, done.text) == (2, f"t.json:{expected}\n")


def test_a_key_of_a_provider_is_not_handed_on_by_a_name(glm, cwd) -> None:
    file = write(cwd, {"mcpServers": {"mine": {"command": "env", "env": {"DASHSCOPE_API_KEY": "sk-1"}}}})
    done = glm("tools", "list", file, "--connect", env={"DASHSCOPE_API_KEY": CANARY})
    assert (done.code, done.out) == (2, b"")
    assert KEY_TEXT in done.err
