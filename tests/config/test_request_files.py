# ruff: noqa: RUF001 - some of the words are Chinese
"""Request files: every key does what its flag does, flags override them, and what is wrong is named by its place."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from processes import error_of, stalled
from program import CANARY
from scripted_server import Server, Stall, delta, reply, stream

KEY = {"ZAI_API_KEY": CANARY}
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "request.schema.json").read_text())


@pytest.fixture
def write(cwd):
    def run(text: str | bytes, name: str = "request.yaml") -> str:
        (cwd / name).parent.mkdir(parents=True, exist_ok=True)
        (cwd / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    return run


@pytest.fixture
def body(glm, write):
    """The body that a request file makes, from --dry-run."""

    def run(text, *arguments, name="request.yaml", **more):
        done = glm("ask", "-f", write(text, name), *arguments, "-n", "-q", **more)
        assert (done.code, done.err) == (0, "")
        return json.loads(done.out)["body"]

    return run


@pytest.fixture
def wrong(glm, write):
    """The error that a request file makes."""

    def run(text, *arguments, name="request.yaml", **more):
        done = glm("ask", "-f", write(text, name), *arguments, "-n", "-q", **more)
        assert (done.code, done.out) == (2, b"")
        return error_of(done.err)

    return run


# What each key of the body does, told by the flag that does the same.
SAME = {
    "model: vllm/x": ("-m", "vllm/x"),
    "provider: vllm\nmodel: x": ("-P", "vllm", "-m", "x"),
    "model: zai/glm-5\nfallback: [vllm/x]": ("-m", "zai/glm-5", "--fallback", "vllm/x"),
    "system: Be brief.": ("-s", "Be brief."),
    "system: '@rules'": ("-s", "@rules"),
    "attach: [rules, rules]": ("-a", "rules", "-a", "rules"),
    "think: true": ("--think",),
    "think: false": ("--no-think",),
    "model: zai/glm-5.2\neffort: max": ("-m", "zai/glm-5.2", "--effort", "max"),
    "model: modelstudio/glm-5\nthink_budget: 9": ("-m", "modelstudio/glm-5", "--think-budget", "9"),
    "keep_thinking: true": ("--keep-thinking",),
    "keep_thinking: false": ("--no-keep-thinking",),
    "temperature: 0.5": ("--temperature", "0.5"),
    "temperature: 1": ("--temperature", "1"),
    "top_p: 0.5": ("--top-p", "0.5"),
    "model: vllm/x\ntop_k: 5": ("-m", "vllm/x", "--top-k", "5"),
    "model: vllm/x\nrepetition_penalty: 1.5": ("-m", "vllm/x", "--repetition-penalty", "1.5"),
    "max_tokens: 5": ("--max-tokens", "5"),
    "seed: 5": ("--seed", "5"),
    "stop: [a]": ("--stop", "a"),
    "stop: a": ("--stop", "a"),
    "stop: [a, b]": ("--stop", "a", "--stop", "b"),
    "options: {user: a, n: 5}": ("-o", "user=a", "-o", "n=5"),
    "temperature: 0.5\nforce: true\ntop_k: 5": ("--temperature", "0.5", "--force", "--top-k", "5"),
    "stream: false": ("--no-stream",),
    "stream: true": (),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("text", SAME)
def test_a_key_sends_what_its_flag_sends(glm, body, cwd, text) -> None:
    (cwd / "rules").write_text("Be kind.\n")
    flags = ("-m", "zai/glm-5", *SAME[text]) if "model:" not in text else SAME[text]
    plain = glm("ask", *flags, "hi", "-n", "-q")
    given = text if "model:" in text else f"model: zai/glm-5\n{text}"
    sent = body(f"prompt: hi\n{given}\n")
    assert json.loads(json.dumps(sent)) == json.loads(plain.out)["body"]
    assert (
        text == "stream: true"
        or sent
        != {
            "model": "glm-5",
            "messages": [{"role": "user", "content": "hi"}],
            "thinking": {"type": "enabled"},
            "stream": True,
        }
        or text in ("think: true", "model: zai/glm-5\nfallback: [vllm/x]")
    )


NOT_SAID = (
    "glm: usage: input unknown (cached unknown), output unknown (reasoning unknown), total unknown, cost unknown\n"
)
HM = stream(delta(reasoning_content="Hm"), delta(content="\n\nHi"), delta(content="", finish_reason="stop"))
CUT = stream(delta(content="Hel"), delta(content="", finish_reason="length"))
EMPTY = stream(delta(content=""), delta(content="", finish_reason="stop"))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("text", "script", "code", "out", "err"),
    [
        ("{}", HM, 0, b"Hi\n", "Hm\n"),
        ("no_reasoning: true", HM, 0, b"Hi\n", ""),
        ("quiet: true", HM, 0, b"Hi\n", ""),
        ("reasoning: none", HM, 0, b"Hi\n", ""),
        ("reasoning: stdout", HM, 0, b"Hm\nHi\n", ""),
        ("exact: true", HM, 0, b"\n\nHi", "Hm\n"),
        ("keep_partial: true", CUT, 7, b"Hel\n", None),
        ("keep_partial: false", CUT, 7, b"", None),
        ("allow_empty: true", EMPTY, 0, b"", ""),
        ("{}", EMPTY, 7, b"", None),
        ("retries: 0", reply(429, {"error": {"code": "1302"}}), 5, b"", None),
        ("retry_max_time: 0.5", reply(429, {"error": {"code": "1302"}}), 5, b"", None),
        (
            "usage: true\nno_reasoning: true",
            HM,
            0,
            b"Hi\n",
            NOT_SAID,
        ),
        ("usage: true\nquiet: true", HM, 0, b"Hi\n", ""),
    ],
)
def test_a_key_changes_what_is_printed(glm, write, text, script, code, out, err) -> None:  # noqa: PLR0917
    text = "" if text == "{}" else text
    with Server(script) as server:
        done = glm(
            "ask", "-P", "zai", "--base-url", server.url, "-f", write(f"prompt: hi\n{text}\n"), env=KEY, timeout=20
        )
    assert (done.code, done.out) == (code, out)
    assert err is None or done.err == err


def test_keys_that_write_files_are_relative_to_the_file(glm, write, cwd) -> None:
    (cwd / "deep").mkdir()
    (cwd / "deep" / "rules").write_text("Be kind.")
    text = """
        prompt: hi
        system: "@rules"
        attach: [rules, ../top]
        session: talk.jsonl
        output: out
        reasoning: thoughts
        meta: meta.json
    """
    (cwd / "top").write_text("on top")
    with Server(HM) as server:
        done = glm("ask", "-P", "zai", "--base-url", server.url, "-f", write(text, "deep/request.yaml"), env=KEY)
    assert (done.code, done.out, done.err) == (0, b"", "")
    assert (cwd / "deep" / "out").read_bytes() == b"Hi\n"
    assert (cwd / "deep" / "thoughts").read_bytes() == b"Hm\n"
    assert json.loads((cwd / "deep" / "meta.json").read_text())["error"] is None
    assert (cwd / "deep" / "talk.jsonl").read_text().count("\n") == 3
    assert server.requests[0].json["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hi\n\nrules:\n\nBe kind.\n\ntop:\n\non top"},
    ]


def test_absolute_paths_and_flags_stay_as_they_are(body, cwd, tmp_path) -> None:
    (tmp_path / "rules").write_text("Be kind.")
    (cwd / "rules").write_text("From the working directory.")
    sent = body(f"prompt: hi\nmodel: vllm/x\nsystem: '@{tmp_path}/rules'\n", name="deep/request.yaml")
    assert sent["messages"][0]["content"] == "Be kind."
    sent = body("prompt: hi\nmodel: vllm/x\n", "-s", "@rules", name="deep/request.yaml")
    assert sent["messages"][0]["content"] == "From the working directory."


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("connect_timeout", 0),
        ("first_timeout", 0),
        ("idle_timeout", 0),
        ("deadline", 0),
        ("retry_max_time", 0),
    ],
)
def test_times_must_be_positive(wrong, key, value) -> None:
    assert wrong(f"prompt: hi\n{key}: {value}\n") == f"request.yaml:2:{len(key) + 3}: {key} must be greater than 0"


def test_time_limits_count(glm, write) -> None:
    silent = [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", Stall()]
    for text, script, words in (
        ("first_timeout: 0.3", silent, "zai: no response within 0.3 s"),
        ("idle_timeout: 0.3", stalled(delta(content="Hel")), "zai: no data for 0.3 s"),
        ("deadline: 0.6", silent, "zai: the deadline of 0.6 s has passed"),
    ):
        with Server(script) as server:
            file = write(f"prompt: hi\nretries: 0\n{text}\n")
            done = glm("ask", "-P", "zai", "--base-url", server.url, "-f", file, env=KEY)
        assert (done.code, error_of(done.err)) == (6, words)


def test_the_limit_of_a_connection_counts(glm, write) -> None:
    """A listener whose queue is full lets nobody in, and refuses nobody."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as stack:
        place = listener.getsockname()
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(place)
        file = write("prompt: hi\nretries: 0\nconnect_timeout: 0.3\n")
        done = glm("ask", "-P", "zai", "--base-url", f"http://127.0.0.1:{place[1]}", "-f", file, env=KEY)
    assert (done.code, error_of(done.err)) == (6, "zai: cannot connect within 0.3 s")


