"""What goes out: method, path, headers and body of every row, compared whole, as a server on loopback received them."""

from __future__ import annotations

import json

import pytest
from program import CANARY
from provider_rows import ROWS, WITH_KEY
from scripted_server import Server, answer, event, reply

from glmcli import __version__
from glmcli.chat.messages import Function, Media, Message, Request
from glmcli.config import checks
from glmcli.providers.row import Api, ThinkingSwitch
from glmcli.providers.table import PROVIDERS, dialect_of

ASKED = [{"role": "user", "content": "Who are you"}]
USAGE = {"include_usage": True}

# Section 6 of the contract, a row each.
BODIES = {
    "bigmodel": {"model": "glm-5", "messages": ASKED, "thinking": {"type": "enabled"}, "stream": True},
    "zai": {"model": "glm-5", "messages": ASKED, "thinking": {"type": "enabled"}, "stream": True},
    "modelstudio": {"model": "glm-5", "messages": ASKED, "stream": True, "stream_options": USAGE},
    "dashscope": {
        "model": "glm-5",
        "input": {"messages": ASKED},
        "parameters": {"result_format": "message", "incremental_output": True},
    },
    "tokenhub": {
        "model": "glm-5",
        "messages": ASKED,
        "thinking": {"type": "enabled"},
        "stream": True,
        "stream_options": USAGE,
    },
    "vllm": {"model": "glm-5", "messages": ASKED, "stream": True, "stream_options": USAGE},
    "sglang": {"model": "glm-5", "messages": ASKED, "stream": True, "stream_options": USAGE},
    "llamacpp": {"model": "glm-5", "messages": ASKED, "stream": True, "stream_options": USAGE},
    "ollama": {"model": "glm-5", "messages": ASKED, "stream": True, "stream_options": USAGE},
    "openai": {"model": "glm-5", "messages": ASKED, "stream": True, "stream_options": USAGE},
}
WHOLE_BODIES = {
    "bigmodel": {"model": "glm-5", "messages": ASKED, "thinking": {"type": "enabled"}},
    "zai": {"model": "glm-5", "messages": ASKED, "thinking": {"type": "enabled"}},
    "modelstudio": {"model": "glm-5", "messages": ASKED},
    "dashscope": {"model": "glm-5", "input": {"messages": ASKED}, "parameters": {"result_format": "message"}},
    "tokenhub": {"model": "glm-5", "messages": ASKED, "thinking": {"type": "enabled"}},
    "vllm": {"model": "glm-5", "messages": ASKED},
    "sglang": {"model": "glm-5", "messages": ASKED},
    "llamacpp": {"model": "glm-5", "messages": ASKED},
    "ollama": {"model": "glm-5", "messages": ASKED},
    "openai": {"model": "glm-5", "messages": ASKED},
}
PATHS = dict.fromkeys(ROWS, "/v1/chat/completions") | {"dashscope": "/v1/services/aigc/text-generation/generation"}

NATIVE_EVENT = {"output": {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}, "request_id": "r"}
NATIVE = reply(200, event(NATIVE_EVENT).decode(), content_type="text/event-stream")
NATIVE_WHOLE = reply(200, {"output": {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}})
OPENAI_WHOLE = reply(200, {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]})


def script(row, *, streamed=True):
    if row == "dashscope":
        return NATIVE if streamed else NATIVE_WHOLE
    return answer() if streamed else OPENAI_WHOLE


def ask(glm, keys, row, *flags, model="glm-5", streamed=True, **options):
    """What one `glm ask` sent, and how it ended."""
    with Server(script(row, streamed=streamed)) as server:
        done = glm("ask", "-P", row, "-m", model, "--base-url", server.url, *flags, "Who are you", env=keys, **options)
    return done, server


def sent(glm, keys, row, *flags, **options):
    """The body of the one request of an ask that succeeds."""
    done, server = ask(glm, keys, row, *flags, **options)
    assert (done.code, done.out) == (0, b"Hello\n"), done.err
    assert len(server.requests) == 1
    return server.requests[0].json


def refused(glm, keys, row, *flags, **options):
    """The words of an ask that ends with 2 before a byte is sent."""
    done, server = ask(glm, keys, row, *flags, **options)
    assert (done.code, done.out) == (2, b""), done.err
    assert server.requests == []
    assert done.err.startswith("glm: error: ")
    return done.err


def body(row, fields, *, model="glm-5"):
    """The typed-out body of this row with these parameters besides."""
    base = BODIES[row] | {"model": model}
    if row == "dashscope":
        return base | {"parameters": base["parameters"] | fields}
    return base | fields


# --- the request, whole ---


@pytest.mark.parametrize("row", ROWS)
def test_streamed(glm, keys, row) -> None:
    done, server = ask(glm, keys, row)
    assert (done.code, done.out) == (0, b"Hello\n"), done.err
    assert len(server.requests) == 1
    request = server.requests[0]
    assert (request.method, request.path) == ("POST", PATHS[row])
    assert request.json == BODIES[row]
    headers = {
        "Host": f"127.0.0.1:{server.port}",
        "Content-Type": "application/json",
        "User-Agent": f"glm/{__version__}",
        "Accept": "text/event-stream",
        "Accept-Encoding": "identity",
        "Content-Length": str(len(request.body)),
    }
    if row in WITH_KEY:
        headers["Authorization"] = f"Bearer {CANARY}"
    if row in ("bigmodel", "zai"):
        headers["Accept-Language"] = "en-US,en"
    if row == "dashscope":
        headers["X-DashScope-SSE"] = "enable"
    assert sorted(request.headers) == sorted(headers.items())


