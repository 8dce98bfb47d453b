"""`glm sandbox` as a program that other programs talk to: its flags, the replies that it is given, its faults."""

from __future__ import annotations

import http.client
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from processes import error_of, read_until, running
from program import CANARY

from glmcli.commands.fault_codes import mapped_codes
from glmcli.providers.codes import BY_STATUS
from glmcli.providers.table import PROVIDERS
from glmcli.sandbox import PREFIXES, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from program import Completed

KEYS = {name: CANARY for row in PROVIDERS.values() for name in row.key_variables}
TOOLS = """
tools:
  - name: look_up
    description: Look a city up.
    run: [echo, "21 degrees"]
    approve: auto
    parameters: {type: object, properties: {city: {type: string}}, required: [city]}
"""


class Served:
    """`glm sandbox` while it runs, and the program as its client."""

    def __init__(self, port: int, glm: Callable[..., Completed]) -> None:
        self.port, self._glm = port, glm

    def url(self, provider: str) -> str:
        return f"http://127.0.0.1:{self.port}{PREFIXES[provider]}"

    def glm(self, command: str, provider: str, *arguments: str) -> Completed:
        place = ("-P", provider, "-m", "glm-5", "--base-url", self.url(provider))
        return self._glm(*command.split(), *place, "--retries", "0", *arguments, "hi", env=KEYS)

    def post(self, provider: str, **fields: Any) -> tuple[int, bytes]:
        made = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = {"model": "glm-5", "messages": [{"role": "user", "content": "hi"}], **fields}
        made.request("POST", f"{PREFIXES[provider]}/chat/completions", json.dumps(body), {"Authorization": "Bearer k"})
        response = made.getresponse()
        answered = response.status, response.read()
        made.close()
        return answered


@pytest.fixture
def serve(home, cwd, glm) -> Callable[..., Any]:
    @contextmanager
    def served(*arguments: str, stdin: Any = None) -> Iterator[Served]:
        more = {} if stdin is None else {"stdin": stdin}
        with running(home, cwd, "sandbox", *arguments, **more) as process:
            said = read_until(process.stdout, b"\nsandbox\t")
            yield Served(int(said.split(b"127.0.0.1:")[1].partition(b"/")[0]), glm)

    return served


# -- replies

DIALECTS = ("zai", "modelstudio", "dashscope", "vllm", "ollama", "llamacpp", "sglang", "tokenhub", "openai")


@pytest.mark.parametrize("command", ["ask", "ask --no-stream"])
def test_a_text_is_the_answer_at_every_provider(serve, command) -> None:
    with serve("--reply", "Grüß\tdich\n\n  dort") as served:
        for provider in DIALECTS:
            done = served.glm(command, provider, "--exact")
            assert (done.code, done.text) == (0, "Grüß\tdich\n\n  dort"), provider


def test_replies_are_given_in_turn_and_the_last_one_again(serve, cwd: Path) -> None:
    (cwd / "more.yaml").write_text("- two\n- answer: three\n")
    (cwd / "last").write_text('{"value": {"n": [4, "ü"]}}')
    with serve("--reply", "one", "--reply", "more.yaml", "--reply", "@last") as served:
        said = [served.glm("ask", "zai").text for _ in range(5)]
    assert said == ["one\n", "two\n", "three\n", '{"n": [4, "ü"]}\n', '{"n": [4, "ü"]}\n']


@pytest.mark.parametrize("text", ["a" * 5000, "work/", ".", "yes/no", '{"a": 1}', "one\ntwo"])
def test_a_text_that_is_no_file(serve, cwd: Path, text) -> None:
    (cwd / "work").mkdir()
    with serve("--reply", text) as served:
        assert json.loads(served.post("openai")[1])["choices"][0]["message"]["content"] == text


def test_a_script_is_sent_to_the_sandbox_by_its_environment(serve, glm) -> None:
    with serve("--reply", "for the script") as served:
        env = {"GLM_PROVIDER": "zai", "GLM_BASE_URL": served.url("zai"), "ZAI_API_KEY": "none"}
        assert glm("ask", "-R", "hi", env=env).text == "for the script\n"