def test_stdin_keys(wrong, body) -> None:
    assert body("prompt: hi\nmodel: vllm/x\nno_stdin: true", stdin=b"text")["messages"][0]["content"] == "hi"
    assert body("prompt: hi\nmodel: vllm/x\nneed_stdin: true", stdin=b"text")["messages"][0]["content"] == "hi\n\ntext"
    assert wrong("prompt: hi\nneed_stdin: true", stdin=b"") == "stdin is empty"


def test_plain_raw_verbose(glm, write) -> None:
    done = glm("ask", "-f", write("prompt: hi\nmodel: vllm/x\nplain: true\nraw: true\nverbose: true\n"), "-n")
    assert done.code == 0
    assert "vllm/x" in done.err


TOOL_FILE = "tools: [{name: f, description: d, run: [./f.sh]}]\n"


def test_keys_of_tools(glm, cwd) -> None:
    """Paths begin at the file, and so does the program of the tool."""
    folder = cwd / "requests"
    folder.mkdir()
    (folder / "tools.yaml").write_text(TOOL_FILE)
    (folder / "f.sh").write_text("#!/bin/sh\n")
    (folder / "f.sh").chmod(0o755)
    text = "prompt: hi\nmodel: vllm/x\ntools: [tools.yaml]\ntool_choice: f\nmax_steps: 1\ntool_stream: false\n"
    (folder / "request.yaml").write_text(text)
    done = glm("tools", "run", "-f", "requests/request.yaml", "-n")
    assert done.code == 0, done.err
    body = json.loads(done.out)["body"]
    parameters = {"type": "object", "properties": {}}
    function = {"name": "f", "description": "d", "parameters": parameters}
    assert body["tools"] == [{"type": "function", "function": function}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    other = glm("ask", "-f", "requests/request.yaml", "-n")
    assert (other.code, error_of(other.err)) == (2, "the request file names tools, which this command does not run")


@pytest.mark.parametrize("key", ["yes: true", "approve: [f]"])
def test_a_request_file_approves_nothing(wrong, key) -> None:
    reason = "a request file may not approve the calls of tools; use --approve or --yes"
    assert wrong(f"prompt: hi\n{key}\n") == f"request.yaml:2:1: {reason}"


def test_every_key_of_the_schema_is_tried_here() -> None:
    text = Path(__file__).read_text()
    elsewhere = {"json", "jsonl"}  # test_json_output.py
    elsewhere |= {"images", "videos", "files", "detail", "resize"}  # test_vision.py
    elsewhere |= {"sources"}  # test_sources.py
    assert [key for key in SCHEMA["properties"] if f"{key}:" not in text and key not in elsewhere] == []


# Flags override


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("flags", "key", "value"),
    [
        (("--temperature", "0.1"), "temperature", 0.1),
        (("--max-tokens", "1"), "max_tokens", 1),
        (("--stop", "c"), "stop", ["c"]),
        (("--seed", "9"), "seed", 9),
        (("-m", "y"), "model", "y"),
        (("-m", "sglang/y"), "model", "y"),
        (("--think",), "chat_template_kwargs", {"enable_thinking": True}),
        (("-o", "user=b"), "user", "b"),
        (("-o", "other=b"), "user", "a"),
    ],
)
def test_flags_override_the_file(body, flags, key, value) -> None:
    text = "prompt: hi\nmodel: vllm/x\ntemperature: 0.5\nmax_tokens: 5\nstop: [a, b]\nseed: 1\nthink: false\n"
    assert body(text + "options: {user: a}\n", *flags)[key] == value