@pytest.mark.parametrize("row", ROWS)
def test_whole(glm, keys, row) -> None:
    done, server = ask(glm, keys, row, "--no-stream", streamed=False)
    assert (done.code, done.out) == (0, b"Hello\n"), done.err
    assert len(server.requests) == 1
    request = server.requests[0]
    assert (request.method, request.path) == ("POST", PATHS[row])
    assert request.json == WHOLE_BODIES[row]
    headers = {
        "Host": f"127.0.0.1:{server.port}",
        "Content-Type": "application/json",
        "User-Agent": f"glm/{__version__}",
        "Content-Length": str(len(request.body)),
    }
    if row in WITH_KEY:
        headers["Authorization"] = f"Bearer {CANARY}"
    if row in ("bigmodel", "zai"):
        headers["Accept-Language"] = "en-US,en"
    assert sorted(request.headers) == sorted(headers.items())
    # Contract, section 6: with thinking on, a whole answer is asked for and warned about.
    warned = "thinking without a stream" in done.err
    assert warned == (row in ("modelstudio", "dashscope", "tokenhub"))


def test_stream_sends_what_ask_sends(glm, keys) -> None:
    with Server(answer()) as server:
        for command in ("ask", "stream"):
            assert glm(command, "-P", "zai", "--base-url", server.url, "Who are you", env=keys).code == 0
    assert server.requests[0] == server.requests[1]


def test_text_is_utf8_not_escapes(glm, keys) -> None:
    with Server(answer()) as server:
        glm("ask", "-P", "zai", "--base-url", server.url, "谁是 😀 \u2028", env=keys)
    assert '"content":"谁是 😀 \u2028"'.encode() in server.requests[0].body


def test_slash_after_the_base_url(glm, keys) -> None:
    with Server(answer()) as server:
        glm("ask", "-P", "zai", "--base-url", f"{server.url}/", "Who are you", env=keys)
    assert server.requests[0].path == "/v1/chat/completions"


def test_openai_base_url_from_the_environment(glm, keys) -> None:
    with Server(answer()) as server:
        done = glm("ask", "-P", "openai", "-m", "glm-5", "Who are you", env=keys | {"OPENAI_BASE_URL": server.url})
    assert (done.code, done.out) == (0, b"Hello\n"), done.err
    assert server.requests[0].path == "/v1/chat/completions"
    assert server.requests[0].json == BODIES["openai"]
    assert server.requests[0].header("Authorization") == f"Bearer {CANARY}"


def test_openai_without_an_address_is_a_usage_error(glm, keys) -> None:
    done = glm("ask", "-P", "openai", "-m", "glm-5", "Who are you", env=keys)
    assert done.code == 2
    assert "OPENAI_BASE_URL" in done.err


# --- thinking ---

NO_THINK = {
    "bigmodel": {"thinking": {"type": "disabled"}},
    "zai": {"thinking": {"type": "disabled"}},
    "modelstudio": {"enable_thinking": False},
    "dashscope": {"enable_thinking": False},
    "tokenhub": {"thinking": {"type": "disabled"}},
    "vllm": {"chat_template_kwargs": {"enable_thinking": False}},
    "sglang": {"chat_template_kwargs": {"enable_thinking": False}},
    "llamacpp": {"chat_template_kwargs": {"enable_thinking": False}},
    "ollama": {"reasoning_effort": "none"},
}
THINK = {
    "bigmodel": {"thinking": {"type": "enabled"}},
    "zai": {"thinking": {"type": "enabled"}},
    "modelstudio": {"enable_thinking": True},
    "dashscope": {"enable_thinking": True},
    "tokenhub": {"thinking": {"type": "enabled"}},
    "vllm": {"chat_template_kwargs": {"enable_thinking": True}},
    "sglang": {"chat_template_kwargs": {"enable_thinking": True}},
    "llamacpp": {"chat_template_kwargs": {"enable_thinking": True}},
    "ollama": {},  # it thinks unless told not to
}
EFFORT_MODELS = dict.fromkeys(("bigmodel", "zai", "modelstudio", "dashscope", "tokenhub"), "glm-5.2")


@pytest.mark.parametrize("row", NO_THINK)
def test_no_think(glm, keys, row) -> None:
    assert sent(glm, keys, row, "--no-think") == body(row, NO_THINK[row])


@pytest.mark.parametrize("row", THINK)
def test_think(glm, keys, row) -> None:
    assert sent(glm, keys, row, "--think") == body(row, THINK[row])


@pytest.mark.parametrize("row", THINK)
def test_effort_implies_thinking(glm, keys, row) -> None:
    model = EFFORT_MODELS.get(row, "glm-5")
    expected = body(row, THINK[row] | {"reasoning_effort": "max"}, model=model)
    assert sent(glm, keys, row, "--effort", "max", model=model) == expected


@pytest.mark.parametrize(
    ("think", "fields"),
    [(None, {}), (True, {"reasoning": {"enabled": True}}), (False, {"reasoning": {"enabled": False}})],
)
def test_a_thinking_switch_of_another_form_is_data(think, fields) -> None:
    """A row with one needs no code: the switch is sent, and --option may not name its field."""
    switch = ThinkingSwitch({"reasoning": {"enabled": True}}, {"reasoning": {"enabled": False}})
    row = PROVIDERS["vllm"].replace(api=Api(thinking=switch, usage_on_request=False))
    request = Request("glm-5", (Message("user", "Who are you"),), think=think, stream=False)
    assert dialect_of(row).encode(request, row).body == {"model": "glm-5", "messages": ASKED, **fields}
    named = request.replace(extra={"reasoning": {}})
    assert [error.fix for error in checks.contradictions(named, row)] == ["--think or --no-think"]