def test_replies_come_from_a_pipe(serve, cwd: Path) -> None:
    (cwd / "replies.json").write_text('["from a pipe"]')
    with (cwd / "replies.json").open() as source, serve("--reply", "-", stdin=source) as served:
        assert served.glm("ask", "zai").text == "from a pipe\n"


FULL = """
reasoning: I think.
answer: It is 21 degrees.
finish_reason: stop
usage: {input_tokens: 100, output_tokens: 50, reasoning_tokens: 20, cached_tokens: 7}
piece_size: 4
"""


@pytest.mark.parametrize("command", ["ask", "ask --no-stream"])
@pytest.mark.parametrize("provider", ["sandbox", "modelstudio", "dashscope", "vllm"])
def test_thinking_answer_and_usage_are_those_of_the_file(serve, cwd: Path, provider, command) -> None:
    (cwd / "reply.yaml").write_text(FULL)
    with serve("--reply", "reply.yaml") as served:
        reply = json.loads(served.glm(command, provider, "--json", "--think").out)
    assert (reply["reasoning"], reply["answer"], reply["finish_reason"]) == ("I think.", "It is 21 degrees.", "stop")
    assert reply["usage"] == {
        "input_tokens": 100,
        "output_tokens": 50,
        "reasoning_tokens": 20,
        "cached_tokens": 7,
        "total_tokens": 150,
    }


def test_pieces_have_the_size_that_is_asked_for(serve, cwd: Path) -> None:
    (cwd / "reply.yaml").write_text(FULL)
    with serve("--reply", "reply.yaml") as served:
        events = [json.loads(line) for line in served.glm("stream", "vllm", "--jsonl").text.splitlines()]
    texts = [event["text"] for event in events if event["type"] == "answer"]
    assert "".join(texts) == "It is 21 degrees."
    assert {len(text) for text in texts[:-1]} <= {4, 8, 12, 16}


CALL = """
- tool_calls: [{name: look_up, arguments: {city: Rom}}]
- It is 21 degrees in Rome.
"""


@pytest.mark.parametrize("flag", ["--no-stream", "--stream"])
def test_a_call_and_then_a_text_at_every_provider(serve, cwd: Path, flag) -> None:
    (cwd / "replies.yaml").write_text(CALL * len(DIALECTS))
    (cwd / "tools.yaml").write_text(TOOLS)
    with serve("--reply", "replies.yaml") as served:
        for provider in DIALECTS:
            done = served.glm("tools run", provider, "--tools", "tools.yaml", "--yes", flag)
            assert (done.code, done.text) == (0, "It is 21 degrees in Rome.\n"), done.err


def test_a_call_keeps_its_id_and_arguments_that_are_no_json(serve, cwd: Path) -> None:
    (cwd / "reply.json").write_text(
        '{"tool_calls": [{"id": "c1", "name": "f", "arguments": "{\\"a\\": "}, {"name": "g"}]}'
    )
    with serve("--reply", "reply.json") as served:
        calls = json.loads(served.post("openai")[1])["choices"][0]["message"]["tool_calls"]
        done = served.glm("ask", "openai", "--json")
    assert [(call["id"], call["function"]) for call in calls] == [
        ("c1", {"name": "f", "arguments": '{"a": '}),
        ("call_000000000000000100000001", {"name": "g", "arguments": "{}"}),
    ]
    assert done.code == 10


SOURCES = """
- answer: It rains [ref_1].
  sources:
  - {title: Weather, link: "https://weather.example/", site: W, date: 2026-11-30, text: Rain.}
  - {ref: "7", link: "https://rain.example/"}
- answer: Nobody knows.
  sources: []
- sources: [{title: Mine}]
"""


@pytest.mark.parametrize("command", ["ask", "ask --no-stream"])
def test_sources_are_those_of_the_file(serve, cwd: Path, command) -> None:
    (cwd / "replies.yaml").write_text(SOURCES.replace("2026-11-30", '"2026-11-30"'))
    with serve("--reply", "replies.yaml") as served:
        listed = served.glm(command, "bigmodel", "-R")
        nothing, own = (json.loads(served.glm(command, "zai", "--json").out) for _ in range(2))
        elsewhere = json.loads(served.glm(command, "vllm", "--json").out)
    assert listed.text == "It rains [ref_1].\n"
    assert listed.err == "[ref_1] Weather — https://weather.example/ (2026-11-30)\n[7] https://rain.example/\n"
    assert nothing["sources"] == []
    assert [source["title"] for source in own["sources"]] == ["Mine"]
    assert own["answer"] == 'This is the glm sandbox, not a model. You asked glm-5: "hi"'
    assert elsewhere["sources"] is None