def test_the_prompt_of_the_command_line_takes_its_place(body) -> None:
    text = "prompt: from the file\nmodel: vllm/x\nsystem: a\n"
    assert body(text, "from flags", "-s", "b")["messages"] == [
        {"role": "system", "content": "b"},
        {"role": "user", "content": "from flags"},
    ]


# Messages and server tools


def test_messages(body) -> None:
    text = """
model: vllm/x
messages:
- {role: system, content: Be brief.}
- role: user
  content:
  - {type: text, text: "One "}
  - {type: text, text: and two}
- {role: assistant, content: Three., reasoning: It was easy.}
"""
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One and two"},
        {"role": "assistant", "content": "Three."},
    ]
    assert body(text, "And now?")["messages"] == [*turns, {"role": "user", "content": "And now?"}]
    assert body(text)["messages"] == turns
    assert body(text, stdin=b"piped")["messages"] == [*turns, {"role": "user", "content": "piped"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("messages: []", "request.yaml:1:11: messages must not be empty"),
        ("messages: [{role: usr, content: a}]", "messages[0].role must be one of"),
        ("messages: [{role: user}]", "request.yaml:1:12: messages[0]: needs 'content'"),
        ("messages: [{role: user, content: a, reasoning: b}]", "belongs to turns of the assistant only"),
        ("messages: [{role: system, content: a}]\nsystem: b\nprompt: c", "there is a system message both in"),
        ("messages: [{role: system, content: a}]\nmodel: zai/glm-5", "the conversation has no user message"),
        ("messages: [{role: user, content: [{type: image_url, image_url: x}]}]", "request.yaml:1:"),
    ],
)
def test_wrong_messages(wrong, text, message) -> None:
    assert message in wrong(text)