@pytest.mark.parametrize("flags", [("--think",), ("--no-think",), ("--effort", "max")])
def test_openai_has_no_thinking_switch(glm, keys, flags) -> None:
    assert "--option" in refused(glm, keys, "openai", *flags)
    assert "--option" in refused(glm, keys, "openai", *flags, "--force")


@pytest.mark.parametrize("row", ["bigmodel", "zai", "tokenhub"])
def test_effort_is_refused_for_models_without_one(glm, keys, row) -> None:
    assert "takes no effort" in refused(glm, keys, row, "--effort", "max")


@pytest.mark.parametrize(
    ("row", "model", "word"),
    [
        ("bigmodel", "glm-5.2", "lowest"),
        ("zai", "glm-5.3", "xhigh"),
        ("zai", "glm-5.3-flashx", "low"),
        ("modelstudio", "glm-5", "max"),
        ("dashscope", "glm-5.1", "max"),
        ("dashscope", "glm-5.3", "none"),
        ("modelstudio", "ZHIPU/GLM-5.3", "medium"),
        ("tokenhub", "glm-5.2", "off"),
        ("vllm", "glm-5", "ultra"),
        ("sglang", "glm-5", "off"),
        ("ollama", "glm-5", "off"),
    ],
)
def test_effort_words_of_the_model(glm, keys, row, model, word) -> None:
    assert f"does not know the effort '{word}'" in refused(glm, keys, row, "--effort", word, model=model)


def test_llamacpp_hands_any_effort_to_the_template(glm, keys) -> None:
    assert sent(glm, keys, "llamacpp", "--effort", "fierce")["reasoning_effort"] == "fierce"


@pytest.mark.parametrize("row", ROWS)
def test_effort_with_no_think_contradicts_itself(glm, keys, row) -> None:
    model = EFFORT_MODELS.get(row, "glm-5")
    refused(glm, keys, row, "--effort", "max", "--no-think", "--force", model=model)


def test_a_budget_with_no_think_contradicts_itself() -> None:
    request = Request("glm-5", (Message("user", "Who are you"),), think=False, think_budget=9)
    said = [error.message for error in checks.contradictions(request, PROVIDERS["modelstudio"])]
    assert said == ["--think-budget asks for thinking, --no-think for none"]


# Without a switch: docs.z.ai and docs.bigmodel.cn chat references (2026-10-03); elsewhere as it was measured.
NO_EFFORT = {
    "bigmodel": ("glm-5.2", "minimal"),
    "zai": ("glm-5.2", "none"),
    "modelstudio": ("glm-5", "none"),
    "dashscope": ("glm-5.2", "none"),
    "vllm": ("glm-5", "none"),
    "sglang": ("glm-5", "none"),
    "llamacpp": ("glm-5", "none"),
    "ollama": ("glm-5", "none"),
}


@pytest.mark.parametrize("row", NO_EFFORT)
def test_an_effort_that_means_no_thinking_stands_alone(glm, keys, row) -> None:
    model, word = NO_EFFORT[row]
    expected = body(row, {"reasoning_effort": word}, model=model)
    if row in ("bigmodel", "zai"):
        del expected["thinking"]
    if row in ("vllm", "sglang", "llamacpp"):  # older builds ignore the word
        expected["chat_template_kwargs"] = {"enable_thinking": False}
    assert sent(glm, keys, row, "--effort", word, model=model) == expected
    for flags in (("--think",), ("--no-think",), ("--think-budget", "9")):
        assert "leave one of them out" in refused(glm, keys, row, "--effort", word, *flags, "--force", model=model)


# The words of a request file, the flags above it, and the fields that are sent. No flag takes an effort away.
ABOVE = [
    ("effort: high", ("--no-think",), {"enable_thinking": False}),
    ("effort: high\nthink_budget: 9", ("--no-think",), {"enable_thinking": False}),
    ("think: false", ("--effort", "high"), {"enable_thinking": True, "reasoning_effort": "high"}),
    ("think: false", ("--think-budget", "9"), {"thinking_budget": 9}),
    ("think: true\nthink_budget: 9", ("--effort", "none"), {"reasoning_effort": "none"}),
    ("effort: none", ("--think",), {"enable_thinking": True}),
    ("effort: high", ("--think",), {"enable_thinking": True, "reasoning_effort": "high"}),
    ("think: true", ("--effort", "low"), {"enable_thinking": True, "reasoning_effort": "low"}),
]


@pytest.mark.parametrize("case", ABOVE, ids=lambda case: f"{case[0]!r} {' '.join(case[1])}")
def test_a_flag_about_thinking_is_above_the_whole_file(glm, keys, cwd, case) -> None:
    text, flags, fields = case
    (cwd / "request.yaml").write_text(text + "\n")
    assert sent(glm, keys, "modelstudio", "-f", "request.yaml", *flags) == body("modelstudio", fields)


@pytest.mark.parametrize(
    "case",
    [
        ({"reasoning_effort": "high"}, ("--no-think",), "{}", {"enable_thinking": False}),
        ({"thinking_budget": 9}, ("--no-think",), "{}", {"enable_thinking": False}),
        ({"enable_thinking": False}, ("--effort", "high"), "{}", {"enable_thinking": True, "reasoning_effort": "high"}),
        ({"enable_thinking": False}, (), "effort: high", {"enable_thinking": False}),
        ({"reasoning_effort": "none"}, (), "effort: high", {"reasoning_effort": "none"}),
        ({"enable_thinking": True}, (), "effort: none", {"enable_thinking": True}),
    ],
)
def test_a_line_of_a_batch_is_between_flags_and_file(glm, keys, cwd, case) -> None:
    said, flags, text, fields = case
    (cwd / "request.yaml").write_text(text + "\n")
    (cwd / "in.jsonl").write_text(json.dumps({"custom_id": "a", "body": {"messages": ASKED, **said}}) + "\n")
    done = glm("batch", "run", "in.jsonl", "-m", "modelstudio/glm-5", "-f", "request.yaml", *flags, "-n", env=keys)
    assert done.code == 0, done.err
    assert json.loads(done.out)["body"] == body("modelstudio", fields)