SEARCH = {"type": "web_search", "web_search": {"enable": True}}
# How the tool differs -> how many pages are told of; None: the reply says nothing of a search.
SEARCHES = [({}, 2), ({"count": 5}, 5), ({"count": 51}, 2), ({"search_result": False}, None), ({"enable": False}, None)]


@pytest.mark.parametrize("flag", [(), ("--no-stream",)])
def test_a_web_search_finds_what_is_said_to_be_made_up(glm, cwd: Path, flag) -> None:
    for changes, count in SEARCHES:
        tool = SEARCH | {"web_search": SEARCH["web_search"] | changes}
        (cwd / "r.json").write_text(json.dumps({"server_tools": [tool], "prompt": "hi"}))
        reply = json.loads(glm("ask", "-m", "sandbox/glm-5", "-f", "r.json", "--json", *flag).out)
        found = reply["sources"]
        assert (found and len(found)) == count
        assert reply["answer"].endswith(' "hi" [ref_1]') == (changes != {"enable": False})
        for source in found or ():
            assert source["title"].endswith("of the glm sandbox, which searches nothing")
    (cwd / "r.json").write_text(json.dumps({"server_tools": [SEARCH], "prompt": "hi"}))
    cut = glm("ask", "-m", "sandbox/glm-5", "-f", "r.json", "--no-think", "--max-tokens", "3", "--json", *flag)
    assert (cut.code, json.loads(cut.out)["sources"]) == (7, None)


FAULTS = """
- {fault: 1305}
- {fault: cut, answer: "one two three four"}
- {fault: 429}
- {finish_reason: length, answer: half}
- {finish_reason: sensitive}
- {answer: ""}
- fine
"""


def test_faults_stand_among_replies(serve, cwd: Path) -> None:
    (cwd / "replies.yaml").write_text(FAULTS)
    with serve("--reply", "replies.yaml") as served:
        done = [served.glm("ask", "bigmodel", "--no-stream") for _ in range(7)]
    assert [each.code for each in done] == [5, 7, 5, 7, 8, 7, 0]
    assert "code 1305" in done[0].err
    assert "code 1302" in done[2].err


def test_what_is_refused_takes_no_reply(serve) -> None:
    with serve("--fault", "429:0.5", "--reply", "one", "--reply", "two") as served:
        assert served.post("bigmodel", model="gpt-4")[0] == 400
        assert served.post("bigmodel")[0] == 429
        assert b'"content":"one"' in served.post("bigmodel")[1]
        assert served.post("bigmodel")[0] == 429
        assert b'"content":"two"' in served.post("bigmodel")[1]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("r.yaml", "", "r.yaml:1:1: the document is empty; it must be a string, a mapping or a list"),
        ("r.yaml", "[]", "r.yaml:1:1: the document must not be empty"),
        ("r.yaml", "{}", "r.yaml:1:1: the document must not be empty"),
        ("r.yaml", "7", "r.yaml:1:1: the document must be a string, a mapping or a list, not a number (7)"),
        ("r.yaml", "- one\n- 2\n", "r.yaml:2:3: [1] must be"),
        ("r.yaml", "answer: a\nthinking: b\n", "r.yaml:2:1: unknown key 'thinking'"),
        ("r.json", '{"answer": 5}', "r.json:1:12: answer must be a string, not a number (5); quote it"),
        ("r.yaml", "answer: a\nvalue: 1\n", "r.yaml:1:1: the document may hold `answer` or `value`, not both"),
        ("r.yaml", "tool_calls: []", "r.yaml:1:13: tool_calls must not be empty"),
        ("r.yaml", "- tool_calls: [{arguments: {}}]", "r.yaml:1:16: [0].tool_calls[0]: needs 'name'"),
        ("r.yaml", "- a\n- {fault: cutt}", "r.yaml:2:11: unknown fault 'cutt'"),
        ("r.yaml", "fault: 399", "r.yaml:1:8: unknown fault '399'"),
        ("r.yaml", "fault: cut:2", "r.yaml:1:8: fault 'cut:2': the share must be a number from 0 to 1"),
        ("r.yaml", "latency: -1", "r.yaml:1:10: latency must be at least 0"),
        ("r.yaml", "piece_size: 0", "r.yaml:1:13: piece_size must be at least 1"),
        ("r.yaml", "sources: [{}]", "r.yaml:1:11: sources[0] must not be empty"),
        ("r.yaml", "sources: [{url: x}]", "r.yaml:1:12: sources[0]: unknown key 'url'"),
        ("r.yaml", "usage: {total_tokens: 1}", "r.yaml:1:9: usage: unknown key 'total_tokens'"),
        ("r.yaml", "usage: {input_tokens: -1}", "r.yaml:1:23: usage.input_tokens must be at least 0"),
        ("r.yaml", "a: [", "r.yaml:1:5"),
        ("r.json", '{"answer": "\ud83d"}', "r.json:"),
    ],
)
def test_a_file_of_replies_that_is_wrong_names_the_place(glm, cwd: Path, name, text, said) -> None:
    (cwd / name).write_bytes(text.encode(errors="surrogatepass"))
    done = glm("sandbox", "--reply", name)
    assert (done.code, done.out) == (2, b"")
    assert said in error_of(done.err)