def test_server_tools_pass_as_they_are(body) -> None:
    text = "prompt: hi\nmodel: zai/glm-5\nserver_tools: [{type: web_search, web_search: {enable: true, count: 5}}]\n"
    tools = [{"type": "web_search", "web_search": {"enable": True, "count": 5}}]
    assert body(text)["tools"] == tools
    native = body(text.replace("zai/", "dashscope/") + "force: true\n")  # its card says that it does not search
    assert native["parameters"]["tools"] == tools


# Variables


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("text", "variables", "prompt"),
    [
        ('prompt: "Hi {{name}}"', ("name=Ada",), "Hi Ada"),
        ('prompt: "Hi {{ name }}, {{name}}"', ("name=Ada",), "Hi Ada, Ada"),
        ('prompt: "{{a}}{{b}}"', ("a={{b}}", "b={{a}}"), "{{b}}{{a}}"),
        (r"prompt: 'Hi \{{name}}'", (), "Hi {{name}}"),
        (r"prompt: '\{{name}} is {{name}}'", ("name=Ada",), "{{name}} is Ada"),
        ('prompt: "{name} { {} } }} {{1} {{a b}"', (), "{name} { {} } }} {{1} {{a b}"),
        ('prompt: "{{name}}"', ("name=a=b\n\"'\\",), "a=b\n\"'\\"),
        ('prompt: "{{name}}!"', ("name=",), "!"),
        ('prompt: "Hi {{name}}"\nvars: {name: Bob}', (), "Hi Bob"),
        ('prompt: "Hi {{name}}"\nvars: {name: Bob}', ("name=Ada",), "Hi Ada"),
        ('prompt: "Hi"\nvars: {name: Bob}', (), "Hi"),
        ('prompt: "{{name}}"', ("name=1", "name=2"), "2"),
    ],
)
def test_variables(body, text, variables, prompt) -> None:
    flags = [part for variable in variables for part in ("--var", variable)]
    assert body(f"{text}\nmodel: vllm/x\n", *flags)["messages"] == [{"role": "user", "content": prompt}]


def test_variables_reach_every_string(body, cwd) -> None:
    (cwd / "rules").write_text("{{who}} stays")
    text = """
model: vllm/{{who}}
system: "@{{file}}"
messages: [{role: user, content: [{type: text, text: "{{who}}"}]}]
stop: ["{{who}}"]
options: {user: "{{who}}", "{{who}}": 1}
"""
    assert body(text, "--var", "who=ada", "--var", "file=rules") == {
        "model": "ada",
        "messages": [{"role": "system", "content": "{{who}} stays"}, {"role": "user", "content": "ada"}],
        "stop": ["ada"],
        "user": "ada",
        "{{who}}": 1,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        ('prompt: "Hi {{name}}"', (), "request.yaml:1:13: {{name}} has no value; give one with --var name=…"),
        ('prompt: "Hi"', ("--var", "name=Ada"), "--var name is used nowhere in request.yaml"),
        (r"prompt: '\{{name}}'", ("--var", "name=Ada"), "--var name is used nowhere in request.yaml"),
        ('prompt: "Hi"', ("--var", "name"), "--var name: not NAME=VALUE"),
        ('prompt: "Hi"', ("--var", "=x"), "--var =x: not NAME=VALUE"),
        (
            'prompt: "Hi"\nvars: {name: 1}',
            (),
            "request.yaml:2:14: vars.name must be a string, not a number (1); quote it",
        ),
        (
            'prompt: "Hi {{name}}"\nvars: {name: 1}',
            (),
            "request.yaml:2:14: vars.name must be a string, not a number (1); quote it",
        ),
        ('temperature: "{{t}}"\nprompt: hi', ("--var", "t=0.5"), "temperature must be a number, not a string"),
    ],
)
def test_wrong_variables(wrong, text, flags, message) -> None:
    assert message in wrong(text, *flags)