def test_a_line_says_of_thinking_what_the_server_behind_it_takes(glm, keys, cwd) -> None:
    """Where no switch is known: there it is a field as any other, and OpenAI's own name of the effort is one."""
    said = {"reasoning_effort": "high", "enable_thinking": True, "thinking_budget": 9, "thinking": {"type": "auto"}}
    (cwd / "in.jsonl").write_text(json.dumps({"custom_id": "a", "body": {"messages": ASKED, **said}}) + "\n")
    at = ("-m", "openai/glm-5", "--base-url", "http://127.0.0.1:9/v1")
    done = glm("batch", "run", "in.jsonl", *at, "-n", env=keys)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["body"] == body("openai", said)


BUDGETS = {
    "modelstudio": "thinking_budget",
    "dashscope": "thinking_budget",
    "vllm": "thinking_token_budget",
    "llamacpp": "thinking_budget_tokens",
}


@pytest.mark.parametrize("row", ROWS)
def test_think_budget(glm, keys, row) -> None:
    flags = ("--think-budget", "100")
    if row in BUDGETS:
        assert sent(glm, keys, row, *flags) == body(row, {BUDGETS[row]: 100})
        return
    fixes = {"openai": "set the field of your server with --option"}
    fixes |= dict.fromkeys(("bigmodel", "zai", "tokenhub"), "use --max-tokens")  # glm-5 takes no effort there
    fix = fixes.get(row, "use --effort or --max-tokens")
    assert refused(glm, keys, row, *flags) == (
        f"glm: error: {row} has no thinking budget\n  fix: {fix} (--force sends it anyway)\n"
    )
    assert sent(glm, keys, row, *flags, "--force") == body(row, {"thinking_budget": 100})


# Questions that are refused, or remarked, and what is to be typed instead: the flags that go, and those that come.
JSON = ("-o", "response_format={type: json_object}", "-s", "JSON")
FOLLOWED = [
    ("modelstudio/glm-5", (*JSON, "--effort", "high"), "--no-think in place of --effort", ("--no-think", *JSON)),
    (
        "modelstudio/glm-5",
        (*JSON, "--effort", "high", "--think-budget", "9"),
        "--no-think in place of --effort and --think-budget",
        ("--no-think", *JSON),
    ),
    ("modelstudio/glm-5", (*JSON, "--think"), "--no-think (", (*JSON, "--think", "--no-think")),
    ("modelstudio/glm-5", ("--no-stream", "--effort", "high"), "add --no-think in place of --effort\n", None),
    ("modelstudio/glm-4.5", (*JSON, "--think-budget", "9"), "add --no-think in place of --think-budget\n", None),
    ("zai/glm-5", ("--think-budget", "9"), "use --max-tokens (", ("--max-tokens", "9")),
    ("zai/glm-5.2", ("--think-budget", "9"), "use --effort or --max-tokens (", ("--effort", "high")),
    ("zai/glm-5.2", ("--think-budget", "9", "--effort", "high"), "use --max-tokens (", ("--max-tokens", "9")),
    ("zai/glm-4-32b-0414-128k", ("--think-budget", "9"), "use --max-tokens (", ("--max-tokens", "9")),
    ("zai/glm-5", ("--think-budget", "9", "--max-tokens", "9"), "leave out --think-budget (", ("--max-tokens", "9")),
    ("openai/x", ("--no-think",), "as in -o reasoning_effort=none\n", ("-o", "reasoning_effort=none")),
    ("openai/x", ("--effort", "low"), "as in -o reasoning_effort=low\n", ("-o", "reasoning_effort=low")),
    ("zai/glm-5.2", ("--effort", "none", "--no-think"), "leave one of them out\n", ("--no-think",)),
]


@pytest.mark.parametrize("case", FOLLOWED, ids=lambda case: f"{case[0]} {' '.join(case[1])}")
def test_a_fix_can_be_followed(glm, keys, case) -> None:
    named, flags, fix, instead = case
    at = ("--base-url", "http://127.0.0.1:9/v1") if named.startswith("openai") else ()
    done = glm("ask", "-m", named, *at, *flags, "-n", "hi", env=keys)
    assert fix in done.err
    assert done.code == (0 if instead is None else 2)
    if instead:
        assert glm("ask", "-m", named, *at, *instead, "-n", "hi", env=keys).code == 0


def test_flags_that_say_the_same_are_not_said_to_contradict(glm, keys) -> None:
    said = refused(glm, keys, "zai", "--effort", "minimal", "--no-think", model="glm-5.2")
    assert said.startswith("glm: error: --effort minimal and --no-think ask for the same: no thinking\n")


def test_an_effort_that_may_not_stop_it_is_remarked(glm, keys) -> None:
    """At TokenHub one source alone says that the Flash pair cannot stop."""
    done, _ = ask(glm, keys, "tokenhub", "--effort", "none", model="glm-5.3-flash")
    assert "glm-5.3-flash at tokenhub may think all the same: " in done.err