def test_all_faults_of_a_file_are_named(glm, cwd: Path) -> None:
    (cwd / "r.yaml").write_text("- 1\n- answer: []\n- {a: b}\n")
    done = glm("sandbox", "--reply", "r.yaml")
    assert done.code == 2
    assert [f"r.yaml:{line}:" in done.err for line in (1, 2, 3)] == [True] * 3
    assert "(and 2 more)" in done.err


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("@none", "--reply: cannot read none: No such file or directory"),
        ("none.yaml", "--reply: cannot read none.yaml: No such file or directory"),
        ("@", "--reply: cannot read : No such file or directory"),
        ("", "--reply: the value is empty"),
    ],
)
def test_a_file_of_replies_that_is_missing(glm, value, said) -> None:
    done = glm("sandbox", "--reply", value)
    assert (done.code, done.out) == (2, b"")
    assert said in error_of(done.err)


# -- faults


def test_every_fault_is_listed_and_nothing_starts(glm) -> None:
    done = glm("sandbox", "--fault", "list")
    lines = [line.split("\t") for line in done.text.splitlines()]
    assert (done.code, done.err) == (0, "")
    assert ["cut", "the reply ends cleanly before its finish"] in lines
    assert ["529", "HTTP 529", "all"] in lines
    assert ["1302", "HTTP 429", "bigmodel zai modelstudio dashscope openai sandbox"] in lines
    assert ["Arrearage", "HTTP 400", "modelstudio dashscope"] in lines
    assert ["401002", "HTTP 401", "tokenhub"] in lines
    known = {line[0] for line in lines}
    assert known >= {str(status) for status in BY_STATUS}
    assert known >= {code for row in PROVIDERS.values() for code in (*row.codes.by_code, *row.codes.by_type)}


def wire(provider: str, kind: str, codes: Mapping[str, Mapping[str, int]] | None = None) -> tuple[int, dict[str, Any]]:
    """The status and the error of a fault at a provider."""
    with Sandbox(faults=(kind,), codes=codes or mapped_codes()) as box:
        made = http.client.HTTPConnection("127.0.0.1", box.port, timeout=30)
        path = "/services/aigc/text-generation/generation" if provider == "dashscope" else "/chat/completions"
        made.request("POST", PREFIXES[provider] + path, b'{"model":"glm-5"}', {"Authorization": "Bearer k"})
        response = made.getresponse()
        body = json.loads(response.read())
        made.close()
    error = body.get("error", body)
    return response.status, error if isinstance(error, dict) else {"message": error}