LITERAL = r"\{{ stands for literal braces"
NO_NAMES = {
    "{{user-question}}": """write {{"user-question"}} if a value is called so""",
    "{{First Name}}": """write {{"First Name"}} if a value is called so""",
    "{{ question | trim }}": "write {{question}}, for nothing is computed in a template",
    "{{row.question}}": """write {{question}}, or {{"row.question"}} if it is called so""",
    "{{ row['question'] }}": """write {{question}}, or {{"row['question']"}} if it is called so""",
    "{{ .Question }}": "write {{Question}}",
    "{{- question -}}": "write {{question}}",
    "{{{question}}}": "write {{question}}",
    "{{&question}}": "write {{question}}",
    "{{\u3000问题\u3000}}": "write {{问题}}",
    """{{"label": 1}}""": "write single braces, which are text and need no doubling",
    "{{#if x}}": "a name is letters, digits and _, and nothing is computed in a template",
    "{{}}": "a name is letters, digits and _, and nothing is computed in a template",
    "{{1,2},{3,4}}": "a name is letters, digits and _, and nothing is computed in a template",
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("braces", "advice"), NO_NAMES.items(), ids=NO_NAMES)
@pytest.mark.parametrize("command", [("ask",), ("stream",), ("vision",), ("tools", "run", "--tools", "tools.yaml")])
def test_braces_around_no_name(glm, write, command, braces, advice) -> None:
    """They would reach the model as they stand: templates of other programs, misspelt names."""
    write(TOOL_FILE, "tools.yaml")
    given = write(f"prompt: |\n  All:\n    is {{{{ok}}}} and {braces}.\nmodel: vllm/x\n")
    done = glm(*command, "-f", given, "--var", "ok=ok", "-n")
    shown = braces.replace("\u3000", "\\u3000")
    assert done.err == f"glm: error: request.yaml:3:19: {shown} is no {{{{NAME}}}}\n  fix: {advice}; {LITERAL}\n"
    assert (done.code, done.out) == (2, b"")


def test_braces_anywhere_in_the_file(wrong) -> None:
    where = "is no {{NAME}}"
    assert where in wrong("prompt: hi\noptions: {user: [{name: '{{a b}}'}]}\n")
    assert wrong('{"prompt": "a\\n{{\\"x\\"}} {{a-b}}"}', "--var", "x=1") == f"request.yaml:1:26: {{{{a-b}}}} {where}"
    assert where in wrong("prompt: '{{a b}}'\n", "another prompt")
    assert wrong("prompt: hi\nvars: {a: '{{b}}'}\n") == (
        "request.yaml:2:12: {{b}} in vars, whose values are not filled themselves"
    )


@pytest.mark.parametrize(
    ("text", "variable", "prompt"),
    [
        ('prompt: "问：{{问题}}"', "问题=天空", "问：天空"),
        ('prompt: "{{ प्रश्न }}"', "प्रश्न=x", "x"),
        ('prompt: "{{caf\u00e9}}"', "cafe\u0301=x", "x"),
        ('prompt: "{{ 2024 }} {{2024}}"', "2024=x", "x x"),
        ('prompt: "{{3d_model}}"', "3d_model=x", "x"),
        (
            'prompt: "{{\u0645\u06cc\u200c\u062e\u0648\u0627\u0646\u062f}}"',
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0646\u062f=x",
            "x",
        ),
        ("""prompt: 'Hi {{"First Name"}}'""", "First Name=Bo", "Hi Bo"),
        ("""prompt: '{{ "1-2.3" }}'""", "1-2.3=x", "x"),
        ("""{"prompt": "{{\\"a b\\"}}", "vars": {"a b": "x"}, "model": "vllm/x"}""", None, "x"),
    ],
)
def test_names_of_every_script_and_in_quotes(body, text, variable, prompt) -> None:
    given = text if text.startswith("{") else f"{text}\nmodel: vllm/x\n"
    flags = ("--var", variable) if variable else ()
    assert body(given, *flags)["messages"] == [{"role": "user", "content": prompt}]


def test_single_braces_are_text_and_remarked(glm, write) -> None:
    """Where a value has that name, and nothing else in the file uses it."""
    done = glm("ask", "-f", write("prompt: 'Hi ${name} {other}'\nvars: {name: Bo}\nmodel: vllm/x\n"), "-n")
    assert done.err == "glm: request.yaml: {name} is sent as it stands; {{name}} is filled\n"
    done = glm("ask", "-f", write("prompt: 'Hi {name} {{name}}'\nvars: {name: Bo}\nmodel: vllm/x\n"), "-n")
    assert (done.code, done.err) == (0, "")
    done = glm("ask", "-f", write("prompt: 'Hi {name}'\n"), "--var", "name=Bo", "-n")
    assert (done.code, error_of(done.err)) == (2, "--var name is used nowhere in request.yaml")
    assert "  fix: {name} is text there; {{name}} is filled\n" in done.err