def test_what_verbose_says_of_each_candidate_has_its_name(glm, keys) -> None:
    models = ("-m", "modelstudio/glm-5", "--fallback", "modelstudio/ZHIPU/GLM-5", "--fallback", "zai/glm-5")
    done = glm("ask", *models, "--max-tokens", "64", "-n", "-v", "hi", env=keys)
    sent_as = "glm: modelstudio/{}: --max-tokens is sent as {}: it caps "
    uncapped = "thinking is not capped at modelstudio (--think-budget)"
    assert [line for line in done.err.splitlines() if "--max-tokens" in line] == [
        f"{sent_as.format('glm-5', 'max_completion_tokens')}thinking and answer together, give or take 10 tokens",
        f"{sent_as.format('ZHIPU/GLM-5', 'max_tokens')}the answer only; {uncapped}",
    ]


@pytest.mark.parametrize(
    ("flags", "rest"),
    [
        ((), "; thinking is not capped at dashscope (--think-budget)"),
        (("--think-budget", "9"), "; --think-budget caps thinking"),
        (("--no-think",), ""),
        (("--effort", "none"), ""),
    ],
)
def test_what_is_uncapped(glm, keys, flags, rest) -> None:
    done, _ = ask(glm, keys, "dashscope", "--max-tokens", "64", "-v", *flags)
    assert f"glm: --max-tokens is sent as max_tokens: it caps the answer only{rest}\n" in done.err


@pytest.mark.parametrize("row", ["bigmodel", "zai", "dashscope"])
def test_the_newer_name_of_the_cap_where_no_page_has_it(glm, keys, cwd, row) -> None:
    said = f"glm: {row} does not document max_completion_tokens; it may have no effect\n"
    done, server = ask(glm, keys, row, "-o", "max_completion_tokens=9")
    assert (done.err, server.requests[0].json) == (said, body(row, {"max_completion_tokens": 9}))
    (cwd / "in.jsonl").write_text(
        json.dumps({"custom_id": "a", "body": {"messages": ASKED, "max_completion_tokens": 9}})
    )
    done = glm("batch", "run", "in.jsonl", "-P", row, "-m", "glm-5", "-n", env=keys)
    assert (done.code, done.err) == (0, said)


@pytest.mark.parametrize(
    ("named", "becomes", "able"),
    [
        ("bigmodel/glm-5.3", "refused", "bigmodel/glm-5.2, bigmodel/glm-5.1 or bigmodel/glm-5"),
        ("zai/glm-5.3", "refused", "zai/glm-5.2, zai/glm-5.1 or zai/glm-5"),
        ("modelstudio/glm-5.3", "ignored without a word", "modelstudio/glm-5.2, "),
        ("dashscope/glm-5.3", "ignored without a word", "dashscope/glm-5.2, "),
        ("modelstudio/ZHIPU/GLM-5.3", "refused", "modelstudio/glm-5.2, "),
        ("tokenhub/glm-5.3", "refused", "tokenhub/glm-5.2"),
    ],
)
def test_thinking_that_cannot_be_switched_off(glm, keys, named, becomes, able) -> None:
    row, _, model = named.partition("/")
    said = refused(glm, keys, row, "--no-think", model=model)
    assert said.startswith(
        f"glm: error: {model} at {row} always thinks: a request to stop is {becomes}\n"
        f"  fix: --effort low, the least that it takes; a model that can stop: -m {able}"
    )
    forced = sent(glm, keys, row, "--no-think", "--force", model=model)
    assert forced == body(row, NO_THINK[row], model=model)


def test_thinking_that_perhaps_cannot_be_switched_off(glm, keys) -> None:
    done, server = ask(glm, keys, "tokenhub", "--no-think", model="glm-5.3-flash")
    assert (done.code, done.out) == (0, b"Hello\n")
    assert done.err == (
        "glm: glm-5.3-flash at tokenhub may think all the same: that it cannot stop rests on one source, which is not "
        "the provider\n"
    )
    assert server.requests[0].json == body("tokenhub", NO_THINK["tokenhub"], model="glm-5.3-flash")


def test_thinking_is_not_sent_for_models_that_cannot_think(glm, keys) -> None:
    body = sent(glm, keys, "bigmodel", model="glm-4-flash-250414")
    assert body == {"model": "glm-4-flash-250414", "messages": ASKED, "stream": True}
    assert "has no thinking mode" in refused(glm, keys, "bigmodel", "--think", model="glm-4-flash-250414")


def test_an_unknown_model_is_asked_with_a_note(glm, keys) -> None:
    done, server = ask(glm, keys, "zai", model="glm-99")
    assert done.code == 0
    assert "glm-99 at zai is not in the catalogue: its limits are not checked" in done.err
    assert server.requests[0].json == {"model": "glm-99", "messages": ASKED, "stream": True}


# --- messages and parameters ---


@pytest.mark.parametrize("row", ROWS)
def test_system_is_a_first_message(glm, keys, row) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who are you"}]
    got = sent(glm, keys, row, "--system", "Be brief.")
    assert (got["input"] if row == "dashscope" else got)["messages"] == messages


SAMPLING = ("--temperature", "0.5", "--top-p", "0.9", "--max-tokens", "64", "--seed", "7", "--stop", "END")
SAMPLED = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 64, "seed": 7, "stop": ["END"]}


@pytest.mark.parametrize("row", ROWS)
def test_sampling(glm, keys, row) -> None:
    expected = body(row, SAMPLED)
    if row == "modelstudio":
        expected["max_completion_tokens"] = expected.pop("max_tokens")
    assert sent(glm, keys, row, *SAMPLING) == expected


