"""What a model is known to be able to do decides what is sent to it; its provider's row only where nobody knows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from processes import error_of
from samples import png
from scripted_server import Server, answer, reply

from glmcli.chat.messages import Function, Media, Message, Request
from glmcli.config import checks
from glmcli.console.suggestions import closest
from glmcli.providers.table import PROVIDERS

OBJECT = {"response_format": {"type": "json_object"}}
SCHEMA = {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}}
WEATHER = Function("weather", "", {"type": "object"})
PICTURE = Media("image", url="https://x.example/a.png", name="a.png")


def asked(model: str, *media: Media, **fields: Any) -> Request:
    message = Message("user", "Answer in JSON.", parts=media)
    return Request(model, (message,), **({"stream": True} | fields))


def objected(row: str, request: Request) -> list[tuple[str, str]]:
    return [tuple(objection) for objection in checks.objections(request, PROVIDERS[row])]


def remarked(row: str, request: Request) -> list[str]:
    return list(checks.remarks(request, PROVIDERS[row], "2026-11-22"))


# --- JSON ---


@pytest.mark.parametrize(
    ("row", "model", "format_", "message", "fix"),
    [
        (
            "bigmodel",
            "glm-5v-turbo",
            OBJECT,
            "glm-5v-turbo at bigmodel does not take a json_object",
            "ask for JSON in the prompt",
        ),
        (
            "zai",
            "glm-4.6v",
            SCHEMA,
            "glm-4.6v at zai does not take a json_schema",
            "ask for JSON in the prompt",
        ),
        (
            "zai",
            "glm-5",
            SCHEMA,
            "glm-5 at zai does not take a json_schema",
            "use {type: json_object} and name the fields",
        ),
        (
            "tokenhub",
            "tomorrow",
            SCHEMA,
            "tokenhub does not take a json_schema",
            "use {type: json_object} and name the fields",
        ),
        (
            "modelstudio",
            "glm-5",
            OBJECT,
            "glm-5 at modelstudio writes JSON only without thinking",
            "--no-think",
        ),
        (
            "dashscope",
            "ZHIPU/GLM-5.2",
            OBJECT,
            "ZHIPU/GLM-5.2 at dashscope writes JSON only without thinking",
            "--no-think",
        ),
        ("modelstudio", "tomorrow", OBJECT, "modelstudio writes JSON only without thinking", "--no-think"),
        (
            "dashscope",
            "ZHIPU/GLM-5.3",
            OBJECT,
            "ZHIPU/GLM-5.3 at dashscope writes JSON only without thinking, and always thinks",
            "ask for JSON in the prompt, or -m dashscope/glm-5.2, dashscope/glm-5.1 or dashscope/glm-5 with --no-think",
        ),
    ],
)
def test_json_that_is_known_to_be_refused(row, model, format_, message, fix) -> None:
    assert objected(row, asked(model, extra=format_)) == [(message, fix)]


@pytest.mark.parametrize(
    ("row", "model", "format_", "think"),
    [
        # Of these the catalogue does not say that JSON excludes thinking, or what they take at all.
        ("modelstudio", "glm-4.5", OBJECT, None),
        ("modelstudio", "glm-5.3", OBJECT, None),
        ("dashscope", "glm-5.3-flash", OBJECT, True),
        ("tokenhub", "glm-5.3", SCHEMA, None),
        ("zai", "glm-5.3", SCHEMA, None),
        ("modelstudio", "glm-5", OBJECT, False),
        ("zai", "glm-5", OBJECT, None),
        ("zai", "tomorrow", SCHEMA, None),
        ("zai", "glm-5v-turbo", {"response_format": {"type": "text"}}, None),
    ],
)
def test_json_that_is_not_known_to_be_refused(row, model, format_, think) -> None:
    assert objected(row, asked(model, extra=format_, think=think)) == []


def test_json_while_thinking_is_remarked_where_only_the_provider_says_no() -> None:
    said = "glm-4.5 at modelstudio: JSON while thinking is refused for some models; add --no-think"
    assert said in remarked("modelstudio", asked("glm-4.5", extra=OBJECT))
    assert said not in remarked("modelstudio", asked("glm-4.5", extra=OBJECT, think=False))
    instead = "it cannot stop, so ask for JSON in the prompt"
    said = f"glm-5.3 at modelstudio: JSON while thinking is refused for some models; {instead}"
    assert said in remarked("modelstudio", asked("glm-5.3", extra=OBJECT))
    for row, model in (("modelstudio", "glm-5"), ("modelstudio", "tomorrow"), ("zai", "glm-5.3")):
        assert not [line for line in remarked(row, asked(model, extra=OBJECT)) if "JSON" in line]


def test_json_with_the_real_program(glm) -> None:
    flags = ("-n", "-o", "response_format={type: json_object}", "json hi")
    done = glm("ask", "-m", "bigmodel/glm-5v-turbo", *flags)
    assert (done.code, error_of(done.err)) == (2, "glm-5v-turbo at bigmodel does not take a json_object")
    assert glm("ask", "-m", "modelstudio/glm-4.5", *flags).code == 0
    forced = glm("ask", "-m", "bigmodel/glm-5v-turbo", "--force", *flags)
    assert json.loads(forced.out)["body"]["response_format"] == {"type": "json_object"}


# --- tools ---


def test_a_model_that_calls_no_tools(glm, cwd) -> None:
    tool = {"name": "weather", "description": "The weather.", "run": ["true"], "parameters": {"type": "object"}}
    (cwd / "t.json").write_text(json.dumps({"tools": [tool]}))
    for row, able in (
        ("bigmodel", "bigmodel/glm-5.3, bigmodel/glm-5.3-flash or bigmodel/glm-5.2"),
        ("zai", "zai/glm-5.3, zai/glm-5.3-flash or zai/glm-5.2"),
    ):
        done = glm("tools", "run", "-m", f"{row}/glm-4.5v", "--tools", "t.json", "-n", "hi")
        assert (done.code, done.out) == (2, b"")
        assert error_of(done.err) == f"glm-4.5v at {row} calls no tools"
        assert f"  fix: a model that does: -m {able} (--force sends it anyway)\n" in done.err
    assert glm("tools", "run", "-m", "zai/glm-4.5v", "--tools", "t.json", "-n", "--force", "hi").code == 0


def test_its_substitute_takes_the_picture_too() -> None:
    objections = objected("zai", asked("glm-4.5v", PICTURE, tools=(WEATHER,)))
    assert objections == [
        (
            "glm-4.5v at zai calls no tools",
            "a model that does: -m zai/glm-5.3-flash, zai/glm-4.6v or zai/glm-4.6v-flashx",
        )
    ]


@pytest.mark.parametrize("model", ["glm-5v-turbo", "glm-5.3-flashx", "tomorrow", "glm-4.6v"])
def test_a_model_that_may_call_tools(model) -> None:
    assert objected("zai", asked(model, tools=(WEATHER,))) == []


def test_a_call_can_be_demanded_of_a_model_that_does_not_think() -> None:
    demanded = asked("glm-5", tools=(WEATHER,), tool_choice="weather")
    assert objected("modelstudio", demanded) == [
        ("modelstudio cannot demand a call while the model thinks", "--no-think")
    ]
    assert objected("modelstudio", demanded.replace(think=False)) == []
    assert objected("modelstudio", demanded.replace(effort="none")) == []
    able = "-m modelstudio/glm-5.2, modelstudio/glm-5.2-fast-preview or modelstudio/glm-5.1"
    assert objected("modelstudio", demanded.replace(model="glm-5.3")) == [
        (
            "modelstudio cannot demand a call while the model thinks",
            f"--no-think with a model that can stop: {able}",
        )
    ]


def test_what_a_provider_does_not_take_of_tools() -> None:
    many = tuple(WEATHER.replace(name=f"weather{number}") for number in range(129))
    assert objected("zai", asked("glm-5", tools=many)) == [("zai takes at most 128 tools, not 129", "offer fewer")]
    search = WEATHER.replace(name="search")
    assert objected("modelstudio", asked("glm-5", tools=(search,))) == [
        ("modelstudio refuses a tool named 'search'", "give it another name")
    ]


def test_what_is_remarked_of_pieces_of_calls() -> None:
    whole = asked("glm-5", tools=(WEATHER,), tool_stream=True, stream=False)
    assert "--tool-stream has no effect without a stream" in remarked("zai", whole)
    unlisted = asked("tomorrow", tools=(WEATHER,), tool_stream=True, stream=True)
    said = "tomorrow at zai is not listed among the models that have tool_stream"
    assert said in remarked("zai", unlisted)


def test_json_that_nobody_asked_for_in_words() -> None:
    silent = asked("glm-5", extra=OBJECT, think=False).replace(messages=(Message("user", "hi"),))
    assert objected("modelstudio", silent) == [
        ("modelstudio wants the word JSON in the conversation", "ask for JSON in the prompt")
    ]


# --- thinking ---


def test_a_budget_that_is_larger_than_the_models() -> None:
    assert objected("modelstudio", asked("glm-5", think_budget=32_768)) == []
    assert objected("modelstudio", asked("glm-5", think_budget=32_769)) == [
        ("--think-budget 32769 is more than glm-5 at modelstudio thinks", "at most 32768")
    ]
    assert objected("modelstudio", asked("glm-5.3-flash", think_budget=1_000_000)) == []


@pytest.mark.parametrize("row", ["modelstudio", "dashscope"])
def test_a_budget_that_is_ignored_is_refused(row) -> None:
    """help.aliyun.com/en/model-studio/glm-5-3 (2026-11-22): the others are bounded by it."""
    instead = "use --effort or --max-tokens" if row == "modelstudio" else "use --effort"
    said = [(f"glm-5.3 at {row} does not take thinking_budget", instead)]
    assert objected(row, asked("glm-5.3", think_budget=100)) == said
    assert objected(row, asked("glm-5.2", think_budget=100)) == []
    capped = details_of("dashscope", asked("glm-5.3", max_tokens=100))
    assert capped == [
        "--max-tokens is sent as max_tokens: it caps the answer only; thinking is not capped at dashscope"
    ]


def test_the_words_of_effort_are_the_models() -> None:
    assert objected("tokenhub", asked("glm-5.3", effort="high")) == []
    assert objected("tokenhub", asked("glm-5.3", effort="none"))[0][0] == (
        "glm-5.3 at tokenhub does not know the effort 'none'"
    )
    assert objected("vllm", asked("any", effort="ultra"))[0][0] == "any at vllm does not know the effort 'ultra'"


def details_of(row: str, request: Request) -> list[str]:
    return list(checks.details(request, PROVIDERS[row]))


def test_what_an_effort_counts_as() -> None:
    assert details_of("zai", asked("glm-5.2", effort="low")) == ["--effort low counts as high at zai"]
    assert details_of("zai", asked("glm-5.2", effort="max")) == []
    assert details_of("bigmodel", asked("glm-5.2", effort="minimal")) == [
        "--effort minimal counts as none at bigmodel",
        "--effort minimal switches thinking off; no other switch is sent",
    ]
    assert details_of("vllm", asked("any", effort="none")) == [
        "--effort none switches thinking off; the switch of --no-think is sent with it"
    ]
    assert details_of("ollama", asked("any", effort="none")) == [
        "--effort none switches thinking off; no other switch is sent"
    ]


def test_json_goes_with_an_effort_that_means_no_thinking() -> None:
    assert objected("modelstudio", asked("glm-5", extra=OBJECT, effort="none")) == []


def test_no_fix_asks_a_model_to_stop_that_cannot() -> None:
    """Neither of its objections nor of its remarks, whatever is asked of it."""
    for row, provider in PROVIDERS.items():
        for model in provider.model_names:
            known = provider.model(model)
            if not known or known.stops_thinking:
                continue
            for fields in ({"extra": OBJECT}, {"extra": SCHEMA}, {"tools": (WEATHER,), "tool_choice": "weather"}):
                for stream in (True, False):
                    request = asked(model, **fields, stream=stream)
                    fixes = [fix for _, fix in objected(row, request)] + remarked(row, request)
                    assert all("-m " in fix for fix in fixes if "--no-think" in fix), fixes


ALWAYS = "glm-5.3 at modelstudio always thinks: a request to stop is ignored without a word"
TOOL = {"name": "weather", "description": "The weather.", "run": ["true"], "parameters": {"type": "object"}}


@pytest.mark.parametrize(
    "words",
    [
        ("ask", "-m", "modelstudio/glm-5.3", "--no-think", "hi"),
        ("stream", "-m", "modelstudio/glm-5.3", "--no-think", "hi"),
        ("ask", "-m", "modelstudio/glm-5", "--fallback", "modelstudio/glm-5.3", "--no-think", "hi"),
        ("tools", "run", "--tools", "t.json", "-m", "modelstudio/glm-5.3", "--no-think", "hi"),
        ("ask", "-f", "r.json"),
        ("batch", "run", "in.jsonl", "-O", "out.jsonl", "-m", "modelstudio/glm-5.3", "--no-think"),
        ("batch", "run", "in.jsonl", "-O", "out.jsonl", "-f", "r.json"),
    ],
    ids=["ask", "stream", "fallback", "tools run", "request file", "batch", "batch with a request file"],
)
def test_a_model_that_cannot_stop_is_not_asked_to(glm, cwd, keys, words) -> None:
    (cwd / "t.json").write_text(json.dumps({"tools": [TOOL]}))
    (cwd / "r.json").write_text(json.dumps({"model": "modelstudio/glm-5.3", "think": False, "prompt": "hi"}))
    (cwd / "in.jsonl").write_text('{"prompt": "hi"}\n')
    with Server(answer()) as server:
        done = glm(*words, "--base-url", server.url, env=keys)
    assert (done.code, done.out, error_of(done.err)) == (2, b"", ALWAYS)
    assert server.requests == []


@pytest.mark.parametrize(
    "fields", [{"enable_thinking": False}, {"thinking": {"type": "disabled"}}], ids=["enable_thinking", "thinking"]
)
def test_nor_by_a_line_of_a_batch(glm, cwd, keys, fields) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], **fields}
    (cwd / "in.jsonl").write_text(json.dumps({"custom_id": "a", "body": body}) + "\n")
    with Server(answer()) as server:
        words = ("-O", "out.jsonl", "-m", "modelstudio/glm-5.3", "--base-url", server.url)
        done = glm("batch", "run", "in.jsonl", *words, env=keys)
    assert (done.code, server.requests) == (15, [])
    assert json.loads((cwd / "out.jsonl").read_text())["error"]["message"] == f"in.jsonl:1: {ALWAYS}"


@pytest.mark.parametrize(
    "words",
    [
        ("tools", "run", "--tools", "t.json", "-m", "zai/glm-4.5v", "--no-think", "hi"),
        ("tools", "run", "--tools", "t.json", "-m", "modelstudio/glm-5.3", "--tool-choice", "weather", "hi"),
        ("vision", "--image", "a.png", "-m", "zai/glm-5", "--no-think", "hi"),
        ("vision", "--image", "a.png", "-m", "modelstudio/glm-5", "--no-think", "hi"),
        ("ask", "-a", "a.png", "-m", "bigmodel/glm-5.2", "--effort", "high", "hi"),
        ("ask", "-f", "begun.json", "-m", "modelstudio/glm-5", "--no-think"),
        ("ask", "-f", "begun.json", "-m", "zai/glm-5", "--no-think"),
        ("ask", "-f", "search.json", "-m", "modelstudio/glm-5", "--no-think"),
        ("ask", "-f", "search.json", "-m", "dashscope/glm-5", "--effort", "high"),
        ("ask", "-o", "response_format={type: json_object}", "-m", "modelstudio/ZHIPU/GLM-5.3", "--no-think", "json"),
    ],
    ids=" ".join,
)
def test_the_models_of_a_fix_take_the_rest_of_the_question(glm, cwd, keys, words) -> None:
    (cwd / "t.json").write_text(json.dumps({"tools": [TOOL]}))
    (cwd / "a.png").write_bytes(png())
    (cwd / "begun.json").write_text(json.dumps({"messages": BEGUN}))
    (cwd / "search.json").write_text(json.dumps({"prompt": "hi", "server_tools": [SEARCH]}))
    said = glm(*words, "-n", env=keys).err
    fix = said.partition("  fix: ")[2]
    assert "--effort low" not in fix  # beside JSON it would be refused
    named = [word.strip(",") for word in fix.partition("-m ")[2].split() if "/" in word]
    assert named, said
    stop = ("--no-think",) if "with --no-think" in fix or "--no-think with" in fix else ()
    at = words.index("-m") + 1
    for model in named:
        done = glm(*words[:at], model, *words[at + 1 :], *stop, "-n", env=keys)
        assert done.code == 0, (model, done.err)


# --- web search, and answers that were begun ---

WITHOUT = "--no-tool-stream, or tool_stream: false in a request file, leaves it out"
SEARCH = {"type": "web_search", "web_search": {"enable": True}}
BEGUN = ({"role": "user", "content": "Count to three."}, {"role": "assistant", "content": "One, ", "partial": True})
ABLE = "ZHIPU/GLM-5.2"  # its card says that it goes on with an answer


def begun(model: str, **fields: Any) -> Request:
    messages = (Message("user", "Count to three."), Message("assistant", "One, ", partial=True))
    return Request(model, messages, **({"stream": True} | fields))


def test_a_model_that_does_not_search() -> None:
    instead = "leave the search out, or a model that does: -m bigmodel/glm-5.3 or zai/glm-5.3"
    said = [("glm-5 at modelstudio does not search the web", instead)]
    assert objected("modelstudio", asked("glm-5", server_tools=(SEARCH,))) == said
    # The parameter is Model Studio's alone.
    by_tool = "leave the search out, or web_search in server_tools of a request file, with a model that does: "
    parameter = objected("modelstudio", asked("glm-5", extra={"enable_search": True}))[0]
    assert parameter == (said[0][0], f"{by_tool}-m bigmodel/glm-5.3 or zai/glm-5.3")
    assert objected("modelstudio", asked("tomorrow", server_tools=(SEARCH,))) == []
    for row in ("bigmodel", "zai", "tokenhub"):
        assert objected(row, asked("glm-5", server_tools=(SEARCH,))) == []
    assert objected("modelstudio", asked("glm-5", server_tools=({"type": "retrieval"},))) == []


def test_a_model_that_does_not_go_on_with_an_answer() -> None:
    able = "a model that does: -m modelstudio/ZHIPU/GLM-5.2"  # 5.3 cannot stop thinking, and it is documented without
    (what, fix), *others = objected("modelstudio", begun("glm-5"))
    assert (what, others) == ("glm-5 at modelstudio does not go on with an answer that was begun (partial)", [])
    assert fix.startswith(able)
    (what, fix), *others = objected("zai", begun("glm-5"))
    assert (what, others) == ("zai is not known to go on with an answer that was begun (partial)", [])
    assert fix == "a model that does: -m modelstudio/ZHIPU/GLM-5.2 or dashscope/ZHIPU/GLM-5.2"
    assert objected("dashscope", begun(ABLE, think=False)) == []
    assert remarked("dashscope", begun(ABLE, think=False)) == []
    documented = "going on with an answer (partial) is documented without thinking only"
    assert remarked("modelstudio", begun(ABLE)) == [f"{ABLE} at modelstudio: {documented}; add --no-think"]
    assert remarked("modelstudio", begun("ZHIPU/GLM-5.3")) == [f"ZHIPU/GLM-5.3 at modelstudio: {documented}"]
    unlisted = "glm-5.3-flash at modelstudio is not listed among the models that go on with an answer that was begun"
    assert remarked("modelstudio", begun("glm-5.3-flash", think=False))[0] == f"{unlisted} (partial)"


@pytest.mark.parametrize("row", ["modelstudio", "dashscope"])
def test_the_answer_to_one_that_was_begun_is_what_follows(glm, cwd, keys, row) -> None:
    (cwd / "r.json").write_text(json.dumps({"messages": BEGUN, "think": False}))
    native = {"output": {"choices": [{"message": {"content": "two, three."}, "finish_reason": "stop"}]}}
    said = reply(200, native) if row == "dashscope" else answer("two, three.")
    with Server(said, said) as server:
        flags = ("-m", f"{row}/{ABLE}", "--base-url", server.url, "-f", "r.json", "--session", "s.jsonl")
        if row == "dashscope":
            flags += ("--no-stream",)
        done = glm("ask", *flags, env=keys)
        assert (done.code, done.out, done.err) == (0, b"two, three.\n", "")
        body = server.requests[0].json
        assert (body["input"] if row == "dashscope" else body)["messages"] == list(BEGUN)
    # A session keeps the turn whole.
    lines = [json.loads(line) for line in (cwd / "s.jsonl").read_text().splitlines()]
    assert [(line["role"], line["content"]) for line in lines] == [
        ("user", "Count to three."),
        ("assistant", "One, two, three."),
    ]


def test_nothing_may_follow_an_answer_that_was_begun(glm, cwd, keys) -> None:
    (cwd / "r.json").write_text(json.dumps({"messages": BEGUN, "think": False}))
    done = glm("ask", "-m", f"modelstudio/{ABLE}", "-f", "r.json", "-n", "--force", "And then?", env=keys)
    assert (done.code, done.out) == (2, b"")
    assert error_of(done.err) == "partial: the model goes on with the last message only, and others follow this one"
    (cwd / "r.json").write_text('{"messages": [{"role": "user", "content": "hi", "partial": true}]}')
    done = glm("ask", "-m", f"modelstudio/{ABLE}", "-f", "r.json", "-n", env=keys)
    assert error_of(done.err) == "r.json:1:60: messages[0].partial belongs to turns of the assistant only"


def test_rows_that_were_begun(glm, cwd, keys) -> None:
    """Of a batch: rows of ours and lines of OpenAI's form, judged as a question is, and sent with what they began."""
    rows = [
        {"id": "ours", "messages": BEGUN},
        {"custom_id": "theirs", "body": {"messages": BEGUN}},
        {"custom_id": "unable", "body": {"model": "glm-5", "messages": BEGUN}},
        {"custom_id": "followed", "body": {"messages": [*BEGUN, {"role": "user", "content": "go"}]}},
        {"custom_id": "searches", "body": {"model": "glm-5", "messages": BEGUN[:1], "tools": [SEARCH]}},
    ]
    (cwd / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Server(answer("two"), answer("two")) as server:
        words = ("-O", "out.jsonl", "--no-think", "--base-url", server.url, "-j", "1")
        done = glm("batch", "run", "in.jsonl", *words, env=keys | {"GLM_MODEL": f"modelstudio/{ABLE}"})
        assert done.code == 15, done.err
        assert [request.json["messages"] for request in server.requests] == [list(BEGUN)] * 2
    errors = {}
    for line in (cwd / "out.jsonl").read_text().splitlines():
        row = json.loads(line)
        errors[row["id"]] = row["error"] and row["error"]["message"]
    assert errors == {
        "ours": None,
        "theirs": None,
        "unable": "in.jsonl:3: glm-5 at modelstudio does not go on with an answer that was begun (partial)",
        "followed": "in.jsonl:4: partial: the model goes on with the last message only, and others follow this one",
        "searches": "in.jsonl:5: glm-5 at modelstudio does not search the web",
    }


def test_pieces_of_calls_that_nobody_asked_for_are_said() -> None:
    said = f"tool_stream is sent unasked: the arguments of calls come in pieces ({WITHOUT})"
    assert details_of("zai", asked("glm-5", tools=(WEATHER,))) == [said]
    for fields in ({"tool_stream": True}, {"tool_stream": False}, {"stream": False}):
        assert details_of("zai", asked("glm-5", tools=(WEATHER,), **fields)) == []
    assert details_of("zai", asked("glm-4.5", tools=(WEATHER,))) == []


# --- substitutes ---


def test_what_is_gone_is_no_substitute() -> None:
    gone = {
        f"{row}/{model}"
        for row, provider in PROVIDERS.items()
        for model in provider.model_names
        if {"delisted", "unlisted"} & set((provider.facts(model) or {}).get("status", ()))
    }
    assert {"tokenhub/glm-5v-turbo", "zai/glm-5v-turbo", "modelstudio/glm-4.7"} <= gone
    for row, provider in PROVIDERS.items():
        able = provider.models_where(lambda facts: facts is not None)
        assert {f"{row}/{model}" for model in able} & gone == set()
    said, fix = objected("zai", asked("glm-5", PICTURE))[0]
    assert (said, "glm-5v-turbo" in fix) == ("glm-5 at zai reads text only", False)


# --- guesses ---


@pytest.mark.parametrize(
    ("word", "guess"),
    [
        ("GLM-5", "glm-5"),
        ("Glm-5.2", "glm-5.2"),
        ("zhipu/glm-5", "ZHIPU/GLM-5"),
        ("glm5", "glm-5"),
        ("gml-5.2", "glm-5.2"),
        ("glm-5.2-falsh", "glm-5.3-flash"),
        ("glm-99", None),
        ("glm-99v", None),
        ("gpt-4", None),
        ("gl", None),
        ("", None),
        ("g" * 1_000_000, None),
    ],
)
def test_a_guess_is_close(word, guess) -> None:
    assert closest(word, ("ZHIPU/GLM-5", "glm-5.3-flash", "glm-5.2", "glm-5", "glm-4.6v")) == guess


@pytest.mark.parametrize(
    ("arguments", "guess"),
    [
        (("bigmodel/GLM-5",), " (did you mean bigmodel/glm-5?)"),
        (("modelstudio/zhipu/GLM-5",), " (did you mean modelstudio/ZHIPU/GLM-5?)"),
        (("zai/glm-99",), ""),
        (("zai/glm-46v",), " (did you mean zai/glm-4.6v?)"),
        (("zai/'glm-5 '",), " (did you mean zai/glm-5?)"),
    ],
)
def test_an_unknown_model_is_guessed_with_its_provider(glm, arguments, guess) -> None:
    row, _, model = arguments[0].partition("/")
    done = glm("ask", "-m", f"{row}/{model.strip(chr(39))}", "-n", "hi")
    assert done.err == f"glm: {model} at {row} is not in the catalogue: its limits are not checked{guess}\n"


@pytest.mark.parametrize("model", ["bigmodel/glm-5v-turbo", "tokenhub/glm-5.2"])
def test_a_provider_in_a_model_behind_its_flag_is_said(glm, model) -> None:
    """A fix says `-m bigmodel/glm-5v-turbo`, and -P is still there."""
    done = glm("ask", "-P", "tokenhub", "-m", model, "-n", "hi")
    who = model.partition("/")[0]
    said = f"(behind -P the whole of it is the model's name: leave -P out to ask {who})"
    assert done.err == f"glm: {model} at tokenhub is not in the catalogue: its limits are not checked {said}\n"
    assert json.loads(done.out)["body"]["model"] == model


def test_the_guess_takes_what_is_sent() -> None:
    said = "glm-46v at zai is not in the catalogue: its limits are not checked (did you mean zai/glm-4.6v?)"
    assert said in remarked("zai", asked("glm-46v", PICTURE))
    assert remarked("zai", asked("glm-99v", PICTURE))[0].endswith("its limits are not checked")


def test_what_is_said_of_lines_is_said_once(glm, cwd, keys) -> None:
    """What -v says of a question is said of the lines of a batch too, and what is remarked of bodies, of other rows."""
    function = {"type": "function", "function": {"name": "t", "parameters": {"type": "object"}}}
    body = {"messages": BEGUN[:1], "tools": [function], "reasoning_effort": "low", "max_tokens": 9}
    (cwd / "in.jsonl").write_text("".join(json.dumps({"custom_id": name, "body": body}) + "\n" for name in "abc"))
    (cwd / "begun.jsonl").write_text("".join(json.dumps({"id": name, "messages": BEGUN}) + "\n" for name in "abc"))
    with Server(*[answer()] * 3) as server:
        words = ("--base-url", server.url, "-O", "out.jsonl", "-v", "-j", "1", "-m")
        done = glm("batch", "run", "in.jsonl", *words, "zai/glm-5.2", env=keys)
    assert done.code == 0, done.err
    assert [request.json["tool_stream"] for request in server.requests] == [True] * 3
    unasked = f"glm: tool_stream is sent unasked: the arguments of calls come in pieces ({WITHOUT})\n"
    assert done.err.count(unasked) == done.err.count("glm: --effort low counts as high at zai\n") == 1
    with Server(*[answer()] * 3) as server:
        words = ("--base-url", server.url, "-O", "2.jsonl", "-j", "1", "-m")
        done = glm("batch", "run", "begun.jsonl", *words, f"modelstudio/{ABLE}", env=keys)
    assert done.code == 0, done.err
    assert (
        done.err.count("going on with an answer (partial) is documented without thinking only; add --no-think\n") == 1
    )


def test_a_line_says_itself_whether_calls_come_in_pieces(glm, cwd, keys) -> None:
    """Where the API has the field, as BigModel's lines do; elsewhere it is passed on as any other."""
    function = {"type": "function", "function": {"name": "t", "parameters": {"type": "object"}}}
    for row, fields, expected in (
        ("zai", {"tool_stream": True}, True),
        ("zai", {"tool_stream": False}, None),
        ("zai", {}, True),
        ("vllm", {"tool_stream": True}, True),
        ("vllm", {}, None),
    ):
        body = {"messages": BEGUN[:1], "tools": [function], **fields}
        (cwd / "in.jsonl").write_text(json.dumps({"custom_id": "a", "body": body}) + "\n")
        done = glm("batch", "run", "in.jsonl", "-P", row, "-m", "glm-5", "-n", env=keys)
        assert (done.code, done.err) == (0, "")
        assert json.loads(done.out)["body"].get("tool_stream") == expected
    (cwd / "r.yaml").write_text("tool_stream: false\n")
    done = glm("batch", "run", "in.jsonl", "-m", "zai/glm-5", "-f", "r.yaml", "-n", "-v", env=keys)
    assert "tool_stream" not in done.text + done.err