def test_a_value_names_no_file(body, cwd) -> None:
    (cwd / "rules").write_text("Be brief.")
    text = "system: '{{who}}'\nprompt: hi\nmodel: vllm/x\n"
    assert body(text, "--var", "who=@rules")["messages"][0] == {"role": "system", "content": "@rules"}
    assert body(text, "--var", "who=@rules", "-s", "@rules")["messages"][0] == {
        "role": "system",
        "content": "Be brief.",
    }


def test_a_backslash_makes_a_placeholder_text_and_is_remarked(glm, write) -> None:
    """A path of Windows has one before it by chance."""
    text = "prompt: 'In C:\\Users\\{{name}}'\nvars: {name: Bo}\nmodel: vllm/x\n"
    done = glm("ask", "-f", write(text), "-n")
    assert done.err == "glm: request.yaml: \\{{name}} is sent as {{name}}, and is filled without the backslash\n"
    done = glm("ask", "-f", write(text.replace("vars: {name: Bo}\n", "")), "--var", "name=Bo", "-n")
    assert (done.code, error_of(done.err)) == (2, "--var name is used nowhere in request.yaml")
    assert "  fix: \\{{name}} is text there; {{name}} is filled\n" in done.err
    done = glm("ask", "-f", write(text.replace("vars: {name: Bo}\n", "")), "-n")
    assert (done.code, done.err) == (0, "")


def test_braces_that_are_meant_so_are_told_how(glm, write) -> None:
    """Those of code, as Vue has them, look like a placeholder."""
    done = glm("ask", "-f", write("prompt: 'Explain <p>{{ message }}</p>'\n"), "-n")
    why = "request.yaml:1:21: {{message}} has no value; give one with --var message=…"
    assert (done.code, done.err) == (2, f"glm: error: {why}\n  fix: {LITERAL}\n")


# What a file may not be


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "prompt: hi\n" + "\n" * 9 + "options:\n  {}\ntemprature: 1\n",
            "request.yaml:13:1: unknown key 'temprature', did you mean 'temperature'?",
        ),
        ("max-tokens: 5", "request.yaml:1:1: unknown key 'max-tokens', did you mean 'max_tokens'?"),
        ("Model: x", "request.yaml:1:1: unknown key 'Model', did you mean 'model'?"),
        ("temperature: warm", "request.yaml:1:14: temperature must be a number, not a string"),
        ("max_tokens: 1.5", "request.yaml:1:13: max_tokens must be an integer, not a number"),
        ("model: 5", "request.yaml:1:8: model must be a string, not a number (5); quote it"),
        ("think: yes", "request.yaml:1:8: think must be true or false, not a string"),
        ("a: 1\nb: 2", "request.yaml:1:1: unknown key 'a' (and 1 more)"),
        ("prompt: a\nprompt: b", "request.yaml:2:1: "),
        ("prompt: &x a\nsystem: *x", "request.yaml:1:9: anchors are not allowed"),
        ("prompt: *x", "request.yaml:1:9: "),
        ("<<: {a: 1}", "request.yaml:1:1: merge keys are not allowed"),
        ("prompt: !!python/object:os.system a", "request.yaml:1:9: tags are not allowed"),
        ("prompt: a\n---\nprompt: b", "request.yaml:2:1: a second document"),
        ("prompt: {{name}}", 'request.yaml:1:9: quote a template: "{{name}}"'),
        (
            'prompt: "Hi {{"First Name"}}"',
            (
                "request.yaml:1:16: not valid YAML: did not find expected key"
                r" (inside double quotes write {{\"…\"}}, or put single quotes around all)"
            ),
        ),
        ("- prompt: a", "request.yaml:1:1: a request file is a mapping"),
        ("just text", "request.yaml:1:1: a request file is a mapping"),
        ("", "request.yaml:1:1: "),
        ("prompt: [", "request.yaml:1:"),
        ("prompt: a\n\tb: c", "request.yaml:"),
        ("options: {n: .nan}", "request.yaml:1:14: "),
        (b"prompt: caf\xe9", "request.yaml:1:12: not UTF-8: byte 0xe9 at offset 11"),
        ("prompt: hi".encode("utf-16"), "request.yaml:1:1: not UTF-8: byte 0xff at offset 0; this looks like UTF-16"),
        (b"prompt: a\x00b", "request.yaml:1:10: control character U+0000"),
        (b"prompt: " + b"x" * (1024 * 1024), "request.yaml is larger than 1 MiB"),
        ("[" * 100 + "]" * 100, "request.yaml:1:"),
        ("base_url: https://x.example", "request.yaml:1:1: a request file may not hold an address or a key"),
        ("key_file: key", "request.yaml:1:1: a request file may not hold an address or a key"),
        (f"api_key: {CANARY}", "request.yaml:1:1: a request file may not hold an address or a key"),
        ('output: "a\\0b"\nprompt: hi', "holds a NUL"),
        ('attach: ["a\\0b"]\nprompt: hi', "holds a NUL"),
        ('system: "@a\\0b"\nprompt: hi', "holds a NUL"),
    ],
)
def test_a_wrong_file(glm, write, cwd, text, message) -> None:
    done = glm("ask", "-f", write(text), "-n", env={}, may_hold_key=(cwd / "request.yaml",))
    assert (done.code, done.out) == (2, b"")
    assert message in error_of(done.err)