# help.aliyun.com/zh/model-studio/qwen-api-via-openai-chat-completions (2026-11): GLM-5 and later, in that protocol.
CAPS = {
    "modelstudio/glm-5.3": "max_completion_tokens",
    "modelstudio/glm-5.2": "max_completion_tokens",
    "modelstudio/glm-5": "max_completion_tokens",
    "modelstudio/glm-4.5": "max_tokens",
    "modelstudio/ZHIPU/GLM-5": "max_tokens",
    "modelstudio/tomorrow": "max_tokens",
    "dashscope/glm-5": "max_tokens",
    "zai/glm-5": "max_tokens",
    "openai/glm-5": "max_tokens",
}


@pytest.mark.parametrize("named", CAPS)
def test_the_field_that_caps_what_the_user_expects(glm, keys, named) -> None:
    row, _, model = named.partition("/")
    done, server = ask(glm, keys, row, "--max-tokens", "64", "-v", model=model)
    assert server.requests[0].json == body(row, {CAPS[named]: 64}, model=model)
    said = [line for line in done.err.splitlines() if "--max-tokens" in line]
    of_all = (
        "glm: --max-tokens is sent as max_completion_tokens: it caps thinking and answer together, give or take 10 "
    )
    of_answer = "glm: --max-tokens is sent as max_tokens: it caps the answer only; thinking is not capped at "
    expected = {"modelstudio": f"{of_answer}{row} (--think-budget)", "dashscope": f"{of_answer}{row} (--think-budget)"}
    whole = f"{of_all}tokens" if CAPS[named] == "max_completion_tokens" else expected.get(row)
    assert said == ([whole] if whole else [])


def test_the_field_that_the_flag_does_not_send_is_an_option(glm, keys) -> None:
    got = sent(glm, keys, "modelstudio", "-o", "max_tokens=5")
    assert got == body("modelstudio", {"max_tokens": 5})
    got = sent(glm, keys, "modelstudio", "-o", "max_completion_tokens=5", model="glm-4.5")
    assert got == body("modelstudio", {"max_completion_tokens": 5}, model="glm-4.5")
    for flags in ((), ("--max-tokens", "5")):
        assert refused(glm, keys, "modelstudio", "-o", "max_completion_tokens=5", *flags) == (
            "glm: error: --option max_completion_tokens: this field has a flag of its own\n  fix: --max-tokens\n"
        )


def test_a_cap_of_all_is_judged_as_one(glm, keys) -> None:
    flags = ("--think-budget", "100", "--max-tokens")
    assert sent(glm, keys, "modelstudio", *flags, "101")["max_completion_tokens"] == 101
    assert refused(glm, keys, "modelstudio", *flags, "100") == (
        "glm: error: --max-tokens 100 counts thinking too at modelstudio: --think-budget 100 leaves nothing for the "
        "answer\n  fix: raise --max-tokens above the budget (--force sends it anyway)\n"
    )
    assert sent(glm, keys, "dashscope", *flags, "100")["parameters"]["max_tokens"] == 100
    # 32,768 of thinking and 16,384 of answer; of glm-5.3 it is not known how much it thinks.
    assert sent(glm, keys, "modelstudio", "--max-tokens", "49152")["max_completion_tokens"] == 49_152
    said = refused(glm, keys, "modelstudio", "--max-tokens", "49153")
    assert "--max-tokens 49153 is more than glm-5 at modelstudio thinks and writes\n  fix: at most 49152 (" in said
    assert sent(glm, keys, "modelstudio", "--max-tokens", "999999", model="glm-5.3")["max_completion_tokens"] == 999_999
    said = refused(glm, keys, "dashscope", "--max-tokens", "16385")
    assert "--max-tokens 16385 is more than glm-5 at dashscope writes\n  fix: at most 16384 (" in said


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (({"max_completion_tokens": 7},), {"max_completion_tokens": 7}),
        (({"max_tokens": 7},), {"max_completion_tokens": 7}),
        (({"max_tokens": 7, "max_completion_tokens": 9},), {"max_tokens": 7, "max_completion_tokens": 9}),
        (({"max_completion_tokens": 7}, "--max-tokens", "5"), {"max_completion_tokens": 5}),
    ],
)
def test_the_cap_of_a_line_of_a_batch(glm, keys, cwd, given, expected) -> None:
    fields, *flags = given
    (cwd / "in.jsonl").write_text(json.dumps({"custom_id": "a", "body": {"messages": ASKED, **fields}}) + "\n")
    with Server(answer()) as server:
        words = ("-O", "out.jsonl", "-m", "modelstudio/glm-5", "--base-url", server.url, *flags)
        done = glm("batch", "run", "in.jsonl", *words, env=keys)
    assert done.code == 0, done.err
    assert server.requests[0].json == body("modelstudio", expected)


PENALTIES = {"llamacpp": "repeat_penalty"}


@pytest.mark.parametrize("row", ROWS)
def test_top_k_and_repetition_penalty(glm, keys, row) -> None:
    flags = ("--top-k", "5", "--repetition-penalty", "1.1")
    fields = {"top_k": 5, PENALTIES.get(row, "repetition_penalty"): 1.1}
    if row in ("bigmodel", "zai", "tokenhub", "ollama"):
        assert refused(glm, keys, row, *flags[:2]) == (
            f"glm: error: glm-5 at {row} does not take top_k\n  fix: leave out --top-k (--force sends it anyway)\n"
        )
        assert f"glm-5 at {row} does not take repetition_penalty\n" in refused(glm, keys, row, *flags[2:])
        flags += ("--force",)
    assert sent(glm, keys, row, *flags) == body(row, fields)


