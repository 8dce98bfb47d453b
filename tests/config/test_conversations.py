"""Conversations with tools: the same on every provider, whatever its wire looks like, and what each is sent back."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from processes import error_of, read_until
from program import GLM, environment
from provider_rows import ROWS
from scripted_server import Server, delta, event, reply, stream
from tool_runs import JOINED_FRAGMENTS, ToolRuns, tool, whole_call

from glmcli.chat.reply import Fold
from glmcli.providers.reader import ReplyReader
from glmcli.providers.table import PROVIDERS

ALIBABA = ("modelstudio", "dashscope")
# Contract and their documents: who takes `tool_stream`, and who wants the reasoning of a tool turn back.
STREAMS_CALLS = ("bigmodel", "zai", "modelstudio", "dashscope", "tokenhub")
REASONING_BACK = ("bigmodel", "zai", "vllm", "sglang", "llamacpp")

PARAMETERS = {
    "type": "object",
    "required": ["city"],
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
}
CLOCK_PARAMETERS = {"type": "object", "properties": {}}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    """The base URL of every row, at one `glm sandbox`."""
    home = tmp_path_factory.mktemp("home")
    started = subprocess.Popen(
        [GLM, "sandbox", "--port", "0"], stdout=subprocess.PIPE, bufsize=0, env=environment(home)
    )
    with started as process:
        try:
            lines = read_until(process.stdout, b"\nsandbox\t").decode().splitlines()
            yield dict(line.split("\t", 1) for line in lines if "\t" in line)
        finally:
            process.kill()


@pytest.fixture
def scene(glm, cwd):
    scene = ToolRuns(glm, cwd)
    scene.program("weather", 'echo "It is fine in $1."')
    scene.program("clock", "echo 'It is noon, 中文😀.'; cat")
    scene.file(
        tool("weather", "./weather", "{city}", "{days}", parameters=PARAMETERS, approve="auto"),
        tool("clock", approve="auto"),
    )
    return scene


# The same everywhere

BEFORE = "The sandbox does not think. It makes up the arguments of the tool from its schema."
AFTER = "The sandbox does not think. It repeats the last message."
FINE, NOON = "It is fine in sandbox.\n", "It is noon, 中文😀.\n{}\n"
INTRODUCTION = "This is the glm sandbox, not a model. The tool answered: "
PROMPT = "Ask weather and clock."


def expected(row: str, *, several: bool) -> list[dict]:
    """The conversation, typed out."""
    thinks = row != "openai"
    calls = [("weather", '{"city": "sandbox"}', FINE), *([("clock", "{}", NOON)] if several else [])]
    answer = INTRODUCTION + ", ".join(f'"{text}"' for _, _, text in calls)
    return [
        {"type": "start", "model": "glm-5"},
        *([{"type": "reasoning", "text": BEFORE}] if thinks else []),
        *({"type": "tool_call", "name": name, "arguments": arguments} for name, arguments, _ in calls),
        *({"type": "tool_result", "name": name, "text": text, "failed": False} for name, _, text in calls),
        {"type": "start", "model": "glm-5"},
        *([{"type": "reasoning", "text": AFTER}] if thinks else []),
        {"type": "answer", "text": answer},
        {"type": "end", "finish_reason": "stop", "complete": True},
    ]


def normalised(out: bytes) -> list[dict]:
    """The events without what the wire decides: ids, usage, who answered, where texts are cut."""
    found: list[dict] = []
    for line in out.decode().removesuffix("\n").split("\n"):
        value = json.loads(line)
        if value["type"] == "usage":
            continue
        value.pop("id", None)
        value.pop("provider", None)
        if found and value["type"] in ("reasoning", "answer") and found[-1]["type"] == value["type"]:
            found[-1]["text"] += value["text"]
        else:
            found.append(value)
    # BigModel and its like begin their reasoning with a newline that means nothing.
    return [each | {"text": each["text"].lstrip("\n")} if each["type"] == "reasoning" else each for each in found]


def as_bytes(events: list[dict]) -> bytes:
    return "".join(json.dumps(each, sort_keys=True, ensure_ascii=False) + "\n" for each in events).encode()


MODES = {
    "streamed": (),
    "whole": ("--no-stream",),
    "calls in pieces": ("--tool-stream",),
    "calls in one piece": ("--no-tool-stream",),
}


@pytest.fixture
def talk(glm, keys, sandbox, scene):
    """The conversation with a row of the sandbox."""

    def run(row, *flags):
        arguments = ("-m", f"{row}/glm-5", "--base-url", sandbox[row], "--tools", "t.json", *flags)
        return glm("tools", "run", *arguments, PROMPT, env=keys), scene.ran

    return run


@pytest.mark.sampled(5)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("row", ROWS)
def test_the_same_conversation_on_every_row(talk, row, mode) -> None:
    force = ("--force",) if mode == "calls in pieces" and row not in STREAMS_CALLS else ()
    done, ran = talk(row, "--jsonl", *MODES[mode], *force)
    assert done.code == 0, done.err
    several = row not in ALIBABA  # these make one call at a time unless told otherwise
    assert as_bytes(normalised(done.out)) == as_bytes(expected(row, several=several))
    assert ran == ["weather sandbox", *(["clock"] if several else [])]
    events = [json.loads(line) for line in done.text.splitlines()]
    made = [each["id"] for each in events if each["type"] == "tool_call"]
    assert [each["id"] for each in events if each["type"] == "tool_result"] == made
    assert len(set(made)) == len(made)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("row", ALIBABA)
def test_several_calls_at_alibaba(talk, row, mode) -> None:
    done, ran = talk(row, "--jsonl", *MODES[mode], "-o", "parallel_tool_calls=true")
    assert done.code == 0, done.err
    assert as_bytes(normalised(done.out)) == as_bytes(expected(row, several=True))
    assert ran == ["weather sandbox", "clock"]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("row", ROWS)
def test_tool_stream_where_there_is_none(talk, row) -> None:
    done, ran = talk(row, "--tool-stream", "-q")
    if row in STREAMS_CALLS:
        assert done.code == 0
    else:
        assert (done.code, ran) == (2, [])
        assert error_of(done.err) == f"{row} has no tool_stream"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("row", ROWS)
def test_the_same_answer_printed(talk, row) -> None:
    for flags in ((), ("--stream",), ("--no-stream",)):
        done, _ = talk(row, "-q", *flags)
        results = (FINE,) if row in ALIBABA else (FINE, NOON)
        assert (done.code, done.text) == (0, INTRODUCTION + ", ".join(f'"{text}"' for text in results) + "\n")
        assert done.err == ""


# What each is sent

TOOLS = [
    {"type": "function", "function": {"name": name, "description": f"The tool {name}.", "parameters": parameters}}
    for name, parameters in (("weather", PARAMETERS), ("clock", CLOCK_PARAMETERS))
]
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
THINKING = {"thinking": {"type": "enabled"}}
STREAMED = {
    "bigmodel": THINKING | {"stream": True},
    "zai": THINKING | {"stream": True},
    "modelstudio": USAGE,
    "dashscope": {"incremental_output": True},
    "tokenhub": THINKING | USAGE,
    "vllm": USAGE,
    "sglang": USAGE,
    "ollama": USAGE,
    "llamacpp": USAGE,
    "openai": USAGE,
}
CALLS = [whole_call("weather", '{"city": "Köln", "days": 2}', "c1", 0), whole_call("clock", "", "c2", 1)]
MORE = [whole_call("weather", '{"city":"上海"}', "c3", 0)]


def said(row: str, calls: list[dict], text: str, reasoning: str, *, whole: bool):
    """A turn of the model in the grammar of the row."""
    message = {"role": "assistant", "content": text, "reasoning_content": reasoning, "tool_calls": calls}
    finish = "tool_calls" if calls else "stop"
    native = {"request_id": "r", "output": {"choices": [{"message": message, "finish_reason": finish}]}}
    plain = {"id": "r", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    if whole:
        return reply(200, native if row == "dashscope" else plain)
    if row == "dashscope":
        return stream(native, done=False)
    made = [delta(tool_calls=[each]) for each in calls]
    return stream(
        delta(reasoning_content=reasoning), delta(content=text), *made, delta(content="", finish_reason=finish)
    )


def body(row: str, messages: list[dict], *, whole: bool, tool_stream: bool) -> dict:
    """The whole body that a row is sent."""
    more: dict = {"tools": TOOLS}
    if not whole:
        more |= STREAMED[row] | ({"tool_stream": True} if tool_stream else {})
    elif "thinking" in STREAMED[row]:
        more |= THINKING
    if row == "dashscope":
        return {"model": "glm-5", "input": {"messages": messages}, "parameters": {"result_format": "message", **more}}
    return {"model": "glm-5", "messages": messages, **more}


def turn(row: str, text: str, reasoning: str, calls: list[dict]) -> dict:
    back = {"reasoning_content": reasoning} if row in REASONING_BACK else {}
    made = [
        {
            "id": call["id"],
            "type": "function",
            "function": {"name": call["function"]["name"], "arguments": call["function"]["arguments"] or "{}"},
        }
        for call in calls
    ]
    return {"role": "assistant", "content": text, "tool_calls": made} | back


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("flags", "asked"),
    [((), None), (("--tool-stream",), True), (("--no-tool-stream",), False), (("--no-stream",), False)],
    ids=["streamed", "tool-stream", "no-tool-stream", "no-stream"],
)
@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize("row", ROWS)
def test_every_request_whole(glm, keys, row, flags, asked) -> None:
    whole = "--no-stream" in flags
    turns = [
        said(row, CALLS, "Let me see.", "First thought.", whole=whole),
        said(row, MORE, "", "Second thought.", whole=whole),
        said(row, [], "The end.", "Third thought.", whole=whole),
    ]
    force = ("--force",) if asked and row not in STREAMS_CALLS else ()
    with Server(*turns) as server:
        arguments = ("-m", f"{row}/glm-5", "--base-url", server.url, "--tools", "t.json", *flags, *force)
        done = glm("tools", "run", *arguments, "--tool-choice", "auto", "-s", "Be brief.", "Q", env=keys)
    assert (done.code, done.text) == (0, "The end.\n"), done.err
    before = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Q"}]
    first = [
        turn(row, "Let me see.", "First thought.", CALLS),
        {"role": "tool", "content": "It is fine in Köln.\n", "tool_call_id": "c1"},
        {"role": "tool", "content": NOON, "tool_call_id": "c2"},
    ]
    second = [
        turn(row, "", "Second thought.", MORE),
        {"role": "tool", "content": "It is fine in 上海.\n", "tool_call_id": "c3"},
    ]
    pieces = (row in STREAMS_CALLS if asked is None else asked) and not whole
    bodies = [
        body(row, messages, whole=whole, tool_stream=pieces)
        for messages in (before, before + first, before + first + second)
    ]
    fields = bodies[0]["parameters"] if row == "dashscope" else bodies[0]
    fields["tool_choice"] = "auto"
    assert [request.json for request in server.requests] == bodies
    paths = {request.path for request in server.requests}
    assert paths == {"/v1/services/aigc/text-generation/generation" if row == "dashscope" else "/v1/chat/completions"}
    headers = [[pair for pair in request.headers if pair[0] != "Content-Length"] for request in server.requests]
    assert headers[0] == headers[1] == headers[2]
    assert ("Accept-Encoding", "identity") in headers[0] or whole


@pytest.mark.sampled(3)
@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize("row", [row for row in ROWS if PROVIDERS[row].api.forces_thinking])
def test_a_forced_call_is_forced_once(glm, keys, row) -> None:
    turns = [said(row, CALLS[1:], "", "", whole=False), said(row, [], "The end.", "", whole=False)]
    with Server(*turns) as server:
        arguments = ("-m", f"{row}/glm-5", "--base-url", server.url, "--tools", "t.json", "--force")
        done = glm("tools", "run", *arguments, "--tool-choice", "clock", "Q", env=keys)
    assert done.code == 0
    choices = [request.json.get("tool_choice") for request in server.requests]
    assert choices == [{"type": "function", "function": {"name": "clock"}}, None]
    assert "tool_choice" not in server.requests[1].json


# Six ways to write calls in pieces, cut at every byte


def frames(row: str, parts: list[dict], line_end: bytes) -> bytes:
    """A body of SSE with these fragments."""
    if row != "dashscope":
        events = [*(delta(tool_calls=[each]) for each in parts), delta(content="", finish_reason="tool_calls")]
        return b"".join(map(event, [*events, "[DONE]"])).replace(b"\n", line_end)
    found = b""
    for number, each in enumerate([*parts, None], 1):
        message = {"role": "assistant", "content": "", **({"tool_calls": [each]} if each else {})}
        choice = {"message": message, "finish_reason": "null" if each else "tool_calls"}
        data = json.dumps({"output": {"choices": [choice]}, "request_id": "r"}, ensure_ascii=False)
        found += f"id:{number}\nevent:result\n:HTTP_STATUS/200\ndata:{data}\n\n".encode()
    return found.replace(b"\n", line_end)


def read(row: str, pieces: list[bytes]) -> list[tuple[str, str, str]]:
    reader, fold = ReplyReader(PROVIDERS[row], "text/event-stream"), Fold()
    for piece in pieces:
        for each in reader.feed(piece):
            fold.add(each)
    for each in reader.close():
        fold.add(each)
    folded = fold.reply()
    assert folded.finish_reason == "tool_calls"
    assert (folded.answer, folded.reasoning) == ("", "")
    return [(call.id, call.name, call.arguments) for call in folded.tool_calls]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", JOINED_FRAGMENTS)
@pytest.mark.parametrize(
    ("row", "line_end"), [("zai", b"\n"), ("vllm", b"\r\n"), ("modelstudio", b"\r"), ("dashscope", b"\n")]
)
def test_fragments_cut_at_every_byte(row, line_end, name) -> None:
    parts, calls = JOINED_FRAGMENTS[name]
    body_ = frames(row, parts, line_end)
    assert read(row, [body_]) == calls
    assert read(row, [body_[at : at + 1] for at in range(len(body_))]) == calls
    for at in range(1, len(body_)):
        assert read(row, [body_[:at], body_[at:]]) == calls, re.escape(body_[:at].decode(errors="replace"))


@pytest.mark.parametrize("name", JOINED_FRAGMENTS)
def test_a_whole_answer_holds_the_same_calls(name) -> None:
    _, calls = JOINED_FRAGMENTS[name]
    made = [whole_call(function, text, identity, at) for at, (identity, function, text) in enumerate(calls)]
    message = {"role": "assistant", "content": None, "tool_calls": made}
    body_ = json.dumps({"choices": [{"message": message, "finish_reason": "tool_calls"}]}).encode()
    reader, fold = ReplyReader(PROVIDERS["zai"], "application/json"), Fold()
    for each in (*reader.feed(body_), *reader.close()):
        fold.add(each)
    assert [(call.id, call.name, call.arguments) for call in fold.reply().tool_calls] == calls