@pytest.mark.parametrize("provider", ["bigmodel", "zai", "modelstudio", "dashscope", "tokenhub", "openai"])
def test_every_code_that_we_map_comes_as_its_provider_sends_it(provider) -> None:
    """A code with two names comes under that of the address."""
    for code in PROVIDERS[provider].codes.by_code:
        status, error = wire(provider, code)
        assert status >= 400, code
        assert error["message"], code
        same = {code.lower().replace(".", "_"), error["code"].lower().replace(".", "_")}
        assert len(same) == 1 or provider in {"modelstudio", "dashscope"}, code


def test_a_code_that_the_sandbox_does_not_know_comes_where_it_is_mapped() -> None:
    codes = {"openai": {"brand_new": 402, "1113": 429}, "zai": {"9999": 403}, "vllm": {"brand_new": 402}}
    new = {"message": "Payment Required", "type": "brand_new", "param": None, "code": "brand_new"}
    assert wire("openai", "brand_new", codes) == (402, new)
    assert wire("vllm", "brand_new", codes) == (402, new | {"code": 402})
    assert wire("zai", "brand_new", codes) == (402, {"code": "402", "message": "HTTP 402"})
    assert wire("zai", "9999", codes) == (403, {"code": "9999", "message": "Forbidden"})
    code, words = "1113", "Insufficient balance or no resource package. Please recharge."
    passed_on = {"message": words, "type": "invalid_request_error", "param": None, "code": code}
    assert wire("openai", "1113", codes) == (429, passed_on)


@pytest.mark.parametrize("provider", PREFIXES)
def test_every_status_that_we_map_is_answered_by_every_provider(provider) -> None:
    for status in BY_STATUS:
        answered, error = wire(provider, str(status))
        assert (answered, bool(error["message"])) == (status, True)


@pytest.mark.parametrize(
    ("provider", "kind", "status", "words"),
    [
        ("zai", "1321", 429, "The limit of the company is reached."),
        ("modelstudio", "1113", 429, "Insufficient balance or no resource package. Please recharge."),
        ("modelstudio", "Throttling.BurstRate", 429, "Request rate increased too quickly."),
        ("dashscope", "limit_burst_rate", 429, "Request rate increased too quickly."),
        ("dashscope", "PostpaidBillOverdue", 429, "The postpaid bill is overdue."),
        ("tokenhub", "content_filter", 451, "input moderation rejected"),
        (
            "openai",
            "insufficient_quota",
            429,
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        ("openai", "overloaded_error", 529, "HTTP 529"),
        (
            "vllm",
            "context_length_exceeded",
            400,
            (
                "This model's maximum context length is 202752 tokens. However, your prompt contains at least 202753 "
                "input tokens, for a total of at least 202754 tokens."
            ),
        ),
        ("vllm", "model_not_found", 404, "Not Found"),
        (
            "llamacpp",
            "exceed_context_size_error",
            400,
            "request (12005 tokens) exceeds the available context size (2048 tokens), try increasing it",
        ),
    ],
)
def test_the_words_of_a_code(provider, kind, status, words) -> None:
    answered, error = wire(provider, kind)
    assert (answered, error["message"]) == (status, words)


@pytest.mark.parametrize(
    ("provider", "kind", "code"),
    [
        ("bigmodel", "1005", 3),
        ("bigmodel", "1320", 4),
        ("modelstudio", "IPInfringementSuspect", 8),
        ("dashscope", "CommodityNotPurchased", 4),
        ("tokenhub", "401002", 3),
        ("openai", "context_length_exceeded", 7),
        ("vllm", "exceed_context_size_error", 7),
        ("ollama", "529", 5),
    ],
)
def test_the_program_ends_as_the_code_means(serve, provider, kind, code) -> None:
    with serve("--fault", kind) as served:
        assert served.glm("ask", provider).code == code


# -- the port


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ("99999", "--port: 99999 is more than 65535"),
        ("65536", "--port: 65536 is more than 65535"),
        ("-1", "--port: -1 is less than 0"),
        ("http", "--port: 'http' is not a whole number"),
        ("", "--port: '' is not a whole number"),
        ("8_0", "--port: '8_0' is not a whole number"),
    ],
)
def test_a_port_that_is_none(glm, port, said) -> None:
    done = glm("sandbox", "--port", port)
    assert (done.code, done.out) == (2, b"")
    assert said in error_of(done.err)