def test_names_of_a_row_hold_in_every_form_of_a_request(glm, keys, cwd) -> None:
    """A request file and a row of one's own that is like it; what is shown is what is sent."""
    (cwd / "config.yaml").write_text("providers: {mine: {like: llamacpp}}")
    (cwd / "request.yaml").write_text("repetition_penalty: 1.1\nthink_budget: 9\n")
    env, flags = keys | {"GLM_CONFIG": "config.yaml"}, ("-f", "request.yaml")
    expected = body("llamacpp", {"repeat_penalty": 1.1, "thinking_budget_tokens": 9})
    assert sent(glm, env, "mine", *flags) == expected
    shown = glm("ask", "-P", "mine", "-m", "glm-5", *flags, "-n", "Who are you", env=env)
    assert json.loads(shown.out)["body"] == expected


def test_a_parameter_that_is_documented_by_halves(glm, keys) -> None:
    for row in ("bigmodel", "zai", "tokenhub"):
        done, server = ask(glm, keys, row, "--seed", "7")
        assert server.requests[0].json["seed"] == 7
        assert ("does not document seed; it may have no effect" in done.err) == (row != "tokenhub")


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("row", "flags"),
    [
        ("bigmodel", ("--temperature", "1.01")),
        ("zai", ("--top-p", "0")),
        ("modelstudio", ("--temperature", "2")),
        ("dashscope", ("--top-p", "0")),
        ("modelstudio", ("--seed", "-1")),
        ("modelstudio", ("--seed", "2147483648")),
        ("modelstudio", ("-o", "presence_penalty=3")),
        ("modelstudio", ("-o", "enable_search=true")),
        ("tokenhub", ("--temperature", "2.01")),
        ("vllm", ("--top-p", "0")),
        ("vllm", ("--temperature", "2.01")),
        ("vllm", ("--repetition-penalty", "0")),
        ("vllm", ("--seed", "9223372036854775808")),
        ("sglang", ("--top-p", "0")),
        ("sglang", ("--top-k", "0")),
        ("sglang", ("--repetition-penalty", "2.01")),
        ("llamacpp", ("--top-p", "1.01")),
        ("ollama", ("-o", "repeat_penalty=1.1")),
        ("ollama", ("-o", "min_p=0.1")),
        ("tokenhub", tuple(word for stop in "abcde" for word in ("--stop", stop))),
        ("zai", ("--max-tokens", "131073")),
        ("modelstudio", ("-o", "response_format={type: json_object}")),
        ("tokenhub", ("-o", "response_format={type: json_schema}")),
    ],
)
def test_values_that_are_known_to_be_refused(glm, keys, row, flags) -> None:
    refused(glm, keys, row, *flags)
    done, server = ask(glm, keys, row, *flags, "--force")
    assert done.code == 0
    assert len(server.requests) == 1
    assert "sent all the same" in done.err


@pytest.mark.parametrize(
    ("row", "flags", "fields"),
    [
        ("bigmodel", ("--temperature", "1"), {"temperature": 1.0}),
        ("tokenhub", ("--temperature", "2"), {"temperature": 2.0}),
        ("modelstudio", ("--temperature", "1.99"), {"temperature": 1.99}),
        ("dashscope", ("--seed", "2147483648"), {"seed": 2147483648}),
        ("vllm", ("--top-p", "1", "--top-k", "0"), {"top_p": 1.0, "top_k": 0}),
        (
            "sglang",
            ("--temperature", "2.5", "--repetition-penalty", "2"),
            {"temperature": 2.5, "repetition_penalty": 2.0},
        ),
        ("sglang", ("--top-k", "1"), {"top_k": 1}),
        ("llamacpp", ("--top-p", "0", "--top-k", "0"), {"top_p": 0.0, "top_k": 0}),
        ("zai", ("--stop", "a", "--stop", "b"), {"stop": ["a", "b"]}),
    ],
)
def test_values_at_the_edge_are_sent(glm, keys, row, flags, fields) -> None:
    assert sent(glm, keys, row, *flags) == body(row, fields)


def test_a_model_that_only_streams(glm, keys) -> None:
    assert "answers only as a stream" in refused(glm, keys, "modelstudio", "--no-stream", model="glm-4.5")


def test_parameters_that_one_model_refuses(glm, keys) -> None:
    assert "does not take top_k" in refused(glm, keys, "modelstudio", "--top-k", "1", model="ZHIPU/GLM-5.2")


# --- --option and server_tools ---

OPTIONS = ("-o", "user_id=abcdef", "-o", "count=010", "-o", "deep={a: [1, true, null, no], b: 1e2}")
FROM_OPTIONS = {"user_id": "abcdef", "count": 10, "deep": {"a": [1, True, None, "no"], "b": 100.0}}


@pytest.mark.parametrize("row", ROWS)
def test_option_stands_beside_the_parameters(glm, keys, row) -> None:
    assert sent(glm, keys, row, *OPTIONS) == body(row, FROM_OPTIONS)


RESERVED = {
    "bigmodel": ("thinking={type: enabled}", "reasoning_effort=max"),
    "zai": ("thinking={type: enabled}", "stop=x"),
    "modelstudio": ("enable_thinking=true", "thinking_budget=5", "stream_options={}"),
    "dashscope": ("result_format=text", "incremental_output=false", "enable_thinking=true"),
    "tokenhub": ("thinking={type: disabled}", "stream_options={}"),
    "vllm": ("reasoning_effort=low", "seed=1"),
    "sglang": ("stream=false",),
    "llamacpp": ("messages=[]",),
    "ollama": ("tools=[]",),
    "openai": ("temperature=1", "model=x", "max_tokens=1"),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("row", "option"), [(row, option) for row, some in RESERVED.items() for option in some])