SCALARS = [
    ("NO", "NO"),
    ("on", "on"),
    ("yes", "yes"),
    ("true", True),
    ("False", False),
    ("~", None),
    ("null", None),
    ("010", 10),
    ("0o10", 8),
    ("0x10", 16),
    ("1e3", 1000),
    ("1.20", 1.2),
    ("1:30", "1:30"),
    ("2026-01-31", "2026-01-31"),
    ("0b1", "0b1"),
    ("1_000", "1_000"),
    ("=", "="),
    ('"true"', "true"),
    ("'5'", "5"),
    ("[1, two]", [1, "two"]),
    ("{a: {b: c}}", {"a": {"b": "c"}}),
]


def test_scalars_are_those_of_yaml_1_2(glm, body) -> None:
    fields = {f"field{number}": scalar for number, (scalar, _) in enumerate(SCALARS)}
    sent = body("prompt: hi\nmodel: vllm/x\noptions:\n" + "".join(f"  {each}: {fields[each]}\n" for each in fields))
    flags = [word for each in fields for word in ("-o", f"{each}={fields[each]}")]
    flag = json.loads(glm("ask", "-m", "vllm/x", *flags, "hi", "-n").out)["body"]
    for (field, scalar), (_, value) in zip(fields.items(), SCALARS, strict=True):
        assert (sent[field], flag[field]) == (value, value), scalar
        assert type(sent[field]) is type(value) or scalar == "1e3", scalar


def test_odd_line_breaks_break_no_line(body) -> None:
    sent = body("prompt: a\u0085b\u2028c:d\u2029\nmodel: vllm/x\n")
    assert sent["messages"][0]["content"] == "a\u0085b\u2028c:d\u2029"


def test_json(body, wrong) -> None:
    text = json.dumps({"prompt": "Hi {{name}}", "model": "vllm/x", "temperature": 0.5}, indent=1)
    sent = body(text, "--var", "name=Ada", name="request.json")
    assert (sent["messages"][0]["content"], sent["temperature"]) == ("Hi Ada", 0.5)
    assert wrong('{\n  "temprature": 1\n}', name="request.json") == (
        "request.json:2:3: unknown key 'temprature', did you mean 'temperature'?"
    )
    assert wrong('{"seed": 1, "seed": 2}', name="request.json").startswith("request.json:1:13: ")
    assert body("\ufeff" + text, "--var", "name=Ada", name="request.json") == sent


def test_from_stdin(glm) -> None:
    text = b"prompt: hi\nmodel: vllm/x\n"
    done = glm("ask", "-f", "-", "-n", stdin=text)
    assert json.loads(done.out)["body"]["messages"] == [{"role": "user", "content": "hi"}]
    bad = glm("ask", "-f", "-", "-n", stdin=b"temprature: 1\n")
    assert error_of(bad.err) == "<stdin>:1:1: unknown key 'temprature', did you mean 'temperature'?"


def test_stream_false_contradicts_stream(glm, write) -> None:
    done = glm("stream", "-f", write("prompt: hi\nmodel: vllm/x\nstream: false\n"))
    assert (done.code, error_of(done.err)) == (2, "stream needs a stream")


# Files of other programs