def test_option_may_not_name_what_has_a_flag(glm, keys, row, option) -> None:
    said = refused(glm, keys, row, "-o", option, "--force")
    assert f"--option {option.partition('=')[0]}: this field has a flag of its own" in said


@pytest.mark.parametrize(
    ("row", "option", "flag"),
    [
        ("llamacpp", "repeat_penalty=1.1", "--repetition-penalty"),
        ("llamacpp", "repetition_penalty=1.1", "--repetition-penalty"),
        ("llamacpp", "thinking_budget_tokens=5", "--think-budget"),
        ("vllm", "thinking_token_budget=5", "--think-budget"),
        ("modelstudio", "thinking_budget=5", "--think-budget"),
    ],
)
def test_option_of_a_name_of_the_row(glm, keys, row, option, flag) -> None:
    said = refused(glm, keys, row, "-o", option)
    assert said == f"glm: error: --option {option.partition('=')[0]}: this field has a flag of its own\n  fix: {flag}\n"


def test_openai_takes_the_thinking_field_of_its_server(glm, keys) -> None:
    assert sent(glm, keys, "openai", "-o", "reasoning_effort=high") == body("openai", {"reasoning_effort": "high"})


def test_template_switches_keep_the_users_own(glm, keys) -> None:
    got = sent(glm, keys, "vllm", "--no-think", "-o", "chat_template_kwargs={add_generation_prompt: true}")
    assert got["chat_template_kwargs"] == {"add_generation_prompt": True, "enable_thinking": False}


@pytest.mark.parametrize("row", ROWS)
def test_server_tools_are_passed_as_they_are(glm, keys, cwd, row) -> None:
    tool = {"type": "web_search", "web_search": {"enable": True, "search_engine": "search_std", "count": 5}}
    (cwd / "request.json").write_text(json.dumps({"server_tools": [tool]}))
    flags = ("-f", "request.json")
    if row in ("modelstudio", "dashscope"):  # the cards of their models say that they do not search
        assert f"glm-5 at {row} does not search the web\n" in refused(glm, keys, row, *flags)
        flags += ("--force",)
    assert sent(glm, keys, row, *flags) == body(row, {"tools": [tool]})


@pytest.mark.parametrize("row", ROWS)
def test_earlier_reasoning_is_not_sent_back(glm, keys, cwd, row) -> None:
    turns = [
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": [{"type": "text", "text": "2"}], "reasoning": "SECRET"},
    ]
    (cwd / "request.json").write_text(json.dumps({"messages": turns}))
    got = sent(glm, keys, row, "-f", "request.json")
    assert (got["input"] if row == "dashscope" else got)["messages"] == [
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "Who are you"},
    ]


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", "1e999"])
def test_option_that_json_cannot_say(glm, keys, value) -> None:
    done, server = ask(glm, keys, "zai", "-o", f"x={value}")
    assert done.code == 2, done.err
    assert server.requests == []


# --- the law ---

SAMPLES = {
    "model": ["another"],
    "messages": [
        (Message("user", "another"),),
        (Message("system", "s"), Message("user", "Who are you")),
        (Message("user", "Who are you", parts=(Media("image", url="https://x.example/a.png"),)),),
        (Message("user", "Who are you", parts=(Media("image", data=b"x", type="image/png"),)),),
        (Message("user", "Who are you", parts=(Media("video", url="https://x.example/a.mp4"),)),),
        (Message("user", "Who are you", parts=(Media("file", url="https://x.example/a.pdf"),)),),
    ],
    "think": [True, False],
    "effort": ["max"],
    "think_budget": [100],
    "keep_thinking": [True, False],
    "temperature": [0.5],
    "top_p": [0.5],
    "top_k": [5],
    "repetition_penalty": [1.5],
    "max_tokens": [5],
    "seed": [5],
    "stop": [("a",), ("a", "b")],
    "tools": [(Function("f", "", {"type": "object"}),)],
    "tool_choice": ["auto", "none", "required", "f"],
    "tool_stream": [True, False],
    "server_tools": [({"type": "web_search"},)],
    "extra": [{"another": 5}],
    "stream": [False],
}
# Where the wish is what happens unasked, and the server has no word for it.
DEFAULTS = {("ollama", "think", True)}
# What the row sends unasked for a model that it knows.
EXPLICIT = {("bigmodel", "think", True), ("zai", "think", True), ("tokenhub", "think", True)}
STREAMS_CALLS = ("bigmodel", "zai", "modelstudio", "dashscope", "tokenhub")
# Whose models can be asked to read earlier reasoning; the others are sent none, so there is nothing to switch off.
KEEPS_THINKING = ("bigmodel", "zai")


@pytest.mark.parametrize("row", ROWS)
def test_every_field_reaches_the_wire_or_is_refused(row) -> None:
    provider = PROVIDERS[row].replace(base_url="http://127.0.0.1/v1")
    dialect = dialect_of(provider)
    plain = Request("glm-5", (Message("user", "Who are you"),))
    for field in Request.__match_args__:
        for value in SAMPLES[field]:
            if field.startswith("tool_"):
                plain = plain.replace(tools=SAMPLES["tools"][0])
            request = plain.replace(**{field: value})
            refusals = [*checks.contradictions(request, provider), *checks.objections(request, provider)]
            unsaid = (row, field, value) in DEFAULTS | EXPLICIT if field == "think" else False
            unsaid |= field == "tool_stream" and value is (row in STREAMS_CALLS)
            unsaid |= field == "keep_thinking" and value is False and row not in KEEPS_THINKING
            changed = dialect.encode(request, provider).body != dialect.encode(plain, provider).body
            assert refusals or changed or unsaid, f"{row}: {field}={value!r} is neither sent nor refused"