CHAT = "model: m\nmessages: [{role: user, content: 'Who is {{name}}?'}]\n"
GITHUB = f"""\
name: n
{CHAT}modelParameters: {{temperature: 0.5, maxTokens: 9, seed: 1, logprobs: true}}
testData: [{{name: x}}]
evaluators: []
responseFormat: text
"""
DOTPROMPT = """\
---
model: m
config: {temperature: 0.5, version: 1}
input: {schema: {name: string}, default: {name: x}}
---

{{role "system"}}
Who is {{name}}?
"""
# The file, where and what it is, and the steps that make it one of ours.
FOREIGN = {
    "GitHub Models": (
        GITHUB,
        "4:1: a prompt file of GitHub Models",
        "rename modelParameters.temperature → temperature, modelParameters.maxTokens → max_tokens",
        "modelParameters.seed → seed, modelParameters.logprobs → options.logprobs, testData → rows for glm batch run",
        "responseFormat → options.response_format; leave out name, evaluators",
    ),
    "llm": (
        "prompt: 'Tell $name: $input'\ndefaults: {name: x}\nextract: true\noptions: {temperature: 1, logprobs: true}\n",
        "2:1: a template of llm",
        "rename defaults → vars, options.temperature → temperature; leave out extract; write {{NAME}} for $NAME",
        "and nothing for $input: stdin stands behind the prompt",
    ),
    "promptfoo": (
        "prompts: ['Who is {{name}}?']\nproviders: [openai:x]\ntests: []\nsharing: false\n",
        "1:1: a configuration of promptfoo",
        "rename prompts → prompt (one of them), providers → model, tests → rows for glm batch run; leave out sharing",
    ),
    "Semantic Kernel": (
        "name: n\ntemplate: 'Who is {{$name}}?'\ntemplate_format: semantic-kernel\n",
        "2:1: a prompt of Semantic Kernel",
        "rename template → prompt; leave out name, template_format; write {{NAME}} for {{$NAME}}",
    ),
    "OpenAI": (
        f"{CHAT}stream: true\nmax_completion_tokens: 9\nresponse_format: {{type: text}}\nstream_options: {{}}\nn: 1\n",
        "4:1: a request body of OpenAI's API",
        "rename max_completion_tokens → max_tokens, response_format → options.response_format",
        "n → options.n; leave out stream_options",
    ),
    "tools of OpenAI": (
        f"{CHAT}tools: [{{type: function, function: {{name: f}}}}]\n",
        "3:1: a request body of OpenAI's API",
        "rename tools → a file for glm tools run --tools",
    ),
    "Dotprompt": (
        DOTPROMPT,
        "1:1: a prompt file of Dotprompt",
        "rename config.temperature → temperature, input.default → vars; leave out config.version",
        "input.schema; put the text under prompt: |",
        'what follows {{role "system"}} under system: |',
        "and media under images",
    ),
    "Prompty": (
        "---\r\nname: n\r\nauthors: [x]\r\nsample: {question: x}\r\n---\r\nsystem:\r\nBe brief.\r\n",
        "1:1: a Prompty file",
        "rename sample → vars; leave out name, authors; put the text under prompt: |",
        "and what follows system: under system: |",
    ),
    "front matter": (
        "\ufeff---\nname: reviewer\nmodel: m\n---\n# Review\nWhat: this, that\n- so\n",
        "1:1: a text with front matter",
        "leave out name; put the text under prompt: |",
    ),
    "front matter that is no YAML": (
        "---\na: b: c\n---\n{{role 'user'}} Who?\n",
        "1:1: a text with front matter",
        "put the text under prompt: |",
    ),
}


@pytest.mark.parametrize("whose", FOREIGN)
def test_a_file_of_another_program(glm, write, whose) -> None:
    """What is to be changed is said all at once, and nothing is sent."""
    text, message, *fix = FOREIGN[whose]
    done = glm("ask", "-f", write(text), "-m", "sandbox/glm-5")
    assert (done.code, done.out) == (2, b"")
    assert done.err == f"glm: error: request.yaml:{message}, not a request file of glm\n  fix: {', '.join(fix)}\n"


def test_a_file_of_another_program_for_rows(glm, write, cwd) -> None:
    (cwd / "rows.jsonl").write_text('{"vars": {"name": "x"}}\n')
    done = glm("batch", "run", "rows.jsonl", "-f", write(GITHUB), "-m", "sandbox/glm-5")
    what = "request.yaml:4:1: a prompt file of GitHub Models, not a request file of glm"
    assert (done.code, error_of(done.err)) == (2, what)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt: x\nresponse_format: {}\n", "request.yaml:2:1: unknown key 'response_format'"),
        ("model: m\ntestdata: x\n", "request.yaml:2:1: unknown key 'testdata'"),
        ("messages: []\ntools: 5\nfoo: 1\n", None),
        ("---\nprompt: x\n---\nprompt: y\n", None),
        ("---\nprompt: x\n--- {\n", None),
    ],
)
def test_a_file_of_ours_that_is_wrong_stays_ours(wrong, text, message) -> None:
    said = wrong(text)
    assert message is None or said == message
    assert "not a request file" not in said
